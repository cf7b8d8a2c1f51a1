"""What zones are worth: one forest for all against forests of zones, and the score as it was published."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Mapping, Sequence

import numpy as np

from ..models.ensemble import Recipe
from ..models.options import Value
from ..models.selection import backward_elimination, best_choice, correlation_filter, pooled_error
from ..models.table import Table
from ..models.tabular import Scaling
from ..models.zonal_forest import ZonalForest
from ..models.zone_choice import zonal_estimates
from ..models.zone_plan import TREES, zone_label
from ..models.zones import choose_factors, factors_of_rows, learn_zones
from ..progress import SILENT, Progress
from ..samples.splits import assign_folds
from .comparison import paired_difference
from .crossval import Predictions, cross_validate, score_rows

Z24_STYLE = ("Z24-style: zones, filter and elimination have seen the sites they are scored on; optimistic against "
             "nested folds")
NESTED = "nested: zones and drivers are learned without the sites they are scored on"


def without_surroundings(table: Table) -> Table:
    """Return a table whose rows are their drivers and nothing else."""
    return replace(table, X=table.X[:, :len(table.features)])


def zonal_against_unified(table: Table, settings: Mapping[str, Value], *, folds: int = 10, scheme: str = "grouped",
                          seeds: Sequence[int] = (837,), seed: int = 0, processes: int = 0,
                          progress: Progress = SILENT) -> dict[str, Any]:
    """Return the skill of zonal and unified forests on the same folds, and how sure the difference is.

    Parameters
    ----------
    table : Table
        With the monthly means of the places behind the drivers.
    settings : mapping
        Settings of the zonal forest; the unified one has the same but for zones=1.
    folds, scheme, seed
        As in `cross_validate`.

    Returns
    -------
    dict
        `zonal` and `unified`, the pooled rows of `score_rows`; `difference`, see `paired_difference`; `note`.
        Rows that either cannot estimate are left out of both.
    """
    found: dict[str, Predictions] = {}
    for number, (name, rows, own) in enumerate((
            ("unified", without_surroundings(table), {**settings, "zones": 1}), ("zonal", table, dict(settings)))):
        recipe = Recipe("zonal_forest", settings=own, seeds=tuple(seeds), seed=seed)
        found[name] = cross_validate(rows, recipe, folds=folds, scheme=scheme, processes=processes,
                                     progress=progress.span(number / 2, (number + 1) / 2))
    known = np.isfinite(found["zonal"].estimates).all(axis=0) & np.isfinite(found["unified"].estimates).all(axis=0)
    found = {name: _rows(part, known) for name, part in found.items()}
    return {**{name: score_rows(part)[0] for name, part in found.items()}, "note": NESTED,
            "difference": paired_difference(found["zonal"].observed, found["zonal"].estimates,
                                            found["unified"].estimates, found["zonal"].group)}


def _rows(found: Predictions, known: np.ndarray) -> Predictions:
    return Predictions(found.observed[known], found.estimates[:, known], found.fold[:, known], found.scheme,
                       found.site[known], found.stratum[known], found.group[known])


def z24_style(table: Table, settings: Mapping[str, Value], *, scheme: str = "loso", seed: int = 0,
              progress: Progress = SILENT) -> dict[str, Any]:
    """Return leave-one-site-out skill as it was published: everything but the forests has seen every site.

    Zones are learned from all sites, and in each the filter and the elimination take the drivers that have the least
    error on the very sites that are scored. Forests have at most 50 trees.

    Parameters
    ----------
    table : Table
        With the monthly means of the places behind the drivers.
    settings : mapping
        Settings of the zonal forest, `zones` a number.
    scheme : {"loso", "grouped"}
        'grouped' takes ten folds and is faster.

    Returns
    -------
    dict
        `rmse` [unit of the target] and `r2` pooled; `zones`, a row for each with its sites, records, error and
        drivers; `note`.
    """
    options = ZonalForest(settings=dict(settings)).all_settings()
    own = without_surroundings(table)
    X, label = Scaling.of(own, False).rows(own.X), np.ones(len(table), dtype="int64")
    if options["zones"] != 1:
        factors = choose_factors(str(options["factors"]), table.features)
        values = factors_of_rows(table.X, table.features, factors)
        _, first = np.unique(table.site, return_index=True)
        zones = learn_zones(values[first], factors, int(options["zones"]), seed=seed,
                            variant=str(options["variant"]))
        label = zones.labels(values)
    fold = assign_folds(table.group, 10, seed=seed, scheme=scheme)
    forest: dict[str, Any] = {"trees": min(TREES, int(options["n_estimators"])), "min_leaf": int(options["min_leaf"]),
                              "mtry": int(options["mtry"]), "seed": seed}
    kept: dict[int, Sequence[int]] = {}
    numbers = [int(number) for number in np.unique(label[label > 0])]
    for at, number in enumerate(numbers):
        mine = label == number
        tried = backward_elimination(X[mine], table.y[mine], fold[mine], start=correlation_filter(
            X[mine], table.features), progress=progress.span(at / len(numbers), (at + 1) / len(numbers)), **forest)
        kept[number] = sorted(best_choice(tried).features)
    estimate = np.full(len(table), np.nan)
    known = label > 0
    estimate[known] = zonal_estimates(label[known], X[known], table.y[known], fold[known], kept=kept,
                                      least=int(options["min_records"]), progress=progress, **forest)
    rmse, r2 = pooled_error(table.y, estimate)
    rows = [{"zone": zone_label(number), "sites": int(np.unique(table.site[label == number]).size),
             "records": int((label == number).sum()),
             **dict(zip(("rmse", "r2"), pooled_error(table.y[label == number], estimate[label == number]))),
             "drivers": [table.features[k] for k in kept[number]]} for number in numbers]
    return {"rmse": rmse, "r2": r2, "zones": rows, "note": Z24_STYLE}
