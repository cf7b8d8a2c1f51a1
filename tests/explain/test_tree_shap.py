"""Contributions of trees: their definition by enumeration, and what must follow from it."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest

from reco_core.errors import ConfigError
from reco_core.explain import shap_tables, tree_shap
from reco_core.explain.forest import read_forest
from reco_core.explain.tree_shap import additivity_error, by_xgboost, contributions, interactions

xgboost = pytest.importorskip("xgboost")


def train(p=4, rounds=8, depth=3, seed=0, gaps=0.0, unused=(), rows=400):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, p)).astype("float32")
    used = [k for k in range(p) if k not in unused]
    y = np.exp(0.5 * X[:, used[0]]) + X[:, used[1]] * X[:, used[-1]] + 0.1 * rng.normal(size=rows) + 20
    for k in unused:
        X[:, k] = 1.0
    X[rng.random(X.shape) < gaps] = np.nan
    booster = xgboost.train({"max_depth": depth, "eta": 0.3, "nthread": 1, "seed": seed, "subsample": 0.8},
                            xgboost.DMatrix(X, y), rounds)
    return booster, X


def trees_of(booster):
    model = json.loads(booster.save_raw("json"))["learner"]
    base = float(model["learner_model_param"]["base_score"].strip("[]"))
    return model["gradient_booster"]["model"]["trees"], base


def value_of_set(tree, x, known, node=0):
    """Expected value of a tree where only the features in `known` are known."""
    left, right = tree["left_children"][node], tree["right_children"][node]
    if left < 0:
        return tree["split_conditions"][node]
    feature = tree["split_indices"][node]
    if feature in known:
        goes_left = tree["default_left"][node] if np.isnan(x[feature]) else (
            np.float32(x[feature]) < np.float32(tree["split_conditions"][node]))
        return value_of_set(tree, x, known, left if goes_left else right)
    cover = tree["sum_hessian"]
    return (cover[left] * value_of_set(tree, x, known, left)
            + cover[right] * value_of_set(tree, x, known, right)) / cover[node]


def enumerated(booster, x):
    """Shapley values by their definition: over all 2^p sets of features."""
    trees, base = trees_of(booster)
    p = len(x)
    value = {known: sum(value_of_set(tree, x, known) for tree in trees)
             for size in range(p + 1) for known in itertools.combinations(range(p), size)}
    phi = np.zeros(p + 1)
    for k in range(p):
        others = [j for j in range(p) if j != k]
        for size in range(p):
            weight = math.factorial(size) * math.factorial(p - size - 1) / math.factorial(p)
            for known in itertools.combinations(others, size):
                phi[k] += weight * (value[tuple(sorted((*known, k)))] - value[known])
    phi[p] = base + value[()]
    return phi


@pytest.mark.parametrize("gaps", [0.0, 0.2])
def test_equals_the_definition(gaps):
    """Contributions equal those enumerated over all sets of four features, with and without gaps."""
    booster, X = train(gaps=gaps)
    phi = contributions(booster, X[:25])
    for row in range(25):
        np.testing.assert_allclose(phi[row], enumerated(booster, X[row]), atol=2e-5)


@pytest.mark.parametrize("gaps", [0.0, 0.3])
def test_add_up_to_the_estimate(gaps):
    """Base value plus contributions is what the booster estimates, row by row."""
    booster, X = train(p=9, rounds=120, depth=5, gaps=gaps)
    estimate = booster.predict(xgboost.DMatrix(X))
    phi = contributions(booster, X)
    assert phi.shape == (len(X), 10)
    assert additivity_error(phi, estimate) < 1e-4
    assert additivity_error(phi + 0.1, estimate) > 1e-3


def test_a_feature_that_is_not_used_contributes_nothing():
    """A dummy feature has a contribution of exactly 0."""
    booster, X = train(p=5, unused=(2,))
    X[:, 2] = np.linspace(-3, 3, len(X))
    assert (contributions(booster, X)[:, 2] == 0).all()


@pytest.mark.parametrize("together", [0, 100, 10**6])
@pytest.mark.parametrize("weights", [None, (1.0, 0.0, 2.5, 4.0)])
def test_linear_in_the_ensemble(monkeypatch, weights, together):
    """Contributions to the mean of boosters are the mean of theirs, however many are joined, and add up to it."""
    monkeypatch.setattr(tree_shap, "LEAVES_TOGETHER", together)
    boosters = [train(seed=s)[0] for s in range(3)]
    X = train(seed=7, gaps=0.1)[1]
    linear = xgboost.train({"booster": "gblinear", "nthread": 1}, xgboost.DMatrix(X, np.nan_to_num(X[:, 0])), 5)
    boosters.insert(1, linear)  # tables cannot hold it
    phi = contributions(boosters, X, weights=weights)
    expected = np.average([by_xgboost(b, X) for b in boosters], axis=0, weights=weights)
    np.testing.assert_allclose(phi, expected, atol=1e-5 * np.abs(expected).max())
    estimate = np.average([b.predict(xgboost.DMatrix(X)) for b in boosters], axis=0, weights=weights)
    assert additivity_error(phi, estimate) < 1e-5


def test_interactions_of_an_ensemble():
    """What pairs do together in the mean is the mean of what they do together in each."""
    boosters, X = [train(seed=s, rounds=4 + s)[0] for s in range(3)], train(seed=7)[1][:90]
    found = interactions(boosters, X, (0, 1, 0, 1), weights=(1, 2, 3))
    each = [interactions(b, X, (0, 1, 0, 1), plain=True) for b in boosters]
    np.testing.assert_allclose(found, np.average(each, axis=0, weights=(1, 2, 3)), atol=1e-4)


def test_one_of_several_is_the_one():
    """A list of one booster gives the bits of the booster."""
    booster, X = train()
    assert np.array_equal(contributions([booster], X, weights=[3.0]), contributions(booster, X))


@pytest.mark.parametrize("weights", [(), (1.0,), (1.0, 2.0, 3.0), (1.0, -1.0), (0.0, 0.0), (1.0, np.nan)])
def test_weights_that_make_no_mean(weights):
    """One weight per booster, none negative or missing, not all 0."""
    booster, X = train()
    with pytest.raises(ConfigError, match="weights of 2 boosters"):
        contributions([booster, booster], X, weights=weights)


def test_what_does_not_fit():
    """No booster, and rows with other columns than one of the boosters, are refused."""
    booster, X = train()
    with pytest.raises(ConfigError, match="no booster"):
        contributions([], X)
    with pytest.raises(ConfigError, match="4 features"):
        contributions([train(p=3)[0], booster], X[:, :3])


def test_named_features():
    """A booster that knows names takes a bare table whose columns are in that order."""
    X = train()[1]
    named = xgboost.train({"max_depth": 2, "nthread": 1}, xgboost.DMatrix(X, X[:, 0], feature_names=list("abcd")), 3)
    assert contributions(named, X).shape == (len(X), 5)


def test_same_as_shap():
    """shap's own code (not its hand-over to xgboost) gives the same values."""
    shap = pytest.importorskip("shap", reason="the extra 'explain' is not installed")
    booster, X = train(p=6, rounds=30, depth=4)
    explainer = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent")
    explainer.model.model_type = "internal"
    np.testing.assert_allclose(contributions(booster, X)[:, :-1], explainer.shap_values(X), atol=1e-4)


def any_table(rows=900, p=6, seed=3):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, p)).astype("float32")
    X[rng.random(X.shape) < 0.1] = np.nan
    return X, 3 + np.exp(0.5 * np.nan_to_num(X[:, 0])) + np.abs(np.nan_to_num(X[:, 1] * X[:, 2]))


@pytest.mark.parametrize("settings", [
    {"booster": "dart", "rate_drop": 0.3}, {"booster": "dart", "one_drop": True, "num_parallel_tree": 2},
    {"objective": "reg:gamma"}, {"objective": "reg:tweedie"}, {"objective": "count:poisson"},
    {"objective": "reg:squaredlogerror"}, {"objective": "reg:logistic"}, {"objective": "binary:logistic"}])
def test_other_kinds_of_boosters(settings):
    """Dropout and links: tables answer, and on the scale on which xgboost does."""
    X, y = any_table()
    y = y / y.max() if "logistic" in str(settings) else y
    booster = xgboost.train({"max_depth": 4, "nthread": 1, **settings}, xgboost.DMatrix(X, y.round(
        0 if "binary" in str(settings) else 6)), 15)
    theirs = contributions(booster, X, plain=True)
    np.testing.assert_allclose(contributions(booster, X), theirs, atol=1e-5 * max(1, np.abs(theirs).max()))
    assert shap_tables.TableExplainer.worth(read_forest(booster), len(X)) is not None


def test_left_to_xgboost():
    """Categorical splits, linear boosters and several outputs are explained by xgboost, not refused."""
    X, y = any_table()
    whole = np.column_stack([np.random.default_rng(0).integers(0, 5, len(X)), X[:, :2]]).astype("float32")
    codes = xgboost.DMatrix(whole, y + 3 * (whole[:, 0] % 2), feature_types=["c", "q", "q"], enable_categorical=True)
    for booster, rows in ((xgboost.train({"max_depth": 3, "nthread": 1}, codes, 5), whole),
                          (xgboost.train({"booster": "gblinear", "nthread": 1}, xgboost.DMatrix(X, y), 5), X),
                          (xgboost.train({"nthread": 1}, xgboost.DMatrix(X, np.column_stack([y, -y])), 5), X)):
        assert np.array_equal(contributions(booster, rows), by_xgboost(booster, rows))
    assert contributions(booster, rows).shape == (len(X), 2, 7)


def test_no_trees():
    """A booster without trees has a base value and nothing else."""
    X, y = any_table()
    phi = contributions(xgboost.train({"nthread": 1, "base_score": 2.5}, xgboost.DMatrix(X, y), 0), X)
    assert (phi[:, :-1] == 0).all() and (phi[:, -1] == 2.5).all()


def test_early_stopping():
    """All trees of a booster count, and those up to the best round of an XGBModel: as in their predict."""
    X, y = any_table()
    model = xgboost.XGBRegressor(n_estimators=200, early_stopping_rounds=3, learning_rate=0.5, n_jobs=1)
    model.fit(X[:500], y[:500], eval_set=[(X[500:], y[500:])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    assert additivity_error(contributions(model, X), model.predict(X)) < 1e-5
    booster = model.get_booster()
    assert additivity_error(contributions(booster, X), booster.predict(xgboost.DMatrix(X))) < 1e-5


def test_few_rows_of_deep_trees(monkeypatch):
    """Where building tables would take longer than the rows are worth, xgboost answers."""
    X, y = any_table()
    booster = xgboost.train({"max_depth": 12, "nthread": 1, "min_child_weight": 0}, xgboost.DMatrix(X, y), 30)
    expected = by_xgboost(booster, X[:1])
    monkeypatch.setattr(shap_tables.TableExplainer, "contributions", None)
    assert np.array_equal(contributions(booster, X[:1]), expected)


@pytest.mark.parametrize("plain", [False, True])
def test_nothing_to_explain(plain):
    """Without rows there are no contributions, and as many columns as ever."""
    booster, X = train()
    assert contributions(booster, X[:0], plain=plain).shape == (0, 5)
    assert interactions(booster, X[:0], (0, 1, 0, 1), plain=plain).shape == (0, 4)
    both = xgboost.train({"nthread": 1}, xgboost.DMatrix(X, X[:, :2]), 2)
    assert contributions(both, X[:0], plain=plain).shape == (0, 2, 5)


def test_no_rows():
    """Nothing to check is no error."""
    assert additivity_error(np.zeros((0, 3)), np.zeros(0)) == 0
