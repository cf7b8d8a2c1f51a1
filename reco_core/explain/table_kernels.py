"""Compiled kernels that fill and add up tables; `shap_tables.py` explains the idea and calls them."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import Any

import numpy as np

from ..deps import jit, need

LANES = 8


def _vector_add(parts: int, number: str = "FloatType") -> Any:
    """Return `add(out, at, table, a, b, ...)`: out[at:at+8] += the sum of as many stretches of the table.

    Spelled out as 8-wide vector instructions, because the compiler cannot know that `out` and
    `table` do not overlap and would otherwise add number by number.
    """
    ir = need("llvmlite.ir")
    types = need("numba").types
    intrinsic = need("numba.extending").intrinsic

    def codegen(context, builder, signature, args):
        vector = ir.VectorType(getattr(ir, number)(), LANES).as_pointer()
        target = context.make_array(signature.args[0])(context, builder, args[0]).data
        source = context.make_array(signature.args[2])(context, builder, args[2]).data

        def pointer(base, offset):
            return builder.bitcast(builder.gep(base, [offset]), vector)

        sums = [builder.load(pointer(source, offset), align=4) for offset in args[3:]]
        while len(sums) > 1:
            sums = [builder.fadd(*sums[i:i + 2]) if i + 1 < len(sums) else sums[i] for i in range(0, len(sums), 2)]
        place = pointer(target, args[1])
        builder.store(builder.fadd(builder.load(place, align=4), sums[0]), place, align=4)
        return context.get_dummy_value()

    def signature(out, table):
        return types.void(out, types.int64, table, *[types.int64] * parts)

    def one(typing_context, out, at, table, a):
        return signature(out, table), codegen

    def two(typing_context, out, at, table, a, b):
        return signature(out, table), codegen

    def three(typing_context, out, at, table, a, b, c):
        return signature(out, table), codegen

    def four(typing_context, out, at, table, a, b, c, d):
        return signature(out, table), codegen

    return intrinsic((one, two, three, four)[parts - 1])


add_one, add_two, add_three, add_four = (_vector_add(parts) for parts in (1, 2, 3, 4))
add_doubles = _vector_add(1, "DoubleType")


@jit
def bin_rows(rows, features, edges, edge_start, scales, buckets, column_start, bins):
    """Fill `bins` (blocks, columns, rows) with the bins of the listed features.

    A value is first put into one of equally wide buckets, and then among the thresholds there: `buckets` holds
    how many thresholds lie below each, `scales` the lowest threshold and buckets per unit. A feature has a column
    for every 254 thresholds, which says how many of those are at or below the value; 255 is NaN.
    """
    blocks, _, size = bins.shape
    found = np.empty(size, np.int32)
    last = buckets.shape[1] - 2
    for block in range(blocks):
        first = block * size
        count = min(size, rows.shape[0] - first)
        for k in range(features.size):
            lowest, scale, base, f = scales[k, 0], scales[k, 1], edge_start[k], features[k]
            for r in range(size):
                x = rows[first + r, f] if r < count else np.float32(np.nan)
                if np.isnan(x):
                    found[r] = -1
                    continue
                place = (np.float64(x) - lowest) * scale
                bucket = np.int64(min(place, np.float64(last))) if place > 0.0 else 0
                low, high = buckets[k, bucket], buckets[k, bucket + 1]
                while low < high:
                    middle = (low + high) >> 1
                    if edges[base + middle] <= x:
                        low = middle + 1
                    else:
                        high = middle
                found[r] = low
            for column in range(column_start[k], column_start[k + 1]):
                skipped = np.int32(254 * (column - column_start[k]))
                for r in range(size):
                    within = min(max(found[r] - skipped, np.int32(0)), np.int32(254))
                    bins[block, column, r] = np.uint8(255) if found[r] < 0 else np.uint8(within)


@jit
def leaf_values(way, place, share, weight, points, point_weights, behind, ahead, values):
    """Fill `values` (2^u, places) with the contributions of a leaf for each set of the u features on its way that
    agree, at the places of the features.

    The factors of features before feature j depend on the lowest j bits of the set only, those after it on the
    highest; `behind` and `ahead` (2^(u + 1), points) hold them, those of j from 2^j and 2^(u - j) on.
    """
    u = way[1] - way[0]
    values[:] = 0.0
    for q in range(points.size):
        behind[1, q] = 1.0
        ahead[1, q] = weight * point_weights[q]
        for j in range(u):
            apart, size = share[way[0] + j] * (1.0 - points[q]), 1 << j
            for low in range(size):
                behind[2 * size + low, q] = behind[size + low, q] * apart
                behind[3 * size + low, q] = behind[size + low, q] * (apart + points[q])
        for j in range(u - 1, 0, -1):
            apart, size = share[way[0] + j] * (1.0 - points[q]), 1 << (u - 1 - j)
            for high in range(size):
                ahead[2 * (size + high), q] = ahead[size + high, q] * apart
                ahead[2 * (size + high) + 1, q] = ahead[size + high, q] * (apart + points[q])
    for j in range(u):
        away, at, size, rest = share[way[0] + j], place[way[0] + j], 1 << j, 1 << (u - 1 - j)
        for high in range(rest):
            for low in range(size):
                total = 0.0
                for q in range(points.size):
                    total += behind[size + low, q] * ahead[rest + high, q]
                values[(2 * high) * size + low, at] = -away * total
                values[(2 * high + 1) * size + low, at] = (1.0 - away) * total


@jit
def leaf_pairs(way, place, share, weight, points, point_weights, kind, values):
    """Fill `values` (2^u, pairs) with the interactions of a leaf, summed over pairs of kinds of features.

    `kind` is that of each place of the group. The lane of kinds a <= b is b (b + 1) / 2 + a.
    """
    u = way[1] - way[0]
    values[:] = 0.0
    for pattern in range(1 << u):
        for q in range(points.size):
            for i in range(u):
                for j in range(i, u):
                    product = weight * point_weights[q]
                    for k in range(u):
                        agrees, away = (pattern >> k) & 1, share[way[0] + k]
                        if k == i or k == j:
                            product *= agrees - away
                        else:
                            product *= away * (1.0 - points[q]) + agrees * points[q]
                    a, b = kind[place[way[0] + i]], kind[place[way[0] + j]]
                    if i == j:
                        values[pattern, a * (a + 3) // 2] += product
                    elif a != b:
                        low, high = min(a, b), max(a, b)
                        values[pattern, high * (high + 1) // 2 + low] += product
                        values[pattern, a * (a + 3) // 2] -= 0.5 * product
                        values[pattern, b * (b + 3) // 2] -= 0.5 * product


@jit
def agreeing(leaf, way, place, feature_start, states, state_start, refusing, agreed):
    """Fill `agreed` with, for each entry of the group, the set of the features on the way of a leaf that agree."""
    agreed[0] = 0
    size = 1
    for feature in range(feature_start[0], feature_start[1]):
        j = 0
        while j < way[1] - way[0] and place[way[0] + j] != feature - feature_start[0]:
            j += 1
        own = np.uint16(0 if j == way[1] - way[0] else 1 << j)
        for s in range(states[feature] - 1, -1, -1):
            bit = np.uint16(0) if (refusing[state_start[feature] + s] >> np.uint64(leaf)) & np.uint64(1) else own
            for e in range(size):
                agreed[s * size + e] = agreed[e] | bit
        size *= states[feature]


@jit
def fill_group(g, groups, value, points, point_weights, lane_of, pairs, place_of_estimate, table):
    """Fill `table` (entries, lanes) with the summed contributions of the leaves of a group and, in one lane, the
    value of the leaf that is reached. `pairs` > 0 asks for interactions and 0 for contributions; -1 for
    that value only. `lane_of` is the lane of each feature, or its kind where interactions are asked for."""
    (leaf_start, leaves, own_start, place, share, feature_start, feature, states, state_start, refusing) = groups
    first, last = feature_start[g], feature_start[g + 1]
    entries, used = table.shape[0], last - first
    most = 0
    for i in range(leaf_start[g], leaf_start[g + 1]):
        most = max(most, own_start[i + 1] - own_start[i])
    agreed = np.empty(entries, np.uint16)
    lanes = np.empty(used, np.int64)
    for k in range(used):
        lanes[k] = lane_of[feature[first + k]]
    width = pairs if pairs != 0 else used  # behind these is the estimate
    width = max(width, 0)
    padded = (width // LANES + 1) * LANES
    total = np.zeros(entries * padded)
    values = np.empty((1 << most, padded))
    flat = values.reshape(-1)
    behind, ahead = np.empty((2 << most, points.size)), np.empty((2 << most, points.size))
    for i in range(leaf_start[g], leaf_start[g + 1]):
        way, u = (own_start[i], own_start[i + 1]), own_start[i + 1] - own_start[i]
        weight = np.float64(value[leaves[i]])
        agreeing(i - leaf_start[g], way, place, (first, last), states, state_start, refusing, agreed)
        if pairs == 0:
            leaf_values(way, place, share, weight, points, point_weights, behind, ahead, values[:1 << u])
        elif pairs > 0:
            leaf_pairs(way, place, share, weight, points, point_weights, lanes, values[:1 << u])
        else:
            values[:1 << u] = 0.0
        values[(1 << u) - 1, width] = weight
        for e in range(entries):
            row = np.int64(agreed[e]) * padded
            for lane in range(0, padded, LANES):
                add_doubles(total, e * padded + lane, flat, row + lane)
    for e in range(entries):
        for lane in range(table.shape[1]):
            table[e, lane] = 0.0
        if pairs == 0:
            for k in range(used):
                table[e, lanes[k]] = total[e * padded + k]
        for k in range(pairs):
            table[e, k] = total[e * padded + k]
        table[e, place_of_estimate] = total[e * padded + width]


@jit
def fill_groups(which, groups, value, points, point_weights, lane_of, pairs, place, table, table_start, origin, lanes):
    """Fill the tables of groups `which[0]` to `which[1]` into the flat buffer `table`, whose first entry
    belongs to entry `origin`."""
    for g in range(which[0], which[1]):
        begin, end = (table_start[g] - origin) * lanes, (table_start[g + 1] - origin) * lanes
        fill_group(g, groups, value, points, point_weights, lane_of, pairs, place, table[begin:end].reshape(-1, lanes))


@jit
def find_entries(bins, tests, column, limit, shift, step, base, lanes, entry, offsets):
    """Fill `offsets` with where the table entry of each row begins."""
    n = offsets.size
    for r in range(n):
        entry[r] = 0
    for t in range(tests[0], tests[1]):
        values, up, least, more = bins[column[t]], shift[t], limit[t], step[t]
        for r in range(n):
            passed = np.uint8(values[r] + up) >= least
            entry[r] = np.uint16(entry[r] + (more if passed else np.uint16(0)))
    for r in range(n):
        offsets[r] = (base + np.int64(entry[r])) * lanes


@jit
def add_rows(count, lanes, offsets, first, table, out):
    """Add to `out` (rows * lanes), from number `first` on, one entry of each of `count` tables for every row."""
    size = offsets.shape[1]
    for r in range(size):
        at = first + r * lanes
        a, b, c, d = offsets[0, r], offsets[1, r], offsets[2, r], offsets[3, r]
        if count == 4:
            for lane in range(0, lanes, LANES):
                add_four(out, at + lane, table, a + lane, b + lane, c + lane, d + lane)
        elif count == 3:
            for lane in range(0, lanes, LANES):
                add_three(out, at + lane, table, a + lane, b + lane, c + lane)
        elif count == 2:
            for lane in range(0, lanes, LANES):
                add_two(out, at + lane, table, a + lane, b + lane)
        else:
            for lane in range(0, lanes, LANES):
                add_one(out, at + lane, table, a + lane)


@jit
def add_tables(bins, passes, pass_start, test_start, column, limit, shift, step, table, table_start, lanes, out):
    """Add to `out` (rows * lanes) the entries of the tables of passes `passes[0]` to `passes[1]`, which are up to
    four groups each; `bins` is (blocks, columns, rows)."""
    blocks, _, size = bins.shape
    entry = np.empty(size, np.uint16)
    offsets = np.zeros((4, size), np.int64)
    origin = table_start[pass_start[passes[0]]]
    for number in range(passes[0], passes[1]):
        count = pass_start[number + 1] - pass_start[number]
        for block in range(blocks):
            for part in range(count):
                g = pass_start[number] + part
                find_entries(bins[block], (test_start[g], test_start[g + 1]), column, limit, shift, step,
                             table_start[g] - origin, lanes, entry, offsets[part])
            if lanes > 1:
                add_rows(count, lanes, offsets, block * size * lanes, table, out)
                continue
            for r in range(size):
                total = np.float32(0.0)
                for part in range(count):
                    total += table[offsets[part, r]]
                out[block * size + r] += total
