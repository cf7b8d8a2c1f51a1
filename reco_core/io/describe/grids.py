"""What rasters, NetCDF files, Zarr stores and satellite granules hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Sequence

import numpy as np
import rasterio
import xarray as xr

from ...errors import RecoError
from ...vocabulary import canonical_name
from ..dates import decode_times
from ..drivers.layers import Layer
from ..rasters.grid import Grid, crs_name, to_lonlat
from ..rasters.netcdf import dataset_layers, is_zarr, open_dataset
from ..rasters.stacks import raster_layers
from .description import STEP_WORDS, Column, Description, Holds, span_words, statistics

WINDOW, MOST_STEPS = 128, 12
NEVER = ("spatial_ref", "crs", "inside")


def describe_raster(path: str, label: str) -> Description:
    """Return what a raster that GDAL reads holds."""
    layers = raster_layers([(path, None)], variables={})
    with rasterio.open(path) as file:
        packing = _packing(str(file.dtypes[0]), file.scales[0], file.offsets[0], file.nodata)
        tags = file.tags()
        kind = f"Raster ({file.driver}, {file.count} band{'s' * (file.count > 1)})"
        facts = [("stored as", packing)]
        if tags.get("RECO_STEP"):
            kind = f"Map that RECO wrote ({tags['RECO_STEP']}, {file.count} band{'s' * (file.count > 1)})"
            facts += [("unit", tags.get("UNITS", "")), ("version", tags.get("RECO_VERSION", "")),
                      ("model", tags.get("MODEL_ID", ""))]
    found = describe_layers(layers, label, kind, [fact for fact in facts if fact[1]], path)
    return replace(found, notes=(), holds=Holds(), read_with="") if tags.get("RECO_STEP") else found


def _packing(dtype: str, scale: float, offset: float, nodata: Any) -> str:
    words = [dtype]
    if scale not in (None, 1.0) or offset not in (None, 0.0):
        words.append(f"x {scale:g}" + (f" + {offset:g}" if offset else ""))
    words.append("no nodata value" if nodata is None else f"nodata {nodata:g}")
    return ", ".join(words)


def describe_dataset(path: str, label: str) -> Description:
    """Return what a NetCDF file or Zarr store holds, gridded or not."""
    raw = open_dataset(path, unpack=False)
    kind = "Zarr store" if is_zarr(path) else "NetCDF file"
    if raw.attrs.get("reco_kind") == "drivers":
        kind = "Driver cube that RECO wrote"
    try:
        layers = dataset_layers(path, variables={})
    except RecoError as error:
        return _not_gridded(raw, label, kind, error)
    notes = {str(name): _stored(raw[name]) for name in raw.data_vars}
    facts = [("history", line) for line in str(raw.attrs.get("history", "")).split("\n")[-1:]
             if raw.attrs.get("reco_kind") and line]
    return describe_layers(layers, label, kind, facts, path, notes)


def _stored(variable: xr.DataArray) -> str:
    """Return how a variable is packed, where it is."""
    attrs = {**variable.encoding, **variable.attrs}
    words = []
    if attrs.get("scale_factor") is not None or attrs.get("add_offset") is not None:
        offset = float(np.ravel(attrs.get("add_offset", 0.0))[0])
        words.append(f"{variable.dtype} x {float(np.ravel(attrs.get('scale_factor', 1.0))[0]):g}"
                     + (f" + {offset:g}" if offset else ""))
    fill = attrs.get("_FillValue", attrs.get("missing_value"))
    if fill is not None and np.isfinite(float(np.ravel(fill)[0])):
        words.append(f"fill {float(np.ravel(fill)[0]):g}")
    return ", ".join(words)


def _not_gridded(ds: xr.Dataset, label: str, kind: str, error: RecoError) -> Description:
    """Return what can be said of a dataset that is no regular grid, such as station series."""
    facts = [("dimensions", ", ".join(f"{dim} {size}" for dim, size in ds.sizes.items()))]
    time = next((name for name in ds.variables if " since " in str(ds[name].attrs.get("units", ""))
                 and ds[name].ndim == 1), None)
    step = ""
    if time is not None:
        dates = decode_times(np.atleast_1d(ds[time].values), str(ds[time].attrs["units"]),
                             str(ds[time].attrs.get("calendar", "")), f"'{label}'")
        gaps = np.diff(dates).astype(int)
        typical = float(np.median(gaps)) if gaps.size else 0.0
        step = next((name for name, low, high in (("day", 1, 1), ("8day", 8, 8), ("month", 28, 31),
                                                  ("year", 360, 366)) if low <= typical <= high), "")
        facts.append(("period", span_words(dates, step)))
    for name in ("lat", "latitude", "lon", "longitude"):
        if name in ds.variables and ds[name].dtype.kind == "f":
            values = np.asarray(ds[name].values, dtype="float64")
            facts.append((name, f"{np.nanmin(values):.4g} to {np.nanmax(values):.4g}"))
    columns = []
    for name in map(str, ds.data_vars):
        if ds[name].dtype.kind not in "fiu" or name in NEVER:
            continue
        known = canonical_name(name) or ""
        columns.append(Column(name, known, str(ds[name].attrs.get("units", "")), note=_stored(ds[name]),
                              **(_sampled(ds[name]) if known else {})))
    return Description(label, f"{kind} that RECO does not read as drivers", tuple(facts), tuple(columns),
                       (f"why not: {error.message}; {error.hint}",))


def _sampled(array: xr.DataArray) -> dict[str, Any]:
    most = {dim: 4096 if number == 0 else 64 for number, dim in enumerate(array.dims)}
    part = array.isel({dim: slice(0, None, max(1, array.sizes[dim] // size)) for dim, size in most.items()})
    values = np.asarray(part.values, dtype="float64")
    for key in ("_FillValue", "missing_value"):
        if key in array.attrs:
            values = np.where(values == float(np.ravel(array.attrs[key])[0]), np.nan, values)
    return statistics(values * float(np.ravel(array.attrs.get("scale_factor", 1.0))[0])
                      + float(np.ravel(array.attrs.get("add_offset", 0.0))[0]))


def describe_layers(layers: Sequence[Layer], label: str, kind: str, facts: Sequence[tuple[str, str]], path: str,
                    stored: dict[str, str] | None = None) -> Description:
    """Return what the drivers of a source are, looking at a window of each."""
    first = layers[0]
    told = [("grid", grid_words(first.grid)), ("crs", crs_name(first.grid.crs_wkt))]
    step = next((layer.axis.time_step for layer in layers if layer.axis is not None), "")
    spans = list(dict.fromkeys(span_words(layer.axis.times, layer.axis.time_step) for layer in layers
                               if layer.axis is not None))
    told += [("period", "; ".join(spans[:3]))] if spans else [("period", "no dates: drivers that do not change")]
    columns, seen = [], ""
    series: list[str] = []
    static: list[str] = []
    for layer in layers:
        values, seen_here = _window(layer)
        seen = seen or seen_here
        known = canonical_name(layer.name) or ""
        shown = known or (f"{layer.name}" if layer.name else "")
        note = (stored or {}).get(layer.file_name, "")
        columns.append(Column(layer.file_name or layer.label, shown, layer.unit, note=note, **statistics(values)))
        (series if layer.axis is not None else static).append(layer.name)
    told.append(("looked at", seen))
    notes = list(dict.fromkeys(note for layer in layers for note in (*layer.notes, *(
        problem.split(": ", 1)[-1] for problem in layer.problems))))
    notes += _unknown_names(columns)
    return Description(label, kind, (*told, *facts), tuple(columns), tuple(notes),
                       Holds("grid", (), tuple(series), tuple(static), step),
                       f"reco read_drivers --drivers {path}")


def _unknown_names(columns: Sequence[Column]) -> list[str]:
    unknown = [column.name for column in columns if not canonical_name(column.reco)]
    if not unknown:
        return []
    shown = ", ".join(unknown[:6]) + (f" and {len(unknown) - 6} more" if len(unknown) > 6 else "")
    return [f"RECO does not know {shown}; they are taken as drivers under their own names, or tell their names with "
            f"--variables {unknown[0]}=NAME"]


def grid_words(grid: Grid) -> str:
    """Return the cells of a grid and where they lie."""
    a, e = grid.transform[0], grid.transform[4]
    text = f"{grid.height} x {grid.width} cells of {abs(a):.6g} x {abs(e):.6g}"
    if not grid.crs_wkt:
        left, bottom, right, top = grid.bounds
        return f"{text}, x {left:.6g} to {right:.6g}, y {bottom:.6g} to {top:.6g}"
    unit = "degrees" if grid.is_geographic else "m"
    left, bottom, right, top = grid.bounds
    lon, lat = to_lonlat(grid.crs_wkt, np.array([left, right, (left + right) / 2]),
                         np.array([bottom, top, (bottom + top) / 2]))
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        return f"{text} {unit}"
    return f"{text} {unit}, about {_degrees(lon[0], 'E', 'W')} {_degrees(lat[0], 'N', 'S')} to " \
           f"{_degrees(lon[1], 'E', 'W')} {_degrees(lat[1], 'N', 'S')}"


def _degrees(value: float, positive: str, negative: str) -> str:
    return f"{abs(value):.4g}{positive if value >= 0 else negative}"


def _window(layer: Layer) -> tuple[np.ndarray, str]:
    """Return values in the middle of a layer at some of its time steps, and in words which."""
    sizes = dict(zip(layer.data.dims, layer.data.shape))
    parts: dict[Any, slice] = {}
    for dim in ("y", "x"):
        size = min(sizes[dim], WINDOW)
        start = (sizes[dim] - size) // 2
        parts[dim] = slice(start, start + size)
    every = max(1, -(-sizes["time"] // MOST_STEPS))
    steps = range(0, sizes["time"], every)
    window = np.stack([layer.data.isel({**parts, "time": step}).values for step in steps])
    cells = f"{window.shape[1]} x {window.shape[2]} cells in the middle" if window[0].size < sizes["y"] * sizes["x"] \
        else "all cells"
    return window, cells + (f" at {len(steps)} of {sizes['time']} time steps" if sizes["time"] > 1 else "")


def describe_granule(path: str, label: str) -> Description:
    """Return what an HDF4 granule holds: product, date, grids and layers."""
    from ..satellite.hdf4 import close_all, hdf4_scenes
    from ..satellite.products import product_of

    try:
        scenes = hdf4_scenes(path, label)
        product = product_of(scenes[0].short_name)
        columns: list[Column] = []
        for scene in scenes:
            for stored in scene.layers.values():
                driver = next((layer.name for layer in product.layers if stored.name and _plain(stored.name) in
                               [name for part in layer.parts for name in part]), "") if product else ""
                looked = statistics(_stored_values(stored, scene.grid)) if driver else {}
                columns.append(Column(stored.name, driver, stored.unit, note=_granule_note(stored), **looked))
    finally:
        close_all()
    first = scenes[0]
    facts = [("product", f"{first.short_name or 'not stated'}" + (f": {product.title}" if product else "")),
             ("date", str(first.date) if first.date is not None else "not stated"),
             ("grid", grid_words(first.grid)), ("crs", crs_name(first.grid.crs_wkt)),
             ("looked at", f"up to {WINDOW} x {WINDOW} cells in the middle, no quality rule applied")]
    drivers = tuple(product.drivers) if product else ()
    notes = () if product else (f"RECO has no rules for {first.short_name or 'this product'}: it is not read",)
    there = tuple(name for name in drivers if any(column.reco == name for column in columns))
    return Description(label, "MODIS granule (HDF4)", tuple(facts), tuple(columns), notes,
                       Holds("grid", (), there, (), product.time_step if product else ""),
                       f"reco read_satellite --path {path}" if product else "")


def _plain(text: str) -> str:
    from ..satellite.products import plain

    return plain(text)


def _stored_values(stored: Any, grid: Grid) -> np.ndarray:
    """Return values in the middle of a layer, scaled as the file states; fill values and invalid ones are NaN."""
    rows, columns = (slice((size - min(size, WINDOW)) // 2, (size + min(size, WINDOW)) // 2)
                     for size in (grid.height, grid.width))
    values = np.asarray(stored.pixels.read(rows, columns), dtype="float64")
    missing = np.isin(values, stored.fills)
    if stored.valid is not None:
        missing |= (values < stored.valid[0]) | (values > stored.valid[1])
    scaled = values * (1.0 if stored.scale is None else stored.scale) + (stored.offset or 0.0)
    return np.where(missing, np.nan, scaled)


def _granule_note(stored: Any) -> str:
    words = [str(stored.dtype)]
    if stored.scale is not None:
        words.append(f"scale {stored.scale:g}")
    if stored.offset:
        words.append(f"offset {stored.offset:g}")
    if stored.fills:
        words.append("fill " + "/".join(f"{fill:g}" for fill in stored.fills))
    return ", ".join(words)


def is_raster(path: str | Path) -> bool:
    """Return whether GDAL can open a file as a raster."""
    try:
        with rasterio.open(path) as file:
            return bool(file.count)
    except rasterio.errors.RasterioError:
        return False


def time_words(step: str) -> str:
    """Return a time step as an adjective."""
    return STEP_WORDS.get(step, step)


__all__ = ["describe_dataset", "describe_granule", "describe_layers", "describe_raster", "grid_words",
           "is_raster", "time_words"]
