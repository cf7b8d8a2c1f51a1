"""Every time step of the calendar is known wherever time steps are told apart."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from reco_core.actions.maps import annual_unit
from reco_core.actions.products import SMALL_ESTIMATE
from reco_core.catalogue.common import TIME_STEP
from reco_core.models.table import _clock
from reco_core.report.tally import whole_years
from reco_core.report.words import STEP_WORDS
from reco_core.samples.periods import aggregate
from reco_core.vocabulary import period_unit
from reco_core.vocabulary.calendar import TIME_STEPS, step_label

DAYS = {"day": 1, "8day": 8, "16day": 16, "week": 7}


def starts(step):
    """Return the first days of the steps of 2001 and 2002; weeks begin anew on 1 January, as in flux files."""
    if step in ("month", "year"):
        return np.arange("2001", "2003", dtype=f"datetime64[{step[0].upper()}]").astype("datetime64[D]")
    count = 52 if step == "week" else -(-365 // DAYS[step])
    return np.concatenate([np.datetime64(f"{year}-01-01") + DAYS[step] * np.arange(count) for year in (2001, 2002)])


def test_every_table_knows_every_step():
    """No step falls back on another one's words or numbers."""
    assert set(SMALL_ESTIMATE) == set(STEP_WORDS) == set(TIME_STEPS) == set(TIME_STEP.choices) - {"auto"}


@pytest.mark.parametrize("step", TIME_STEPS)
def test_years_are_whole_with_all_their_steps(step):
    """A year that lacks steps does not count as a whole one."""
    labels = [step_label(day, step) for day in starts(step)]
    assert whole_years(labels, step) == ["2001", "2002"]
    assert whole_years(labels[:-1], step) == ["2001"]


@pytest.mark.parametrize("step", TIME_STEPS)
def test_sums_over_a_year_are_per_year(step):
    """The annual sum of a flux per time step is a flux per year."""
    assert annual_unit(period_unit(step), "sum", step) in ("g C m-2 yr-1", period_unit("year"))


@pytest.mark.parametrize("step", ["day", "8day", "16day", "month", "year"])
def test_steps_follow_each_other(step):
    """Lags count time steps, not days."""
    assert (np.diff(_clock(starts(step), step)[0]) == 1).all()


@pytest.mark.parametrize("step", [name for name in TIME_STEPS if name != "year"])
def test_observations_become_annual(step):
    """Means over a year can be made of every finer step."""
    days = starts(step).astype("datetime64[ns]")
    values = np.full((1, days.size), 2.0)
    ds = xr.Dataset(dict.fromkeys(("reco", "qc"), (("site", "time"), values)), attrs={
        "reco_kind": "observations", "flux_kind": "reco", "time_step": step, "ledger": "[]", "history": ""})
    place = {"lat": ("site", [50.0]), "lon": ("site", [6.0]), "igbp": ("site", ["GRA"])}
    ds = ds.assign_coords(site=["a"], time=days, **place)
    ds["reco"].attrs["units"] = "g C m-2 d-1"
    np.testing.assert_allclose(aggregate(ds, "year")["reco"].values, 2.0)
