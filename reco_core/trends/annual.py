"""From time steps to years."""

from __future__ import annotations

import numpy as np

from ..vocabulary.calendar import STEPS_PER_YEAR, step_days, step_number, step_start

DAYS_PER_YEAR = 365.2425
BEGIN_ANEW = ("month", "8day", "16day")  # on 1 January: each year has as many steps


def decimal_years(times: np.ndarray, time_step: str) -> np.ndarray:
    """Return times as years; months are twelfths of a year, 8-day steps 46ths, and so evenly spaced.

    Examples
    --------
    >>> decimal_years(np.array(["2001-01", "2001-07"], "datetime64[M]"), "month")
    array([2001. , 2001.5])
    """
    days = step_start(times, time_step)
    year = days.astype("datetime64[Y]").astype(int) + 1970.0
    if time_step == "year":
        return year
    if time_step in BEGIN_ANEW:
        count = STEPS_PER_YEAR[time_step]
        return year + (step_number(days, time_step) % count) / count
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
    Only years whose time steps are all on the axis count. In these a pixel may lack a quarter
    of its time steps: they are filled with its mean of the same month over all years, since a
    sum without them would not be that of a year. With more gaps the year is missing.
    """

    least_share = 0.75

    def __init__(self, times: np.ndarray, time_step: str, how: str = "sum") -> None:
        self.how = "none" if time_step == "year" else how
        self.annual = self.how != "none" or time_step == "year"
        self.dropped_years: list[int] = []
        self.filled = 0  # values of a pixel and year with some time steps filled, of all pieces read out
        years = step_start(times, time_step).astype("datetime64[Y]").astype(int) + 1970
        if self.how == "none":
            self.slots = np.arange(len(times))
            self.times = decimal_years(times, time_step)
        else:
            whole = self._whole_years(times, years, time_step)
            self.slots = np.array([whole.index(year) if year in whole else -1 for year in years], dtype=int)
            self.times = np.array(whole, dtype="float64")
        self._month = step_start(times, time_step).astype("datetime64[M]").astype(int) % 12
        self._expected = np.zeros((self.times.size, 12), dtype=int)
        np.add.at(self._expected, (self.slots[self.slots >= 0], self._month[self.slots >= 0]), 1)

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

    @property
    def kept(self) -> int:
        """How many values each pixel can have."""
        return int(self.times.size)

    @property
    def bytes_per_pixel(self) -> float:
        """What gathering and reading out hold for each pixel [bytes]."""
        return 8.0 * 3 * self.kept + (0.0 if self.how == "none" else 12.0 * self.kept + 8 * 30)

    def start(self, shape: tuple[int, ...]) -> None:
        """Begin with a new piece of the map of this shape."""
        if self.how == "none":
            self._sum = np.full((self.kept, *shape), np.nan)
            return
        self._sum = np.zeros((self.kept, *shape))
        self._count = np.zeros((self.kept, 12, *shape), dtype="uint8")
        self._month_sum = np.zeros((12, *shape))

    def add(self, step: int, values: np.ndarray) -> None:
        """Add the values of time step number `step`; what is not added is missing."""
        slot, month = self.slots[step], self._month[step]
        if slot < 0:
            return
        if self.how == "none":
            self._sum[slot] = values
            return
        known = np.isfinite(values)
        valid = np.where(known, values, 0.0)
        self._sum[slot] += valid
        self._month_sum[month] += valid
        self._count[slot, month] += known

    def values(self) -> np.ndarray:
        """Return what was gathered, shape (year, ...); NaN where a pixel lacks too much of a year."""
        if self.how == "none":
            return self._sum
        known = self._count.sum(axis=0, dtype="int64")
        usual = np.divide(self._month_sum, known, out=np.full(known.shape, np.nan), where=known > 0)
        result = self._sum.copy()
        for slot, expected in enumerate(self._expected):
            for month in np.flatnonzero(expected):
                lacking = expected[month] - self._count[slot, month].astype("int64")
                result[slot] += np.where(lacking > 0, lacking * usual[month], 0.0)
            share = self._count[slot].sum(axis=0, dtype="int64") / expected.sum()
            result[slot][share < self.least_share] = np.nan
            self.filled += int((np.isfinite(result[slot]) & (share < 1)).sum())
            if self.how == "mean":
                result[slot] /= expected.sum()
        return result
