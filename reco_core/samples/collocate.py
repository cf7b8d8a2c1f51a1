"""Gridded drivers at towers, at the time steps of their records."""

from __future__ import annotations

from typing import Callable, Sequence

import numpy as np
import xarray as xr

from ..errors import GridError, SampleError
from ..progress import SILENT, Progress
from ..vocabulary import check_drivers
from ..vocabulary.calendar import step_label, step_start
from ..vocabulary.ledger import note
from .footprints import LEAST_WEIGHT, NEAREST, Axes, Cells, Footprint, Piece, fill_patches, find_cells, footprint_cells

__all__ = ["extract", "extract_patches", "find_cells"]

BLOCK = 256
WINDOW_BYTES = 64 * 2**20
CLASSES = ("igbp", "texture")


def extract(drivers: xr.Dataset, sites: Sequence[str], x: np.ndarray, y: np.ndarray, times: np.ndarray, *,
            time_step: str, names: Sequence[str] | None = None, wrap: float | None = None,
            footprint: Footprint = NEAREST, metres: float = 1.0, whole: bool = False,
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
    footprint : Footprint
        What is read at a tower: its cell, bilinear, or the mean of a square. Classes always take the cell.
    metres : float [m]
        Length of a unit of a projected grid.
    whole : bool
        Add the other time steps of the drivers to those wanted.

    Returns
    -------
    xarray.Dataset
        Drivers (site, time), NaN outside the grid and calendar, and where half of a footprint or more has
        no data; the ledger names towers that stand outside the grid or on masked cells.

    Raises
    ------
    GridError
        Time steps differ, the periods do not overlap, or no tower stands on the grid.
    """
    found = _names(check_drivers(drivers), names)
    at_time = _match_times(drivers, times, time_step, found)
    if whole and "time" in drivers.dims and any("time" in drivers[name].dims for name in found):
        every = [step_start(values, time_step) for values in (times, drivers["time"].values)]
        times = np.unique(np.concatenate(every)).astype("datetime64[ns]")
        at_time = _match_times(drivers, times, time_step, found)
    axes = _axes(drivers, wrap, metres)
    cells = footprint_cells(x, y, axes, footprint)
    out = _start(drivers, sites, x, y, times, cells)
    out.attrs["footprint"] = footprint.words
    shape = (len(sites), len(at_time))
    for number, name in enumerate(found):
        progress(number / len(found), f"Extracting {name} at {int((~cells.outside).sum())} towers")
        variable = drivers[name]
        own = footprint_cells(x, y, axes) if name in CLASSES else cells
        out[name] = (("site", "time"), _means(variable, own.pieces, at_time, shape), _kept_attrs(variable))
    _note_towers(out, cells, found, footprint)
    _note_times(out, at_time, time_step)
    return out


def extract_patches(drivers: xr.Dataset, name: str, sites: Sequence[str], x: np.ndarray, y: np.ndarray, *,
                    footprint: Footprint, wrap: float | None = None) -> xr.Dataset:
    """Read the cells around towers, one driver at all its time steps.

    Parameters
    ----------
    drivers, sites, x, y, wrap
        See `extract`.
    name : str
        The driver.
    footprint : Footprint of kind "patch"

    Returns
    -------
    xarray.Dataset
        The driver as float32 (site, time, dy, dx), (site, dy, dx) where it is static; `dy` grows to the south and
        `dx` to the east, in cells. Gaps have the value of the nearest cell of the patch with data; a patch without
        any is NaN, and the ledger names such towers.

    Raises
    ------
    GridError
        No tower stands on the grid.
    """
    variable = drivers[_names(check_drivers(drivers), [name])[0]]
    static = "time" not in variable.dims
    times = np.zeros(1, "datetime64[ns]") if static else drivers["time"].values
    cells = footprint_cells(x, y, _axes(drivers, wrap, 1.0), footprint)
    out = _start(drivers, sites, x, y, times, cells)
    side = footprint.cells
    values = np.full((len(sites), times.size, side, side), np.nan, dtype="float32")

    def put(piece: Piece, which: np.ndarray | slice, window: np.ndarray) -> None:
        top, left = piece.place
        height, width = window.shape[-2:]
        values[piece.tower, which, top:top + height, left:left + width] = window

    _read(variable, cells.pieces, np.arange(times.size), put)
    offsets = np.arange(side) - side // 2
    out = out.assign_coords(dy=("dy", offsets, {"long_name": "Rows to the south of the tower"}),
                            dx=("dx", offsets, {"long_name": "Columns to the east of the tower"}))
    out[name] = (("site", "time", "dy", "dx"), fill_patches(values), _kept_attrs(variable))
    _note_towers(out, cells, [name], footprint)
    return out.isel(time=0, drop=True) if static else out


def _means(variable: xr.DataArray, pieces: Sequence[Piece], at_time: np.ndarray,
           shape: tuple[int, int]) -> np.ndarray:
    """Return the weighted means of footprints (site, time), NaN where half of the weight or more has no data."""
    total, weight = np.zeros(shape), np.zeros(shape)

    def add(piece: Piece, which: np.ndarray | slice, values: np.ndarray) -> None:
        good = np.isfinite(values)
        total[piece.tower, which] += np.einsum("tyx,yx->t", np.where(good, values, 0.0), piece.weights)
        weight[piece.tower, which] += np.einsum("tyx,yx->t", good.astype("float64"), piece.weights)

    _read(variable, pieces, at_time, add)
    enough = weight > LEAST_WEIGHT
    return np.where(enough, total, np.nan) / np.where(enough, weight, 1.0)


def _start(drivers: xr.Dataset, sites: Sequence[str], x: np.ndarray, y: np.ndarray, times: np.ndarray,
           cells: Cells) -> xr.Dataset:
    """Return a table without drivers."""
    if cells.outside.all():
        raise GridError(f"None of the {len(sites)} towers stands on the grid of the drivers",
                        "Check the CRS of the drivers and the positions of the towers, such as "
                        f"{sites[0]} at x={x[0]:g}, y={y[0]:g}; {_extent(drivers)}")
    return xr.Dataset(coords={"site": np.asarray(sites, dtype=object), "time": np.asarray(times)},
                      attrs={"ledger": "[]", "history": drivers.attrs.get("history", "")})


def _kept_attrs(variable: xr.DataArray) -> dict[str, str]:
    return {key: variable.attrs[key] for key in ("units", "long_name") if key in variable.attrs}


def _names(drivers: xr.Dataset, names: Sequence[str] | None) -> list[str]:
    there = [str(name) for name in drivers.data_vars
             if {"y", "x"} <= set(drivers[name].dims) and name not in ("inside", "spatial_ref")]
    # class codes are no quantity: they are a driver only where asked for
    for name in names or ():
        if name not in there:
            raise SampleError(f"The drivers have no '{name}'", "They have: " + ", ".join(there))
    return list(names) if names else [name for name in there if name != "igbp"]


def _axes(drivers: xr.Dataset, wrap: float | None, metres: float) -> Axes:
    transform = [float(part) for part in str(drivers["spatial_ref"].attrs.get("GeoTransform", "")).split()]
    steps = (transform[1], transform[5]) if len(transform) == 6 else (0.0, 0.0)
    x, y = (np.asarray(drivers[name].values, dtype="float64") for name in ("x", "y"))
    return Axes(x, y, steps, wrap, metres)


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


Take = Callable[[Piece, "np.ndarray | slice", np.ndarray], None]


def _read(variable: xr.DataArray, pieces: Sequence[Piece], at_time: np.ndarray, take: Take) -> None:
    """Read what lies around towers and hand it over piece by piece, with the places of its time steps."""
    static = "time" not in variable.dims
    ordered = variable.transpose("y", "x") if static else variable.transpose("time", "y", "x")
    needed = at_time[at_time >= 0]
    first, last = (0, 1) if static else (int(needed.min()), int(needed.max()) + 1)
    for members in _windows(pieces):
        rows, columns = _bounds([piece.rows for piece in members]), _bounds([piece.columns for piece in members])
        cells = (rows.stop - rows.start) * (columns.stop - columns.start)
        slab = max(1, WINDOW_BYTES // (4 * cells))
        for begin in range(first, last, slab):
            end = min(begin + slab, last)
            which = np.flatnonzero((at_time >= begin) & (at_time < end))
            if which.size == 0 and not static:
                continue
            if static:
                window = ordered.isel(y=rows, x=columns).values[np.newaxis]
            else:
                window = ordered.isel(time=slice(begin, end), y=rows, x=columns).values
            for piece in members:
                part = window[:, _inside(piece.rows, rows), _inside(piece.columns, columns)]
                take(piece, slice(None) if static else which, part if static else part[at_time[which] - begin])


def _windows(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Return the pieces that begin in each block of BLOCK x BLOCK cells."""
    blocks: dict[tuple[int, int], list[Piece]] = {}
    for piece in pieces:
        blocks.setdefault((piece.rows.start // BLOCK, piece.columns.start // BLOCK), []).append(piece)
    return [members for _, members in sorted(blocks.items(), key=lambda item: item[0])]


def _bounds(slices: Sequence[slice]) -> slice:
    return slice(min(part.start for part in slices), max(part.stop for part in slices))


def _inside(part: slice, whole: slice) -> slice:
    return slice(part.start - whole.start, part.stop - whole.start)


def _note_towers(out: xr.Dataset, cells: Cells, names: Sequence[str], footprint: Footprint) -> None:
    empty = np.all([np.isnan(out[name].values).reshape(out.sizes["site"], -1).all(axis=1) for name in names], axis=0)
    bare = {"nearest": "towers on cells without data", "patch": "towers whose patch has no data"}.get(
        footprint.kind, "towers with data in no more than half of their footprint")
    for reason, which in (("towers outside the grid", cells.outside),
                          ("towers whose footprint reaches over a pole", cells.over_pole),
                          (bare, empty & ~cells.outside & ~cells.over_pole)):
        if which.any():
            note(out, reason, 0, detail=", ".join(map(str, out["site"].values[which])))


def _note_times(out: xr.Dataset, at_time: np.ndarray, time_step: str) -> None:
    if (at_time < 0).any():
        lacking = out["time"].values[at_time < 0]
        note(out, "time steps of the observations that the drivers do not cover", 0,
             detail=f"{lacking.size}, from {step_label(lacking.min(), time_step)} to "
                    f"{step_label(lacking.max(), time_step)}")
