"""The same trends by pymannkendall, pixel by pixel: slow, and only there to be compared with.

pymannkendall leaves missing values out of S and of its variance, and takes the positions in
the series as times of the slopes, so gaps keep their length. It knows no other times: a series
with missing years is therefore first put on an axis without gaps. The ends of the confidence
interval are not part of pymannkendall; they are computed here from the sorted slopes.
"""

from __future__ import annotations

import math

import numpy as np

from ..deps import need
from ..errors import ConfigError
from ..progress import Progress
from .kernels import COLUMNS, COUNT, HIGH, LOW, MEAN, PAIRS, SCORE, SLOPE, VARIANCE
from .theil_sen import interval_ranks


def reference_rows(rows: np.ndarray, times: np.ndarray, min_n: int, z_level: float,
                   progress: Progress) -> np.ndarray:
    """Return the table of `engine.trend_table`, made with pymannkendall."""
    pymannkendall = need("pymannkendall")
    positions, spacing = even_axis(times)
    table = np.full((len(rows), COLUMNS), np.nan)
    series = np.full(positions[-1] + 1, np.nan)
    for row, values in enumerate(rows):
        if row % 64 == 0:
            progress(row / len(rows))
        finite = np.isfinite(values)
        count = int(finite.sum())
        table[row, COUNT], table[row, PAIRS] = count, count * (count - 1) / 2
        if count < max(min_n, 2):
            continue
        series[positions] = np.where(finite, values, np.nan)
        result = pymannkendall.original_test(series)
        table[row, SLOPE] = result.slope / spacing
        table[row, MEAN] = float(np.mean(values[finite], dtype="float64"))
        table[row, SCORE] = result.s
        table[row, VARIANCE] = result.var_s
        table[row, [LOW, HIGH]] = _interval(values[finite].astype("float64"), times[finite],
                                            z_level * math.sqrt(result.var_s))
    return table


def even_axis(times: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the position of each time on an axis without gaps, and the spacing of that axis [yr]."""
    if times.size < 2:
        return np.zeros(times.size, dtype=int), 1.0
    spacing = float(np.diff(times).min())
    exact = (times - times[0]) / spacing
    positions = np.round(exact).astype(int)
    if np.abs(exact - positions).max() > 1e-3:
        raise ConfigError("The reference engine needs evenly spaced time steps, and these are not",
                          "Use engine=own, or annual=sum")
    return positions, spacing


def _interval(values: np.ndarray, times: np.ndarray, spread: float) -> np.ndarray:
    first, second = np.triu_indices(values.size, 1)
    slopes = np.sort((values[second] - values[first]) / (times[second] - times[first]))
    return slopes[list(interval_ranks(slopes.size, spread))]
