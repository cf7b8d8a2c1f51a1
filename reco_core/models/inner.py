"""Folds inside a training set: for choosing between settings without looking at held-out sites."""

from __future__ import annotations

import numpy as np


def inner_folds(group: np.ndarray, folds: int, seed: int = 0) -> np.ndarray:
    """Return the inner fold of each row; rows of a group stay together.

    Parameters
    ----------
    group : array of shape (n,)
    folds : int
        Fewer where there are fewer groups.
    seed : int

    Returns
    -------
    array of int, shape (n,)
    """
    _, member, sizes = np.unique(group, return_inverse=True, return_counts=True)
    filled = np.zeros(min(folds, sizes.size))
    fold = np.empty(sizes.size, dtype="int64")
    for number in np.random.default_rng([seed, sizes.size]).permutation(sizes.size):
        fold[number] = int(np.argmin(filled))
        filled[fold[number]] += sizes[number]
    return fold[member]
