"""A sample of pixels and time steps, with drivers and contributions, taken while the map is made."""

from __future__ import annotations

import os
from typing import Sequence

import numpy as np

from ..inference.job import Estimates, Product
from ..io.dependence import MOST_ROWS, write_dependence

_MASK = (1 << 64) - 1


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
        self._number = np.empty(0, dtype="uint64")
        self._key = np.empty(0, dtype="uint64")
        self._values = np.empty((0, 2 * len(self.names)))
        self._limit = np.uint64(_MASK)

    def add(self, estimates: Estimates) -> None:
        """Keep what belongs to the sample."""
        block, phi = estimates.block, estimates.contributions
        assert phi is not None
        steps, rows, columns = np.unravel_index(block.index, block.shape)
        cell = (rows + block.tile.row0) * self._width + columns + block.tile.col0
        number = ((steps + block.steps.start) * self._cells + cell).astype("uint64")
        key = scramble(number)
        near = np.flatnonzero(key <= self._limit)
        if near.size == 0:
            return
        if near.size > self.most:
            near = near[np.argpartition(key[near], self.most)[:self.most]]
        values = np.hstack([block.own[near], phi[near, :len(self.names)]])
        self._number = np.concatenate([self._number, number[near]])
        self._key = np.concatenate([self._key, key[near]])
        self._values = np.concatenate([self._values, values])
        if self._key.size > self.most:
            chosen = np.argpartition(self._key, self.most)[:self.most]
            self._number, self._key, self._values = self._number[chosen], self._key[chosen], self._values[chosen]
            self._limit = self._key.max()

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the sample in the order of time, row and column."""
        order = np.argsort(self._number)
        number, values = self._number[order], self._values[order]
        step, cell = np.divmod(number.astype("int64"), self._cells)
        place = {"time": [self.labels[s] for s in step], "row": list(cell // self._width),
                 "col": list(cell % self._width)}
        count = len(self.names)
        write_dependence(path, place, self.names, values[:, :count], values[:, count:])


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
