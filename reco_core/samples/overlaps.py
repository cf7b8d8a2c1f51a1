"""Towers that stand in several networks: each record is kept once, by a rule that the user sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import numpy as np
import xarray as xr

from ..errors import ConfigError, SampleError
from ..vocabulary.ledger import note
from ..vocabulary.variables import IGBP_CODES
from .grouping import distance_km, tower_groups

ORDER = ("FLUXNET2015", "Warm Winter 2020", "ICOS", "AmeriFlux")
SAME_TOWER_KM = 1.0
SAME_CODE_KM = 50.0
OTHERS = "others"
NOT_STATED = "no stated network"
Part = tuple[str, xr.Dataset]


@dataclass(frozen=True)
class _Tower:
    """One site of one network, and the rows of the tables that hold it."""

    network: str
    code: str
    lat: float
    lon: float
    igbp: str
    rows: tuple[tuple[int, int], ...]


def order_of_networks(text: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return all networks in the order in which they are preferred.

    Parameters
    ----------
    text : sequence of str
        Names that the user gave, in any case; empty for ORDER. Networks not named follow, sorted by name.
    known : sequence of str
        The networks that there are.

    Raises
    ------
    ConfigError
        A name is neither a network of the data nor one of ORDER.

    Examples
    --------
    >>> order_of_networks(["icos"], ["FLUXNET2015", "ICOS", "AmeriFlux"])
    ['ICOS', 'AmeriFlux', 'FLUXNET2015']
    """
    names = {name.casefold(): name for name in (*ORDER, *known)}
    chosen = []
    for name in text or ORDER:
        if name.casefold() == OTHERS:
            continue
        if name.casefold() not in names:
            raise ConfigError(f"'{name}' in overlaps is no network here",
                              "Networks: " + ", ".join(dict.fromkeys((*known, *ORDER))))
        chosen.append(names[name.casefold()])
    rest = sorted((name for name in set(known) if name not in chosen), key=lambda name: (name == "", name))
    return [name for name in dict.fromkeys((*chosen, *rest)) if name in known]


def resolve_overlaps(parts: Sequence[Part], order: Sequence[str] = (), distance: float = SAME_TOWER_KM) -> list[Part]:
    """Keep each record of a tower once, where several networks or files hold it.

    Two sites are the same tower if they have the same code, or if they are nearer than `distance`, no
    network has both codes (it would tell two towers apart), and their vegetation classes do not differ.
    Of the records of a tower at one time step, that of the first network in the order stays, as a
    whole; within a network a record that stands in several files stays once if the values are equal.

    Parameters
    ----------
    parts : sequence of (label, xarray.Dataset)
        Observations, of one time step, after quality control, so that a good record is never left
        out in favour of a bad one.
    order : sequence of str
        See `order_of_networks`.
    distance : float [km]

    Returns
    -------
    list of (label, xarray.Dataset)
        The same tables; what is dropped is missing there and stands in their ledgers.

    Raises
    ------
    SampleError
        Files of one network give different values for one site and time, or sites of one code
        stand further apart than SAME_CODE_KM.
    ConfigError
        The order names an unknown network.
    """
    towers = _towers(parts)
    networks = order_of_networks(order, list(dict.fromkeys(tower.network for tower in towers)))
    if len(parts) < 2 or len({ds.attrs["time_step"] for _, ds in parts}) > 1:
        return list(parts)
    work = [(label, ds.copy(deep=True)) for label, ds in parts]
    for tower in towers:
        _once_within(work, tower)
    dropped: set[tuple[str, str]] = set()
    for group in _groups(towers, distance):
        ranked = sorted((towers[at] for at in group), key=lambda tower: (networks.index(tower.network), tower.code))
        held: list[tuple[_Tower, np.ndarray]] = []
        for tower in ranked:
            for better, times in held:
                rivals = better.network != tower.network and _same(better, tower, ranked)
                if rivals and _drop(work, tower, better, times):
                    dropped.add((tower.network, tower.code))
            held.append((tower, _times(work, tower)))
    for _, ds in work:
        ds.attrs["overlaps"] = ", ".join(network or NOT_STATED for network in networks)
    if dropped:
        note(work[0][1], "rule for towers that several networks have: each time step is kept once, from the first of "
             + work[0][1].attrs["overlaps"], 0, detail=f"it applied to {len(dropped)} towers")
    return work


def _towers(parts: Sequence[Part]) -> list[_Tower]:
    """Return the sites of each network, in the order in which they first appear."""
    rows: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for part, (_, ds) in enumerate(parts):
        for row, (site, network) in enumerate(zip(ds["site"].values, ds["network"].values)):
            rows.setdefault((str(network), str(site)), []).append((part, row))
    towers = []
    for (network, code), places in rows.items():
        lat, lon = (next((float(parts[part][1][name].values[row]) for part, row in places
                          if np.isfinite(parts[part][1][name].values[row])), np.nan) for name in ("lat", "lon"))
        igbp = next((str(parts[part][1]["igbp"].values[row]) for part, row in places
                     if parts[part][1]["igbp"].values[row]), "").upper()
        towers.append(_Tower(network, code, lat, lon, igbp if igbp in IGBP_CODES.values() else "", tuple(places)))
    return towers


def _groups(towers: Sequence[_Tower], distance: float) -> list[list[int]]:
    """Return the towers that may be one, those of several networks only."""
    lat, lon = (np.array([getattr(tower, name) for tower in towers]) for name in ("lat", "lon"))
    _refuse_far(towers)
    groups: dict[int, list[int]] = {}
    for at, group in enumerate(tower_groups([tower.code for tower in towers], lat, lon, distance)):
        groups.setdefault(int(group), []).append(at)
    return [members for members in groups.values() if len({towers[at].network for at in members}) > 1]


def _refuse_far(towers: Sequence[_Tower]) -> None:
    """Raise if one code names places too far apart to be one tower."""
    first: dict[str, _Tower] = {}
    for tower in towers:
        other = first.setdefault(tower.code.strip().upper(), tower)
        apart = float(distance_km(*(np.array(value) for value in (tower.lat, tower.lon, other.lat, other.lon))))
        if apart > SAME_CODE_KM:
            raise SampleError(f"Site '{tower.code}' stands {apart:.0f} km apart in {other.network or 'one table'} and "
                              f"in {tower.network or 'another'}", "Give one of the two another code")


def _same(one: _Tower, two: _Tower, group: Sequence[_Tower]) -> bool:
    if one.code.upper() == two.code.upper():
        return True
    if one.igbp and two.igbp and one.igbp != two.igbp:
        return False
    codes: dict[str, set[str]] = {}
    for tower in group:
        codes.setdefault(tower.network, set()).add(tower.code.upper())
    return not any({one.code.upper(), two.code.upper()} <= told for told in codes.values())


def _times(work: Sequence[Part], tower: _Tower) -> np.ndarray:
    """Return the times at which a tower has a record."""
    found = []
    for part, row in tower.rows:
        ds = work[part][1]
        found.append(ds["time"].values[np.isfinite(ds[ds.attrs["flux_kind"]].values[row])])
    return np.unique(np.concatenate(found)) if found else np.empty(0, "datetime64[ns]")


def _drop(work: Sequence[Part], tower: _Tower, better: _Tower, times: np.ndarray) -> int:
    """Remove the records of a tower at these times; return how many."""
    count = 0
    for part, row in tower.rows:
        ds = work[part][1]
        lost = np.isin(ds["time"].values, times) & np.isfinite(ds[ds.attrs["flux_kind"]].values[row])
        if lost.any():
            _blank(ds, row, lost)
            other = "" if better.code == tower.code else f"{tower.code} is {better.code}: same place"
            reason = f"records of {tower.network or NOT_STATED} dropped in favour of {better.network or NOT_STATED}"
            note(ds, reason, int(lost.sum()), sites={tower.code: int(lost.sum())}, detail=other)
            count += int(lost.sum())
    return count


def _once_within(work: Sequence[Part], tower: _Tower) -> None:
    """Keep what stands in several files of one network once; refuse files that contradict each other."""
    seen: dict[np.datetime64, tuple[int, float]] = {}
    for part, row in tower.rows if len(tower.rows) > 1 else ():
        label, ds = work[part]
        flux = ds[ds.attrs["flux_kind"]].values[row]
        lost = np.zeros(flux.size, dtype=bool)
        for at in np.flatnonzero(np.isfinite(flux)):
            time = ds["time"].values[at]
            first, value = seen.setdefault(time, (part, float(flux[at])))
            lost[at] = first != part
            if lost[at] and not np.isclose(value, flux[at], rtol=1e-5, atol=1e-6):
                raise SampleError(f"Site '{tower.code}' of {tower.network or 'one network'} has different values at "
                                  f"{str(time)[:16].removesuffix('T00:00')}: {value:g} in '{work[first][0]}' and "
                                  f"{flux[at]:g} in '{label}'", "Keep one of the two files")
        if lost.any():
            _blank(ds, row, lost)
            note(ds, "records that stand in several files with equal values", int(lost.sum()),
                 sites={tower.code: int(lost.sum())})


def _blank(ds: xr.Dataset, row: int, lost: np.ndarray) -> None:
    for name in map(str, ds.data_vars):
        ds[name].values[row, lost] = np.nan
