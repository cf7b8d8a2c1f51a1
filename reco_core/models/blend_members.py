"""Parts that the blend is made of: boosting for all classes, boosting per class, and extremely randomised trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional

import numpy as np

from ..deps import need
from ..progress import SILENT, Progress
from .causal_xgboost import load_booster
from .options import Option, Value
from .tree_arrays import TreeArrays

PARTS = ("absolute", "squared", "classes", "trees")
ROUNDS_AT_ONCE = 20
TREES_AT_ONCE = 25
OPTIONS: dict[str, Option] = {
    "rounds": Option(120, 1, 10_000), "learning_rate": Option(0.08, 1e-4, 1.0), "max_depth": Option(4, 1, 16),
    "min_child_weight": Option(20.0, 0.0, 1e9), "subsample": Option(0.7, 0.01, 1.0),
    "colsample_bynode": Option(0.3, 0.01, 1.0), "n_estimators": Option(300, 1, 10_000),
    "min_samples_leaf": Option(10, 1, 10_000), "max_features": Option(0.4, 0.01, 1.0)}


@dataclass(frozen=True)
class Rows:
    """Training rows of a part: columns X (n, q), y (n,), group (n,), class (n,) and weight (n,), or None."""

    X: np.ndarray
    y: np.ndarray
    group: np.ndarray
    stratum: np.ndarray
    weight: Optional[np.ndarray] = None

    def take(self, rows: np.ndarray) -> Rows:
        """Return some of the rows."""
        return Rows(self.X[rows], self.y[rows], self.group[rows], self.stratum[rows],
                    None if self.weight is None else self.weight[rows])


def large_classes(rows: Rows, fewest: int) -> tuple[str, ...]:
    """Return the classes with at least so many tower groups."""
    return tuple(str(label) for label in np.unique(rows.stratum)
                 if label and np.unique(rows.group[rows.stratum == label]).size >= fewest)


def boost(rows: Rows, settings: Mapping[str, Value], objective: str, seed: int, progress: Progress = SILENT) -> Any:
    """Return a booster that estimates the flux.

    References
    ----------
    Chen, T., Guestrin, C. (2016). Proc. KDD, 785-794. doi:10.1145/2939672.2939785
    """
    xgboost = need("xgboost")
    matrix = xgboost.DMatrix(rows.X.astype("float32"), rows.y, weight=rows.weight, nthread=1)
    names = ("learning_rate", "max_depth", "min_child_weight", "subsample", "colsample_bynode")
    wanted = {"objective": f"reg:{objective}error", "seed": seed, "nthread": 1, "tree_method": "hist",
              "reg_lambda": 1.0, **{name: settings[name] for name in names}}
    booster = xgboost.Booster(wanted, [matrix])
    for number in range(int(settings["rounds"])):
        if number % ROUNDS_AT_ONCE == 0:
            progress.check()
        booster.update(matrix, number)
    return load_booster(bytes(booster.save_raw("ubj")))


def grow(rows: Rows, settings: Mapping[str, Value], seed: int, progress: Progress = SILENT) -> TreeArrays:
    """Return extremely randomised trees on rows without gaps, in which sites with few records count for more.

    References
    ----------
    Geurts, P., Ernst, D., Wehenkel, L. (2006). Machine Learning 63, 3-42. doi:10.1007/s10994-006-6226-1
    """
    forest = need("sklearn.ensemble").ExtraTreesRegressor(
        0, min_samples_leaf=int(settings["min_samples_leaf"]), max_features=float(settings["max_features"]),
        random_state=seed, n_jobs=1, warm_start=True)
    _, member, counts = np.unique(rows.group, return_inverse=True, return_counts=True)
    weight = counts[member] ** -0.5 * (1.0 if rows.weight is None else rows.weight)
    total = int(settings["n_estimators"])
    for count in range(min(TREES_AT_ONCE, total), total + TREES_AT_ONCE, TREES_AT_ONCE):
        progress.check()
        forest.set_params(n_estimators=min(count, total))
        if len(getattr(forest, "estimators_", ())) < forest.n_estimators:
            forest.fit(rows.X.astype("float32"), rows.y, sample_weight=weight / weight.mean())
    return TreeArrays.of([tree.tree_ for tree in forest.estimators_], rows.X.shape[1])
