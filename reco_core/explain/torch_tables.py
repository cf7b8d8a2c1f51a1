"""The tables of contributions on a GPU: the same tables, looked up by torch.

Every table of a run of groups is a stretch of rows of one matrix; the entries of a row of data are summed by one
`embedding_bag`. The values equal those of `shap_tables.py` but for the order in which single-precision
numbers are added. On a CPU this is many times slower than the compiled kernels; it is there for devices that those
cannot use. xgboost's own `pred_contribs` on a GPU is the alternative, for boosters only.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Optional, Sequence

import numpy as np

from ..deps import need
from ..progress import SILENT, Progress
from .shap_plan import Segment
from .shap_tables import Keep, Lanes, TableExplainer

ROWS_AT_ONCE = 32_768
NUMBERS_AT_ONCE = 16 * 2**20  # of one row of data for each group, at once on the device
TABLE_NUMBERS = 32 * 2**20  # in memory before they go to the device
SHARE_OF_DEVICE = 0.5
NO_TEST, MISSING = 2**30, 2**30 - 1


def room_on(device: str) -> int:
    """Return how many bytes of tables may stay on a GPU: half of what is free there."""
    return int(SHARE_OF_DEVICE * need("torch", extra="deep").cuda.mem_get_info(device)[0])


class TorchTables:
    """The contributions of one booster or forest, on a device of torch; its methods are those of `TableExplainer`.

    Parameters
    ----------
    explainer : TableExplainer
        Builds the tables.
    device : str
        Of torch, such as "cpu" or "cuda:1".
    keep : Keep, optional
        Tables of contributions stay on the device in this room, if they fit, for the next call.
    """

    def __init__(self, explainer: TableExplainer, device: str = "cuda", keep: Optional[Keep] = None) -> None:
        self.explainer, self.device = explainer, device
        self.torch = need("torch", extra="deep")
        self._keep = keep or Keep()
        self._kept: dict[tuple[int, int], _Lookup] = {}

    def contributions(self, X: np.ndarray, progress: Progress = SILENT) -> np.ndarray:
        """Return contributions and base value, shape (n, p + 1) [unit of the target], float32."""
        return self.explain(X, progress)[0]

    def explain(self, X: np.ndarray, progress: Progress = SILENT) -> tuple[np.ndarray, np.ndarray]:
        """Return contributions with base value, shape (n, p + 1), and the estimate, shape (n,) [unit of the target]."""
        return self.explainer.explain(X, progress, self._sums)

    def interactions(self, X: np.ndarray, kinds: Sequence[int], progress: Progress = SILENT) -> np.ndarray:
        """Return what pairs of kinds of features contribute together, shape (n, pairs + 1) [unit of the target]."""
        return self.explainer.interactions(X, kinds, progress, self._sums)

    def _sums(self, rows: np.ndarray, segment: Segment, lanes: Lanes, estimate: np.ndarray,
              progress: Progress) -> np.ndarray:
        """Return the sums of table entries of a segment, shape (n, lanes), float32; `estimate` is added to."""
        result = np.zeros((len(rows), lanes.count), dtype="float32")
        result[:, lanes.estimate] = estimate
        passes = len(self.explainer.pass_start) - 1
        for first, last in self.explainer.chunks(segment, 4 * TABLE_NUMBERS // lanes.count):
            lookup = self._lookup(segment, (first, last), lanes, progress)
            for start in range(0, len(rows), ROWS_AT_ONCE):
                progress((first + (last - first) * start / len(rows)) / passes)
                at = slice(start, start + ROWS_AT_ONCE)
                result[at] += lookup.sums(rows[at])
        return result

    def _lookup(self, segment: Segment, passes: tuple[int, int], lanes: Lanes, progress: Progress) -> _Lookup:
        """Return the tables of some passes on the device, those of contributions from the last call where kept."""
        if lanes.pairs == 0 and passes in self._kept:
            return self._kept[passes]
        table = self.torch.from_numpy(self.explainer.tables(*passes, lanes, progress)).to(self.device)
        lookup = _Lookup(self.torch, self.explainer, segment, passes, table.reshape(-1, lanes.count))
        if lanes.pairs == 0 and self._keep.take(lookup.size):
            self._kept[passes] = lookup
        return lookup


class _Lookup:
    """The groups of some passes on a device, with the tests of each group side by side."""

    def __init__(self, torch: Any, explainer: TableExplainer, segment: Segment, passes: tuple[int, int],
                 table: Any) -> None:
        self.torch, self.segment, self.table = torch, segment, table
        first, last = (int(explainer.pass_start[number]) for number in passes)
        groups, thresholds = explainer.groups, explainer.forest.thresholds[1]
        counts = np.diff(groups.test_start[first:last + 1])
        tests = slice(groups.test_start[first], groups.test_start[last])
        group = np.repeat(np.arange(last - first), counts)
        place = np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)
        owner = np.repeat(groups.feature_start[first:last], counts) + groups.test_place[tests]
        feature, at = groups.feature[owner], groups.test_position[tests]
        known = np.where(at < 0, 0, at)
        shape = (int(counts.max(initial=0)), last - first)
        self.row, self.step = np.zeros(shape, "int64"), np.zeros(shape, "int32")
        self.limit = np.full(shape, NO_TEST, "int32")
        # missing values stand above all bins, and below them in the second half of the rows
        self.row[place, group] = (np.searchsorted(segment.features, feature)
                                  + np.where(at < 0, 0, groups.wraps[owner]) * len(segment.features))
        self.limit[place, group] = np.where(at < 0, MISSING, segment.position(feature, thresholds[feature] + known) + 1)
        self.step[place, group] = groups.test_step[tests]
        self.base = self._there((explainer.table_start[first:last] - explainer.table_start[first]).astype("int64"))
        self.row, self.limit, self.step = (self._there(one) for one in (self.row, self.limit, self.step))
        self.edges = [self._there(segment.edges[a:b]) for a, b in pairwise(segment.edge_start)]

    @property
    def size(self) -> int:
        """How many bytes it takes on the device."""
        return sum(part.numel() * part.element_size() for part in (
            self.table, self.base, self.row, self.limit, self.step, *self.edges))

    def _there(self, values: np.ndarray) -> Any:
        return self.torch.from_numpy(np.ascontiguousarray(values)).to(self.table.device)

    def sums(self, rows: np.ndarray) -> np.ndarray:
        """Return the sums of table entries, shape (n, lanes)."""
        torch = self.torch
        values = self._there(rows[:, self.segment.features])
        missing = torch.isnan(values)
        bins = torch.stack([torch.bucketize(values[:, k].contiguous(), edges, right=True)
                            for k, edges in enumerate(self.edges)] or [values.sum(dim=1)]).to(torch.int32)
        gaps = missing.T if self.edges else torch.zeros_like(bins, dtype=torch.bool)
        bins = torch.cat([bins.masked_fill(gaps, MISSING), bins.masked_fill(gaps, -1)])
        total = torch.zeros((len(rows), self.table.shape[1]), device=self.table.device)
        at_once = max(1, NUMBERS_AT_ONCE // max(1, len(rows)))
        for first in range(0, len(self.base), at_once):
            part = slice(first, first + at_once)
            entry = self.base[part, None].expand(-1, len(rows)).clone()
            for row, limit, step in zip(self.row[:, part], self.limit[:, part], self.step[:, part]):
                entry += torch.where(bins[row] >= limit[:, None], step[:, None], 0)
            total += torch.nn.functional.embedding_bag(entry.T.contiguous(), self.table, mode="sum")
        return np.asarray(total.cpu().numpy())
