"""HDF4 granules: what is in them, where they lie, and every way in which they are broken."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from modis import TILE, corners, granule, pixels, reflectance
from reco_core.errors import GridError, MissingDependency, SchemaError
from reco_core.io.rasters.grid import is_equal_area, to_lonlat
from reco_core.io.satellite.hdf4 import hdf4_scenes

pytest.importorskip("pyhdf", reason="the modis extra is not installed")


def only(path):
    """Return the one scene of a granule."""
    (scene,) = hdf4_scenes(path, path.name)
    return scene


def test_a_granule_says_what_it_is(tmp_path):
    """Product, date, layers with their packing, and the exact place of the tile."""
    scene = only(granule(tmp_path, reflectance()))
    assert (scene.short_name, str(scene.date)) == ("MOD09A1", "2017-07-12")
    assert scene.grid.bounds == pytest.approx((0, 5 * TILE - TILE, TILE, 5 * TILE), abs=1e-6)
    assert scene.grid.transform[0] == TILE / 12 and is_equal_area(scene.grid.crs_wkt)
    red = scene.layers["sur_refl_b01"]
    assert (red.scale, red.offset, red.fills, red.valid) == (1e-4, 0.0, (-28672.0,), (-100.0, 16000.0))
    assert str(red.dtype) == "int16" and str(scene.layers["sur_refl_state_500m"].dtype) == "uint16"


def test_windows_are_read_as_stored(tmp_path):
    """A window holds just its cells, in the type of the file."""
    layers = reflectance(seed=3)
    scene = only(granule(tmp_path, layers))
    window = scene.layers["sur_refl_b02"].pixels.read(slice(2, 5), slice(7, 11))
    assert window.dtype == "int16" and np.array_equal(window, layers["sur_refl_b02"][0][2:5, 7:11])


def test_a_renamed_granule_keeps_its_identity(tmp_path):
    """The metadata tell product and date where the name does not."""
    scene = only(granule(tmp_path, reflectance(), date="2016366", name="mine.hdf"))
    assert (scene.short_name, str(scene.date)) == ("MOD09A1", "2016-12-31")


def test_rounded_corners_meet_exactly(tmp_path):
    """Neighbouring tiles whose corners are rounded to 1e-6 m, or a little wrong, share their edge."""
    left, top, right, bottom = corners((19, 4))
    one = only(granule(tmp_path, reflectance(), tile=(18, 4)))
    other = only(granule(tmp_path, reflectance(), tile=(19, 4), box=(left + 2e-3, top, right + 2e-3, bottom)))
    assert one.grid.bounds[2] == other.grid.bounds[0] and one.grid.transform[0] == other.grid.transform[0]


@pytest.mark.parametrize("packed", [True, False])
def test_global_grids(tmp_path, packed):
    """Corners are degrees, packed as DDDMMMSSS or plain."""
    box = (-180e6, 90e6, 180e6, -90e6) if packed else (-180, 90, 180, -90)
    scene = only(granule(tmp_path, {"Majority_Land_Cover_Type_1": (np.zeros((6, 12), "uint8"), {})},
                         product="MCD12C1", date="2010001", box=box, geographic=True))
    assert scene.grid.transform == (30.0, 0.0, -180.0, 0.0, -30.0, 90.0) and scene.grid.is_geographic
    minutes = only(granule(tmp_path, {"x": (np.zeros((6, 12), "uint8"), {})}, box=(10030000, 50000000, 16030000, 47e6),
                           geographic=True))
    assert minutes.grid.bounds == pytest.approx((10.5, 47.0, 16.5, 50.0))


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_cut_off_files(tmp_path, share):
    """A file that was not fully downloaded is refused when it is opened."""
    path = granule(tmp_path, reflectance(60))
    content = path.read_bytes()
    path.write_bytes(content[:int(share * len(content))])
    with pytest.raises(SchemaError, match="cut off|cannot be read") as caught:
        hdf4_scenes(path, path.name)
    assert path.name in caught.value.message and "fetch it again" in caught.value.hint


@pytest.mark.parametrize("content, words", [
    (b"", r"empty \(0 bytes\)"), (b"<!DOCTYPE html><html>Login</html>", "web page"),
    (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"), (b"CDF\x01" + bytes(100), "no HDF4")])
def test_other_files_named_hdf(tmp_path, content, words):
    """Empty files, login pages and other formats are named for what they are."""
    path = tmp_path / "MOD09A1.A2017193.h18v04.061.1.hdf"
    path.write_bytes(content)
    with pytest.raises(SchemaError, match=words):
        hdf4_scenes(path, path.name)


def test_damaged_pixels(tmp_path):
    """Bytes that do not unpack are an error that names file and layer, not values."""
    path = granule(tmp_path, reflectance(200))
    content = bytearray(path.read_bytes())
    at = content.find(b"\x78", 2000)  # where a packed layer begins
    for place in range(at, len(content) - 40_000, 997):
        content[place:place + 400] = b"\xff" * 400
    path.write_bytes(bytes(content))
    with pytest.raises(SchemaError, match=r"MOD09A1.A2017193"):
        for stored in only(path).layers.values():
            stored.pixels.read(slice(0, 200), slice(0, 200))


def test_no_modis_grid(tmp_path):
    """HDF4 without an HDF-EOS grid, or in a projection that is not supported, is refused."""
    path = granule(tmp_path, {"data": pixels("int16", 1)}, struct=False, name="data.hdf")
    with pytest.raises(SchemaError, match="without an HDF-EOS grid"):
        hdf4_scenes(path, path.name)
    content = granule(tmp_path, reflectance()).read_bytes().replace(b"GCTP_SNSOID", b"GCTP_ISINUS")
    (tmp_path / "old.hdf").write_bytes(content)
    with pytest.raises(GridError, match="GCTP_ISINUS is not supported"):
        hdf4_scenes(tmp_path / "old.hdf", "old.hdf")


def test_a_day_that_the_year_does_not_have(tmp_path):
    """Day 366 is a day in leap years only."""
    path = granule(tmp_path, reflectance(), date="2017366")
    with pytest.raises(SchemaError, match="no day 366 in 2017"):
        hdf4_scenes(path, path.name)


def test_real_granules(real_data):
    """The corners of the real MOD11A1 tile are where its number says: h14v09, 40 to 50 degrees west of the equator."""
    scene = only(real_data("modis_hdf4_samples") / "MOD11A1.hdf")
    assert (scene.short_name, str(scene.date)) == ("MOD11A1", "2019-11-01")
    assert scene.grid.bounds == pytest.approx(corners((14, 9))[::3] + (corners((14, 9))[2], 0), abs=1e-3)
    lon, lat = to_lonlat(scene.grid.crs_wkt, [-4 * TILE, -3 * TILE], [0, 0])
    assert lon == pytest.approx([-40, -30]) and lat == pytest.approx([0, 0], abs=1e-9)
    old = only(real_data("modis_hdf4_samples") / "test_modis.hdf")
    assert (old.short_name, str(old.date), old.layers["lai_1km"].scale) == ("MCD15A2", "2002-07-04", 0.1)


def test_without_the_reader(tmp_path, monkeypatch):
    """Without pyhdf the error says which extra brings it."""
    path = granule(tmp_path, reflectance(), name="other.hdf")
    monkeypatch.setitem(sys.modules, "pyhdf.SD", None)
    with pytest.raises(MissingDependency) as caught:
        hdf4_scenes(path, path.name)
    assert "reco[modis]" in caught.value.hint
