"""Maps are written tile by tile, the same bytes each time, and read back lazily."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

from rasters import WGS84, field, grid, months, save
from reco_core.errors import GridError, ResourceError, SchemaError
from reco_core.io.files import sha256
from reco_core.io.rasters import arrays as raster_arrays
from reco_core.io.rasters import geotiff
from reco_core.io.rasters.geotiff import RasterWriter, raster_tags, read_series
from reco_core.io.rasters.grid import Grid
from reco_core.io.rasters.qml import Style

BIG = grid(300, 520, cell=0.1)


def write(path, values, on=BIG, tile=256, **options):
    names = options.pop("names", months("2001-01", len(values)))
    with RasterWriter(path, on, names, unit="g C m-2 month-1", tags={"RECO_STEP": "predict", "MEMBERS": "all"},
                      **options) as writer:
        for row in range(0, on.height, tile):
            for column in range(0, on.width, tile):
                writer.write(values[:, row:row + tile, column:column + tile], row, column)
    return writer


@pytest.fixture
def values():
    result = field(3, BIG)
    result[:, :20] = np.nan
    result[1, 100:110] = 0.0
    return result


def test_what_is_written_is_read(tmp_path, values):
    """Values, nodata, grid, names, units and tags survive; 0 is data."""
    write(tmp_path / "a.tif", values)
    with rasterio.open(tmp_path / "a.tif") as file:
        assert np.array_equal(file.read(masked=True).filled(np.nan), values, equal_nan=True)
        assert file.nodata == -9999
        assert (file.read(1)[:20] == -9999).all()
        assert file.crs.to_epsg() == 4326
        assert tuple(file.transform)[:6] == BIG.transform
        assert file.descriptions == ("2001-01", "2001-02", "2001-03")
        assert file.units == ("g C m-2 month-1",) * 3
        assert (file.block_shapes[0], file.profile["compress"], file.interleaving.name) == ((256, 256), "zstd", "band")
    assert raster_tags(tmp_path / "a.tif")["MEMBERS"] == "all"


def test_same_input_same_bytes(tmp_path, values):
    """The file and its style carry nothing of the moment or the place."""
    for name in ("one", "two"):
        write(tmp_path / name / "a.tif", values, style=Style("ramp", unit="g C m-2 month-1"))
    assert sha256(tmp_path / "one" / "a.tif") == sha256(tmp_path / "two" / "a.tif")
    assert sha256(tmp_path / "one" / "a.qml") == sha256(tmp_path / "two" / "a.qml")


def test_statistics_do_not_depend_on_tiles(tmp_path, values, monkeypatch):
    """Least and largest are exact, quantiles near, and the same for any tiles."""
    monkeypatch.setattr(geotiff, "SAMPLE_VALUES", 20_000)
    stats = [write(tmp_path / f"{tile}.tif", values, tile=tile).stats for tile in (256, 33)]
    assert stats[0] == stats[1]
    assert (stats[0].minimum, stats[0].maximum) == (np.nanmin(values), np.nanmax(values))
    assert stats[0].p02 == pytest.approx(np.nanquantile(values, 0.02), abs=0.5)
    assert stats[0].p98 == pytest.approx(np.nanquantile(values, 0.98), abs=0.5)


def test_statistics_of_chosen_bands(tmp_path, values):
    """A style for one band takes the scale of that band."""
    values[2] *= 100
    stats = write(tmp_path / "a.tif", values, style=Style("ramp", bands=(1,))).stats
    assert stats.maximum == np.nanmax(values[0])


def test_an_error_leaves_nothing(tmp_path):
    """Neither raster, style nor partial file remains, and an older raster stays."""
    old = save(tmp_path / "a.tif", field(1, BIG), BIG)
    before = sha256(old)
    with pytest.raises(ZeroDivisionError), RasterWriter(tmp_path / "a.tif", BIG, ["x"], style=Style("ramp")) as writer:
        writer.write(field(1, BIG), 0, 0)
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]
    assert sha256(old) == before


def test_raster_and_style_are_whole_before_either_has_its_name(tmp_path, values):
    """Who writes several rasters can finish all of them first: then there is nothing left but to rename."""
    with RasterWriter(tmp_path / "a.tif", BIG, months("2001-01", 3), style=Style("ramp")) as writer:
        writer.write(values, 0, 0)
        writer.finish()
        assert not list(tmp_path.glob("a.*")) and len(writer.temporaries) == 2
        sums = sorted(sha256(path) for path in writer.temporaries)
    assert sums == sorted(sha256(path) for path in tmp_path.iterdir())


def test_old_statistics_of_qgis_go(tmp_path, values):
    """What QGIS kept beside an older raster of this name would be wrong for the new one."""
    (tmp_path / "a.tif.aux.xml").write_text("<PAMDataset/>")
    write(tmp_path / "a.tif", values)
    assert not (tmp_path / "a.tif.aux.xml").exists()


def test_windows_never_written_are_nodata(tmp_path):
    """Tiles outside the region cost nothing and read as missing; single bands can be written alone."""
    with RasterWriter(tmp_path / "a.tif", BIG, ["a", "b"]) as writer:
        writer.write(np.ones((1, 256, 256), "float32"), 0, 256, band0=1)
    with rasterio.open(tmp_path / "a.tif") as file:
        assert file.read(1, masked=True).mask.all()
        assert file.read(2, masked=True).mask.sum() == BIG.height * BIG.width - 256 * 256


def test_classes_are_bytes(tmp_path):
    """Whole numbers are stored as such, NaN as 255."""
    small = grid(4, 4)
    values = np.array([[[1, 2, 3, np.nan]] * 4], "float32")
    with RasterWriter(tmp_path / "a.tif", small, ["dominant"], dtype="uint8") as writer:
        writer.write(values, 0, 0)
    with rasterio.open(tmp_path / "a.tif") as file:
        assert (file.dtypes[0], file.nodata, file.read(1)[0].tolist()) == ("uint8", 255, [1, 2, 3, 255])


def test_a_place_that_cannot_be_written(tmp_path):
    """The path is named."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match=r"a\.tif"), RasterWriter(tmp_path / "file" / "a.tif", BIG, ["a"]):
        pytest.fail("must not open")


LIMITED = """
import resource, sys
import numpy as np
from reco_core.errors import ResourceError
from reco_core.io.rasters.cubes import write_cube
from reco_core.io.rasters.geotiff import RasterWriter
from reco_core.io.rasters.grid import Grid
from reco_core.world import make_drivers

drivers = make_drivers(400, 400, 3)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for name in ("a.tif", "a.zarr"):
    try:
        if name == "a.zarr":
            write_cube(drivers, name)
        else:
            with RasterWriter(name, Grid.of(drivers), ["a", "b", "c"]) as writer:
                writer.write(np.random.default_rng(0).normal(size=(3, 400, 400)).astype("float32"), 0, 0)
    except ResourceError as error:
        sys.stdout.write(f"{name}: {error.message}\\n")
"""


def test_a_full_disk_leaves_nothing(tmp_path):
    """Where no more bytes fit, raster and cube say so and leave nothing; GDAL alone would only have logged it."""
    run = subprocess.run([sys.executable, "-c", LIMITED], cwd=tmp_path, capture_output=True, text=True, check=False,
                         env={**os.environ, "PYTHONPATH": str(Path(geotiff.__file__).parents[2])}, timeout=60)
    told = [line[:20] for line in run.stdout.splitlines()]
    assert told == ["a.tif: 'a.tif' could", "a.zarr: The disk is "], run.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cache", [1, 1 << 28])
def test_bytes_do_not_depend_on_the_cache(tmp_path, values, cache):
    """However full the cache of blocks is, and whatever is read meanwhile, blocks lie in the order of writing."""
    write(tmp_path / "whole.tif", values)
    before = rasterio.env.get_gdal_config("GDAL_CACHEMAX")
    rasterio.env.set_gdal_config("GDAL_CACHEMAX", cache)
    try:
        with RasterWriter(tmp_path / "a.tif", BIG, months("2001-01", 3), unit="g C m-2 month-1",
                          tags={"RECO_STEP": "predict", "MEMBERS": "all"}) as writer:
            for row in range(0, BIG.height, 256):
                for column in range(0, BIG.width, 256):
                    for band in range(3):
                        part = values[band:band + 1, row:row + 256, column:column + 256]
                        writer.write(part, row, column, band)
                    with rasterio.open(tmp_path / "whole.tif") as other:
                        other.read()
    finally:
        rasterio.env.set_gdal_config("GDAL_CACHEMAX", before)
    assert sha256(tmp_path / "a.tif") == sha256(tmp_path / "whole.tif")


def test_series_are_lazy(tmp_path, values, monkeypatch):
    """Opening reads no pixel; a window reads just that window, of the time steps asked for."""
    write(tmp_path / "a.tif", values)
    seen = []
    original = raster_arrays._read_bands
    monkeypatch.setattr(raster_arrays, "_read_bands", lambda path, bands, window, out: (
        seen.append((bands, window.height, window.width)), original(path, bands, window, out)))
    series = read_series(tmp_path / "a.tif")
    assert seen == []
    part = series.isel(time=slice(1, 3), y=slice(10, 40), x=slice(5, 9)).values
    assert seen == [([2, 3], 30, 4)]
    assert np.array_equal(part, values[1:3, 10:40, 5:9], equal_nan=True)
    assert series.dtype == "float32" and series.attrs["units"] == "g C m-2 month-1"
    assert series.attrs["time_step"] == "month"
    assert str(series["time"].values[2])[:10] == "2001-03-01"
    assert Grid.of(series) == Grid(series["spatial_ref"].attrs["crs_wkt"], BIG.transform, 300, 520)


@pytest.mark.parametrize(("names", "step"), [
    (["1950", "1951", "1952"], "year"), (["2001-01-01", "2001-01-09", "2001-01-17"], "8day"),
    (["2001-01-01", "2001-01-02", "2001-01-03"], "day"), (["2000-11", "2000-12", "2001-01"], "month")])
def test_time_step_of_series(tmp_path, names, step):
    """The labels of the bands tell the time step."""
    small = grid()
    series = read_series(save(tmp_path / "a.tif", field(3, small), small, names=names))
    assert series.attrs["time_step"] == step
    assert [str(time)[:len(names[0])] for time in series["time"].values] == names


def test_what_is_no_series(tmp_path):
    """Bands without dates, rasters without CRS and other files are refused by name."""
    small = grid()
    with pytest.raises(SchemaError, match=r"a\.tif.*band 2"):
        read_series(save(tmp_path / "a.tif", field(2, small), small, names=["2001", "total"]))
    with pytest.raises(GridError, match="CRS"):
        read_series(save(tmp_path / "b.tif", field(1, small), grid(crs=""), names=["2001"]))
    with pytest.raises(GridError, match=r"c\.tif.*2002"):
        read_series(save(tmp_path / "c.tif", field(3, small), small, names=["2001", "2002", "2002"]))
    (tmp_path / "d.tif").write_bytes(b"II*\0 is no raster")
    with pytest.raises(SchemaError, match=r"d\.tif"):
        read_series(tmp_path / "d.tif")
    with pytest.raises(SchemaError, match=r"e\.tif"):
        read_series(tmp_path / "e.tif")


@pytest.mark.parametrize(("stored", "options"), [
    (np.array([[1, 0, np.nan]], "float32"), {}),
    (np.array([[1, 0, -9999]], "float32"), {"nodata": -9999}),
    (np.array([[1, 0, -32768]], "int16"), {"nodata": -32768}),
    (np.array([[1, 0, 255]], "uint8"), {"nodata": 255}),
    (np.array([[1, 0, -3.4e38]], "float32"), {"nodata": -3.4e38}),
    (np.array([[1, 0, np.inf]], "float32"), {}),
    (np.array([[1, 0, 7]], "int16"), {"mask": np.array([[255, 255, 0]], "uint8")}),
    (np.array([[110, 100, 0]], "uint8"), {"nodata": 0, "scale": (0.1, -10)}),
], ids=["nan", "-9999", "int16", "uint8", "float32 lowest", "infinite", "mask", "scaled"])
def test_missing_values_of_any_kind_are_nan(tmp_path, stored, options):
    """Whatever a file uses for missing becomes NaN, and 0 stays data."""
    values = read_series(save(tmp_path / "a.tif", stored, grid(1, 3, crs=WGS84), names=["2001"], **options)).values
    assert values[0, 0] == pytest.approx([1, 0, np.nan], nan_ok=True)


def test_a_damaged_raster_is_named_when_it_is_read(tmp_path):
    """A file cut short opens, and the read that fails says which file it was."""
    path = save(tmp_path / "a.tif", field(1, BIG), BIG, names=["2001"], tiled=True, blockxsize=256, blockysize=256)
    data = (tmp_path / "a.tif").read_bytes()
    series = read_series(path)
    (tmp_path / "a.tif").write_bytes(data[: len(data) // 3])
    with pytest.raises(SchemaError, match=r"a\.tif"):
        _ = series.values
