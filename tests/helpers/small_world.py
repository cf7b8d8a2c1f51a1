"""A fitted model and drivers that are small enough to compute maps in moments."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from reco_core import world
from reco_core.models.base import Feature, FittedModel
from reco_core.models.ensemble import Recipe, fit_folds
from reco_core.models.table import Table
from reco_core.vocabulary import period_unit, variable
from reco_core.vocabulary.calendar import step_days

NAMES = ("ta", "lai", "soc_0")
SETTINGS = {"n_estimators": 25, "early_stopping": 0, "learning_rate": 0.2}


@lru_cache(maxsize=8)
def small_model(name: str = "causal_xgboost", per_class: bool = False, folds: int = 3, seeds: int = 2) -> FittedModel:
    """Return a model of monthly respiration, fitted on towers of the synthetic world."""
    towers = world.make_observations(world.make_drivers(40, 20, 4), towers=24, seed=1)
    days = step_days(towers["time"].to_numpy(dtype="datetime64[D]"), "month")
    group = towers["site"].str[-3:].astype(int).to_numpy()
    table = Table.plain(towers[list(NAMES)].to_numpy(), towers["reco"].to_numpy() * days, group=group,
                        stratum=towers["igbp"].to_numpy(), features=NAMES)
    recipe = Recipe(name, "uniform", per_class, settings=SETTINGS if name == "causal_xgboost" else None,
                    seeds=tuple(range(seeds)))
    features = tuple(Feature(key, variable(key).unit, variable(key).long_name, variable(key).group,
                             float(column.min()), float(column.max())) for key, column in zip(NAMES, table.X.T))
    return fit_folds(table, group % folds, recipe, processes=1, features=features, time_step="month",
                     target_unit=period_unit("month"))


def small_drivers(rows: int = 12, columns: int = 9, years: int = 2, gaps: bool = True):
    """Return drivers of the synthetic world in memory, with some gaps that differ in time."""
    drivers = world.make_drivers(rows, columns, years).load()
    if gaps:
        rng = np.random.default_rng(0)
        values = drivers["lai"].values.copy()
        values[rng.random(values.shape) < 0.05] = np.nan
        values[:, 2, 3] = np.nan
        drivers["lai"] = drivers["lai"].copy(data=values)
    return drivers


def with_order(model: FittedModel, names: tuple[str, ...]) -> FittedModel:
    """Return the model with its features listed in another order; only for tests of matching by name."""
    known = {feature.name: feature for feature in model.features}
    return replace(model, features=tuple(known[name] for name in names))
