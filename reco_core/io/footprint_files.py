"""Tables and patches of what a grid has around towers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterable

import numpy as np
import pandas as pd
import xarray as xr

from ..errors import ConfigError
from ..vocabulary.calendar import step_label
from .files import atomic

DIGITS = "%.7g"


def write_footprints(ds: xr.Dataset, path: str | Path, time_step: str) -> Path:
    """Write drivers (site, time) as CSV: a row per site and time step; without dates a row per site.

    Parameters
    ----------
    ds : xarray.Dataset
    path : path
    time_step : str
        '' where nothing has dates.
    """
    sites, times = ds["site"].values.astype(str), ds["time"].values
    columns: dict[str, Any] = {"site": np.repeat(sites, times.size)}
    if time_step:
        columns["time"] = np.tile([step_label(time, time_step) for time in times], sites.size)
    columns |= {str(name): ds[name].values.reshape(-1) for name in ds.data_vars}
    target = Path(path)
    with atomic(target) as part:
        pd.DataFrame(columns).to_csv(part, index=False, lineterminator="\n", float_format=DIGITS)
    return target


def write_patches(parts: Iterable[xr.Dataset], path: str | Path) -> Path:
    """Write patches (site, time, dy, dx) as NetCDF, one driver after the other.

    Parameters
    ----------
    parts : iterable of xarray.Dataset
        Each with one driver; only one is held at a time.
    path : path
        Ends in .nc.

    Raises
    ------
    ConfigError
        The name does not end in .nc.
    """
    target = Path(path)
    if target.suffix.lower() != ".nc":
        raise ConfigError(f"'{target.name}' cannot be written: patches are NetCDF", "Let its name end in .nc")
    written: set[str] = set()
    with atomic(target) as temporary:
        for part in parts:
            _append(part.drop_vars([name for name in map(str, part.coords) if name in written]), temporary, not written)
            written |= set(map(str, part.coords))
    return target


def _append(part: xr.Dataset, path: Path, first: bool) -> None:
    encoding: dict[str, dict[str, Any]] = {
        str(name): {"zlib": True, "complevel": 2, "_FillValue": np.float32(np.nan)} for name in part.data_vars}
    if "site" in part.coords:
        encoding["site"] = {"dtype": str}
    if "time" in part.coords:
        encoding["time"] = {"units": "days since 1970-01-01", "calendar": "standard", "dtype": "int32"}
    part.attrs["Conventions"] = "CF-1.8"
    part.to_netcdf(path, mode="w" if first else "a", engine="netcdf4", format="NETCDF4", encoding=encoding)
