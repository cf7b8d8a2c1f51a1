"""Small rasters for the tests inside QGIS, written by GDAL: what users would pick as layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from osgeo import gdal, osr

SIZE = 8
MONTHS = [f"{year}-{month:02d}" for year in range(2001, 2007) for month in range(1, 13)]


def write(path: Path, values: np.ndarray, bands: list[str], unit: str, data_type: int = gdal.GDT_Float32) -> str:
    """Write a GeoTIFF; `values` has shape (bands, y, x)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = values.shape
    file = gdal.GetDriverByName("GTiff").Create(str(path), width, height, count, data_type)
    system = osr.SpatialReference()
    system.ImportFromEPSG(4326)
    file.SetProjection(system.ExportToWkt())
    file.SetGeoTransform((10.0, 0.5, 0.0, 50.0, 0.0, -0.5))
    for number, text in enumerate(bands, 1):
        band = file.GetRasterBand(number)
        band.WriteArray(values[number - 1])
        band.SetDescription(text)
        band.SetUnitType(unit)
    return str(path)


def make(folder: Path) -> Path:
    """Write reflectances, a water balance, soil layers and satellite exports into a folder."""
    rng = np.random.default_rng(0)
    months = np.arange(len(MONTHS))
    season = (0.5 + 0.5 * np.cos(2 * np.pi * (months % 12 - 6.5) / 12))[:, None, None]
    noise = rng.uniform(0.95, 1.05, (len(MONTHS), SIZE, SIZE))
    for name, values, unit in (
            ("red", 0.08 - 0.04 * season * noise, "1"), ("nir", 0.2 + 0.25 * season * noise, "1"),
            ("blue", 0.04 - 0.01 * season * noise, "1"), ("swir", 0.25 - 0.1 * season * noise, "1"),
            ("ndvi", 0.2 + 0.6 * season * noise, "1"), ("rain", 2.5 + 2 * noise * (1 - season), "mm d-1"),
            ("evaporation", 0.5 + 3.5 * season * noise, "mm d-1")):
        write(folder / f"{name}.tif", values, MONTHS, unit)
    for name, value, unit in (("carbon", 2.0, "%"), ("density", 1300.0, "kg m-3"), ("stones", 10.0, "%")):
        write(folder / f"{name}.tif", np.full((1, SIZE, SIZE), value), [name], unit)
    for month, day in (("001", 0), ("032", 1)):
        numbers = (10000 * (0.3 + 0.1 * day + 0.02 * rng.random((1, SIZE, SIZE)))).astype("int16")
        write(folder / "exports" / f"MOD13A3.061__1_km_monthly_NDVI_doy2001{month}_aid0001.tif", numbers, ["NDVI"], "",
              gdal.GDT_Int16)
    return folder
