"""Drivers on another grid: weights, tiles and what is missing."""

from __future__ import annotations

import numpy as np
import pytest
from xarray import Variable

from rasters import UTM, WGS84, field, grid, save
from reco_core.io.drivers.files import open_drivers
from reco_core.io.rasters import resample
from reco_core.io.rasters.grid import Grid, lonlat, parse_crs, strip_area
from reco_core.io.rasters.resample import METHODS, Resampled, weights_of

LAEA = str(parse_crs("EPSG:3035").to_wkt())


def resampled(values, source, target, method):
    whole = slice(0, target.height), slice(0, target.width)
    return Resampled(Variable(("time", "y", "x"), values), source, target, method).read((slice(0, len(values)), *whole))


def test_average_is_weighted_by_area_of_overlap():
    """Coarse cells are means of fine ones, shared cells count by their area, and missing cells do not count."""
    fine = grid(4, 6, cell=1.0)
    values = np.arange(24, dtype="float32").reshape(1, 4, 6)
    values[0, 0, 0] = np.nan
    coarse = resampled(values, fine, grid(2, 2, cell=2.5), "average")[0]
    strips = -np.diff(strip_area(np.array([50, 49, 48, 47.5])))
    block = values[0, :3, :3]
    share = np.outer(strips, [1, 1, 0.5]) * np.isfinite(block)
    assert coarse[0, 0] == pytest.approx(np.nansum(block * share) / share.sum(), rel=1e-6)
    assert np.isnan(resampled(values, fine, grid(2, 2, left=50.0), "average")).all()


def test_average_keeps_sums():
    """The sum of value x area stays the same to 1e-10 where coarse cells are whole blocks of fine ones."""
    for fine, coarse in ((grid(40, 60, cell=0.25, top=80.0), grid(10, 15, cell=1.0, top=80.0)),
                         (Grid(LAEA, (500, 0, 4e6, 0, -500, 3e6), 40, 60), Grid(LAEA, (2000, 0, 4e6, 0, -2000, 3e6),
                                                                                10, 15))):
        values = np.random.default_rng(0).normal(3, 50, (2, fine.height * fine.width))
        weights = weights_of(fine, coarse, "average")
        totals = weights.means(values) @ coarse.cell_area_m2().ravel()
        np.testing.assert_allclose(totals, values @ fine.cell_area_m2().ravel(), rtol=1e-10)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("target", [grid(7, 9, cell=1.3, left=1.0, top=51.0), grid(20, 20, cell=0.03, left=2, top=49),
                                    Grid(UTM, (30000, 0, 400000, 0, -30000, 5.5e6), 8, 9)])
def test_a_constant_field_stays_constant(method, target):
    """Whatever the grids, a field of one value has that value everywhere that it covers."""
    source = grid(60, 80, cell=0.1, left=0.5, top=51.5)
    got = resampled(np.full((1, 60, 80), 7.25, "float32"), source, target, method)
    assert np.isfinite(got).mean() > 0.3 and (got[np.isfinite(got)] == 7.25).all()


def test_an_average_needs_half_of_the_area():
    """A coarse cell of which less than half is valid, or covered at all, is missing."""
    values = np.ones((1, 4, 4), dtype="float32")
    values[0, :3, :3] = np.nan  # 1 of 4 valid, then 2 of 4
    got = resampled(values, grid(4, 4, cell=1.0), grid(2, 3, cell=2.0), "average")[0]
    assert np.isnan(got[0, 0]) and np.isfinite(got[0, 1]) and np.isfinite(got[1, 1])
    assert np.isnan(got[:, 2]).all()
    for left, covered in ((2.9, True), (3.1, False)):  # 55 and 45 % of the cell
        target = grid(1, 1, left=left, cell=2.0)
        got = resampled(np.ones((1, 4, 4), "float32"), grid(4, 4, cell=1.0), target, "average")
        assert np.isfinite(got).all() == covered


def test_fine_sources_are_read_in_parts(monkeypatch):
    """However fine the source, a window is read in parts that fit into memory, with the same result."""
    source, target = grid(240, 240, cell=0.025), grid(12, 12, cell=0.5)
    values = field(2, source)
    whole = resampled(values, source, target, "average")
    seen = []
    original = resample.weights_of
    monkeypatch.setattr(resample, "CELLS_AT_ONCE", 5000)
    monkeypatch.setattr(resample, "weights_of", lambda *given: (seen.append(given[1].height * given[1].width),
                                                                original(*given))[1])
    assert np.array_equal(resampled(values, source, target, "average"), whole)
    assert max(seen) * 400 <= 5000 < 144 * 400


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
    blocks = field(1, other, low=0, high=6)[0].reshape(8, 2, 10, 2).mean(axis=3)
    area = other.cell_area_m2()[:, 0].reshape(8, 2, 1)
    assert ds["lai"].values[0] == pytest.approx((blocks * area).sum(axis=1) / area.sum(axis=1), rel=1e-5)
    assert np.isin(ds["igbp"].values, codes).all()
    assert "'lai' was resampled (average) from EPSG:4326, cells of 0.25 x 0.25" in ds.attrs["history"]
    assert "'igbp' was resampled (nearest)" in ds.attrs["history"]


def test_align_auto_chooses(tmp_path):
    """Finer cells are averaged, coarser ones interpolated, classes copied; each is told."""
    first, fine, coarse = grid(8, 10), grid(16, 20, cell=0.25), grid(4, 5, cell=1.0)
    ta = save(tmp_path / "ta.tif", field(1, first), first, names=["2001-01"])
    lai = save(tmp_path / "lai.tif", field(1, fine, low=0, high=6), fine, names=["2001-01"])
    vpd = save(tmp_path / "vpd.tif", field(1, coarse, low=0, high=9), coarse, names=["2001-01"])
    igbp = save(tmp_path / "igbp.tif", np.full((1, 16, 20), 5), fine, dtype="uint8", nodata=255)
    utm = Grid(UTM, (5000, 0, 200000, 0, -5000, 5.55e6), 100, 100)
    ndvi = save(tmp_path / "ndvi.tif", field(1, utm, low=0, high=1), utm, names=["2001-01"])
    notes = open_drivers([ta, lai, vpd, igbp, ndvi], align="auto").attrs["notes"]
    for name, method in (("lai", "average"), ("vpd", "bilinear"), ("igbp", "nearest"), ("ndvi", "average")):
        assert f"'{name}' was resampled ({method})" in notes
