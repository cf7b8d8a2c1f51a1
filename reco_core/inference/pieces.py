"""What comes of a tile: pieces of outputs, what is counted, and small records."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Iterable, Mapping

import numpy as np

from ..progress import SILENT, Progress
from .tiles import Tile

if TYPE_CHECKING:
    from .grid import Block
    from .job import Estimates

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Piece:
    """A window of an output: some of its bands, from band number `band0` on (counted from 0).

    `values` has shape (bands, rows, columns) [unit of the output], NaN where there is nothing.
    """

    output: str
    band0: int
    row0: int
    col0: int
    values: np.ndarray


Sink = Callable[[Piece], None]


@dataclass
class Tally:
    """What is counted over tiles: rows that were estimated, why others were not, and the largest gap between the
    estimate and the sum of its contributions [1]."""

    valid: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    additivity_error: float = 0.0

    def add(self, other: Tally) -> None:
        """Take the counts of one more tile."""
        self.valid += other.valid
        self.missing.update(other.missing)
        self.additivity_error = max(self.additivity_error, other.additivity_error)


@dataclass
class TileResult:
    """What was computed for a tile.

    `pieces` is empty where they were handed on as they came; `records` has one entry per product.
    """

    number: int
    pieces: list[Piece] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    records: list[Record] = field(default_factory=list)


class Product:
    """Something made of the estimates, tile by tile; subclasses say what they need and hold.

    A product has no file: it gives pieces of outputs. What it counts over the whole map goes through
    `record`, called where the tile was computed, and `take`, called in the order of the tiles where
    all of them come together; the two may be in different processes.

    `per_pixel` and `per_value` are the bytes it holds for each pixel of a tile, and for each
    pixel and time step of a batch.
    """

    contributions = False
    applicability = False
    interactions = False
    per_pixel = 0.0
    per_value = 0.0

    def begin(self, tile: Tile) -> None:
        """Start with a new tile."""

    def add(self, estimates: Estimates) -> Iterable[Piece]:
        """Take the estimates of some time steps of the tile, in the order of time, and give the pieces they make."""
        return ()

    def split(self, block: Block, first: int, maps: np.ndarray) -> Iterable[Piece]:
        """Take contributions of drivers, from number `first` on, and give the pieces they make; called after `add`.

        `maps` has shape (drivers, time, rows, columns) [unit of the target], NaN where there is no estimate.
        """
        return ()

    def end(self, progress: Progress = SILENT) -> Iterable[Piece]:
        """Finish the tile and give the pieces that needed all its time steps; long work asks whether to stop."""
        return ()

    def record(self) -> Record:
        """Return what of this tile counts for the whole map: numbers and arrays."""
        return {}

    def take(self, record: Record) -> None:
        """Count the record of a tile."""
