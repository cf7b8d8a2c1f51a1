"""Regions: where to work, from text or vector files, and which cells lie inside."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence

import numpy as np
import xarray as xr

from ...deps import need
from ...errors import GridError, RecoError, SchemaError
from .arrays import Slices, lazy_variable
from .grid import Grid, parse_crs, same_crs, spatial_ref, transform_points

LONLAT = "EPSG:4326"
POINTS_PER_SIDE = 64
ROWS_AT_ONCE = 512
HAIR = 1e-6  # of a cell: rounding at edges
CELL_DIGITS = 6
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_BOX = re.compile(rf"\s*({_NUMBER})\s*,\s*({_NUMBER})\s*,\s*({_NUMBER})\s*,\s*({_NUMBER})\s*(?:\[(.+)\])?\s*")
_WKT = re.compile(r"\s*(?:(?:CRS|SRID)\s*=\s*(?P<crs>[^;]+);)?\s*(?P<wkt>(?:MULTI)?(?:POLYGON|SURFACE)\s*Z?M?\s*\(.+"
                  r"|GEOMETRYCOLLECTION\s*\(.+)", re.IGNORECASE | re.DOTALL)
_HINT = ("Give a polygon file, GeoJSON, WKT such as CRS=EPSG:4326;POLYGON((...)), or a box "
         "'xmin,ymin,xmax,ymax [EPSG:4326]'")


@dataclass(frozen=True)
class Region:
    """An area: a polygon geometry as in GeoJSON, and its CRS.

    An empty `crs` means longitude and latitude if the coordinates can be that, else the CRS of
    the grid it meets.
    """

    geometry: dict[str, Any]
    crs: str = ""
    where: str = "region"

    def on(self, grid: Grid) -> Any:
        """Return the area in the CRS of a grid, as a shapely geometry.

        Raises
        ------
        GridError
            It has no place in that CRS.
        """
        shapely = need("shapely")
        shape = need("shapely.geometry").shape(self.geometry)
        crs = self.crs or self._guess(shape.bounds, grid)
        if same_crs(str(parse_crs(crs).to_wkt()), grid.crs_wkt):
            return _turned(shape, grid)
        west, south, east, north = shape.bounds
        side = max(east - west, north - south) / POINTS_PER_SIDE
        if side > 0:
            shape = shapely.segmentize(shape, side)
        try:
            moved = need("rasterio.warp").transform_geom(parse_crs(crs), parse_crs(grid.crs_wkt),
                                                         need("shapely.geometry").mapping(shape))
        except Exception as error:
            raise GridError(f"The {self.where} cannot be brought into the CRS of the drivers: {error}",
                            "Give the region in the CRS of the drivers") from error
        result = need("shapely.geometry").shape(moved)
        if not np.isfinite(result.bounds).all():
            raise GridError(f"The {self.where} reaches where the CRS of the drivers has no coordinates",
                            "Give a smaller region, or one in the CRS of the drivers")
        return _turned(result, grid)

    def _guess(self, bounds: Sequence[float], grid: Grid) -> str:
        west, south, east, north = bounds
        possible = -360 <= west and east <= 360 and -90 <= south and north <= 90
        return LONLAT if possible else grid.crs_wkt

    def mask(self, grid: Grid) -> np.ndarray:
        """Return which cells have their centre inside, bool of shape (y, x)."""
        return _rasterize(_in_cells(self.on(grid), grid), slice(0, grid.height), slice(0, grid.width))


    def holds(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """Return which places (WGS84) [degree] lie inside, bool of shape (n,); those without coordinates do not."""
        shapely = need("shapely")
        x, y = transform_points(LONLAT, self.crs or LONLAT, lon, lat)
        shape = need("shapely.geometry").shape(self.geometry)
        shapely.prepare(shape)
        turns = (0, -360, 360) if parse_crs(self.crs or LONLAT).is_geographic else (0,)
        return np.any([shapely.intersects_xy(shape, x + turn, y) for turn in turns], axis=0)


def _turned(shape: Any, grid: Grid) -> Any:
    """Return an area of longitudes where the grid has them, if one of the two counts beyond 180."""
    left, bottom, right, top = grid.bounds
    reach = max(-left, right, -shape.bounds[0], shape.bounds[2])
    if not grid.is_geographic or reach <= 180.001:
        return shape
    affinity, shapely = need("shapely.affinity"), need("shapely")
    copies = shapely.union_all([affinity.translate(shape, xoff=turn) for turn in (-360, 0, 360)])
    found = shapely.intersection(copies, shapely.box(left, bottom, right, top))
    return shape if found.is_empty else found


def _in_cells(shape: Any, grid: Grid) -> Any:
    """Return an area in columns and rows of a grid, rounded: edges through centres then cut all windows alike."""
    a, _, c, _, e, f = grid.transform
    return need("shapely").transform(shape, lambda points: np.round((points - [c, f]) / [a, e], CELL_DIGITS))


def _rasterize(shape: Any, rows: slice, columns: slice) -> np.ndarray:
    size = (rows.stop - rows.start, columns.stop - columns.start)
    if shape.is_empty:
        return np.zeros(size, dtype=bool)
    corner = need("rasterio").Affine(1.0, 0.0, columns.start, 0.0, 1.0, rows.start)
    return need("rasterio.features").geometry_mask([shape], size, corner, invert=True)


@dataclass
class _Inside:
    """Boxes of a region's mask, rasterized when they are read."""

    cells: Any
    shape: tuple[int, int]

    def read(self, key: Slices) -> np.ndarray:
        return _rasterize(self.cells, *key)


def parse_region(text: str) -> Region:
    """Return the region that a text or file stands for.

    Parameters
    ----------
    text : str
        'xmin,ymin,xmax,ymax [EPSG:n]', WKT with an optional CRS=EPSG:n; in front, GeoJSON, or the
        path of a vector file (`file|layername=name` takes one of its layers).

    Raises
    ------
    SchemaError
        It cannot be read, is empty or has no polygon.
    """
    box, wkt = _BOX.fullmatch(text), _WKT.fullmatch(text)
    if box:
        return _from_box(box)
    if wkt:
        return _from_wkt(wkt["wkt"], (wkt["crs"] or "").strip())
    if text.lstrip().startswith("{"):
        return _from_geojson(text, "region (GeoJSON)")
    path, _, rest = text.partition("|")
    if not os.path.exists(path):
        raise SchemaError(f"'{text[:80]}' is no region: there is no such file, and it is no box, WKT or GeoJSON", _HINT)
    if Path(path).suffix.lower() in (".json", ".geojson"):
        try:
            return _from_geojson(Path(path).read_text(encoding="utf-8-sig"), f"region '{path}'")
        except UnicodeDecodeError as error:
            raise SchemaError(f"The region '{path}' is no text in UTF-8", _HINT) from error
    match = re.search(r"layername=([^|]+)", rest)
    return _from_file(path, match.group(1) if match else None)


def _from_box(match: re.Match[str]) -> Region:
    west, south, east, north = (float(match.group(i)) for i in range(1, 5))
    crs = (match.group(5) or "").strip()
    if not (west < east and south < north):
        raise SchemaError(f"The box '{match.group(0).strip()}' is empty: its order is xmin,ymin,xmax,ymax", _HINT)
    if crs:
        parse_crs(crs)
    ring = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    return Region({"type": "Polygon", "coordinates": [ring]}, crs, "box")


def _from_wkt(wkt: str, crs: str) -> Region:
    shapely = need("shapely")
    try:
        shape = shapely.from_wkt(wkt)
    except shapely.errors.GEOSException as error:
        raise SchemaError(f"The region is no valid WKT: {error}", _HINT) from error
    if crs:
        parse_crs(crs)
    return _polygons([shape], crs, "region (WKT)")


def _from_geojson(text: str, where: str) -> Region:
    try:
        data = json.loads(text)
        parts = data["features"] if data["type"] == "FeatureCollection" else [data]
        geometries = [part["geometry"] if part["type"] == "Feature" else part for part in parts]
        shapes = [need("shapely.geometry").shape(part) for part in geometries if part]
    except RecoError:
        raise
    except Exception as error:
        raise SchemaError(f"The {where} is no valid GeoJSON: {error}", _HINT) from error
    crs = str(((data.get("crs") or {}).get("properties") or {}).get("name", LONLAT))
    if "CRS84" in crs:
        crs = LONLAT
    parse_crs(crs)
    return _polygons(shapes, crs, where)


def _from_file(path: str, layer: str | None) -> Region:
    pyogrio, shapely = need("pyogrio"), need("shapely")
    try:
        meta, _, geometries, _ = pyogrio.raw.read(path, layer=layer, columns=[])
    except Exception as error:
        raise SchemaError(f"The region '{path}' cannot be read: {error}", _HINT) from error
    if geometries is None:
        raise SchemaError(f"The region '{path}' has no geometries", _HINT)
    shapes = [shapely.from_wkb(part) for part in geometries if part is not None]
    return _polygons(shapes, str(meta.get("crs") or ""), f"region '{path}'")


def _polygons(shapes: Sequence[Any], crs: str, where: str) -> Region:
    """Return the union of the polygons among shapes as a region."""
    shapely = need("shapely")
    parts = [part for shape in shapes for part in shapely.get_parts(shapely.get_parts(shape))]
    polygons = [part for part in parts if part.geom_type == "Polygon" and not part.is_empty]
    if not polygons:
        kinds = sorted({part.geom_type for part in parts if not part.is_empty})
        raise SchemaError(f"The {where} has no polygon" + (f", only {', '.join(kinds)}" if kinds else ": it is empty"),
                          _HINT)
    union = shapely.union_all(shapely.make_valid(polygons))
    return Region(need("shapely.geometry").mapping(union), crs, where)


def crop(ds: xr.Dataset, text: str) -> xr.Dataset:
    """Return drivers cut to the bounding box of a region, with `inside` (y, x).

    Raises
    ------
    SchemaError
        The region cannot be read.
    GridError
        It lies outside the grid or contains no cell centre.
    """
    region = parse_region(text)
    grid = Grid.of(ds)
    shape = region.on(grid)
    west, south, east, north = shape.bounds
    left, bottom, right, top = grid.bounds
    a, e = grid.transform[0], grid.transform[4]
    columns = _span((west - left) / a, (east - left) / a, grid.width)
    rows = _span((north - top) / e, (south - top) / e, grid.height)
    if rows.start >= rows.stop or columns.start >= columns.stop:
        raise GridError(
            f"The {region.where} ({west:.6g} {south:.6g} {east:.6g} {north:.6g}) lies outside the drivers "
            f"({left:.6g} {bottom:.6g} {right:.6g} {top:.6g})", "Check its CRS, or give a region within the drivers")
    window = grid.window(rows, columns)
    inside = _Inside(_in_cells(shape, window), (window.height, window.width))
    if not any(inside.read((slice(row, min(row + ROWS_AT_ONCE, window.height)), slice(0, window.width))).any()
               for row in range(0, window.height, ROWS_AT_ONCE)):
        raise GridError(f"The {region.where} contains no cell centre of the drivers (cells of {a:g} x {abs(e):g})",
                        "Give a larger region or finer drivers")
    result = ds.isel(y=rows, x=columns)
    variable = lazy_variable(("y", "x"), inside, {"long_name": "Inside the region", "grid_mapping": "spatial_ref"},
                             dtype="bool")
    if "inside" in ds:
        variable = _both(variable, result["inside"].variable)
    result["inside"] = variable
    return result.assign_coords(spatial_ref=spatial_ref(window))


def _span(first: float, last: float, size: int) -> slice:
    """Return the cells between two places along an axis, given in cells from its edge."""
    return slice(max(0, int(np.floor(first + HAIR))), min(size, int(np.ceil(last - HAIR))))


@dataclass
class _Both:
    """Boxes that lie inside two masks."""

    one: xr.Variable
    other: xr.Variable

    @property
    def shape(self) -> tuple[int, ...]:
        return self.one.shape

    def read(self, key: Slices) -> np.ndarray:
        return self.one[key].values & self.other[key].values.astype(bool)


def _both(one: xr.Variable, other: xr.Variable) -> xr.Variable:
    return lazy_variable(("y", "x"), _Both(one, other), dict(one.attrs), dtype="bool")
