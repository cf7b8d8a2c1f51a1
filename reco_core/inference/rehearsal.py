"""What a run over tiles will need, from its plan and a small real sample."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, Optional

import numpy as np

from ..progress import SILENT, Progress
from .grid import Block
from .job import MapJob
from .pieces import Tally
from .series import Layers, SeriesJob
from .tiles import Tile

SAMPLE_ROWS, WARM_ROWS = 65_536, 512
SAMPLE_SIDE = 192
MOST_TILES = 400  # that are looked at for one with data


@dataclass(frozen=True)
class Sample:
    """What the first tile with data tells: its number, which share of it can be estimated [1], and the time that
    the whole map would take if all of it were like that [s]."""

    tile: int
    valid: float
    seconds: float


def sample(job: MapJob, progress: Progress = SILENT) -> Optional[Sample]:
    """Work on a piece of the first tile that has data in its first, middle or last time step; None where none has.

    Parameters
    ----------
    job : MapJob
        Not yet run; what its products hold is not touched, but for those of a `SeriesJob`.
    """
    inside, times = job.reader.cells_inside() / (job.reader.height * job.reader.width), len(job.reader.times)
    for number, tile in enumerate(job.planned.tiles[:MOST_TILES]):
        progress(number / len(job.planned.tiles))
        for step in sorted({0, times // 2, times - 1}):  # the first of a series may be empty everywhere
            start = time.perf_counter()
            block: Any = job.reader.read(tile, slice(step, step + 1))
            if block is not None:
                break
        else:
            continue
        reading = (time.perf_counter() - start) / (tile.shape[0] * tile.shape[1])
        spent, valid = _series(job, block) if isinstance(job, SeriesJob) else _estimates(job, block)
        cells = job.reader.height * job.reader.width * inside * times
        return Sample(number, valid, cells * max(reading, valid * spent))  # reading goes on beside computing
    return None


def _estimates(job: MapJob, block: Block) -> tuple[float, float]:
    """Return the seconds that a row takes, and the share of rows in a block."""
    _timed(job, _first(block, WARM_ROWS))  # compiles
    some = _first(block, SAMPLE_ROWS)
    rows, columns = block.tile.shape
    return _timed(job, some) / len(some.index), len(block.index) / (rows * columns)


def _first(block: Block, most: int) -> Block:
    stratum = None if block.stratum is None else block.stratum[:most]
    return replace(block, index=block.index[:most], X=np.ascontiguousarray(block.X[:most]), stratum=stratum)


def _timed(job: MapJob, block: Block) -> float:
    start = time.perf_counter()
    job.estimates(block, Tally(), SILENT)
    return time.perf_counter() - start


def _series(job: SeriesJob, block: Layers) -> tuple[float, float]:
    """Return the seconds that a value takes, and the share of values in a block."""
    known = np.argwhere(np.isfinite(block.values[0]))
    row, column = known[len(known) // 2] + (block.tile.row0, block.tile.col0)
    part = Tile(int(row), min(int(row) + SAMPLE_SIDE, block.tile.row1), int(column),
                min(int(column) + SAMPLE_SIDE, block.tile.col1))
    spent = 0.0
    for _ in range(2):  # the first time compiles
        layers = job.reader.read(part, slice(0, len(job.reader.times)))
        start = time.perf_counter()
        for product in job.products:
            product.begin(part)
            for _piece in (*product.add(job.estimates(layers, Tally(), SILENT)), *product.end()):
                pass
        spent = time.perf_counter() - start
    return spent / max(1, int(np.isfinite(layers.values).sum())), len(known) / block.values[0].size
