"""Drivers around towers: the step sample_footprints, and footprints in build_samples."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from rasters import WGS84, grid, months, save
from reco_core.actions import run_step
from reco_core.errors import ConfigError, GridError, SchemaError
from reco_core.io.rasters.grid import Grid

ON = grid(height=12, width=15, cell=0.5, left=0.0, top=50.0)
TOWERS = "site,lat,lon\nA,48.1,2.3\nB,46.2,5.7\nOut,10,10\nUnplaced,,\n"


@pytest.fixture
def world(tmp_path):
    """Return a folder with towers, a monthly series that is a plane, and a static layer with a gap."""
    lon, lat = ON.xy()
    plane = 2 * lon[None, :] + lat[:, None]
    series = np.stack([plane - 40 + month for month in range(3)])
    save(tmp_path / "ta.tif", series.astype("float32"), ON, names=months("2001-01", 3), units="degC")
    elevation = np.full((ON.height, ON.width), 300.0, dtype="float32")
    elevation[:, 8:] = -9999
    save(tmp_path / "elevation.tif", elevation, ON, units="m", nodata=-9999)
    (tmp_path / "towers.csv").write_text(TOWERS)
    return tmp_path


def sample(world, **values):
    """Run the step on the drivers of the world."""
    return run_step("sample_footprints", {
        "towers": str(world / "towers.csv"), "layers": [str(world / "ta.tif"), str(world / "elevation.tif")],
        "output": str(world / "out.csv"), **values})


def value(lon, lat, month=0):
    """Return the plane at a place."""
    return 2 * lon + lat - 40 + month


def test_bilinear_table(world):
    """A row per site and month; towers without data are left out of the table and listed by name."""
    result = sample(world, footprint="bilinear")
    table = pd.read_csv(world / "out.csv")
    assert list(table.columns) == ["site", "time", "ta", "elevation"]
    assert table["site"].tolist() == ["A"] * 3 + ["B"] * 3
    assert table["time"].tolist()[:3] == ["2001-01", "2001-02", "2001-03"]
    assert table["ta"].to_numpy() == pytest.approx(
        [value(2.3, 48.1, m) for m in range(3)] + [value(5.7, 46.2, m) for m in range(3)], abs=1e-4)
    assert result["summary"][0] == "2 of 4 towers have data, 3 time steps per month, 2001-01 to 2001-03, bilinear"
    text = "\n".join(result["summary"])
    assert "towers outside the grid (Out, Unplaced)" in text
    assert "towers without a position (Unplaced)" in text
    assert "elevation: towers without data (B)" in text
    assert result["details"]["ledger"]


def test_mean_of_a_square(world):
    """The mean of the cells whose centres lie in the square."""
    sample(world, footprint="mean", footprint_km=160)
    table = pd.read_csv(world / "out.csv").set_index(["site", "time"])
    lon, lat = ON.xy()
    north, east = 80 / 111.2, 80 / (111.32 * np.cos(np.radians(48.1)))
    inside = (np.abs(lat[:, None] - 48.1) < north) & (np.abs(lon[None, :] - 2.3) < east)
    expected = value(*np.meshgrid(lon, lat))[inside].mean()
    assert inside.sum() > 8
    assert table.loc[("A", "2001-01"), "ta"] == pytest.approx(expected, abs=1e-4)


def test_patches_as_netcdf(world):
    """Patches are site, time, dy, dx; static ones have no time; the table has their middle cell."""
    result = sample(world, footprint="patch", patch_cells=3)
    assert result["patches"] == str(world / "out_patches.nc")
    with xr.open_dataset(result["patches"]) as patches:
        assert patches["ta"].dims == ("site", "time", "dy", "dx")
        assert patches["elevation"].dims == ("site", "dy", "dx")
        lon, lat = ON.xy()
        rows, columns = Grid(WGS84, ON.transform, ON.height, ON.width).locate([2.3], [48.1])
        cut = np.meshgrid(lon[columns[0] - 1:columns[0] + 2], lat[rows[0] - 1:rows[0] + 2])
        np.testing.assert_allclose(patches["ta"].sel(site="A").values[0], value(*cut), rtol=1e-5)
        table = pd.read_csv(world / "out.csv").set_index(["site", "time"])
        assert table.loc[("A", "2001-01"), "ta"] == pytest.approx(float(patches["ta"].sel(site="A")[0, 1, 1]), rel=1e-6)


def test_drivers_without_dates(world):
    """A static layer alone gives a row per site."""
    run_step("sample_footprints", {"towers": str(world / "towers.csv"), "layers": [str(world / "elevation.tif")],
                                   "output": str(world / "s.csv")})
    assert (world / "s.csv").read_text() == "site,elevation\nA,300\n"


@pytest.mark.parametrize(("change", "error", "message"), [
    ({"footprint": "patch", "patch_cells": 4}, ConfigError, "no middle"),
    ({"footprint": "patch", "patches": "patches.csv"}, ConfigError, "NetCDF"),
    ({"towers": "far.csv"}, GridError, "None of the 1 towers"),
    ({"towers": "unplaced.csv"}, SchemaError, "has a position")])
def test_what_cannot_be_sampled(world, change, error, message):
    """Odd patches, a wrong ending, towers elsewhere or nowhere; nothing is written."""
    (world / "far.csv").write_text("site,lat,lon\nX,-40,100\n")
    (world / "unplaced.csv").write_text("site,lat,lon\nX,,\n")
    if "towers" in change:
        change = {"towers": str(world / change["towers"])}
    if "patches" in change:
        change = {**change, "patches": str(world / change["patches"])}
    with pytest.raises(error, match=message):
        sample(world, **change)
    assert not (world / "out.csv").exists()


def test_build_samples_takes_footprints(world):
    """Samples from a grid use the footprint and say so; site drivers have none."""
    rows = ["site,time,reco,qc,lat,lon,igbp"]
    rows += [f"{site},2001-0{month},2.5,1,{lat},{lon},ENF" for site, lat, lon in (("A", 48.1, 2.3), ("B", 46.2, 5.7))
             for month in (1, 2, 3)]
    (world / "flux.csv").write_text("\n".join(rows) + "\n")
    run_step("read_observations", {"path": str(world / "flux.csv"), "output": str(world / "obs.nc")})
    common = {"observations": str(world / "obs.nc"), "output": str(world / "samples.nc"), "footprint": "bilinear"}
    result = run_step("build_samples", {**common, "source": "grid", "layers": [str(world / "ta.tif")]})
    with xr.open_dataset(world / "samples.nc") as samples:
        assert samples.attrs["footprint"] == "bilinear"
        assert "(bilinear)" in samples.attrs["history"]
        assert samples["ta"].values[0] == pytest.approx(value(2.3, 48.1), abs=1e-4)
    assert result["summary"][1] == "drivers (grid, bilinear): ta"
    with pytest.raises(ConfigError, match="is of a grid"):
        run_step("build_samples", common)


def test_real_rain_at_real_towers(tmp_path, real_data):
    """GPCP precipitation at Australian towers: the nearest cell of a direct look-up, and a patch around it."""
    (tmp_path / "t.csv").write_text("site,lat,lon\nAU-Tum,-35.6566,148.1517\nAU-How,-12.4943,131.1523\n"
                                    "DE-Hai,51.08,10.45\n")
    path = str(real_data("grid_gpcp_australia_monthly") / "gpcp_australia.nc")
    for footprint in ("nearest", "patch"):
        result = run_step("sample_footprints", {"towers": str(tmp_path / "t.csv"), "drivers": path,
                                                "footprint": footprint, "output": str(tmp_path / f"{footprint}.csv")})
    assert result["summary"][0].startswith("2 of 3 towers have data, 348 time steps per month, 1982-01 to 2010-12")
    assert any("DE-Hai" in line for line in result["summary"])
    table = pd.read_csv(tmp_path / "nearest.csv")
    with xr.open_dataset(path) as ds, xr.open_dataset(tmp_path / "patch_patches.nc") as patches:
        cell = ds["precip"].sel(lat=-35.6566, lon=148.1517, method="nearest").values
        np.testing.assert_allclose(table.loc[table["site"] == "AU-Tum", "precip"], cell, rtol=1e-5)
        np.testing.assert_allclose(patches["precip"].sel(site="AU-Tum").values[:, 1, 1], cell, rtol=1e-5)
        assert np.isfinite(patches["precip"].sel(site=["AU-Tum", "AU-How"]).values).all()
