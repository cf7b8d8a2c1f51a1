"""Every tower file of the real data, and what the networks' own files must agree on."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import oneflux
from reco_core.deps import need
from reco_core.io.archives import find_sources
from reco_core.io.observations.fluxnet import read_fluxnet, recognise
from reco_core.io.observations.read import read_observations
from reco_core.samples.periods import aggregate
from reco_core.samples.quality import accept, count_records, screen
from reco_core.vocabulary.ledger import ledger

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize(("folder", "resolution", "count", "full"), [
    ("flux_warmwinter2020_mm", "MM", 58, True), ("flux_warmwinter2020_dd", "DD", 8, True),
    ("flux_fluxnet2015_subset_dd", "DD", 19, False)])
def test_every_real_file_reads_without_a_warning(real_data, folder, resolution, count, full):
    """All ONEFlux files of the shared data: flux, quality, both uncertainties and drivers, with plausible values."""
    files = [file for file in map(recognise, find_sources(real_data(folder))) if file]
    assert len(files) == count
    for file in files:
        ds = read_fluxnet(file)
        assert file.resolution == resolution
        assert ds.sizes["site"] == 1
        assert {"ta", "precip", "uncertainty", "uncertainty_partitioning"} <= set(ds.data_vars)
        assert ds["uncertainty"].attrs["method"].endswith("/ 2" if full else "/ 1.349")
        for name, most in (("reco", 60), ("uncertainty", 30), ("uncertainty_partitioning", 60), ("precip", 500)):
            values = ds[name].values[np.isfinite(ds[name].values)]
            assert values.size == 0 or -10 < values.min() <= values.max() < most, (file.source.label, name)


@pytest.mark.parametrize("name", ["flux_warmwinter2020_mm/FLX_DE-Hai_FLUXNET2015_FULLSET_MM_2000-2020_beta-3.csv.gz",
                                  "flux_warmwinter2020_dd/FLX_DK-Gds_FLUXNET2015_FULLSET_DD_2020-2020_beta-3.csv.gz"])
def test_every_variant_of_a_real_file(real_data, name):
    """Each RECO column that has the quality of its NEE can be the flux; one year has no constant threshold."""
    path = real_data(name)
    columns = list(pd.read_csv(path, nrows=0).columns)
    variants = [name for name in columns if name.startswith("RECO_") and not name.endswith(("_SE", "_SR", "_N"))]
    assert len(variants) == (40 if "DE-Hai" in name else 20)
    for target in variants:
        ds = read_observations(path, target=target)
        assert ds["reco"].attrs["source_column"] == target


def test_constant_threshold_of_all_towers(real_data):
    """RECO_NT_CUT_REF is read of all 58 towers; the four records of up to two years have VUT alone."""
    ds = read_observations(real_data("flux_warmwinter2020_mm"), target="RECO_NT_CUT_REF")
    short = [entry for entry in ledger(ds) if entry["reason"].startswith("RECO_NT_VUT_REF read for RECO_NT_CUT_REF")]
    assert [entry["detail"] for entry in short] == ["DK-Gds; GL-Dsk; IE-Cra; IT-BFt"]
    assert ds.sizes["site"] == 58


def monthly(days, name, site):
    """Return the months of a daily series that have every day."""
    series = pd.Series(days[name].sel(site=site).values, days["time"].values)
    grouped = series.resample("MS").agg(["mean", "count"])
    return grouped["mean"][grouped["count"] == grouped.index.days_in_month]


def differences(days, months, name):
    """Return |monthly file - mean of the daily file| of all sites and full months."""
    found = []
    for site in np.intersect1d(days["site"].values.astype(str), months["site"].values.astype(str)):
        full = monthly(days, name, site)
        found.append(np.abs(full.to_numpy() - months[name].sel(site=site).reindex(time=full.index).values))
    gaps = np.concatenate(found)
    return gaps[np.isfinite(gaps)]


def test_real_months_equal_means_of_real_days(real_data):
    """Monthly files hold the means of the daily ones where every day is there (methods test 1.1 c).

    This is true of a fixed u* threshold and of drivers. For REF, ONEFlux chooses the threshold anew at
    each resolution, so that a few months differ by up to .25 g C m-2 d-1.
    """
    days = read_observations(real_data("flux_warmwinter2020_dd"), target="RECO_NT_VUT_USTAR50")
    months = read_observations(real_data("flux_warmwinter2020_mm"), target="RECO_NT_VUT_USTAR50")
    for name, most in (("reco", 3.2e-5), ("qc", 1e-5), ("ta", 1e-3), ("precip", 1e-3), ("vpd", 1e-3), ("sw_in", 1e-3)):
        gaps = differences(days, months, name)
        assert gaps.size > 100, name
        assert gaps.max() < most, name
    ref = differences(read_observations(real_data("flux_warmwinter2020_dd")),
                      read_observations(real_data("flux_warmwinter2020_mm")), "reco")
    assert np.median(ref) < 1e-4
    assert 0.01 < ref.max() < 0.3


def test_aggregated_days_are_the_monthly_files(real_data):
    """The months that RECO makes of the daily files are those means."""
    days = read_observations(real_data("flux_warmwinter2020_dd"), target="RECO_NT_VUT_USTAR50")
    months = aggregate(days, "month")
    site = str(days["site"].values[1])
    full = monthly(days, "reco", site)
    np.testing.assert_allclose(months["reco"].sel(site=site, time=full.index).values, full.to_numpy(), rtol=1e-12)


def test_real_days_become_eight_day_steps(real_data):
    """46 steps a year; the days of each are conserved, short last one included."""
    days = screen(read_observations(real_data("flux_fluxnet2015_subset_dd")))
    steps = aggregate(days, "8day", least_days=1)
    assert steps.sel(time="2004").sizes["time"] == 46
    site = "DE-Hai"
    daily = pd.Series(days["reco"].sel(site=site).values, days["time"].values).loc["2003":"2004"]
    counts = daily.groupby([daily.index.year, (daily.index.day_of_year - 1) // 8]).count().to_numpy()
    means = steps["reco"].sel(site=site, time=slice("2003", "2004")).values
    assert (means * counts).sum() == pytest.approx(daily.sum(), rel=1e-12)
    assert np.isfinite(aggregate(days, "8day")["reco"]).sum() <= np.isfinite(steps["reco"]).sum()


@pytest.mark.parametrize(("name", "columns", "units", "sites", "rows"), [
    ("flux_warmwinter2020_mm/warmwinter2020_monthly_merged.csv.gz", {"network": "'Warm Winter 2020'"}, {}, 58, 8892),
    ("flux_fluxnet2015_subset_dd/fluxnet2015_daily_to_monthly_merged.csv.gz", {"precip": "P_F_SUM_MM"},
     {"precip": "mm"}, 19, 1968),
    ("flux_tower_monthly_merged/tower_reco_monthly_merged.csv.gz", {"network": "SOURCE"}, {}, 195, 13259)])
def test_merged_tables_through_column_maps(real_data, name, columns, units, sites, rows):
    """Every row of the merged tables is read, with position, class, quality and rain as a rate."""
    ds = read_observations(real_data(name), columns=columns, units=units)
    table = pd.read_csv(real_data(name))
    assert ds.sizes["site"] == sites
    assert len(table) == rows
    assert int(np.isfinite(ds["reco"]).sum()) == int(table["RECO_NT_VUT_REF"].notna().sum())
    assert np.isfinite(ds["lat"]).all()
    assert set(ds["igbp"].values) == set(table["IGBP"].dropna())
    assert 1 < float(ds["precip"].mean()) < 4
    if "SOURCE" in table:
        networks = {part for text in ds["network"].values for part in text.split(" + ")}
        assert networks == set(table["SOURCE"])


def test_files_and_their_merged_table_agree(real_data):
    """The merged table of the Warm Winter files holds what the files themselves hold."""
    files = read_observations(real_data("flux_warmwinter2020_mm"))
    table = read_observations(real_data("flux_warmwinter2020_mm/warmwinter2020_monthly_merged.csv.gz"))
    shared = table["reco"].reindex_like(files["reco"]).values
    both = np.isfinite(shared)
    assert both.sum() > 8000
    np.testing.assert_allclose(files["reco"].values[both], shared[both], atol=1e-5)


@pytest.mark.parametrize(("name", "site", "first", "most"), [
    ("AT_Neu_Jul_2010", "AT-Neu", "2010-07-01", 0.001), ("FR_Pue_May_2012", "FR-Pue", "2012-05-01", 0.04)])
def test_real_half_hours_become_the_days_of_the_daily_file(real_data, tmp_path, name, site, first, most):
    """Half-hours of bigleaf in a file of ONEFlux layout give the days of FLUXNET2015's own daily file.

    At FR-Pue the u* threshold of REF differs between the resolutions.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rdata does not know all of the header
        frame = need("rdata").read_rda(real_data(f"reference_values/bigleaf/{name}.rda"))[name]
    times = oneflux.stamps(first, len(frame), "HH")
    values = {"RECO_NT_VUT_REF": frame["Reco"].to_numpy(), "NEE_VUT_REF_QC": frame["NEE_qc"].to_numpy(),
              "P_F": frame["precip"].to_numpy(), "TA_F": frame["Tair"].to_numpy()}
    path = oneflux.write(tmp_path, oneflux.text(times, "HH", values, columns=()), oneflux.name(site, "HH"))
    days = aggregate(screen(read_observations(path), qc_max=3), "day")
    file = next(real_data("flux_fluxnet2015_subset_dd").glob(f"FLX_{site}_*"))
    daily = read_observations(file, period=first[:7])
    assert float(np.abs(daily["reco"].values - days["reco"].values).mean()) < most
    for driver in ("ta", "precip"):
        np.testing.assert_allclose(daily[driver].values, days[driver].values, atol=0.001)


def test_real_towers_become_years(real_data):
    """Annual totals of 56 European towers are of the known size."""
    ds = read_observations(real_data("flux_warmwinter2020_mm"))
    years = accept(aggregate(screen(ds), "year"))
    assert years.sizes["site"] == 56
    assert count_records(years) == 627
    assert 900 < float(np.nanmean(years["reco"].values)) * 365.25 < 1500
