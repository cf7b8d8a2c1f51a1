"""Dates in the words of files: band descriptions, tags, file names, CF times."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any, Sequence

import numpy as np

from ..deps import need
from ..errors import ConfigError, GridError
from ..vocabulary.calendar import infer_time_step, step_days, step_start

FIRST_YEAR, LAST_YEAR = 1700, 2261
COMPOSITES = ("8day", "16day")
EARLY_DAYS = 2  # some archives count the days of leap years wrong
_PRECISE = {4: "year", 7: "month"}
_TEXT = re.compile(r"\D{0,1}(\d{4})(?:[-_./ ](\d{1,2})(?:[-_./ ](\d{1,2}))?)?(?:[T ][\d:.]+Z?)?")
_COMPACT = re.compile(r"[A-Za-z]?(\d{4})(\d{2})(\d{2})?")
_DAY_OF_YEAR = re.compile(r"[A-Za-z]?(\d{4})[-_.]?(\d{3})")
_IN_NAME = (
    re.compile(r"(?<!\d)(?P<y>\d{4})(?P<s>[-_.]?)(?P<m>\d{2})(?P=s)(?P<d>\d{2})(?!\d)"),
    re.compile(r"(?<![A-Za-z0-9])[AaDd]?(?P<y>\d{4})[-_.]?(?P<j>\d{3})(?!\d)"),
    re.compile(r"(?<!\d)(?P<y>\d{4})[-_.]?[Mm]?(?P<m>\d{2})(?!\d)"),
    re.compile(r"(?<![A-Za-z0-9])(?P<m>0[1-9]|1[0-2])[-_.](?P<y>\d{4})(?!\d)"),
    re.compile(r"(?<!\d)(?P<y>\d{4})(?!\d)"),
)


@dataclass(frozen=True)
class Stamp:
    """A date and how precisely it is known: year, month, or day."""

    date: np.datetime64
    precision: str


def _stamp(year: Any, month: Any = None, day: Any = None, *, day_of_year: Any = None) -> Stamp | None:
    try:
        if not FIRST_YEAR <= int(year) <= LAST_YEAR:
            return None
        if day_of_year is not None:
            date = np.datetime64(f"{int(year):04d}-01-01") + (int(day_of_year) - 1)
            inside = 1 <= int(day_of_year) and date.astype("datetime64[Y]") == np.datetime64(f"{int(year):04d}")
            return Stamp(date, "day") if inside else None
        text = "-".join(f"{int(part):02d}" for part in (year, month, day) if part is not None)
        precision = {4: "year", 7: "month", 10: "day"}[len(text)]
        return Stamp(np.datetime64(text).astype("datetime64[D]"), precision)
    except ValueError:
        return None


def read_stamp(text: str | None) -> Stamp | None:
    """Return the date that a whole text is, or None.

    Examples
    --------
    >>> read_stamp("2001-02"), read_stamp("A2001033").date, read_stamp("band 3")
    (Stamp(date=np.datetime64('2001-02-01'), precision='month'), np.datetime64('2001-02-02'), None)
    """
    if not text:
        return None
    for pattern in (_TEXT, _COMPACT):
        match = pattern.fullmatch(text.strip())
        if match:
            found = _stamp(*(part for part in match.groups()))
            if found:
                return found
    match = _DAY_OF_YEAR.fullmatch(text.strip())
    return _stamp(match.group(1), day_of_year=match.group(2)) if match else None


def date_in_name(stem: str) -> tuple[Stamp | None, str]:
    """Return the date in a file name and what remains of the name without it.

    Examples
    --------
    >>> date_in_name("MOD_2001_01_lai")
    (Stamp(date=np.datetime64('2001-01-01'), precision='month'), 'MOD_lai')
    >>> date_in_name("ndvi_2001_2010")  # a period is no date
    (None, 'ndvi_2001_2010')
    """
    for pattern in _IN_NAME:
        found = []
        for match in pattern.finditer(stem):
            parts = match.groupdict()
            stamp = _stamp(parts["y"], parts.get("m"), parts.get("d"), day_of_year=parts.get("j"))
            if stamp is not None:
                found.append((match, stamp))
        if len(found) == 1:
            match, stamp = found[0]
            rest = f"{stem[:match.start()].rstrip('-_. ')}_{stem[match.end():].lstrip('-_. ')}"
            return stamp, rest.strip("_")
        if found:
            return None, stem
    return None, stem


@dataclass(frozen=True)
class Axis:
    """Time steps: their first days (datetime64[D]) and their length; empty where one date does not tell it."""

    times: np.ndarray
    time_step: str


def axis_of(stamps: Sequence[Stamp], where: str, time_step: str = "auto") -> Axis:
    """Return the time axis of a series of dates.

    Parameters
    ----------
    stamps : sequence of Stamp
        In the order of the bands.
    where : str
        File, for messages.
    time_step : str
        What the user says it is, or auto.

    Raises
    ------
    GridError
        The dates do not increase, are in no known step, or not in the one that the user says.
    """
    dates = np.array([stamp.date for stamp in stamps], dtype="datetime64[D]")
    precision = {stamp.precision for stamp in stamps}
    found = precision.pop() if len(precision) == 1 else "day"
    if found == "day":
        found = _infer(dates, where, time_step)
    if time_step != "auto" and found and found != time_step:
        raise GridError(f"{where}: its time step is {found}, not {time_step}",
                        f"Give data per {time_step}, or set time_step={found}")
    found = found or ("" if time_step == "auto" else time_step)
    times = step_start(dates, found) if found else dates
    gaps = np.diff(times).astype(int)
    if (gaps <= 0).any() and found in COMPOSITES:
        times, gaps = _nearest(dates, found, where, times)
    if (gaps <= 0).any():
        at = int(np.argmax(gaps <= 0)) + 1
        raise GridError(f"{where}: time step {at + 1} ({dates[at]}) does not follow {dates[at - 1]}",
                        "Sort the time steps and keep one of each")
    return Axis(times, found)


def _nearest(dates: np.ndarray, step: str, where: str, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return times, and days between them, with dates shortly before a composite moved to its start."""
    ends = times + step_days(times, step).astype(int)
    early = (dates > times) & ((ends - dates).astype(int) <= EARLY_DAYS)
    if early.any():
        logging.getLogger("reco").warning(
            "%s: %d dates were moved to the start of the next %s composite, for example %s to %s", where,
            int(early.sum()), step, dates[early][0], ends[early][0])
    times = np.where(early, ends, times)
    return times, np.diff(times).astype(int)


def _infer(dates: np.ndarray, where: str, time_step: str) -> str:
    if dates.size < 2:
        return ""
    try:
        return infer_time_step(dates)
    except GridError as error:
        # one value a month for a few months of the year (or every second year) is still monthly (annual)
        coarse = {"month": "M", "year": "Y"}.get(time_step)
        if coarse and (np.diff(dates.astype(f"datetime64[{coarse}]")).astype(int) > 0).all():
            return time_step
        raise GridError(f"{where}: {error.message}", error.hint) from None


def axis_from_start(start: str, count: int, time_step: str, where: str) -> Axis:
    """Return `count` time steps from a first date; its precision is the time step where that is auto.

    Raises
    ------
    ConfigError
        `start` is no date, or a day without a time step.
    """
    stamp = read_stamp(start)
    if stamp is None:
        raise ConfigError(f"start: '{start}' is no date", "Write it as YYYY, YYYY-MM or YYYY-MM-DD")
    step = stamp.precision if time_step == "auto" else time_step
    if time_step == "auto" and stamp.precision == "day" and count > 1:
        raise ConfigError(f"start={start} does not tell how long the {count} time steps of {where} are",
                          "Set time_step, or write start as YYYY-MM for months or YYYY for years")
    first = step_start(np.array([stamp.date]), step)[0]
    if step in ("month", "year"):
        coarse = f"datetime64[{step[0].upper()}]"
        times = (first.astype(coarse) + np.arange(count)).astype("datetime64[D]")
    else:
        days = [first]
        for _ in range(count - 1):
            days.append(days[-1] + int(step_days(np.array([days[-1]]), step)[0]))
        times = np.array(days, dtype="datetime64[D]")
    return Axis(times, step)


def decode_times(values: np.ndarray, units: str, calendar: str, where: str) -> np.ndarray:
    """Return CF times as datetime64[D]; days that a calendar has and ours has not become the last of the month.

    Raises
    ------
    GridError
        The times cannot be understood.
    """
    match = re.fullmatch(r"\s*(month|year|yr|common_year)s?\s+since\s+(\d{1,4})-(\d{1,2}).*", units, re.IGNORECASE)
    numbers = np.asarray(values)
    try:
        if match:  # CF leaves these to the average year; producers mean the calendar
            whole = np.floor(numbers.astype("float64") + 1e-6).astype(int)
            months = whole * (1 if match.group(1).lower() == "month" else 12)
            first = np.datetime64(f"{int(match.group(2)):04d}-{int(match.group(3)):02d}", "M")
            return (first + months).astype("datetime64[D]")
        dates = need("cftime").num2date(numbers.astype("float64"), units, calendar or "standard")
    except (ValueError, OverflowError, TypeError) as error:
        raise GridError(f"{where}: the times ('{units}', calendar {calendar or 'standard'}) cannot be read: {error}",
                        "Give a CF time axis such as 'days since 2000-01-01'") from error
    return np.array([_gregorian(date) for date in np.atleast_1d(dates)], dtype="datetime64[D]")


def _gregorian(date: Any) -> np.datetime64:
    month = np.datetime64(f"{date.year:04d}-{date.month:02d}", "M")
    last = (month + 1).astype("datetime64[D]") - 1
    return min(month.astype("datetime64[D]") + (date.day - 1), last)
