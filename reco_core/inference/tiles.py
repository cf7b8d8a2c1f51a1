"""How a map is cut into pieces that fit into memory."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Iterator

from ..errors import ResourceError
from ..progress import SILENT, Progress

BLOCK = 256
LARGEST_SIDE = 4 * BLOCK
USABLE = 0.75


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
    """Tiles in the order they are worked on, and how many time steps are worked on together."""

    tiles: tuple[Tile, ...]
    steps: int
    times: int

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
               memory_gb: float = 2.0, block: int = BLOCK) -> TilePlan:
    """Cut a grid into tiles that fit into memory and are aligned with the blocks of the outputs.

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
    cells = min(block, height) * min(block, width)
    room = budget / cells - per_pixel
    steps = int(min(times, room // per_value))
    if steps < 1:
        wanted = cells * (per_value + per_pixel) / 1e9 / USABLE
        raise ResourceError(f"One tile needs {wanted:.2f} GB and the memory budget is {memory_gb:g} GB",
                            f"Give a memory budget of at least {wanted:.2f} GB, or ask for fewer outputs")
    high = wide = block
    if steps == times:
        cost = per_pixel + times * per_value
        wide = _side(budget / cost / block, width, block)
        high = _side(budget / cost / min(wide, width), height, block)
    return TilePlan.cut(height, width, rows=high, columns=wide, steps=steps, times=times)


def _side(fitting: float, size: int, block: int) -> int:
    """Return the side of a tile: whole blocks, no more than fit, are there, or keep progress lively."""
    needed = -(-size // block) * block
    return max(block, min(int(fitting) // block * block, needed, LARGEST_SIDE))


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
