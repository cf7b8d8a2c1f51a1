"""Compiled kernels that smooth series; `smoothing.py` calls them. Rows are pixels, columns time steps."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

import numpy as np

from ..deps import jit

MOST_ROUNDS = 10


@jit
def trust(values, quality, weights):
    """Write the weight of each value: its quality from 0 to 1, 0 where value or quality is missing."""
    count = 0
    for i in range(values.size):
        weight = quality[i] if quality.size > 0 else 1.0
        weight = min(weight, 1.0) if weight > 0.0 and math.isfinite(values[i]) else 0.0
        weights[i] = weight
        count += 1 if weight > 0.0 else 0
    return count


@jit
def fill(values, weights, filled):
    """Replace each value, by as much as its weight is below 1, with the line between the nearest better ones."""
    n = values.size
    for i in range(n):
        weight = weights[i]
        if weight >= 1.0:
            filled[i] = values[i]
            continue
        left, right = i - 1, i + 1
        while left >= 0 and weights[left] <= weight:
            left -= 1
        while right < n and weights[right] <= weight:
            right += 1
        if left < 0 and right >= n:
            line = values[i]
        elif left < 0:
            line = values[right]
        elif right >= n:
            line = values[left]
        else:
            line = values[left] + (values[right] - values[left]) * (i - left) / (right - left)
        filled[i] = line if weight == 0.0 else weight * values[i] + (1.0 - weight) * line


@jit
def long_gaps(weights, lengths, longest, mask):
    """Mark the steps of gaps longer than `longest` days; at the ends half of that is allowed."""
    n = weights.size
    first = 0
    mask[:] = False
    while first < n:
        if weights[first] > 0.0:
            first += 1
            continue
        last = first
        days = 0.0
        while last < n and weights[last] == 0.0:
            days += lengths[last]
            last += 1
        if days > (longest if first > 0 and last < n else 0.5 * longest):
            mask[first:last] = True
        first = last


@jit
def whole_years(mask, years):
    """Mark every step of the years that have a marked step; `years` never decreases."""
    n = mask.size
    first = 0
    while first < n:
        last = first
        found = False
        while last < n and years[last] == years[first]:
            found = found or mask[last]
            last += 1
        if found:
            mask[first:last] = True
        first = last


@jit
def filtered(series, half, taps, period, padded, out):
    """Write the Savitzky-Golay filter of a series; `taps[j]` weighs both neighbours at j.

    Beyond its ends the series goes on as `period` steps later or earlier, or mirrored where that is 0.
    """
    n = series.size
    for i in range(n):
        padded[half + i] = series[i]
        out[i] = taps[0] * series[i]
    for j in range(1, half + 1):
        padded[half - j] = series[period - j] if period > 0 else series[j]
        padded[half + n - 1 + j] = series[n - 1 - period + j] if period > 0 else series[n - 1 - j]
    for j in range(1, half + 1):
        tap = taps[j]
        for i in range(n):
            out[i] += tap * (padded[half + i - j] + padded[half + i + j])


@jit
def trend_line(series, halves, taps, factors, period, padded, trial, best):
    """Write the filter whose squared residual times its factor is least; return which of `halves` and `taps` it is."""
    least = np.inf
    chosen = -1
    for option in range(halves.size):
        filtered(series, halves[option], taps[option], period, padded, trial)
        residual = 0.0
        for i in range(series.size):
            difference = trial[i] - series[i]
            residual += difference * difference
        residual *= factors[option]
        if residual < least:
            least = residual
            chosen = option
            best[:] = trial
    return chosen


@jit
def upper_envelope(series, weights, trend, half, taps, period, padded, trial, current, out):
    """Steps 3 to 6 of Chen et al.: lift what lies below, filter, repeat while the fitting index falls."""
    n = series.size
    largest = 0.0
    for i in range(n):
        largest = max(largest, abs(series[i] - trend[i]))
    least = np.inf
    for i in range(n):
        current[i] = max(series[i], trend[i])
    for _ in range(MOST_ROUNDS):
        filtered(current, half, taps, period, padded, trial)
        index = 0.0
        for i in range(n):
            below = trend[i] - series[i]
            share = 1.0 - below / largest if below > 0.0 else 1.0
            index += abs(trial[i] - series[i]) * share * weights[i]
        if index >= least:
            break
        least = index
        for i in range(n):
            out[i] = trial[i]
            current[i] = max(series[i], trial[i])
    for i in range(n):
        out[i] = max(out[i], trend[i])


@jit
def envelope_rows(rows, weights, halves, trend_taps, factors, half, taps, period, out):
    """Fill `out` with the upper envelope of each filled row."""
    n = rows.shape[1]
    padded = np.empty(n + 2 * max(halves.max(), half))
    trend, trial, current = np.empty(n), np.empty(n), np.empty(n)
    for row in range(rows.shape[0]):
        if math.isnan(rows[row, 0]):
            out[row] = np.nan
            continue
        trend_line(rows[row], halves, trend_taps, factors, period, padded, trial, trend)
        upper_envelope(rows[row], weights[row], trend, half, taps, period, padded, trial, current, out[row])


@jit
def prepare_rows(rows, quality, lengths, years, longest, by_year, fewest, weights, filled, mask):
    """Fill `weights`, `filled` and `mask` of each row; rows with fewer than `fewest` values become missing."""
    for row in range(rows.shape[0]):
        count = trust(rows[row], quality[row if quality.shape[0] > 1 else 0], weights[row])
        if count < fewest:
            filled[row] = np.nan
            mask[row] = True
            continue
        fill(rows[row], weights[row], filled[row])
        long_gaps(weights[row], lengths, longest, mask[row])
        if by_year:
            whole_years(mask[row], years)


@jit
def median_rows(rows, quality, first, values, weights):
    """Fill `values` and `weights` with the median and mean quality of the good values between `first`[i], [i + 1]."""
    scratch = np.empty(16)
    for row in range(rows.shape[0]):
        for group in range(first.size - 1):
            count = 0
            total = 0.0
            for i in range(first[group], first[group + 1]):
                weight = quality[row if quality.shape[0] > 1 else 0, i] if quality.shape[1] > 0 else 1.0
                value = rows[row, i]
                if weight > 0.0 and math.isfinite(value):
                    j = count
                    while j > 0 and scratch[j - 1] > value:
                        scratch[j] = scratch[j - 1]
                        j -= 1
                    scratch[j] = value
                    count += 1
                    total += min(weight, 1.0)
            values[row, group] = np.nan
            weights[row, group] = 0.0
            if count > 0:
                values[row, group] = 0.5 * (scratch[(count - 1) // 2] + scratch[count // 2])
                weights[row, group] = total / count


@jit
def pchip_slopes(x, y, slopes):
    """Write the slopes of the monotone cubic of Fritsch and Butland, as scipy's PchipInterpolator has them."""
    n = x.size
    if n < 2:
        slopes[:] = 0.0
        return
    before = (y[1] - y[0]) / (x[1] - x[0])
    if n == 2:
        slopes[:] = before
        return
    for i in range(1, n - 1):
        h0, h1 = x[i] - x[i - 1], x[i + 1] - x[i]
        after = (y[i + 1] - y[i]) / h1
        slopes[i] = 0.0
        if before * after > 0.0:
            w0, w1 = 2.0 * h1 + h0, h1 + 2.0 * h0
            slopes[i] = (w0 + w1) / (w0 / before + w1 / after)
        before = after
    slopes[0] = end_slope(x[1] - x[0], x[2] - x[1], (y[1] - y[0]) / (x[1] - x[0]), (y[2] - y[1]) / (x[2] - x[1]))
    slopes[n - 1] = end_slope(x[n - 1] - x[n - 2], x[n - 2] - x[n - 3], (y[n - 1] - y[n - 2]) / (x[n - 1] - x[n - 2]),
                              (y[n - 2] - y[n - 3]) / (x[n - 2] - x[n - 3]))


@jit
def end_slope(h0, h1, near, far):
    """Return the slope at an end: that of a parabola, limited so that the curve stays monotone."""
    slope = ((2.0 * h0 + h1) * near - h0 * far) / (h0 + h1)
    if slope * near <= 0.0:
        return 0.0
    if near * far <= 0.0 and abs(slope) > 3.0 * abs(near):
        return 3.0 * near
    return slope


@jit
def daily_rows(rows, middles, left, basis, out):
    """Fill `out` (rows, days) with the monotone cubic through each row."""
    slopes = np.empty(middles.size)
    last = middles.size - 1
    for row in range(rows.shape[0]):
        values = rows[row]
        if math.isnan(values[0]):
            out[row] = np.nan
            continue
        pchip_slopes(middles, values, slopes)
        for day in range(left.size):
            i = left[day]
            j = min(i + 1, last)
            out[row, day] = (basis[0, day] * values[i] + basis[1, day] * slopes[i]
                             + basis[2, day] * values[j] + basis[3, day] * slopes[j])


@jit
def finish_rows(rows, mask, step, low, high):
    """Limit each value to `low`..`high` and remove what lies in a marked step; `step` tells that of each column."""
    for row in range(rows.shape[0]):
        for i in range(rows.shape[1]):
            value = min(max(rows[row, i], low), high)
            rows[row, i] = np.nan if mask[row, step[i]] else value
