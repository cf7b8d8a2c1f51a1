"""Quality control and its ledger."""

from __future__ import annotations

import numpy as np
import pytest

from observed import table
from reco_core.errors import ConfigError, SampleError, SchemaError
from reco_core.samples.quality import accept, check_thresholds, count_records, screen
from reco_core.vocabulary.ledger import ledger


@pytest.mark.parametrize(("step", "qc_min", "qc_max", "message"), [
    ("half-hour", 0.75, None, r"qc_min=0.75 does not fit: the quality of 'f.csv' .*is a flag"),
    ("half-hour", None, 0.5, "qc_max=0.5 is not a quality flag"),
    ("day", None, 1, r"qc_max=1 does not fit: the quality of 'f.csv' .*is a share"),
    ("day", 2, None, "qc_min=2 does not fit"), ("month", 3, None, "qc_min=3 does not fit")])
def test_thresholds_must_fit_the_resolution(step, qc_min, qc_max, message):
    """A share is refused for half-hours, a flag for anything coarser (methods test 1.1 d)."""
    with pytest.raises(ConfigError, match=message):
        check_thresholds(step, qc_min, qc_max, "f.csv")


@pytest.mark.parametrize(("step", "qc_min", "qc_max"), [
    ("half-hour", None, None), ("half-hour", None, 0), ("hour", None, 2), ("day", None, None), ("year", 0, None)])
def test_thresholds_that_fit(step, qc_min, qc_max):
    """What is not given never disturbs."""
    check_thresholds(step, qc_min, qc_max)


def test_each_reason_is_counted_by_site():
    """Low quality, missing quality, negative and impossible rates each stand in the ledger."""
    count = 80
    reco = np.ones((2, count))
    qc = np.full((2, count), 0.9)
    qc[0, :3], qc[1, 0] = 0.5, np.nan
    reco[1, 5:7], reco[0, 10] = -1, 41
    out = accept(screen(table(reco, qc, sites=("A", "B"))))
    found = {entry["reason"]: entry.get("sites") for entry in ledger(out)}
    assert found == {"rates beyond 40 g C m-2 d-1": {"A": 1}, "records without quality": {"B": 1},
                     "records of quality below 0.75": {"A": 3}, "negative rates": {"B": 2}}
    assert count_records(out) == 2 * count - 7


def test_threshold_itself_is_good_enough():
    """Quality equal to the least quality passes."""
    assert count_records(accept(table([1, 1, 1], qc=[0.75, 0.7499999, 1]))) == 2


def test_zero_switches_quality_off():
    """qc_min=0 keeps records without quality too; no quality at all needs no threshold."""
    assert count_records(accept(table([1, 1], qc=[np.nan, 0.0]), qc_min=0)) == 2
    assert count_records(accept(table([1, 1], qc=np.nan))) == 2


@pytest.mark.parametrize(("policy", "expected"), [("drop", [1.0]), ("keep", [-1.0, 1.0]), ("clip", [0.0, 1.0])])
def test_negative_policy(policy, expected):
    """Negative rates are dropped, kept or set to 0."""
    assert accept(table([-1, 1]), negative=policy)["reco"].values[0].tolist() == expected


def test_wrong_unit_is_not_taken_for_bad_data():
    """Where many rates are impossible, the unit is asked for instead of dropping them."""
    with pytest.raises(SchemaError, match=r"50% of the values of reco in 'f.csv' exceed 40") as caught:
        screen(table([60, 70, 80, 10, 10, 10]), where="f.csv")
    assert "units=" in caught.value.hint


def test_nothing_left_tells_why():
    """The error carries the ledger in one line."""
    with pytest.raises(SampleError, match=r"No record is left.*2 records of quality below 0.75, 1 negative rates") as e:
        accept(table([1, 1, -1], qc=[0.1, 0.2, 0.9]))
    assert "\n" not in str(e.value)


def test_empty_sites_and_times_are_left_out():
    """Sites without records are named; time steps without records go."""
    out = accept(table([[1, np.nan, 2], [np.nan] * 3], sites=("A", "B")))
    assert out.sizes == {"site": 1, "time": 2}
    assert any(entry.get("detail") == "B" for entry in ledger(out))


def test_largest_flag_can_be_chosen():
    """qc_max=0 keeps measured half-hours alone."""
    out = screen(table(np.ones(4), [0, 1, 2, np.nan], step="half-hour", start="2004-01-01T00:00"), qc_max=0)
    assert count_records(out) == 1
