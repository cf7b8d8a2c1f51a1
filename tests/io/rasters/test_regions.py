"""Regions: the ways to say where, which cells lie inside, and what is no region."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rasters import WGS84, field, grid, save
from reco_core.errors import GridError, SchemaError
from reco_core.io.drivers.files import open_drivers
from reco_core.io.rasters.grid import Grid, from_lonlat, lonlat, parse_crs
from reco_core.io.rasters.regions import parse_region

ON = grid(8, 10)  # 0..5 E, 46..50 N, cells of half a degree
TRIANGLE = "POLYGON((0 46, 5 46, 0 50, 0 46))"
SQUARE = [[1, 47], [3, 47], [3, 49], [1, 49], [1, 47]]
LAEA = str(parse_crs("EPSG:3035").to_wkt())


@pytest.fixture
def drivers(tmp_path):
    return save(tmp_path / "soc_0.tif", field(1, ON, low=0, high=90), ON)


def polygon(ring):
    return {"type": "Polygon", "coordinates": [ring]}


def collection(*geometries):
    return json.dumps({"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": {}, "geometry": geometry} for geometry in geometries]})


def test_cells_are_inside_by_their_centre():
    """A box takes the cells whose centre lies in it, not those it only touches."""
    inside = parse_region("0.9,46.9,2.1,48.3 [EPSG:4326]").mask(ON)
    rows, columns = np.nonzero(inside)
    assert (set(rows), set(columns)) == ({3, 4, 5}, {2, 3})
    assert parse_region("1,47,3,49").mask(ON).sum() == 16


@pytest.mark.parametrize("text", [
    "1,47,3,49 [EPSG:4326]", " 1.0, 47, 3e0, 49", "POLYGON((1 47,3 47,3 49,1 49,1 47))",
    "CRS=EPSG:4326;MULTIPOLYGON(((1 47,3 47,3 49,1 49,1 47)))", json.dumps(polygon(SQUARE)),
    collection(polygon(SQUARE)), collection(polygon([[1, 47], [2, 47], [2, 49], [1, 49], [1, 47]]),
                                            polygon([[2, 47], [3, 47], [3, 49], [2, 49], [2, 47]])),
    "SRID=EPSG:4326;POLYGON((1 47,3 47,3 49,1 49,1 47))"])
def test_the_same_square_in_many_words(text):
    """Boxes, WKT and GeoJSON, whole or in parts."""
    assert np.array_equal(parse_region(text).mask(ON), parse_region("1,47,3,49").mask(ON))


def test_vector_files(tmp_path):
    """GeoJSON and GeoPackage files, a layer by its name, with the CRS of the file."""
    import pyogrio
    import shapely

    expected = parse_region("1,47,3,49").mask(ON)
    (tmp_path / "a.geojson").write_text(collection(polygon(SQUARE)))
    assert np.array_equal(parse_region(str(tmp_path / "a.geojson")).mask(ON), expected)
    utm = parse_region(json.dumps(polygon(SQUARE))).on(grid(crs=LAEA, left=4e6, top=3e6, cell=1000))
    path = tmp_path / "b.gpkg"
    for layer, geometry in (("far", shapely.box(0, 0, 1, 1)), ("near", utm)):
        pyogrio.raw.write(path, np.array([shapely.to_wkb(geometry)], dtype=object), field_data=[], fields=[],
                          layer=layer, geometry_type="Polygon", crs="EPSG:3035", append=path.exists())
    assert np.array_equal(parse_region(f"{path}|layername=near").mask(ON), expected)


def test_another_crs(drivers):
    """A region in metres is brought to a grid in degrees, and the other way round, along curved edges."""
    europe = grid(crs=LAEA, left=3.9e6, top=3.1e6, cell=10000, height=60, width=60)
    lon, lat = lonlat(europe)
    truth = (lon > 1) & (lon < 9) & (lat > 46) & (lat < 49)
    assert np.array_equal(parse_region("1,46,9,49 [EPSG:4326]").mask(europe), truth)
    assert parse_region("3950000,2900000,4050000,3000000 [EPSG:3035]").mask(europe).sum() == 100
    assert parse_region("3950000,2900000,4050000,3000000").mask(europe).sum() == 100  # no degrees: the grid's CRS


def test_drivers_are_cropped(drivers):
    """The dataset shrinks to the box around the region, `inside` says which cells count."""
    ds = open_drivers(drivers, region=TRIANGLE)
    whole = open_drivers(drivers)
    assert ds.sizes["y"] == 8 and ds["inside"].dtype == bool and ds["inside"].dims == ("y", "x")
    assert ds["inside"].values.sum() == parse_region(TRIANGLE).mask(ON).sum()
    small = open_drivers(drivers, region="1.2,46.9,2.1,48.3")
    assert Grid.of(small).transform == (0.5, 0.0, 1.0, 0.0, -0.5, 48.5)
    assert np.array_equal(small["soc_0"].values, whole["soc_0"].sel(y=small["y"], x=small["x"]).values)
    assert np.array_equal(small["inside"].isel(y=1).values, small["inside"].values[1])


def test_across_the_date_line():
    """A grid counted beyond 180 meets a region counted from -180."""
    pacific = Grid(WGS84, (1.0, 0, 170, 0, -1.0, 10), 20, 20)
    columns = np.nonzero(parse_region("-180,-5,-175,5").mask(pacific).any(axis=0))[0]
    assert columns.tolist() == [10, 11, 12, 13, 14]
    west = Grid(WGS84, (1.0, 0, -180, 0, -1.0, 10), 20, 40)
    assert np.nonzero(parse_region("185,-5,187,5").mask(west).any(axis=0))[0].tolist() == [5, 6]


@pytest.mark.parametrize(("text", "words"), [
    ("100,0,110,10", "lies outside the drivers"), ("1.1,47.1,1.2,47.2", "no cell centre"),
    ("POLYGON((1 47.1, 1.01 47.1, 1.01 47.11, 1 47.1))", "no cell centre")])
def test_regions_beside_the_drivers(drivers, text, words):
    """A region that meets no cell is told apart from one that is too small."""
    with pytest.raises(GridError, match=words):
        open_drivers(drivers, region=text)


@pytest.mark.parametrize(("text", "words"), [
    ("3,47,1,49", "is empty"), ("1,3,47,49,5", "no such file"), ("nowhere.gpkg", "nowhere.gpkg"),
    ("POLYGON((1 47, 3 47", "no valid WKT"), ('{"type": "Polygon"}', "no valid GeoJSON"), ("{", "no valid GeoJSON"),
    (collection(), "is empty"), (json.dumps({"type": "Point", "coordinates": [1, 47]}), "only Point"),
    ("POLYGON EMPTY", "no such file"), ("x" * 5000, "no such file")])
def test_what_is_no_region(text, words):
    """Every way to say it wrong gets a message and a hint with the right ways."""
    with pytest.raises(SchemaError, match=words) as caught:
        parse_region(text)
    assert "POLYGON" in caught.value.hint


def test_damaged_files_and_unknown_crs(tmp_path):
    """The file or the CRS is named."""
    (tmp_path / "a.gpkg").write_text("no database")
    with pytest.raises(SchemaError, match=r"a\.gpkg' cannot be read"):
        parse_region(str(tmp_path / "a.gpkg"))
    (tmp_path / "b.geojson").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SchemaError, match=r"b\.geojson"):
        parse_region(str(tmp_path / "b.geojson"))
    with pytest.raises(GridError, match="EPSG:999999"):
        parse_region("1,47,3,49 [EPSG:999999]")


def test_places_inside_a_region():
    """Places are told by longitude and latitude in any CRS of the region, also where longitudes count beyond 180."""
    lon, lat = np.array([10.5, 12.0, 370.5, np.nan]), np.array([50.5, 50.5, 50.5, 50.5])
    assert parse_region("10,50,11,51 [EPSG:4326]").holds(lon, lat).tolist() == [True, False, True, False]
    assert parse_region("10,50,11,51").holds(lon, lat).tolist() == [True, False, True, False]
    x, y = from_lonlat(parse_crs("EPSG:3857").to_wkt(), [10.0, 11.0], [50.0, 51.0])
    box = f"{x[0]},{y[0]},{x[1]},{y[1]} [EPSG:3857]"
    assert parse_region(box).holds(lon[:2], lat[:2]).tolist() == [True, False]
