"""Compiled kernels that select and count within one series."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from ..deps import jit

# columns of a table of trends; PAIRS is the number of pairs of values that S compares
SLOPE, MEAN, LOW, HIGH, SCORE, VARIANCE, COUNT, PAIRS = range(8)
COLUMNS = 8
BUCKETS, TINY = 512, 1e-300


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
def order_roughly(values, number, bottom, top, bucket, starts, ordered):
    """Fill `ordered` with `values[:number]`, put into buckets of equal width between `bottom` and `top`.

    What lies outside goes into the first or last one. `starts` (BUCKETS + 1) says where each bucket begins;
    `bucket` is room for the number of that of each value.
    """
    width = top - bottom
    scale = BUCKETS / width if TINY < width < np.inf else 0.0  # without an end all go into one bucket
    origin = bottom if scale > 0.0 else 0.0
    for i in range(number):
        place = (values[i] - origin) * scale
        bucket[i] = np.int32(min(max(place, 0.0), BUCKETS - 1.0))
    starts[:] = 0
    for i in range(number):
        starts[bucket[i]] += 1
    begin = 0
    for b in range(BUCKETS):
        count = starts[b]
        starts[b] = begin
        begin += count
    for i in range(number):
        b = bucket[i]
        ordered[starts[b]] = values[i]
        starts[b] += 1
    for b in range(BUCKETS, 0, -1):
        starts[b] = starts[b - 1]
    starts[0] = 0


@jit
def at_rank(ordered, starts, k):
    """Return what sorting would put into position `k` of values that `order_roughly` has put into buckets."""
    b = np.searchsorted(starts, k, side="right") - 1
    return select(ordered, starts[b], starts[b + 1] - 1, k)


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
