"""Contributions of boosted trees: our tables against xgboost's pred_contribs, in the same run.

Prints rows for RESULTS.md: date, machine, boosters x trees and depth, rows, drivers, seconds of ours with
reading the trees and building the tables, peer, seconds of the peer (scaled up from `--peer` rows), largest
difference over the largest contribution. Medians of `--repeats`, interleaved.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from datetime import date

import numpy as np

from reco_core.deps import need
from reco_core.explain.shap_tables import TableExplainer
from reco_core.explain.tree_shap import contributions


def table(rows: int, drivers: int) -> tuple[np.ndarray, np.ndarray]:
    """Return drivers and a flux that depends on them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, drivers)).astype("float32")
    y = 80 + 20 * np.exp(0.4 * X[:, 0]) * (1 + np.tanh(X[:, 1])) + 10 * X[:, -1] * X[:, drivers // 2] + X.sum(axis=1)
    return X, y + rng.normal(size=rows)


def ours(booster, X: np.ndarray) -> np.ndarray:
    """Return the contributions by tables, built anew."""
    return TableExplainer.of(booster).contributions(X)


def seconds(function, *args) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def main() -> None:
    """Measure every size and print its row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="13x5x300,20x6x300,13x8x100",
                        help="drivers x depth x trees, separated by commas")
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--peer", type=int, default=1500, help="rows that the peer explains")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    xgboost = need("xgboost")
    print("| date | machine | boosters | rows | drivers | ours (s) | peer | peer (s) | largest difference |")
    for size in options.sizes.split(","):
        drivers, depth, trees = (int(part) for part in size.split("x"))
        X, y = table(options.rows, drivers)
        settings = {"max_depth": depth, "eta": 0.05, "subsample": 0.8, "colsample_bynode": 0.8, "min_child_weight": 3}
        booster = xgboost.train(settings, xgboost.DMatrix(X[:40000], y[:40000]), trees)
        few = X[:options.peer]
        expected = contributions(booster, few)
        gap = np.abs(ours(booster, few) - expected).max() / np.abs(expected[:, :-1]).max()
        assert gap < 1e-4, f"the answers differ by {gap:.2g} of the largest contribution"
        pairs = [(seconds(ours, booster, X), seconds(contributions, booster, few)) for _ in range(options.repeats)]
        mine = statistics.median(pair[0] for pair in pairs)
        scale = len(X) / len(few)
        ratio = statistics.median(pair[1] * scale / pair[0] for pair in pairs)
        print(f"| {date.today()} | {os.cpu_count()} cores | 1 of {trees} trees, depth {depth} | {len(X)} | {drivers} | "
              f"{mine:.2f} | pred_contribs, xgboost {xgboost.__version__} | "
              f"{statistics.median(pair[1] for pair in pairs) * scale:.0f} ({ratio:.0f} x) | {gap:.1g} |", flush=True)


if __name__ == "__main__":
    main()
