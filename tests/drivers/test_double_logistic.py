"""Double logistic seasons."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

from reco_core.drivers.double_logistic import double_logistic, fit_season
from reco_core.drivers.smoothing import Settings, Smoother
from reco_core.errors import SampleError
from reco_core.vocabulary.calendar import step_start

DAYS = np.arange(1.0, 366.0, 8.0)
SHAPE = (120, 10, 270, 15)
TIMES = np.unique(step_start(np.arange(np.datetime64("2001-01-01"), np.datetime64("2006-01-01")), "8day"))
MIDDLE = (TIMES - TIMES.astype("datetime64[Y]")).astype(int) + 4.0
SEASONS = double_logistic(MIDDLE, 0.1, 0.5, SHAPE)


def test_values_by_hand():
    """The curve has the values worked out by hand, and none overflows far from the season."""
    made = double_logistic([120, 195, 270, -1e5, 1e5], 0.1, 0.5, SHAPE)
    assert made.round(6).tolist() == [0.349977, 0.596377, 0.35, 0.1, 0.1]


@settings(max_examples=40)
@given(rise=st.floats(60, 150), length=st.floats(70, 170), rise_rate=st.floats(5, 20), fall_rate=st.floats(5, 20),
       amplitude=st.floats(0.1, 0.8))
def test_parameters_are_recovered(rise, length, rise_rate, fall_rate, amplitude):
    """Without noise the fit finds the parameters again."""
    shape = (rise, rise_rate, rise + length, fall_rate)
    found = fit_season(DAYS, double_logistic(DAYS, 0.1, amplitude, shape))
    assert (found.rise, found.rise_rate, found.fall, found.fall_rate) == pytest.approx(shape, abs=1e-4)
    assert (found.base, found.amplitude) == pytest.approx((0.1, amplitude), abs=1e-4)


def test_clouds_lie_below():
    """With a fifth of the values lowered by clouds the curve lies above nine in ten of these."""
    rng = np.random.default_rng(0)
    above = lowered = 0
    for _ in range(20):
        clean = double_logistic(DAYS, 0.1, 0.5, SHAPE) + rng.normal(0, 0.01, DAYS.size)
        bad = rng.permutation(DAYS.size) < DAYS.size // 5
        values = np.where(bad, clean - rng.uniform(0.05, 0.3, DAYS.size), clean)
        curve = fit_season(DAYS, values)(DAYS)
        above, lowered = above + (curve[bad] > values[bad]).sum(), lowered + bad.sum()
    assert above >= 0.9 * lowered


def test_envelope_lies_above_the_plain_fit():
    """Values below the curve lose weight, so that clouds pull less than in a plain fit."""
    values = double_logistic(DAYS, 0.1, 0.5, SHAPE)
    values[[20, 24, 28]] -= 0.3
    plain, envelope = fit_season(DAYS, values, envelope=False), fit_season(DAYS, values)
    assert np.mean(envelope(DAYS)[16:32]) > np.mean(plain(DAYS)[16:32]) + 0.01


def test_as_good_as_scipy():
    """The weighted squared residual is that of scipy's bounded trust region, on noisy seasons."""
    rng = np.random.default_rng(1)
    for _ in range(5):
        values = double_logistic(DAYS, 0.1, 0.4, SHAPE) + rng.normal(0, 0.03, DAYS.size)
        ours = fit_season(DAYS, values, envelope=False)
        peer = least_squares(lambda p, v=values: double_logistic(DAYS, p[0], p[1], tuple(p[2:])) - v,
                             (0.1, 0.4, 110, 15, 260, 15),
                             bounds=([-9, -9, 1, 1, 1, 1], [9, 9, 361, 120, 361, 120]), xtol=1e-12, ftol=1e-12)
        assert ((ours(DAYS) - values) ** 2).sum() <= 2 * peer.cost * (1 + 1e-6)


def test_weights_and_gaps():
    """Values without weight and missing values do not count."""
    values = double_logistic(DAYS, 0.1, 0.5, SHAPE)
    weights = np.ones(DAYS.size)
    values[10], weights[10], values[30] = 5.0, 0.0, np.nan
    assert fit_season(DAYS, values, weights) == fit_season(np.delete(DAYS, [10, 30]), np.delete(values, [10, 30]))


def test_no_season():
    """Fewer than eight values, or a range that is too small, make no season."""
    with pytest.raises(SampleError, match="7 values"):
        fit_season(DAYS[:7], SEASONS[:7])
    with pytest.raises(SampleError, match="range of 0"):
        fit_season(DAYS, np.full(DAYS.size, 0.4))


def test_seasons_are_blended():
    """Over several years the blended seasons follow the curve, by step and by day, without a jump between them."""
    by_step = Smoother(TIMES, "8day", Settings("double_logistic"))
    assert np.abs(by_step(SEASONS) - SEASONS).max() < 0.01
    daily = Smoother(TIMES, "8day", Settings("double_logistic", daily=True))(SEASONS * 1.0)
    assert np.abs(np.diff(daily)).max() < 0.5 / 4 / 10 * 1.2  # the steepest slope of the season
    assert by_step.counts["seasons"] == 5 and by_step.counts["fallback"] == 0


def test_southern_seasons():
    """A season around New Year is fitted as one, not cut at the end of the calendar year."""
    curve = double_logistic((MIDDLE + 182) % 365, 0.1, 0.5, SHAPE)
    made = Smoother(TIMES, "8day", Settings("double_logistic"))(curve)
    assert np.abs(made - curve)[46:-46].max() < 0.01


def test_what_falls_back():
    """Flat years, years of few values and years of two seasons keep the envelope and are counted."""
    two = 0.4 + 0.2 * np.cos(4 * np.pi * (MIDDLE - 60) / 365)
    few = np.where((np.arange(TIMES.size) % 8 == 0) | (TIMES >= np.datetime64("2004-01-01")), SEASONS, np.nan)
    flat = 0.3 + 0.01 * np.cos(2 * np.pi * (MIDDLE - 200) / 365)
    for values, seasons in ((two, 5), (flat, 5), (few, 2)):
        fitted = Smoother(TIMES, "8day", Settings("double_logistic"))
        envelope = Smoother(TIMES, "8day", Settings())(values)
        made = fitted(values)
        assert fitted.counts["fallback"] == seasons
        if seasons == 5:
            assert made == pytest.approx(envelope, abs=1e-6)
