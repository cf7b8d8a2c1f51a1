"""Compiled kernels that walk trees and cut them into groups; `shap_tables.py` explains the idea and calls them."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from ..deps import jit


@jit
def walk_tree(left, right, first, parent, depth, inner, order):
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
def expected_value(left, right, start, value, cover):
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
def cut_roots(left, right, first, depth, inner, most_bits, roots):
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
def count_new(root, parent, inner, marked, group):
    """Return how many decisions a subtree would add to a group: those below and above it that are not in it yet."""
    new = inner[root]
    node = parent[root]
    while node >= 0:
        new += 1 if marked[node] != group else 0
        node = parent[node]
    return new


@jit
def take_subtree(root, first, left, right, parent, marked, group, stack, leaves, bits):
    """Append a subtree's leaves, and the decisions below and above it, to those of a group."""
    node = parent[root]
    while node >= 0:
        if marked[node] != group:
            marked[node] = group
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


@jit
def group_nodes(left, right, start, most_bits):
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
    leaves, bits = [start[0] for _ in range(0)], [start[0] for _ in range(0)]
    group = 0
    for tree in range(start.size - 1):
        first = start[tree]
        walk_tree(left, right, first, parent, depth, inner, order)
        count = cut_roots(left, right, first, depth, inner, most_bits, roots)
        for a in range(count):
            if roots[a] < 0:
                continue
            used = 0
            for b in range(a, count):
                root = roots[b]
                if root < 0:
                    continue
                new = count_new(root, parent, inner, marked, group)
                if b == a or used + new <= most_bits:
                    take_subtree(root, first, left, right, parent, marked, group, stack, leaves, bits)
                    used += new
                    roots[b] = -1
            leaf_start.append(len(leaves))
            bit_start.append(len(bits))
            group += 1
        group_start[tree + 1] = group
    return (group_start, np.array(leaf_start), np.array(leaves), np.array(bit_start), np.array(bits), parent)
