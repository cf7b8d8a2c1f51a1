"""A sample of pixels and time steps, with drivers and contributions, taken while the map is made."""

from __future__ import annotations

import os
from typing import Iterator, Sequence

import numpy as np

from ..inference.job import Estimates
from ..inference.pieces import Piece, Product, Record
from ..inference.tiles import Tile
from ..io.dependence import MOST_ROWS, write_dependence

LARGEST = np.uint64((1 << 64) - 1)


class DependenceSample(Product):
    """Keeps the records whose number, scrambled, is smallest: the same ones however the map is tiled.

    Parameters
    ----------
    height, width : int
        Size of the map.
    labels : sequence of str
        Of the time steps.
    names : sequence of str
        Of the drivers.
    most : int
        Number of records kept.
    """

    contributions = True
    per_value = 7 * 8.0

    def __init__(self, height: int, width: int, labels: Sequence[str], names: Sequence[str],
                 most: int = MOST_ROWS) -> None:
        self.labels, self.names, self.most = list(labels), list(names), most
        self._cells, self._width = height * width, width
        self._whole = _Smallest(most, 2 * len(self.names))
        self._part = _Smallest(most, 2 * len(self.names))

    def begin(self, tile: Tile) -> None:
        """Start with a new tile; what can no longer belong to the sample is left out from the start."""
        self._part = _Smallest(self.most, 2 * len(self.names), self._whole.limit)

    def add(self, estimates: Estimates) -> Iterator[Piece]:
        """Keep what may belong to the sample."""
        block, phi = estimates.block, estimates.contributions
        assert phi is not None
        steps, rows, columns = np.unravel_index(block.index, block.shape)
        cell = (rows + block.tile.row0) * self._width + columns + block.tile.col0
        number = ((steps + block.steps.start) * self._cells + cell).astype("uint64")
        key = scramble(number)
        near = np.flatnonzero(key <= self._part.limit)
        if near.size > self.most:
            near = near[np.argpartition(key[near], self.most)[:self.most]]
        values = np.hstack([block.own[near], phi[near, :len(self.names)]])
        self._part.add(number[near], key[near], values)
        return iter(())

    def record(self) -> Record:
        """Return the records of the tile."""
        return {"number": self._part.number, "values": self._part.values}

    def take(self, record: Record) -> None:
        """Keep what of the records of a tile belongs to the sample."""
        number = np.asarray(record["number"], dtype="uint64")
        self._whole.add(number, scramble(number), np.asarray(record["values"]).reshape(len(number), -1))

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the sample in the order of time, row and column."""
        order = np.argsort(self._whole.number)
        number, values = self._whole.number[order], self._whole.values[order]
        step, cell = np.divmod(number.astype("int64"), self._cells)
        place = {"time": [self.labels[s] for s in step], "row": list(cell // self._width),
                 "col": list(cell % self._width)}
        count = len(self.names)
        write_dependence(path, place, self.names, values[:, :count], values[:, count:])


class _Smallest:
    """Keeps the records with the smallest keys."""

    def __init__(self, most: int, columns: int, limit: np.uint64 = LARGEST) -> None:
        self.most, self.limit = most, limit
        self.number, self.key = np.empty(0, dtype="uint64"), np.empty(0, dtype="uint64")
        self.values = np.empty((0, columns))

    def add(self, number: np.ndarray, key: np.ndarray, values: np.ndarray) -> None:
        """Take records, shapes (n,), (n,) and (n, columns)."""
        if len(number) == 0:
            return
        self.number, self.key = np.concatenate([self.number, number]), np.concatenate([self.key, key])
        self.values = np.concatenate([self.values, values])
        if self.key.size > self.most:
            chosen = np.argpartition(self.key, self.most)[:self.most]
            self.number, self.key, self.values = self.number[chosen], self.key[chosen], self.values[chosen]
            self.limit = self.key.max()


def scramble(number: np.ndarray) -> np.ndarray:
    """Return numbers mixed so that the smallest of them are a random sample (splitmix64).

    Examples
    --------
    >>> hex(int(scramble(np.array([0], dtype="uint64"))[0]))
    '0xe220a8397b1dcdaf'
    """
    with np.errstate(over="ignore"):
        z = number.astype("uint64") + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
