"""What pairs of groups of drivers contribute together: bookkeeping around the tables' interactions."""

from __future__ import annotations

from typing import Sequence

import numpy as np


def pair_names(names: Sequence[str]) -> list[str]:
    """Return the name of each pair in the order in which pairs are kept.

    Examples
    --------
    >>> pair_names(["a", "b"])
    ['a', 'a x b', 'b']
    """
    return [names[b] if a == b else f"{names[a]} x {names[b]}" for a, b in pairs(len(names))]


def pairs(count: int) -> list[tuple[int, int]]:
    """Return the pairs (0, 0), (0, 1), (1, 1), (0, 2), ... of `count` kinds."""
    return [(a, b) for b in range(count) for a in range(b + 1)]


def kinds_of(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the kind of each column, and how much of each kind belongs to each group.

    Parameters
    ----------
    weights : array of shape (q, groups) [1]
        How much of each column belongs to each group; each row adds up to 1.

    Returns
    -------
    kinds : array of int, shape (q,)
        Columns of the same kind belong to groups alike.
    belonging : array of shape (kinds, groups) [1]
    """
    belonging, kinds = np.unique(weights, axis=0, return_inverse=True)
    return kinds.reshape(-1), belonging


def to_groups(values: np.ndarray, belonging: np.ndarray) -> np.ndarray:
    """Return interactions of pairs of kinds, shape (n, pairs), as those of pairs of groups."""
    count, groups = belonging.shape
    result = np.zeros((len(values), len(pairs(groups))))
    for lane, (k, m) in enumerate(pairs(count)):
        for target, (a, b) in enumerate(pairs(groups)):
            both = belonging[k, a] * belonging[m, b] + belonging[k, b] * belonging[m, a]
            result[:, target] += values[:, lane] * (both / 2 if a == b else both)
    return result


def from_matrix(matrix: np.ndarray, kinds: Sequence[int]) -> np.ndarray:
    """Return xgboost's `pred_interactions`, shape (n, p + 1, p + 1), summed over pairs of kinds, base value last."""
    of = np.asarray(kinds)
    count = int(of.max(initial=0)) + 1
    inside = matrix[:, :-1, :-1]
    result = np.zeros((len(matrix), len(pairs(count)) + 1))
    for lane, (a, b) in enumerate(pairs(count)):
        own = inside[:, of == a][:, :, of == b].sum(axis=(1, 2))
        result[:, lane] = own if a == b else 2 * own
    result[:, -1] = matrix[:, -1, -1]
    return result
