"""From time steps to years."""

from __future__ import annotations

import numpy as np

from ..vocabulary.calendar import step_days, step_start

DAYS_PER_YEAR = 365.2425


def decimal_years(times: np.ndarray, time_step: str) -> np.ndarray:
    """Return times as years; months are twelfths of a year and so evenly spaced.

    Examples
    --------
    >>> decimal_years(np.array(["2001-01", "2001-07"], "datetime64[M]"), "month")
    array([2001. , 2001.5])
    """
    days = step_start(times, time_step)
    year = days.astype("datetime64[Y]").astype(int) + 1970.0
    if time_step == "year":
        return year
    if time_step == "month":
        return year + (days.astype("datetime64[M]").astype(int) % 12) / 12.0
    return 1970.0 + days.astype(int) / DAYS_PER_YEAR


class AnnualSeries:
    """Gathers time steps, one after the other, into years.

    Parameters
    ----------
    times : array of datetime64, shape (time,)
    time_step : str
        Length of a time step.
    how : {"sum", "mean", "none"}
        none keeps the time steps. Annual data are kept as they are in any case.

    Notes
    -----
    Only years whose time steps are all there count, and a pixel has a value only in years
    in which none of its time steps is missing: a sum over fewer months is no annual sum.
    """

    def __init__(self, times: np.ndarray, time_step: str, how: str = "sum") -> None:
        self.how = "none" if time_step == "year" else how
        self.annual = self.how != "none" or time_step == "year"
        years = step_start(times, time_step).astype("datetime64[Y]").astype(int) + 1970
        self.dropped_years: list[int] = []
        if self.how == "none":
            self.slots = np.arange(len(times))
            self.times = decimal_years(times, time_step)
        else:
            whole = self._whole_years(times, years, time_step)
            self.slots = np.array([whole.index(year) if year in whole else -1 for year in years], dtype=int)
            self.times = np.array(whole, dtype="float64")
        self._per_year = np.bincount(self.slots[self.slots >= 0], minlength=self.times.size)

    def _whole_years(self, times: np.ndarray, years: np.ndarray, time_step: str) -> list[int]:
        days = step_days(times, time_step)
        slack = 7 if time_step == "week" else 0
        whole = []
        for year in np.unique(years):
            length = int((np.datetime64(f"{year + 1}-01-01") - np.datetime64(f"{year}-01-01")).astype(int))
            if days[years == year].sum() >= length - slack:
                whole.append(int(year))
            else:
                self.dropped_years.append(int(year))
        return whole

    def start(self, shape: tuple[int, ...]) -> None:
        """Begin with a new piece of the map of this shape."""
        self._values = np.zeros((self.times.size, *shape))
        self._added = np.zeros(self.times.size, dtype=int)

    def add(self, step: int, values: np.ndarray) -> None:
        """Add the values of time step number `step`; missing ones make their year missing."""
        slot = self.slots[step]
        if slot >= 0:
            self._values[slot] += values
            self._added[slot] += 1

    def values(self) -> np.ndarray:
        """Return what was gathered, shape (year, ...); years with steps that were not added are missing."""
        self._values[self._added < self._per_year] = np.nan
        if self.how == "mean":
            shape = (-1,) + (1,) * (self._values.ndim - 1)
            return self._values / self._per_year.reshape(shape)
        return self._values

    @property
    def kept(self) -> int:
        """How many values each pixel can have."""
        return int(self.times.size)
