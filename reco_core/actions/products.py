"""What the tile loop makes of its estimates: bands of rasters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Sequence

import numpy as np

from ..explain.maps import AbsoluteSum, dominant_driver, group_shares, shares
from ..inference.job import Estimates, Product
from ..inference.tiles import Tile
from ..trends import AnnualSeries, trend_maps
from ..trends.maps import NAMES as TREND_NAMES

if TYPE_CHECKING:
    from ..io.rasters.geotiff import RasterWriter

# an estimate below 1 g C m-2 month-1, or as much per another time step, has no relative spread
SMALL_ESTIMATE = {"month": 1.0, "year": 12.0, "16day": 16 / 30.4375, "8day": 8 / 30.4375, "week": 7 / 30.4375,
                  "day": 1 / 30.4375}


class Flux(Product):
    """The estimate itself, a band per time step; subclasses map something else."""

    per_value = 4.0 + 4.0

    def __init__(self, writer: RasterWriter) -> None:
        self.writer = writer

    def values(self, estimates: Estimates) -> np.ndarray:
        """Return what is mapped, as rows."""
        return estimates.mean

    def add(self, estimates: Estimates) -> None:
        """Write the bands of these time steps."""
        block = estimates.block
        self.writer.write(block.grid(self.values(estimates)), block.tile.row0, block.tile.col0, block.steps.start)


class Spread(Flux):
    """The standard deviation over the fold means."""

    def values(self, estimates: Estimates) -> np.ndarray:
        """Return the spread."""
        return estimates.spread


class SeedSpread(Flux):
    """Spread of the members of a fold, which differ by their seed alone."""

    def values(self, estimates: Estimates) -> np.ndarray:
        """Return the spread over seeds."""
        return estimates.seed_spread


class RelativeSpread(Flux):
    """Spread over estimate; missing where the estimate is next to nothing."""

    def __init__(self, writer: RasterWriter, time_step: str) -> None:
        super().__init__(writer)
        self.smallest = SMALL_ESTIMATE[time_step]

    def values(self, estimates: Estimates) -> np.ndarray:
        """Return the relative spread."""
        size = np.abs(estimates.mean)
        return np.divide(estimates.spread, size, out=np.full(size.shape, np.nan), where=size >= self.smallest)


class Applicability(Flux):
    """How much the drivers resemble the training data."""

    applicability = True

    def values(self, estimates: Estimates) -> np.ndarray:
        """Return the applicability."""
        assert estimates.applicability is not None
        return estimates.applicability


class Contributions(Product):
    """A raster per driver, with a band per time step."""

    contributions = True
    per_value = 4.0 + 4.0

    def __init__(self, writers: Sequence[RasterWriter]) -> None:
        self.writers = writers

    def add(self, estimates: Estimates) -> None:
        """Write the bands of these time steps."""
        block, phi = estimates.block, _phi(estimates)
        for k, writer in enumerate(self.writers):
            writer.write(block.grid(phi[:, k]), block.tile.row0, block.tile.col0, block.steps.start)


class BaseValue(Product):
    """What the model expects before it sees the drivers: one band, since it does not change in time.

    With one model per class it changes where the class does: `BaseValues` has a band per time step.
    """

    contributions = True
    per_pixel = 4.0
    per_value = 4.0

    def __init__(self, writer: RasterWriter) -> None:
        self.writer = writer

    def begin(self, tile: Tile) -> None:
        """Start with nothing known."""
        self._base = np.full(tile.shape, np.nan, dtype="float32")

    def add(self, estimates: Estimates) -> None:
        """Fill cells that have no value yet."""
        for layer in estimates.block.grid(_phi(estimates)[:, -1]):
            self._base = np.where(np.isnan(self._base), layer, self._base)

    def end(self, tile: Tile) -> None:
        """Write the tile."""
        self.writer.write(self._base[None], tile.row0, tile.col0)


class BaseValues(Flux):
    """The base value of each time step, for classes that change in time."""

    contributions = True

    def values(self, estimates: Estimates) -> np.ndarray:
        """Return the base value."""
        return _phi(estimates)[:, -1]


class Shares(Product):
    """Shares of drivers and of their groups, and the dominant driver."""

    contributions = True
    per_value = 4.0

    def __init__(self, groups: Sequence[str], shares_to: Optional[RasterWriter] = None,
                 groups_to: Optional[RasterWriter] = None, dominant_to: Optional[RasterWriter] = None) -> None:
        self.groups = list(groups)
        self.shares_to, self.groups_to, self.dominant_to = shares_to, groups_to, dominant_to
        self.per_pixel = 8.0 * (2 * len(self.groups) + 8)

    def begin(self, tile: Tile) -> None:
        """Start adding up."""
        self._sum = AbsoluteSum(len(self.groups), tile.shape)

    def add(self, estimates: Estimates) -> None:
        """Add up the absolute contributions, month by month and in the order of time."""
        phi = _phi(estimates)
        for k in range(len(self.groups)):
            for layer in estimates.block.grid(phi[:, k]):
                self._sum.total[k] += np.nan_to_num(np.abs(layer), nan=0.0)

    def end(self, tile: Tile) -> None:
        """Write the tile."""
        share = shares(self._sum.total)
        for writer, values in ((self.shares_to, share), (self.groups_to, group_shares(share, self.groups)),
                               (self.dominant_to, dominant_driver(share)[None])):
            if writer is not None:
                writer.write(values.astype("float32"), tile.row0, tile.col0)


class Trend(Product):
    """The trend of the annual values of the estimate."""

    def __init__(self, writer: RasterWriter, series: AnnualSeries, min_years: int, engine: str = "own") -> None:
        self.writer, self.series = writer, series
        self.min_years, self.engine = min_years, engine
        self.per_pixel = series.bytes_per_pixel + 8.0 * 10
        self.valid = 0

    def begin(self, tile: Tile) -> None:
        """Start with a new tile."""
        self.series.start(tile.shape)

    def add(self, estimates: Estimates) -> None:
        """Gather the estimates of these time steps."""
        block = estimates.block
        self.add_layers(block.steps.start, block.grid(estimates.mean))

    def add_layers(self, first: int, layers: np.ndarray) -> None:
        """Gather maps of shape (steps, y, x) that begin with time step number `first`."""
        for step, layer in enumerate(layers, start=first):
            self.series.add(step, layer)

    def end(self, tile: Tile) -> None:
        """Compute and write the trend of the tile."""
        maps = trend_maps(self.series.values(), self.series.times, min_n=self.min_years, engine=self.engine)
        bands = np.stack([maps[name].astype("float32") for name in TREND_NAMES])
        bands[-1][maps["n"] == 0] = np.nan
        self.valid += int(np.isfinite(maps["slope"]).sum())
        self.writer.write(bands, tile.row0, tile.col0)


def _phi(estimates: Estimates) -> np.ndarray:
    assert estimates.contributions is not None
    return estimates.contributions
