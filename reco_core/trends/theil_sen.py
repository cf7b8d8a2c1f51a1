"""The Theil-Sen slope of one series."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from ..errors import ConfigError
from .mann_kendall import mann_kendall


@dataclass(frozen=True)
class TheilSen:
    """Slope, intercept at time 0, and the ends of the confidence interval of the slope."""

    slope: float
    intercept: float
    low: float
    high: float
    n: int


def theil_sen(values: Any, times: Optional[Any] = None, *, level: float = 0.95) -> TheilSen:
    r"""Estimate a linear trend by the median of the slopes of all pairs.

    Parameters
    ----------
    values : array of shape (time,) [any]
        NaN are left out; the times of the others stay as they are.
    times : array of shape (time,) [yr], optional
        Increasing; 0, 1, 2, ... where absent.
    level : float
        Of the confidence interval, whose ends are the slopes of ranks
        :math:`(N' \mp z\sqrt{\mathrm{Var}(S)})/2`, with N' the number of pairs.

    Returns
    -------
    TheilSen
        [unit of the values per year]; NaN with fewer than two values.

    References
    ----------
    Sen, P. K. (1968). J. Am. Stat. Assoc. 63, 1379-1389. doi:10.1080/01621459.1968.10480934

    Examples
    --------
    >>> theil_sen([5, 2, 6, 6, 9, 8, 11]).slope
    1.0
    """
    series = np.asarray(values, dtype="float64")
    axis = np.arange(series.size, dtype="float64") if times is None else np.asarray(times, dtype="float64")
    valid = np.isfinite(series)
    series, axis = series[valid], axis[valid]
    n = series.size
    if n < 2:
        return TheilSen(math.nan, math.nan, math.nan, math.nan, n)
    first, second = np.triu_indices(n, 1)
    slopes = np.sort((series[second] - series[first]) / (axis[second] - axis[first]))
    slope = float(np.median(slopes))
    spread = interval_score(level) * math.sqrt(mann_kendall(series).variance)
    low, high = interval_ranks(slopes.size, spread)
    return TheilSen(slope, float(np.median(series) - np.median(axis) * slope), float(slopes[low]),
                    float(slopes[high]), n)


def interval_score(level: float) -> float:
    """Return the standard score at which an interval of this level ends.

    Raises
    ------
    ConfigError
        There is no such level.

    Examples
    --------
    >>> round(interval_score(0.95), 6)
    1.959964
    """
    from scipy.special import ndtri

    if not 0 < level < 1:
        raise ConfigError(f"An interval cannot have the level {level:g}", "Give a number between 0 and 1, such as 0.95")
    return float(ndtri(0.5 + level / 2))


def interval_ranks(pairs: int, spread: float) -> tuple[int, int]:
    """Return the positions of both ends of the interval among the sorted slopes."""
    low = max(int(np.round(0.5 * (pairs - spread))) - 1, 0)
    high = min(int(np.round(0.5 * (pairs + spread))), pairs - 1)
    return low, high
