"""How a map is cut into pieces that fit into memory."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from math import log
from typing import Iterator, Sequence

import numpy as np

from ..errors import ResourceError
from ..progress import SILENT, Progress

BLOCK = 256
LARGEST_SIDE = 4 * BLOCK
USABLE = 0.75
ENOUGH = 1.05  # times that chunks of sources may be read without anybody looking for other tiles
MOST_ROWS, FEWEST_TILES = 2 ** 27, 4  # cells and time steps of a tile, times models; larger maps have four at least
Chunks = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Tile:
    """A window of the grid: rows `row0` to `row1`, columns `col0` to `col1` (ends excluded)."""

    row0: int
    row1: int
    col0: int
    col1: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.row1 - self.row0, self.col1 - self.col0

    @property
    def rows(self) -> slice:
        """Rows as a slice."""
        return slice(self.row0, self.row1)

    @property
    def columns(self) -> slice:
        """Columns as a slice."""
        return slice(self.col0, self.col1)


@dataclass(frozen=True)
class TilePlan:
    """Tiles in the order they are worked on, how many time steps are worked on together, and how often a chunk of
    the sources is read, on average."""

    tiles: tuple[Tile, ...]
    steps: int
    times: int
    reads: float = 1.0

    def batches(self) -> Iterator[slice]:
        """Yield the time steps, batch by batch."""
        for start in range(0, self.times, self.steps):
            yield slice(start, min(start + self.steps, self.times))

    def to_dict(self) -> dict[str, int]:
        """Return what tells the tiles of a map."""
        high, wide = self.tiles[0].shape
        return {"tiles": len(self.tiles), "rows": high, "columns": wide, "steps": self.steps, "times": self.times}

    @classmethod
    def cut(cls, height: int, width: int, *, rows: int, columns: int, steps: int, times: int) -> TilePlan:
        """Return tiles of so many rows and columns, in row order."""
        tiles = tuple(Tile(row, min(row + rows, height), column, min(column + columns, width))
                      for row in range(0, height, rows) for column in range(0, width, columns))
        return cls(tiles, steps, times)


def plan_tiles(height: int, width: int, times: int, *, per_value: float, per_pixel: float = 0.0,
               memory_gb: float = 2.0, block: int = BLOCK, chunks: Sequence[Chunks] = (), models: int = 1) -> TilePlan:
    """Cut a grid into tiles that fit into memory and are aligned with the blocks of the outputs.

    Where the usual tiles, up to 1024 cells a side, would read chunks of the sources several times, other tiles are
    looked for: those that read least.

    Parameters
    ----------
    height, width, times : int
        Size of the map.
    per_value : float [bytes]
        Held for each pixel and time step of a batch.
    per_pixel : float [bytes]
        Held for each pixel of a tile, whatever the batch.
    memory_gb : float [GB]
        What all that may take.
    block : int
        Side of a block of the output files; tiles are whole numbers of blocks.
    chunks : sequence of three pairs of int
        For each source the size of its chunks along time, rows and columns, and where the first one begins; size 0
        where any piece can be read.
    models : int
        How many look at each cell and time step: many make more tiles, since a tile is what an interrupted run loses.

    Returns
    -------
    TilePlan
        Tiles in row order. All time steps together where a block of them fits, else fewer.

    Raises
    ------
    ResourceError
        One block at one time step does not fit.

    Examples
    --------
    >>> plan = plan_tiles(300, 500, 12, per_value=100, memory_gb=2)
    >>> len(plan.tiles), plan.steps
    (1, 12)
    """
    budget = memory_gb * 1e9 * USABLE
    reading = _Reading((times, height, width), chunks)

    def steps_of(high: int, wide: int) -> int:
        return int(min(times, (budget / (min(high, height) * min(wide, width)) - per_pixel) // per_value))

    steps = steps_of(block, block)
    if steps < 1:
        wanted = min(block, height) * min(block, width) * (per_value + per_pixel) / 1e9 / USABLE
        raise ResourceError(f"One tile needs {wanted:.2f} GB and the memory budget is {memory_gb:g} GB",
                            f"Give a memory budget of at least {wanted:.2f} GB, or ask for fewer outputs")
    high = wide = block
    if steps == times:
        cost = per_pixel + times * per_value
        wide = _side(budget / cost / block, width, block)
        high = _side(budget / cost / min(wide, width), height, block)
    usual = (high, wide, reading.steps(steps))
    if reading.times(*usual) > ENOUGH:
        most = max(MOST_ROWS / models, height * width * times / FEWEST_TILES) / times
        found = [(high, wide, reading.steps(steps_of(high, wide))) for high in _sides(height, block)
                 for wide in _sides(width, block) if min(high, height) * min(wide, width) <= most
                 and steps_of(high, wide) >= 1]
        usual = reading.least([usual, *found])
    high, wide, steps = usual
    return replace(TilePlan.cut(height, width, rows=high, columns=wide, steps=steps, times=times),
                   reads=reading.times(high, wide, steps))


def _side(fitting: float, size: int, block: int) -> int:
    """Return the side of a tile: whole blocks, no more than fit, are there, or keep progress lively."""
    needed = -(-size // block) * block
    return max(block, min(int(fitting) // block * block, needed, LARGEST_SIDE))


def _sides(size: int, block: int) -> range:
    """Return all sides that a tile can have."""
    return range(block, -(-size // block) * block + 1, block)


class _Reading:
    """How often tiles read what is stored.

    Parameters
    ----------
    shape : tuple of int
        Time steps, rows and columns of the map.
    chunks : sequence of three pairs of int
        Of each source.
    """

    def __init__(self, shape: tuple[int, int, int], chunks: Sequence[Chunks]) -> None:
        self._shape, self._chunks = shape, Counter(chunks)
        self._along = lru_cache(maxsize=None)(self._count)

    def times(self, high: int, wide: int, steps: int) -> float:
        """Return how often a chunk is read, on average over the sources."""
        total = sum(number * self._along(0, steps, time) * self._along(1, high, y) * self._along(2, wide, x)
                    for (time, y, x), number in self._chunks.items())
        return total / self._chunks.total() if self._chunks else 1.0

    def steps(self, most: int) -> int:
        """Return how many time steps to read together: up to `most`, those that read least."""
        sizes = {time[0] for time, _, _ in self._chunks if 1 < time[0]}
        good = {most, *(most // size * size for size in sizes if size <= most),
                *(step for size in sizes for step in range(1, min(size, most) + 1) if size % step == 0)}
        return most if most >= self._shape[0] else min(good, key=lambda steps: (self.times(1, 1, steps), -steps))

    def least(self, shapes: Sequence[tuple[int, int, int]]) -> tuple[int, int, int]:
        """Return of rows, columns and steps of tiles those that read least; of nearly equal ones the usual size."""
        read = [self.times(*shape) for shape in shapes]
        near = [shape for shape, times in zip(shapes, read) if times <= min(read) * ENOUGH]
        return min(near, key=lambda shape: (round(abs(log(shape[0] * shape[1] / LARGEST_SIDE ** 2)), 6),
                                            round(abs(log(shape[0] / shape[1])), 6)))

    def _count(self, axis: int, side: int, cut: tuple[int, int]) -> float:
        """Return how often chunks along an axis are read by windows that follow each other."""
        (chunk, first), length = cut, self._shape[axis]
        if chunk == 0:
            return 1.0
        starts = np.arange(0, length, side)
        ends = np.minimum(starts + side, length)
        touched = (ends - 1 - first) // chunk - (starts - first) // chunk + 1
        return float(touched.sum() / ((length - 1 - first) // chunk - (0 - first) // chunk + 1))


class Clock:
    """Says how far the tiles are and about how long the rest takes.

    Parameters
    ----------
    tiles : int
        How many there are.
    progress : Progress
        Who wants to know.
    """

    def __init__(self, tiles: int, progress: Progress = SILENT) -> None:
        self.tiles = tiles
        self._progress = progress
        self._start, self._skipped = time.monotonic(), 0.0

    def skip(self, fraction: float) -> None:
        """Say that all up to here took no time: it was there already."""
        self._start, self._skipped = time.monotonic(), fraction

    def message(self, tile: int, fraction: float) -> str:
        """Return for example 'tile 3 of 12, about 2 min left'; `tile` counts from 0."""
        text = f"tile {tile + 1} of {self.tiles}"
        elapsed, done = time.monotonic() - self._start, fraction - self._skipped
        if done <= 0 or elapsed < 1:
            return text
        return f"{text}, about {duration(elapsed * (1 - fraction) / done)} left"

    def span(self, tile: int, start: float, end: float) -> Progress:
        """Return the progress of the part from `start` to `end` of a tile."""
        def sink(fraction: float, message: str) -> None:
            self._progress(fraction, self.message(tile, fraction))

        child = Progress(sink, self._stopped, (tile + start) / self.tiles, (tile + end) / self.tiles)
        child(0.0)
        return child

    def _stopped(self) -> bool:
        self._progress.check()
        return False


def duration(seconds: float) -> str:
    """Return a rough length of time in words.

    Examples
    --------
    >>> duration(8), duration(130), duration(9000)
    ('8 s', '2 min', '2.5 h')
    """
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
