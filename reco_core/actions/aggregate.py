"""The actions that aggregate drivers in time."""

from __future__ import annotations

from typing import Any, Optional, Sequence

import numpy as np
import xarray as xr

from ..drivers.annual import Annual
from ..drivers.composite import BY_DAYS, Composite
from ..errors import ConfigError, SchemaError
from ..progress import Progress
from ..vocabulary import canonical_name, variable
from ..vocabulary.calendar import step_label
from .derive_run import Derivation, Made, Window, derive, open_inputs
from .texts import names as split_names

CLASSES = ("igbp", "texture")
MEDIANS = ("ndvi", "evi", "nirv", "lswi", "red", "nir", "blue", "green", "nir2", "swir", "swir2")
NO_SERIES = ("inside", "quality")
PER_DAY = " d-1"
WORDS = {"mean": "mean", "sum": "total", "median": "median", "min": "least", "max": "largest",
         "majority": "most frequent class"}
ANNUAL = ("Zhu, L. et al. (2024). IEEE Journal of Selected Topics in Applied Earth Observations and Remote Sensing. "
          "doi:10.1109/JSTARS.2024.3400158")
CELL_METHODS = {"mean": "time: mean", "sum": "time: sum", "median": "time: median", "min": "time: minimum",
                "max": "time: maximum", "majority": "time: mode"}
PER_STEP = {"8day": "8day-1", "16day": "16day-1", "month": "month-1", "year": "yr-1"}


def aggregate(*, chosen: Optional[str], to: str, method: str, belongs: str, least_share: float, memory: float,
              output: str, rasters: Optional[str], progress: Progress, **inputs: Any) -> dict[str, Any]:
    """Aggregate drivers to a coarser time step."""
    ds, names = _series(inputs, chosen)
    methods = {name: _method(name, method) for name in names}
    units = {name: _unit(name, str(ds[name].attrs["units"]), methods[name], to) for name in names}
    composite = Composite(ds["time"].values, ds.attrs["time_step"], to, belongs=belongs, least_share=least_share)
    made = {name: Made(f"{name}_sum" if methods[name] == "sum" else name, units[name],
                       _long_name(ds, name, methods[name], to), cell_methods=CELL_METHODS[methods[name]])
            for name in names}
    counts = {name: [0, 0] for name in names}

    def compute(window: Window) -> dict[str, np.ndarray]:
        results = {}
        for number, name in enumerate(names):
            span = window.progress.span(number / len(names), (number + 1) / len(names))
            results[made[name].name] = composite(window.values[name], methods[name], progress=span)
            _count(counts[name], results[made[name].name])
        return results

    return derive(ds, names, Derivation(
        tuple(made.values()), compute, times=composite.times, time_step=to, per_value=4.0,
        history=f"aggregate: {ds.attrs['time_step']} to {to}, {_words(methods)}, by {belongs} day"
                .replace("by share day", "shared by days") + f", at least {100 * least_share:g} % of the steps",
        notes=tuple(_notes(methods, ds.attrs["time_step"], to, belongs)),
        summary=lambda: _missing(counts)), output=output, rasters=rasters, memory=memory, progress=progress)


def _series(inputs: dict[str, Any], chosen: Optional[str]) -> tuple[xr.Dataset, list[str]]:
    """Return the drivers opened, and the names of those to work on: the chosen ones, or all with dates."""
    wanted = [canonical_name(name) or name.lower() for name in split_names(chosen)]
    ds = open_inputs(inputs, require=wanted or None)
    dated = [str(name) for name in ds.data_vars if "time" in ds[name].dims and name not in NO_SERIES]
    static = [name for name in wanted if name not in dated]
    if static or not dated:
        raise SchemaError(f"{', '.join(static) or 'The drivers'}: a series with dates is needed, and there is none",
                          "Give drivers with a band per time step; static drivers need no statistics")
    return ds, wanted or dated


def _method(name: str, method: str) -> str:
    """Return how a driver is aggregated."""
    if name in CLASSES:
        return "majority"
    if method != "auto":
        return method
    return "median" if name in MEDIANS else "mean"


def _unit(name: str, unit: str, method: str, to: str) -> str:
    if method != "sum":
        return unit
    if not unit.endswith(PER_DAY):
        raise ConfigError(f"'{name}' is in {unit or 'no unit'}: only amounts per day can be summed up",
                          "Name the drivers to sum up in chosen, for example precip, or take the mean")
    return f"{unit.removesuffix(PER_DAY)} {PER_STEP[to]}"


def _long_name(ds: xr.Dataset, name: str, method: str, to: str) -> str:
    long_name = str(ds[name].attrs.get("long_name") or variable(name).long_name)
    return f"{long_name}, total per {to}" if method == "sum" else long_name


def _grouped(methods: dict[str, str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name, method in methods.items():
        groups.setdefault(method, []).append(name)
    return groups


def _words(methods: dict[str, str]) -> str:
    return ", ".join(f"{WORDS[method]} of {' '.join(group)}" for method, group in _grouped(methods).items())


def _notes(methods: dict[str, str], time_step: str, to: str, belongs: str) -> list[str]:
    notes = [f"{WORDS[method]} per {to}: {', '.join(group)}" for method, group in _grouped(methods).items()]
    if "sum" in methods.values():
        notes.append("totals are the mean of the days that have data times all days of the step")
    if time_step in ("8day", "16day", "week"):
        shared = belongs == "share" and any(method in BY_DAYS for method in methods.values())
        notes.append("a composite that reaches into two steps is split by days" if shared
                     else "a composite belongs to the step of its middle day")
        if shared and not all(method in BY_DAYS for method in methods.values()):
            notes.append("medians, extremes and classes take the middle day")
    return notes


def _count(count: list[int], result: np.ndarray) -> None:
    """Count the missing values, and all, of pixels that have any."""
    there = np.isfinite(result)
    pixels = int(np.count_nonzero(there.any(axis=0)))
    count[1] += pixels * len(result)
    count[0] += pixels * len(result) - int(np.count_nonzero(there))


def _missing(counts: dict[str, list[int]]) -> list[str]:
    return [f"{name}: {100 * missing / total:.1f} % of the results are missing where there is any"
            for name, (missing, total) in counts.items() if missing]


def derive_annual(*, chosen: Optional[str], statistics: Sequence[str], every_step: bool, least_share: float,
                  memory: float, output: str, rasters: Optional[str], progress: Progress,
                  **inputs: Any) -> dict[str, Any]:
    """Compute the least, mean and largest value of each calendar year."""
    if not statistics:
        raise ConfigError("No statistic is chosen", "Choose from min, mean and max")
    ds, names = _series(inputs, chosen)
    names = [name for name in names if name not in CLASSES]
    annual = Annual(ds["time"].values, ds.attrs["time_step"], every_step=every_step, least_share=least_share)
    counts = {name: [0, 0] for name in names}

    def compute(window: Window) -> dict[str, np.ndarray]:
        results = {}
        for number, name in enumerate(names):
            span = window.progress.span(number / len(names), (number + 1) / len(names))
            for statistic, result in annual(window.values[name], statistics, progress=span).items():
                results[f"{name}_{statistic}"] = result
                _count(counts[name], result)
        return results

    made = tuple(Made(f"{name}_{statistic}", str(ds[name].attrs["units"]),
                      f"{_long_name(ds, name, statistic, 'year')}, {WORDS[statistic]} of the year",
                      cell_methods=CELL_METHODS[statistic])
                 for name in names for statistic in statistics)
    first, last = (step_label(time, "year") for time in annual.composite.times[[0, -1]])
    return derive(ds, names, Derivation(
        made, compute, times=annual.times, time_step=annual.time_step,
        per_value=8.0 + 4.0 * len(statistics),
        history=f"derive_annual: {', '.join(statistics)} of {' '.join(names)}, years with at least "
                f"{100 * least_share:g} % of their steps",
        notes=(f"calendar years {first} to {last}" + (", repeated for every time step" if every_step else ""),),
        summary=lambda: _missing(counts)), output=output, rasters=rasters, memory=memory, progress=progress)
