"""Compiled kernels of the tests that reckon with autocorrelation; `variants.py` says the same for one series."""

# mypy: disable-error-code="no-untyped-def, assignment"

from __future__ import annotations

import math

import numpy as np

from ..deps import jit
from .kernels import COUNT, PAIRS, SCORE, SLOPE, VARIANCE, tie_term

HAMED_RAO, YUE_WANG, PREWHITENING, TFPW, COVARIANCE = range(5)


@jit
def deviate(series, deviation, known):
    """Fill deviations from the mean (0 where missing) and what is known (1 or 0); return first, last and squares."""
    first, last, n = -1, -1, 0
    total = 0.0
    for k in range(series.size):
        known[k] = 0.0 if math.isnan(series[k]) else 1.0
        if known[k] > 0:
            first = k if first < 0 else first
            last = k
            total += series[k]
            n += 1
    mean = total / n
    squares = 0.0
    for k in range(series.size):
        deviation[k] = series[k] - mean if known[k] > 0 else 0.0
        squares += deviation[k] * deviation[k]
    return first, last, n, squares


@jit
def autocorrelated(deviation, known, first, last, n, squares, lag):
    """Return the autocorrelation of what `deviate` filled."""
    products, pairs = 0.0, 0.0
    for k in range(first, last + 1 - lag):
        products += deviation[k] * deviation[k + lag]
        pairs += known[k] * known[k + lag]
    if pairs == 0 or squares == 0:
        return 0.0
    return (1.0 - lag / (last + 1 - first)) * (products / pairs) / (squares / n)


@jit
def rank(series, ranks):
    """Fill the rank of each value, equal ones sharing their mean; NaN stay."""
    for i in range(series.size):
        value = series[i]
        less, equal = 0, 0
        for j in range(series.size):
            less += np.int64(series[j] < value)
            equal += np.int64(series[j] == value)
        ranks[i] = less + 0.5 * (equal + 1) if equal > 0 else np.nan


@jit
def score_of(series, scratch, result):
    """Write S of a series with gaps, its variance and its number of pairs."""
    n = 0
    for k in range(series.size):
        if not math.isnan(series[k]):
            scratch[n] = series[k]
            n += 1
    score = 0
    for i in range(n - 1):
        for j in range(i + 1, n):
            score += np.int64(scratch[j] > scratch[i]) - np.int64(scratch[j] < scratch[i])
    variance = (n * (n - 1.0) * (2.0 * n + 5.0) - tie_term(scratch, n)) / 18.0
    result[SCORE] = score if n > 1 else np.nan
    result[VARIANCE] = variance if n > 1 else np.nan
    result[PAIRS] = n * (n - 1) / 2


@jit
def season_covariance(series, season, signs, ranks):
    """Return the sum over pairs of seasons of the covariance of their S; sums over seasons make it quick."""
    cycles = series.size // season
    sum_ranks, sum_squares, sum_counts, square_counts = np.zeros(cycles), 0.0, 0.0, 0.0
    signs[:] = 0.0
    for g in range(season):
        count = 0
        for i in range(cycles):
            count += np.int64(not math.isnan(series[i * season + g]))
        ranks[:] = count + 1.0
        for i in range(cycles - 1):
            for j in range(i + 1, cycles):
                one, other = series[i * season + g], series[j * season + g]
                sign = np.float64(other > one) - np.float64(other < one)
                signs[0, i, j] += sign
                signs[1, i, j] += sign * sign
                ranks[j] += sign
                ranks[i] -= sign
        for i in range(cycles):
            sum_ranks[i] += 0.5 * ranks[i]
            sum_squares += 0.25 * ranks[i] * ranks[i]
        sum_counts += count + 1.0
        square_counts += (count + 1.0) * (count + 1.0)
    k = 0.0
    for i in range(cycles - 1):
        for j in range(i + 1, cycles):
            k += signs[0, i, j] * signs[0, i, j] - signs[1, i, j]
    product = (sum_ranks * sum_ranks).sum() - sum_squares
    return (k + 4.0 * product - cycles * (sum_counts * sum_counts - square_counts)) / 3.0


@jit
def variance_factor(series, method, lags, bound, deviation, known):
    """Return the factor of the variance of S, from ranks of residuals (Hamed and Rao) or residuals (Yue and Wang)."""
    first, last, n, squares = deviate(series, deviation, known)
    total = 0.0
    if method == YUE_WANG:
        for lag in range(1, min(lags if lags > 0 else 1, n - 1) + 1):
            total += (1.0 - lag / n) * autocorrelated(deviation, known, first, last, n, squares, lag)
        return 1.0 + 2.0 * total
    for lag in range(1, min(lags if lags > 0 else n // 4, n - 1) + 1):
        r = autocorrelated(deviation, known, first, last, n, squares, lag)
        if abs(r) > bound / math.sqrt(n):
            total += (n - lag) * (n - lag - 1.0) * (n - lag - 2.0) * r
    return 1.0 + 2.0 * total / (n * (n - 1.0) * (n - 2.0)) if n > 2 else 1.0


@jit
def correct(rows, places, spread, method, season, lags, floor, always, bound, table, stretch):
    """Change score, variance and pairs in `table` to those of a method; `stretch` gets the factor of the variance.

    `rows` (time, pixels or more) stand at these `places` of an axis without gaps, `spread` is the time of
    each place since the first [yr].
    """
    length = spread.size
    series, residuals, changed = np.empty(length), np.empty(length), np.empty(length)
    deviation, known, scratch = np.empty(length), np.empty(length), np.empty(length)
    cycles = length // season if method == COVARIANCE else 0
    signs, ranks = np.empty((2, cycles, cycles)), np.empty(cycles)
    for p in range(table.shape[0]):
        result = table[p]
        stretch[p] = 1.0
        if math.isnan(result[SLOPE]):
            continue
        series[:] = np.nan
        for k in range(places.size):
            series[places[k]] = rows[k, p]
        for k in range(length):
            residuals[k] = series[k] - result[SLOPE] * spread[k]
        if method == COVARIANCE:
            plain = result[VARIANCE]
            factor = (plain + season_covariance(series, season, signs, ranks)) / plain if plain > 0 else 1.0
        elif method == HAMED_RAO:
            rank(residuals, changed)
            factor = variance_factor(changed, method, lags, bound, deviation, known)
        elif method == YUE_WANG:
            factor = variance_factor(residuals, method, lags, bound, deviation, known)
        else:
            source = series if method == PREWHITENING else residuals
            first, last, n, squares = deviate(source, deviation, known)
            r = autocorrelated(deviation, known, first, last, n, squares, 1)
            if method == PREWHITENING or always or abs(r) > bound / math.sqrt(result[COUNT]):
                changed[0] = np.nan
                for k in range(1, length):
                    changed[k] = source[k] - r * source[k - 1] + (series[k] - source[k])
                score_of(changed, scratch, result)
            continue
        stretch[p] = max(factor, floor)
        result[VARIANCE] *= stretch[p]
