"""Rasters are read window by window, with what they say about themselves."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.errors import SchemaError
from reco_core.io.rasters.geotiff import RasterWriter
from reco_core.io.rasters.grid import Grid
from reco_core.io.rasters.read import RasterReader

GRID = Grid("EPSG:4326", (0.5, 0.0, 10.0, 0.0, -0.5, 50.0), 40, 70)


@pytest.fixture
def raster(tmp_path):
    """Return a raster of two months with gaps, and its values."""
    values = np.random.default_rng(0).normal(50, 10, (2, 40, 70)).astype("float32")
    values[:, :3, :4] = np.nan
    values[1, 20, 20] = 0.0
    path = tmp_path / "reco.tif"
    with RasterWriter(path, GRID, ("2001-01", "2001-02"), unit="g C m-2 month-1", tags={"MODEL_ID": "abc"}) as writer:
        writer.write(values, 0, 0)
    return path, values


def test_windows_hold_what_was_written(raster):
    """Gaps are NaN, zero is data, and windows put together are the raster."""
    path, values = raster
    whole = np.zeros_like(values)
    with RasterReader(path) as reader:
        for rows, columns in reader.windows(step=16):
            assert rows.start % 16 == 0
            whole[:, rows, columns] = reader.read(rows, columns)
        one = reader.read(slice(2, 4), slice(3, 5), bands=[1])
    np.testing.assert_array_equal(whole, values)
    np.testing.assert_array_equal(one[0], values[1, 2:4, 3:5])


def test_raster_tells_bands_units_tags_and_grid(raster):
    """Descriptions, unit, tags and grid come back."""
    with RasterReader(raster[0]) as reader:
        info = reader.info
    assert info.bands == ("2001-01", "2001-02")
    assert info.unit == "g C m-2 month-1"
    assert info.tags["MODEL_ID"] == "abc"
    assert (info.grid.height, info.grid.width, info.grid.transform) == (40, 70, GRID.transform)


def test_missing_classes_are_missing(tmp_path):
    """255 of a class raster is no class."""
    path = tmp_path / "dominant.tif"
    with RasterWriter(path, GRID, ("dominant",), dtype="uint8") as writer:
        writer.write(np.where(np.eye(40, 70, dtype=bool), np.nan, 3.0)[None], 0, 0)
    with RasterReader(path) as reader:
        values = reader.read(slice(0, 40), slice(0, 70))[0]
    assert np.isnan(values[5, 5])
    assert values[5, 6] == 3


def test_what_is_no_raster_is_named(tmp_path):
    """A text file and a missing file are refused with their path."""
    path = tmp_path / "text.tif"
    path.write_text("no raster")
    with pytest.raises(SchemaError, match=r"text\.tif"), RasterReader(path):
        pass
    with pytest.raises(SchemaError, match=r"gone\.tif"):
        RasterReader(tmp_path / "gone.tif")
