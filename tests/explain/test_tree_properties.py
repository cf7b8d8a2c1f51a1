"""Whatever the trees: contributions equal those of xgboost and of shap, and of shap for forests of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reco_core.explain.forest import read_forest
from reco_core.explain.shap_tables import TableExplainer
from reco_core.explain.tree_shap import additivity_error, by_xgboost
from reco_core.models.tree_arrays import TreeArrays

xgboost = pytest.importorskip("xgboost")
RELATIVE = 1e-5
often = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow],
                 derandomize=True)


@st.composite
def boosted(draw):
    """A booster of any shape, and rows unlike, like and on the edges of its training rows."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    p, rows = draw(st.integers(1, 12)), draw(st.integers(20, 160))
    X = rng.normal(size=(rows, p)).astype("float32")
    if draw(st.booleans()):
        X = np.round(X)
    if draw(st.booleans()):
        X[:, rng.integers(p)] = 1.5  # constant
    X[rng.random(X.shape) < draw(st.sampled_from([0.0, 0.0, 0.2, 0.6]))] = np.nan
    y = draw(st.sampled_from([1.0, 300.0])) * np.sin(np.nan_to_num(X) @ rng.normal(size=p)) + rng.normal(size=rows)
    chosen = {"max_depth": draw(st.integers(1, 12)), "eta": 0.4, "nthread": 1, "min_child_weight": 0.0, "lambda": 0.1,
              "gamma": draw(st.sampled_from([0.0, 0.0, 1.0, 1e12])), "subsample": draw(st.sampled_from([0.6, 1.0])),
              "tree_method": draw(st.sampled_from(["hist", "exact"])),
              "booster": draw(st.sampled_from(["gbtree", "dart"]))}
    weight = rng.uniform(0.2, 3.0, rows) if draw(st.booleans()) else None
    booster = xgboost.train(chosen, xgboost.DMatrix(X, y, weight=weight), draw(st.integers(0, 8)))
    edges = read_forest(booster).thresholds[0]
    on_edges = rng.choice(edges, (30, p)) if len(edges) else np.zeros((3, p))
    return booster, np.concatenate([X, X[:7], on_edges, rng.normal(size=(20, p))]).astype("float32")


@often
@given(boosted())
def test_equals_xgboost_and_shap(case):
    """Depths 1 to 12, one leaf, no tree, missing and tied values, constant features, weights, dropout."""
    booster, X = case
    phi = TableExplainer(read_forest(booster)).contributions(X)
    theirs = by_xgboost(booster, X)
    scale = max(np.abs(theirs).max(), 1.0)
    np.testing.assert_allclose(phi, theirs, atol=RELATIVE * scale)
    assert additivity_error(phi, booster.predict(xgboost.DMatrix(X))) < 1e-4


@settings(often, max_examples=15)
@given(boosted())
def test_equals_shap(case):
    """shap's own code, not its hand-over to xgboost, gives the same."""
    shap = pytest.importorskip("shap", reason="the extra 'explain' is not installed")
    booster, X = case
    if booster.num_boosted_rounds() == 0 or "dart" in booster.save_config():
        return
    explainer = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent")
    explainer.model.model_type = "internal"
    X = X[-20:]  # it has an opinion of its own on missing values, ties with thresholds and the base value
    theirs = explainer.shap_values(X, check_additivity=False)
    found = TableExplainer(read_forest(booster)).contributions(X)[:, :-1]
    np.testing.assert_allclose(found, theirs, atol=RELATIVE * max(1.0, np.abs(theirs).max(initial=0.0)))


@settings(often, max_examples=15)
@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 8), st.integers(1, 6))
def test_forests_of_scikit_learn(seed, depth, p, trees):
    """The mean of trees grown by scikit-learn is split as shap splits it."""
    shap = pytest.importorskip("shap", reason="the extra 'explain' is not installed")
    ensemble = pytest.importorskip("sklearn.ensemble")
    rng = np.random.default_rng(seed)
    X = np.round(rng.normal(size=(120, p)), seed % 3 + 1).astype("float32")
    forest = ensemble.RandomForestRegressor(trees, max_depth=depth, random_state=seed, n_jobs=1)
    forest.fit(X, np.exp(X[:, 0]) + X.sum(axis=1))
    tables = TableExplainer.of_mean(TreeArrays.of([tree.tree_ for tree in forest.estimators_], p))
    theirs = shap.TreeExplainer(forest).shap_values(X)
    found, estimate = tables.explain(X)
    np.testing.assert_allclose(found[:, :-1], theirs, atol=RELATIVE * np.abs(theirs).max(initial=1.0))
    np.testing.assert_allclose(estimate, forest.predict(X), rtol=1e-5)
