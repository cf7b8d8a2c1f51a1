"""Compiled kernels that compute the trends of eight pixels side by side.

The slopes of all pairs of values are wanted in order at three places: the median and both ends of
its interval. With few pairs all slopes are sorted by a network of exchanges, which has no branches
and sorts eight pixels at once. With many, a sorted sample of the slopes brackets the three places,
one pass over all pairs counts what lies below the bracket and keeps what lies inside, and the three
are selected among what was kept. Where the bracket missed one of them, the pixel is computed by
itself from all its slopes. Either way the result is that of sorting, to the last bit.
"""

# mypy: disable-error-code="no-untyped-def, assignment"

from __future__ import annotations

import math

import numpy as np

from ..deps import jit
from .kernels import (
    BUCKETS,
    COUNT,
    HIGH,
    LOW,
    MEAN,
    PAIRS,
    SCORE,
    SLOPE,
    VARIANCE,
    at_rank,
    order_roughly,
    tie_term,
)
from .vectors import LANES, exchange, gather, slope, sweep

CHUNK = 128
MARGIN = 2.5  # standard errors of a sampled quantile that the bracket allows for


@jit
def load_block(values, start, groups, block, sums, pairs, plain):
    """Fill `block` (time, 8) with eight pixels and `sums` (2, 8) with the number and the sum of their values.

    Gives per pixel the number of pairs within groups, and the variance of S without ties, times 18.
    """
    flat_values, flat_block, flat_sums = values.ravel(), block.ravel(), sums.ravel()
    sums[:] = 0.0
    pairs[:] = 0
    plain[:] = 0.0
    before = np.zeros(LANES)
    for g in range(groups.size - 1):
        for k in range(groups[g], groups[g + 1]):
            gather(flat_values, k * values.shape[1] + start, flat_block, k * LANES, flat_sums)
        for r in range(LANES):
            m = sums[0, r] - before[r]
            pairs[r] += np.int64(0.5 * m * (m - 1.0))
            plain[r] += m * (m - 1.0) * (2.0 * m + 5.0)
            before[r] = sums[0, r]


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
def sorted_trends(values, groups, first, second, spans, network, fewest, z_level, stretch, out):
    """Fill `out` (pixels, 8) with the trends of `values` (time, pixels or more) by sorting all slopes."""
    length, all_pairs = values.shape[0], first.size
    block = np.empty((length, LANES))
    rows = np.empty((all_pairs, LANES))
    flat_block, flat_rows = block.ravel(), rows.ravel()
    scratch, sums, plain, pairs = np.empty(length), np.empty((2, LANES)), np.empty(LANES), np.empty(LANES, np.int64)
    for start in range(0, out.shape[0], LANES):
        load_block(values, start, groups, block, sums, pairs, plain)
        for k in range(all_pairs):
            slope(flat_block, np.int64(first[k]), np.int64(second[k]), spans[k], flat_rows, k * LANES, np.inf)
        for k in range(network.shape[0]):
            exchange(flat_rows, np.int64(network[k, 0]), np.int64(network[k, 1]))
        for r in range(min(LANES, out.shape[0] - start)):
            result = out[start + r]
            result[:] = np.nan
            result[COUNT], result[PAIRS] = sums[0, r], pairs[r]
            if sums[0, r] < fewest or pairs[r] == 0:
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
            result[MEAN] = sums[1, r] / sums[0, r]
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
def keep_inside(slopes, inside, size, kept, number):
    """Append the slopes of a chunk whose flag `inside` is all ones to those kept of each pixel, while there is room."""
    for r in range(LANES):
        if number[r] + size > kept.shape[1]:
            number[r] = kept.shape[1]
            continue
        row = kept[r]
        at = np.uint64(number[r])  # unsigned, or each index would be tested for being negative
        for k in range(np.uint64(size)):
            row[at] = slopes[k, r]
            at -= inside[k, r]  # all ones is -1
        number[r] = np.int64(at)


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
def choose(slopes, number, below, bottom, top, pairs, low_rank, high_rank, bucket, starts, ordered, result):
    """Write median, low and high end from the slopes kept; False if in vain.

    Most lie between `bottom` and `top`, and `below` others are smaller. `bucket`, `starts` and `ordered` are room
    for `order_roughly`.
    """
    middle = (pairs >> 1) - below
    lower = middle if pairs & 1 else middle - 1
    low, high = low_rank - below, high_rank - below
    if low < 0 or lower < 0 or high >= number or middle >= number:
        return False
    order_roughly(slopes, number, bottom, top, bucket, starts, ordered)
    median = at_rank(ordered, starts, middle)
    result[SLOPE] = median if lower == middle else 0.5 * (at_rank(ordered, starts, lower) + median)
    result[LOW], result[HIGH] = at_rank(ordered, starts, low), at_rank(ordered, starts, high)
    return True


@jit
def bracketed_trends(values, groups, first, second, spans, sampled, network, fewest, z_level, stretch, out):
    """Fill `out` (pixels, 8) with the trends of `values` (time, pixels or more) by bracketing and selecting."""
    length, all_pairs = values.shape[0], first.size
    block, sample, chunk = np.empty((length, LANES)), np.empty((sampled.size, LANES)), np.empty((CHUNK, LANES))
    flat_block, flat_chunk = block.ravel(), chunk.ravel()
    kept, every, ordered = np.empty((LANES, all_pairs // 3 + CHUNK)), np.empty(all_pairs), np.empty(all_pairs)
    inside = np.empty((CHUNK, LANES), np.uint64)
    bucket, starts = np.empty(all_pairs, np.int32), np.empty(BUCKETS + 1, np.int64)
    scratch, sums, plain, pairs = np.empty(length), np.empty((2, LANES)), np.empty(LANES), np.empty(LANES, np.int64)
    low, high, widen = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    number, counts = np.empty(LANES, np.int64), np.empty((3, LANES), np.int64)
    flat_counts, flat_inside = counts.ravel(), inside.ravel()
    for start in range(0, out.shape[0], LANES):
        load_block(values, start, groups, block, sums, pairs, plain)
        for r in range(LANES):
            widen[r] = stretch[min(start + r, stretch.size - 1)]
        brackets(block, first, second, spans, sampled, network, sample, pairs, plain, z_level, widen, low, high)
        number[:] = 0
        counts[:] = 0
        for begin in range(0, all_pairs, CHUNK):
            size = min(CHUNK, all_pairs - begin)
            sweep(flat_block, first, second, spans, begin, size, low, high, flat_chunk, flat_inside, flat_counts)
            keep_inside(chunk, inside, size, kept, number)
        for r in range(min(LANES, out.shape[0] - start)):
            result = out[start + r]
            result[:] = np.nan
            result[COUNT], result[PAIRS] = sums[0, r], pairs[r]
            if sums[0, r] < fewest or pairs[r] == 0:
                continue
            variance = plain[r]
            if counts[0, r] + counts[1, r] < pairs[r]:
                variance -= tied_term(block, r, groups, scratch)
            variance /= 18.0
            first_rank, last_rank = ranks(pairs[r], z_level * math.sqrt(variance * widen[r]))
            fits = number[r] < kept.shape[1]
            if not (fits and choose(kept[r], number[r], counts[2, r], low[r], high[r], pairs[r], first_rank, last_rank,
                                    bucket, starts, ordered, result)):
                size = all_slopes(block, r, first, second, spans, every)
                choose(every, size, 0, low[r], high[r], pairs[r], first_rank, last_rank, bucket, starts, ordered,
                       result)
            result[MEAN] = sums[1, r] / sums[0, r]
            result[SCORE] = counts[0, r] - counts[1, r]
            result[VARIANCE] = variance
