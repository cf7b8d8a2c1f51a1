"""Compiled kernels that walk the trees of `tree_arrays.py`, which explains the idea and calls them."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from ..deps import jit

LANES = 16
ROWS_IN_CACHE = 256
WALKERS = 8


@jit
def survey(start, right, feature, value, cover, features):
    """Return the mean over training rows, the depth of the deepest leaf and the most features on one path."""
    expected, deepest, most = 0.0, 0, 1
    count = np.zeros(features, np.int64)
    for tree in range(start.size - 1):
        first = start[tree]
        size = start[tree + 1] - first
        stack = np.empty(size + 1, np.int64)
        level = np.empty(size + 1, np.int64)
        path = np.empty(size + 1, np.int64)
        stack[0], level[0], top, length, unique = 0, 0, 1, 0, 0
        while top > 0:
            top -= 1
            node, depth = first + stack[top], level[top]
            while length > depth:
                length -= 1
                count[path[length]] -= 1
                unique -= 1 if count[path[length]] == 0 else 0
            if right[node] < 0:
                expected += value[node] * (np.float64(cover[node]) / cover[first])
                deepest, most = max(deepest, depth), max(most, unique)
                continue
            path[length] = feature[node]
            count[feature[node]] += 1
            unique += 1 if count[feature[node]] == 1 else 0
            length += 1
            stack[top], level[top] = right[node], depth + 1
            stack[top + 1], level[top + 1] = node - first + 1, depth + 1
            top += 2
        while length > 0:
            length -= 1
            count[path[length]] -= 1
    return expected / (start.size - 1), deepest, most


@jit
def add_estimates(rows, start, child, feature, value, out):
    """Add to `out` (n,) the sum of the trees for each row.

    `child` (nodes, 2) is where a row goes on, left or right, and the leaf itself at leaves: some rows walk side by
    side, without a branch that a processor would have to guess, until none of them moves any more.
    """
    n = rows.shape[0]
    at = np.empty(WALKERS, np.int64)
    for begin in range(0, n, ROWS_IN_CACHE):
        end = min(begin + ROWS_IN_CACHE, n)
        whole = begin + (end - begin) // WALKERS * WALKERS
        for tree in range(start.size - 1):
            first = start[tree]
            for r in range(begin, whole, WALKERS):
                for k in range(WALKERS):
                    at[k] = first
                moved = np.int64(1)
                while moved != 0:
                    moved = np.int64(0)
                    for k in range(WALKERS):
                        node = at[k]
                        following = child[node, 1 if rows[r + k, feature[node]] > value[node] else 0]
                        moved |= following ^ node
                        at[k] = following
                for k in range(WALKERS):
                    out[r + k] += value[at[k]]
            for r in range(whole, end):
                node = first
                while child[node, 0] != node:
                    node = child[node, 1 if rows[r, feature[node]] > value[node] else 0]
                out[r] += value[node]


@jit
def enter(edge, node, child, feature, value, cover, goes_left, columns, points, last, f_of, prev, z, o, inverse,
          product):
    """Extend the path by an edge: what each feature's decisions and the products over features are below it."""
    f = feature[node]
    older = last[f]
    f_of[edge], prev[edge] = f, older
    share = np.float64(cover[child]) / np.float64(cover[node])
    z[edge] = share * (z[older] if older >= 0 else 1.0)
    for r in range(LANES):
        follows = 1.0 if (columns[f, r] <= value[node]) == goes_left else 0.0
        o[edge, r] = follows * o[older, r] if older >= 0 else follows
    for q in range(points.size):
        constant = z[edge] * (1.0 - points[q])
        for r in range(LANES):
            term = constant + points[q] * o[edge, r]
            before = product[edge - 1, q, r] * inverse[older, q, r] if older >= 0 else product[edge - 1, q, r]
            inverse[edge, q, r] = 1.0 / term
            product[edge, q, r] = before * term
    last[f] = edge


@jit
def leave(edge, leaf_value, weights, last, f_of, z, o, inverse, product, phi):
    """Add to `phi` (p, rows) what a leaf at the end of the path contributes."""
    total = np.empty(LANES)
    for e in range(1, edge + 1):
        f = f_of[e]
        if last[f] != e:
            continue
        for r in range(LANES):
            total[r] = 0.0
        for q in range(weights.size):
            factor = weights[q] * leaf_value
            for r in range(LANES):
                total[r] += factor * product[edge, q, r] * inverse[e, q, r]
        for r in range(LANES):
            phi[f, r] += total[r] * (o[e, r] - z[e])


@jit
def add_contributions(rows, start, right, feature, value, cover, points, weights, deepest, out):
    """Add to `out` (n, p + 1) the sum over trees of the Shapley values of each row."""
    n, p = rows.shape
    columns = np.zeros((p, LANES), np.float32)
    phi = np.zeros((p, LANES))
    product = np.ones((deepest + 1, points.size, LANES))
    inverse = np.ones((deepest + 1, points.size, LANES))
    o = np.zeros((deepest + 1, LANES))
    z = np.zeros(deepest + 1)
    f_of = np.zeros(deepest + 1, np.int64)
    prev = np.full(deepest + 1, -1)
    last = np.full(p, -1)
    stack = np.empty((2 * deepest + 4, 3), np.int64)
    for begin in range(0, n, LANES):
        size = min(LANES, n - begin)
        for f in range(p):
            for r in range(LANES):
                columns[f, r] = rows[begin + min(r, size - 1), f]
                phi[f, r] = 0.0
        for tree in range(start.size - 1):
            first = start[tree]
            length, top = 0, 1
            stack[0, 0], stack[0, 1], stack[0, 2] = first, 0, -1
            while top > 0:
                top -= 1
                node, depth, parent = stack[top, 0], stack[top, 1], stack[top, 2]
                while length > 0 and length >= depth:
                    last[f_of[length]] = prev[length]
                    length -= 1
                if depth > 0:
                    enter(depth, parent, node, feature, value, cover, node == parent + 1, columns, points, last, f_of,
                          prev, z, o, inverse, product)
                    length = depth
                if right[node] < 0:
                    leave(depth, value[node], weights, last, f_of, z, o, inverse, product, phi)
                    continue
                for child in (first + right[node], node + 1):
                    stack[top, 0], stack[top, 1], stack[top, 2] = child, depth + 1, node
                    top += 1
            while length > 0:
                last[f_of[length]] = prev[length]
                length -= 1
        for r in range(size):
            for f in range(p):
                out[begin + r, f] += phi[f, r]
