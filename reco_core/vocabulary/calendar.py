"""Time steps: their starts, lengths and labels."""

from __future__ import annotations

import numpy as np

from ..errors import GridError

TIME_STEPS = ("day", "8day", "16day", "week", "month", "year")
STEPS_PER_YEAR = {"day": 365, "8day": 46, "16day": 23, "week": 52, "month": 12, "year": 1}
SUB_DAILY = {"half-hour": 1 / 48, "hour": 1 / 24}  # length [d]
_COMPOSITES = {"8day": 8, "16day": 16}  # begin anew on 1 January


def step_start(times: np.ndarray, time_step: str) -> np.ndarray:
    """Return the first day of the step that each time lies in (datetime64[D])."""
    days = np.asarray(times, dtype="datetime64[D]")
    if time_step in ("month", "year"):
        return days.astype(f"datetime64[{time_step[0].upper()}]").astype("datetime64[D]")
    if time_step in _COMPOSITES:
        year = days.astype("datetime64[Y]").astype("datetime64[D]")
        length = _COMPOSITES[time_step]
        return year + length * ((days - year).astype(int) // length)
    return days


def step_days(times: np.ndarray, time_step: str) -> np.ndarray:
    """Return the length of each step [d]; the last 8-day step of a year has 5 or 6 days, the last 16-day one 13 or 14.

    Examples
    --------
    >>> step_days(np.array(["2004-02-01", "2003-02-01"], "datetime64[D]"), "month")
    array([29., 28.])
    """
    start = step_start(times, time_step)
    if time_step in ("month", "year"):
        coarse = start.astype(f"datetime64[{time_step[0].upper()}]")
        return ((coarse + 1).astype("datetime64[D]") - start).astype("float64")
    if time_step in _COMPOSITES:
        next_year = (start.astype("datetime64[Y]") + 1).astype("datetime64[D]")
        return np.minimum(_COMPOSITES[time_step], (next_year - start).astype(int)).astype("float64")
    return np.full(start.shape, 7.0 if time_step == "week" else 1.0)


def step_number(times: np.ndarray, time_step: str) -> np.ndarray:
    """Return the number of each step, counted without gaps from one to the next.

    Examples
    --------
    >>> step_number(np.array(["2003-12-27", "2004-01-01"], "datetime64[D]"), "8day").tolist()
    [92183, 92184]
    """
    days = np.asarray(times, dtype="datetime64[D]")
    year = days.astype("datetime64[Y]").astype("int64") + 1970
    if time_step in _COMPOSITES:
        length = _COMPOSITES[time_step]
        in_year = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype("int64")
        return year * -(-366 // length) + in_year // length
    if time_step == "month":
        return days.astype("datetime64[M]").astype("int64")
    return {"year": year, "week": days.astype("int64") // 7}.get(time_step, days.astype("int64"))


def step_day(times: np.ndarray, time_step: str) -> np.ndarray:
    """Return the day of the year in the middle of each step.

    Examples
    --------
    >>> step_day(np.array(["2003-01-01", "2003-02-01"], "datetime64[D]"), "month")
    array([16.5, 46. ])
    """
    start = step_start(times, time_step)
    first = start.astype("datetime64[Y]").astype("datetime64[D]")
    return (start - first).astype("float64") + 1 + step_days(times, time_step) / 2


def step_label(time: np.datetime64, time_step: str) -> str:
    """Return the band description of a step: YYYY, YYYY-MM or YYYY-MM-DD."""
    width = {"year": 4, "month": 7}.get(time_step, 10)
    return str(np.asarray(time, dtype="datetime64[D]"))[:width]


def infer_time_step(times: np.ndarray) -> str:
    """Return the time step of a series of dates.

    Raises
    ------
    GridError
        The dates do not follow each other in days, 8-day steps, weeks, months or years.
    """
    days = np.asarray(times, dtype="datetime64[D]")
    if days.size < 2:
        raise GridError("One time step alone does not tell its length", "Give the time step")
    gaps = np.diff(days).astype(int)
    if (gaps <= 0).any():
        at = int(np.argmax(gaps <= 0)) + 1
        raise GridError(f"The dates do not increase: {days[at]} follows {days[at - 1]}",
                        "Sort the time steps and remove doubles")
    typical = float(np.median(gaps))
    for name, low, high in (("day", 1, 1), ("8day", 8, 8), ("16day", 16, 16), ("week", 7, 7), ("month", 28, 31),
                            ("year", 360, 366)):
        if low <= typical <= high:
            return name
    if 14 <= typical < 16:
        raise GridError("A half-month step is no calendar RECO has",
                        "Average both halves of each month first, for example with cdo monmean in.nc out.nc, or give "
                        "8-day or 16-day data")
    raise GridError(f"A step of {typical:g} days is no calendar RECO knows",
                    "Use daily, 8-day, 16-day, weekly, monthly or annual data")


def parse_period(text: str | None) -> tuple[np.datetime64 | None, np.datetime64 | None]:
    """Return first and last day of a period written as FIRST/LAST.

    Examples
    --------
    >>> [str(day) for day in parse_period("2001/2002-02")]
    ['2001-01-01', '2002-02-28']
    """
    if not text:
        return None, None
    parts = text.split("/")
    if len(parts) == 1:
        parts = parts * 2
    try:
        first, last = (np.datetime64(part.strip()) for part in parts)
        start, end = first.astype("datetime64[D]"), (last + 1).astype("datetime64[D]") - 1
        if not start <= end:  # also where an end is empty
            raise ValueError
        return start, end
    except ValueError:
        raise GridError(f"'{text}' is not a period", "Write it as 2001-01/2010-12 or 1950/1999") from None
