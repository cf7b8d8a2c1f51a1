"""Aggregation in time, beside pandas and xarray and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from reco_core.drivers.composite import Composite, composite, middle_days, plan
from reco_core.errors import ConfigError, GridError
from reco_core.vocabulary.calendar import step_days, step_start

RNG = np.random.default_rng(1)


def days(first, last):
    return np.arange(first, last, dtype="datetime64[D]")


def steps(first, last, time_step):
    return np.unique(step_start(days(first, last), time_step))


def gappy(shape, share=0.3):
    values = RNG.normal(10, 5, shape).astype("float32")
    values[RNG.random(shape) < share] = np.nan
    return values


@pytest.mark.parametrize("method", ["mean", "median", "min", "max"])
@pytest.mark.parametrize(("to", "rule"), [("month", "MS"), ("year", "YS")])
def test_daily_series_as_xarray(method, to, rule):
    """Days to months and years with gaps, over leap years, as xarray resamples them."""
    times = days("1999-03-05", "2001-11-20")
    values = gappy((times.size, 4, 3))
    ours = Composite(times, "day", to, least_share=0.0)
    array = xr.DataArray(values.astype("float64"), dims=("time", "y", "x"), coords={"time": times.astype("M8[ns]")})
    theirs = getattr(array.resample(time=rule), method)()
    assert np.array_equal(ours.times, theirs["time"].values.astype("M8[D]"))
    np.testing.assert_allclose(ours(values, method), theirs.values, rtol=1e-5)


def test_sums_are_totals_of_full_months():
    """A total is the sum of the days; with gaps the mean of the rest stands for them."""
    times = days("2000-01-01", "2000-04-01")
    values = RNG.gamma(1, 3, (times.size, 2)).astype("float32")
    theirs = pd.DataFrame(values.astype("float64"), index=times).resample("MS").sum()
    np.testing.assert_allclose(composite(values, "month", "sum", times=times), theirs.values, rtol=1e-6)
    values[5:15, 0] = np.nan
    expected = np.nanmean(values[:31, 0].astype("float64")) * 31
    assert composite(values, "month", "sum", times=times)[0, 0] == pytest.approx(expected, rel=1e-6)


def test_months_weigh_by_their_days():
    """The annual mean of months is that of their days, in leap years too."""
    times = steps("2003-01-01", "2005-01-01", "month")
    values = gappy((24, 5), 0.0)
    weights = step_days(times, "month")
    made = composite(values, "year", "mean", times=times, time_step="month")
    for row, part in zip(made, (slice(0, 12), slice(12, 24))):
        np.testing.assert_allclose(row, np.average(values[part], axis=0, weights=weights[part]), rtol=1e-6)


def test_middle_day_decides():
    """An 8-day composite belongs to the month of its fifth day; the last of a year is shorter."""
    times = steps("2004-01-01", "2005-01-01", "8day")
    assert times.size == 46 and step_days(times, "8day")[-1] == 6
    assert np.array_equal(middle_days(times, "8day")[:-1], times[:-1] + 4)
    assert str(middle_days(times, "8day")[-1]) == "2004-12-29"
    made = plan(times, "8day", "month")
    assert made.times.size == 12
    for month, first, last in zip(made.times, made.first, made.first[1:]):
        middles = (times + 4)[made.steps[first:last]]
        assert (middles.astype("M8[M]") == month.astype("M8[M]")).all()
    assert made.first[-1] == 46


def test_shares_split_by_days():
    """A composite that reaches into two months counts in both by its days; an even series stays even."""
    times = steps("2003-01-01", "2004-01-01", "8day")
    values = np.arange(46, dtype="float32")[:, None]
    per_day = np.repeat(values[:, 0], step_days(times, "8day").astype(int))
    expected = pd.Series(per_day, index=days("2003-01-01", "2004-01-01")).resample("MS").mean()
    made = composite(values, "month", "mean", times=times, time_step="8day", belongs="share", least_share=0.0)
    np.testing.assert_allclose(made[:, 0], expected.values, rtol=1e-6)
    total = composite(values, "month", "sum", times=times, time_step="8day", belongs="share")
    assert total.sum() == pytest.approx(per_day.sum(), rel=1e-6)


@pytest.mark.parametrize("year", ["2003", "2004"])
def test_leap_years_of_composites(year):
    """Products of days of the year fill each year: 46 steps of 8 days, 23 of 16, each pair of eights in a sixteen."""
    times = steps(f"{year}-01-01", f"{int(year) + 1}-01-01", "8day")
    made = plan(times, "8day", "16day")
    assert made.times.size == 23 and np.array_equal(np.diff(made.first), np.full(23, 2))
    assert np.array_equal(made.full, step_days(made.times, "16day"))
    whole = plan(days(f"{year}-01-01", f"{int(year) + 1}-01-01"), "day", "8day")
    assert np.array_equal(whole.times, times) and np.array_equal(whole.full, step_days(times, "8day"))


def test_median_of_an_even_count():
    """It is the mean of the two in the middle; missing values do not count."""
    values = np.array([5, 1, np.nan, 2, 9], dtype="float32")[:, None]
    assert composite(values, "month", "median", times=days("2001-01-01", "2001-01-06"), least_share=0)[0, 0] == 3.5


def test_long_medians():
    """Medians of more values than are sorted by insertion."""
    values = gappy((366, 3), 0.1)
    made = composite(values, "year", "median", times=days("2000-01-01", "2001-01-01"))
    np.testing.assert_allclose(made[0], np.nanmedian(values, axis=0), rtol=1e-6)


def test_most_frequent_class():
    """Classes are never mixed; of equally frequent ones the smallest counts."""
    codes = np.array([[4, 7], [4, 7], [12, 3], [np.nan, 3], [12, np.nan], [12, np.nan]], dtype="float32")
    made = composite(codes, "month", "majority", times=days("2001-01-01", "2001-01-07"), least_share=0.0)
    assert made.tolist() == [[12.0, 3.0]]


def test_least_share():
    """A month needs its share of all its days, also of those that the series does not have at its ends."""
    times = days("2001-01-20", "2001-03-10")
    values = np.ones((times.size, 1), dtype="float32")
    values[-6:] = np.nan
    made = [composite(values, "month", "mean", times=times, least_share=share)[:, 0] for share in (0.1, 0.2, 0.5, 1.0)]
    assert [np.isfinite(row).tolist() for row in made] == [
        [True, True, False], [True, True, False], [False, True, False], [False, True, False]]
    assert np.isnan(composite(np.full((31, 1), np.nan), "month", times=days("2001-01-01", "2001-02-01"),
                              least_share=0.0)).all()


def test_missing_time_steps_count_as_missing():
    """A composite that is not there at all is as missing as one without a value."""
    times = steps("2003-01-01", "2004-01-01", "8day")
    kept = np.r_[0, 4:46]  # only one of the four composites of January
    made = composite(np.ones((43, 1)), "month", times=times[kept], time_step="8day", least_share=0.3)
    assert np.isnan(made[0, 0]) and np.isfinite(made[1:]).all()


def test_years_without_data_are_left_out():
    """A series that jumps over years gives no results for them."""
    times = np.concatenate([steps("2001-01-01", "2002-01-01", "month"), steps("2005-01-01", "2006-01-01", "month")])
    assert [str(year) for year in Composite(times, "month", "year").times] == ["2001-01-01", "2005-01-01"]


@given(st.integers(0, 2000), st.integers(40, 500), st.sampled_from(["8day", "16day", "month", "year"]),
       st.sampled_from(["middle", "share"]), st.floats(-50, 50))
def test_an_even_series_stays_even(offset, count, to, belongs, value):
    """Whatever the dates, a constant stays the same under mean, median, extremes and class."""
    times = np.datetime64("1999-02-03") + offset + np.arange(count)
    made = Composite(times, "day", to, belongs=belongs, least_share=0.0)
    for method in ("mean", "median", "min", "max", "majority"):
        np.testing.assert_allclose(made(np.full((count, 2), value, "float32"), method), np.float32(value), rtol=1e-6)


@given(st.sampled_from(["day", "8day", "16day", "month"]), st.sampled_from(["8day", "16day", "month", "year"]),
       st.sampled_from(["middle", "share"]), st.integers(0, 1000))
def test_every_step_is_used_once(time_step, to, belongs, offset):
    """Each day of the series is in exactly one result, and no result has more than its full weight."""
    order = ("day", "8day", "16day", "month", "year")
    times = np.unique(step_start(np.datetime64("2001-01-01") + offset + np.arange(700), time_step))
    if order.index(to) <= order.index(time_step):
        with pytest.raises(GridError):
            plan(times, time_step, to, belongs)
        return
    made = plan(times, time_step, to, belongs)
    assert made.weights.sum() == step_days(times, time_step).sum()
    sums = np.add.reduceat(made.weights, made.first[:-1])
    assert (sums <= made.full + 1e-9).all() and (np.diff(made.times).astype(int) > 0).all()
    if belongs == "middle":
        assert sorted(made.steps.tolist()) == list(range(times.size))


def test_data_arrays_keep_their_order():
    """A DataArray comes back with its dimensions and new dates."""
    times = days("2001-01-01", "2001-03-01").astype("M8[ns]")
    array = xr.DataArray(gappy((2, 59)), dims=("site", "time"), coords={"time": times, "site": ["a", "b"]})
    made = composite(array)
    assert made.dims == ("site", "time") and made.sizes == {"site": 2, "time": 2}
    np.testing.assert_allclose(made.values, array.resample(time="MS").mean().values, rtol=1e-5)


def test_what_cannot_be():
    """Wrong words, too many values, unsorted dates and finer steps are told."""
    times = days("2001-01-01", "2001-02-01")
    with pytest.raises(ConfigError, match="no method 'mode'"):
        composite(np.ones(31), method="mode", times=times)
    with pytest.raises(ConfigError, match="no way to share"):
        composite(np.ones(31), belongs="half", times=times)
    with pytest.raises(ConfigError, match="30 time steps for 31 dates"):
        composite(np.ones(30), times=times)
    with pytest.raises(ConfigError, match="no dates"):
        composite(np.ones(31))
    with pytest.raises(GridError, match="does not follow"):
        composite(np.ones(31), times=times[::-1])
    with pytest.raises(GridError, match="one step per month cannot be aggregated to '8day'"):
        composite(np.ones(2), "8day", times=times[[0, 0]], time_step="month")
