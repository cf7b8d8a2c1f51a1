"""Compiled kernels that fill and add up tables; `shap_tables.py` explains the idea and calls them."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import Any

import numpy as np

from ..deps import jit, need

LANES = 8


def _vector_add() -> Any:
    """Return `add(out, at, table, a, b, c, d)`: out[at:at+8] += the sum of four stretches of the table.

    Spelled out as 8-wide vector instructions, because the compiler cannot know that `out` and
    `table` do not overlap and would otherwise add number by number.
    """
    ir = need("llvmlite.ir")
    types = need("numba").types
    intrinsic = need("numba.extending").intrinsic

    @intrinsic
    def add(typing_context, out, at, table, a, b, c, d):
        def codegen(context, builder, signature, args):
            vector = ir.VectorType(ir.FloatType(), LANES).as_pointer()
            target = context.make_array(signature.args[0])(context, builder, args[0]).data
            source = context.make_array(signature.args[2])(context, builder, args[2]).data

            def pointer(base, offset):
                return builder.bitcast(builder.gep(base, [offset]), vector)

            parts = [builder.load(pointer(source, offset), align=4) for offset in args[3:]]
            place = pointer(target, args[1])
            total = builder.fadd(builder.fadd(parts[0], parts[1]), builder.fadd(parts[2], parts[3]))
            builder.store(builder.fadd(builder.load(place, align=4), total), place, align=4)
            return context.get_dummy_value()

        integer = types.int64
        return types.void(out, integer, table, integer, integer, integer, integer), codegen

    return add


add_vectors = _vector_add()


@jit
def bin_rows(rows, edges, edge_start, bins):
    """Fill `bins` (blocks, p, rows) with the number of thresholds at or below each value; 65535 where NaN."""
    blocks, features, size = bins.shape
    for block in range(blocks):
        for f in range(features):
            first, count = edge_start[f], edge_start[f + 1] - edge_start[f]
            for r in range(size):
                row = block * size + r
                x = rows[row, f] if row < rows.shape[0] else np.float32(np.nan)
                if np.isnan(x):
                    bins[block, f, r] = np.uint16(65535)
                    continue
                low, length = first, count
                while length > 0:
                    half = length >> 1
                    if edges[low + half] <= x:
                        low += half + 1
                        length -= half + 1
                    else:
                        length = half
                bins[block, f, r] = np.uint16(low - first)


@jit
def leaf_values(leaf, first, left, parent, feature, cover, weight, bits, points, point_weights,
                features, care, want, values):
    """Fill `values` (2^u, u) with the contributions of a leaf for each set of the u features on its path
    that point towards it, and which decisions each feature stands for; return u."""
    u = 0
    away = np.empty(64)
    child, node = leaf, parent[leaf]
    while node >= 0:
        j = 0
        while j < u and features[j] != feature[node]:
            j += 1
        if j == u:
            features[u], care[u], want[u], away[u] = feature[node], 0, 0, 1.0
            u += 1
        bit = 0
        while bits[bit] != node:
            bit += 1
        away[j] *= cover[child] / cover[node]
        care[j] |= 1 << bit
        if first + left[node] == child:
            want[j] |= 1 << bit
        child, node = node, parent[node]
    for pattern in range(1 << u):
        for j in range(u):
            values[pattern, j] = 0.0
        for q in range(points.size):
            for j in range(u):
                product = weight * point_weights[q]
                for k in range(u):
                    if k != j:
                        product *= away[k] * (1.0 - points[q]) + ((pattern >> k) & 1) * points[q]
                values[pattern, j] += product * (((pattern >> j) & 1) - away[j])
    return u


@jit
def fill_table(leaves, first, left, parent, feature, cover, value, bits, points, point_weights,
               deepest, place, table):
    """Fill `table` (2^bits, lanes) with the summed contributions of the leaves of a group and, in lane
    `place`, the value of the leaf that is reached; where `place` is 0 with that value only."""
    total = np.zeros(table.shape)
    features = np.empty(64, np.int64)
    care = np.empty(64, np.int64)
    want = np.empty(64, np.int64)
    values = np.empty((1 << deepest, deepest + 1))
    for leaf in leaves:
        u = leaf_values(leaf, first, left, parent, feature, cover, np.float64(value[leaf]), bits, points,
                        point_weights, features, care, want, values)
        for pattern in range(table.shape[0]):
            known = 0
            for j in range(u):
                if (pattern & care[j]) == want[j]:
                    known |= 1 << j
            if place > 0:
                for j in range(u):
                    total[pattern, features[j]] += values[known, j]
            if known == (1 << u) - 1:
                total[pattern, place] += value[leaf]
    for pattern in range(table.shape[0]):
        for k in range(table.shape[1]):
            table[pattern, k] = total[pattern, k]


@jit
def find_entries(bins, nodes, feature, node_bin, default_left, base, lanes, entry, offsets):
    """Fill `offsets` with where the table entry of each row begins."""
    n = offsets.size
    for r in range(n):
        entry[r] = 0
    for k in range(nodes.size - 1, -1, -1):
        node = nodes[k]
        column = bins[feature[node]]
        shift = np.uint16(default_left[node])  # lets the bin of NaN wrap around to 0, that is to the left
        limit = np.uint16(node_bin[node] + shift)
        for r in range(n):
            entry[r] = np.uint16(np.uint16(entry[r] << 1) | np.uint16(np.uint16(column[r] + shift) < limit))
    for r in range(n):
        offsets[r] = (base + np.int64(entry[r])) * lanes


@jit
def add_tables(bins, trees, group_start, bit_start, bits, feature, node_bin, default_left,
               table, table_start, lanes, out):
    """Add to `out` (rows * lanes) the entries of the tables of trees `trees[0]` to `trees[1]`; `bins` is
    (blocks, p, rows), and the last entry of `table` is 0."""
    blocks, _, size = bins.shape
    entry = np.empty(size, np.uint16)
    offsets = np.zeros((4, size), np.int64)
    origin = table_start[group_start[trees[0]]]
    nothing = table.size - lanes
    for tree in range(trees[0], trees[1]):
        last = group_start[tree + 1]
        for block in range(blocks):
            for group in range(group_start[tree], last, 4):
                for part in range(4):
                    g = group + part
                    if g < last:
                        find_entries(bins[block], bits[bit_start[g]:bit_start[g + 1]], feature, node_bin,
                                     default_left, table_start[g] - origin, lanes, entry, offsets[part])
                    else:
                        offsets[part, :] = nothing
                if lanes == 1:
                    for r in range(size):
                        out[block * size + r] += ((table[offsets[0, r]] + table[offsets[1, r]])
                                                  + (table[offsets[2, r]] + table[offsets[3, r]]))
                    continue
                for r in range(size):
                    at = (block * size + r) * lanes
                    for lane in range(0, lanes, LANES):
                        add_vectors(out, at + lane, table, offsets[0, r] + lane, offsets[1, r] + lane,
                                    offsets[2, r] + lane, offsets[3, r] + lane)


@jit
def fill_tables(groups, tree_of, start, leaf_start, leaves, bit_start, bits, left, parent, feature, cover, value,
                points, point_weights, deepest, place, table, table_start, origin, lanes):
    """Fill the tables of groups `groups[0]` to `groups[1]` into the flat buffer `table`, whose first entry
    belongs to entry `origin`."""
    for g in range(groups[0], groups[1]):
        begin = (table_start[g] - origin) * lanes
        end = (table_start[g + 1] - origin) * lanes
        fill_table(leaves[leaf_start[g]:leaf_start[g + 1]], start[tree_of[g]], left, parent, feature, cover, value,
                   bits[bit_start[g]:bit_start[g + 1]], points, point_weights, deepest, place,
                   table[begin:end].reshape(-1, lanes))
