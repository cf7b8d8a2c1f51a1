"""One pass over the tiles of a map, whatever is made of its estimates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional, Protocol, Sequence

import numpy as np

from ..errors import ArtifactError
from ..progress import SILENT, Progress
from .applicability import ApplicabilityArea
from .grid import Block, DriverReader, bytes_per_value
from .tiles import Clock, Tile, TilePlan, plan_tiles

if TYPE_CHECKING:
    from ..models.base import Estimate

ROWS = 65536
LARGEST_ERROR = 1e-4


class Engine(Protocol):
    """What estimates rows, and explains the estimates: the engine of the explain room."""

    def estimate(self, X: np.ndarray, stratum: Optional[np.ndarray],
                 progress: Progress) -> Estimate:
        """Return mean, spread and seed spread."""

    def explain(self, X: np.ndarray, stratum: Optional[np.ndarray],
                progress: Progress) -> tuple[Estimate, np.ndarray]:
        """Return the estimate, and contributions with the base value last."""


@dataclass(frozen=True)
class Estimates:
    """What was computed for the rows of a block; None what nobody asked for.

    `mean`, `spread` and `seed_spread` (n,) [unit of the target], `contributions` (n, p + 1) [unit of the
    target] with the base value last, `applicability` (n,) [1].
    """

    block: Block
    mean: np.ndarray
    spread: np.ndarray
    seed_spread: np.ndarray
    contributions: Optional[np.ndarray] = None
    applicability: Optional[np.ndarray] = None


class Product:
    """Something made of the estimates, tile by tile; subclasses say what they need and hold.

    `per_pixel` and `per_value` are the bytes it holds for each pixel of a tile, and for each
    pixel and time step of a batch.
    """

    contributions = False
    applicability = False
    per_pixel = 0.0
    per_value = 0.0

    def begin(self, tile: Tile) -> None:
        """Start with a new tile."""

    def add(self, estimates: Estimates) -> None:
        """Take the estimates of some time steps of the tile; called in the order of time."""

    def end(self, tile: Tile) -> None:
        """Finish the tile."""


@dataclass
class MapJob:
    """Estimates of a model on a grid, computed once and handed to all products.

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
    additivity_error: float = 0.0
    valid: int = 0

    def __post_init__(self) -> None:
        self._explains = any(product.contributions for product in self.products)
        self._area: Optional[ApplicabilityArea] = None
        if any(product.applicability for product in self.products):
            reference = self.reader.fitted.reference
            weights = reference.get("weights")
            drivers = None if weights is None else weights[:len(self.reader.names)]  # the season has no training range
            self._area = ApplicabilityArea.of(reference["X"], reference["fold"], drivers)

    def plan(self) -> TilePlan:
        """Return the tiles of this job."""
        features = len(self.reader.names)
        # mean, spread, seed spread and applicability as rows, one of them as a map; contributions
        per_value = bytes_per_value(features, self.reader.context) + 4 * 8 + 2 * 8
        if self._explains:
            per_value += 8.0 * (features + 1)
        return plan_tiles(self.reader.height, self.reader.width, len(self.reader.times),
                          per_value=per_value + sum(p.per_value for p in self.products),
                          per_pixel=sum(p.per_pixel for p in self.products) + self.reader.per_pixel,
                          memory_gb=self.memory_gb)

    def run(self, progress: Progress = SILENT) -> None:
        """Work through all tiles.

        Raises
        ------
        GridError
            Not a single pixel could be estimated; the message counts the reasons.
        ArtifactError
            Contributions do not add up to the estimates.
        """
        plan = self.plan()
        batches = list(plan.batches())
        clock = Clock(len(plan.tiles), progress)
        for number, tile in enumerate(plan.tiles):
            for product in self.products:
                product.begin(tile)
            for part, steps in enumerate(batches):
                self._batch(tile, steps, clock.span(number, part / len(batches), (part + 1) / len(batches)))
            for product in self.products:
                product.end(tile)
        if self.valid == 0:
            raise self.reader.nothing_valid()

    def _batch(self, tile: Tile, steps: slice, progress: Progress) -> None:
        block = self.reader.read(tile, steps)
        if block is None:
            return
        estimates = self._compute(block, progress)
        self.valid += len(block.index)
        for product in self.products:
            product.add(estimates)

    def _compute(self, block: Block, progress: Progress) -> Estimates:
        phi = None
        if self._explains:
            found, phi = self.engine.explain(block.X, block.stratum, progress.span(0.0, 0.9))
            self._check(phi, found.mean)
        else:
            found = self.engine.estimate(block.X, block.stratum, progress.span(0.0, 0.9))
        return Estimates(block, *found, phi, self._near(block.own, progress.span(0.9, 1.0)))

    def _near(self, X: np.ndarray, progress: Progress) -> Optional[np.ndarray]:
        """Return the applicability of rows, if a product wants it."""
        if self._area is None:
            return None
        result = np.empty(len(X))
        for first in range(0, len(X), ROWS):
            progress(first / len(X))
            result[first:first + ROWS] = self._area.applicability(X[first:first + ROWS])
        return result

    def _check(self, phi: np.ndarray, mean: np.ndarray) -> None:
        gap = np.abs(phi.sum(axis=1) - mean) / np.maximum(1.0, np.abs(mean))
        self.additivity_error = max(self.additivity_error, float(gap.max()))
        if self.additivity_error > LARGEST_ERROR:
            raise ArtifactError(
                f"Contributions and base value miss the estimate by {self.additivity_error:.2g} of it; "
                f"at most {LARGEST_ERROR:g} is allowed", "The model is damaged: fit it again")
