"""The trees of a booster, or of a forest, as arrays."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from ..models.tree_arrays import TreeArrays

NO_BIN = 65535


@dataclass(frozen=True)
class Forest:
    """All trees one after the other; nodes of tree t are `start[t]:start[t + 1]`.

    `left` and `right` count from the start of the tree and are -1 at leaves; `value` is the
    threshold of an inner node (x < value goes left) and what a leaf adds; `cover` is the sum
    of training weights at the node. `bin` is the position of the threshold among all
    thresholds of the feature, plus 1; `edges[edge_start[f]:edge_start[f + 1]]` are those of f.
    """

    features: int
    start: np.ndarray
    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    value: np.ndarray
    default_left: np.ndarray
    cover: np.ndarray
    bin: np.ndarray
    edges: np.ndarray
    edge_start: np.ndarray
    base_score: float

    @property
    def trees(self) -> int:
        """Number of trees."""
        return len(self.start) - 1


def read_forest(booster: Any) -> Optional[Forest]:
    """Return the trees of a booster, or None if they are not of the plain kind.

    Plain are trees with numerical splits, one output, and an estimate that is
    base score plus the sum of the leaves.

    Parameters
    ----------
    booster : xgboost.Booster
    """
    learner = json.loads(booster.save_raw("json"))["learner"]
    model = learner["gradient_booster"]
    if model["name"] != "gbtree" or learner["objective"]["name"] not in ("reg:squarederror", "reg:absoluteerror"):
        return None
    trees = model["model"]["trees"]
    score = np.atleast_1d(json.loads(learner["learner_model_param"]["base_score"]))
    if score.size != 1 or not trees or any(_is_special(tree) for tree in trees):
        return None
    return _gather(trees, int(learner["learner_model_param"]["num_feature"]), float(score[0]))


def mean_forest(trees: TreeArrays) -> Optional[Forest]:
    """Return trees whose mean is the estimate as trees whose sum is, or None if there are too many thresholds.

    Leaves are divided by the number of trees, in single precision; x <= threshold becomes x < the next number.
    """
    inner = trees.right >= 0
    place = np.arange(len(trees.right)) - np.repeat(trees.start[:-1], np.diff(trees.start))
    value = np.where(inner, np.nextafter(trees.value, np.float32(np.inf)), trees.value / np.float32(trees.trees))
    found = _bins(trees.features, inner, trees.feature, value)
    if found is None:
        return None
    return Forest(trees.features, trees.start, np.where(inner, place + 1, -1).astype("int32"), trees.right,
                  np.maximum(trees.feature, 0).astype("int32"), value, np.zeros(len(value), dtype="uint16"),
                  trees.cover.astype("float64"), *found, 0.0)


def _is_special(tree: dict[str, Any]) -> bool:
    return bool(tree.get("categories_nodes")) or int(tree["tree_param"].get("size_leaf_vector", "1")) > 1


def _gather(trees: list[dict[str, Any]], features: int, base_score: float) -> Optional[Forest]:
    def column(name: str, dtype: str) -> np.ndarray:
        return np.concatenate([np.asarray(tree[name], dtype=dtype) for tree in trees])

    start = np.cumsum([0] + [len(tree["left_children"]) for tree in trees]).astype("int64")
    left, feature = column("left_children", "int32"), column("split_indices", "int32")
    value = column("split_conditions", "float32")
    found = _bins(features, left >= 0, feature, value)
    if found is None:
        return None
    return Forest(features, start, left, column("right_children", "int32"), feature, value,
                  column("default_left", "uint16"), column("sum_hessian", "float64"), *found, base_score)


def _bins(features: int, inner: np.ndarray, feature: np.ndarray,
          value: np.ndarray) -> Optional[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return the bin of each node's threshold, all thresholds, and where those of each feature begin."""
    bins = np.zeros(len(inner), dtype="uint16")
    edges: list[np.ndarray] = []
    for number in range(features):
        nodes = inner & (feature == number)
        found = np.unique(value[nodes])
        if found.size >= NO_BIN - 1:
            return None
        bins[nodes] = np.searchsorted(found, value[nodes]) + 1
        edges.append(found)
    edge_start = np.cumsum([0] + [len(part) for part in edges]).astype("int64")
    return bins, np.concatenate(edges).astype("float32"), edge_start
