"""The season as a driver: the day of the year as sine, day length, latitude."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import GridError
from ..vocabulary.astronomy import day_length as _day_length
from .composite import middle_days

YEAR = 365.0
HALF_YEAR = 182.5


def day_of_year(times: Any, time_step: str) -> np.ndarray:
    """Return the day of the year, from 1, of the middle day of each step.

    Parameters
    ----------
    times : array of shape (time,) (datetime64)
    time_step : str

    Returns
    -------
    array of shape (time,), float64 [d]

    Raises
    ------
    GridError
        The steps are years, which have no season.

    Examples
    --------
    >>> day_of_year(np.array(["2001-01-01", "2001-02-01"]), "month").tolist()
    [16.0, 46.0]
    """
    if time_step == "year":
        raise GridError("Annual drivers have no season", "Give daily, 8-day, 16-day or monthly drivers")
    middle = middle_days(times, time_step)
    return (middle - middle.astype("datetime64[Y]").astype("datetime64[D]")).astype("float64") + 1


def shifted(doy: Any, lat: Any) -> np.ndarray:
    """Return the day of the year, south of the equator moved by half a year.

    Parameters
    ----------
    doy : array [d]
    lat : array that broadcasts with `doy` [degree]

    Returns
    -------
    array [d]
        Between 1 and 366.

    Examples
    --------
    >>> shifted(1.0, np.array([50.0, -50.0])).tolist()
    [1.0, 183.5]
    """
    days = np.asarray(doy, dtype="float64")
    return np.where(np.asarray(lat) < 0, np.mod(days + HALF_YEAR - 1, YEAR) + 1, days)


def doy_sine(doy: Any) -> np.ndarray:
    r"""Sine of the day of the year: near 0 at both ends of the year and largest in its middle.

    .. math:: f = \sin(\pi\,DOY / 365)

    Parameters
    ----------
    doy : array [d]

    Returns
    -------
    array [1]

    Examples
    --------
    >>> doy_sine([1, 183]).round(5).tolist()
    [0.00861, 0.99999]
    """
    return np.sin(np.pi * np.asarray(doy, dtype="float64") / YEAR)


def season_circle(doy: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return sine and cosine of a full circle a year, which only together tell every day apart.

    Parameters
    ----------
    doy : array [d]

    Returns
    -------
    sine, cosine : arrays [1]
        0 and 1 on the first of January.
    """
    angle = 2 * np.pi * (np.asarray(doy, dtype="float64") - 1) / YEAR
    return np.sin(angle), np.cos(angle)


def day_length(doy: Any, lat: Any) -> np.ndarray:
    """Return the time from sunrise to sunset of each time step and place.

    Parameters
    ----------
    doy : array of shape (time,) [d]
    lat : array of shape (rows, cols) [degree]
        NaN where there is no place.

    Returns
    -------
    array of shape (time, rows, cols) [h]

    References
    ----------
    Allen, R. G. et al. (1998). FAO Irrigation and Drainage Paper 56, equation 34. ISBN 92-5-104219-5
    """
    days = np.asarray(doy, dtype="float64").reshape(-1, *(1,) * np.ndim(lat))
    return _day_length(np.asarray(lat, dtype="float64"), days)
