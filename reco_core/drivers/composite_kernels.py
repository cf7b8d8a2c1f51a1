"""Compiled kernels of composites in time; `composite.py` calls them."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

import numpy as np

from ..deps import jit


@jit
def weighted_means(values, first, steps, weights, least, factor, out):
    """Fill `out` (results, pixels) with the means of the time steps of each result, weighted, times `factor`."""
    pixels = values.shape[1]
    sums = np.empty(pixels)
    total = np.empty(pixels)
    for result in range(out.shape[0]):
        sums[:] = 0.0
        total[:] = 0.0
        for k in range(first[result], first[result + 1]):
            row = values[steps[k]]
            weight = weights[k]
            for pixel in range(pixels):
                value = row[pixel]
                if math.isfinite(value):
                    sums[pixel] += weight * value
                    total[pixel] += weight
        for pixel in range(pixels):
            enough = total[pixel] > 0.0 and total[pixel] >= least[result]
            out[result, pixel] = factor[result] * sums[pixel] / total[pixel] if enough else np.nan


@jit
def extremes(values, first, steps, weights, least, largest, out):
    """Fill `out` with the least value (`largest`: the largest) of each result."""
    pixels = values.shape[1]
    best = np.empty(pixels)
    total = np.empty(pixels)
    sign = -1.0 if largest else 1.0
    for result in range(out.shape[0]):
        best[:] = np.inf
        total[:] = 0.0
        for k in range(first[result], first[result + 1]):
            row = values[steps[k]]
            weight = weights[k]
            for pixel in range(pixels):
                value = row[pixel]
                if math.isfinite(value):
                    best[pixel] = min(best[pixel], sign * value)
                    total[pixel] += weight
        for pixel in range(pixels):
            enough = total[pixel] > 0.0 and total[pixel] >= least[result]
            out[result, pixel] = sign * best[pixel] if enough else np.nan


@jit
def medians(values, first, steps, weights, least, out):
    """Fill `out` with the medians of each result; of an even count the mean of the two in the middle."""
    longest = 1
    for result in range(out.shape[0]):
        longest = max(longest, first[result + 1] - first[result])
    found = np.empty(longest)
    for result in range(out.shape[0]):
        for pixel in range(values.shape[1]):
            count = 0
            total = 0.0
            for k in range(first[result], first[result + 1]):
                value = values[steps[k], pixel]
                if math.isfinite(value):
                    found[count] = value
                    count += 1
                    total += weights[k]
            if count == 0 or total < least[result]:
                out[result, pixel] = np.nan
                continue
            _sort(found, count)
            middle = count >> 1
            odd = count & 1
            out[result, pixel] = found[middle] if odd else 0.5 * (found[middle - 1] + found[middle])


@jit
def majorities(values, first, steps, weights, least, out):
    """Fill `out` with the value that most of the weight of each result has; of several the smallest."""
    longest = 1
    for result in range(out.shape[0]):
        longest = max(longest, first[result + 1] - first[result])
    found = np.empty(longest)
    heavy = np.empty(longest)
    for result in range(out.shape[0]):
        for pixel in range(values.shape[1]):
            count = 0
            total = 0.0
            for k in range(first[result], first[result + 1]):
                value = values[steps[k], pixel]
                if not math.isfinite(value):
                    continue
                total += weights[k]
                place = 0
                while place < count and found[place] != value:
                    place += 1
                if place == count:
                    found[place] = value
                    heavy[place] = 0.0
                    count += 1
                heavy[place] += weights[k]
            best = -1
            for place in range(count):
                if best < 0 or heavy[place] > heavy[best] or (
                        heavy[place] == heavy[best] and found[place] < found[best]):
                    best = place
            out[result, pixel] = found[best] if best >= 0 and total >= least[result] else np.nan


@jit
def _sort(values, count):
    """Sort the first `count` values in place: short series by insertion."""
    if count > 32:
        values[:count].sort()
        return
    for i in range(1, count):
        value = values[i]
        j = i - 1
        while j >= 0 and values[j] > value:
            values[j + 1] = values[j]
            j -= 1
        values[j + 1] = value
