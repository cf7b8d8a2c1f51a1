"""What models lean on."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.evaluation.structure import compare_splits, likeness, mean_absolute, split_shares
from reco_core.models.causal_xgboost import ALL, CausalXgboost
from tables import make_table


def boosters(weights, seeds=range(8)):
    table = make_table()
    return CausalXgboost(settings="robust,n_estimators=40").fit(
        table.X, table.y, group=table.group, features=table.features, seeds=tuple(seeds),
        shared={"weights": {ALL: weights}, "links": {}}).boosters()


def test_split_shares_and_their_change():
    """Weights move splits to the favoured feature; the change is tested over paired seeds."""
    names = ("ta", "lai", "soc_0")
    base, tilted = split_shares(boosters([1, 1, 1]), names), split_shares(boosters([8, 1, 1]), names)
    np.testing.assert_allclose(base.sum(axis=1), 1)
    change = compare_splits(tilted, base)
    assert change["difference"][0] > 0.1 and change["p"][0] < 0.05
    assert change["difference"].sum() == pytest.approx(0, abs=1e-12)
    assert np.isnan(compare_splits(base, base)["p"]).all()


def test_a_feature_that_is_never_used():
    """A feature without a split has a share of 0, not a gap."""
    shares = split_shares(boosters([1, 1, 0], seeds=(1,)), ("ta", "lai", "soc_0"))
    assert shares[0, 2] == 0 and shares.sum() == pytest.approx(1)


def test_likeness():
    """The same structure in another unit is alike; what shares nothing is not."""
    one = np.array([0.5, -0.3, 0.2, 0.0])
    same = likeness(one, one * 7)
    assert [same[name] for name in ("pearson", "spearman", "cosine")] == pytest.approx([1, 1, 1])
    assert same["l1"] == pytest.approx(0)
    other = likeness([1, 0], [0, np.nan])
    assert np.isnan(other["cosine"])
    apart = likeness([1, 0, 0], [0, 1, 0])
    assert apart["cosine"] == 0 and apart["l1"] == 2
    by_hand = likeness([3, 4], [4, 3])
    assert by_hand["cosine"] == pytest.approx(24 / 25) and by_hand["pearson"] == pytest.approx(-1)


def test_mean_absolute():
    """Shares of mean absolute contributions; the base value does not count."""
    np.testing.assert_allclose(mean_absolute(np.array([[1.0, -3.0, 99.0], [-1.0, 3.0, 99.0]])), [0.25, 0.75])
