"""Grids: areas, places and coordinate reference systems."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from rasters import UTM, WGS84, grid
from reco_core.errors import GridError
from reco_core.io.rasters import grid as grids
from reco_core.io.rasters.grid import Grid, crs_name, from_lonlat, lonlat, parse_crs, same_crs, to_lonlat
from reco_core.world import make_drivers

ROOT = Path(__file__).resolve().parents[2]
LAEA = str(parse_crs("EPSG:3035").to_wkt())


@pytest.mark.parametrize(("lat", "area"), [(0, 30.772676), (45, 21.896540), (60, 15.530346), (80, 5.400302)])
def test_cell_area_on_the_ellipsoid(lat, area):
    """Cells of 0.05 degree north of a latitude have the published areas [km2], also in the south."""
    north = Grid(WGS84, (0.05, 0, 0, 0, -0.05, lat + 0.05), 1, 1).cell_area_m2()[0, 0]
    south = Grid(WGS84, (0.05, 0, 0, 0, -0.05, -lat), 1, 1).cell_area_m2()[0, 0]
    assert north / 1e6 == pytest.approx(area, abs=1e-6)
    assert south == pytest.approx(north, rel=1e-9)


def test_area_of_the_globe():
    """All cells together are the ellipsoid; a quarter of it lies north of 30 N."""
    area = Grid(WGS84, (0.5, 0, -180, 0, -0.5, 90), 360, 720).cell_area_m2()
    assert area.sum() / 1e6 == pytest.approx(510_065_621.724, abs=1e-3)
    assert area[:120].sum() / area.sum() == pytest.approx(0.250839, abs=1e-6)


def test_area_in_projections(monkeypatch):
    """Constant in equal-area projections; elsewhere by the ellipsoid, with the scale of the projection undone."""
    equal = Grid(LAEA, (24000, 0, 4e6, 0, -24000, 3e6), 20, 30)
    assert np.unique(equal.cell_area_m2()).tolist() == [24000.0**2]
    middle = Grid(UTM, (1000, 0, 500000, 0, -1000, 5.5e6), 1, 1).cell_area_m2()[0, 0]
    assert middle == pytest.approx(1e6 / 0.9996**2, rel=1e-6)
    monkeypatch.setattr(grids, "is_equal_area", lambda crs: False)
    assert equal.cell_area_m2() == pytest.approx(24000.0**2, rel=1e-5)


def test_area_across_the_date_line():
    """Cells on both sides of 180 degrees east are as large as others."""
    crs = str(parse_crs("+proj=eqc +lon_0=170 +datum=WGS84").to_wkt())
    area = Grid(crs, (50000, 0, 5e5, 0, -50000, 1e6), 2, 40).cell_area_m2()
    assert area.max() / area.min() < 1.02


def test_grid_of_a_cube_and_of_its_part():
    """A part of a cube lies where it lay in the whole, without rounding noise."""
    ds = make_drivers(120, 60, 1)
    whole = Grid.of(ds)
    assert whole == Grid(whole.crs_wkt, (1.0, 0.0, 0.0, 0.0, -1.0, 60.0), 120, 60)
    part = Grid.of(ds.isel(y=slice(7, 9), x=slice(3, 4)))
    assert part == whole.window(slice(7, 9), slice(3, 4))
    assert part.transform == (1.0, 0.0, 3.0, 0.0, -1.0, 53.0)


def test_a_grid_needs_a_crs():
    """Without spatial_ref the message says so."""
    with pytest.raises(GridError, match="coordinate reference system"):
        Grid.of(xr.Dataset(coords={"y": [1.0], "x": [1.0]}))


def test_places_in_the_grid():
    """The cell that holds a place; -1 outside; longitudes may be counted up to 360."""
    rows, columns = grid(8, 10).locate([0.1, 4.9, 5.1, 2.0, 360.1, np.nan], [49.9, 46.1, 48.0, 60.0, 49.9, 48.0])
    assert rows.tolist() == [0, 7, -1, -1, 0, -1]
    assert columns.tolist() == [0, 9, -1, -1, 0, -1]
    utm = Grid(UTM, (1000, 0, 500000, 0, -1000, 5.5e6), 10, 10)
    lon, lat = lonlat(utm)
    rows, columns = utm.locate(lon.ravel(), lat.ravel())
    assert np.array_equal(rows * 10 + columns, np.arange(100))


def test_there_and_back():
    """Coordinates come back from longitude and latitude; what has no place is NaN."""
    x, y = np.meshgrid([4e6, 4.1e6], [3e6, 2.9e6])
    back = from_lonlat(LAEA, *to_lonlat(LAEA, x, y))
    assert np.allclose(back, (x, y), atol=1e-3)
    assert np.isnan(from_lonlat(UTM, [np.nan], [10.0])).all()


def test_equal_crs_in_other_words(real_data):
    """A CRS is the same however it is written; another one is not."""
    unnamed = xr.open_dataset(real_data("grid_gpcp_australia_monthly/gpcp_australia.nc"))["crs"].attrs["crs_wkt"]
    assert same_crs(unnamed, WGS84)
    assert same_crs(str(parse_crs("+proj=utm +zone=31 +datum=WGS84").to_wkt()), UTM)
    assert not same_crs(UTM, str(parse_crs("EPSG:32632").to_wkt()))
    assert not same_crs(WGS84, str(parse_crs("EPSG:4267").to_wkt()))
    assert not same_crs("", WGS84)
    assert crs_name(LAEA) == "EPSG:3035"
    with pytest.raises(GridError, match="EPSG:999999"):
        parse_crs("EPSG:999999")


BEYOND = """
import numpy as np
from reco_core.io.rasters.grid import Grid, from_lonlat, parse_crs
x, y = from_lonlat("+proj=geos +h=35785831 +lon_0=0 +sweep=y", [6.0, 170.0, 7.0], [50.0, 0.0, 51.0])
assert np.isfinite([x[0], y[0], x[2], y[2]]).all() and np.isnan([x[1], y[1]]).all()
area = Grid(parse_crs("ESRI:54030").to_wkt(), (170000.0, 0.0, -17e6, 0.0, -86000.0, 8.6e6), 200, 200).cell_area_m2()
assert np.isnan(area[0, 0]) and 5.0e14 < np.nansum(area) < 5.11e14
"""


def test_places_without_coordinates_are_nan():
    """One tower or corner that a projection cannot show does not take the others with it, nor fills the screen."""
    done = subprocess.run([sys.executable, "-c", BEYOND], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
