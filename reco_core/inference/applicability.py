"""Where a model may be applied: how unlike the training data the drivers of a pixel are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Optional

import numpy as np

from ..deps import need
from ..errors import ArtifactError

MOST_ROWS = 20_000
DISTANCE_BLOCK = 512


@dataclass(frozen=True)
class ApplicabilityArea:
    """The dissimilarity index and the area of applicability of a set of training data.

    Made by `ApplicabilityArea.of`. The fields say how drivers become a point among the
    training points: (x - mean) * scale, distances divided by `mean_distance`.
    """

    mean: np.ndarray
    scale: np.ndarray
    points: np.ndarray
    mean_distance: float
    training_index: np.ndarray
    threshold: float

    @classmethod
    def of(cls, X: Any, fold: Any, weights: Optional[Any] = None, *, iqr: float = 1.5,
           most_rows: int = MOST_ROWS) -> ApplicabilityArea:
        r"""Measure the training data after Meyer and Pebesma.

        Drivers are divided by their standard deviation over the training data and multiplied
        by their importance. The dissimilarity index of a point is its distance to the nearest
        training point over the mean distance between training points; that of a training
        point looks only at the points of other folds. The threshold is

        .. math:: \min(Q_{75} + 1.5\,\mathrm{IQR},\ \max) \text{ of the training index.}

        Parameters
        ----------
        X : array of shape (n, p) [any]
            Training drivers; rows with NaN are left out.
        fold : array of shape (n,)
            Which fold each row was held out in.
        weights : array of shape (p,), optional
            Importance of each driver, 0 or more; equal where absent or all 0. Only their
            ratios matter. A driver that is constant in the training data has no influence.
        iqr : float
            How many interquartile ranges above the third quartile.
        most_rows : int
            Where there are more, every k-th row is used.

        Raises
        ------
        ArtifactError
            Fewer than two folds with rows without NaN, or weights that cannot be.

        References
        ----------
        Meyer, H., Pebesma, E. (2021). Methods Ecol. Evol. 12, 1620-1633. doi:10.1111/2041-210X.13650
        """
        table, folds = np.asarray(X, dtype="float64"), np.asarray(fold)
        valid = np.isfinite(table).all(axis=1)
        table, folds = table[valid], folds[valid]
        chosen = _subsample(len(table), most_rows)
        table, folds = table[chosen], folds[chosen]
        if np.unique(folds).size < 2:
            raise ArtifactError("The area of applicability needs training data of at least two folds",
                                "Fit the model again with more sites or fewer missing drivers")
        mean, deviation = table.mean(axis=0), table.std(axis=0, ddof=1)
        importance = _importance(weights, table.shape[1])
        scale = np.divide(importance, deviation, out=np.zeros_like(deviation), where=deviation > 0)
        points = (table - mean) * scale
        mean_distance = _mean_distance(points)
        index = _training_distances(points, folds) / mean_distance if mean_distance > 0 else np.zeros(len(points))
        low, high = np.quantile(index, [0.25, 0.75])
        threshold = float(min(high + iqr * (high - low), index.max()))
        return cls(mean, scale, points, mean_distance, index, threshold)

    @cached_property
    def _tree(self) -> Any:
        return need("scipy.spatial").cKDTree(self.points)

    def dissimilarity(self, X: Any, *, limit: float = np.inf) -> np.ndarray:
        """Return the dissimilarity index of each row of `X`; infinite beyond `limit`.

        Parameters
        ----------
        X : array of shape (n, p) [units of the training data]
            Without NaN.
        limit : float
            Values beyond need not be told apart, which is faster.

        Returns
        -------
        array of shape (n,) [1]
            0 at a training point, 1 where the nearest is as far as training points are on average.
        """
        points = (np.asarray(X, dtype="float64") - self.mean) * self.scale
        if self.mean_distance == 0:
            return np.zeros(len(points))
        # a little more than the limit: distance_upper_bound leaves out what is exactly there
        bound = np.nextafter(limit * self.mean_distance, np.inf) if np.isfinite(limit) else np.inf
        distance, _ = self._tree.query(points, distance_upper_bound=bound, workers=-1)
        return distance / self.mean_distance

    def applicability(self, X: Any) -> np.ndarray:
        """Return 1 at training points, 0.5 at the threshold, 0 from twice the threshold on.

        Parameters
        ----------
        X : array of shape (n, p) [units of the training data]
            Without NaN.

        Returns
        -------
        array of shape (n,) [1]
        """
        if self.threshold == 0:
            return (self.dissimilarity(X) == 0).astype("float64")
        index = self.dissimilarity(X, limit=2 * self.threshold)
        return np.maximum(0.0, 1.0 - index / (2 * self.threshold))


def _subsample(rows: int, most: int) -> np.ndarray:
    if rows <= most:
        return np.arange(rows)
    return np.unique(np.linspace(0, rows - 1, most).round().astype(int))


def _importance(weights: Optional[Any], features: int) -> np.ndarray:
    """Return the weights, or ones where they say nothing."""
    if weights is None:
        return np.ones(features)
    values = np.asarray(weights, dtype="float64")
    if values.shape != (features,):
        raise ValueError(f"{values.size} weights for {features} features")
    if (values < 0).any() or not np.isfinite(values).all():
        raise ArtifactError(f"The importance of a driver is negative or missing: {values.tolist()}",
                            "The model is damaged: fit it again")
    return values if values.sum() > 0 else np.ones(features)


def _mean_distance(points: np.ndarray) -> float:
    distance = need("scipy.spatial.distance")
    sums = [distance.cdist(points[start:start + DISTANCE_BLOCK], points).sum(axis=1)
            for start in range(0, len(points), DISTANCE_BLOCK)]
    return float(np.concatenate(sums).sum() / (len(points) * (len(points) - 1)))


def _training_distances(points: np.ndarray, folds: np.ndarray) -> np.ndarray:
    tree_of = need("scipy.spatial").cKDTree
    result = np.empty(len(points))
    for fold in np.unique(folds):
        mine = folds == fold
        result[mine] = tree_of(points[~mine]).query(points[mine], workers=-1)[0]
    return result
