"""MODIS granules in HDF4 (HDF-EOS grids): what is in them, and windows of their layers.

References
----------
HDF-EOS Library User's Guide, volume 1; HDF4 file format specification (data descriptor blocks).
"""

from __future__ import annotations

import os
import re
import struct
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping, Optional

import numpy as np

from ...deps import need
from ...errors import GridError, SchemaError
from ..dates import read_stamp
from ..rasters.grid import Grid, parse_crs
from .names import read_name
from .products import plain, product_of
from .scene import RADIUS, Scene, Stored, on_tiles

MAGIC = b"\x0e\x03\x13\x01"
OPEN_FILES = 16
MOST_BLOCKS = 100_000
_NULL, _END = 1, 0
_FETCH = "The file is damaged or was not fully downloaded: fetch it again"
_lock = threading.RLock()  # the HDF4 library knows no threads
_handles: OrderedDict[tuple[Any, ...], Any] = OrderedDict()


@dataclass(frozen=True)
class EosGrid:
    """A grid of an HDF-EOS file: where it lies and the layers on it."""

    name: str
    grid: Grid
    fields: tuple[str, ...]


def hdf4_scenes(path: str | Path, label: str) -> list[Scene]:
    """Return the grids of a granule with their layers; no pixel is read.

    Parameters
    ----------
    path : path
    label : str
        What messages call the file.

    Raises
    ------
    SchemaError
        The file is empty, cut off, no HDF4, or has no HDF-EOS grid.
    GridError
        Its projection is neither sinusoidal nor longitude and latitude.
    """
    _check_whole(str(path), label)
    with _lock:
        file = _opened(str(path), label)
        try:
            attrs = dict(file.attributes())
            datasets = {name: tuple(info[1]) for name, info in file.datasets().items()}
            stated = {name: _stated(file, name) for name in datasets}
        except _hdf4_error() as error:
            raise _damaged(label, error) from error
    grids = eos_grids("".join(str(attrs[key]) for key in sorted(attrs) if key.startswith("StructMetadata")), label)
    core = "".join(str(attrs[key]) for key in sorted(attrs) if "CoreMetadata" in key)
    product, date = _identity(core, label)
    scenes = []
    for found in grids:
        layers = {}
        for name in found.fields:
            if datasets.get(name) != (found.grid.height, found.grid.width):
                continue  # tables and layers with a third dimension
            dtype, given = stated[name]
            layers[plain(name)] = Stored(name, f"'{label}' ({name})", dtype, Layer4(str(path), name, label), **given)
        scenes.append(Scene(label, product, date, found.grid, layers))
    return scenes


def eos_grids(text: str, label: str) -> list[EosGrid]:
    """Return the grids that StructMetadata describes.

    Raises
    ------
    SchemaError
        There is none.
    GridError
        A projection or origin is not supported.
    """
    found = []
    for match in re.finditer(r"GROUP=(GRID_\d+)\s(.*?)END_GROUP=\1\s", text, re.DOTALL):
        block = match[2]
        keys = dict(re.findall(r"^\s*(\w+)=(.*?)\s*$", block, re.MULTILINE))
        fields = tuple(re.findall(r'DataFieldName="([^"]*)"', block))
        found.append(EosGrid(keys.get("GridName", "").strip('"'), _grid(keys, label), fields))
    if not found:
        raise SchemaError(f"'{label}' is HDF4 without an HDF-EOS grid (StructMetadata): it is no gridded MODIS product",
                          "Give gridded granules (level 3 or 4); swaths (level 2) must be gridded first")
    return found


def _grid(keys: Mapping[str, str], label: str) -> Grid:
    try:
        width, height = int(keys["XDim"]), int(keys["YDim"])
        left, top = _pair(keys["UpperLeftPointMtrs"])
        right, bottom = _pair(keys["LowerRightMtrs"])
        parameters = _numbers(keys.get("ProjParams", "()"))
    except (KeyError, ValueError) as error:
        raise SchemaError(f"'{label}': its grid description lacks or garbles {error}", _FETCH) from error
    projection = keys.get("Projection", "")
    if keys.get("GridOrigin", "HDFE_GD_UL") != "HDFE_GD_UL" or width < 1 or height < 1:
        raise GridError(f"'{label}': a grid of {height} x {width} cells with origin {keys.get('GridOrigin')} "
                        "is not supported", "Convert the file with gdal_translate")
    if projection == "GCTP_GEO":
        left, top, right, bottom = (_degrees(value) for value in (left, top, right, bottom))
        crs = str(parse_crs("EPSG:4326").to_wkt())
    elif projection == "GCTP_SNSOID":
        radius = parameters[0] if parameters and parameters[0] > 0 else RADIUS
        centre = _degrees(parameters[4]) if len(parameters) > 4 else 0.0
        crs = str(parse_crs(f"+proj=sinu +lon_0={centre:g} +x_0=0 +y_0=0 +R={radius!r} +units=m +no_defs").to_wkt())
    else:
        raise GridError(f"'{label}': its projection {projection or 'is not stated and'} is not supported",
                        "Give sinusoidal tiles or global grids of longitude and latitude, or convert the file")
    transform = ((right - left) / width, 0.0, left, 0.0, (bottom - top) / height, top)
    if transform[0] <= 0 or transform[4] >= 0:
        raise GridError(f"'{label}': its corners ({left:g} {top:g}, {right:g} {bottom:g}) are no north-up grid", _FETCH)
    return on_tiles(Grid(crs, transform, height, width))


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.strip("() ").split(",") if part.strip()]


def _pair(text: str) -> tuple[float, float]:
    one, other = _numbers(text)
    return one, other


def _degrees(value: float) -> float:
    """Return an angle packed as DDDMMMSSS.SS in degrees; some files write degrees plainly."""
    if abs(value) <= 360:
        return value
    size = abs(value)
    degrees, rest = divmod(size, 1e6)
    minutes, seconds = divmod(rest, 1e3)
    return float(np.sign(value)) * (degrees + minutes / 60 + seconds / 3600)


def _identity(core: str, label: str) -> tuple[str, Optional[np.datetime64]]:
    """Return product and date: as the metadata says, else as the file is named."""
    granule, file = read_name(_value(core, "LOCALGRANULEID")), read_name(Path(label).name)
    stated = _value(core, "SHORTNAME")
    product = stated if product_of(stated) else file.product or granule.product or stated
    begin = read_stamp(_value(core, "RANGEBEGINNINGDATE"))
    date = next((date for date in (granule.date, file.date) if date is not None), begin.date if begin else None)
    return product, date


def _value(core: str, name: str) -> str:
    match = re.search(rf"OBJECT\s*=\s*{name}\s.*?VALUE\s*=\s*\"?([^\"\n]+)\"?", core, re.DOTALL)
    return match[1].strip() if match else ""


def _stated(file: Any, name: str) -> tuple[np.dtype, dict[str, Any]]:
    """Return the type of a layer and what it states of its packing."""
    sds = file.select(name)
    try:
        attrs, kind = sds.attributes(), sds.info()[3]
    finally:
        sds.endaccess()
    given: dict[str, Any] = {"unit": str(attrs.get("units", ""))}
    for key, target in (("scale_factor", "scale"), ("add_offset", "offset")):
        if key in attrs:
            given[target] = float(np.ravel(attrs[key])[0])
    if "_FillValue" in attrs:
        given["fills"] = tuple(float(value) for value in np.ravel(attrs["_FillValue"]))
    valid = np.ravel(attrs.get("valid_range", ()))
    if len(valid) == 2 and valid.dtype.kind in "iuf":
        given["valid"] = (float(valid[0]), float(valid[1]))
    return _dtype(kind), given


def _dtype(kind: int) -> np.dtype:
    sdc = need("pyhdf.SD", extra="modis").SDC
    types = {sdc.INT8: "int8", sdc.UINT8: "uint8", sdc.CHAR: "int8", sdc.UCHAR: "uint8", sdc.INT16: "int16",
             sdc.UINT16: "uint16", sdc.INT32: "int32", sdc.UINT32: "uint32", sdc.FLOAT32: "float32",
             sdc.FLOAT64: "float64"}
    return np.dtype(types.get(kind, "float64"))


@dataclass(frozen=True)
class Layer4:
    """Windows of one layer of an HDF4 file."""

    path: str
    name: str
    label: str = field(compare=False)

    def read(self, rows: slice, columns: slice) -> np.ndarray:
        """Return a window (rows, columns) as it is stored.

        Raises
        ------
        SchemaError
            The file is damaged.
        """
        with _lock:
            try:
                sds = _opened(self.path, self.label).select(self.name)
                try:
                    return np.asarray(sds.get((rows.start, columns.start),
                                              (rows.stop - rows.start, columns.stop - columns.start)))
                finally:
                    sds.endaccess()
            except (_hdf4_error(), ValueError) as error:
                raise _damaged(f"{self.label}' ('{self.name}", error) from error


def _opened(path: str, label: str) -> Any:
    """Return an open file; a few are kept, and a changed file is opened anew. Call it with the lock held."""
    try:
        state = Path(path).stat()
    except OSError as error:
        raise _damaged(label, error) from error
    key = (os.getpid(), path, state.st_mtime_ns, state.st_size)
    if key in _handles:
        _handles.move_to_end(key)
        return _handles[key]
    module = need("pyhdf.SD", extra="modis")
    try:
        _handles[key] = module.SD(path, module.SDC.READ)
    except _hdf4_error() as error:
        raise _damaged(label, error) from error
    while len(_handles) > OPEN_FILES:
        _handles.popitem(last=False)[1].end()
    return _handles[key]


def close_all() -> None:
    """Close the files that are kept open, so that they can be removed."""
    with _lock:
        while _handles:
            key, file = _handles.popitem()
            if key[0] == os.getpid():
                file.end()


def _hdf4_error() -> type[Exception]:
    error: type[Exception] = need("pyhdf.error", extra="modis").HDF4Error
    return error


def _damaged(label: str, error: Exception) -> SchemaError:
    return SchemaError(f"'{label}' cannot be read: {error}", _FETCH)


def _check_whole(path: str, label: str) -> None:
    """Refuse a file that is no HDF4 or shorter than its own table of contents says."""
    size = os.path.getsize(path)
    if size == 0:
        raise SchemaError(f"'{label}' is empty (0 bytes)", "Download it again")
    with open(path, "rb") as file:
        head = file.read(4)
        if head != MAGIC:
            kind = "HDF5 or NetCDF4" if head == b"\x89HDF" else "a web page" if head.lstrip()[:1] == b"<" else "no HDF4"
            raise SchemaError(f"'{label}' is {kind}, not an HDF4 granule",
                              "Give the granule as downloaded (.hdf); a web page means that the login failed")
        end = _end(file)
    if end > size:
        raise SchemaError(f"'{label}' is cut off: it has {size} bytes and its contents reach to {end}", _FETCH)


def _end(file: Any) -> int:
    """Return where the last piece of data of an HDF4 file ends."""
    at, end = 4, 0
    seen: set[int] = set()
    while at > 0 and at not in seen and len(seen) < MOST_BLOCKS:
        seen.add(at)
        file.seek(at)
        head = file.read(6)
        if len(head) < 6:
            return at + 6
        count, following = struct.unpack(">hi", head)
        block = file.read(12 * count) if count > 0 else b""
        if len(block) < 12 * max(count, 0):
            return at + 6 + 12 * count
        for tag, _, offset, length in struct.iter_unpack(">HHii", block):
            if tag not in (_NULL, _END) and offset >= 0 and length > 0:
                end = max(end, offset + length)
        at = following
    return end
