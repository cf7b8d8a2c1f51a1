"""DGRsD and tables like it, and the real soil respiration tables that RECO reads with a column map."""

from __future__ import annotations

import csv

import numpy as np
import pandas as pd
import pytest

from reco_core.errors import ConfigError, SampleError, SchemaError
from reco_core.io.archives import find_sources
from reco_core.io.observations.dgrsd import is_dgrsd
from reco_core.io.observations.read import read_observations
from reco_core.samples import periods, quality
from reco_core.vocabulary.ledger import ledger

HEADER = ("StudyNumber,SiteID,Latitude,Longitude,Measure_Year,Measure_Month,DOY,RS_Norm,RH_Norm,Meas_Method,"
          "Manipulation,Quality_flag,Duplicate_record,Ecosystem_type")
ROW = {"StudyNumber": "12", "SiteID": "CN-DHS", "Latitude": "23.17", "Longitude": "112.5", "Measure_Year": "2004",
       "Measure_Month": "3", "DOY": "65", "RS_Norm": "2.5", "RH_Norm": "1.5", "Meas_Method": "IRGA",
       "Manipulation": "None", "Ecosystem_type": "Evergreen broadleaf forest"}


def write(folder, rows, header=HEADER, name="DGRsD.csv"):
    """Write records and return the path."""
    path = folder / name
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, header.split(","), restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows({**ROW, **row} for row in rows)
    return path


def test_daily_records_to_eight_days(tmp_path):
    """Records of a day are averaged, days become 8-day means; the citation is that of the data base."""
    path = write(tmp_path, [{"RH_Norm": "1"}, {"RH_Norm": "2"}, {"DOY": "66", "RH_Norm": "3.5"}, {"DOY": "73"}])
    assert is_dgrsd(find_sources(path))
    ds = read_observations(path, flux="rh")
    assert (ds.attrs["time_step"], ds.attrs["method"]) == ("day", "chamber")
    assert str(ds["time"].values[0])[:10] == "2004-03-05"
    np.testing.assert_allclose(ds["rh"].values, [[1.5, 3.5, 1.5]])
    assert ds["igbp"].item() == "EBF" and ds["network"].item() == "DGRsD"
    assert "10.1111/gcb.14301" in ds.attrs["citation"]
    eight = periods.aggregate(ds, "8day")
    assert [str(time)[:10] for time in eight["time"].values] == ["2004-03-05", "2004-03-13"]
    np.testing.assert_allclose(eight["rh"].values, [[2.5, 1.5]])


def test_monthly_records(tmp_path):
    """Without a day the time step is a month; units are those of the user."""
    path = write(tmp_path, [{"RS_Norm": "62"}], HEADER.replace("DOY,", ""))
    ds = read_observations(path, flux="rs", units={"rs": "g C m-2 month-1"})
    assert ds.attrs["time_step"] == "month"
    assert float(ds["rs"][0, 0]) == pytest.approx(2.0)
    assert any("unit is taken" in entry["reason"] for entry in ledger(read_observations(path, flux="rs")))


def test_criteria_of_the_zonal_study(tmp_path):
    """Twelve records: each criterion takes out its two, and two are left."""
    bad = ({"Meas_Method": "Soda lime"}, {"Meas_Method": ""}, {"Manipulation": "Warmed"}, {"Manipulation": "Burned"},
           {"Quality_flag": "Q11"}, {"Quality_flag": "Q14"}, {"Duplicate_record": "7"}, {"Duplicate_record": "8"},
           {"Measure_Year": "1999"}, {"Measure_Year": "1986"})
    ds = read_observations(write(tmp_path, [{"SiteID": f"S{n}", **row} for n, row in enumerate(({}, {}, *bad))]),
                           flux="rs")
    counts = {entry["reason"].split(":")[0]: entry["count"] for entry in ledger(ds) if entry["count"]}
    assert counts == {f"criterion {name}": 2 for name in ("method", "manipulation", "quality", "duplicate", "year")}
    assert list(ds["site"].values) == ["S0", "S1"]


def test_unknown_header_and_wrong_kind(tmp_path):
    """An unknown header is printed; a flux that is not there is named with those that are."""
    path = write(tmp_path, [{}], HEADER.replace("Meas_Method", "How"))
    with pytest.raises(SchemaError, match="known to hold method in; its header: StudyNumber, SiteID"):
        read_observations(path, format="dgrsd", flux="rs")
    with pytest.raises(ConfigError, match=r"holds no rh; it holds rs \(RS_Norm\)"):
        read_observations(write(tmp_path, [{}], HEADER.replace("RH_Norm,", "")), flux="rh")
    with pytest.raises(ConfigError, match="holds no reco"):
        read_observations(write(tmp_path, [{}]), flux="reco")
    with pytest.raises(SampleError, match="1 criterion method"):
        read_observations(write(tmp_path, [{"Meas_Method": "Soda lime"}]), flux="rs")


def test_chinese_annual_table(real_data):
    """The annual table is read with a column map; every row is a site."""
    path = real_data("soil_rs_china") / "china_rs_annual.csv.gz"
    with pytest.raises(SchemaError, match="no column that is known to hold soil respiration") as caught:
        read_observations(path, flux="rs")
    assert "NO, Lon, Lat" in caught.value.hint
    ds = read_observations(path, flux="rs", columns={"site": "NO", "rs": "flux", "year": "'2010'", "ta": "MAT"},
                           units={"rs": "g C m-2 yr-1"})
    assert ds.sizes == {"site": 500, "time": 1}
    assert float(ds["rs"].mean()) * 365 == pytest.approx(807.92, abs=0.01)
    assert 18 < float(ds["lat"].min()) and float(ds["lat"].max()) < 54


def test_chinese_monthly_table_needs_a_unit(real_data):
    """The unit of the monthly table is not stated: none is guessed, and without one the step refuses the values."""
    path = real_data("soil_rs_china") / "china_rs_monthly.csv.gz"
    columns = {"site": "NO", "rs": "flux", "year": "'2010'", "month": "month", "ta": "MMT", "swc": "SWC"}
    ds = read_observations(path, flux="rs", columns=columns, units={"swc": "m3 m-3"})
    with pytest.raises(SchemaError, match="their unit must be another") as caught:
        quality.screen(ds)
    assert "units=" in caught.value.hint
    given = read_observations(path, flux="rs", columns=columns, units={"rs": "g C m-2 yr-1", "swc": "m3 m-3"})
    assert given.attrs["time_step"] == "month"
    assert float(np.nanmean(given["rs"].values)) * 365 == pytest.approx(783.03, abs=0.01)
    assert 0 < float(np.nanmedian(given["swc"].values)) < 100


@pytest.mark.parametrize(("file", "flux", "rows"), [
    ("original_format_finaldataset_rh_withsoil.csv", "rh", 671), ("finaldataset_rh_withsoil.csv.gz", "rh", 671),
    ("original_format_finaldataset_rs_withsoil.csv", "rs", 2692)])
def test_global_driver_tables(real_data, file, flux, rows):
    """Semicolons and decimal commas are understood; records of one location are refused as table, averaged as dgrsd."""
    folder = real_data("soil_rs_rh_global_drivers")
    columns = {"site": "local", flux: flux, "year": "'2010'", "ta": "bio1"}
    with pytest.raises(SampleError, match="has 2010-01-01 twice"):
        read_observations(folder / file, flux=flux, columns=columns, units={flux: "g C m-2 yr-1"})
    ds = read_observations(folder / file, format="dgrsd", screening="none", flux=flux, columns=columns,
                           units={flux: "g C m-2 yr-1"})
    plain = pd.read_csv(folder / f"finaldataset_{flux}_withsoil.csv.gz").groupby("local").mean()
    assert ds.sizes["site"] == len(plain)
    order = [int(site) for site in ds["site"].values]
    np.testing.assert_allclose(ds[flux].values[:, 0] * 365, plain[flux].loc[order], rtol=1e-9)
    np.testing.assert_allclose(ds["ta"].values[:, 0], plain["bio1"].loc[order], rtol=1e-9)
    assert any(entry.get("detail", "").startswith(f"{rows} records became") for entry in ledger(ds))
    assert ds.attrs["citation"] == ""
