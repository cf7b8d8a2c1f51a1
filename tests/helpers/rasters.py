"""Small rasters for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio

from reco_core.io.rasters.grid import Grid, parse_crs

WGS84 = str(parse_crs("EPSG:4326").to_wkt())
UTM = str(parse_crs("EPSG:32631").to_wkt())


def grid(height=8, width=10, *, crs=WGS84, left=0.0, top=50.0, cell=0.5) -> Grid:
    """Return a small north-up grid."""
    return Grid(crs, (cell, 0.0, left, 0.0, -cell, top), height, width)


def months(first: str, count: int) -> list[str]:
    """Return the labels of months that follow each other."""
    start = np.datetime64(first, "M")
    return [str(start + i) for i in range(count)]


def save(path: Path, values, on: Grid, *, names=(), units="", nodata=None, dtype=None, scale=None, mask=None,
         **profile) -> str:
    """Write a GeoTIFF with rasterio alone and return its path; `values` has shape (bands, y, x) or (y, x)."""
    values = np.atleast_3d(np.asarray(values).T).T
    values = values.astype(dtype or values.dtype)
    a, b, c, d, e, f = on.transform
    settings = {"driver": "GTiff", "count": len(values), "height": on.height, "width": on.width,
                "dtype": str(values.dtype), "transform": rasterio.Affine(a, b, c, d, e, f), "nodata": nodata,
                "crs": on.crs_wkt or None, **profile}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", **settings) as file:
        file.write(values)
        for band, name in enumerate(names, 1):
            file.set_band_description(band, name)
        if units:
            file.units = [units] * len(values)
        if scale:
            file.scales, file.offsets = [scale[0]] * len(values), [scale[1]] * len(values)
        if mask is not None:
            file.write_mask(mask)
    return str(path)


def field(count: int, on: Grid, seed: int = 0, low: float = -10.0, high: float = 30.0) -> np.ndarray:
    """Return random values of shape (count, y, x)."""
    return np.random.default_rng(seed).uniform(low, high, (count, on.height, on.width)).astype("float32")
