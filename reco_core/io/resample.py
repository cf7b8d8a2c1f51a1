"""Drivers on another grid: weights between cells, computed window by window.

A window of the result does not depend on which other windows are read, which GDAL's warper does
not promise. Missing cells are left out of means, as GDAL does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse
from xarray import Variable

from .grid import Grid, same_crs, to_lonlat, transform_points
from .raster_arrays import Slices

METHODS = ("nearest", "bilinear", "average")
MOST_POINTS = 8
HAIR = 1e-9  # of a cell: rounding at edges
VALUES_AT_ONCE = 20_000_000


@dataclass
class Resampled:
    """Boxes of a lazy array (time, y, x) on another grid.

    Parameters
    ----------
    source : xarray.Variable, dims (time, y, x)
    source_grid, grid : Grid
    method : {"nearest", "bilinear", "average"}
        The cell that holds the centre, linear between the four nearest centres, or the mean of
        the cells below weighted by their share (in another CRS: by points within the cell).
    """

    source: Variable
    source_grid: Grid
    grid: Grid
    method: str
    shape: tuple[int, int, int] = field(init=False)

    def __post_init__(self) -> None:
        self.shape = (self.source.sizes["time"], self.grid.height, self.grid.width)

    def read(self, key: Slices) -> np.ndarray:
        """Return a box."""
        steps, rows, columns = key
        target = self.grid.window(rows, columns)
        result = np.full((steps.stop - steps.start, target.height * target.width), np.nan, dtype="float32")
        weights, box = self._weights(target)
        if weights is not None:
            self._fill(result, steps, weights, box)
        return result.reshape(len(result), target.height, target.width)

    def _fill(self, result: np.ndarray, steps: slice, weights: sparse.csr_array, box: tuple[slice, slice]) -> None:
        cells = (box[0].stop - box[0].start) * (box[1].stop - box[1].start)
        batch = max(1, VALUES_AT_ONCE // max(cells, result.shape[1]))
        for start in range(0, len(result), batch):
            end = min(start + batch, len(result))
            part = self.source[steps.start + start:steps.start + end, box[0], box[1]].values
            values = part.reshape(end - start, cells).T.astype("float64")
            valid = np.isfinite(values)
            shares = weights @ valid.astype("float64")
            sums = weights @ np.where(valid, values, 0.0)
            with np.errstate(invalid="ignore", divide="ignore"):
                means = np.where(shares > 1e-9, sums / shares, np.nan)
            result[start:end] = means.T

    def _weights(self, target: Grid) -> tuple[sparse.csr_array | None, Any]:
        """Return the weights of source cells (columns) for target cells (rows), and the box of source cells."""
        if self.method == "average" and same_crs(target.crs_wkt, self.source_grid.crs_wkt):
            entries = _overlaps(target, self.source_grid)
        else:
            entries = _points(target, self.source_grid, self.method)
        cell, row, column, weight = entries
        if cell.size == 0:
            return None, None
        box = slice(int(row.min()), int(row.max()) + 1), slice(int(column.min()), int(column.max()) + 1)
        wide, high = box[1].stop - box[1].start, box[0].stop - box[0].start
        index = (row - box[0].start) * wide + column - box[1].start
        matrix = sparse.coo_array((weight, (cell, index)), shape=(target.height * target.width, high * wide))
        return matrix.tocsr(), box


Entries = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # target cell, source row, source column, weight


def _points(target: Grid, source: Grid, method: str) -> Entries:
    if method != "average":
        x, y = np.meshgrid(*target.xy())
        row, column = (part.ravel() for part in _fractional(
            source, *transform_points(target.crs_wkt, source.crs_wkt, x, y)))
        cell = np.arange(row.size)
        return _bilinear(source, cell, row, column) if method == "bilinear" else _nearest(source, cell, row, column)
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
    return cell, row, column, weight


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


def _overlaps(target: Grid, source: Grid) -> Entries:
    """Return the exact shares of source cells in target cells of the same CRS."""
    (a, _, c, _, e, f), (sa, _, sc, _, se, sf) = target.transform, source.transform
    if source.is_geographic and c - sc >= 360 - 1e-9:
        c -= 360
    row, source_row, high = _shares((f - sf) / se, e / se, target.height, source.height)
    column, source_column, wide = _shares((c - sc) / sa, a / sa, target.width, source.width)
    cell = (row[:, None] * target.width + column[None, :]).ravel()
    rows = np.repeat(source_row, column.size)
    columns = np.tile(source_column, row.size)
    return cell, rows, columns, (high[:, None] * wide[None, :]).ravel()


def _shares(start: float, step: float, count: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return target cell, source cell and length of overlap along one axis, in source cells from its edge."""
    low = start + step * np.arange(count)
    high = low + step
    first = np.clip(np.floor(low + 1e-9), 0, size).astype(int)
    last = np.clip(np.ceil(high - 1e-9), 0, size).astype(int)
    number = np.maximum(last - first, 0)
    target = np.repeat(np.arange(count), number)
    offset = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    cell = first[target] + offset
    length = np.minimum(high[target], cell + 1) - np.maximum(low[target], cell)
    return target, cell, length


def covers(source: Grid, grid: Grid) -> bool:
    """Return whether any centre of a coarse net over `grid` lies in `source`; reads nothing."""
    rows = np.unique(np.linspace(0, grid.height - 1, 25).astype(int))
    columns = np.unique(np.linspace(0, grid.width - 1, 25).astype(int))
    x, y = grid.xy()
    row, _ = source.locate(*to_lonlat(grid.crs_wkt, *np.meshgrid(x[columns], y[rows])))
    return bool((row >= 0).any())
