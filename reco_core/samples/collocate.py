"""Gridded drivers at towers: the cell that contains each tower, at the time steps of its records."""

from __future__ import annotations

from typing import Sequence

import numpy as np
import xarray as xr

from ..errors import GridError, SampleError
from ..progress import SILENT, Progress
from ..vocabulary import check_drivers
from ..vocabulary.calendar import step_label, step_start
from ..vocabulary.ledger import note

BLOCK = 256
WINDOW_BYTES = 64 * 2**20


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
    x = np.asarray(x, dtype="float64")
    column = _index(x, grid_x, steps[0])
    if wrap is not None:
        for shift in (wrap, -wrap):
            column = np.where(column < 0, _index(x + shift, grid_x, steps[0]), column)
    row = _index(np.asarray(y, dtype="float64"), grid_y, steps[1])
    inside = (row >= 0) & (column >= 0)
    return np.where(inside, row, -1), np.where(inside, column, -1)


def _index(values: np.ndarray, centres: np.ndarray, step: float) -> np.ndarray:
    centres = np.asarray(centres, dtype="float64")
    if centres.size > 1:
        step = (centres[-1] - centres[0]) / (centres.size - 1)
    if step == 0:
        raise GridError("The size of the cells of a grid with one row or column is not known",
                        "Write the grid with its geotransform")
    # rounding keeps points that lie on a border, up to the precision of coordinates, on that border
    place = np.round((values - centres[0]) / step, 9)
    known = np.isfinite(place)
    index = np.full(place.shape, -1, dtype="int64")
    index[known] = np.ceil(place[known] - 0.5).astype("int64")
    index[known & (place == -0.5)] = 0
    return np.where((index >= 0) & (index < centres.size), index, -1)


def extract(drivers: xr.Dataset, sites: Sequence[str], x: np.ndarray, y: np.ndarray, times: np.ndarray, *,
            time_step: str, names: Sequence[str] | None = None, wrap: float | None = None,
            progress: Progress = SILENT) -> xr.Dataset:
    """Read drivers at towers; only windows around towers are read from the grid.

    Parameters
    ----------
    drivers : xarray.Dataset
        Drivers (time, y, x) or static (y, x), possibly lazy.
    sites : sequence of str, length n
    x, y : array of shape (n,)
        Positions in the CRS of the grid; NaN where unknown.
    times : array of datetime64, shape (m,)
        Time steps wanted.
    time_step : str
        Their length; the drivers must have the same.
    names : sequence of str, optional
        Drivers wanted; all if not given.
    wrap : float, optional
        360 where x is a longitude.

    Returns
    -------
    xarray.Dataset
        Drivers (site, time), NaN outside the grid and calendar; the ledger names towers that stand
        outside the grid or on masked cells.

    Raises
    ------
    GridError
        Time steps differ, the periods do not overlap, or no tower stands on the grid.
    """
    check_drivers(drivers)
    found = _names(drivers, names)
    at_time = _match_times(drivers, times, time_step, found)
    row, column = find_cells(x, y, drivers["x"].values, drivers["y"].values, wrap, _steps(drivers))
    out = xr.Dataset(coords={"site": np.asarray(sites, dtype=object), "time": np.asarray(times)},
                     attrs={"ledger": "[]", "history": drivers.attrs.get("history", "")})
    outside = row < 0
    if outside.all():
        raise GridError(f"None of the {len(row)} towers stands on the grid of the drivers",
                        "Check the CRS of the drivers and the positions of the towers, such as "
                        f"{sites[0]} at x={x[0]:g}, y={y[0]:g}; {_extent(drivers)}")
    for number, name in enumerate(found):
        progress(number / len(found), f"Extracting {name} at {int((~outside).sum())} towers")
        variable = drivers[name]
        values = np.full((len(row), len(at_time)), np.nan)
        if "time" in variable.dims:
            _read_series(variable, row, column, at_time, values)
        else:
            _read_static(variable, row, column, values)
        out[name] = (("site", "time"), values, {k: variable.attrs[k] for k in ("units", "long_name")
                                                if k in variable.attrs})
    _note_towers(out, np.asarray(sites, dtype=object), outside, found)
    if (at_time < 0).any():
        lacking = np.asarray(times)[at_time < 0]
        note(out, "time steps of the observations that the drivers do not cover", 0,
             detail=f"{lacking.size}, from {step_label(lacking.min(), time_step)} to "
                    f"{step_label(lacking.max(), time_step)}")
    return out


def _names(drivers: xr.Dataset, names: Sequence[str] | None) -> list[str]:
    there = [str(name) for name in drivers.data_vars
             if {"y", "x"} <= set(drivers[name].dims) and name not in ("inside", "spatial_ref")]
    # class codes are no quantity: they are a driver only where asked for
    for name in names or ():
        if name not in there:
            raise SampleError(f"The drivers have no '{name}'", "They have: " + ", ".join(there))
    return list(names) if names else [name for name in there if name != "igbp"]


def _steps(drivers: xr.Dataset) -> tuple[float, float]:
    transform = [float(part) for part in str(drivers["spatial_ref"].attrs.get("GeoTransform", "")).split()]
    return (transform[1], transform[5]) if len(transform) == 6 else (0.0, 0.0)


def _extent(drivers: xr.Dataset) -> str:
    x, y = drivers["x"].values, drivers["y"].values
    return f"the grid spans x {x.min():g} to {x.max():g}, y {y.min():g} to {y.max():g}"


def _match_times(drivers: xr.Dataset, times: np.ndarray, time_step: str, names: Sequence[str]) -> np.ndarray:
    """Return the index of each wanted time in the drivers; -1 where they have none."""
    wanted = np.asarray(times)
    if not any("time" in drivers[name].dims for name in names):
        return np.zeros(wanted.size, dtype="int64")
    step = drivers.attrs["time_step"]
    if step != time_step:
        raise GridError(f"The observations are at time step '{time_step}' but the drivers are at '{step}'",
                        f"Aggregate the observations (aggregate={step}) or give drivers at that time step")
    have = step_start(drivers["time"].values, step)
    place = {day: at for at, day in enumerate(have.astype("int64").tolist())}
    index = np.array([place.get(day, -1) for day in step_start(wanted, step).astype("int64").tolist()], dtype="int64")
    if (index < 0).all():
        raise GridError(f"The drivers ({have[0]} to {have[-1]}) and the observations "
                        f"({wanted.min().astype('datetime64[D]')} to {wanted.max().astype('datetime64[D]')}) "
                        "have no time step in common",
                        "Check the dates of both; a shifted calendar looks like this too")
    return index


def _windows(row: np.ndarray, column: np.ndarray) -> list[np.ndarray]:
    """Return the towers of each block of BLOCK x BLOCK cells."""
    blocks: dict[tuple[int, int], list[int]] = {}
    for at in np.flatnonzero(row >= 0):
        blocks.setdefault((int(row[at]) // BLOCK, int(column[at]) // BLOCK), []).append(int(at))
    return [np.array(members) for _, members in sorted(blocks.items())]


def _slices(members: np.ndarray, row: np.ndarray, column: np.ndarray) -> tuple[slice, slice]:
    return (slice(int(row[members].min()), int(row[members].max()) + 1),
            slice(int(column[members].min()), int(column[members].max()) + 1))


def _read_series(variable: xr.DataArray, row: np.ndarray, column: np.ndarray, at_time: np.ndarray,
                 values: np.ndarray) -> None:
    needed = at_time[at_time >= 0]
    first, last = int(needed.min()), int(needed.max()) + 1
    for members in _windows(row, column):
        rows, columns = _slices(members, row, column)
        cells = (rows.stop - rows.start) * (columns.stop - columns.start)
        slab = max(1, WINDOW_BYTES // (4 * cells))
        for begin in range(first, last, slab):
            end = min(begin + slab, last)
            which = np.flatnonzero((at_time >= begin) & (at_time < end))
            if which.size == 0:
                continue
            window = variable.isel(time=slice(begin, end), y=rows, x=columns)
            window_values = window.transpose("time", "y", "x").values
            for at in members:
                series = window_values[:, row[at] - rows.start, column[at] - columns.start]
                values[at, which] = series[at_time[which] - begin]


def _read_static(variable: xr.DataArray, row: np.ndarray, column: np.ndarray, values: np.ndarray) -> None:
    for members in _windows(row, column):
        rows, columns = _slices(members, row, column)
        window = variable.isel(y=rows, x=columns).transpose("y", "x").values
        values[members] = window[row[members] - rows.start, column[members] - columns.start][:, None]


def _note_towers(out: xr.Dataset, sites: np.ndarray, outside: np.ndarray, names: Sequence[str]) -> None:
    empty = np.all([np.isnan(out[name].values).all(axis=1) for name in names], axis=0)
    for reason, which in (("towers outside the grid", outside), ("towers on cells without data", empty & ~outside)):
        if which.any():
            note(out, reason, 0, detail=", ".join(map(str, sites[which])))
