"""What a model leans on: splits per feature, and how close its contributions are to causal effects."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from ..deps import need


def split_shares(boosters: Sequence[Any], features: Sequence[str]) -> np.ndarray:
    """Return the share of splits that each feature has in each booster.

    Returns
    -------
    array of shape (boosters, p) [1]
        Rows add up to 1; 0 for a feature that is never used.
    """
    shares = np.zeros((len(boosters), len(features)))
    for row, booster in zip(shares, boosters):
        counts = booster.get_score(importance_type="weight")
        row[:] = [counts.get(name, 0.0) for name in features]
        row /= max(row.sum(), 1e-300)
    return shares


def compare_splits(causal: np.ndarray, baseline: np.ndarray) -> dict[str, np.ndarray]:
    """Return how the split shares of paired boosters differ, feature by feature.

    Parameters
    ----------
    causal, baseline : array of shape (seeds, p) [1]
        From `split_shares`; rows of one seed belong together.

    Returns
    -------
    dict
        `difference` and `sd` (p,) over seeds, and `p` (p,), the paired Wilcoxon test (NaN where all are equal).
    """
    wilcoxon = need("scipy.stats").wilcoxon
    gap = causal - baseline
    spread = gap.std(axis=0, ddof=1) if len(gap) > 1 else np.full(gap.shape[1], np.nan)
    p = [float(wilcoxon(column).pvalue) if column.any() and len(column) > 1 else np.nan for column in gap.T]
    return {"difference": gap.mean(axis=0), "sd": spread, "p": np.array(p)}


def likeness(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """Return how alike two sets of importances are, each normalised to add up to 1.

    Parameters
    ----------
    a, b : array of shape (p,)
        Absolute values count, such as mean |contribution| and |causal effect|; NaN is 0.

    Returns
    -------
    dict
        `pearson`, `spearman`, `cosine` [-1..1 or 0..1] and `l1` (0 alike, 2 nothing in common).
    """
    one, two = (np.nan_to_num(np.abs(np.asarray(item, dtype="float64"))) for item in (a, b))
    one, two = (item / item.sum() if item.sum() > 0 else item for item in (one, two))
    rank = need("scipy.stats").rankdata
    norm = float(np.linalg.norm(one) * np.linalg.norm(two))
    return {"pearson": _correlation(one, two), "spearman": _correlation(rank(one), rank(two)),
            "cosine": float(one @ two / norm) if norm > 0 else np.nan, "l1": float(np.abs(one - two).sum())}


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if np.ptp(a) > 0 and np.ptp(b) > 0 else np.nan


def mean_absolute(contributions: np.ndarray) -> np.ndarray:
    """Return the normalised mean absolute contribution of each feature, shape (p,).

    Parameters
    ----------
    contributions : array of shape (n, p + 1) [unit of the flux]
        The last column, the base value, does not count.
    """
    size = np.abs(contributions[:, :-1]).mean(axis=0)
    return size / size.sum() if size.sum() > 0 else size
