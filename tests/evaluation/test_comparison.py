"""The difference of two sets of estimates, with the range that the choice of sites leaves."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.evaluation.comparison import paired_difference
from reco_core.evaluation.metrics import score


def world(sites=30, rows=40, seed=0):
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(sites), rows)
    y = rng.normal(size=group.size) * 10 + rng.normal(size=sites)[group] * 10
    hard = rng.normal(size=sites)[group] * 5
    return rng, group, y, hard


def test_difference_is_that_of_the_scores():
    """a minus b, of R2 and MAE."""
    rng, group, y, hard = world()
    a, b = y + hard, y + hard + rng.normal(size=y.size) * 5
    gap = paired_difference(y, a, b, group)
    for name in ("r2_nse", "mae"):
        assert gap[name]["difference"] == pytest.approx(score(y, a)[name] - score(y, b)[name])


def test_a_clear_gain_is_seen_although_sites_differ():
    """What is hard for both cancels: a small but steady gain has a range that does not touch 0."""
    rng, group, y, hard = world()
    a, b = y + hard, y + hard + rng.normal(size=y.size) * 3
    gap = paired_difference(y, a, b, group)
    assert 0 < gap["r2_nse"]["low"] < gap["r2_nse"]["difference"] < gap["r2_nse"]["high"]
    assert gap["mae"]["high"] < 0 and gap["mae"]["share_better"] > 0.99


def test_no_difference_is_not_one():
    """Two estimates with the same kind of error have a range around 0; the same estimates have exactly 0."""
    rng, group, y, hard = world()
    a, b = (y + hard + rng.normal(size=(2, y.size)) * 5)
    gap = paired_difference(y, a, b, group)["r2_nse"]
    assert gap["low"] < 0 < gap["high"]
    same = paired_difference(y, a, a, group)["mae"]
    assert same == {"difference": 0, "low": 0, "high": 0, "share_better": 0}


def test_assignments_are_averaged():
    """Several assignments count as one mean score."""
    rng, group, y, _ = world()
    a = y + rng.normal(size=(3, y.size))
    gap = paired_difference(y, a, y + 2.0, group)["mae"]
    assert gap["difference"] == pytest.approx(np.mean([score(y, one)["mae"] for one in a]) - 2)
