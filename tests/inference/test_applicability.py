"""The area of applicability, against worked numbers and its invariants."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.errors import ArtifactError
from reco_core.inference.applicability import ApplicabilityArea

POINTS = np.array([(0, 0), (1, 0), (0, 1), (4, 4), (5, 4), (4, 5)], dtype=float)
FOLDS = np.array([0, 0, 0, 1, 1, 1])


def random_area(n=300, p=4, seed=0, scale=1.0, weights=None, most_rows=20000):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    X[:, 0] *= scale
    return X, ApplicabilityArea.of(X, rng.integers(0, 5, n), weights, most_rows=most_rows)


def test_worked_example():
    """Six points in two folds: mean distance, training index, threshold, and two new points."""
    area = ApplicabilityArea.of(POINTS, FOLDS, (2, 1))
    assert area.mean_distance == pytest.approx(2.710438, abs=1e-6)
    assert area.training_index == pytest.approx([1.46603, 1.18196, 1.40043, 1.18196, 1.46603, 1.28016], abs=1e-5)
    assert area.threshold == pytest.approx(1.466035, abs=1e-6)
    index = area.dissimilarity([(2, 2), (20, 20)])
    assert index == pytest.approx([0.463601, 5.572861], abs=1e-6)
    assert index[0] < area.threshold < index[1]
    assert area.applicability([(2, 2), (20, 20)]) == pytest.approx([1 - 0.463601 / (2 * 1.466035), 0], abs=1e-6)


def test_training_points_are_wholly_applicable():
    """At a training point the index is 0 and the applicability 1."""
    X, area = random_area()
    assert (area.dissimilarity(X) == 0).all() and (area.applicability(X) == 1).all()


def test_half_at_the_threshold_and_nothing_beyond_twice():
    """The applicability falls linearly with the index and is 0 from twice the threshold on."""
    area = ApplicabilityArea.of(POINTS[:, :1], FOLDS)
    step = area.mean_distance * area.threshold / area.scale[0]
    x = 5 + step * np.array([[0.5], [1.0], [2.0], [9.0]])
    assert area.applicability(x) == pytest.approx([0.75, 0.5, 0, 0], abs=1e-12)


def test_index_equals_brute_force():
    """The tree finds the same nearest training point as all pairs do."""
    X, area = random_area(200, 5, 3)
    new = np.random.default_rng(9).normal(size=(50, 5)) * 2
    pairs = np.linalg.norm((new[:, None] - X[None]) * area.scale, axis=2)
    np.testing.assert_allclose(area.dissimilarity(new), pairs.min(axis=1) / area.mean_distance, rtol=1e-12)
    within = area.dissimilarity(new) <= 0.5
    assert np.array_equal(np.isfinite(area.dissimilarity(new, limit=0.5)), within) and 0 < within.sum() < 50


def test_scaling_a_driver_changes_nothing():
    """Drivers may come in any unit."""
    X, area = random_area()
    scaled, other = random_area(scale=1000.0)
    np.testing.assert_allclose(other.training_index, area.training_index, rtol=1e-9)
    np.testing.assert_allclose(other.dissimilarity(scaled * 1.1), area.dissimilarity(X * 1.1), rtol=1e-9)


def test_scaling_all_weights_changes_nothing():
    """Only the ratios of the weights matter; all zero is the same as none."""
    X, area = random_area(weights=[1, 2, 3, 4])
    other = random_area(weights=[10, 20, 30, 40])[1]
    np.testing.assert_allclose(other.dissimilarity(X + 1), area.dissimilarity(X + 1), rtol=1e-12)
    none, zero = random_area()[1], random_area(weights=[0, 0, 0, 0])[1]
    assert np.array_equal(none.dissimilarity(X + 1), zero.dissimilarity(X + 1))


def test_a_driver_without_weight_has_no_influence():
    """However strange its values are."""
    X, area = random_area(weights=[1, 1, 1, 0])
    strange = X.copy()
    strange[:, 3] = 1e6
    assert (area.dissimilarity(strange) == 0).all()


def test_constant_driver():
    """A driver that is constant in training cannot be compared, and does not break the rest."""
    X = np.column_stack([POINTS, np.full(6, 7.0)])
    area = ApplicabilityArea.of(X, FOLDS)
    assert np.isfinite(area.threshold) and area.dissimilarity([[0, 0, 99.0]])[0] == 0


def test_rows_with_gaps_are_left_out():
    """A training row with a missing driver is no point."""
    X = np.vstack([POINTS, [np.nan, 1]])
    area = ApplicabilityArea.of(X, [*FOLDS, 1], (2, 1))
    assert area.mean_distance == pytest.approx(2.710438, abs=1e-6)


def test_subsample_is_deterministic_and_close():
    """Very many rows are thinned, always the same ones, and the threshold stays close."""
    _, full = random_area(4000)
    _, thin = random_area(4000, most_rows=1000)
    assert len(thin.points) == 1000 and np.array_equal(thin.points, random_area(4000, most_rows=1000)[1].points)
    assert thin.mean_distance == pytest.approx(full.mean_distance, rel=0.05)


def test_one_fold_only():
    """Without a second fold there is nothing to compare with."""
    with pytest.raises(ArtifactError, match="two folds"):
        ApplicabilityArea.of(POINTS, np.zeros(6))


def test_negative_weight():
    """A negative importance is refused."""
    with pytest.raises(ArtifactError, match="negative"):
        ApplicabilityArea.of(POINTS, FOLDS, (1, -1))
