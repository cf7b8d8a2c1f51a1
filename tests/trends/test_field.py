"""Significance of many tests at once."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.trends import FieldSignificance, fdr_threshold
from reco_core.trends.field import ALPHA, EDGES

WORKED = [0.001, 0.008, 0.012, 0.03, 0.04, 0.2, 0.5, 0.9]


@pytest.mark.parametrize(("alpha", "threshold", "number"), [(0.05, 0.012, 3), (0.10, 0.04, 5)])
def test_worked_example(alpha, threshold, number):
    """The worked p give these thresholds; missing ones do not count."""
    found = fdr_threshold([*WORKED, np.nan], alpha)
    assert found == threshold and (np.array(WORKED) <= found).sum() == number


def test_nothing_is_significant_without_trends():
    """Of uniform p hardly any is left, and none of an empty map."""
    p = np.random.default_rng(0).random(20000)
    assert (p <= fdr_threshold(p)).sum() <= 2
    assert fdr_threshold([]) == fdr_threshold([np.nan]) == 0.0


def test_counts_of_tiles_give_nearly_the_same():
    """Counted tile by tile, the share is that of the sorted p up to the width of an edge, and never larger."""
    rng = np.random.default_rng(1)
    p = np.concatenate([rng.random(6000), rng.random(4000) ** 6 * 0.05, [np.nan] * 10])
    field = FieldSignificance()
    for tile in np.array_split(rng.permutation(p), 7):
        field.add(FieldSignificance.count(tile))
    before, after = field.shares
    known = p[np.isfinite(p)]
    exact = (known <= fdr_threshold(known)).mean()
    assert before == (known <= ALPHA).mean()
    assert exact - 0.01 < after <= exact and after < before
    assert EDGES[-1] == ALPHA and (np.diff(EDGES) > 0).all()
    assert f"{after:.1%}" in field.line()


def test_empty_map():
    """A map without a test has no share."""
    assert FieldSignificance().shares == (0.0, 0.0)
