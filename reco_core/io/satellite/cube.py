"""Scenes of a satellite product as lazy drivers: mosaicked, scaled and screened when a window is read."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from typing import Callable, Mapping, Optional, Sequence

import numpy as np
import xarray as xr

from ...errors import ConfigError, GridError, SchemaError
from ...vocabulary import variable
from ...vocabulary.calendar import parse_period
from ..dates import Axis
from ..drivers.contract import calendar_notes, grid_difference
from ..drivers.files import joined
from ..drivers.layers import DIMS, Layer, settled
from ..rasters.arrays import Slices, lazy_variable
from ..rasters.grid import Grid
from ..rasters.regions import crop
from .files import Found
from .products import Product, ProductLayer
from .scene import ON_GRID, Scene, Stored
from .values import Decoder, decoder

CACHE_BYTES = 64_000_000  # of verdicts, which the bands of a product share

Quality = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Screening:
    """How values are screened; without one, all that is not fill is kept.

    Parameters
    ----------
    keep : function of driver and quality layers by key
        Returns bool of their shape.
    unneeded : sequence of str
        Keys of quality layers that `keep` does not ask for.
    fallback : function of quality layers, optional
        What is kept as well where less than `least_share` of the time steps of a month are kept.
    """

    keep: Callable[[str, Quality], np.ndarray]
    unneeded: tuple[str, ...] = ()
    fallback: Optional[Callable[[Quality], np.ndarray]] = None
    least_share: float = 0.0


@dataclass
class Tally:
    """How many values of each driver were there, rejected by quality, out of range, and kept by the fallback."""

    counts: dict[tuple[object, ...], tuple[int, int, int, int]] = field(default_factory=dict)

    def of(self, driver: str) -> tuple[int, int, int, int]:
        """Return the four counts of a driver, over the windows read so far."""
        rows = [count for key, count in self.counts.items() if key[0] == driver]
        there, rejected, outside, second = np.sum(rows, axis=0).tolist() if rows else (0, 0, 0, 0)
        return there, rejected, outside, second


@dataclass(frozen=True)
class Piece:
    """One scene in the mosaic: its first row and column there, its layers for one driver and their quality."""

    number: int
    row: int
    column: int
    height: int
    width: int
    parts: tuple[Decoder, ...]
    quality: Mapping[str, Stored]

    def overlap(self, rows: slice, columns: slice) -> Optional[tuple[slice, slice, slice, slice]]:
        """Return the common rows and columns, in the window asked for and in the scene; None if there are none."""
        top, bottom = max(rows.start, self.row), min(rows.stop, self.row + self.height)
        left, right = max(columns.start, self.column), min(columns.stop, self.column + self.width)
        if top >= bottom or left >= right:
            return None
        return (slice(top - rows.start, bottom - rows.start), slice(left - columns.start, right - columns.start),
                slice(top - self.row, bottom - self.row), slice(left - self.column, right - self.column))


class Verdicts:
    """What quality keeps of windows, remembered in bits: all bands of a granule share one verdict."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[object, ...], np.ndarray] = OrderedDict()
        self._bytes = 0

    def get(self, key: tuple[object, ...], shape: tuple[int, int], make: Callable[[], np.ndarray]) -> np.ndarray:
        """Return a verdict (bool, of `shape`), made if it is not known."""
        if key not in self._known:
            packed = np.packbits(make())
            self._known[key] = packed
            self._bytes += packed.nbytes
            while self._bytes > CACHE_BYTES and len(self._known) > 1:
                self._bytes -= self._known.popitem(last=False)[1].nbytes
        self._known.move_to_end(key)
        return np.unpackbits(self._known[key], count=shape[0] * shape[1]).reshape(shape).astype(bool)


@dataclass
class Mosaic:
    """Boxes (time, y, x) of one driver; NaN where no scene lies."""

    driver: str
    pieces: Sequence[Sequence[Piece]]
    months: np.ndarray
    shape: tuple[int, int, int]
    screening: Optional[Screening]
    verdicts: Verdicts
    tally: Tally
    special: str = ""

    def read(self, key: Slices) -> np.ndarray:
        """Return a box."""
        steps, rows, columns = key
        size = (steps.stop - steps.start, rows.stop - rows.start, columns.stop - columns.start)
        result = np.full(size, np.nan, dtype="float32")
        rare = self._rare(steps, rows, columns)
        for place, step in enumerate(range(steps.start, steps.stop)):
            for piece in self.pieces[step]:
                common = piece.overlap(rows, columns)
                if common:
                    month = rare.get(self.months[step])
                    result[place][common[:2]] = self._values(
                        piece, common[2], common[3], None if month is None else month[common[:2]])
        return result

    def _values(self, piece: Piece, rows: slice, columns: slice, rare: Optional[np.ndarray]) -> np.ndarray:
        values, outside = piece.parts[0].read(rows, columns)
        for part in piece.parts[1:]:
            more, beyond = part.read(rows, columns)
            values, outside = values + more, outside + beyond
        there, second = int(np.count_nonzero(values == values)), 0
        rejected = 0
        if self.screening is not None and piece.quality:
            keep = self._keep(piece, rows, columns)
            if rare is not None:
                assert self.screening.fallback is not None
                again = rare & self.screening.fallback(_quality(piece, rows, columns)) & ~keep
                second = int(np.count_nonzero(again & (values == values)))
                keep = keep | again
            values[~keep] = np.nan
            rejected = there - int(np.count_nonzero(values == values))
        key = (self.driver, piece.number, rows.start, rows.stop, columns.start, columns.stop)
        self.tally.counts[key] = (there, rejected, outside, second)
        for part in piece.parts:
            part.check(self.driver, values)
        return values

    def _keep(self, piece: Piece, rows: slice, columns: slice) -> np.ndarray:
        assert self.screening is not None
        keep = self.screening.keep
        key = (piece.number, *piece.quality, self.special, rows.start, rows.stop, columns.start, columns.stop)
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        return self.verdicts.get(key, shape, lambda: keep(self.driver, _quality(piece, rows, columns)))

    def _rare(self, steps: slice, rows: slice, columns: slice) -> dict[np.datetime64, np.ndarray]:
        """Return for each month where good values are so rare that second-best ones are taken."""
        if self.screening is None or self.screening.fallback is None:
            return {}
        found = {}
        for month in np.unique(self.months[steps]):
            good = np.zeros((rows.stop - rows.start, columns.stop - columns.start), dtype="uint8")
            members = np.flatnonzero(self.months == month).tolist()
            for step in members:
                for piece in self.pieces[step]:
                    common = piece.overlap(rows, columns)
                    if common:
                        good[common[:2]] += self._keep(piece, common[2], common[3])
            found[month] = good < self.screening.least_share * len(members)
        return found


def _quality(piece: Piece, rows: slice, columns: slice) -> dict[str, np.ndarray]:
    """Return the quality layers as whole numbers; what is missing in them has all bits set."""
    found = {}
    for key, stored in piece.quality.items():
        values = stored.pixels.read(rows, columns)
        if values.dtype.kind == "f":
            values = np.where(np.isfinite(values), values, -1).astype("int64")
        found[key] = values
    return found


def satellite_dataset(found: Found, *, chosen: Sequence[str] = (), screening: Optional[Screening] = None,
                      region: Optional[str] = None, period: Optional[str] = None) -> tuple[xr.Dataset, Tally]:
    """Return the scenes of a product as drivers; nothing is read until values are asked for.

    Parameters
    ----------
    found : Found
    chosen : sequence of str
        Drivers; empty for all that the files have.
    screening : Screening, optional
    region, period : str, optional
        `region` crops the grid and adds `inside`; `period` is told of where it is not filled.

    Returns
    -------
    ds : xarray.Dataset of kind drivers
    tally : Tally
        Fills while values are read.

    Raises
    ------
    ConfigError
        The product has no such driver.
    SchemaError
        Layers are missing, or their scale is neither in the file nor known, or contradicts the product.
    GridError
        Scenes are not on one grid.
    """
    layers = _wanted(found.product, found.scenes, list(chosen))
    grid, corners = mosaic_grid(found.scenes)
    times = np.unique(np.array([scene.date for scene in found.scenes], dtype="datetime64[D]"))
    axis = Axis(times, found.product.time_step)
    verdicts, tally = Verdicts(), Tally()
    made = [settled(_driver(layer, found, grid, corners, axis, screening, verdicts, tally)) for layer in layers]
    notes = [*found.notes, *calendar_notes(axis, parse_period(period))]
    absent = [layer.name for layer in found.product.layers if layer not in layers and not layer.extra]
    if absent and not chosen:
        notes.append(f"the files have no layer for {', '.join(absent)}")
    ds = joined(made, axis if any(layer.axis for layer in made) else None, notes)
    ds.attrs["history"] = f"read_satellite: {found.short_name}, {len(found.scenes)} scenes"
    return (crop(ds, region) if region else ds), tally


def _wanted(product: Product, scenes: Sequence[Scene], chosen: list[str]) -> list[ProductLayer]:
    """Return the layers to read: those chosen, else all that the scenes have."""
    unknown = [name for name in chosen if product.layer(name) is None]
    if unknown:
        raise ConfigError(f"{product.name} has no driver '{unknown[0]}'", f"It has {', '.join(product.drivers)}")
    layers = [layer for layer in product.layers if layer.name in chosen or (not chosen and not layer.extra)]
    if not chosen:
        there = [layer for layer in layers if any(_parts(scene, layer) for scene in scenes)]
        if not there:
            raise _lacking(scenes[0], layers[0], product)
        layers = there
    for layer in layers:
        for scene in scenes:
            if not _parts(scene, layer):
                raise _lacking(scene, layer, product)
    return layers


def _parts(scene: Scene, layer: ProductLayer) -> Optional[list[Stored]]:
    found = [scene.find(names) for names in layer.parts]
    return [stored for stored in found if stored is not None] if all(found) else None


def _lacking(scene: Scene, layer: ProductLayer, product: Product) -> SchemaError:
    missing = next(names for names in layer.parts if scene.find(names) is None)
    there = ", ".join(stored.name for stored in scene.layers.values()) or "none"
    return SchemaError(f"'{scene.where}' has no layer '{missing[0]}', which is {layer.name} of {product.name}; "
                       f"its layers are {there}", "Choose drivers that it has (chosen), or fetch the whole file")


def mosaic_grid(scenes: Sequence[Scene]) -> tuple[Grid, list[tuple[int, int]]]:
    """Return the grid that holds all scenes, and the row and column where each begins.

    Raises
    ------
    GridError
        Scenes differ in projection or cell size, or their cells do not coincide.
    """
    first = scenes[0].grid
    a, _, c, _, e, f = first.transform
    corners = []
    for scene in scenes:
        other = scene.grid
        column, row = (other.transform[2] - c) / a, (other.transform[5] - f) / e
        same = Grid(other.crs_wkt, (*other.transform[:2], c, *other.transform[3:5], f), first.height, first.width)
        words = grid_difference(same, first)
        off = max(abs(column - round(column)), abs(row - round(row)))
        if not words and off > ON_GRID:
            words = f"its cells lie {off:.2f} of a cell beside those"
        if words:
            raise GridError(f"'{scene.where}' does not fit '{scenes[0].where}': {words}",
                            "Read files of different resolutions or areas one by one, then align them by read_drivers")
        corners.append((round(row), round(column)))
    top, left = min(row for row, _ in corners), min(column for _, column in corners)
    bottom = max(row + scene.grid.height for (row, _), scene in zip(corners, scenes))
    right = max(column + scene.grid.width for (_, column), scene in zip(corners, scenes))
    grid = Grid(first.crs_wkt, (a, 0.0, c + left * a, 0.0, e, f + top * e), bottom - top, right - left)
    return grid, [(row - top, column - left) for row, column in corners]


def _driver(layer: ProductLayer, found: Found, grid: Grid, corners: Sequence[tuple[int, int]], axis: Axis,
            screening: Optional[Screening], verdicts: Verdicts, tally: Tally) -> Layer:
    """Return one driver as a lazy layer."""
    by_date: dict[np.datetime64, list[Piece]] = defaultdict(list)
    for number, (scene, (row, column)) in enumerate(zip(found.scenes, corners)):
        parts = tuple(decoder(stored, layer, scene.date, axis.time_step) for stored in _parts(scene, layer) or ())
        quality = _quality_layers(scene, layer, found.product, screening) if screening else {}
        assert scene.date is not None
        by_date[scene.date].append(Piece(number, row, column, scene.grid.height, scene.grid.width, parts, quality))
    pieces = [by_date[time] for time in axis.times]
    for time, group in zip(axis.times, pieces):
        _refuse_overlaps(group, found.scenes, time)
    shape = (len(axis.times), grid.height, grid.width)
    special = layer.name if layer.name in ("blue", "snow_cover") else ""
    mosaic = Mosaic(layer.name, pieces, axis.times.astype("datetime64[M]"), shape, screening, verdicts, tally, special)
    first = found.scenes[0].where
    where = f"'{first}'" + (f" and {len(found.scenes) - 1} more" if len(found.scenes) > 1 else "")
    known = variable(layer.name)
    return Layer(layer.name, where, lazy_variable(DIMS, mosaic), grid, axis, known.unit, layer.name, known.long_name)


def _quality_layers(scene: Scene, layer: ProductLayer, product: Product, screening: Screening) -> dict[str, Stored]:
    layers = {}
    for key in layer.quality:
        if key in screening.unneeded:
            continue
        stored = scene.find(product.quality[key])
        if stored is None:
            there = ", ".join(known.name for known in scene.layers.values())
            other = "quality=strict, which does without it, or " if key == "detail" else ""
            raise SchemaError(f"'{scene.where}' has no quality layer '{product.quality[key][0]}' for {layer.name}; "
                              f"its layers are {there}", f"Fetch it as well, or set {other}quality=none")
        layers[key] = stored
    return layers


def _refuse_overlaps(group: Sequence[Piece], scenes: Sequence[Scene], time: np.datetime64) -> None:
    for number, piece in enumerate(group):
        for other in group[:number]:
            if piece.overlap(slice(other.row, other.row + other.height),
                             slice(other.column, other.column + other.width)):
                raise SchemaError(f"'{scenes[other.number].where}' and '{scenes[piece.number].where}' hold the same "
                                  f"place on {time}", "Keep one of the two files, for example the later version")
