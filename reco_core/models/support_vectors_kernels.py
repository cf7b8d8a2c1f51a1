"""Compiled kernels of `support_vectors.py`, which explains the idea and calls them."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from ..deps import jit

LANES = 16
VECTORS_IN_CACHE = 256


@jit
def add_bells(rows, vectors, gamma, factors, out):
    """Add to `out` (n,) the bells of the vectors (s, p) at each row times their factors."""
    for r in range(rows.shape[0]):
        for s in range(vectors.shape[0]):
            distance = 0.0
            for j in range(vectors.shape[1]):
                gap = rows[r, j] - vectors[s, j]
                distance += gap * gap
            out[r] += factors[s] * np.exp(-gamma * distance)


@jit
def add_worth(rows, vectors, gamma, depth, feature, factors, worth):
    """Add to `worth` (n, sets) the sum over vectors of the bells of the features in each set times `factors`."""
    p, count = vectors.shape
    bells = np.empty((p, VECTORS_IN_CACHE), np.float32)
    product = np.ones((p + 1, VECTORS_IN_CACHE), np.float32)
    total = np.empty(LANES, np.float32)
    for first in range(0, count, VECTORS_IN_CACHE):
        size = min(VECTORS_IN_CACHE, count - first)
        for r in range(rows.shape[0]):
            for j in range(p):
                for i in range(size):
                    gap = rows[r, j] - vectors[j, first + i]
                    bells[j, i] = np.exp(-gamma * gap * gap)
            for k in range(depth.size):
                before, own, after, weights = product[depth[k] - 1], bells[feature[k]], product[depth[k]], factors[k]
                for lane in range(LANES):
                    total[lane] = 0.0
                for at in range(0, size, LANES):
                    for lane in range(LANES):
                        value = before[at + lane] * own[at + lane]
                        after[at + lane] = value
                        total[lane] += value * weights[first + at + lane]
                worth[r, k] += total.sum()
