"""The mean of a driver in each month of the year, at towers or in cells."""

from __future__ import annotations

import numpy as np

MONTHS = 12


class MonthlyMeans:
    """Adds up values month by month of the year, time step after time step.

    The sum does not depend on how the time steps are cut into portions.

    Parameters
    ----------
    shape : tuple of int
        Shape of the values of one time step.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._total = np.zeros((MONTHS, *shape))
        self._count = np.zeros((MONTHS, *shape), dtype="int32")

    def add(self, values: np.ndarray, months: np.ndarray) -> None:
        """Take the values of some time steps.

        Parameters
        ----------
        values : array of shape (t, ...) [unit of the driver]
            Missing values are NaN and do not count.
        months : array of int, shape (t,)
            0 for January.
        """
        for layer, month in zip(values, months):
            known = np.isfinite(layer)
            self._total[month] += np.where(known, layer, 0.0)
            self._count[month] += known

    def means(self) -> np.ndarray:
        """Return the means, shape (12, ...) [unit of the driver]; NaN only where no month has a value."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return fill_months(np.where(self._count > 0, self._total / self._count, np.nan))


def months_of(times: np.ndarray) -> np.ndarray:
    """Return the month of each time, 0 for January."""
    return np.asarray(times, dtype="datetime64[M]").astype("int64") % MONTHS


def fill_months(means: np.ndarray) -> np.ndarray:
    """Return monthly means whose gaps are interpolated between the months before and after, round the year.

    Parameters
    ----------
    means : array of shape (12, ...)

    Examples
    --------
    >>> fill_months(np.array([1.0, np.nan, 3.0] + [np.nan] * 8 + [0.0]))[[1, 3]].round(3).tolist()
    [2.0, 2.667]
    """
    if np.isfinite(means).all():
        return means
    flat = means.reshape(MONTHS, -1).copy()
    gaps = np.isnan(flat)
    partly = np.flatnonzero(gaps.any(axis=0) & ~gaps.all(axis=0))
    masks, which = np.unique(gaps[:, partly], axis=1, return_inverse=True)
    for number in range(masks.shape[1]):
        there = np.flatnonzero(~masks[:, number])
        columns = partly[which.reshape(-1) == number]
        for month in np.flatnonzero(masks[:, number]):
            before, after = (there - month) % -MONTHS, (there - month) % MONTHS  # months to go back, and ahead
            first, last = there[np.argmax(before)], there[np.argmin(after)]
            share = -before.max() / (after.min() - before.max())
            flat[month, columns] = (1 - share) * flat[first, columns] + share * flat[last, columns]
    return flat.reshape(means.shape)
