"""Which cells of a grid a tower sees: the nearest, the four around it, a square in kilometres, or a patch of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator

import numpy as np

from ..errors import ConfigError, GridError

KINDS = ("nearest", "bilinear", "mean", "patch")
LEAST_WEIGHT = 0.5  # more than half of a footprint must have data
POLE = 90.0


@dataclass(frozen=True)
class Footprint:
    """How a grid is read at a tower.

    Parameters
    ----------
    kind : {"nearest", "bilinear", "mean", "patch"}
        The cell that contains the tower; bilinear between the four nearest centres; the mean of the
        cells whose centres lie in a square around it; or the cells around it one by one.
    km : float [km]
        Side of the square of a mean.
    cells : int
        Rows and columns of a patch, an odd number.

    Raises
    ------
    ConfigError
        There is no such kind, or the size has no meaning.
    """

    kind: str = "nearest"
    km: float = 3.0
    cells: int = 3

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"'{self.kind}' is no footprint", "Choose: " + ", ".join(KINDS))
        if self.kind == "mean" and not self.km > 0:
            raise ConfigError(f"A footprint of {self.km:g} km has no cells", "Give a width above 0 km")
        if self.kind == "patch" and (self.cells < 1 or self.cells % 2 == 0):
            raise ConfigError(f"A patch of {self.cells} cells has no middle", "Give an odd number, such as 3")

    @property
    def words(self) -> str:
        """What it is, for people."""
        return {"nearest": "nearest cell", "bilinear": "bilinear", "mean": f"mean of {self.km:g} km",
                "patch": f"patch of {self.cells} x {self.cells} cells"}[self.kind]


NEAREST = Footprint()


@dataclass(frozen=True)
class Axes:
    """The cell centres of a grid and how long its units are.

    Parameters
    ----------
    x, y : array of shape (width,), (height,)
        Cell centres in the CRS of the grid, equally spaced.
    steps : (float, float)
        Cell size in x and y, for grids of a single column or row.
    wrap : float, optional
        Period of x, 360 where x is a longitude; the grid is then taken as longitude and latitude.
    metres : float [m]
        Length of a unit of a projected grid.
    """

    x: np.ndarray
    y: np.ndarray
    steps: tuple[float, float] = (0.0, 0.0)
    wrap: float | None = None
    metres: float = 1.0

    @property
    def cell(self) -> tuple[float, float]:
        """Signed cell size in x and y."""
        return _step(self.x, self.steps[0]), _step(self.y, self.steps[1])

    @property
    def goes_round(self) -> bool:
        """Whether the columns go once round the Earth."""
        step = self.cell[0]
        return self.wrap is not None and abs(abs(step) * self.x.size - self.wrap) < abs(step) / 2


@dataclass(frozen=True)
class Piece:
    """A box of cells of one tower, and where it lies in the footprint of the tower."""

    tower: int
    rows: slice
    columns: slice
    weights: np.ndarray
    place: tuple[int, int]


@dataclass(frozen=True)
class Cells:
    """The cells of all towers; `outside` and `over_pole` (n,) tell towers without any."""

    pieces: tuple[Piece, ...]
    outside: np.ndarray
    over_pole: np.ndarray


def find_cells(x: np.ndarray, y: np.ndarray, grid_x: np.ndarray, grid_y: np.ndarray,
               wrap: float | None = None, steps: tuple[float, float] = (0.0, 0.0)) -> tuple[np.ndarray, np.ndarray]:
    """Return row and column of the cell that contains each point; -1 outside the grid.

    Parameters
    ----------
    x, y : array of shape (n,)
        Positions in the CRS of the grid; NaN where unknown.
    grid_x, grid_y : array of shape (width,), (height,)
        Cell centres, equally spaced. A point on the border of two cells belongs to the lower index.
    wrap : float, optional
        Period of x, 360 for longitudes.
    steps : (float, float)
        Cell size in x and y, for grids of a single column or row.
    """
    place_x, place_y = _places(np.asarray(x, dtype="float64"), np.asarray(y, dtype="float64"),
                               Axes(grid_x, grid_y, steps, wrap))
    column, row = _index(place_x, len(grid_x)), _index(place_y, len(grid_y))
    inside = (row >= 0) & (column >= 0)
    return np.where(inside, row, -1), np.where(inside, column, -1)


def footprint_cells(x: np.ndarray, y: np.ndarray, axes: Axes, footprint: Footprint = NEAREST) -> Cells:
    """Return the cells that belong to each tower, and their weights.

    Columns go on at the other side of a grid that goes round the Earth. Where rows would reach over
    a pole, the tower has no footprint.

    Parameters
    ----------
    x, y : array of shape (n,)
        Positions in the CRS of the grid; NaN where unknown.
    axes : Axes
    footprint : Footprint

    Returns
    -------
    Cells
        The weights of a tower add up to 1, and to less where its footprint leaves the grid.
    """
    place_x, place_y = _places(np.asarray(x, dtype="float64"), np.asarray(y, dtype="float64"), axes)
    column, row = _index(place_x, axes.x.size), _index(place_y, axes.y.size)
    outside = (row < 0) | (column < 0)
    over_pole = np.zeros(outside.shape, dtype=bool)
    pieces: list[Piece] = []
    for at in np.flatnonzero(~outside):
        halves = _half_cells(axes, float(axes.y[0] + place_y[at] * axes.cell[1]), footprint)
        rows, row_weights = _along(place_y[at], int(row[at]), axes.y.size, halves[1], footprint, False)
        columns, column_weights = _along(place_x[at], int(column[at]), axes.x.size, halves[0], footprint,
                                         axes.goes_round)
        over_pole[at] = _reaches_over_pole(rows, axes)
        if not over_pole[at]:
            pieces += _pieces(int(at), rows, columns, np.outer(row_weights, column_weights), axes)
    return Cells(tuple(pieces), outside, over_pole)


def _step(centres: np.ndarray, step: float) -> float:
    if centres.size > 1:
        return float(centres[-1] - centres[0]) / (centres.size - 1)
    if step == 0:
        raise GridError("The size of the cells of a grid with one row or column is not known",
                        "Write the grid with its geotransform")
    return step


def _places(x: np.ndarray, y: np.ndarray, axes: Axes) -> tuple[np.ndarray, np.ndarray]:
    """Return where points lie between cell centres, counted in cells from the first centre."""
    step_x, step_y = axes.cell
    place_x = _rounded((x - axes.x[0]) / step_x)
    if axes.wrap is not None:
        for shift in (axes.wrap, -axes.wrap):
            moved = _rounded((x + shift - axes.x[0]) / step_x)
            better = (_index(place_x, axes.x.size) < 0) & (_index(moved, axes.x.size) >= 0)
            place_x = np.where(better, moved, place_x)
    return place_x, _rounded((y - axes.y[0]) / step_y)


def _rounded(place: np.ndarray) -> np.ndarray:
    # keeps points that lie on a border, up to the precision of coordinates, on that border
    return np.round(place, 9)


def _index(place: np.ndarray, size: int) -> np.ndarray:
    known = np.isfinite(place)
    index = np.full(place.shape, -1, dtype="int64")
    index[known] = np.ceil(place[known] - 0.5).astype("int64")
    index[known & (place == -0.5)] = 0
    return np.where((index >= 0) & (index < size), index, -1)


def _half_cells(axes: Axes, y: float, footprint: Footprint) -> tuple[float, float]:
    """Return half the width of the square in columns and in rows."""
    half = footprint.km * 500.0
    step_x, step_y = (abs(step) for step in axes.cell)
    if axes.wrap is None:
        return half / (axes.metres * step_x), half / (axes.metres * step_y)
    along_x, along_y = degree_lengths(y)
    return half / max(along_x * step_x, 1e-9), half / (along_y * step_y)


def degree_lengths(latitude: float) -> tuple[float, float]:
    """Return the length of a degree of longitude and of latitude on the WGS84 ellipsoid [m].

    Examples
    --------
    >>> [round(metres) for metres in degree_lengths(0.0)], [round(metres) for metres in degree_lengths(60.0)]
    ([111319, 110574], [55800, 111412])
    """
    angle = np.deg2rad(latitude)
    longitude = 111412.84 * np.cos(angle) - 93.5 * np.cos(3 * angle) + 0.118 * np.cos(5 * angle)
    return float(longitude), float(111132.92 - 559.82 * np.cos(2 * angle) + 1.175 * np.cos(4 * angle))


def _along(place: float, index: int, size: int, half: float, footprint: Footprint,
           round_: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return cells along one axis, perhaps beyond its ends, and their weights."""
    if footprint.kind == "bilinear":
        at = place if round_ else min(max(place, 0.0), size - 1.0)
        lower = int(np.floor(at))
        share = at - lower
        return (np.array([lower, lower + 1]), np.array([1 - share, share])) if share else (
            np.array([lower]), np.ones(1))
    if footprint.kind == "mean":
        first, last = _rounded(np.array([place - half, place + half]))
        low, high = int(np.ceil(max(first, -size))), int(np.ceil(min(last, 2.0 * size))) - 1
        if round_ and high - low + 1 > size:
            low, high = 0, size - 1
        if low <= high:
            count = high - low + 1
            return np.arange(low, high + 1), np.full(count, 1.0 / count)
    reach = footprint.cells // 2 if footprint.kind == "patch" else 0
    return np.arange(index - reach, index + reach + 1), np.full(2 * reach + 1, 1.0 / (2 * reach + 1))


def _reaches_over_pole(rows: np.ndarray, axes: Axes) -> bool:
    if axes.wrap is None:
        return False
    step = axes.cell[1]
    first, last = axes.y[0] - step / 2, axes.y[-1] + step / 2
    at_pole = [abs(abs(edge) - POLE) < abs(step) / 2 for edge in (first, last)]
    return bool((rows[0] < 0 and at_pole[0]) or (rows[-1] >= axes.y.size and at_pole[1]))


def _pieces(tower: int, rows: np.ndarray, columns: np.ndarray, weights: np.ndarray, axes: Axes) -> Iterator[Piece]:
    """Yield the boxes of a footprint that lie on the grid."""
    there = np.flatnonzero((rows >= 0) & (rows < axes.y.size))
    width = axes.x.size
    known = np.arange(columns.size) if axes.goes_round else np.flatnonzero((columns >= 0) & (columns < width))
    if not there.size or not known.size:
        return
    on_grid = columns[known] % width
    for run in np.split(np.arange(known.size), np.flatnonzero(np.diff(on_grid) != 1) + 1):
        part = known[run]
        yield Piece(tower, slice(int(rows[there[0]]), int(rows[there[-1]]) + 1),
                    slice(int(on_grid[run[0]]), int(on_grid[run[-1]]) + 1), weights[np.ix_(there, part)],
                    (int(there[0]), int(part[0])))


def fill_patches(patches: np.ndarray) -> np.ndarray:
    """Return patches whose gaps have the value of the nearest cell with data; empty patches stay empty.

    Parameters
    ----------
    patches : array of shape (..., rows, columns)

    Returns
    -------
    array of the same shape
        Of two cells equally near the upper, then the left one counts.
    """
    rows, columns = patches.shape[-2:]
    flat = patches.reshape(-1, rows * columns).copy()
    gaps = np.isnan(flat)
    partly = np.flatnonzero(gaps.any(axis=1) & ~gaps.all(axis=1))
    if not partly.size:
        return flat.reshape(patches.shape)
    masks, which = np.unique(gaps[partly], axis=0, return_inverse=True)
    y, x = np.divmod(np.arange(rows * columns), columns)
    for number, mask in enumerate(masks):
        data, missing = np.flatnonzero(~mask), np.flatnonzero(mask)
        nearest = [data[np.argmin((y[data] - y[cell]) ** 2 + (x[data] - x[cell]) ** 2)] for cell in missing]
        towers = partly[which.reshape(-1) == number]
        flat[np.ix_(towers, missing)] = flat[np.ix_(towers, np.array(nearest))]
    return flat.reshape(patches.shape)
