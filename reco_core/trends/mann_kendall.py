"""The Mann-Kendall test of one series."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

EXACT_LIMIT = 10


@dataclass(frozen=True)
class MannKendall:
    """Score, its variance, standard score, two-sided p, Kendall's tau and number of values."""

    s: float
    variance: float
    z: float
    p: float
    tau: float
    n: int


def mann_kendall(values: Any, *, exact: bool = False) -> MannKendall:
    r"""Test a series for a monotonic trend after Mann and Kendall.

    .. math:: S = \sum_{i<j} \mathrm{sgn}(y_j - y_i), \qquad
              \mathrm{Var}(S) = \frac{n(n-1)(2n+5) - \sum_g u_g (u_g - 1)(2u_g + 5)}{18}

    with the sizes :math:`u_g` of the groups of equal values and the continuity-corrected
    :math:`Z = (S \mp 1)/\sqrt{\mathrm{Var}(S)}`.

    Parameters
    ----------
    values : array of shape (time,) [any]
        In the order of time; NaN are left out.
    exact : bool
        Take p from the exact distribution of S where there are at most 10 values and no ties.

    Returns
    -------
    MannKendall
        A constant series has S = 0 and p = 1; NaN with fewer than two values.

    References
    ----------
    Kendall, M. G. (1975). Rank Correlation Methods. Griffin, London.
    Gilbert, R. O. (1987). Statistical Methods for Environmental Pollution Monitoring.

    Examples
    --------
    >>> result = mann_kendall([5, 2, 6, 6, 9, 8, 11])
    >>> result.s, round(result.variance, 4), round(result.z, 6), round(result.p, 6)
    (16.0, 43.3333, 2.278664, 0.022687)
    """
    series = np.asarray(values, dtype="float64")
    series = series[np.isfinite(series)]
    n = series.size
    if n < 2:
        return MannKendall(math.nan, math.nan, math.nan, math.nan, math.nan, n)
    first, second = np.triu_indices(n, 1)
    s = float(np.sign(series[second] - series[first]).sum())
    sizes = np.unique(series, return_counts=True)[1].astype("float64")
    variance = (n * (n - 1) * (2 * n + 5) - float((sizes * (sizes - 1) * (2 * sizes + 5)).sum())) / 18
    z = float(standard_score(s, variance))
    p = float(exact_p(s, n) if exact and n <= EXACT_LIMIT and sizes.size == n else normal_p(z))
    return MannKendall(s, variance, z, p, s / (0.5 * n * (n - 1)), n)


def standard_score(score: Any, variance: Any) -> np.ndarray:
    """Return Z of S with the continuity correction; 0 where S is 0."""
    score, variance = np.asarray(score, dtype="float64"), np.asarray(variance, dtype="float64")
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (score - np.sign(score)) / np.sqrt(variance)
    return np.where(score == 0, 0.0, z)


def normal_p(z: Any) -> np.ndarray:
    """Return the two-sided p of a standard score."""
    from scipy.special import erfc

    return np.asarray(erfc(np.abs(z) / math.sqrt(2.0)))


def exact_p(score: float, n: int) -> float:
    """Return the exact two-sided p of S for `n` values without ties.

    Examples
    --------
    >>> round(exact_p(18, 8), 6)
    0.031151
    """
    counts = np.ones(1)
    for i in range(1, n + 1):
        counts = np.convolve(counts, np.ones(i))  # inversions of i items
    largest = n * (n - 1) // 2
    scores = largest - 2 * np.arange(largest + 1)
    tail = counts[scores >= abs(score)].sum() / counts.sum()
    return float(min(1.0, 2.0 * tail))
