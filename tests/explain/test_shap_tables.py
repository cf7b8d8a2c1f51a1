"""Tables give what xgboost gives: its estimates to the last bit, and its Shapley values, only faster."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from reco_core.errors import Cancelled
from reco_core.explain import shap_tables
from reco_core.explain.forest import Forest, read_forest
from reco_core.explain.shap_tables import TableExplainer
from reco_core.explain.tree_shap import additivity_error, by_xgboost
from reco_core.progress import Progress

xgboost = pytest.importorskip("xgboost")


def table(p=9, rows=1500, seed=0, gaps=0.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, p)).astype("float32")
    X[:, p // 2] = np.round(X[:, p // 2])
    X[rng.random(X.shape) < gaps] = np.nan
    Z = np.nan_to_num(X)
    return X, 30 + np.exp(0.4 * Z[:, 0]) * (1 + np.tanh(Z[:, p - 1])) + Z[:, p // 2] + 0.2 * rng.normal(size=rows)


def train(X, y, rounds=40, depth=5, **settings):
    settings = {"max_depth": depth, "eta": 0.1, "nthread": 1, "subsample": 0.8, "colsample_bylevel": 0.6,
                "gamma": 0.4, "min_child_weight": 3, **settings}
    return xgboost.train(settings, xgboost.DMatrix(X, y), rounds)


def same(booster, X, atol=1e-5):
    tables = TableExplainer.of(booster)
    (ours, estimate), theirs = tables.explain(X), by_xgboost(booster, X)
    exactly = booster.inplace_predict(X) if len(X) else np.empty(0, "float32")
    assert np.array_equal(estimate, exactly) and np.array_equal(tables.estimate(X), exactly)
    assert ours.shape == theirs.shape == (len(X), X.shape[1] + 1)
    np.testing.assert_allclose(ours, theirs, atol=atol * max(1.0, np.abs(theirs[:, :-1]).max()))
    return ours


@pytest.mark.parametrize("depth", [1, 2, 3, 5, 6, 8, 12])
@pytest.mark.parametrize("gaps", [0.0, 0.2])
def test_equals_xgboost(depth, gaps):
    """At every depth, with and without missing values, in training and after it."""
    X, y = table(gaps=gaps)
    booster = train(X, y, depth=depth, rounds=15)
    phi = same(booster, X)
    assert additivity_error(phi, booster.predict(xgboost.DMatrix(X))) < 1e-4
    holes = X.copy()
    holes[np.random.default_rng(1).random(X.shape) < 0.4] = np.nan
    same(booster, holes)


@pytest.mark.parametrize("p", [1, 2, 8, 9, 21])
def test_any_number_of_features(p):
    """Fewer than a vector, just one, and more than one."""
    X, y = table(p=p)
    same(train(X, y), X)


@pytest.mark.parametrize("rows", [0, 1, 511, 513])
def test_any_number_of_rows(rows):
    """Blocks that are not full change nothing."""
    X, y = table()
    booster = train(X, y)
    assert np.array_equal(TableExplainer.of(booster).contributions(X[:rows]),
                          TableExplainer.of(booster).contributions(X)[:rows])


def test_a_row_does_not_depend_on_its_neighbours():
    """Shuffled rows give the same bits, shuffled."""
    X, y = table()
    explainer = TableExplainer.of(train(X, y))
    order = np.random.default_rng(0).permutation(len(X))
    assert np.array_equal(explainer.contributions(X[order]), explainer.contributions(X)[order])


def test_values_at_the_thresholds():
    """A value that equals a threshold goes right, as in xgboost."""
    X, y = table(p=3)
    booster = train(X, y, rounds=30)
    forest = read_forest(booster)
    rng = np.random.default_rng(0)
    edges, start, _ = forest.thresholds
    exact = np.column_stack([rng.choice(edges[a:b], 300) for a, b in itertools.pairwise(start)])
    same(booster, exact)


def test_extreme_values():
    """Huge values have a side, too, and a row without any value has its defaults."""
    X, y = table(p=3)
    booster = train(X, y)
    same(booster, np.array([[1e30, -1e30, 0], [-1e-30, -0.0, np.nan], [np.nan, np.nan, np.nan]], dtype="float32"))


def test_a_feature_that_is_not_used():
    """A dummy feature gets exactly 0."""
    X, y = table()
    X[:, 4] = 1
    booster = train(X, y)
    X[:, 4] = np.linspace(-5, 5, len(X))
    assert (TableExplainer.of(booster).contributions(X)[:, 4] == 0).all()


def test_trees_that_are_one_leaf():
    """Trees without a split add to the base value only."""
    X, y = table()
    booster = train(X, y, rounds=5, gamma=1e9)
    phi = same(booster, X)
    assert (phi[:, :-1] == 0).all()


@pytest.mark.parametrize("settings", [{"grow_policy": "lossguide", "max_leaves": 20, "max_depth": 0},
                                      {"tree_method": "exact"}, {"lambda": 0.0, "min_child_weight": 0.0},
                                      {"base_score": 12.5}, {"num_parallel_tree": 3}])
def test_other_ways_to_grow(settings):
    """Trees grown in other ways are trees."""
    X, y = table()
    same(train(X, y, rounds=8, **settings), X)


def test_weighted_rows():
    """Sample weights enter through the cover of the nodes."""
    X, y = table()
    weight = np.random.default_rng(0).uniform(0.1, 3, len(X))
    booster = xgboost.train({"max_depth": 5, "nthread": 1}, xgboost.DMatrix(X, y, weight=weight), 20)
    same(booster, X)


def test_sliced_booster():
    """A booster cut at its best round is explained as cut."""
    X, y = table()
    same(train(X, y)[:7], X)


def test_small_tables(monkeypatch):
    """Tables that are built in many portions give the same values."""
    X, y = table()
    booster = train(X, y)
    whole = TableExplainer.of(booster).contributions(X)
    monkeypatch.setattr(shap_tables, "TABLE_BYTES", 1)
    assert np.array_equal(TableExplainer.of(booster).contributions(X), whole)


def test_refuses_what_it_cannot():
    """Boosters whose estimate is not a plain sum of numerical trees are left to xgboost."""
    X, y = table(p=3)
    assert TableExplainer.of(train(X, (y > 31).astype(int), objective="binary:logistic")) is None
    assert TableExplainer.of(train(X, y, booster="dart")) is None
    linear = xgboost.train({"booster": "gblinear", "nthread": 1}, xgboost.DMatrix(X, y), 3)
    assert TableExplainer.of(linear) is None
    codes = xgboost.DMatrix(np.round(np.abs(X)), y, feature_types=["c", "q", "q"], enable_categorical=True)
    assert TableExplainer.of(xgboost.train({"max_depth": 3, "nthread": 1}, codes, 5)) is None


def test_too_many_features_on_one_way():
    """Trees whose leaves ask for more features than a table can tell apart are left to xgboost."""
    X = table(p=20, rows=4000)[0]
    deep = train(X, X.sum(axis=1), rounds=2, depth=40, gamma=0, min_child_weight=0, colsample_bynode=0.1)
    assert read_forest(deep) is not None and TableExplainer.of(deep) is None


@pytest.mark.parametrize("depth", [15, 44, 50, 66, 200])
def test_ways_of_very_many_features(depth):
    """A tree that asks for another feature at every level is left to xgboost, however deep it is."""
    inner = np.arange(2 * depth + 1) % 2 == 0  # the even nodes go on, the odd ones and the last are leaves
    inner[-1] = False
    node = np.arange(2 * depth + 1, dtype="int32")
    cover = np.where(inner | (node == node[-1]), (node[-1] - node) / 2 + 1, 1.0)
    chain = Forest(depth, np.array([0, len(node)]), np.where(inner, node + 1, -1), np.where(inner, node + 2, -1),
                   np.where(inner, node // 2, 0), node.astype("float32"), np.zeros(len(node), "uint8"), cover, 0.0)
    assert chain.survey == (pytest.approx(float(node[~inner].mean())), depth)
    assert TableExplainer.worth(chain, 10**9) is None


@pytest.mark.parametrize("settings", [{"objective": "reg:pseudohubererror"}, {"objective": "reg:absoluteerror"},
                                      {"objective": "reg:quantileerror", "quantile_alpha": 0.3}])
def test_other_losses(settings):
    """Trees for other losses are sums of leaves, too."""
    X, y = table(rows=700)
    same(train(X, y, rounds=20, **settings), X)


def test_deep_trees_of_few_features():
    """The depth does not matter where few features are asked again and again."""
    X, y = table(p=3)
    same(train(X, y, rounds=4, depth=25, gamma=0, min_child_weight=0, colsample_bylevel=1), X)


def test_thousands_of_thresholds():
    """A feature with more thresholds than a byte can count has several columns of bins."""
    X, y = table(p=2, rows=6000)
    booster = train(X, y + np.sin(40 * X[:, 0]), rounds=40, depth=8, tree_method="exact", gamma=0, min_child_weight=0)
    start = read_forest(booster).thresholds[1]
    assert np.diff(start).max() > 1000
    X[::7, 0] = np.nan
    same(booster, X)


def test_two_thousand_features():
    """Features that few trees ask for cost little: trees are added up in runs with few features each."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2000)).astype("float32")
    booster = train(X, X[:, :40] @ rng.normal(size=40), rounds=60, depth=4, gamma=0, min_child_weight=0,
                    colsample_bylevel=0.3)
    explainer = TableExplainer.of(booster)
    assert 1 < len(explainer.plan()) < 60
    same(booster, X)


def test_wrong_number_of_features():
    """Rows that do not fit the trees are a programming mistake."""
    X, y = table(p=3)
    with pytest.raises(ValueError, match="3 features"):
        TableExplainer.of(train(X, y)).contributions(X[:, :2])


def test_cancel():
    """A long explanation can be stopped."""
    X, y = table()
    with pytest.raises(Cancelled):
        TableExplainer.of(train(X, y)).contributions(X, Progress(stopped=lambda: True))
