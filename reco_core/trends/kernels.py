"""Compiled kernels of the trend maps; `maps.py` calls them."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

import numpy as np

from ..deps import jit

# columns of the result of `trend_rows`
SLOPE, MEAN, LOW, HIGH, SCORE, VARIANCE, COUNT = range(7)
COLUMNS = 7


@jit
def partition(values, first, last, pivot, equal):
    """Move values below `pivot` (with `equal`: and those that equal it) to the front; return where they end.

    Swaps always and moves the border by 0 or 1: without a branch to mispredict this is twice as fast.
    """
    border = first
    for i in range(first, last + 1):
        value = values[i]
        values[i] = values[border]
        values[border] = value
        border += np.int64(value <= pivot) if equal else np.int64(value < pivot)
    return border


@jit
def select(values, first, last, k):
    """Reorder `values[first:last + 1]` so that position `k` holds what sorting would put there."""
    while last - first >= 12:
        a, b, c = values[first], values[(first + last) >> 1], values[last]
        pivot = max(min(a, b), min(max(a, b), c))
        border = partition(values, first, last, pivot, False)
        if k < border:
            last = border - 1
            continue
        first = partition(values, border, last, pivot, True)
        if k < first:
            return pivot
    for i in range(first + 1, last + 1):
        value = values[i]
        j = i - 1
        while j >= first and values[j] > value:
            values[j + 1] = values[j]
            j -= 1
        values[j + 1] = value
    return values[k]


@jit
def tie_term(values, count):
    """Sum of u (u - 1) (2 u + 5) over groups of equal values; sorts `values[:count]` in place."""
    values[:count].sort()
    total = 0.0
    run = 1.0
    for i in range(1, count + 1):
        if i < count and values[i] == values[i - 1]:
            run += 1.0
        else:
            if run > 1.0:
                total += run * (run - 1.0) * (2.0 * run + 5.0)
            run = 1.0
    return total


@jit
def pair_slopes(values, times, count, slopes):
    """Fill `slopes` with those of all pairs; return the score S and the number of tied pairs."""
    score = 0
    ties = 0
    k = 0
    for i in range(count - 1):
        value, time = values[i], times[i]
        for j in range(i + 1, count):
            rise = values[j] - value
            score += (1 if rise > 0 else 0) - (1 if rise < 0 else 0)
            ties += 1 if rise == 0 else 0
            slopes[k] = rise / (times[j] - time)
            k += 1
    return score, ties


@jit
def slope_quantiles(slopes, pairs, spread, out):
    """Write median, low and high end of the Sen interval; `spread` is z sqrt(Var S)."""
    middle = pairs >> 1
    upper = select(slopes, 0, pairs - 1, middle)
    median = upper
    last_left = middle
    if pairs % 2 == 0:
        lower = slopes[0]
        for i in range(1, middle):
            lower = max(lower, slopes[i])
        median = 0.5 * (lower + upper)
        last_left = middle - 1
    rank_low = max(int(np.round(0.5 * (pairs - spread))) - 1, 0)
    rank_high = min(int(np.round(0.5 * (pairs + spread))), pairs - 1)
    out[SLOPE] = median
    out[LOW] = select(slopes, 0, last_left, rank_low) if rank_low < middle else upper
    out[HIGH] = select(slopes, middle, pairs - 1, rank_high) if rank_high > middle else upper


@jit
def trend_rows(rows, times, fewest, z_level, out):
    """Fill `out` (n, 7) with the trend of each row of `rows` (n, time); NaN where fewer than `fewest` values."""
    length = times.size
    values = np.empty(length)
    valid_times = np.empty(length)
    scratch = np.empty(length)
    slopes = np.empty(max(length * (length - 1) // 2, 1))
    for row in range(rows.shape[0]):
        count = 0
        total = 0.0
        for i in range(length):
            value = np.float64(rows[row, i])
            if math.isfinite(value):
                values[count] = value
                valid_times[count] = times[i]
                total += value
                count += 1
        result = out[row]
        result[:] = np.nan
        result[COUNT] = count
        if count < max(fewest, 2):
            continue
        score, ties = pair_slopes(values, valid_times, count, slopes)
        variance = count * (count - 1.0) * (2.0 * count + 5.0)
        if ties > 0:
            scratch[:count] = values[:count]
            variance -= tie_term(scratch, count)
        variance /= 18.0
        slope_quantiles(slopes, count * (count - 1) // 2, z_level * math.sqrt(variance), result)
        result[MEAN] = total / count
        result[SCORE] = score
        result[VARIANCE] = variance
