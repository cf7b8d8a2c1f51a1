"""Means over longer time steps: calendars, coverage, and what is kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oneflux
from observed import counts, table
from reco_core.errors import ConfigError
from reco_core.io.observations.read import read_observations
from reco_core.samples.periods import aggregate
from reco_core.samples.quality import screen
from reco_core.vocabulary.averaging import daily_means
from reco_core.vocabulary.calendar import step_days, step_start

DAYS = np.arange("2001-01-01", "2005-01-01", dtype="datetime64[D]")


def test_day_needs_four_fifths_of_its_half_hours():
    """39 of 48 good half-hours make a day, 38 do not; poor ones do not enter the mean."""
    reco, qc = np.ones(96), np.zeros(96)
    qc[:9], reco[:9] = 3, 20
    qc[48:58] = 2
    out = aggregate(screen(table(reco, qc, step="half-hour", start="2004-01-01T00:00")), "day")
    np.testing.assert_allclose(out["reco"].values, [[1.0, np.nan]])
    np.testing.assert_allclose(out["qc"].values, [[39 / 48, 38 / 48]])
    assert counts(out)["half-hours with a quality flag above 1"] == 19


def test_month_needs_four_fifths_of_its_days():
    """25 of 31 days make January; 24 do not. Drivers count their own days."""
    reco = np.arange(31.0)
    reco[25:] = np.nan
    out = aggregate(table(reco, step="day", start="2004-01-01", ta=np.full(31, 5.0)), "month")
    assert float(out["reco"].values[0, 0]) == 12.0
    reco[24] = np.nan
    out = aggregate(table(reco, step="day", start="2004-01-01", ta=np.full(31, 5.0)), "month")
    assert np.isnan(out["reco"].values).all()
    assert float(out["ta"].values[0, 0]) == 5.0
    assert counts(out) == {"records without a flux value": 7, "months that lack days (80% of them are needed)": 1}


def test_year_needs_all_months_and_weighs_them_by_days():
    """The annual mean rate is the total over the days of the year; one missing month makes no year."""
    reco = np.arange(1.0, 25.0)
    reco[20] = np.nan
    out = aggregate(table(reco, qc=np.linspace(0.5, 1, 24)), "year")
    days = step_days(np.arange("2004-01", "2005-01", dtype="datetime64[M]"), "month")
    np.testing.assert_allclose(out["reco"].values, [[(reco[:12] * days).sum() / 366, np.nan]])
    assert out.attrs["time_step"] == "year"


def test_year_from_days_needs_nine_tenths():
    """330 of 366 days are enough, 329 are not."""
    for good, enough in ((330, True), (329, False)):
        reco = np.where(np.arange(366) < good, 2.0, np.nan)
        year = aggregate(table(reco, step="day", start="2004-01-01"), "year")
        assert bool(np.isfinite(year["reco"].values).all()) == enough


@pytest.mark.parametrize(("step", "to"), [("month", "day"), ("year", "month"), ("8day", "month"), ("week", "8day"),
                                          ("week", "month"), ("month", "8day")])
def test_steps_that_do_not_fit(step, to):
    """Nothing is made finer, and steps of days that cross months do not fit into them."""
    with pytest.raises(ConfigError, match=step):
        aggregate(table([1, 2, 3], step=step, start="2004-01-01" if step in ("8day", "week") else "2004"), to)


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.floats(0, 20), min_size=366, max_size=366), year=st.sampled_from([2004]))
def test_months_then_year_equal_days_to_year(values, year):
    """With full coverage the order of averaging does not matter, and totals are kept."""
    days = table(values, step="day", start=f"{year}-01-01")
    direct, by_month = aggregate(days, "year"), aggregate(aggregate(days, "month"), "year")
    np.testing.assert_allclose(direct["reco"].values, by_month["reco"].values, rtol=1e-12, atol=1e-12)
    assert float(direct["reco"].values[0, 0]) * 366 == pytest.approx(sum(values), rel=1e-9, abs=1e-9)


def test_half_hours_of_a_file_become_months(tmp_path):
    """A half-hourly file aggregated to months gives the converted mean flux and the rain of a day."""
    times = oneflux.stamps("2003-01-01", 48 * 31, "HH")
    text = oneflux.text(times, "HH", {"NEE_VUT_REF_QC": np.zeros(times.size), "P_F": np.full(times.size, 0.1),
                                      "RECO_NT_VUT_REF": np.full(times.size, 2.0)})
    path = oneflux.write(tmp_path, text, oneflux.name(resolution="HH"))
    ds = read_observations(path, reduce=lambda ds, label: aggregate(screen(ds), "month"))
    assert ds.attrs["time_step"] == "month"
    np.testing.assert_allclose(ds["reco"].values, 2.0 * 1.0377504, rtol=1e-9)
    np.testing.assert_allclose(ds["precip"].values, 4.8)


def test_last_eight_days_of_a_year_are_five_or_six():
    """Step 46 starts on day 361 of every year; 31 December 2001 lies in one of 5 days, of 2004 in one of 6."""
    out = aggregate(table(np.ones(DAYS.size), step="day", start="2001-01-01"), "8day")
    starts = out["time"].values.astype("datetime64[D]")
    assert starts.size == 4 * 46
    last = {int(str(day)[:4]): int(step_days(np.array([day]), "8day")[0]) for day in starts[45::46]}
    assert last == {2001: 5, 2002: 5, 2003: 5, 2004: 6}
    assert step_start(np.array(["2001-12-31"], "datetime64[D]"), "8day")[0] == starts[45]


@settings(max_examples=25)
@given(first=st.integers(0, 800), count=st.integers(1, 900), seed=st.integers(0, 99), share=st.floats(0.05, 1.0),
       to=st.sampled_from(["8day", "month"]))
def test_no_day_is_lost_or_counted_twice(first, count, seed, share, to):
    """Over all steps, the sum of mean x days with data is the sum of the days (methods test 1.2)."""
    rng = np.random.default_rng(seed)
    reco = np.where(rng.random(count) < share, rng.uniform(0, 20, count), np.nan)
    day = DAYS[0] + first
    out = aggregate(table(reco, step="day", start=str(day)), to, least_days=1)
    starts = out["time"].values.astype("datetime64[D]")
    mine = step_start(day + np.arange(count), to)
    with_data = np.array([np.isfinite(reco[mine == start]).sum() for start in starts])
    means = np.nan_to_num(out["reco"].values[0])
    assert (means * with_data).sum() == pytest.approx(np.nansum(reco), rel=1e-9, abs=1e-9)
    assert np.array_equal(np.unique(mine), starts)
    assert (np.diff(starts) > np.timedelta64(0)).all()


@pytest.mark.parametrize(("flux", "least", "needed"), [("reco", None, 4), ("rs", None, 1), ("rh", None, 1),
                                                       ("reco", 6, 6), ("rs", 3, 3)])
def test_days_that_an_eight_day_step_needs(flux, least, needed):
    """4 days for towers and 1 for chambers, or what the user says."""
    for good in (needed - 1, needed):
        reco = np.where(np.arange(8) < good, 2.0, np.nan)
        out = aggregate(table(reco, step="day", start="2004-01-01", flux=flux), "8day", least_days=least)
        assert bool(np.isfinite(out[flux].values).all()) == (good >= needed and good > 0)


def test_short_last_step_needs_no_more_days_than_it_has():
    """8 days are asked for, and the last step of a year has 5."""
    out = aggregate(table(np.ones(13), step="day", start="2001-12-19"), "8day", least_days=8)
    assert np.isfinite(out["reco"].values).tolist() == [[True, True]]


def test_rain_is_kept_as_a_rate_whose_sum_is_conserved():
    """The sum over an 8-day step is its mean rate x its days, also for the short last one."""
    rain = np.random.default_rng(0).gamma(0.3, 12.0, 365)
    out = aggregate(table(np.ones(365), step="day", start="2001-01-01", precip=rain), "8day")
    sums = out["precip"].values[0] * step_days(out["time"].values, "8day")
    assert out["precip"].attrs["units"] == "mm d-1"
    assert sums.sum() == pytest.approx(rain.sum(), rel=1e-12)
    assert sums[-1] == pytest.approx(rain[-5:].sum(), rel=1e-12)


def test_well_sampled_hours_do_not_count_more():
    """A day of both half-hours by night but one by day: hours first weigh hours alike, flat weighs values alike."""
    reco = np.where(np.arange(48) % 48 < 24, 1.0, 3.0)
    reco[25::2][:9] = np.nan
    ds = table(reco, 0, step="half-hour", start="2004-01-01T00:00")
    hourly, flat = (aggregate(ds, "day", subdaily=how)["reco"].values[0, 0] for how in ("hourly_then_daily", "flat"))
    assert hourly == pytest.approx(2.0)
    assert flat == pytest.approx((24 * 1 + 15 * 3) / 39)
    with pytest.raises(ConfigError, match="no way to average"):
        daily_means(ds["time"].values, reco, "median")


def test_weeks_stay_weeks_and_make_years():
    """Weekly files are kept as they are, or averaged over a year."""
    ds = table(np.arange(52.0), step="week", start="2003-01-01")
    assert aggregate(ds, "none") is ds
    assert float(aggregate(ds, "year")["reco"].values[0, 0]) == pytest.approx(25.5)
