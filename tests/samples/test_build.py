"""Samples: target per time step, features in order, groups, and the errors of bad drivers."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from reco_core.errors import ConfigError, SampleError, SchemaError
from reco_core.io.observations.assemble import assemble
from reco_core.io.observations.read import read_observations
from reco_core.samples.build import build_samples
from reco_core.samples.quality import accept, screen
from reco_core.samples.splits import assign_folds
from reco_core.vocabulary import check_samples
from reco_core.vocabulary.ledger import ledger, note


def table(sites=("A", "B"), months=14, lat=None, network=None, igbp=None, step="month", **drivers):
    """Return observations of 2.5 g C m-2 d-1 from 2003-02 on."""
    unit = {"month": "M", "year": "Y", "half-hour": "m"}[step]
    times = (np.datetime64("2003-02", unit) + np.arange(months)).astype("datetime64[s]")
    site = np.repeat(np.array(sites, dtype=object), months)
    number = np.repeat(np.arange(len(sites)), months)
    values = {"reco": np.full(site.size, 2.5), "qc": np.ones(site.size), "ta": np.arange(site.size) * 0.5,
              "vpd": np.full(site.size, 4.0), **{name: np.asarray(v, float) for name, v in drivers.items()}}
    texts = {"network": network, "igbp": igbp}
    pick = {name: np.array(given, dtype=object)[number] for name, given in texts.items() if given}
    towers = {"lat": np.asarray(lat or np.arange(len(sites)) * 5.0)[number], "lon": np.full(site.size, 7.0), **pick}
    return assemble(site, np.tile(times, len(sites)), values, towers, flux="reco", time_step=step)


def test_target_is_the_total_of_the_month():
    """2.5 g C m-2 d-1 is 72.5 in February 2004 and 70 in February 2003 (methods test 1.1 a)."""
    samples = check_samples(build_samples(table()))
    one = samples.isel(sample=samples["site"].values == "A")
    assert float(one["target"][0]) == 70.0
    assert float(one["target"][12]) == 72.5
    assert samples["target"].attrs["units"] == "g C m-2 month-1"


def test_years_have_their_own_unit():
    """Annual samples are totals of the year, with its leap day."""
    samples = build_samples(table(step="year", months=2))
    assert samples["target"].values[:2].tolist() == [2.5 * 365, 2.5 * 366]
    assert samples["target"].attrs["units"] == "g C m-2 yr-1"


def test_every_driver_or_those_asked_for_in_order():
    """Without a list all drivers are taken; with one, those, in that order and under any of their names."""
    assert build_samples(table()).attrs["features"] == "ta,vpd"
    assert build_samples(table(), features=["VPD_F", "Air_temperature"]).attrs["features"] == "vpd,ta"


def test_missing_flux_makes_no_sample():
    """Only records with a flux become samples."""
    ds = table()
    ds["reco"][0, :4] = np.nan
    assert build_samples(ds).sizes["sample"] == 24


def test_gridded_drivers_replace_those_of_the_site():
    """Drivers of a grid are taken alone, and the samples say so."""
    ds = table()
    drivers = xr.Dataset({"lai": (("site", "time"), np.full((2, 14), 3.0), {"units": "m2 m-2"})},
                         coords={"site": ds["site"].values, "time": ds["time"].values}, attrs={"ledger": "[]"})
    samples = build_samples(ds, drivers)
    assert (samples.attrs["features"], samples.attrs["drivers_source"]) == ("lai", "grid")
    assert np.all(samples["lai"].values == 3.0)


def test_grid_without_any_value_tells_why():
    """Where no record meets the grid, the error carries what the extraction found."""
    ds = table()
    drivers = xr.Dataset({"lai": (("site", "time"), np.full((2, 14), np.nan))},
                         coords={"site": ds["site"].values, "time": ds["time"].values}, attrs={"ledger": "[]"})
    note(drivers, "towers outside the grid", 0, detail="A, B")
    with pytest.raises(SampleError, match="None of the 28 records lies on the grid") as caught:
        build_samples(ds, drivers, features=["lai"])
    assert "towers outside the grid (A, B)" in caught.value.hint


def test_static_driver_of_a_site_is_spread():
    """The elevation of a tower can be a feature."""
    ds = table()
    ds.coords["elevation"] = ("site", [100.0, 200.0])
    assert np.unique(build_samples(ds, features=["ta", "elevation"])["elevation"].values).tolist() == [100.0, 200.0]


@pytest.mark.parametrize(("features", "error", "message", "hint"), [
    (["ta", "lai"], SampleError, "no driver 'lai' in the observations", "ta, vpd"),
    (["ta", "TA_F"], ConfigError, "'ta' is asked for twice", "once"),
    (["reco"], SampleError, "no driver 'reco'", "ta, vpd"),
    (["swc"], SampleError, "'swc' has no value at any of the 28 records", "Leave it out")])
def test_missing_feature_tells_what_there_is(features, error, message, hint):
    """A driver that is not there, empty, twice or the flux itself is refused."""
    ds = table(swc=np.full(28, np.nan)) if features == ["swc"] else table()
    with pytest.raises(error, match=message) as caught:
        build_samples(ds, features=features)
    assert hint in caught.value.hint


def test_empty_driver_that_nobody_asked_for_is_left_out():
    """It is remarked in the ledger."""
    samples = build_samples(table(swc=np.full(28, np.nan)))
    assert samples.attrs["features"] == "ta,vpd"
    assert any(entry.get("detail") == "swc" for entry in ledger(samples))


def test_constant_driver_is_remarked_not_refused():
    """A driver that never changes stays, with a warning."""
    samples = build_samples(table())
    assert any("never change" in entry["reason"] and "vpd = 4" in entry["detail"] for entry in ledger(samples))


def test_driver_out_of_range_is_named():
    """Driver, site, month, value and range are in the message."""
    swc = np.full(28, 30.0)
    swc[16] = 300
    with pytest.raises(SchemaError, match=r"swc of site 'B' in 2003-04 is 300 %; valid is 0 to 105 \(1 of 28"):
        build_samples(table(swc=swc))


def test_gaps_are_kept_or_dropped():
    """A sample with a gap stays or goes; one without any driver always goes."""
    swc = np.full(28, 30.0)
    swc[3] = np.nan
    ds = table(swc=swc)
    assert build_samples(ds).sizes["sample"] == 28
    assert build_samples(ds, missing="drop").sizes["sample"] == 27
    assert build_samples(ds, features=["swc"]).sizes["sample"] == 27


def test_nothing_left_counts_the_gaps():
    """If every sample lacks a driver, the error says which."""
    ds = table(swc=[*np.full(14, 30.0), *np.full(14, np.nan)], lai=[*np.full(14, np.nan), *np.full(14, 2.0)])
    with pytest.raises(SampleError, match=r"each of the 28 lacks a driver.*swc 14, lai 14"):
        build_samples(ds, missing="drop")


def test_half_hours_make_no_samples():
    """Data finer than a day must be aggregated first."""
    with pytest.raises(SampleError, match="half-hour"):
        build_samples(table(step="half-hour"))


def test_near_towers_are_one_group():
    """The group, not the site, is the unit of cross-validation."""
    samples = build_samples(table(("A", "B", "C"), lat=[50.0, 50.005, 60.0]))
    groups = dict(zip(samples["site"].values, samples["group"].values.tolist()))
    assert groups == {"A": 0, "B": 0, "C": 1}
    apart = build_samples(table(("A", "B", "C"), lat=[50.0, 50.005, 60.0]), group_distance=0.1)
    assert np.unique(apart["group"].values).size == 3


def test_tower_of_two_networks_counts_once():
    """One group, no doubled month, all rows in one fold, FLUXNET first (methods test 1.3)."""
    ds = table(("ABC-7", "FI-Hyy", "Z"), lat=[61.8, 61.801, 10.0], network=["ABCflux", "FLUXNET2015", "ABCflux"])
    ds["reco"][1, 10:] = np.nan
    samples = build_samples(ds)
    pairs = list(zip(samples["group"].values.tolist(), samples["time"].values.tolist()))
    assert len(pairs) == len(set(pairs)) == 28
    assert int((samples["site"].values == "FI-Hyy").sum()) == 10
    assert int((samples["site"].values == "ABC-7").sum()) == 4
    fold = assign_folds(samples["group"].values, 2)
    assert np.unique(fold[samples["group"].values == 0]).size == 1


def test_neighbours_in_other_classes_both_count():
    """A forest and a grassland tower side by side are one group but two records."""
    ds = table(("CZ-BK1", "CZ-BK2"), lat=[49.502, 49.503], network=["Warm Winter 2020", "FLUXNET2015"],
               igbp=["ENF", "GRA"])
    assert build_samples(ds).sizes["sample"] == 28


def test_published_table_to_samples(real_data):
    """110 sites and 6,363 samples with 13 drivers; the mean target is that of the table."""
    ds = read_observations(real_data("flux_ter_causal_xgb_monthly/ter_site_month_drivers.csv.gz"),
                           units={"reco": "g C m-2 month-1"})
    samples = build_samples(accept(screen(ds), qc_min=0))
    assert samples.sizes["sample"] == 6363
    assert np.unique(samples["site"].values.astype(str)).size == 110
    assert len(samples.attrs["features"].split(",")) == 13
    assert float(samples["target"].mean()) == pytest.approx(101.251923, abs=1e-5)
    fold = assign_folds(samples["group"].values)
    assert np.bincount(fold).min() > 550


def test_real_months_to_samples(real_data):
    """All drivers of 56 real towers are inside their valid ranges."""
    ds = read_observations(real_data("flux_warmwinter2020_mm"))
    samples = build_samples(accept(screen(ds)))
    assert samples.sizes["sample"] == 7577
    assert samples.attrs["features"].split(",")[:3] == ["ta", "precip", "vpd"]
