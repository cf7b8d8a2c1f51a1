"""Compiled kernels that cut trees into groups of leaves; `shap_plan.py` explains the idea and calls them."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from ..deps import jit
from .tree_kernels import walk_tree

MOST_LEAVES = 64  # one bit of a signature each
MOST_CELLS = 130  # two ends of the way of each leaf, and missing
MOST_FEATURES = 64
TOO_MANY = 1 << 40
UNBOUNDED = 1 << 30


@jit
def find_ways(leaves, first, left, parent, depth, feature, position, default_left, cover):
    """Return, for the way to each leaf, where it begins in the lists that follow, and for each of its features:
    the feature, the lowest and highest bin that passes, whether a missing value does, the share of training weight."""
    starts = np.zeros(leaves.size + 1, np.int64)
    total = 0
    for leaf in leaves:
        total += depth[leaf]
    features, passes, shares = np.empty(total, np.int64), np.ones(total, np.bool_), np.ones(total)
    lows, highs = np.zeros(total, np.int64), np.full(total, UNBOUNDED)
    end = 0
    for i in range(leaves.size):
        child, node = leaves[i], parent[leaves[i]]
        while node >= 0:
            j = starts[i]
            while j < end and features[j] != feature[node]:
                j += 1
            if j == end:
                features[j] = feature[node]
                end += 1
            if first + left[node] == child:
                highs[j] = min(highs[j], position[node])
                passes[j] = passes[j] and default_left[node] == 1
            else:
                lows[j] = max(lows[j], position[node] + 1)
                passes[j] = passes[j] and default_left[node] == 0
            shares[j] *= cover[child] / cover[node]
            child, node = node, parent[node]
        starts[i + 1] = end
    return starts, features[:end], lows[:end], highs[:end], passes[:end], shares[:end]


@jit
def sort_ends(ends, count):
    """Sort the first numbers of an array in place, drop doubles, and return how many are left."""
    for i in range(1, count):
        value, j = ends[i], i - 1
        while j >= 0 and ends[j] > value:
            ends[j + 1] = ends[j]
            j -= 1
        ends[j + 1] = value
    kept = 0
    for i in range(count):
        if kept == 0 or ends[i] != ends[kept - 1]:
            ends[kept] = ends[i]
            kept += 1
    return kept


@jit
def count_states(chosen, count, way_start, way_feature, way_low, way_high, way_passes, most, found):
    """Return how many combinations of states of their features a set of leaves can tell apart.

    The ends of the ways cut the values of a feature into cells; cells (and "missing", the last one) that
    the same leaves accept are one state. Fills `found`: the features, their numbers of ends and states, the ends,
    the leaves that refuse each cell, its state, and the leaves that refuse each state. More than `most` states are
    not counted.
    """
    features, ends_of, states_of, ends, refused, state, of_state = found
    used = 0
    for i in range(count):
        for w in range(way_start[chosen[i]], way_start[chosen[i] + 1]):
            k = 0
            while k < used and features[k] != way_feature[w]:
                k += 1
            if k == used:
                if used == MOST_FEATURES:
                    return 0, TOO_MANY
                features[k] = way_feature[w]
                ends_of[k] = 0
                used += 1
            if way_low[w] > 0:
                ends[k, ends_of[k]] = way_low[w] - 1
                ends_of[k] += 1
            if way_high[w] < UNBOUNDED:
                ends[k, ends_of[k]] = way_high[w]
                ends_of[k] += 1
    for k in range(used):
        ends_of[k] = sort_ends(ends[k], ends_of[k])
        for cell in range(ends_of[k] + 2):
            refused[k, cell] = 0
    for i in range(count):
        for w in range(way_start[chosen[i]], way_start[chosen[i] + 1]):
            k = 0
            while features[k] != way_feature[w]:
                k += 1
            for cell in range(ends_of[k] + 1):
                low = ends[k, cell - 1] + 1 if cell > 0 else 0
                if low < way_low[w] or low > way_high[w]:
                    refused[k, cell] |= np.uint64(1) << np.uint64(i)
            if not way_passes[w]:
                refused[k, ends_of[k] + 1] |= np.uint64(1) << np.uint64(i)
    product = 1
    for k in range(used):
        states_of[k] = 0
        for cell in range(ends_of[k] + 2):
            s = 0
            while s < states_of[k] and of_state[k, s] != refused[k, cell]:
                s += 1
            if s == states_of[k]:
                of_state[k, s] = refused[k, cell]
                states_of[k] += 1
            state[k, cell] = s
        product *= states_of[k]
        if product > most:
            return used, TOO_MANY
    return used, product


@jit
def room_for_states():
    """Return the arrays that `count_states` fills."""
    cells = (MOST_FEATURES, MOST_CELLS)
    return (np.empty(MOST_FEATURES, np.int64), np.empty(MOST_FEATURES, np.int64), np.empty(MOST_FEATURES, np.int64),
            np.empty((MOST_FEATURES, 2 * MOST_LEAVES), np.int64), np.empty(cells, np.uint64),
            np.empty(cells, np.int64), np.empty(cells, np.uint64))


@jit
def cut_roots(left, right, first, below, leaf_of, ways, most, found, bounds):
    """Fill `bounds` with first and last leaf of subtrees with at most `most` states; return how many there are.

    Leaves are numbered in the order in which a walk from left to right meets them; `leaf_of` is the number
    of the first one below each node.
    """
    way_start, way_feature, way_low, way_high, way_passes = ways
    stack = np.empty(left.size + 1, np.int64)
    chosen = np.empty(MOST_LEAVES, np.int64)
    stack[0] = first
    top, count = 1, 0
    while top > 0:
        top -= 1
        node = stack[top]
        fits = left[node] < 0
        if not fits and below[node] <= MOST_LEAVES:
            for i in range(below[node]):
                chosen[i] = leaf_of[node] + i
            fits = count_states(chosen, below[node], way_start, way_feature, way_low, way_high, way_passes, most,
                                found)[1] <= most
        if fits:
            bounds[count, 0], bounds[count, 1] = leaf_of[node], leaf_of[node] + below[node]
            count += 1
        else:
            stack[top] = first + right[node]
            stack[top + 1] = first + left[node]
            top += 2
    return count


@jit
def pack_roots(bounds, count, ways, most, look, found, chosen_of):
    """Pack neighbouring subtrees into groups; fill `chosen_of` with the group of each leaf, return their number.

    Each group tries the next `look` subtrees that are still free.
    """
    way_start, way_feature, way_low, way_high, way_passes = ways
    chosen = np.empty(MOST_LEAVES, np.int64)
    taken = np.zeros(count, np.bool_)
    groups = 0
    for a in range(count):
        if taken[a]:
            continue
        size, tried = 0, 0
        for b in range(a, count):
            more = bounds[b, 1] - bounds[b, 0]
            if taken[b] or size + more > MOST_LEAVES:
                continue
            for i in range(more):
                chosen[size + i] = bounds[b, 0] + i
            if b > a:
                tried += 1
                if count_states(chosen, size + more, way_start, way_feature, way_low, way_high, way_passes, most,
                                found)[1] > most:
                    if tried == look:
                        break
                    continue
            taken[b] = True
            for i in range(more):
                chosen_of[chosen[size + i]] = groups
            size += more
        groups += 1
    return groups


@jit
def integers():
    """Return an empty list that takes integers."""
    numbers = [0]
    numbers.pop()
    return numbers


@jit
def room_for_groups():
    """Return the lists that `describe_group` appends to."""
    shares, refusing = [0.0], [np.uint64(0)]
    shares.pop()
    refusing.pop()
    return ((integers(), integers()), ([0], integers(), [0], integers(), shares),
            ([0], integers(), integers(), integers()), ([0], refusing),
            ([0], integers(), integers(), integers()))


@jit
def describe_group(chosen, size, leaves, way_share, ways, found, room):
    """Append to the lists what a group of leaves is: its leaves with their ways, features, states and tests."""
    way_start, way_feature, way_low, way_high, way_passes = ways
    (_, entries), (leaf_start, leaf, own_start, place, share), (feature_start, feature, wraps, states), (
        state_start, refusing), (test_start, test_place, test_position, test_step) = room
    used, product = count_states(chosen, size, way_start, way_feature, way_low, way_high, way_passes, TOO_MANY, found)
    features, ends_of, states_of, ends, _, state, of_state = found
    entries.append(product)
    step = 1
    for k in range(used):
        cells = ends_of[k] + 1
        missing = state[k, cells]
        feature.append(features[k])
        wraps.append(1 if missing == state[k, 0] else 0)
        states.append(states_of[k])
        for s in range(states_of[k]):
            refusing.append(of_state[k, s])
        state_start.append(len(refusing))
        for cell in range(1, cells + 1):
            if cell == cells and (wraps[-1] == 1 or missing == state[k, cells - 1]):
                continue
            if state[k, cell] != state[k, cell - 1]:
                test_place.append(k)
                test_position.append(ends[k, cell - 1] if cell < cells else -1)
                test_step.append((state[k, cell] - state[k, cell - 1]) * step)
        step *= states_of[k]
    feature_start.append(len(feature))
    test_start.append(len(test_place))
    for i in range(size):
        leaf.append(leaves[chosen[i]])
        for w in range(way_start[chosen[i]], way_start[chosen[i] + 1]):
            k = 0
            while features[k] != way_feature[w]:
                k += 1
            place.append(k)
            share.append(way_share[w])
        own_start.append(len(place))
    leaf_start.append(len(leaf))


@jit
def group_trees(trees, start, left, right, feature, position, default_left, cover, most, look):
    """Group the leaves of trees `trees[0]` to `trees[1]`.

    Returns lists: number of groups of each tree, and entries of each group; leaves of each group (starts, nodes)
    and their ways (starts, place of the feature in the group, share of training weight); features of each group
    (starts, feature, whether missing values pass no test, number of states); states of each
    feature (starts, leaves that refuse); tests of each group (starts, place of the feature, position of the
    threshold or -1 for missing, what passing it adds to the entry).
    """
    largest = 0
    for tree in range(trees[0], trees[1]):
        largest = max(largest, start[tree + 1] - start[tree])
    order = np.empty(largest + 1, np.int64)
    bounds = np.empty((largest + 1, 2), np.int64)
    parent, depth = np.empty(left.size, np.int64), np.empty(left.size, np.int64)
    below, leaf_of = np.empty(left.size, np.int64), np.empty(left.size, np.int64)
    found, chosen, room = room_for_states(), np.empty(MOST_LEAVES, np.int64), room_for_groups()
    for tree in range(trees[0], trees[1]):
        first = start[tree]
        reached = walk_tree(left, right, first, parent, depth, below, order)
        leaves = np.empty(below[first], np.int64)
        met = 0
        for i in range(reached):
            leaf_of[order[i]] = met
            if left[order[i]] < 0:
                leaves[met] = order[i]
                met += 1
        way_start, way_feature, way_low, way_high, way_passes, way_share = find_ways(
            leaves, first, left, parent, depth, feature, position, default_left, cover)
        ways = (way_start, way_feature, way_low, way_high, way_passes)
        group_of = np.empty(met, np.int64)
        count = cut_roots(left, right, first, below, leaf_of, ways, most, found, bounds)
        groups = pack_roots(bounds, count, ways, most, look, found, group_of)
        room[0][0].append(groups)
        for group in range(groups):
            size = 0
            for i in range(met):
                if group_of[i] == group:
                    chosen[size] = i
                    size += 1
            describe_group(chosen, size, leaves, way_share, ways, found, room)
    return (np.array(room[0][0]), np.array(room[0][1]), np.array(room[1][0]), np.array(room[1][1]),
            np.array(room[1][2]), np.array(room[1][3]), np.array(room[1][4]), np.array(room[2][0]),
            np.array(room[2][1]), np.array(room[2][2]), np.array(room[2][3]),
            np.array(room[3][0]), np.array(room[3][1]), np.array(room[4][0]), np.array(room[4][1]),
            np.array(room[4][2]), np.array(room[4][3]))
