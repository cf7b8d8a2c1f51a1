"""Compiled kernels of the nine phenology variables; `phenology.py` calls them."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

import numpy as np

from ..deps import jit
from .logistic_kernels import mean_peak

# columns of the result
TOP, BOTTOM, LEVEL, LENGTH, AREA = 0, 1, 2, 5, 8
VARIABLES = 9
# flags
GOOD, ONE_CROSSING, FLAT, MISSING = range(4)
LEAST_RANGE = 1e-4
HALF_YEAR = 182


@jit
def level_length(curve, level):
    """Return the days between the first and the last crossing of a level, and the number of crossings."""
    n = curve.size
    first = last = 0.0
    count = 0
    rising = False
    for i in range(n - 1):
        here, there = curve[i], curve[i + 1]
        if (here >= level) != (there >= level):
            last = i + 1.0 + (level - here) / (there - here)
            rising = there >= level
            first = last if count == 0 else first
            count += 1
    if count == 1:
        return n - first if rising else first, count
    return last - first, count


@jit
def mean_of_largest(curve, sign, count, kept):
    """Return the mean of the `count` largest values of a curve times `sign`; `kept` is scratch."""
    size = 0
    for i in range(curve.size):
        value = sign * curve[i]
        if size == count and value <= kept[0]:
            continue
        at = 0  # the least is dropped and what is smaller than the value moves down
        if size < count:
            at = size
            size += 1
            while at > 0 and kept[at - 1] > value:
                kept[at] = kept[at - 1]
                at -= 1
        else:
            while at + 1 < count and kept[at + 1] < value:
                kept[at] = kept[at + 1]
                at += 1
        kept[at] = value
    total = 0.0
    for i in range(count):
        total += kept[i]
    return sign * total / count


@jit
def nine_variables(curve, scratch, tail, out):
    """Write the nine variables of one yearly curve; return its flag."""
    n = curve.size
    area = 0.0
    for i in range(n):
        area += curve[i]
    if not math.isfinite(area):
        out[:] = np.nan
        return MISSING
    count = max(1, int(np.round(tail * n)))
    top, bottom = mean_of_largest(curve, 1.0, count, scratch), mean_of_largest(curve, -1.0, count, scratch)
    height = top - bottom
    out[TOP], out[BOTTOM], out[AREA] = top, bottom, area
    flag = FLAT if height < LEAST_RANGE else GOOD
    for k in range(3):
        level = top - 0.25 * (k + 1) * height
        out[LEVEL + k] = level
        if flag == FLAT:
            out[LENGTH + k] = n
            continue
        length, crossings = level_length(curve, level)
        out[LENGTH + k] = length
        if crossings == 1:
            flag = ONE_CROSSING
    return flag


@jit
def phenology_rows(curves, day_of_year, year_starts, season, tail, out, flags):
    """Fill `out` (rows, years, 9) and `flags` (rows, years) from daily curves (rows, days).

    `year_starts` has the first day of each year and of the one after the last; with `season` the
    twelve months lie around the mean peak of the row.
    """
    days = curves.shape[1]
    years = year_starts.size - 1
    scratch = np.empty(400)
    sums, counts = np.empty(365), np.empty(365, np.int64)
    for row in range(curves.shape[0]):
        shift = 0
        if season:
            shift = mean_peak(curves[row], day_of_year, sums, counts) - 1 - HALF_YEAR
        for year in range(years):
            first, last = year_starts[year] + shift, year_starts[year + 1] + shift
            if first < 0 or last > days:
                out[row, year] = np.nan
                flags[row, year] = MISSING
                continue
            flags[row, year] = nine_variables(curves[row, first:last], scratch, tail, out[row, year])
