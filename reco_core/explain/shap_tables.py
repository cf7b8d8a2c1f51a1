r"""Exact Shapley values of boosted trees for very many rows.

A leaf with value v contributes to feature j

.. math:: \phi_j = v\,(o_j - z_j) \int_0^1 \prod_{k \ne j} [z_k (1 - t) + o_k t]\,dt

where, for each feature on its way, o is 1 if the row's decisions on that feature point towards the leaf and
z is the share of training weight that went that way. Gauss-Legendre quadrature with half as
many points as there are features is exact for this polynomial.

What a leaf contributes therefore depends only on which features on its way agree. The leaves of each tree are
gathered into groups that tell few combinations of states of their features apart (`shap_plan.py`); for each
combination the summed contributions are computed once, in double precision, and
kept in a table. A row then needs, for each group, its entry and one vector addition. One place
of the vector holds the value of the leaf itself, so that the estimate comes out, too: the same
bits as xgboost's, since the same numbers are added in the same order.

The interactions of features, summed over pairs of kinds of features, come from tables of the same make:

.. math:: \phi_{ij} = v\,(o_i - z_i)(o_j - z_j) \int_0^1 \prod_{k \ne i, j} [z_k (1 - t) + o_k t]\,dt
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, Iterator, Optional, Sequence

import numpy as np

from ..models.tree_arrays import TreeArrays
from ..progress import SILENT, Progress
from ..threads import available_cores, in_parts
from .forest import Forest, mean_forest, read_forest
from .shap_plan import Groups, Segment, segments

ROWS_PER_BLOCK = 512
BLOCKS_PER_TASK = 32
TABLE_BYTES = 64 * 2**20
GROUPS_PER_TASK = 64
LONGEST_WAY = 14
DEEPEST_MEAN = 10  # the many leaves of deep forests fill tables more slowly than walking the trees takes
ALIGNMENT = 64
PER_PASS = 4
MANY_ROWS = 262_144
# about how long xgboost takes per row, leaf and squared depth, and tables per leaf, and per leaf and entry
WALK_SECONDS, LEAF_SECONDS, FILL_SECONDS = 2e-9, 3e-6, 8e-9

Task = Callable[[], Any]


@dataclass
class Keep:
    """How many bytes of tables may be kept for the next rows; what is kept is taken off."""

    bytes_left: int = 0

    def take(self, size: int) -> bool:
        """Return whether there is room for so many bytes, which are then taken."""
        if size > self.bytes_left:
            return False
        self.bytes_left -= size
        return True


@dataclass(frozen=True)
class Lanes:
    """What the lanes of an entry hold: contributions (`pairs` 0), interactions, or the estimate alone (-1).

    `of` is the lane of each feature of the forest, or its kind.
    """

    count: int
    estimate: int
    pairs: int
    of: np.ndarray


# rows, segment, lanes, the estimate so far and progress -> sums of table entries, shape (n, lanes), float32
Adder = Callable[[np.ndarray, Segment, Lanes, np.ndarray, Progress], np.ndarray]


class TableExplainer:
    """The contributions of one booster.

    Parameters
    ----------
    forest : Forest
        From `read_forest`.
    keep : Keep, optional
        Tables of contributions are kept in this room, if they fit, for the next call.
    """

    def __init__(self, forest: Forest, keep: Optional[Keep] = None) -> None:
        self.forest = forest
        expected, longest_way = forest.survey
        self.base_value = forest.base_score + expected
        with ThreadPoolExecutor(available_cores()) as pool:
            self.groups = Groups.of(forest, lambda work, parts: list(pool.map(work, parts)))
        self.pass_start, self._pass_of_tree = _passes(self.groups.per_tree)
        self.table_start = np.concatenate([[0], np.cumsum(self.groups.entries)]).astype("int64")
        points, weights = np.polynomial.legendre.leggauss((longest_way + 1) // 2 or 1)
        self._points, self._weights = (points + 1) / 2, weights / 2
        self._segments: Optional[list[Segment]] = None
        self._keep = keep or Keep()
        self._kept: dict[tuple[int, int], np.ndarray] = {}

    @classmethod
    def of(cls, booster: Any, keep: Optional[Keep] = None) -> Optional[TableExplainer]:
        """Return the explainer of a booster, or None if tables cannot hold its trees or it is no plain sum."""
        forest = read_forest(booster)
        return cls.worth(forest, MANY_ROWS, keep) if forest is not None and forest.plain_sum else None

    @classmethod
    def of_mean(cls, trees: TreeArrays, keep: Optional[Keep] = None) -> Optional[TableExplainer]:
        """Return the explainer of trees whose mean is the estimate, or None if they are too deep."""
        return cls(mean_forest(trees), keep) if trees.shape_[1] <= DEEPEST_MEAN else None

    @classmethod
    def worth(cls, forest: Forest, rows: int, keep: Optional[Keep] = None) -> Optional[TableExplainer]:
        """Return the explainer of trees, or None where walking them is faster for so many rows, or tables too large."""
        leaf = np.flatnonzero(forest.left < 0)
        walking = WALK_SECONDS * rows * len(leaf) * np.log2(max(2.0, len(leaf) / max(1, forest.trees))) ** 2
        if len(leaf) * LEAF_SECONDS > walking or forest.survey[1] > LONGEST_WAY:
            return None
        explainer = cls(forest, keep)
        filling = FILL_SECONDS * float(np.diff(explainer.groups.leaf_start) @ explainer.groups.entries)
        return explainer if filling <= walking else None

    def contributions(self, X: np.ndarray, progress: Progress = SILENT) -> np.ndarray:
        """Return contributions and base value; the same as `tree_shap.contributions`.

        Parameters
        ----------
        X : array of shape (n, p) [units of the training data]
            NaN take each split's default direction.

        Returns
        -------
        array of shape (n, p + 1) [unit of the target], float32
        """
        return self.explain(X, progress)[0]

    def explain(self, X: np.ndarray, progress: Progress = SILENT,
                adder: Optional[Adder] = None) -> tuple[np.ndarray, np.ndarray]:
        """Return contributions with base value, shape (n, p + 1), and the estimate, shape (n,) [unit of the target].

        `adder` adds up the tables in the place of the compiled kernels.
        """
        rows, add = self.rows(X), adder or self._sums
        phi = np.zeros((len(rows), self.forest.features + 1), dtype="float32")
        estimate = np.full(len(rows), self.forest.base_score, dtype="float32")
        for segment in self.plan():
            count = len(segment.features)
            sums = add(rows, segment, self.lanes(segment), estimate, progress)
            in_parts(len(rows), partial(_take, phi, segment.features, sums[:, :count]))
            estimate = sums[:, count].copy()
        phi[:, -1] = self.base_value
        return phi, estimate

    def estimate(self, X: np.ndarray, progress: Progress = SILENT) -> np.ndarray:
        """Return the estimate alone, shape (n,) [unit of the target]: the same as `Booster.inplace_predict`."""
        rows = self.rows(X)
        estimate = np.full(len(rows), self.forest.base_score, dtype="float32")
        of = np.zeros(self.forest.features, dtype="int64")
        for segment in self.plan():
            estimate = self._sums(rows, segment, Lanes(1, 0, -1, of), estimate, progress)[:, 0]
        return estimate

    def interactions(self, X: np.ndarray, kinds: Sequence[int], progress: Progress = SILENT,
                     adder: Optional[Adder] = None) -> np.ndarray:
        """Return what pairs of kinds of features contribute together.

        Parameters
        ----------
        X : array of shape (n, p) [units of the training data]
        kinds : sequence of int, length p
            The kind of each feature, counted from 0.
        adder : function, optional
            As in `explain`.

        Returns
        -------
        array of shape (n, pairs + 1) [unit of the target], float32
            For the pairs (0, 0), (0, 1), (1, 1), (0, 2), ...: the sum of xgboost's `pred_interactions` over all
            pairs of a feature of the one and a feature of the other kind, both ways; then the base value. Each
            row adds up to the estimate.
        """
        rows, add = self.rows(X), adder or self._sums
        of = np.asarray(kinds, dtype="int64")
        count = int(of.max(initial=0)) + 1
        pairs = count * (count + 1) // 2
        result = np.zeros((len(rows), pairs + 1), dtype="float32")
        estimate = np.zeros(len(rows), dtype="float32")
        for segment in self.plan():
            lanes = Lanes(_whole(pairs + 1), pairs, pairs, of)
            result[:, :-1] += add(rows, segment, lanes, estimate, progress)[:, :pairs]
        result[:, -1] = self.base_value
        return result

    def lanes(self, segment: Segment) -> Lanes:
        """Return what the lanes of tables of contributions hold: the features of a segment, then the estimate."""
        of = np.zeros(self.forest.features, dtype="int64")
        of[segment.features] = np.arange(len(segment.features))
        return Lanes(_whole(len(segment.features) + 1), len(segment.features), 0, of)

    def plan(self) -> list[Segment]:
        """Return the forest as runs of trees that are added up together."""
        if self._segments is None:
            self._segments = segments(self.forest, self.groups)
        return self._segments

    def rows(self, X: np.ndarray) -> np.ndarray:
        """Return rows in single precision, after checking that they are of these trees."""
        rows = np.ascontiguousarray(X, dtype="float32")
        features = self.forest.features
        if rows.ndim != 2 or rows.shape[1] != features:
            raise ValueError(f"rows of shape {rows.shape} where the trees have {features} features")
        return rows

    def _sums(self, rows: np.ndarray, segment: Segment, lanes: Lanes, estimate: np.ndarray,
              progress: Progress) -> np.ndarray:
        """Return the sums of table entries of a segment, shape (n, lanes), float32; `estimate` is added to."""
        blocks = -(-len(rows) // ROWS_PER_BLOCK)
        bins = np.empty((blocks, segment.columns, ROWS_PER_BLOCK), dtype="uint8")
        out = _aligned(blocks * ROWS_PER_BLOCK * lanes.count).reshape(-1, lanes.count)
        out[:len(rows), lanes.estimate] = estimate
        _run(self._bin_tasks(rows, segment, bins), progress)
        for first, last in self.chunks(segment, TABLE_BYTES // lanes.count):
            table = self.tables(first, last, lanes, progress)
            _run(self._add_tasks(bins, segment, first, last, table, lanes.count, out.reshape(-1)), progress)
            progress(last / (len(self.pass_start) - 1))
        return out[:len(rows)]

    def _bin_tasks(self, rows: np.ndarray, segment: Segment, bins: np.ndarray) -> Iterator[Task]:
        from .table_kernels import bin_rows

        for at in range(0, len(bins), BLOCKS_PER_TASK):
            part = rows[at * ROWS_PER_BLOCK:(at + BLOCKS_PER_TASK) * ROWS_PER_BLOCK]
            yield partial(bin_rows, part, segment.features, segment.edges, segment.edge_start, segment.scales,
                          segment.buckets, segment.column_start, bins[at:at + BLOCKS_PER_TASK])

    def chunks(self, segment: Segment, size: int) -> Iterator[tuple[int, int]]:
        """Yield first and last pass of runs whose tables have up to `size` bytes, per lane."""
        limit = size // 4
        entries = self.table_start[self.pass_start]
        first, end = self._pass_of_tree[list(segment.trees)]
        while first < end:
            last = first + 1
            while last < end and entries[last + 1] - entries[first] <= limit:
                last += 1
            yield first, last
            first = last

    def tables(self, first: int, last: int, lanes: Lanes, progress: Progress = SILENT) -> np.ndarray:
        """Return the tables of passes `first` to `last`, those of contributions from the last call where kept."""
        from .table_kernels import fill_groups

        if lanes.pairs == 0 and (first, last) in self._kept:
            return self._kept[first, last]
        begin, end = self.pass_start[first], self.pass_start[last]
        origin = self.table_start[begin]
        table = _aligned((self.table_start[end] - origin) * lanes.count)
        _run((partial(fill_groups, (group, min(group + GROUPS_PER_TASK, end)), self.groups.for_tables,
                      self.forest.value, self._points, self._weights, lanes.of, lanes.pairs, lanes.estimate,
                      table, self.table_start, origin, lanes.count)
              for group in range(begin, end, GROUPS_PER_TASK)), progress)
        if lanes.pairs == 0 and self._keep.take(table.nbytes):
            self._kept[first, last] = table
        return table

    def _add_tasks(self, bins: np.ndarray, segment: Segment, first: int, last: int, table: np.ndarray, lanes: int,
                   out: np.ndarray) -> Iterator[Task]:
        from .table_kernels import add_tables

        per_block = ROWS_PER_BLOCK * lanes
        for at in range(0, len(bins), BLOCKS_PER_TASK):
            yield partial(add_tables, bins[at:at + BLOCKS_PER_TASK], (first, last), self.pass_start,
                          segment.test_start, segment.column, segment.limit, segment.shift, segment.step, table,
                          self.table_start, lanes, out[at * per_block:(at + BLOCKS_PER_TASK) * per_block])


def _take(phi: np.ndarray, features: np.ndarray, sums: np.ndarray, rows: slice) -> None:
    """Add the sums of some features to contributions."""
    phi[rows, features] += sums[rows]


def _passes(per_tree: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where passes of up to four groups of one tree begin, and the first pass of each tree."""
    end = np.cumsum(per_tree)
    starts = [np.arange(last - count, last, PER_PASS) for count, last in zip(per_tree, end)]
    of_tree = np.concatenate([[0], np.cumsum([len(part) for part in starts])]).astype("int64")
    return np.concatenate([*starts, end[-1:] if len(end) else [0]]).astype("int64"), of_tree


def _whole(lanes: int) -> int:
    """Return as many lanes as whole vectors have."""
    from .table_kernels import LANES

    return -(-lanes // LANES) * LANES


def _aligned(size: int) -> np.ndarray:
    """Return zeros in single precision that begin where a line of the cache begins."""
    room = np.zeros(4 * size + ALIGNMENT, dtype="uint8")
    skip = -room.ctypes.data % ALIGNMENT
    return room[skip:skip + 4 * size].view("float32")


def _run(tasks: Iterator[Task], progress: Progress) -> None:
    """Run all tasks by all cores, a single one in this thread; asks between them whether to stop."""
    ready = list(tasks)
    if len(ready) == 1:
        ready[0]()
        progress.check()
        return
    with ThreadPoolExecutor(available_cores()) as pool:
        waiting = [pool.submit(task) for task in ready]
        try:
            for task in waiting:
                task.result()
                progress.check()
        except BaseException:
            for task in waiting:
                task.cancel()
            raise
