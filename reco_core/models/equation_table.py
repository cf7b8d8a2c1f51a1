"""The semi-empirical equations as records: which drivers they take, which parameters are fitted, and within what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Mapping, Sequence, Union

import numpy as np

from ..errors import ConfigError
from .equations import (
    KELVIN,
    arrhenius,
    lloyd_taylor,
    mmrt_entropy,
    mmrt_from,
    mmrt_inflection,
    mmrt_optimum,
    q10,
    tpgpp,
)

Arrays = Union[Sequence[np.ndarray], np.ndarray]
Numbers = Union[Sequence[float], np.ndarray]
Function = Callable[[Arrays, Numbers], np.ndarray]
Derived = Mapping[str, tuple[float, str]]


@dataclass(frozen=True)
class Driver:
    """What an equation takes: the first of `names` among the features, as value * factor + offset.

    `title` says what it is in the words of an error message.
    """

    title: str
    names: tuple[str, ...]
    factor: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class Parameter:
    """A number to be fitted, between `low` and `high`, from starts drawn out of `start`.

    Where `flux` is set, it is a flux: limits count in the largest flux of the training rows, starts
    in their median, and `per` may name the driver (its position) by whose usual size it is
    divided. In `unit` the word "flux" stands for the unit of the target. `size` is its usual
    size, for the solver.
    """

    name: str
    unit: str
    low: float
    high: float
    start: tuple[float, float]
    size: float = 1.0
    flux: bool = False
    per: int = -1


@dataclass(frozen=True)
class Equation:
    """An equation of respiration: drivers, parameters, and the function of both.

    The function gets one array per driver, in the driver's own scale, that broadcast, and the values of the
    parameters; it returns respiration [unit of the target]. `derived` makes further numbers for the
    card (name -> value and unit) of the parameters.
    """

    name: str
    drivers: tuple[Driver, ...]
    parameters: tuple[Parameter, ...]
    function: Function
    derived: Callable[[Sequence[float]], Derived] = lambda values: {}

    def columns(self, features: Sequence[str], model: str = "") -> list[int]:
        """Return where the drivers stand among the features.

        Raises
        ------
        ConfigError
            Some are not there; all of them are named.
        """
        missing = [f"{driver.title} ({either(driver.names)})" for driver in self.lacking(features)]
        if missing:
            raise ConfigError(f"{model or self.name} needs {' and '.join(missing)}; the features are "
                              f"{', '.join(features)}", "Build samples with it, or choose another model")
        return [list(features).index(next(name for name in driver.names if name in features))
                for driver in self.drivers]

    def lacking(self, features: Sequence[str]) -> list[Driver]:
        """Return the drivers that are not among the features."""
        return [driver for driver in self.drivers if not set(driver.names) & set(features)]

    def scaled(self, columns: Arrays) -> list[np.ndarray]:
        """Return columns of samples in the scale of the equation."""
        return [np.asarray(column, dtype="float64") * driver.factor + driver.offset
                for driver, column in zip(self.drivers, columns)]


def either(names: Sequence[str]) -> str:
    """Return names as 'a, b or c'."""
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]


def _flux(name: str, low: float = 0.0, per: int = -1, unit: str = "flux") -> Parameter:
    start = (0.3, 3.0) if low >= 0 else (-1.0, 1.5)
    return Parameter(name, unit, low, 20.0, start, flux=True, per=per)


_SOIL = "soil or air temperature, or that of the surface"
_SURFACE = "the temperature of the surface, air or soil"
KELVINS = Driver(_SOIL, ("ts", "ta", "lst_day"), offset=KELVIN)
CELSIUS = Driver(_SOIL, ("ts", "ta", "lst_day"))
AIR = Driver("the temperature of air, soil or surface", ("ta", "ts", "lst_day"), offset=KELVIN)
RAIN = Driver("precipitation", ("precip",), factor=30.0)  # mm d-1 to the mm of thirty days
GPP = Driver("gross primary production", ("gpp",))
LAI_MAX = Driver("the largest leaf area of the year, or else leaf area", ("lai_max", "lai"))
LST = Driver(_SURFACE, ("lst_day", "ta", "ts"))
LST_KELVINS = Driver(_SURFACE, ("lst_day", "ta", "ts"), offset=KELVIN)
LST_MEAN = Driver("the yearly mean of surface, air or soil temperature", ("lst_day_mean", "ta_mean", "ts_mean"))
EVI = Driver("a vegetation index", ("evi", "ndvi"))
EVI_MAX = Driver("the largest vegetation index of the year", ("evi_max", "ndvi_max"))
LSWI = Driver("the land surface water index", ("lswi",))

E0 = Parameter("e0", "K", 20.0, 1000.0, (50.0, 450.0), 100.0)
RAIN_PARAMETERS = (Parameter("alpha", "1", 0.0, 1.0, (0.1, 0.9)), Parameter("k", "mm", 1e-3, 1000.0, (0.5, 60.0), 10.0))
DH = Parameter("dh", "J mol-1", 0.0, 3e5, (3e4, 1e5), 1e5)
DC = Parameter("dc", "J mol-1 K-1", -2e4, 0.0, (-4e3, -2e2), 1e3)

Q10 = Equation("q10", (CELSIUS,), (_flux("r_ref"), Parameter("q10", "1", 0.5, 10.0, (1.2, 4.0))),
               lambda x, p: q10(x[0], *p))
LLOYD_TAYLOR = Equation("lloyd_taylor", (KELVINS,), (_flux("r_ref"), E0), lambda x, p: lloyd_taylor(x[0], *p))
ARRHENIUS = Equation("arrhenius", (KELVINS,),
                     (_flux("r_ref"), Parameter("ea", "J mol-1", 0.0, 3e5, (2e4, 1e5), 1e5)),
                     lambda x, p: arrhenius(x[0], *p))


def _mmrt_numbers(values: Sequence[float]) -> Derived:
    r_0, dh, dc = values
    return {"t_opt": (mmrt_optimum(dh, dc) - KELVIN, "degC"), "t_inf": (mmrt_inflection(dh, dc) - KELVIN, "degC"),
            "ds": (mmrt_entropy(r_0, dh), "J mol-1 K-1")}


MMRT = Equation("mmrt", (KELVINS,), (_flux("r_0"), DH, DC), lambda x, p: mmrt_from(x[0], *p), _mmrt_numbers)

K2 = _flux("k2", per=2, unit="flux per g C m-2 d-1")
TPGPP = Equation("tpgpp", (AIR, RAIN, GPP), (_flux("r0"), K2, E0, *RAIN_PARAMETERS),
                 lambda x, p: tpgpp(*x, r0=p[0], k2=p[1], e0=p[2], alpha=p[3], k=p[4]))
TPGPP_LAI = Equation(
    "tpgpp_lai", (AIR, RAIN, GPP, LAI_MAX),
    (_flux("r_lai0", -20.0), _flux("a_lai", per=3, unit="flux per m2 m-2"), K2, E0, *RAIN_PARAMETERS),
    lambda x, p: tpgpp(*x[:3], r0=p[0] + p[1] * x[3], k2=p[2], e0=p[3], alpha=p[4], k=p[5]))

JAGERMEYR_LIKE = Equation(
    "jagermeyr_like", (LST, EVI, LST_MEAN, EVI_MAX),
    (_flux("c0", -20.0), _flux("c_evi", -20.0, 3), _flux("c_lst", -20.0, 2, "flux per degC"),
     Parameter("b_lst", "degC-1", 0.0, 0.3, (0.01, 0.12), 0.05), Parameter("b_evi", "1", 0.0, 100.0, (0.1, 3.0))),
    lambda x, p: (p[0] + p[1] * x[3] + p[2] * x[2]) * (np.exp(p[3] * x[0]) + p[4] * x[1]))
RERSM_LIKE = Equation(
    "rersm_like", (LST_KELVINS, EVI, LSWI), (_flux("a_pc", per=1), _flux("r_s0"), E0),
    lambda x, p: p[0] * x[1] * (1 + x[2]) + lloyd_taylor(x[0], p[1], p[2]))
GE_LIKE = Equation(
    "ge_like", (LST_KELVINS, EVI, LSWI), (_flux("a", -20.0, 1), _flux("b", -20.0), E0),
    lambda x, p: (p[0] * x[1] + p[1]) * (1 + x[2]) * lloyd_taylor(x[0], 1.0, p[2]))

_LGS_DRIVERS = {"lst": Driver(_SURFACE, LST.names, 0.1, -1.0), "gpp": Driver(GPP.title, GPP.names, 0.2),
                "swc": Driver("soil water", ("swc",), 0.04, -1.0)}  # all of them about -2 to 3
_SHAPE = Parameter("b", "1", -5.0, 5.0, (0.2, 1.0))
_LGS_FORMS: dict[str, tuple[tuple[Parameter, ...], Function]] = {
    "linear": ((_flux("a", -20.0), _flux("b", -20.0)), lambda x, p: p[0] + p[1] * x[0]),
    "exponential": ((_flux("a"), _SHAPE), lambda x, p: p[0] * np.exp(p[1] * x[0])),
    "quadratic": ((_flux("a", -20.0), _flux("b", -20.0), _flux("c", -20.0)),
                  lambda x, p: p[0] + p[1] * x[0] + p[2] * x[0] ** 2),
    "logistic": ((_flux("a"), Parameter("b", "1", -20.0, 20.0, (0.5, 2.0)),
                  Parameter("c", "1", -5.0, 5.0, (-0.5, 1.5))),
                 lambda x, p: p[0] / (1 + np.exp(-p[1] * (x[0] - p[2])))),
}
LGS_LIKE = {f"{form} in {driver}": Equation(f"{form} in {driver}", (_LGS_DRIVERS[driver],), parameters, function)
            for driver in _LGS_DRIVERS for form, (parameters, function) in _LGS_FORMS.items()}

# Tang et al. (2020), table 3: constant, EVI, LAI, LSWI, LST [degC]; growing season, dormant season, whole year
_TANG: dict[str, tuple[tuple[float, ...], ...]] = {
    "temperate_meadow_steppe": ((1.088, 4.078, 0, 3.743, 0), (.064, 2.362, 0, .268, .014), (-.619, 8.487, 0, 0, .018)),
    "typical_steppe": ((.561, 0, 0, 6.058, .096), (.044, 3.463, 0, .659, .021), (-.083, 5.633, 0, 1.419, .040)),
    "desert_steppe": ((.213, 0, .758, 0, 0), (.122, 2.035, 0, 0, -.003), (.190, 0, .775, 0, 0)),
    "alpine_meadow": ((-.321, 7.198, -.208, 2.854, 0), (-.264, 3.826, .897, .804, .019),
                      (-.520, 6.947, 0, 1.318, .020)),
}
TANG_TYPES, TANG_SEASONS = tuple(_TANG), ("growing", "dormant", "year")
_TANG_DRIVERS = (Driver("the enhanced vegetation index", ("evi",)), Driver("leaf area", ("lai",)), LSWI,
                 Driver("the temperature of the surface by day", ("lst_day",)))


def tang_2020(kind: str, season: str) -> tuple[Equation, list[float]]:
    """Return the published equation of a grassland type and season, and its coefficients.

    They give g C m-2 d-1; a coefficient that the authors leave out takes its driver with it.

    Parameters
    ----------
    kind : str
        One of `TANG_TYPES`.
    season : str
        One of `TANG_SEASONS`.

    References
    ----------
    Tang, X. et al. (2020). Carbon Balance and Management 15, 6. doi:10.1186/s13021-020-00141-8
    """
    constant, *slopes = _TANG[kind][TANG_SEASONS.index(season)]
    used = [k for k, slope in enumerate(slopes) if slope]
    drivers = tuple(_TANG_DRIVERS[k] for k in used)
    names = ("c0", *(drivers[at].names[0] for at in range(len(used))))
    parameters = tuple(Parameter(name, "flux" if name in ("c0", "evi", "lswi") else
                                 "flux per degC" if name == "lst_day" else "flux per m2 m-2", 0.0, 0.0, (0.0, 0.0))
                       for name in names)

    def function(x: Arrays, p: Numbers) -> np.ndarray:
        return p[0] + sum(slope * values for slope, values in zip(p[1:], x))

    return Equation(f"{kind}, {season}", drivers, parameters, function), [constant, *(slopes[k] for k in used)]
