"""Reference evapotranspiration after Penman and Monteith (FAO56)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional

import numpy as np

from ..errors import ConfigError, SchemaError
from ..vocabulary.astronomy import Constants, constants_of, day_length, extraterrestrial_radiation
from .evapotranspiration import along, check_extremes, series, slabs
from .month_axis import month_axis

MEGAJOULES = 0.0864  # MJ m-2 d-1 of a W m-2
ALBEDO = 0.23
SOIL_HEAT = ("zero", "monthly")


@dataclass(frozen=True)
class Air:
    """State of the air and radiation of some time steps; None where it was not given."""

    tmin: np.ndarray
    tmax: np.ndarray
    wind: np.ndarray
    ea: Optional[np.ndarray] = None
    vpd: Optional[np.ndarray] = None
    sw_in: Optional[np.ndarray] = None
    sunshine: Optional[np.ndarray] = None
    net_rad: Optional[np.ndarray] = None
    pa: Optional[np.ndarray] = None


def penman_monteith(tmin: Any, tmax: Any, wind: Any, lat: Any, *, times: Optional[Any] = None, first_month: int = 1,
                    elevation: Any = None, wind_height: float = 2.0, soil_heat: str = "zero",
                    constants: str = "fao56", **given: Any) -> np.ndarray:
    r"""Reference evapotranspiration of short grass.

    .. math:: ET_0 = \frac{0.408 \Delta (R_n - G) + \gamma \frac{900}{T + 273} u_2 (e_s - e_a)}
                          {\Delta + \gamma (1 + 0.34 u_2)}

    Parameters
    ----------
    tmin, tmax : arrays of shape (time, ...) [degC]
        Monthly means of the daily extremes.
    wind : array of shape (time, ...) [m s-1]
        At `wind_height`; brought to 2 m by FAO56 equation 47.
    lat : float or array of shape (...) [degree]
        Positive north.
    times, first_month
        As in `thornthwaite`.
    elevation : float or array of shape (...) [m], optional
        For air pressure and the radiation of a clear sky. Needed unless `pa` is given; then 0 is taken.
    wind_height : float [m]
    soil_heat : {"zero", "monthly"}
        monthly takes 0.07 of the difference of temperature between the months before and after (FAO56
        equation 43), 0.14 of that to the neighbour at the ends; it needs months without a hole.
    constants : {"fao56", "icid"}
        icid rounds them as the R package SPEI does, and lets measured radiation exceed that of a clear sky.
    **given : arrays of shape (time, ...)
        Radiation, one of `net_rad` [W m-2], `sw_in` [W m-2] and `sunshine` [h d-1]; humidity, `ea` or
        `vpd` [hPa] (the dew point is taken as tmin where both lack); `pa` [kPa].

    Returns
    -------
    array of shape (time, ...) [mm month-1]
        Not below 0.

    Raises
    ------
    ConfigError
        Radiation, or both elevation and pressure, lack.
    SchemaError
        tmax is below tmin, wind is negative, or another value cannot be.
    GridError
        The times are not months.

    References
    ----------
    Allen, R. G. et al. (1998). FAO Irrigation and Drainage Paper 56. ISBN 92-5-104219-5

    Examples
    --------
    >>> day = dict(tmin=[12.3], tmax=[21.5], wind=[10 / 3.6], sunshine=[9.25], ea=[14.086])
    >>> penman_rate(**day, lat=50.8, doy=[187], elevation=100, wind_height=10).round(2)
    array([3.88])
    """
    months = month_axis(len(np.asarray(tmin)), times, first_month)
    if soil_heat not in SOIL_HEAT:
        raise ConfigError(f"There is no soil heat '{soil_heat}'", "Use one of: " + ", ".join(SOIL_HEAT))
    heat = None
    if soil_heat == "monthly":
        if not months.whole:
            raise ConfigError("Months lack, so that the heat that the soil stores is not known",
                              "Use soil_heat zero, or give every month")
        heat = _monthly_heat((series("tmin", tmin).astype("float64") + series("tmax", tmax)) / 2)
    rate = penman_rate(tmin, tmax, wind, lat, months.doy[months.at], elevation=elevation, wind_height=wind_height,
                       heat=heat, constants=constants, **given)
    rate *= along(months.days[months.at], rate.ndim).astype(rate.dtype)
    return rate


def penman_rate(tmin: Any, tmax: Any, wind: Any, lat: Any, doy: Any, *, elevation: Any = None,
                wind_height: float = 2.0, heat: Optional[np.ndarray] = None, constants: str = "fao56",
                **given: Any) -> np.ndarray:
    """Return the evapotranspiration of days of the year `doy` (time,) [mm d-1]; otherwise as `penman_monteith`.

    `heat` (time, ...) [MJ m-2 d-1] flows into the soil; none where it is not given.
    """
    arrays = _arrays({"tmin": tmin, "tmax": tmax, "wind": wind, **given})
    if elevation is None and "pa" not in arrays:
        raise ConfigError("Neither elevation nor air pressure is there", "Give elevation [m] or pa [kPa]")
    height = np.asarray(0.0 if elevation is None else series("elevation", elevation), dtype="float64")
    chosen, shape = constants_of(constants), arrays["tmin"].shape
    to_2m = 1.0 if wind_height == 2.0 else 4.87 / np.log(67.8 * wind_height - 5.42)
    days = np.asarray(doy, dtype="float64")
    result = np.empty(shape, dtype=np.result_type(*arrays.values()))
    for part in slabs(shape):
        air = Air(**{name: values[part].astype("float64") for name, values in arrays.items()})
        net = _net_radiation(air, height, lat, along(days[part], len(shape)), chosen, constants)
        result[part] = _combine(air, net - (0.0 if heat is None else heat[part]), height, to_2m, chosen)
    return result


def _arrays(given: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return what was given as arrays of one shape, after checking names, ranges and what lacks."""
    unknown = sorted(set(given) - set(Air.__dataclass_fields__))
    if unknown:
        raise ConfigError(f"Penman-Monteith knows no '{unknown[0]}'", "Use: " + ", ".join(Air.__dataclass_fields__))
    arrays = {name: series("day_length" if name == "sunshine" else name, values)
              for name, values in given.items() if values is not None}
    if not {"sw_in", "sunshine", "net_rad"} & set(arrays):
        raise ConfigError("Penman-Monteith needs radiation, and none is there",
                          "Give sw_in [W m-2], or sunshine [h d-1] or net_rad [W m-2]")
    check_extremes(arrays["tmin"], arrays["tmax"])
    for name, values in arrays.items():
        if values.shape != arrays["tmin"].shape:
            raise SchemaError(f"{name} has shape {values.shape}, tmin {arrays['tmin'].shape}",
                              "Give all on the same grid and time steps")
    return arrays


def _saturation(temperature: np.ndarray, chosen: Constants) -> np.ndarray:
    """Return the vapour pressure over water [kPa] that air of some temperature [degC] can hold."""
    return chosen.saturation * np.exp(17.27 * temperature / (temperature + 237.3))


def _vapour(air: Air, chosen: Constants) -> tuple[np.ndarray, np.ndarray]:
    """Return saturation and actual vapour pressure [kPa]."""
    full = (_saturation(air.tmax, chosen) + _saturation(air.tmin, chosen)) / 2
    if air.ea is not None:
        return full, air.ea / 10
    return full, np.maximum(full - air.vpd / 10, 0.0) if air.vpd is not None else _saturation(air.tmin, chosen)


def _net_radiation(air: Air, height: np.ndarray, lat: Any, doy: np.ndarray, chosen: Constants,
                   constants: str) -> np.ndarray:
    """Return the net radiation [MJ m-2 d-1]; 0 where the sun does not shine."""
    if air.net_rad is not None:
        return air.net_rad * MEGAJOULES
    above = extraterrestrial_radiation(lat, doy, constants)
    if air.sunshine is not None and air.sw_in is None:
        hours = day_length(lat, doy, constants)
        with np.errstate(divide="ignore", invalid="ignore"):
            short = np.where(hours > 0, (0.25 + 0.5 * air.sunshine / hours) * above, 0.0 * air.sunshine)
    else:
        short = np.maximum(np.asarray(air.sw_in) * MEGAJOULES, 0.0)
    clear = (0.75 + 2e-5 * height) * above
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.minimum(np.where(clear > 0, short / clear, 0.0), chosen.clearest)
    _, actual = _vapour(air, chosen)
    glow = chosen.stefan * ((air.tmax + chosen.kelvin) ** 4 + (air.tmin + chosen.kelvin) ** 4) / 2
    long = glow * (0.34 - 0.14 * np.sqrt(actual)) * (1.35 * share - 0.35)
    return np.where((short == 0) | (clear == 0), 0.0 * short, (1 - ALBEDO) * short - long)


def _combine(air: Air, energy: np.ndarray, height: np.ndarray, to_2m: float, chosen: Constants) -> np.ndarray:
    """Return the evapotranspiration [mm d-1] of the energy that is left [MJ m-2 d-1]."""
    mean = (air.tmax + air.tmin) / 2
    pressure = 101.3 * ((293 - 0.0065 * height) / 293) ** 5.26 if air.pa is None else air.pa
    psychrometric = 0.665e-3 * pressure
    slope = chosen.slope * _saturation(mean, chosen) / (mean + 237.3) ** 2
    full, actual = _vapour(air, chosen)
    wind = air.wind * to_2m
    dry = psychrometric * 900 / (mean + 273) * wind * (full - actual)
    return np.maximum((0.408 * slope * energy + dry) / (slope + psychrometric * (1 + 0.34 * wind)), 0.0)


def _monthly_heat(mean: np.ndarray) -> np.ndarray:
    """Return the heat that flows into the soil [MJ m-2 d-1] where monthly temperature rises."""
    if len(mean) < 2:
        return np.zeros_like(mean)
    inner = 0.07 * (mean[2:] - mean[:-2])
    return np.concatenate([0.14 * (mean[1:2] - mean[:1]), inner, 0.14 * (mean[-1:] - mean[-2:-1])])
