"""Samples, a fitted model and drivers that are small enough to compute maps in moments."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
import xarray as xr

from reco_core import world
from reco_core.actions.models import fit_samples
from reco_core.models.base import FittedModel
from reco_core.models.ensemble import Recipe
from reco_core.samples.surroundings import Rows, around
from reco_core.vocabulary import period_unit, variable
from reco_core.vocabulary.calendar import step_days

NAMES = ("ta", "lai", "soc_0")
HISTORY = 4
SETTINGS = {"n_estimators": 25, "early_stopping": 0, "learning_rate": 0.2}


def small_samples(towers: int = 24, years: int = 4) -> xr.Dataset:
    """Return samples of monthly respiration at towers of the synthetic world."""
    table = world.make_observations(world.make_drivers(40, 20, years), towers=towers, seed=1)
    times = table["time"].to_numpy(dtype="datetime64[ns]")
    columns = {name: ("sample", table[name].to_numpy(), {"units": variable(name).unit,
                                                         "long_name": variable(name).long_name}) for name in NAMES}
    target = table["reco"].to_numpy() * step_days(times, "month")
    ds = xr.Dataset({**columns, "target": ("sample", target, {"units": period_unit("month")}),
                     "weight": ("sample", np.ones(len(table)))})
    ds = ds.assign_coords({name: ("sample", table[name].to_numpy()) for name in ("site", "lat", "lon", "igbp")})
    ds = ds.assign_coords(time=("sample", times), group=("sample", table["site"].str[-3:].astype(int).to_numpy()))
    ds = ds.assign(_around(table))
    return ds.assign_attrs(reco_kind="samples", flux_kind="reco", time_step="month", features=",".join(NAMES),
                           history="synthetic world", citation="", drivers_source="site")


def _around(table: pd.DataFrame) -> dict:
    """Return what lies around the samples: monthly means, and some earlier time steps."""
    series = {name: table.pivot(index="site", columns="time", values=name) for name in NAMES}
    sites, times = series["ta"].index, series["ta"].columns.to_numpy(dtype="datetime64[ns]")
    rows = Rows(sites.get_indexer(table["site"]), series["ta"].columns.get_indexer(table["time"]), times, "month")
    return around(rows, {name: values.to_numpy() for name, values in series.items()}, HISTORY, {})


@lru_cache(maxsize=8)
def small_model(name: str = "causal_xgboost", per_class: bool = False, folds: int = 3, seeds: int = 2) -> FittedModel:
    """Return a model of monthly respiration, fitted on towers of the synthetic world."""
    recipe = Recipe(name, "uniform", per_class, settings=SETTINGS if name == "causal_xgboost" else None,
                    seeds=tuple(range(seeds)))
    fitted = fit_samples(small_samples(), recipe, folds=folds, processes=1)
    for model in fitted.folds:
        for booster in (booster for part in getattr(model, "boosters_", {}).values() for booster in part):
            booster.set_param({"nthread": 1})  # many tiny calls: threads would mostly wait for each other
    return fitted


def small_drivers(rows: int = 12, columns: int = 9, years: int = 2, gaps: bool = True) -> xr.Dataset:
    """Return drivers of the synthetic world in memory, with some gaps that differ in time."""
    drivers = world.make_drivers(rows, columns, years).load()
    if gaps:
        rng = np.random.default_rng(0)
        values = drivers["lai"].values.copy()
        values[rng.random(values.shape) < 0.05] = np.nan
        values[:, 2 % rows, 3 % columns] = np.nan
        drivers["lai"] = drivers["lai"].copy(data=values)
    return drivers
