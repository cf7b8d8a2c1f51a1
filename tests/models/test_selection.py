"""Choosing drivers: the filter, importance out of the bag, and elimination step by step."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.models.selection import (
    backward_elimination,
    best_choice,
    correlation_filter,
    grouped_estimates,
    grow,
    permutation_importance,
    pooled_error,
)

pytest.importorskip("sklearn")


def made(rows=240, seed=0):
    """Return drivers of which the first two matter, the third is noise and the fourth a copy of the first."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 4))
    X[:, 3] = X[:, 0] + 0.05 * rng.normal(size=rows)
    return X, 3 * X[:, 0] + X[:, 1] + 0.3 * rng.normal(size=rows)


@pytest.mark.parametrize("seed", range(5))
def test_nothing_left_is_correlated(seed):
    """After the filter no two drivers have |R| above 0.9, and one of each pair that had stays."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(200, 4))
    X = np.column_stack([base, base + rng.normal(0, 0.2, base.shape), -base])
    kept = correlation_filter(X, [f"x{k:02d}" for k in range(X.shape[1])])
    left = np.abs(np.corrcoef(X[:, kept], rowvar=False))
    assert np.triu(left, 1).max() <= 0.9 and len(kept) >= 4


def test_filter_drops_the_one_most_like_the_rest():
    """Of a pair the one that is more like all others goes; of equals the later in the alphabet."""
    rng = np.random.default_rng(0)
    a, c = rng.normal(size=(2, 500))
    b = a + 0.3 * c
    assert correlation_filter(np.column_stack([b, a, c]), ["b", "a", "c"]) == [1, 2]
    assert correlation_filter(np.column_stack([a, -a]), ["zz", "aa"]) == [1]
    crossed = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1.0]])
    assert correlation_filter(crossed, ["a", "b"]) == [0, 1]  # exactly uncorrelated


def test_filter_lives_with_gaps_and_constants():
    """Gaps are left out pair by pair as pandas does; a constant driver is correlated with nothing."""
    pd = pytest.importorskip("pandas")
    X, _ = made()
    X[::7, 0] = np.nan
    X = np.column_stack([X, np.ones(len(X))])
    from reco_core.models.selection import _correlations
    theirs = pd.DataFrame(X[:, :4]).corr().to_numpy()
    np.testing.assert_allclose(_correlations(X)[:4, :4], theirs, atol=1e-12)
    assert correlation_filter(X, list("abcde")) in ([0, 1, 2, 4], [1, 2, 3, 4])


def test_importance_ranks_what_matters():
    """Shuffling what matters costs most, and noise next to nothing."""
    X, y = made()
    found = permutation_importance(grow(X[:, :3], y, trees=40, seed=1), X[:, :3], y, seed=1)
    assert found[0] > found[1] > 5 * abs(found[2])


def test_importance_of_one_driver_is_what_it_explains():
    """With one driver the shuffled error minus the error is about twice the explained variance."""
    X, y = made(600)
    found = permutation_importance(grow(X[:, :1], y, trees=60, seed=0), X[:, :1], y, seed=0)[0]
    assert found == pytest.approx(2 * 9, rel=0.25)


def test_elimination_drops_noise():
    """The sets shrink to one driver; the best keeps both that matter, and noise does not outlive them."""
    X, y = made()
    tried = backward_elimination(X, y, np.arange(len(y)) % 5, start=[0, 1, 2], trees=30, seed=0)
    assert [len(choice.features) for choice in tried] == [3, 2, 1]
    assert set(tried[1].features) == {0, 1} and {0, 1} <= set(best_choice(tried).features)


def test_ties_go_to_fewer():
    """Of sets with the same error the smaller one is taken; unknown errors never win."""
    from reco_core.models.selection import Choice
    tried = [Choice((0, 1, 2), 1.0, 0.5), Choice((0, 1), 1.0, 0.5), Choice((0,), float("nan"), float("nan"))]
    assert best_choice(tried).features == (0, 1)
    assert best_choice(tried[2:]).features == (0,)


def test_estimates_never_see_their_fold():
    """A fold whose target is shifted is not matched: the estimate comes from the other folds."""
    X, y = made()
    fold = np.arange(len(y)) % 4
    shifted = np.where(fold == 0, y + 1000, y)
    found = grouped_estimates(X, shifted, fold, trees=10)
    assert np.abs(found[fold == 0]).max() < 50 and pooled_error(y, found)[0] > 50
