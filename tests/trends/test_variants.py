"""Tests of trends that reckon with seasons and autocorrelation, against worked numbers and pymannkendall."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.errors import ConfigError
from reco_core.trends import METHODS, TrendTest, mann_kendall, series_trend, theil_sen, trend_maps
from reco_core.trends.maps import NAMES
from reco_core.trends.variants import autocorrelation, hamed_rao_factor, mid_ranks

SERIES_A = np.array([12.1, 11.8, 12.6, 13.0, 12.7, 12.9, 13.6, 13.9, 13.5, 13.8, 14.4, 14.1, 14.0, 14.9, 15.3,
                     15.0, 14.8, 15.6, 16.1, 15.9])
ALL = [TrendTest(name, season=6) for name in METHODS]
MORE = [TrendTest("hamed_rao", floor=0.05), TrendTest("hamed_rao", lags=3, floor=0.05), TrendTest("tfpw", always=True),
        TrendTest("yue_wang", lags=4, floor=0.05), TrendTest("seasonal_covariance", season=4, floor=0.05)]


def named(test):
    """Return a name for a test."""
    return f"{test.method}-{test.season}-{test.lags}-{test.floor}-{test.always}"


def persistent(n, pixels, gaps=0.0, digits=None, seed=0):
    """Return autocorrelated series with a trend, shape (n, pixels)."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, pixels))
    for k in range(1, n):
        values[k] += rng.uniform(-0.4, 0.8, pixels) * values[k - 1]
    values += rng.normal(0, 0.05, pixels) * np.arange(n)[:, None] + 5
    values[rng.random(values.shape) < gaps] = np.nan
    return values if digits is None else np.round(values, digits)


def test_hamed_and_rao_of_the_worked_series():
    """Lags 2 and 4 are significant, the signed factor is below 1, and the floor keeps it from helping."""
    ranks = mid_ranks(SERIES_A - theil_sen(SERIES_A).slope * np.arange(20))
    assert autocorrelation(ranks, 2) == pytest.approx(-0.7602, abs=1e-4)
    assert autocorrelation(ranks, 4) == pytest.approx(0.5165, abs=1e-4)
    assert hamed_rao_factor(ranks, 20, 5) == pytest.approx(0.419264, abs=1e-6)
    low, usual = (series_trend(SERIES_A, None, TrendTest("hamed_rao", floor=floor)) for floor in (0.05, 1.0))
    assert low.z == pytest.approx(8.067153, abs=1e-6) and usual.z == pytest.approx(5.223530, abs=1e-6)
    assert (usual.s, usual.variance) == (162, 950)


def test_trend_free_prewhitening_of_the_worked_series():
    """r1 of the residuals is not significant, so the series stays as it is; forced, S = 145."""
    residuals = SERIES_A - theil_sen(SERIES_A).slope * np.arange(20)
    assert autocorrelation(residuals, 1) == pytest.approx(-0.037375, abs=1e-6)
    forced = series_trend(SERIES_A, None, TrendTest("tfpw", always=True))
    assert forced.s == 145 and forced.z == pytest.approx(5.037922, abs=1e-6) and forced.n == 20
    assert series_trend(SERIES_A, None, TrendTest("tfpw")).s == 162


def test_seasonal_of_the_worked_series():
    """Scores and variances of two seasons add up."""
    trend = series_trend([1, 5, 2, 4, 3, 6, 4, 8], np.arange(8) / 2, TrendTest("seasonal", season=2))
    assert trend.s == 10
    assert trend.variance == pytest.approx(17.3333, abs=1e-4) and trend.z == pytest.approx(2.161730, abs=1e-6)
    assert trend.slope == 1.0


@pytest.mark.parametrize("test", [*ALL, *MORE], ids=named)
@pytest.mark.parametrize(("gaps", "digits"), [(0.0, None), (0.15, None), (0.1, 0)])
@pytest.mark.parametrize("n", [12, 26, 66])
def test_kernels_equal_the_plain_functions(test, gaps, digits, n):
    """Maps give what the functions for one series give, with gaps and ties, by sorting and by bracketing."""
    values, times = persistent(n, 25, gaps, digits, seed=n), 1990 + np.arange(n) / 6
    maps = trend_maps(values, times, min_n=3, method=test)
    for k, column in enumerate(values.T):
        expected = series_trend(column, times, test)
        assert maps["s"][k] == expected.s and maps["n"][k] == expected.n
        assert (maps["slope"][k], maps["low"][k], maps["high"][k]) == (expected.slope, expected.low, expected.high)
        assert maps["p"][k] == pytest.approx(expected.p, rel=1e-9, abs=1e-15)
        assert maps["tau"][k] == pytest.approx(expected.tau, rel=1e-12)


@pytest.mark.parametrize("test", [*ALL, *MORE], ids=named)
def test_equal_pymannkendall(test):
    """Both engines agree for every method on series without gaps, over several years of seasons."""
    pytest.importorskip("pymannkendall")
    values, times = persistent(60, 12, seed=9), 2001 + np.arange(60) / 12
    own, reference = (trend_maps(values, times, method=test, engine=engine) for engine in ("own", "reference"))
    assert np.array_equal(own["s"], reference["s"])
    for name in NAMES:
        np.testing.assert_allclose(own[name], reference[name], rtol=1e-9, atol=1e-13, err_msg=name)


@pytest.mark.parametrize("test", [TrendTest("plain"), TrendTest("seasonal", season=12)], ids=named)
def test_equal_pymannkendall_with_gaps(test):
    """Without autocorrelation gaps mean the same to both; a year begun counts as one with gaps."""
    pytest.importorskip("pymannkendall")
    values, times = persistent(67, 12, 0.2, 1, seed=2), 2001 + np.arange(67) / 12
    own, reference = (trend_maps(values, times, method=test, engine=engine) for engine in ("own", "reference"))
    assert np.array_equal(own["s"], reference["s"])
    for name in NAMES:
        np.testing.assert_allclose(own[name], reference[name], rtol=1e-9, atol=1e-13, err_msg=name)


def test_plain_is_the_plain_test():
    """The plain method gives what mann_kendall and theil_sen give."""
    values = persistent(30, 1, 0.1, 1)[:, 0]
    trend, test, sen = series_trend(values), mann_kendall(values), theil_sen(values)
    assert (trend.s, trend.variance, trend.z, trend.p, trend.tau, trend.n) == (
        test.s, test.variance, test.z, test.p, test.tau, test.n)
    assert (trend.slope, trend.low, trend.high) == (sen.slope, sen.low, sen.high)


def test_autocorrelation_over_gaps():
    """Gaps keep their length: with every second value missing, a lag of two is what neighbours show."""
    rng = np.random.default_rng(0)
    wave = np.sin(np.arange(400) * np.pi / 2) + 0.01 * rng.normal(size=400)  # 0 1 0 -1
    holes = np.where(np.arange(400) % 2 == 0, np.nan, wave)
    assert autocorrelation(wave, 2) == pytest.approx(-1, abs=0.02)
    assert autocorrelation(holes, 2) == pytest.approx(-1, abs=0.02)
    assert autocorrelation(holes, 1) == 0.0
    gappy = np.where(rng.random(400) < 0.3, np.nan, wave)
    assert autocorrelation(gappy, 2) == pytest.approx(autocorrelation(wave, 2), abs=0.02)


@pytest.mark.parametrize("method", ["hamed_rao", "yue_wang", "prewhitening"])
def test_false_alarms_of_persistent_series(method):
    """Without a trend but with autocorrelation the plain test errs often; these methods err less (tfpw does not)."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(60, 1500))
    for k in range(1, 60):
        values[k] += 0.5 * values[k - 1]
    times = np.arange(60.0)
    plain, other = ((trend_maps(values, times, method=name)["p"] < 0.05).mean() for name in ("plain", method))
    assert plain > 0.2 and other < 0.75 * plain


def test_seasons_do_not_look_like_trends():
    """A strong cycle hides a trend from the plain test, not from the seasonal one."""
    rng = np.random.default_rng(1)
    month = np.arange(120)
    values = 50 * np.cos(2 * np.pi * month / 12)[:, None] + 0.05 * month[:, None] + rng.normal(size=(120, 40))
    times = 2001 + month / 12
    assert (trend_maps(values, times)["p"] > 0.05).all()
    seasonal = trend_maps(values, times, method="seasonal")
    assert (seasonal["p"] < 0.001).all() and np.median(seasonal["slope"]) == pytest.approx(0.6, rel=0.1)


def test_constants_and_short_series():
    """A constant has p = 1 with every method; fewer values than wanted give nothing."""
    values = np.full((24, 2), 3.0)
    values[5:, 1] = np.nan
    for test in ALL:
        maps = trend_maps(values, np.arange(24.0), method=test)
        assert (maps["slope"][0], maps["p"][0]) == (0, 1) and np.isnan(maps["slope"][1])


@pytest.mark.parametrize(("method", "season"), [("seasonal", 1), ("lowess", 12)])
def test_wrong_methods(method, season):
    """Seasons must be two at least, and a method must exist."""
    with pytest.raises(ConfigError):
        TrendTest(method, season=season)


@pytest.mark.parametrize("settings", [{"lags": -1}, {"floor": 0.0}, {"floor": -0.5}, {"floor": float("nan")}])
def test_settings_that_make_no_test(settings):
    """A variance must stay above 0, and lags are counted from 0."""
    with pytest.raises(ConfigError, match="floor"):
        TrendTest("hamed_rao", **settings)


def test_no_values_at_all():
    """An empty series has no trend, like one of a single value."""
    for values in ([], [1.0], [np.nan, 2.0]):
        trend = series_trend(values)
        assert np.isnan([trend.slope, trend.p, trend.low]).all() and trend.n == np.isfinite(values).sum()


@pytest.mark.filterwarnings("error")
def test_a_variance_below_zero():
    """Strong negative autocorrelation makes a factor below 0; pymannkendall has no Z then, and says nothing of it."""
    pytest.importorskip("pymannkendall")
    step = np.arange(24.0)
    values = (step + 40 * (-1.0) ** step)[:, None]
    test = TrendTest("hamed_rao", lags=1, floor=0.05)
    own, reference = (trend_maps(values, step, method=test, engine=engine) for engine in ("own", "reference"))
    assert hamed_rao_factor(mid_ranks(values[:, 0] - own["slope"] * step), 24, 1) < 0
    np.testing.assert_allclose(own["p"], reference["p"], rtol=1e-9)
