"""Actions that map estimates, their explanation and their trend."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping, Optional

from ..errors import ConfigError, GridError, SampleError
from ..inference.series import SeriesJob
from ..io.rasters.geotiff import raster_tags
from ..io.rasters.grid import Grid
from ..io.rasters.qml import Style
from ..progress import Progress
from ..trends import AnnualSeries, trend_units
from ..version import __version__
from .class_support import CLASS_SUPPORT
from .keeping import Keeping, beside
from .map_files import MapFiles
from .map_job import INTERACTIONS, TREND, MapSource, MapSpec, SeriesSource, TrendSpec, series_job
from .map_remote import Remote
from .map_run import MapRun
from .products import Trend

if TYPE_CHECKING:
    import xarray as xr

TREND_BANDS = ("slope", "relative slope", "p", "low", "high", "n")


def predict(*, model: str, members: str, memory: float, device: str, resume: bool, cluster: Optional[str], flux: str,
            spread: Optional[str], seed_spread: Optional[str], relative_spread: Optional[str],
            applicability: Optional[str], class_support: Optional[str], progress: Progress,
            **grids: Any) -> dict[str, Any]:
    """Map the estimates of a fitted model, their spread and where it is applicable."""
    paths = {"flux": flux, "spread": spread, "seed_spread": seed_spread, "relative_spread": relative_spread,
             "applicability": applicability, CLASS_SUPPORT: class_support}
    source = MapSource(model, device, grids, flag_classes=bool(class_support))
    inputs = source.open(progress)
    run = MapRun(inputs, "predict", MapSpec.of(paths, inputs, members, memory), paths)
    remote = Remote.of_map(cluster, source, run.spec, run.device)
    keeping = Keeping("predict", {"model": model, **grids}, beside("predict", run.written["flux"]), resume=resume)
    return _maps(run, keeping, grids, progress, remote)


def explain(*, model: str, members: str, memory: float, device: str, resume: bool, cluster: Optional[str],
            base_value: Optional[str], shares: str, groups: Optional[str], dominant: Optional[str],
            interactions: Optional[str], folder: str, progress: Progress, **grids: Any) -> dict[str, Any]:
    """Map the contributions of each driver and what follows from them."""
    paths = {"base_value": base_value, "shares": shares, "groups": groups, "dominant": dominant,
             INTERACTIONS: interactions}
    source = MapSource(model, device, grids)
    inputs = source.open(progress)
    run = MapRun(inputs, "explain", MapSpec.of(paths, inputs, members, memory, contributions=True), paths, Path(folder))
    remote = Remote.of_map(cluster, source, run.spec, run.device)
    keeping = Keeping("explain", {"model": model, **grids}, beside("explain", folder, folder=True), resume=resume)
    return {**_maps(run, keeping, grids, progress, remote), "folder": folder}


def _maps(run: MapRun, keeping: Keeping, grids: Mapping[str, Any], progress: Progress,
          remote: Optional[Remote]) -> dict[str, Any]:
    with keeping, run.files:
        run.open_rasters()
        run.run(keeping, grids, progress, remote)
    run.remove_stale()
    return {**run.written, "summary": run.summary(), "citations": list(run.fitted.provenance.get("citations", ())),
            "details": run.details()}


def trend(*, estimate: str, period: Optional[str], memory: float, resume: bool, cluster: Optional[str],
          output: str, progress: Progress, **how: Any) -> dict[str, Any]:
    """Map the trend of a raster with a band per time step."""
    spec = TrendSpec.of(how, progress)
    source = SeriesSource(estimate, period)
    remote = Remote.of_trend(cluster, source, spec, memory)
    series = source.open()
    job, product, unit = planned_trend(series, spec, memory)
    tags = {"RECO_VERSION": __version__, "RECO_STEP": "trend"}
    tags |= {name: value for name, value in raster_tags(estimate).items() if name in ("MODEL_ID", "MEMBERS")}
    keeping = Keeping("trend", {"estimate": estimate}, beside("trend", output), resume=resume)
    with keeping, MapFiles(Grid.of(series), tags) as files:
        open_trend(files, output, unit, product)
        keeping.carry_out(job, {"made": asdict(spec), "period": period}, files, progress, remote)
        if product.valid == 0:
            raise GridError(f"No pixel of '{estimate}' has {spec.min_years} valid {_values(product.series)}",
                            "Give a longer series, or a smaller min_years")
    return {"output": output, "summary": trend_lines(product), "citations": product.test.citations}


def planned_trend(series: xr.DataArray, spec: TrendSpec, memory: float) -> tuple[SeriesJob, Trend, str]:
    """Return the job that makes the trend of a series, its product, and the unit of the annual values.

    Raises
    ------
    SampleError
        The series is too short.
    ConfigError
        Its values cannot be added up, or do not suit the test.
    ResourceError
        The tiles do not fit into what this process may take.
    """
    job = series_job(series, spec, memory)
    job.require_memory()
    product = job.products[0]
    assert isinstance(product, Trend)
    lines = too_few(product.series, spec.min_years)
    if lines:
        raise SampleError(lines[0], "Give a longer series, or a smaller min_years")
    time_step = str(series.attrs["time_step"])
    return job, product, annual_unit(str(series.attrs.get("units", "")), product.series.how, time_step)


def open_trend(files: MapFiles, path: str, unit: str, product: Trend) -> None:
    """Open the raster of a trend: slope, relative slope, p, low and high end of the interval, number of values."""
    units, years = trend_units(unit), product.series
    first, last = (f"{time:.{0 if years.annual else 3}f}" for time in years.times[[0, -1]])
    files.open(path, TREND_BANDS, name=TREND, unit=units, style=Style("diverging", "Trend", units[0], bands=(1,)),
               PERIOD=f"{first}/{last}", ANNUAL=years.how, MIN_YEARS=str(product.min_years),
               METHOD=f"Theil-Sen slope, {product.test.text}, 95 % interval")


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


def trend_lines(product: Trend) -> list[str]:
    """Return lines for the user."""
    years = product.series
    first, last = (int(year) for year in years.times[[0, -1]])
    lines = [f"Trend of {product.valid} pixels over {years.kept} {_values(years)}, {first} to {last}; "
             f"{product.test.text}", product.field.line()]
    if product.filled:
        lines.append(f"Values of a pixel and year with up to a quarter of the time steps filled: {product.filled} "
                     "(with the pixel's mean of the same month)")
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
