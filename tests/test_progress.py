"""Progress goes from 0 to 1, through any depth of parts, and can stop a computation."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_core.errors import Cancelled
from reco_core.progress import SILENT, Progress

SHARE = st.floats(0, 1)


def recorder(**options) -> tuple[Progress, list[float]]:
    """Return a progress and the list that its fractions go to."""
    seen: list[float] = []
    return Progress(lambda fraction, message: seen.append(fraction), **options), seen


@given(st.lists(st.tuples(SHARE, SHARE).map(sorted), max_size=4), st.floats(-1, 2))
def test_parts_of_parts_stay_inside(parts, fraction):
    """However parts are nested, what arrives lies inside the outermost part."""
    progress, seen = recorder()
    for start, end in parts:
        progress = progress.span(start, end)
    progress(fraction)
    low, high = parts[0] if parts else (0, 1)
    assert low - 1e-12 <= seen[0] <= high + 1e-12


@given(SHARE, SHARE, SHARE)
def test_span_is_linear(start, end, fraction):
    """A part maps its 0..1 evenly on its stretch."""
    progress, seen = recorder()
    progress.span(start, end)(fraction)
    assert seen[0] == pytest.approx(start + (end - start) * fraction)


def test_message_is_passed_on():
    """The words reach the sink as they were said."""
    words = []
    Progress(lambda fraction, message: words.append(message)).span(0, 0.5)(1, "tile 3 of 9")
    assert words == ["tile 3 of 9"]


def test_stopping_raises_before_reporting():
    """Once asked to stop, the next report raises and reports nothing; parts obey as well."""
    stop = []
    progress, seen = recorder(stopped=lambda: bool(stop))
    part = progress.span(0.2, 0.4)
    part(0.5)
    stop.append(True)
    with pytest.raises(Cancelled):
        part(0.6)
    with pytest.raises(Cancelled):
        progress.check()
    assert seen == [pytest.approx(0.3)]


def test_silence_is_allowed():
    """Without a sink reports go nowhere."""
    SILENT(0.5, "half")
    SILENT.span(0, 1).check()


def test_words_go_to_the_log(caplog):
    """Lines for the user go through logging under the name reco."""
    with caplog.at_level(logging.INFO, "reco"):
        SILENT.info("42 sites")
        SILENT.warn("3 sites dropped")
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("INFO", "42 sites"), ("WARNING", "3 sites dropped")]
