"""GeoTIFF and NetCDF exports of satellite products (AppEEARS, Earth Engine, MODIStsp and the like) as scenes."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import numpy as np
import xarray as xr
from rasterio.errors import RasterioError
from rasterio.windows import Window

from ...errors import GridError, SchemaError
from ..dates import decode_times, read_stamp
from ..describe.rasters import describe
from ..drivers.layers import DIMS, Layer, north_up
from ..rasters.arrays import opened
from ..rasters.grid import Grid
from ..rasters.netcdf import dimensions, grid_of, open_dataset
from .names import FileName, read_name
from .products import plain
from .scene import Scene, Stored, on_tiles

_STAMP = re.compile(r"(?<!\d)\d{4}[-_]\d{2}[-_]\d{2}(?!\d)")
_FETCH = "The file is damaged or was not fully downloaded: fetch it again"


@dataclass(frozen=True)
class RasterPixels:
    """Windows of one band of a raster as they are stored."""

    path: str
    band: int
    label: str = field(compare=False)

    def read(self, rows: slice, columns: slice) -> np.ndarray:
        """Return a window (rows, columns).

        Raises
        ------
        SchemaError
            The file is damaged.
        """
        window = Window(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        try:
            return np.asarray(opened(self.path).read(self.band, window=window))
        except RasterioError as error:
            raise SchemaError(f"'{self.label}' cannot be read: {error}", _FETCH) from error


def raster_scenes(path: str | Path, label: str) -> list[Scene]:
    """Return the layers of a raster by date; no pixel is read.

    Bands are named by their description (a date in front of it or behind it is theirs), else by
    the file.

    Raises
    ------
    SchemaError
        It is no raster.
    GridError
        It has no usable georeference.
    """
    name = read_name(Path(label).name)
    file = describe(str(path))
    if file.problem:
        raise GridError(f"'{label}': {file.problem}", "Export it again with its coordinate reference system")
    source = opened(str(path))
    by_date: dict[Optional[np.datetime64], dict[str, Stored]] = defaultdict(dict)
    for band in range(1, file.count + 1):
        text, date = _band_name(file.descriptions[band - 1], name)
        tags = {**source.tags(), **source.tags(band)}
        scale, offset = source.scales[band - 1], source.offsets[band - 1]
        stated = scale != 1 or offset != 0
        nodata = source.nodatavals[band - 1]
        by_date[date][text] = Stored(
            text, f"'{label}'" + (f" band {band}" if file.count > 1 else ""), np.dtype(source.dtypes[band - 1]),
            RasterPixels(str(path), band, label),
            float(scale) if stated else _number(tags, "scale_factor", "scale"),
            float(offset) if stated else _number(tags, "add_offset", "offset"),
            () if nodata is None or np.isnan(nodata) else (float(nodata),), _range(tags), file.units[band - 1])
    grid = on_tiles(file.grid)
    return [Scene(label, name.product, date, grid, layers, name.area) for date, layers in by_date.items()]


def _band_name(description: str, name: FileName) -> tuple[str, Optional[np.datetime64]]:
    """Return the layer and date of a band."""
    text = description.strip()
    match = _STAMP.search(text)
    if match:
        stamp = read_stamp(match[0].replace("_", "-"))
        return plain(text[:match.start()] + "_" + text[match.end():]) or name.layer, stamp.date if stamp else name.date
    if not text or re.fullmatch(r"(?:band|layer|b)?[ _]?\d+", text, re.IGNORECASE):
        return name.layer, name.date
    return plain(text), name.date


def _number(tags: Mapping[str, Any], *keys: str) -> Optional[float]:
    for key in keys:
        try:
            return float(np.ravel(tags[key])[0])
        except (KeyError, ValueError, IndexError):
            continue
    return None


def _range(attrs: Mapping[str, Any]) -> Optional[tuple[float, float]]:
    whole = attrs.get("valid_range")
    parts = whole.strip("[](){} ").replace(",", " ").split() if isinstance(whole, str) else np.ravel(
        whole if whole is not None else [attrs.get("valid_min"), attrs.get("valid_max")]).tolist()
    try:
        low, high = (float(part) for part in parts)
    except (TypeError, ValueError):
        return None
    return low, high


@dataclass(frozen=True)
class NetcdfPixels:
    """Windows of one time step of a variable (time, y, x) or (y, x) as they are stored."""

    data: xr.Variable = field(compare=False, repr=False)
    step: int
    label: str

    def read(self, rows: slice, columns: slice) -> np.ndarray:
        """Return a window (rows, columns).

        Raises
        ------
        SchemaError
            The file is damaged.
        """
        window = {"y": rows, "x": columns, **({"time": self.step} if "time" in self.data.dims else {})}
        try:
            return np.asarray(self.data[window].values)
        except (OSError, RuntimeError) as error:
            raise SchemaError(f"'{self.label}' cannot be read: {error}", _FETCH) from error


def netcdf_scenes(path: str | Path, label: str) -> list[Scene]:
    """Return the layers of a NetCDF file by date; no pixel is read.

    Raises
    ------
    SchemaError
        It is no NetCDF file, or has no regular grid.
    GridError
        Its dates cannot be read, or it has no coordinate reference system.
    """
    name = read_name(Path(label).name)
    ds = open_dataset(str(path), unpack=False)
    y, x, time = dimensions(label, ds)
    dates: Sequence[Optional[np.datetime64]] = [name.date]
    if time:
        attrs = ds[time].attrs
        dates = list(decode_times(np.atleast_1d(ds[time].values), str(attrs.get("units", "")),
                                  str(attrs.get("calendar", "")), f"'{label}'"))
    found: list[dict[str, Stored]] = [{} for _ in dates]
    grid: Optional[Grid] = None
    for text in map(str, ds.data_vars):
        array = ds[text]
        if array.dtype.kind not in "iuf" or not {y, x} <= set(array.dims) or set(array.dims) - {y, x, time}:
            continue
        layer = _oriented(ds, array, (time, y, x), f"'{label}' ({text})")
        grid = grid or on_tiles(layer.grid)
        for step, layers in enumerate(found):
            layers[plain(text)] = _stored(array, layer, step, text, label)
    if grid is None:
        raise SchemaError(f"'{label}' has no variable on its grid ({y}, {x})", "Give an export with gridded layers")
    product = name.product or read_name(str(ds.attrs.get("title", ""))).product
    return [Scene(label, product, date, grid, layers, name.area) for date, layers in zip(dates, found)]


def _oriented(ds: xr.Dataset, array: xr.DataArray, dims: tuple[str, str, str], where: str) -> Layer:
    """Return a variable as a layer whose rows run from north to south, still packed."""
    grid, problems = grid_of(ds, dims[1], dims[2], array, where)
    if problems:
        raise GridError("; ".join(problems), "Export it again with its coordinate reference system")
    still = dims[0] not in array.dims
    data = array.variable.transpose(*dims[still:])._replace(dims=DIMS[still:])
    return north_up(Layer("", where, data, grid))


def _stored(array: xr.DataArray, layer: Layer, step: int, text: str, label: str) -> Stored:
    attrs = array.attrs
    dtype, data = array.dtype, layer.data
    if str(attrs.get("_Unsigned", "")).lower() == "true" and dtype.kind == "i":
        dtype = np.dtype(f"u{dtype.itemsize}")
    fills = tuple(float(value) for key in ("_FillValue", "missing_value") if key in attrs
                  for value in np.ravel(attrs[key]).astype(array.dtype).view(dtype))
    pixels = NetcdfPixels(data, step, label)
    return Stored(text, f"'{label}' ({text})", dtype, pixels, _number(attrs, "scale_factor"),
                  _number(attrs, "add_offset"), tuple(value for value in fills if np.isfinite(value)), _range(attrs),
                  str(attrs.get("units", "")))
