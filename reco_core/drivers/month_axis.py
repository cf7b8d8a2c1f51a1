"""Months of a series: which calendar month each value is of, how long it is and where its middle lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, Sequence

import numpy as np

from ..errors import ConfigError, GridError
from ..vocabulary.calendar import infer_time_step, step_days

LENGTHS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dtype="float64")
MIDDLE = 15


@dataclass(frozen=True)
class Months:
    """Months that follow each other without a hole.

    `month` (time,) counts from 0 for January, `leap` tells years of 366 days, `days` are their lengths,
    `doy` the 15th of each as day of the year, `first` the first one (datetime64[M]) or None where the
    year is not known, `at` the positions of the given values among the months.
    """

    month: np.ndarray
    leap: np.ndarray
    days: np.ndarray
    doy: np.ndarray
    first: Optional[np.datetime64]
    at: np.ndarray

    @property
    def size(self) -> int:
        """How many months there are, those without a value included."""
        return self.month.size

    @property
    def whole(self) -> bool:
        """Whether each month was given."""
        return self.at.size == self.size


def month_axis(count: int, times: Optional[Any] = None, first_month: int = 1) -> Months:
    """Return the months of a series of `count` values.

    Parameters
    ----------
    count : int
    times : array of shape (time,) (datetime64), optional
        Any day of each month, increasing; months may lack.
    first_month : int
        Calendar month of the first value where there are no times; years then have 365 days.

    Raises
    ------
    GridError
        The times are not months, or not in order.
    ConfigError
        There are not as many times as values, or no such month.
    """
    if times is None:
        if first_month not in range(1, 13):
            raise ConfigError(f"There is no month {first_month}", "first_month is a number from 1 to 12")
        month = (first_month - 1 + np.arange(count)) % 12
        return Months(month, np.zeros(count, bool), LENGTHS[month], _middle(month), None, np.arange(count))
    days = np.asarray(times, dtype="datetime64[D]").ravel()
    if days.size != count:
        raise ConfigError(f"There are {days.size} times for {count} values", "Give one time for each value")
    given = days.astype("datetime64[M]")
    gaps = np.diff(given).astype(int)
    if (gaps <= 0).any() or (gaps.size and gaps.min() > 1):
        _refuse(days)
    months = np.arange(given[0], given[-1] + 1) if count else given
    month = months.astype(int) % 12
    length = step_days(months.astype("datetime64[D]"), "month")
    leap = _leap(months)
    return Months(month, leap, length, _middle(month) + (leap & (month > 1)), months[0] if count else None,
                  (given - given[:1]).astype(int))


def _middle(month: np.ndarray) -> np.ndarray:
    return np.cumsum(LENGTHS)[month] - LENGTHS[month] + MIDDLE


def _leap(months: np.ndarray) -> np.ndarray:
    years = months.astype("datetime64[Y]")
    return ((years + 1).astype("datetime64[D]") - years.astype("datetime64[D]")).astype(int) == 366


def _refuse(days: np.ndarray) -> None:
    """Say why dates are not those of months."""
    if (np.diff(days).astype(int) > 0).all():
        try:
            found = f"one {infer_time_step(days)}"
        except GridError:
            found = f"{np.median(np.diff(days).astype(int)):g} days"
        raise GridError(f"The series has a time step of {found}; monthly values were wanted",
                        "Make monthly values first, with the step aggregate (reco aggregate --to month)")
    at = int(np.argmax(np.diff(days).astype(int) <= 0)) + 1
    raise GridError(f"The dates do not increase: {days[at]} follows {days[at - 1]}",
                    "Sort the time steps and remove doubles")


def calibrated(months: Months, calibration: Any) -> np.ndarray:
    """Tell which months a distribution is fitted on.

    Parameters
    ----------
    months : Months
    calibration : slice, (first, last) or None
        As in `spei`.

    Returns
    -------
    array of bool, shape (months,)

    Raises
    ------
    ConfigError
        It is none of these, needs dates that are not there, or has no month of the series.
    """
    if calibration is None:
        return np.ones(months.size, dtype=bool)
    fitted = np.zeros(months.size, dtype=bool)
    if isinstance(calibration, slice):
        fitted[months.at[calibration]] = True
        words = f"{calibration.start}:{calibration.stop}"
    else:
        first, last = _ends(calibration)
        words = f"{first} to {last}"
        if months.first is None:
            raise ConfigError(f"The calibration period {words} needs dates, and the series has none",
                              "Give times, or a slice of positions")
        dates = months.first + np.arange(months.size)
        fitted = (dates >= first) & (dates <= last)
    if not fitted.any():
        raise ConfigError(f"The calibration period {words} has no month of the series"
                          + ("" if months.first is None else f" ({months.first} to {months.first + months.size - 1})"),
                          "Choose a period inside the series")
    return fitted


def _ends(calibration: Sequence[Any]) -> tuple[np.datetime64, np.datetime64]:
    """Return first and last month of a pair of years or dates."""
    try:
        first, last = (np.datetime64(str(end)) for end in calibration)
        ends = first.astype("datetime64[M]"), (last + 1).astype("datetime64[D]") - 1
        if not np.isnat(first) and ends[0].astype("datetime64[D]") <= ends[1]:
            return ends[0], ends[1].astype("datetime64[M]")
    except (TypeError, ValueError):
        pass
    raise ConfigError(f"{calibration} is no calibration period", "Give the first and last year, such as (1981, 2010)")
