"""Whether one set of estimates is better than another, given which sites happened to be measured."""

from __future__ import annotations

import numpy as np

from .crossval import REPEATS, resampled
from .metrics import score


def paired_difference(y: np.ndarray, a: np.ndarray, b: np.ndarray, group: np.ndarray, *, repeats: int = REPEATS,
                      seed: int = 0) -> dict[str, dict[str, float]]:
    """Return by how much estimates `a` are better or worse than `b` on the same samples.

    Sites are resampled as wholes, the same for both, so what both find hard cancels.

    Parameters
    ----------
    y : array of shape (n,) [unit of the flux]
        Observations.
    a, b : array of shape (n,) or (assignments, n) [unit of the flux]
        Estimates; scores are averaged over assignments, without pairs with a gap.
    group : array of shape (n,)
        What is resampled.

    Returns
    -------
    dict
        For `r2_nse` [1] and `mae` [unit of the flux]: `difference` (a minus b), `low` and `high` (95 % range), and
        `share_better`, the share of resamplings in which a is better.
    """
    one, two = (np.atleast_2d(np.asarray(item, dtype="float64")) for item in (a, b))
    result = {}
    drawn = [_mean(y, item, group, repeats, seed) for item in (one, two)]
    whole = [_once(y, item) for item in (one, two)]
    for name, better in (("r2_nse", 1.0), ("mae", -1.0)):
        gaps = drawn[0][name] - drawn[1][name]
        low, high = np.nanquantile(gaps, [0.025, 0.975])
        result[name] = {"difference": whole[0][name] - whole[1][name], "low": float(low), "high": float(high),
                        "share_better": float(np.mean(better * gaps > 0))}
    return result


def _mean(y: np.ndarray, estimates: np.ndarray, group: np.ndarray, repeats: int, seed: int) -> dict[str, np.ndarray]:
    parts = [resampled(y, estimate, group, repeats=repeats, seed=seed) for estimate in estimates]
    return {name: np.mean([part[name] for part in parts], axis=0) for name in ("r2_nse", "mae")}


def _once(y: np.ndarray, estimates: np.ndarray) -> dict[str, float]:
    found = [score(y, estimate) for estimate in estimates]
    return {name: float(np.mean([item[name] for item in found])) for name in ("r2_nse", "mae")}
