"""One grid, one calendar, one unit: what layers must share, and every way in which they do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Iterable, Sequence

import numpy as np

from ...errors import GridError, RecoError
from ...vocabulary.calendar import step_days, step_label, step_start
from ..dates import Axis
from ..rasters.arrays import lazy_variable
from ..rasters.grid import Grid, crs_name, same_crs
from ..rasters.resample import Resampled, cell_width, covers
from .layers import DIMS, Layer

CLASS_DRIVERS = ("igbp", "texture", "inside")
FINER = 0.999  # of the width of a cell: what is smaller is averaged
TOLERANCE = 0.01  # of a cell
CRS_HINT = "State it in crs, such as EPSG:3035 (read_drivers), or put a .prj file beside the raster"
HINT = ("Set align to auto, nearest, bilinear or average to resample onto the first one, or bring the files onto one "
        "grid and calendar")


class Mismatches:
    """Collects what does not fit, so that the user learns all of it at once."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._calendar_only = True

    def add(self, line: str, *, calendar: bool = False) -> None:
        """Add a mismatch; each is told once."""
        if line not in self._lines:
            self._lines.append(line)
            self._calendar_only &= calendar

    def __bool__(self) -> bool:
        return bool(self._lines)

    def error(self) -> GridError:
        """Return the error that names every mismatch."""
        hint = ("Choose a period that all of them have, or bring them onto one calendar" if self._calendar_only
                else CRS_HINT if all(line.endswith("it has no CRS") for line in self._lines) else HINT)
        return GridError("; ".join(self._lines), hint)


def on_one_grid(layers: Sequence[Layer], align: str, found: Mismatches) -> list[Layer]:
    """Return the layers on the grid of the first one; without `align` only those that are on it already.

    What does not fit is added to `found`.
    """
    for problem in (problem for layer in layers for problem in layer.problems):
        found.add(problem)
    sound = [layer for layer in layers if not layer.problems]
    if not sound:
        return []
    first = sound[0]
    fitting = []
    for layer in sound:
        difference = grid_difference(layer.grid, first.grid)
        if not difference:
            fitting.append(replace(layer, grid=first.grid))
        elif align == "none":
            found.add(f"{layer.where}: {difference}, as in {first.where}")
        elif not covers(layer.grid, first.grid):
            found.add(f"{layer.where}: it does not overlap {first.where}")
        else:
            fitting.append(_aligned(layer, first.grid, align))
    return fitting


def _aligned(layer: Layer, grid: Grid, align: str) -> Layer:
    method = align
    if layer.name in CLASS_DRIVERS:
        method = "nearest"
    elif align == "auto":
        method = "average" if cell_width(layer.grid) < FINER * cell_width(grid) else "bilinear"
    data = lazy_variable(DIMS, Resampled(layer.data, layer.grid, grid, method))
    a, _, _, _, e, _ = layer.grid.transform
    note = f"'{layer.name}' was resampled ({method}) from {crs_name(layer.grid.crs_wkt)}, cells of {a:g} x {abs(e):g}"
    return replace(layer, data=data, grid=grid, notes=(*layer.notes, note))


def grid_difference(grid: Grid, wanted: Grid) -> str:
    """Return in words how a grid differs from the wanted one; empty if it does not."""
    words = []
    if not same_crs(grid.crs_wkt, wanted.crs_wkt):
        words.append(f"CRS {crs_name(grid.crs_wkt)} instead of {crs_name(wanted.crs_wkt)}")
    a, e, wa, we = grid.transform[0], grid.transform[4], wanted.transform[0], wanted.transform[4]
    limit_x, limit_y = TOLERANCE * wa, TOLERANCE * abs(we)
    cells = max(wanted.width, wanted.height)
    if abs(a - wa) * cells > limit_x or abs(e - we) * cells > limit_y:
        words.append(f"cells of {a:.8g} x {abs(e):.8g} instead of {wa:.8g} x {abs(we):.8g}")
    if (grid.height, grid.width) != (wanted.height, wanted.width):
        words.append(f"{grid.height} x {grid.width} cells instead of {wanted.height} x {wanted.width}")
    shifts = (abs(one - other) > limit for one, other, limit in
              zip(grid.bounds, wanted.bounds, (limit_x, limit_y, limit_x, limit_y)))
    if any(shifts):
        words.append(f"extent {_bounds(grid)} instead of {_bounds(wanted)}")
    return ", ".join(words)


def _bounds(grid: Grid) -> str:
    return " ".join(f"{value:.8g}" for value in grid.bounds)


def on_one_calendar(layers: Sequence[Layer], period: tuple[np.datetime64 | None, np.datetime64 | None],
                    time_step: str, found: Mismatches) -> tuple[list[Layer], Axis | None]:
    """Return the layers of one time axis, static ones included, and that axis.

    Parameters
    ----------
    layers : sequence of Layer
    period : first and last day, or None
    time_step : str
        What the user says it is, or auto; settles the step of files with one date.
    found : Mismatches
        Gets what does not fit.
    """
    steps = [layer.axis.time_step for layer in layers if layer.axis and layer.axis.time_step]
    step = steps[0] if steps else ("" if time_step == "auto" else time_step)
    reference: Layer | None = None
    fitting = []
    for layer in layers:
        if layer.axis is None:
            fitting.append(layer)
            continue
        axis = Axis(layer.axis.times, layer.axis.time_step or step)
        if not axis.time_step:
            raise GridError(f"{layer.where}: one date alone does not tell the time step", "Set time_step")
        inside = _within(axis.times, period, axis.time_step)
        if not inside.size:
            found.add(f"{layer.where}: no time step in the period ({_span(axis)})", calendar=True)
            continue
        layer = replace(layer, axis=axis).at(axis.times[inside], inside)
        reference = reference or layer
        difference = _calendar_difference(layer, reference)
        if difference:
            found.add(f"{layer.where}: {difference}, as in {reference.where}", calendar=True)
        else:
            fitting.append(layer)
    return fitting, reference.axis if reference else None


def _within(times: np.ndarray, period: tuple[np.datetime64 | None, np.datetime64 | None], step: str) -> np.ndarray:
    """Return the numbers of the time steps whose first day lies in the period, widened to whole steps at its start."""
    good = np.ones(times.shape, dtype=bool)
    if period[0] is not None:
        good &= times >= step_start(np.array([period[0]]), step)[0]
    if period[1] is not None:
        good &= times <= period[1]
    return np.flatnonzero(good)


def _calendar_difference(layer: Layer, reference: Layer) -> str:
    one, other = layer.axis, reference.axis
    assert one is not None and other is not None
    if one.time_step != other.time_step:
        return f"time step {one.time_step} instead of {other.time_step}"
    if np.array_equal(one.times, other.times):
        return ""
    if (one.times[0], one.times[-1]) != (other.times[0], other.times[-1]):
        return f"{_span(one)} instead of {_span(other)}"
    lacking = np.setdiff1d(other.times, one.times)
    surplus = np.setdiff1d(one.times, other.times)
    parts = [f"{word} {', '.join(step_label(time, one.time_step) for time in dates[:3])}"
             + (f" and {len(dates) - 3} more" if len(dates) > 3 else "")
             for word, dates in (("without", lacking), ("with", surplus)) if len(dates)]
    return "time steps " + " and ".join(parts)


def _span(axis: Axis) -> str:
    first, last = (step_label(time, axis.time_step) for time in axis.times[[0, -1]])
    return f"{first} to {last} ({len(axis.times)} time steps)"


def calendar_notes(axis: Axis, period: tuple[np.datetime64 | None, np.datetime64 | None]) -> list[str]:
    """Return what the user should know of a time axis: that it does not fill the period, or has gaps."""
    notes = []
    ends = axis.times + step_days(axis.times, axis.time_step).astype(int)
    early = period[0] is not None and step_start(np.array([period[0]]), axis.time_step)[0] < axis.times[0]
    late = period[1] is not None and ends[-1] <= period[1]
    if early or late:
        notes.append(f"the drivers do not fill the period: they have {_span(axis)}")
    gaps = int((axis.times[1:] > ends[:-1]).sum())
    if gaps:
        notes.append(f"time steps are missing at {gaps} places between {_span(axis)}")
    return notes


def repeat_months(layers: Iterable[Layer], axis: Axis | None) -> tuple[list[Layer], list[str]]:
    """Return the layers with climatologies repeated over the calendar, and the names of those that cannot be."""
    done, left = [], []
    for layer in layers:
        if not layer.monthly_climatology:
            done.append(layer)
        elif axis is None or axis.time_step == "year":
            left.append(layer.name)
        else:
            months = axis.times.astype("datetime64[M]").astype(int) % 12
            note = f"'{layer.name}' is a climatology: its 12 months are repeated every year"
            done.append(replace(layer, axis=axis, data=layer.data.isel(time=months), notes=(*layer.notes, note)))
    return done, left


def raise_first(found: Mismatches, errors: Sequence[RecoError]) -> None:
    """Raise what was found: all mismatches of grid, calendar and unit together, else the first other error."""
    if found:
        for error in errors:
            found.add(error.message)
        raise found.error()
    if errors:
        raise errors[0]
