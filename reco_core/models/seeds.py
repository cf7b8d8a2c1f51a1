"""Seeds of repeats."""

from __future__ import annotations

import numpy as np

FIRST_SEEDS = (837, 929, 321, 536, 710, 505, 213, 802, 671, 428, 839, 901, 683, 826, 277, 176, 399, 105, 776, 792)
SEED_LIMIT = 1_000_000


def default_seeds(count: int) -> tuple[int, ...]:
    """Return seeds of repeats: the twenty of the published method, then others that follow from their place.

    Examples
    --------
    >>> default_seeds(3)
    (837, 929, 321)
    """
    seeds = list(FIRST_SEEDS[:count])
    taken = set(FIRST_SEEDS)
    rng = np.random.default_rng(FIRST_SEEDS[0])
    while len(seeds) < count:
        seed = int(rng.integers(1, SEED_LIMIT))
        if seed not in taken:
            taken.add(seed)
            seeds.append(seed)
    return tuple(seeds)
