"""PCMCI+ for contemporaneous links: which variables hang together once the others are known."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations, islice
from typing import Iterator

import numpy as np

from ..deps import jit, need
from ..progress import SILENT, Progress

SMALLEST_PIVOT = 1e-9
SETS_AT_ONCE = 8192
ALMOST_ONE = 1e-5


@dataclass(frozen=True)
class Skeleton:
    """What the tests of all pairs of N variables found.

    values (N, N) partial correlation at the largest p, p_values (N, N), adjacent (N, N) bool.
    The last decision of a pair is that of the ordered pair with the larger p; a constant
    variable has NaN.
    """

    values: np.ndarray
    p_values: np.ndarray
    adjacent: np.ndarray


def skeleton(data: np.ndarray, alpha: float = 0.05, *, value: str = "first_row",
             progress: Progress = SILENT) -> Skeleton:
    """Test all pairs of variables given ever more of their neighbours.

    The skeleton phase of PCMCI+ with no lags, robust partial correlation and the storage
    rules of tigramite: of each ordered pair the test with the largest p counts.

    Parameters
    ----------
    data : array of shape (n, N) [any]
        Without NaN; the rows of all sites below each other.
    alpha : float
        A pair whose p is above it in any test is taken apart.
    value : {"first_row", "max_p_pair"}
        How the two directions of a pair become one value: as tigramite does, where the order
        of variables matters, or the value at the larger p, where it does not.

    References
    ----------
    Runge, J. (2020). Proc. UAI, PMLR 124, 1388-1397.
    """
    variable = changing(data)
    if not variable.any():
        nothing = np.zeros((0, 0))
        return Skeleton(*(_expand(nothing.astype(type(empty)), variable, empty) for empty in (np.nan, np.nan, False)))
    search = _Search(normal_scores(data[:, variable]), alpha)
    search.run(progress)
    if value == "max_p_pair":
        _keep_larger_p(search.p, search.v)
    else:
        _symmetrise(search.p, search.v)
    return Skeleton(*(_expand(part, variable, empty) for part, empty in (
        (search.v, np.nan), (search.p, np.nan), (search.adjacent, False))))


def changing(rows: np.ndarray) -> np.ndarray:
    """Return which columns have more than one value besides NaN."""
    known = np.isfinite(rows)
    highest = np.where(known, rows, -np.inf).max(axis=0, initial=-np.inf)
    return highest > np.where(known, rows, np.inf).min(axis=0, initial=np.inf)


def normal_scores(data: np.ndarray) -> np.ndarray:
    """Return each column as quantiles of the normal distribution; of equal values all take the highest rank."""
    n = len(data)
    share = np.stack([np.searchsorted(np.sort(column), column, side="right") for column in data.T], axis=1) / n
    share[share == 1.0] = 1.0 - ALMOST_ONE
    return need("scipy.special").ndtri(share)


@jit
def partial_correlations(correlation, order, sets):  # type: ignore[no-untyped-def]
    """Return the partial correlation of variables order[0] and order[1] given each set, and the least pivot."""
    count, size = sets.shape
    result, least = np.empty(count), np.empty(count)
    low = np.empty((size + 2, size + 2))
    at = np.empty(size + 2, np.int64)
    for s in range(count):
        for k in range(size):
            at[k] = sets[s, k]
        at[size], at[size + 1] = order[0], order[1]
        pivot = 1.0
        for i in range(size + 2):
            for j in range(i + 1):
                rest = correlation[at[i], at[j]]
                for m in range(j):
                    rest -= low[i, m] * low[j, m]
                if i == j:
                    # the residual variance of the second variable given the first is no condition
                    if i == size + 1:
                        rest_of_y = rest + low[i, size] ** 2
                        pivot = min(pivot, rest_of_y)
                    else:
                        pivot = min(pivot, rest)
                    low[i, i] = np.sqrt(max(rest, 1e-300))
                else:
                    low[i, j] = rest / low[j, j]
        across, own = low[size + 1, size], low[size + 1, size + 1]
        result[s] = across / np.sqrt(across * across + own * own)
        least[s] = pivot
    return result, least


@dataclass
class _Search:
    """The state of the search; rows are the first, columns the second variable of an ordered pair."""

    scores: np.ndarray
    alpha: float
    memo: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = self.scores.shape[1]
        self.correlation = np.corrcoef(self.scores, rowvar=False).reshape(count, count)
        self.adjacent = ~np.eye(count, dtype=bool)
        self.p, self.v = np.zeros((count, count)), np.zeros((count, count))
        self.smallest = np.full((count, count), np.inf)
        self.neighbours = [[i for i in range(count) if i != j] for j in range(count)]
        twins = [next(k for k in range(count) if np.array_equal(self.scores[:, k], self.scores[:, j]))
                 for j in range(count)]
        self.twin = np.array(twins, dtype=int)

    def run(self, progress: Progress) -> None:
        size = 0
        while pairs := self._pairs(size):
            for i, j in pairs:
                progress.check()
                if self.adjacent[i, j]:
                    self._test(i, j, size)
            size += 1
            self.neighbours = [sorted(np.flatnonzero(self.adjacent[:, j]), key=lambda i: -self.smallest[i, j])
                               for j in range(len(self.adjacent))]

    def _pairs(self, size: int) -> list[tuple[int, int]]:
        count = len(self.adjacent)
        return [(i, j) for i in range(count) for j in range(count)
                if self.adjacent[i, j] and len(self.neighbours[j]) - 1 >= size]

    def _test(self, i: int, j: int, size: int) -> None:
        """Test one ordered pair given all sets of neighbours of j of this size, until one takes it apart."""
        for sets in _batches([k for k in self.neighbours[j] if k != i], size):
            r = self._correlations(i, j, sets)
            p = p_value(r, len(self.scores) - 2 - size)
            apart = np.flatnonzero(~(p <= self.alpha))
            stop = apart[0] + 1 if apart.size else len(p)
            self._store(i, j, r[:stop], p[:stop])
            if apart.size:
                self.adjacent[i, j] = self.adjacent[j, i] = False
                self.p[j, i] = self.p[i, j]
                return

    def _store(self, i: int, j: int, r: np.ndarray, p: np.ndarray) -> None:
        self.smallest[i, j] = np.fmin(self.smallest[i, j], np.fmin.reduce(np.abs(r)))
        known = p[~np.isnan(p)]
        if known.size and known.max() >= self.p[i, j]:
            last = np.flatnonzero(p == known.max())[-1]
            self.p[i, j], self.v[i, j] = p[last], r[last]

    def _correlations(self, i: int, j: int, sets: np.ndarray) -> np.ndarray:
        r, pivot = partial_correlations(self.correlation, np.array([i, j]), sets)
        for at in np.flatnonzero(pivot < SMALLEST_PIVOT):
            r[at] = self._by_least_squares(i, j, sets[at])
        return r

    def _by_least_squares(self, i: int, j: int, given: np.ndarray) -> float:
        """Return a partial correlation where variables (almost) determine each other.

        What remains is rounding noise. The steps, their order and the memory for a test that
        was made before are those of the reference, so that both see the same noise.
        """
        twin = self.twin
        key = (frozenset((twin[i], twin[j])), tuple(twin[k] for k in sorted(given)))
        if key not in self.memo:
            table = _in_rows(self.scores[:, [i, j, *given]])
            x, table = _residual(table, 0)
            y, table = _residual(table, 1)
            nothing_left = min(np.ptp(x), np.ptp(y)) == 0
            self.memo[key] = np.nan if nothing_left else float(need("scipy.stats").pearsonr(x, y)[0])
        return self.memo[key]


def _in_rows(table: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(table.T)


def _residual(table: np.ndarray, target: int) -> tuple[np.ndarray, np.ndarray]:
    table = table - table.mean(axis=1, keepdims=True)
    table = table / table.std(axis=1, keepdims=True)
    if len(table) == 2:
        return table[target], table
    given = table[2:].T.copy()
    slope = np.linalg.lstsq(given, table[target], rcond=None)[0]
    return table[target] - given @ slope, table


def p_value(r: np.ndarray, freedom: int) -> np.ndarray:
    """Return the two-sided p of partial correlations by Student's t; NaN below one degree of freedom."""
    if freedom < 1:
        return np.full(np.shape(r), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(r) * np.sqrt(freedom / (1.0 - np.square(r)))
    p = 2 * need("scipy.special").stdtr(freedom, -t)
    return np.where(np.abs(np.abs(r) - 1.0) <= np.finfo(float).tiny, 0.0, p)


def _batches(candidates: list[int], size: int) -> Iterator[np.ndarray]:
    """Yield all sets of `size` candidates in order, some thousand at once; small batches first."""
    sets = combinations(candidates, size)
    most = 32
    while batch := list(islice(sets, most)):
        yield np.array(batch, dtype="int64").reshape(len(batch), size)
        most = min(4 * most, SETS_AT_ONCE)


def _symmetrise(p: np.ndarray, v: np.ndarray) -> None:
    for i in range(len(p)):
        for j in range(len(p)):
            if i != j and p[i, j] >= p[j, i]:
                v[j, i], p[j, i] = v[i, j], p[i, j]


def _keep_larger_p(p: np.ndarray, v: np.ndarray) -> None:
    """Keep of both directions the one at the larger p, and of equal ones the weaker link."""
    for i in range(len(p)):
        for j in range(i):
            one, two = (p[i, j], -abs(v[i, j])), (p[j, i], -abs(v[j, i]))
            a, b = (i, j) if one >= two else (j, i)
            v[b, a], p[b, a] = v[a, b], p[a, b]


def _expand(part: np.ndarray, variable: np.ndarray, empty: float) -> np.ndarray:
    whole = np.full((len(variable), len(variable)), empty, dtype=part.dtype)
    whole[np.ix_(variable, variable)] = part
    return whole
