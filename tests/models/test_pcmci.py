"""The tests of PCMCI+: partial correlations, the search, and what is stored of it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from reco_core.errors import Cancelled
from reco_core.models.pcmci import normal_scores, p_value, skeleton
from reco_core.progress import Progress


def chain(n=800, seed=0):
    """Return a -> b -> c and an unrelated d."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    b = a + 0.5 * rng.normal(size=n)
    c = b + 0.5 * rng.normal(size=n)
    return np.column_stack([a, b, c, rng.normal(size=n)])


def test_normal_scores_of_equal_values():
    """Equal values take the highest rank; the largest stays finite."""
    scores = normal_scores(np.array([[1.0], [1.0], [2.0], [3.0]]))[:, 0]
    np.testing.assert_allclose(scores, stats.norm.ppf([0.5, 0.5, 0.75, 1 - 1e-5]))


def test_p_value_is_that_of_pearson():
    """Without conditions p is that of the correlation test; without freedom there is none."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 40))
    r, p = stats.pearsonr(x, y)
    assert p_value(np.array([r]), 38)[0] == pytest.approx(p, rel=1e-9)
    assert p_value(np.array([1.0, -1.0]), 10).tolist() == [0.0, 0.0]
    assert np.isnan(p_value(np.array([0.3]), 0)).all()


def test_chain_is_taken_apart():
    """What is linked only through another variable is no link; the chain's own links stay."""
    found = skeleton(chain())
    assert found.adjacent.tolist() == [[False, True, False, False], [True, False, True, False],
                                       [False, True, False, False], [False] * 4]
    assert abs(found.values[0, 2]) < 0.1 and found.values[0, 1] > 0.5
    np.testing.assert_array_equal(found.values, found.values.T)


def test_value_is_the_partial_correlation():
    """With three variables that all hang together the value is the partial correlation given the third."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(3000, 3)) @ np.array([[1, 0.6, 0.5], [0, 1, 0.4], [0, 0, 1]])
    found = skeleton(x)
    precision = np.linalg.inv(np.corrcoef(normal_scores(x), rowvar=False))
    expected = -precision[0, 1] / np.sqrt(precision[0, 0] * precision[1, 1])
    assert found.adjacent[0, 1]
    assert found.values[0, 1] == pytest.approx(expected, abs=1e-9)


def test_monotone_changes_do_not_matter():
    """Ranks decide: any increasing function of a variable gives the same result."""
    data = chain()
    changed = data.copy()
    changed[:, 1] = np.exp(changed[:, 1])
    np.testing.assert_allclose(skeleton(changed).values, skeleton(data).values, atol=1e-12, equal_nan=True)


def test_larger_p_of_both_directions_does_not_depend_on_order():
    """With value="max_p_pair" the order of the variables does not matter."""
    rng = np.random.default_rng(5)
    data = rng.normal(size=(300, 6)) @ rng.normal(size=(6, 6))
    order = rng.permutation(6)
    one = skeleton(data, value="max_p_pair").values
    two = skeleton(data[:, order], value="max_p_pair").values
    np.testing.assert_allclose(two, one[np.ix_(order, order)], atol=1e-9)


def test_constant_column():
    """A constant has no value with anything and changes nothing for the others."""
    data = chain()
    with_constant = np.insert(data, 2, 7.0, axis=1)
    found = skeleton(with_constant)
    assert np.isnan(found.values[2]).all() and np.isnan(found.values[:, 2]).all()
    rest = [0, 1, 3, 4]
    np.testing.assert_array_equal(found.values[np.ix_(rest, rest)], skeleton(data).values)


def test_same_column_twice():
    """Two columns that are the same do not break the search; their values agree."""
    data = chain()
    found = skeleton(np.column_stack([data, data[:, 1]]))
    assert np.isfinite(found.values).all()
    assert found.values[0, 1] == pytest.approx(found.values[0, 4], abs=1e-6)


def test_can_be_stopped():
    """The search asks whether it shall stop."""
    with pytest.raises(Cancelled):
        skeleton(chain(), progress=Progress(stopped=lambda: True))
