"""What rasters say of themselves: grid, bands, dates, units; read without their pixels."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from ...errors import SchemaError
from ..dates import Stamp, date_in_name, decode_times, read_stamp
from ..rasters.arrays import limit_cache
from ..rasters.grid import Grid
from ..rasters.netcdf3 import require_whole
from ..rasters.tags import refuse_nan_among_integers

_UNIT_TAGS = ("units", "UNITS", "unit", "Unit", "UNIT")
_DATE_TAGS = ("time", "TIME", "date", "DATE", "acquisition_date")
NO_CRS = "it has no CRS"


@dataclass(frozen=True)
class RasterFile:
    """What a raster says about itself, read once without its pixels."""

    path: str
    grid: Grid
    descriptions: tuple[str, ...]
    stamps: tuple[Stamp | None, ...]
    units: tuple[str, ...]
    problem: str = ""
    integer: bool = False
    scaled: bool = False

    @property
    def count(self) -> int:
        """Number of bands."""
        return len(self.descriptions)


def describe(path: str) -> RasterFile:
    """Return what a raster says about itself.

    Raises
    ------
    SchemaError
        It is empty, cannot be opened, or says that NaN is missing among integers.
    """
    limit_cache()
    require_whole(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path, sharing=False) as file:
                return _describe(path, file)
    except RasterioError as error:
        raise SchemaError(f"'{path}' is no raster that RECO can read: {error}",
                          "Give a GeoTIFF, NetCDF or Zarr file; a damaged file must be fetched again") from error


def _describe(path: str, file: rasterio.DatasetReader) -> RasterFile:
    transform = tuple(float(value) for value in file.transform)[:6]
    problem = ""
    if file.transform.is_identity:
        problem = "it has no georeference"
    elif transform[1] or transform[3]:
        problem = "its grid is rotated"
    elif file.crs is None:
        problem = NO_CRS
    crs = file.crs.to_wkt() if file.crs else ""
    tags = file.tags()
    everywhere = next((tags[key] for key in _UNIT_TAGS if key in tags), "")
    stamps, units, descriptions = [], [], []
    for band in range(1, file.count + 1):
        own = file.tags(band)
        text = file.descriptions[band - 1] or ""
        descriptions.append(text)
        stamps.append(_stamp(text, own, tags))
        units.append(file.units[band - 1] or next((own[key] for key in _UNIT_TAGS if key in own), everywhere))
    grid = Grid(crs, transform, file.height, file.width)  # type: ignore[arg-type]
    integer = all(np.dtype(kind).kind in "iu" for kind in file.dtypes)
    if integer and file.nodata is None and file.driver in ("GTiff", "COG"):
        refuse_nan_among_integers(path)
    scaled = any(scale != 1 for scale in file.scales) or any(offset != 0 for offset in file.offsets)
    return RasterFile(path, grid, tuple(descriptions), tuple(stamps), tuple(units), problem, integer, scaled)


def _stamp(description: str, tags: Mapping[str, str], common: Mapping[str, str]) -> Stamp | None:
    for text in (description, *(tags[key] for key in _DATE_TAGS if key in tags)):
        found = read_stamp(text) or date_in_name(text)[0]
        if found:
            return found
    if "NETCDF_DIM_time" in tags and "time#units" in common:
        time = decode_times(np.array([float(tags["NETCDF_DIM_time"])]), common["time#units"],
                            common.get("time#calendar", ""), "band tags")
        return Stamp(time[0], "day")
    return None


def stem_of(path: str) -> str:
    """Return the name of a file, or of a GDAL dataset such as HDF4_EOS:"file":grid:layer, without ending."""
    if os.path.exists(path):
        return Path(path).stem
    return path.rsplit(":", 1)[-1].strip('"/') or path
