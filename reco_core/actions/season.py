"""The action that derives drivers of the season."""

from __future__ import annotations

from typing import Any, Optional, Sequence

import numpy as np

from ..drivers.season import day_length, day_of_year, doy_sine, season_circle, shifted
from ..errors import ConfigError, GridError
from ..progress import Progress
from ..vocabulary import variable
from .derive_run import Derivation, Made, Window, derive, open_inputs

STATIC = ("latitude_abs",)
CITATION = "Allen, R. G. et al. (1998). FAO Irrigation and Drainage Paper 56. ISBN 92-5-104219-5"


def derive_season(*, variables_made: Sequence[str], shift_south: bool, memory: float, output: str,
                  rasters: Optional[str], progress: Progress, **inputs: Any) -> dict[str, Any]:
    """Make the season a driver: sine of the day of year, day length, latitude."""
    if not variables_made:
        raise ConfigError("No driver of the season is chosen", "Choose for example doy_sin")
    ds = open_inputs(inputs)
    dated = [name for name in variables_made if name not in STATIC]
    if dated and "time" not in ds.dims:
        raise GridError(f"{', '.join(dated)} need dates, and the drivers have none",
                        "Give drivers with a band per time step, or choose latitude_abs alone")
    doy = day_of_year(ds["time"].values, ds.attrs["time_step"]) if dated else np.empty(0)

    def compute(window: Window) -> dict[str, np.ndarray]:
        return season_window(variables_made, doy, window.lat, shift_south)

    notes = []
    if dated and ds.attrs["time_step"] != "day":
        notes.append("the day of the year is that of the middle day of each time step")
    if shift_south and {"doy_sin", "season_sin", "season_cos"} & set(variables_made):
        notes.append("south of the equator the day of the year is moved by half a year")
    made = tuple(Made(name, variable(name).unit, variable(name).long_name, name in STATIC) for name in variables_made)
    return derive(ds, [], Derivation(
        made, compute, history=f"derive_season: {', '.join(variables_made)}" + (", shifted south" * shift_south),
        notes=tuple(notes), citations=(CITATION,) if "day_length" in variables_made else ()),
        output=output, rasters=rasters, memory=memory, progress=progress)


def season_window(names: Sequence[str], doy: np.ndarray, lat: np.ndarray, shift_south: bool) -> dict[str, np.ndarray]:
    """Return drivers of the season on a grid.

    Parameters
    ----------
    names : sequence of str
    doy : array of shape (time,) [d]
        Day of the year.
    lat : array of shape (rows, cols) [degree]
    shift_south : bool
        Move the day of the year by half a year south of the equator (day length needs no shift).

    Returns
    -------
    dict of arrays of shape (time, rows, cols), or (rows, cols) for the latitude
        NaN where the grid has no latitude.
    """
    days = np.asarray(doy, dtype="float64").reshape(-1, 1, 1)
    there = np.where(np.isfinite(lat), 1.0, np.nan)
    results: dict[str, np.ndarray] = {}
    if "latitude_abs" in names:
        results["latitude_abs"] = np.abs(lat)
    if "day_length" in names:
        results["day_length"] = day_length(doy, lat)
    moved = shifted(days, lat) if shift_south else days
    if "doy_sin" in names:
        results["doy_sin"] = doy_sine(moved) * there
    if {"season_sin", "season_cos"} & set(names):
        sine, cosine = season_circle(moved)
        results.update(season_sin=sine * there, season_cos=cosine * there)
    return {name: results[name] for name in names}
