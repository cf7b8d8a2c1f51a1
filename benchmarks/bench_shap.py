"""Contributions of boosted trees: our tables against xgboost's pred_contribs, in one run.

Prints rows for RESULTS.md: seconds of ours with reading the trees, building the tables and binning, rate of the peer,
ratio (median and range), largest difference over the largest contribution. Repeats are interleaved. xgboost explains
`--peer` rows with a fresh matrix each time; its rate on a quarter of them is printed beside it.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any, Sequence

import numpy as np
from common import head, in_turns, parsed, row, seconds, spread
from scene import TRAINING_ROWS, flux

from reco_core.deps import need
from reco_core.explain.shap_tables import TableExplainer
from reco_core.explain.tree_shap import by_xgboost

BOTH = 200  # rows on which answers are compared
SAME = 1e-4
COLUMNS = ("boosters", "rows", "drivers", "ours (s)", "peer", "its cost", "ratio", "largest difference")
SETTINGS = {"eta": 0.05, "subsample": 0.8, "colsample_bynode": 0.8, "min_child_weight": 3}


def table(rows: int, drivers: int) -> tuple[np.ndarray, np.ndarray]:
    """Return drivers and a flux that depends on them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, drivers)).astype("float32")
    return X, flux(X, rng)


def trained(X: np.ndarray, y: np.ndarray, depth: int, trees: int) -> Any:
    """Return a booster."""
    matrix = need("xgboost").DMatrix(X[:TRAINING_ROWS], y[:TRAINING_ROWS])
    return need("xgboost").train({"max_depth": depth, **SETTINGS}, matrix, trees)


def ours(booster: Any, X: np.ndarray) -> np.ndarray:
    """Return contributions by tables, read and built anew."""
    found = TableExplainer.of(booster)
    assert found is not None, "tables cannot hold these trees"
    return found.contributions(X)


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference over the largest contribution; stop if it is more than rounding."""
    gap = float(np.abs(found - expected).max() / np.abs(expected).max())
    assert gap < SAME, f"the answers differ by {gap:.2g} of the largest contribution"
    return gap


def compiled() -> None:
    """Compile our kernels."""
    X, y = table(500, 3)
    ours(trained(X, y, 2, 3), X)


def sizes(text: str) -> list[tuple[int, int, int]]:
    """Return drivers, depth and trees of sizes such as 20x6x300."""
    return [tuple(int(part) for part in size.split("x")) for size in text.split(",")]  # type: ignore[misc]


def against_xgboost(what: str, booster: Any, X: np.ndarray, options: argparse.Namespace) -> None:
    """Print the row of one booster."""
    few, quarter = X[:options.peer], X[:options.peer // 4]
    expected, found = by_xgboost(booster, X[:BOTH]), ours(booster, X[:BOTH])
    gap = difference(found[:, :-1], expected[:, :-1])
    margin = booster.inplace_predict(X[:BOTH])
    assert np.abs(found.sum(axis=1) - margin).max() < SAME * np.abs(margin).max()
    mine, other = in_turns(options.repeats, lambda: seconds(ours, booster, X),
                           lambda: seconds(by_xgboost, booster, few))
    flat = len(quarter) / seconds(by_xgboost, booster, quarter)
    row(what, len(X), X.shape[1], f"{statistics.median(mine):.2f}",
        f"pred_contribs, xgboost {need('xgboost').__version__}",
        rate(few, other) + f", {flat:.0f} on {len(quarter)}", ratio(X, mine, few, other), f"{gap:.1g}")


def rate(few: np.ndarray, other: Sequence[float]) -> str:
    """Return how many rows a peer explains in a second, in words."""
    return f"{len(few) / statistics.median(other):.0f} rows/s on {len(few)}"


def ratio(X: np.ndarray, mine: Sequence[float], few: np.ndarray, other: Sequence[float]) -> str:
    """Return how many times as many rows we explain, in words."""
    return f"{spread([(b / len(few)) / (a / len(X)) for a, b in zip(mine, other)])} x"


def main() -> None:
    """Measure every size and print its row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="20x6x300,20x8x300,13x5x300", help="drivers x depth x trees")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--peer", type=int, default=10_000, help="rows that xgboost explains")
    parser.add_argument("--repeats", type=int, default=3)
    options = parsed(parser, sizes="6x3x10", rows=2000, peer=50, repeats=1)
    compiled()
    head(*COLUMNS)
    for drivers, depth, trees in sizes(options.sizes):
        X, y = table(options.rows, drivers)
        against_xgboost(f"1 of {trees} trees, depth {depth}", trained(X, y, depth, trees), X, options)


if __name__ == "__main__":
    main()
