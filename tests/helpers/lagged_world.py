"""A small coast whose yearly respiration follows the cells around and the drought of the past two years."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import uniform_filter

from reco_core.io.rasters.cubes import write_cube
from reco_core.progress import SILENT
from reco_core.vocabulary import variable
from reco_core.world import WGS84

LAGS = ("spei_12", "spei_24", "spei_36")
DAYS = 365.25
FIRST, CELL = 2001, 0.5


def lagged_drivers(rows=16, columns=20, years=12, seed=0) -> xr.Dataset:
    """Return yearly drivers: ta, lai (rough in space), droughts of one, two and three years; sea in a corner."""
    rng = np.random.default_rng(seed)
    shape = (years, rows, columns)
    wet = uniform_filter(rng.normal(size=(years + 2, rows, columns)), (0, 3, 3)) * 3
    ta = 12 - 0.4 * np.arange(rows)[:, None] + 0.05 * np.arange(years)[:, None, None] + rng.normal(0, 0.7, shape)
    fields = {"ta": ta, "lai": np.clip(2.5 + rng.normal(0, 1, shape), 0.1, None),
              "spei_12": wet[2:], "spei_24": (wet[2:] + wet[1:-1]) / 2 ** 0.5,
              "spei_36": (wet[2:] + wet[1:-1] + wet[:-2]) / 3 ** 0.5}
    sea = np.add.outer(np.arange(rows), np.arange(columns)) < 6
    times = np.array([f"{FIRST + year}-01-01" for year in range(years)], dtype="datetime64[ns]")
    ds = xr.Dataset(coords={"time": times, "y": 55 - CELL * (np.arange(rows) + 0.5),
                            "x": 5 + CELL * (np.arange(columns) + 0.5)})
    for name, values in fields.items():
        attrs = {"units": variable(name).unit, "long_name": variable(name).long_name, "grid_mapping": "spatial_ref"}
        ds[name] = (("time", "y", "x"), np.where(sea, np.nan, values).astype("float32"), attrs)
    ds["spatial_ref"] = ((), 0, {"crs_wkt": WGS84, "GeoTransform": f"5 {CELL} 0 55 0 {-CELL}"})
    ds.attrs.update(reco_kind="drivers", time_step="year", history="synthetic coast")
    return ds.set_coords("spatial_ref")


def true_respiration(drivers: xr.Dataset, lag: str | None = "spei_24") -> np.ndarray:
    """Return respiration [g C m-2 yr-1]: temperature, leaf area of the 3 x 3 cells around, and one drought index."""
    lai = drivers["lai"].values.astype("float64")
    known = uniform_filter(np.isfinite(lai).astype("float64"), (0, 3, 3), mode="constant")
    around = uniform_filter(np.nan_to_num(lai), (0, 3, 3), mode="constant") / np.where(known > 0, known, np.nan)
    drought = 0.0 if lag is None else 90 * drivers[lag].values
    return 400 + 15 * drivers["ta"].values + 150 * around + drought


def write_inputs(folder: Path, *, towers=60, noise=5.0, lag: str | None = "spei_24", seed=0, **options) -> xr.Dataset:
    """Write drivers.zarr and towers.csv into a folder and return the drivers."""
    drivers = lagged_drivers(**options)
    write_cube(drivers, str(folder / "drivers.zarr"), memory_gb=1.0, progress=SILENT)
    truth, rng = true_respiration(drivers, lag), np.random.default_rng(seed)
    land = np.argwhere(np.isfinite(drivers["lai"].values).all(axis=0))
    parts = []
    for number, (y, x) in enumerate(land[np.sort(rng.choice(len(land), towers, replace=False))]):
        flux = truth[:, y, x] + rng.normal(0, noise, len(truth))
        parts.append(pd.DataFrame({
            "site": f"T{number:03d}", "time": drivers["time"].dt.year.values, "lat": float(drivers["y"][y]),
            "lon": float(drivers["x"][x]), "igbp": "GRA", "reco": flux / DAYS, "qc": 1.0}))
    pd.concat(parts).to_csv(folder / "towers.csv", index=False)
    return drivers
