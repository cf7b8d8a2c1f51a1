"""Trends of many pixels: lays out the pairs of values once and shares the pixels among threads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Callable

import numpy as np

from ..progress import SILENT, Progress
from ..threads import in_threads
from .methods import TrendTest, positions
from .theil_sen import interval_score
from .torch_engine import torch_run
from .variants import LEVEL, PLAIN

MOST_SORTED = 1000  # pairs up to which sorting all slopes is faster than bracketing them
SAMPLE = 512


@dataclass(frozen=True)
class Layout:
    """Which values are compared with which, as the kernels want it.

    `order` puts the time steps of a season side by side, `groups` says where each season begins;
    `first` and `second` are the rows of a pair, times the lanes, and `spans` the time between
    them [yr]. `sampled` are the pairs of the sample, and `network` sorts the sample, or all pairs.
    """

    order: np.ndarray
    groups: np.ndarray
    first: np.ndarray
    second: np.ndarray
    spans: np.ndarray
    sampled: np.ndarray
    network: np.ndarray

    @classmethod
    def of(cls, times: np.ndarray, seasons: np.ndarray) -> Layout:
        """Lay out all pairs of time steps of the same season; `times` [yr] increase."""
        from .vectors import LANES, sorting_network

        order = np.argsort(seasons, kind="stable")
        groups = np.concatenate([[0], np.cumsum(np.unique(seasons, return_counts=True)[1])])
        pairs = [np.stack(np.triu_indices(after - before, 1)) + before for before, after in pairwise(groups)]
        first, second = np.concatenate(pairs, axis=1)
        spans = times[order][second] - times[order][first]
        size = first.size if first.size <= MOST_SORTED else SAMPLE
        sampled = np.sort(np.random.default_rng(0).permutation(first.size)[:size])
        return cls(order, groups, (first * LANES).astype("int32"), (second * LANES).astype("int32"), spans, sampled,
                   sorting_network(size))

    @property
    def sorts_all(self) -> bool:
        """Whether all slopes are sorted."""
        return bool(self.sampled.size == self.first.size)


def trend_table(values: np.ndarray, times: np.ndarray, *, min_n: int, z_level: float,
                test: TrendTest = PLAIN, device: str = "", progress: Progress = SILENT) -> np.ndarray:
    """Return slope, mean, interval, S, its variance, and numbers of values and pairs of every pixel.

    Parameters
    ----------
    values : array of shape (time, pixels) [any]
        What is not finite is missing.
    times : array of shape (time,) [yr]
    min_n : int
        Fewest values of a pixel.
    z_level : float
        Standard score of the ends of the interval.
    test : TrendTest
    device : str
        Where torch computes, "cpu" or "cuda"; empty for our own kernels.

    Returns
    -------
    array of shape (pixels, 8)
        With the columns that `kernels` names; NaN in a pixel with too few values.
    """
    from .kernels import COLUMNS

    places = positions(times)
    layout = Layout.of(times, places % test.season if test.seasonal else np.zeros(times.size, dtype=int))
    table = np.empty((values.shape[1], COLUMNS))
    step = pixels_per_task(times.size) * (16 if device else 1)
    run = partial(own_run, layout=layout, fewest=max(min_n, 2), z_level=z_level)
    if device and layout.first.size:
        run = partial(torch_run, layout=layout, fewest=max(min_n, 2), z_level=z_level, device=device)

    def work(start: int) -> None:
        part = slice(start, start + step)
        rows = padded(values[:, part], layout.order)
        run(rows, np.ones(len(table[part])), table[part])
        if test.method not in ("plain", "seasonal"):
            stretch = _correct(rows, places[layout.order], times - times[0], places, test, table[part])
            _stretch_intervals(rows, stretch, table[part], run)

    in_threads(work, range(0, values.shape[1], step), progress, threads=1 if device else 0)
    return table


def own_run(rows: np.ndarray, stretch: np.ndarray, out: np.ndarray, *, layout: Layout, fewest: int,
            z_level: float) -> None:
    """Fill `out` with the trends of padded rows; the interval is that of the variance times `stretch`."""
    from .lanes import bracketed_trends, sorted_trends

    pairs = (layout.first, layout.second, layout.spans)
    if layout.sorts_all:
        sorted_trends(rows, layout.groups, *pairs, layout.network, fewest, z_level, stretch, out)
    else:
        bracketed_trends(rows, layout.groups, *pairs, layout.sampled, layout.network, fewest, z_level, stretch, out)


def _correct(rows: np.ndarray, row_places: np.ndarray, since: np.ndarray, places: np.ndarray, test: TrendTest,
             table: np.ndarray) -> np.ndarray:
    """Change the table to what the test says; return the factor of the variance of each pixel."""
    from . import corrections

    code = {"hamed_rao": corrections.HAMED_RAO, "yue_wang": corrections.YUE_WANG, "tfpw": corrections.TFPW,
            "prewhitening": corrections.PREWHITENING, "seasonal_covariance": corrections.COVARIANCE}[test.method]
    season = max(test.season, 1)
    length = -(-(int(places[-1]) + 1) // season) * season  # whole cycles
    spread = np.interp(np.arange(length), places, since)
    stretch = np.empty(len(table))
    corrections.correct(rows, row_places, spread, code, season, test.lags, test.floor, test.always,
                        interval_score(LEVEL), table, stretch)
    return stretch


def _stretch_intervals(rows: np.ndarray, stretch: np.ndarray, table: np.ndarray, run: Callable[..., None]) -> None:
    """Take the interval of the slope by the variance of the test, where that is another one."""
    from .kernels import COLUMNS, HIGH, LOW

    chosen = np.flatnonzero(stretch != 1.0)
    if chosen.size:
        again = np.empty((chosen.size, COLUMNS))
        run(padded(rows[:, chosen]), stretch[chosen], again)
        for column in (LOW, HIGH):
            table[chosen, column] = again[:, column]


def pixels_per_task(length: int) -> int:
    """Return how many series of this length are worth a task, and no burden on memory."""
    return max(64, min(2048, (1 << 20) // length // 64 * 64))


def padded(values: np.ndarray, order: Any = slice(None)) -> np.ndarray:
    """Return time steps in this order as float64, NaN where missing, with room for a last incomplete block."""
    from .vectors import LANES

    pixels = values.shape[1]
    rows = np.full((len(values), -(-pixels // LANES) * LANES + LANES), np.nan)
    rows[:, :pixels] = values[order]
    rows[~np.isfinite(rows)] = np.nan
    return rows
