"""Quality bits of satellite products: which pixels are kept.

Bits are counted from 0, the least significant. Each function takes whole numbers and returns
bool of the same shape: True where the value is kept. `standard` is the rule of the guide, `strict`
keeps only the best.

References
----------
Vermote, E. F. et al. (2015). MOD09 User's Guide v1.4. Wan, Z. (2013). MOD11 User's Guide, collection 6.
Didan, K. et al. (2015). MOD13 User's Guide, collection 6. Myneni, R. et al. (2015). MOD15 User's Guide,
collection 6. Schaaf, C. (2014). MCD43 User's Guide, collection 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Mapping, Optional

import numpy as np

from ..errors import ConfigError

LEVELS = ("standard", "strict", "none")
CLEAR, ASSUMED_CLEAR = 0, 3
HIGH_AEROSOL = 3
MOST_CIRRUS = {"standard": 1, "strict": 0}
USEFUL = 8  # 0 the best, 15 not useful
TWO_KELVIN = 1  # class of the error of land surface temperature
SATURATED = 1
NADIR_SHARE = 0.3  # of a month; with fewer full inversions, magnitude inversions are taken too
SUM_OF_FRACTIONS, TOLERANCE = 100.0, 5.0


def bits(values: Any, first: int, last: Optional[int] = None) -> np.ndarray:
    """Return the number that some bits of whole numbers make.

    Parameters
    ----------
    values : array of int
    first, last : int
        Bits, both included; one bit where `last` is left out.

    Examples
    --------
    >>> bits(np.array([0b1101000]), 3, 6)
    array([13])
    """
    width = (first if last is None else last) - first + 1
    return (np.asarray(values) >> first) & ((1 << width) - 1)


def reflectance(state: Any, *, level: str = "standard", aerosol: bool = False, snow: bool = False) -> np.ndarray:
    """Return which values of MOD09A1 are kept by its state flags (StateQA).

    Parameters
    ----------
    state : array of int
    level : {"standard", "strict"}
        standard: clear or assumed clear, no cloud shadow, at most little cirrus, no cloud by the internal
        test, no snow. strict: also clear for sure, no cirrus and not beside a cloud.
    aerosol : bool
        Also reject high aerosol: for the blue band, which only EVI uses; strict does so for all bands.
    snow : bool
        Keep snow.
    """
    cloud = bits(state, 0, 1)
    keep = (cloud == CLEAR) | ((cloud == ASSUMED_CLEAR) & (level != "strict"))
    keep &= (bits(state, 2) == 0) & (bits(state, 10) == 0) & (bits(state, 8, 9) <= MOST_CIRRUS[level])
    if level == "strict":
        keep &= bits(state, 13) == 0
    if aerosol or level == "strict":
        keep &= bits(state, 6, 7) != HIGH_AEROSOL
    if not snow:
        keep &= (bits(state, 12) == 0) & (bits(state, 15) == 0)
    return np.asarray(keep)


def temperature(quality: Any, *, level: str = "standard") -> np.ndarray:
    """Return which values of MOD11 are kept by QC_Day or QC_Night.

    standard: good, or other quality with an error of at most 2 K; strict: good only.
    """
    mandatory = bits(quality, 0, 1)
    keep = mandatory == 0
    if level != "strict":
        keep |= (mandatory == 1) & (bits(quality, 6, 7) <= TWO_KELVIN)
    return np.asarray(keep)


def vegetation(summary: Any, detail: Any = None, *, level: str = "standard") -> np.ndarray:
    """Return which values of MOD13 are kept by pixel reliability (`summary`) and VI quality (`detail`).

    standard: good, or marginal with a usefulness of at most 8, no cloud beside or in it and no shadow;
    strict: good only, for which `detail` is not needed.
    """
    keep = np.asarray(summary) == 0
    if level != "strict":
        useful = bits(detail, 2, 5) <= USEFUL
        for bad in (8, 10, 15):
            useful &= bits(detail, bad) == 0
        keep = keep | ((np.asarray(summary) == 1) & useful)
    return np.asarray(keep)


def leaves(quality: Any, *, level: str = "standard") -> np.ndarray:
    """Return which values of MOD15 are kept by FparLai_QC.

    standard: main algorithm, saturated or not, without cloud; strict: not saturated, sure to be clear,
    detectors fine.
    """
    method, cloud = bits(quality, 5, 7), bits(quality, 3, 4)
    if level == "strict":
        return np.asarray((method == 0) & (cloud == CLEAR) & (bits(quality, 2) == 0) & (bits(quality, 0) == 0))
    return np.asarray((method <= SATURATED) & ((cloud == CLEAR) | (cloud == ASSUMED_CLEAR)))


def nadir(quality: Any) -> np.ndarray:
    """Return which values of MCD43A4 come of a full inversion, by the mandatory quality of their band."""
    return np.asarray(np.asarray(quality) == 0)


def nadir_fallback(quality: Any) -> np.ndarray:
    """Return which values of MCD43A4 come of a magnitude inversion: kept where full ones are rare in a month."""
    return np.asarray(np.asarray(quality) == 1)


def fractions(pv: Any, npv: Any, bs: Any) -> np.ndarray:
    """Return where the three fractions of cover [%] add up to 95 to 105."""
    total = np.asarray(pv, dtype="float32") + np.asarray(npv, dtype="float32") + np.asarray(bs, dtype="float32")
    return np.asarray(np.abs(total - SUM_OF_FRACTIONS) <= TOLERANCE)


Quality = Mapping[str, np.ndarray]
Keep = Callable[[str, Quality, str], np.ndarray]


@dataclass(frozen=True)
class Rule:
    """How a product is screened.

    Parameters
    ----------
    keep : function of driver, quality layers by key and level
        Returns what is kept.
    words : mapping of level to text
        The rule for people.
    without : mapping of level to keys
        Quality layers that a level does not need.
    fallback : function of quality layers, optional
        What is kept as well where less than `least_share` of the month's time steps are kept.
    """

    keep: Keep
    words: Mapping[str, str]
    without: Mapping[str, tuple[str, ...]]
    fallback: Optional[Callable[[Quality], np.ndarray]] = None
    least_share: float = 0.0


def _one(quality: Quality) -> np.ndarray:
    return next(iter(quality.values()))


def _keep_reflectance(driver: str, quality: Quality, level: str) -> np.ndarray:
    return reflectance(quality["state"], level=level, aerosol=driver == "blue", snow=driver == "snow_cover")


RULES: dict[str, Rule] = {
    "reflectance": Rule(_keep_reflectance, {
        "standard": "no cloud, shadow, snow nor more than little cirrus; blue also without high aerosol",
        "strict": "surely clear, no shadow, snow, cirrus, cloud nearby nor high aerosol"}, {}),
    "temperature": Rule(lambda driver, quality, level: temperature(_one(quality), level=level), {
        "standard": "good, or an error of at most 2 K", "strict": "good quality only"}, {}),
    "vegetation": Rule(
        lambda driver, quality, level: vegetation(quality["summary"], quality.get("detail"), level=level), {
            "standard": "good, or marginal with usefulness up to 8 and neither cloud nor shadow",
            "strict": "good quality only"}, {"strict": ("detail",)}),
    "leaves": Rule(lambda driver, quality, level: leaves(quality["qc"], level=level), {
        "standard": "main algorithm without cloud", "strict": "main algorithm, unsaturated, surely clear"}, {}),
    "nadir": Rule(lambda driver, quality, level: nadir(_one(quality)), {
        "standard": "full inversions; magnitude inversions too where under 30 % of a month's days are full",
        "strict": "full inversions only"}, {}, lambda quality: nadir_fallback(_one(quality)), NADIR_SHARE),
    "fractions": Rule(lambda driver, quality, level: fractions(quality["pv"], quality["npv"], quality["bs"]), {
        "standard": "fractions that add up to 95 to 105 %", "strict": "fractions that add up to 95 to 105 %"}, {}),
}


def rule(name: str, level: str) -> Optional[Rule]:
    """Return the rule of a product, or None where nothing is screened.

    Raises
    ------
    ConfigError
        The level is unknown.
    """
    if level not in LEVELS:
        raise ConfigError(f"There is no quality '{level}'", f"Choose from: {', '.join(LEVELS)}")
    return RULES[name] if name and level != "none" else None
