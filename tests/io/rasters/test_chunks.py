"""How sources are stored is told through all that lies between a file and the drivers."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from rasters import field, grid, months, save
from reco_core.inference.grid import stored
from reco_core.io.drivers.files import open_drivers
from reco_core.io.drivers.layers import DIMS
from reco_core.io.drivers.product_values import SideBySide
from reco_core.io.rasters.arrays import VariableReader, lazy_variable
from reco_core.io.rasters.chunks import WHOLE, chunks_of
from small_world import small_drivers

ON = grid(60, 80, cell=0.5, left=-20.0, top=30.0)
NAMES = months("2001-01", 12)


def netcdf(path, chunks, *, flipped=False):
    """Write a driver as NetCDF in such chunks."""
    y, x = (np.arange(60) + 0.5) * -0.5 + 30, (np.arange(80) + 0.5) * 0.5 - 20
    ds = xr.Dataset({"ta": (("time", "lat", "lon"), field(12, ON), {"units": "degC"})}, coords={
        "time": np.arange("2001-01", "2002-01", dtype="datetime64[M]").astype("datetime64[ns]"),
        "lat": ("lat", y, {"units": "degrees_north"}), "lon": ("lon", x, {"units": "degrees_east"})})
    (ds.isel(lat=slice(None, None, -1)) if flipped else ds).to_netcdf(
        path, encoding={"ta": {"chunksizes": chunks, "zlib": True}})
    return str(path)


def cuts(path, **options):
    """Return how the driver of a file is stored, for those who map it."""
    return stored(open_drivers(path, **options)["ta"])


@pytest.mark.parametrize(("profile", "expected"), [
    ({"tiled": True, "blockxsize": 32, "blockysize": 16}, ((1, 0), (16, 0), (32, 0))),
    ({"tiled": True, "blockxsize": 32, "blockysize": 16, "interleave": "pixel"}, ((12, 0), (16, 0), (32, 0))),
    ({"blockysize": 1}, ((1, 0), (1, 0), (80, 0)))], ids=["blocks", "all bands together", "rows"])
def test_rasters(tmp_path, profile, expected):
    """Blocks and strips of GeoTIFFs, and whether a block holds all bands."""
    path = save(tmp_path / "ta.tif", field(12, ON), ON, names=NAMES, **{"interleave": "band", **profile})
    assert cuts(path) == expected


@pytest.mark.parametrize(("flipped", "units", "expected"), [
    (False, {}, 0), (False, {"ta": "K"}, 0), (True, {}, 60 % 25)], ids=["plain", "converted", "rows from the south"])
def test_netcdf(tmp_path, flipped, units, expected):
    """Chunks of NetCDF, also where values are converted or rows turned."""
    path = netcdf(tmp_path / "ta.nc", (4, 25, 30), flipped=flipped)
    assert cuts(path, units=units) == ((4, 0), (25, expected), (30, 0))


def test_a_part_of_a_source(tmp_path):
    """A region and a period shift where chunks begin."""
    path = netcdf(tmp_path / "ta.nc", (4, 25, 30))
    whole = open_drivers(path)
    part = whole.isel(time=slice(3, 12), y=slice(10, 60), x=slice(31, 80))
    assert stored(part["ta"]) == ((4, 1), (25, 15), (30, 29))
    assert stored(part["ta"], 2) == ((4, 3), (25, 15), (30, 29))
    assert stored(whole["ta"].isel(time=5, drop=True)) == (WHOLE, (25, 0), (30, 0))


def test_what_says_nothing(tmp_path):
    """Values in memory, and drivers on another grid, can be read in any piece."""
    assert stored(small_drivers()["ta"]) == (WHOLE, WHOLE, WHOLE)
    path = save(tmp_path / "ta.tif", field(12, ON), ON, names=NAMES)
    coarse = grid(30, 40, cell=1.0, left=-20.0, top=30.0)
    other = save(tmp_path / "lai.tif", field(12, coarse, low=0, high=6), coarse, names=NAMES)
    ds = open_drivers(layers=[path, other], align="auto")
    assert stored(ds["lai"])[1:] == (WHOLE, WHOLE) and stored(ds["ta"])[2] == (80, 0)


def test_tiles_side_by_side():
    """A mosaic has the chunks of its first tile, from where that lies."""
    part = lazy_variable(DIMS, VariableReader(xr.Variable(DIMS, np.zeros((1, 20, 20)), encoding={
        "preferred_chunks": {"y": 8, "x": 5}}), DIMS))
    tiles = [(VariableReader(part, DIMS), 3, 20), (VariableReader(part, DIMS), 3, 0)]
    assert chunks_of(lazy_variable(DIMS, SideBySide(tiles, 23, 40))) == (WHOLE, (8, 3), (5, 0))


def test_the_first_row_of_every_chunk(tmp_path):
    """What is told of rows from the south is what lies in the file."""
    path = netcdf(tmp_path / "ta.nc", (12, 25, 80), flipped=True)
    size, first = cuts(path)[1]
    edges = np.arange(first, 60, size)
    assert sorted(60 - edges) == [25, 50]
