"""Values of products, window by window: fills removed, tiles side by side, files one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Sequence

import numpy as np

from ..rasters.arrays import Reader, Slices

FAR = 1e-6  # of a fill value: what float32 rounds


@dataclass
class Valid:
    """Boxes of another reader without fill values and values outside a valid range.

    Parameters
    ----------
    source : Reader
    fills : sequence of float
    valid : (low, high)
    """

    source: Reader
    fills: tuple[float, ...]
    valid: tuple[float, float]
    shape: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.shape = tuple(self.source.shape)

    def read(self, key: Slices) -> np.ndarray:
        """Return a box."""
        values = self.source.read(key)
        with np.errstate(invalid="ignore"):
            wrong = (values < self.valid[0]) | (values > self.valid[1])
            for fill in self.fills:
                wrong |= np.abs(values - np.float32(fill)) <= FAR * abs(fill)
        if wrong.any():
            values = values.copy()
            values[wrong] = np.nan
        return values


@dataclass
class FirstOf:
    """Boxes of several readers of one shape: the first of them that has a value counts."""

    sources: Sequence[Reader]
    shape: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.shape = tuple(self.sources[0].shape)

    def read(self, key: Slices) -> np.ndarray:
        """Return a box."""
        values = np.array(self.sources[0].read(key))
        for source in self.sources[1:]:
            missing = np.isnan(values)
            if not missing.any():
                break
            values[missing] = source.read(key)[missing]
        return values


@dataclass
class OneAfterOther:
    """Boxes of readers whose first dimensions follow each other.

    Parameters
    ----------
    sources : sequence of Reader
    """

    sources: Sequence[Reader]
    shape: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._ends = np.cumsum([source.shape[0] for source in self.sources])
        self.shape = (int(self._ends[-1]), *self.sources[0].shape[1:])

    def read(self, key: Slices) -> np.ndarray:
        """Return a box."""
        parts = []
        for source, end in zip(self.sources, self._ends):
            start = end - source.shape[0]
            low, high = max(key[0].start, start), min(key[0].stop, end)
            if low < high:
                parts.append(source.read((slice(int(low - start), int(high - start)), *key[1:])))
        if not parts:
            return np.empty((0, *(part.stop - part.start for part in key[1:])), dtype="float32")
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


@dataclass
class SideBySide:
    """Boxes (time, y, x) of tiles on one grid; where they overlap the first with a value counts.

    Parameters
    ----------
    tiles : sequence of (Reader, first row, first column)
    height, width : int
        Of the whole grid.
    """

    tiles: Sequence[tuple[Reader, int, int]]
    height: int
    width: int
    shape: tuple[int, int, int] = field(init=False)

    def __post_init__(self) -> None:
        self.shape = (self.tiles[0][0].shape[0], self.height, self.width)

    def read(self, key: Slices) -> np.ndarray:
        """Return a box."""
        steps, rows, columns = key
        result = np.full((steps.stop - steps.start, rows.stop - rows.start, columns.stop - columns.start), np.nan,
                         dtype="float32")
        for source, row0, col0 in self.tiles:
            top, bottom = max(rows.start, row0), min(rows.stop, row0 + source.shape[1])
            left, right = max(columns.start, col0), min(columns.stop, col0 + source.shape[2])
            if top >= bottom or left >= right:
                continue
            part = source.read((steps, slice(top - row0, bottom - row0), slice(left - col0, right - col0)))
            place = result[:, top - rows.start:bottom - rows.start, left - columns.start:right - columns.start]
            np.copyto(place, part, where=np.isnan(place))
        return result


@dataclass
class LookedUp:
    """Boxes of another reader, whose values are keys of a table.

    Parameters
    ----------
    source : Reader
    keys : array of shape (n,)
        Increasing.
    values : array of shape (n,)
    """

    source: Reader
    keys: np.ndarray
    values: np.ndarray
    shape: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.shape = tuple(self.source.shape)

    def read(self, key: Slices) -> np.ndarray:
        """Return a box; NaN where the table has no such key."""
        wanted = self.source.read(key)
        place = np.clip(np.searchsorted(self.keys, wanted), 0, len(self.keys) - 1)
        return np.where(self.keys[place] == wanted, self.values[place], np.nan).astype("float32")
