"""PCMCI+ with time lags: the search of tigramite, with its tests or with faster ones of the same result."""

from __future__ import annotations

import math
import warnings
from typing import Any, Mapping, Optional, Sequence

import numpy as np

from ..deps import need
from .pcmci import SMALLEST_PIVOT, changing, normal_scores, p_value, partial_correlations

MISSING = 999999.0
Series = Mapping[str, tuple[np.ndarray, np.ndarray]]
Node = tuple[int, int]
Found = tuple[np.ndarray, np.ndarray, int]  # correlations, which columns change, number of rows
MOST_NUMBERS = 4 * 2**20  # of all correlations that are kept


def lagged_links(data: Series, names: Sequence[str], *, alpha: float, max_lag: int,
                 cached: bool = True) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], tuple[int, ...]]:
    """Find the links of drivers with respiration at lags from 0 to `max_lag`.

    Parameters
    ----------
    data : mapping of site to (time step of each row, rows with respiration first)
        NaN where missing. Where lags are sought, rows are put on a time axis without gaps.
    names : sequence of str
        Of the p drivers.
    alpha : float
        Significance level of the tests.
    max_lag : int [time steps]
    cached : bool
        Test with correlations that are computed once; else with tigramite's own tests, for checking.

    Returns
    -------
    effects, p_values : arrays of shape (p,)
        At the strongest lag; NaN for drivers that never change.
    marks : tuple of str
        As in tigramite, driver first.
    lags : tuple of int [time steps]

    References
    ----------
    Runge, J. (2020). Proc. UAI, PMLR 124, 1388-1397.
    """
    processing, pcmci = need("tigramite.data_processing", "causal"), need("tigramite.pcmci", "causal")
    test = cached_test() if cached else need("tigramite.independence_tests.robust_parcorr", "causal").RobustParCorr()
    series = {number: _regular(*part) if max_lag else part[1] for number, part in enumerate(data.values())}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = processing.DataFrame(series, var_names=["respiration", *names], analysis_mode="multiple",
                                     missing_flag=MISSING)
        found = pcmci.PCMCI(frame, test, verbosity=0).run_pcmciplus(
            tau_min=0, tau_max=max_lag, pc_alpha=alpha, max_combinations=100, max_conds_py=1, max_conds_px=1)
    values, p_values = found["val_matrix"][1:, 0, :], found["p_matrix"][1:, 0, :]
    lag = np.abs(values).argmax(axis=1)
    at = np.arange(len(lag))
    rows = np.concatenate([part[1] for part in data.values()])[:, 1:]
    constant = ~changing(rows)
    effects, p = values[at, lag].copy(), p_values[at, lag].copy()
    effects[constant] = p[constant] = np.nan
    return effects, p, tuple(str(mark) for mark in found["graph"][1:, 0, :][at, lag]), tuple(int(k) for k in lag)


def _regular(step: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return rows on a time axis without gaps, where missing values carry the flag."""
    series = np.full((int(np.ptp(step)) + 1, rows.shape[1]), MISSING)
    series[step - step.min()] = np.where(np.isfinite(rows), rows, MISSING)
    return series


class LaggedCorrelations:
    """Partial correlations of the normal scores of variables at several lags.

    All tests of PCMCI+ see the same rows, those at least twice the largest lag after the start of a series,
    but for rows in which something they look at is missing. Correlations are therefore computed once for each
    set of rows, not once for each test: of all variables where a set comes again, and there is room to keep them.

    Parameters
    ----------
    series : sequence of arrays of shape (time, N)
        NaN where missing.
    max_lag : int [time steps]
    """

    def __init__(self, series: Sequence[np.ndarray], max_lag: int) -> None:
        self.depth = 2 * max_lag
        long_enough = [part for part in series if len(part) > self.depth]
        self._columns = np.concatenate([
            np.concatenate([part[self.depth - lag:len(part) - lag] for lag in range(self.depth + 1)], axis=1)
            for part in long_enough]).astype("float64")
        self._width = series[0].shape[1]
        self._known, pattern = np.unique(np.isfinite(self._columns), axis=1, return_inverse=True)
        self._pattern: list[int] = pattern.reshape(-1).tolist()
        self._student = need("scipy.special").stdtr
        self._met: set[frozenset] = set()
        self._kept: dict[frozenset, Found] = {}

    def column(self, node: Node) -> int:
        """Return where a variable at a lag, such as (3, -1), is kept."""
        return node[0] - node[1] * self._width

    def test(self, x: int, y: int, given: Sequence[int]) -> Optional[tuple[float, float, bool]]:
        """Return partial correlation, p, and whether both change at all; None where it is too close to call.

        Too close are variables that almost determine each other, or too few rows.
        """
        (correlation, moves, rows), (x, y, *given) = self._correlations([x, y, *given])
        if not (moves[x] and moves[y]):
            return 0.0, 1.0, False
        moving = [k for k in given if moves[k]]
        if rows - 2 - len(moving) < 1:
            return None
        sets = np.array(moving, dtype="int64").reshape(1, -1)
        r, pivot = partial_correlations(correlation, np.array([x, y]), sets)
        if not pivot[0] >= SMALLEST_PIVOT:
            return None
        return float(r[0]), self._p(float(r[0]), rows - 2 - len(moving)), True

    def _p(self, r: float, freedom: int) -> float:
        """Return `pcmci.p_value` of one number: arrays of one number take ten times as long."""
        rest = 1.0 - r * r
        if rest <= np.finfo(float).eps:
            return float(p_value(np.array([r]), freedom)[0])
        return 2.0 * float(self._student(freedom, -abs(r) * math.sqrt(freedom / rest)))

    def _correlations(self, columns: list[int]) -> tuple[Found, list[int]]:
        """Return the correlations of columns where all of them are known, and where the columns stand among them."""
        patterns = frozenset(self._pattern[k] for k in columns)
        if patterns not in self._kept:
            keep = self._known[:, sorted(patterns)].all(axis=1)
            room = (len(self._kept) + 1) * self._columns.shape[1] ** 2 <= MOST_NUMBERS
            if patterns not in self._met or not room:
                self._met.add(patterns)
                return _correlated(self._columns[keep][:, columns]), list(range(len(columns)))
            self._kept[patterns] = _correlated(self._columns[keep])
        return self._kept[patterns], columns


def _correlated(rows: np.ndarray) -> Found:
    """Return the correlations of the normal scores of columns, NaN where one has gaps or does not change."""
    usable = np.isfinite(rows).all(axis=0) if len(rows) else np.zeros(rows.shape[1], dtype=bool)
    moves = usable & (np.ptp(rows, axis=0) > 0) if len(rows) else usable
    correlation = np.full((rows.shape[1],) * 2, np.nan)
    if moves.any():
        correlation[np.ix_(moves, moves)] = np.atleast_2d(np.corrcoef(normal_scores(rows[:, moves]).T))
    return correlation, moves, len(rows)


def cached_test() -> Any:
    """Return a test for tigramite that equals its `RobustParCorr` and computes correlations only once."""
    base: Any = need("tigramite.independence_tests.robust_parcorr", "causal").RobustParCorr

    class CachedRobustParCorr(base):  # type: ignore[misc]
        """Robust partial correlation from cached correlations; what is too close to call is left to tigramite."""

        _seen: Any = None

        def run_test(self, X: list[Node], Y: list[Node], Z: Optional[list[Node]] = None, tau_max: int = 0,
                     cut_off: str = "2xtau_max", alpha_or_thres: Optional[float] = None) -> tuple:
            """Return value, p and, where a level is given, the decision."""
            found = self._quickly(X, Y, Z or [], tau_max) if cut_off == "2xtau_max" else None
            if found is None:
                return super().run_test(X, Y, Z, tau_max, cut_off, alpha_or_thres)
            value, p, moves = found
            return (value, p) if alpha_or_thres is None else (value, p, bool(moves and p <= alpha_or_thres))

        def _quickly(self, X: list[Node], Y: list[Node], Z: list[Node], tau_max: int) -> Optional[tuple]:
            if len(X) != 1 or len(Y) != 1 or any(-lag > 2 * tau_max for _, lag in (*X, *Y, *Z)):
                return None
            if self._seen is None or self._seen[0] is not self.dataframe or self._seen[1] != tau_max:
                kept = LaggedCorrelations(list(self.dataframe.values.values()), tau_max)
                self._seen = self.dataframe, tau_max, kept, {}
            correlations, memory = self._seen[2:]
            x, y = correlations.column(X[0]), correlations.column(Y[0])
            given = tuple(sorted({correlations.column(node) for node in Z} - {x, y}))
            key = (min(x, y), max(x, y), given)
            if key not in memory:
                memory[key] = correlations.test(x, y, given)
            return memory[key]

    return CachedRobustParCorr()
