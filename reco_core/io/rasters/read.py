"""Maps read back window by window, with missing cells as NaN."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Iterator, Optional, Sequence

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.windows import Window

from ...errors import SchemaError
from ..files import require
from .grid import Grid

BLOCK = 256
MOST_BYTES = 64e6


@dataclass(frozen=True)
class RasterInfo:
    """What a raster says about itself.

    `bands` holds the description of each band, `units` its unit.
    """

    path: str
    grid: Grid
    bands: tuple[str, ...]
    units: tuple[str, ...]
    tags: dict[str, str]

    @property
    def unit(self) -> str:
        """Unit of the first band."""
        return self.units[0] if self.units else ""


class RasterReader:
    """Reads windows of a raster; use it in a `with` block.

    Parameters
    ----------
    path : path

    Raises
    ------
    SchemaError
        The file is not there or no raster.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = str(require(path, "raster"))
        self._stack = ExitStack()

    def __enter__(self) -> RasterReader:
        try:
            self._file = self._stack.enter_context(rasterio.open(self.path))
        except RasterioError as error:
            raise _unreadable(self.path, error) from error
        file = self._file
        self.info = RasterInfo(
            self.path, Grid(file.crs.to_wkt() if file.crs else "", tuple(file.transform)[:6], file.height, file.width),
            tuple(name or str(i) for i, name in enumerate(file.descriptions, 1)),
            tuple(unit or "" for unit in file.units), dict(file.tags()))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def read(self, rows: slice, columns: slice, bands: Optional[Sequence[int]] = None) -> np.ndarray:
        """Return a window.

        Parameters
        ----------
        rows, columns : slice
            Of cells, with start and stop.
        bands : sequence of int, optional
            Counted from 0; by default all.

        Returns
        -------
        array (bands, rows, columns), float32
            NaN where missing.
        """
        wanted = range(len(self.info.bands)) if bands is None else bands
        window = Window.from_slices((rows.start, rows.stop), (columns.start, columns.stop))
        try:
            values = self._file.read([band + 1 for band in wanted], window=window)
        except RasterioError as error:
            raise _unreadable(self.path, error) from error
        result = values.astype("float32")
        for place, band in enumerate(wanted):
            nodata = self._file.nodatavals[band]
            if nodata is not None and not np.isnan(nodata):
                result[place][values[place] == np.asarray(nodata).astype(values.dtype)] = np.nan
        return result

    def windows(self, step: int = 1) -> Iterator[tuple[slice, slice]]:
        """Yield windows that cover the raster; they start at multiples of `step`, a power of two."""
        size = max(BLOCK, step)
        while size > step and size > 16 and len(self.info.bands) * size * size * 4 > MOST_BYTES:
            size //= 2
        for row in range(0, self.info.grid.height, size):
            for column in range(0, self.info.grid.width, size):
                yield (slice(row, min(row + size, self.info.grid.height)),
                       slice(column, min(column + size, self.info.grid.width)))


def _unreadable(path: str, error: Exception) -> SchemaError:
    return SchemaError(f"'{path}' is no raster that RECO can read: {error}", "Give a GeoTIFF that RECO wrote")
