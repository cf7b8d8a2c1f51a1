"""Exact path-dependent Shapley values of boosted trees."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from ..deps import need

SMALLEST_SCALE = 1.0


def contributions(booster: Any, X: Any) -> np.ndarray:
    r"""Split what a booster estimates into contributions of its features.

    .. math:: f(x) = \phi_0 + \sum_k \phi_k(x)

    where :math:`\phi_k` is the Shapley value of feature k in the game whose value of a set of
    features is the mean of the trees over the training rows that follow the same path as far
    as those features decide ("path-dependent").

    Parameters
    ----------
    booster : xgboost.Booster
    X : array of shape (n, p) [units of the training data]
        NaN take each split's default direction.

    Returns
    -------
    array of shape (n, p + 1) [unit of the target]
        The last column is the base value.

    References
    ----------
    Lundberg, S. M. et al. (2020). Nature Machine Intelligence 2, 56-67. doi:10.1038/s42256-019-0138-9
    """
    xgboost = need("xgboost")
    rows = np.ascontiguousarray(X, dtype="float32")
    # a fresh matrix each time: xgboost caches predictions per matrix
    matrix = xgboost.DMatrix(rows, feature_names=booster.feature_names)
    return np.asarray(booster.predict(matrix, pred_contribs=True, validate_features=False), dtype="float64")


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
