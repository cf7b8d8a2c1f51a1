"""The actions that derive potential evapotranspiration and drought indices."""

from __future__ import annotations

from typing import Any, Callable, Optional

import numpy as np
import xarray as xr

from ..drivers.evapotranspiration import along, hargreaves_rate, thornthwaite
from ..drivers.month_axis import Months, calibrated, month_axis
from ..drivers.penman import penman_rate
from ..drivers.water_balance import spei, spi
from ..errors import ConfigError, GridError, SchemaError
from ..progress import Progress
from ..vocabulary.calendar import parse_period, step_days, step_start
from .derive_run import Derivation, Made, Window, derive, open_inputs
from .texts import names as split_names

FEWEST_YEARS = 4
LONGEST_SCALE = 99
NEEDS = {"thornthwaite": ("ta",), "hargreaves": ("tmin", "tmax"), "penman_monteith": ("tmin", "tmax", "wind")}
RADIATION = ("net_rad", "sw_in")
HUMIDITY = ("ea", "vpd")
HEIGHT = ("pa", "elevation")
SOURCES = {
    "thornthwaite": "Thornthwaite, C. W. (1948). Geographical Review 38, 55-94. doi:10.2307/210739",
    "hargreaves": "Hargreaves, G. H., Samani, Z. A. (1985). Applied Engineering in Agriculture 1, 96-99. "
                  "doi:10.13031/2013.26773",
    "penman_monteith": "Allen, R. G. et al. (1998). FAO Irrigation and Drainage Paper 56. ISBN 92-5-104219-5",
    "spei": "Vicente-Serrano, S. M. et al. (2010). J. Climate 23, 1696-1718. doi:10.1175/2009JCLI2909.1",
    "spi": "McKee, T. B. et al. (1993). 8th Conference on Applied Climatology, 179-184.",
}
MONTHLY = "Make monthly drivers first, with the step aggregate (reco aggregate --to month)"


def derive_pet(*, method: str, wind_height: float, memory: float, output: str, rasters: Optional[str],
               progress: Progress, **inputs: Any) -> dict[str, Any]:
    """Derive potential evapotranspiration [mm d-1] from temperature, or from all that drives it."""
    optional = (*RADIATION, *HUMIDITY, *HEIGHT) if method == "penman_monteith" else ()
    ds = open_inputs(inputs, require=NEEDS[method], optional=optional)
    step = _time_step(ds)
    if method == "thornthwaite" and step != "month":
        raise GridError(f"Thornthwaite needs monthly temperature; the drivers have one step per {step}", MONTHLY)
    chosen = [*NEEDS[method], *(_penman_drivers(ds) if optional else ())]
    rate = {"thornthwaite": _thornthwaite, "hargreaves": _hargreaves,
            "penman_monteith": _penman(wind_height)}[method]
    derivation = Derivation(
        made=(Made("pet", "mm d-1", "Potential evapotranspiration"),), compute=lambda window: {"pet": rate(window)},
        per_value=12.0, history=f"derive_pet: {method} of {', '.join(chosen)}", citations=(SOURCES[method],))
    return derive(ds, chosen, derivation, output=output, rasters=rasters, memory=memory, progress=progress)


def _time_step(ds: xr.Dataset) -> str:
    if "time" not in ds.dims:
        raise GridError("The drivers have no dates", "Give series: a band per time step, with dates")
    return str(ds.attrs["time_step"])


def _penman_drivers(ds: xr.Dataset) -> list[str]:
    """Return the drivers of radiation, humidity and pressure that there are, the best of each."""
    chosen = []
    for group, words in ((RADIATION, "radiation: sw_in or net_rad"), (HUMIDITY, "humidity: ea or vpd"),
                         (HEIGHT, "elevation or air pressure (pa)")):
        there = [name for name in group if name in ds]
        if not there:
            raise SchemaError(f"Penman-Monteith needs {words}, and the drivers have none of them",
                              "Add it to the drivers or pick a layer; hargreaves needs only tmin and tmax")
        chosen.append(there[0])
    if "net_rad" not in chosen and "elevation" in ds and "elevation" not in chosen:
        chosen.append("elevation")  # of the clear sky
    return chosen


def _doy(window: Window) -> np.ndarray:
    """Return the day of the year in the middle of each time step."""
    start = step_start(window.times, window.time_step)
    middle = start + ((step_days(start, window.time_step) - 1) // 2).astype(int)
    return (middle - middle.astype("datetime64[Y]").astype("datetime64[D]")).astype(int) + 1.0


def _thornthwaite(window: Window) -> np.ndarray:
    monthly = thornthwaite(window.values["ta"], window.lat, times=window.times)
    monthly /= along(step_days(window.times, "month"), 3).astype("float32")
    return monthly


def _hargreaves(window: Window) -> np.ndarray:
    return hargreaves_rate(window.values["tmin"], window.values["tmax"], window.lat, _doy(window))


def _penman(wind_height: float) -> Callable[[Window], np.ndarray]:
    def rate(window: Window) -> np.ndarray:
        values: dict[str, Any] = dict(window.values)
        return penman_rate(**values, lat=window.lat, doy=_doy(window), wind_height=wind_height)

    return rate


def derive_spei(*, scales: str, index: str, distribution: str, calibration: Optional[str], clip: float, memory: float,
                output: str, rasters: Optional[str], progress: Progress, **inputs: Any) -> dict[str, Any]:
    """Derive the drought indices SPEI or SPI of monthly precipitation and PET [mm d-1]."""
    lengths = _scales(scales)
    ds = open_inputs(inputs, require=["precip"], optional=["pet"] if index == "spei" else [])
    if index == "spei" and "pet" not in ds:
        raise SchemaError("SPEI needs potential evapotranspiration, and the drivers have no 'pet'",
                          "Make it with the step derive_pet and give its cube or layer too, or choose the index spi")
    if _time_step(ds) != "month":
        raise GridError(f"Drought indices need monthly drivers; these have one step per {ds.attrs['time_step']}",
                        MONTHLY)
    chosen = ["precip", "pet"] if index == "spei" else ["precip"]
    months = month_axis(ds.sizes["time"], ds["time"].values)
    period = parse_period(calibration) if calibration else None
    _enough(months, calibrated(months, period), max(lengths))
    if distribution == "auto":
        distribution = "log_logistic" if index == "spei" else "gamma"
    counts = _Counts()
    options = {"distribution": distribution, "calibration": period, "clip": clip}
    titles = {"spei": "Drought index (SPEI)", "spi": "Precipitation index (SPI)"}
    derivation = Derivation(
        made=tuple(Made(f"{index}_{k}", "1", f"{titles[index]} of {k} month{'s' * (k > 1)}") for k in lengths),
        compute=_indices(index, lengths, options, counts), per_value=2.0 if months.whole else 10.0,
        history=f"derive_{index}: {distribution}, fitted on {calibration or 'all months'}, clipped at {clip:g}"
                .replace("derive_spi:", "derive_spei: spi,"),
        summary=lambda: counts.lines(lengths), citations=(SOURCES[index],))
    return derive(ds, chosen, derivation, output=output, rasters=rasters, memory=memory, progress=progress)


def _scales(text: str) -> list[int]:
    """Return the scales that a text names."""
    try:
        lengths = [int(part) for part in split_names(text)]
    except ValueError:
        lengths = []
    if not lengths or min(lengths) < 1 or max(lengths) > LONGEST_SCALE or len(set(lengths)) < len(lengths):
        raise ConfigError(f"'{text}' are no scales", f"Write months from 1 to {LONGEST_SCALE}, such as 12,24,36")
    return lengths


def _enough(months: Months, fitted: np.ndarray, scale: int) -> None:
    """Refuse series in which no calendar month has enough sums to fit a distribution to."""
    if scale > months.size:
        raise GridError(f"A scale of {scale} months is longer than the series of {months.size}",
                        "Take a smaller scale or a longer series")
    given = np.zeros(months.size, dtype=bool)
    given[months.at] = True
    complete = np.convolve(given, np.ones(scale))[:months.size] == scale
    years = np.bincount(months.month[fitted & complete], minlength=12)
    fewest = int(years[np.unique(months.month[months.at])].min())
    if fewest < FEWEST_YEARS:
        raise GridError(f"A calendar month has only {fewest} sums of {scale} month{'s' * (scale > 1)} to fit a "
                        f"distribution to; at least {FEWEST_YEARS} years are needed, and 30 are usual",
                        "Take a longer series or calibration period, or a smaller scale")


class _Counts:
    """What came out, over all tiles."""

    def __init__(self) -> None:
        self.missing: dict[int, int] = {}
        self.clipped: dict[int, int] = {}
        self.values = 0

    def add(self, scale: int, result: np.ndarray, there: int, clip: float) -> None:
        missing = there - int(np.count_nonzero(np.isfinite(result)))
        self.missing[scale] = self.missing.get(scale, 0) + missing
        self.clipped[scale] = self.clipped.get(scale, 0) + int(np.count_nonzero(np.abs(result) >= clip))

    def lines(self, scales: list[int]) -> list[str]:
        if not self.values:
            return ["No cell has a water balance: nothing could be computed"]
        return [f"scale {scale}: {100 * self.missing[scale] / self.values:.1f} % of the values have no index "
                f"(start of the series, gaps, too few values), {self.clipped[scale]} reach the largest value"
                for scale in scales]


def _indices(index: str, scales: list[int], options: dict[str, Any],
             counts: _Counts) -> Callable[[Window], dict[str, np.ndarray]]:
    """Return the function that computes the indices of a window; it works in the memory of the precipitation."""
    function = spei if index == "spei" else spi

    def compute(window: Window) -> dict[str, np.ndarray]:
        water = window.values["precip"]
        if index == "spei":
            water -= window.values["pet"]
        else:
            np.maximum(water, 0.0, out=water)
        water *= along(step_days(window.times, "month"), 3).astype("float32")
        there = int(np.count_nonzero(np.isfinite(water)))
        counts.values += there
        results = {}
        for number, scale in enumerate(scales):
            span = window.progress.span(number / len(scales), (number + 1) / len(scales))
            result = function(water, scale, times=window.times, progress=span, **options)
            counts.add(scale, result, there, options["clip"])
            results[f"{index}_{scale}"] = result
        return results

    return compute
