"""Climate files as their publishers describe them, written without the library under test."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping

import netCDF4
import numpy as np


def axis(first: float, count: int, step: float) -> np.ndarray:
    """Return centres of cells."""
    return first + step * np.arange(count)


def days_since(first: str, dates) -> np.ndarray:
    """Return days since a date."""
    return (np.asarray(dates, dtype="datetime64[D]") - np.datetime64(first)).astype("int64")


def month_middles(first: str, count: int) -> np.ndarray:
    """Return the 16th of months that follow each other."""
    return (np.datetime64(first, "M") + np.arange(count)).astype("datetime64[D]") + 15


def write(path: Path, variables: Mapping[str, tuple[np.ndarray, Mapping[str, Any]]], *, lat, lon, times=None,
          time_units: str = "days since 1900-1-1", time_name: str = "time", names=("lat", "lon"),
          attrs: Mapping[str, Any] | None = None, form: str = "NETCDF4", extra: Mapping[str, Any] | None = None) -> str:
    """Write variables of shape (time, lat, lon), (time, extra, lat, lon) or (lat, lon); return the path.

    Their attributes may have `_FillValue`, and `dtype` and `dims` for what is stored.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with netCDF4.Dataset(path, "w", format=form) as file:
        file.set_auto_maskandscale(False)
        file.setncatts(dict(attrs or {}))
        coordinates = {names[0]: (lat, "degrees_north"), names[1]: (lon, "degrees_east")}
        if times is not None:
            coordinates[time_name] = (times, time_units)
        for name, (values, unit) in coordinates.items():
            file.createDimension(name, None if name == time_name and form != "NETCDF4" else len(values))
            variable = file.createVariable(name, "f8", (name,))
            variable.units = unit
            variable[:] = values
        for name, values in (extra or {}).items():
            file.createDimension(name, len(values))
            file.createVariable(name, "i4", (name,))[:] = values
        for name, (values, own) in variables.items():
            own = dict(own)
            kind, dims = own.pop("dtype", "f4"), own.pop("dims", ((time_name,) if values.ndim == 3 else ()) + names)
            variable = file.createVariable(name, kind, dims, fill_value=own.pop("_FillValue", None))
            variable.set_auto_maskandscale(False)
            variable.setncatts(own)
            variable[:] = values
    return str(path)
