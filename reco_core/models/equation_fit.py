"""Fits equations to samples by bounded robust least squares, and says how sure their parameters are."""

from __future__ import annotations

from typing import Optional, Sequence

import numpy as np

from ..deps import need
from .equation_table import Equation

STARTS = 5
AT_BOUND = 1e-6


def fit_equation(equation: Equation, drivers: Sequence[np.ndarray], respiration: np.ndarray, *,
                 weight: Optional[np.ndarray] = None, seed: int = 0, starts: int = STARTS,
                 exact: bool = True) -> list[float]:
    """Return the parameters by bounded robust least squares (soft-L1) from random starts.

    Errors beyond the usual spread count by their size, not by its square.

    Parameters
    ----------
    equation : Equation
    drivers : sequence of array of shape (n,)
        In the scale of the equation.
    respiration : array of shape (n,) [g C m-2 per time step]
    weight : array of shape (n,), optional
    seed, starts : int
        Where all parameters are fluxes the misfit has one minimum, and one start is enough.
    exact : bool
        Whether to go on to the last digit; otherwise to the fourth or so, for comparing equations.

    Returns
    -------
    list of float
        In the order and units of the equation's parameters.
    """
    optimize = need("scipy.optimize")
    root = np.ones(len(respiration)) if weight is None else np.sqrt(weight / weight.mean())
    scale = usual_spread(respiration)
    units = _units(equation, drivers, scale)
    low, high, size = _limits(equation, respiration, scale)
    largest = 20.0 * max(float(np.abs(respiration).max()), 1e-9) / scale
    typical = float(np.clip(np.median(respiration) / scale, 1e-3, largest / 2))

    def misfit(parameters: np.ndarray) -> np.ndarray:
        return root * (equation.function(drivers, parameters * units) - respiration) / scale

    rng = np.random.default_rng(seed)
    tolerance = 1e-14 if exact else 1e-6
    best = None
    for _ in range(1 if all(parameter.flux for parameter in equation.parameters) else starts):
        start = np.array([(typical if parameter.flux else 1.0) * rng.uniform(*parameter.start)
                          for parameter in equation.parameters])
        found = optimize.least_squares(misfit, np.clip(start, low + 1e-9, high - 1e-9), bounds=(low, high),
                                       loss="soft_l1", x_scale=size, xtol=tolerance, ftol=tolerance, gtol=tolerance,
                                       max_nfev=500)
        if best is None or found.cost < best.cost:
            best = found
    assert best is not None
    return [float(value) for value in best.x * units]


def standard_errors(equation: Equation, drivers: Sequence[np.ndarray], respiration: np.ndarray, *,
                    values: Sequence[float], group: np.ndarray, weight: Optional[np.ndarray] = None) -> list[float]:
    """Return the standard errors of fitted parameters, from the Jacobian and the scatter between sites.

    Samples of one site are no independent evidence: the scores of a group are added up before
    they are squared (sandwich estimator). A parameter at its limit has none (NaN), nor has any
    with fewer than two groups.

    Parameters
    ----------
    equation : Equation
    drivers : sequence of array of shape (n,)
    respiration : array of shape (n,) [g C m-2 per time step]
    values : sequence of float
        What `fit_equation` returned.
    group : array of shape (n,)
    weight : array of shape (n,), optional

    Returns
    -------
    list of float
        In the order and units of the equation's parameters.
    """
    scale = usual_spread(respiration)
    units = _units(equation, drivers, scale)
    low, high, size = _limits(equation, respiration, scale)
    found = np.asarray(values) / units
    free = np.flatnonzero((found - low > AT_BOUND * size) & (high - found > AT_BOUND * size))
    errors = np.full(len(values), np.nan)
    count = np.unique(group).size
    if count < 2 or free.size == 0:
        return errors.tolist()
    share = np.ones(len(respiration)) if weight is None else weight / weight.mean()
    residual = (equation.function(drivers, np.asarray(values)) - respiration) / scale * np.sqrt(share)
    slopes = np.empty((len(respiration), free.size))
    for column, k in enumerate(free):
        step = np.zeros(len(values))
        step[k] = 1e-5 * max(size[k], abs(found[k])) * units[k]
        rise = equation.function(drivers, values + step) - equation.function(drivers, values - step)
        slopes[:, column] = rise / (2 * step[k]) * units[k] / scale * np.sqrt(share)
    pull = residual / np.sqrt(1 + residual ** 2)
    bend = (1 + residual ** 2) ** -1.5
    bread = np.linalg.pinv(slopes.T @ (slopes * bend[:, None]))
    place = np.unique(group, return_inverse=True)[1]
    scores = np.stack([np.bincount(place, weights=pull * slopes[:, k], minlength=count) for k in range(free.size)])
    variance = np.diag(bread @ (scores @ scores.T) @ bread) * count / (count - 1)
    errors[free] = np.sqrt(np.maximum(variance, 0.0)) * units[free]
    return errors.tolist()


def usual_spread(values: np.ndarray) -> float:
    """Return the median distance from the median, or else the standard deviation, or else 1 [unit of the values]."""
    return float(np.median(np.abs(values - np.median(values))) or np.std(values) or 1.0)


def _units(equation: Equation, drivers: Sequence[np.ndarray], scale: float) -> np.ndarray:
    """Return by what the solver's numbers are multiplied."""
    sizes = [float(np.median(np.abs(driver)) or np.mean(np.abs(driver)) or 1.0) for driver in drivers]
    return np.array([1.0 if not parameter.flux else scale if parameter.per < 0 else scale / sizes[parameter.per]
                     for parameter in equation.parameters])


def _limits(equation: Equation, respiration: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return lower and upper limits and usual sizes of the solver's numbers."""
    largest = max(float(np.abs(respiration).max()), 1e-9)
    low = [p.low * largest / scale if p.flux else p.low for p in equation.parameters]
    high = [p.high * largest / scale if p.flux else p.high for p in equation.parameters]
    return np.array(low), np.array(high), np.array([p.size for p in equation.parameters])
