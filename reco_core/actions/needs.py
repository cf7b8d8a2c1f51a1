"""What each method and each derivation needs, and what of it is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable

from ..catalogue import MODELS, get_step
from ..catalogue.derive import DERIVE_STEPS
from ..drivers.indices import BANDS
from ..drivers.phenology import NAMES as PHENOLOGY
from ..io.describe.description import Holds
from ..models.registry import make_model
from ..vocabulary import VARIABLES
from .water import HEIGHT, HUMIDITY, NEEDS, RADIATION

# the drivers of Zhao & Zhu (2025), as in protocols/ciml_ter.toml
PUBLISHED = ("lst_day", "lst_night", "lswi", "soc_0", "soc_10", "soc_30", "lai", "ci", "pv", "npv", "bs", "nirv",
             "v_top", "v_bottom", "v75", "v50", "v25", "l75", "l50", "l25", "season_area")
PUBLISHED_BY = "causal_xgboost"
INDICES = ("ndvi", "evi", "nirv")
VEGETATION = (*INDICES, "lai", "fapar")
SERIES_STEPS = ("day", "8day", "16day", "month")
SEASON = ("doy_sin", "season_sin", "season_cos", "day_length", "latitude_abs")
SOIL = {"soc_density": ("oc", "bulk_density"), "texture": ("clay", "silt", "sand")}
GENERAL = ("aggregate", "smooth", "derive_annual", "derive_season")


@dataclass(frozen=True)
class Need:
    """One method or derivation.

    `able` tells whether it can be used with what is there, `text` says what it gives or still needs.
    """

    name: str
    able: bool
    text: str


def methods(holds: Holds) -> list[Need]:
    """Return for each model of the catalogue whether it could be fitted or applied, and what is still missing."""
    found = [_method(holds, name) for name in MODELS]
    if holds.where == "towers" and not holds.fluxes:
        return [Need(need.name, False, f"a column with the flux; {need.text}") for need in found]
    return found


def _boosting(holds: Holds, name: str) -> Need:
    here = [driver for driver in PUBLISHED if driver in holds.drivers]
    derivable = [driver for driver in possible(holds) if driver in PUBLISHED and driver not in here]
    missing = [driver for driver in PUBLISHED if driver not in (*here, *derivable)]
    words = [f"takes any drivers, here {len(holds.drivers)}"] if holds.drivers else ["drivers, from a grid"]
    if not missing and not derivable:
        words.append("all 21 of the published method are here")
    else:
        words.append(f"of the 21 of the published method {len(here)} are here")
        if derivable:
            words.append(f"{_short(derivable)} can be derived")
        words.append(f"still missing: {_short(missing)}" if missing else "none is missing then")
    return Need(name, bool(holds.drivers), "; ".join(words))


def _method(holds: Holds, name: str) -> Need:
    """Ask the method itself what it lacks."""
    if name == PUBLISHED_BY:
        return _boosting(holds, name)
    lacking = make_model(name).lacking(sorted(holds.drivers))
    if lacking:
        return Need(name, False, ", ".join(lacking))
    return Need(name, bool(holds.drivers), "all its drivers are here" if holds.drivers else "drivers, from a grid")


def derivations(holds: Holds) -> list[Need]:
    """Return for each derivation what it could make of the drivers of a grid, and what is still missing."""
    there = set(holds.drivers)
    needs = [_general(step.name, holds) for step in DERIVE_STEPS if step.name in GENERAL]
    needs += [_made("derive_indices", _indices(), there),
              _phenology(holds, there), _made("derive_soil", SOIL, there), _pet(holds, there), _spei(holds, there)]
    order = {step.name: number for number, step in enumerate(DERIVE_STEPS)}
    return sorted(needs, key=lambda need: order[need.name])


def _indices() -> dict[str, tuple[str, ...]]:
    return {name: BANDS[name] for name in get_step("derive_indices").param("indices").choices}


def possible(holds: Holds) -> list[str]:
    """Return the drivers that derivations could make of those of a grid, step after step."""
    if holds.where != "grid":
        return []
    there = set(holds.drivers)
    made = [name for name, bands in {**_indices(), **SOIL}.items()
            if set(bands) <= there]
    index = [name for name in INDICES if name in there or name in made]
    if index and holds.time_step in SERIES_STEPS:
        made += PHENOLOGY
    if _pet(holds, there).able:
        made.append("pet")
    return [name for name in made if name not in there]


def _general(name: str, holds: Holds) -> Need:
    dated = [driver for driver in holds.series if driver in VARIABLES or holds.where == "grid"]
    if name == "derive_season":
        return Need(name, bool(dated), f"{', '.join(SEASON)}" if dated else "drivers with dates")
    if not dated:
        return Need(name, False, "drivers with dates")
    if name == "aggregate":
        able = holds.time_step != "year"
        return Need(name, able, "longer time steps" if able else "time steps shorter than a year")
    if name == "derive_annual":
        able = holds.time_step != "year"
        return Need(name, able, "least, mean and largest value of the year" if able else
                    "time steps shorter than a year")
    index = [driver for driver in dated if driver in VEGETATION]
    able = bool(index) and holds.time_step in SERIES_STEPS
    return Need(name, able, f"smooth {', '.join(index)}" if able else
                f"a vegetation series ({', '.join(INDICES)}, ...) of daily to monthly steps")


def _made(name: str, needs: dict[str, tuple[str, ...]], there: set[str]) -> Need:
    able = [made for made, parts in needs.items() if set(parts) <= there]
    lacking = {made: [part for part in parts if part not in there] for made, parts in needs.items() if made not in able}
    text = ", ".join(able)
    if lacking:
        wanted = "; ".join(f"{made}: {', '.join(parts)}" for made, parts in _alike(lacking).items())
        text = f"{text} (still missing for {wanted})" if able else f"for {wanted}"
    return Need(name, bool(able), text)


def _alike(lacking: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return what is lacking with results that lack the same in one entry."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for made, parts in lacking.items():
        groups.setdefault(tuple(parts), []).append(made)
    return {", ".join(made): list(parts) for parts, made in groups.items()}


def _phenology(holds: Holds, there: set[str]) -> Need:
    index = [name for name in INDICES if name in there]
    if index and holds.time_step in SERIES_STEPS:
        return Need("derive_phenology", True, f"nine variables a year of {index[0]} (v_top to season_area)")
    if index:
        return Need("derive_phenology", False, f"{index[0]} at daily to monthly steps")
    return Need("derive_phenology", False, "a vegetation index (ndvi, evi or nirv) with dates")


def _pet(holds: Holds, there: set[str]) -> Need:
    able = []
    if "ta" in there and holds.time_step == "month":
        able.append("thornthwaite")
    if set(NEEDS["hargreaves"]) <= there:
        able.append("hargreaves")
    if set(NEEDS["penman_monteith"]) <= there and all(set(group) & there for group in (RADIATION, HUMIDITY, HEIGHT)):
        able.append("penman_monteith")
    if able:
        return Need("derive_pet", True, f"pet by {', '.join(able)}")
    return Need("derive_pet", False, "monthly ta (thornthwaite), or tmin and tmax (hargreaves), or these with wind, "
                                     "radiation, humidity and elevation or pa (penman_monteith)")


def _spei(holds: Holds, there: set[str]) -> Need:
    if "precip" not in there:
        return Need("derive_spei", False, "monthly precip (for spi), and pet beside it (for spei)")
    if holds.time_step != "month":
        return Need("derive_spei", False, "monthly steps: aggregate to months first")
    if "pet" in there:
        return Need("derive_spei", True, "spei and spi at any scale")
    more = "derive_pet first for spei" if _pet(holds, there).able else "spei needs pet"
    return Need("derive_spei", True, f"spi at any scale ({more})")


def _short(names: Iterable[str], most: int = 21) -> str:
    listed = list(names)
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")
