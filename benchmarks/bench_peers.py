"""Contributions and trends beside packages with environments of their own: woodelf, fasttreeshap, shap and skyborn.

Prints rows like `bench_shap.py` and `bench_trend.py`. Peers that need packages of other versions than ours are measured
by `peers_timed.py` with the Python of an environment of their own, in build/peers; with `--make` those that are not
there are made (pip, and a compiler for fasttreeshap). Ours is measured before and after each peer. woodelf explains all
rows, once, after its compilation. fasttreeshap (the fastest of its algorithms) explains `--peer` rows; it needs an
older xgboost, and is compared through the rates of both versions of xgboost on as many rows. shap explains a fifth of
them with code of its own, not with that of xgboost. skyborn has all series of 20 years, a tenth of those of 240 months.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from bench_shap import BOTH, COLUMNS, SETTINGS, compiled, difference, ours, sizes, table, trained
from bench_trend import COLUMNS as SERIES
from bench_trend import Case, agreed, world
from common import CANNOT, head, parsed, row, seconds
from scene import TRAINING_ROWS

from reco_core.explain.tree_shap import by_xgboost
from reco_core.trends import trend_maps

PLACE = Path(__file__).resolve().parents[1] / "build" / "peers"
# what goes into an environment, one call of pip after the other
PACKAGES: dict[str, tuple[tuple[str, ...], ...]] = {
    "woodelf": (("woodelf-explainer==0.4.8", "xgboost-cpu==3.2.0", "pandas"),),
    "fasttreeshap": (("numpy==1.26.4", "cython", "setuptools<81", "wheel"),
                     ("--no-build-isolation", "fasttreeshap==0.1.6", "shap==0.45.0", "xgboost==1.7.6",
                      "numpy==1.26.4")),
    "shap": (),
    "skyborn": (("skyborn==0.4.5",),),
}
TRENDS = {Case(20, 0.0, "plain", 200_000): 1, Case(240, 0.0, "plain", 4_000): 10}  # we compute so many times as many


def python_of(peer: str, make: bool) -> str:
    """Return the Python that has a peer, or nothing where it lacks."""
    if not PACKAGES[peer]:
        return sys.executable
    python = PLACE / peer / "bin" / "python"
    if make and not python.exists():
        calls = [[sys.executable, "-m", "venv", PLACE / peer],
                 *([python, "-m", "pip", "install", "-q", *packages] for packages in PACKAGES[peer])]
        if any(subprocess.run(call, check=False).returncode for call in calls):
            python.unlink(missing_ok=True)  # half an environment is none
    return str(python) if python.exists() else ""


def ask(python: str, peer: str, folder: Path, rows: int) -> dict[str, Any]:
    """Return what `peers_timed.py` measures."""
    script = Path(__file__).with_name("peers_timed.py")
    done = subprocess.run([python, str(script), peer, str(folder), str(rows)], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        sys.exit(f"{peer} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure_trends(python: str, options: argparse.Namespace) -> None:
    """Print the rows of skyborn."""
    print()
    head(*SERIES)
    for case, times in TRENDS.items():
        pixels = max(int(case.pixels * options.share), 200)
        values, years = world(case, pixels)
        run = partial(trend_maps, values, years, min_n=3)
        run()  # compiles
        with tempfile.TemporaryDirectory() as place:
            np.save(Path(place) / "series.npy", values)
            before = seconds(run)
            found = ask(python, "skyborn", Path(place), pixels // times)
            mine = statistics.median([before, seconds(run)])
        told = agreed(case, {name: column[:len(found["p"])] for name, column in run().items()},
                      np.array(found["slope"]), np.array(found["p"]))
        other = found["seconds"] * pixels / (pixels // times)
        row(case, pixels, f"{mine:.2f}", found["peer"], f"{other:.1f}", f"{other / mine:.1f} x", told)


def measure(peer: str, python: str, size: tuple[int, int, int], options: argparse.Namespace) -> None:
    """Print the row of a peer."""
    drivers, depth, trees = size
    X, y = table(options.rows, drivers)
    booster = trained(X, y, depth, trees)
    few = {"woodelf": len(X), "fasttreeshap": options.peer, "shap": options.peer // 5}[peer]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        np.save(folder / "X.npy", X)
        booster.save_model(folder / "booster.ubj")
        np.savez(folder / "train.npz", X=X[:TRAINING_ROWS], y=y[:TRAINING_ROWS])
        (folder / "settings.json").write_text(json.dumps({"max_depth": depth, **SETTINGS, "rounds": trees}))
        before = seconds(ours, booster, X)
        found = ask(python, peer, folder, few)
        mine = statistics.median([before, seconds(ours, booster, X)])
    through, gap, cost = 1.0, "-", f"{found['seconds']:.1f} s for {few} rows"
    if "xgboost_seconds" in found:
        through = seconds(by_xgboost, booster, X[:few]) / found["xgboost_seconds"]
        cost += f", {found['xgboost_seconds'] / found['seconds']:.2f} times as fast as {found['xgboost']}"
    else:
        both = min(BOTH, few)
        gap = f"{difference(np.array(found['phi'])[:both], by_xgboost(booster, X[:both])[:, :-1]):.1g}"
    times = (found["seconds"] * through / few) / (mine / len(X))
    row(f"1 of {trees} trees, depth {depth}", len(X), drivers, f"{mine:.2f}", found["peer"], cost, f"{times:.0f} x",
        gap)


def main() -> int:
    """Measure every peer and print its row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=",".join(PACKAGES))
    parser.add_argument("--sizes", default="20x6x300", help="drivers x depth x trees")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--peer", type=int, default=10_000, help="rows that slow peers explain")
    parser.add_argument("--share", type=float, default=1.0, help="share of our series")
    parser.add_argument("--make", action="store_true", help="make the environments that are not there")
    options = parsed(parser, peers="shap", sizes="6x3x10", rows=2000, peer=250)
    compiled()
    head(*COLUMNS)
    lacking = []
    for peer in options.peers.split(","):
        python = python_of(peer, options.make)
        if not python:
            lacking.append(peer)
            continue
        for size in sizes(options.sizes) if peer != "skyborn" else ():
            measure(peer, python, size, options)
        if peer == "skyborn":
            measure_trends(python, options)
    if lacking:
        print(f"There is no environment for {', '.join(lacking)}: python benchmarks/bench_peers.py --make",
              file=sys.stderr)
    return CANNOT if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
