"""Upper envelopes of vegetation series."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator
from scipy.signal import savgol_coeffs, savgol_filter

from reco_core.drivers import smooth_kernels as kernels
from reco_core.drivers.series import complete, composites, daily_grid
from reco_core.drivers.smoothing import Settings, Smoother, savitzky_golay, taps
from reco_core.errors import ConfigError, GridError, SchemaError
from reco_core.vocabulary.calendar import step_start


def starts(first="2001-01-01", last="2004-01-01", step="8day") -> np.ndarray:
    """Return the first days of time steps."""
    return np.unique(step_start(np.arange(np.datetime64(first), np.datetime64(last)), step))


TIMES = starts()
DOY = (TIMES - TIMES.astype("datetime64[Y]")).astype(int)
CURVE = 0.4 + 0.25 * np.cos(2 * np.pi * (DOY - 200) / 365)


def smooth(values, times=TIMES, step="8day", quality=None, **settings) -> np.ndarray:
    """Smooth one series."""
    return Smoother(times, step, Settings(**settings))(np.asarray(values, float), quality)


def clouded(share=0.15, seed=0):
    """Return the curve with some values lowered, and which."""
    rng = np.random.default_rng(seed)
    bad = rng.random(CURVE.size) < share
    return np.where(bad, CURVE - rng.uniform(0.1, 0.3, CURVE.size), CURVE), bad


@pytest.mark.parametrize(("half", "degree"), [(4, 6), (3, 2), (7, 4), (1, 1), (20, 9)])
def test_polynomials_pass_the_filter(half, degree):
    """Polynomials up to the degree pass unchanged away from the mirrored ends."""
    x = np.linspace(-1, 1, 60)
    series = np.stack([x ** power for power in range(degree + 1)], axis=1)
    inside = slice(half, -half)
    assert np.abs(savitzky_golay(series, half, degree) - series)[inside].max() < 1e-12


def test_filter_is_that_of_scipy():
    """The filter is scipy's with mirrored ends."""
    series = np.random.default_rng(1).normal(size=50)
    assert savitzky_golay(series, 4, 6) == pytest.approx(savgol_filter(series, 9, 6, mode="mirror"), abs=1e-12)


def sg(values, half, degree):
    """Filter with scipy; both ends go on with the neighbouring year."""
    long = np.concatenate([values[46 - half:46], values, values[-46:][:half]])
    return savgol_filter(long, 2 * half + 1, degree)[half:-half]


def reference(values, halves=(3, 4, 5, 6, 7), left_out=True, rounds=10):
    """The published steps for one complete series, with scipy's filter."""
    fits = []
    for half in halves:
        for degree in (2, 3, 4):
            fit = sg(values, half, degree)
            seen = savgol_coeffs(2 * half + 1, degree)[half]
            fits.append((((fit - values) ** 2).sum() / ((1 - seen) ** 2 if left_out else 1), fit))
    trend = min(fits, key=lambda pair: pair[0])[1]
    distance = np.abs(values - trend)
    weight = np.where(values >= trend, 1, 1 - distance / distance.max())
    current, least, out = np.maximum(values, trend), np.inf, None
    for _ in range(rounds):
        fit = sg(current, 4, 6)
        index = (np.abs(fit - values) * weight).sum()
        if index >= least:
            break
        least, out, current = index, fit, np.maximum(values, fit)
    return np.maximum(out, trend), trend


@pytest.mark.parametrize("trend", ["left_out", "residual"])
def test_published_steps(trend):
    """The envelope is that of the published steps, written with scipy."""
    values = clouded()[0] + np.random.default_rng(2).normal(0, 0.01, CURVE.size)
    wanted, _ = reference(values, left_out=trend == "left_out")
    assert smooth(values, trend=trend) == pytest.approx(wanted, abs=1e-6)


def test_never_below_the_trend():
    """The envelope is nowhere below the trend line."""
    for seed in range(5):
        values, _ = clouded(0.2, seed)
        assert (smooth(values) - reference(values)[1]).min() > -1e-7


def test_smooth_curves_stay():
    """A curve that is smooth already does not change, but for a trace at the short step that ends each year."""
    even = 0.4 + 0.25 * np.cos(2 * np.pi * np.arange(CURVE.size) / 46)
    assert np.abs(smooth(even) - even).max() < 1e-4
    once = smooth(CURVE)
    assert np.abs(once - CURVE).max() < 2e-3
    assert np.abs(smooth(once) - once).max() < 1e-3


def test_clouds_are_lifted():
    """Clouds are taken out by more than two thirds, and more than by the choice of the least residual."""
    values, bad = clouded()
    left_out = np.abs(smooth(values) - CURVE)[bad].mean()
    residual = np.abs(smooth(values, trend="residual") - CURVE)[bad].mean()
    assert left_out < residual
    assert left_out < np.abs(values - CURVE)[bad].mean() / 3


def test_gaps_are_filled_and_long_ones_stay():
    """Short gaps are filled; the year of a gap that is too long stays missing, and no other."""
    values = CURVE.copy()
    values[10:13] = np.nan
    values[60:80] = np.nan  # 160 days of 2002
    made = smooth(values)
    year = TIMES.astype("datetime64[Y]").astype(int) + 1970
    assert np.isnan(made).tolist() == (year == 2002).tolist()
    assert np.abs(made - CURVE)[:46].max() < 0.03
    assert np.isfinite(smooth(values, longest_gap=200)).all()


def test_gaps_at_the_ends_may_be_half_as_long():
    """At an end there is a value on one side only, so that half of the longest gap is allowed."""
    values = CURVE.copy()
    values[:9] = np.nan  # 72 days
    assert np.isnan(smooth(values)[:46]).all()
    assert np.isfinite(smooth(values, longest_gap=150)).all()


def test_constant_and_empty_series():
    """A constant stays, a series without values or with fewer than eight is missing and counted."""
    cube = np.full((TIMES.size, 1, 4), np.nan)
    cube[:, 0, 0] = 0.3
    cube[::20, 0, 2] = 0.3  # seven values
    cube[:, 0, 3] = 0.0
    smoother = Smoother(TIMES, "8day", Settings())
    made = smoother(cube)
    assert made[:, 0, 0] == pytest.approx(0.3, abs=1e-7) and made[:, 0, 3] == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(made[:, 0, 1:3]).all() and smoother.counts["empty"] == 2


def test_quality_decides():
    """A value of quality 0 or of missing quality counts as missing, one of 0.5 gives way by half."""
    values = CURVE.copy()
    values[[20, 50]] = 0.9
    quality = np.ones(CURVE.size)
    quality[20], quality[50] = 0.0, np.nan
    assert np.abs(smooth(values, quality=quality) - CURVE).max() < 0.02
    weights, filled = np.empty(5), np.empty(5)
    kernels.trust(np.array([1.0, 9, 3, 9, 2]), np.array([1.0, 0.5, 1, -1, 0.4]), weights)
    kernels.fill(np.array([1.0, 9, 3, 9, 2]), weights, filled)
    assert filled.tolist() == pytest.approx([1, 5.5, 3, 2.5, 0.4 * 2 + 0.6 * 3])


def test_linear_only_fills():
    """The method linear leaves every value that has some quality as it is."""
    values = clouded()[0]
    values[5] = np.nan
    made = smooth(values, method="linear", quality=np.where(np.arange(CURVE.size) % 2, 0.3, 1.0))
    there = np.arange(CURVE.size) != 5
    assert made[there] == pytest.approx(values[there], abs=1e-7)
    assert made[5] == pytest.approx((values[4] + values[6]) / 2, abs=1e-7)


def test_monotone_days_are_those_of_scipy():
    """The daily curve is scipy's monotone cubic through the middles of the steps, months and leap years included."""
    steps = complete(starts("2003-01-01", "2006-01-01", "month"), "month")
    rows = np.random.default_rng(3).normal(size=(2, steps.starts.size))
    grid = daily_grid(steps)
    made = np.empty((2, steps.days.size))
    kernels.daily_rows(rows, steps.middles, grid.left, grid.basis, made)
    days = np.clip(np.arange(steps.days.size), steps.middles[0], steps.middles[-1])
    assert made == pytest.approx(PchipInterpolator(steps.middles, rows, axis=1)(days), abs=1e-12)
    assert steps.days.size == 365 + 366 + 365


def test_daily_series_become_medians():
    """Daily series are reduced to 8-day medians of the good values; a daily result lies on every day."""
    days = starts(step="day")
    doy = (days - days.astype("datetime64[Y]")).astype(int)
    curve = 0.4 + 0.25 * np.cos(2 * np.pi * (doy - 200) / 365)
    values = np.where(np.arange(days.size) % 4 == 0, 0.0, curve)
    values[::7] = np.nan
    smoother = Smoother(days, "day", Settings(daily=True))
    assert np.abs(smoother(values) - curve).max() < 0.03
    assert smoother.time_step == "day" and np.array_equal(smoother.times, days)
    assert np.array_equal(Smoother(days, "day", Settings()).times, TIMES)


def test_medians_by_hand():
    """An even count takes the mean of the middle two; bad values do not count."""
    steps, first = composites(complete(starts("2001-12-27", "2002-01-09", "day"), "day"))
    assert [str(day) for day in steps.starts] == ["2001-12-27", "2002-01-01"]
    values, weights = np.empty((1, 2)), np.empty((1, 2))
    row = np.array([[5.0, 1, np.nan, 2, 9, 1, 2, 3, 4, 5, 6, 7, 100]])
    quality = np.ones((1, 13))
    quality[0, 4], quality[0, 0] = 0.0, 0.5
    kernels.median_rows(row, quality, first, values, weights)
    assert values.tolist() == [[2.0, 4.5]] and weights[0].tolist() == pytest.approx([2.5 / 3, 1.0])


@pytest.mark.parametrize(("step", "last"), [("16day", "2004-01-01"), ("month", "2006-01-01"), ("week", "2003-01-01")])
def test_other_steps(step, last):
    """16-day, monthly and weekly series work too."""
    times = starts(last=last, step=step) if step != "week" else np.arange("2001-01-01", last, 7, "datetime64[D]")
    doy = (times - times.astype("datetime64[Y]").astype("datetime64[D]")).astype(int)
    curve = 0.4 + 0.25 * np.cos(2 * np.pi * (doy - 200) / 365)
    assert np.abs(smooth(curve, times, step) - curve).max() < 0.02


def test_jumps_are_filled():
    """Steps that the axis lacks are filled, so that the result has all of them."""
    kept = np.delete(np.arange(TIMES.size), [30, 31, 70])
    smoother = Smoother(TIMES[kept], "8day", Settings())
    made = smoother(CURVE[kept])
    assert np.array_equal(smoother.times, TIMES) and smoother.given.missing == 3
    assert np.abs(made - CURVE).max() < 0.02


def test_limits():
    """The result does not leave the valid range of the driver."""
    assert smooth(np.where(CURVE > 0.6, 1.0, CURVE), high=1.0).max() <= 1.0


def test_tiles_and_threads_change_nothing():
    """A pixel has the same result alone and among many."""
    cube = np.stack([clouded(seed=seed)[0] for seed in range(6)], axis=1).reshape(CURVE.size, 2, 3)
    whole = smooth(cube)
    assert np.array_equal(whole[:, 1, 2], smooth(cube[:, 1, 2]))


@pytest.mark.parametrize(("half", "degree"), [(4, 8), (4, 9), (1, 2)])
def test_degree_of_the_window(half, degree):
    """A polynomial through all points of the window smooths nothing and is refused."""
    with pytest.raises(ConfigError, match=f"half_window={half}"):
        taps(half, degree)


def test_too_short():
    """Eight months are too few for a window of nine."""
    with pytest.raises(GridError, match=r"8 time steps \(month\).*needs 9"):
        Smoother(starts("2001-01-01", "2001-09-01", "month"), "month", Settings())


def test_steps_that_make_no_calendar():
    """Two dates in one step are named; annual series have no yearly curve."""
    with pytest.raises(GridError, match="2001-01-16"):
        complete(np.array(["2001-01-01", "2001-01-09", "2001-01-16", "2001-01-17"], "datetime64[D]"), "8day")
    with pytest.raises(GridError, match="year"):
        complete(starts(step="year"), "year")


def test_wrong_shapes_and_names():
    """Values and quality must have one value per time step; unknown methods are named."""
    with pytest.raises(SchemaError, match="quality weights"):
        smooth(CURVE, quality=np.ones(5))
    with pytest.raises(SchemaError, match="values for"):
        smooth(CURVE[:-1])
    for wrong in ({"method": "median"}, {"trend": "best"}):
        with pytest.raises(ConfigError, match=next(iter(wrong.values()))):
            smooth(CURVE, **wrong)
