"""FLUXNET files of every resolution and packing, and the errors of broken ones."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import oneflux
from reco_core.errors import ConfigError, SampleError, SchemaError
from reco_core.io.archives import Source, find_sources
from reco_core.io.fluxnet import is_kin, read_fluxnet, recognise
from reco_core.io.observation_files import read_observations
from reco_core.vocabulary.ledger import ledger

MONTHS = oneflux.stamps("2003-01", 24, "MM")


def month_file(folder, filename=None, packed="", **kwargs):
    """Write a monthly file and return its path."""
    return oneflux.write(folder, oneflux.text(MONTHS, "MM", **kwargs), filename or oneflux.name(), packed)


@pytest.mark.parametrize(("filename", "site", "resolution", "network"), [
    ("FLX_AT-Neu_FLUXNET2015_SUBSET_DD_2002-2012_1-4.csv.gz", "AT-Neu", "DD", "FLUXNET2015"),
    ("FLX_BE-Bra_FLUXNET2015_FULLSET_MM_1996-2020_beta-3.csv", "BE-Bra", "MM", "Warm Winter 2020"),
    ("AMF_CA-CF1_FLUXNET_FULLSET_MM_2007-2008_3-5.csv", "CA-CF1", "MM", "AmeriFlux"),
    ("ICOSETC_BE-Bra_FLUXNET_HH_L2.csv", "BE-Bra", "HH", "ICOS"),
    ("ICOSETC_DE-Tha_FLUXNET_HH_01.csv", "DE-Tha", "HH", "ICOS"),
    ("AMF_US-MMS_FLUXNET_FLUXMET_HR_1999-2023_v1.3_r1.csv", "US-MMS", "HR", "AmeriFlux"),
    ("flx_us-Ha1_fluxnet2015_fullset_yy_1991-2012_1-4.CSV", "US-Ha1", "YY", "FLUXNET2015"),
])
def test_names_of_every_network_are_read(filename, site, resolution, network):
    """Site, resolution and network come from the file name."""
    found = recognise(Source(Path(filename)))
    assert (found.site, found.resolution, found.network) == (site, resolution, network)


@pytest.mark.parametrize("filename", [
    "FLX_CH-Lae_FLUXNET2015_ERAI_DD_1989-2020_beta-3.csv.gz", "FLX_AT-Neu_FLUXNET2015_AUXMETEO_2002-2012_1-4.csv",
    "AMF_US-MMS_FLUXNET_ERA5_MM_1981-2025_v1.3_r1.csv", "AMF_US-MMS_FLUXNET_BIFVARINFO_MM_1999-2023_v1.3_r1.csv",
    "ICOSETC_BE-Bra_VARINFO_FLUXNET_HH_L2.csv", "ICOSETC_BE-Bra_METEO_L2.csv"])
def test_kin_without_fluxes_is_not_taken(filename):
    """ERA, AUX, BIF and variable-information files hold no fluxes."""
    assert recognise(Source(Path(filename))) is None
    assert is_kin(Source(Path(filename)))


@pytest.mark.parametrize("packed", ["", "gz", "zip"])
def test_same_table_from_any_packing(tmp_path, packed):
    """Plain, gzip and zip give the same observations."""
    values = {"RECO_NT_VUT_REF": np.arange(24) / 4, "TA_F": np.linspace(-5, 20, 24)}
    ds = read_observations(month_file(tmp_path, packed=packed, values=values))
    assert ds.attrs["time_step"] == "month"
    np.testing.assert_allclose(ds["reco"].values[0], np.arange(24) / 4)
    np.testing.assert_allclose(ds["ta"].values[0], np.linspace(-5, 20, 24))
    assert list(ds["site"].values) == ["BE-Bra"]


def test_only_needed_columns_become_variables(tmp_path):
    """Drivers get canonical names; other columns are not there."""
    ds = read_observations(month_file(tmp_path))
    assert set(ds.data_vars) == {"reco", "qc", "uncertainty", "ta", "precip", "vpd"}
    assert ds["ta"].attrs["units"] == "degC"


def test_uncertainty_is_half_the_range_of_percentiles(tmp_path):
    """(84 % - 16 %) / 2 of the same partitioning."""
    values = {"RECO_NT_VUT_84": np.full(24, 3.0), "RECO_NT_VUT_16": np.full(24, 2.0)}
    ds = read_observations(month_file(tmp_path, values=values))
    np.testing.assert_allclose(ds["uncertainty"].values, 0.5)


def test_missing_values_bom_and_crlf(tmp_path):
    """-9999 becomes NaN; a byte-order mark and DOS line ends do no harm."""
    reco = np.where(np.arange(24) % 3 == 0, np.nan, 1.5)
    ds = read_observations(month_file(tmp_path, values={"RECO_NT_VUT_REF": reco}, end="\r\n", mark="\ufeff"))
    np.testing.assert_array_equal(np.isnan(ds["reco"].values[0]), np.isnan(reco))
    assert {entry["reason"]: entry["count"] for entry in ledger(ds)}["records without a flux value"] == 8


@pytest.mark.parametrize(("resolution", "value", "expected"), [
    ("HH", 1.0, 1.0377504), ("DD", 2.5, 2.5), ("WW", 2.5, 2.5), ("MM", 2.5, 2.5), ("YY", 365.0, 1.0)])
def test_units_by_resolution(tmp_path, resolution, value, expected):
    """Half-hours are in umol CO2 m-2 s-1, years in g C m-2 yr-1, all else in g C m-2 d-1."""
    times = oneflux.stamps("2003-01-01", 4, resolution)[:1]
    quality = {"NEE_VUT_REF_QC": np.ones(1)}
    path = oneflux.write(tmp_path, oneflux.text(times, resolution, {"RECO_NT_VUT_REF": np.array([value]), **quality}),
                         oneflux.name(resolution=resolution))
    assert float(read_observations(path)["reco"].values[0, 0]) == pytest.approx(expected, abs=1e-9)


def test_half_hourly_rain_is_a_rate(tmp_path):
    """1 mm in half an hour is 48 mm a day."""
    times = oneflux.stamps("2003-01-01", 48, "HH")
    values = {"P_F": np.full(48, 1.0), "NEE_VUT_REF_QC": np.zeros(48)}
    ds = read_observations(oneflux.write(tmp_path, oneflux.text(times, "HH", values), oneflux.name(resolution="HH")))
    np.testing.assert_allclose(ds["precip"].values, 48.0)
    assert ds.attrs["time_step"] == "half-hour"


def test_missing_flux_column_lists_those_there_are(tmp_path):
    """The error names the file and the respiration columns."""
    with pytest.raises(SchemaError, match=r"FLX_BE-Bra.*no column RECO_NT_CUT_REF") as caught:
        read_observations(month_file(tmp_path), target="RECO_NT_CUT_REF")
    assert "RECO_DT_VUT_REF" in caught.value.hint


def test_missing_quality_column_is_named(tmp_path):
    """Respiration without the quality of its NEE is refused."""
    columns = tuple(name for name in oneflux.COLUMNS if name != "NEE_VUT_REF_QC")
    with pytest.raises(SchemaError, match=r"FLX_BE-Bra.*NEE_VUT_REF_QC"):
        read_observations(month_file(tmp_path, columns=columns))


def test_cut_flux_takes_cut_quality(tmp_path):
    """The quality belongs to the u* threshold of the flux."""
    columns = (*oneflux.COLUMNS, "RECO_NT_CUT_REF", "NEE_CUT_REF_QC")
    values = {"NEE_CUT_REF_QC": np.full(24, 0.25), "RECO_NT_CUT_REF": np.full(24, 7.0)}
    ds = read_observations(month_file(tmp_path, columns=columns, values=values), target="RECO_NT_CUT_REF")
    assert float(ds["qc"].max()) == 0.25
    assert float(ds["reco"].min()) == 7.0


def test_quality_must_have_the_meaning_of_the_resolution(tmp_path):
    """A share in a half-hourly file, or a flag in a monthly one, is refused."""
    with pytest.raises(SchemaError, match="NEE_VUT_REF_QC: quality 2"):
        read_observations(month_file(tmp_path, values={"NEE_VUT_REF_QC": np.full(24, 2.0)}))
    times = oneflux.stamps("2003-01-01", 4, "HH")
    path = oneflux.write(tmp_path, oneflux.text(times, "HH"), oneflux.name(resolution="HH"))
    with pytest.raises(SchemaError, match=r"quality 0.9 does not fit a HH file"):
        read_observations(path)


def test_double_stamp_names_both_lines(tmp_path):
    """A month that stands twice is an error with its lines."""
    lines = oneflux.text(MONTHS, "MM").splitlines()
    path = oneflux.write(tmp_path, "\n".join([*lines, lines[3]]) + "\n", oneflux.name())
    with pytest.raises(SampleError, match="site BE-Bra has 200303 twice, in lines 4 and 26"):
        read_observations(path)


def test_wrong_stamp_names_line(tmp_path):
    """A date of another resolution is refused with its line."""
    text = oneflux.text(MONTHS, "MM").replace("200305", "200313")
    with pytest.raises(SchemaError, match=r"line 6: '200313' is not a time of a MM file"):
        read_observations(oneflux.write(tmp_path, text, oneflux.name()))


def test_folder_of_several_resolutions_asks(tmp_path):
    """auto refuses to guess; a choice takes those files."""
    month_file(tmp_path)
    times = oneflux.stamps("2003-01-01", 365, "DD")
    oneflux.write(tmp_path, oneflux.text(times, "DD"), oneflux.name(resolution="DD"))
    with pytest.raises(ConfigError, match="2 resolutions: DD, MM"):
        read_observations(tmp_path)
    assert read_observations(tmp_path, resolution="DD").sizes["time"] == 365
    with pytest.raises(ConfigError, match="no file of resolution YY"):
        read_observations(tmp_path, resolution="YY")


def test_folder_of_sites_becomes_one_table(tmp_path):
    """Files below the folder are found, others are named in the ledger."""
    month_file(tmp_path / "a")
    month_file(tmp_path / "b", oneflux.name("FI-Hyy"), "zip")
    (tmp_path / "b" / "FLX_FI-Hyy_FLUXNET2015_ERAI_MM_1989-2014_1-4.csv").write_text("TIMESTAMP\n")
    ds = read_observations(tmp_path)
    assert list(ds["site"].values) == ["BE-Bra", "FI-Hyy"]
    assert any("ERAI" in entry.get("detail", "") for entry in ledger(ds))


def test_zip_as_downloaded(tmp_path):
    """Of the members of a download, the file of the wanted resolution is read; its BIF file gives the position."""
    path = tmp_path / "AMF_BE-Bra_FLUXNET_2003-2004_v1.3_r1.zip"
    bif = ("SITE_ID,GROUP_ID,VARIABLE_GROUP,VARIABLE,DATAVALUE\nBE-Bra,1,GRP_LOCATION,LOCATION_LAT,51.3\n"
           "BE-Bra,1,GRP_LOCATION,LOCATION_LONG,4.5\nBE-Bra,2,GRP_IGBP,IGBP,MF\n")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("AMF_BE-Bra_FLUXNET_FLUXMET_MM_2003-2004_v1.3_r1.csv", oneflux.text(MONTHS, "MM"))
        archive.writestr("AMF_BE-Bra_FLUXNET_ERA5_MM_1981-2025_v1.3_r1.csv", "TIMESTAMP,TA_ERA\n")
        archive.writestr("AMF_BE-Bra_FLUXNET_BIF_2003-2004_v1.3_r1.csv", bif)
    ds = read_observations(path)
    assert (float(ds["lat"][0]), float(ds["lon"][0]), ds["igbp"].values[0]) == (51.3, 4.5, "MF")


def test_zip_of_zips(tmp_path):
    """A collection of downloads in one zip is read too."""
    inner = month_file(tmp_path / "inner", packed="zip")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(inner, inner.name)
    assert read_observations(tmp_path / "all.zip").sizes == {"site": 1, "time": 24}


def test_subset_beside_fullset_is_left_out(tmp_path):
    """FULLSET and SUBSET of a site are one record, not a double."""
    month_file(tmp_path)
    month_file(tmp_path, oneflux.name(grouping="SUBSET"))
    ds = read_observations(tmp_path)
    assert ds.sizes == {"site": 1, "time": 24}
    assert any("SUBSET" in entry["reason"] for entry in ledger(ds))


def test_same_months_in_two_files_are_refused(tmp_path):
    """Both files are named."""
    month_file(tmp_path / "a")
    month_file(tmp_path / "b", oneflux.name(years="2001-2004"))
    with pytest.raises(SampleError, match=r"BE-Bra.*2003-01-01.*2003-2004.*2001-2004"):
        read_observations(tmp_path)


def test_files_of_following_years_join(tmp_path):
    """A gap between the files of one site is no error."""
    month_file(tmp_path)
    later = oneflux.stamps("2007-01", 12, "MM")
    oneflux.write(tmp_path, oneflux.text(later, "MM"), oneflux.name(years="2007-2007"))
    assert read_observations(tmp_path).sizes == {"site": 1, "time": 36}


def test_empty_and_cut_files_are_named(tmp_path):
    """0 bytes, a header alone and a truncated gzip each give one error that names the file."""
    empty = oneflux.write(tmp_path, "", oneflux.name("XX-Nil"))
    with pytest.raises(SchemaError, match=r"XX-Nil.*empty \(0 bytes\)"):
        read_observations(empty)
    header = oneflux.write(tmp_path, oneflux.text(MONTHS[:0], "MM"), oneflux.name("XX-Hdr"))
    with pytest.raises(SchemaError, match=r"XX-Hdr.*no rows"):
        read_observations(header)
    packed = month_file(tmp_path, oneflux.name("XX-Cut"), "gz")
    packed.write_bytes(packed.read_bytes()[:-40])
    with pytest.raises(SchemaError, match=r"XX-Cut.*damaged or cut off"):
        read_observations(packed)


@pytest.mark.parametrize("member", ["../evil.csv", "/etc/evil.csv", "a/../../evil.csv", "C:/evil.csv", "..\\evil.csv"])
def test_climbing_zip_is_refused(tmp_path, member):
    """A zip whose member would leave its folder is not touched."""
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(oneflux.name(), oneflux.text(MONTHS, "MM"))
        archive.writestr(member, "x")
    with pytest.raises(SchemaError, match="climbs out"):
        read_observations(path)


def test_zip_bomb_is_refused(tmp_path):
    """A member that would unpack to hundreds of times its size is refused before it is read."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("big.csv", "w") as member:
        for _ in range(70):
            member.write(bytes(2**20))
    with pytest.raises(SchemaError, match="would unpack to 70 MB"):
        find_sources(path)


def test_cut_zip_and_missing_file(tmp_path):
    """A zip cut in half and a path that is not there are named."""
    path = month_file(tmp_path, packed="zip")
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(SchemaError, match=r"zip' is damaged"):
        read_observations(path)
    with pytest.raises(SchemaError, match="does not exist"):
        read_observations(tmp_path / "nothing.csv")


def test_flux_kind_must_be_respiration_of_ecosystems(tmp_path):
    """FLUXNET files hold no soil respiration."""
    with pytest.raises(ConfigError, match="ecosystem respiration"):
        read_observations(month_file(tmp_path), flux="rs")


@pytest.mark.parametrize(("folder", "resolution", "count"), [
    ("flux_warmwinter2020_mm", "MM", 58), ("flux_warmwinter2020_dd", "DD", 8),
    ("flux_fluxnet2015_subset_dd", "DD", 19)])
def test_every_real_file_reads_without_a_warning(real_data, folder, resolution, count):
    """All ONEFlux files of the shared data, with every target that has a quality column."""
    files = [file for file in map(recognise, find_sources(real_data(folder))) if file]
    assert len(files) == count
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for file in files:
            ds = read_fluxnet(file)
            assert file.resolution == resolution
            assert ds.sizes["site"] == 1
            assert "ta" in ds and "precip" in ds


def test_real_months_equal_means_of_real_days(real_data):
    """Monthly files hold the means of the daily ones where every day is there (methods test 1.1 c).

    This is true of a fixed u* threshold; for REF, ONEFlux chooses the threshold anew at each resolution.
    """
    days = read_observations(real_data("flux_warmwinter2020_dd"), target="RECO_NT_VUT_USTAR50")
    months = read_observations(real_data("flux_warmwinter2020_mm"), target="RECO_NT_VUT_USTAR50")
    compared = 0
    for site in np.intersect1d(days["site"].values.astype(str), months["site"].values.astype(str)):
        for name, tolerance in (("reco", 1e-4), ("qc", 1e-5), ("ta", 1e-3)):
            daily = pd.Series(days[name].sel(site=site).values, days["time"].values)
            grouped = daily.resample("MS").agg(["mean", "count"])
            full = grouped[grouped["count"] == grouped.index.days_in_month]
            monthly = months[name].sel(site=site).reindex(time=full.index).values
            both = np.isfinite(monthly)
            compared += int(both.sum()) if name == "reco" else 0
            np.testing.assert_allclose(full["mean"].to_numpy()[both], monthly[both], rtol=0, atol=tolerance)
    assert compared > 100
