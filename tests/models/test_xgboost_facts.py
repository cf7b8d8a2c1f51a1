"""What the method relies on in XGBoost: when and how feature weights act."""

from __future__ import annotations

import numpy as np
import pytest

xgboost = pytest.importorskip("xgboost")


def data(p=6, n=500, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    return X, X @ np.arange(1, p + 1) + rng.normal(size=n)


def train(weights, X=None, y=None, rounds=20, **parameters):
    if X is None:
        X, y = data()
    matrix = xgboost.DMatrix(X, y, nthread=1)
    if weights is not None:
        matrix.set_info(feature_weights=np.asarray(weights, dtype=float))
    booster = xgboost.train({"tree_method": "hist", "nthread": 1, "seed": 3, "max_depth": 3, **parameters}, matrix,
                            rounds)
    return booster, booster.predict(xgboost.DMatrix(X))


def test_without_column_sampling_weights_do_nothing():
    """With all colsample at 1 any weights give the same estimates."""
    _, one = train([1, 1, 1, 1, 1, 1])
    _, two = train([9, 1, 0.1, 3, 1, 0])
    np.testing.assert_array_equal(one, two)


def test_weight_zero_is_never_used():
    """A feature of weight 0 is in no split."""
    booster, _ = train([1, 1, 1, 1, 1, 0], colsample_bynode=0.5, rounds=60)
    assert "f5" not in booster.get_score(importance_type="weight")
    assert "f0" in booster.get_score(importance_type="weight")


def test_negative_weight_is_an_error():
    """XGBoost refuses a negative weight."""
    with pytest.raises(xgboost.core.XGBoostError):
        train([1, 1, -1, 1, 1, 1], colsample_bynode=0.5)


def test_exact_has_no_sampling_per_node():
    """The tree method "exact" does not sample columns per node."""
    with pytest.raises(xgboost.core.XGBoostError, match="not yet supported by the exact"):
        train([1, 1, 1, 1, 1, 1], tree_method="exact", colsample_bynode=0.3)


def test_ones_are_not_the_same_as_none():
    """Weights of ones take another path of random numbers than no weights: the baseline must pass ones."""
    _, none = train(None, colsample_bynode=0.5)
    _, ones = train(np.ones(6), colsample_bynode=0.5)
    assert np.abs(none - ones).max() > 0


def test_split_shares_follow_weights():
    """With one candidate per node and nothing to learn, splits fall on features in proportion to their weights."""
    rng = np.random.default_rng(1)
    X, trees = rng.normal(size=(300, 4)), 4000
    booster, _ = train([1, 2, 3, 4], X, rng.normal(size=300), rounds=trees, max_depth=1, colsample_bynode=0.25,
                       learning_rate=1e-4, min_child_weight=0)
    counts = booster.get_score(importance_type="weight")
    shares = np.array([counts[f"f{k}"] for k in range(4)]) / sum(counts.values())
    expected = np.array([0.1, 0.2, 0.3, 0.4])
    assert sum(counts.values()) > 0.95 * trees
    assert (np.abs(shares - expected) < 3 * np.sqrt(expected * (1 - expected) / trees)).all()
