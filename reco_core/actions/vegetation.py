"""The actions that derive vegetation indices, smooth series and yearly phenology."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import xarray as xr

from ..drivers import indices as index_room
from ..drivers.phenology import CITATION as SCVTG_CITATION
from ..drivers.phenology import FLAGS, NAMES, Phenology
from ..drivers.smoothing import CITATIONS, Settings, Smoother
from ..errors import ConfigError, SchemaError
from ..progress import Progress
from ..vocabulary import canonical_name, variable
from .derive_run import Derivation, Made, Window, derive, open_inputs
from .texts import names as split_names

QUALITY = "quality"
PICKED = "index"
NOT_SMOOTHED = ("igbp", "inside", QUALITY)
BLUE = "blue"


def derive_indices(*, indices: list[str], nirv_soil: float, memory: float, output: str, rasters: str | None,
                   progress: Progress, **inputs: Any) -> dict[str, Any]:
    """Compute vegetation and water indices from reflectance."""
    ds = open_inputs(inputs)
    there = {band: band if band in ds else None for band in ("red", "nir", BLUE, "swir")}
    index_room.check_bands(indices, there)
    needed = {band for name in indices for band in index_room.BANDS[name]}
    if "evi" in indices and there[BLUE]:
        needed.add(BLUE)
    bands = [band for band in there if band in needed]
    static = not any("time" in ds[band].dims for band in bands)
    counts: Counter[str] = Counter()

    def compute(window: Window) -> dict[str, np.ndarray]:
        values = _alike({band: window.values[band] for band in bands})
        if "evi" in indices:
            both = index_room.two_band(values["red"], values["nir"], values.get(BLUE))
            counts["two"] += int(both.sum())
        made = index_room.compute(indices, nirv_soil=nirv_soil, **values)
        if "evi" in indices:
            counts["evi"] += int(np.isfinite(made["evi"]).sum())
        return made

    def lines() -> list[str]:
        if not counts["two"]:
            return []
        return [f"evi: {counts['two']} of {counts['evi']} values are of two bands, because blue is missing or invalid"]

    made = tuple(_made(name, static) for name in indices)
    without_blue = "evi" in indices and not there[BLUE]
    return derive(ds, bands, Derivation(
        made, compute, history=f"derive_indices: {', '.join(indices)}" + (f", soil {nirv_soil:g}" if nirv_soil else ""),
        notes=("evi is the form of two bands (EVI2), because there is no blue",) if without_blue else (),
        summary=lines), output=output, rasters=rasters, memory=memory, progress=progress)


def _alike(bands: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return bands of one shape; a band without dates counts for every time step."""
    return dict(zip(bands, np.broadcast_arrays(*bands.values())))


def _made(name: str, static: bool = False) -> Made:
    known = variable(name)
    return Made(name, known.unit, known.long_name, static)


def smooth(*, chosen: str | None, method: str, half_window: int, degree: int, trend: str, longest_gap: int,
           daily: bool, memory: float, output: str, rasters: str | None, progress: Progress,
           **inputs: Any) -> dict[str, Any]:
    """Smooth vegetation series."""
    wanted = [canonical_name(name) or name for name in split_names(chosen)]
    weighted = bool(inputs.get(f"{QUALITY}_layer"))
    ds = open_inputs(inputs, require=[*wanted, *([QUALITY] if weighted else [])] if wanted else None)
    names = _series(ds, wanted)
    smoothers = {name: Smoother(ds["time"].values, ds.attrs["time_step"], Settings(
        method, half_window, degree, float(longest_gap), daily, variable(name).low, variable(name).high, trend=trend))
        for name in names}
    one = smoothers[names[0]]
    weights = [QUALITY] if weighted else []
    if weighted and "time" not in ds[QUALITY].dims:
        raise SchemaError("The quality weights carry no dates", "Give a raster with a dated band per time step")

    def compute(window: Window) -> dict[str, np.ndarray]:
        quality = _weights(window) if weights else None
        return {name: smoother(window.values[name], quality,
                               progress=window.progress.span(number / len(names), (number + 1) / len(names)))
                for number, (name, smoother) in enumerate(smoothers.items())}

    made = tuple(Made(name, str(ds[name].attrs["units"]), str(ds[name].attrs["long_name"])) for name in names)
    return derive(ds, [*names, *weights], Derivation(
        made, compute, times=one.times, time_step=one.time_step,
        history=f"smooth: {method}" + (f", half_window {half_window}, degree {degree}" if method != "linear" else ""),
        notes=tuple(_axis_notes(one)), citations=CITATIONS.get(method, ()),
        summary=lambda: [line for name in names for line in _smooth_lines(name, smoothers[name])]),
        output=output, rasters=rasters, memory=memory, progress=progress)


def _series(ds: xr.Dataset, wanted: list[str]) -> list[str]:
    """Return the drivers to smooth: those wanted, or all with dates."""
    names = [str(name) for name in ds.data_vars if "time" in ds[name].dims and name not in NOT_SMOOTHED]
    static = [name for name in wanted if name not in names]
    if static or not names:
        raise SchemaError(f"{', '.join(static) or 'The drivers'}: a series with dates is needed, and there is none",
                          "Name a driver with dates in chosen")
    return wanted or names


def _weights(window: Window) -> np.ndarray:
    quality = window.values[QUALITY]
    low, high = np.nanmin(quality, initial=0.0), np.nanmax(quality, initial=0.0)
    if low < 0 or high > 1:
        raise SchemaError(f"The quality weights reach from {low:g} to {high:g}; weights from 0 (bad) to 1 (good) are "
                          "needed", "Give weights, not flags: 1 for good, 0.5 for marginal, 0 for bad values")
    return quality


def _axis_notes(smoother: Smoother) -> list[str]:
    notes = []
    if smoother.given.missing:
        notes.append(f"{smoother.given.missing} time steps that the series lacks are filled")
    if smoother.given.time_step == "day" and smoother.steps.time_step == "8day":
        notes.append("daily values were reduced to 8-day medians before smoothing")
    return notes


def _smooth_lines(name: str, smoother: Smoother) -> list[str]:
    counts, settings = smoother.counts, smoother.settings
    lines = []
    if counts["empty"]:
        fewest = "without a value" if settings.method == "linear" else "with fewer than 8 values"
        lines.append(f"{name}: {counts['empty']} pixels {fewest} stay missing")
    if counts["removed"]:
        lines.append(f"{name}: {counts['removed']} pixels have gaps longer than {settings.longest_gap:g} days; the "
                     "years that these reach into stay missing")
    if counts["seasons"]:
        lines.append(f"{name}: {counts['fallback']} of {counts['seasons']} seasons keep the Savitzky-Golay envelope "
                     "(fewer than 8 values, an amplitude of 0.03 or less, or no single season)")
    return lines


def derive_phenology(*, index: str, method: str, window: str, tail: float, memory: float, output: str,
                     rasters: str | None, progress: Progress, **inputs: Any) -> dict[str, Any]:
    """Describe the yearly curve of a vegetation index by nine variables."""
    name = PICKED if inputs.get(f"{PICKED}_layer") else canonical_name(index) or index
    known = variable(name)
    if name != PICKED and known.unit not in ("", "1"):
        raise ConfigError(f"'{name}' is in {known.unit}; phenology is of an index without unit",
                          "Name a vegetation index such as nirv, evi or ndvi")
    ds = open_inputs(inputs, require=[name])
    if "time" not in ds[name].dims:
        raise SchemaError(f"'{name}' has no dates, so it has no yearly curve",
                          "Give a series with a band per time step")
    phenology = Phenology(ds["time"].values, ds.attrs["time_step"], method=method, window=window, tail=tail,
                          low=max(known.low, -1.0), high=min(known.high, 1.0))
    south: list[bool] = []

    def compute(part: Window) -> dict[str, np.ndarray]:
        south.append(bool((part.lat < 0).any()))
        made = phenology(part.values[name], progress=part.progress)
        return {key: made[key] for key in NAMES}

    return derive(ds, [name], Derivation(
        tuple(_made(key) for key in NAMES), compute,
        times=phenology.times, time_step="year", history=f"derive_phenology: {name}, {method}, {window} years",
        notes=tuple(_axis_notes(phenology.smoother)), citations=(*CITATIONS.get(method, ()), SCVTG_CITATION),
        summary=lambda: _phenology_lines(phenology, any(south))),
        output=output, rasters=rasters, memory=memory, progress=progress)


def _phenology_lines(phenology: Phenology, south: bool) -> list[str]:
    parts = [f"{phenology.counts[flag]} {words}" for flag, words in zip(FLAGS, (
        "are good", "cross a level only once", "are flat", "are missing")) if phenology.counts[flag]]
    lines = ["of the pixel-years " + ", ".join(parts)]
    if south and phenology.window == "calendar":
        lines.append("there are pixels south of the equator: where the season lies around New Year, the calendar year "
                     "swaps the lengths of the 75 % and 25 % levels (window=season does not)")
    return lines
