"""Arrays that read their windows from files when they are asked, and nothing before."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Sequence

import numpy as np
import rasterio
from rasterio.enums import MaskFlags
from rasterio.env import set_gdal_config
from rasterio.errors import RasterioError
from rasterio.windows import Window
from xarray import Variable
from xarray.backends import BackendArray
from xarray.core import indexing

from ...errors import SchemaError, out_of_memory

OPEN_FILES = 8
CACHE_BYTES = 256 * 1024 * 1024  # GDAL would take 5 % of the memory, whatever our budget
_local = threading.local()

Slices = tuple[slice, ...]


class Reader(Protocol):
    """Something that reads boxes of an array: slices of step 1, one per dimension."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dimension."""

    def read(self, key: Slices) -> np.ndarray:
        """Return a box."""


class LazyArray(BackendArray):
    """An array for xarray whose boxes a `Reader` reads.

    Parameters
    ----------
    reader : Reader
    dtype : str
        What boxes are cast to.
    """

    def __init__(self, reader: Reader, dtype: str = "float32") -> None:
        self.reader = reader
        self.shape = tuple(reader.shape)
        self.dtype = np.dtype(dtype)

    def __getitem__(self, key: Any) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._outer)

    def _outer(self, key: tuple[Any, ...]) -> np.ndarray:
        drop, spans, places = [], [], []
        for axis, (index, size) in enumerate(zip(key, self.shape)):
            if isinstance(index, slice):
                wanted = np.arange(*index.indices(size))
            else:
                wanted = np.atleast_1d(np.asarray(index))
                if np.ndim(index) == 0:
                    drop.append(axis)
            runs, place = _runs(wanted)
            spans.append(runs)
            places.append(place)
        values = self._boxes(spans, []).astype(self.dtype, copy=False)
        for axis, place in enumerate(places):
            if place is not None:
                values = np.take(values, place, axis=axis)
        return values.squeeze(axis=tuple(drop)) if drop else values

    def _boxes(self, spans: list[list[slice]], chosen: list[slice]) -> np.ndarray:
        if len(chosen) == len(spans):
            return np.asarray(self.reader.read(tuple(chosen)))
        parts = [self._boxes(spans, [*chosen, run]) for run in spans[len(chosen)]]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=len(chosen))


MOST_RUNS = 8


def _runs(wanted: np.ndarray) -> tuple[list[slice], np.ndarray | None]:
    """Return slices that cover indices, and where the indices lie in what these give (None: in order)."""
    if wanted.size == 0:
        return [slice(0, 0)], None
    ordered = wanted
    if wanted.size > 1 and not (np.diff(wanted) > 0).all():
        ordered = np.unique(wanted)
    breaks = np.flatnonzero(np.diff(ordered) > 1) + 1
    if len(breaks) >= MOST_RUNS:  # strided or scattered: read what lies between, too
        first = int(ordered[0])
        return [slice(first, int(ordered[-1]) + 1)], wanted - first
    parts = np.split(ordered, breaks)
    place = None if ordered is wanted else np.searchsorted(ordered, wanted)
    return [slice(int(part[0]), int(part[-1]) + 1) for part in parts], place


def lazy_variable(dims: Sequence[str], reader: Reader, attrs: dict[str, Any] | None = None,
                  dtype: str = "float32") -> Variable:
    """Return an xarray variable that reads nothing until its values are asked for."""
    return Variable(tuple(dims), indexing.LazilyIndexedArray(LazyArray(reader, dtype)), attrs or {})


@dataclass
class RasterBands:
    """Bands of one or several rasters of equal size, as an array of shape (band, y, x).

    Values are float32, scaled as the files say; nodata, masked and infinite values are NaN.

    Parameters
    ----------
    bands : sequence of (path, band number from 1)
    height, width : int
    """

    bands: Sequence[tuple[str, int]]
    height: int
    width: int
    shape: tuple[int, int, int] = field(init=False)

    def __post_init__(self) -> None:
        self.shape = (len(self.bands), self.height, self.width)

    def read(self, key: Slices) -> np.ndarray:
        """Return a box."""
        steps, rows, columns = key
        chosen = self.bands[steps]
        result = np.empty((len(chosen), rows.stop - rows.start, columns.stop - columns.start), dtype="float32")
        window = Window(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        start = 0
        while start < len(chosen):
            path = chosen[start][0]
            end = start + 1
            while end < len(chosen) and chosen[end][0] == path:
                end += 1
            _read_bands(path, [band for _, band in chosen[start:end]], window, result[start:end])
            start = end
        return result


def _read_bands(path: str, bands: list[int], window: Window, out: np.ndarray) -> None:
    try:
        dataset = opened(path)
        if dataset.width < window.col_off + window.width or dataset.height < window.row_off + window.height:
            raise SchemaError(f"'{path}' has changed its size since it was opened", "Run the step again")
        raw = dataset.read(bands, window=window)
        masked = [band for band in bands if MaskFlags.per_dataset in dataset.mask_flag_enums[band - 1]]
        mask = dataset.dataset_mask(window=window) if masked else None
    except RasterioError as error:
        if out_of_memory(error):
            raise MemoryError(str(error)) from error
        raise SchemaError(f"'{path}' cannot be read (bands {bands[0]} to {bands[-1]}): {error}",
                          "The file is damaged or was changed: fetch it again") from error
    for i, band in enumerate(bands):
        out[i] = _physical(raw[i], dataset.nodatavals[band - 1], dataset.scales[band - 1], dataset.offsets[band - 1])
        if mask is not None and band in masked:
            out[i][mask == 0] = np.nan


def _physical(raw: np.ndarray, nodata: float | None, scale: float, offset: float) -> np.ndarray:
    values = raw.astype("float32" if scale == 1 and offset == 0 else "float64")
    if nodata is not None and not np.isnan(nodata):
        # the file may state more digits of nodata than its pixels hold
        values[raw == (raw.dtype.type(nodata) if raw.dtype.kind == "f" else nodata)] = np.nan
    if scale != 1 or offset != 0:
        values = values * scale + offset
    values[~np.isfinite(values)] = np.nan
    return values


def opened(path: str) -> rasterio.DatasetReader:
    """Return an open raster; each thread and process keeps a few, and a changed file is opened anew."""
    limit_cache()
    handles: OrderedDict[tuple[Any, ...], rasterio.DatasetReader]
    if getattr(_local, "process", None) != os.getpid():
        _local.process, _local.handles = os.getpid(), OrderedDict()
    handles = _local.handles
    key = (path, *_version(path))
    if key in handles:
        handles.move_to_end(key)
        return handles[key]
    handles[key] = rasterio.open(path, sharing=False)
    while len(handles) > OPEN_FILES:
        handles.popitem(last=False)[1].close()
    return handles[key]


def close_opened() -> None:
    """Close the rasters that this thread keeps open, so that they can be removed."""
    handles = getattr(_local, "handles", {})
    while handles and getattr(_local, "process", None) == os.getpid():
        handles.popitem()[1].close()


def limit_cache() -> None:
    """Keep GDAL's cache of blocks small and equal on all machines, unless the user chose its size."""
    if getattr(_local, "limited", False):
        return
    if "GDAL_CACHEMAX" not in os.environ:
        set_gdal_config("GDAL_CACHEMAX", CACHE_BYTES)
    set_gdal_config("AAIGRID_DATATYPE", "Float32")  # else "nan" among integers of an ASCII grid reads as 0
    _local.limited = True


def _version(path: str) -> tuple[int, int, int]:
    try:
        state = Path(path).stat()
    except OSError:  # not a plain file, for example HDF4_EOS:...
        return 0, 0, 0
    return state.st_mtime_ns, state.st_size, state.st_ino


@dataclass
class VariableReader:
    """Boxes of a lazy xarray variable, with dimensions in a chosen order and the rest squeezed.

    An empty name stands for a new dimension of length 1.
    """

    variable: Variable
    dims: tuple[str, ...]
    where: str = ""
    shape: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.shape = tuple(self.variable.sizes[dim] if dim else 1 for dim in self.dims)

    def read(self, key: Slices) -> np.ndarray:
        """Return a box."""
        index: dict[Any, Any] = {dim: 0 for dim in self.variable.dims if dim not in self.dims}
        index.update({dim: part for dim, part in zip(self.dims, key) if dim})
        try:
            values = np.asarray(self.variable[index].transpose(*(dim for dim in self.dims if dim)).values)
        except (OSError, RuntimeError) as error:
            if out_of_memory(error):
                raise MemoryError(str(error)) from error
            raise SchemaError(f"{self.where or 'A variable'} cannot be read: {error}",
                              "The file is damaged or was changed: fetch it again") from error
        values = values.reshape([part.stop - part.start for part in key])
        if values.dtype.kind == "b":
            return values
        values = values.astype("float32", copy=False)
        infinite = np.isinf(values)
        return np.where(infinite, np.float32(np.nan), values) if infinite.any() else values


@dataclass
class Linear:
    """Boxes of another reader times a factor plus an offset; these may differ along the first dimension."""

    source: Reader
    factor: np.ndarray | float
    offset: np.ndarray | float
    shape: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.shape = tuple(self.source.shape)

    def read(self, key: Slices) -> np.ndarray:
        """Return a box."""
        factor, offset = (np.asarray(part)[key[0]].reshape((-1,) + (1,) * (len(key) - 1)) if np.ndim(part) else part
                          for part in (self.factor, self.offset))
        return (self.source.read(key).astype("float64") * factor + offset).astype("float32")
