"""SRDB: the criteria one by one, site-years, and the real data base."""

from __future__ import annotations

import csv
import gzip

import numpy as np
import pytest

from reco_core.errors import ConfigError, SampleError, SchemaError
from reco_core.io.archives import find_sources
from reco_core.io.observations.read import read_observations
from reco_core.io.observations.srdb import is_srdb, read_srdb
from reco_core.vocabulary.ledger import ledger

HEADER = ("Record_number,Study_number,Duplicate_record,Quality_flag,Site_ID,Study_midyear,YearsOfData,Latitude,"
          "Longitude,Elevation,Manipulation,Ecosystem_type,Leaf_habit,Meas_method,Rs_annual,Rh_annual,ER")
GOOD = {"Study_number": "100", "Study_midyear": "2004.5", "YearsOfData": "1", "Latitude": "50.5", "Longitude": "8.25",
        "Manipulation": "None", "Ecosystem_type": "Grassland", "Meas_method": "IRGA", "Rs_annual": "732",
        "Rh_annual": "366"}
BAD = ({"Meas_method": "Alkali absorption"}, {"Meas_method": ""}, {"Manipulation": "Fertilized"},
       {"Manipulation": "Warmed"}, {"Quality_flag": "Q10"}, {"Quality_flag": "Q01,Q13"}, {"Duplicate_record": "3904"},
       {"Duplicate_record": "8,618"}, {"Study_midyear": "1999.5"}, {"Study_midyear": "1961"})


def write(folder, rows, header=HEADER, name="srdb-data.csv"):
    """Write records in the columns of SRDB and return the path."""
    path = folder / name
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, header.split(","), restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows({"Record_number": str(number), "Site_ID": f"DE-{number:03d}", **GOOD, **row}
                         for number, row in enumerate(rows, 1))
    return path


def dropped(ds):
    """Return reason -> count of what was dropped."""
    return {entry["reason"].split(":")[0]: entry["count"] for entry in ledger(ds) if entry["count"]}


def test_each_criterion_removes_its_two_rows(tmp_path):
    """Of twelve records two are good, and each of the five criteria takes out exactly its two."""
    path = write(tmp_path, [{}, {}, *BAD])
    ds = read_observations(path, flux="rh")
    assert list(ds["site"].values) == ["DE-001", "DE-002"]
    names = ("method", "manipulation", "quality", "duplicate", "year")
    assert dropped(ds) == {f"criterion {name}": 2 for name in names}
    assert float(ds["rh"][0, 0]) == pytest.approx(1.0)  # 366 g C in the leap year 2004
    assert set(dropped(read_observations(path, flux="rh", screening="basic"))) == {
        "criterion manipulation", "criterion quality", "criterion duplicate"}
    assert read_observations(path, flux="rh", screening="none").sizes["site"] == 12


def test_kinds_of_flux_stay_apart(tmp_path):
    """rs, rh and reco come from their own columns; a source without one says what it has."""
    path = write(tmp_path, [{"ER": "1098"}])
    assert [float(read_observations(path, flux=flux)[flux][0, 0]) for flux in ("rs", "rh", "reco")] == pytest.approx(
        [2.0, 1.0, 3.0])
    without = write(tmp_path, [{}], HEADER.replace(",Rh_annual", ""), "other.csv")
    with pytest.raises(ConfigError, match=r"holds no rh; it holds rs \(Rs_annual\), reco \(ER\)"):
        read_observations(without, flux="rh")


def test_years_and_doubles(tmp_path):
    """Records of several years stand at the middle year, those of one site-year become their mean; both are told."""
    path = write(tmp_path, [{"Site_ID": "A", "Rs_annual": "366"}, {"Site_ID": "A", "Rs_annual": "1098"},
                            {"Site_ID": "B", "YearsOfData": "3", "Study_midyear": "2006"},
                            {"Site_ID": "A", "Latitude": "10"}])
    ds = read_observations(path, flux="rs")
    assert list(ds["site"].values) == ["A (10.00, 8.25)", "A (50.50, 8.25)", "B"]
    assert float(ds["rs"].sel(site="A (50.50, 8.25)", time="2004-01-01")) == pytest.approx(2.0)
    assert np.isfinite(ds["rs"].sel(site="B", time="2006-01-01"))
    details = {entry["reason"]: entry.get("detail") for entry in ledger(ds)}
    assert details["records of more than one year stand at their middle year"] == "1 records"
    assert details["records of one site and year were averaged"] == "4 records became 3 site-years"


def test_nothing_left_says_why(tmp_path):
    """If no record passes, the counts are in the message."""
    with pytest.raises(SampleError, match="2 criterion method") as caught:
        read_observations(write(tmp_path, BAD[:2]), flux="rs")
    assert "screening=basic" in caught.value.hint


def test_broken_files(tmp_path):
    """A header of another spelling is printed; empty and cut files and positions nowhere are errors."""
    other = tmp_path / "renamed.csv"
    other.write_text(write(tmp_path, [{}]).read_text().replace("Meas_method", "Measurement"))
    with pytest.raises(SchemaError, match="known to hold method in; its header: Record_number"):
        read_observations(other, format="srdb", flux="rs")
    assert read_observations(other, format="srdb", flux="rs", columns={"method": "Measurement"}).sizes["site"] == 1
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(SchemaError, match="is empty"):
        read_observations(tmp_path / "empty.csv", format="srdb", flux="rs")
    packed = gzip.compress(write(tmp_path, [{}] * 500).read_bytes())
    (tmp_path / "cut.csv.gz").write_bytes(packed[:len(packed) // 2])
    with pytest.raises(SchemaError, match="damaged or cut off"):
        read_observations(tmp_path / "cut.csv.gz", format="srdb", flux="rs")
    with pytest.raises(SchemaError, match="latitude of site"):
        read_observations(write(tmp_path, [{"Latitude": "116.3", "Longitude": "40"}]), flux="rs")
    with pytest.raises(SchemaError, match="'n/k' is not a number"):
        read_observations(write(tmp_path, [{"Rs_annual": "n/k"}]), flux="rs")


def test_two_candidates_in_a_folder(tmp_path):
    """A folder with two data files asks which one."""
    write(tmp_path, [{}])
    write(tmp_path, [{}], name="copy.csv")
    with pytest.raises(SchemaError, match="2 of the 2 files have the header of SRDB") as caught:
        read_observations(tmp_path, flux="rs")
    assert "copy.csv" in caught.value.hint


@pytest.mark.parametrize(("flux", "column", "full"), [("rs", "Rs_annual", 6763), ("rh", "Rh_annual", 1330)])
def test_real_data_base(real_data, flux, column, full):
    """Every record is either kept or counted once, and as many have the flux as the share of the full file tells."""
    folder = real_data("soil_srdb_v5")
    assert is_srdb(find_sources(folder))
    ds = read_srdb(find_sources(folder), flux=flux)
    entries = {entry["reason"]: entry["count"] for entry in ledger(ds)}
    without = entries[f"records without {column}"]
    assert 9658 - without == pytest.approx(full * 9658 / 12272, rel=0.05)
    averaged = next(entry["detail"] for entry in ledger(ds) if entry["reason"].startswith("records of one site"))
    kept = int(averaged.split()[0])
    assert sum(count for count in entries.values()) + kept == 9658
    assert int(np.isfinite(ds[flux]).sum()) == int(averaged.split()[-2])
    assert all(entries[reason] > 0 for reason in entries if reason.startswith("criterion"))
    assert ds["time"].values.min() >= np.datetime64("2000-01-01")
    assert np.isfinite(ds["lat"]).mean() > 0.95
    # soils respire some hundred g C m-2 yr-1
    assert 300 < float(ds[flux].median()) * 365.25 < 1000
    assert "10.5194/essd-13-255-2021" in ds.attrs["citation"]


def test_real_heterotrophic_is_less_than_soil(real_data):
    """In records that give both, Rh is a part of Rs."""
    path = real_data("soil_srdb_v5") / "srdb-data.csv.gz"
    rs, rh = (read_observations(path, flux=flux, screening="none") for flux in ("rs", "rh"))
    sites = np.intersect1d(rs["site"].values.astype(str), rh["site"].values.astype(str))
    both = (rs["rs"].sel(site=sites) - rh["rh"].sel(site=sites)).values
    assert np.nanmean(both) > 0
    assert (both[np.isfinite(both)] >= 0).mean() > 0.95
