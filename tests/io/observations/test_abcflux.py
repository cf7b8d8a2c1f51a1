"""ABCflux: the published columns, other spellings, chambers, quality, and tables that are not it.

The table is written in the columns of version 1 (Arctic_Boreal_CO2_Flux.csv) and of version 2.
"""

from __future__ import annotations

import csv

import numpy as np
import pytest

from reco_core.errors import ConfigError, SampleError, SchemaError
from reco_core.io.archives import find_sources
from reco_core.io.observations.abcflux import is_abcflux
from reco_core.io.observations.read import read_observations
from reco_core.vocabulary.ledger import ledger

V1 = ("data_contributor_or_author,study_id,site_name,site_reference,latitude,longitude,biome,veg_type,meas_year,"
      "interval_month,nee,gpp,reco,gap_fill_perc,flux_method,partition_method,tair_int,precip_int,tsoil,tsoil_depth")
V2 = {"study_id": "site_id", "meas_year": "year", "interval_month": "month", "gap_fill_perc": "gap_fill_perc_nee",
      "tair_int": "tair", "precip_int": "precip"}
ROW = {"study_id": "Ueyama_US-Prr_tower1", "site_name": "Poker Flat", "site_reference": "US-Prr", "latitude": "65.1237",
       "longitude": "-147.4876", "biome": "Boreal", "veg_type": "TWE", "meas_year": "2012", "interval_month": "6",
       "nee": "-30", "gpp": "-90", "reco": "60", "gap_fill_perc": "20", "flux_method": "EC", "tair_int": "15.5",
       "precip_int": "45", "partition_method": "Reichstein", "tsoil": "-9999"}


def write(folder, rows, rename=None, name="Arctic_Boreal_CO2_Flux.csv"):
    """Write rows in the published columns and return the path."""
    path = folder / name
    header = [(rename or {}).get(column, column) for column in V1.split(",")]
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        for row in rows:
            filled = {**ROW, **row}
            writer.writerow([filled.get(column, "-9999") for column in V1.split(",")])
    return path


@pytest.mark.parametrize("rename", [{}, V2, {column: column.title() for column in V1.split(",")}])
def test_published_columns_of_both_versions(tmp_path, rename):
    """Respiration per month becomes a rate, gap-filling a quality; labels stay as they are."""
    path = write(tmp_path, [{}, {"interval_month": "7", "reco": "62", "gap_fill_perc": "100"}], rename)
    assert is_abcflux(find_sources(path))
    ds = read_observations(path)
    assert ds.attrs["time_step"] == "month" and list(ds["site"].values) == ["US-Prr"]
    np.testing.assert_allclose(ds["reco"].values, [[2.0, 2.0]])
    np.testing.assert_allclose(ds["qc"].values, [[0.8, 0.0]])
    np.testing.assert_allclose(ds["ta"].values, [[15.5, 15.5]])
    assert float(ds["precip"][0, 0]) == pytest.approx(1.5)
    assert ds["igbp"].item() == "TWE" and ds["network"].item() == "ABCflux"
    assert float(ds["lat"][0]) == 65.1237
    assert "gpp" not in ds and "nee" not in ds
    assert "10.5194/essd-14-179-2022" in ds.attrs["citation"]


def test_chambers_are_left_out_and_counted(tmp_path):
    """Only eddy covariance is read; screening=none keeps the others too."""
    path = write(tmp_path, [{}, {"study_id": "Lund_Ch01", "site_reference": "", "flux_method": "Ch"},
                            {"study_id": "Savage_snow", "site_reference": "plot 3", "flux_method": "Diff"}])
    ds = read_observations(path)
    entry = next(entry for entry in ledger(ds) if "eddy covariance" in entry["reason"])
    assert (entry["count"], entry["detail"], entry["sites"]) == (2, "Ch, Diff", {"Lund_Ch01": 1, "Savage_snow": 1})
    assert read_observations(path, screening="none").sizes["site"] == 3
    with pytest.raises(SampleError, match="1 records not measured by eddy covariance") as caught:
        read_observations(write(tmp_path, [{"flux_method": "Chamber"}], name="ch.csv"))
    assert "screening=none" in caught.value.hint


def test_two_towers_of_one_code_keep_their_names(tmp_path):
    """The network code names a tower only where no other tower has it."""
    path = write(tmp_path, [{}, {"study_id": "Zona_US-Brw_tower1", "site_reference": "US-Brw"},
                            {"study_id": "Zona_US-Brw_tower2", "site_reference": "US-Brw"}])
    assert list(read_observations(path)["site"].values) == ["US-Prr", "Zona_US-Brw_tower1", "Zona_US-Brw_tower2"]


def test_night_partitioning_is_kept_of_two(tmp_path):
    """A month with both partitionings counts once; any other double is refused with its lines."""
    both = write(tmp_path, [{"partition_method": "Lasslop", "reco": "90"}, {}])
    ds = read_observations(both)
    assert float(ds["reco"][0, 0]) == 2.0
    assert any("other partitioning" in entry["reason"] and entry["count"] == 1 for entry in ledger(ds))
    with pytest.raises(SampleError, match=r"'US-Prr' has 2012-06 twice, in line 2 and line 3"):
        read_observations(write(tmp_path, [{}, {}], name="twice.csv"))


def test_gpp_only_if_asked(tmp_path):
    """Productivity is read where it is named, positive as everywhere in RECO, and its sign is told."""
    ds = read_observations(write(tmp_path, [{}]), columns={"gpp": "gpp"})
    assert float(ds["gpp"][0, 0]) == 3.0
    assert any("sign was changed" in entry["reason"] for entry in ledger(ds))


def test_unknown_header_is_printed(tmp_path):
    """A header that is not known is shown whole with the candidates; a column map mends it."""
    path = write(tmp_path, [{}], {"study_id": "tower", "reco": "respiration"})
    with pytest.raises(SchemaError, match=r"known to hold reco and site in; its header: data_contributor_or_author, "
                                          r"tower, .*respiration, gap_fill_perc") as caught:
        read_observations(path, format="abcflux")
    assert "study_id" in caught.value.hint
    ds = read_observations(path, format="abcflux", columns={"site": "tower", "reco": "respiration"})
    assert float(ds["reco"][0, 0]) == 2.0


@pytest.mark.parametrize(("row", "words"), [
    ({"interval_month": "13"}, "'13' is not a month"), ({"gap_fill_perc": "130"}, "130 % of a month"),
    ({"latitude": "147", "longitude": "65"}, "latitude of site 'US-Prr' is 147"),
    ({"study_id": ""}, "there is no site"), ({"reco": "much"}, "'much' is not a number")])
def test_bad_values(tmp_path, row, words):
    """Impossible months, shares, positions and numbers are errors that name the line or site."""
    with pytest.raises(SchemaError, match=words):
        read_observations(write(tmp_path, [row]))


def test_other_kinds_are_refused(tmp_path):
    """ABCflux holds ecosystem respiration only."""
    with pytest.raises(ConfigError, match=r"holds no rh; it holds reco \(ecosystem respiration\)"):
        read_observations(write(tmp_path, [{}]), flux="rh")


def test_anonymous_driver_table(real_data):
    """The driver table of the ABCflux models has no date and no place: it is not read, and says what is lacking."""
    path = real_data("flux_abcflux_arctic_monthly") / "abcflux_reco_monthly_drivers.csv.gz"
    assert not is_abcflux(find_sources(path))
    with pytest.raises(SchemaError, match="hold reco, site, lat, lon, year, month and method in; its header: "
                                          "site_group, source_row, reco_gC_m2_month"):
        read_observations(path, format="abcflux")
    with pytest.raises(SchemaError, match="no column that is known to hold ecosystem respiration") as caught:
        read_observations(path)
    assert "reco_gC_m2_month" in caught.value.hint
    with pytest.raises(SchemaError, match="has no date"):
        read_observations(path, columns={"site": "site_group", "reco": "reco_gC_m2_month"},
                          units={"reco": "g C m-2 month-1"})
