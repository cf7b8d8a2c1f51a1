"""Exact path-dependent Shapley values of boosted trees."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from ..deps import need

SMALLEST_SCALE = 1.0
PLAIN_NUMBERS = 10_000_000


def contributions(booster: Any, X: Any, *, plain: bool = False, device: str = "") -> np.ndarray:
    r"""Split what a booster estimates into contributions of its features.

    .. math:: f(x) = \phi_0 + \sum_k \phi_k(x)

    where :math:`\phi_k` is the Shapley value of feature k in the game whose value of a set of
    features is the mean of the trees over the training rows that follow the same path as far
    as those features decide ("path-dependent").

    Tables (`shap_tables.py`) answer for trees with numerical splits, boosted with or without dropout, for any
    objective of regression with one output. xgboost answers where it cannot be otherwise (categorical splits,
    linear boosters, several outputs, more than 14 features on the way to one leaf), and where building
    tables would take longer than these rows take it. The values differ by rounding only.

    Parameters
    ----------
    booster : xgboost.Booster or xgboost.XGBModel
        All its trees count, as with `Booster.predict`; of a fitted `XGBModel` with early stopping those up to its
        best round, as with `XGBModel.predict`.
    X : array of shape (n, p) [units of the training data]
        NaN take each split's default direction.
    plain : bool
        Ask xgboost in any case: slow, for checking.
    device : str
        Look the tables up by torch on this device, such as "cuda"; empty for the compiled kernels, which are
        faster on a CPU.

    Returns
    -------
    array of shape (n, p + 1) [unit of the target]
        The last column is the base value. For objectives with a link (such as gamma) these are on the
        scale on which trees are added up, as with xgboost.

    References
    ----------
    Lundberg, S. M. et al. (2020). Nature Machine Intelligence 2, 56-67. doi:10.1038/s42256-019-0138-9
    """
    from .forest import read_forest
    from .shap_tables import TableExplainer
    from .torch_tables import TorchTables

    found = _booster(booster)
    rows = np.ascontiguousarray(X, dtype="float32")
    forest = None if plain else read_forest(found)
    tables = None if forest is None else TableExplainer.worth(forest, len(rows))
    if tables is None:
        return by_xgboost(found, rows)
    return (TorchTables(tables, device) if device else tables).contributions(rows).astype("float64")


def by_xgboost(booster: Any, rows: np.ndarray) -> np.ndarray:
    """Return the contributions that xgboost itself finds, shape (n, p + 1) [unit of the target]."""
    return _asked(booster, rows, pred_contribs=True)


def _asked(booster: Any, rows: np.ndarray, **what: bool) -> np.ndarray:
    # a fresh matrix each time: xgboost caches predictions per matrix
    matrix = need("xgboost").DMatrix(rows, feature_names=booster.feature_names, feature_types=booster.feature_types,
                                     enable_categorical=True)
    return np.asarray(booster.predict(matrix, validate_features=False, **what), dtype="float64")


def interactions(booster: Any, X: Any, kinds: Sequence[int], *, plain: bool = False) -> np.ndarray:
    """Return what pairs of kinds of features contribute together.

    Parameters
    ----------
    booster, X, plain
        As in `contributions`.
    kinds : sequence of int, length p
        The kind of each feature, counted from 0.

    Returns
    -------
    array of shape (n, pairs + 1) [unit of the target]
        For the pairs (0, 0), (0, 1), (1, 1), (0, 2), ... the sum of xgboost's `pred_interactions` over all pairs of
        a feature of the one and a feature of the other kind, both ways; then the base value.

    References
    ----------
    Lundberg, S. M. et al. (2020). Nature Machine Intelligence 2, 56-67. doi:10.1038/s42256-019-0138-9
    """
    from .forest import read_forest
    from .pairs import from_matrix
    from .shap_tables import TableExplainer

    found = _booster(booster)
    rows = np.ascontiguousarray(X, dtype="float32")
    forest = None if plain else read_forest(found)
    tables = None if forest is None else TableExplainer.worth(forest, len(rows))
    if tables is not None:
        return tables.interactions(rows, kinds).astype("float64")
    at_once = max(1, PLAIN_NUMBERS // (rows.shape[1] + 1) ** 2)
    parts = [from_matrix(_asked(found, rows[at:at + at_once], pred_interactions=True), kinds)
             for at in range(0, max(1, len(rows)), at_once)]
    return np.concatenate(parts)


def _booster(model: Any) -> Any:
    """Return a booster with the trees that count."""
    if not hasattr(model, "get_booster"):
        return model
    found = model.get_booster()
    best = found.attr("best_iteration")
    return found if best is None else found[:int(best) + 1]


def mean_contributions(boosters: Sequence[Any], X: Any) -> np.ndarray:
    """Return the contributions to the mean of several boosters: the mean of theirs."""
    total = contributions(boosters[0], X)
    for booster in boosters[1:]:
        total += contributions(booster, X)
    return total / len(boosters)


def additivity_error(phi: np.ndarray, estimate: np.ndarray) -> float:
    """Return the largest |sum of contributions - estimate| / max(1, |estimate|) over rows; 0 without rows.

    Parameters
    ----------
    phi : array of shape (n, p + 1) [unit of the target]
        Contributions and base value.
    estimate : array of shape (n,) [unit of the target]
    """
    if len(estimate) == 0:
        return 0.0
    gap = np.abs(phi.sum(axis=1) - estimate)
    return float((gap / np.maximum(SMALLEST_SCALE, np.abs(estimate))).max())
