"""Columns that the blend makes of drivers: what temperature, leaves and water do together, now and over the year.

Each column is made of one or more drivers (its parents) and of the monthly means of the place; those without
parents tell the season and its sunlight. Columns whose drivers are not there are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional, Sequence

import numpy as np

from ..vocabulary.astronomy import day_length, extraterrestrial_radiation
from .context import MONTHS, View

LLOYD_TAYLOR = 308.56  # [K]
T_REF, T_ZERO = 56.02, 46.02
COLDEST = -40.0
SOFT_WATER = 10 / 30.4  # [mm d-1]
SOFT_ARIDITY = 0.3  # [mm d-1]
YEAR = 365.25
MID_MONTH = np.array([15, 46, 74, 105, 135, 166, 196, 227, 258, 288, 319, 349], dtype="float64")
ROLES = {"warmth": ("ta", "lst_day", "ts"), "soil": ("ts", "lst_night"), "leaf": ("lai", "nirv", "evi", "ndvi"),
         "rain": ("precip",), "water": ("swc",)}


@dataclass(frozen=True)
class Term:
    """A column: its name, the roles of its parents and how it is computed."""

    name: str
    parents: tuple[str, ...]
    compute: Callable[[Now], np.ndarray]


class Now:
    """The drivers of rows by their role, their monthly means and the sunlight of the day."""

    def __init__(self, view: View, columns: dict[str, int]) -> None:
        assert view.climate is not None and view.lat is not None and view.day is not None
        self._view, self._columns, self._lat, self._day = view, columns, view.lat, view.day
        self._kept: dict[str, np.ndarray] = {}

    def own(self, role: str) -> np.ndarray:
        """Return a driver at the row's time, shape (n,)."""
        return self._view.own[:, self._columns[role]]

    def months(self, role: str) -> np.ndarray:
        """Return the monthly means of a driver, shape (n, 12)."""
        assert self._view.climate is not None
        return self._view.climate[:, :, self._columns[role]]

    def once(self, name: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """Return what several columns need, computed once."""
        if name not in self._kept:
            self._kept[name] = compute()
        return self._kept[name]

    def phase(self, turn: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Return the sine or cosine of the season, which is half a year later in the south."""
        return turn(2 * np.pi * self._day / YEAR + np.where(self._lat < 0, np.pi, 0.0))

    @property
    def daylight(self) -> np.ndarray:
        """Length of the day, (n,) [h]."""
        return _where_known(day_length, self._lat, self._day)

    @property
    def sun(self) -> np.ndarray:
        """Radiation above the air on the day, (n,) [MJ m-2 d-1]."""
        return self.once("sun", lambda: _sun(self._lat, self._day))

    @property
    def suns(self) -> np.ndarray:
        """Radiation above the air in the middle of each month, (n, 12) [MJ m-2 d-1]."""
        return self.once("suns", lambda: _sun(np.repeat(self._lat[:, None], MONTHS, axis=1),
                                              np.repeat(MID_MONTH[None], len(self._lat), axis=0)))

    @property
    def demand(self) -> np.ndarray:
        """Potential evapotranspiration after Oudin, (n,) [mm d-1]."""
        return self.once("demand", lambda: oudin(self.own("warmth"), self.sun))

    @property
    def rain3(self) -> np.ndarray:
        """Precipitation now and in the two months before as they usually are, (n,) [mm d-1]."""
        def compute() -> np.ndarray:
            month = np.clip(np.searchsorted(MID_MONTH + 15.5, self._day), 0, MONTHS - 1)
            usual, rows = self.months("rain"), np.arange(len(month))
            return (self.own("rain") + usual[rows, month - 1] + usual[rows, month - 2]) / 3
        return self.once("rain3", compute)


def lloyd_taylor(warmth: np.ndarray) -> np.ndarray:
    """Return the response to temperature [degC], 1 at 10 degC."""
    return np.exp(LLOYD_TAYLOR * (1 / T_REF - 1 / (np.maximum(warmth, COLDEST) + T_ZERO)))


def oudin(warmth: np.ndarray, sun: np.ndarray) -> np.ndarray:
    """Return potential evapotranspiration [mm d-1] from temperature [degC] and radiation above the air [MJ m-2 d-1].

    References
    ----------
    Oudin, L. et al. (2005). J. Hydrol. 303, 290-306. doi:10.1016/j.jhydrol.2004.08.026
    """
    return np.maximum(0.0, warmth + 5) * sun * 0.408 / 100


def light_use(leaf: np.ndarray, sun: np.ndarray, warmth: np.ndarray) -> np.ndarray:
    """Return an index of what leaves could take up: leaves times sunlight, less when cold."""
    return np.log1p(np.maximum(leaf, 0.0)) * sun * np.clip((warmth + 2) / 20, 0, 1)


def _sun(lat: np.ndarray, day: np.ndarray) -> np.ndarray:
    return _where_known(extraterrestrial_radiation, lat, day)


def _where_known(function: Callable[..., np.ndarray], lat: np.ndarray, day: np.ndarray) -> np.ndarray:
    known = np.isfinite(lat) & np.isfinite(day)
    return np.where(known, function(np.where(known, lat, 0.0), np.where(known, day, 1.0)), np.nan)


def _span(now: Now, role: str) -> tuple[np.ndarray, np.ndarray]:
    months = now.months(role)
    return months.min(axis=1), months.max(axis=1)


def _water(now: Now) -> np.ndarray:
    low, high = now.once("water_low", lambda: _span(now, "water")[0]), now.once("water_high",
                                                                                lambda: _span(now, "water")[1])
    return (now.own("water") - low) / (high - low + 1)


def _aridity(now: Now) -> np.ndarray:
    demand = oudin(now.months("warmth"), now.suns).mean(axis=1)
    return now.months("rain").mean(axis=1) / (demand + SOFT_ARIDITY)


def _warm(now: Now) -> np.ndarray:
    return now.once("warm", lambda: lloyd_taylor(now.own("warmth")))


TERMS = (
    Term("warm", ("warmth",), _warm),
    Term("warm_soil", ("soil",), lambda now: lloyd_taylor(now.own("soil"))),
    Term("air_less_soil", ("warmth", "soil"), lambda now: now.own("warmth") - now.own("soil")),
    Term("leaf_warm", ("leaf", "warmth"), lambda now: now.own("leaf") * _warm(now)),
    Term("leaf_max_warm", ("leaf", "warmth"), lambda now: now.months("leaf").max(axis=1) * _warm(now)),
    Term("leaf_mean_warm", ("leaf", "warmth"), lambda now: now.months("leaf").mean(axis=1) * _warm(now)),
    Term("leaf_share", ("leaf",), lambda now: now.own("leaf") / (now.months("leaf").max(axis=1) + 0.1)),
    Term("light_use", ("leaf", "warmth"), lambda now: light_use(now.own("leaf"), now.sun, now.own("warmth"))),
    Term("light_use_year", ("leaf", "warmth"),
         lambda now: light_use(now.months("leaf"), now.suns, now.months("warmth")).mean(axis=1)),
    Term("wet", ("rain", "warmth"), lambda now: now.own("rain") / (now.demand + SOFT_WATER)),
    Term("wet3", ("rain", "warmth"), lambda now: now.rain3 / (now.demand + SOFT_WATER)),
    Term("warm_wet", ("warmth", "rain"),
         lambda now: _warm(now) * np.clip(now.rain3 / np.maximum(now.demand, 1e-3), 0, 1)),
    Term("wet_year", ("rain", "warmth"), _aridity),
    Term("water_share", ("water",), _water),
    Term("season_sin", (), lambda now: now.phase(np.sin)),
    Term("season_cos", (), lambda now: now.phase(np.cos)),
    Term("sunlight", (), lambda now: now.sun),
    Term("daylight", (), lambda now: now.daylight),
)


@dataclass(frozen=True)
class Terms:
    """The columns that can be made of some drivers.

    Parameters
    ----------
    features : tuple of str
    """

    features: tuple[str, ...]

    @property
    def columns(self) -> dict[str, int]:
        """Return which driver has each role."""
        found: dict[str, int] = {}
        for role, names in ROLES.items():
            known: Optional[str] = next((name for name in names if name in self.features), None)
            if known is not None and self.features.index(known) not in found.values():
                found[role] = self.features.index(known)
        return found

    @property
    def terms(self) -> tuple[Term, ...]:
        """Return the terms whose parents are there."""
        return tuple(term for term in TERMS if set(term.parents) <= set(self.columns))

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all columns: the drivers, then the terms."""
        return (*self.features, *(term.name for term in self.terms))

    def values(self, view: View) -> np.ndarray:
        """Return the columns, shape (n, p + number of terms)."""
        now = Now(view, self.columns)
        with np.errstate(invalid="ignore", over="ignore"):
            made = [term.compute(now) for term in self.terms]
        return np.column_stack([view.own, *made])

    def shares(self) -> np.ndarray:
        """Return whose a column's contribution is, shape (columns, p + 1).

        Equal parts of it go to its parents; that of columns without parents to the season, which stands last.
        """
        p = len(self.features)
        result = np.zeros((p + len(self.terms), p + 1))
        result[:p, :p] = np.eye(p)
        for row, term in enumerate(self.terms, p):
            parents: Sequence[int] = [self.columns[role] for role in term.parents] or [p]
            result[row, parents] = 1 / len(parents)
        return result
