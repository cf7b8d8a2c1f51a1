r"""Contributions to the estimate of a network, from its gradients on the way from background rows to a row.

.. math::
    \phi_j(x) = \frac{1}{B} \sum_b (x_j - b_j) \int_0^1 \frac{\partial f}{\partial x_j}(b + \alpha (x - b))\, d\alpha

The integral is taken by Gauss and Legendre's rule, so that the same row always has the same contributions. What the
rule misses of f(x) - mean f(b) is shared out in proportion to the contributions; how much that was is kept.

References
----------
Erion, G. et al. (2021). Nature Machine Intelligence 3, 620-631. doi:10.1038/s42256-021-00343-w
Sundararajan, M., Taly, A., Yan, Q. (2017). Axiomatic attribution for deep networks. PMLR 70, 3319-3328.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

import numpy as np

from ..deps import need
from ..progress import SILENT, Progress
from .torch_loop import one_thread

POINTS = 2
ROWS_AT_ONCE = 128


class Attribution(NamedTuple):
    """Contributions with the base value last, phi (n, p + 1), whose rows add up to the estimate.

    `missed` (n,) is the part of the estimate that the gradients did not explain and that was shared out
    [unit of the estimate].
    """

    phi: np.ndarray
    missed: np.ndarray


def expected_gradients(function: Callable[[Any], Any], X: np.ndarray, background: np.ndarray, owners: np.ndarray,
                       features: int, *, estimate: np.ndarray, base: float, points: int = POINTS,
                       device: str = "cpu", rows_at_once: int = ROWS_AT_ONCE,
                       progress: Progress = SILENT) -> Attribution:
    """Split estimates into contributions of drivers.

    Parameters
    ----------
    function : function of a tensor of shape (m, width)
        The network: returns estimates of shape (m,), differentiable.
    X : array of shape (n, width)
    background : array of shape (B, width)
    owners : array of int, shape (width,)
        The driver that each column belongs to; -1 for columns of none, whose part is shared out like what is missed.
    features : int
        Number of drivers, p.
    estimate : array of shape (n,)
        What the contributions and the base value shall add up to.
    base : float
        Mean estimate of the background.
    points : int
        Where the gradient is taken between a background row and a row.
    device : str
    rows_at_once : int
        Bounds the memory; does not change the result.
    """
    place, weight = np.polynomial.legendre.leggauss(points)
    phi = np.empty((len(X), X.shape[1]))
    with one_thread():
        for first in range(0, len(X), rows_at_once):
            progress(first / len(X))
            part = X[first:first + rows_at_once]
            phi[first:first + rows_at_once] = _slopes(function, part, background, (place + 1) / 2, weight / 2, device)
    by_driver = np.zeros((len(X), features + 1))
    for driver in range(features):
        by_driver[:, driver] = phi[:, owners == driver].sum(axis=1)
    by_driver[:, -1] = base
    missed = estimate - by_driver.sum(axis=1)
    return Attribution(share_out(by_driver, missed), missed)


def _slopes(function: Callable[[Any], Any], X: np.ndarray, background: np.ndarray, places: np.ndarray,
            weights: np.ndarray, device: str) -> np.ndarray:
    """Return the mean over background rows of way times gradient, shape (n, width)."""
    torch = need("torch", extra="deep")
    rows = torch.from_numpy(np.ascontiguousarray(X, dtype="float32")).to(device)
    origin = torch.from_numpy(np.ascontiguousarray(background, dtype="float32")).to(device)
    total = torch.zeros(rows.shape, dtype=torch.float64, device=device)
    way = rows[:, None] - origin[None]
    for place, weight in zip(places, weights):
        points = (origin[None] + float(place) * way).reshape(-1, rows.shape[1]).requires_grad_(True)
        (slope,) = torch.autograd.grad(function(points).sum(), points)
        total += float(weight) * (slope.reshape(way.shape) * way).double().mean(dim=1)
    return total.cpu().numpy()


def share_out(phi: np.ndarray, missed: np.ndarray) -> np.ndarray:
    """Return contributions, base value last, after sharing out what is missed in proportion to their size.

    Examples
    --------
    >>> share_out(np.array([[3.0, -1.0, 10.0]]), np.array([0.4]))
    array([[ 3.3, -0.9, 10. ]])
    """
    size = np.abs(phi[:, :-1])
    total = size.sum(axis=1, keepdims=True)
    share = np.where(total > 0, size / np.where(total > 0, total, 1.0), 1.0 / size.shape[1])
    result = phi.copy()
    result[:, :-1] += share * missed[:, None]
    return result


def share_missed(missed: np.ndarray, estimate: np.ndarray) -> float:
    """Return the root mean square of what gradients missed as a share of the spread of the estimates [1]."""
    spread = float(np.std(estimate))
    return float(np.sqrt(np.mean(np.square(missed)))) / spread if spread > 0 else 0.0
