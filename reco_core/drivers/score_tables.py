"""Tables that the kernels of the standardised indices read, made once for each process."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..deps import need


@lru_cache(maxsize=16)
def sorting_network(size: int) -> np.ndarray:
    """Return the exchanges that sort `size` values: merge exchange, algorithm M of Knuth (1998), section 5.2.2.

    Returns
    -------
    array of shape (exchanges, 2)
        Positions; the smaller value goes to the first of them.

    Examples
    --------
    >>> sorting_network(3).tolist()
    [[0, 2], [0, 1], [1, 2]]
    """
    exchanges: list[tuple[int, int]] = []
    top = 1 << max(0, (size - 1).bit_length() - 1)
    p = top if size > 1 else 0
    while p > 0:
        q, r, d = top, 0, p
        while True:
            exchanges += [(i, i + d) for i in range(size - d) if i & p == r]
            if q == p:
                break
            d, q, r = q - p, q >> 1, p
        p >>= 1
    return np.array(exchanges, dtype="int64").reshape(-1, 2)


@lru_cache(maxsize=1)
def gamma_table(terms: int = 31, shape_terms: int = 18) -> np.ndarray:
    r"""Return what turns the first score of a gamma distribution into its normal score.

    With :math:`\eta^2/2 = x - 1 - \log x` (x in units of the mean), :math:`z_0 = \eta \sqrt a`, the density of
    :math:`z_0` is that of the normal distribution times :math:`\eta / (x - 1)`, up to a constant. Its integral
    gives the exact score z at Chebyshev nodes of :math:`z_0` and :math:`s = 1/\sqrt a`.

    Returns
    -------
    array of shape (terms, shape_terms); `terms` is odd
        Chebyshev coefficients of :math:`(z - z_0) / s`.

    References
    ----------
    Temme, N. M. (1979). SIAM J. Math. Anal. 10, 757-766. doi:10.1137/0510071
    """
    from .gamma_kernels import FARTHEST, SMALLEST_SHAPE

    z_nodes, s_nodes = (np.cos(np.pi * (np.arange(n) + 0.5) / n) for n in (terms, shape_terms))
    z0 = FARTHEST * z_nodes[:, np.newaxis]
    s = np.sqrt(1 / SMALLEST_SHAPE) * (s_nodes + 1) / 2
    at, weight = np.polynomial.legendre.leggauss(120)

    def mass(low: np.ndarray, high: np.ndarray) -> np.ndarray:
        t = ((high + low) / 2)[..., np.newaxis] + ((high - low) / 2)[..., np.newaxis] * at
        density = np.exp(-t * t / 2) * _stretch(t * s[:, np.newaxis])
        return (high - low) / 2 * (density * weight).sum(axis=-1)

    none = np.zeros((1, s.size))
    total = mass(none - 12, none) + mass(none, none + 12)
    low, high = np.where(z0 < 0, z0 - 10, z0) + none, np.where(z0 < 0, z0, z0 + 10) + none
    tail = need("scipy.special").ndtri(mass(low, high) / total)
    rest = (np.where(z0 < 0, tail, -tail) - z0) / s
    return np.ascontiguousarray(_chebyshev(z_nodes) @ rest @ _chebyshev(s_nodes).T)


def _chebyshev(nodes: np.ndarray) -> np.ndarray:
    """Return the matrix that gives the coefficients of the polynomial through values at the nodes."""
    return np.linalg.inv(np.polynomial.chebyshev.chebvander(nodes, nodes.size - 1))


def _stretch(eta: np.ndarray) -> np.ndarray:
    """Return eta / (x - 1) where eta^2 / 2 = x - 1 - log x and eta has the sign of x - 1."""
    half = eta * eta / 2
    log_x = np.where(eta < 0, eta - half, np.log1p(half + np.abs(eta)))
    for _ in range(60):
        with np.errstate(divide="ignore", invalid="ignore"):
            step = (np.expm1(log_x) - log_x - half) / np.expm1(log_x)
        log_x = log_x - np.where(np.abs(eta) < 1e-5, 0.0, step)
    series = 1 - eta / 3 + eta * eta / 12
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.abs(eta) < 1e-5, series, eta / np.expm1(log_x))
