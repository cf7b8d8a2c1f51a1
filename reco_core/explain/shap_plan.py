r"""How the leaves of trees are gathered into groups, and what must be asked of a row to know its entries.

The way to a leaf allows each of its features an interval of values, and a missing value or not. What a
leaf contributes depends on no more than which of these are met. The ends of all intervals in a group of
leaves cut the values of a feature into cells; cells that the same leaves accept, and "missing" where it
is accepted by the same, are one *state*. The group's table has an entry for every
combination of the states of its features: far fewer than there are patterns of yes and no, because
two thresholds on one feature make three states, not four.

The entry of a row is a sum: each threshold at or below the row's value (a *test* that is passed) adds the step
from the state before it to the state behind it. Thresholds are compared as bins of one byte; a feature
with more than 254 thresholds has several columns of bins.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Callable, Sequence

import numpy as np

from .forest import Forest

MOST_ENTRIES = 2048
LOOK_AHEAD = 8
TREES_PER_TASK = 16
PER_COLUMN = 254
MISSING = 255
BUCKETS = 1024
MOST_COLUMNS = 512
MOST_FEATURES = 63  # with the estimate, eight vectors of eight

# the lists of `group_trees` in their order: starts say where parts of other lists begin; the rest is kept small, since
# the groups of all boosters of a model are kept
STARTS = (2, 4, 7, 11, 13)
TYPES = ("int64", "int64", "int64", "int32", "int64", "uint8", "float64", "int64", "int32", "int32", "uint8", "int64",
         "uint64", "int64", "uint8", "int32", "int32")
Map = Callable[[Callable[[Any], Any], Sequence[Any]], Sequence[Any]]


@dataclass(frozen=True)
class Groups:
    """Groups of leaves of a forest; `*_start` say where the parts of other arrays begin.

    Leaves (nodes of the forest) of each group, with the way to each: the places of its features among those of
    the group, and the share of training weight that goes along. Features of each group with their numbers
    of states; the leaves that refuse each state, as bits. Tests of each group: place of the feature, position
    of the threshold (-1: missing), step.
    """

    per_tree: np.ndarray
    entries: np.ndarray
    leaf_start: np.ndarray
    leaf: np.ndarray
    own_start: np.ndarray
    place: np.ndarray
    share: np.ndarray
    feature_start: np.ndarray
    feature: np.ndarray
    wraps: np.ndarray
    states: np.ndarray
    state_start: np.ndarray
    refusing: np.ndarray
    test_start: np.ndarray
    test_place: np.ndarray
    test_position: np.ndarray
    test_step: np.ndarray

    @classmethod
    def of(cls, forest: Forest, run: Map) -> Groups:
        """Return the groups of a forest; `run` maps a function over parts of the work, in order."""
        from .group_kernels import group_trees

        position = forest.thresholds[2]
        parts = [(first, min(first + TREES_PER_TASK, forest.trees))
                 for first in range(0, forest.trees, TREES_PER_TASK)] or [(0, 0)]
        found = run(lambda trees: group_trees(trees, forest.start, forest.left, forest.right, forest.feature, position,
                                              forest.default_left, forest.cover, MOST_ENTRIES, LOOK_AHEAD), parts)
        return cls(*(_joined([part[k] for part in found], k in STARTS).astype(kind) for k, kind in enumerate(TYPES)))

    @property
    def for_tables(self) -> tuple[np.ndarray, ...]:
        """What the kernels that fill tables need."""
        return (self.leaf_start, self.leaf, self.own_start, self.place, self.share, self.feature_start, self.feature,
                self.states, self.state_start, self.refusing)


def _joined(parts: Sequence[np.ndarray], starts: bool) -> np.ndarray:
    if not starts:
        return np.concatenate(parts)
    ends = np.cumsum([0] + [part[-1] for part in parts])
    return np.concatenate([[0], *(part[1:] + end for part, end in zip(parts, ends))])


@dataclass(frozen=True)
class Segment:
    """Trees `trees[0]` to `trees[1]` that are added up together: their features, bins and tests.

    edges, edge_start, scales, buckets (see `bin_rows`) and column_start belong to `features`; column, limit,
    shift and step to the tests of the segment's groups, which begin at `test_start` (by group of the forest).
    `kept` are the numbers of its thresholds among all of the forest.
    """

    trees: tuple[int, int]
    features: np.ndarray
    edges: np.ndarray
    edge_start: np.ndarray
    scales: np.ndarray
    buckets: np.ndarray
    column_start: np.ndarray
    test_start: np.ndarray
    column: np.ndarray
    limit: np.ndarray
    shift: np.ndarray
    step: np.ndarray
    kept: np.ndarray

    @property
    def columns(self) -> int:
        """Number of columns of bins."""
        return int(self.column_start[-1])

    def position(self, feature: np.ndarray, threshold: np.ndarray) -> np.ndarray:
        """Return the position of thresholds of the forest among those that the segment knows of each feature."""
        return np.searchsorted(self.kept, threshold) - self.edge_start[np.searchsorted(self.features, feature)]


def segments(forest: Forest, groups: Groups) -> list[Segment]:
    """Return the forest as runs of trees whose features fill few vectors and few columns."""
    if not forest.trees:
        return []
    start = forest.thresholds[1]
    columns = -(-np.diff(start) // PER_COLUMN)
    inner = forest.left >= 0
    if np.count_nonzero(columns) <= MOST_FEATURES and columns.sum() <= MOST_COLUMNS:
        return [_segment(forest, groups, (0, forest.trees))]
    cuts, nodes = [0], 0
    known: set[int] = set()
    for tree in range(forest.trees):
        split = inner[forest.start[tree]:forest.start[tree + 1]]
        own = set(forest.feature[forest.start[tree]:forest.start[tree + 1]][split].tolist())
        nodes += int(split.sum())
        if tree > cuts[-1] and (len(known | own) > MOST_FEATURES or nodes > MOST_COLUMNS * PER_COLUMN):
            cuts.append(tree)
            known, nodes = set(), int(split.sum())
        known |= own
    return [_segment(forest, groups, part) for part in zip(cuts, [*cuts[1:], forest.trees])]


def _segment(forest: Forest, groups: Groups, trees: tuple[int, int]) -> Segment:
    all_edges, start, _ = forest.thresholds
    first, last = (int(groups.per_tree[:tree].sum()) for tree in trees)
    tests = slice(groups.test_start[first], groups.test_start[last])
    counts = np.diff(groups.test_start[first:last + 1])
    owner = np.repeat(groups.feature_start[first:last], counts) + groups.test_place[tests]
    feature, at = groups.feature[owner], groups.test_position[tests]
    # the thresholds of these trees only, each with its position among them
    wanted = np.unique(start[feature[at >= 0]] + at[at >= 0])
    features = np.unique(feature) if len(feature) else np.empty(0, "int64")
    of_edge = np.searchsorted(start, wanted, side="right") - 1
    count = np.searchsorted(of_edge, features, side="right") - np.searchsorted(of_edge, features)
    begin = np.concatenate([[0], np.cumsum(count)])
    column_start = np.concatenate([[0], np.cumsum(np.maximum(1, -(-count // PER_COLUMN)))]).astype("int64")
    place = np.searchsorted(features, feature)
    within = np.where(at >= 0, np.searchsorted(wanted, start[feature] + at) - begin[place], 0)
    shift = np.where(at >= 0, groups.wraps[owner], 0)
    limit = np.where(at >= 0, within % PER_COLUMN + 1 + shift, MISSING)
    edges = all_edges[wanted]
    scales, buckets = _buckets([edges[a:b] for a, b in pairwise(begin)])
    return Segment(trees, features.astype("int64"), edges, begin.astype("int64"), scales, buckets, column_start,
                   groups.test_start - groups.test_start[first],
                   (column_start[place] + within // PER_COLUMN).astype("int64"), limit.astype("uint8"),
                   shift.astype("uint8"), (groups.test_step[tests] % 65536).astype("uint16"), wanted)


def _buckets(edges: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return lowest threshold and buckets per unit, and how many thresholds lie below each bucket, per feature."""
    scales, buckets = np.zeros((len(edges), 2)), np.zeros((len(edges), BUCKETS + 1), dtype="int32")
    for k, own in enumerate(edges):
        if len(own) == 0:
            continue
        wide = own.astype("float64")
        width = wide[-1] - wide[0]
        scales[k] = wide[0], (BUCKETS - 1) / width if width > 0 else 0.0
        place = np.minimum((wide - scales[k, 0]) * scales[k, 1], BUCKETS - 1).astype("int64")
        buckets[k] = np.searchsorted(place, np.arange(BUCKETS + 1))
    return scales, buckets
