"""Compiled kernels of the indices that fit a gamma distribution; `water_balance.py` calls them.

With shape a and x in units of the mean, z0 = sign(x - 1) sqrt(2 a (x - 1 - log x)) is close to the normal
score of x, and the rest, z - z0, is a smooth function of z0 and 1 / sqrt(a): `score_tables.gamma_table`
keeps it as Chebyshev polynomials of both. Small shapes take the incomplete gamma function itself.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

import numpy as np

from ..deps import jit
from .spei_kernels import (
    EVEN,
    FAR,
    FEWEST,
    LANES,
    TINY,
    gather,
    logarithm,
    normal_score,
    running_sums,
    sort_lanes,
)

SMALLEST_SHAPE = 4.0
FARTHEST = 8.5
MOST_TERMS = 100000
PRECISE = 1e-16


@jit
def gamma_tails(shape, x):
    """Return the probabilities below and above `x` of a gamma distribution of scale 1."""
    if x <= 0.0:
        return 0.0, 1.0
    front = math.exp(shape * math.log(x) - x - math.lgamma(shape))
    if x < shape + 1.0:
        term = 1.0 / shape
        total = term
        for i in range(1, MOST_TERMS):
            term *= x / (shape + i)
            total += term
            if term < PRECISE * total:
                break
        below = front * total
        return below, 1.0 - below
    b = x + 1.0 - shape
    c, d = FAR, 1.0 / b
    fraction = d
    for i in range(1, MOST_TERMS):
        a = -i * (i - shape)
        b += 2.0
        d = a * d + b
        d = 1.0 / (d if abs(d) > 1 / FAR else 1 / FAR)
        c = b + a / c
        c = c if abs(c) > 1 / FAR else 1 / FAR
        fraction *= c * d
        if abs(c * d - 1.0) < PRECISE * 10:
            break
    above = front * fraction
    return 1.0 - above, above


@jit
def fit_gamma(sample, moments, mean, shape, zero):
    """Fill mean and shape of the values above 0 and the probability of 0 of each lane; NaN where they cannot be fitted.

    `sample` is sorted; `moments` takes probability weighted moments instead of Thom's approximation.
    """
    for lane in range(LANES):
        mean[lane], shape[lane], zero[lane] = np.nan, np.nan, np.nan
        zeros, count = 0, 0
        total, logs, ranked = 0.0, 0.0, 0.0
        product, largest = 1.0, 0.0
        for rank in range(sample.shape[0]):
            value = sample[rank, lane]
            if not value < np.inf:
                break
            if value <= 0.0:
                zeros += 1
                continue
            total += value
            if moments:
                ranked += count * value
            else:
                product *= value
                if not 1e-100 < product < 1e100:  # one logarithm for many values
                    logs += math.log(product)
                    product = 1.0
            count += 1
            largest = value
        if count < FEWEST:
            continue
        average = total / count
        if not largest - sample[zeros, lane] > EVEN * largest:
            continue
        if moments:
            variation = (2 * ranked / (count * (count - 1.0)) - average) / average
            fitted = shape_of_variation(variation)
        else:
            spread = math.log(average) - (logs + math.log(product)) / count
            if not spread > EVEN:
                continue
            fitted = (1 + math.sqrt(1 + 4 * spread / 3)) / (4 * spread)
        mean[lane], shape[lane], zero[lane] = average, fitted, zeros / (zeros + count)


@jit
def shape_of_variation(variation):
    """Return the shape of a gamma distribution from its L-coefficient of variation, Hosking (1996), routine PELGAM."""
    if not 0.0 < variation < 1.0:
        return np.nan
    if variation < 0.5:
        z = math.pi * variation * variation
        return (1 - 0.3080 * z) / (z * (1 + z * (-0.05812 + z * 0.01765)))
    z = 1 - variation
    return z * (0.7213 - z * 0.5947) / (1 + z * (-2.1817 + z * 1.2113))


@jit
def corrections(table, shape, powers, coefficients):
    """Fill the polynomials in z0 of each lane, those of its shape; `powers` (terms, LANES) is scratch."""
    highest = math.sqrt(1 / SMALLEST_SHAPE)
    terms = powers.shape[0]
    for lane in range(LANES):
        s = 1 / math.sqrt(shape[lane]) if shape[lane] >= SMALLEST_SHAPE else highest
        powers[0, lane] = s
        powers[1, lane] = s * (2 * s / highest - 1)
    for j in range(2, terms):
        new, before, older, first, second = powers[j], powers[j - 1], powers[j - 2], powers[0], powers[1]
        for lane in range(LANES):
            new[lane] = 2 * np.divide(second[lane], first[lane]) * before[lane] - older[lane]
    for k in range(coefficients.shape[0]):
        row = coefficients[k]
        row[:] = 0.0
        for j in range(terms):
            factor, power = table[k, j], powers[j]
            for lane in range(LANES):
                row[lane] += factor * power[lane]


@jit
def first_scores(sums, mean, shape, scores):
    """Fill z0 of each lane; -FAR at and below 0."""
    for lane in range(LANES):
        x = np.divide(sums[lane], mean[lane])
        half = x - 1.0 - logarithm(x if x > TINY else TINY)
        root = math.sqrt(2.0 * shape[lane] * (half if half > 0.0 else 0.0))
        value = root if x > 1.0 else -root
        scores[lane] = (value if x > 0.0 else -FAR) if x == x else np.nan


@jit
def corrected_scores(scores, coefficients, even, odd, fine):
    """Fill `fine` with score plus polynomial of each lane, by Clenshaw's recurrence over an odd number of terms."""
    even[:], odd[:] = 0.0, 0.0
    for k in range(coefficients.shape[0] - 1, 1, -2):
        upper, lower = coefficients[k], coefficients[k - 1]
        for lane in range(LANES):
            x = scores[lane] * (2 / FARTHEST)
            x = x if abs(x) <= 2.0 else 0.0
            first = upper[lane] + x * even[lane] - odd[lane]
            odd[lane] = first
            even[lane] = lower[lane] + x * first - even[lane]
    constant = coefficients[0]
    for lane in range(LANES):
        x = scores[lane] * (1 / FARTHEST)
        fine[lane] = scores[lane] + constant[lane] + x * even[lane] - odd[lane]


@jit
def gamma_scores(sums, mean, shape, zero, rough, fine, clip, result, first, width):
    """Write the scores of one month; small shapes and far scores from the distribution itself."""
    for lane in range(width):
        score = np.nan
        if rough[lane] == rough[lane] and shape[lane] == shape[lane]:
            if rough[lane] == -FAR:
                score = normal_score(zero[lane], 1.0 - zero[lane])
            elif shape[lane] >= SMALLEST_SHAPE and abs(rough[lane]) <= FARTHEST:
                score = fine[lane]
                if zero[lane] > 0.0:
                    root = score * math.sqrt(0.5)
                    score = with_zeros(0.5 * math.erfc(-root), 0.5 * math.erfc(root), zero[lane])
            else:
                below, above = gamma_tails(shape[lane], sums[lane] * shape[lane] / mean[lane])
                score = with_zeros(below, above, zero[lane])
            score = min(max(score, -clip), clip)
        result[first + lane] = score


@jit
def with_zeros(below, above, zero):
    """Return the score of probabilities below and above among values that are not 0."""
    return normal_score(zero + (1.0 - zero) * below, (1.0 - zero) * above)


@jit
def gamma_index(values, first, last, month_of, fitted, scale, offset, moments, network, years, table, clip, out):
    """Fill columns `first` to `last` of `out` (time, pixels) with the index of a gamma distribution."""
    length = values.shape[0]
    sums = np.full((length, LANES), np.nan)
    ends, run = np.empty((scale, LANES)), np.empty(LANES)
    sample = np.empty((years, LANES))
    mean, shape, zero = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    rough, fine, even, odd = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    powers, coefficients = np.empty((table.shape[1], LANES)), np.empty((table.shape[0], LANES))
    for start in range(first, last, LANES):
        width = min(LANES, last - start)
        running_sums(values, start, width, scale, offset, sums, ends, run)
        for month in range(12):
            gather(sums, month_of, month, fitted, sample)
            sort_lanes(sample, network)
            fit_gamma(sample, moments, mean, shape, zero)
            corrections(table, shape, powers, coefficients)
            for time in range(length):
                if month_of[time] == month:
                    first_scores(sums[time], mean, shape, rough)
                    corrected_scores(rough, coefficients, even, odd, fine)
                    gamma_scores(sums[time], mean, shape, zero, rough, fine, clip, out[time], start, width)
