"""What one pass over a map makes, in a few words that can be sent to other processes, and the job it becomes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Optional

import numpy as np
import xarray as xr

from ..device import resolve
from ..errors import ConfigError, GridError
from ..explain.engine import Engine, kept_for, rows_for
from ..inference.job import MapJob
from ..inference.pieces import Product
from ..inference.series import SeriesJob, SeriesReader
from ..io.artifact import model_id
from ..io.rasters.geotiff import read_series
from ..progress import SILENT, Progress
from ..trends import AnnualSeries, TrendTest
from ..vocabulary.calendar import STEPS_PER_YEAR, parse_period, step_label
from . import products
from .class_support import CLASS_SUPPORT, grades
from .dependence import DependenceSample
from .map_inputs import MapInputs, open_inputs
from .models import open_on

BANDS_OVER_TIME = ("flux", "spread", "seed_spread", "relative_spread", "applicability")
FROM_CONTRIBUTIONS = ("base_value", "shares", "groups", "dominant")
CONTRIBUTIONS = "contributions"
INTERACTIONS = "interactions"
TREND = "trend"


@dataclass(frozen=True)
class TrendSpec:
    """How the trend of a series is computed: parameters of the step `trend`."""

    annual: str
    min_years: int
    engine: str = "own"
    method: str = "plain"
    season: int = 0
    device: str = "cpu"

    @classmethod
    def of(cls, values: Mapping[str, Any], progress: Progress = SILENT) -> TrendSpec:
        """Return what the parameters of a step say; where `method` is a model, the test is its `trend_method`."""
        prefix = "trend_" if "trend_method" in values else ""
        place = resolve(values["device"], "torch", progress) if values["engine"] == "torch" else "cpu"
        return cls(values["annual"], values["min_years"], values["engine"], values[f"{prefix}method"],
                   values[f"{prefix}season"], place)

    def product(self, times: np.ndarray, time_step: str) -> products.Trend:
        """Return the product for a series with these time steps.

        Raises
        ------
        ConfigError
            The method compares values of the same season, and the series has one value a year.
        """
        years = AnnualSeries(times, time_step, self.annual)
        test = TrendTest(self.method, self.season or STEPS_PER_YEAR[time_step])
        if test.seasonal and years.annual:
            raise ConfigError(f"The method '{self.method}' compares values of the same season, and annual="
                              f"{self.annual} leaves one value a year", "Choose annual=none, or another method")
        return products.Trend(years, self.min_years, self.engine, test, self.device)


@dataclass(frozen=True)
class MapSpec:
    """What is made of the estimates of a model on a grid.

    Parameters
    ----------
    outputs : tuple of str
        Some of BANDS_OVER_TIME and FROM_CONTRIBUTIONS, INTERACTIONS, and CLASS_SUPPORT where the classes are known.
    members : {"all", "one_per_fold"}
    memory : float [GB]
    contributions : bool
        Whether each driver gets its raster.
    sample : bool
        Whether a sample for dependence curves is taken.
    trend : TrendSpec, optional
    """

    outputs: tuple[str, ...]
    members: str = "all"
    memory: float = 2.0
    contributions: bool = False
    sample: bool = False
    trend: Optional[TrendSpec] = None

    @classmethod
    def of(cls, paths: Mapping[str, Optional[str]], inputs: MapInputs, *about: Any, **more: Any) -> MapSpec:
        """Return what is made for the outputs that have a path; without a class layer no support of classes."""
        wanted = tuple(name for name, path in paths.items()
                       if path and (name != CLASS_SUPPORT or inputs.reader.knows_classes))
        return cls(wanted, *about, **more)

    def job(self, inputs: MapInputs) -> MapJob:
        """Return the job on drivers that are open."""
        fitted = inputs.fitted
        rows = rows_for(self.memory, len(fitted.folds), len(fitted.explained))
        engine = Engine(fitted, self.members, rows_at_once=rows, kept_bytes=kept_for(self.memory))
        return MapJob(inputs.reader, self._products(inputs), engine, self.memory)

    def _products(self, inputs: MapInputs) -> list[Product]:
        fitted, reader = inputs.fitted, inputs.reader
        base = products.BaseValues() if reader.classes_move else products.BaseValue()
        made: dict[str, Product] = {
            "flux": products.Flux(), "spread": products.Spread(), "seed_spread": products.SeedSpread(),
            "relative_spread": products.RelativeSpread(fitted.time_step), "applicability": products.Applicability(),
            "base_value": base, INTERACTIONS: products.Interactions(),
            CLASS_SUPPORT: products.ClassSupport(grades(fitted))}
        found = [product for name, product in made.items() if name in self.outputs]
        if {"shares", "groups", "dominant"} & set(self.outputs):
            found.append(products.Shares([feature.group for feature in fitted.explained], self.outputs))
        if self.contributions:
            found.append(products.Contributions([contribution(feature.name) for feature in fitted.explained]))
        if self.trend is not None:
            found.append(self.trend.product(reader.times, fitted.time_step))
        if self.sample:
            found.append(DependenceSample(reader.height, reader.width, reader.labels, fitted.feature_names))
        return found


@dataclass(frozen=True)
class MapSource:
    """Where model and drivers are: paths and parameters as an action got them."""

    model: str
    device: str = "auto"
    grids: Mapping[str, Any] = field(default_factory=dict)
    flag_classes: bool = False

    def open(self, progress: Progress = SILENT) -> MapInputs:
        """Open the model and the drivers; no pixel is read."""
        return open_inputs(open_on(self.model, self.device, progress), model_id(self.model), progress=progress,
                           flag_classes=self.flag_classes, **self.grids)


@dataclass(frozen=True)
class SeriesSource:
    """Where a series of maps is, and which of its time steps are wanted."""

    path: str
    period: Optional[str] = None

    def open(self) -> xr.DataArray:
        """Open the series; no pixel is read.

        Raises
        ------
        GridError
            It has no time step in the period.
        """
        series = read_series(self.path)
        first, last = parse_period(self.period)
        if first is None or last is None:
            return series
        times = np.asarray(series["time"].values, dtype="datetime64[D]")
        chosen = np.flatnonzero((times >= first) & (times <= last))
        if chosen.size == 0:
            step = str(series.attrs["time_step"])
            raise GridError(f"'{self.path}' has no time step in {self.period}: it has {step_label(times[0], step)} to "
                            f"{step_label(times[-1], step)}", "Give another period, or none")
        return series.isel(time=slice(int(chosen[0]), int(chosen[-1]) + 1))


def series_job(series: xr.DataArray, trend: TrendSpec, memory: float) -> SeriesJob:
    """Return the job that makes the trend of a series."""
    reader: Any = SeriesReader(series)
    product = trend.product(reader.times, str(series.attrs["time_step"]))
    nothing: Any = None
    return SeriesJob(reader, [product], nothing, memory)


@dataclass(frozen=True)
class Task:
    """All that another process needs to compute tiles of a map: small, and made of plain values.

    `spec` goes with a `MapSource`, `trend` and `memory` with a `SeriesSource`.
    """

    source: MapSource | SeriesSource
    spec: Optional[MapSpec] = None
    trend: Optional[TrendSpec] = None
    memory: float = 2.0

    def open(self) -> MapJob:
        """Return the job; its tiles and what they hold are the same in every process."""
        if isinstance(self.source, SeriesSource):
            assert self.trend is not None
            return series_job(self.source.open(), self.trend, self.memory)
        assert self.spec is not None
        return self.spec.job(self.source.open())


def contribution(driver: str) -> str:
    """Return the name of the output that holds the contribution of a driver."""
    return f"{CONTRIBUTIONS}/{driver}"
