"""One pass over the tiles of a map, whatever is made of its estimates."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Optional, Protocol, Sequence

import numpy as np

from ..errors import ArtifactError
from ..progress import SILENT, Progress
from ..vocabulary.variables import GROUPS
from .applicability import ApplicabilityArea
from .grid import Block, DriverReader
from .journal import Journal
from .limits import require_addresses
from .pieces import Piece, Product, Sink, Tally, TileResult
from .pipeline import PENDING, Check, Workers, run_tiles
from .tiles import TilePlan, plan_tiles

if TYPE_CHECKING:
    from ..models.base import Estimate

ROWS = 65536
LARGEST_ERROR = 1e-4
BASE_GB = 0.5  # Python, its libraries and their caches


class Engine(Protocol):
    """What estimates rows, and explains the estimates: the engine of the explain room."""

    def estimate(self, X: np.ndarray, stratum: Optional[np.ndarray],
                 progress: Progress) -> Estimate:
        """Return mean, spread and seed spread."""

    def explain(self, X: np.ndarray, stratum: Optional[np.ndarray],
                progress: Progress) -> tuple[Estimate, np.ndarray]:
        """Return the estimate, and contributions with the base value last."""

    def interactions(self, X: np.ndarray, groups: Sequence[str], stratum: Optional[np.ndarray],
                     progress: Progress) -> np.ndarray:
        """Return what pairs of groups of drivers contribute together, with the base value last."""


@dataclass(frozen=True)
class Estimates:
    """What was computed for the rows of a block; None what nobody asked for.

    `mean`, `spread` and `seed_spread` (n,) [unit of the target], `contributions` (n, p + 1) [unit of the
    target] with the base value last, `applicability` (n,) [1], `interactions` (n, pairs + 1) [unit of the target].
    """

    block: Block
    mean: np.ndarray
    spread: np.ndarray
    seed_spread: np.ndarray
    contributions: Optional[np.ndarray] = None
    applicability: Optional[np.ndarray] = None
    interactions: Optional[np.ndarray] = None


@dataclass
class MapJob:
    """Estimates of a model on a grid, computed once and handed to all products.

    `compute` knows no file and may run anywhere: what it gives depends on the number of the tile alone.

    Parameters
    ----------
    reader : DriverReader
    products : sequence of Product
    engine : Engine
    memory_gb : float [GB]
    """

    reader: DriverReader
    products: Sequence[Product]
    engine: Engine
    memory_gb: float = 2.0
    tally: Tally = field(default_factory=Tally)
    waited: float = 0.0  # seconds that computing waited for reading and writing

    def __post_init__(self) -> None:
        self._explains = any(product.contributions for product in self.products)
        self._pairs = any(product.interactions for product in self.products)
        self._area: Optional[ApplicabilityArea] = None
        if any(product.applicability for product in self.products):
            reference = self.reader.fitted.reference
            weights = reference.get("weights")
            drivers = None if weights is None else weights[:len(self.reader.names)]  # the season has no training range
            self._area = ApplicabilityArea.of(reference["X"], reference["fold"], drivers)

    @property
    def per_value(self) -> float:
        """What a tile holds for each pixel and time step of a batch [bytes]."""
        # mean, spread, seed spread and applicability as rows, one of them as a map; contributions
        rows = 4 * 8 + 2 * 8 + (8.0 * (len(self.reader.names) + 1) if self._explains else 0.0)
        # one block is read while another one is worked on
        return rows + 2 * self.reader.per_value + sum(product.per_value for product in self.products)

    @property
    def per_pixel(self) -> float:
        """What a tile holds for each pixel, whatever the batch [bytes]."""
        return self.reader.per_pixel + sum(product.per_pixel for product in self.products)

    def plan(self) -> TilePlan:
        """Return the tiles of this job."""
        return plan_tiles(self.reader.height, self.reader.width, len(self.reader.times), per_value=self.per_value,
                          per_pixel=self.per_pixel, memory_gb=self.memory_gb, chunks=self.reader.chunks,
                          models=self.reader.models)

    @property
    def tile_gb(self) -> float:
        """What the largest tile holds [GB]."""
        rows, columns = self.planned.tiles[0].shape
        return 1e-9 * rows * columns * (self.planned.steps * self.per_value + self.per_pixel)

    @property
    def needed_gb(self) -> float:
        """About how much memory the whole process takes at its peak [GB]."""
        return BASE_GB + self.tile_gb + PENDING * self.memory_gb

    def require_memory(self) -> None:
        """Refuse to begin where the system allows less than that; see `require_addresses`."""
        require_addresses(self.needed_gb - BASE_GB)

    @cached_property
    def planned(self) -> TilePlan:
        """The tiles of this job, worked out once."""
        return self.plan()

    def compute(self, number: int, progress: Progress = SILENT, emit: Optional[Sink] = None) -> TileResult:
        """Compute one tile.

        Parameters
        ----------
        number : int
            Of the tile in the plan.
        progress : Progress
        emit : callable of a Piece, optional
            Gets the pieces as they come; without it they are gathered in the result.

        Returns
        -------
        TileResult

        Raises
        ------
        SchemaError
            A driver has values outside its valid range, or cannot be read.
        ArtifactError
            Contributions do not add up to the estimates.
        """
        return self.work(number, (self.read(number, steps) for steps in self.planned.batches()), progress, emit)

    def read(self, number: int, steps: slice) -> tuple[Optional[Block], Counter[str]]:
        """Return what can be estimated of a tile at some time steps, and why the rest cannot."""
        self.reader.missing = Counter()
        block = self.reader.read(self.planned.tiles[number], steps)
        return block, self.reader.missing

    def work(self, number: int, blocks: Iterable[tuple[Optional[Any], Counter[str]]], progress: Progress = SILENT,
             emit: Optional[Sink] = None) -> TileResult:
        """Compute one tile from its blocks, which come in the order of time; see `compute`."""
        result = TileResult(number)
        send = result.pieces.append if emit is None else emit
        count = len(range(0, self.planned.times, self.planned.steps))
        for product in self.products:
            product.begin(self.planned.tiles[number])
        for part, (block, missing) in enumerate(blocks):
            span = progress.span(part / count, (part + 1) / count)
            span(0.0)
            result.tally.missing.update(missing)
            if block is None:
                continue
            estimates = self.estimates(block, result.tally, span)
            for piece in self._made_of(estimates):
                send(piece)
        for product in self.products:
            for piece in product.end(progress.span(1.0, 1.0)):
                send(piece)
        result.records = [product.record() for product in self.products]
        return result

    def _made_of(self, estimates: Estimates) -> Iterator[Piece]:
        """Yield what the products make of a block."""
        for product in self.products:
            yield from product.add(estimates)
        if estimates.contributions is None:
            return
        for first, maps in estimates.block.layers(estimates.contributions[:, :-1]):
            for product in self.products:
                yield from product.split(estimates.block, first, maps)

    def take(self, result: TileResult) -> None:
        """Count what came of a tile; called in the order of the tiles."""
        self.tally.add(result.tally)
        for product, record in zip(self.products, result.records):
            product.take(record)

    def run(self, progress: Progress = SILENT, sink: Optional[Sink] = None, journal: Optional[Journal] = None,
            check: Optional[Check] = None, workers: Optional[Workers] = None) -> None:
        """Work through all tiles and hand their pieces to `sink`; see `run_tiles`.

        Raises
        ------
        GridError
            Not a single pixel could be estimated; the message counts the reasons.
        ArtifactError
            Contributions do not add up to the estimates.
        """
        run_tiles(self, sink or _nowhere, progress, journal, check, workers)

    def finish(self) -> None:
        """Say what is wrong if there is nothing to show; called when all tiles were taken.

        Raises
        ------
        GridError
            Not a single pixel could be estimated; the message counts the reasons.
        """
        self.reader.missing = self.tally.missing
        if self.tally.valid == 0:
            raise self.reader.nothing_valid()

    def estimates(self, block: Block, tally: Tally, progress: Progress) -> Estimates:
        """Return what was computed for a block, and count it."""
        tally.valid += len(block.index)
        phi, end = None, 0.6 if self._pairs else 0.9
        if self._explains:
            found, phi = self.engine.explain(block.X, block.stratum, progress.span(0.0, end))
            tally.additivity_error = max(tally.additivity_error, _checked(phi, found.mean))
        else:
            found = self.engine.estimate(block.X, block.stratum, progress.span(0.0, end))
        pairs = None
        if self._pairs:
            pairs = self.engine.interactions(block.X, GROUPS, block.stratum, progress.span(end, 0.9))
        return Estimates(block, *found, phi, self._near(block.own, progress.span(0.9, 1.0)), pairs)

    def _near(self, X: np.ndarray, progress: Progress) -> Optional[np.ndarray]:
        """Return the applicability of rows, if a product wants it."""
        if self._area is None:
            return None
        result = np.empty(len(X))
        for first in range(0, len(X), ROWS):
            progress(first / len(X))
            result[first:first + ROWS] = self._area.applicability(X[first:first + ROWS])
        return result


def _checked(phi: np.ndarray, mean: np.ndarray) -> float:
    """Return how far contributions miss the estimate, where there is one."""
    gap = np.abs(phi.sum(axis=1) - mean) / np.maximum(1.0, np.abs(mean))
    error = float(np.where(np.isnan(mean), 0.0, gap).max())
    if not error <= LARGEST_ERROR:  # nor may they be missing
        raise ArtifactError(f"Contributions and base value miss the estimate by {error:.2g} of it; "
                            f"at most {LARGEST_ERROR:g} is allowed", "The model is damaged: fit it again")
    return error


def _nowhere(piece: Piece) -> None:
    """Forget a piece."""
