"""FLUXNET files of every resolution and packing, and the errors of broken ones."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

import oneflux
from reco_core.errors import ConfigError, SampleError, SchemaError
from reco_core.io.observations.read import read_observations
from reco_core.vocabulary.ledger import ledger

MONTHS = oneflux.stamps("2003-01", 24, "MM")


def month_file(folder, filename=None, packed="", **kwargs):
    """Write a monthly file and return its path."""
    return oneflux.write(folder, oneflux.text(MONTHS, "MM", **kwargs), filename or oneflux.name(), packed)


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
    assert set(ds.data_vars) == {"reco", "qc", "uncertainty", "uncertainty_partitioning", "ta", "precip", "vpd"}
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
    path = month_file(tmp_path, oneflux.name(years="2003-2006"))
    with pytest.raises(SchemaError, match=r"FLX_BE-Bra.*no column RECO_NT_CUT_REF") as caught:
        read_observations(path, target="RECO_NT_CUT_REF")
    assert "RECO_DT_VUT_REF" in caught.value.hint


def test_short_records_have_one_threshold(tmp_path):
    """For one or two years ONEFlux gives VUT alone, which is CUT too; a SUBSET of any length lacks CUT."""
    ds = read_observations(month_file(tmp_path), target="RECO_NT_CUT_REF")
    assert ds["reco"].attrs["source_column"] == "RECO_NT_VUT_REF"
    assert any("RECO_NT_VUT_REF read for RECO_NT_CUT_REF" in entry["reason"] for entry in ledger(ds))
    with pytest.raises(SchemaError, match="no column RECO_NT_CUT_REF"):
        read_observations(month_file(tmp_path / "b", oneflux.name(grouping="SUBSET")), target="RECO_NT_CUT_REF")


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


@pytest.mark.parametrize("target", ["RECO_DT_VUT_REF", "RECO_NT_CUT_REF", "RECO_NT_VUT_MEAN", "reco_nt_vut_ustar50",
                                    "RECO_DT_CUT_50", "RECO_NT_VUT_95"])
def test_any_variant_of_the_flux(tmp_path, target):
    """Partitioning, threshold and reference can be chosen; the quality is that of the matching NEE."""
    name = target.upper()
    kind = "_".join(name.split("_")[2:])
    values = {name: np.full(24, 3.0), f"NEE_{kind}_QC": np.full(24, 0.8)}
    ds = read_observations(month_file(tmp_path, columns=("TA_F",), values=values), target=target)
    assert float(ds["reco"].max()) == 3.0
    assert float(ds["qc"].min()) == 0.8
    assert ds["reco"].attrs["source_column"] == name


def test_uncertainty_tells_how_it_was_made(tmp_path):
    """Half the range of 16 and 84 %, or, where a SUBSET lacks them, the range of quartiles of a normal distribution."""
    full = read_observations(month_file(tmp_path / "full"))
    assert full["uncertainty"].attrs["method"] == "(RECO_NT_VUT_84 - RECO_NT_VUT_16) / 2"
    values = {"RECO_NT_VUT_75": np.full(24, 3.0), "RECO_NT_VUT_25": np.full(24, 1.651)}
    columns = ("NEE_VUT_REF_QC", "RECO_NT_VUT_REF")
    subset = read_observations(month_file(tmp_path / "subset", values=values, columns=columns))
    np.testing.assert_allclose(subset["uncertainty"].values, 1.0)
    assert subset["uncertainty"].attrs["method"] == "(RECO_NT_VUT_75 - RECO_NT_VUT_25) / 1.349"


def test_difference_of_partitionings_is_kept_apart(tmp_path):
    """|NT - DT| where both are there, in the unit of the flux."""
    values = {"RECO_NT_VUT_REF": np.full(24, 3.0), "RECO_DT_VUT_REF": np.where(np.arange(24) < 12, 2.5, np.nan)}
    ds = read_observations(month_file(tmp_path, values=values))
    np.testing.assert_allclose(ds["uncertainty_partitioning"].values[0, :12], 0.5)
    assert np.isnan(ds["uncertainty_partitioning"].values[0, 12:]).all()
    assert ds["uncertainty_partitioning"].attrs["units"] == "g C m-2 d-1"
    alone = read_observations(month_file(tmp_path / "b", columns=("NEE_VUT_REF_QC", "RECO_NT_VUT_REF")))
    assert "uncertainty_partitioning" not in alone


def test_hourly_files_are_hours(tmp_path):
    """1 umol CO2 m-2 s-1 is 1.0377504 g C m-2 d-1, and 1 mm in an hour is 24 mm a day."""
    times = oneflux.stamps("2003-01-01", 24, "HR")
    values = {"P_F": np.ones(24), "NEE_VUT_REF_QC": np.zeros(24), "RECO_NT_VUT_REF": np.ones(24)}
    ds = read_observations(oneflux.write(tmp_path, oneflux.text(times, "HR", values), oneflux.name(resolution="HR")))
    assert ds.attrs["time_step"] == "hour"
    np.testing.assert_allclose(ds["reco"].values, 1.0377504)
    np.testing.assert_allclose(ds["precip"].values, 24.0)


def test_rows_must_follow_each_other_as_the_name_says(tmp_path):
    """Hours in a file named HH, and a stamp beside the half-hours, are refused with the line."""
    values = {"NEE_VUT_REF_QC": np.zeros(24)}
    text = oneflux.text(oneflux.stamps("2003-01-01", 24, "HR"), "HR", values)
    with pytest.raises(SchemaError, match="the rows follow each other in 60 minutes, not in 30"):
        read_observations(oneflux.write(tmp_path, text, oneflux.name(resolution="HH")))
    text = oneflux.text(oneflux.stamps("2003-01-01", 24, "HH"), "HH", values)
    path = oneflux.write(tmp_path, text.replace("\n200301010130", "\n200301010137"), oneflux.name(resolution="HH"))
    with pytest.raises(SchemaError, match=r"TIMESTAMP_START, line 5: '200301010137' is no start of 30 minutes"):
        read_observations(path)


def test_mean_quality_of_half_hours_is_a_share(tmp_path):
    """The mean over u* thresholds has a share at every resolution; .75 counts as good, and the ledger says so."""
    times = oneflux.stamps("2003-01-01", 4, "HH")
    values = {"RECO_NT_VUT_MEAN": np.ones(4), "NEE_VUT_MEAN_QC": np.array([1, 0.75, 0.7, np.nan])}
    path = oneflux.write(tmp_path, oneflux.text(times, "HH", values), oneflux.name(resolution="HH"))
    ds = read_observations(path, target="RECO_NT_VUT_MEAN")
    np.testing.assert_array_equal(ds["qc"].values, [[1, 1, 3, np.nan]])
    assert any("quality is a share" in entry["reason"] for entry in ledger(ds))


def test_gaps_in_the_time_axis_are_told(tmp_path):
    """Months that have no row are no error, and the ledger counts them; rows in any order are sorted."""
    lines = oneflux.text(MONTHS, "MM", {"RECO_NT_VUT_REF": np.arange(24.0)}).splitlines()
    path = oneflux.write(tmp_path, "\n".join([lines[0], *reversed(lines[1:10]), *lines[13:]]) + "\n", oneflux.name())
    ds = read_observations(path)
    assert ds["reco"].values[0, :9].tolist() == list(range(9))
    entry = next(entry for entry in ledger(ds) if entry["reason"].startswith("gaps in the time axis"))
    assert entry["detail"] == f"{path.name}: 3"


@pytest.mark.parametrize("blank", ["", "NaN", "NA", "-9999", "-9999.0"])
def test_missing_in_any_spelling(tmp_path, blank):
    """Integers and numbers may be missing in each of the usual ways."""
    text = oneflux.text(MONTHS, "MM", {"NEE_VUT_REF_QC": np.ones(24), "RECO_NT_VUT_REF": np.full(24, 77.0)})
    ds = read_observations(oneflux.write(tmp_path, text.replace(",1,77,", f",{blank},{blank},", 3), oneflux.name()))
    assert np.isnan(ds["reco"].values[0, :3]).all()
    assert np.isnan(ds["qc"].values[0, :3]).all()
    assert np.isfinite(ds["reco"].values[0, 3:]).all()


def test_missing_stamp_names_its_line(tmp_path):
    """A row without a date cannot be placed."""
    text = oneflux.text(MONTHS, "MM").replace("200305,", ",")
    with pytest.raises(SchemaError, match=r"column TIMESTAMP, line 6"):
        read_observations(oneflux.write(tmp_path, text, oneflux.name()))


@pytest.mark.parametrize("packed", ["", "gz"])
def test_file_cut_in_the_middle_of_a_row(tmp_path, packed):
    """The last line has fewer fields than the header: nothing is guessed."""
    text = oneflux.text(MONTHS, "MM")
    whole = read_observations(oneflux.write(tmp_path / "whole", text.rstrip("\n"), oneflux.name()))
    assert whole.sizes["time"] == 24
    path = oneflux.write(tmp_path, text[:-25], oneflux.name(), packed)
    with pytest.raises(SchemaError, match=r"FLX_BE-Bra.*is cut off: its last line 25 has \d+ of 12 fields"):
        read_observations(path)


def test_spreadsheet_of_another_tongue(tmp_path):
    """Semicolons and decimal commas give the same numbers; a word among them is named with its line."""
    text = oneflux.text(MONTHS, "MM", {"RECO_NT_VUT_REF": np.linspace(0.25, 6, 24)})
    plain = read_observations(oneflux.write(tmp_path / "a", text, oneflux.name()))
    path = oneflux.write(tmp_path / "b", text.replace(",", ";").replace(".", ","), oneflux.name())
    assert read_observations(path).drop_attrs().equals(plain.drop_attrs())
    broken = oneflux.write(tmp_path / "c", text.replace(",0.25,", ",o.25,"), oneflux.name())
    with pytest.raises(SchemaError, match=r"RECO_NT_VUT_REF, line 2: 'o.25' is not a number"):
        read_observations(broken)


def test_unknown_header_is_printed(tmp_path):
    """A file that is named like FLUXNET and is not tells the columns it has."""
    path = oneflux.write(tmp_path, "DATE,RESPIRATION\n2003-01,1\n", oneflux.name())
    with pytest.raises(SchemaError, match="no column TIMESTAMP") as caught:
        read_observations(path)
    assert "DATE, RESPIRATION" in caught.value.hint


@pytest.mark.parametrize("flux", ["rs", "rh"])
def test_soil_fluxes_are_not_in_tower_files(tmp_path, flux):
    """The hint says where they are."""
    with pytest.raises(ConfigError, match="ecosystem respiration") as caught:
        read_observations(month_file(tmp_path), flux=flux)
    assert "COSORE" in caught.value.hint


def test_site_dois_are_cited(tmp_path):
    """The DOI in the BADM file of a download is among what is to be cited."""
    month_file(tmp_path)
    (tmp_path / "AMF_BE-Bra_FLUXNET_BIF_2003-2004_v1.csv").write_text(
        "SITE_ID,GROUP_ID,VARIABLE_GROUP,VARIABLE,DATAVALUE\nBE-Bra,1,GRP_DOI,DOI,10.17190/AMF/123\n"
        "BE-Bra,1,GRP_LOCATION,LOCATION_LAT,51.3\nBE-Bra,1,GRP_LOCATION,LOCATION_LONG,4.5\n")
    assert "BE-Bra: doi:10.17190/AMF/123" in read_observations(tmp_path).attrs["citation"].split("; ")
