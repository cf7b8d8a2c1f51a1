"""Maps made from contributions: shares of drivers and groups, and the dominant driver."""

from __future__ import annotations

from functools import partial
from typing import Sequence

import numpy as np

from ..threads import in_parts
from ..vocabulary.variables import GROUPS


def shares(total: np.ndarray) -> np.ndarray:
    """Return each driver's share of the absolute contributions.

    Parameters
    ----------
    total : array of shape (p, ...) [unit of the flux]
        Sum or mean over time of the absolute contributions; 0 where there was no estimate.

    Returns
    -------
    array of shape (p, ...) [1]
        Adds up to 1 over the drivers; NaN where nothing contributes.

    Examples
    --------
    >>> shares(np.array([[1.0, 0.0], [3.0, 0.0]]))
    array([[0.25,  nan],
           [0.75,  nan]])
    """
    whole = total.sum(axis=0)
    return np.divide(total, whole, out=np.full(total.shape, np.nan), where=whole > 0)


def group_shares(share: np.ndarray, groups: Sequence[str]) -> np.ndarray:
    """Add the shares of the drivers of each group.

    Parameters
    ----------
    share : array of shape (p, ...) [1]
    groups : sequence of p texts
        Group of each driver: environment, biotic or spatiotemporal.

    Returns
    -------
    array of shape (3, ...) [1]
        environment, biotic, spatiotemporal.
    """
    result = np.zeros((len(GROUPS), *share.shape[1:]))
    for values, group in zip(share, groups):
        result[GROUPS.index(group)] += values
    result[:, np.isnan(share).any(axis=0)] = np.nan
    return result


def dominant_driver(share: np.ndarray) -> np.ndarray:
    """Return the number (1, 2, ...) of the driver with the largest share; the first of equals, NaN where none."""
    largest, number = share[0].copy(), np.ones(share.shape[1:])
    for k, values in enumerate(share[1:], start=2):
        larger = values > largest
        largest[larger], number[larger] = values[larger], k
    number[np.isnan(share).any(axis=0)] = np.nan
    return number


class AbsoluteSum:
    """Adds up the absolute contributions of a piece of a map, one time step after the other."""

    def __init__(self, features: int, shape: tuple[int, int]) -> None:
        self.total = np.zeros((features, *shape))

    def add(self, first: int, maps: np.ndarray) -> None:
        """Add contributions of features from number `first` on, shape (features, time, y, x); missing ones count 0."""
        in_parts(maps.shape[2], partial(self._add, first, maps))

    def _add(self, first: int, maps: np.ndarray, rows: slice) -> None:
        for total, series in zip(self.total[first:], maps):
            for layer in series[:, rows]:
                values = np.abs(layer)
                values[np.isnan(values)] = 0.0
                total[rows] += values
