"""Potential evapotranspiration from temperature: Thornthwaite and Hargreaves."""

from __future__ import annotations

from typing import Any, Iterator, Optional

import numpy as np

from ..errors import ConfigError, SchemaError
from ..vocabulary.astronomy import day_length, extraterrestrial_radiation, sunset_angle
from ..vocabulary.variables import variable
from .month_axis import MIDDLE, Months, month_axis

SLAB = 1 << 17  # values that are computed at once in float64
INVERSION = 0.1  # by which tmax may lie below tmin [K]: what rounding leaves
SLACK = 1e-4  # of the valid range: what packing and resampling may add
DAYLIGHT = ("middle", "mean")


def thornthwaite(ta: Any, lat: Any, *, times: Optional[Any] = None, first_month: int = 1,
                 daylight: str = "middle") -> np.ndarray:
    r"""Potential evapotranspiration from monthly mean temperature and day length.

    .. math:: PET = 16 K \left(\frac{10 \max(T, 0)}{I}\right)^a, \quad
              I = \sum_{12} \left(\frac{\max(\bar T_m, 0)}{5}\right)^{1.514}

    with K the length of day and month over 12 h and 30 d, and a a cubic in I, the heat index of the
    mean of each calendar month.

    Parameters
    ----------
    ta : array of shape (time, ...) [degC]
        Monthly means; NaN where missing.
    lat : float or array of shape (...) [degree]
        Positive north.
    times : array of shape (time,) (datetime64), optional
        Any day of each month. Without it the months follow each other from `first_month`, in years of
        365 days.
    first_month : int
    daylight : {"middle", "mean"}
        Day length of the 15th, as in the R package SPEI, or mean of all days, as in climate_indices.

    Returns
    -------
    array of shape (time, ...) [mm month-1]
        0 where it freezes; NaN everywhere if a calendar month has no value at all.

    Raises
    ------
    SchemaError
        A temperature or latitude that cannot be.
    GridError
        The times are not months.

    References
    ----------
    Thornthwaite, C. W. (1948). Geographical Review 38, 55-94. doi:10.2307/210739

    Examples
    --------
    >>> year = [-0.4, 2.1, 7.6, 13.5, 18.9, 24.2, 27.0, 26.1, 21.3, 14.7, 7.3, 1.2]
    >>> thornthwaite(year, 37.6475)[:4].round(3)
    array([ 0.   ,  2.268, 19.961, 51.718])
    """
    values = series("ta", ta)
    months = month_axis(len(values), times, first_month)
    index = _heat_index(values, months)
    exponent = 6.75e-7 * index**3 - 7.71e-5 * index**2 + 0.01792 * index + 0.49239
    light, row = _light(np.asarray(lat, dtype="float64"), months, values.ndim - 1, daylight)
    result = np.empty_like(values)
    for part in slabs(values.shape):
        steps = months.at[part]
        warm = np.maximum(values[part].astype("float64"), 0.0)
        days = along(months.days[steps], values.ndim)
        with np.errstate(divide="ignore", invalid="ignore"):
            power = (10 * warm / index) ** exponent
        result[part] = np.where(warm > 0, 16 * light[row[steps]] / 12 * days / 30 * power, warm)
    result[:, np.isnan(index)] = np.nan
    return result


def _heat_index(values: np.ndarray, months: Months) -> np.ndarray:
    """Return the heat index of the mean year, NaN where a calendar month has no value."""
    total = np.zeros(values.shape[1:])
    for month in range(12):
        of_month = values[months.month[months.at] == month]
        valid = np.isfinite(of_month)
        count = valid.sum(axis=0)
        with np.errstate(invalid="ignore"):
            mean = np.sum(of_month, axis=0, dtype="float64", where=valid) / np.where(count > 0, count, np.nan)
        total += (np.maximum(mean, 0.0) / 5) ** 1.514
    return total


def _light(lat: np.ndarray, months: Months, rest: int, daylight: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the day length [h] of each kind of month and place, and the row of each month in it."""
    if daylight not in DAYLIGHT:
        raise ConfigError(f"There is no daylight '{daylight}'", "Use one of: " + ", ".join(DAYLIGHT))
    kinds, row = np.unique(months.month + 12 * months.leap, return_inverse=True)
    first = [int(np.argmax(row == kind)) for kind in range(kinds.size)]
    lat = lat.reshape((1,) * (rest - lat.ndim) + lat.shape)
    table = np.empty((kinds.size, *lat.shape))
    for kind, at in enumerate(first):
        if daylight == "middle":
            declined = 0.4093 * np.sin(2 * np.pi * months.doy[at] / 365 - 1.405)
            table[kind] = 24 / np.pi * sunset_angle(lat, declined)
        else:
            days = months.doy[at] - MIDDLE + 1 + np.arange(months.days[at])
            table[kind] = sum(day_length(lat, day) for day in days) / days.size
    return table, row


def hargreaves(tmin: Any, tmax: Any, lat: Any, *, times: Optional[Any] = None, first_month: int = 1,
               constants: str = "icid") -> np.ndarray:
    r"""Reference evapotranspiration from the range of daily temperature.

    .. math:: ET_0 = 0.0023 \cdot 0.408\, R_a \left(\frac{T_x + T_n}{2} + 17.8\right) \sqrt{T_x - T_n}

    Parameters
    ----------
    tmin, tmax : arrays of shape (time, ...) [degC]
        Monthly means of the daily extremes.
    lat : float or array of shape (...) [degree]
        Positive north.
    times, first_month
        As in `thornthwaite`.
    constants : {"icid", "fao56"}
        Of the radiation above the atmosphere; icid as the R package SPEI.

    Returns
    -------
    array of shape (time, ...) [mm month-1]
        Not below 0.

    Raises
    ------
    SchemaError
        tmax is below tmin, or a value cannot be.
    GridError
        The times are not months.

    References
    ----------
    Hargreaves, G. H., Samani, Z. A. (1985). Applied Engineering in Agriculture 1, 96-99. doi:10.13031/2013.26773

    Examples
    --------
    >>> hargreaves_rate([14.8], [26.6], 45.72, doy=[196]).round(2)
    array([5.04])
    """
    months = month_axis(len(np.asarray(tmin)), times, first_month)
    rate = hargreaves_rate(tmin, tmax, lat, months.doy[months.at], constants=constants)
    rate *= along(months.days[months.at], rate.ndim).astype(rate.dtype)
    return rate


def hargreaves_rate(tmin: Any, tmax: Any, lat: Any, doy: Any, *, constants: str = "icid") -> np.ndarray:
    """Return the evapotranspiration of days of the year `doy` (time,) [mm d-1]; otherwise as `hargreaves`."""
    low, high = series("tmin", tmin), series("tmax", tmax)
    check_extremes(low, high)
    result = np.empty_like(low, dtype=np.result_type(low, high))
    for part in slabs(low.shape):
        cold, warm = low[part].astype("float64"), high[part].astype("float64")
        radiation = extraterrestrial_radiation(lat, along(np.asarray(doy)[part], low.ndim), constants)
        spread = np.sqrt(np.maximum(warm - cold, 0.0))
        result[part] = np.maximum(0.0023 * 0.408 * radiation * ((warm + cold) / 2 + 17.8) * spread, 0.0)
    return result


def series(name: str, values: Any) -> np.ndarray:
    """Return values as floats, after checking that they can be those of the driver `name`.

    Raises
    ------
    SchemaError
        A value is outside the valid range.
    """
    array = np.asarray(values)
    array = array if array.dtype in (np.float32, np.float64) else array.astype("float64")
    known = variable(name)
    slack = SLACK * (known.high - known.low)
    with np.errstate(invalid="ignore"):
        wrong = (array < known.low - slack) | (array > known.high + slack)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise SchemaError(f"{name} is {array[at]:g} at position {at}; valid are {known.low:g} to {known.high:g} "
                          f"{known.unit}", f"Check the unit: {name} is wanted in {known.unit}")
    return array


def check_extremes(tmin: np.ndarray, tmax: np.ndarray) -> None:
    """Refuse days that are warmer at their coldest than at their warmest.

    Raises
    ------
    SchemaError
        `tmax` is more than 0.1 K below `tmin` somewhere, or the two are of different shape.
    """
    if tmin.shape != tmax.shape:
        raise SchemaError(f"tmin has shape {tmin.shape}, tmax {tmax.shape}",
                          "Give both on the same grid and time steps")
    with np.errstate(invalid="ignore"):
        wrong = tmax < tmin - INVERSION
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise SchemaError(f"tmax ({tmax[at]:g}) is below tmin ({tmin[at]:g}) at position {at}, "
                          f"and at {int(wrong.sum())} values in all", "Check whether the two are swapped")


def along(values: np.ndarray, ndim: int) -> np.ndarray:
    """Return a series of shape (time,) so that it broadcasts with (time, ...)."""
    return values.reshape((-1,) + (1,) * (ndim - 1))


def slabs(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield parts of the first axis that hold about `SLAB` values each, so that temporaries stay small."""
    step = max(1, SLAB // max(1, int(np.prod(shape[1:], dtype="int64"))))
    for start in range(0, shape[0], step):
        yield slice(start, start + step)


