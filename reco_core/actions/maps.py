"""Actions that map estimates, their explanation and their trend."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Optional

import numpy as np
import xarray as xr

from ..errors import ConfigError, GridError, SampleError
from ..inference.tiles import Clock, plan_tiles
from ..io.artifact import model_id
from ..io.rasters.geotiff import RasterWriter, raster_tags, read_series
from ..io.rasters.grid import Grid
from ..io.rasters.qml import Style
from ..progress import Progress
from ..trends import AnnualSeries, trend_units
from ..version import __version__
from ..vocabulary.calendar import parse_period, step_label
from .map_files import MapFiles
from .map_inputs import open_inputs
from .map_run import MapRun
from .models import open_on
from .products import Trend

TREND_BANDS = ("slope", "relative slope", "p", "low", "high", "n")


def predict(*, model: str, members: str, memory: float, device: str, flux: str, spread: Optional[str],
            seed_spread: Optional[str], relative_spread: Optional[str], applicability: Optional[str],
            progress: Progress, **grids: Any) -> dict[str, Any]:
    """Map the estimates of a fitted model, their spread and where it is applicable."""
    inputs = open_inputs(open_on(model, device, progress), model_id(model), progress=progress, **grids)
    wanted = {"flux": flux, "spread": spread, "seed_spread": seed_spread, "relative_spread": relative_spread,
              "applicability": applicability}
    return _maps(MapRun(inputs, "predict", wanted, members, memory), progress)


def explain(*, model: str, members: str, memory: float, device: str, base_value: Optional[str], shares: str,
            groups: Optional[str], dominant: Optional[str], folder: str, progress: Progress,
            **grids: Any) -> dict[str, Any]:
    """Map the contributions of each driver and what follows from them."""
    inputs = open_inputs(open_on(model, device, progress), model_id(model), progress=progress, **grids)
    wanted = {"base_value": base_value, "shares": shares, "groups": groups, "dominant": dominant}
    result = _maps(MapRun(inputs, "explain", wanted, members, memory, Path(folder)), progress)
    return {**result, "folder": folder}


def _maps(run: MapRun, progress: Progress) -> dict[str, Any]:
    with run.files:
        run.open_rasters()
        run.run(progress)
    run.remove_stale()
    return {**run.written, "summary": run.summary(), "citations": list(run.fitted.provenance.get("citations", ())),
            "details": run.details()}


def trend(*, estimate: str, annual: str, min_years: int, engine: str, period: Optional[str], memory: float,
          output: str, progress: Progress) -> dict[str, Any]:
    """Map the trend of a raster with a band per time step."""
    series = _within(read_series(estimate), period, estimate)
    times = _times(series)
    years = AnnualSeries(times, str(series.attrs["time_step"]), annual)
    lines = too_few(years, min_years)
    if lines:
        raise SampleError(lines[0], "Give a longer series, or a smaller min_years")
    unit = annual_unit(str(series.attrs.get("units", "")), years.how, str(series.attrs["time_step"]))
    tags = {"RECO_VERSION": __version__, "RECO_STEP": "trend"}
    tags |= {name: value for name, value in raster_tags(estimate).items() if name in ("MODEL_ID", "MEMBERS")}
    with MapFiles(Grid.of(series), tags) as files:
        product = Trend(open_trend(files, output, unit, years, min_years), years, min_years, engine)
        plan = plan_tiles(series.sizes["y"], series.sizes["x"], len(times), per_value=8.0,
                          per_pixel=product.per_pixel, memory_gb=memory)
        batches = list(plan.batches())
        clock = Clock(len(plan.tiles), progress)
        for number, tile in enumerate(plan.tiles):
            product.begin(tile)
            for part, steps in enumerate(batches):
                clock.span(number, part / len(batches), (part + 1) / len(batches))
                window = series.isel(time=steps, y=tile.rows, x=tile.columns)
                product.add_layers(steps.start, window.transpose("time", "y", "x").values)
            product.end(tile)
        if product.valid == 0:
            raise GridError(f"No pixel of '{estimate}' has {min_years} valid {_values(years)}",
                            "Give a longer series, or a smaller min_years")
    return {"output": output, "summary": trend_lines(product, years), "citations": [SEN, KENDALL]}


SEN = "Sen, P. K. (1968). J. Am. Stat. Assoc. 63, 1379-1389. doi:10.1080/01621459.1968.10480934"
KENDALL = "Mann, H. B. (1945). Econometrica 13, 245-259. doi:10.2307/1907187"


def open_trend(files: MapFiles, path: str, unit: str, years: AnnualSeries, min_years: int) -> RasterWriter:
    """Open the raster of a trend: slope, relative slope, p, low and high end of the interval, number of values."""
    units = trend_units(unit)
    first, last = (f"{time:.{0 if years.annual else 3}f}" for time in years.times[[0, -1]])
    return files.open(path, TREND_BANDS, unit=units, style=Style("diverging", "Trend", units[0], bands=(1,)),
                      PERIOD=f"{first}/{last}", ANNUAL=years.how, MIN_YEARS=str(min_years),
                      METHOD="Theil-Sen slope, Mann-Kendall test, 95 % interval")


def too_few(years: AnnualSeries, min_years: int) -> list[str]:
    """Return why there can be no trend, or nothing."""
    if years.kept >= min_years:
        return []
    dropped = ""
    if years.dropped_years:
        dropped = f" ({len(years.dropped_years)} years lack time steps, such as {years.dropped_years[0]})"
    return [f"A trend needs {min_years} {_values(years)}; the series has {years.kept}{dropped}"]


def _values(years: AnnualSeries) -> str:
    return "whole years" if years.annual else "time steps"


def trend_lines(product: Trend, years: AnnualSeries) -> list[str]:
    """Return lines for the user."""
    lines = [f"Trend of {product.valid} pixels over {years.kept} {_values(years)}, {years.times[0]:.0f} to "
             f"{years.times[-1]:.0f}"]
    if years.filled:
        lines.append(f"Values of a pixel and year with up to a quarter of the time steps filled: {years.filled} (with "
                     "the pixel's mean of the same month)")
    if years.dropped_years:
        lines.append("Years without all their time steps are left out: "
                     + ", ".join(str(year) for year in years.dropped_years))
    return lines


def annual_unit(unit: str, how: str, time_step: str) -> str:
    """Return the unit of annual values of a series in `unit`.

    Raises
    ------
    ConfigError
        Rates per another time than the step of the series shall be added up, which has no meaning.

    Examples
    --------
    >>> annual_unit("g C m-2 month-1", "sum", "month")
    'g C m-2 yr-1'
    """
    rate = re.search(r" (month|16day|8day|week|d|yr)-1$", unit)
    if how != "sum" or rate is None:
        return unit
    if rate.group(1) != {"day": "d", "year": "yr"}.get(time_step, time_step):
        raise ConfigError(f"The series is in {unit} and has a band per {time_step}: adding up such rates gives no "
                          "annual value", "Choose annual=mean, or annual=none")
    return unit[:rate.start()] + " yr-1"


def _times(series: xr.DataArray) -> np.ndarray:
    return np.asarray(series["time"].values, dtype="datetime64[D]")


def _within(series: xr.DataArray, period: Optional[str], where: str) -> xr.DataArray:
    """Return the time steps of a series that lie in a period."""
    first, last = parse_period(period)
    if first is None or last is None:
        return series
    times = _times(series)
    chosen = np.flatnonzero((times >= first) & (times <= last))
    if chosen.size == 0:
        step = str(series.attrs["time_step"])
        raise GridError(f"'{where}' has no time step in {period}: it has {step_label(times[0], step)} to "
                        f"{step_label(times[-1], step)}", "Give another period, or none")
    return series.isel(time=slice(int(chosen[0]), int(chosen[-1]) + 1))
