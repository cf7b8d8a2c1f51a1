"""The steps inventory and check_drivers, as every front end runs them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyogrio
import pytest

from rasters import field, grid, months, save
from reco_core.actions import run_step
from reco_core.actions.survey import take_stock
from reco_core.errors import GridError, SampleError
from reco_core.io.observations.read import open_observations


def observe(folder, rows, name="obs.nc", **values):
    """Write a table and read it as observations."""
    head = "site,time,reco,qc,lat,lon,igbp,network,ta"
    table = folder / (name + ".csv")
    table.write_text("\n".join([head, *rows]) + "\n")
    run_step("read_observations", {"path": str(table), "output": str(folder / name), **values})
    return str(folder / name)


def row(site, month, *, reco=2.0, qc=1.0, igbp="ENF", network="Net", ta=5.0, lat=48.1, lon=2.3):
    """Return a line of the table."""
    return f"{site},{month},{reco},{qc},{lat},{lon},{igbp},{network},{ta}"


@pytest.fixture
def observations(tmp_path):
    """Return observations of two towers: one whole year and a half, three months of which one fails."""
    rows = [row("AA-Aaa", month) for month in months("2001-01", 18)]
    bare = {"igbp": "", "lat": "", "lon": ""}
    rows += [row("BB-Bbb", "2003-05", **bare), row("BB-Bbb", "2003-06", qc=0.5, **bare),
             row("BB-Bbb", "2003-07", reco=4.0, **bare)]
    return observe(tmp_path, rows)


def test_inventory_counts(tmp_path, observations):
    """A row per tower and year with records; page, table and points are written and the summary says how many."""
    result = run_step("inventory", {"observations": observations}, folder=str(tmp_path / "out"))
    table = pd.read_csv(result["table"], keep_default_na=False)
    assert table[["site", "year", "records"]].to_numpy().tolist() == [
        ["AA-Aaa", 2001, 12], ["AA-Aaa", 2002, 6], ["BB-Bbb", 2003, 2]]
    assert table["share_of_year"].to_numpy(float) == pytest.approx([1, 0.5, 2 / 12], abs=1e-6)
    assert table["site_share_passed"].to_numpy(float) == pytest.approx([1, 1, 2 / 3], abs=1e-6)
    assert result["summary"][0] == "2 sites, 3 site-years, 20 records, 2001 to 2003, time step month"
    assert "95.2 % of the records passed quality control" in result["summary"]
    points = pyogrio.raw.read(result["points"])[3]
    fields = dict(zip(pyogrio.read_info(result["points"])["fields"], points))
    assert fields["years"].tolist() == [2, 1]
    assert fields["mean_flux"].tolist() == [2.0, 3.0]
    page = (tmp_path / "out" / "inventory.html").read_text(encoding="utf-8")
    assert page.count("<figure ") == 5
    assert "BB-Bbb" in page and "not stated" in page
    assert "1 site without a position is not drawn" in page


def test_inventory_is_reproducible(tmp_path, observations):
    """The same observations give the same bytes."""
    one, other = (run_step("inventory", {"observations": observations}, folder=str(tmp_path / name))
                  for name in ("one", "other"))
    for name in ("output", "table", "points"):
        with open(one[name], "rb") as first, open(other[name], "rb") as second:
            assert first.read() == second.read()


def test_several_tables_are_counted_together(tmp_path, observations):
    """Tables of different networks and time steps stand beside each other; a tower in both stands twice."""
    more = observe(tmp_path, [row("AA-Aaa", year, network="Other", reco=700.0) for year in (1999, 2000)], "more.nc",
                   units="reco=g C m-2 yr-1")
    result = run_step("inventory", {"observations": f"{observations},{more}"}, folder=str(tmp_path / "out"))
    assert result["summary"][0] == "3 sites, 5 site-years, 22 records, 1999 to 2003, time step month, year"
    assert "networks: Net 2, Other 1" in result["summary"]
    assert ">Other</td>" in (tmp_path / "out" / "inventory.html").read_text(encoding="utf-8")


def test_real_inventory(tmp_path, real_data):
    """58 European towers: site-years and records equal a count by pandas, and shares passed that of the files."""
    path = real_data("flux_warmwinter2020_mm") / "warmwinter2020_monthly_merged.csv.gz"
    run_step("read_observations", {"path": str(path), "output": str(tmp_path / "obs.nc")})
    found = take_stock([open_observations(tmp_path / "obs.nc")], ["obs.nc"])
    raw = pd.read_csv(path)
    raw = raw[raw["RECO_NT_VUT_REF"].notna()]
    good = raw[(raw["NEE_VUT_REF_QC"] >= 0.75) & (raw["RECO_NT_VUT_REF"] >= 0)]
    assert int(found.records.sum()) == len(good)
    assert int(found.site_years.sum()) == len(good.groupby(["SITE_ID", good["TIMESTAMP"] // 100]))
    assert found.passed_all == pytest.approx(len(good) / len(raw), abs=2e-3)
    result = run_step("inventory", {"observations": str(tmp_path / "obs.nc")}, folder=str(tmp_path / "out"))
    assert len(pd.read_csv(result["table"])) == int(found.site_years.sum())


ON = grid(height=12, width=15, cell=0.5, left=0.0, top=50.0)


def test_drivers_beside_towers(tmp_path):
    """A grid that is 1.5 degrees warmer than the towers is found so, by tower and over all."""
    values = field(12, ON)
    save(tmp_path / "ta.tif", values, ON, names=months("2001-01", 12), units="degC")
    places = {"AA-Aaa": (48.1, 2.3), "BB-Bbb": (46.2, 5.7)}
    rows = []
    for site, (lat, lon) in places.items():
        line, column = (int(part[0]) for part in ON.locate([lon], [lat]))
        rows += [row(site, month, ta=values[at, line, column] - 1.5, lat=lat, lon=lon)
                 for at, month in enumerate(months("2001-01", 12))]
    rows.append(row("CC-Ccc", "2001-01", lat=-30, lon=100))
    path = observe(tmp_path, rows)
    result = run_step("check_drivers", {"observations": path, "drivers": str(tmp_path / "ta.tif")},
                      folder=str(tmp_path / "out"))
    table = pd.read_csv(result["table"]).set_index("site")
    assert table.loc["all", "n"] == 24
    assert table.loc[["all", "AA-Aaa", "BB-Bbb"], "bias"].to_numpy() == pytest.approx([1.5] * 3, abs=1e-4)
    assert table.loc["all", "r2_pearson"] == pytest.approx(1, abs=1e-6)
    assert table.loc["all", "r2_nse"] < 1
    assert result["summary"][1].split()[:4] == ["ta", "degC", "2", "24"]
    assert "towers outside the grid (CC-Ccc)" in result["summary"]
    page = (tmp_path / "out" / "driver_check.html").read_text(encoding="utf-8")
    assert page.count("<figure ") == 2
    assert "CC-Ccc" in page
    record = json.loads((tmp_path / "out" / "driver_check.run.json").read_text())
    assert record["details"]["ledger"]


@pytest.mark.parametrize(("layer", "names", "error", "message"), [
    ("lai", months("2001-01", 12), SampleError, "no driver in common"),
    ("ta", ["2001", "2002"], GridError, "'month' but the drivers are at 'year'"),
    ("ta", months("1960-01", 12), GridError, "no time step in common")])
def test_drivers_that_cannot_be_compared(tmp_path, layer, names, error, message):
    """Other drivers, another time step, another period."""
    save(tmp_path / f"{layer}.tif", field(len(names), ON, low=0, high=5), ON, names=names)
    path = observe(tmp_path, [row("AA-Aaa", "2001-01"), row("AA-Aaa", "2001-02")])
    with pytest.raises(error, match=message):
        run_step("check_drivers", {"observations": path, "drivers": str(tmp_path / f"{layer}.tif")},
                 folder=str(tmp_path / "out"))
    assert not (tmp_path / "out" / "driver_check.csv").exists()


def test_real_rain_beside_real_towers(tmp_path, real_data):
    """GPCP rain beside that of the Australian towers of CARDAMOM-FluxVal: they agree in time, less in amount."""
    table = real_data("flux_cardamom_fluxval_monthly") / "cardamom_fluxval_monthly_observed.csv.gz"
    run_step("read_observations", {
        "path": str(table), "columns": "reco=RECO_NEE_PLUS_GPP,precip=PREC_MM_D", "qc_min": 0,
        "output": str(tmp_path / "obs.nc")})
    grid_file = real_data("grid_gpcp_australia_monthly") / "gpcp_australia.nc"
    found = {}
    for footprint in ("nearest", "bilinear"):
        result = run_step("check_drivers", {"observations": str(tmp_path / "obs.nc"), "drivers": str(grid_file),
                                            "footprint": footprint}, folder=str(tmp_path / footprint))
        found[footprint] = pd.read_csv(result["table"]).set_index("site")
    rows = found["nearest"]
    assert rows.index.tolist() == ["all", "AU-Ade", "AU-DaP", "AU-Fog", "AU-How", "AU-Lox", "AU-Tum"]
    assert rows.loc["all", "n"] == 100
    assert rows.loc["all", "r2_pearson"] == pytest.approx(0.896, abs=0.002)
    assert rows.loc["all", "r2_nse"] == pytest.approx(0.729, abs=0.002)
    assert rows.loc["all", "bias"] == pytest.approx(0.868, abs=0.002)
    assert np.isfinite(found["bilinear"].loc["all", "rmse"])
    assert found["bilinear"].loc["all", "rmse"] != rows.loc["all", "rmse"]
