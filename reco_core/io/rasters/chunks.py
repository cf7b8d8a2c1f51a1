"""In which pieces a source is stored: what a window touches is read whole."""

from __future__ import annotations

from typing import Any

import numpy as np
from rasterio.enums import Interleaving
from rasterio.errors import RasterioError
from xarray import Variable
from xarray.core import indexing

from .arrays import LazyArray, RasterBands, VariableReader, opened

Cut = tuple[int, int]  # size of the chunks along a dimension, and where the first whole one begins; (0, 0): any piece
WHOLE: Cut = (0, 0)


def chunks_of(variable: Variable) -> tuple[Cut, ...]:
    """Return how a lazily read variable is stored, for each of its dimensions.

    Sources that do not say it, or that are computed from others on another grid, count as stored in any piece.

    Parameters
    ----------
    variable : xarray.Variable
        Of a dataset such as `open_drivers` returns.
    """
    data = variable._data
    if not (isinstance(data, indexing.LazilyIndexedArray) and isinstance(data.array, LazyArray)):
        known = variable.encoding.get("preferred_chunks", {})
        return tuple((int(known[dim]), 0) if isinstance(known.get(dim), int) else WHOLE for dim in variable.dims)
    cuts = zip(data.key.tuple, _cuts(data.array.reader), data.array.shape)
    return tuple(_moved(key, cut, size) for key, cut, size in cuts if not isinstance(key, int | np.integer))


def _moved(key: Any, cut: Cut, size: int) -> Cut:
    """Return how an index along a dimension sees its chunks."""
    chunk, first = cut
    wanted = np.arange(*key.indices(size)) if isinstance(key, slice) else np.asarray(key)
    if chunk == 0 or wanted.size == 0:
        return WHOLE
    start = int(wanted[0])
    backwards = wanted.size > 1 and wanted[1] < start
    return chunk, (start + 1 - first if backwards else first - start) % chunk


def _cuts(reader: Any) -> tuple[Cut, ...]:
    """Return how the array that a reader reads is stored."""
    if isinstance(reader, RasterBands):
        return _blocks(*reader.bands[0])
    if isinstance(reader, VariableReader):
        cuts = dict(zip(reader.variable.dims, chunks_of(reader.variable)))
        return tuple(cuts.get(dim, WHOLE) for dim in reader.dims)
    if getattr(reader, "tiles", None):  # side by side
        part, row, column = reader.tiles[0]
        return tuple((cut[0], (cut[1] + start) % cut[0]) if cut[0] else WHOLE
                     for cut, start in zip(_cuts(part), (0, row, column)))
    inner = getattr(reader, "source", next(iter(getattr(reader, "sources", ())), None))
    if inner is None or isinstance(inner, Variable):  # computed here, or on another grid
        return (WHOLE,) * len(reader.shape)
    return _cuts(inner)


def _blocks(path: str, band: int) -> tuple[Cut, Cut, Cut]:
    """Return the blocks of a raster: bands, rows and columns."""
    try:
        file = opened(path)
    except RasterioError:  # told when it is read
        return WHOLE, WHOLE, WHOLE
    rows, columns = file.block_shapes[band - 1]
    together = file.count if file.interleaving == Interleaving.pixel else 1
    return (together, 0), (rows, 0), (columns, 0)
