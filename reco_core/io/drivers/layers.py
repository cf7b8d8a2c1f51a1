"""A driver as a source gives it: lazy values, grid, time axis and unit; and how it gets its name."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Mapping, Sequence

import numpy as np
from xarray import Variable

from ...errors import GridError
from ...vocabulary import canonical_name, variable
from ..dates import Axis
from ..rasters.grid import Grid

DIMS = ("time", "y", "x")
SHORTEST_TOKEN = 2


@dataclass(frozen=True)
class Layer:
    """One driver of one source.

    Parameters
    ----------
    name : str
        RECO name.
    where : str
        File and, where it has several, variable or band; for messages.
    data : xarray.Variable, dims (time, y, x), float32
        Lazy; static layers have one time step, climatologies twelve.
    grid : Grid
        North-up.
    axis : Axis, optional
        Time steps; None for static layers and climatologies.
    unit : str
        As the source states it; empty if it does not.
    file_name : str
        The name in the source.
    problems : sequence of str
        What is wrong inside the source itself, such as parts on different grids.
    """

    name: str
    where: str
    data: Variable
    grid: Grid
    axis: Axis | None = None
    unit: str = ""
    file_name: str = ""
    long_name: str = ""
    history: str = ""
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Where it comes from without folders: what may be kept in files."""
        return re.sub(r"'(?:[^']*[/\\])?([^'/\\]+)'", r"\1", self.where)

    @property
    def monthly_climatology(self) -> bool:
        """Whether it has a value for each month of any year."""
        return self.axis is None and self.data.sizes["time"] == 12

    def at(self, times: np.ndarray, steps: np.ndarray) -> Layer:
        """Return the layer at some of its time steps, given by number."""
        step = self.axis.time_step if self.axis else ""
        return replace(self, axis=Axis(times, step), data=self.data.isel(time=_as_slice(steps)))


def _as_slice(steps: np.ndarray) -> slice | np.ndarray:
    """Return numbers as a slice where they follow each other."""
    if len(steps) and (np.diff(steps) == 1).all():
        return slice(int(steps[0]), int(steps[-1]) + 1)
    return steps


def north_up(layer: Layer) -> Layer:
    """Return a layer whose rows run from north to south and longitudes lie within -180 to 180 where they can."""
    grid, data = layer.grid, layer.data
    a, b, c, d, e, f = grid.transform
    if a < 0:
        data = data.isel(x=slice(None, None, -1))
        a, c = -a, c + a * grid.width
        grid = replace(grid, transform=(a, b, c, d, e, f))
    if e > 0:
        data = data.isel(y=slice(None, None, -1))
        grid = replace(grid, transform=(a, b, c, d, -e, f + e * grid.height))
    if grid.crs_wkt and grid.bounds[2] > 180 + abs(a) / 2 and grid.is_geographic:
        grid, data = _from_greenwich(grid, data)
    return replace(layer, grid=grid, data=data)


def _from_greenwich(grid: Grid, data: Variable) -> tuple[Grid, Variable]:
    """Turn longitudes of 0 to 360 into -180 to 180; a grid across 180 that is not global stays as it is."""
    a, b, c, d, e, f = grid.transform
    if c + a / 2 >= 180:
        return replace(grid, transform=(a, b, c - 360, d, e, f)), data
    if abs(a * grid.width - 360) > a / 2:
        return grid, data
    x, _ = grid.xy()
    first = int(np.argmax(x >= 180))
    order = np.r_[first:grid.width, 0:first]
    return replace(grid, transform=(a, b, c + a * first - 360, d, e, f)), data.isel(x=order)


def settled(layer: Layer) -> Layer:
    """Return a driver that never changes, such as soil carbon, as static where it carries one date."""
    if layer.axis is None or len(layer.axis.times) > 1 or not variable(layer.name).static:
        return layer
    return replace(layer, axis=None)


def regular(values: np.ndarray, name: str, where: str) -> None:
    """Check that cell centres are evenly spaced.

    Raises
    ------
    GridError
        They are not; the message names the first odd step.
    """
    steps = np.diff(np.asarray(values, dtype="float64"))
    if steps.size == 0:
        return
    typical = float(np.median(steps))
    odd = np.flatnonzero(~(np.abs(steps - typical) <= 0.02 * abs(typical)))
    if odd.size or typical == 0:
        at = int(odd[0]) if odd.size else 0
        raise GridError(
            f"{where}: '{name}' is not evenly spaced: {values[at]:g} to {values[at + 1]:g} is a step of {steps[at]:g}, "
            f"others are {typical:g}", "Resample the file to a regular grid, for example with gdalwarp or cdo")


def given_name(text: str, variables: Mapping[str, str]) -> str | None:
    """Return the RECO name that the user's map has for a name in a file, or None."""
    for key, value in variables.items():
        if key.strip().lower() == text.strip().lower():
            return canonical_name(value) or value.strip().lower()
    return None


def plain_name(text: str, variables: Mapping[str, str]) -> str:
    """Return the RECO name of a variable: from the map, an alias, or its own name made plain."""
    return given_name(text, variables) or canonical_name(text) or _identifier(text)


def name_of_file(rest: str, variables: Mapping[str, str]) -> tuple[str, bool]:
    """Return the RECO name of a file from its stem without the date, and whether only part of it was known.

    Examples
    --------
    >>> name_of_file("ta_monthly", {}), name_of_file("MOD_lai", {}), name_of_file("soc_0", {})
    (('ta', True), ('lai', True), ('soc_0', False))
    """
    whole = given_name(rest, variables) or canonical_name(rest)
    if whole:
        return whole, False
    tokens = [token for token in re.split(r"[^A-Za-z0-9]+", rest) if token]
    for length in range(len(tokens) - 1, 0, -1):
        for start in range(len(tokens) - length + 1):
            part = "_".join(tokens[start:start + length])
            if len(part) < SHORTEST_TOKEN:
                continue
            known = given_name(part, variables) or canonical_name(part)
            if known:
                return known, True
    return _identifier(rest), False


def _identifier(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.strip().lower()).strip("_")


def short(paths: Sequence[str], most: int = 3) -> str:
    """Return a list of names, cut where it is long."""
    shown = ", ".join(paths[:most])
    return shown if len(paths) <= most else f"{shown} and {len(paths) - most} more"
