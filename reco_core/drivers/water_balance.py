"""Climatic water balance: potential evapotranspiration and the drought indices SPEI and SPI."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional

import numpy as np

from ..errors import ConfigError, GridError, SchemaError
from ..progress import SILENT, Progress
from ..threads import in_threads
from ..vocabulary.astronomy import day_length, extraterrestrial_radiation
from .evapotranspiration import hargreaves, thornthwaite
from .labelled import Labelled
from .month_axis import Months, calibrated, month_axis
from .penman import penman_monteith

DISTRIBUTIONS = ("log_logistic", "gamma", "gamma_pwm")
PIXELS_PER_TASK = 4096
OFFSET = 1000.0  # mm month-1, so that balances are positive where a gamma distribution is fitted

__all__ = ["DISTRIBUTIONS", "day_length", "extraterrestrial_radiation", "hargreaves", "penman_monteith", "pet", "spei",
           "spi", "thornthwaite"]

_METHODS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "thornthwaite": (thornthwaite, ("ta",)),
    "hargreaves": (hargreaves, ("tmin", "tmax")),
    "penman_monteith": (penman_monteith, ("tmin", "tmax", "wind")),
}


def spei(balance: Any, scale: int = 12, *, distribution: str = "log_logistic", calibration: Any = None,
         times: Optional[Any] = None, first_month: int = 1, clip: Optional[float] = 8.0,
         progress: Progress = SILENT) -> Any:
    r"""Standardised precipitation evapotranspiration index of a monthly water balance.

    The balance of `scale` months up to each is compared with those of the same calendar month: a
    distribution is fitted to them by unbiased probability weighted moments, and the probability of the
    value becomes the score of a normal distribution. For the log-logistic one

    .. math:: F(x) = \left[1 + \left(1 - \kappa\frac{x - \xi}{\alpha}\right)^{1/\kappa}\right]^{-1},
              \quad SPEI = \Phi^{-1}(F)

    Parameters
    ----------
    balance : array of shape (time, ...), or xarray.DataArray with a dimension time [mm month-1]
        Precipitation less potential evapotranspiration; NaN where missing.
    scale : int
        Months that are summed up; a sum that touches a gap is missing.
    distribution : {"log_logistic", "gamma", "gamma_pwm"}
        log_logistic as the R package SPEI; gamma as climate_indices, on the balance plus 1000 mm a month;
        gamma_pwm fits the latter by probability weighted moments.
    calibration : slice or (first, last), optional
        What the distribution is fitted on: a slice of positions in time, or years or dates. Sums are made
        before. By default everything.
    times : array of shape (time,) (datetime64), optional
        Any day of each month; months may lack. By default the coordinate of a DataArray.
    first_month : int
        Calendar month of the first value where there are no times.
    clip : float, optional
        Values beyond are set to it; with None they are infinite where the distribution ends.
    progress : Progress

    Returns
    -------
    array or xarray.DataArray, shaped as `balance` [1]
        float32 for float32, else float64. NaN for the first `scale` - 1 months, and for calendar months
        with fewer than 4 values or none that differ.

    Raises
    ------
    ConfigError
        The distribution or scale is unknown, or the calibration period has no data.
    GridError
        The series is not monthly, or shorter than `scale`.

    References
    ----------
    Vicente-Serrano, S. M. et al. (2010). J. Climate 23, 1696-1718. doi:10.1175/2009JCLI2909.1
    Beguería, S. et al. (2014). Int. J. Climatol. 34, 3001-3023. doi:10.1002/joc.3887

    Examples
    --------
    >>> wet = np.array([[-85, -42, -30, -18, -12, -5, 0, 3, 8, 12, 17, 22, 26, 31, 38, 45, 55, 66, 90, 140]])
    >>> spei(np.repeat(wet, 12, axis=0).T.ravel(), 1)[[0, -1]].round(5)
    array([-2.23467,  2.09715])
    """
    offset = OFFSET if distribution.startswith("gamma") else 0.0
    return _index(balance, scale, distribution, calibration, times, first_month, clip, offset, progress)


def spi(precip: Any, scale: int = 12, *, distribution: str = "gamma", calibration: Any = None,
        times: Optional[Any] = None, first_month: int = 1, clip: Optional[float] = 8.0,
        progress: Progress = SILENT) -> Any:
    """Standardised precipitation index.

    Parameters
    ----------
    precip : array of shape (time, ...), or xarray.DataArray with a dimension time [mm month-1]
        Not negative; NaN where missing.
    scale, calibration, times, first_month, clip, progress
        As in `spei`.
    distribution : {"gamma", "gamma_pwm", "log_logistic"}
        Of the sums above 0, beside which 0 has a probability of its own: gamma by Thom's approximation of
        maximum likelihood, as climate_indices; gamma_pwm by probability weighted moments, as the R package
        SPEI. log_logistic takes 0 as any other value.

    Returns
    -------
    array or xarray.DataArray, shaped as `precip` [1]
        As `spei`; at 0 the score of the probability of 0. NaN for calendar months with fewer than 4 sums
        above 0.

    Raises
    ------
    SchemaError
        Precipitation is negative.
    ConfigError, GridError
        As in `spei`.

    References
    ----------
    McKee, T. B. et al. (1993). 8th Conference on Applied Climatology, 179-184.
    Thom, H. C. S. (1958). Mon. Weather Rev. 86, 117-122. doi:10.1175/1520-0493(1958)086<0117:ANOTGD>2.0.CO;2
    """
    array = np.asarray(getattr(precip, "values", precip))
    with np.errstate(invalid="ignore"):
        lowest = np.nanmin(array, initial=0.0)
    if lowest < 0:
        at = tuple(int(i) for i in np.argwhere(array == lowest)[0])
        raise SchemaError(f"Precipitation is {lowest:g} at position {at}; it cannot be negative",
                          "Check scale and fill value; the water balance goes to spei")
    return _index(precip, scale, distribution, calibration, times, first_month, clip, 0.0, progress)


def _index(values: Any, scale: int, distribution: str, calibration: Any, times: Optional[Any], first_month: int,
           clip: Optional[float], offset: float, progress: Progress) -> Any:
    """Check, bring pixels side by side, compute and give back what came in."""
    given = Labelled.of(values)
    series = given.values if given.values.dtype == np.float32 else given.values.astype("float64", copy=False)
    if series.ndim == 0:
        raise GridError("One value is no series", "Give monthly values, time first")
    months = month_axis(len(series), given.times if times is None else times, first_month)
    if distribution not in DISTRIBUTIONS:
        raise ConfigError(f"There is no distribution '{distribution}'", "Use one of: " + ", ".join(DISTRIBUTIONS))
    if scale != int(scale) or scale < 1:
        raise ConfigError(f"A scale of {scale} months cannot be", "Give a whole number from 1")
    if scale > months.size:
        raise GridError(f"A scale of {scale} months is longer than the series of {months.size}",
                        "Take a smaller scale or a longer series")
    if clip is not None and not clip > 0:
        raise ConfigError(f"Values cannot be clipped to {clip}", "Give a number above 0, or None")
    fitted = calibrated(months, calibration)
    flat = np.ascontiguousarray(series.reshape(len(series), -1))
    if not months.whole:
        flat = _spread(flat, months)
    scores = _scores(flat, months, int(scale), distribution, fitted, np.inf if clip is None else float(clip), offset,
                     progress)
    if not months.whole:
        scores = scores[months.at]
    return given.again(scores.reshape(series.shape), units="1")


def _spread(flat: np.ndarray, months: Months) -> np.ndarray:
    """Return the series with months that lack as NaN."""
    whole = np.full((months.size, flat.shape[1]), np.nan, dtype=flat.dtype)
    whole[months.at] = flat
    return whole


def _scores(flat: np.ndarray, months: Months, scale: int, distribution: str, fitted: np.ndarray, clip: float,
            offset: float, progress: Progress) -> np.ndarray:
    """Run the kernel over all pixels on all cores."""
    from . import score_tables

    years = int(np.bincount(months.month[fitted], minlength=12).max())
    out, network = np.empty_like(flat), score_tables.sorting_network(years)
    month = months.month.astype("int64")
    if distribution == "log_logistic":
        from .spei_kernels import log_logistic_index

        def work(first: int, last: int) -> None:
            log_logistic_index(flat, first, last, month, fitted, scale, network, years, clip, out)
    else:
        from .gamma_kernels import gamma_index

        table = score_tables.gamma_table()
        moments = distribution == "gamma_pwm"

        def work(first: int, last: int) -> None:
            gamma_index(flat, first, last, month, fitted, scale, offset, moments, network, years, table, clip, out)

    count = flat.shape[1]
    in_threads(lambda first: work(first, min(first + PIXELS_PER_TASK, count)), range(0, count, PIXELS_PER_TASK),
               progress)
    return out


def pet(method: str = "thornthwaite", *, lat: Any = None, times: Optional[Any] = None, **drivers: Any) -> Any:
    """Potential evapotranspiration of months by one of three methods.

    Parameters
    ----------
    method : {"thornthwaite", "hargreaves", "penman_monteith"}
    lat : float or array of shape (...) [degree]
        Positive north. By default the coordinate lat or latitude of the first DataArray.
    times : array of shape (time,) (datetime64), optional
        By default the coordinate of the first DataArray; without any the series starts in January, or
        `first_month`, of years of 365 days.
    **drivers : arrays of shape (time, ...), or xarray.DataArray with a dimension time
        What the method needs (ta; tmin and tmax; tmin, tmax, wind, radiation and humidity), and its options:
        see `thornthwaite`, `hargreaves` and `penman_monteith`.

    Returns
    -------
    array or xarray.DataArray of the shape of the first driver [mm month-1]

    Raises
    ------
    ConfigError
        The method is unknown, or a driver it needs is not there.
    SchemaError, GridError
        See the methods.

    Examples
    --------
    >>> float(pet("hargreaves", tmin=[14.8] * 7, tmax=[26.6] * 7, lat=45.72)[-1].round(1))
    156.1
    """
    if method not in _METHODS:
        raise ConfigError(f"There is no method '{method}' for PET", "Use one of: " + ", ".join(_METHODS))
    function, needed = _METHODS[method]
    lacking = [name for name in needed if drivers.get(name) is None]
    if lacking:
        raise ConfigError(f"{method} needs {' and '.join(needed)}; {lacking[0]} is not there", f"Give {lacking[0]}")
    given = Labelled.of(drivers[needed[0]])
    arrays = {name: given.like(value) for name, value in drivers.items()}
    latitude = given.latitude() if lat is None else given.like_places(lat)
    if latitude is None:
        raise ConfigError("PET needs the latitude, and it is not there", "Give lat [degree]")
    result = function(**_positional(arrays), lat=latitude, times=given.times if times is None else times)
    return given.again(result, units="mm month-1")


def _positional(arrays: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arrays.items() if value is not None}
