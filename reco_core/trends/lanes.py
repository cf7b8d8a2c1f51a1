"""Compiled kernels that compute the trends of eight pixels side by side.

The slopes of all pairs of values are wanted in order at three places: the median and both ends of
its interval. With few pairs all slopes are sorted by a network of exchanges, which has no branches
and sorts eight pixels at once. With many, a sorted sample of the slopes brackets the three places,
one pass over all pairs counts what lies below the bracket and keeps what lies inside, and the three
are selected among what was kept. Where the bracket missed one of them, the pixel is computed by
itself from all its slopes. Either way the result is that of sorting, to the last bit.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

import numpy as np

from ..deps import jit
from .kernels import COUNT, HIGH, LOW, MEAN, PAIRS, SCORE, SLOPE, VARIANCE, select, tie_term
from .vectors import LANES, exchange, slope, tally

CHUNK = 256
MARGIN = 2.5  # standard errors of a sampled quantile that the bracket allows for


@jit
def load_block(values, start, order, groups, block, count, total, pairs, room, plain):
    """Fill `block` (time, 8) with eight pixels in the `order` of their groups, NaN where missing.

    Counts their values, adds them up, and gives per pixel the number of pairs within groups, the
    room for tied pairs in them, and the variance of S without ties, times 18.
    """
    pixels = values.shape[1]
    for r in range(LANES):
        count[r] = 0
        total[r] = 0.0
        pairs[r] = 0
        plain[r] = 0.0
    for g in range(groups.size - 1):
        for r in range(LANES):
            room[r] = 0
        for k in range(groups[g], groups[g + 1]):
            for r in range(LANES):
                value = np.float64(values[order[k], min(start + r, pixels - 1)])
                known = math.isfinite(value)
                block[k, r] = value if known else np.nan
                room[r] += np.int64(known)
                total[r] += value if known else 0.0
        for r in range(LANES):
            m = room[r]
            count[r] += m
            pairs[r] += m * (m - 1) // 2
            plain[r] += m * (m - 1.0) * (2.0 * m + 5.0)


@jit
def tied_term(block, lane, groups, scratch):
    """Return the sum of u (u - 1) (2 u + 5) over the groups of equal values of one pixel, in all its groups."""
    total = 0.0
    for g in range(groups.size - 1):
        m = 0
        for k in range(groups[g], groups[g + 1]):
            if not math.isnan(block[k, lane]):
                scratch[m] = block[k, lane]
                m += 1
        total += tie_term(scratch, m)
    return total


@jit
def ranks(pairs, spread):
    """Return where the ends of the interval stand among the sorted slopes."""
    low = max(int(np.round(0.5 * (pairs - spread))) - 1, 0)
    return low, min(int(np.round(0.5 * (pairs + spread))), pairs - 1)


@jit
def first_at(rows, lane, length, bound, equal):
    """Return how many of the sorted slopes of a pixel are below `bound` (with `equal`: or equal to it)."""
    first = 0
    while length > 0:
        half = length >> 1
        value = rows[first + half, lane]
        if value < bound or (equal and value == bound):
            first += half + 1
            length -= half + 1
        else:
            length = half
    return first


@jit
def sorted_trends(values, order, groups, first, second, spans, network, fewest, z_level, stretch, out):
    """Fill `out` (pixels, 8) with the trends of `values` (time, pixels) by sorting all slopes."""
    length, all_pairs = order.size, first.size
    block = np.empty((length, LANES))
    rows = np.empty((all_pairs, LANES))
    flat_block, flat_rows = block.ravel(), rows.ravel()
    scratch = np.empty(length)
    total, plain = np.empty(LANES), np.empty(LANES)
    count, pairs, room = np.empty(LANES, np.int64), np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    for start in range(0, values.shape[1], LANES):
        load_block(values, start, order, groups, block, count, total, pairs, room, plain)
        for k in range(all_pairs):
            slope(flat_block, np.int64(first[k]), np.int64(second[k]), spans[k], flat_rows, k * LANES, np.inf)
        for k in range(network.shape[0]):
            exchange(flat_rows, np.int64(network[k, 0]), np.int64(network[k, 1]))
        for r in range(min(LANES, values.shape[1] - start)):
            result = out[start + r]
            result[:] = np.nan
            result[COUNT], result[PAIRS] = count[r], pairs[r]
            if count[r] < fewest or pairs[r] == 0:
                continue
            below, above = first_at(rows, r, pairs[r], 0.0, False), first_at(rows, r, pairs[r], 0.0, True)
            variance = plain[r]
            if above > below:
                variance -= tied_term(block, r, groups, scratch)
            variance /= 18.0
            low, high = ranks(pairs[r], z_level * math.sqrt(variance * stretch[start + r]))
            middle = pairs[r] >> 1
            median = rows[middle, r]
            result[SLOPE] = median if pairs[r] & 1 else 0.5 * (rows[middle - 1, r] + median)
            result[LOW], result[HIGH] = rows[low, r], rows[high, r]
            result[MEAN] = total[r] / count[r]
            result[SCORE] = pairs[r] - above - below
            result[VARIANCE] = variance


@jit
def brackets(block, first, second, spans, sampled, network, sample, pairs, plain, z_level, stretch, low, high):
    """Sort a sample of the slopes of each pixel and set `low` and `high` around the places that are wanted."""
    flat_block, flat_sample = block.ravel(), sample.ravel()
    for k in range(sampled.size):
        pair = sampled[k]
        slope(flat_block, np.int64(first[pair]), np.int64(second[pair]), spans[pair], flat_sample, k * LANES, np.inf)
    for k in range(network.shape[0]):
        exchange(flat_sample, np.int64(network[k, 0]), np.int64(network[k, 1]))
    for r in range(LANES):
        known = first_at(sample, r, sampled.size, np.inf, False)
        low[r], high[r] = np.inf, -np.inf
        if known < 8 or pairs[r] == 0:
            continue
        half = 0.5 * z_level * math.sqrt(plain[r] / 18.0 * stretch[r]) / pairs[r] + MARGIN * 0.5 / math.sqrt(known)
        at = int((0.5 - half) * known) - 1
        low[r] = sample[at, r] if at >= 0 else -np.inf
        at = int((0.5 + half) * known) + 1
        high[r] = sample[at, r] if at < known else np.inf


@jit
def keep_inside(slopes, size, low, high, kept, number):
    """Append the slopes of a chunk that lie between `low` and `high` to those kept of each pixel.

    A pixel that has no room left keeps counting, so that its number tells.
    """
    last = kept.shape[1] - 1
    for r in range(LANES):
        at, bottom, top = number[r], low[r], high[r]
        for k in range(size):
            value = slopes[k, r]
            kept[r, min(at, last)] = value
            at += np.int64(value >= bottom) & np.int64(value <= top)
        number[r] = at


@jit
def all_slopes(block, lane, first, second, spans, slopes):
    """Fill `slopes` with all slopes of one pixel; return how many there are."""
    number = 0
    flat = block.ravel()
    for k in range(first.size):
        value = (flat[second[k] + lane] - flat[first[k] + lane]) / spans[k]
        slopes[number] = value
        number += np.int64(not math.isnan(value))
    return number


@jit
def choose(slopes, number, below, pairs, low, high, result):
    """Write median, low and high end from the slopes kept, below which there are `below` others; False if in vain."""
    middle = (pairs >> 1) - below
    lower = middle if pairs & 1 else middle - 1
    low -= below
    high -= below
    if low < 0 or lower < 0 or high >= number or middle >= number:
        return False
    upper = select(slopes, 0, number - 1, middle)
    median = upper
    if lower < middle:
        median = slopes[0]
        for k in range(1, middle):
            median = max(median, slopes[k])
        median = 0.5 * (median + upper)
    result[SLOPE] = median
    result[LOW] = select(slopes, 0, middle - 1, low) if low < middle else upper
    result[HIGH] = select(slopes, middle, number - 1, high) if high > middle else upper
    return True


@jit
def bracketed_trends(values, order, groups, first, second, spans, sampled, network, fewest, z_level, stretch, out):
    """Fill `out` (pixels, 8) with the trends of `values` (time, pixels) by bracketing and selecting."""
    length, all_pairs = order.size, first.size
    block, sample, chunk = np.empty((length, LANES)), np.empty((sampled.size, LANES)), np.empty((CHUNK, LANES))
    flat_block, flat_chunk = block.ravel(), chunk.ravel()
    kept, every = np.empty((LANES, all_pairs // 3 + 64)), np.empty(all_pairs)
    scratch, total, plain, widen = np.empty(length), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    low, high = np.empty(LANES), np.empty(LANES)
    count, pairs, room = np.empty(LANES, np.int64), np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    number, counts = np.empty(LANES, np.int64), np.empty((3, LANES), np.int64)
    flat_counts = counts.ravel()
    for start in range(0, values.shape[1], LANES):
        load_block(values, start, order, groups, block, count, total, pairs, room, plain)
        for r in range(LANES):
            widen[r] = stretch[min(start + r, stretch.size - 1)]
        brackets(block, first, second, spans, sampled, network, sample, pairs, plain, z_level, widen, low, high)
        number[:] = 0
        counts[:] = 0
        for begin in range(0, all_pairs, CHUNK):
            size = min(CHUNK, all_pairs - begin)
            for k in range(size):
                pair = begin + k
                slope(flat_block, np.int64(first[pair]), np.int64(second[pair]), spans[pair], flat_chunk, k * LANES,
                      np.nan)
                tally(flat_chunk, k * LANES, low, flat_counts)
            keep_inside(chunk, size, low, high, kept, number)
        for r in range(min(LANES, values.shape[1] - start)):
            result = out[start + r]
            result[:] = np.nan
            result[COUNT], result[PAIRS] = count[r], pairs[r]
            if count[r] < fewest or pairs[r] == 0:
                continue
            variance = plain[r]
            if counts[0, r] + counts[1, r] < pairs[r]:
                variance -= tied_term(block, r, groups, scratch)
            variance /= 18.0
            bottom, top = ranks(pairs[r], z_level * math.sqrt(variance * widen[r]))
            fits = number[r] < kept.shape[1]
            if not (fits and choose(kept[r], number[r], counts[2, r], pairs[r], bottom, top, result)):
                choose(every, all_slopes(block, r, first, second, spans, every), 0, pairs[r], bottom, top, result)
            result[MEAN] = total[r] / count[r]
            result[SCORE] = counts[0, r] - counts[1, r]
            result[VARIANCE] = variance
