"""Contributions of a model fitted to real towers: our engine against xgboost's pred_contribs, in one run.

CIML-TER, one model per class with causal weights and published settings, is fitted to the 110 towers of
`ter_towers.py` below RECO_DATA. It then explains the rows of these towers, with their own drivers, repeated in random
order until there are `--rows` (no grids carry these 13 drivers). Ours gives estimate, spread and contributions, with a
new engine each time that reads the trees and builds the tables; xgboost gives contributions alone, of `--peer` rows,
with all cores and a fresh matrix for each booster.
"""

from __future__ import annotations

import argparse
import os
import statistics
from pathlib import Path

import numpy as np
from bench_calibration import TABLE
from bench_shap import BOTH, COLUMNS, difference, rate, ratio
from common import cannot, head, in_turns, parsed, row, seconds
from ter_towers import COLUMNS as NAMES
from ter_towers import DRIVERS, ROOT

from reco_core.actions.models import fit_samples
from reco_core.deps import need
from reco_core.explain.engine import Engine
from reco_core.explain.tree_shap import by_xgboost
from reco_core.io.observations.read import read_observations
from reco_core.models.base import FittedModel
from reco_core.models.ensemble import Recipe
from reco_core.models.seeds import default_seeds
from reco_core.models.table import Table
from reco_core.samples.build import build_samples


def fitted_to_towers(data: Path, options: argparse.Namespace) -> tuple[FittedModel, Table]:
    """Return the model and the rows of the towers."""
    observations = read_observations(data / TABLE, columns=NAMES, units={"reco": "g C m-2 month-1"})
    samples = build_samples(observations, features=DRIVERS)
    recipe = Recipe("causal_xgboost", "by_pft", True, settings=options.settings, seeds=default_seeds(options.seeds))
    model = fit_samples(samples, recipe, folds=options.folds)
    for fold in model.folds:
        for label in fold.boosters_:  # type: ignore[attr-defined]
            for booster in fold.boosters(label):  # type: ignore[attr-defined]
                booster.set_param({"nthread": 0})  # it was trained on one core
    return model, Table.of(samples)


def theirs(model: FittedModel, X: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return the mean contributions of all boosters, each asked for the rows of its class."""
    total = np.zeros((len(X), X.shape[1] + 1))
    for fold in model.folds:
        for name in np.unique(label):
            at, boosters = np.flatnonzero(label == name), fold.boosters(str(name))  # type: ignore[attr-defined]
            for booster in boosters:
                total[at] += by_xgboost(booster, X[at]) / len(boosters) / len(model.folds)
    return total


def main() -> None:
    """Fit, measure and print the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("RECO_DATA", ROOT.parent / "shared" / "data")))
    parser.add_argument("--settings", default="published")
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--peer", type=int, default=10_000, help="rows that xgboost explains")
    parser.add_argument("--repeats", type=int, default=3)
    options = parsed(parser, settings="robust,n_estimators=10", folds=2, seeds=1, rows=2000, peer=200, repeats=1)
    if not (options.data / TABLE).exists():
        cannot(f"The towers are not in {options.data}: give the folder of the real data with --data or RECO_DATA")
    model, known = fitted_to_towers(options.data, options)
    order = np.resize(np.random.default_rng(0).permutation(len(known.X)), options.rows)
    X, label = known.X[order].astype("float32"), known.stratum[order].astype(str)
    found, phi = Engine(model).explain(X[:BOTH], label[:BOTH])
    gap = difference(phi[:, :-1], theirs(model, X[:BOTH], label[:BOTH])[:, :-1])
    estimate = model.estimate(X[:BOTH], stratum=label[:BOTH])
    assert np.array_equal(found.mean, estimate.mean) and np.array_equal(found.spread, estimate.spread)
    few = X[:options.peer]
    mine, other = in_turns(options.repeats, lambda: seconds(lambda: Engine(model).explain(X, label)),
                           lambda: seconds(theirs, model, few, label[:options.peer]))
    boosters = [booster for fold in model.folds for name in fold.boosters_  # type: ignore[attr-defined]
                for booster in fold.boosters(name)]  # type: ignore[attr-defined]
    trees = statistics.mean(booster.num_boosted_rounds() for booster in boosters)
    head(*COLUMNS)
    row(f"fitted per class, {len(model.folds)} folds, {len(boosters)} boosters of {trees:.0f} trees; estimate, spread "
        "and contributions", len(X), X.shape[1], f"{statistics.median(mine):.2f}",
        f"pred_contribs, xgboost {need('xgboost').__version__}, without estimates", rate(few, other),
        ratio(X, mine, few, other), f"{gap:.1g}")


if __name__ == "__main__":
    main()
