"""Drivers aggregated in time: means, totals, medians, extremes and the most frequent class of longer steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ConfigError, GridError
from ..progress import SILENT, Progress
from ..vocabulary.calendar import TIME_STEPS, step_days, step_start
from . import composite_kernels as kernels
from .labelled import Labelled
from .series import complete

METHODS = ("mean", "sum", "median", "min", "max", "majority")
BELONGS = ("middle", "share")
BY_DAYS = ("mean", "sum")  # methods that can split a step
COARSER = {"day": ("8day", "16day", "week", "month", "year"), "8day": ("16day", "month", "year"),
           "week": ("16day", "month", "year"), "16day": ("month", "year"), "month": ("year",), "year": ()}
ROUNDING = 1e-9


def middle_days(times: Any, time_step: str) -> np.ndarray:
    """Return the middle day of each step: the fifth of eight, the 16th of a month of 30 or 31 days.

    Parameters
    ----------
    times : array of datetime64
        Any day of each step; of a week its first.
    time_step : str

    Examples
    --------
    >>> [str(day) for day in middle_days(np.array(["2003-02-01", "2003-03-01"]), "month")]
    ['2003-02-15', '2003-03-16']
    """
    starts = step_start(times, time_step)
    return starts + (step_days(starts, time_step) // 2).astype(int)


@dataclass(frozen=True)
class Plan:
    """Which time steps go into which result.

    The time steps `steps[first[r]:first[r + 1]]`, counted in the input, make result `r` with the
    weights [d] at the same places; `full` (results,) is the weight that a result without gaps has,
    `lengths` (results,) the length of its step [d].
    """

    times: np.ndarray
    time_step: str
    first: np.ndarray
    steps: np.ndarray
    weights: np.ndarray
    full: np.ndarray
    lengths: np.ndarray


def plan(times: Any, time_step: str, to: str, belongs: str = "middle") -> Plan:
    """Say which time steps go into which step of a coarser calendar.

    Parameters
    ----------
    times : array of shape (time,) (datetime64[D])
        Increasing first days of the steps.
    time_step, to : str
        Of the series and of the result.
    belongs : {"middle", "share"}
        A step that reaches into two steps of the result belongs to that of its middle day, or to
        both with the days that it has in each.

    Raises
    ------
    GridError
        The result would not be coarser, or the dates go back.
    ConfigError
        There is no such way to belong.

    Examples
    --------
    >>> made = plan(np.arange("2001-01-01", "2001-03-01", dtype="datetime64[D]"), "day", "month")
    >>> [str(day) for day in made.times], made.full.tolist()
    (['2001-01-01', '2001-02-01'], [31.0, 28.0])
    """
    if belongs not in BELONGS:
        raise ConfigError(f"'{belongs}' is no way to share steps", "Choose: " + ", ".join(BELONGS))
    given = np.asarray(times, dtype="datetime64[D]")
    coarser = COARSER.get(time_step, ())
    if to not in TIME_STEPS or to not in coarser:
        raise GridError(f"Drivers with one step per {time_step or 'unknown time'} cannot be aggregated to '{to}'",
                        f"Choose a longer step: {', '.join(coarser)}" if coarser else "Give drivers of shorter steps")
    series = complete(given, time_step)
    every = _around(series.starts, time_step)
    owner, step, days = _pairs(every, time_step, to, belongs)
    starts, at = np.unique(owner, return_inverse=True)
    full = np.bincount(at, days, minlength=starts.size)
    place = np.full(every.size, -1)
    place[np.searchsorted(every, series.starts[series.at])] = np.arange(given.size)
    there = np.flatnonzero(place[step] >= 0)
    there = there[np.argsort(at[there], kind="stable")]
    counts = np.bincount(at[there], minlength=starts.size)
    kept = counts > 0
    return Plan(starts[kept], to, np.concatenate([[0], np.cumsum(counts[kept])]).astype("int64"),
                place[step[there]].astype("int64"), days[there], full[kept], step_days(starts[kept], to))


def _around(starts: np.ndarray, time_step: str) -> np.ndarray:
    """Return the steps of a series and all of its first and last year, so that results at its ends have all steps."""
    if time_step == "week":
        return np.arange(starts[0] - 7 * 53, starts[-1] + 7 * 54, 7)
    days = np.arange(starts[0].astype("datetime64[Y]").astype("datetime64[D]"),
                     (starts[-1].astype("datetime64[Y]") + 1).astype("datetime64[D]"))
    return np.unique(step_start(days, time_step))


def _pairs(starts: np.ndarray, time_step: str, to: str, belongs: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return first day of the result, number of the step, and its days in it, for each pair that meets."""
    lengths = step_days(starts, time_step)
    if belongs == "middle":
        return step_start(middle_days(starts, time_step), to), np.arange(starts.size), lengths
    step = np.repeat(np.arange(starts.size), lengths.astype(int))
    offset = np.arange(step.size) - np.repeat(np.cumsum(lengths) - lengths, lengths.astype(int)).astype(int)
    owner = step_start(starts[step] + offset, to)
    new = np.r_[True, (owner[1:] != owner[:-1]) | (step[1:] != step[:-1])]
    place = np.flatnonzero(new)
    return owner[place], step[place], np.diff(np.r_[place, step.size]).astype("float64")


class Composite:
    """Aggregates series of one calendar to a coarser one; made once, used for every tile.

    Parameters
    ----------
    times : array of shape (time,) (datetime64[D])
        Increasing first days of the steps.
    time_step, to : str
        Of the series and of the result.
    belongs : {"middle", "share"}
        See `plan`; only means and sums can be shared, other methods take the middle day.
    least_share : float
        A result needs at least this share of its time steps, by days.

    Raises
    ------
    GridError
        The result would not be coarser, or the dates go back.
    """

    def __init__(self, times: Any, time_step: str, to: str, *, belongs: str = "middle",
                 least_share: float = 0.2) -> None:
        self.shared = plan(times, time_step, to, belongs)
        self.whole = self.shared if belongs == "middle" else plan(times, time_step, to, "middle")
        self.count = len(np.asarray(times))
        self.least_share = least_share
        # steps whose middle day lies elsewhere may give a result to one rule and none to the other
        self.times = np.union1d(self.shared.times, self.whole.times)
        self.time_step = to

    def __call__(self, values: np.ndarray, method: str = "mean", *, progress: Progress = SILENT) -> np.ndarray:
        """Aggregate an array.

        Parameters
        ----------
        values : array of shape (time, ...) [any unit; of totals a unit per day]
            NaN where missing.
        method : {"mean", "sum", "median", "min", "max", "majority"}
            Means weigh each time step by its days. A sum is that mean times the days of the step,
            so that gaps count as the mean of the rest. Of classes equally frequent the smallest counts.

        Returns
        -------
        array of shape (results, ...), float32 [unit of `values`; of sums per step instead of per day]
            NaN where less than `least_share` of the steps is there.

        Raises
        ------
        ConfigError
            There is no such method, or not one value per time.
        """
        if method not in METHODS:
            raise ConfigError(f"There is no method '{method}'", "Choose: " + ", ".join(METHODS))
        values = np.asarray(values)
        if values.shape[0] != self.count:
            raise ConfigError(f"There are {values.shape[0]} time steps for {self.count} dates",
                              "Give one date for each time step")
        chosen = self.shared if method in BY_DAYS else self.whole
        flat = np.ascontiguousarray(values, dtype="float32").reshape(values.shape[0], -1)
        result = np.empty((chosen.times.size, flat.shape[1]), dtype="float32")
        least = self.least_share * chosen.full * (1 - ROUNDING)
        arguments = (flat, chosen.first, chosen.steps, chosen.weights, least)
        if method in BY_DAYS:
            factor = chosen.lengths if method == "sum" else np.ones(chosen.times.size)
            kernels.weighted_means(*arguments, factor, result)
        elif method == "median":
            kernels.medians(*arguments, result)
        elif method == "majority":
            kernels.majorities(*arguments, result)
        else:
            kernels.extremes(*arguments, method == "max", result)
        progress.check()
        return self._on_all(chosen, result).reshape(-1, *values.shape[1:])

    def _on_all(self, chosen: Plan, result: np.ndarray) -> np.ndarray:
        if chosen.times.size == self.times.size:
            return result
        every = np.full((self.times.size, result.shape[1]), np.nan, dtype="float32")
        every[np.searchsorted(self.times, chosen.times)] = result
        return every


def composite(values: Any, to: str = "month", method: str = "mean", *, times: Any = None, time_step: str = "day",
              belongs: str = "middle", least_share: float = 0.2) -> Any:
    """Aggregate a series in time.

    Parameters
    ----------
    values : array of shape (time, ...), or DataArray with a dimension time
        NaN where missing.
    to : {"8day", "16day", "month", "year"}
    method : {"mean", "sum", "median", "min", "max", "majority"}
        See `Composite`.
    times : array of shape (time,) (datetime64[D])
        First days of the steps; of a DataArray its coordinate.
    time_step : str
        Of the series.
    belongs : {"middle", "share"}
    least_share : float

    Returns
    -------
    array of shape (results, ...), float32, or DataArray

    Raises
    ------
    GridError
        The result would not be coarser, or the dates go back.
    ConfigError
        There is no such method, or there are no dates.

    Examples
    --------
    >>> days = np.arange("2001-01-01", "2001-03-01", dtype="datetime64[D]")
    >>> composite(np.ones(59), "month", "sum", times=days)
    array([31., 28.], dtype=float32)
    """
    given = Labelled.of(values)
    dates = given.times if times is None else times
    if dates is None:
        raise ConfigError("The series has no dates", "Give times")
    made = Composite(dates, time_step, to, belongs=belongs, least_share=least_share)
    result = made(given.values, method)
    if given.source is None:
        return result
    turned = given.source.transpose("time", ...).isel(time=np.zeros(len(result), dtype=int))
    turned = turned.assign_coords(time=made.times.astype("datetime64[ns]"))
    return turned.copy(data=result).transpose(*given.source.dims)
