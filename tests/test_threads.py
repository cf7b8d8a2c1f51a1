"""Threads share work, give up what is left when something fails, and stop when asked to."""

from __future__ import annotations

import threading

import pytest

from reco_core.errors import Cancelled
from reco_core.progress import Progress
from reco_core.threads import available_cores, in_parts, in_threads


@pytest.mark.parametrize("threads", [0, 1, 5])
@pytest.mark.parametrize("count", [0, 1, 40])
def test_every_part_is_done_once(threads, count):
    """Whatever the number of threads, each part is done, and progress goes evenly to 1."""
    done, seen = [], []
    in_threads(done.append, range(count), Progress(lambda fraction, _: seen.append(fraction)), threads=threads)
    assert sorted(done) == list(range(count)) and seen == [(k + 1) / count for k in range(count)]


@pytest.mark.parametrize("rows", [0, 1, 64, 65, 1000, 100_000])
def test_parts_are_all_rows(rows):
    """Parts follow each other without gap or overlap."""
    found = []
    in_parts(rows, found.append)
    assert [k for part in sorted(found, key=lambda part: part.start) for k in range(rows)[part]] == list(range(rows))


def test_what_is_left_is_given_up():
    """The error of a part is raised, and parts that have not begun never do."""
    begun, go = [], threading.Event()

    def work(part):
        begun.append(part)
        if part == 0:
            go.set()
            raise ValueError("no")
        go.wait(5)

    with pytest.raises(ValueError, match="no"):
        in_threads(work, range(500), threads=2)
    assert len(begun) < 500


def test_stopping():
    """Somebody who asks to stop need not wait for all parts."""
    begun = []
    with pytest.raises(Cancelled):
        in_threads(begun.append, range(100_000), Progress(stopped=lambda: True), threads=1)
    assert len(begun) < 100_000


def test_cores():
    """There is one core at least."""
    assert available_cores() >= 1
