"""Driver cubes: Zarr stores written tile by tile and opened lazily."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Iterator, Mapping, Sequence

import numpy as np
import xarray as xr

from ...deps import need
from ...errors import SchemaError
from ...progress import SILENT, Progress
from ...vocabulary import check_drivers
from ..drivers.values import check_range
from ..files import atomic, require

CHUNK_TIME, CHUNK_SPACE = 24, 256
BYTES_PER_VALUE = 24  # a window of float32, its scaled copy and what decompression holds
EPOCH = np.datetime64("1970-01-01", "D")


def write_cube(ds: xr.Dataset, path: str | os.PathLike[str], *, memory_gb: float = 2.0,
               progress: Progress = SILENT) -> Path:
    """Write drivers as a Zarr store (format 2), window by window.

    Parameters
    ----------
    ds : xarray.Dataset of kind drivers
    path : path
        Appears when all is written.
    memory_gb : float [GB]
        Most memory for windows.
    progress : Progress

    Raises
    ------
    SchemaError
        A value is outside the valid range of its driver.
    ResourceError
        The disk is full or writing is not allowed.
    """
    check_drivers(ds)
    zarr = need("zarr")
    names = [str(name) for name in ds.data_vars]
    with atomic(path) as temporary:
        group = _new_group(temporary, ds)
        for number, name in enumerate(names):
            span = progress.span(number / len(names), (number + 1) / len(names))
            _write(group, temporary, ds[name], memory_gb, span)
        zarr.consolidate_metadata(group.store)
    return Path(path)


class CubeWriter:
    """Writes drivers as a Zarr store (format 2) tile by tile; it appears when the block of `with` ends without error.

    Parameters
    ----------
    path : path
    template : xarray.Dataset
        Coordinates (time, y, x, spatial_ref) and attributes of the cube.
    variables : mapping of name to (dims, attrs)
    side : int
        Rows and columns of a chunk; tiles must begin at whole chunks.
    """

    def __init__(self, path: str | os.PathLike[str], template: xr.Dataset,
                 variables: Mapping[str, tuple[tuple[str, ...], Mapping[str, Any]]], *,
                 side: int = CHUNK_SPACE) -> None:
        self.path, self._template, self._variables, self._side = Path(path), template, dict(variables), side
        self._stack = ExitStack()
        self._chunks: dict[str, tuple[int, ...]] = {}

    def __enter__(self) -> CubeWriter:
        with ExitStack() as stack:
            self._folder = stack.enter_context(atomic(self.path))
            self._group = _new_group(self._folder, self._template)
            for name, (dims, attrs) in self._variables.items():
                sizes = tuple(self._template.sizes[dim] for dim in dims)
                self._chunks[name] = tuple(min(size, CHUNK_TIME if dim == "time" else self._side)
                                           for dim, size in zip(dims, sizes))
                _new_array(self._group, name, dims, sizes, self._chunks[name], attrs, flags=False)
            self._stack = stack.pop_all()
        return self

    def write(self, name: str, values: np.ndarray, row0: int, col0: int) -> None:
        """Write a tile: all time steps (time, rows, cols), or (rows, cols) where the driver is static.

        Raises
        ------
        SchemaError
            A value is outside the valid range of the driver.
        """
        check_range(name, values, "what was derived")
        starts = ([0] if values.ndim == 3 else []) + [row0, col0]
        window = tuple(slice(start, start + size) for start, size in zip(starts, values.shape))
        _chunks(self._folder / name, values, window, self._chunks[name])

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if kind is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            need("zarr").consolidate_metadata(self._group.store)


def _new_group(folder: Path, ds: xr.Dataset) -> Any:
    """Start a store with the attributes and coordinates of a dataset."""
    group = need("zarr").open_group(str(folder), mode="w", zarr_format=2)
    group.attrs.update(dict(ds.attrs))
    for name in ("time", "y", "x", "spatial_ref"):
        if name in ds.coords:
            _coordinate(group, ds, name)
    return group


def _coordinate(group: Any, ds: xr.Dataset, name: str) -> None:
    values, attrs = np.asarray(ds[name].values), dict(ds[name].attrs)
    if name == "time":
        values = (values.astype("datetime64[D]") - EPOCH).astype("int64")
        attrs = {"units": f"days since {EPOCH}", "calendar": "proleptic_gregorian", "standard_name": "time",
                 "axis": "T"}
    array = group.create_array(name, shape=values.shape, dtype=values.dtype, chunks=values.shape, compressors=None,
                               fill_value=None, attributes={**attrs, "_ARRAY_DIMENSIONS": list(ds[name].dims)})
    array[...] = values


def _write(group: Any, folder: Path, array: xr.DataArray, memory_gb: float, progress: Progress) -> None:
    dims = [dim for dim in ("time", "y", "x") if dim in array.dims]
    array = array.transpose(*dims)
    flags = array.dtype.kind == "b"
    chunks = tuple(min(array.sizes[dim], CHUNK_TIME if dim == "time" else CHUNK_SPACE) for dim in dims)
    _new_array(group, str(array.name), dims, array.shape, chunks, array.attrs, flags)
    windows = list(_windows(array.shape, chunks, memory_gb))
    for number, window in enumerate(windows):
        progress(number / len(windows), f"Writing '{array.name}'")
        values = array[window].values
        if not flags:
            _check(array, values, window)
        _chunks(folder / str(array.name), values, window, chunks)


def _new_array(group: Any, name: str, dims: Sequence[str], shape: tuple[int, ...], chunks: tuple[int, ...],
               attrs: Mapping[str, Any], flags: bool) -> None:
    group.create_array(
        name, shape=shape, dtype="bool" if flags else "float32", chunks=chunks, compressors=_codec(),
        fill_value=None if flags else np.nan,
        attributes={**attrs, "_ARRAY_DIMENSIONS": list(dims), "coordinates": "spatial_ref"})


def _codec() -> Any:
    return need("numcodecs").Blosc(cname="lz4", clevel=5, shuffle=1)


def _chunks(folder: Path, values: np.ndarray, window: tuple[slice, ...], chunks: tuple[int, ...]) -> None:
    """Write the chunks of a window; zarr itself would go on writing in the background after an error."""
    codec = _codec()
    flags = values.dtype.kind == "b"
    first = [part.start // size for part, size in zip(window, chunks)]
    for index in np.ndindex(*(-(-length // size) for length, size in zip(values.shape, chunks))):
        part = values[tuple(slice(i * size, (i + 1) * size) for i, size in zip(index, chunks))]
        if not flags and np.isnan(part).all():
            continue  # a chunk that is not there reads as missing
        whole = np.full(chunks, False if flags else np.nan, dtype="bool" if flags else "<f4")
        whole[tuple(slice(0, length) for length in part.shape)] = part
        name = ".".join(str(start + i) for start, i in zip(first, index))
        (folder / name).write_bytes(codec.encode(whole))


def _windows(shape: tuple[int, ...], chunks: tuple[int, ...], memory_gb: float) -> Iterator[tuple[slice, ...]]:
    """Yield windows of whole chunks that fit into memory; as wide as may be, since files often store whole rows."""
    room = memory_gb * 1e9 / BYTES_PER_VALUE / np.prod(chunks, dtype="float64")
    sides = list(chunks)
    for axis in range(len(shape) - 1, -1, -1):
        fitting = int(min(max(1.0, room), -(-shape[axis] // chunks[axis])))
        sides[axis] = fitting * chunks[axis]
        room /= fitting
    for index in np.ndindex(*(-(-size // side) for size, side in zip(shape, sides))):
        yield tuple(slice(i * side, min((i + 1) * side, size)) for i, side, size in zip(index, sides, shape))


def _check(array: xr.DataArray, values: np.ndarray, window: tuple[slice, ...]) -> None:
    """Check the range of a window; the message names the time step."""
    where = array.attrs.get("source") or "the drivers"
    if "time" not in array.dims:
        check_range(str(array.name), values, where)
        return
    for time, layer in zip(array["time"].values[window[0]], values):
        check_range(str(array.name), layer, f"{where}, {str(time)[:10]}")


def open_cube(path: str | os.PathLike[str]) -> xr.Dataset:
    """Open a driver cube that RECO wrote; nothing but coordinates is read.

    Raises
    ------
    SchemaError
        It is not there or no driver cube.
    """
    from ..drivers.files import open_drivers

    place = require(path, "driver cube")
    if not (place / ".zgroup").exists():
        raise SchemaError(f"'{path}' is no driver cube", "Give a folder written by read_drivers (Zarr)")
    return check_drivers(open_drivers(str(place)))
