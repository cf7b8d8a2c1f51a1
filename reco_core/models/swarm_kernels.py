"""Compiled kernel of the particle swarm in `swarm.py`."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from ..deps import jit


@jit
def fitness(points, centres):
    """Return for each particle, centres of shape (particles, K, q), the squared distances to the nearest, added up."""
    n, q = points.shape
    particles, count = centres.shape[0], centres.shape[1]
    total = np.zeros(particles)
    for particle in range(particles):
        for row in range(n):
            best = np.inf
            for number in range(count):
                square = 0.0
                for axis in range(q):
                    gap = points[row, axis] - centres[particle, number, axis]
                    square += gap * gap
                best = min(best, square)
            total[particle] += best
    return total
