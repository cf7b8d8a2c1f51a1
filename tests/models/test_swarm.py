"""K-means that a swarm starts: finds what is there, as well as fifty other starts, and the same each time."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.errors import ConfigError, SampleError
from reco_core.models.swarm import cluster, inertia, lloyd

VARIANTS = ("constriction", "1995")


def blobs(seed=0, each=25):
    """Return four well separated clouds and their numbers."""
    rng = np.random.default_rng(seed)
    centres = np.array([[0, 0], [8, 0], [0, 8], [8, 8]], dtype=float)
    label = np.repeat(np.arange(4), each)
    return centres[label] + rng.normal(0, 0.6, (label.size, 2)), label


@pytest.mark.parametrize("variant", VARIANTS)
def test_blobs_are_recovered(variant):
    """Four clouds become four groups, point by point (adjusted Rand index 1)."""
    metrics = pytest.importorskip("sklearn.metrics")
    points, label = blobs()
    assert metrics.adjusted_rand_score(label, cluster(points, 4, seed=1, variant=variant).label) == 1


@pytest.mark.parametrize("number", range(4))
def test_as_good_as_fifty_starts(number):
    """On points without clouds the sum of squares is at most 1 % above the best of 50 runs of k-means++."""
    KMeans = pytest.importorskip("sklearn.cluster").KMeans
    rng = np.random.default_rng(number)
    points, count = rng.normal(size=(167, 4)), int(rng.integers(2, 9))
    best = KMeans(count, n_init=50, random_state=0).fit(points).inertia_
    assert inertia(points, cluster(points, count, seed=1).centres) <= best * 1.01


def test_same_seed_same_groups():
    """A seed decides everything."""
    points = np.random.default_rng(3).normal(size=(60, 3))
    first, second = cluster(points, 5, seed=7), cluster(points, 5, seed=7)
    assert first.label.tolist() == second.label.tolist() and first.centres.tobytes() == second.centres.tobytes()


def test_result_is_a_minimum():
    """Each centre is the mean of its points, and each point is with its nearest centre."""
    points, _ = blobs(2)
    found = cluster(points, 3, seed=0)
    for number, centre in enumerate(found.centres):
        np.testing.assert_allclose(centre, points[found.label == number].mean(axis=0), atol=1e-7)
    square = np.square(points[:, None] - found.centres[None]).sum(axis=2)
    assert (found.label == square.argmin(axis=1)).all()


def test_empty_groups_start_anew():
    """Centres far from all points take the farthest points instead of staying empty."""
    points, _ = blobs()
    found = lloyd(points, np.array([[0.0, 0.0], [900.0, 900.0], [990.0, 990.0], [8.0, 8.0]]))
    assert np.unique(found.label).size == 4


def test_impossible_numbers():
    """More groups than different points, or an unknown variant, are refused in words."""
    with pytest.raises(SampleError, match="2 different places cannot be put into 3"):
        cluster(np.repeat([[0.0], [1.0]], 5, axis=0), 3)
    with pytest.raises(ConfigError, match="no variant"):
        cluster(np.arange(9.0)[:, None], 2, variant="1996")
