"""`make real` fails where any of its parts did."""

from __future__ import annotations

import sys

import pytest

import real


@pytest.mark.parametrize(("codes", "wanted"), [((0, 0), 0), ((0, 3), 1), ((-9, 0), 1)])
def test_a_part_that_was_killed_fails_the_whole(tmp_path, monkeypatch, codes, wanted):
    """A program that the system killed, for lack of memory perhaps, has a negative code."""
    monkeypatch.setattr(sys, "argv", ["real.py", "a", "tests"])
    monkeypatch.setattr(real, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(real, "call", lambda command: codes[0])
    monkeypatch.setattr(real, "real_tests", lambda: codes[1])
    assert real.main() == wanted
