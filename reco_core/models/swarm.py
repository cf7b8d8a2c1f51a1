r"""K-means that a particle swarm starts.

Each particle is a set of K centres. It moves by

.. math:: V \leftarrow w V + c_1 r_1 \odot (P - X) + c_2 r_2 \odot (G - X), \qquad X \leftarrow X + V

towards the best it has seen itself (P) and the best of all (G), where best is the least sum of squared
distances of points to their nearest centre. Lloyd's iterations then lead from G to the nearest minimum.

References
----------
Kennedy, J., Eberhart, R. (1995). Proc. ICNN'95, 1942-1948. doi:10.1109/ICNN.1995.488968
Clerc, M., Kennedy, J. (2002). IEEE Trans. Evol. Comput. 6, 58-73. doi:10.1109/4235.985692
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import ConfigError, SampleError

VARIANTS: dict[str, tuple[float, float]] = {"constriction": (0.7298, 1.49618), "1995": (1.0, 2.0)}  # w, c1 = c2
PARTICLES, ITERATIONS, STALE, RESTARTS = 30, 200, 30, 20  # 10 swarms stayed up to 1.1 % above fifty other starts
FASTEST = 0.2  # of the range of the points, in one step
TOLERANCE, MOST_LLOYD = 1e-8, 1000


class Clusters(NamedTuple):
    """Centres of shape (K, q), and the number of the nearest for each point, from 0, shape (n,)."""

    centres: np.ndarray
    label: np.ndarray


def cluster(points: np.ndarray, count: int, *, seed: int = 0, variant: str = "constriction",
            particles: int = PARTICLES, iterations: int = ITERATIONS, restarts: int = RESTARTS) -> Clusters:
    """Return the best grouping of several swarms, each followed by Lloyd's iterations.

    Parameters
    ----------
    points : array of shape (n, q)
        Without gaps.
    count : int
        Number of groups K.
    seed : int
        The same seed gives the same groups.
    variant : {"constriction", "1995"}
        w = 0.7298 and c = 1.49618 of Clerc and Kennedy, or w = 1 and c = 2 of Kennedy and Eberhart.
    particles, iterations, restarts : int

    Raises
    ------
    SampleError
        There are fewer different points than groups.
    ConfigError
        There is no such variant.
    """
    if variant not in VARIANTS:
        raise ConfigError(f"'{variant}' is no variant of the particle swarm", "Choose: " + ", ".join(VARIANTS))
    points = np.ascontiguousarray(points, dtype="float64")
    different = len(np.unique(points, axis=0))
    if different < count:
        raise SampleError(f"{different} different places cannot be put into {count} zones", "Ask for fewer zones")
    rngs = [np.random.default_rng(part) for part in np.random.SeedSequence(seed).spawn(restarts)]
    found = [lloyd(points, swarm(points, count, rng, variant=variant, particles=particles, iterations=iterations))
             for rng in rngs]
    return min(found, key=lambda clusters: inertia(points, clusters.centres))


def swarm(points: np.ndarray, count: int, rng: np.random.Generator, *, variant: str = "constriction",
          particles: int = PARTICLES, iterations: int = ITERATIONS) -> np.ndarray:
    """Return the best centres that one swarm finds, shape (K, q).

    It stops after 30 iterations without anything better. A particle that leaves the range of the points is reflected.
    """
    from .swarm_kernels import fitness

    different = np.unique(points, axis=0)
    inertia_weight, pull = VARIANTS[variant]
    low, high = points.min(axis=0), points.max(axis=0)
    fastest = FASTEST * (high - low)
    place = np.stack([different[rng.choice(len(different), count, replace=False)] for _ in range(particles)])
    speed = np.zeros_like(place)
    own, own_value = place.copy(), fitness(points, place)
    best, value, stale = own[np.argmin(own_value)].copy(), own_value.min(), 0
    for _ in range(iterations):
        to_own, to_best = rng.random(place.shape), rng.random(place.shape)
        speed = inertia_weight * speed + pull * (to_own * (own - place) + to_best * (best - place))
        speed = np.clip(speed, -fastest, fastest)
        place = place + speed
        outside = (place < low) | (place > high)
        place = np.where(place < low, 2 * low - place, np.where(place > high, 2 * high - place, place))
        speed = np.where(outside, -speed, speed)
        now = fitness(points, place)
        better = now < own_value
        own[better], own_value[better] = place[better], now[better]
        stale = 0 if own_value.min() < value else stale + 1
        if stale == 0:
            value = own_value.min()
            best = own[np.argmin(own_value)].copy()
        if stale >= STALE:
            break
    return best


def lloyd(points: np.ndarray, centres: np.ndarray) -> Clusters:
    """Return groups that Lloyd's iterations reach from given centres.

    A group without points starts anew at the point that is farthest from its centre.

    Parameters
    ----------
    points : array of shape (n, q)
    centres : array of shape (K, q)
    """
    for _ in range(MOST_LLOYD):
        square = _squares(points, centres)
        label = np.argmin(square, axis=1)
        away = square[np.arange(len(points)), label]
        moved = centres.copy()
        for number in range(len(centres)):
            mine = label == number
            if mine.any():
                moved[number] = points[mine].mean(axis=0)
                continue
            farthest = int(np.argmax(away))
            moved[number], away[farthest] = points[farthest], -1.0  # the next empty group takes another point
        shift = np.abs(moved - centres).max()
        centres = moved
        if shift < TOLERANCE:
            break
    return Clusters(centres, np.argmin(_squares(points, centres), axis=1))


def inertia(points: np.ndarray, centres: np.ndarray) -> float:
    """Return the sum of squared distances of points from their nearest centre."""
    return float(_squares(points, centres).min(axis=1).sum())


def _squares(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    return np.square(points[:, None, :] - centres[None]).sum(axis=2)
