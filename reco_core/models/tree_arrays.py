r"""Forests as plain arrays: their estimates, and exact Shapley values of trees of any depth.

A leaf with value v contributes to feature j

.. math:: \phi_j = v\,(o_j - z_j) \int_0^1 \prod_{k \ne j} [z_k (1 - t) + o_k t]\,dt

where, for each feature on its path, o is 1 if the row's decisions point towards the leaf and z is the share
of training weight that went that way ("path-dependent"). Gauss-Legendre quadrature with half as
many points as a path has features is exact for this polynomial.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Mapping, Sequence

import numpy as np

from ..errors import ArtifactError
from ..threads import in_parts

NAMES = ("start", "right", "feature", "value", "cover")


@dataclass(frozen=True)
class TreeArrays:
    """Trees whose mean is the estimate, one after the other; nodes of tree t are `start[t]:start[t + 1]`.

    The left child of a node is the next one; `right` counts from the start of the tree and is -1 at
    leaves. `value` is the threshold of an inner node (x <= value goes left) and the estimate of a
    leaf, `cover` the training weight at the node. Thresholds are rounded down to
    single precision, which decides the same for rows of single precision.

    start (trees + 1,) int64, right (nodes,) int32, feature (nodes,) int16, value and cover (nodes,) float32.
    """

    features: int
    start: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    value: np.ndarray
    cover: np.ndarray

    @classmethod
    def of(cls, trees: Sequence[Any], features: int) -> TreeArrays:
        """Return the arrays of fitted trees of scikit-learn.

        Parameters
        ----------
        trees : sequence of sklearn.tree._tree.Tree
        features : int
        """
        start = np.cumsum([0] + [tree.node_count for tree in trees]).astype("int64")
        left, right = (np.concatenate([getattr(tree, f"children_{side}") for tree in trees])
                       for side in ("left", "right"))
        inner = right >= 0
        place = np.arange(len(left)) - np.repeat(start[:-1], np.diff(start))
        if (left[inner] != place[inner] + 1).any():
            raise ArtifactError("The trees are not in depth-first order", "Grow them without max_leaf_nodes")
        threshold = np.concatenate([tree.threshold for tree in trees])
        down = threshold.astype("float32")
        down = np.where(down.astype("float64") > threshold, np.nextafter(down, np.float32(-np.inf)), down)
        leaf = np.concatenate([tree.value[:, 0, 0] for tree in trees])
        cover = np.concatenate([tree.weighted_n_node_samples for tree in trees])
        feature = np.concatenate([tree.feature for tree in trees])
        return cls(features, start, right.astype("int32"), np.where(inner, feature, -1).astype("int16"),
                   np.where(inner, down, leaf).astype("float32"), cover.astype("float32"))

    @property
    def trees(self) -> int:
        """Number of trees."""
        return len(self.start) - 1

    @cached_property
    def shape_(self) -> tuple[float, int, int]:
        """Mean estimate of the training rows [unit of the target], depth, and most features on a path."""
        from .tree_arrays_kernels import survey

        expected, depth, most = survey(self.start, self.right, self.feature, self.value, self.cover, self.features)
        return float(expected), int(depth), int(most)

    @cached_property
    def ways_(self) -> tuple[np.ndarray, np.ndarray]:
        """Where a row goes on from each node, shape (nodes, 2), a leaf to itself; and what it is asked there."""
        node, inner = np.arange(len(self.right), dtype="int32"), self.right >= 0
        first = np.repeat(self.start[:-1], np.diff(self.start)).astype("int32")
        child = np.column_stack([np.where(inner, node + 1, node), np.where(inner, self.right + first, node)])
        return np.ascontiguousarray(child, dtype="int32"), np.where(inner, self.feature, 0).astype("int32")

    def estimate(self, X: np.ndarray) -> np.ndarray:
        """Return the mean of the trees.

        Parameters
        ----------
        X : array of shape (n, p) [units of the training data]
            Without gaps; taken in single precision.

        Returns
        -------
        array of shape (n,) [unit of the target]
        """
        from .tree_arrays_kernels import add_estimates

        rows, result = np.ascontiguousarray(X, dtype="float32"), np.zeros(len(X))
        child, feature = self.ways_

        def work(part: slice) -> None:
            add_estimates(rows[part], self.start, child, feature, self.value, result[part])

        in_parts(len(rows), work)
        return result / self.trees

    def contributions(self, X: np.ndarray) -> np.ndarray:
        """Return the Shapley values of the estimate with the base value last, shape (n, p + 1) [unit of the target].

        Each row adds up to the estimate.
        """
        from .tree_arrays_kernels import add_contributions

        expected, depth, most = self.shape_
        points, weights = np.polynomial.legendre.leggauss((most + 1) // 2 or 1)
        points, weights = (points + 1) / 2, weights / 2
        rows, result = np.ascontiguousarray(X, dtype="float32"), np.zeros((len(X), self.features + 1))

        def work(part: slice) -> None:
            add_contributions(rows[part], self.start, self.right, self.feature, self.value, self.cover, points,
                              weights, depth, result[part])

        in_parts(len(rows), work)
        result /= self.trees
        result[:, -1] = expected
        return result

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what to keep."""
        return {**{name: getattr(self, name) for name in NAMES}, "features": np.array(self.features)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> TreeArrays:
        """Return the trees that `to_arrays` took apart, after checking that walking them must end in a leaf.

        Raises
        ------
        ArtifactError
            They are damaged.
        """
        found = cls(int(arrays["features"]), *(np.ascontiguousarray(arrays[name]) for name in NAMES))
        if not found._is_sound():
            raise ArtifactError("The trees of the model are damaged", "Fit the model again")
        return found

    def _is_sound(self) -> bool:
        """Whether walking the trees ends in a leaf and never looks beside the arrays."""
        nodes, sizes = len(self.right), np.diff(self.start)
        if self.start[0] != 0 or self.start[-1] != nodes or (sizes < 1).any():
            return False
        if {len(self.feature), len(self.value), len(self.cover)} != {nodes}:
            return False
        place = np.arange(nodes) - np.repeat(self.start[:-1], sizes)
        inner = self.right >= 0
        ahead = (self.right[inner] > place[inner] + 1).all() and (self.right < np.repeat(sizes, sizes)).all()
        known = ((self.feature[inner] >= 0) & (self.feature[inner] < self.features)).all()
        return bool(ahead and known and not inner[self.start[1:] - 1].any())
