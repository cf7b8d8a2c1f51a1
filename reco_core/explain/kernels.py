"""Compiled kernels of the exact Shapley engine; `shap_tables.py` explains the idea and calls them."""

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
    def add(typing_context, out, at, table, a, b, c, d):  # type: ignore[no-untyped-def]
        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            vector = ir.VectorType(ir.FloatType(), LANES).as_pointer()
            target = context.make_array(signature.args[0])(context, builder, args[0]).data
            source = context.make_array(signature.args[2])(context, builder, args[2]).data

            def pointer(base, offset):  # type: ignore[no-untyped-def]
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
def bin_rows(rows, edges, edge_start, bins):  # type: ignore[no-untyped-def]
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
def walk_tree(left, right, first, parent, depth, inner, order):  # type: ignore[no-untyped-def]
    """Fill parent, depth and number of inner nodes below (all by node) and return the number of nodes reached."""
    count, top = 0, 1
    order[0] = first
    parent[first] = -1
    depth[first] = 0
    stack = np.empty(left.size + 1, np.int64)
    stack[0] = first
    while top > 0:
        top -= 1
        node = stack[top]
        order[count] = node
        count += 1
        inner[node] = 0
        if left[node] >= 0:
            for child in (first + right[node], first + left[node]):
                parent[child] = node
                depth[child] = depth[node] + 1
                stack[top] = child
                top += 1
    for i in range(count - 1, -1, -1):
        node = order[i]
        if left[node] >= 0:
            inner[node] += 1
        if parent[node] >= 0:
            inner[parent[node]] += inner[node]
    return count


@jit
def expected_value(left, right, start, value, cover):  # type: ignore[no-untyped-def]
    """Return the mean of the forest over its training rows, and the depth of its deepest leaf."""
    nodes = left.size
    parent = np.empty(nodes, np.int64)
    depth = np.zeros(nodes, np.int64)
    inner = np.empty(nodes, np.int64)
    order = np.empty(nodes + 1, np.int64)
    share = np.ones(nodes)
    total = 0.0
    deepest = 0
    for tree in range(start.size - 1):
        count = walk_tree(left, right, start[tree], parent, depth, inner, order)
        for i in range(count):
            node = order[i]
            if parent[node] >= 0:
                share[node] = share[parent[node]] * cover[node] / cover[parent[node]]
            if left[node] < 0:
                total += share[node] * value[node]
                deepest = max(deepest, depth[node])
    return total, deepest


@jit
def cut_roots(left, right, first, depth, inner, most_bits, roots):  # type: ignore[no-untyped-def]
    """Cut a tree into subtrees with at most `most_bits` decisions on their paths; return their number."""
    stack = np.empty(left.size + 1, np.int64)
    stack[0] = first
    top, count = 1, 0
    while top > 0:
        top -= 1
        node = stack[top]
        if left[node] < 0 or depth[node] + inner[node] <= most_bits:
            roots[count] = node
            count += 1
        else:
            stack[top] = first + right[node]
            stack[top + 1] = first + left[node]
            top += 2
    return count


@jit
def group_nodes(left, right, start, most_bits):  # type: ignore[no-untyped-def]
    """Pack subtrees into groups that depend on few decisions.

    Returns groups per tree (as starts), leaves and decisions per group (starts and nodes), and parents.
    """
    nodes = left.size
    parent = np.full(nodes, -1, np.int64)
    depth = np.zeros(nodes, np.int64)
    inner = np.zeros(nodes, np.int64)
    order = np.empty(nodes + 1, np.int64)
    roots = np.empty(nodes + 1, np.int64)
    marked = np.full(nodes, -1, np.int64)
    stack = np.empty(nodes + 1, np.int64)
    group_start = np.zeros(start.size, np.int64)
    leaf_start, bit_start = [0], [0]
    leaves, bits = [0][:0], [0][:0]
    groups = 0
    for tree in range(start.size - 1):
        first = start[tree]
        walk_tree(left, right, first, parent, depth, inner, order)
        count = cut_roots(left, right, first, depth, inner, most_bits, roots)
        if left[first] < 0:
            count = 0
        for a in range(count):
            if roots[a] < 0:
                continue
            used = 0
            for b in range(a, count):
                root = roots[b]
                if root < 0:
                    continue
                new = inner[root]
                node = parent[root]
                while node >= 0:
                    new += 1 if marked[node] != groups else 0
                    node = parent[node]
                if b > a and used + new > most_bits:
                    continue
                used += new
                roots[b] = -1
                node = parent[root]
                while node >= 0:
                    if marked[node] != groups:
                        marked[node] = groups
                        bits.append(node)
                    node = parent[node]
                stack[0] = root
                top = 1
                while top > 0:
                    top -= 1
                    node = stack[top]
                    if left[node] < 0:
                        leaves.append(node)
                    else:
                        bits.append(node)
                        stack[top] = first + right[node]
                        stack[top + 1] = first + left[node]
                        top += 2
            leaf_start.append(len(leaves))
            bit_start.append(len(bits))
            groups += 1
        group_start[tree + 1] = groups
    return (group_start, np.array(leaf_start), np.array(leaves), np.array(bit_start), np.array(bits), parent)


@jit
def leaf_values(leaf, first, left, parent, feature, cover, weight, bits, points, point_weights,
                features, care, want, values):  # type: ignore[no-untyped-def]
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
               deepest, table):  # type: ignore[no-untyped-def]
    """Fill `table` (2^bits, lanes) with the summed contributions of the leaves of a group."""
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
            for j in range(u):
                total[pattern, features[j]] += values[known, j]
    for pattern in range(table.shape[0]):
        for k in range(table.shape[1]):
            table[pattern, k] = total[pattern, k]


@jit
def find_entries(bins, nodes, feature, node_bin, default_left, base, lanes, entry, offsets):  # type: ignore[no-untyped-def]
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
               table, table_start, lanes, out):  # type: ignore[no-untyped-def]
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
                for r in range(size):
                    at = (block * size + r) * lanes
                    for lane in range(0, lanes, LANES):
                        add_vectors(out, at + lane, table, offsets[0, r] + lane, offsets[1, r] + lane,
                                    offsets[2, r] + lane, offsets[3, r] + lane)


@jit
def fill_tables(groups, tree_of, start, leaf_start, leaves, bit_start, bits, left, parent, feature, cover, value,
                points, point_weights, deepest, table, table_start, origin, lanes):  # type: ignore[no-untyped-def]
    """Fill the tables of groups `groups[0]` to `groups[1]` into the flat buffer `table`, whose first entry
    belongs to entry `origin`."""
    for g in range(groups[0], groups[1]):
        begin = (table_start[g] - origin) * lanes
        end = (table_start[g + 1] - origin) * lanes
        fill_table(leaves[leaf_start[g]:leaf_start[g + 1]], start[tree_of[g]], left, parent, feature, cover, value,
                   bits[bit_start[g]:bit_start[g + 1]], points, point_weights, deepest,
                   table[begin:end].reshape(-1, lanes))
