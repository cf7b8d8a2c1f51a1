"""From windows of a driver cube to the rows that a model sees, and back."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Iterator, Optional, Sequence

import numpy as np

from ..errors import ArtifactError, GridError
from ..io.drivers.values import check_range
from ..io.rasters.chunks import WHOLE, chunks_of
from ..models.context import Context
from ..threads import in_parts
from ..vocabulary.calendar import parse_period, step_label
from ..vocabulary.variables import CLASS_FAMILIES, IGBP_CODES
from .surroundings import Surroundings, earlier_gaps, window
from .tiles import Chunks, Tile

if TYPE_CHECKING:
    import xarray as xr

    from ..models.base import FittedModel

CLASS_VARIABLE = "igbp"
ROWS = 512  # of a mask that are counted at once
OUTSIDE = "outside the region"
NOTHING = Context()
TOGETHER = 8  # columns that share a line of the cache
NO_CLASS = "of a land-cover class the model does not know"


@dataclass(frozen=True)
class Block:
    """The cells and time steps of a tile that can be estimated, as rows.

    `X` has shape (n, width), the p features in their order and then the surroundings that the model
    wants to see; `stratum` holds their class labels or is None; `index` says where each row lies in
    `shape` = (time steps, rows, columns). `codes`, where they are known, has the IGBP code of each cell, NaN
    where there is none, with shape (1 or time steps, rows, columns).
    """

    tile: Tile
    steps: slice
    shape: tuple[int, int, int]
    index: np.ndarray
    X: np.ndarray
    stratum: Optional[np.ndarray]
    features: int
    codes: Optional[np.ndarray] = None

    @property
    def own(self) -> np.ndarray:
        """The features of the rows without their surroundings, shape (n, p)."""
        return self.X[:, :self.features]

    def grid(self, values: np.ndarray) -> np.ndarray:
        """Return rows of shape (n,) as a float32 map of `shape`, NaN where there is no row."""
        result = np.full(self.shape, np.nan, dtype="float32")
        result.ravel()[self.index] = values
        return result

    def layers(self, values: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Yield columns of shape (n, columns), some at a time, as maps of shape (columns, *shape), with their first."""
        cells = int(np.prod(self.shape))
        for first in range(0, values.shape[1], TOGETHER):
            part = values[:, first:first + TOGETHER]
            maps = np.full((part.shape[1], cells), np.nan, dtype="float32")
            in_parts(len(part), partial(self._spread, part, maps))
            yield first, maps.reshape(-1, *self.shape)

    def _spread(self, values: np.ndarray, maps: np.ndarray, rows: slice) -> None:
        at = rows if len(self.index) == maps.shape[1] else self.index[rows]
        for column, target in zip(values[rows].T, maps):
            target[at] = column


@dataclass
class DriverReader:
    """Reads tiles of the drivers that a model needs.

    Parameters
    ----------
    drivers : xarray.Dataset of kind drivers
        May have a boolean variable `inside` (y, x) and a variable `igbp` (y, x) of class codes, which models with
        one model per class need.
    fitted : FittedModel
    period : str, optional
        FIRST/LAST: the time steps that are mapped; the others serve as their surroundings.
    """

    drivers: xr.Dataset
    fitted: FittedModel
    period: Optional[str] = None
    missing: Counter = field(default_factory=Counter)

    def __post_init__(self) -> None:
        check_fits(self.drivers, self.fitted)
        self.names = list(self.fitted.feature_names)
        self.context: Context = self.fitted.context
        times = np.asarray(self.drivers["time"].values, dtype="datetime64[D]")
        first, last = parse_period(self.period)
        mapped = np.arange(times.size) if first is None else np.flatnonzero((times >= first) & (times <= last))
        if mapped.size == 0:
            raise GridError(f"The drivers have no time step in {self.period}: they have "
                            f"{step_label(times[0], self.fitted.time_step)} to "
                            f"{step_label(times[-1], self.fitted.time_step)}", "Give another period")
        self._first = int(mapped[0])
        self.times = times[mapped]
        self.labels = [step_label(time, self.fitted.time_step) for time in self.times]
        self._around = Surroundings(self.drivers, self.names, self.context)
        self.height, self.width = self.drivers.sizes["y"], self.drivers.sizes["x"]
        self._classes = class_table(self.fitted.strata) if self.fitted.strata else None
        self._static = [name for name in self.names if "time" not in self.drivers[name].dims]
        self._order = self._static + [name for name in self.names if name not in self._static]
        self._kept: tuple[Optional[Tile], dict[str, np.ndarray]] = (None, {})

    @property
    def per_pixel(self) -> float:
        """What static drivers and the surroundings hold for each pixel of a tile [bytes]."""
        return 4.0 * len(self._static) + (0.0 if self.context.is_empty else self._around.per_pixel)

    @property
    def per_value(self) -> float:
        """What reading holds for each pixel and time step of a batch [bytes]."""
        return bytes_per_value(len(self.names), self.context)

    @property
    def chunks(self) -> list[Chunks]:
        """How each driver is stored along time, rows and columns of the map."""
        return [stored(self.drivers[name], self._first) for name in self.names]

    @property
    def models(self) -> int:
        """How many models look at each row."""
        return len(self.fitted.folds)

    @property
    def knows_classes(self) -> bool:
        """Whether there is a layer of vegetation classes."""
        return CLASS_VARIABLE in self.drivers

    @property
    def classes_move(self) -> bool:
        """Whether a cell may change its class, and with it its model."""
        return self._classes is not None and "time" in self.drivers[CLASS_VARIABLE].dims

    def read(self, tile: Tile, steps: slice) -> Optional[Block]:
        """Return what can be estimated of a tile at some time steps, or None if there is nothing.

        Raises
        ------
        SchemaError
            A driver has values outside its valid range.
        """
        shape = (steps.stop - steps.start, *tile.shape)
        inside = self._inside(tile, steps)
        if not inside.any():
            return None
        codes = window(self.drivers[CLASS_VARIABLE], tile, self._cube(steps)) if self.knows_classes else None
        usable, labels = self._place(codes, steps, inside)
        usable = np.broadcast_to(usable, shape).copy()
        columns: dict[str, np.ndarray] = {}
        for name in self._order:
            if not usable.any():
                return None
            columns[name] = self._once(name, tile, steps, inside)
            self._leave_out(usable, name, columns[name])
        index = np.flatnonzero(usable)
        if index.size == 0:
            return None
        X = np.empty((index.size, self.context.width(len(self.names))), dtype="float32")
        past = self.context.past
        for k, name in enumerate(self.names):
            own = np.broadcast_to(columns[name][past:] if len(columns[name]) > 1 else columns[name], shape)
            X[:, k] = own.reshape(-1)[index] if own.flags.c_contiguous else own[usable]
        if not self.context.is_empty:
            times, rows, cols = np.unravel_index(index, shape)
            self._around.fill(X, [columns[name] for name in self.names], (times, rows, cols), tile, self._cube(steps))
        stratum = None if labels is None else np.broadcast_to(labels, shape)[usable]
        return Block(tile, steps, shape, index, X, stratum, len(self.names), codes)

    def _leave_out(self, usable: np.ndarray, name: str, values: np.ndarray) -> None:
        """Take out cells without a driver, now or in the time steps before, and count them."""
        past = self.context.past if "time" in self.drivers[name].dims else 0
        before = np.count_nonzero(usable)
        usable &= np.isfinite(values[past:])
        self.missing[f"without '{name}'"] += int(before - np.count_nonzero(usable))
        if past:
            gap = earlier_gaps(values, past)
            self.missing[f"without the {past} earlier time steps of '{name}'"] += int((gap & usable).sum())
            usable &= ~gap

    def _cube(self, steps: slice) -> slice:
        """Return time steps of the map as the drivers count them."""
        return slice(self._first + steps.start, self._first + steps.stop)

    def _inside(self, tile: Tile, steps: slice) -> np.ndarray:
        """Return which cells lie inside the region, shape (y, x)."""
        if "inside" not in self.drivers:
            return np.ones(tile.shape, dtype=bool)
        inside = self.drivers["inside"].isel(y=tile.rows, x=tile.columns).values.astype(bool)
        self.missing[OUTSIDE] += int((~inside).sum()) * (steps.stop - steps.start)
        return inside

    def cells_inside(self) -> int:
        """Return how many cells lie inside the region."""
        if "inside" not in self.drivers:
            return self.height * self.width
        inside = self.drivers["inside"]
        return sum(int(inside.isel(y=slice(row, row + ROWS)).values.sum()) for row in range(0, self.height, ROWS))

    def _place(self, codes: Optional[np.ndarray], steps: slice,
               usable: np.ndarray) -> tuple[np.ndarray, Optional[np.ndarray]]:
        """Return which cells count and their class labels, each of shape (y, x) or (time, y, x)."""
        times = steps.stop - steps.start
        if self._classes is None or codes is None:
            return usable, None
        labels = look_up(self._classes, codes)
        unknown = labels == ""
        self.missing[NO_CLASS] += int((unknown & usable).sum()) * (times if len(codes) == 1 else 1)
        return usable & ~unknown, labels

    def _once(self, name: str, tile: Tile, steps: slice, inside: np.ndarray) -> np.ndarray:
        """Return `_window`; that of a static driver is read and checked once for all time steps of a tile."""
        if name not in self._static:
            return self._window(name, tile, steps, inside)
        if self._kept[0] != tile:
            self._kept = (tile, {})
        kept = self._kept[1]
        if name not in kept:
            kept[name] = self._window(name, tile, steps, inside)
        return kept[name]

    def _window(self, name: str, tile: Tile, steps: slice, inside: np.ndarray) -> np.ndarray:
        """Return a window of a driver with its earlier time steps, after checking its range inside the region."""
        variable, cube = self.drivers[name], self._cube(steps)
        values = window(variable, tile, cube, before=self.context.past)
        source = str(variable.attrs.get("source", "the drivers"))
        static = "time" not in variable.dims
        for step, layer in enumerate(values, cube.start - self.context.past):
            if step < 0 and not static:
                continue  # before the first time step
            seen = layer if inside.all() else np.where(inside, layer, np.nan)
            when = "" if static else step_label(self.drivers["time"].values[step], self.fitted.time_step)
            check_range(name, seen, f"{source}, time step {when}" if when else source)
        return values

    def nothing_valid(self) -> GridError:
        """Return the error to raise when no pixel of the whole map could be estimated."""
        cells = self.height * self.width * len(self.times)
        reasons = [f"{count} {reason}" for reason, count in self.missing.most_common() if count]
        return GridError(
            f"No valid pixel in {cells} cells and time steps: " + "; ".join(reasons or ["no reason was found"]),
            "Check that the drivers cover the region and the period, and their nodata values")


def check_fits(drivers: xr.Dataset, fitted: FittedModel) -> None:
    """Check that a driver cube has what a model needs; reads no pixel.

    Raises
    ------
    ArtifactError
        A driver is missing or in another unit, or the time steps differ.
    GridError
        The drivers have no time axis.
    """
    if "time" not in drivers.dims:
        raise GridError("The drivers have no time axis: none of them carries dates",
                        "Give the first date (start), or layers whose bands are named YYYY-MM")
    fitted.columns([str(name) for name in drivers.data_vars if name != "inside"])
    for feature in fitted.features:
        there = str(drivers[feature.name].attrs.get("units", ""))
        if feature.unit and there and there != feature.unit:  # RECO converts what it knows, not other drivers
            raise ArtifactError(f"The model knows '{feature.name}' in {feature.unit}, the drivers have it in {there}",
                                f"Give '{feature.name}' in {feature.unit}")
    found = drivers.attrs.get("time_step")
    if found != fitted.time_step:
        raise ArtifactError(
            f"The model estimates per {fitted.time_step} and the drivers have the time step {found}",
            f"Give drivers per {fitted.time_step}, or fit a model on samples per {found}")
    if fitted.strata and CLASS_VARIABLE not in drivers:
        raise ArtifactError("The model has one model per vegetation class and there is no class layer",
                            "Give a raster of IGBP codes as the class layer")


def class_table(strata: Sequence[str]) -> np.ndarray:
    """Return for each IGBP code 0..255 which of some classes it belongs to, or an empty text."""
    table = np.full(256, "", dtype="U8")
    for code, label in IGBP_CODES.items():
        family = CLASS_FAMILIES.get(label, label)
        table[code] = label if label in strata else family if family in strata else ""
    return table


def look_up(table: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return what a table has for IGBP codes; what is no whole number from 0 to 255 counts as 0, which is no class."""
    whole = np.isfinite(codes) & (codes == np.round(codes)) & (codes >= 0) & (codes <= 255)
    return table[np.where(whole, codes, 0).astype(int)]


def stored(driver: xr.DataArray, first: int = 0) -> Chunks:
    """Return how a driver is stored along time (from time step number `first` on), rows and columns."""
    cuts = dict(zip(driver.dims, chunks_of(driver.variable)))
    time, begin = cuts.get("time", WHOLE)
    return (time, (begin - first) % time if time else 0), cuts["y"], cuts["x"]


def bytes_per_value(features: int, context: Context = NOTHING) -> float:
    """Return what reading holds for each pixel and time step [bytes]: drivers, rows and their index."""
    rows = 4.0 * context.width(features) + (0 if context.is_empty else 3 * 8)
    return 4.0 * features + rows + 8 + 2
