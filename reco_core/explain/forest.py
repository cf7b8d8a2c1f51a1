"""The trees of a booster as arrays."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

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


def _is_special(tree: dict[str, Any]) -> bool:
    return bool(tree.get("categories_nodes")) or int(tree["tree_param"].get("size_leaf_vector", "1")) > 1


def _gather(trees: list[dict[str, Any]], features: int, base_score: float) -> Optional[Forest]:
    def column(name: str, dtype: str) -> np.ndarray:
        return np.concatenate([np.asarray(tree[name], dtype=dtype) for tree in trees])

    start = np.cumsum([0] + [len(tree["left_children"]) for tree in trees]).astype("int64")
    left, feature = column("left_children", "int32"), column("split_indices", "int32")
    value = column("split_conditions", "float32")
    bins = np.zeros(len(left), dtype="uint16")
    edges: list[np.ndarray] = []
    for number in range(features):
        nodes = (left >= 0) & (feature == number)
        found = np.unique(value[nodes])
        if found.size >= NO_BIN - 1:
            return None
        bins[nodes] = np.searchsorted(found, value[nodes]) + 1
        edges.append(found)
    edge_start = np.cumsum([0] + [len(part) for part in edges]).astype("int64")
    return Forest(features, start, left, column("right_children", "int32"), feature, value,
                  column("default_left", "uint16"), column("sum_hessian", "float64"), bins,
                  np.concatenate(edges).astype("float32"), edge_start, base_score)
