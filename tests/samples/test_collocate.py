"""Gridded drivers at towers."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from reco_core.errors import GridError, SampleError
from reco_core.samples import collocate
from reco_core.samples.collocate import extract, find_cells
from reco_core.vocabulary.ledger import ledger

TIMES = np.arange("2004-01", "2005-01", dtype="datetime64[M]").astype("datetime64[ns]")


def grid(rows=30, columns=40, cell=0.5, left=0.0, top=15.0, seed=0):
    """Return monthly `ta` and static `soc_0` on a north-up grid."""
    rng = np.random.default_rng(seed)
    ds = xr.Dataset({"ta": (("time", "y", "x"), rng.normal(size=(12, rows, columns)).astype("float32"),
                            {"units": "degC", "long_name": "Air temperature"}),
                     "soc_0": (("y", "x"), rng.uniform(1, 9, (rows, columns)).astype("float32"), {"units": "g kg-1"})},
                    coords={"time": TIMES, "y": top - cell * (np.arange(rows) + 0.5),
                            "x": left + cell * (np.arange(columns) + 0.5)})
    ds["spatial_ref"] = ((), 0, {"crs_wkt": "", "GeoTransform": f"{left} {cell} 0 {top} 0 {-cell}"})
    ds.attrs = {"reco_kind": "drivers", "time_step": "month"}
    return ds.set_coords("spatial_ref")


def at(ds, x, y, times=TIMES, **kwargs):
    """Extract at towers named T0, T1, ..."""
    x, y = np.atleast_1d(x).astype(float), np.atleast_1d(y).astype(float)
    return extract(ds, [f"T{n}" for n in range(x.size)], x, y, times, time_step="month", **kwargs)


@settings(max_examples=60, deadline=None)
@given(x=st.floats(0.0, 19.999), y=st.floats(0.001, 15.0))
def test_cell_contains_the_tower(x, y):
    """The tower lies inside its cell; the border belongs to the lower index."""
    ds = grid()
    row, column = find_cells(np.array([x]), np.array([y]), ds["x"].values, ds["y"].values)
    assert abs(ds["x"].values[column[0]] - x) <= 0.25 + 1e-9
    assert abs(ds["y"].values[row[0]] - y) <= 0.25 + 1e-9


def test_borders_of_the_grid():
    """Points on inner borders take the lower index, outer borders are inside, beyond is outside."""
    centres = np.array([0.5, 1.5, 2.5])
    x = np.array([0.0, 1.0, 2.0, 3.0, 3.001, -0.001, np.nan])
    _, column = find_cells(x, np.full(7, 1.5), centres, centres[::-1])
    assert column.tolist() == [0, 0, 1, 2, -1, -1, -1]


def test_longitudes_wrap():
    """A tower at 170 W is found on a grid from 0 to 360."""
    centres = np.arange(0.5, 360)
    _, column = find_cells(np.array([-170.0, 359.2, -0.2]), np.zeros(3), centres, np.array([0.5, -0.5]), wrap=360.0)
    assert column.tolist() == [189, 359, 359]


def test_values_equal_direct_look_up():
    """Every tower and month gets the value of its own cell, whatever blocks were read."""
    ds = grid(seed=3)
    rng = np.random.default_rng(5)
    x, y = rng.uniform(0, 20, 50), rng.uniform(0, 15, 50)
    for block, budget in ((256, 2**20), (7, 2000), (1, 4)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(collocate, "BLOCK", block)
            patch.setattr(collocate, "WINDOW_BYTES", budget)
            out = at(ds, x, y, TIMES[[7, 2, 11]])
        expected = ds.sel(x=xr.DataArray(x, dims="site"), y=xr.DataArray(y, dims="site"), method="nearest")
        series = expected["ta"].transpose("site", "time").values
        np.testing.assert_array_equal(out["ta"].values, series[:, [7, 2, 11]])
        np.testing.assert_array_equal(out["soc_0"].values, np.repeat(expected["soc_0"].values[:, None], 3, axis=1))


def test_only_windows_around_towers_are_read():
    """Two towers in far corners of a large lazy grid read a few cells, not the grid."""
    from xarray.backends import BackendArray
    from xarray.core import indexing

    class Lazy(BackendArray):
        shape, dtype, read = (12, 3000, 4000), np.dtype("float32"), 0

        def __getitem__(self, key):
            return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self.part)

        def part(self, key):
            block = np.broadcast_to(np.float32(1), self.shape)[key]
            Lazy.read += block.size
            return block.copy()

    ds = grid(2, 2).drop_vars(["ta", "soc_0", "x", "y"])
    ds = ds.assign_coords(y=15 - 0.005 * (np.arange(3000) + 0.5), x=0.005 * (np.arange(4000) + 0.5))
    ds["ta"] = xr.Variable(("time", "y", "x"), indexing.LazilyIndexedArray(Lazy()))
    out = at(ds, [0.01, 19.98], [14.99, 0.01], TIMES[3:5])
    assert np.all(out["ta"].values == 1)
    assert Lazy.read == 4


def test_towers_outside_and_on_masked_cells_are_named():
    """They stay as gaps, and the ledger says which they are."""
    ds = grid()
    ds["ta"][:, 0, 0] = np.nan
    ds["soc_0"][0, 0] = np.nan
    out = at(ds, [0.1, 50.0, 5.0, np.nan], [14.9, 5.0, 5.0, 5.0])
    found = {entry["reason"]: entry["detail"] for entry in ledger(out)}
    assert found == {"towers outside the grid": "T1, T3", "towers on cells without data": "T0"}
    assert np.isnan(out["ta"].values[[0, 1, 3]]).all()
    assert np.isfinite(out["ta"].values[2]).all()


def test_dates_inside_a_month_match_the_month():
    """A driver dated in the middle of the month belongs to observations dated at its start."""
    ds = grid()
    middle = ds.assign_coords(time=TIMES + np.timedelta64(14, "D"))
    np.testing.assert_array_equal(at(middle, 5, 5)["ta"].values, at(ds, 5, 5)["ta"].values)


def test_months_that_the_drivers_lack_are_gaps():
    """No month is taken for another."""
    later = TIMES.astype("datetime64[M]") + 6
    out = at(grid(), 5, 5, later.astype("datetime64[ns]"))
    assert np.isfinite(out["ta"].values[0, :6]).all()
    assert np.isnan(out["ta"].values[0, 6:]).all()
    assert ledger(out)[0]["detail"] == "6, from 2005-01 to 2005-06"


@pytest.mark.parametrize(("change", "error", "message"), [
    ({"x": 500.0}, GridError, "None of the 1 towers stands on the grid"),
    ({"times": np.array(["1990-01"], "datetime64[ns]")}, GridError, "no time step in common"),
    ({"names": ["ta", "lai"]}, SampleError, "have no 'lai'")])
def test_what_cannot_be_joined_is_an_error(change, error, message):
    """No tower on the grid, no common period, or no such driver."""
    arguments = {"x": 5.0, "y": 5.0, "times": TIMES, **change}
    with pytest.raises(error, match=message):
        at(grid(), **arguments)


def test_other_time_step_is_refused():
    """Monthly observations do not join with daily drivers."""
    ds = grid()
    ds.attrs["time_step"] = "day"
    with pytest.raises(GridError, match="'month' but the drivers are at 'day'"):
        at(ds, 5, 5)


def test_grid_of_one_column_uses_its_transform():
    """The cell size of a single column comes from the geotransform."""
    out = at(grid(columns=1), [0.3, 0.7], [5, 5])
    assert np.isfinite(out["ta"].values[0]).all()
    assert np.isnan(out["ta"].values[1]).all()


def test_class_codes_are_no_driver_unasked():
    """A class layer in the cube becomes a feature only by name."""
    ds = grid()
    ds["igbp"] = (("y", "x"), np.full((30, 40), 5.0, dtype="float32"), {"units": "1"})
    assert list(at(ds, 5, 5).data_vars) == ["ta", "soc_0"]
    assert list(at(ds, 5, 5, names=["igbp"]).data_vars) == ["igbp"]
