"""Shapley values of functions of few features: by hand, by their axioms, and how well a sample of orders serves."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.models.shapley import background_rows, exact_plan, sampled_plan, shapley_values


def worth_of(function, X, others):
    """Return the worth of sets of features: the mean over background rows, computed as plainly as can be."""

    def worth(mask):
        mixed = np.where(mask, X[:, None], others[None])
        return function(mixed.reshape(-1, X.shape[1])).reshape(len(X), -1).mean(axis=1)

    return worth


def example(features=4, rows=20):
    rng = np.random.default_rng(1)
    return rng.normal(size=(rows, features)), rng.normal(size=(30, features))


def test_additive():
    """In a sum each feature gives its own term minus the mean of that term."""
    X, others = example()
    found = exact_plan(4).values(worth_of(lambda Z: Z[:, 0] ** 2 + 3 * Z[:, 1], X, others), 20)
    np.testing.assert_allclose(found[:, 0], X[:, 0] ** 2 - (others[:, 0] ** 2).mean())
    np.testing.assert_allclose(found[:, 1], 3 * (X[:, 1] - others[:, 1].mean()))
    np.testing.assert_allclose(found[:, 2:], 0, atol=1e-12)


def test_product_of_two():
    """With one background row the joint effect is shared equally."""
    found = exact_plan(2).values(worth_of(lambda Z: Z[:, 0] * Z[:, 1], np.array([[3.0, 5.0]]), np.zeros((1, 2))), 1)
    np.testing.assert_allclose(found, [[7.5, 7.5]])


def test_copies_share_equally():
    """Two copies of a feature get the same."""
    X, others = example()
    X[:, 1], others[:, 1] = X[:, 0], others[:, 0]
    found = exact_plan(4).values(worth_of(lambda Z: np.exp(Z[:, 0] + Z[:, 1]) * Z[:, 2], X, others), 20)
    np.testing.assert_allclose(found[:, 0], found[:, 1])


@pytest.mark.parametrize("features", [1, 4, 8, 9])
def test_nothing_is_left_over(features):
    """Exact or sampled, values and base add up to the estimate."""
    X, others = example(features)

    def function(Z):
        return np.tanh(Z.sum(axis=1)) * Z[:, 0] + np.cos(Z[:, -1])

    found = shapley_values(worth_of(function, X, others), features, len(X))
    np.testing.assert_allclose(found.sum(axis=1), function(X), atol=1e-12)
    np.testing.assert_allclose(found[:, -1], function(others).mean())


def test_a_sample_of_orders_comes_close():
    """Eight pairs of orders miss the exact values of nine features by a few percent of their spread."""
    X, others = example(9)

    def function(Z):
        return np.tanh(Z @ np.linspace(-1, 1, 9)) + 0.3 * Z[:, 0] * Z[:, 1]

    worth = worth_of(function, X, others)
    exact, sampled = exact_plan(9).values(worth, 20), sampled_plan(9).values(worth, 20)
    assert np.sqrt(np.mean((sampled - exact) ** 2)) < 0.1 * exact.std()
    np.testing.assert_array_equal(sampled, shapley_values(worth, 9, 20)[:, :-1])


@pytest.mark.parametrize("plan", [exact_plan(1), exact_plan(5), sampled_plan(9), sampled_plan(2)])
def test_sets_extend_those_before(plan):
    """Each set is the last one that is smaller by one, and its feature; the whole set is among them once."""
    before = {0: np.zeros(len(plan.none), dtype=bool)}
    for mask, depth, feature in zip(plan.masks, plan.depth, plan.feature):
        expected = before[depth - 1].copy()
        expected[feature] = True
        assert (mask == expected).all() and mask.sum() == depth
        before[depth] = mask
    assert plan.masks.all(axis=1).sum() == 1
    np.testing.assert_allclose(plan.shares.sum(axis=1), plan.masks.all(axis=1), atol=1e-12)


def test_background():
    """Up to 64 different rows, always the same ones."""
    rows = background_rows(1000, 3)
    assert len(set(rows)) == 64 and rows.max() < 1000 and (rows == background_rows(1000, 3)).all()
    assert background_rows(10, 3).tolist() == list(range(10))
