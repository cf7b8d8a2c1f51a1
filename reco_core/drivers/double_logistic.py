"""Double logistic seasons, as TIMESAT fits them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from ..errors import SampleError
from .series import Steps, year_numbers


@dataclass(frozen=True)
class DoubleLogistic:
    """A season: `base` and `amplitude` [as the values], dates of rise and fall [d], and their rates [d]."""

    base: float
    amplitude: float
    rise: float
    rise_rate: float
    fall: float
    fall_rate: float

    def __call__(self, t: Any) -> np.ndarray:
        """Return the curve at days `t`."""
        return double_logistic(t, self.base, self.amplitude, (self.rise, self.rise_rate, self.fall, self.fall_rate))


def double_logistic(t: Any, base: float, amplitude: float, shape: tuple[float, float, float, float]) -> np.ndarray:
    r"""Return the curve of one season.

    .. math:: f(t) = c_1 + c_2 \left[\frac{1}{1 + e^{(x_1 - t)/x_2}} - \frac{1}{1 + e^{(x_3 - t)/x_4}}\right]

    Parameters
    ----------
    t : array of any shape [d]
    base, amplitude : float [as the result]
        c1 and c2.
    shape : (float, float, float, float) [d]
        Date and rate of the rise, date and rate of the fall: x1 to x4.

    Returns
    -------
    array of the shape of `t`

    References
    ----------
    Jönsson, P., Eklundh, L. (2004). Comput. Geosci. 30, 833-845. doi:10.1016/j.cageo.2004.05.006

    Examples
    --------
    >>> double_logistic([120, 195], 0.1, 0.5, (120, 10, 270, 15)).round(6).tolist()
    [0.349977, 0.596377]
    """
    days = np.asarray(t, dtype="float64")
    rise, rise_rate, fall, fall_rate = shape
    with np.errstate(over="ignore"):
        return base + amplitude * (1 / (1 + np.exp((rise - days) / rise_rate))
                                   - 1 / (1 + np.exp((fall - days) / fall_rate)))


def fit_season(t: Any, values: Any, weights: Optional[Any] = None, *, envelope: bool = True) -> DoubleLogistic:
    """Fit one season.

    Parameters
    ----------
    t : array of shape (n,) [d]
        Increasing; about a year around the season.
    values : array of shape (n,) [any]
        NaN are left out.
    weights : array of shape (n,), optional
        From 0 to 1; ones if not given.
    envelope : bool
        Fit three times, and halve the weight of values below the curve before the second and third fit.

    Returns
    -------
    DoubleLogistic
        By weighted least squares with rates of 1 (or a sixth of the distance of values) to 120 d.

    Raises
    ------
    SampleError
        Fewer than 8 values, or an amplitude of 0.03 or less.
    """
    from . import logistic_kernels as kernels

    days, series = np.asarray(t, dtype="float64"), np.asarray(values, dtype="float64")
    trust = np.ones(days.size) if weights is None else np.array(weights, dtype="float64")
    used = np.isfinite(series) & (trust > 0)
    days, series, trust = days[used], series[used], trust[used]
    if days.size < kernels.FEWEST or np.ptp(series) <= kernels.LEAST_AMPLITUDE:
        raise SampleError(f"{days.size} values with a range of {np.ptp(series) if days.size else 0:.3g} make no season",
                          f"At least {kernels.FEWEST} values and a range above {kernels.LEAST_AMPLITUDE} are needed")
    low, high, fitted = np.empty(4), np.empty(4), np.empty(kernels.PARAMETERS)
    kernels.bounds(days[0], days[-1], float(np.median(np.diff(days))), low, high)
    crest = np.maximum.reduce([series, np.append(series[1:], -np.inf), np.append(-np.inf, series[:-1])])
    kernels.first_guess(days, crest, low, high, fitted)
    fit = kernels.fit_envelope if envelope else kernels.least_squares
    fit(days, series, trust.copy(), days.size, low, high, fitted)
    return DoubleLogistic(*(float(value) for value in fitted))


def season_curves(rows: np.ndarray, weights: np.ndarray, envelope: np.ndarray, curve: np.ndarray,
                  otherwise: np.ndarray, *, steps: Steps, targets: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Fit one season a year to every row and blend neighbouring seasons.

    The season of a year lies around the day at which the mean of `curve` over all years is largest; it is
    fitted to half a year and a month on either side. It keeps the envelope where there are fewer than 8
    values or the amplitude is 0.03 or less, where the fit shares less than 70 % of the variance of the envelope
    (two seasons a year), and where its peak lies outside the series.

    Parameters
    ----------
    rows, weights, envelope : arrays of shape (n, time)
        Values, their weights (0 where missing) and their upper envelope.
    curve : array of shape (n, days)
        The envelope of every day.
    otherwise : array of shape (n, targets)
        The envelope at the days of the result.
    steps : Steps
        Of `rows`.
    targets : array of shape (targets,) [d]
        Days of the result since the first one.

    Returns
    -------
    array of shape (n, targets), number of seasons, number of seasons that keep the envelope
    """
    from .logistic_kernels import season_rows

    days = steps.days
    years = year_numbers(days)
    starts = np.array([np.datetime64(f"{year:04d}-01-01") for year in range(years[0] - 1, years[-1] + 2)])
    day_of_year = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype("int64") + 1
    out, counts = np.empty((len(rows), targets.size)), np.zeros(2, dtype="int64")
    season_rows(rows, weights, envelope, curve, otherwise, steps.middles, day_of_year,
                (starts - days[0]).astype("float64"), targets, out, counts)
    return out, int(counts[0]), int(counts[1])
