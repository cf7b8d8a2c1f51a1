"""One pass over the tiles of a map, whatever is made of its estimates."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Callable, Optional, Sequence

import numpy as np

from ..errors import ArtifactError
from ..progress import SILENT, Progress
from .applicability import ApplicabilityArea
from .grid import Block, DriverReader, bytes_per_value
from .tiles import Clock, Tile, TilePlan, plan_tiles

if TYPE_CHECKING:
    from ..models.base import FittedModel

ROWS = 16384
LARGEST_ERROR = 1e-4
ESTIMATE_SHARE = 0.5  # of the time of a batch, where contributions are wanted too
Contribute = Callable[[np.ndarray, Optional[np.ndarray], Progress], np.ndarray]


@dataclass(frozen=True)
class Estimates:
    """What was computed for the rows of a block; None what nobody asked for.

    `mean` and `spread` (n,) [unit of the target], `contributions` (n, p + 1) [unit of the
    target] with the base value last, `applicability` (n,) [1].
    """

    block: Block
    mean: np.ndarray
    spread: np.ndarray
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
    fitted : FittedModel
    products : sequence of Product
    contribute : callable (X, stratum, progress) -> array of shape (n, p + 1)
        Contributions to the estimate; needed if a product wants them.
    members : {"all", "one_per_fold"}
    memory_gb : float [GB]
    """

    reader: DriverReader
    fitted: FittedModel
    products: Sequence[Product]
    contribute: Optional[Contribute] = None
    members: str = "all"
    memory_gb: float = 2.0
    additivity_error: float = 0.0
    valid: int = 0
    missing: Counter = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._explains = any(product.contributions for product in self.products)
        self._area: Optional[ApplicabilityArea] = None
        if any(product.applicability for product in self.products):
            reference = self.fitted.reference
            self._area = ApplicabilityArea.of(reference["X"], reference["fold"], reference.get("weights"))

    def plan(self) -> TilePlan:
        """Return the tiles of this job."""
        features = len(self.reader.names)
        # mean, spread and applicability as rows and one of them as a map; contributions twice in double and
        # twice in single precision, once with the features padded, and the binned drivers
        per_value = bytes_per_value(features) + 3 * 8 + 2 * 8
        if self._explains:
            per_value += (8.0 * 2 + 4 * 2) * (features + 1) + 4 * 8 + 2 * features
        return plan_tiles(self.reader.height, self.reader.width, len(self.reader.times),
                          per_value=per_value + sum(p.per_value for p in self.products),
                          per_pixel=sum(p.per_pixel for p in self.products), memory_gb=self.memory_gb)

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
        n = len(block.index)
        mean, spread = np.empty(n), np.empty(n)
        near = np.empty(n) if self._area is not None else None
        first_part = progress.span(0.0, ESTIMATE_SHARE) if self._explains else progress
        for first in range(0, n, ROWS):
            first_part(first / n)
            part = slice(first, first + ROWS)
            stratum = None if block.stratum is None else block.stratum[part]
            mean[part], spread[part] = self._estimate(block.X[part], stratum)
            if near is not None and self._area is not None:
                near[part] = self._area.applicability(block.X[part])
        phi = None
        if self._explains:
            assert self.contribute is not None, "a product wants contributions and nobody computes them"
            phi = self.contribute(block.X, block.stratum, progress.span(ESTIMATE_SHARE, 1.0))
            self._check(phi, mean)
        return Estimates(block, mean, spread, phi, near)

    def _estimate(self, X: np.ndarray, stratum: Optional[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and spread; a single row goes in twice, since numpy adds up a single column in another order."""
        if len(X) > 1:
            return self.fitted.estimate(X, stratum=stratum, members=self.members)
        twice = None if stratum is None else np.repeat(stratum, 2)
        mean, spread = self.fitted.estimate(np.repeat(X, 2, axis=0), stratum=twice, members=self.members)
        return mean[:1], spread[:1]

    def _check(self, phi: np.ndarray, mean: np.ndarray) -> None:
        gap = np.abs(phi.sum(axis=1) - mean) / np.maximum(1.0, np.abs(mean))
        self.additivity_error = max(self.additivity_error, float(gap.max()))
        if self.additivity_error > LARGEST_ERROR:
            raise ArtifactError(
                f"Contributions and base value miss the estimate by {self.additivity_error:.2g} of it; "
                f"at most {LARGEST_ERROR:g} is allowed", "The model is damaged: fit it again")
