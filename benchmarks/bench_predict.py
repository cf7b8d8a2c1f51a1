"""Estimates of very many boosters: our engine against a loop over `Booster.inplace_predict`, in the same run.

Prints rows for RESULTS.md: boosters, trees, depth, rows, seconds of both, ratio (above 1 where ours is faster), largest
difference. Both have the same rows, threads and process. For estimates alone our engine asks xgboost, too, and adds
the spread over boosters: what is compared is what that costs.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np
from common import head, in_turns, parsed, row, seconds, spread
from scene import write_model

from reco_core.actions.models import open_model
from reco_core.deps import need
from reco_core.explain.engine import Engine
from reco_core.models.base import FittedModel

SAME = 1e-5


def ensemble(drivers: int, trees: int, depth: int, boosters: int, fitted: int) -> FittedModel:
    """Return a model of so many boosters, of which the first ones are fitted and the rest are copies of them."""
    with tempfile.TemporaryDirectory() as place:
        write_model(Path(place) / "model", drivers, trees, depth, min(fitted, boosters))
        model = open_model(Path(place) / "model")
    own = model.folds[0].boosters_["all"]  # type: ignore[attr-defined]
    own.extend(own[number % fitted].copy() for number in range(len(own), boosters))
    return model


def main() -> None:
    """Measure and print the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boosters", type=int, default=200)
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--drivers", type=int, default=13)
    parser.add_argument("--rows", type=int, default=65_536)
    parser.add_argument("--fitted", type=int, default=10, help="boosters that are fitted; the others are copies")
    parser.add_argument("--repeats", type=int, default=3)
    options = parsed(parser, boosters=6, trees=20, depth=4, rows=4000, fitted=2, repeats=1)
    model = ensemble(options.drivers, options.trees, options.depth, options.boosters, options.fitted)
    X = np.random.default_rng(1).normal(size=(options.rows, options.drivers)).astype("float32")
    boosters = model.folds[0].boosters_["all"]  # type: ignore[attr-defined]

    def theirs() -> np.ndarray:
        total = np.zeros(len(X))
        for booster in boosters:
            total += booster.inplace_predict(X, validate_features=False)
        return total / len(boosters)

    def ours() -> np.ndarray:
        return Engine(model).estimate(X).mean

    expected = theirs()
    gap = float(np.abs(ours() - expected).max() / np.abs(expected).max())
    assert gap < SAME, f"the estimates differ by {gap:.2g} of the largest"
    mine, other = in_turns(options.repeats, lambda: seconds(ours), lambda: seconds(theirs))
    head("boosters", "rows", "drivers", "ours (s)", "peer", "peer (s)", "largest difference")
    row(f"{options.boosters} of {options.trees} trees, depth {options.depth}", options.rows, options.drivers,
        f"{statistics.median(mine):.2f}", f"inplace_predict one by one, xgboost {need('xgboost').__version__}",
        f"{statistics.median(other):.2f} ({spread([b / a for a, b in zip(mine, other)], 2)} x)", f"{gap:.1g}")


if __name__ == "__main__":
    main()
