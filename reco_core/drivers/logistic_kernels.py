"""Compiled kernels that fit double logistic seasons; `double_logistic.py` calls them."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

import numpy as np

from ..deps import jit

BASE, AMPLITUDE, RISE, RISE_RATE, FALL, FALL_RATE = range(6)
PARAMETERS = 6
FEWEST = 8
LEAST_AMPLITUDE = 0.03
LEAST_LIKENESS = 0.7  # two seasons a year are not one
HALF_YEAR = 182.625
RAMP = 30.4375  # half the width of the blend between neighbouring seasons
FASTEST, SLOWEST = 1.0, 120.0
LEAST_SEASON = 2.0
MOST_STEPS = 60
ENVELOPE_FITS = 3
ADAPT = 2.0


@jit
def shape(t, p):
    """Return g(t) of the double logistic with the four dates and rates in `p`."""
    return 1.0 / (1.0 + math.exp((p[RISE] - t) / p[RISE_RATE])) - 1.0 / (1.0 + math.exp((p[FALL] - t) / p[FALL_RATE]))


@jit
def solve_linear(t, y, w, n, p, g):
    """Fill `g`, set base and amplitude of `p` to their weighted least squares; return the squared residual."""
    sw = sg = sgg = sy = sgy = 0.0
    for i in range(n):
        g[i] = shape(t[i], p)
        sw += w[i]
        sg += w[i] * g[i]
        sgg += w[i] * g[i] * g[i]
        sy += w[i] * y[i]
        sgy += w[i] * g[i] * y[i]
    det = sw * sgg - sg * sg
    p[AMPLITUDE] = (sw * sgy - sg * sy) / det if det > 1e-12 * sw * sw else 0.0
    p[BASE] = (sy - p[AMPLITUDE] * sg) / sw
    cost = 0.0
    for i in range(n):
        residual = y[i] - p[BASE] - p[AMPLITUDE] * g[i]
        cost += w[i] * residual * residual
    return cost


@jit
def normal_equations(t, y, w, n, p, g, jac, system, slope):
    """Write J'WJ and J'Wr of dates and rates, with base and amplitude eliminated."""
    system[:] = 0.0
    slope[:] = 0.0
    b0, b1 = np.zeros(4), np.zeros(4)
    sw = sg = sgg = 0.0
    c = p[AMPLITUDE]
    for i in range(n):
        rise = 1.0 / (1.0 + math.exp((p[RISE] - t[i]) / p[RISE_RATE]))
        fall = rise - g[i]
        rise_slope = c * rise * (1.0 - rise) / p[RISE_RATE]
        fall_slope = c * fall * (1.0 - fall) / p[FALL_RATE]
        jac[0] = -rise_slope
        jac[1] = rise_slope * (p[RISE] - t[i]) / p[RISE_RATE]
        jac[2] = fall_slope
        jac[3] = -fall_slope * (p[FALL] - t[i]) / p[FALL_RATE]
        residual = y[i] - p[BASE] - c * g[i]
        sw += w[i]
        sg += w[i] * g[i]
        sgg += w[i] * g[i] * g[i]
        for k in range(4):
            weighted = w[i] * jac[k]
            slope[k] += weighted * residual
            b0[k] += weighted
            b1[k] += weighted * g[i]
            for m in range(k + 1):
                system[k, m] += weighted * jac[m]
    det = sw * sgg - sg * sg
    if det > 1e-12 * sw * sw:
        for k in range(4):
            for m in range(k + 1):
                system[k, m] -= (sgg * b0[k] * b0[m] - sg * (b0[k] * b1[m] + b1[k] * b0[m]) + sw * b1[k] * b1[m]) / det
    for k in range(4):
        for m in range(k):
            system[m, k] = system[k, m]


@jit
def damped_step(system, slope, damping, free, step):
    """Solve (A + damping diag A) step = slope for the free parameters; return whether that was possible."""
    factor = np.zeros((4, 4))
    right = np.zeros(4)
    for k in range(4):
        step[k] = 0.0
        right[k] = slope[k] if free[k] else 0.0
        for m in range(k + 1):
            total = system[k, m] if free[k] and free[m] else 0.0
            if k == m:
                total = total * (1.0 + damping) + 1e-14 if free[k] else 1.0
            for j in range(m):
                total -= factor[k, j] * factor[m, j]
            if k == m:
                if total <= 0.0:
                    return False
                factor[k, k] = math.sqrt(total)
            else:
                factor[k, m] = total / factor[m, m]
    for k in range(4):
        for j in range(k):
            right[k] -= factor[k, j] * right[j]
        right[k] /= factor[k, k]
    for k in range(3, -1, -1):
        for j in range(k + 1, 4):
            right[k] -= factor[j, k] * right[j]
        right[k] /= factor[k, k]
    for k in range(4):
        step[k] = right[k]
    return True


@jit
def least_squares(t, y, w, n, low, high, p):
    """Fit `p` within `low` and `high` (dates and rates) by damped Gauss-Newton steps; return the squared residual."""
    g, trial_g = np.empty(n), np.empty(n)
    jac, slope, step = np.empty(4), np.empty(4), np.empty(4)
    system = np.empty((4, 4))
    free = np.empty(4, np.bool_)
    trial = p.copy()
    cost = solve_linear(t, y, w, n, p, g)
    damping = 1e-2
    for _ in range(MOST_STEPS):
        normal_equations(t, y, w, n, p, g, jac, system, slope)
        for k in range(4):
            value = p[RISE + k]
            free[k] = not ((value <= low[k] and slope[k] < 0.0) or (value >= high[k] and slope[k] > 0.0))
        better = False
        while damping < 1e8 and not better:
            new = np.inf
            if damped_step(system, slope, damping, free, step):
                for k in range(4):
                    trial[RISE + k] = min(max(p[RISE + k] + step[k], low[k]), high[k])
                if trial[FALL] - trial[RISE] >= LEAST_SEASON:
                    new = solve_linear(t, y, w, n, trial, trial_g)
            better = new < cost
            if not better:
                damping *= 5.0
        if not better:
            break
        damping = max(damping / 10.0, 1e-12)
        moved = 0.0
        for k in range(4):
            moved = max(moved, abs(trial[RISE + k] - p[RISE + k]))
        gain = (cost - new) / cost
        p[:] = trial
        g[:] = trial_g
        cost = new
        if (gain < 1e-6 and moved < 0.05) or moved < 1e-7 or cost < 1e-26:
            break
    return cost


@jit
def bounds(first, last, spacing, low, high):
    """Write the limits of dates and rates of a season between two days; values `spacing` days apart tell no faster."""
    low[0] = low[2] = first
    high[0] = high[2] = last
    low[1] = low[3] = max(FASTEST, spacing / 6.0)
    high[1] = high[3] = SLOWEST


@jit
def crossing(t, y, start, stop, level):
    """Return when a curve falls below `level`, going from position `start` towards `stop`."""
    step = 1 if stop >= start else -1
    i = start
    while i != stop:
        if y[i + step] < level:
            return t[i] + (t[i + step] - t[i]) * (y[i] - level) / (y[i] - y[i + step])
        i += step
    return t[stop]


@jit
def first_guess(t, y, low, high, p):
    """Write a first guess from a smooth season: dates where it crosses half its height, rates from their distance."""
    n = t.size
    top = 0
    least = y[0]
    for i in range(n):
        if y[i] > y[top]:
            top = i
        least = min(least, y[i])
    middle = 0.5 * (least + y[top])
    p[RISE] = min(max(crossing(t, y, top, 0, middle), low[0]), t[top] - LEAST_SEASON)
    p[FALL] = max(min(crossing(t, y, top, n - 1, middle), high[2]), p[RISE] + 2 * LEAST_SEASON)
    p[RISE_RATE] = min(max((t[top] - p[RISE]) / 4.0, 3.0), 40.0)
    p[FALL_RATE] = min(max((p[FALL] - t[top]) / 4.0, 3.0), 40.0)


@jit
def fit_envelope(t, y, w, n, low, high, p):
    """Fit thrice; before the second and third fit values below the curve lose weight. Changes `w`."""
    cost = 0.0
    for number in range(ENVELOPE_FITS):
        if number > 0:
            for i in range(n):
                if y[i] < p[BASE] + p[AMPLITUDE] * shape(t[i], p):
                    w[i] /= ADAPT
        cost = least_squares(t, y, w, n, low, high, p)
    return cost


@jit
def mean_peak(curve, day_of_year, sums, counts):
    """Return the day of the year (1 to 365) at which the mean over the years of a daily curve is largest; 0 if none."""
    sums[:] = 0.0
    counts[:] = 0
    for i in range(curve.size):
        if math.isfinite(curve[i]):
            day = min(day_of_year[i], 365) - 1
            sums[day] += curve[i]
            counts[day] += 1
    best = -1
    for day in range(365):
        if counts[day] > 0 and (best < 0 or sums[day] * counts[best] > sums[best] * counts[day]):
            best = day
    return best + 1


@jit
def likeness(t, y, first, last, p):
    """Return the share of the variance of a smooth season that the double logistic has in common with it."""
    mean = 0.0
    for i in range(first, last):
        mean += y[i] / (last - first)
    apart = whole = 0.0
    for i in range(first, last):
        apart += (p[BASE] + p[AMPLITUDE] * shape(t[i], p) - y[i]) ** 2
        whole += (y[i] - mean) ** 2
    return 1.0 - apart / whole


@jit
def fit_season(middles, values, weights, envelope, peak, low, high, scratch, p):
    """Fit the season around day `peak`; return whether it can be described by a double logistic."""
    t, y, w = scratch
    first, last = peak - HALF_YEAR - RAMP, peak + HALF_YEAR + RAMP
    n = 0
    i0, i1 = middles.size, 0
    least, most = np.inf, -np.inf
    for i in range(middles.size):
        if middles[i] < first or middles[i] > last:
            continue
        i0, i1 = min(i0, i), i + 1
        least, most = min(least, envelope[i]), max(most, envelope[i])
        if weights[i] > 0.0:
            t[n], y[n], w[n] = middles[i], values[i], weights[i]
            n += 1
    if n < FEWEST or most - least <= LEAST_AMPLITUDE:
        return False
    bounds(first, last, middles[i0 + 1] - middles[i0], low, high)
    first_guess(middles[i0:i1], envelope[i0:i1], low, high, p)
    cost = fit_envelope(t, y, w, n, low, high, p)
    if not (math.isfinite(cost) and p[AMPLITUDE] > LEAST_AMPLITUDE):
        return False
    return likeness(middles, envelope, i0, i1, p) > LEAST_LIKENESS


@jit
def blend(targets, peaks, fits, good, otherwise, out):
    """Write the curve: each season its own, with a cosine ramp around the middle between two peaks."""
    season = 0
    count = peaks.size
    for i in range(targets.size):
        t = targets[i]
        while season + 1 < count and t >= 0.5 * (peaks[season] + peaks[season + 1]):
            season += 1
        other = season
        share = 0.0
        if season + 1 < count:
            past = t - (0.5 * (peaks[season] + peaks[season + 1]) - RAMP)
            if past > 0.0:
                other, share = season + 1, 0.5 - 0.5 * math.cos(math.pi * past / (2.0 * RAMP))
        if season > 0:
            left = 0.5 * (peaks[season - 1] + peaks[season]) + RAMP - t
            if left > 0.0:
                other, share = season - 1, 0.5 - 0.5 * math.cos(math.pi * left / (2.0 * RAMP))
        own = otherwise[i]
        if good[season]:
            own = fits[season, BASE] + fits[season, AMPLITUDE] * shape(t, fits[season])
        if share > 0.0:
            next_one = otherwise[i]
            if good[other]:
                next_one = fits[other, BASE] + fits[other, AMPLITUDE] * shape(t, fits[other])
            own = (1.0 - share) * own + share * next_one
        out[i] = own


@jit
def season_rows(rows, weights, envelope, curve, otherwise, middles, day_of_year, year_starts, targets, out, counts):
    """Fill `out` with blended seasons; `counts` gets how many seasons there are and how many keep the envelope.

    `year_starts` are the first days of the years from the one before the series to the one after.
    """
    low, high = np.empty(4), np.empty(4)
    scratch = np.empty((3, middles.size))
    years = year_starts.size
    peaks, fits, good = np.empty(years), np.empty((years, PARAMETERS)), np.empty(years, np.bool_)
    sums, numbers = np.empty(365), np.empty(365, np.int64)
    end = curve.shape[1] - 1
    for row in range(rows.shape[0]):
        peak = mean_peak(curve[row], day_of_year, sums, numbers)
        if peak == 0:
            out[row] = np.nan
            continue
        for year in range(years):
            peaks[year] = year_starts[year] + peak - 1
            good[year] = False
            if 0 <= peaks[year] <= end:
                good[year] = fit_season(middles, rows[row], weights[row], envelope[row], peaks[year], low, high,
                                        scratch, fits[year])
                counts[0] += 1
                counts[1] += 0 if good[year] else 1
        blend(targets, peaks, fits, good, otherwise[row], out[row])
