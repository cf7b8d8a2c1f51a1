"""Run by `bench_shap.py` with the Python of a peer's own environment: times woodelf, or fasttreeshap and xgboost.

Reads `folder`/X.npy, and booster.ubj for woodelf; fasttreeshap needs an older xgboost, which trains the same
trees from train.npz with settings.json. Prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import xgboost


def clock(function, repeats: int) -> float:
    """Return the median of seconds."""
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        found.append(time.perf_counter() - start)
    return sorted(found)[len(found) // 2]


def woodelf(folder: Path, rows: int) -> dict:
    """Return the seconds woodelf takes for so many rows, and its values of the first."""
    import pandas as pd
    from woodelf import WoodelfExplainer

    booster = xgboost.Booster(model_file=str(folder / "booster.ubj"))
    X = pd.DataFrame(np.load(folder / "X.npy", mmap_mode="r")[:rows], columns=booster.feature_names)
    explainer = WoodelfExplainer(booster, feature_perturbation="tree_path_dependent")
    explainer.shap_values(X.iloc[:1000], verbose=False)
    found = {}

    def run():
        found["phi"] = explainer.shap_values(X, verbose=False)

    seconds = clock(run, 1)
    from importlib.metadata import version

    return {"peer": f"woodelf {version('woodelf-explainer')}", "rows": rows, "seconds": seconds,
            "phi": np.asarray(found["phi"])[:200].tolist()}


def fasttreeshap(folder: Path, rows: int) -> dict:
    """Return the seconds fasttreeshap (fastest of its algorithms) and the xgboost beside it take for so many rows."""
    import fasttreeshap as fast

    data = np.load(folder / "train.npz")
    settings = json.loads((folder / "settings.json").read_text())
    rounds = settings.pop("rounds")
    booster = xgboost.train(settings, xgboost.DMatrix(data["X"], data["y"]), rounds)
    X = np.array(np.load(folder / "X.npy", mmap_mode="r")[:rows])
    seconds = {}
    for algorithm in ("v1", "v2"):
        explainer = fast.TreeExplainer(booster, algorithm=algorithm, n_jobs=-1)
        phi = explainer.shap_values(X[:200], check_additivity=False)
        expected = booster.predict(xgboost.DMatrix(X[:200]), pred_contribs=True)[:, :-1]
        assert np.abs(phi - expected).max() < 1e-4 * np.abs(expected).max()
        seconds[algorithm] = clock(lambda e=explainer: e.shap_values(X, check_additivity=False), 3)
    theirs = clock(lambda: booster.predict(xgboost.DMatrix(X), pred_contribs=True), 3)
    best = min(seconds, key=seconds.__getitem__)
    return {"peer": f"fasttreeshap {fast.__version__} {best}", "rows": rows, "seconds": seconds[best],
            "xgboost": f"xgboost {xgboost.__version__}", "xgboost_seconds": theirs}


if __name__ == "__main__":
    which, place, count = sys.argv[1:]
    print(json.dumps({"woodelf": woodelf, "fasttreeshap": fasttreeshap}[which](Path(place), int(count))))
