"""Drivers on another grid: weights between cells, computed window by window.

A window of the result does not depend on which other windows are read, which GDAL's warper does
not promise. Missing cells are left out of means, as GDAL does.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import sparse
from xarray import Variable

from .arrays import Slices
from .grid import Grid, same_crs, strip_area, to_lonlat, transform_points

METHODS = ("nearest", "bilinear", "average")
MOST_POINTS = 24
HAIR = 1e-9  # of a cell: rounding at edges
VALUES_AT_ONCE = 8_000_000
CELLS_AT_ONCE = 2_000_000  # of the source, for one set of weights
LEAST_VALID = 0.5  # of the area of a cell that an average needs


@dataclass
class Resampled:
    """Boxes of a lazy array (time, y, x) on another grid.

    Parameters
    ----------
    source : xarray.Variable, dims (time, y, x)
    source_grid, grid : Grid
    method : {"nearest", "bilinear", "average"}
        The cell that holds the centre; linear between the four nearest centres; or the mean of the
        cells below weighted by the area they share with it (in another CRS: by points within the
        cell), where at least half of the area is valid.
    """

    source: Variable
    source_grid: Grid
    grid: Grid
    method: str
    shape: tuple[int, int, int] = field(init=False)

    def __post_init__(self) -> None:
        self.shape = (self.source.sizes["time"], self.grid.height, self.grid.width)
        self._finer = _cells_below(self.source_grid, self.grid) if self.method == "average" else 1.0

    def read(self, key: Slices) -> np.ndarray:
        """Return a box."""
        steps, rows, columns = key
        height, width = rows.stop - rows.start, columns.stop - columns.start
        if height * width * self._finer > CELLS_AT_ONCE and height * width > 1:
            axis, start, stop = (1, rows.start, rows.stop) if height >= width else (2, columns.start, columns.stop)
            middle = (start + stop) // 2
            parts = [self.read((steps, part, columns) if axis == 1 else (steps, rows, part))
                     for part in (slice(start, middle), slice(middle, stop))]
            return np.concatenate(parts, axis=axis)
        result = np.full((steps.stop - steps.start, height * width), np.nan, dtype="float32")
        weights = weights_of(self.source_grid, self.grid.window(rows, columns), self.method)
        if weights is not None:
            self._fill(result, steps, weights)
        return result.reshape(len(result), height, width)

    def _fill(self, result: np.ndarray, steps: slice, weights: Weights) -> None:
        rows, columns = weights.box
        cells = (rows.stop - rows.start) * (columns.stop - columns.start)
        batch = max(1, VALUES_AT_ONCE // max(cells, result.shape[1]))
        for start in range(0, len(result), batch):
            end = min(start + batch, len(result))
            part = self.source[steps.start + start:steps.start + end, rows, columns].values
            result[start:end] = weights.means(part.reshape(end - start, cells))


@dataclass(frozen=True)
class Weights:
    """What each source cell of a box counts in each cell of a target grid.

    Parameters
    ----------
    matrix : sparse array of shape (target cells, cells of the box)
        Areas, points or shares, not normalised.
    box : (rows, columns)
        Of the source.
    least : array of shape (target cells,)
        Least sum of the weights of valid cells.
    """

    matrix: sparse.csr_array
    box: tuple[slice, slice]
    least: np.ndarray

    def means(self, values: np.ndarray) -> np.ndarray:
        """Return the weighted means of valid values, float64.

        Parameters
        ----------
        values : array of shape (time, cells of the box)
            NaN where missing.

        Returns
        -------
        array of shape (time, target cells)
        """
        columns = values.T.astype("float64")
        valid = np.isfinite(columns)
        shares = self.matrix @ valid.astype("float64")
        sums = self.matrix @ np.where(valid, columns, 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(shares >= self.least[:, None], sums / shares, np.nan).T


def weights_of(source: Grid, target: Grid, method: str) -> Weights | None:
    """Return the weights of source cells in the cells of a grid, or None where the two do not meet."""
    if method == "average" and same_crs(target.crs_wkt, source.crs_wkt):
        entries, full = _overlaps(target, source)
    else:
        entries, full = _points(target, source, method)
    cell, row, column, weight = entries
    if cell.size == 0:
        return None
    box = slice(int(row.min()), int(row.max()) + 1), slice(int(column.min()), int(column.max()) + 1)
    wide, high = box[1].stop - box[1].start, box[0].stop - box[0].start
    index = (row - box[0].start) * wide + column - box[1].start
    matrix = sparse.coo_array((weight, (cell, index)), shape=(target.height * target.width, high * wide))
    least = LEAST_VALID * (1 - HAIR) * full if method == "average" else np.full(target.height * target.width, HAIR)
    return Weights(matrix.tocsr(), box, np.maximum(least, np.finfo("float64").tiny))


def cell_width(grid: Grid) -> float:
    """Return the side of a square as large as the middle cell of a grid [m]."""
    row, column = grid.height // 2, grid.width // 2
    middle = grid.window(slice(row, row + 1), slice(column, column + 1))
    return float(np.sqrt(middle.cell_area_m2()[0, 0]))


def _cells_below(source: Grid, grid: Grid) -> float:
    """Return about how many source cells lie below a cell."""
    widths = cell_width(grid), cell_width(source)
    return max(1.0, (widths[0] / widths[1]) ** 2) if np.isfinite(widths).all() and widths[1] > 0 else 1.0


Entries = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # target cell, source row, source column, weight


def _points(target: Grid, source: Grid, method: str) -> tuple[Entries, np.ndarray]:
    """Return the weights of points in target cells, and the weight of all points of each cell."""
    if method != "average":
        x, y = np.meshgrid(*target.xy())
        row, column = (part.ravel() for part in _fractional(
            source, *transform_points(target.crs_wkt, source.crs_wkt, x, y)))
        cell = np.arange(row.size)
        chosen = _bilinear if method == "bilinear" else _nearest
        return chosen(source, cell, row, column), np.ones(row.size)
    a, _, c, _, e, f = target.transform
    corners = np.meshgrid(c + a * np.arange(target.width + 1), f + e * np.arange(target.height + 1))
    rows, columns = _fractional(source, *transform_points(target.crs_wkt, source.crs_wkt, *corners))
    period = 360.0 / source.transform[0] if source.is_geographic else None
    steps = np.concatenate([np.abs(np.diff(part, axis=axis)).ravel() for part in (rows, columns) for axis in (0, 1)])
    steps = steps[np.isfinite(steps) & (steps < (period or np.inf) / 2)]
    span = float(steps.max()) if steps.size else 1.0
    count = int(np.clip(np.ceil(2 * span), 2, MOST_POINTS))
    cell = np.arange(target.height * target.width)
    found = []
    for v in (np.arange(count) + 0.5) / count:
        for u in (np.arange(count) + 0.5) / count:
            found.append(_nearest(source, cell, _inside(rows, u, v), _inside(columns, u, v, period)))
    cell, row, column, weight = (np.concatenate(parts) for parts in zip(*found))
    return (cell, row, column, weight), np.full(target.height * target.width, float(count * count))


def _inside(corner: np.ndarray, u: float, v: float, period: float | None = None) -> np.ndarray:
    """Return a coordinate at the place (u, v) of every cell from its corners; longitudes may jump between these."""
    first, *others = corner[:-1, :-1], corner[:-1, 1:], corner[1:, :-1], corner[1:, 1:]
    if period:
        others = [other + period * np.round((first - other) / period) for other in others]
    second, third, fourth = others
    return (first * ((1 - u) * (1 - v)) + second * (u * (1 - v)) + third * ((1 - u) * v) + fourth * (u * v)).ravel()


def _fractional(source: Grid, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return row and column of places as fractions: 0 is the edge of the first cell, 0.5 its centre."""
    a, _, c, _, e, f = source.transform
    return (y - f) / e, (x - c) / a


def _turned(source: Grid, column: np.ndarray) -> np.ndarray:
    """Return columns of a grid of longitudes after whole turns of the Earth that bring them into the grid."""
    if not source.is_geographic:
        return column
    period = 360.0 / source.transform[0]
    return np.mod(column + HAIR, period) - HAIR


def _nearest(source: Grid, cell: np.ndarray, row: np.ndarray, column: np.ndarray) -> Entries:
    column = _turned(source, column)
    with np.errstate(invalid="ignore"):
        good = (row >= -HAIR) & (row < source.height) & (column >= -HAIR) & (column < source.width)
    rows, columns = (np.maximum(part[good], 0).astype(int) for part in (row, column))
    return cell[good], rows, columns, np.ones(rows.size)


def _bilinear(source: Grid, cell: np.ndarray, row: np.ndarray, column: np.ndarray) -> Entries:
    column = _turned(source, column)
    with np.errstate(invalid="ignore"):
        good = (row >= -HAIR) & (row <= source.height) & (column >= -HAIR) & (column <= source.width)
    cell, row, column = cell[good], row[good] - 0.5, column[good] - 0.5
    top, left = np.floor(row).astype(int), np.floor(column).astype(int)
    found = []
    for down in (0, 1):
        for right in (0, 1):
            weight = (np.abs(1 - down - (row - top))) * (np.abs(1 - right - (column - left)))
            rows = np.clip(top + down, 0, source.height - 1)
            columns = np.clip(left + right, 0, source.width - 1)
            used = weight > 0
            found.append((cell[used], rows[used], columns[used], weight[used]))
    cell, rows, columns, weight = (np.concatenate(parts) for parts in zip(*found))
    return cell, rows, columns, weight


def _overlaps(target: Grid, source: Grid) -> tuple[Entries, np.ndarray]:
    """Return the areas that source cells share with target cells of the same CRS, and the area of each target cell.

    Degrees of latitude count as strips of the ellipsoid, so that sums of value x area are kept.
    """
    (a, _, c, _, e, f), (sa, _, sc, _, se, sf) = target.transform, source.transform
    if source.is_geographic and c - sc >= 360 - 1e-9:
        c -= 360
    row, source_row, low, high = _shares((f - sf) / se, e / se, target.height, source.height)
    column, source_column, left, right = _shares((c - sc) / sa, a / sa, target.width, source.width)
    heights, whole = high - low, np.full(target.height, e / se)
    if source.is_geographic:
        heights = strip_area(sf + se * low) - strip_area(sf + se * high)
        edges = strip_area(f + e * np.arange(target.height + 1))
        whole = edges[:-1] - edges[1:]
    cell = (row[:, None] * target.width + column[None, :]).ravel()
    rows = np.repeat(source_row, column.size)
    columns = np.tile(source_column, row.size)
    weight = (heights[:, None] * (right - left)[None, :]).ravel()
    return (cell, rows, columns, weight), np.repeat(whole * (a / sa), target.width)


def _shares(start: float, step: float, count: int,
            size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return target cell, source cell, and begin and end of what they share along one axis, in source cells."""
    low = start + step * np.arange(count)
    high = low + step
    first = np.clip(np.floor(low + HAIR), 0, size).astype(int)
    last = np.clip(np.ceil(high - HAIR), 0, size).astype(int)
    number = np.maximum(last - first, 0)
    target = np.repeat(np.arange(count), number)
    offset = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    cell = first[target] + offset
    return target, cell, np.maximum(low[target], cell), np.minimum(high[target], cell + 1)


def covers(source: Grid, grid: Grid) -> bool:
    """Return whether any centre of a coarse net over `grid` lies in `source`; reads nothing."""
    rows = np.unique(np.linspace(0, grid.height - 1, 25).astype(int))
    columns = np.unique(np.linspace(0, grid.width - 1, 25).astype(int))
    x, y = grid.xy()
    row, _ = source.locate(*to_lonlat(grid.crs_wkt, *np.meshgrid(x[columns], y[rows])))
    return bool((row >= 0).any())
