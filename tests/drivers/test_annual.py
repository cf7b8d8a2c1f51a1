"""Statistics of calendar years."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.drivers.annual import Annual
from reco_core.errors import ConfigError, GridError
from reco_core.vocabulary.calendar import step_days, step_start

TIMES = (np.datetime64("2003-01", "M") + np.arange(36)).astype("datetime64[D]")


def series(seed=0, share=0.0):
    rng = np.random.default_rng(seed)
    values = rng.normal(5, 10, (36, 3, 2)).astype("float32")
    values[rng.random(values.shape) < share] = np.nan
    return values


def test_each_year_by_itself():
    """Least, largest and day-weighted mean of each year."""
    values = series()
    made = Annual(TIMES, "month", every_step=False)(values)
    parts = values.reshape(3, 12, 3, 2)
    weights = step_days(TIMES, "month").reshape(3, 12, 1, 1)
    np.testing.assert_allclose(made["min"], parts.min(axis=1))
    np.testing.assert_allclose(made["max"], parts.max(axis=1))
    np.testing.assert_allclose(made["mean"], (parts * weights).sum(axis=1) / weights.sum(axis=1), rtol=1e-5)
    assert set(Annual(TIMES, "month")(values, ["max"])) == {"max"}


def test_every_step_has_the_value_of_its_year():
    """Repeated statistics stand beside the series they were made from."""
    values, annual = series(share=0.05), Annual(TIMES, "month")
    once = Annual(TIMES, "month", every_step=False)(values)
    again = annual(values)
    assert np.array_equal(annual.times, TIMES) and annual.time_step == "month"
    for name, result in again.items():
        assert np.array_equal(result, once[name].repeat(12, axis=0), equal_nan=True)


def test_incomplete_years_are_missing():
    """A year with less than the least share of its steps has no statistics, nor has one that is cut off."""
    values = series()
    values[0:3, 0, 0] = np.nan
    made = Annual(TIMES[:30], "month", every_step=False)(values[:30])["min"]
    assert np.isnan(made[0, 0, 0]) and np.isfinite(made[0, 1]).all() and np.isnan(made[2]).all()
    loose = Annual(TIMES[:30], "month", every_step=False, least_share=0.4)(values[:30])["min"]
    assert np.isfinite(loose).all()


def test_composites_and_days():
    """8-day series of leap years have 46 steps in every year."""
    days = np.arange("2003-01-01", "2005-01-01", dtype="datetime64[D]")
    times = np.unique(step_start(days, "8day"))
    values = np.repeat([1.0, 2.0], 46)[:, None]
    assert np.array_equal(Annual(times, "8day")(values)["mean"], values.astype("float32"))


def test_years_have_no_years():
    """Annual series and unknown statistics are refused."""
    with pytest.raises(GridError, match="Annual drivers"):
        Annual(TIMES[::12], "year")
    with pytest.raises(ConfigError, match="no statistic 'sd'"):
        Annual(TIMES, "month")(series(), ["sd"])
