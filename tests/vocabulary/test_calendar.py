"""Time steps start, last and are labelled as the calendar says."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_core.errors import GridError
from reco_core.vocabulary.calendar import (
    TIME_STEPS,
    infer_time_step,
    parse_period,
    step_days,
    step_label,
    step_start,
)

DAY = st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 12, 31)).map(np.datetime64)
SELF_STARTING = ("day", "8day", "month", "year")


def dates(*texts: str) -> np.ndarray:
    """Return dates from text."""
    return np.array(texts, dtype="datetime64[D]")


@pytest.mark.parametrize(("text", "time_step", "start", "days", "label"), [
    ("2004-02-29", "month", "2004-02-01", 29, "2004-02"),
    ("2100-02-10", "month", "2100-02-01", 28, "2100-02"),
    ("2000-07-01", "year", "2000-01-01", 366, "2000"),
    ("1900-12-31", "year", "1900-01-01", 365, "1900"),
    ("2003-01-08", "8day", "2003-01-01", 8, "2003-01-01"),
    ("2003-12-31", "8day", "2003-12-27", 5, "2003-12-27"),
    ("2004-12-31", "8day", "2004-12-26", 6, "2004-12-26"),
    ("2004-02-29", "day", "2004-02-29", 1, "2004-02-29"),
    ("2004-03-01", "week", "2004-03-01", 7, "2004-03-01"),
])
def test_known_steps(text, time_step, start, days, label):
    """Leap years, centuries and the short last 8 days of a year."""
    first = step_start(dates(text), time_step)
    assert first == dates(start)
    assert step_days(dates(text), time_step) == days
    assert step_label(first[0], time_step) == label


@given(DAY, st.sampled_from(SELF_STARTING))
def test_a_day_lies_in_its_step(day, time_step):
    """Every day lies between the start of its step and the start plus its length."""
    start, days = step_start(np.array([day]), time_step)[0], step_days(np.array([day]), time_step)[0]
    assert start <= day < start + int(days)


@given(DAY, st.sampled_from(SELF_STARTING))
def test_the_day_after_a_step_starts_the_next(day, time_step):
    """Steps follow each other without gap or overlap."""
    start = step_start(np.array([day]), time_step)
    following = start + step_days(start, time_step).astype(int)
    assert step_start(following, time_step) == following
    assert step_start(following - 1, time_step) == start


@given(st.integers(1900, 2100), st.sampled_from(SELF_STARTING))
def test_steps_fill_the_year(year, time_step):
    """The lengths of the steps of a year add up to its days."""
    every = np.arange(f"{year}-01-01", f"{year + 1}-01-01", dtype="datetime64[D]")
    assert step_days(np.unique(step_start(every, time_step)), time_step).sum() == every.size


@given(DAY, st.sampled_from(TIME_STEPS), st.integers(4, 60))
def test_a_series_tells_its_step(day, time_step, count):
    """From its dates alone a series is known again."""
    start = step_start(np.array([day]), time_step)[0]
    series = [start]
    while len(series) < count:
        series.append(series[-1] + int(step_days(np.array([series[-1]]), time_step)[0]))
    assert infer_time_step(np.array(series)) == time_step


@pytest.mark.parametrize(("texts", "word"), [
    (("2001-01-01",), "One time step"),
    (("2001-01-01", "2001-03-01", "2001-02-01"), "2001-02-01 follows 2001-03-01"),
    (("2001-01-01", "2001-01-01"), "do not increase"),
    (("2001-01-01", "2001-01-04", "2001-01-07"), "3 days"),
])
def test_no_calendar_is_refused(texts, word):
    """A single date, disorder and unknown steps are errors that name the dates."""
    with pytest.raises(GridError, match=word) as caught:
        infer_time_step(dates(*texts))
    assert caught.value.hint


@pytest.mark.parametrize(("text", "first", "last"), [
    ("1950/1999", "1950-01-01", "1999-12-31"), ("2001-01/2004-02", "2001-01-01", "2004-02-29"),
    ("2001-03-05/2001-03-05", "2001-03-05", "2001-03-05"), ("2004", "2004-01-01", "2004-12-31"),
    (" 2001 / 2002 ", "2001-01-01", "2002-12-31"),
])
def test_periods_include_both_ends(text, first, last):
    """A period reaches from the first day of its first step to the last day of its last."""
    assert parse_period(text) == (np.datetime64(first), np.datetime64(last))


def test_no_period_is_all():
    """Nothing given means no limit at either end."""
    assert parse_period(None) == parse_period("") == (None, None)


@pytest.mark.parametrize("text", ["1999/1950", "spring", "2001/2002/2003", "2001-13/2002", "/", "2001/"])
def test_what_is_no_period_is_refused(text):
    """Words, three ends, impossible months and ends in the wrong order are refused with an example."""
    with pytest.raises(GridError) as caught:
        parse_period(text)
    assert text in caught.value.message and "2001-01/2010-12" in caught.value.hint


def test_sixteen_days():
    """Composites of sixteen days begin anew on 1 January; the last of a year has 13 days, 14 in leap years."""
    days = np.arange("2003-01-01", "2005-01-01", dtype="datetime64[D]")
    starts = np.unique(step_start(days, "16day"))
    assert starts.size == 46 and str(starts[22]) == "2003-12-19" and str(starts[23]) == "2004-01-01"
    lengths = step_days(starts, "16day")
    assert lengths[22] == 13 and lengths[45] == 14 and lengths.sum() == days.size
    assert infer_time_step(starts) == "16day"
