"""Scores of estimates against observations."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

FEWEST = 3


def r2_nse(y: np.ndarray, p: np.ndarray) -> float:
    """Share of variance explained, 1 - SSE/SST; below 0 where the mean would do better."""
    spread = np.sum((y - y.mean()) ** 2)
    return float(1 - np.sum((p - y) ** 2) / spread) if spread > 0 else np.nan


def r2_pearson(y: np.ndarray, p: np.ndarray) -> float:
    """Squared correlation; blind to bias and scale."""
    top = np.sum((y - y.mean()) * (p - p.mean())) ** 2
    bottom = np.sum((y - y.mean()) ** 2) * np.sum((p - p.mean()) ** 2)
    return float(top / bottom) if bottom > 0 else np.nan


def rmse(y: np.ndarray, p: np.ndarray) -> float:
    """Root mean squared error."""
    return float(np.sqrt(np.mean((p - y) ** 2)))


def mae(y: np.ndarray, p: np.ndarray) -> float:
    """Mean absolute error."""
    return float(np.mean(np.abs(p - y)))


def rmae(y: np.ndarray, p: np.ndarray) -> float:
    """Mean absolute error over the mean observation."""
    return float(mae(y, p) / y.mean()) if y.mean() != 0 else np.nan


def bias(y: np.ndarray, p: np.ndarray) -> float:
    """Mean of estimate minus observation."""
    return float(np.mean(p - y))


def sde(y: np.ndarray, p: np.ndarray) -> float:
    """Standard deviation (ddof 0) of the error: rmse^2 = bias^2 + sde^2."""
    return float(np.std(p - y))


def ccc(y: np.ndarray, p: np.ndarray) -> float:
    """Concordance correlation after Lin (1989)."""
    bottom = y.var() + p.var() + (y.mean() - p.mean()) ** 2
    return float(2 * np.mean((y - y.mean()) * (p - p.mean())) / bottom) if bottom > 0 else np.nan


def slope(y: np.ndarray, p: np.ndarray) -> float:
    """Slope of the regression of the estimate on the observation."""
    bottom = np.sum((y - y.mean()) ** 2)
    return float(np.sum((y - y.mean()) * (p - p.mean())) / bottom) if bottom > 0 else np.nan


KERNELS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "r2_nse": r2_nse, "r2_pearson": r2_pearson, "rmse": rmse, "mae": mae, "rmae": rmae, "bias": bias, "sde": sde,
    "ccc": ccc, "slope": slope}
METRICS = tuple(KERNELS)


def score(y: Any, p: Any) -> dict[str, float]:
    """Return all scores of an estimate.

    Parameters
    ----------
    y : array of shape (n,) [unit of the flux]
        Observations.
    p : array of shape (n,) [unit of the flux]
        Estimates; pairs with a gap are left out.

    Returns
    -------
    dict
        `n`, the number of pairs, and each of METRICS; NaN with fewer than three pairs or
        without variance. `r2_nse` is 1 - SSE/SST, `r2_pearson` the squared correlation; `rmse`,
        `mae`, `bias` and `sde` have the unit of the flux.

    References
    ----------
    Lin, L. I. (1989). Biometrics 45, 255-268. doi:10.2307/2532051

    Examples
    --------
    >>> found = score([1, 2, 3, 4, 5], [1.1, 2.3, 2.9, 4.4, 4.8])
    >>> found["n"], round(found["r2_nse"], 3), round(found["mae"], 2)
    (5, 0.969, 0.22)
    """
    observed, estimated = np.asarray(y, dtype="float64"), np.asarray(p, dtype="float64")
    known = np.isfinite(observed) & np.isfinite(estimated)
    observed, estimated = observed[known], estimated[known]
    if observed.size < FEWEST:
        return {"n": int(observed.size), **dict.fromkeys(METRICS, np.nan)}
    return {"n": int(observed.size), **{name: kernel(observed, estimated) for name, kernel in KERNELS.items()}}
