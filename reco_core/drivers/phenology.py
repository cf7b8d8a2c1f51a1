"""Nine variables of each year that describe the yearly curve of a vegetation index (SCVTG)."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from ..errors import ConfigError, GridError
from ..progress import SILENT, Progress
from .series import year_numbers
from .smoothing import Settings, Smoother

NAMES = ("v_top", "v_bottom", "v75", "v50", "v25", "l75", "l50", "l25", "season_area")
WINDOWS = ("season", "calendar")
METHODS = ("savitzky_golay", "double_logistic", "none")
FLAGS = ("good", "one crossing", "flat", "missing")
CITATION = "Zhu, Zhao, Xie (2023). Agric. For. Meteorol. 331, 109337."


def scvtg(curve: Any, *, tail: float = 0.05) -> dict[str, np.ndarray]:
    r"""Describe yearly curves by their top, bottom and levels, and how long they lie above these.

    The levels are :math:`V_q = V_{top} - (1 - q/100) H` with q = 75, 50, 25 and :math:`H = V_{top} -
    V_{bottom}`; the length of a level is the time between its first and last crossing. With one crossing
    only, it is the time from or to the end of the year at which the curve is high. A flat curve
    (H below 1e-4) has lengths of the whole year.

    Parameters
    ----------
    curve : array of shape (days, ...) [1]
        Smooth daily values of one year; a missing value makes all NaN.
    tail : float
        Share of the days that make top and bottom.

    Returns
    -------
    dict of arrays of shape (...)
        v_top, v_bottom, v75, v50, v25 [as `curve`]; l75, l50, l25 [d]; season_area [d], the sum of the
        daily values; flag, the position in FLAGS.

    References
    ----------
    Zhu, Zhao, Xie (2023). Agric. For. Meteorol. 331, 109337.

    Examples
    --------
    >>> days = np.arange(1, 366)
    >>> made = scvtg(0.4 + 0.3 * np.cos(2 * np.pi * (days - 200) / 365))
    >>> made["v_top"].round(6).item(), made["l75"].round(3).item()
    (0.698794, 121.937)
    """
    from .phenology_kernels import phenology_rows

    values = np.asarray(curve, dtype="float64")
    rows = np.ascontiguousarray(values.reshape(len(values), -1).T)
    out, flags = np.empty((len(rows), 1, len(NAMES))), np.empty((len(rows), 1), dtype="int64")
    phenology_rows(rows, np.arange(1, len(values) + 1), np.array([0, len(values)]), False, _tail(tail), out, flags)
    shape = values.shape[1:]
    made = {name: out[:, 0, k].reshape(shape) for k, name in enumerate(NAMES)}
    return {**made, "flag": flags[:, 0].reshape(shape)}


def _tail(tail: float) -> float:
    if not 0 < tail <= 0.5:
        raise ConfigError(f"A share of {tail:g} of the days cannot make top and bottom",
                          "Give more than 0, at most 0.5")
    return tail


class Phenology:
    """The nine variables of every year, prepared for one time axis.

    Parameters
    ----------
    times : array of shape (time,) (datetime64[D])
    time_step : {"day", "8day", "16day", "week", "month"}
    method : {"savitzky_golay", "double_logistic", "none"}
        How the series is smoothed before; with none a missing value makes its year missing.
    window : {"season", "calendar"}
        season takes twelve months around the day at which the mean over all years of the pixel is largest,
        from 182 days before it, and is labelled with the calendar year that holds this day. calendar takes
        1 January to 31 December; with a growing season around New Year it swaps the lengths of the 75 % and
        25 % levels, because the curve is high at both ends of the year.
    tail : float
        Share of the days that make top and bottom.
    longest_gap : float [d]
        Longer gaps are not filled.
    low, high : float
        Limits of the smooth curve.

    Attributes
    ----------
    times : first days of the years of the result
    counts : dict
        Pixel-years by flag.
    smoother : Smoother

    Raises
    ------
    ConfigError
        A choice is unknown.
    GridError
        The series holds no twelve months.
    """

    def __init__(self, times: Any, time_step: str, *, method: str = "savitzky_golay", window: str = "season",
                 tail: float = 0.05, longest_gap: float = 120.0, low: float = -np.inf, high: float = np.inf) -> None:
        for what, value, choices in (("smoothing", method, METHODS), ("window", window, WINDOWS)):
            if value not in choices:
                raise ConfigError(f"There is no {what} '{value}'", "Use one of: " + ", ".join(choices))
        self.window, self.tail = window, _tail(tail)
        none = method == "none"
        settings = Settings("linear" if none else method, longest_gap=0.0 if none else longest_gap, daily=True,
                            low=low, high=high, gap_by_year=False)
        self.smoother = Smoother(times, time_step, settings)
        days = self.smoother.times
        self._day_of_year = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype("int64") + 1
        self._years = self._complete_years(days)
        self.times = np.array([f"{year:04d}-01-01" for year in self._years], dtype="datetime64[D]")
        edges = np.array([f"{year:04d}-01-01" for year in (*self._years, self._years[-1] + 1)], dtype="datetime64[D]")
        self._starts = (edges - days[0]).astype("int64")
        self.counts = dict.fromkeys(FLAGS, 0)

    def _complete_years(self, days: np.ndarray) -> np.ndarray:
        """Return the years of which twelve months can lie in the series, in a run without holes."""
        from .phenology_kernels import HALF_YEAR

        shifts = np.zeros(1, dtype=int) if self.window == "calendar" else np.arange(365) - HALF_YEAR
        found = []
        for year in np.unique(year_numbers(days)):
            first, after = (np.datetime64(f"{number:04d}-01-01", "D") for number in (year, year + 1))
            if ((first + shifts >= days[0]) & (after + shifts <= days[-1] + 1)).any():
                found.append(int(year))
        if not found:
            raise GridError(f"The series from {days[0]} to {days[-1]} holds no twelve months of a {self.window} year",
                            "Give a longer series")
        return np.arange(found[0], found[-1] + 1)

    def __call__(self, values: Any, quality: Optional[Any] = None, *,
                 progress: Progress = SILENT) -> dict[str, np.ndarray]:
        """Return the nine variables of every pixel and year.

        Parameters
        ----------
        values : array of shape (time, ...) [1]
            NaN where missing.
        quality : array of the same shape, or (time,), optional
            Trust in each value from 0 to 1.

        Returns
        -------
        dict of arrays of shape (years, ...), float32
            As `scvtg`; flag too.
        """
        columns = len(NAMES) + 1
        table = self.smoother.map(values, quality, self._rows, len(self.times) * columns, progress=progress)
        table = table.reshape(len(self.times), columns, *table.shape[1:])
        flags = table[:, -1]
        for number, name in enumerate(FLAGS):
            self.counts[name] += int((flags == number).sum())
        return {**{name: table[:, k] for k, name in enumerate(NAMES)}, "flag": flags}

    def _rows(self, rows: np.ndarray, quality: np.ndarray) -> np.ndarray:
        from .phenology_kernels import phenology_rows

        curves = self.smoother.rows(rows, quality)
        out = np.empty((len(rows), len(self.times), len(NAMES)))
        flags = np.empty((len(rows), len(self.times)), dtype="int64")
        phenology_rows(curves, self._day_of_year, self._starts, self.window == "season", self.tail, out, flags)
        return np.concatenate([out, flags[:, :, None]], axis=2).reshape(len(rows), -1)
