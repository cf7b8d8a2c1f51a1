"""Gridded drivers from files of any kind, as one lazy dataset on one grid and calendar."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Any, Mapping, Sequence

import xarray as xr

from ...errors import ConfigError, GridError, SchemaError
from ...vocabulary import canonical_name, variable
from ...vocabulary.calendar import parse_period
from ..dates import Axis
from ..files import require as require_path
from ..rasters.grid import Grid, spatial_ref
from ..rasters.netcdf import dataset_layers, is_netcdf, is_zarr
from ..rasters.regions import crop
from ..rasters.stacks import raster_layers
from ..unpacked import has_any, inner_name, is_packed, unpacked
from .contract import Mismatches, calendar_notes, on_one_calendar, on_one_grid, raise_first, repeat_months
from .layers import Layer, settled, short
from .mosaic import joined_in_time
from .units import in_canonical_units
from .values import check_range

__all__ = ["check_range", "open_drivers"]

INSIDE = "inside"
ALWAYS_KEPT = ("igbp", INSIDE)
RASTERS = (".tif", ".tiff", ".img", ".asc", ".vrt", ".bil", ".flt", ".hgt", ".grd")
NETCDF = (".nc", ".nc4")
_GDAL_PREFIX = re.compile(r"[A-Za-z0-9_]{2,}:")


def open_drivers(drivers: str | Path | Sequence[str | Path] | None = None, layers: Sequence[str | Path] = (),
                 layer_names: Sequence[str] = (), *, variables: Mapping[str, str] | None = None,
                 units: Mapping[str, str] | None = None, start: str | None = None, time_step: str = "auto",
                 align: str = "none", period: str | None = None, region: str | None = None,
                 require: Sequence[str] | None = None, product: str = "auto", crs: str | None = None) -> xr.Dataset:
    """Open gridded drivers; nothing but coordinates and metadata is read.

    Parameters
    ----------
    drivers : path or several
        Zarr cube, NetCDF, raster with bands, or folder of these; several may stand in one text,
        separated by commas.
    layers : sequence of path
        Rasters, one per driver, or dated files of a series.
    layer_names : sequence of str
        Names of `layers`; empty to take them from the files.
    variables : mapping of name in a file to RECO name
    units : mapping of name to unit
        For files that do not state it, or state it wrongly.
    start, time_step : str
        First date, and length of the time steps where dates do not tell it.
    align : {"none", "auto", "nearest", "bilinear", "average"}
        How to resample what lies on another grid than the first source; classes always take the
        nearest cell, and auto averages finer cells and interpolates coarser ones.
    period : str, optional
        FIRST/LAST.
    region : str, optional
        See `parse_region`; crops the grid and adds `inside` (y, x).
    require : sequence of str, optional
        Drivers needed; others are then left out, except `igbp`.
    product : str
        Where the files come from, see `products.PRODUCTS`; auto recognises it, none takes the files
        at their word.
    crs : str, optional
        Coordinate reference system of files that state none.

    Returns
    -------
    xarray.Dataset of kind drivers
        In canonical names and units; attrs `notes` says what was assumed.

    Raises
    ------
    GridError
        Grids, calendars or units differ; the message names every file and how it differs.
    SchemaError
        A file cannot be read, or a driver is missing.
    """
    found = Mismatches()
    given = _gather(drivers, layers, layer_names, variables=dict(variables or {}), start=start, time_step=time_step,
                    product=product, crs=crs or "")
    mask = next((layer for layer in given if layer.name == INSIDE), None)
    chosen = _choose([layer for layer in given if layer.name != INSIDE], require)
    gridded = on_one_grid(chosen if mask is None else [*chosen, mask], align, found)
    chosen_period = parse_period(period)
    dated, axis = on_one_calendar(gridded, chosen_period, time_step, found)
    complete, left = repeat_months(dated, axis)
    for name in left:
        logging.getLogger("reco").warning("'%s' is left out: twelve months need drivers with dates", name)
        if require and name in _canonical(require):
            raise GridError(f"'{name}' is a climatology and no driver carries monthly dates",
                            "Give another driver with dates, or the driver itself with dates")
    converted, errors = in_canonical_units(complete, dict(units or {}))
    raise_first(found, errors)
    ds = joined(converted, axis, calendar_notes(axis, chosen_period) if axis else [])
    return crop(ds, region) if region else ds


def _gather(drivers: str | Path | Sequence[str | Path] | None, layers: Sequence[str | Path],
            layer_names: Sequence[str], *, variables: Mapping[str, str], start: str | None,
            time_step: str, product: str, crs: str) -> list[Layer]:
    """Return the layers of all sources, in their order."""
    names = [name.strip() for name in layer_names]
    if names and len(names) != len(layers):
        raise ConfigError(f"{len(layers)} layers and {len(names)} names are given",
                          "Give one name for each layer, or none")
    sources: list[tuple[str, str | None]] = [(path, None) for path in _paths(drivers)]
    sources += [(str(path), name or None) for path, name in zip(layers, names or [""] * len(layers))]
    tables = [path for path, _ in sources if path.lower().endswith(".csv")]
    sources = [source for source in sources if source[0] not in tables]
    if not sources:
        raise ConfigError("No drivers are given", "Give drivers (a cube, file or folder) or layers")
    how: dict[str, Any] = {"variables": variables, "start": start, "time_step": time_step, "product": product,
                           "crs": crs}
    found: list[Layer] = []
    rasters: list[tuple[str, str | None]] = []
    for path, name in sources:
        for file in _files(path):
            if is_netcdf(file):
                found += dataset_layers(file, name, **how)
            else:
                rasters.append((file, name))
    stacked = raster_layers(rasters, tables=tables, **how)
    rasters_first = rasters and _files(sources[0][0])[0] == rasters[0][0]  # the first source decides the grid
    return [settled(layer) for layer in joined_in_time(stacked + found if rasters_first else found + stacked,
                                                       time_step)]


def _paths(drivers: str | Path | Sequence[str | Path] | None) -> list[str]:
    if drivers is None or drivers == "":
        return []
    if isinstance(drivers, Path) or (isinstance(drivers, str) and os.path.exists(drivers)):
        return [str(drivers)]
    if isinstance(drivers, str):
        return [part.strip() for part in drivers.split(",") if part.strip()]
    return [str(path) for path in drivers]


def _files(path: str) -> list[str]:
    """Return the files that a path stands for: itself, or those in a folder, by name."""
    if _GDAL_PREFIX.match(path) and not os.path.exists(path):
        return [path]
    place = require_path(path, "file or folder of drivers")
    if is_packed(path):
        return unpacked(path, (*RASTERS, *NETCDF))
    if not place.is_dir() or is_zarr(path):
        return [path]
    files = sorted(str(file) for file in place.rglob("*") if file.is_file() and _is_drivers(file, place))
    cubes = sorted(str(file.parent) for file in place.glob("*/.zgroup") if not file.parent.name.startswith("."))
    if not files + cubes:
        raise SchemaError(f"The folder '{path}' has no GeoTIFF, NetCDF or Zarr file",
                          "Give a folder of dated rasters such as ta_2001-01.tif, or a file")
    return [file for found in files for file in (unpacked(found, (*RASTERS, *NETCDF)) if is_packed(found) else [found])
            ] + cubes


def _is_drivers(file: Path, folder: Path) -> bool:
    """Return whether a file in a folder is one to read: a raster or NetCDF, perhaps packed, and not hidden."""
    if any(part.startswith(".") for part in file.relative_to(folder).parts):
        return False
    if file.suffix.lower() == ".zip":
        return has_any(str(file), (*RASTERS, *NETCDF))
    return Path(inner_name(str(file))).suffix.lower() in (*RASTERS, *NETCDF)


def _canonical(names: Sequence[str]) -> list[str]:
    return [canonical_name(name) or name.strip().lower() for name in names]


def _choose(layers: list[Layer], require: Sequence[str] | None) -> list[Layer]:
    """Return the layers that are wanted; each driver may come from one source only."""
    wanted = _canonical(require or ())
    by_name: dict[str, Layer] = {}
    for layer in layers:
        if not layer.name:
            raise SchemaError(f"{layer.where}: its name tells no driver", "Name it with layer_names or variables")
        variable(layer.name)
        if layer.name in by_name and (not wanted or layer.name in wanted):
            raise SchemaError(
                f"The driver '{layer.name}' is given twice: {by_name[layer.name].where} and {layer.where}",
                f"Leave one of them out, or name one of them, for example variables=\"{layer.file_name}=other\"")
        by_name.setdefault(layer.name, layer)
    missing = [name for name in wanted if name not in by_name]
    if missing:
        known = ", ".join(by_name)
        raise SchemaError(f"The drivers have no {short(missing, 8)}; they have {known}",
                          "Add the files, or map their names with variables, for example variables=\"tavg=ta\"")
    if not wanted:
        return layers
    return [layer for layer in layers if layer.name in wanted or layer.name in ALWAYS_KEPT]


def joined(layers: Sequence[Layer], axis: Axis | None, notes: list[str]) -> xr.Dataset:
    """Return the layers, which fit each other, as one dataset."""
    grid = layers[0].grid
    x, y = grid.xy()
    ds = xr.Dataset(coords={"y": ("y", y, _axis_attrs(grid, "y")), "x": ("x", x, _axis_attrs(grid, "x"))})
    if axis is not None:
        ds = ds.assign_coords(time=axis.times.astype("datetime64[ns]"))
        ds.attrs["time_step"] = axis.time_step
    ds = ds.assign_coords(spatial_ref=spatial_ref(grid))
    history: list[str] = []
    for layer in layers:
        data = layer.data if layer.axis is not None else layer.data.isel(time=0)
        if layer.name == INSIDE:
            ds[INSIDE] = _with_attrs(data, {"long_name": "Inside the region", "grid_mapping": "spatial_ref"})
            continue
        known = variable(layer.name)
        long_name = known.long_name if canonical_name(layer.name) else layer.long_name or known.long_name
        ds[layer.name] = _with_attrs(data, {
            "units": layer.unit, "long_name": long_name, "grid_mapping": "spatial_ref",
            "source": layer.label})
        notes += [note for note in layer.notes if note not in notes]
        history += [line for line in layer.history.split("\n") if line and line not in history]
    history += [note for note in notes if "resampled" in note]
    ds.attrs.update(reco_kind="drivers", history="\n".join(history or ["read from files"]))
    if notes:
        ds.attrs["notes"] = "; ".join(notes)
    return ds


def _with_attrs(data: xr.Variable, attrs: Mapping[str, str]) -> xr.Variable:
    """Return a variable with other attributes, without reading it."""
    return data._replace(attrs=dict(attrs))


def _axis_attrs(grid: Grid, axis: str) -> dict[str, str]:
    if grid.is_geographic:
        name, unit = {"y": ("latitude", "degrees_north"), "x": ("longitude", "degrees_east")}[axis]
    else:
        name, unit = f"projection_{axis}_coordinate", "m"
    return {"standard_name": name, "units": unit, "axis": axis.upper()}
