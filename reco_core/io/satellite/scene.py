"""One date of one satellite file, as it stands: its layers, not yet scaled or screened, on their grid."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Mapping, Optional, Protocol, Sequence

import numpy as np

from ..rasters.grid import Grid, Transform, parse_crs, same_crs

RADIUS = 6371007.181  # of the sphere of MODIS [m]
TILE = RADIUS * math.pi / 18  # side of a tile [m]
SINUSOIDAL = f"+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R={RADIUS} +units=m +no_defs"
ON_GRID = 0.01  # of a cell: what counts as rounding of a corner


class Pixels(Protocol):
    """Something that reads windows of one layer as they are stored."""

    def read(self, rows: slice, columns: slice) -> np.ndarray:
        """Return a window (rows, columns)."""


@dataclass(frozen=True)
class Stored:
    """A layer as its file keeps it.

    `scale`, `offset`, `fills` and `valid` are what the file states of it; None or empty where it
    states nothing.
    """

    name: str
    where: str
    dtype: np.dtype
    pixels: Pixels = field(repr=False)
    scale: Optional[float] = None
    offset: Optional[float] = None
    fills: tuple[float, ...] = ()
    valid: Optional[tuple[float, float]] = None
    unit: str = ""


@dataclass(frozen=True)
class Scene:
    """One date of one file, or of the files that an export made of it.

    Parameters
    ----------
    where : str
        File, for messages.
    short_name : str
        Product as the file names it, such as MYD09A1; empty if it does not.
    date : datetime64[D], optional
    grid : Grid
    layers : mapping of plain name to Stored
    area : str
        Of an export that has several.
    """

    where: str
    short_name: str
    date: Optional[np.datetime64]
    grid: Grid
    layers: Mapping[str, Stored]
    area: str = ""

    def find(self, names: Sequence[str]) -> Optional[Stored]:
        """Return the layer that goes by one of some names, or None."""
        return next((self.layers[name] for name in names if name in self.layers), None)


def sinusoidal_wkt() -> str:
    """Return the coordinate reference system of MODIS tiles as WKT."""
    return str(parse_crs(SINUSOIDAL).to_wkt()).replace('PROJCS["unknown"', 'PROJCS["MODIS Sinusoidal"', 1)


def on_tiles(grid: Grid) -> Grid:
    """Return a grid of MODIS cells with its corner at the exact whole cell, counted from the centre of the projection.

    Corners in files are rounded, so that tiles would not quite meet. Other grids come back as they are.
    """
    if not grid.crs_wkt or not same_crs(grid.crs_wkt, sinusoidal_wkt()):
        return grid
    a, _, c, _, e, f = grid.transform
    per_tile = round(TILE / a)
    if per_tile < 1 or abs(TILE / per_tile - a) * max(grid.width, grid.height) > ON_GRID * a or abs(a + e) > 1e-6 * a:
        return grid
    cell = TILE / per_tile
    column, row = c / cell, f / cell
    if abs(column - round(column)) > ON_GRID or abs(row - round(row)) > ON_GRID:
        return grid
    exact: Transform = (cell, 0.0, round(column) * cell, 0.0, -cell, round(row) * cell)
    return replace(grid, transform=exact, crs_wkt=sinusoidal_wkt())
