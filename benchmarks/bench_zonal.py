"""Estimates of a zonal forest against scikit-learn's own forests of the same zones, in the same run.

Prints rows for RESULTS.md: date, machine, rows, trees, threads, ours and the peer in rows per second, ratio and the
largest difference. Medians of `--repeats`, interleaved. Ours is the whole `member_predictions` from raw rows with their
monthly means (zones are found, gaps filled); the peer gets the rows already sorted into zones and only predicts, with
as many jobs as ours has threads.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from datetime import date
from typing import Any, Callable

import numpy as np
from common import parsed

from reco_core.deps import need
from reco_core.models.zonal_forest import ZonalForest

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
FEATURES = ("ta", "precip", "lai", "soc_0", "vpd", "swc")
CLIMATES = np.array([[-5, 1, 0.8, 80], [8, 2, 2, 50], [15, 1, 1, 20], [25, 6, 4, 15]], dtype=float)
SAME = 1e-5


def world(sites: int, months: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows with the monthly means of their site behind them, the flux, and the site of each row."""
    rng = np.random.default_rng(seed)
    site, month = np.repeat(np.arange(sites), months), np.tile(np.arange(months), sites)
    mean = CLIMATES[np.arange(sites) % len(CLIMATES)] + rng.normal(0, 0.3, (sites, 4)) * (3, 0.5, 0.5, 8)
    season = np.sin(2 * np.pi * month / 12)
    X = np.column_stack([mean[site, 0] + 9 * season, mean[site, 1], mean[site, 2] + season * 0.5, mean[site, 3],
                         rng.normal(10, 3, site.size), rng.normal(25, 5, site.size)])
    X[:, :3] += rng.normal(0, 0.3, (site.size, 3))
    y = 40 + 3 * X[:, 0] + 12 * X[:, 2] - X[:, 4] + rng.normal(0, 8, site.size)
    climate = np.zeros((sites, 12, len(FEATURES)))
    np.add.at(climate, (site, month % 12), X)
    return np.column_stack([X, climate[site].reshape(site.size, -1) / (months // 12)]), y, site


def seconds(function: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def peer_of(model: ZonalForest, X: np.ndarray, y: np.ndarray, trees: int, jobs: int) -> dict[str, Any]:
    """Return scikit-learn's forests of the same zones, grown from the same seed."""
    forest = need("sklearn.ensemble").RandomForestRegressor
    route, rows = model.route(X, None), model.seen(X).astype("float32")
    return {label: forest(trees, min_samples_leaf=5, max_features=len(FEATURES) // 3, random_state=1,
                          n_jobs=jobs).fit(rows[route == label], y[route == label]) for label in model.members_}


def main() -> None:
    """Fit both, compare their answers and measure them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--sites", type=int, default=100)
    parser.add_argument("--trees", type=int, default=500)
    parser.add_argument("--zones", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    options = parsed(parser, rows=4000, sites=20, trees=20, repeats=1)
    X, y, site = world(options.sites, 60)
    settings = f"zones={options.zones},factors=ta;precip;lai;soc_0,eliminate=no,n_estimators={options.trees}"
    model = ZonalForest(settings=settings).fit(X, y, group=site, seeds=(1,), features=FEATURES)
    peer = peer_of(model, X, y, options.trees, CORES)
    many = np.random.default_rng(1).integers(0, len(X), options.rows)
    wide = X[many].astype("float32")
    wide[:, :len(FEATURES)] += np.random.default_rng(2).normal(0, 0.2, (options.rows, len(FEATURES)))
    route, rows = model.route(wide, None), model.seen(wide).astype("float32")
    at = {label: np.flatnonzero(route == label) for label in peer}
    parts = {label: rows[part] for label, part in at.items()}

    def theirs() -> np.ndarray:
        found = np.empty(options.rows)
        for label, part in parts.items():
            if len(part):
                found[at[label]] = peer[label].predict(part)
        return found

    gap = float(np.abs(model.predict(wide[:20_000]) / theirs()[:20_000] - 1).max())
    assert gap < SAME, f"the answers differ by {gap}"
    pairs = [(seconds(lambda: model.predict(wide)), seconds(theirs)) for _ in range(options.repeats)]
    mine, other = (statistics.median(pair[k] for pair in pairs) for k in (0, 1))
    ratios = sorted(pair[1] / pair[0] for pair in pairs)
    print("| date | machine | rows | zones | trees | ours (rows/s) | scikit-learn (rows/s) | ratio | difference |")
    print(f"| {date.today()} | {CORES} cores | {options.rows} | {options.zones} | {options.trees} | "
          f"{options.rows / mine:.0f} | {options.rows / other:.0f} | {statistics.median(ratios):.2f} "
          f"[{ratios[0]:.2f}..{ratios[-1]:.2f}] | {gap:.1g} |")


if __name__ == "__main__":
    main()
