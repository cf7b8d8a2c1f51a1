"""Scale factors from a few local records: drawn towards 1 as much as the training sites ask for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_core.errors import SampleError
from reco_core.models.calibration import WEIGHTS, HeldOut, Shrinkage, Transfer, shrinkage, transfer, window_rows


def held_out(sites=40, records=30, spread=0.4, noise=10.0, shared=0.0, seed=0):
    """Return records of sites whose flux is a factor times the estimate; `shared` of its variance is the class's."""
    rng = np.random.default_rng(seed)
    stratum = np.repeat(np.arange(sites) % 4, records)
    of_class = rng.normal(0, spread * np.sqrt(shared), 4)[np.arange(sites) % 4]
    factor = 1 + of_class + rng.normal(0, spread * np.sqrt(1 - shared), sites)
    season = 60 + 40 * np.sin(2 * np.pi * np.arange(records) / 12)
    estimate = np.tile(season, sites)
    observed = np.repeat(factor, records) * estimate + rng.normal(0, noise, sites * records)
    number = np.repeat(np.arange(sites), records)
    return HeldOut(observed, estimate, np.char.add("S", number.astype(str)), number,
                   np.char.add("C", stratum.astype(str)), number % 5)


def test_factor_equals_ridge_regression():
    """The factor minimises the squared error plus a penalty on its distance from 1."""
    rng = np.random.default_rng(0)
    y, p = rng.uniform(10, 90, 6), rng.uniform(10, 90, 6)
    found = Shrinkage(400.0, 3.0, 0.2, 6, 10).factor(y, p)
    grid = np.linspace(0, 3, 300_001)
    loss = np.square(y[:, None] - grid * p[:, None]).sum(axis=0) + 3.0 * 400.0 * np.square(grid - 1)
    assert found == pytest.approx(grid[np.argmin(loss)], abs=1e-5)


@given(st.floats(0.2, 5), st.floats(0.02, 50))
def test_factor_lies_between_one_and_what_the_records_say(true, weight):
    """The factor never goes beyond the ratio of the records, and records of zero weight say nothing."""
    p = np.array([20.0, 60.0, 35.0])
    found = Shrinkage(1000.0, weight, 0.2, 3, 10).factor(true * p, p)
    assert min(1, true) - 1e-12 <= found <= max(1, true) + 1e-12
    assert Shrinkage(1000.0, weight, 0.2, 3, 10).factor(true * p, 0 * p) == 1


def test_more_records_are_trusted_more():
    """The share of the local deviation that is kept grows with the number of records."""
    shrink = Shrinkage(1000.0, 2.0, 0.2, 3, 10)
    p = np.full(24, np.sqrt(1000.0))
    kept = [(shrink.factor(1.5 * p[:k], p[:k]) - 1) / 0.5 for k in (1, 6, 24)]
    np.testing.assert_allclose(kept, [1 / 3, 6 / 8, 24 / 26])


def test_shrinkage_is_that_of_the_training_sites():
    """The weight recovers the ratio of noise to differences between sites, within the scatter of 200 sites."""
    held = held_out(sites=200, spread=0.3, noise=30.0)
    expected = 30.0**2 / 0.3**2 / np.square(held.estimate).mean()
    found = shrinkage(held, 6)
    assert expected / 1.6 < found.weight < expected * 1.6
    assert (found.records, found.sites) == (6, 200)
    assert 0.5 * 0.3 * np.sqrt(found.weight / (6 + found.weight)) < found.error < 0.3


def test_sites_that_do_not_differ_are_left_alone():
    """Where sites differ by noise alone, the records are hardly trusted; where they differ without noise, wholly."""
    assert shrinkage(held_out(spread=0.0, noise=30.0, sites=100), 6).weight > 50
    assert shrinkage(held_out(spread=0.5, noise=0.0), 6).weight == WEIGHTS[0]


def test_windows_are_consecutive_and_leave_a_rest():
    """Every window has the records asked for, in order, and no site without a rest has one."""
    site = np.repeat(["a", "b", "c"], [5, 20, 6])
    drawn = window_rows(site, 5)
    assert all((np.diff(rows) == 1).all() and rows.size == 5 for _, rows in drawn)
    assert {str(site[rows[0]]) for _, rows in drawn} == {"b", "c"}
    assert len(drawn) == 8 + 2


def test_short_training_sites_give_shorter_windows():
    """With more local records than most training sites have, the longest windows that serve are used."""
    assert shrinkage(held_out(records=12), 500).records == 11


@pytest.mark.parametrize(("held", "records", "text"), [
    (held_out(), 2, "2 local records are too few"),
    (held_out(sites=7), 6, "fitted on 7 sites"),
    (held_out(records=3), 3, "up to 3 records"),
    (held_out(sites=12, spread=np.nan), 6, "keeps no estimates")])
def test_too_little_to_learn_from(held, records, text):
    """Too few local records, training sites or held-out estimates are told, with what is wanted."""
    with pytest.raises(SampleError, match=text) as error:
        shrinkage(held, records)
    assert error.value.hint


def test_transfer_recovers_what_kin_share():
    """The share is near the part of the variance that sites of a class have in common."""
    found = [transfer(held, held.stratum, 1.0).share
             for held in (held_out(sites=120, shared=share, noise=3.0, seed=5) for share in (0.0, 0.95))]
    assert found[0] < 0.1 and found[1] > 0.7


def test_transfer_without_kin_is_a_guess():
    """With no or few pairs the share is a half, and says so; towers without a class are nobody's kin."""
    held = held_out()
    assert transfer(held, held.group, 1.0).pairs == 0
    assert transfer(held, np.full(len(held.site), ""), 1.0) == transfer(held, held.group, 1.0)
    assert transfer(held, held.group, 1.0).share == 0.5


def test_many_towers_count_more_than_one():
    """The weight of a mean over towers grows from the share to 1, and the error falls."""
    some = Transfer(0.5, 100, 0.4)
    np.testing.assert_allclose([some.of(1), some.of(2), some.of(9)], [0.5, 2 / 3, 0.9])
    assert some.error(1) > some.error(9) > 0
    assert Transfer(0.0, 100, 0.4).of(50) == 0 and Transfer(1.0, 100, 0.4).of(1) == 1
