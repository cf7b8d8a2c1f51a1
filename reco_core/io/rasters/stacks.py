"""Drivers in GeoTIFFs and other GDAL rasters: bands as time steps or drivers, and folders of dated files."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Iterable, Mapping, Sequence

import numpy as np

from ...errors import GridError, SchemaError
from ...vocabulary.calendar import step_start
from ..dates import Axis, Stamp, axis_from_start, axis_of, date_in_name
from ..describe.rasters import RasterFile, describe, stem_of
from ..drivers.layers import DIMS, Layer, given_name, name_of_file, north_up, plain_name, short
from ..drivers.mosaic import side_by_side
from ..drivers.raster_products import Reading, fitted, is_hwsd, recognised, soils
from .arrays import RasterBands, lazy_variable
from .grid import same_crs, spatial_ref

if TYPE_CHECKING:
    import xarray as xr

_NO_NAME = re.compile(r"(?:band|layer|lyr|b)?[ _.:#]*\d+", re.IGNORECASE)
BANDS_OF_A_YEAR = {12: "month", 23: "16day", 46: "8day", 365: "day", 366: "day"}


def raster_layers(sources: Iterable[tuple[str, str | None]], *, variables: Mapping[str, str],
                  start: str | None = None, time_step: str = "auto", product: str = "auto", crs: str = "",
                  tables: Sequence[str] = ()) -> list[Layer]:
    """Return the drivers in rasters.

    Parameters
    ----------
    sources : pairs of path and name
        Dated files of one driver become one series. The name is None where the file shall tell it.
    variables : mapping of names in files to RECO names
    start, time_step : str
        For bands without dates.
    product : str
        A name in `PRODUCTS`, auto or none.
    crs : str
        Coordinate reference system of files that state none.
    tables : sequence of path
        Tables of mapping units (HWSD).

    Raises
    ------
    SchemaError
        A file is no raster, or its bands tell neither dates nor drivers.
    GridError
        The dates of a series are no calendar.
    """
    parts: dict[str, list[_Part]] = defaultdict(list)
    layers: list[Layer] = []
    for path, name in sources:
        file, reading = recognised(describe(path), product, crs)
        named = _named_bands(file, reading) if name is None else None
        if named:
            layers += [_band(file, band, text, variables, reading) for band, text in enumerate(named, 1)]
            continue
        part = _part(file, name, variables, start, time_step, reading)
        parts[part.name].append(part)
    for name, group in parts.items():
        layer = _series(name, group, time_step) if group[0].stamps else _alone(name, group)
        layers += soils(layer, tables, variables) if is_hwsd(group[0].reading) else [layer]
    return layers


def _band(file: RasterFile, band: int, text: str, variables: Mapping[str, str], reading: Reading | None) -> Layer:
    """Return a band that is described as a driver."""
    found = reading.product.find(text) if reading else None
    name = given_name(text, variables) or (found[1] if found else plain_name(text, variables))
    return fitted(_static(file, band, name, text), file, reading, text)


@dataclass(frozen=True)
class _Part:
    """The bands of one file that belong to one driver; `stamps` is empty for a static layer."""

    name: str
    file: RasterFile
    stamps: tuple[Stamp, ...]
    file_name: str
    notes: tuple[str, ...]
    reading: Reading | None = None


def _part(file: RasterFile, name: str | None, variables: Mapping[str, str], start: str | None, time_step: str,
          reading: Reading | None) -> _Part:
    stem = stem_of(file.path)
    found = reading.product.find(stem, date_in_name(stem)[1]) if reading else None
    if found and (found[0].driver == "elevation" or (file.count == 1 and not date_in_name(stem)[0])):
        # numbers in names of such products are places and depths, no dates
        chosen = plain_name(name, {}) if name else given_name(stem, variables) or found[1]
        return _Part(chosen, file, (), stem, (), reading)
    in_name, rest = date_in_name(stem)
    if not rest:  # a folder per driver, files named by date
        rest = Path(file.path).parent.name
    known, partly = (found[1], False) if found else name_of_file(rest, variables)
    notes = () if not partly or name else (f"{Path(file.path).name} is read as '{known}'",)
    stamps = _stamps(file, in_name, start, time_step)
    chosen = plain_name(name, {}) if name else known
    return _Part(chosen, file, stamps, rest, notes, reading)


def _stamps(file: RasterFile, in_name: Stamp | None, start: str | None, time_step: str) -> tuple[Stamp, ...]:
    """Return a date for each band; none at all for a static layer.

    Dates are looked for in the bands, then in the file name, then in `start`.
    """
    dated = [stamp for stamp in file.stamps if stamp is not None]
    if len(dated) == file.count:
        return tuple(dated)
    if dated:
        band = next(i for i, stamp in enumerate(file.stamps, 1) if stamp is None)
        raise SchemaError(f"'{file.path}': band {band} of {file.count} has no date, others have",
                          "Describe every band as YYYY, YYYY-MM or YYYY-MM-DD")
    if file.count == 1:
        return (in_name,) if in_name else ()
    if in_name and in_name.precision == "year" and file.count in BANDS_OF_A_YEAR:
        step = BANDS_OF_A_YEAR[file.count]
        axis = axis_from_start(str(in_name.date), file.count, step, file.path)
        return tuple(Stamp(time, step if step == "month" else "day") for time in axis.times)
    if start:
        axis = axis_from_start(start, file.count, time_step, f"'{file.path}'")
        precise = axis.time_step if axis.time_step in ("month", "year") else "day"
        return tuple(Stamp(time, precise) for time in axis.times)
    raise SchemaError(
        f"'{file.path}' has {file.count} bands that carry neither dates nor names of drivers",
        "Give the first date (start) and the time step, or describe the bands as YYYY-MM or by driver")


def _named_bands(file: RasterFile, reading: Reading | None) -> list[str] | None:
    """Return the drivers that the bands are described as, or None where they are time steps or unnamed."""
    texts = [text.strip() for text in file.descriptions]
    if reading and file.count > 1 and all(reading.product.find(text) for text in texts):
        return texts
    if file.count < 2 or any(file.stamps) or not all(texts) or len(set(texts)) < len(texts):
        return None
    if any(_NO_NAME.fullmatch(text) for text in texts):
        return None
    numbered = [re.fullmatch(r"(.*?)[ _.]?(\d+)", text) for text in texts]
    if all(numbered):  # such as ta_1, ta_2, ta_3
        prefixes = {match.group(1) for match in numbered if match}
        numbers = [int(match.group(2)) for match in numbered if match]
        if len(prefixes) == 1 and numbers == list(range(numbers[0], numbers[0] + len(numbers))):
            return None
    return texts


def _static(file: RasterFile, band: int, name: str, file_name: str) -> Layer:
    where = f"'{file.path}' band {band}" if file.count > 1 else f"'{file.path}'"
    return _layer(name, where, [(file.path, band)], file, None, file_name)


def _alone(name: str, group: Sequence[_Part]) -> Layer:
    paths = [part.file.path for part in group]
    if len(group) > 1 and all(part.reading and part.reading.product.mosaic for part in group):
        return side_by_side([_alone(name, [part]) for part in group])
    if len(group) > 1:
        raise SchemaError(f"{len(group)} files give the driver '{name}' and have no dates: {short(paths)}",
                          "Put dates into the file names, or give each its name (variables or layer_names)")
    part = group[0]
    layer = replace(_static(part.file, 1, name, part.file_name), notes=part.notes)
    return fitted(layer, part.file, part.reading, part.file_name)


def _series(name: str, group: Sequence[_Part], time_step: str) -> Layer:
    undated = [part.file.path for part in group if not part.stamps]
    if undated:
        raise SchemaError(f"'{undated[0]}' gives the driver '{name}' without a date, other files with dates",
                          "Put a date into its name, or give it another name (variables)")
    first = group[0].file
    where = f"'{first.path}'" if len(group) == 1 else f"'{Path(first.path).parent}' ({len(group)} files of '{name}')"
    entries = [(stamp, part.file.path, band) for part in group for band, stamp in enumerate(part.stamps, 1)]
    if len(group) > 1:
        entries.sort(key=lambda entry: (entry[0].date, entry[1]))
    for (stamp, path, _), (next_stamp, next_path, _) in pairwise(entries):
        if stamp.date == next_stamp.date and path != next_path:
            raise SchemaError(f"The driver '{name}' is given twice for {stamp.date}: '{path}' and '{next_path}'",
                              "Leave one of them out, or give them different names (variables or layer_names)")
    axis = axis_of([entry[0] for entry in entries], where, time_step)
    layer = _layer(name, where, [entry[1:] for entry in entries], first, axis, group[0].file_name)
    problems = tuple(problem for part in group[1:] if (problem := _differs(part.file, first)))
    units = {unit for part in group for unit in part.file.units}
    if len(units) > 1:
        problems += (f"{where}: its bands have the units {short(sorted(units))}",)
    layer = replace(layer, problems=layer.problems + problems, notes=group[0].notes)
    return fitted(layer, first, group[0].reading, group[0].file_name)


def _differs(file: RasterFile, first: RasterFile) -> str:
    """Return how a file of a series differs from the first one."""
    one, other = file.grid, first.grid
    close = np.allclose(one.transform, other.transform, rtol=0, atol=1e-2 * abs(other.transform[0]))
    if (one.height, one.width) != (other.height, other.width) or not close or not same_crs(one.crs_wkt, other.crs_wkt):
        return f"'{file.path}': its grid is not that of '{first.path}'"
    return ""


def _layer(name: str, where: str, bands: list[tuple[str, int]], file: RasterFile, axis: Axis | None,
           file_name: str) -> Layer:
    data = lazy_variable(DIMS, RasterBands(bands, file.grid.height, file.grid.width))
    problems = (f"{where}: {file.problem}",) if file.problem else ()
    layer = Layer(name, where, data, file.grid, axis, file.units[bands[0][1] - 1], file_name, problems=problems)
    return layer if file.problem else north_up(layer)


def open_series(path: str) -> xr.DataArray:
    """Open a raster whose bands carry dates, see `read_series`."""
    import xarray

    file = describe(path)
    missing = [band for band, stamp in enumerate(file.stamps, 1) if stamp is None]
    if missing:
        raise SchemaError(
            f"'{path}' is no series: band {missing[0]} ('{file.descriptions[missing[0] - 1]}') carries no date",
            "Describe the bands as YYYY, YYYY-MM or YYYY-MM-DD")
    layer = _series("series", [_Part("series", file, tuple(s for s in file.stamps if s), "", ())], "auto")
    if layer.problems:
        raise GridError("; ".join(layer.problems), "Give a GeoTIFF with a coordinate reference system")
    assert layer.axis is not None
    x, y = layer.grid.xy()
    times = step_start(layer.axis.times, layer.axis.time_step) if layer.axis.time_step else layer.axis.times
    attrs = {"units": layer.unit, "time_step": layer.axis.time_step, "grid_mapping": "spatial_ref"}
    return xarray.DataArray(layer.data, coords={"time": times.astype("datetime64[ns]"), "y": y, "x": x,
                                                "spatial_ref": spatial_ref(layer.grid)}, attrs=attrs)
