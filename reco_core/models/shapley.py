r"""Shapley values of any function of few features, from the worth of sets of features.

The worth v(S) of a set S for a row is the mean estimate where the features in S are those of the row
and all others those of background rows ("interventional"). A feature's Shapley value is what it adds to
the worth, averaged over all orders in which the features could come:

.. math:: \phi_j = \sum_{S \not\ni j} \frac{|S|!\,(k-|S|-1)!}{k!}\,[v(S \cup j) - v(S)]

References
----------
Lundberg, S. M., Lee, S.-I. (2017). Adv. Neural Inf. Process. Syst. 30, 4765-4774.
Strumbelj, E., Kononenko, I. (2014). Knowl. Inf. Syst. 41, 647-665. doi:10.1007/s10115-013-0679-x
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import factorial
from typing import Callable

import numpy as np

BACKGROUND = 64
MOST_FOR_EXACT = 8
PAIRS = 8
ORDERS = 2 * PAIRS
Worth = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Plan:
    """Which sets of features are looked at, and how their worth is shared out.

    Set i, `masks[i]` (m, k), extends the last set before it that has one feature less by the feature `feature[i]`;
    `depth[i]` is its size. A feature gets the worth of a set times `shares` (m, k), and that of
    the empty set, which is not among them, times `none` (k,).
    """

    masks: np.ndarray
    depth: np.ndarray
    feature: np.ndarray
    shares: np.ndarray
    none: np.ndarray

    def values(self, worth: Worth, rows: int) -> np.ndarray:
        """Return the Shapley values, shape (rows, k) [unit of the estimate]; they add up to v(all) - v(none).

        Parameters
        ----------
        worth : function of a mask of shape (k,)
            Returns v(S), shape (rows,) [unit of the estimate], or (1,) where all rows share it.
        rows : int
        """
        phi = np.zeros((rows, len(self.none))) + worth(np.zeros(len(self.none), dtype=bool))[:, None] * self.none
        for mask, share in zip(self.masks, self.shares):
            phi += worth(mask)[:, None] * share
        return phi


@lru_cache(maxsize=32)
def exact_plan(features: int) -> Plan:
    """Return the plan that looks at all sets.

    Examples
    --------
    >>> exact_plan(3).values(lambda mask: np.array([6.0 * mask.all()]), 1).round(12)
    array([[2., 2., 2.]])
    """
    share = [factorial(size) * factorial(features - size - 1) / factorial(features) for size in range(features)]
    masks: list[tuple[bool, ...]] = []
    added: list[int] = []

    def extend(mask: tuple[bool, ...], first: int) -> None:
        for feature in range(first, features):
            larger = (*mask[:feature], True, *mask[feature + 1:])
            masks.append(larger)
            added.append(feature)
            extend(larger, feature + 1)

    extend((False,) * features, 0)
    sets = np.array(masks)
    depth = sets.sum(axis=1)
    joined = np.array([share[size - 1] for size in depth])
    apart = np.array([share[size] if size < features else 0.0 for size in depth])
    return Plan(sets, depth, np.array(added), np.where(sets, joined[:, None], -apart[:, None]),
                np.full(features, -share[0]))


@lru_cache(maxsize=32)
def sampled_plan(features: int, pairs: int = PAIRS, seed: int = 0) -> Plan:
    """Return the plan that averages over some orders of the features, each order also backwards.

    Parameters
    ----------
    features, pairs, seed : int
        `pairs` orders are drawn.
    """
    rng = np.random.default_rng(seed)
    orders = [order[::way] for order in (rng.permutation(features) for _ in range(pairs)) for way in (1, -1)]
    sets: list[np.ndarray] = []
    shares: list[np.ndarray] = []
    none, whole = np.zeros(features), np.zeros(features)
    added = []
    for order in orders:
        mask = np.zeros(features, dtype=bool)
        none[order[0]] -= 1
        whole[order[-1]] += 1
        for place in range(features - 1):
            mask[order[place]] = True
            share = np.zeros(features)
            share[order[place]], share[order[place + 1]] = 1, -1
            sets.append(mask.copy())
            shares.append(share)
            added.append(order[place])
    sets.append(np.ones(features, dtype=bool))  # extends the last order
    masks = np.array(sets)
    return Plan(masks, masks.sum(axis=1), np.array([*added, orders[-1][-1]]), np.array([*shares, whole]) / len(orders),
                none / len(orders))


def plan_for(features: int) -> Plan:
    """Return the exact plan for up to eight features, else that of sixteen orders, the same for all rows."""
    return exact_plan(features) if features <= MOST_FOR_EXACT else sampled_plan(features)


def shapley_values(worth: Worth, features: int, rows: int) -> np.ndarray:
    """Return Shapley values by `plan_for`, with the worth of nothing, the base value, in the last column.

    Shape (rows, k + 1) [unit of the estimate]; each row adds up to v(all).
    """
    result = np.empty((rows, features + 1))
    result[:, :-1] = plan_for(features).values(worth, rows)
    result[:, -1] = worth(np.zeros(features, dtype=bool))
    return result


def background_rows(count: int, seed: int, most: int = BACKGROUND) -> np.ndarray:
    """Return the positions of up to `most` of `count` rows, drawn at random, in order."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng([seed, count]).choice(count, most, replace=False))
