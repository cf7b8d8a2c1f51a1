"""Units are converted at the door and fixed inside."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import numpy as np

from ..errors import SchemaError
from .variables import variable

CARBON_G_MOL = 12.011
SECONDS_PER_DAY = 86400.0
UMOL_CO2 = 1e-6 * CARBON_G_MOL * SECONDS_PER_DAY

# spelling -> (base unit, factor, offset): base = factor * value + offset
_UNITS: dict[str, tuple[str, float, float]] = {
    "g c m-2 d-1": ("carbon", 1.0, 0.0), "gc m-2 d-1": ("carbon", 1.0, 0.0),
    "gc m-2 day-1": ("carbon", 1.0, 0.0), "g c m-2 day-1": ("carbon", 1.0, 0.0),
    "kg c m-2 d-1": ("carbon", 1e3, 0.0), "mg c m-2 d-1": ("carbon", 1e-3, 0.0),
    "umol m-2 s-1": ("light", 1.0, 0.0), "umol co2 m-2 s-1": ("carbon", UMOL_CO2, 0.0),
    "umolco2 m-2 s-1": ("carbon", UMOL_CO2, 0.0),
    "degc": ("degC", 1.0, 0.0), "c": ("degC", 1.0, 0.0), "celsius": ("degC", 1.0, 0.0),
    "degree_celsius": ("degC", 1.0, 0.0), "degrees_celsius": ("degC", 1.0, 0.0),
    "degrees celsius": ("degC", 1.0, 0.0), "degree celsius": ("degC", 1.0, 0.0), "deg c": ("degC", 1.0, 0.0),
    "°c": ("degC", 1.0, 0.0), "k": ("degC", 1.0, -273.15), "kelvin": ("degC", 1.0, -273.15),
    "hpa": ("hPa", 1.0, 0.0), "mbar": ("hPa", 1.0, 0.0), "pa": ("hPa", 0.01, 0.0),
    "kpa": ("hPa", 10.0, 0.0),
    "mm d-1": ("mm d-1", 1.0, 0.0), "mm day-1": ("mm d-1", 1.0, 0.0), "mm/day": ("mm d-1", 1.0, 0.0),
    "kg m-2 s-1": ("mm d-1", SECONDS_PER_DAY, 0.0), "m d-1": ("mm d-1", 1000.0, 0.0),
    "w m-2": ("W m-2", 1.0, 0.0), "mj m-2 d-1": ("W m-2", 1e6 / SECONDS_PER_DAY, 0.0),
    "j m-2 d-1": ("W m-2", 1 / SECONDS_PER_DAY, 0.0),
    "m s-1": ("m s-1", 1.0, 0.0),
    "1": ("1", 1.0, 0.0), "": ("1", 1.0, 0.0), "-": ("1", 1.0, 0.0), "m2 m-2": ("1", 1.0, 0.0),
    "fraction": ("1", 1.0, 0.0), "%": ("1", 0.01, 0.0), "percent": ("1", 0.01, 0.0),
    "m3 m-3": ("1", 1.0, 0.0),
    "g kg-1": ("g kg-1", 1.0, 0.0), "g/kg": ("g kg-1", 1.0, 0.0), "dg kg-1": ("g kg-1", 0.1, 0.0),
    "kg c m-2": ("kg C m-2", 1.0, 0.0), "kg m-2 c": ("kg C m-2", 1.0, 0.0), "g c m-2": ("kg C m-2", 1e-3, 0.0),
    "kg m-3": ("kg m-3", 1.0, 0.0), "g cm-3": ("kg m-3", 1000.0, 0.0), "kg dm-3": ("kg m-3", 1000.0, 0.0),
    "cg cm-3": ("kg m-3", 10.0, 0.0),
    "m": ("m", 1.0, 0.0), "degree": ("degree", 1.0, 0.0), "degrees": ("degree", 1.0, 0.0),
    "h": ("h", 1.0, 0.0), "d": ("d", 1.0, 0.0), "days": ("d", 1.0, 0.0),
}
_PER_PERIOD = {"month": "month", "mon": "month", "year": "year", "yr": "year", "y": "year", "a": "year",
               "8day": "8day", "8d": "8day", "16day": "16day", "16d": "16day", "week": "week"}


def _spelling(unit: str) -> str:
    text = unit.strip().lower().replace("µ", "u").replace("μ", "u").replace("**", "").replace("^", "")
    text = text.replace("−", "-").replace("·", " ").replace("umolphoton", "umol")
    text = re.sub(r"/\s*m2", " m-2", text)
    text = re.sub(r"/\s*(day|month|year|yr|d|s)\b", r" \1-1", text)
    return re.sub(r"\s+", " ", text).strip()


def _parse(unit: str) -> tuple[str, float, float, str]:
    """Return base unit, factor, offset and the period the value is a total of ('' for a rate)."""
    text = _spelling(unit)
    if text in _UNITS:
        return (*_UNITS[text], "")
    match = re.fullmatch(r"(\d*\.?\d+(?:e-?\d+)?) ?[*x]? ?([a-z%°].*)?", text)
    if match and float(match.group(1)) > 0:  # such as 0.1 degC or 1e-4
        with suppress(SchemaError):
            base, factor, offset, total = _parse(match.group(2) or "1")
            return base, factor * float(match.group(1)), offset, total
    match = re.fullmatch(r"(.+?) (month|mon|year|yr|y|a|8day|8d|16day|16d|week)-1", text)
    if match and f"{match.group(1)} d-1" in _UNITS:
        return (*_UNITS[f"{match.group(1)} d-1"], _PER_PERIOD[match.group(2)])
    if text in ("mm", "kg m-2"):
        return "mm d-1", 1.0, 0.0, "step"
    raise SchemaError(f"The unit '{unit}' is not known", "State it, for example units=\"precip=mm d-1\"")


def convert(values: Any, unit: str, to: str, *, days: Any = None) -> Any:
    """Convert values between units of one kind.

    Parameters
    ----------
    values : float or array
    unit, to : str
        Units as text; totals such as 'g C m-2 month-1' or 'mm' need `days`.
    days : float or array that broadcasts with `values`, optional
        Length of the time step of each value [d].

    Returns
    -------
    float or array

    Raises
    ------
    SchemaError
        A unit is unknown, the two do not fit, or `days` is lacking.

    Examples
    --------
    >>> round(float(convert(2.5, "g C m-2 d-1", "g C m-2 month-1", days=29)), 6)
    72.5
    >>> round(float(convert(1.0, "umol CO2 m-2 s-1", "g C m-2 d-1")), 7)
    1.0377504
    """
    base, factor, offset, total = _parse(unit)
    to_base, to_factor, to_offset, to_total = _parse(to)
    if base == "light" and to_base == "carbon":
        base, factor = "carbon", UMOL_CO2
    if to_base == "light" and base == "carbon":
        to_base, to_factor = "carbon", UMOL_CO2
    if base != to_base:
        raise SchemaError(f"'{unit}' cannot be converted to '{to}'", "Check the unit of the column or band")
    if bool(total) != bool(to_total) and days is None:
        raise SchemaError(f"'{unit}' to '{to}' needs the length of the time step",
                          "Give dates, so that the days of each step are known")
    result = np.asarray(values, dtype="float64") * factor + offset
    if total and not to_total:
        result = result / days
    if to_total and not total:
        result = result * days
    return (result - to_offset) / to_factor


def to_canonical(name: str, values: Any, unit: str, *, days: Any = None) -> Any:
    """Convert values of the variable `name` from `unit` to its canonical unit."""
    wanted = variable(name).unit
    if not wanted or wanted == unit:
        return values
    return convert(values, unit, wanted, days=days)


def period_unit(time_step: str) -> str:
    """Return the unit of a flux product with this time step.

    Examples
    --------
    >>> period_unit("month")
    'g C m-2 month-1'
    """
    return {"month": "g C m-2 month-1", "year": "g C m-2 yr-1", "8day": "g C m-2 8day-1", "16day": "g C m-2 16day-1",
            "day": "g C m-2 d-1", "week": "g C m-2 week-1"}[time_step]
