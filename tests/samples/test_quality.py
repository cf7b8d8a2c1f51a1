"""Quality control, its ledger, and means over longer time steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oneflux
from reco_core.errors import ConfigError, SampleError, SchemaError
from reco_core.io.assemble import assemble
from reco_core.io.observation_files import read_observations
from reco_core.samples.quality import accept, aggregate, check_thresholds, count_records, screen
from reco_core.vocabulary.calendar import step_days
from reco_core.vocabulary.ledger import ledger


def table(reco, qc=0.9, step="month", start="2004-01", sites=("A",), **drivers):
    """Return observations of one series per site."""
    reco = np.atleast_2d(np.asarray(reco, dtype="float64"))
    count = reco.shape[1]
    unit = {"month": "M", "year": "Y", "day": "D", "8day": "D"}.get(step, "m")
    gap = {"half-hour": 30, "8day": 8}.get(step, 1)
    times = (np.datetime64(start, unit) + gap * np.arange(count)).astype("datetime64[s]")
    values = {"reco": reco, "qc": np.broadcast_to(np.asarray(qc, dtype="float64"), reco.shape), **drivers}
    return assemble(np.repeat(np.array(sites, dtype=object), count), np.tile(times, len(sites)),
                    {name: np.broadcast_to(part, reco.shape).ravel() for name, part in values.items()}, {},
                    flux="reco", time_step=step)


def counts(ds):
    """Return reason -> count of the ledger."""
    return {entry["reason"]: entry["count"] for entry in ledger(ds)}


@pytest.mark.parametrize(("step", "qc_min", "qc_max", "message"), [
    ("half-hour", 0.75, None, r"qc_min=0.75 does not fit: the quality of 'f.csv' .*is a flag"),
    ("half-hour", None, 0.5, "qc_max=0.5 is not a quality flag"),
    ("day", None, 1, r"qc_max=1 does not fit: the quality of 'f.csv' .*is a share"),
    ("day", 2, None, "qc_min=2 does not fit"), ("month", 3, None, "qc_min=3 does not fit")])
def test_thresholds_must_fit_the_resolution(step, qc_min, qc_max, message):
    """A share is refused for half-hours, a flag for anything coarser (methods test 1.1 d)."""
    with pytest.raises(ConfigError, match=message):
        check_thresholds(step, qc_min, qc_max, "f.csv")


@pytest.mark.parametrize(("step", "qc_min", "qc_max"), [
    ("half-hour", None, None), ("half-hour", None, 0), ("hour", None, 2), ("day", None, None), ("year", 0, None)])
def test_thresholds_that_fit(step, qc_min, qc_max):
    """What is not given never disturbs."""
    check_thresholds(step, qc_min, qc_max)


def test_each_reason_is_counted_by_site():
    """Low quality, missing quality, negative and impossible rates each stand in the ledger."""
    count = 80
    reco = np.ones((2, count))
    qc = np.full((2, count), 0.9)
    qc[0, :3], qc[1, 0] = 0.5, np.nan
    reco[1, 5:7], reco[0, 10] = -1, 41
    out = accept(screen(table(reco, qc, sites=("A", "B"))))
    found = {entry["reason"]: entry.get("sites") for entry in ledger(out)}
    assert found == {"rates beyond 40 g C m-2 d-1": {"A": 1}, "records without quality": {"B": 1},
                     "records of quality below 0.75": {"A": 3}, "negative rates": {"B": 2}}
    assert count_records(out) == 2 * count - 7


def test_threshold_itself_is_good_enough():
    """Quality equal to the least quality passes."""
    assert count_records(accept(table([1, 1, 1], qc=[0.75, 0.7499999, 1]))) == 2


def test_zero_switches_quality_off():
    """qc_min=0 keeps records without quality too; no quality at all needs no threshold."""
    assert count_records(accept(table([1, 1], qc=[np.nan, 0.0]), qc_min=0)) == 2
    assert count_records(accept(table([1, 1], qc=np.nan))) == 2


@pytest.mark.parametrize(("policy", "expected"), [("drop", [1.0]), ("keep", [-1.0, 1.0]), ("clip", [0.0, 1.0])])
def test_negative_policy(policy, expected):
    """Negative rates are dropped, kept or set to 0."""
    assert accept(table([-1, 1]), negative=policy)["reco"].values[0].tolist() == expected


def test_wrong_unit_is_not_taken_for_bad_data():
    """Where many rates are impossible, the unit is asked for instead of dropping them."""
    with pytest.raises(SchemaError, match=r"50% of the values of reco in 'f.csv' exceed 40") as caught:
        screen(table([60, 70, 80, 10, 10, 10]), where="f.csv")
    assert "units=" in caught.value.hint


def test_nothing_left_tells_why():
    """The error carries the ledger in one line."""
    with pytest.raises(SampleError, match=r"No record is left.*2 records of quality below 0.75, 1 negative rates") as e:
        accept(table([1, 1, -1], qc=[0.1, 0.2, 0.9]))
    assert "\n" not in str(e.value)


def test_empty_sites_and_times_are_left_out():
    """Sites without records are named; time steps without records go."""
    out = accept(table([[1, np.nan, 2], [np.nan] * 3], sites=("A", "B")))
    assert out.sizes == {"site": 1, "time": 2}
    assert any(entry.get("detail") == "B" for entry in ledger(out))


def test_day_needs_four_fifths_of_its_half_hours():
    """39 of 48 good half-hours make a day, 38 do not; poor ones do not enter the mean."""
    reco, qc = np.ones(96), np.zeros(96)
    qc[:9], reco[:9] = 3, 20
    qc[48:58] = 2
    out = aggregate(screen(table(reco, qc, step="half-hour", start="2004-01-01T00:00")), "day")
    np.testing.assert_allclose(out["reco"].values, [[1.0, np.nan]])
    np.testing.assert_allclose(out["qc"].values, [[39 / 48, 38 / 48]])
    assert counts(out)["half-hours with a quality flag above 1"] == 19


def test_largest_flag_can_be_chosen():
    """qc_max=0 keeps measured half-hours alone."""
    out = screen(table(np.ones(4), [0, 1, 2, np.nan], step="half-hour", start="2004-01-01T00:00"), qc_max=0)
    assert count_records(out) == 1


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


@pytest.mark.parametrize(("step", "to"), [("month", "day"), ("year", "month"), ("8day", "month")])
def test_steps_that_do_not_fit(step, to):
    """Nothing is made finer, and 8-day steps do not fit into months."""
    with pytest.raises(ConfigError, match=step):
        aggregate(table([1, 2, 3], step=step, start="2004-01-01" if step == "8day" else "2004"), to)


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


def test_real_towers_become_years(real_data):
    """Annual totals of 56 European towers are of the known size."""
    ds = read_observations(real_data("flux_warmwinter2020_mm"))
    years = accept(aggregate(screen(ds), "year"))
    assert years.sizes["site"] == 56
    assert count_records(years) == 627
    assert 900 < float(np.nanmean(years["reco"].values)) * 365.25 < 1500
