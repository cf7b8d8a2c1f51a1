"""Dates in the words of files, and the time axes they make."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from reco_core.errors import GridError
from reco_core.io.dates import Stamp, axis_of


def stamps(*days):
    """Return dates known to the day."""
    return [Stamp(np.datetime64(day), "day") for day in days]


def test_composites_dated_a_day_early(caplog):
    """A composite dated a day before its start, as some archives do after leap years, is moved there and told."""
    caplog.set_level(logging.WARNING, logger="reco")
    axis = axis_of(stamps("2011-08-05", "2011-08-13", "2011-08-20", "2011-08-29"), "evi.nc")
    assert [str(day) for day in axis.times] == ["2011-08-05", "2011-08-13", "2011-08-21", "2011-08-29"]
    assert "1 dates were moved to the start of the next 8day composite" in caplog.text


def test_composites_in_the_middle_of_a_step():
    """Two dates in one composite are refused where none of them is at its end."""
    with pytest.raises(GridError, match=r"evi\.nc: time step 3 \(2011-08-17\) does not follow 2011-08-13"):
        axis_of(stamps("2011-08-05", "2011-08-13", "2011-08-17", "2011-08-29", "2011-09-06"), "evi.nc")
