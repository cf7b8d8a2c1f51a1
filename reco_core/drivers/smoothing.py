"""Smooth vegetation series: Savitzky-Golay upper envelope, double logistic, or filled gaps alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from threading import Lock
from typing import Any, Callable, Optional

import numpy as np

from ..errors import ConfigError, GridError, SchemaError
from ..progress import SILENT, Progress
from ..threads import in_threads
from ..vocabulary.calendar import STEPS_PER_YEAR
from .series import Steps, complete, composites, daily_grid, year_numbers

METHODS = ("savitzky_golay", "double_logistic", "linear")
TRENDS = ("left_out", "residual")
CITATIONS = {
    "savitzky_golay": ("Chen, J. et al. (2004). Remote Sens. Environ. 91, 332-344. doi:10.1016/j.rse.2004.03.014",),
    "double_logistic": (
        "Jönsson, P., Eklundh, L. (2004). Comput. Geosci. 30, 833-845. doi:10.1016/j.cageo.2004.05.006",
        "Chen, J. et al. (2004). Remote Sens. Environ. 91, 332-344. doi:10.1016/j.rse.2004.03.014"),
}
TREND_HALVES = (3, 4, 5, 6, 7)
TREND_DEGREES = (2, 4)  # 3 gives the same filter as 2
FEWEST = 8
VALUES_PER_TASK = 1 << 18


def taps(half_window: int, degree: int) -> np.ndarray:
    """Return the weights of a Savitzky-Golay filter: of the middle and of both neighbours at 1, 2, ... steps.

    Parameters
    ----------
    half_window : int
        Steps on each side.
    degree : int
        Of the polynomial; odd degrees give the filter of the even one below.

    Returns
    -------
    array of shape (half_window + 1,)

    Raises
    ------
    ConfigError
        The polynomial goes through all points of the window, so nothing would be smoothed.

    Examples
    --------
    >>> (taps(2, 2) * 35).round(9).tolist()
    [17.0, 12.0, -3.0]
    """
    if half_window < 1 or degree < 0 or degree >= 2 * half_window:
        raise ConfigError(f"A polynomial of degree {degree} through a window of {2 * half_window + 1} steps smooths "
                          f"nothing (half_window={half_window})",
                          "Take a degree of at most twice half_window less 1, for example half_window=4, degree=6")
    at = np.arange(-half_window, half_window + 1) / half_window
    basis, _ = np.linalg.qr(np.vander(at, degree + 1, increasing=True))
    weights = basis @ basis[half_window]
    return np.ascontiguousarray(weights[half_window:])


def savitzky_golay(values: Any, half_window: int = 4, degree: int = 6) -> np.ndarray:
    """Filter complete series; both ends are mirrored.

    Parameters
    ----------
    values : array of shape (time, ...) [any]
        Without missing values; longer than `half_window`.
    half_window, degree : int
        See `taps`.

    Returns
    -------
    array of the same shape, float64 [as values]
        Polynomials up to `degree` pass unchanged, but for `half_window` steps at the ends.

    References
    ----------
    Savitzky, A., Golay, M. J. E. (1964). Anal. Chem. 36, 1627-1639. doi:10.1021/ac60214a047
    """
    from .smooth_kernels import filtered

    weights = taps(half_window, degree)
    series = np.asarray(values, dtype="float64")
    if len(series) <= half_window:
        raise GridError(f"A series of {len(series)} time steps is too short for half_window={half_window}",
                        "Take a smaller window or a longer series")
    rows = np.ascontiguousarray(series.reshape(len(series), -1).T)
    out, padded = np.empty_like(rows), np.empty(len(series) + 2 * half_window)
    for row, result in zip(rows, out):
        filtered(row, half_window, weights, 0, padded, result)
    return out.T.reshape(series.shape)


@dataclass(frozen=True)
class Settings:
    """How series are smoothed; see `Smoother`."""

    method: str = "savitzky_golay"
    half_window: int = 4
    degree: int = 6
    longest_gap: float = 120.0
    daily: bool = False
    low: float = -np.inf
    high: float = np.inf
    gap_by_year: bool = True
    trend: str = "left_out"


class Smoother:
    """A way of smoothing, prepared for one time axis.

    Parameters
    ----------
    times : array of shape (time,) (datetime64[D])
        Increasing; steps that lack in between are taken as missing values.
    time_step : {"day", "8day", "16day", "week", "month"}
        Daily series are reduced to 8-day medians first, but for the method "linear". At both ends the
        filters take the values of the neighbouring year; a series of less than a year is mirrored.
    settings : Settings
        `method` is one of METHODS; `half_window` and `degree` are those of the envelope; a gap longer
        than `longest_gap` [d] (half of that at the ends) stays missing, and with `gap_by_year` each
        year that it reaches into; `daily` interpolates the result to days by a monotone cubic;
        the result is limited to `low`..`high`. `trend` chooses the filter of the trend: "residual" by the
        least squared residual, which nearly always takes the narrowest window; "left_out" by the least
        squared residual of values that the filter does not see, which tells clouds from the season.

    Attributes
    ----------
    times, time_step : of the result
    counts : Counter
        `empty` pixels with fewer than 8 values, `removed` pixels with a gap too long; of
        double_logistic also `seasons` and the `fallback` seasons among them.

    Raises
    ------
    ConfigError
        Unknown method, or a degree that does not fit the window.
    GridError
        The series is too short, or its steps are no calendar.
    """

    def __init__(self, times: Any, time_step: str, settings: Settings) -> None:
        if settings.method not in METHODS:
            raise ConfigError(f"There is no way of smoothing '{settings.method}'", "Use one of: " + ", ".join(METHODS))
        if settings.trend not in TRENDS:
            raise ConfigError(f"The trend cannot be chosen by '{settings.trend}'", "Use one of: " + ", ".join(TRENDS))
        self.settings = settings
        self.given = complete(times, time_step)
        self._taps = taps(settings.half_window, settings.degree)
        self._groups: Optional[np.ndarray] = None
        self.steps: Steps = self.given
        if time_step == "day" and settings.method != "linear":
            self.steps, self._groups = composites(self.given)
        self._check_length()
        self.times = self.steps.days if settings.daily else self.steps.starts
        self.time_step = "day" if settings.daily else self.steps.time_step
        self._grid = daily_grid(self.steps)
        self._years = year_numbers(self.steps.starts)
        options = [(half, degree) for half in TREND_HALVES for degree in TREND_DEGREES
                   if 2 * half < max(self.steps.starts.size, 2 * TREND_HALVES[0] + 1)]
        period = STEPS_PER_YEAR[self.steps.time_step]
        widest = max(settings.half_window, *(half for half, _ in options))
        self._period = period if widest <= period <= self.steps.starts.size else 0
        self._halves = np.array([half for half, _ in options])
        self._trend_taps = np.zeros((len(options), TREND_HALVES[-1] + 1))
        for row, (half, degree) in zip(self._trend_taps, options):
            row[:half + 1] = taps(half, degree)
        # a linear filter misses a value that it does not see by its residual / (1 - weight of the middle)
        self._factors = (1 - self._trend_taps[:, 0]) ** -2.0 if settings.trend == "left_out" else np.ones(len(options))
        self.counts: Counter[str] = Counter()
        self._lock = Lock()

    def _check_length(self) -> None:
        size, step = self.steps.starts.size, self.steps.time_step
        wanted = 1 if self.settings.method == "linear" else max(FEWEST, 2 * self.settings.half_window + 1)
        if size < wanted:
            raise GridError(f"The series has {size} time steps ({step}) and the method {self.settings.method} with "
                            f"half_window={self.settings.half_window} needs {wanted}",
                            "Give a longer period, or take a smaller window or the method linear")

    def __call__(self, values: Any, quality: Optional[Any] = None, *,
                 progress: Progress = SILENT) -> np.ndarray:
        """Smooth every pixel.

        Parameters
        ----------
        values : array of shape (time, ...) [any]
            NaN where missing.
        quality : array of the same shape, or (time,) [1], optional
            Trust in each value from 0 (bad) to 1 (good); NaN counts as 0.

        Returns
        -------
        array of shape (result time, ...), float32 [as values]

        Raises
        ------
        SchemaError
            Values or quality do not have one value per time step.
        """
        return self.map(values, quality, self.rows, self.times.size, progress=progress)

    def map(self, values: Any, quality: Optional[Any], work: Callable[[np.ndarray, np.ndarray], np.ndarray],
            size: int, *, progress: Progress = SILENT) -> np.ndarray:
        """Apply `work` to blocks of rows on all cores.

        Parameters
        ----------
        values, quality
            As in `__call__`.
        work : function of rows (n, time) and their quality ((n, time), or (1, 0) for none)
            Returns an array of shape (n, size).
        size : int

        Returns
        -------
        array of shape (size, ...), float32
        """
        cube = np.asarray(values)
        self._check_shapes(cube, quality)
        flat = cube.reshape(len(cube), -1)
        good = None if quality is None else np.asarray(quality)
        good = None if good is None or good.ndim == 1 else good.reshape(len(cube), -1)
        out = np.empty((size, flat.shape[1]), dtype="float32")
        block = int(np.clip(VALUES_PER_TASK // max(len(self.given.days), size), 1, 4096))

        def task(start: int) -> None:
            part = slice(start, min(start + block, flat.shape[1]))
            trusted = self._quality_rows(quality, good, part)
            out[:, part] = work(self._spread(flat[:, part]), trusted).T

        in_threads(task, range(0, flat.shape[1], block), progress)
        return out.reshape(size, *cube.shape[1:])

    def _check_shapes(self, cube: np.ndarray, quality: Optional[Any]) -> None:
        wanted = self.given.at.size
        if len(cube) != wanted:
            raise SchemaError(f"The series has {len(cube)} values for {wanted} time steps", "Give one value for each")
        if quality is not None and np.shape(quality) not in (cube.shape, cube.shape[:1]):
            raise SchemaError(f"The quality weights have the shape {np.shape(quality)} and the series {cube.shape}",
                              "Give a weight from 0 to 1 for each value, on the same grid and time steps")

    def _spread(self, part: np.ndarray) -> np.ndarray:
        """Return series as rows on the complete axis."""
        rows = np.full((part.shape[1], self.given.starts.size), np.nan)
        rows[:, self.given.at] = part.T
        return rows

    def _quality_rows(self, quality: Optional[Any], good: Optional[np.ndarray], part: slice) -> np.ndarray:
        if quality is None:
            return np.empty((1, 0))
        return self._spread(np.asarray(quality)[:, None] if good is None else good[:, part])

    def rows(self, rows: np.ndarray, quality: np.ndarray) -> np.ndarray:
        """Smooth rows on the complete axis of the input; return rows on the axis of the result.

        Parameters
        ----------
        rows : array of shape (n, time) [any]
        quality : array of shape (n, time) [1], or (1, 0) for none

        Returns
        -------
        array of shape (n, result time)
        """
        from .smooth_kernels import daily_rows, finish_rows, median_rows, prepare_rows

        settings, size = self.settings, self.steps.starts.size
        if self._groups is not None:
            values, good = np.empty((len(rows), size)), np.empty((len(rows), size))
            median_rows(rows, quality, self._groups, values, good)
            rows, quality = values, good
        elif settings.method == "linear" and quality.size:
            quality = np.where(quality > 0, 1.0, 0.0)
        weights, filled = np.empty((len(rows), size)), np.empty((len(rows), size))
        mask = np.empty((len(rows), size), dtype=bool)
        prepare_rows(rows, quality, self.steps.lengths, self._years, settings.longest_gap, settings.gap_by_year,
                     1 if settings.method == "linear" else FEWEST, weights, filled, mask)
        empty = np.isnan(filled[:, 0])
        self._count(empty=int(empty.sum()), removed=int((mask.any(axis=1) & ~empty).sum()))
        smooth = filled if settings.method == "linear" else self._envelope(filled, weights)
        step = np.arange(size)
        if settings.daily or settings.method == "double_logistic":
            curve = np.empty((len(rows), self._grid.left.size))
            daily_rows(smooth, self.steps.middles, self._grid.left, self._grid.basis, curve)
            if settings.method == "double_logistic":
                smooth = self._seasons(rows, weights, smooth, curve)
            else:
                smooth = curve
            step = self._grid.step if settings.daily else step
        finish_rows(smooth, mask, step, settings.low, settings.high)
        return smooth

    def _envelope(self, filled: np.ndarray, weights: np.ndarray) -> np.ndarray:
        from .smooth_kernels import envelope_rows

        smooth = np.empty_like(filled)
        envelope_rows(filled, weights, self._halves, self._trend_taps, self._factors, self.settings.half_window,
                      self._taps, self._period, smooth)
        return smooth

    def _seasons(self, rows: np.ndarray, weights: np.ndarray, envelope: np.ndarray, curve: np.ndarray) -> np.ndarray:
        """Return double logistic curves; `curve` is the envelope of each day."""
        from .double_logistic import season_curves

        targets = np.arange(curve.shape[1], dtype="float64") if self.settings.daily else self.steps.middles
        otherwise = curve if self.settings.daily else envelope
        smooth, seasons, fallback = season_curves(rows, weights, envelope, curve, otherwise, steps=self.steps,
                                                  targets=targets)
        self._count(seasons=seasons, fallback=fallback)
        return smooth

    def _count(self, **numbers: int) -> None:
        with self._lock:
            self.counts.update(numbers)
