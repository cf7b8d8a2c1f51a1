"""The same trends by pymannkendall, pixel by pixel: slow, and only there to be compared with.

pymannkendall leaves missing values out of S and of its variance, and takes the positions in
the series as times of the slopes, so gaps keep their length. It knows no other times: a series
with missing years is therefore first put on an axis without gaps. Its tests that reckon with
autocorrelation take values on both sides of a gap for neighbours, and its seasonal test with
covariances knows no gaps at all (p is NaN there); ours keep the length of gaps. The ends of the confidence
interval are not part of pymannkendall; they are computed here from the sorted slopes.
"""

from __future__ import annotations

import math

import numpy as np

from ..deps import need
from ..errors import ConfigError
from ..progress import Progress
from .kernels import COLUMNS, COUNT, HIGH, LOW, MEAN, PAIRS, SCORE, SLOPE, VARIANCE
from .methods import CHANGES_VARIANCE, TrendTest, even_positions
from .theil_sen import interval_ranks
from .variants import autocorrelation, significant, sorted_slopes


def reference_rows(rows: np.ndarray, times: np.ndarray, min_n: int, z_level: float, test: TrendTest,
                   progress: Progress) -> np.ndarray:
    """Return the table of `engine.trend_table`, made with pymannkendall."""
    places = even_positions(times)
    if places is None:
        raise ConfigError("The reference engine needs evenly spaced time steps, and these are not",
                          "Use engine=own, or annual=sum")
    spacing = float(np.diff(times).min()) if times.size > 1 else 1.0
    season = test.season if test.seasonal else 1
    table = np.full((len(rows), COLUMNS), np.nan)
    series = np.full(places[-1] + 1, np.nan)
    at = np.arange(series.size)
    for row, values in enumerate(rows):
        if row % 64 == 0:
            progress(row / len(rows))
        finite = np.isfinite(values)
        count = int(finite.sum())
        table[row, COUNT] = count
        series[places] = np.where(finite, values, np.nan)
        slopes = sorted_slopes(series, at, at % season) / spacing
        table[row, PAIRS] = slopes.size
        if count < max(min_n, 2) or slopes.size == 0:
            continue
        slope, score, variance, plain = _test(series, test, count)
        table[row, SLOPE] = slope / spacing / season
        table[row, MEAN] = float(np.mean(values[finite], dtype="float64"))
        table[row, SCORE], table[row, VARIANCE] = score, variance
        interval = variance if test.method in CHANGES_VARIANCE and np.isfinite(variance) else plain
        table[row, [LOW, HIGH]] = slopes[list(interval_ranks(slopes.size, z_level * math.sqrt(interval)))]
    return table


def _test(series: np.ndarray, test: TrendTest, count: int) -> tuple[float, float, float, float]:
    """Return slope per step or cycle, S, its variance in this test, and its variance without a correction."""
    pymannkendall = need("pymannkendall")
    if test.seasonal:
        plain = pymannkendall.seasonal_test(series, period=test.season)
        result = plain if test.method == "seasonal" else pymannkendall.correlated_seasonal_test(series, test.season)
    else:
        plain = pymannkendall.original_test(series)
        result = plain
    if test.method in ("hamed_rao", "yue_wang"):
        modified = getattr(pymannkendall, f"{test.method}_modification_test")
        with np.errstate(invalid="ignore"):  # a factor below 0 makes no Z; the variance gets its floor below
            result = modified(series, lag=test.highest_lag(count))
    elif test.method == "prewhitening":
        result = pymannkendall.pre_whitening_modification_test(series)
    elif test.method == "tfpw":
        residuals = series - plain.slope * np.arange(series.size)
        if test.always or abs(autocorrelation(residuals, 1)) > significant(count):
            result = pymannkendall.trend_free_pre_whitening_modification_test(series)
    variance = float(result.var_s)
    if test.method in CHANGES_VARIANCE:
        variance = float(np.maximum(variance, test.floor * plain.var_s))
    return plain.slope, float(result.s), variance, float(plain.var_s)
