"""Drivers in NetCDF files and Zarr stores with one-dimensional coordinates."""

from __future__ import annotations

import logging
import os
import re
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Mapping

import numpy as np
import xarray as xr

from ...errors import GridError, SchemaError
from ...vocabulary import canonical_name
from ...vocabulary.calendar import TIME_STEPS, step_start
from ..dates import Axis, Stamp, axis_from_start, axis_of, decode_times
from ..drivers.layers import DIMS, Layer, given_name, north_up, plain_name, regular
from ..drivers.product_layers import Stored, not_of_product, of_product
from ..drivers.product_values import FirstOf
from ..drivers.products import Product, recognise
from .arrays import Reader, VariableReader, lazy_variable
from .cf_crs import crs_of
from .grid import Grid, affine_of, gdal_transform, parse_crs
from .netcdf3 import require_whole

_Y_NAMES = ("lat", "latitude", "y", "northing", "nav_lat", "yc", "rlat", "ydim")
_X_NAMES = ("lon", "longitude", "long", "x", "easting", "nav_lon", "xc", "rlon", "xdim")
_PLACES = ("lat", "latitude", "nav_lat", "xlat", "lon", "longitude", "nav_lon", "xlong")
EXPERIMENTS = "expver"
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


def open_dataset(path: str, *, unpack: bool = True) -> xr.Dataset:
    """Open a NetCDF file or Zarr store lazily, packed values unpacked (if asked for), times as numbers.

    Raises
    ------
    SchemaError
        It cannot be opened, is cut off, or says that NaN is missing among integers.
    """
    require_whole(path)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", ".*non-conforming.*", xr.SerializationWarning)
            return _open(path, unpack)
    except xr.SerializationWarning as error:
        named = re.search(r"variable '([^']+)'", str(error))
        raise SchemaError(f"'{path}' ({named[1] if named else 'a variable'}) stores integers and says that NaN is "
                          "missing, which integers cannot hold", "State the integer that is missing in its attribute "
                          "_FillValue, for example with ncatted or xarray") from error
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise SchemaError(f"'{path}' is no NetCDF file or Zarr store that can be read: {error}",
                          "Give a NetCDF, Zarr or GeoTIFF file; a damaged file must be fetched again") from error


def _open(path: str, unpack: bool) -> xr.Dataset:
    return xr.open_dataset(path, engine="zarr" if is_zarr(path) else "netcdf4", decode_times=False,
                           decode_timedelta=False, decode_coords=False, mask_and_scale=unpack, cache=False, chunks=None)


@dataclass(frozen=True)
class _Source:
    """A dataset with its axes found: names of dimensions ("" where there is none) and their coordinates."""

    path: str
    ds: xr.Dataset
    y: str
    x: str
    time: str
    axis: Axis | None
    product: Product | None
    asked: bool
    crs: str


def dataset_layers(path: str, name: str | None = None, *, variables: Mapping[str, str], start: str | None = None,
                   time_step: str = "auto", product: str = "auto", crs: str = "") -> list[Layer]:
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
    product : str
        A name in `PRODUCTS`, auto or none.
    crs : str
        Coordinate reference system where the file states none.

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
    source = _axes(file, ds, start, time_step, product, crs)
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


def _axes(path: str, ds: xr.Dataset, start: str | None, time_step: str, product: str, crs: str) -> _Source:
    y, x, time = dimensions(path, ds)
    own = str(ds.attrs.get("time_step", "")) if ds.attrs.get("reco_kind") == "drivers" else ""
    axis = _time_axis(path, ds[time], start, time_step, own) if time else None
    known = None if "reco_kind" in ds.attrs else recognise(
        product, Path(path).stem, attrs=ds.attrs, names=[str(name) for name in ds.data_vars],
        cell=float(abs(ds[x].values[1] - ds[x].values[0])) if x in ds.variables and ds.sizes[x] > 1 else 0.0)
    return _Source(path, ds, y, x, time, axis, known, product != "auto", crs or (known.crs if known else ""))


def dimensions(path: str, ds: xr.Dataset) -> tuple[str, str, str]:
    """Return the dimensions of rows, columns and time; the last is empty where there is none.

    Raises
    ------
    SchemaError
        There is no regular grid.
    """
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
    return y, x, time


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


def _time_axis(path: str, time: xr.DataArray, start: str | None, time_step: str, own: str) -> Axis:
    """Return the time axis; `own` is the time step that a cube of RECO states, with gaps or one date alone."""
    units = str(time.attrs.get("units", ""))
    values = np.atleast_1d(time.values)
    if " since " in units:
        dates = decode_times(values, units, str(time.attrs.get("calendar", "")), f"'{path}'")
        if (np.diff(dates).astype(int) == 0).sum() > dates.size // 2:
            raise GridError(f"'{path}': its time steps are shorter than a day ({dates[0]} comes several times)",
                            "Make daily means first, and daily sums of amounts, for example with cdo daymean or daysum")
    elif values.dtype.kind == "M":
        dates = values.astype("datetime64[D]")
    elif start:
        return axis_from_start(start, values.size, time_step, f"'{path}'")
    else:
        raise GridError(f"'{path}': its time axis '{time.name}' has no dates (units '{units}')",
                        "Give its first date (start) and the time step")
    if own in TIME_STEPS and time_step in ("auto", own) and (np.diff(dates).astype(int) > 0).all():
        return Axis(step_start(dates, own), own)
    return axis_of([Stamp(date, "day") for date in dates], f"'{path}'", time_step)


def _layer(source: _Source, variable: str, variables: Mapping[str, str]) -> Layer | None:
    """Return a variable as a layer, or None (with a line in the log) if it is no driver."""
    array = source.ds[variable]
    where = f"'{source.path}' ({variable})"
    if array.dtype.kind not in "fiub" or not {source.y, source.x} <= set(array.dims) or _is_coordinate(array):
        return None
    if source.product and variable.lower() in source.product.left_out:
        return None
    found = source.product.find(variable, Path(source.path).stem) if source.product else None
    mapped = given_name(variable, variables) or (found[1] if found else canonical_name(variable))
    extra = [str(dim) for dim in array.dims if dim not in (source.y, source.x, source.time) and array.sizes[dim] > 1]
    months = (extra == ["month"] or (len(extra) == 1 and array.sizes[extra[0]] == 12 and "month" in extra[0].lower()))
    months = months and mapped is not None and source.time not in array.dims
    if extra and not months and extra != [EXPERIMENTS]:
        logging.getLogger("reco").info("%s is left out: it has the dimension %s", where, ", ".join(extra))
        return None
    third = extra[0] if months else source.time if source.time in array.dims else ""
    dims = (third, source.y, source.x)
    reader: Reader = VariableReader(array.variable, dims, where)
    if extra == [EXPERIMENTS]:  # final and preliminary values of ERA5, each missing where the other is
        reader = FirstOf([VariableReader(array.variable[{EXPERIMENTS: i}], dims, where)
                          for i in range(array.sizes[EXPERIMENTS])])
    data = lazy_variable(DIMS, reader, dtype="bool" if array.dtype.kind == "b" else "float32")
    grid, problems = grid_of(source.ds, source.y, source.x, array, where, source.crs)
    text = array.attrs
    layer = Layer(
        mapped or plain_name(variable, variables), where, data, grid, source.axis if third and not months else None,
        str(text.get("units", "") or ""), variable, str(text.get("long_name", "")),
        str(source.ds.attrs.get("history", "")) if "reco_kind" in source.ds.attrs else "", problems=problems)
    if source.product and found:
        stored = np.dtype(array.encoding.get("dtype", array.dtype)).kind in "iu"
        layer = of_product(layer, source.product, found[0],
                           Stored(stored, "scale_factor" in array.encoding, source.asked, netcdf=True))
    elif source.product and source.asked:
        layer = not_of_product(layer, source.product)
    return layer if problems else north_up(layer)


def _is_coordinate(array: xr.DataArray) -> bool:
    """Return whether a variable holds the places of cells, as in grids that are not even in longitude and latitude."""
    unit = str(array.attrs.get("units", "")).lower()
    return str(array.name).lower() in _PLACES or unit.startswith(("degrees_n", "degrees_e", "degree_n", "degree_e"))


def grid_of(ds: xr.Dataset, y_name: str, x_name: str, array: xr.DataArray, where: str,
            stated: str = "") -> tuple[Grid, tuple[str, ...]]:
    """Return the grid of a variable of dimensions `y_name` and `x_name`, and what is wrong with it.

    `stated` is the coordinate reference system of files that state none.
    """
    mapping = ds[array.attrs["grid_mapping"]].attrs if array.attrs.get("grid_mapping") in ds.variables else {}
    if not mapping:
        mapping = next((ds[name].attrs for name in ("spatial_ref", "crs") if name in ds.variables), {})
    known = gdal_transform(mapping.get("GeoTransform", ""))
    height, width = ds.sizes[y_name], ds.sizes[x_name]
    if y_name in ds.variables and x_name in ds.variables:
        y, x = (np.asarray(ds[dim].values, dtype="float64") for dim in (y_name, x_name))
        regular(y, y_name, where)
        regular(x, x_name, where)
        transform = affine_of(x, y, known)
    elif known is not None:
        transform = known
    else:
        places = [str(name) for name, part in ds.variables.items() if str(name).lower() in _PLACES and part.ndim == 2]
        if places:
            raise GridError(f"{where}: its grid is curvilinear, each cell has its own {' and '.join(places)}",
                            "Bring it onto a regular grid first, for example with cdo remapbil or gdalwarp -geoloc")
        raise GridError(f"{where}: '{y_name}' and '{x_name}' have no coordinates",
                        "Give a file with coordinate variables or a GeoTransform")
    called = y_name.lower().startswith("lat") or str(ds.get(y_name, xr.DataArray(0)).attrs.get("units", "")) in (
        "degrees_north", "degree_north")
    crs = crs_of(mapping, ds.attrs, called) or (str(parse_crs(stated).to_wkt()) if stated else "")
    problems = () if crs else (f"{where}: it has no CRS",)
    return Grid(crs, transform, height, width), problems
