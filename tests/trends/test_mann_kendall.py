"""Mann-Kendall and Theil-Sen of one series, against published and independent numbers."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from reco_core.trends import mann_kendall, theil_sen
from reco_core.trends.mann_kendall import exact_p

SERIES_A = np.array([12.1, 11.8, 12.6, 13.0, 12.7, 12.9, 13.6, 13.9, 13.5, 13.8, 14.4, 14.1, 14.0, 14.9, 15.3,
                     15.0, 14.8, 15.6, 16.1, 15.9])


def test_series_with_a_tie():
    """The worked example: S, its tie-corrected variance, Z, p and the slope."""
    result = mann_kendall([5, 2, 6, 6, 9, 8, 11])
    assert result.s == 16
    assert result.variance == pytest.approx(43.3333, abs=1e-4)
    assert result.z == pytest.approx(2.278664, abs=1e-6)
    assert result.p == pytest.approx(0.022687, abs=1e-6)
    assert theil_sen([5, 2, 6, 6, 9, 8, 11]).slope == 1.0


def test_series_of_twenty_years():
    """The second worked example has neither ties nor gaps."""
    result = mann_kendall(SERIES_A)
    assert (result.s, result.variance) == (162, 950)
    assert result.z == pytest.approx(5.223530, abs=1e-6)
    assert theil_sen(SERIES_A).slope == pytest.approx(0.202941, abs=1e-6)


@pytest.mark.parametrize(("n", "score", "p"), [(4, 6, 0.083333), (5, 10, 0.016667), (8, 18, 0.031151),
                                               (10, 23, 0.046623)])
def test_exact_p(n, score, p):
    """The exact distribution of S gives the tabulated p."""
    assert exact_p(score, n) == pytest.approx(p, abs=1e-6)


def test_exact_p_equals_scipy():
    """p equals that of scipy's exact Kendall test, for every size up to the limit."""
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(3)
    for n in range(4, 11):
        y = rng.permutation(n).astype(float)
        expected = stats.kendalltau(np.arange(n), y, method="exact").pvalue
        assert mann_kendall(y, exact=True).p == pytest.approx(expected, abs=1e-12)


def test_normal_p_where_ties_forbid_the_exact_one():
    """With ties, or more than ten values, exact=True changes nothing."""
    for y in ([5, 2, 6, 6, 9, 8, 11], SERIES_A):
        assert mann_kendall(y, exact=True).p == mann_kendall(y).p


def test_constant_series():
    """No variance: S = 0, p = 1, slope 0."""
    result = mann_kendall(np.full(12, 3.5))
    assert (result.s, result.variance, result.p) == (0, 0, 1)
    sen = theil_sen(np.full(12, 3.5))
    assert (sen.slope, sen.low, sen.high) == (0, 0, 0)


def test_interval_and_intercept_equal_scipy():
    """Slope, intercept and interval agree with scipy.stats.theilslopes, at uneven times too."""
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.5, 2.0, 25))
    y = np.round(0.3 * times + rng.normal(size=25), 1)
    ours = theil_sen(y, times)
    expected = stats.theilslopes(y, times, 0.95, method="separate")
    assert (ours.slope, ours.intercept, ours.low, ours.high) == pytest.approx(tuple(expected), rel=1e-12)


def test_too_short():
    """One value has no trend."""
    assert np.isnan(mann_kendall([1.0, np.nan]).p)
    assert np.isnan(theil_sen([1.0]).slope)


def test_shared_vector_of_360_values(real_data):
    """The 360-value vector with gaps gives the stored results of other packages."""
    folder = real_data("reference_values/mann_kendall")
    values = np.genfromtxt(folder / "arbitrary_1d_360.csv", skip_header=1)
    with open(folder / "expected.csv", newline="") as file:
        stored = {(row["test"], row["quantity"]): row["expected"] for row in csv.DictReader(file)}
    sen, result = theil_sen(values), mann_kendall(values)
    assert np.isnan(values).any()
    assert sen.slope == pytest.approx(float(stored["test_sens_slope", "slope"]), rel=1e-12)
    assert sen.intercept == pytest.approx(float(stored["test_sens_slope", "intercept"]), rel=1e-12)
    for ours, name in ((result.p, "p"), (result.z, "z"), (result.tau, "Tau"), (result.s, "s"),
                       (result.variance, "var_s")):
        assert ours == pytest.approx(float(stored["test_original_test", name]), rel=1e-10)
