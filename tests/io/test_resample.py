"""Drivers on another grid: weights, tiles and what is missing."""

from __future__ import annotations

import numpy as np
import pytest
from xarray import Variable

from rasters import UTM, WGS84, field, grid, save
from reco_core.io.driver_files import open_drivers
from reco_core.io.grid import Grid, lonlat, parse_crs
from reco_core.io.resample import METHODS, Resampled

LAEA = str(parse_crs("EPSG:3035").to_wkt())


def resampled(values, source, target, method):
    whole = slice(0, target.height), slice(0, target.width)
    return Resampled(Variable(("time", "y", "x"), values), source, target, method).read((slice(0, len(values)), *whole))


def test_average_is_weighted_by_area_of_overlap():
    """Coarse cells are means of fine ones, shared cells count by their share, and missing cells do not count."""
    fine = grid(4, 6, cell=1.0)
    values = np.arange(24, dtype="float32").reshape(1, 4, 6)
    values[0, 0, 0] = np.nan
    coarse = resampled(values, fine, grid(2, 2, cell=2.5), "average")[0]
    weights = np.array([1, 1, 0.5])
    block = values[0, :3, :3]
    share = np.outer(weights, weights) * np.isfinite(block)
    assert coarse[0, 0] == pytest.approx(np.nansum(block * share) / share.sum(), rel=1e-6)
    assert np.isnan(resampled(values, fine, grid(2, 2, left=50.0), "average")).all()


def test_nearest_takes_the_cell_below():
    """Values are copied, never mixed."""
    values = field(2, grid(4, 4, cell=1.0))
    fine = resampled(values, grid(4, 4, cell=1.0), grid(8, 8, cell=0.5), "nearest")
    assert np.array_equal(fine, values.repeat(2, axis=1).repeat(2, axis=2))


def test_bilinear_is_exact_for_planes():
    """A plane stays a plane inside the outermost centres."""
    source, target = grid(10, 10, cell=1.0), grid(16, 16, cell=0.5, left=0.9, top=49.1)
    x, y = np.meshgrid(*source.xy())
    tx, ty = np.meshgrid(*target.xy())
    assert resampled((2 * x + 3 * y)[None].astype("float32"), source, target, "bilinear")[0] == pytest.approx(
        2 * tx + 3 * ty, rel=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_another_projection(method):
    """A field of longitude and latitude is found again in UTM and LAEA, NaN outside the source."""
    source = grid(60, 80, cell=0.1, left=0.0, top=52.0)
    lon, lat = lonlat(source)
    values = (lon + 10 * lat).astype("float32")[None]
    for crs, left, top in ((UTM, 300000, 5.7e6), (LAEA, 3.8e6, 3.1e6)):
        target = Grid(crs, (20000, 0, left, 0, -20000, top), 20, 20)
        tlon, tlat = lonlat(target)
        got = resampled(values, source, target, method)[0]
        margin = (tlon > 0.3) & (tlon < 7.7) & (tlat > 46.3) & (tlat < 51.7)
        assert margin.any() and got[margin] == pytest.approx((tlon + 10 * tlat)[margin], abs=0.6)
        outside = (tlon < -0.3) | (tlon > 8.3) | (tlat < 45.7) | (tlat > 52.3)
        assert np.isnan(got[outside]).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("target", [Grid(UTM, (7000, 0, 400000, 0, -7000, 5.6e6), 30, 40), grid(30, 40, cell=0.13)])
def test_tiles_equal_the_whole(method, target):
    """What a cell gets does not depend on the window it is read with."""
    source = grid(60, 80, cell=0.1, left=0.0, top=52.0)
    values = field(2, source)
    values[:, 20:25, 30:40] = np.nan
    reader = Resampled(Variable(("time", "y", "x"), values), source, target, method)
    whole = reader.read((slice(0, 2), slice(0, 30), slice(0, 40)))
    parts = [[reader.read((slice(0, 2), slice(r, min(r + 7, 30)), slice(c, min(c + 11, 40)))) for c in range(0, 40, 11)]
             for r in range(0, 30, 7)]
    joined = np.concatenate([np.concatenate(row, axis=2) for row in parts], axis=1)
    assert np.allclose(joined, whole, rtol=1e-5, atol=1e-4, equal_nan=True)


@pytest.mark.parametrize("method", METHODS)
def test_the_date_line(method):
    """A global source serves a grid across 180 degrees east, also in another projection."""
    source = Grid(WGS84, (5.0, 0, -180, 0, -5.0, 90), 36, 72)
    _, lat = lonlat(source)
    target = Grid(str(parse_crs("EPSG:3832").to_wkt()), (200000, 0, 2e6, 0, -200000, 2e6), 20, 30)
    _, tlat = lonlat(target)
    got = resampled(lat[None].astype("float32"), source, target, method)[0]
    assert got == pytest.approx(tlat, abs=2.6)


def test_align_resamples_onto_the_first_source(tmp_path):
    """The first source keeps its grid and values; classes take the nearest cell; the history says so."""
    first, other = grid(8, 10), grid(16, 20, cell=0.25)
    ta = save(tmp_path / "ta.tif", field(1, first), first, names=["2001-01"])
    lai = save(tmp_path / "lai.tif", field(1, other, low=0, high=6), other, names=["2001-01"])
    codes = np.random.default_rng(0).integers(1, 17, (1, 16, 20))
    igbp = save(tmp_path / "igbp.tif", codes, other, dtype="uint8", nodata=255)
    ds = open_drivers([ta, lai, igbp], align="average")
    assert Grid.of(ds).transform == first.transform
    assert np.array_equal(ds["ta"].values, field(1, first))
    assert ds["lai"].values[0] == pytest.approx(
        field(1, other, low=0, high=6)[0].reshape(8, 2, 10, 2).mean(axis=(1, 3)), rel=1e-5)
    assert np.isin(ds["igbp"].values, codes).all()
    assert "'lai' was resampled (average) from EPSG:4326, cells of 0.25 x 0.25" in ds.attrs["history"]
    assert "'igbp' was resampled (nearest)" in ds.attrs["history"]
