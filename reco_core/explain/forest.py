"""The trees of a booster, or of a forest, as arrays."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Optional, Sequence

import numpy as np

from ..models.tree_arrays import TreeArrays

IDENTITY = ("reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "reg:squaredlogerror",
            "reg:quantileerror")
LOGARITHM = ("count:poisson", "reg:gamma", "reg:tweedie")
LOGIT = ("reg:logistic", "binary:logistic")
COLUMNS = (("left", "left_children", "int32"), ("right", "right_children", "int32"),
           ("feature", "split_indices", "int32"), ("value", "split_conditions", "float32"),
           ("default_left", "default_left", "uint8"), ("cover", "sum_hessian", "float64"))


@dataclass(frozen=True)
class Forest:
    """All trees one after the other; nodes of tree t are `start[t]:start[t + 1]`.

    `left` and `right` count from the start of the tree and are -1 at leaves; `value` is the
    threshold of an inner node (x < value goes left) and what a leaf adds; `cover` is the sum
    of training weights at the node. Base score and leaves add up to the margin, and to the estimate itself,
    to the last bit, where it is a `plain_sum` (no link, no weights of trees).
    """

    features: int
    start: np.ndarray
    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    value: np.ndarray
    default_left: np.ndarray
    cover: np.ndarray
    base_score: float
    plain_sum: bool = True

    @property
    def trees(self) -> int:
        """Number of trees."""
        return len(self.start) - 1

    @cached_property
    def survey(self) -> tuple[float, int]:
        """Mean of the sum of leaves over the training rows, and most features on the way to one leaf."""
        from .tree_kernels import survey

        expected, most = survey(self.left, self.right, self.feature, self.start, self.value, self.cover, self.features)
        return float(expected), int(most)

    @cached_property
    def thresholds(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All thresholds of each feature in order, where those of each feature begin, and the position of each
        node's threshold among those of its feature (0 at leaves)."""
        inner = np.flatnonzero(self.left >= 0)
        inner = inner[np.lexsort((self.value[inner], self.feature[inner]))]
        feature, value = self.feature[inner], self.value[inner]
        new = np.ones(len(inner), dtype=bool)
        new[1:] = (feature[1:] != feature[:-1]) | (value[1:] != value[:-1])
        start = np.concatenate([[0], np.cumsum(np.bincount(feature[new], minlength=self.features))]).astype("int64")
        position = np.zeros(len(self.left), dtype="int64")
        position[inner] = np.cumsum(new) - 1 - start[feature]
        return value[new], start, position


def read_forest(booster: Any) -> Optional[Forest]:
    """Return the trees of a booster, or None if they are not of the kind that tables can hold.

    They can hold trees with numerical splits and one output, of `gbtree` and of `dart`, for
    objectives of regression; the estimate is then the margin.

    Parameters
    ----------
    booster : xgboost.Booster
    """
    learner = json.loads(booster.save_raw("json"))["learner"]
    model, parameters = learner["gradient_booster"], learner["learner_model_param"]
    objective = learner["objective"]["name"]
    if model["name"] not in ("gbtree", "dart") or objective not in (*IDENTITY, *LOGARITHM, *LOGIT):
        return None
    kept = model if model["name"] == "gbtree" else model["gbtree"]
    trees = kept["model"]["trees"]
    score = np.atleast_1d(json.loads(parameters["base_score"])).astype("float32")
    outputs = max(int(parameters.get("num_class", 0)), int(parameters.get("num_target", 1)))
    if score.size != 1 or outputs > 1 or any(_is_special(tree) for tree in trees):
        return None
    weights = np.asarray(model.get("weight_drop", np.ones(len(trees))), dtype="float32")
    return _gather(trees, int(parameters["num_feature"]), _margin(score[0], objective), weights,
                   model["name"] == "gbtree" and objective in IDENTITY)


def mean_forest(trees: TreeArrays) -> Forest:
    """Return trees whose mean is the estimate as trees whose sum is.

    Leaves are divided by the number of trees, in single precision; x <= threshold becomes x < the next number.
    """
    inner = trees.right >= 0
    place = np.arange(len(trees.right)) - np.repeat(trees.start[:-1], np.diff(trees.start))
    value = np.where(inner, np.nextafter(trees.value, np.float32(np.inf)), trees.value / np.float32(trees.trees))
    return Forest(trees.features, trees.start, np.where(inner, place + 1, -1).astype("int32"), trees.right,
                  np.maximum(trees.feature, 0).astype("int32"), value, np.zeros(len(value), dtype="uint8"),
                  trees.cover.astype("float64"), 0.0)


def joined(forests: Sequence[Forest], weights: Sequence[float]) -> Forest:
    """Return forests as one whose sum is the weighted sum of theirs; leaves are weighted in single precision."""
    if len(forests) == 1 and weights[0] == 1.0:
        return forests[0]
    before = np.cumsum([0, *(len(forest.left) for forest in forests)])
    columns = {name: np.concatenate([getattr(forest, name) for forest in forests]) for name, _, _ in COLUMNS}
    leaf = columns["left"] < 0
    columns["value"][leaf] *= np.repeat(np.asarray(weights, dtype="float32"), np.diff(before))[leaf]
    start = np.concatenate([[0], *(forest.start[1:] + first for forest, first in zip(forests, before))])
    base_score = sum(weight * forest.base_score for weight, forest in zip(weights, forests))
    return Forest(forests[0].features, start, base_score=base_score, plain_sum=False, **columns)


def _margin(score: np.float32, objective: str) -> float:
    """Return the base score on the scale on which leaves are added up."""
    if objective in LOGARITHM:
        return float(np.log(score))
    return float(-np.log(1 / score - 1)) if objective in LOGIT else float(score)


def _is_special(tree: dict[str, Any]) -> bool:
    return bool(tree.get("categories_nodes")) or int(tree["tree_param"].get("size_leaf_vector", "1")) > 1


def _gather(trees: list[dict[str, Any]], features: int, base_score: float, weights: np.ndarray,
            plain_sum: bool) -> Forest:
    sizes = [len(tree["left_children"]) for tree in trees]
    columns = {name: np.concatenate([np.empty(0, dtype), *(np.asarray(tree[key], dtype=dtype) for tree in trees)])
               for name, key, dtype in COLUMNS}
    leaf = columns["left"] < 0
    columns["value"][leaf] *= np.repeat(weights, sizes)[leaf]
    columns["feature"][leaf] = 0
    return Forest(features, np.cumsum([0, *sizes]).astype("int64"), base_score=base_score, plain_sum=plain_sum,
                  **columns)
