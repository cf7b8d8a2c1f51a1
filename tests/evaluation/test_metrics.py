"""Scores: printed numbers, identities, and what has no score."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.evaluation.metrics import METRICS, score


def test_numbers():
    """Five pairs whose scores were worked out by hand."""
    found = score([1, 2, 3, 4, 5], [1.1, 2.3, 2.9, 4.4, 4.8])
    expected = {"n": 5, "r2_pearson": 0.974622, "r2_nse": 0.969, "rmse": 0.248998, "mae": 0.22, "rmae": 0.073333,
                "bias": 0.1, "sde": 0.228035, "ccc": 0.983946, "slope": 0.95}
    assert set(found) == {"n", *METRICS}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-6), name


def test_error_is_bias_and_scatter():
    """rmse^2 = bias^2 + sde^2."""
    y, p = np.random.default_rng(0).normal(size=(2, 100)) + [[0], [3]]
    found = score(y, p)
    assert found["rmse"] ** 2 == pytest.approx(found["bias"] ** 2 + found["sde"] ** 2)
    assert found["bias"] == pytest.approx(p.mean() - y.mean())


def test_perfect_and_mean():
    """A perfect estimate has 1, the mean of the observations has R2 = 0, a shifted one keeps its correlation only."""
    y = np.arange(10.0)
    assert score(y, y)["r2_nse"] == 1 and score(y, y)["ccc"] == 1
    assert score(y, np.full(10, y.mean()))["r2_nse"] == 0
    shifted = score(y, y + 20)
    assert shifted["r2_pearson"] == pytest.approx(1) and shifted["r2_nse"] < -10 and shifted["ccc"] < 0.1


def test_gaps_are_left_out():
    """Pairs with a gap on either side do not count."""
    y, p = np.arange(6.0), np.arange(6.0) + 1
    y[0] = p[5] = np.nan
    assert score(y, p) == score(np.arange(1.0, 5), np.arange(1.0, 5) + 1)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few(n):
    """Fewer than three pairs have no score."""
    found = score(np.arange(n), np.arange(n))
    assert found["n"] == n and all(np.isnan(found[name]) for name in METRICS)


def test_no_variance():
    """Where the observations never change, shares of variance are undefined; errors are not."""
    found = score([2, 2, 2, 2], [1, 2, 3, 2])
    assert np.isnan([found["r2_nse"], found["r2_pearson"], found["slope"]]).all()
    assert found["mae"] == 0.5
