"""Reading files of several formats at once, and writing and opening observations and samples."""

from __future__ import annotations

import json
import sqlite3

import numpy as np
import pandas as pd
import pyogrio
import pytest

import oneflux
from reco_core.errors import ConfigError, SchemaError
from reco_core.io.observations.read import (
    open_observations,
    open_samples,
    read_observations,
    write_observations,
    write_samples,
    write_towers,
)
from reco_core.samples.build import build_samples
from reco_core.samples.overlaps import resolve_overlaps
from reco_core.samples.periods import aggregate
from reco_core.vocabulary.ledger import ledger, note

TEXT = "site,time,lat,lon,igbp,reco,qc,ta\n" + "".join(
    f"{site},2004-{month:02d},{lat},7,ENF,{month + 0.25},0.9,{month}\n"
    for site, lat in (("A", 50), ("Ä-9", 51)) for month in range(1, 13))


@pytest.fixture
def table(tmp_path):
    """Return a small table of observations with one gap and a ledger."""
    path = tmp_path / "in.csv"
    path.write_text(TEXT.replace("12.25", "-9999"), encoding="utf-8")
    ds = read_observations(path)
    note(ds, "made up", 3, sites={"A": 3}, detail="a detail")
    return ds


def test_observations_come_back_the_same(tmp_path, table):
    """What is opened equals what was written, text and attributes included."""
    written = write_observations(table, tmp_path / "o.nc")
    assert [path.name for path in written] == ["o.nc", "o.csv", "o_towers.gpkg", "o_ledger.csv"]
    opened = open_observations(tmp_path / "o.nc")
    assert opened.identical(table)
    assert opened["site"].dtype == object


def test_twins_hold_the_same(tmp_path, table):
    """The CSV has a row per record, the GeoPackage a point per tower, the ledger a row per reason and site."""
    write_observations(table, tmp_path / "o.nc")
    rows = pd.read_csv(tmp_path / "o.csv")
    assert len(rows) == 22
    assert list(rows.columns[:5]) == ["site", "time", "lat", "lon", "igbp"]
    assert rows["time"].iloc[0] == "2004-01"
    meta, _, geometry, fields = pyogrio.raw.read(tmp_path / "o_towers.gpkg")
    values = dict(zip(meta["fields"], fields))
    assert meta["crs"] == "EPSG:4326"
    assert list(values["records"]) == [11, 11]
    assert len(geometry) == 2
    dropped = pd.read_csv(tmp_path / "o_ledger.csv", keep_default_na=False)
    assert ("made up", "A", 3) in set(dropped[["reason", "site", "count"]].itertuples(index=False, name=None))


def test_csv_twin_is_a_table_again(tmp_path, table):
    """The CSV can be read back and gives the same fluxes."""
    write_observations(table, tmp_path / "o.nc")
    again = read_observations(tmp_path / "o.csv")
    np.testing.assert_allclose(again["reco"].values, table["reco"].values[:, :11])


def test_same_table_same_bytes(tmp_path, table):
    """No date or path slips into any of the files."""
    one = write_observations(table, tmp_path / "a" / "o.nc")
    two = write_observations(table, tmp_path / "b" / "o.nc")
    for first, second in zip(one, two):
        assert first.read_bytes() == second.read_bytes(), first.name
    with sqlite3.connect(one[2]) as base:
        assert base.execute("select last_change from gpkg_contents").fetchone()[0].startswith("2000-01-01")


def test_towers_without_position_have_no_point(tmp_path):
    """A tower whose place is unknown stays in the layer, without a geometry."""
    (tmp_path / "in.csv").write_text("site,time,reco\nA,2004-01,1\n")
    write_observations(read_observations(tmp_path / "in.csv"), tmp_path / "o.nc")
    assert list(pyogrio.raw.read(tmp_path / "o_towers.gpkg")[2]) == [None]


def test_samples_come_back_the_same(tmp_path, table):
    """Samples are written with their CSV and opened unchanged."""
    samples = build_samples(table)
    write_samples(samples, tmp_path / "s.nc")
    assert open_samples(tmp_path / "s.nc").identical(samples)
    rows = pd.read_csv(tmp_path / "s.csv")
    assert list(rows.columns) == ["site", "time", "lat", "lon", "igbp", "group", "target", "ta"]
    assert len(rows) == 22


def test_wrong_kind_is_refused(tmp_path, table):
    """Samples are no observations, text is no NetCDF, and nothing is nothing."""
    write_observations(table, tmp_path / "o.nc")
    with pytest.raises(SchemaError, match="not a table of samples"):
        open_samples(tmp_path / "o.nc")
    (tmp_path / "text.nc").write_text("words")
    with pytest.raises(SchemaError, match=r"'text.nc' cannot be opened as observations"):
        open_observations(tmp_path / "text.nc")
    with pytest.raises(SchemaError, match="do not exist"):
        open_observations(tmp_path / "none.nc")


def test_failure_leaves_nothing(tmp_path, table):
    """If one of the files cannot be written, none appears."""
    folder = tmp_path / "out"
    table["bad"] = (("site", "time"), np.full((2, 12), "text", dtype=object))
    with pytest.raises((ValueError, TypeError)):
        write_observations(table.assign(bad2=("site", [object(), object()])), folder / "o.nc")
    assert list(folder.glob("*")) == []


def test_output_must_be_netcdf(tmp_path, table):
    """The name of the output says what it is."""
    with pytest.raises(ConfigError, match="NetCDF"):
        write_observations(table, tmp_path / "o.csv")


def test_ledger_is_json(table):
    """The ledger in the attributes is a list of reasons with counts."""
    entries = json.loads(table.attrs["ledger"])
    assert {"reason", "count"} <= set(entries[0])


ABCFLUX = ("study_id,site_name,site_reference,latitude,longitude,veg_type,meas_year,interval_month,reco,gap_fill_perc,"
           "flux_method\n" + "".join(f"X_1,Brasschaat,BE-Bra,51.3,4.5,ENF,2003,{month},{month * 30},20,EC\n"
                                     for month in range(1, 13)))


def towers(folder):
    """Write a FLUXNET file of 2003-07 to 2004-06, an ABCflux table of 2003 and a site table."""
    months = oneflux.stamps("2003-07", 12, "MM")
    oneflux.write(folder / "flx", oneflux.text(months, "MM"), oneflux.name())
    (folder / "abc.csv").write_text(ABCFLUX)
    (folder / "sites.csv").write_text("site,lat,lon\nBE-Bra,51.3,4.5\n")
    return [folder / "flx", folder / "abc.csv"]


def test_formats_are_recognised_and_joined(tmp_path):
    """A folder of tower files and a chamber data base in one read: one tower, each month once."""
    ds = read_observations(towers(tmp_path), sites=str(tmp_path / "sites.csv"), join=resolve_overlaps)
    assert list(ds["site"].values) == ["BE-Bra"]
    assert ds["network"].item() == "FLUXNET2015 + ABCflux"
    assert ds.sizes["time"] == 18
    assert np.isfinite(ds["reco"]).all()
    np.testing.assert_allclose(ds["reco"].values[0, 6:], 0.9)
    dropped = {entry["reason"]: entry["count"] for entry in ledger(ds)}
    assert dropped["records of ABCflux dropped in favour of FLUXNET2015"] == 6
    assert "Virkkala" in ds.attrs["citation"]


def test_format_can_be_said(tmp_path):
    """A format that was named is not guessed at, and files that are not of it are refused."""
    flx, abc = towers(tmp_path)
    assert read_observations(abc, format="abcflux")["network"].item() == "ABCflux"
    with pytest.raises(SchemaError, match="holds no observations that can be read"):
        read_observations(abc, format="fluxnet")
    with pytest.raises(ConfigError, match="'fluxdata' is no format"):
        read_observations(flx, format="fluxdata")
    as_table = {"site": "site_reference", "year": "meas_year", "month": "interval_month"}
    table = read_observations(abc, format="table", columns=as_table, units={"reco": "g C m-2 month-1"})
    assert table["network"].item() == ""


def test_time_steps_must_end_up_the_same(tmp_path):
    """Days and months are joined only where both are aggregated; the error names two files."""
    paths = towers(tmp_path)
    days = oneflux.stamps("2003-01-01", 365, "DD")
    path = oneflux.write(tmp_path, oneflux.text(days, "DD"), oneflux.name("FI-Hyy", "DD"))
    with pytest.raises(ConfigError, match=r"FLX_BE-Bra.*at time step 'month' but 'FLX_FI-Hyy.*is at 'day'"):
        read_observations([*paths, path], join=resolve_overlaps)
    joined = read_observations([*paths, path], reduce=lambda ds, label: aggregate(ds, "month"), join=resolve_overlaps)
    assert joined.sizes == {"site": 2, "time": 18}


def test_towers_lie_at_their_place(tmp_path):
    """The layer beside the observations has longitudes as x and latitudes as y."""
    read = read_observations(towers(tmp_path)[1])
    write_observations(read, tmp_path / "o.nc")
    geometry = pyogrio.raw.read(tmp_path / "o_towers.gpkg")[2]
    assert np.frombuffer(geometry[0][5:], "<f8").tolist() == [4.5, 51.3]
    with pytest.raises(ConfigError, match="GeoPackage"):
        write_towers(read, tmp_path / "o.shp")
