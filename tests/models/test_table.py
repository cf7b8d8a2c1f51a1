"""Samples as arrays."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.errors import SchemaError
from reco_core.models.table import Table
from tables import make_samples, make_table


def test_of_samples():
    """Columns come in the order of the features; months and years are counted from the dates."""
    table = Table.of(make_samples())
    expected = make_table()
    np.testing.assert_array_equal(table.X, expected.X)
    np.testing.assert_array_equal(table.y, expected.y)
    np.testing.assert_array_equal(table.season, expected.season)
    np.testing.assert_array_equal(table.year, expected.year)
    np.testing.assert_array_equal(np.diff(table.step[:36]), 1)
    assert table.features == ("ta", "lai", "soc_0") and table.weight is None and table.dated


@pytest.mark.parametrize(("step", "times", "steps", "seasons"), [
    ("year", ["2001-01-01", "2003-01-01"], 2, [0, 0]), ("8day", ["2001-12-27", "2002-01-01"], 1, [45, 0]),
    ("week", ["2001-01-01", "2001-01-08"], 1, [0, 0]), ("day", ["2001-01-31", "2001-02-01"], 1, [0, 1])])
def test_time_steps(step, times, steps, seasons):
    """Steps are counted without gaps for every calendar."""
    ds = make_samples(sites=2, rows=1)
    ds["time"] = ("sample", np.array(times, dtype="datetime64[ns]"))
    ds.attrs["time_step"] = step
    table = Table.of(ds)
    assert table.step[1] - table.step[0] == steps and table.season.tolist() == seasons


def test_other_kinds_are_refused():
    """Only samples can be fitted."""
    ds = make_samples()
    ds.attrs["reco_kind"] = "drivers"
    with pytest.raises(SchemaError):
        Table.of(ds)


def test_take():
    """Rows are taken from every column alike."""
    table = make_table()
    part = table.take(table.group == 3)
    assert len(part) == 36 and set(part.site) == {"XX-003"} and part.features == table.features
