"""Tamhane's T2 against the numbers of the published procedure."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.evaluation.tamhane import Pair, letters, tamhane_t2

GROUPS = [np.array(values, dtype=float) for values in
          ([1, 2, 3, 4], [3, 5, 7, 9, 11], [2, 2.5, 3.5, 10, 12, 14])]


def test_known_groups():
    """Three small groups give the t, degrees of freedom and p that are known for them."""
    first, second, third = tamhane_t2(GROUPS)
    assert (first.first, first.second) == (0, 1) and (third.first, third.second) == (1, 2)
    assert first.t == pytest.approx(-2.8947, abs=5e-5) and first.freedom == pytest.approx(5.5208, abs=5e-5)
    assert first.p == pytest.approx(0.030286, abs=5e-7) and first.p_adjusted == pytest.approx(0.088134, abs=5e-7)
    assert second.t == pytest.approx(-2.1449, abs=5e-5) and second.p_adjusted == pytest.approx(0.213055, abs=5e-7)
    assert third.t == pytest.approx(-0.12915, abs=5e-6) and third.p_adjusted == pytest.approx(0.999009, abs=5e-7)


def test_each_pair_is_welchs_test():
    """Before the adjustment each pair is Welch's t test as scipy makes it."""
    stats = pytest.importorskip("scipy.stats")
    for pair in tamhane_t2(GROUPS):
        theirs = stats.ttest_ind(GROUPS[pair.first], GROUPS[pair.second], equal_var=False)
        assert (pair.t, pair.p) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-12)


def test_two_groups_are_not_adjusted():
    """With one pair the adjusted p is p."""
    pair = tamhane_t2(GROUPS[:2])[0]
    assert pair.p_adjusted == pytest.approx(pair.p, rel=1e-12)


def test_too_small_groups_have_no_answer():
    """A group of one value is NaN; missing values do not count; the other pairs are answered."""
    pairs = tamhane_t2([np.array([1.0, np.nan]), GROUPS[0], np.append(GROUPS[1], np.nan)])
    assert np.isnan([pairs[0].t, pairs[0].p_adjusted, pairs[1].p]).all()
    assert pairs[2].t == pytest.approx(tamhane_t2(GROUPS[:2])[0].t)


def test_groups_without_spread():
    """Two groups that are each constant cannot be compared and say so as NaN or a certain difference."""
    same, other = tamhane_t2([np.ones(3), np.ones(3)])[0], tamhane_t2([np.ones(3), np.full(3, 2.0)])[0]
    assert np.isnan(same.p) and np.isnan(other.p)


def test_letters():
    """Groups share a letter if and only if they do not differ."""
    pairs = [Pair(0, 1, 0, 9, 0.5, 0.8), Pair(0, 2, 9, 9, 0, 0.001), Pair(1, 2, 1, 9, 0.2, 0.4)]
    assert letters(pairs, 3) == ["a", "ab", "b"]
