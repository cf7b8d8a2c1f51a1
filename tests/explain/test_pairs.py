"""Interactions of kinds of features are sums of xgboost's, and keep their sum when kinds become groups."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.explain.pairs import from_matrix, kinds_of, pair_names, pairs, to_groups
from reco_core.explain.tree_shap import contributions, interactions

xgboost = pytest.importorskip("xgboost")


def model(depth=5, p=7, **settings):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, p)).astype("float32")
    X[rng.random(X.shape) < 0.05] = np.nan
    Z = np.nan_to_num(X)
    y = Z[:, 0] * Z[:, 1] + Z[:, 2] * Z[:, -1] + np.abs(Z).sum(axis=1)
    return xgboost.train({"max_depth": depth, "nthread": 1, **settings}, xgboost.DMatrix(X, y), 15), X


@pytest.mark.parametrize("settings", [{}, {"depth": 1}, {"depth": 9}, {"booster": "dart", "rate_drop": 0.3}])
@pytest.mark.parametrize("kinds", [(0, 1, 2, 0, 1, 2, 0), (0,) * 7, (0, 1, 2, 3, 4, 5, 6)])
def test_sums_of_xgboosts(settings, kinds):
    """Three groups, all in one, and every feature on its own: the same as sums of pred_interactions."""
    booster, X = model(**settings)
    ours, theirs = (interactions(booster, X[:80], kinds, plain=plain) for plain in (False, True))
    assert ours.shape == theirs.shape == (80, len(pairs(max(kinds) + 1)) + 1)
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs[:, :-1]).max(), rtol=1e-5)


def test_add_up():
    """Half of what pairs do together, and all that a group does alone, is what the group contributes."""
    booster, X = model()
    kinds = np.array([0, 1, 2, 0, 1, 2, 0])
    found, phi = interactions(booster, X, kinds), contributions(booster, X)
    for kind in range(3):
        own = sum(found[:, lane] * (1.0 if a == b else 0.5) for lane, (a, b) in enumerate(pairs(3)) if kind in (a, b))
        np.testing.assert_allclose(own, phi[:, :-1][:, kinds == kind].sum(axis=1), atol=1e-4)


def test_columns_that_belong_to_several_groups():
    """A column may belong to groups in parts: then so does what it does together with others."""
    weights = np.array([[1.0, 0.0], [0.0, 1.0], [0.25, 0.75], [1.0, 0.0]])
    kinds, belonging = kinds_of(weights)
    assert kinds[0] == kinds[3] and len(belonging) == 3
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(6, 5, 5))
    matrix += matrix.transpose(0, 2, 1)
    found = to_groups(from_matrix(matrix, kinds)[:, :-1], belonging)
    inside = matrix[:, :4, :4]
    for lane, (a, b) in enumerate(pairs(2)):
        wanted = np.einsum("nij,i,j->n", inside, weights[:, a], weights[:, b]) * (1 if a == b else 2)
        np.testing.assert_allclose(found[:, lane], wanted)


def test_names():
    """The names stand in the order of the numbers."""
    assert pair_names(["x", "y", "z"]) == ["x", "x x y", "y", "x x z", "y x z", "z"]
