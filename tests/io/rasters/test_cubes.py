"""Driver cubes: written by windows, opened lazily, and the same drivers as before."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rasters import field, grid, months, save
from reco_core.errors import Cancelled, SchemaError
from reco_core.io.drivers.files import open_drivers
from reco_core.io.files import sha256
from reco_core.io.rasters import arrays as raster_arrays
from reco_core.io.rasters import cubes
from reco_core.io.rasters.cubes import open_cube, write_cube
from reco_core.io.rasters.grid import Grid
from reco_core.progress import Progress
from reco_core.vocabulary import check_drivers
from reco_core.world import make_drivers

ON = grid(70, 50, cell=0.1)


@pytest.fixture
def drivers(tmp_path):
    """Drivers in files: a stack with a unit to convert, a static layer, and a region."""
    ta = save(tmp_path / "ta.tif", field(30, ON, low=250, high=300), ON, names=months("2001-01", 30), units="K",
              nodata=-9999)
    soil = save(tmp_path / "soc_0.tif", field(1, ON, low=0, high=90), ON)
    return open_drivers([ta, soil], region="0.55,44.05,4.05,49.55")


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(cubes, "CHUNK_SPACE", 16)
    monkeypatch.setattr(cubes, "CHUNK_TIME", 7)


def test_a_cube_is_what_it_was(tmp_path, drivers):
    """Values, names, units, dates, grid, region and notes survive."""
    back = open_cube(write_cube(drivers, tmp_path / "d.zarr"))
    assert check_drivers(back) is back
    assert set(back.data_vars) == {"ta", "soc_0", "inside"}
    for name in back.data_vars:
        assert np.array_equal(back[name].values, drivers[name].values, equal_nan=True)
        assert back[name].dims == drivers[name].dims and back[name].dtype == drivers[name].dtype
    assert back["inside"].dtype == bool and not back["inside"].values.all()
    assert back["ta"].attrs["units"] == "degC" and back.attrs["time_step"] == "month"
    assert Grid.of(back) == Grid.of(drivers)
    assert np.array_equal(back["time"].values, drivers["time"].values)
    assert json.loads((tmp_path / "d.zarr" / ".zgroup").read_text()) == {"zarr_format": 2}


@pytest.mark.parametrize("memory", [1e-6, 3e-3, 2.0])
def test_windows_equal_the_whole(tmp_path, drivers, small_chunks, memory):
    """Whatever fits into memory at a time, the cube is the same, byte by byte."""
    write_cube(drivers, tmp_path / "whole.zarr")
    write_cube(drivers, tmp_path / "parts.zarr", memory_gb=memory)
    assert np.array_equal(open_cube(tmp_path / "parts.zarr")["ta"].values, drivers["ta"].values)
    assert sha256(tmp_path / "parts.zarr") == sha256(tmp_path / "whole.zarr")


def test_no_more_is_read_at_a_time_than_fits(tmp_path, drivers, small_chunks, monkeypatch):
    """Windows stay within the budget, and every cell is read once."""
    sizes = []
    original = raster_arrays._read_bands
    monkeypatch.setattr(raster_arrays, "_read_bands", lambda path, bands, window, out: (
        sizes.append(out.size), original(path, bands, window, out)))
    budget = 5 * 7 * 16 * 16 * cubes.BYTES_PER_VALUE
    write_cube(drivers, tmp_path / "d.zarr", memory_gb=budget / 1e9)
    cells = drivers.sizes["y"] * drivers.sizes["x"]
    assert max(sizes) * cubes.BYTES_PER_VALUE <= budget
    assert sum(sizes) == cells * 31


def test_opening_is_lazy(tmp_path, monkeypatch):
    """A cube of the world is opened without reading a driver, and read by boxes."""
    world = make_drivers(40, 20, 2)
    write_cube(world, tmp_path / "d.zarr")
    seen = []
    original = raster_arrays.VariableReader.read
    monkeypatch.setattr(raster_arrays.VariableReader, "read",
                        lambda self, key: (seen.append(key), original(self, key))[1])
    cube = open_drivers(tmp_path / "d.zarr", period="2001-06/2002-02", require=["lai"])
    assert seen == [] and list(cube.data_vars) == ["lai"] and cube.sizes["time"] == 9
    box = cube["lai"].isel(time=slice(0, 2), y=slice(3, 5), x=7).values
    assert seen == [(slice(5, 7), slice(3, 5), slice(7, 8))]
    assert np.array_equal(box, world["lai"].isel(time=slice(5, 7), y=slice(3, 5), x=7).values)


def test_impossible_values_stop_the_cube(tmp_path):
    """An undeclared -9999 is found while writing; the message names driver, file and time step; nothing remains."""
    values = field(3, ON)
    values[1, 5, 5] = -9999
    ds = open_drivers(save(tmp_path / "ta.tif", values, ON, names=months("2001-01", 3)))
    with pytest.raises(SchemaError, match=r"'ta' is -9999 degC in ta\.tif, 2001-02-01"):
        write_cube(ds, tmp_path / "d.zarr")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ta.tif"]


def test_cancelling_leaves_nothing(tmp_path, drivers, small_chunks):
    """Writing asks again and again whether to stop."""
    reports = []
    progress = Progress(lambda fraction, message: reports.append(fraction), lambda: len(reports) > 10)
    with pytest.raises(Cancelled):
        write_cube(drivers, tmp_path / "d.zarr", memory_gb=1e-6, progress=progress)
    assert not list(tmp_path.glob("*zarr*"))
    assert reports == sorted(reports) and reports[-1] < 1


def test_cubes_join_other_sources(tmp_path, drivers):
    """A cube and a raster on its grid are one dataset; a region is kept and may be narrowed."""
    write_cube(drivers, tmp_path / "d.zarr")
    on = Grid.of(drivers)
    clay = save(tmp_path / "clay.tif", field(1, on, low=0, high=90), on)
    both = open_drivers(tmp_path / "d.zarr", [clay], region="1,45,3,48")
    assert {"ta", "soc_0", "clay", "inside"} == set(both.data_vars)
    assert both.sizes["y"] == 30 and both["inside"].values.all()
    kept = open_drivers(tmp_path / "d.zarr", [clay])
    assert np.array_equal(kept["inside"].values, drivers["inside"].values)


def test_what_is_no_cube(tmp_path):
    """A missing path and another folder are named."""
    with pytest.raises(SchemaError, match=r"d\.zarr"):
        open_cube(tmp_path / "d.zarr")
    with pytest.raises(SchemaError, match="no driver cube"):
        open_cube(tmp_path)
