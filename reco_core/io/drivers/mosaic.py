"""Drivers in pieces: tiles side by side, and files that follow each other in time."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Sequence

import numpy as np

from ...errors import GridError, SchemaError
from ...vocabulary.calendar import step_start
from ..dates import Axis, Stamp, axis_of
from ..rasters.arrays import VariableReader, lazy_variable
from ..rasters.grid import Grid, same_crs
from .layers import DIMS, Layer, short
from .product_values import OneAfterOther, SideBySide

OFF = 0.01  # of a cell that tiles may lie beside the common grid
SAME = 1e-6  # relative, of cell sizes


def side_by_side(layers: Sequence[Layer]) -> Layer:
    """Return static layers of one driver, tiles of one grid, as one layer.

    Raises
    ------
    GridError
        They have different CRS or cells, or lie between the cells of each other.
    """
    first = layers[0]
    if len(layers) == 1:
        return first
    a, _, _, _, e, _ = first.grid.transform
    for layer in layers[1:]:
        _require_alike(layer, first)
    left = min(layer.grid.bounds[0] for layer in layers)
    top = max(layer.grid.bounds[3] for layer in layers)
    right = max(layer.grid.bounds[2] for layer in layers)
    bottom = min(layer.grid.bounds[1] for layer in layers)
    tiles = []
    for layer in layers:
        row, column = (layer.grid.bounds[3] - top) / e, (layer.grid.bounds[0] - left) / a
        if abs(row - round(row)) > OFF or abs(column - round(column)) > OFF:
            raise GridError(f"{layer.where}: its cells lie between those of {first.where}",
                            "Give tiles of one product and resolution, or bring them onto one grid with gdalwarp")
        tiles.append((VariableReader(layer.data, DIMS, layer.where), round(row), round(column)))
    height, width = round((bottom - top) / e), round((right - left) / a)
    grid = Grid(first.grid.crs_wkt, (a, 0.0, left, 0.0, e, top), height, width)
    where = f"{first.where} and {len(layers) - 1} more tiles"
    note = f"'{first.name}' is a mosaic of {len(layers)} tiles: " + short([layer.label for layer in layers], 4)
    return replace(first, grid=grid, where=where, data=lazy_variable(DIMS, SideBySide(tiles, height, width)),
                   notes=(*first.notes, note))


def _require_alike(layer: Layer, first: Layer) -> None:
    """Raise `GridError` where a tile has another CRS or other cells than the first one."""
    (a, _, _, _, e, _), (wa, _, _, _, we, _) = layer.grid.transform, first.grid.transform
    if not same_crs(layer.grid.crs_wkt, first.grid.crs_wkt):
        raise GridError(f"{layer.where}: its CRS is not that of {first.where}", "Give tiles of one product")
    if abs(a - wa) > SAME * abs(wa) or abs(e - we) > SAME * abs(we):
        raise GridError(f"Tiles of mixed resolutions: {layer.where} has cells of {a:.8g} x {abs(e):.8g}, {first.where} "
                        f"of {wa:.8g} x {abs(we):.8g}", "Give tiles of one resolution")


def joined_in_time(layers: Sequence[Layer], time_step: str = "auto") -> list[Layer]:
    """Return layers with those of one driver, of files that follow each other in time, made one.

    Parameters
    ----------
    layers : sequence of Layer
    time_step : str
        What the user says it is, or auto.

    Raises
    ------
    SchemaError
        Two files have the same time step.
    GridError
        Their grids or time steps differ, or the dates jump.
    """
    groups: dict[str, list[Layer]] = {}
    for layer in layers:
        groups.setdefault(layer.name, []).append(layer)
    done, seen = [], set()
    for layer in layers:
        group = groups[layer.name]
        if len(group) == 1 or any(part.axis is None for part in group):
            done.append(layer)
        elif layer.name not in seen:
            seen.add(layer.name)
            done.append(_one_series(group, time_step))
    return done


def _one_series(group: Sequence[Layer], time_step: str) -> Layer:
    """Return files of one driver, ordered by their first dates, as one series."""
    ordered = sorted(group, key=lambda layer: _times(layer)[0])
    first = ordered[0]
    where = f"{first.where} to {ordered[-1].where}"
    problems = []
    for layer in ordered[1:]:
        _require_same_grid(layer, first)
        if layer.unit != first.unit:
            problems.append(f"{layer.where}: its unit is '{layer.unit}', in {first.where} it is '{first.unit}'")
    _require_order(ordered)
    times = np.concatenate([_times(layer) for layer in ordered])
    steps = {layer.axis.time_step for layer in ordered if layer.axis and layer.axis.time_step}
    if len(steps) > 1:
        raise GridError(f"{where}: the time steps of the files differ ({', '.join(sorted(steps))})",
                        "Read each time step by itself")
    if steps:
        step = steps.pop()
        axis = Axis(step_start(times, step), step)
        _require_order(ordered, axis.times)
    else:
        axis = axis_of([Stamp(time, "day") for time in times], where, time_step)
    data = lazy_variable(DIMS, OneAfterOther([VariableReader(layer.data, DIMS, layer.where) for layer in ordered]))
    note = f"'{first.name}' is joined from {len(ordered)} files, {first.label} to {ordered[-1].label}"
    return replace(first, where=where, data=data, axis=axis, notes=(*first.notes, note),
                   problems=(*first.problems, *problems))


def _times(layer: Layer) -> np.ndarray:
    assert layer.axis is not None
    return layer.axis.times


def _require_same_grid(layer: Layer, first: Layer) -> None:
    from .contract import grid_difference

    difference = grid_difference(layer.grid, first.grid) if not (layer.problems or first.problems) else ""
    if difference:
        raise GridError(f"{layer.where}: {difference}, as in {first.where}", "Give files of one grid for each driver")


def _require_order(ordered: Sequence[Layer], starts: np.ndarray | None = None) -> None:
    """Raise `SchemaError` where a file begins before the one before has ended."""
    at = 0
    for one, other in pairwise(ordered):
        at += len(_times(one))
        last, following = (_times(one)[-1], _times(other)[0]) if starts is None else starts[at - 1:at + 1]
        if following <= last:
            raise SchemaError(f"The driver '{one.name}' is given twice for {following}: {one.where} and {other.where}",
                              "Leave one of them out, or name one of them with variables or layer_names")
