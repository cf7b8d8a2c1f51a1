"""One pass over a series of maps that are there already, tile by tile like a map that is estimated."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Optional

import numpy as np

from ..progress import Progress
from .grid import stored
from .job import Estimates, MapJob
from .pieces import Tally
from .tiles import Chunks, Tile

if TYPE_CHECKING:
    import xarray as xr

NOTHING = np.empty(0)


@dataclass(frozen=True)
class Layers:
    """Some time steps of a tile of a series; `values` of shape (time steps, rows, columns)."""

    tile: Tile
    steps: slice
    values: np.ndarray

    def grid(self, values: np.ndarray) -> np.ndarray:
        """Return maps as they are; what is estimated comes in rows, a series does not."""
        return values


@dataclass
class SeriesReader:
    """Reads tiles of a series with dimensions time, y and x."""

    series: xr.DataArray
    missing: Counter[str] = field(default_factory=Counter)
    models: ClassVar[int] = 1  # see `DriverReader`

    def __post_init__(self) -> None:
        self.times = np.asarray(self.series["time"].values, dtype="datetime64[D]")
        self.height, self.width = self.series.sizes["y"], self.series.sizes["x"]

    @property
    def chunks(self) -> list[Chunks]:
        """How the series is stored along time, rows and columns."""
        return [stored(self.series)]

    def cells_inside(self) -> int:
        """Return how many cells there are."""
        return self.height * self.width

    def read(self, tile: Tile, steps: slice) -> Optional[Layers]:
        """Return some time steps of a tile, or None if they hold nothing."""
        part = self.series.isel(time=steps, y=tile.rows, x=tile.columns)
        values = part.transpose("time", "y", "x").values
        return Layers(tile, steps, values) if np.isfinite(values).any() else None


class SeriesJob(MapJob):
    """Hands a series to products, which see it as the estimate."""

    reader: Any

    @property
    def per_value(self) -> float:
        """What a tile holds for each pixel and time step of a batch [bytes]."""
        return 8.0 + sum(product.per_value for product in self.products)

    @property
    def per_pixel(self) -> float:
        """What a tile holds for each pixel, whatever the batch [bytes]."""
        return sum(product.per_pixel for product in self.products)

    def estimates(self, block: Any, tally: Tally, progress: Progress) -> Estimates:
        """Return the values of the series."""
        tally.valid += int(np.isfinite(block.values).sum())
        return Estimates(block, block.values, NOTHING, NOTHING)

    def finish(self) -> None:
        """An empty series is told of by who knows its name."""
