"""Contributions of boosted trees: our tables against xgboost's pred_contribs, woodelf and fasttreeshap, in one run.

Prints rows for RESULTS.md: date, machine, boosters x trees and depth, rows, drivers, seconds of ours with
reading the trees, building the tables and binning, peer, seconds of the peer, ratio (median and range), largest
difference over the largest contribution. Repeats are interleaved. xgboost explains `--peer` rows with a fresh matrix
each time; its rate on a quarter of them is printed beside it. The peers with environments of their own:
`--woodelf` and `--fasttreeshap` take the Python of an environment with that package; fasttreeshap is compared
through the rate of the xgboost beside it. `--model FOLDER` with `--samples FILE` explains with a fitted model, too.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from common import parsed, row

from reco_core.deps import need
from reco_core.explain.shap_tables import TableExplainer
from reco_core.explain.tree_shap import by_xgboost

BOTH = 200  # rows on which answers are compared


def table(rows: int, drivers: int) -> tuple[np.ndarray, np.ndarray]:
    """Return drivers and a flux that depends on them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, drivers)).astype("float32")
    y = 80 + 20 * np.exp(0.4 * X[:, 0]) * (1 + np.tanh(X[:, 1])) + 10 * X[:, -1] * X[:, drivers // 2] + X.sum(axis=1)
    return X, y + rng.normal(size=rows)


def ours(boosters: list, X: np.ndarray) -> np.ndarray:
    """Return the contributions to the mean of boosters by tables, read and built anew."""
    total = 0.0
    for booster in boosters:
        found = TableExplainer.of(booster)
        assert found is not None
        total = total + found.contributions(X)
    return total / len(boosters)


def theirs(boosters: list, X: np.ndarray) -> np.ndarray:
    """Return the same by xgboost."""
    return sum(by_xgboost(booster, X) for booster in boosters) / len(boosters)


def seconds(function, *args) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def show(what: str, X: np.ndarray, mine: float, peer: str, cost: str, ratio: str, gap: float) -> None:
    """Print one row."""
    row(what, len(X), X.shape[1], f"{mine:.2f}", peer, cost, ratio, f"{gap:.1g}")


def against_xgboost(what: str, boosters: list, X: np.ndarray, peer: int, repeats: int) -> tuple[float, float]:
    """Print the row against xgboost and return seconds of ours and rows per second of xgboost."""
    expected, found = theirs(boosters, X[:BOTH]), ours(boosters, X[:BOTH])
    gap = np.abs(found - expected).max() / np.abs(expected[:, :-1]).max()
    assert gap < 1e-4, f"the answers differ by {gap:.2g} of the largest contribution"
    margin = sum(booster.inplace_predict(X[:BOTH]) for booster in boosters) / len(boosters)
    assert np.abs(found.sum(axis=1) - margin).max() < 1e-4 * np.abs(margin).max()
    few, quarter = X[:peer], X[:peer // 4]
    pairs = [(seconds(ours, boosters, X), seconds(theirs, boosters, few)) for _ in range(repeats)]
    mine = statistics.median(pair[0] for pair in pairs)
    rates = [len(few) / pair[1] for pair in pairs]
    ratios = sorted(len(X) / pair[0] / rate for pair, rate in zip(pairs, rates))
    rate, flat = statistics.median(rates), len(quarter) / seconds(theirs, boosters, quarter)
    show(what, X, mine, f"pred_contribs, xgboost {need('xgboost').__version__}",
         f"{rate:.0f} rows/s on {len(few)}, {flat:.0f} on {len(quarter)}",
         f"{statistics.median(ratios):.0f} x [{ratios[0]:.0f}..{ratios[-1]:.0f}]", gap)
    return mine, rate


def ask(python: str, which: str, folder: Path, rows: int) -> dict:
    """Return what `peers_shap.py` measures with another Python."""
    script = Path(__file__).with_name("peers_shap.py")
    done = subprocess.run([python, str(script), which, str(folder), str(rows)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{which} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def against_others(what: str, booster, X: np.ndarray, train: tuple, settings: dict, options, known: tuple) -> None:
    """Print the rows against peers that have environments of their own."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        np.save(folder / "X.npy", X)
        booster.save_model(folder / "booster.ubj")
        np.savez(folder / "train.npz", X=train[0], y=train[1])
        (folder / "settings.json").write_text(json.dumps(settings))
        if options.woodelf:
            before = seconds(ours, [booster], X)
            found = ask(options.woodelf, "woodelf", folder, len(X))
            mine = statistics.median([before, seconds(ours, [booster], X)])
            expected = by_xgboost(booster, X[:BOTH])[:, :-1]
            gap = np.abs(np.array(found["phi"])[:BOTH] - expected).max() / np.abs(expected).max()
            show(what, X, mine, found["peer"], f"{found['seconds']:.0f} s", f"{found['seconds'] / mine:.0f} x", gap)
        if options.fasttreeshap:
            found = ask(options.fasttreeshap, "fasttreeshap", folder, options.peer)
            mine, rate = known
            times = found["xgboost_seconds"] / found["seconds"]
            show(what, X, mine, f"{found['peer']}, through {found['xgboost']}",
                 f"{times:.2f} x {found['xgboost']} on {found['rows']} rows",
                 f"{len(X) / mine / rate / times:.0f} x", np.nan)


def fitted_model(options) -> None:
    """Explain with a fitted model the rows it was made for, repeated until there are enough, each by its class."""
    from reco_core.actions.models import open_model
    from reco_core.explain.engine import Engine
    from reco_core.io.observations.kept import open_samples
    from reco_core.models.table import Table

    fitted = open_model(options.model)
    known = Table.of(open_samples(options.samples))
    order = np.resize(np.random.default_rng(0).permutation(len(known.X)), options.rows)
    X, label = known.X[order].astype("float32"), known.stratum[order].astype(str)
    expected, found = Engine(fitted, plain=True).explain(X[:BOTH], label[:BOTH]), Engine(fitted).explain(X[:BOTH],
                                                                                                          label[:BOTH])
    gap = np.abs(found[1] - expected[1]).max() / np.abs(expected[1][:, :-1]).max()
    assert gap < 1e-4 and np.array_equal(found[0].mean, expected[0].mean)
    few = options.peer
    # a new engine each time: it reads the trees and builds the tables within the timing
    pairs = [(seconds(lambda: Engine(fitted).explain(X, label)),
              seconds(lambda: fitted.contributions(X[:few], stratum=label[:few]))) for _ in range(options.repeats)]
    ratios = sorted(pair[1] / few / (pair[0] / len(X)) for pair in pairs)
    mine, rate = (statistics.median(pair[0] for pair in pairs), statistics.median(few / pair[1] for pair in pairs))
    boosters = [booster for fold in fitted.folds for label in fold.boosters_ for booster in fold.boosters(label)]
    trees = statistics.mean(booster.num_boosted_rounds() for booster in boosters)
    show(f"fitted per class, {len(fitted.folds)} folds, {len(boosters)} boosters of {trees:.0f} trees; estimate, "
         "spread and contributions", X, mine,
         f"pred_contribs, xgboost {need('xgboost').__version__}, without estimates",
         f"{rate:.0f} rows/s on {few}",
         f"{statistics.median(ratios):.0f} x [{ratios[0]:.0f}..{ratios[-1]:.0f}]", gap)


def main() -> None:
    """Measure every size and print its row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="20x6x300,20x8x300,13x5x300",
                        help="drivers x depth x trees, separated by commas; empty for none")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--peer", type=int, default=10_000, help="rows that xgboost explains")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--woodelf", help="Python of an environment with woodelf-explainer")
    parser.add_argument("--fasttreeshap", help="Python of an environment with fasttreeshap")
    parser.add_argument("--model", help="folder of a fitted model of boosters")
    parser.add_argument("--samples", help="samples whose rows it explains")
    options = parsed(parser, sizes="6x3x10", rows=2000, peer=50, repeats=1)
    xgboost = need("xgboost")
    print("| date | machine | boosters | rows | drivers | ours (s) | peer | its cost | ratio | largest difference |")
    ours([xgboost.train({"max_depth": 2}, xgboost.DMatrix(*table(500, 3)), 3)], table(500, 3)[0])  # compile
    for size in filter(None, options.sizes.split(",")):
        drivers, depth, trees = (int(part) for part in size.split("x"))
        X, y = table(options.rows, drivers)
        settings = {"max_depth": depth, "eta": 0.05, "subsample": 0.8, "colsample_bynode": 0.8, "min_child_weight": 3}
        train = (X[:40000], y[:40000])
        booster = xgboost.train(settings, xgboost.DMatrix(*train), trees)
        what = f"1 of {trees} trees, depth {depth}"
        known = against_xgboost(what, [booster], X, options.peer, options.repeats)
        against_others(what, booster, X, train, {**settings, "rounds": trees}, options, known)
    if options.model:
        fitted_model(options)


if __name__ == "__main__":
    main()
