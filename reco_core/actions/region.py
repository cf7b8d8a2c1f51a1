"""The main job in one step: respiration of a region, its spread, applicability, contributions and trend."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from shutil import copytree
from typing import Any, Mapping, Optional

from ..catalogue import get_step
from ..device import resolve
from ..errors import Cancelled, ConfigError, RecoError, SampleError
from ..inference.cluster import Where
from ..io.artifact import model_id
from ..io.dependence import FILENAME
from ..io.files import Unchanged, atomic, refuse_foreign, remove, unfinished
from ..io.observations.read import open_samples
from ..models.base import Feature, FittedModel
from ..models.ensemble import Recipe
from ..models.registry import model_class
from ..models.seeds import default_seeds
from ..progress import Progress
from ..vocabulary.kinds import feature_names
from .card import skill_line
from .class_support import CLASS_SUPPORT
from .dependence import DependenceSample
from .keeping import Keeping, beside
from .map_files import remove_rasters, tidy, written_by
from .map_inputs import GRIDS, MapInputs, open_inputs
from .map_job import BANDS_OVER_TIME, CONTRIBUTIONS, FROM_CONTRIBUTIONS, MapSource, MapSpec, TrendSpec
from .map_remote import Remote
from .map_run import MapRun
from .maps import annual_unit, open_trend, too_few, trend_lines
from .models import fit_samples, open_on
from .products import Trend
from .record import build_record
from .reports import write_report

STEP = "estimate_region"
MODEL, REPORT = "model", "report.html"
FITTED, MAPPED = 0.4, 0.9


def estimate_region(*, progress: Progress, **values: Any) -> dict[str, Any]:
    """Estimate, explain and follow the respiration of a region; the record of the step lists all values."""
    folder = Path(values["folder"])
    keeping = Keeping(STEP, values, beside(STEP, folder, folder=True), resume=values["resume"])
    with tidy(folder / FILENAME), tidy(folder / CONTRIBUTIONS / FILENAME), keeping:
        run, following, lines = _map(values, folder, keeping, progress)
        run.remove_stale()
        following.remove_stale()
        result: dict[str, Any] = {
            **run.written, **following.written(), "folder": str(folder), "details": run.details(),
            "summary": [*lines, *run.summary(), *following.lines()],
            "citations": [*run.fitted.provenance.get("citations", ()), *following.citations()]}
        result["summary"] += _report(folder, values, result, run, progress.span(MAPPED, 1.0))
    return result


def _map(values: dict[str, Any], folder: Path, keeping: Keeping,
         progress: Progress) -> tuple[MapRun, Following, list[str]]:
    """Write all rasters, the sample for curves and, if one is fitted, the model."""
    grids = {name: values[name] for name in GRIDS}
    if values["cluster"]:
        Where.parse(values["cluster"])  # what makes no sense shall be told before a model is fitted
    with ExitStack() as stack:
        fitted, place, lines = _model(values, grids, folder, keeping, progress)
        inputs = open_inputs(fitted, model_id(place), flag_classes=bool(values[CLASS_SUPPORT]), progress=progress,
                             **grids)
        following = Following.of(inputs, values, progress)
        paths = {name: values[name] for name in (*BANDS_OVER_TIME, CLASS_SUPPORT, *FROM_CONTRIBUTIONS)}
        spec = MapSpec.of(paths, inputs, values["members"], values["memory"], contributions=True, sample=True,
                          trend=following.spec)
        run = MapRun(inputs, STEP, spec, paths, folder)
        if not values["model"]:
            run.files.others.append(stack.enter_context(atomic(folder / MODEL)))
        stack.enter_context(run.files)
        run.open_rasters()
        following.open_raster(run)
        sample = next(product for product in run.job.products if isinstance(product, DependenceSample))
        source = MapSource(str(place), run.device, grids, flag_classes=bool(values[CLASS_SUPPORT]))
        run.run(keeping, grids, progress.span(0.0 if values["model"] else FITTED, MAPPED),
                Remote.of_map(values["cluster"], source, run.spec, run.device))
        run.files.finish()
        for part in run.files.others:
            copytree(place, part)
        sample.write(folder / FILENAME)
    return run, following, lines


def _model(values: dict[str, Any], grids: dict[str, Any], folder: Path, keeping: Keeping,
           progress: Progress) -> tuple[FittedModel, str | Path, list[str]]:
    """Return the model, where it is now and lines about it; one that is fitted here is kept until all is done."""
    if values["model"]:
        if values["samples"]:
            progress.warn("The samples are not used: a fitted model is given")
        return open_on(values["model"], values["device"], progress), values["model"], []
    if not values["samples"]:
        raise ConfigError("There is neither a fitted model nor samples to fit one",
                          "Give model (written by fit) or samples (written by build_samples)")
    samples = open_samples(values["samples"])
    strata = tuple(sorted({str(label) for label in samples["igbp"].values if label})) if values["per_class"] else ()
    nothing = FittedModel(values["method"], tuple(Feature(name, "", "", "environment", 0.0, 0.0)
                                                  for name in feature_names(samples)),
                          "", samples.attrs["time_step"], samples.attrs["flux_kind"], strata, ())
    open_inputs(nothing, "", progress=progress, **grids)  # what does not fit shall be told before the model is fitted
    refuse_foreign(folder / MODEL)
    place = resolve(values["device"], model_class(values["method"]).accelerator, progress)
    recipe = Recipe(values["method"], values["weights"], values["per_class"], values["alpha"], values["settings"],
                    default_seeds(values["seeds"]), values["seed"], place)
    how = {**asdict(recipe), "folds": values["folds"], "samples": Unchanged([os.path.abspath(values["samples"])]).state}
    fitted, path = keeping.fitted(how, lambda: fit_samples(
        samples, recipe, folds=values["folds"], processes=values["processes"], progress=progress.span(0.0, FITTED)),
        place, progress)
    return fitted, path, [f"{values['method']} fitted: {folder / MODEL}", skill_line(fitted)]


@dataclass
class Following:
    """The trend of the estimate, where the series is long enough."""

    path: Optional[Path] = None
    spec: Optional[TrendSpec] = None
    product: Optional[Trend] = None
    reason: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, inputs: MapInputs, values: Mapping[str, Any], progress: Progress) -> Following:
        """Say whether there is a trend, or why there is none.

        Raises
        ------
        SampleError
            The series is too short, and the trend was asked for by name.
        """
        if not values["trend"]:
            return cls()
        path, usual = Path(values["trend"]), Path(values["folder"]) / get_step(STEP).param("trend").filename
        spec = TrendSpec.of(values, progress)
        reason = too_few(spec.product(inputs.reader.times, inputs.fitted.time_step).series, spec.min_years)
        if reason and path != usual:
            raise SampleError(reason[0], "Give a longer period or a smaller min_years, or leave out trend")
        if reason:
            progress.warn(f"No trend: {reason[0]}")
            return cls(path, reason=reason)
        return cls(path, spec)

    def open_raster(self, run: MapRun) -> None:
        """Open the raster of the trend, if there is one."""
        self.product = next((product for product in run.job.products if isinstance(product, Trend)), None)
        if self.product is not None:
            unit = annual_unit(run.fitted.target_unit, self.product.series.how, run.fitted.time_step)
            open_trend(run.files, str(self.path), unit, self.product)

    def written(self) -> dict[str, str]:
        """Return the path under its name, if there is a trend."""
        return {"trend": str(self.path)} if self.product is not None else {}

    def lines(self) -> list[str]:
        """Return lines for the user."""
        if self.product is None:
            return [f"No trend: {text}" for text in self.reason]
        if self.product.valid == 0:
            return [f"No trend: no pixel has {self.product.min_years} values; '{self.path}' is empty"]
        return trend_lines(self.product)

    def citations(self) -> list[str]:
        """Return what to cite."""
        return self.product.test.citations if self.product is not None else []

    def remove_stale(self) -> None:
        """Remove the trend that an earlier run left where this one made none."""
        if self.path is not None and self.product is None and written_by(self.path) == STEP:
            remove_rasters([self.path])


def _report(folder: Path, values: dict[str, Any], result: dict[str, Any], run: MapRun, progress: Progress) -> list[str]:
    """Write the report of the maps that are there now; without it they are still good."""
    step = get_step(STEP)
    made = [file for path in run.files.paths for file in (path, path.with_suffix(".qml"))]
    made += [folder / name for name in (FILENAME, *(() if values["model"] else (MODEL,)))]
    try:
        with unfinished(made):
            return write_report(folder, folder / REPORT, title=values["title"],
                                record=build_record(step, values, result), progress=progress)
    except (Cancelled, KeyboardInterrupt):
        for path in made:
            remove(path)
        raise
    except Exception as error:  # whatever it is: hours of maps are worth more than their report
        reason = str(error) if isinstance(error, RecoError) else f"{type(error).__name__}: {error}"
        progress.warn(f"The report could not be written: {reason}")
        return [f"The report could not be written: {reason}"]
