"""A map times the factors of places; cells of no place stay empty."""

from __future__ import annotations

from typing import Callable, Mapping, Optional

import numpy as np
import xarray as xr

from ..errors import ArtifactError, GridError, SchemaError
from ..inference.grid import CLASS_VARIABLE, class_table
from ..inference.tiles import Clock, Tile, plan_tiles
from ..io.drivers.files import open_drivers
from ..io.rasters.geotiff import raster_tags, read_series
from ..io.rasters.grid import Grid, lonlat
from ..io.rasters.qml import Style
from ..io.rasters.regions import crop, parse_region
from ..models.base import FittedModel
from ..progress import Progress
from ..samples.grouping import distance_km
from ..version import __version__
from ..vocabulary.calendar import step_label
from ..vocabulary.variables import VARIABLES
from .calibration_records import REGION, LocalRecords
from .map_files import MapFiles

Factors = Callable[[Tile], np.ndarray]
PER_VALUE, PER_PIXEL = 12.0, 64.0  # [bytes]


def write_map(fitted: FittedModel, estimate: str, path: str, factors: Mapping[str, float], records: LocalRecords, *,
              model: str, place: str, region: Optional[str], class_layer: Optional[str], radius_km: float, align: str,
              memory: float, progress: Progress) -> int:
    """Write a map times the factors of places and return how many cells have a value.

    Raises
    ------
    ArtifactError
        The map was not made with this model.
    GridError
        The map is in another unit, or no place lies on it.
    SchemaError
        It is calibrated already, or no series.
    """
    tags = _checked_tags(estimate, model)
    series = read_series(estimate)
    unit = str(series.attrs.get("units", ""))
    if unit != fitted.target_unit:
        raise GridError(f"The map is in {unit or 'no unit'} and the model estimates {fitted.target_unit}",
                        "Give the map as predict wrote it")
    grid = Grid.of(series)
    if place == "region":
        of_tile = _region(series, grid, str(region), factors[REGION])
    elif place == "class":
        of_tile = _classes(estimate, str(class_layer), fitted.flux_kind, factors, align)
    else:
        of_tile = _towers(grid, records, factors, radius_km, progress)
    title = f"CALIBRATED {VARIABLES[fitted.flux_kind].long_name.lower()}"
    tags |= {"RECO_VERSION": __version__, "RECO_STEP": "calibrate", "CALIBRATED": _text(factors, place, radius_km),
             "TITLE": title}
    labels = [step_label(time, str(series.attrs["time_step"])) for time in series["time"].values]
    with MapFiles(grid, tags) as files:
        writer = files.open(path, labels, unit=unit, style=Style("ramp", title, unit))
        cells = _multiply(series, of_tile, writer.write, memory, progress)
        if cells == 0:
            raise GridError(f"No cell of '{estimate}' with an estimate lies in a place with a factor",
                            "Check the positions of the towers, the region or the class layer")
    return cells


def _checked_tags(estimate: str, model: str) -> dict[str, str]:
    tags = raster_tags(estimate)
    if "CALIBRATED" in tags:
        raise SchemaError(f"'{estimate}' is calibrated already", "Give the blind map that predict wrote")
    if tags.get("MODEL_ID") != model:
        made = f"by the model {tags['MODEL_ID']}" if "MODEL_ID" in tags else "by none of RECO's models"
        raise ArtifactError(f"'{estimate}' was made {made}, the factors are those of the model {model}",
                            "Give a map that predict made with this model")
    return {name: tags[name] for name in ("MODEL_ID", "MEMBERS") if name in tags}


def _text(factors: Mapping[str, float], place: str, radius_km: float) -> str:
    around = f" within {radius_km:g} km" if place == "tower" else ""
    return f"{place}{around}: " + ", ".join(f"{name} x {factor:.4g}" for name, factor in factors.items())


def _multiply(series: xr.DataArray, of_tile: Factors, write: Callable[..., None], memory: float,
              progress: Progress) -> int:
    """Write the map tile by tile; return how many cells have a value."""
    plan = plan_tiles(series.sizes["y"], series.sizes["x"], series.sizes["time"], per_value=PER_VALUE,
                      per_pixel=PER_PIXEL, memory_gb=memory)
    clock, cells = Clock(len(plan.tiles), progress), 0
    batches = list(plan.batches())
    for number, tile in enumerate(plan.tiles):
        factor = of_tile(tile).astype("float32")
        there = np.zeros(tile.shape, dtype=bool)
        for part, steps in enumerate(batches):
            clock.span(number, part / len(batches), (part + 1) / len(batches))
            if np.isfinite(factor).any():
                part_of = series.isel(time=steps, y=tile.rows, x=tile.columns).transpose("time", "y", "x")
                window = part_of.values * factor
            else:
                window = np.full((steps.stop - steps.start, *tile.shape), np.nan, dtype="float32")
            there |= np.isfinite(window).any(axis=0)
            write(window, tile.row0, tile.col0, steps.start)
        cells += int(there.sum())
    return cells


def _region(series: xr.DataArray, grid: Grid, text: str, factor: float) -> Factors:
    crop(series.to_dataset(name="estimate"), text)  # says what is wrong if the region lies off the map
    region = parse_region(text)
    return lambda tile: np.where(region.mask(grid.window(tile.rows, tile.columns)), factor, np.nan)


def _classes(estimate: str, class_layer: str, flux: str, factors: Mapping[str, float], align: str) -> Factors:
    layer = open_drivers(None, [estimate, class_layer], [flux, CLASS_VARIABLE], align=align)[CLASS_VARIABLE]
    if "time" in layer.dims:
        raise GridError("The class layer changes in time; a place has one factor", "Give a class layer of one band")
    labels = class_table(list(factors))
    values = np.array([factors.get(str(label), np.nan) for label in labels])

    def of_tile(tile: Tile) -> np.ndarray:
        codes = np.asarray(layer.isel(y=tile.rows, x=tile.columns).values, dtype="float64")
        whole = np.isfinite(codes) & (codes == np.round(codes)) & (codes >= 0) & (codes <= 255)
        return values[np.where(whole, codes, 0).astype(int)]
    return of_tile


def _towers(grid: Grid, records: LocalRecords, factors: Mapping[str, float], radius_km: float,
            progress: Progress) -> Factors:
    """Return factors of cells within reach of a tower; the nearest one counts."""
    at = [int(np.flatnonzero(records.site == name)[0]) for name in factors]
    lat, lon, scale = records.lat[at], records.lon[at], np.array(list(factors.values()))
    row, column = grid.locate(lon, lat)
    if (row < 0).all():
        left, bottom, right, top = grid.bounds
        raise GridError(f"None of the towers with a factor ({', '.join(list(factors)[:5])}) lies on the map "
                        f"({left:.6g} {bottom:.6g} {right:.6g} {top:.6g})",
                        "Give a map that covers them, or another place")
    if (row < 0).any():
        progress.warn(f"{int((row < 0).sum())} of {row.size} towers with a factor lie off the map")

    def of_tile(tile: Tile) -> np.ndarray:
        x, y = lonlat(grid.window(tile.rows, tile.columns))
        nearest, result = np.full(tile.shape, np.inf), np.full(tile.shape, np.nan)
        for k in np.flatnonzero(row >= 0):
            away = np.asarray(distance_km(y, x, np.full(tile.shape, lat[k]), np.full(tile.shape, lon[k])))
            inside = away <= radius_km
            if tile.row0 <= row[k] < tile.row1 and tile.col0 <= column[k] < tile.col1:
                own = row[k] - tile.row0, column[k] - tile.col0
                inside[own], away[own] = True, 0.0
            closer = inside & (away < nearest)
            nearest[closer], result[closer] = away[closer], scale[k]
        return result
    return of_tile
