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

from math import factorial
from typing import Callable, Iterator

import numpy as np

BACKGROUND = 64
Worth = Callable[[np.ndarray], np.ndarray]


def exact_values(worth: Worth, features: int, rows: int) -> np.ndarray:
    """Return the Shapley values from the worth of all sets.

    Parameters
    ----------
    worth : function of a mask of shape (k,)
        Returns v(S), shape (n,) [unit of the estimate], or (1,) where all rows share it.
    features, rows : int
        k and n.

    Returns
    -------
    array of shape (n, k) [unit of the estimate]
        Adds up to v(all) - v(none).

    Examples
    --------
    >>> exact_values(lambda mask: np.array([6.0 * mask.all()]), 3, 1)
    array([[2., 2., 2.]])
    """
    phi = np.zeros((rows, features))
    share = [factorial(size) * factorial(features - size - 1) / factorial(features) for size in range(features)]
    for number in range(2 ** features):
        mask = (number >> np.arange(features)) & 1 == 1
        size = int(mask.sum())
        joined = share[size - 1] if size else 0.0
        apart = share[size] if size < features else 0.0
        phi += worth(mask)[:, None] * np.where(mask, joined, -apart)
    return phi


def sampled_values(worth: Worth, features: int, rows: int, *, pairs: int, seed: int = 0) -> np.ndarray:
    """Return Shapley values averaged over some orders of the features, each order also backwards.

    Whatever the orders, they add up to v(all) - v(none).

    Parameters
    ----------
    worth : function of a mask of shape (k,)
    features, rows : int
    pairs : int
        Orders drawn.
    seed : int

    Returns
    -------
    array of shape (n, k) [unit of the estimate]
    """
    phi = np.zeros((rows, features))
    none, whole = worth(np.zeros(features, dtype=bool)), worth(np.ones(features, dtype=bool))
    for order in _orders(features, pairs, seed):
        mask = np.zeros(features, dtype=bool)
        before = none
        for place, feature in enumerate(order):
            mask[feature] = True
            after = whole if place == features - 1 else worth(mask)
            phi[:, feature] += after - before
            before = after
    return phi / (2 * pairs)


def background_rows(count: int, seed: int, most: int = BACKGROUND) -> np.ndarray:
    """Return the positions of up to `most` of `count` rows, drawn at random, in order."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng([seed, count]).choice(count, most, replace=False))


def _orders(features: int, pairs: int, seed: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    for _ in range(pairs):
        order = rng.permutation(features)
        yield order
        yield order[::-1]
