"""Time axes of series that are smoothed: complete, without jumps, and fine enough for curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import GridError
from ..vocabulary.calendar import TIME_STEPS, step_days, step_start

WEEK = 7


@dataclass(frozen=True)
class Steps:
    """Time steps that follow each other without a hole.

    `starts` (time,) are their first days (datetime64[D]), `at` the positions of the given time
    steps among them, `time_step` their length in words.
    """

    starts: np.ndarray
    time_step: str
    at: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Length of each step [d]."""
        return step_days(self.starts, self.time_step)

    @property
    def middles(self) -> np.ndarray:
        """Middle of each step, counted in days so that 0 is the middle of the first day [d]."""
        return (self.starts - self.starts[0]).astype("float64") + (self.lengths - 1) / 2

    @property
    def days(self) -> np.ndarray:
        """Every day from the first to the last one (datetime64[D])."""
        return np.arange(self.starts[0], self.starts[-1] + int(self.lengths[-1]))

    @property
    def missing(self) -> int:
        """How many steps were not given."""
        return self.starts.size - self.at.size


def complete(times: Any, time_step: str) -> Steps:
    """Return the steps from the first to the last of some dates, those in between that lack included.

    Parameters
    ----------
    times : array of shape (time,) (datetime64[D])
        Increasing; any day of a step stands for it.
    time_step : {"day", "8day", "16day", "week", "month"}

    Raises
    ------
    GridError
        Two dates lie in one step or go back in time, or the steps are years.

    Examples
    --------
    >>> steps = complete(np.array(["2001-12-19", "2002-01-09"], "datetime64[D]"), "8day")
    >>> [str(day) for day in steps.starts], steps.at.tolist()
    (['2001-12-19', '2001-12-27', '2002-01-01', '2002-01-09'], [0, 3])
    """
    given = np.asarray(times, dtype="datetime64[D]")
    if time_step not in TIME_STEPS or time_step == "year" or given.size == 0:
        raise GridError(f"A series per {time_step or 'unknown step'} with {given.size} time steps has no yearly curve",
                        "Give daily, 8-day, 16-day, weekly or monthly series")
    starts = step_start(given, time_step)
    if time_step == "week":
        starts = given[0] + WEEK * ((given - given[0]).astype(int) // WEEK)
    wrong = np.flatnonzero(np.diff(starts).astype(int) <= 0)
    if wrong.size:
        before, after = given[wrong[0]], given[wrong[0] + 1]
        raise GridError(f"Time step {wrong[0] + 2} ({after}) does not follow {before} by one step ({time_step})",
                        "Sort the time steps and keep one of each")
    every = np.arange(starts[0], starts[-1] + 1)
    whole = every[::WEEK] if time_step == "week" else np.unique(step_start(every, time_step))
    return Steps(whole, time_step, np.searchsorted(whole, starts))


def composites(daily: Steps) -> tuple[Steps, np.ndarray]:
    """Return the 8-day steps that days lie in, and the first day of each among the days, with the end appended.

    Parameters
    ----------
    daily : Steps
        Of the time step "day".
    """
    starts, first = np.unique(step_start(daily.starts, "8day"), return_index=True)
    steps = Steps(starts, "8day", np.arange(starts.size))
    return steps, np.append(first, daily.starts.size).astype("int64")


def year_numbers(days: np.ndarray) -> np.ndarray:
    """Return the calendar year of each day as a number."""
    return days.astype("datetime64[Y]").astype("int64") + 1970


@dataclass(frozen=True)
class DailyGrid:
    """Where each day lies between the middles of steps, for cubic Hermite curves.

    `left` (day,) is the step before it; `basis` (4, day) weighs value and slope [per day] of that
    step, and value and slope of the next; `step` (day,) is the step that the day belongs to.
    """

    left: np.ndarray
    basis: np.ndarray
    step: np.ndarray


def daily_grid(steps: Steps) -> DailyGrid:
    """Prepare the interpolation from steps to days; before the first and after the last middle the curve is flat."""
    middles, days = steps.middles, np.arange(steps.days.size, dtype="float64")
    left = np.clip(np.searchsorted(middles, days, side="right") - 1, 0, max(middles.size - 2, 0))
    width = np.diff(middles)[left] if middles.size > 1 else np.ones(days.size)
    u = np.clip((days - middles[left]) / width, 0.0, 1.0)
    basis = np.stack([(1 + 2 * u) * (1 - u) ** 2, u * (1 - u) ** 2 * width,
                      u * u * (3 - 2 * u), u * u * (u - 1) * width])
    step = np.clip(np.searchsorted(steps.starts, steps.days, side="right") - 1, 0, None)
    return DailyGrid(left.astype("int64"), np.ascontiguousarray(basis), step.astype("int64"))
