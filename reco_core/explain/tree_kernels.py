"""Compiled kernels that walk trees."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from ..deps import jit


@jit
def walk_tree(left, right, first, parent, depth, below, order):
    """Fill parent, depth and number of leaves below (all by node) and return the number of nodes reached."""
    count, top = 0, 1
    parent[first] = -1
    depth[first] = 0
    stack = np.empty(order.size + 1, np.int64)
    stack[0] = first
    while top > 0:
        top -= 1
        node = stack[top]
        order[count] = node
        count += 1
        below[node] = 1 if left[node] < 0 else 0
        if left[node] >= 0:
            for child in (first + right[node], first + left[node]):
                parent[child] = node
                depth[child] = depth[node] + 1
                stack[top] = child
                top += 1
    for i in range(count - 1, 0, -1):
        below[parent[order[i]]] += below[order[i]]
    return count


@jit
def survey(left, right, feature, start, value, cover, features):
    """Return the mean of the forest over its training rows, and most features on the way to one leaf."""
    nodes = left.size
    parent = np.empty(nodes, np.int64)
    depth = np.zeros(nodes, np.int64)
    below = np.empty(nodes, np.int64)
    order = np.empty(nodes + 1, np.int64)
    share = np.ones(nodes)
    asked_for = np.full(features, -1)
    total, most = 0.0, 0
    for tree in range(start.size - 1):
        count = walk_tree(left, right, start[tree], parent, depth, below, order)
        for i in range(count):
            node = order[i]
            if parent[node] >= 0:
                share[node] = share[parent[node]] * cover[node] / cover[parent[node]]
            if left[node] >= 0:
                continue
            total += share[node] * value[node]
            above, met = parent[node], 0
            while above >= 0:
                met += asked_for[feature[above]] != node
                asked_for[feature[above]] = node
                above = parent[above]
            most = max(most, met)
    return total, most
