"""What the tile loop makes of its estimates: pieces of rasters."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Iterable, Iterator, Sequence

import numpy as np

from ..explain.maps import AbsoluteSum, dominant_driver, group_shares, shares
from ..explain.pairs import pairs
from ..inference.grid import TOGETHER, Block, look_up
from ..inference.job import Estimates
from ..inference.pieces import Piece, Product, Record
from ..inference.tiles import Tile
from ..progress import SILENT, Progress
from ..trends import AnnualSeries, FieldSignificance, TrendTest, trend_maps
from ..trends.maps import NAMES as TREND_NAMES
from ..trends.variants import PLAIN
from ..vocabulary.variables import GROUPS
from .class_support import CLASS_SUPPORT

# an estimate below 1 g C m-2 month-1, or as much per another time step, has no relative spread
SMALL_ESTIMATE = {"month": 1.0, "year": 12.0, "16day": 16 / 30.4375, "8day": 8 / 30.4375, "week": 7 / 30.4375,
                  "day": 1 / 30.4375}


class Flux(Product):
    """The estimate itself, a band per time step; subclasses map something else."""

    output = "flux"
    per_value = 4.0 + 4.0

    def values(self, estimates: Estimates) -> np.ndarray:
        """Return what is mapped, as rows."""
        return estimates.mean

    def add(self, estimates: Estimates) -> Iterator[Piece]:
        """Give the bands of these time steps."""
        yield _bands(self.output, estimates, self.values(estimates))


class Spread(Flux):
    """The standard deviation over the fold means."""

    output = "spread"

    def values(self, estimates: Estimates) -> np.ndarray:
        """Return the spread."""
        return estimates.spread


class SeedSpread(Flux):
    """Spread of the members of a fold, which differ by their seed alone."""

    output = "seed_spread"

    def values(self, estimates: Estimates) -> np.ndarray:
        """Return the spread over seeds."""
        return estimates.seed_spread


class RelativeSpread(Flux):
    """Spread over estimate; missing where the estimate is next to nothing."""

    output = "relative_spread"

    def __init__(self, time_step: str) -> None:
        self.smallest = SMALL_ESTIMATE[time_step]

    def values(self, estimates: Estimates) -> np.ndarray:
        """Return the relative spread."""
        size = np.abs(estimates.mean)
        return np.divide(estimates.spread, size, out=np.full(size.shape, np.nan), where=size >= self.smallest)


class Applicability(Flux):
    """How much the drivers resemble the training data."""

    output = "applicability"
    applicability = True

    def values(self, estimates: Estimates) -> np.ndarray:
        """Return the applicability."""
        assert estimates.applicability is not None
        return estimates.applicability


class ClassSupport(Product):
    """Whether the training data support the vegetation class of a cell, as the last time step has it.

    Parameters
    ----------
    support : array of shape (256,)
        Grade of each IGBP code, such as `class_support.grades` returns.
    """

    per_pixel = 4.0 + 8.0
    per_value = 3 * 8.0 + 4.0

    def __init__(self, support: np.ndarray) -> None:
        self.support = support
        self.counts: Counter[int] = Counter()

    def begin(self, tile: Tile) -> None:
        """Start with nothing known."""
        self._tile = tile
        self._grade = np.full(tile.shape, np.nan, dtype="float32")

    def add(self, estimates: Estimates) -> Iterable[Piece]:
        """Grade the cells that are estimated."""
        block = estimates.block
        if block.codes is not None:
            grades = np.broadcast_to(look_up(self.support, block.codes), block.shape)
            step, row, column = np.unravel_index(block.index, block.shape)
            self._grade[row, column] = grades[step, row, column]
        return ()

    def end(self, progress: Progress = SILENT) -> Iterable[Piece]:
        """Give the tile."""
        yield Piece(CLASS_SUPPORT, 0, self._tile.row0, self._tile.col0, self._grade[None])

    def record(self) -> Record:
        """Return how many cells have which grade."""
        found, counts = np.unique(self._grade[np.isfinite(self._grade)].astype(int), return_counts=True)
        return {"grades": found, "counts": counts}

    def take(self, record: Record) -> None:
        """Count the cells of a tile."""
        self.counts.update(dict(zip(record["grades"].tolist(), record["counts"].tolist())))


class Contributions(Product):
    """A raster per driver, with a band per time step."""

    contributions = True
    per_value = 4.0 * TOGETHER + 4.0

    def __init__(self, outputs: Sequence[str]) -> None:
        self.outputs = list(outputs)

    def split(self, block: Block, first: int, maps: np.ndarray) -> Iterator[Piece]:
        """Give the bands of these time steps."""
        for output, values in zip(self.outputs[first:], maps):
            yield Piece(output, block.steps.start, block.tile.row0, block.tile.col0, values)


class BaseValue(Product):
    """What the model expects before it sees the drivers: one band, since it does not change in time.

    With one model per class it changes where the class does: `BaseValues` has a band per time step.
    """

    output = "base_value"
    contributions = True
    per_pixel = 4.0
    per_value = 4.0

    def begin(self, tile: Tile) -> None:
        """Start with nothing known."""
        self._tile, self._base = tile, np.full(tile.shape, np.nan, dtype="float32")

    def add(self, estimates: Estimates) -> Iterator[Piece]:
        """Fill cells that have no value yet."""
        for layer in estimates.block.grid(_phi(estimates)[:, -1]):
            self._base = np.where(np.isnan(self._base), layer, self._base)
        return iter(())

    def end(self, progress: Progress = SILENT) -> Iterator[Piece]:
        """Give the tile."""
        yield Piece(self.output, 0, self._tile.row0, self._tile.col0, self._base[None])


class BaseValues(Flux):
    """The base value of each time step, for classes that change in time."""

    output = "base_value"
    contributions = True

    def values(self, estimates: Estimates) -> np.ndarray:
        """Return the base value."""
        return _phi(estimates)[:, -1]


class Shares(Product):
    """Shares of drivers and of their groups, and the dominant driver; `outputs` says which of them are wanted."""

    contributions = True
    per_value = 4.0 * TOGETHER

    def __init__(self, groups: Sequence[str], outputs: Sequence[str]) -> None:
        self.groups, self.outputs = list(groups), tuple(outputs)
        self.per_pixel = 8.0 * (2 * len(self.groups) + 8)

    def begin(self, tile: Tile) -> None:
        """Start adding up."""
        self._tile, self._sum = tile, AbsoluteSum(len(self.groups), tile.shape)

    def split(self, block: Block, first: int, maps: np.ndarray) -> Iterator[Piece]:
        """Add up the absolute contributions, in the order of time."""
        self._sum.add(first, maps)
        return iter(())

    def end(self, progress: Progress = SILENT) -> Iterator[Piece]:
        """Give the tile."""
        share = shares(self._sum.total)
        for output, values in (("shares", share), ("groups", group_shares(share, self.groups)),
                               ("dominant", dominant_driver(share)[None])):
            if output in self.outputs:
                yield Piece(output, 0, self._tile.row0, self._tile.col0, values.astype("float32"))


class Interactions(Product):
    """What groups of drivers contribute alone and in pairs: the mean over the time steps, a band per pair."""

    output = "interactions"
    interactions = True
    per_pixel = 8.0 * (len(pairs(len(GROUPS))) + 1)
    per_value = 8.0 * (len(pairs(len(GROUPS))) + 1)

    def begin(self, tile: Tile) -> None:
        """Start adding up."""
        self._tile = tile
        self._sum, self._count = np.zeros((len(pairs(len(GROUPS))), *tile.shape)), np.zeros(tile.shape)

    def add(self, estimates: Estimates) -> Iterator[Piece]:
        """Add up the signed values, in the order of time."""
        assert estimates.interactions is not None
        for k, total in enumerate(self._sum):
            for layer in estimates.block.grid(estimates.interactions[:, k]):
                total += np.nan_to_num(layer, nan=0.0)
                self._count += np.isfinite(layer) if k == 0 else 0
        return iter(())

    def end(self, progress: Progress = SILENT) -> Iterator[Piece]:
        """Give the tile."""
        mean = np.divide(self._sum, self._count, out=np.full(self._sum.shape, np.nan), where=self._count > 0)
        yield Piece(self.output, 0, self._tile.row0, self._tile.col0, mean.astype("float32"))


class Trend(Product):
    """The trend of the annual values of the estimate."""

    output = "trend"

    def __init__(self, series: AnnualSeries, min_years: int, engine: str = "own", test: TrendTest = PLAIN,
                 device: str = "cpu") -> None:
        self.series, self.min_years, self.test = series, min_years, test
        self.compute = partial(trend_maps, times=series.times, min_n=min_years, engine=engine, method=test,
                               device=device)
        self.per_pixel = series.bytes_per_pixel + 8.0 * 10
        self.valid = self.filled = 0
        self.field = FieldSignificance()
        self._found: Record = {"valid": 0, "filled": 0, "field": self.field.counts}

    def begin(self, tile: Tile) -> None:
        """Start with a new tile."""
        self._tile = tile
        self.series.start(tile.shape)

    def add(self, estimates: Estimates) -> Iterator[Piece]:
        """Gather the estimates of these time steps."""
        block = estimates.block
        for step, layer in enumerate(block.grid(estimates.mean), start=block.steps.start):
            self.series.add(step, layer)
        return iter(())

    def end(self, progress: Progress = SILENT) -> Iterator[Piece]:
        """Compute the trend of the tile."""
        before = self.series.filled
        maps = self.compute(self.series.values(), progress=progress)
        bands = np.stack([maps[name].astype("float32") for name in TREND_NAMES])
        bands[-1][maps["n"] == 0] = np.nan
        self._found = {"valid": int(np.isfinite(maps["slope"]).sum()), "filled": self.series.filled - before,
                       "field": FieldSignificance.count(maps["p"])}
        yield Piece(self.output, 0, self._tile.row0, self._tile.col0, bands)

    def record(self) -> Record:
        """Return how many pixels have a trend, and how many values were filled."""
        return self._found

    def take(self, record: Record) -> None:
        """Count them."""
        self.valid += int(record["valid"])
        self.filled += int(record["filled"])
        self.field.add(record["field"])


def _bands(output: str, estimates: Estimates, rows: np.ndarray) -> Piece:
    """Return rows as the bands of their time steps."""
    block = estimates.block
    return Piece(output, block.steps.start, block.tile.row0, block.tile.col0, block.grid(rows))


def _phi(estimates: Estimates) -> np.ndarray:
    assert estimates.contributions is not None
    return estimates.contributions
