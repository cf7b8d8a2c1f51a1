"""Choosing drivers for a forest: a filter of those that tell the same, importance out of the bag, elimination."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, Sequence

import numpy as np

from ..deps import need
from ..progress import SILENT, Progress

LARGEST_R = 0.9
DROP_SHARE = 0.2
FEWEST_TO_LEARN = 10


class Choice(NamedTuple):
    """Drivers that were tried together, and the pooled held-out error of a forest that sees them.

    `features` are positions; `rmse` [unit of the target]; `r2` is 1 - SSE/SST.
    """

    features: tuple[int, ...]
    rmse: float
    r2: float


def grow(X: np.ndarray, y: np.ndarray, weight: Optional[np.ndarray] = None, *, trees: int, min_leaf: int = 5,
         mtry: int = 0, seed: int = 0) -> Any:
    """Return a random forest of scikit-learn.

    Parameters
    ----------
    X : array of shape (n, p)
        Without gaps; taken in single precision.
    y : array of shape (n,)
    weight : array of shape (n,), optional
    trees, min_leaf : int
    mtry : int
        Features tried at each split; 0 takes a third of them.
    seed : int
    """
    forest = need("sklearn.ensemble").RandomForestRegressor(
        trees, min_samples_leaf=min_leaf, max_features=mtry_of(X.shape[1], mtry), random_state=seed, n_jobs=1)
    return forest.fit(X.astype("float32"), y, sample_weight=weight)


def mtry_of(features: int, mtry: int = 0) -> int:
    """Return how many features a split tries: those asked for, or a third.

    Examples
    --------
    >>> mtry_of(13), mtry_of(2), mtry_of(3, 5)
    (4, 1, 3)
    """
    return min(mtry or max(1, features // 3), features)


def correlation_filter(X: np.ndarray, names: Sequence[str], limit: float = LARGEST_R) -> list[int]:
    """Return the positions of drivers none of which is correlated with another by more than a limit.

    The pair with the largest |R| loses the member whose mean |R| with all others is larger (of equals the
    later in the alphabet), until no pair exceeds the limit.

    Parameters
    ----------
    X : array of shape (n, p)
        Rows with a gap in either of two drivers do not count for them.
    names : sequence of str
    limit : float

    Examples
    --------
    >>> x = np.arange(5.0)
    >>> correlation_filter(np.column_stack([x, 2 * x, x % 2]), ["ta", "lst", "soc"])
    [1, 2]
    """
    r = np.abs(_correlations(np.asarray(X, dtype="float64")))
    kept = list(range(len(names)))
    while len(kept) > 1:
        part = r[np.ix_(kept, kept)]
        upper = np.triu(part, 1)
        first, second = np.unravel_index(np.argmax(upper), part.shape)
        if upper[first, second] <= limit:
            break
        means = (part.sum(axis=1) - 1) / (len(kept) - 1)
        if np.isclose(means[first], means[second], rtol=0, atol=1e-12):
            worse = max(first, second, key=lambda at: names[kept[at]])
        else:
            worse = first if means[first] > means[second] else second
        del kept[int(worse)]
    return kept


def _correlations(X: np.ndarray) -> np.ndarray:
    """Return the correlation of each pair of columns over rows where both are there; 0 where one is constant."""
    known = np.isfinite(X)
    centred = np.where(known, X - np.nanmean(np.where(known.any(axis=0), X, 0.0), axis=0), 0.0)
    count = known.T.astype("float64") @ known
    with np.errstate(divide="ignore", invalid="ignore"):
        sums, squares = centred.T @ known, np.square(centred).T @ known
        spread = squares - np.square(sums) / count
        r = (centred.T @ centred - sums * sums.T / count) / np.sqrt(spread * spread.T)
    r = np.where(np.isfinite(r), r, 0.0)
    np.fill_diagonal(r, 1.0)
    return r


def permutation_importance(forest: Any, X: np.ndarray, y: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Return how much the squared error out of the bag grows when a feature is shuffled, mean over trees, shape (p,).

    Parameters
    ----------
    forest : sklearn.ensemble.RandomForestRegressor
        Grown on X and y.
    X : array of shape (n, p)
    y : array of shape (n,) [unit of the target]
    seed : int

    References
    ----------
    Breiman, L. (2001). Machine Learning 45, 5-32. doi:10.1023/A:1010933404324
    """
    rows = np.ascontiguousarray(X, dtype="float32")
    n, p = rows.shape
    rng, total, count = np.random.default_rng(seed), np.zeros(p), 0
    for tree, drawn in zip(forest.estimators_, forest.estimators_samples_):
        out = np.flatnonzero(np.bincount(drawn, minlength=n) == 0)
        if out.size < 2:
            continue
        stack = np.repeat(rows[out][None], p + 1, axis=0)
        for k in range(p):
            stack[k, :, k] = stack[k, rng.permutation(out.size), k]
        error = np.square(tree.tree_.predict(stack.reshape(-1, p))[:, 0].reshape(p + 1, -1) - y[out]).mean(axis=1)
        total += error[:p] - error[p]
        count += 1
    return total / max(count, 1)


def grouped_estimates(X: np.ndarray, y: np.ndarray, fold: np.ndarray, weight: Optional[np.ndarray] = None, *,
                      trees: int, min_leaf: int = 5, mtry: int = 0, seed: int = 0,
                      progress: Progress = SILENT) -> np.ndarray:
    """Return the estimate of each row by a forest grown without its fold, shape (n,); NaN where none can be grown.

    Parameters
    ----------
    X : array of shape (n, p)
    y : array of shape (n,) [unit of the target]
    fold : array of int, shape (n,)
    """
    found = np.full(len(y), np.nan)
    for number in np.unique(fold):
        progress.check()
        out = fold == number
        if (~out).sum() < FEWEST_TO_LEARN:
            continue
        own = None if weight is None else weight[~out]
        forest = grow(X[~out], y[~out], own, trees=trees, min_leaf=min_leaf, mtry=mtry, seed=seed)
        found[out] = forest.predict(X[out].astype("float32"))
    return found


def backward_elimination(X: np.ndarray, y: np.ndarray, fold: np.ndarray, weight: Optional[np.ndarray] = None, *,
                         start: Sequence[int], trees: int, min_leaf: int = 5, mtry: int = 0, seed: int = 0,
                         drop: float = DROP_SHARE, progress: Progress = SILENT) -> list[Choice]:
    """Return all sets of drivers that were tried, largest first; `best_choice` says which one to take.

    The least important drivers, out of the bag, are dropped step by step until one is left.

    Parameters
    ----------
    X : array of shape (n, p)
        Without gaps.
    y : array of shape (n,) [unit of the target]
    fold : array of int, shape (n,)
        Whole sites that are held out together.
    start : sequence of int
        Positions of the drivers to begin with.
    drop : float
        Share of the drivers that is dropped in a step, one at least; 0 drops one at a time.
    """
    kept, tried = list(start), []
    while kept:
        progress(1 - len(kept) / len(start), f"Eliminating drivers, {len(kept)} left")
        options = {"trees": trees, "min_leaf": min_leaf, "mtry": mtry, "seed": seed}
        estimate = grouped_estimates(X[:, kept], y, fold, weight, progress=progress, **options)
        tried.append(Choice(tuple(kept), *pooled_error(y, estimate)))
        if len(kept) == 1:
            break
        forest = grow(X[:, kept], y, weight, **options)
        order = np.argsort(permutation_importance(forest, X[:, kept], y, seed=seed), kind="stable")
        gone = set(order[:max(1, int(drop * len(kept)))].tolist())
        kept = [feature for at, feature in enumerate(kept) if at not in gone]
    return tried


def best_choice(tried: Sequence[Choice]) -> Choice:
    """Return the set with the least error, of equals the smaller one; the first where no error is known."""
    known = [choice for choice in tried if np.isfinite(choice.rmse)]
    return min(known, key=lambda choice: (choice.rmse, len(choice.features))) if known else tried[0]


def pooled_error(y: np.ndarray, estimate: np.ndarray) -> tuple[float, float]:
    """Return RMSE and R2 (1 - SSE/SST) over rows with an estimate; NaN for fewer than two."""
    known = np.isfinite(estimate)
    if known.sum() < 2:
        return float("nan"), float("nan")
    square = np.square(estimate[known] - y[known])
    spread = np.square(y[known] - y[known].mean()).sum()
    return float(np.sqrt(square.mean())), float(1 - square.sum() / spread) if spread > 0 else float("nan")
