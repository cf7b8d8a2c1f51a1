"""Fits a model on folds: one training set per fold, the work spread over processes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Mapping, Optional

import numpy as np

from ..errors import SampleError
from ..progress import SILENT, Progress
from .base import Feature, FittedModel, Model
from .context import Context
from .crew import Crew
from .registry import make_model
from .seeds import default_seeds
from .table import Table

IMPORTANCE_ROWS = 2000


@dataclass(frozen=True)
class Recipe:
    """What to fit: the method and its options."""

    name: str = "causal_xgboost"
    weights: str = "pooled"
    per_class: bool = False
    alpha: float = 0.05
    settings: Any = None
    seeds: tuple[int, ...] = default_seeds(20)
    seed: int = 0
    device: str = "cpu"

    @property
    def context(self) -> Context:
        """What the model sees besides the drivers of a row; the table must be made with it."""
        return make_model(self.name, settings=self.settings).context

    def model(self, table: Table) -> Model:
        """Return a model that is not fitted yet and knows the classes of the whole table."""
        classes = tuple(str(label) for label in np.unique(table.stratum)) if self.per_class else ()
        model = make_model(self.name, weights=self.weights, per_class=self.per_class, alpha=self.alpha,
                           settings=self.settings, classes=classes)
        model.planned_members = len(self.seeds) if model.seeded else 1
        model.device = self.device
        return model


def fit_folds(table: Table, fold: np.ndarray, recipe: Recipe, *, processes: int = 0,
              progress: Progress = SILENT, **about: Any) -> FittedModel:
    """Fit one model per fold, each without the rows of its fold.

    Parameters
    ----------
    table : Table
    fold : array of int, shape (n,)
        The fold that holds out each row; -1 for rows that are only trained on, whose held-out estimate is NaN.
    recipe : Recipe
    processes : int
        0 uses every core. The result is the same for any number.
    progress : Progress
    **about
        Fields of the fitted model: `features` (tuple of Feature), `target_unit`, `time_step`, `flux_kind`,
        `provenance`.

    Returns
    -------
    FittedModel
        Its `reference` holds, besides the training rows, the estimate of each row by the models
        that did not see it (`held_out`) and by all models (`overall`, optimistic), and the
        normalised mean absolute contribution of each feature (`weights`).

    Raises
    ------
    SampleError
        A driver is constant, or nothing can be learned.
    ConfigError
        The method cannot be used so.
    """
    models, held_out = run_folds(table, fold, recipe, processes=processes, progress=progress.span(0.0, 0.9))
    template = recipe.model(table)  # links of all rows are for people to read; other methods have none
    links = template.prepare(table, seed=recipe.seed, progress=progress).get("links", {}) if template.weighted else {}
    strata = tuple(str(label) for label in np.unique(table.stratum) if label) if recipe.per_class else ()
    fitted = FittedModel(recipe.name, about.pop("features", None) or _bare_features(table),
                         about.pop("target_unit", ""), about.pop("time_step", ""), about.pop("flux_kind", "reco"),
                         strata, tuple(models), links=links, **about)
    progress(0.92, "Estimating all samples")
    known = np.isin(table.stratum, strata) if strata else np.ones(len(table), dtype=bool)
    overall = np.full(len(table), np.nan)
    overall[known] = fitted.estimate(table.X[known], stratum=table.stratum[known])[0]
    progress(0.95, "Measuring the importance of the drivers")
    reference = {"X": table.X[:, :len(table.features)], "y": table.y, "fold": np.asarray(fold),
                 "group": table.group, "site": table.site, "stratum": table.stratum, "held_out": held_out,
                 "overall": overall, "weights": importance(fitted, table.take(known))}
    return replace(fitted, reference=reference)


def run_folds(table: Table, fold: np.ndarray, recipe: Recipe, *, keep: bool = True, processes: int = 0,
              progress: Progress = SILENT, crew: Optional[Crew] = None) -> tuple[list[Model], np.ndarray]:
    """Fit one model per fold and estimate the rows it did not see.

    Parameters
    ----------
    fold : array of int, shape (n,)
        The fold that holds out each row; rows below 0 are only trained on.
    keep : bool
        Whether to return the models; without them less is handed between processes.
    crew : Crew, optional
        Processes to use again; made for the same table.

    Returns
    -------
    models : list of Model, empty without `keep`
    held_out : array of shape (n,) [unit of the target]
        NaN for rows that are only trained on.
    """
    table.check()
    template = recipe.model(table)
    template.check(table.features)
    if recipe.per_class and not (table.stratum != "").any():
        raise SampleError("One model per class is asked for, but no site has a vegetation class",
                          "Give classes with a site table (read_observations, sites=...), or fit one model for all")
    numbers = np.unique(fold)
    if len(numbers) < 2:  # only one fold, or nothing but training
        raise SampleError("There is one fold only: nothing would be held out", "Give at least 2 folds")
    numbers = numbers[numbers >= 0]
    if crew is None:
        with Crew(table, processes) as own:
            return run_folds(table, fold, recipe, keep=keep, progress=progress, crew=own)
    plan = [_Job(int(number), np.asarray(fold), recipe, keep) for number in numbers]
    shared = crew.map(_prepare, plan, progress.span(0.0, 0.1), "Feature weights of fold")
    seeds = [(seed,) for seed in recipe.seeds] if template.seeded else [recipe.seeds[:1]]
    jobs = [replace(job, shared=found, seeds=part) for job, found in zip(plan, shared) for part in seeds]
    results = crew.map(_fit, jobs, progress.span(0.1, 1.0), "Fit")
    held_out = np.full(len(table), np.nan)
    models: list[Model] = []
    for at, number in enumerate(numbers):
        part = results[at * len(seeds):(at + 1) * len(seeds)]
        held_out[fold == number] = np.mean([estimate for _, estimate in part], axis=0)
        if keep:
            kind = type(template)
            first, *others = [kind.from_parts(*parts) for parts, _ in part]
            models.append(first.join(others))
            models[-1].device = recipe.device
    return models, held_out


@dataclass(frozen=True)
class _Job:
    """One fold, or one seed of it."""

    number: int
    fold: np.ndarray
    recipe: Recipe
    keep: bool
    seeds: tuple[int, ...] = ()
    shared: Optional[Mapping[str, Any]] = None


def _prepare(table: Table, job: _Job, progress: Progress) -> Mapping[str, Any]:
    training = table.take(job.fold != job.number)
    return job.recipe.model(table).prepare(training, seed=job.recipe.seed * 1000 + job.number, progress=progress)


def _fit(table: Table, job: _Job, progress: Progress) -> tuple[Any, np.ndarray]:
    out = job.fold == job.number
    training = table.take(~out)
    model = job.recipe.model(table).fit(
        training.X, training.y, group=training.group, stratum=training.stratum, weight=training.weight,
        seeds=job.seeds, features=table.features, shared=job.shared, progress=progress)
    estimate = model.predict(table.X[out], stratum=table.stratum[out])
    return (model.to_parts() if job.keep else None), estimate


def put_on(fitted: FittedModel, device: str) -> FittedModel:
    """Let a fitted model compute on a device, "cpu" or "cuda", and return it."""
    for model in fitted.folds:
        model.device = device
    return fitted


def importance(fitted: FittedModel, table: Table) -> np.ndarray:
    """Return the normalised mean absolute contribution of each feature, shape (p,), adding up to 1.

    Measured on up to 2000 rows spread evenly over the table, by one member per fold; rows with
    gaps count only where the method can use them.
    """
    rows = np.unique(np.linspace(0, len(table) - 1, min(len(table), IMPORTANCE_ROWS)).round().astype(int))
    phi = fitted.contributions(table.X[rows], stratum=table.stratum[rows], members="one_per_fold")[:, :-1]
    size = np.nanmean(np.abs(phi), axis=0)
    return size / size.sum() if size.sum() > 0 else np.full(size.size, 1.0 / size.size)


def _bare_features(table: Table) -> tuple[Feature, ...]:
    return describe(table, {})


def describe(table: Table, words: Mapping[str, Mapping[str, str]]) -> tuple[Feature, ...]:
    """Return the features of a table with their training range; `words` gives unit, long_name and group by name."""
    features = []
    for name, column in zip(table.features, table.X.T):
        about = words.get(name, {})
        features.append(Feature(name, about.get("unit", ""), about.get("long_name", name),
                                about.get("group", "environment"), float(np.nanmin(column)), float(np.nanmax(column))))
    return tuple(features)
