"""A synthetic world with known respiration: for demos, tests and benchmarks.

Land from 60 S to 60 N and 0 to 60 E, monthly from 2001. Temperature warms
everywhere, leaf area grows west of 30 E, and respiration follows both by a
known equation, so that estimates, contributions and trends can be checked.
Cells are computed when they are read, so a world may be of any size.
"""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
import pandas as pd
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from .vocabulary import variable
from .vocabulary.calendar import step_days

FIRST_YEAR = 2001
LAT_TOP, LON_LEFT, LAT_SPAN, LON_SPAN = 60.0, 0.0, 120.0, 60.0
GREENING_LON = 30.0
EMPTY_LON, EMPTY_LAT = 50.0, -30.0
WGS84 = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],'
    'AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,'
    'AUTHORITY["EPSG","9122"]],AXIS["Latitude",NORTH],AXIS["Longitude",EAST],AUTHORITY["EPSG","4326"]]')

Field = Callable[..., np.ndarray]


def temperature(lat: Any, lon: Any, month: Any, year: Any) -> np.ndarray:
    """Air temperature of the world [degC]."""
    season = np.cos(2 * np.pi * (month - 7) / 12) * np.sign(lat)
    return 27 - 0.45 * np.abs(lat) + 0.25 * np.abs(lat) * season + 0.03 * (year - 2010) + 0 * lon


def leaf_area(lat: Any, lon: Any, month: Any, year: Any) -> np.ndarray:
    """Leaf area index of the world [m2 m-2]."""
    season = 0.5 + 0.5 * np.cos(2 * np.pi * (month - 7) / 12) * np.sign(lat)
    shape = 3 * np.exp(-((lat / 20) ** 2)) + 1.5 * np.exp(-(((np.abs(lat) - 50) / 10) ** 2)) * season
    return np.maximum(0.05, shape * (1 + 0.008 * (year - 2010) * (lon < GREENING_LON)))


def soil_carbon(lat: Any, lon: Any) -> np.ndarray:
    """Soil organic carbon of the world [g kg-1]."""
    return 20 + 60 * np.exp(-(((np.abs(lat) - 60) / 15) ** 2)) + 0 * lon


def respiration_of(ta: Any, lai: Any, soc: Any) -> np.ndarray:
    """Ecosystem respiration [g C m-2 d-1] of temperature [degC], leaf area [m2 m-2] and carbon [g kg-1].

    The temperature response is that of Lloyd & Taylor (1994) with a reference of 10 degC.
    """
    ta = np.asarray(ta, dtype="float64")
    cold = ta <= -45
    exponent = 308.56 * (1 / 56.02 - 1 / np.where(cold, 1.0, ta + 46.02))
    return np.where(cold, 0.0, (0.2 + 0.45 * lai + 0.004 * soc) * np.exp(exponent))


class _Cells(BackendArray):
    """An array whose cells are computed from their indices when they are read."""

    def __init__(self, field: Field, axes: tuple[np.ndarray, ...]) -> None:
        self._field = field
        self._axes = axes
        self.shape = tuple(len(axis) for axis in axes)
        self.dtype = np.dtype("float32")

    def __getitem__(self, key: Any) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._compute)

    def _compute(self, key: tuple[Any, ...]) -> np.ndarray:
        parts = [np.atleast_1d(axis[index]) for axis, index in zip(self._axes, key)]
        values = self._field(*np.ix_(*parts)).astype("float32")
        drop = tuple(i for i, index in enumerate(key) if np.ndim(index) == 0 and not isinstance(index, slice))
        return values.squeeze(axis=drop) if drop else values


def make_drivers(rows: int = 120, columns: int = 60, years: int = 20) -> xr.Dataset:
    """Return the drivers of the world.

    Parameters
    ----------
    rows, columns : int
        Cells from north to south and from west to east; 120 x 60 are cells of 1 degree.
    years : int
        Number of years from 2001.

    Returns
    -------
    xarray.Dataset of kind drivers
        `ta` [degC] and `lai` [m2 m-2] (time, y, x), `soc_0` [g kg-1] (y, x), computed when read.
    """
    dy, dx = LAT_SPAN / rows, LON_SPAN / columns
    lat = LAT_TOP - dy * (np.arange(rows) + 0.5)
    lon = LON_LEFT + dx * (np.arange(columns) + 0.5)
    months = np.arange(f"{FIRST_YEAR}-01", f"{FIRST_YEAR + years}-01", dtype="datetime64[M]")
    number = np.arange(len(months), dtype="float64")

    def at(field: Field) -> Field:
        return lambda i, y, x: field(y, x, i % 12 + 1, FIRST_YEAR + i // 12)

    fields = {"ta": (("time", "y", "x"), _Cells(at(temperature), (number, lat, lon))),
              "lai": (("time", "y", "x"), _Cells(at(leaf_area), (number, lat, lon))),
              "soc_0": (("y", "x"), _Cells(soil_carbon, (lat, lon)))}
    ds = xr.Dataset(coords={"time": months.astype("datetime64[ns]"), "y": lat, "x": lon})
    for name, (dims, cells) in fields.items():
        attrs = {"units": variable(name).unit, "long_name": variable(name).long_name,
                 "grid_mapping": "spatial_ref"}
        ds[name] = xr.Variable(dims, indexing.LazilyIndexedArray(cells), attrs)
    transform = f"{LON_LEFT} {dx} 0.0 {LAT_TOP} 0.0 {-dy}"
    ds["spatial_ref"] = xr.Variable((), 0, {"crs_wkt": WGS84, "GeoTransform": transform})
    ds.attrs.update(reco_kind="drivers", time_step="month", history="synthetic world")
    return ds.set_coords("spatial_ref")


def respiration(drivers: xr.Dataset) -> xr.DataArray:
    """Return the true respiration of the world's drivers [g C m-2 d-1], dims (time, y, x)."""
    flux = respiration_of(drivers["ta"].values, drivers["lai"].values, drivers["soc_0"].values)
    return xr.DataArray(flux, dims=("time", "y", "x"),
                        coords={name: drivers[name] for name in ("time", "y", "x")},
                        attrs={"units": "g C m-2 d-1", "long_name": "Ecosystem respiration"})


def make_observations(drivers: xr.Dataset, towers: int = 60, seed: int = 0) -> pd.DataFrame:
    """Return site-months of towers in the world, with noise and site offsets.

    Parameters
    ----------
    drivers : xarray.Dataset
        From `make_drivers`.
    towers : int
        Number of towers; none stands in the south-eastern corner (east of 50 E, south of 30 S).
    seed : int

    Returns
    -------
    pandas.DataFrame
        Columns site, time (YYYY-MM), lat, lon, igbp, reco [g C m-2 d-1], qc [1], ta, lai, soc_0.
    """
    rng = np.random.default_rng(seed)
    lat, lon = np.meshgrid(drivers["y"].values, drivers["x"].values, indexing="ij")
    allowed = np.flatnonzero(~((lon > EMPTY_LON) & (lat < EMPTY_LAT)).ravel())
    cells = rng.choice(allowed, size=min(towers, allowed.size), replace=False)
    months = drivers["time"].values.astype("datetime64[M]")
    parts = []
    for number, cell in enumerate(cells):
        y, x = lat.ravel()[cell], lon.ravel()[cell]
        chosen = np.sort(rng.choice(len(months), size=min(120, len(months)), replace=False))
        month, year = chosen % 12 + 1, FIRST_YEAR + chosen // 12
        ta, lai = temperature(y, x, month, year), leaf_area(y, x, month, year)
        soc = np.full(len(chosen), soil_carbon(y, x))
        truth = respiration_of(ta, lai, soc)
        offset = rng.normal(0, 0.05)
        flux = truth * (1 + offset + rng.normal(0, 0.08, len(chosen)))
        parts.append(pd.DataFrame({
            "site": f"XX-{number:03d}", "time": [str(month) for month in months[chosen]],
            "lat": y, "lon": x, "igbp": _vegetation(y, x), "reco": flux,
            "qc": 1.0, "ta": ta, "lai": lai, "soc_0": soc}))
    return pd.concat(parts, ignore_index=True)


def _vegetation(lat: float, lon: float) -> str:
    if abs(lat) < 15:
        return "EBF"
    if abs(lat) > 45:
        return "ENF"
    return "DBF" if lon < GREENING_LON else "GRA"


def monthly_total(flux: xr.DataArray) -> xr.DataArray:
    """Return a flux [g C m-2 d-1] as totals per month [g C m-2 month-1]."""
    days = xr.DataArray(step_days(flux["time"].values, "month"), dims="time")
    return (flux * days).assign_attrs(units="g C m-2 month-1")
