"""Daily means of values that were measured several times a day."""

from __future__ import annotations

import numpy as np

from ..errors import ConfigError

SUBDAILY = ("hourly_then_daily", "flat")


def daily_means(times: np.ndarray, values: np.ndarray,
                how: str = "hourly_then_daily") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean of each day, so that a well sampled hour need not count more than others.

    Parameters
    ----------
    times : array of datetime64, shape (n,)
        In any order; several values may have the same time (the ports of a chamber system).
    values : array of shape (n,) or (rows, n)
        NaN where missing.
    how : {'hourly_then_daily', 'flat'}
        Average hours first and then their means, or all values of a day alike.

    Returns
    -------
    days : array of datetime64[D], shape (d,)
        Increasing; every day that has a time, also where all its values are missing.
    means : array of shape (d,) or (rows, d)
        Same unit as `values`; NaN where a day has no value.
    counts : array of int, same shape as `means`
        Values that went into the mean.

    Raises
    ------
    ConfigError
        `how` is no way to average.

    Examples
    --------
    >>> times = np.array(["2004-02-28T01:00", "2004-02-28T01:30", "2004-02-28T13:00"], "datetime64[m]")
    >>> [float(daily_means(times, np.array([1.0, 3.0, 5.0]), how)[1][0]) for how in SUBDAILY]
    [3.5, 3.0]
    """
    if how not in SUBDAILY:
        raise ConfigError(f"'{how}' is no way to average sub-daily values", "Choose: " + ", ".join(SUBDAILY))
    times = np.asarray(times)
    rows = np.atleast_2d(np.asarray(values, dtype="float64"))
    days, at_day = np.unique(times.astype("datetime64[D]"), return_inverse=True)
    counts = np.stack([np.bincount(at_day, np.isfinite(row), minlength=days.size) for row in rows]).astype("int64")
    if how == "hourly_then_daily":
        hours, at_hour = np.unique(times.astype("datetime64[h]"), return_inverse=True)
        rows = np.stack([_means(row, at_hour, hours.size) for row in rows])
        at_day = np.searchsorted(days, hours.astype("datetime64[D]"))
    means = np.stack([_means(row, at_day, days.size) for row in rows])
    single = np.ndim(values) == 1
    return days, means[0] if single else means, counts[0] if single else counts


def _means(values: np.ndarray, groups: np.ndarray, size: int) -> np.ndarray:
    good = np.isfinite(values)
    number = np.bincount(groups[good], minlength=size)
    sums = np.bincount(groups[good], values[good], minlength=size)
    return np.where(number > 0, sums / np.maximum(number, 1), np.nan)
