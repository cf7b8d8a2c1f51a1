"""Compiled kernels that select and count within one series."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from ..deps import jit

# columns of a table of trends; PAIRS is the number of pairs of values that S compares
SLOPE, MEAN, LOW, HIGH, SCORE, VARIANCE, COUNT, PAIRS = range(8)
COLUMNS = 8


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
def select_even(values, first, last, k, bottom, top):
    """Select like `select` where values are spread evenly between `bottom` and `top`.

    Two borders close to the wanted value, one above and one below, come first. Returns the value
    and the first place that was left for it. Any other spread, too, gives the right value.
    """
    for side in (1.0, -1.0):
        size = last - first + 1
        if size < 64:
            break
        border_value = bottom + (k - first + 0.5 + side * np.sqrt(size)) / size * (top - bottom)
        border = partition(values, first, last, border_value, False)
        if k < border:
            last, top = border - 1, border_value
        else:
            first, bottom = border, border_value
    return select(values, first, last, k), first


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
