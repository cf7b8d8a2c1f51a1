"""Run by `bench_peers.py` with the Python that has a peer: times woodelf, shap, fasttreeshap and xgboost, or skyborn.

Reads `folder`/X.npy and booster.ubj; fasttreeshap needs an older xgboost, which trains the same trees from train.npz
with settings.json. skyborn reads series.npy. Prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

BOTH = 200
SAME = 1e-4


def clock(function, repeats: int) -> float:
    """Return the median of seconds."""
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        found.append(time.perf_counter() - start)
    return sorted(found)[len(found) // 2]


def rows_of(folder: Path, rows: int) -> np.ndarray:
    """Return so many rows of drivers."""
    return np.array(np.load(folder / "X.npy", mmap_mode="r")[:rows])


def woodelf(folder: Path, rows: int) -> dict:
    """Return the seconds woodelf takes for so many rows, and its values of the first."""
    from importlib.metadata import version

    import pandas as pd
    import xgboost
    from woodelf import WoodelfExplainer

    booster = xgboost.Booster(model_file=str(folder / "booster.ubj"))
    X = pd.DataFrame(rows_of(folder, rows), columns=booster.feature_names)
    explainer = WoodelfExplainer(booster, feature_perturbation="tree_path_dependent")
    explainer.shap_values(X.iloc[:1000], verbose=False)  # compiles
    found = []
    seconds = clock(lambda: found.append(explainer.shap_values(X, verbose=False)), 1)
    return {"peer": f"woodelf {version('woodelf-explainer')}", "phi": np.asarray(found[0])[:BOTH].tolist(),
            "seconds": seconds}


def shap(folder: Path, rows: int) -> dict:
    """Return the seconds shap takes for so many rows with code of its own, and its values of the first."""
    import shap as package
    import xgboost

    booster = xgboost.Booster(model_file=str(folder / "booster.ubj"))
    X = rows_of(folder, rows)
    explainer = package.TreeExplainer(booster)
    explainer.model.model_type = "internal"  # else it asks xgboost
    phi = explainer.shap_values(X[:BOTH], check_additivity=False)
    return {"peer": f"shap {package.__version__}, one thread", "phi": np.asarray(phi).tolist(),
            "seconds": clock(lambda: explainer.shap_values(X, check_additivity=False), 3)}


def fasttreeshap(folder: Path, rows: int) -> dict:
    """Return the seconds fasttreeshap (fastest of its algorithms) and the xgboost beside it take for so many rows."""
    import fasttreeshap as fast
    import xgboost

    data = np.load(folder / "train.npz")
    settings = json.loads((folder / "settings.json").read_text())
    rounds = settings.pop("rounds")
    booster = xgboost.train(settings, xgboost.DMatrix(data["X"], data["y"]), rounds)
    X = rows_of(folder, rows)
    seconds = {}
    for algorithm in ("v1", "v2"):
        explainer = fast.TreeExplainer(booster, algorithm=algorithm, n_jobs=-1)
        phi = explainer.shap_values(X[:BOTH], check_additivity=False)
        expected = booster.predict(xgboost.DMatrix(X[:BOTH]), pred_contribs=True)[:, :-1]
        assert np.abs(phi - expected).max() < SAME * np.abs(expected).max()
        seconds[algorithm] = clock(lambda e=explainer: e.shap_values(X, check_additivity=False), 3)
    theirs = clock(lambda: booster.predict(xgboost.DMatrix(X), pred_contribs=True), 3)
    best = min(seconds, key=seconds.__getitem__)
    return {"peer": f"fasttreeshap {fast.__version__} {best}", "seconds": seconds[best],
            "xgboost": f"xgboost {xgboost.__version__}", "xgboost_seconds": theirs}


def skyborn(folder: Path, pixels: int) -> dict:
    """Return the seconds skyborn takes for so many series, and slope per step and p of the first."""
    import skyborn as package
    from skyborn.calc.mann_kendall import mann_kendall_multidim

    values = np.load(folder / "series.npy")[:, :pixels]
    first = mann_kendall_multidim(values[:, :BOTH])
    return {"peer": f"skyborn {package.__version__}, compiled", "slope": first["trend"].tolist(),
            "p": first["p"].tolist(), "seconds": clock(lambda: mann_kendall_multidim(values), 3)}


if __name__ == "__main__":
    which, place, count = sys.argv[1:]
    peers = {"woodelf": woodelf, "shap": shap, "fasttreeshap": fasttreeshap, "skyborn": skyborn}
    print(json.dumps(peers[which](Path(place), int(count))))
