r"""Exact Shapley values of boosted trees for very many rows.

A leaf with value v contributes to feature j

.. math:: \phi_j = v\,(o_j - z_j) \int_0^1 \prod_{k \ne j} [z_k (1 - t) + o_k t]\,dt

where, for each feature on its path, o is 1 if the row's decisions point towards the leaf and
z is the share of training weight that went that way. Gauss-Legendre quadrature with half as
many points as there are features is exact for this polynomial.

What a leaf contributes therefore depends only on the yes-or-no decisions on its path. Each
tree is cut into groups of leaves that depend on at most `BITS` decisions together; for every
pattern of those decisions the summed contributions are computed once, in double precision, and
kept in a table. A row then needs, for each group, its pattern and one vector addition. One place
of the vector holds the value of the leaf itself, so that the estimate comes out, too: the same
bits as xgboost's, since the same numbers are added in the same order.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Callable, Iterator, Optional

import numpy as np

from ..models.tree_arrays import TreeArrays
from ..progress import SILENT, Progress
from .forest import Forest, mean_forest, read_forest

BITS = 10
ROWS_PER_BLOCK = 512
BLOCKS_PER_TASK = 32
TABLE_BYTES = 64 * 2**20
GROUPS_PER_TASK = 64
DEEPEST = 14
DEEPEST_MEAN = 10  # the many leaves of deep forests fill tables more slowly than walking the trees takes

Task = Callable[[], None]


class TableExplainer:
    """The contributions of one booster.

    Parameters
    ----------
    forest : Forest
        From `read_forest`.
    """

    def __init__(self, forest: Forest) -> None:
        from .tree_kernels import expected_value, group_nodes

        self.forest = forest
        expected, deepest = expected_value(forest.left, forest.right, forest.start, forest.value, forest.cover)
        self.base_value = forest.base_score + expected
        self.depth = int(deepest)
        (self._group_start, self._leaf_start, self._leaves, self._bit_start, self._bits,
         self._parent) = group_nodes(forest.left, forest.right, forest.start, BITS)
        self._tree_of = np.repeat(np.arange(forest.trees), np.diff(self._group_start))
        self._table_start = np.concatenate([[0], np.cumsum(1 << np.diff(self._bit_start))]).astype("int64")
        points, weights = np.polynomial.legendre.leggauss((self.depth + 1) // 2 or 1)
        self._points, self._weights = (points + 1) / 2, weights / 2

    @classmethod
    def of(cls, booster: Any) -> Optional[TableExplainer]:
        """Return the explainer of a booster, or None if its trees are too deep or not of the plain kind."""
        forest = read_forest(booster)
        if forest is None:
            return None
        explainer = cls(forest)
        return explainer if explainer.depth <= DEEPEST else None

    @classmethod
    def of_mean(cls, trees: TreeArrays) -> Optional[TableExplainer]:
        """Return the explainer of trees whose mean is the estimate, or None if they are too deep."""
        forest = mean_forest(trees) if trees.shape_[1] <= DEEPEST_MEAN else None
        return None if forest is None else cls(forest)

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

    def explain(self, X: np.ndarray, progress: Progress = SILENT) -> tuple[np.ndarray, np.ndarray]:
        """Return contributions with base value, shape (n, p + 1), and the estimate, shape (n,) [unit of the target]."""
        from .table_kernels import LANES

        features = self.forest.features
        sums = self._sums(X, -(-(features + 1) // LANES) * LANES, features, progress)
        phi = sums[:, :features + 1].copy()
        phi[:, -1] = self.base_value
        return phi, sums[:, features].copy()

    def estimate(self, X: np.ndarray, progress: Progress = SILENT) -> np.ndarray:
        """Return the estimate alone, shape (n,) [unit of the target]: the same as `Booster.inplace_predict`."""
        return self._sums(X, 1, 0, progress)[:, 0]

    def _sums(self, X: np.ndarray, lanes: int, place: int, progress: Progress) -> np.ndarray:
        """Return the sums of table entries, shape (n, lanes), float32; the estimate is in lane `place`."""
        rows = np.ascontiguousarray(X, dtype="float32")
        features = self.forest.features
        if rows.ndim != 2 or rows.shape[1] != features:
            raise ValueError(f"rows of shape {rows.shape} where the trees have {features} features")
        blocks = -(-len(rows) // ROWS_PER_BLOCK)
        bins = np.empty((blocks, features, ROWS_PER_BLOCK), dtype="uint16")
        out = np.zeros((blocks * ROWS_PER_BLOCK, lanes), dtype="float32")
        out[:, place] = self.forest.base_score
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            _run(pool, self._bin_tasks(rows, bins), progress)
            for first, last in self._chunks(lanes):
                table = self._tables(first, last, lanes, place, pool, progress)
                _run(pool, self._add_tasks(bins, first, last, table, lanes, out.reshape(-1)), progress)
                progress(last / self.forest.trees)
        return out[:len(rows)]

    def _bin_tasks(self, rows: np.ndarray, bins: np.ndarray) -> Iterator[Task]:
        from .table_kernels import bin_rows

        for at in range(0, len(bins), BLOCKS_PER_TASK):
            part = rows[at * ROWS_PER_BLOCK:(at + BLOCKS_PER_TASK) * ROWS_PER_BLOCK]
            yield partial(bin_rows, part, self.forest.edges, self.forest.edge_start, bins[at:at + BLOCKS_PER_TASK])

    def _chunks(self, lanes: int) -> Iterator[tuple[int, int]]:
        """Yield first and last tree of runs whose tables fit into TABLE_BYTES."""
        limit = TABLE_BYTES // (4 * lanes)
        entries = self._table_start[self._group_start]
        first = 0
        while first < self.forest.trees:
            last = first + 1
            while last < self.forest.trees and entries[last + 1] - entries[first] <= limit:
                last += 1
            yield first, last
            first = last

    def _tables(self, first: int, last: int, lanes: int, place: int, pool: ThreadPoolExecutor,
                progress: Progress) -> np.ndarray:
        from .table_kernels import fill_tables

        forest = self.forest
        begin, end = self._group_start[first], self._group_start[last]
        origin = self._table_start[begin]
        table = np.zeros((self._table_start[end] - origin + 1) * lanes, dtype="float32")
        _run(pool, (partial(fill_tables, (group, min(group + GROUPS_PER_TASK, end)), self._tree_of, forest.start,
                            self._leaf_start, self._leaves, self._bit_start, self._bits, forest.left, self._parent,
                            forest.feature, forest.cover, forest.value, self._points, self._weights, self.depth,
                            place, table, self._table_start, origin, lanes)
                    for group in range(begin, end, GROUPS_PER_TASK)), progress)
        return table

    def _add_tasks(self, bins: np.ndarray, first: int, last: int, table: np.ndarray, lanes: int,
                   out: np.ndarray) -> Iterator[Task]:
        from .table_kernels import add_tables

        forest = self.forest
        per_block = ROWS_PER_BLOCK * lanes
        for at in range(0, len(bins), BLOCKS_PER_TASK):
            yield partial(add_tables, bins[at:at + BLOCKS_PER_TASK], (first, last), self._group_start, self._bit_start,
                          self._bits, forest.feature, forest.bin, forest.default_left, table, self._table_start,
                          lanes, out[at * per_block:(at + BLOCKS_PER_TASK) * per_block])


def _run(pool: ThreadPoolExecutor, tasks: Iterator[Task], progress: Progress) -> None:
    """Run all tasks, a single one in this thread; asks between them whether to stop."""
    ready = list(tasks)
    if len(ready) == 1:
        ready[0]()
        progress.check()
        return
    waiting = [pool.submit(task) for task in ready]
    try:
        for task in waiting:
            task.result()
            progress.check()
    except BaseException:
        for task in waiting:
            task.cancel()
        raise
