"""Drivers in NetCDF files and Zarr stores with one-dimensional coordinates."""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Mapping

import numpy as np
import xarray as xr

from ..errors import GridError, SchemaError
from ..vocabulary import canonical_name
from .cf_crs import crs_of
from .dates import Axis, Stamp, axis_from_start, axis_of, decode_times
from .grid import Grid, affine_of, gdal_transform
from .layers import DIMS, Layer, given_name, north_up, plain_name, regular
from .raster_arrays import VariableReader, lazy_variable

_Y_NAMES = ("lat", "latitude", "y", "northing", "nav_lat", "yc", "rlat")
_X_NAMES = ("lon", "longitude", "long", "x", "easting", "nav_lon", "xc", "rlon")
_TIME_NAMES = ("time", "t", "date", "valid_time", "times")
_GDAL_NAME = re.compile(r'(?:NETCDF|ZARR|HDF5):"?(?P<file>[^"]+)"?:/{0,2}(?P<variable>.+)', re.IGNORECASE)


def is_netcdf(path: str) -> bool:
    """Return whether a path is read here: NetCDF, Zarr, or one variable of such in the words of GDAL."""
    if _GDAL_NAME.fullmatch(path):
        return True
    return Path(path).suffix.lower() in (".nc", ".nc4", ".cdf", ".netcdf") or is_zarr(path)


def is_zarr(path: str) -> bool:
    """Return whether a path is a Zarr store."""
    return any(os.path.exists(os.path.join(path, mark)) for mark in (".zgroup", "zarr.json"))


def open_dataset(path: str) -> xr.Dataset:
    """Open a NetCDF file or Zarr store lazily, packed values unpacked, times as numbers.

    Raises
    ------
    SchemaError
        It cannot be opened.
    """
    try:
        return xr.open_dataset(path, engine="zarr" if is_zarr(path) else "netcdf4", decode_times=False,
                               decode_timedelta=False, decode_coords=False, mask_and_scale=True, cache=False,
                               chunks=None)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise SchemaError(f"'{path}' is no NetCDF file or Zarr store that can be read: {error}",
                          "Give a NetCDF, Zarr or GeoTIFF file; a damaged file must be fetched again") from error


@dataclass(frozen=True)
class _Source:
    """A dataset with its axes found: names of dimensions ("" where there is none) and their coordinates."""

    path: str
    ds: xr.Dataset
    y: str
    x: str
    time: str
    axis: Axis | None


def dataset_layers(path: str, name: str | None = None, *, variables: Mapping[str, str],
                   start: str | None = None, time_step: str = "auto") -> list[Layer]:
    """Return the drivers in a NetCDF file or Zarr store.

    Parameters
    ----------
    path : str
        File or store; NETCDF:"file":variable takes one variable.
    name : str, optional
        RECO name, where the source has one variable.
    variables : mapping of names in the file to RECO names
    start, time_step : str
        First date where the file has none; what the user says the time step is, or auto.

    Raises
    ------
    SchemaError
        It cannot be read or has no gridded variable.
    GridError
        Its coordinates are not regular, or its dates no calendar.
    """
    match = _GDAL_NAME.fullmatch(path)
    file, only = (match["file"], match["variable"]) if match else (path, None)
    ds = open_dataset(file)
    if only is not None and only not in ds.data_vars:
        raise SchemaError(f"'{file}' has no variable '{only}'",
                          f"Its variables are {', '.join(str(v) for v in ds.data_vars)}")
    source = _axes(file, ds, start, time_step)
    layers = []
    for variable in ([only] if only else [str(v) for v in ds.data_vars]):
        layer = _layer(source, variable, variables)
        if layer is not None:
            layers.append(layer)
    if not layers:
        raise SchemaError(f"'{path}' has no numeric variable on its grid ({source.y}, {source.x})",
                          "Give a file with variables of dimensions (time, y, x) or (y, x)")
    if name is not None:
        if len(layers) > 1:
            raise SchemaError(f"'{path}' has {len(layers)} variables and one name ('{name}') is given",
                              f'Name one of them as NETCDF:"{file}":variable, or use the variable map')
        layers = [_renamed(layers[0], name)]
    return layers


def _renamed(layer: Layer, name: str) -> Layer:
    return replace(layer, name=plain_name(name, {}))


def _axes(path: str, ds: xr.Dataset, start: str | None, time_step: str) -> _Source:
    y = _find(ds, "Y", ("latitude", "projection_y_coordinate"), ("degrees_north", "degree_north"), _Y_NAMES)
    x = _find(ds, "X", ("longitude", "projection_x_coordinate"), ("degrees_east", "degree_east"), _X_NAMES)
    if not y or not x:
        dims = ", ".join(f"{dim} ({size})" for dim, size in ds.sizes.items())
        raise SchemaError(f"'{path}' has no regular grid: its dimensions are {dims}",
                          "Give a file whose variables have latitude and longitude (or y and x) as dimensions; "
                          "swath and station files must be gridded first")
    time = _find(ds, "T", ("time",), (), _TIME_NAMES)
    if not time:
        time = next((str(dim) for dim in ds.dims if dim in ds and " since " in str(ds[dim].attrs.get("units", ""))), "")
    axis = _time_axis(path, ds[time], start, time_step) if time else None
    return _Source(path, ds, y, x, time, axis)


def _find(ds: xr.Dataset, axis: str, standard: tuple[str, ...], units: tuple[str, ...], names: tuple[str, ...]) -> str:
    """Return the dimension of an axis by its coordinate's attributes, else by its name."""
    for dim in ds.dims:
        if dim in ds.variables and ds[dim].dims == (dim,):
            attrs = ds[dim].attrs
            if (attrs.get("axis") == axis or attrs.get("standard_name") in standard
                    or str(attrs.get("units", "")).lower() in units):
                return str(dim)
    known = [str(dim) for dim in ds.dims if str(dim).lower() in names]
    return next((dim for dim in known if dim in ds.variables), known[0] if known else "")


def _time_axis(path: str, time: xr.DataArray, start: str | None, time_step: str) -> Axis:
    units = str(time.attrs.get("units", ""))
    values = np.atleast_1d(time.values)
    if " since " in units:
        dates = decode_times(values, units, str(time.attrs.get("calendar", "")), f"'{path}'")
    elif values.dtype.kind == "M":
        dates = values.astype("datetime64[D]")
    elif start:
        return axis_from_start(start, values.size, time_step, f"'{path}'")
    else:
        raise GridError(f"'{path}': its time axis '{time.name}' has no dates (units '{units}')",
                        "Give its first date (start) and the time step")
    return axis_of([Stamp(date, "day") for date in dates], f"'{path}'", time_step)


def _layer(source: _Source, variable: str, variables: Mapping[str, str]) -> Layer | None:
    """Return a variable as a layer, or None (with a line in the log) if it is no driver."""
    array = source.ds[variable]
    where = f"'{source.path}' ({variable})"
    if array.dtype.kind not in "fiub" or not {source.y, source.x} <= set(array.dims):
        return None
    extra = [str(dim) for dim in array.dims if dim not in (source.y, source.x, source.time) and array.sizes[dim] > 1]
    mapped = given_name(variable, variables) or canonical_name(variable)
    months = (extra == ["month"] or (len(extra) == 1 and array.sizes[extra[0]] == 12 and "month" in extra[0].lower()))
    months = months and mapped is not None and source.time not in array.dims
    if extra and not months:
        logging.getLogger("reco").info("%s is left out: it has the dimension %s", where, ", ".join(extra))
        return None
    third = extra[0] if months else source.time if source.time in array.dims else ""
    reader = VariableReader(array.variable, (third, source.y, source.x), where)
    data = lazy_variable(DIMS, reader, dtype="bool" if array.dtype.kind == "b" else "float32")
    grid, problems = _grid(source, array, where)
    text = array.attrs
    layer = Layer(
        mapped or plain_name(variable, variables), where, data, grid, source.axis if third and not months else None,
        str(text.get("units", "") or ""), variable, str(text.get("long_name", "")),
        str(source.ds.attrs.get("history", "")) if "reco_kind" in source.ds.attrs else "", problems=problems)
    return layer if problems else north_up(layer)


def _grid(source: _Source, array: xr.DataArray, where: str) -> tuple[Grid, tuple[str, ...]]:
    """Return the grid of a variable and what is wrong with it."""
    ds = source.ds
    mapping = ds[array.attrs["grid_mapping"]].attrs if array.attrs.get("grid_mapping") in ds.variables else {}
    if not mapping:
        mapping = next((ds[name].attrs for name in ("spatial_ref", "crs") if name in ds.variables), {})
    known = gdal_transform(mapping.get("GeoTransform", ""))
    height, width = ds.sizes[source.y], ds.sizes[source.x]
    if source.y in ds.variables and source.x in ds.variables:
        y, x = (np.asarray(ds[dim].values, dtype="float64") for dim in (source.y, source.x))
        regular(y, source.y, where)
        regular(x, source.x, where)
        transform = affine_of(x, y, known)
    elif known is not None:
        transform = known
    else:
        raise GridError(f"{where}: '{source.y}' and '{source.x}' have no coordinates",
                        "Give a file with coordinate variables or a GeoTransform")
    called = source.y.lower().startswith("lat") or str(ds.get(source.y, xr.DataArray(0)).attrs.get("units", "")) in (
        "degrees_north", "degree_north")
    crs = crs_of(mapping, ds.attrs, called)
    problems = () if crs else (f"{where}: it has no CRS",)
    return Grid(crs, transform, height, width), problems
