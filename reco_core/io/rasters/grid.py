"""The grid of a raster: where its cells lie on the Earth and how large they are."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ...deps import need
from ...errors import GridError

if TYPE_CHECKING:
    import xarray as xr

WGS84_A = 6378137.0
WGS84_F = 1 / 298.257223563
WGS84_B = WGS84_A * (1 - WGS84_F)
_E = float(np.sqrt(WGS84_F * (2 - WGS84_F)))
ALL = slice(None)
LOUD_FAILURES = 20
_EQUAL_AREA = re.compile(
    r"equal[ _-]?area|sinusoidal|mollweide|equal[ _]earth|albers|eckert[ _](ii|iv|vi)\b|homolosine|behrmann|bonne",
    re.IGNORECASE)


Transform = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Grid:
    """A north-up grid of equal cells.

    `transform` holds a, b, c, d, e, f of x = a * column + b * row + c and
    y = d * column + e * row + f, at corners of cells; `b` and `d` are 0 and `e` is negative.
    """

    crs_wkt: str
    transform: Transform
    height: int
    width: int

    @classmethod
    def of(cls, ds: xr.Dataset | xr.DataArray) -> Grid:
        """Return the grid of a dataset with `spatial_ref`, `y` and `x`; parts of a cube are fine.

        Raises
        ------
        GridError
            It has no `spatial_ref`, or one axis has too few cells to tell their size.
        """
        if "spatial_ref" not in ds.coords and "spatial_ref" not in getattr(ds, "data_vars", {}):
            raise GridError("The raster has no coordinate reference system (spatial_ref)",
                            "Read it with read_drivers")
        attrs = ds["spatial_ref"].attrs
        x, y = (np.asarray(ds[name].values, dtype="float64") for name in ("x", "y"))
        known = gdal_transform(attrs.get("GeoTransform", ""))
        transform = affine_of(x, y, known)
        return cls(str(attrs.get("crs_wkt", "")), transform, len(y), len(x))

    @property
    def is_geographic(self) -> bool:
        """Whether x and y are longitude and latitude."""
        return bool(parse_crs(self.crs_wkt).is_geographic)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right and top of the grid."""
        a, _, c, _, e, f = self.transform
        return c, f + e * self.height, c + a * self.width, f

    def xy(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the centres of columns, shape (width,), and of rows, shape (height,)."""
        a, _, c, _, e, f = self.transform
        return c + a * (np.arange(self.width) + 0.5), f + e * (np.arange(self.height) + 0.5)

    def window(self, rows: slice, columns: slice) -> Grid:
        """Return the grid of some rows and columns."""
        row0, row1, _ = rows.indices(self.height)
        col0, col1, _ = columns.indices(self.width)
        a, b, c, d, e, f = self.transform
        return Grid(self.crs_wkt, (a, b, c + a * col0, d, e, f + e * row0), row1 - row0, col1 - col0)

    def cell_area_m2(self) -> np.ndarray:
        """Return the area of every cell, shape (height, width) [m2].

        Exact on the WGS84 ellipsoid for longitude and latitude and constant in equal-area
        projections. In other projections the corners are taken to the ellipsoid, and a cell is
        the quadrilateral between them in an equal-area cylinder. Ask for the area of a
        `window` where the grid is large.
        """
        a, _, c, _, e, f = self.transform
        shape = (self.height, self.width)
        if self.is_geographic:
            edges = strip_area(f + e * np.arange(self.height + 1))
            return np.broadcast_to((np.deg2rad(a) * (edges[:-1] - edges[1:]))[:, None], shape)
        if is_equal_area(self.crs_wkt):
            return np.full(shape, abs(a * e) * parse_crs(self.crs_wkt).linear_units_factor[1] ** 2)
        x, y = np.meshgrid(c + a * np.arange(self.width + 1), f + e * np.arange(self.height + 1))
        lon, lat = to_lonlat(self.crs_wkt, x, y)
        return _quadrilaterals(np.deg2rad(lon), strip_area(lat))

    def locate(self, lon: Any, lat: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return row and column of the cells that contain places; -1 outside the grid.

        Parameters
        ----------
        lon, lat : arrays of shape (n,) [degree]
            Longitude and latitude (WGS84).

        Returns
        -------
        rows, columns : int arrays of shape (n,)
        """
        x, y = from_lonlat(self.crs_wkt, lon, lat)
        a, _, c, _, e, f = self.transform
        if self.is_geographic:  # grids may count longitude beyond 180
            x = c + np.mod(x - c, 360.0)
        rows, columns = np.floor((y - f) / e), np.floor((x - c) / a)
        inside = (rows >= 0) & (rows < self.height) & (columns >= 0) & (columns < self.width)
        return np.where(inside, rows, -1).astype(int), np.where(inside, columns, -1).astype(int)


def strip_area(lat: Any) -> np.ndarray:
    """Return the area from the equator to a latitude per radian of longitude [m2], negative in the south.

    Parameters
    ----------
    lat : array [degree]

    Examples
    --------
    >>> globe = 2 * np.pi * (strip_area(90.0) - strip_area(-90.0))
    >>> round(float(globe) / 1e6, 3)
    510065621.724
    """
    s = np.sin(np.deg2rad(np.asarray(lat, dtype="float64")))
    return WGS84_B**2 / 2 * (s / (1 - (_E * s) ** 2) + np.log((1 + _E * s) / (1 - _E * s)) / (2 * _E))


def _quadrilaterals(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return the areas of the cells between corners (u, v); longitudes u [rad] may jump at 180 degrees."""
    du1, dv1 = u[1:, 1:] - u[:-1, :-1], v[1:, 1:] - v[:-1, :-1]
    du2, dv2 = u[1:, :-1] - u[:-1, 1:], v[1:, :-1] - v[:-1, 1:]
    du1, du2 = (np.mod(part + np.pi, 2 * np.pi) - np.pi for part in (du1, du2))
    return np.abs(du1 * dv2 - du2 * dv1) / 2


@lru_cache(maxsize=64)
def parse_crs(text: str) -> Any:
    """Return the `rasterio.crs.CRS` of a WKT, PROJ text or EPSG code.

    Raises
    ------
    GridError
        The text is no coordinate reference system.
    """
    crs_error = need("rasterio.errors").CRSError
    try:
        with need("rasterio").Env():
            return need("rasterio.crs").CRS.from_user_input(text)
    except (crs_error, ValueError) as error:
        raise GridError(f"'{text[:80]}' is no coordinate reference system",
                        "Write it as an EPSG code, for example EPSG:4326") from error


def is_equal_area(crs_wkt: str) -> bool:
    """Return whether a projected coordinate reference system keeps areas."""
    method = re.search(r'PROJECTION\["([^"]+)"', parse_crs(crs_wkt).to_wkt())
    return bool(method and _EQUAL_AREA.search(method.group(1).replace("_", " ")))


@lru_cache(maxsize=256)
def same_crs(one: str, other: str) -> bool:
    """Return whether two coordinate reference systems put a place at the same coordinates."""
    if one == other:
        return True
    if not one or not other:
        return False
    first, second = parse_crs(one), parse_crs(other)
    return bool(first == second) or _proj(first) == _proj(second) != {}


def _proj(crs: Any) -> dict[str, Any]:
    """Return the PROJ parameters that matter; a datum of unknown name is told by its ellipsoid."""
    bare = parse_crs(re.sub(r',AUTHORITY\["[^"]*","[^"]*"\]', "", crs.to_wkt()))  # else there is only the code
    found = {key: value for key, value in bare.to_dict().items() if key not in ("no_defs", "type", "wktext", "init")}
    if not any(float(part) for part in str(found.get("towgs84", "0")).split(",")):
        found.pop("towgs84", None)
    if found.get("datum") == "WGS84":
        found["ellps"] = found.pop("datum")
    return found


def crs_name(crs_wkt: str) -> str:
    """Return a short name of a coordinate reference system: its EPSG code where it has one."""
    if not crs_wkt:
        return "no CRS"
    code = parse_crs(crs_wkt).to_epsg()
    name = re.match(r'\w+\["([^"]*)"', crs_wkt)
    return f"EPSG:{code}" if code else (name.group(1) if name else crs_wkt[:40])


def to_lonlat(crs_wkt: str, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return longitude and latitude (WGS84) [degree] of coordinates, in their shape."""
    return transform_points(crs_wkt, "EPSG:4326", x, y)


def from_lonlat(crs_wkt: str, lon: Any, lat: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the coordinates of longitudes and latitudes (WGS84), in their shape; NaN where there are none."""
    return transform_points("EPSG:4326", crs_wkt, lon, lat)


def transform_points(source: str, target: str, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return coordinates in another CRS, in their shape; NaN where there are none.

    Raises
    ------
    GridError
        Some have no place in the other CRS, and GDAL does not tell which.
    """
    x, y = np.broadcast_arrays(np.asarray(x, dtype="float64"), np.asarray(y, dtype="float64"))
    if same_crs(source, target) or x.size == 0:
        return x.copy(), y.copy()
    result = np.full((2, *x.shape), np.nan)
    good = np.isfinite(x) & np.isfinite(y)
    if good.any():
        result[:, good] = _moved(source, target, x[good], y[good])
    result[:, ~np.isfinite(result).all(axis=0)] = np.nan
    return result[0], result[1]


def _moved(source: str, target: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return coordinates of shape (2, n) in another CRS, infinite where there are none.

    The first twenty places that have none are an error for all the others; from then on GDAL is
    silent for this pair of systems, and gives what there is.
    """
    for _ in range(LOUD_FAILURES + 1):
        with suppress(need("rasterio._err").CPLE_BaseError):
            return np.array(need("rasterio.warp").transform(parse_crs(source), parse_crs(target), x, y))
    raise GridError(f"Some places of {crs_name(source)} have none in {crs_name(target)}",
                    "Crop the drivers to a region that both can show")


def lonlat(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return longitude and latitude of all cell centres, each of shape (height, width) [degree]."""
    x, y = grid.xy()
    return to_lonlat(grid.crs_wkt, *np.meshgrid(x, y))


def gdal_transform(text: Any) -> Transform | None:
    """Return a, b, c, d, e, f of a GeoTransform in the words of GDAL (c a b f d e), or None."""
    try:
        c, a, b, f, d, e = (float(part) for part in str(text).split())
    except ValueError:
        return None
    return a, b, c, d, e, f


def gdal_text(transform: tuple[float, ...]) -> str:
    """Return a transform in the words of GDAL: c a b f d e."""
    a, b, c, d, e, f = (float(value) for value in transform)
    return " ".join(repr(value) for value in (c, a, b, f, d, e))


def spatial_ref(grid: Grid) -> xr.Variable:
    """Return the variable `spatial_ref` of a grid."""
    attrs = {"crs_wkt": grid.crs_wkt, "GeoTransform": gdal_text(grid.transform)}
    return need("xarray").Variable((), np.int32(0), attrs)


def affine_of(x: np.ndarray, y: np.ndarray, known: Transform | None = None) -> Transform:
    """Return the transform of cell centres; a `known` one gives the cell size, and the origin if it fits.

    Raises
    ------
    GridError
        There is one cell, which does not tell its size.
    """
    dx, dy = (float(axis[-1] - axis[0]) / (len(axis) - 1) if len(axis) > 1 else None for axis in (x, y))
    if known is not None:
        dx = known[0] if dx is None or abs(dx - known[0]) < 1e-3 * abs(dx) else dx
        dy = known[4] if dy is None or abs(dy - known[4]) < 1e-3 * abs(dy) else dy
    if dx is None and dy is None:
        raise GridError("A raster of one cell does not tell how large it is",
                        "Give a raster with a GeoTransform, such as a GeoTIFF")
    dx = abs(dy) if dx is None else dx  # type: ignore[arg-type]
    dy = -abs(dx) if dy is None else dy
    left, top = float(x[0]) - dx / 2, float(y[0]) - dy / 2
    if known is not None:
        left, top = _snap(left, known[2], dx), _snap(top, known[5], dy)
    return dx, 0.0, left, 0.0, dy, top


def _snap(edge: float, origin: float, step: float) -> float:
    """Return the edge as a whole number of cells from `origin` if it is nearly that: without rounding noise."""
    cells = (edge - origin) / step
    return origin + round(cells) * step if abs(cells - round(cells)) < 1e-4 else edge
