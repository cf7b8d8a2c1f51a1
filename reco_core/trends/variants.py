"""Every test of a trend for one series, written to be read; the kernels of the maps must give the same."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from .mann_kendall import MannKendall, mann_kendall, normal_p, standard_score
from .methods import TrendTest, positions
from .theil_sen import interval_ranks, interval_score

PLAIN = TrendTest()
LEVEL = 0.95  # an autocorrelation counts where it leaves the interval of this level about 0


@dataclass(frozen=True)
class SeriesTrend(MannKendall):
    """The result of a test, and the slope with its interval [unit of the values per year]."""

    slope: float
    low: float
    high: float


def series_trend(values: Any, times: Optional[Any] = None, test: TrendTest = PLAIN, *,
                 level: float = 0.95) -> SeriesTrend:
    """Estimate the trend of one series and test it with any of the methods.

    Parameters
    ----------
    values : array of shape (time,) [any]
        NaN are left out; the times of the others stay as they are.
    times : array of shape (time,) [yr], optional
        Increasing; 0, 1, 2, ... where absent.
    test : TrendTest
    level : float
        Of the confidence interval of the slope, which follows the variance of S where the method changes it.

    Returns
    -------
    SeriesTrend
        NaN with fewer than two values.

    Examples
    --------
    >>> trend = series_trend([1, 5, 2, 4, 3, 6, 4, 8], np.arange(8) / 2, TrendTest("seasonal", season=2))
    >>> trend.s, round(trend.variance, 4), round(trend.z, 6)
    (10.0, 17.3333, 2.16173)
    """
    series = np.where(np.isfinite(np.asarray(values, dtype="float64")), values, np.nan).astype("float64")
    axis = np.arange(series.size, dtype="float64") if times is None else np.asarray(times, dtype="float64")
    places = positions(axis)
    seasons = places % test.season if test.seasonal else np.zeros(series.size, dtype=int)
    n = int(np.isfinite(series).sum())
    slopes = sorted_slopes(series, axis, seasons)
    if slopes.size == 0:
        return SeriesTrend(math.nan, math.nan, math.nan, math.nan, math.nan, n, math.nan, math.nan, math.nan)
    slope = float(np.median(slopes))
    s, variance, pairs, interval = _score(series, axis, places, seasons, slope, test)
    low, high = interval_ranks(slopes.size, interval_score(level) * math.sqrt(interval))
    z = float(standard_score(s, variance))
    return SeriesTrend(s, variance, z, float(normal_p(z)), s / pairs, n, slope, float(slopes[low]), float(slopes[high]))


def sorted_slopes(series: np.ndarray, times: np.ndarray, seasons: np.ndarray) -> np.ndarray:
    """Return the slopes of all pairs of values of the same season, in order."""
    found = [np.empty(0)]
    for season in np.unique(seasons):
        known = np.isfinite(series) & (seasons == season)
        values, at = series[known], times[known]
        first, second = np.triu_indices(values.size, 1)
        found.append((values[second] - values[first]) / (at[second] - at[first]))
    return np.sort(np.concatenate(found))


def _score(series: np.ndarray, axis: np.ndarray, places: np.ndarray, seasons: np.ndarray, slope: float,
           test: TrendTest) -> tuple[float, float, float, float]:
    """Return S, its variance, the number of pairs, and the variance by which the interval is taken."""
    parts = [mann_kendall(series[seasons == one]) for one in np.unique(seasons)]
    parts = [part for part in parts if part.n > 1]
    s, plain = sum(part.s for part in parts), sum(part.variance for part in parts)
    pairs = sum(part.n * (part.n - 1) / 2 for part in parts)
    grid = np.full(places[-1] + 1, np.nan)
    grid[places] = series
    n = int(np.isfinite(grid).sum())
    residuals = grid - slope * _spread(axis, places)
    if test.method == "hamed_rao":
        factor = hamed_rao_factor(mid_ranks(residuals), n, test.highest_lag(n))
    elif test.method == "yue_wang":
        factor = yue_wang_factor(residuals, n, test.highest_lag(n))
    elif test.method == "seasonal_covariance":
        factor = (plain + covariances(grid, test.season)) / plain if plain > 0 else 1.0
    else:
        changed = _whitened(grid, residuals, n, test)
        if changed is None:
            return s, plain, pairs, plain
        result = mann_kendall(changed)
        return result.s, result.variance, result.n * (result.n - 1) / 2, plain
    variance = plain * max(factor, test.floor)
    return s, variance, pairs, variance


def _spread(axis: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the time since the first step [yr] at each place of the axis without gaps."""
    return np.interp(np.arange(places[-1] + 1), places, axis - axis[0])


def _whitened(grid: np.ndarray, residuals: np.ndarray, n: int, test: TrendTest) -> Optional[np.ndarray]:
    """Return the series that is tested in place of `grid`, or nothing where it is tested as it is."""
    if test.method == "prewhitening":
        return np.asarray(grid[1:] - autocorrelation(grid, 1) * grid[:-1])
    if test.method == "tfpw":
        r = autocorrelation(residuals, 1)
        if test.always or abs(r) > significant(n):
            return np.asarray(residuals[1:] - r * residuals[:-1] + (grid - residuals)[1:])
    return None


def autocorrelation(series: np.ndarray, lag: int) -> float:
    r"""Return the autocorrelation of a series with gaps (NaN).

    .. math:: r_k = (1 - k/L)\,\frac{\sum_{N_k} x_t x_{t+k} / N_k}{\sum_N x_t^2 / N}

    with the deviations x from the mean, the N values and N_k pairs that are there, and the length L from the first
    to the last value; without gaps this is the usual estimate. 0 where nothing varies, or no pair is there.
    """
    known = np.flatnonzero(np.isfinite(series))
    if known.size == 0:
        return 0.0
    x = series[known[0]:known[-1] + 1]
    x = x - x[np.isfinite(x)].mean()
    products = x[lag:] * x[:x.size - lag]
    products = products[np.isfinite(products)]
    squares = x[np.isfinite(x)] ** 2
    if products.size == 0 or squares.sum() == 0:
        return 0.0
    return float((1 - lag / x.size) * products.mean() / squares.mean())


def significant(n: int) -> float:
    """Return what an autocorrelation of `n` values must exceed to be taken for one."""
    return interval_score(LEVEL) / math.sqrt(n)


def mid_ranks(series: np.ndarray) -> np.ndarray:
    """Return the rank of each value, equal ones sharing their mean; NaN stay."""
    from scipy.stats import rankdata

    ranks = np.full(series.shape, np.nan)
    known = np.isfinite(series)
    ranks[known] = rankdata(series[known])
    return ranks


def hamed_rao_factor(ranks: np.ndarray, n: int, highest_lag: int) -> float:
    """Return the factor of the variance of S after Hamed and Rao, from significant autocorrelations of ranks."""
    total = 0.0
    for lag in range(1, highest_lag + 1):
        r = autocorrelation(ranks, lag)
        if abs(r) > significant(n):
            total += (n - lag) * (n - lag - 1) * (n - lag - 2) * r
    return 1.0 + 2.0 * total / (n * (n - 1) * (n - 2)) if n > 2 else 1.0


def yue_wang_factor(residuals: np.ndarray, n: int, highest_lag: int) -> float:
    """Return the factor of the variance of S after Yue and Wang, from autocorrelations of residuals."""
    return 1.0 + 2.0 * sum((1 - lag / n) * autocorrelation(residuals, lag) for lag in range(1, highest_lag + 1))


def covariances(grid: np.ndarray, season: int) -> float:
    r"""Return the sum over pairs of seasons of the covariance of their S after Hirsch and Slack.

    .. math:: \mathrm{cov}_{gh} = \left[K_{gh} + 4\sum_j R_{jg} R_{jh} - n(n_g + 1)(n_h + 1)\right] / 3

    over the n cycles; a missing value has the mean rank of its season, and a sign of 0 in K.
    """
    cycles = -(-grid.size // season)
    table = np.full((cycles, season), np.nan)
    table.ravel()[:grid.size] = grid
    signs = np.nan_to_num(np.sign(table[:, None] - table[None]))  # of each cycle with each, in each season
    counts = np.isfinite(table).sum(axis=0)
    ranks = (counts + 1 + signs.sum(axis=1)) / 2
    first, second = np.triu_indices(cycles, 1)
    total = 0.0
    for g in range(season):
        for h in range(season):
            if g != h:
                k = (signs[second, first, g] * signs[second, first, h]).sum()
                total += (k + 4 * (ranks[:, g] * ranks[:, h]).sum()
                          - cycles * (counts[g] + 1) * (counts[h] + 1)) / 3
    return total
