"""Which cells of a grid a tower sees."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from reco_core.errors import ConfigError
from reco_core.samples.collocate import extract, extract_patches
from reco_core.samples.footprints import Axes, Footprint, degree_lengths, fill_patches, footprint_cells
from reco_core.vocabulary.ledger import ledger

MEAN = Footprint("mean", 3.0)
TIMES = np.array(["2001-01", "2001-02"], dtype="datetime64[ns]")


def axes(rows=40, columns=50, cell=1000.0, left=0.0, top=40000.0, **kwargs) -> Axes:
    """Return a projected grid with cells of 1 km."""
    return Axes(left + cell * (np.arange(columns) + 0.5), top - cell * (np.arange(rows) + 0.5), **kwargs)


def drivers(on: Axes, values, name="ta", static=False) -> xr.Dataset:
    """Return a driver on a grid, at two time steps where it is not static."""
    values = np.asarray(values, dtype="float32")
    both = values if static else np.stack([values, values + 100])
    ds = xr.Dataset({name: (("y", "x") if static else ("time", "y", "x"), both, {"units": "degC", "long_name": "T"})},
                    coords={"y": on.y, "x": on.x, **({} if static else {"time": TIMES})})
    ds["spatial_ref"] = ((), 0, {"crs_wkt": "", "GeoTransform": ""})
    ds.attrs = {"reco_kind": "drivers", "time_step": "month"}
    return ds.set_coords("spatial_ref")


def plane(on: Axes, a=3.0, b=-2.0, c=7.0) -> np.ndarray:
    """Return a x + b y + c in kilometres."""
    return a * on.x[None, :] / 1000 + b * on.y[:, None] / 1000 + c


def at(ds, x, y, **kwargs) -> np.ndarray:
    """Return the first driver at places, first time step."""
    x, y = np.atleast_1d(x).astype(float), np.atleast_1d(y).astype(float)
    out = extract(ds, [f"T{n}" for n in range(x.size)], x, y, TIMES, time_step="month", **kwargs)
    return out[next(iter(out.data_vars))].values[:, 0]


def test_mean_of_a_plane_is_its_centre():
    """On a x + b y + c the mean of 3 x 3 cells is the value of the middle cell, to rounding."""
    on = axes()
    values = plane(on)
    assert at(drivers(on, values), on.x[20], on.y[11], footprint=MEAN)[0] == pytest.approx(values[11, 20], rel=1e-14)
    found = footprint_cells(on.x[[20]], on.y[[11]], on, MEAN).pieces
    assert [(piece.rows, piece.columns) for piece in found] == [(slice(10, 13), slice(19, 22))]


@settings(max_examples=40)
@given(x=st.floats(600, 49400), y=st.floats(600, 39400), a=st.integers(-5, 5), b=st.integers(-5, 5))
def test_bilinear_is_exact_on_a_plane(x, y, a, b):
    """Between cell centres a plane is met wherever the tower stands."""
    on = axes()
    expected = a * x / 1000 + b * y / 1000 + 1
    assert at(drivers(on, plane(on, a, b, 1.0)), x, y, footprint=Footprint("bilinear"))[0] == pytest.approx(
        expected, abs=1e-4)


@settings(max_examples=40)
@given(x=st.floats(0, 50000), y=st.floats(0, 40000), km=st.sampled_from([1.0, 3.0, 5.0]))
def test_odd_squares_are_the_cell_and_its_neighbours(x, y, km):
    """A square of an odd number of cells takes as many in each direction, with the tower's cell in the middle."""
    on = axes(rows=60, columns=70, left=-10000.0, top=50000.0)
    cells = footprint_cells(np.array([x]), np.array([y]), on, Footprint("mean", km))
    piece = cells.pieces[0]
    own = footprint_cells(np.array([x]), np.array([y]), on).pieces[0]
    reach = int(km) // 2
    assert (piece.rows.start, piece.rows.stop) == (own.rows.start - reach, own.rows.stop + reach)
    assert (piece.columns.start, piece.columns.stop) == (own.columns.start - reach, own.columns.stop + reach)
    assert piece.weights.sum() == pytest.approx(1)


def test_ties_take_the_lower_index():
    """A tower on the border of two cells belongs to the one of lower index, in all footprints alike."""
    on = axes()
    for shift in (0.5, -0.5):
        x, y = on.x[20] + shift * 1000, on.y[11] + shift * 1000
        wanted = (10 if shift > 0 else 11, 20 if shift > 0 else 19)
        piece = footprint_cells(np.array([x]), np.array([y]), on).pieces[0]
        assert (piece.rows.start, piece.columns.start) == wanted
        square = footprint_cells(np.array([x]), np.array([y]), on, MEAN).pieces[0]
        assert (square.rows.start, square.columns.start) == (wanted[0] - 1, wanted[1] - 1)
        assert square.weights.shape == (3, 3)


def test_a_square_smaller_than_a_cell_is_the_cell():
    """A footprint of 100 m on a grid of 1 km is the cell that contains the tower."""
    on = axes()
    piece = footprint_cells(np.array([20100.0]), np.array([20900.0]), on, Footprint("mean", 0.1)).pieces[0]
    assert (piece.rows, piece.columns) == (slice(19, 20), slice(20, 21))


def test_half_or_more_missing_is_missing():
    """Five of nine cells with data are enough, four are not; what is missing does not count."""
    on = axes()
    values = plane(on)
    ds = drivers(on, values)
    ds["ta"][0, 10, 19:22] = np.nan
    ds["ta"][0, 11, 19] = np.nan
    there = [values[row, column] for row in (10, 11, 12) for column in (19, 20, 21)
             if np.isfinite(ds["ta"].values[0, row, column])]
    assert at(ds, on.x[20], on.y[11], footprint=MEAN)[0] == pytest.approx(np.mean(there), rel=1e-6)
    ds["ta"][0, 12, 19] = np.nan
    assert np.isnan(at(ds, on.x[20], on.y[11], footprint=MEAN)[0])


def test_cells_beyond_the_edge_count_as_missing():
    """In a corner only four of nine cells exist; at an edge six do."""
    on = axes()
    ds = drivers(on, plane(on))
    found = at(ds, on.x[[0, 20]], on.y[[0, 0]], footprint=MEAN)
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(plane(on)[0:2, 19:22].mean(), rel=1e-6)


def globe(rows=180, columns=360, left=-180.0) -> Axes:
    """Return a global grid of one degree."""
    return Axes(left + np.arange(columns) + 0.5, 90 - np.arange(rows) * 180 / rows - 90 / rows, wrap=360.0)


def test_columns_go_on_beyond_the_antimeridian():
    """A square at 180 degrees takes columns of both sides, whichever way longitudes are counted."""
    km = 3 * 111.2
    for left in (-180.0, 0.0):
        on = globe(left=left)
        values = np.tile(np.cos(np.radians(on.x)), (180, 1))
        ds = drivers(on, values)
        found = at(ds, [179.5, -179.5], [0.5, 0.5], footprint=Footprint("mean", km), wrap=360.0)
        expected = np.mean([np.cos(np.radians(x)) for x in (178.5, 179.5, 180.5)])
        assert found == pytest.approx([expected, expected], rel=1e-6)
        assert at(ds, 180.0, 0.5, footprint=Footprint("bilinear"), wrap=360.0)[0] == pytest.approx(
            np.cos(np.radians(179.5)), rel=1e-6)


def test_poles_drop():
    """A square that reaches over a pole is no square; the tower is listed."""
    on = globe()
    ds = drivers(on, np.ones((180, 360)))
    out = extract(ds, ["pole", "south", "near"], np.zeros(3), np.array([89.7, -89.7, 70.0]), TIMES, time_step="month",
                  footprint=Footprint("mean", 400.0), wrap=360.0)
    assert np.isnan(out["ta"].values[:2]).all()
    assert np.isfinite(out["ta"].values[2]).all()
    assert {entry["reason"]: entry["detail"] for entry in ledger(out)} == {
        "towers whose footprint reaches over a pole": "pole, south"}


def test_kilometres_become_degrees_of_the_latitude():
    """On a grid of degrees the square has as many kilometres east as north: more columns at high latitude."""
    on = Axes(0.005 + 0.01 * np.arange(1000), 70 - 0.005 - 0.01 * np.arange(3000), wrap=360.0)
    for lat in (69.0, 45.0):
        piece = footprint_cells(np.array([5.0]), np.array([lat]), on, Footprint("mean", 10.0)).pieces[0]
        east, north = degree_lengths(lat)
        assert piece.weights.shape[0] * 0.01 * north == pytest.approx(10000, abs=0.011 * north)
        assert piece.weights.shape[1] * 0.01 * east == pytest.approx(10000, abs=0.011 * east)


def test_units_of_a_projection_are_heeded():
    """A grid in feet or kilometres takes as many cells as one in metres."""
    metres = axes()
    kilometres = Axes(metres.x / 1000, metres.y / 1000, metres=1000.0)
    x, y = np.array([20.5]), np.array([20.5])
    one = footprint_cells(x * 1000, y * 1000, metres, Footprint("mean", 7.0)).pieces[0]
    other = footprint_cells(x, y, kilometres, Footprint("mean", 7.0)).pieces[0]
    assert (one.rows, one.columns) == (other.rows, other.columns)
    assert one.weights.shape == (7, 7)


def test_classes_take_the_nearest_cell():
    """The mean of class codes means nothing."""
    on = axes()
    codes = np.arange(2000).reshape(40, 50) % 17 + 1
    ds = drivers(on, codes, name="igbp", static=True)
    found = extract(ds, ["T"], on.x[[20]], on.y[[11]], TIMES, time_step="month", names=["igbp"], footprint=MEAN)
    assert found["igbp"].values[0, 0] == codes[11, 20]


def test_patches_hold_the_cells_around_the_tower():
    """Rows go south and columns east; the middle is the cell of the tower."""
    on = axes()
    values = plane(on)
    out = extract_patches(drivers(on, values), "ta", ["A", "B"], on.x[[20, 0]], on.y[[11, 0]],
                          footprint=Footprint("patch", cells=5))
    assert out["ta"].dims == ("site", "time", "dy", "dx")
    np.testing.assert_array_equal(out["ta"].values[0, 0], values[9:14, 18:23].astype("float32"))
    np.testing.assert_array_equal(out["dy"].values, [-2, -1, 0, 1, 2])
    # beyond the corner the nearest cell of the patch stands in
    np.testing.assert_array_equal(out["ta"].values[1, 0, 2:, 2:], values[:3, :3].astype("float32"))
    assert out["ta"].values[1, 0, 0, 0] == np.float32(values[0, 0])


def test_gaps_of_patches_have_the_nearest_value():
    """Of equally near cells the upper, then the left one counts; a patch without data stays empty."""
    gap = np.nan
    patch = np.array([[1.0, gap, 3.0], [gap, gap, 6.0], [7.0, 8.0, gap]])
    filled = fill_patches(np.stack([patch, np.full((3, 3), gap), np.arange(9.0).reshape(3, 3)]))
    np.testing.assert_array_equal(filled[0], [[1, 1, 3], [1, 6, 6], [7, 8, 6]])
    assert np.isnan(filled[1]).all()
    np.testing.assert_array_equal(filled[2], np.arange(9.0).reshape(3, 3))


def test_patches_wrap_and_drop_at_poles():
    """Patches go on beyond 180 degrees and have no place at a pole."""
    on = globe()
    values = np.tile(np.arange(360.0), (180, 1))
    out = extract_patches(drivers(on, values, static=True), "ta", ["date line", "pole"], np.array([-179.5, 10.0]),
                          np.array([0.5, 89.5]), footprint=Footprint("patch"), wrap=360.0)
    assert out["ta"].dims == ("site", "dy", "dx")
    np.testing.assert_array_equal(out["ta"].values[0, 1], [359, 0, 1])
    assert np.isnan(out["ta"].values[1]).all()


@pytest.mark.parametrize("wrong", [{"kind": "circle"}, {"kind": "mean", "km": 0.0}, {"kind": "patch", "cells": 4}])
def test_footprints_without_meaning_are_refused(wrong):
    """An unknown kind, no width, or a patch without a middle."""
    with pytest.raises(ConfigError):
        Footprint(**wrong)
