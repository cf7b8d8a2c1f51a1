"""The kernels of the drought indices: scores, sorting, sums and gamma distributions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from reco_core.drivers import gamma_kernels, spei_kernels
from reco_core.drivers.score_tables import gamma_table, sorting_network
from reco_core.drivers.spei_kernels import LANES


def lanes(values):
    """Return as many values as there are lanes, the given ones repeated."""
    return np.resize(np.asarray(values, float), LANES)


def test_normal_scores():
    """The inverse of the normal distribution is that of scipy to 1e-13, far into both tails."""
    low = np.concatenate([np.geomspace(1e-300, 0.5, 5000), np.linspace(1e-6, 0.5, 5000)])
    scores, mirrored = np.empty_like(low), np.empty_like(low)
    spei_kernels.normal_scores(low, 1 - low, scores)
    spei_kernels.normal_scores(1 - low, low, mirrored)
    np.testing.assert_allclose(scores, special.ndtri(low), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(mirrored, -special.ndtri(low), rtol=1e-13, atol=1e-15)
    ends = np.empty(2)
    spei_kernels.normal_scores(np.array([0.0, 1.0]), np.array([1.0, 0.0]), ends)
    assert ends.tolist() == [-np.inf, np.inf]


def test_scores_of_logits():
    """The normal score of a logit is right to 1e-10; far and infinite ones go by the tail, and `clip` holds."""
    logit = np.concatenate([np.linspace(-39.999, 39.999, 10 * LANES - 4), [-700, 55, -1e300, np.nan]])
    result = np.empty_like(logit)
    for start in range(0, logit.size, LANES):
        spei_kernels.logistic_scores(logit[start:start + LANES], np.inf, result, start, LANES)
    expected = -special.ndtri_exp(-np.logaddexp(0, np.abs(logit[:-2]))) * np.sign(logit[:-2])
    np.testing.assert_allclose(result[:-2], expected, atol=1e-10, rtol=1e-13)
    assert result[-2] == -np.inf and np.isnan(result[-1])
    spei_kernels.logistic_scores(logit[-LANES:], 8.0, result, 0, LANES)
    assert result[LANES - 4:LANES - 1].tolist() == [-8, 8, -8] and np.isnan(result[LANES - 1])


def test_logarithm():
    """The logarithm that is written out is that of the library to the last digits."""
    x = np.concatenate([np.geomspace(1e-300, 1e300, 999), np.linspace(0.5, 2, 999)])
    ours = np.array([spei_kernels.logarithm(value) for value in x])
    np.testing.assert_allclose(ours, np.log(x), rtol=3e-16, atol=3e-16)


@given(st.integers(1, 70), st.integers(0, 1000))
def test_sorting(size, seed):
    """The network sorts any number of values, also equal and infinite ones."""
    rng = np.random.default_rng(seed)
    sample = rng.integers(0, 30, (size, LANES)).astype(float)
    sample[rng.random(sample.shape) < 0.1] = np.inf
    expected = np.sort(sample, axis=0)
    spei_kernels.sort_lanes(sample, sorting_network(size))
    assert np.array_equal(sample, expected)


@given(st.integers(1, 40), st.integers(1, 40), st.booleans())
def test_running_sums(length, scale, gap):
    """Sums are those of the months up to each; what touches a gap or the beginning is missing, 0 stays 0."""
    values = np.random.default_rng(length).integers(0, 3, (length, LANES + 5)).astype("float32")
    if gap:
        values[length // 2, 7] = np.nan
    sums = np.full((length, LANES), np.nan)
    spei_kernels.running_sums(values, 5, LANES, scale, 10.0, sums, np.empty((scale, LANES)), np.empty(LANES))
    for time in range(length):
        window = values[max(0, time - scale + 1):time + 1, 5:5 + LANES].astype(float) + 10
        expected = window.sum(axis=0) if time >= scale - 1 else np.full(LANES, np.nan)
        assert np.array_equal(sums[time], expected, equal_nan=True)


def test_incomplete_gamma():
    """Both tails of the gamma distribution are those of scipy, for small and large shapes."""
    rng = np.random.default_rng(0)
    shape = np.exp(rng.uniform(np.log(0.02), np.log(3000), 2000))
    x = shape * np.exp(rng.normal(0, 3 / np.sqrt(shape + 1)))
    ours = np.array([gamma_kernels.gamma_tails(*pair) for pair in zip(shape, x)])
    np.testing.assert_allclose(ours[:, 0], special.gammainc(shape, x), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours[:, 1], special.gammaincc(shape, x), rtol=1e-9, atol=1e-12)
    assert gamma_kernels.gamma_tails(2.0, 0.0) == (0.0, 1.0)


@pytest.mark.parametrize("shape", [4.0, 4.7, 11.0, 60.0, 180.0, 3600.0])
def test_gamma_scores(shape):
    """The table of corrections gives the score of a gamma distribution to 1e-9 where scipy itself is that good."""
    table = gamma_table()
    mean, shapes = np.full(LANES, 700.0), np.full(LANES, shape)
    rough, even, odd, fine = (np.empty(LANES) for _ in range(4))
    powers, coefficients = np.empty((table.shape[1], LANES)), np.empty((table.shape[0], LANES))
    gamma_kernels.corrections(table, shapes, powers, coefficients)
    reach = 4.4 if shape > 200 else 7.5
    x = stats.gamma.isf(special.ndtr(-np.linspace(-reach, reach, LANES)), shape, scale=700 / shape)
    gamma_kernels.first_scores(x, mean, shapes, rough)
    gamma_kernels.corrected_scores(rough, coefficients, even, odd, fine)
    below, above = special.gammainc(shape, x * shape / 700), special.gammaincc(shape, x * shape / 700)
    exact = np.where(below < above, special.ndtri(below), -special.ndtri(above))
    np.testing.assert_allclose(fine, exact, atol=1e-9)


def test_gamma_fits():
    """Both fits find the shape and mean of a large sample, and count its zeros."""
    sample = np.sort(stats.gamma.rvs(2.5, scale=30, size=(4000, 1), random_state=1) * np.ones(LANES), axis=0)
    sample[:1000] = 0.0
    positive = sample[1000:, 0]
    for moments in (False, True):
        mean, shape, zero = (np.empty(LANES) for _ in range(3))
        gamma_kernels.fit_gamma(sample, moments, mean, shape, zero)
        assert (mean == pytest.approx(positive.mean())) and (zero == 0.25).all()
        likely = stats.gamma.fit(positive, floc=0)[0]
        assert shape == pytest.approx(likely, rel=0.02 if not moments else 0.1)
    few = np.full((6, LANES), np.inf)
    few[:3] = lanes([1.0, 2.0, 3.0])[:3, np.newaxis]
    gamma_kernels.fit_gamma(few, False, mean, shape, zero)
    assert np.isnan(shape).all()
