"""Tamhane's T2: which groups differ in their mean where their variances differ too."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple, Sequence

import numpy as np

from ..deps import need

CITATION = "Tamhane, A. C. (1977). Commun. Stat. Theory Methods 6, 15-32. doi:10.1080/03610927708827524"


class Pair(NamedTuple):
    """Groups `first` and `second` (counted from 0): t statistic, degrees of freedom, p, p for all pairs at once."""

    first: int
    second: int
    t: float
    freedom: float
    p: float
    p_adjusted: float


def tamhane_t2(groups: Sequence[np.ndarray]) -> list[Pair]:
    r"""Return the comparison of every two groups.

    .. math:: t_{ij} = \frac{\bar x_i - \bar x_j}{\sqrt{s_i^2/n_i + s_j^2/n_j}}, \qquad
              p_{adj} = 1 - (1 - p)^{K(K-1)/2}

    with the degrees of freedom of Welch and Satterthwaite.

    Parameters
    ----------
    groups : sequence of array
        Values of each of the K groups; missing values do not count. A group of fewer than two, or two groups
        without any spread, have NaN.

    References
    ----------
    Tamhane, A. C. (1977). Commun. Stat. Theory Methods 6, 15-32. doi:10.1080/03610927708827524

    Examples
    --------
    >>> pair = tamhane_t2([np.array([1, 2, 3, 4]), np.array([3, 5, 7, 9, 11])])[0]
    >>> round(pair.t, 4), round(pair.p, 6)
    (-2.8947, 0.030286)
    """
    stdtr = need("scipy.special").stdtr
    known = [np.asarray(group, dtype="float64")[np.isfinite(group)] for group in groups]
    pairs = list(combinations(range(len(known)), 2))
    found = []
    for i, j in pairs:
        if min(known[i].size, known[j].size) < 2:
            found.append(Pair(i, j, *[float("nan")] * 4))
            continue
        parts = [known[k].var(ddof=1) / known[k].size for k in (i, j)]
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.divide(known[i].mean() - known[j].mean(), np.sqrt(sum(parts)))
            freedom = np.divide(sum(parts) ** 2, sum(part ** 2 / (known[k].size - 1)
                                                     for part, k in zip(parts, (i, j))))
        p = 2 * stdtr(freedom, -abs(t))
        found.append(Pair(i, j, float(t), float(freedom), float(p), float(-np.expm1(len(pairs) * np.log1p(-p)))))
    return found


def letters(pairs: Sequence[Pair], count: int, level: float = 0.05) -> list[str]:
    """Return letters for groups: two groups that share one do not differ at the level.

    Each letter belongs to a largest set of groups of which no two differ; NaN counts as no difference.

    Examples
    --------
    >>> letters([Pair(0, 1, -5, 9, 0.001, 0.003), Pair(0, 2, 0, 9, 1, 1), Pair(1, 2, 5, 9, 0.001, 0.003)], 3)
    ['a', 'b', 'a']
    """
    differ = {frozenset((pair.first, pair.second)) for pair in pairs if pair.p_adjusted < level}
    sets = [set(part) for size in range(count, 0, -1) for part in combinations(range(count), size)
            if not any(frozenset(two) in differ for two in combinations(part, 2))]
    largest = [part for part in sets if not any(part < other for other in sets)]
    names = dict.fromkeys(range(count), "")
    for letter, part in zip("abcdefghijklmnopqrstuvwxyz", sorted(largest, key=sorted)):
        for number in part:
            names[number] += letter
    return list(names.values())
