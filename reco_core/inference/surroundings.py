"""What lies around the cells of a tile: earlier time steps, cells next to it, months of the year, its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

import numpy as np

from ..io.rasters.grid import Grid, lonlat
from ..models.context import MONTHS, Context
from ..samples.climate import MonthlyMeans, months_of
from ..samples.footprints import fill_patches
from ..vocabulary.calendar import step_day
from .tiles import Tile

if TYPE_CHECKING:
    import xarray as xr

SLAB = 16
FULL_CIRCLE = 360.0
LAT_DIGITS = 6
Where = tuple[np.ndarray, np.ndarray, np.ndarray]


def window(variable: xr.DataArray, tile: Tile, steps: slice, *, before: int = 0) -> np.ndarray:
    """Return a window of a driver, shape (before + time, y, x), with one time step if it is static.

    Time steps before the first one of the cube are NaN.
    """
    part = variable.isel(y=tile.rows, x=tile.columns)
    if "time" not in part.dims:
        return part.transpose("y", "x").values[None]
    first = steps.start - before
    values = part.isel(time=slice(max(first, 0), steps.stop)).transpose("time", "y", "x").values
    return values if first >= 0 else np.pad(values, ((-first, 0), (0, 0), (0, 0)), constant_values=np.nan)


def earlier_gaps(values: np.ndarray, past: int) -> np.ndarray:
    """Return where one of the earlier time steps is missing.

    Parameters
    ----------
    values : array of shape (past + time, y, x)
    past : int

    Returns
    -------
    array of bool, shape (time, y, x)
    """
    missing = np.isnan(values)
    times = len(values) - past
    found = np.zeros((times, *values.shape[1:]), dtype=bool)
    for lag in range(past):
        found |= missing[lag:lag + times]
    return found


class Surroundings:
    """Fills in the columns behind the drivers of a row, as `Context` orders them.

    Parameters
    ----------
    drivers : xarray.Dataset of kind drivers
    names : sequence of str
        The drivers, in the order of the model's features.
    context : Context
    """

    def __init__(self, drivers: xr.Dataset, names: Sequence[str], context: Context) -> None:
        self.drivers, self.names, self.context = drivers, list(names), context
        self._grid = Grid.of(drivers) if context.place or context.side > 1 else None
        self._climate: tuple[Tile, list[np.ndarray]] | None = None

    @property
    def per_pixel(self) -> float:
        """What is held for each pixel of a tile, whatever the batch [bytes]."""
        earlier = 4.0 * self.context.past * len(self.names)
        sums = MONTHS * (4.0 * len(self.names) + 8 + 4 + 8) + SLAB * 4 * 2
        return earlier + (sums if self.context.climate else 0.0) + (16.0 if self.context.place else 0.0)

    def fill(self, X: np.ndarray, columns: Sequence[np.ndarray], where: Where, tile: Tile, steps: slice) -> None:
        """Fill in the columns of `X` behind the drivers themselves.

        Parameters
        ----------
        X : array of shape (n, width)
        columns : sequence of array of shape (past + time, y, x) or (1, y, x)
            The windows of the drivers, with their earlier time steps.
        where : tuple of array of shape (n,)
            Time step, row and column of each row of X in the batch.
        tile : Tile
        steps : slice
            The time steps of the batch, as the cube counts them.
        """
        p = len(self.names)
        view = self.context.view(X, p)
        for k, (name, values) in enumerate(zip(self.names, columns)):
            if view.past is not None:
                self._past(view.past[:, :, k], values, where)
            if view.patch is not None:
                view.patch[..., k] = self._patches(name, tile, steps, where)
        if view.climate is not None:
            for k, means in enumerate(self._months(tile)):
                view.climate[..., k] = means[:, where[1], where[2]].T
        if view.lat is not None and view.day is not None:
            assert self._grid is not None
            lat = lonlat(self._grid.window(tile.rows, tile.columns))[1]
            view.lat[:] = lat.round(LAT_DIGITS)[where[1], where[2]]  # the last digits depend on how the map is cut
            times = np.asarray(self.drivers["time"].values[steps], dtype="datetime64[D]")
            view.day[:] = step_day(times, str(self.drivers.attrs["time_step"]))[where[0]]

    def _past(self, target: np.ndarray, values: np.ndarray, where: Where) -> None:
        time, y, x = where
        for lag in range(self.context.past):
            target[:, lag] = values[time + lag if len(values) > 1 else 0, y, x]

    def _patches(self, name: str, tile: Tile, steps: slice, where: Where) -> np.ndarray:
        """Return the cells around each row, (n, k, k); gaps have the value of the nearest cell with data."""
        rim, (time, y, x) = self.context.side // 2, where
        values = self._with_rim(name, tile, steps, rim)
        time = time if len(values) > 1 else np.zeros_like(time)
        found = np.empty((len(y), self.context.side, self.context.side), dtype="float32")
        for down in range(self.context.side):
            for right in range(self.context.side):
                found[:, down, right] = values[time, y + down, x + right]
        return fill_patches(found)

    def _with_rim(self, name: str, tile: Tile, steps: slice, rim: int) -> np.ndarray:
        """Return a window that is larger by a rim; beyond the grid it is NaN, or the other side of the world."""
        assert self._grid is not None
        height, width = self._grid.height, self._grid.width
        top, bottom = max(0, tile.row0 - rim), min(height, tile.row1 + rim)
        left, right = max(0, tile.col0 - rim), min(width, tile.col1 + rim)
        variable = self.drivers[name]
        values = window(variable, Tile(top, bottom, left, right), steps)
        lack = (left - (tile.col0 - rim), tile.col1 + rim - right)
        sides = ((0, 0), (top - (tile.row0 - rim), tile.row1 + rim - bottom))
        if self._goes_round and any(lack) and max(lack) <= width:
            parts = [window(variable, Tile(top, bottom, width - lack[0], width), steps), values,
                     window(variable, Tile(top, bottom, 0, lack[1]), steps)]
            return np.pad(np.concatenate(parts, axis=2), (*sides, (0, 0)), constant_values=np.nan)
        return np.pad(values, (*sides, lack), constant_values=np.nan)

    @property
    def _goes_round(self) -> bool:
        assert self._grid is not None
        turn = abs(self._grid.transform[0]) * self._grid.width
        return self._grid.is_geographic and abs(turn - FULL_CIRCLE) < abs(self._grid.transform[0]) / 2

    def _months(self, tile: Tile) -> list[np.ndarray]:
        """Return the mean of each driver in each month of the year over all time steps, each (12, y, x)."""
        if self._climate is None or self._climate[0] != tile:
            self._climate = (tile, [self._means(name, tile) for name in self.names])
        return self._climate[1]

    def _means(self, name: str, tile: Tile) -> np.ndarray:
        variable = self.drivers[name]
        if "time" not in variable.dims:
            return np.repeat(window(variable, tile, slice(0, 1)), MONTHS, axis=0)
        months = months_of(self.drivers["time"].values)
        means = MonthlyMeans(tile.shape)
        for start in range(0, len(months), SLAB):
            steps = slice(start, min(start + SLAB, len(months)))
            means.add(window(variable, tile, steps), months[steps])
        return means.means().astype("float32")
