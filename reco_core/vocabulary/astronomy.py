"""The sun over a year: declination, day length and radiation above the atmosphere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ConfigError, SchemaError


@dataclass(frozen=True)
class Constants:
    """The numbers that two published forms of the same equations write with different digits."""

    solar: float        # daily radiation of the sun [MJ m-2 d-1] per radian
    year: float         # angle of the Earth around the sun per day [rad]
    radian: float       # degrees of one radian
    day_hours: float    # hours per radian of the sunset angle
    saturation: float   # saturation vapour pressure at 0 degC [kPa]
    slope: float        # 17.27 * 237.3, of the slope of the vapour pressure curve
    stefan: float       # Stefan-Boltzmann constant [MJ K-4 m-2 d-1]
    kelvin: float       # 0 degC [K]
    clearest: float     # largest share of the radiation of a clear sky


CONSTANTS = {
    "fao56": Constants(24 * 60 / np.pi * 0.0820, 2 * np.pi / 365, 180 / np.pi, 24 / np.pi, 0.6108, 4098.0, 4.903e-9,
                       273.16, 1.0),
    "icid": Constants(37.6, 0.0172, 57.2957795, 7.64, 0.611, 4099.0, 4.9e-9, 273.15, float("inf")),
}


def constants_of(name: str) -> Constants:
    """Return the constants called `name`.

    Raises
    ------
    ConfigError
        There are none of that name.
    """
    if name not in CONSTANTS:
        raise ConfigError(f"There are no constants '{name}'", "Use one of: " + ", ".join(CONSTANTS))
    return CONSTANTS[name]


def declination(doy: Any, constants: str = "fao56") -> np.ndarray:
    """Return the declination of the sun [rad] on days of the year, FAO56 equation 24."""
    return 0.409 * np.sin(constants_of(constants).year * np.asarray(doy, dtype="float64") - 1.39)


def sunset_angle(lat: Any, declined: Any, radian: float = 180 / np.pi) -> np.ndarray:
    """Return the hour angle of sunset [rad]: 0 in the polar night, pi where the sun does not set.

    Parameters
    ----------
    lat : array [degree]
    declined : array that broadcasts with `lat` [rad]
        Declination of the sun.
    radian : float [degree]
        Degrees of one radian.

    Raises
    ------
    SchemaError
        A latitude is beyond the poles.
    """
    return np.arccos(np.clip(-np.tan(_latitude(lat, radian)) * np.tan(declined), -1.0, 1.0))


def _latitude(lat: Any, radian: float = 180 / np.pi) -> np.ndarray:
    """Return the latitude [rad] after checking that it is one."""
    degrees = np.asarray(lat, dtype="float64")
    wrong = np.abs(degrees) > 90
    if np.any(wrong):
        raise SchemaError(f"{degrees[wrong].flat[0]:g} is no latitude; from -90 to 90 degree was wanted",
                          "Give latitude in degrees, positive north of the equator; check the grid's CRS")
    return degrees / radian


def day_length(lat: Any, doy: Any, constants: str = "fao56") -> np.ndarray:
    """Time from sunrise to sunset, without refraction.

    Parameters
    ----------
    lat : float or array [degree]
        Positive north.
    doy : float or array that broadcasts with `lat` [d]
        Day of the year, 1 to 366.
    constants : {"fao56", "icid"}

    Returns
    -------
    array [h]
        From 0 in the polar night to 24 in the polar day.

    Raises
    ------
    SchemaError
        A latitude is beyond the poles.

    References
    ----------
    Allen, R. G. et al. (1998). FAO Irrigation and Drainage Paper 56, equation 34. ISBN 92-5-104219-5

    Examples
    --------
    >>> float(day_length(-20.0, 246).round(1)), float(day_length(80.0, 172)), float(day_length(80.0, 355))
    (11.7, 24.0, 0.0)
    """
    chosen = constants_of(constants)
    return chosen.day_hours * sunset_angle(lat, declination(doy, constants), chosen.radian)


def extraterrestrial_radiation(lat: Any, doy: Any, constants: str = "fao56") -> np.ndarray:
    r"""Radiation of a day on a level surface above the atmosphere.

    .. math:: R_a = \frac{24\cdot 60}{\pi} 0.0820\, d_r
              (\omega_s \sin\varphi \sin\delta + \cos\varphi \cos\delta \sin\omega_s)

    Parameters
    ----------
    lat : float or array [degree]
        Positive north.
    doy : float or array that broadcasts with `lat` [d]
        Day of the year, 1 to 366.
    constants : {"fao56", "icid"}
        icid rounds them as Allen et al. (1994) and the R package SPEI do; up to 0.3 % apart.

    Returns
    -------
    array [MJ m-2 d-1]
        0 in the polar night.

    Raises
    ------
    SchemaError
        A latitude is beyond the poles.

    References
    ----------
    Allen, R. G. et al. (1998). FAO Irrigation and Drainage Paper 56, equation 21. ISBN 92-5-104219-5

    Examples
    --------
    >>> float(extraterrestrial_radiation(-20.0, 246).round(3))
    32.194
    """
    chosen = constants_of(constants)
    days = np.asarray(doy, dtype="float64")
    declined, latitude = declination(days, constants), _latitude(lat, chosen.radian)
    angle = sunset_angle(lat, declined, chosen.radian)
    distance = 1 + 0.033 * np.cos(chosen.year * days)
    radiation = chosen.solar * distance * (angle * np.sin(latitude) * np.sin(declined)
                                           + np.cos(latitude) * np.cos(declined) * np.sin(angle))
    return np.maximum(radiation, 0.0)
