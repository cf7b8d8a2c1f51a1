"""Observations from a table with a row per site and time step."""

from __future__ import annotations

from typing import Mapping, Sequence

import numpy as np
import xarray as xr

from ...errors import GridError, SampleError, SchemaError
from ...vocabulary import VARIABLES, canonical_name, convert, to_canonical
from ...vocabulary.calendar import SUB_DAILY, infer_time_step, step_start
from ...vocabulary.ledger import note
from ..archives import Source
from ..tables import Table, read_table
from .assemble import add_source, assemble
from .chambers import days_of
from .columns import ROLES, TEXT_ROLES, classes, constant, numbers, parse_times, pick_columns, plain, texts
from .fluxnet_names import citation_of

BY_MINUTES = {30: "half-hour", 60: "hour"}
TOWER_COLUMNS = ("lat", "lon", "igbp", "network", "elevation")


def read_table_observations(source: Source, *, columns: Mapping[str, str] | None = None,
                            units: Mapping[str, str] | None = None, flux: str = "reco",
                            target: str = "") -> list[xr.Dataset]:
    """Read one table as observations: a dataset for each network that its rows name.

    Parameters
    ----------
    source : Source
    columns : mapping, optional
        RECO name -> column; a quoted text stands for a value that all rows share. Known names need none.
    units : mapping, optional
        RECO name -> unit of the column; canonical units are assumed otherwise.
    flux : str
    target : str
        Column preferred where several may hold the flux.

    Raises
    ------
    SchemaError
        A column is missing, a value or date cannot be read, or a unit is unknown.
    SampleError
        A site and time step stands in two rows of one network.
    """
    picked: dict[str, str] = {}

    def choose(names: list[str]) -> Sequence[str]:
        picked.update(pick_columns(names, source.label, columns or {}, flux, target))
        if "site" not in picked:
            raise SchemaError(f"'{source.label}' has no site column",
                              "Name it, for example columns=\"site=STATION\", or give one site for all rows: "
                              "columns=\"site='My tower'\"; columns: " + ", ".join(names[:60]))
        return [column for column in picked.values() if constant(column) is None]

    table = read_table(source, choose, text_columns=lambda names: [
        name for name in names if name in [picked.get(role) for role in TEXT_ROLES]])
    sites = _sites(table, picked["site"])
    times, step = parse_times(table, picked)
    step = step or _time_step(sites, times, source.label)
    if step not in SUB_DAILY:
        times = step_start(times, step)
    towers = {name: classes(texts(table, picked[name])) if name == "igbp" else
              texts(table, picked[name]) if name in TEXT_ROLES else numbers(table, picked[name])
              for name in TOWER_COLUMNS if name in picked}
    networks = towers.get("network", np.full(sites.size, "", dtype=object))
    _refuse_doubles(table, sites, times, networks)
    _check_position(table, sites, towers)
    asked = {canonical_name(key) or plain(key): unit for key, unit in (units or {}).items()}
    values = _values(table, picked, asked, flux, times, step)
    parts = []
    for network in dict.fromkeys(networks):
        rows = networks == network
        ds = assemble(sites[rows], times[rows], {name: part[rows] for name, part in values.items()},
                      {name: part[rows] for name, part in towers.items()}, flux=flux, time_step=step, units=asked)
        ds.attrs["history"] = f"read from {source.label}: {flux} = {picked[flux]}"
        ds.attrs["citation"] = citation_of(str(network))
        add_source(ds, file=source.label, network=str(network), citation=ds.attrs["citation"])
        parts.append(ds)
    _remark(parts, table, picked, flux)
    return parts


def _sites(table: Table, column: str) -> np.ndarray:
    sites = texts(table, column)
    if (sites == "").any():
        at = int(np.argmax(sites == ""))
        raise SchemaError(f"'{table.label}', column '{column}', {table.row(at)}: there is no site",
                          "Give every row a site code")
    return sites


def _values(table: Table, picked: Mapping[str, str], units: Mapping[str, str], flux: str, times: np.ndarray,
            step: str) -> dict[str, np.ndarray]:
    for name in units:
        if name not in picked:
            raise SchemaError(f"A unit is given for '{name}', but '{table.label}' has no such column",
                              "Known here: " + ", ".join(name for name in picked if name not in ROLES))
    sub_daily = step in SUB_DAILY
    if sub_daily and flux not in units:
        raise SchemaError(f"'{table.label}', column '{picked[flux]}': the unit of {flux} is not stated, which must be "
                          f"for data of time step '{step}'", f"State it: units=\"{flux}=umol CO2 m-2 s-1\"")
    values = {}
    for name, column in picked.items():
        if name in TOWER_COLUMNS or (name in ROLES and name not in ("qc", "uncertainty")):
            continue
        raw = numbers(table, column)
        unit = units.get(name)
        try:
            if name == "qc":
                values[name] = _quality(table, column, raw if unit is None else convert(raw, unit, "1"), step)
            elif unit is None:
                values[name] = raw
            else:
                # a total per month or year is one of its own month or year, whatever the time step
                days = SUB_DAILY[step] if sub_daily else days_of(unit, times, step)
                values[name] = to_canonical(flux if name == "uncertainty" else name, raw, unit, days=days)
        except SchemaError as error:
            raise SchemaError(f"'{table.label}', column '{column}' ({name}): {error.message}", error.hint) from error
    return values


def _quality(table: Table, column: str, qc: np.ndarray, step: str) -> np.ndarray:
    high = 3 if step in SUB_DAILY else 1
    bad = (qc < 0) | (qc > high)
    if bad.any():
        at = int(np.argmax(bad))
        wanted = "flags 0 to 3" if high == 3 else "a share from 0 to 1"
        raise SchemaError(f"'{table.label}', column '{column}', {table.row(at)}: quality {qc[at]:g} does not fit "
                          f"data of time step '{step}', where it is {wanted}",
                          "Give the unit of percentages (units=\"qc=%\"), or name another column (columns=\"qc=...\")")
    return qc


def _check_position(table: Table, sites: np.ndarray, towers: dict[str, np.ndarray]) -> None:
    for name, limit in (("lat", 90.0), ("lon", 360.0)):
        values = towers.get(name)
        if values is not None and (np.abs(values) > limit).any():
            at = int(np.argmax(np.abs(values) > limit))
            raise SchemaError(f"'{table.label}', {table.row(at)}: {name} of site '{sites[at]}' is {values[at]:g}",
                              f"|{name}| is at most {limit:g}; are latitude and longitude swapped?")
    if "lon" in towers:
        towers["lon"] = np.where(towers["lon"] > 180, towers["lon"] - 360, towers["lon"])


def _refuse_doubles(table: Table, sites: np.ndarray, times: np.ndarray, networks: np.ndarray) -> None:
    """Raise if a site and time step stands in two rows of one network, naming both."""
    order = np.lexsort((times, networks.astype(str), sites.astype(str)))
    same = ((sites[order][1:] == sites[order][:-1]) & (times[order][1:] == times[order][:-1])
            & (networks[order][1:] == networks[order][:-1]))
    if same.any():
        at = int(np.argmax(same))
        one, two = sorted((int(order[at]), int(order[at + 1])))
        more = f" ({int(same.sum())} such pairs)" if same.sum() > 1 else ""
        raise SampleError(f"'{table.label}': site '{sites[one]}' has {times[one]} twice, in {table.row(one)} and "
                          f"{table.row(two)}{more}",
                          "Keep one row per site and time step, or name the right time column")


def _time_step(sites: np.ndarray, times: np.ndarray, label: str) -> str:
    """Return the time step whose gap is most frequent within sites."""
    order = np.lexsort((times, sites.astype(str)))
    gaps = np.diff(times[order])[sites[order][1:] == sites[order][:-1]].astype("int64")
    gaps = gaps[gaps > 0]
    if gaps.size == 0:
        raise SchemaError(f"'{label}' has one date per site, which does not tell the time step",
                          "Give the date as YYYYMM for months or YYYY for years, or use columns year and month")
    sizes, counts = np.unique(gaps, return_counts=True)
    typical = int(sizes[np.argmax(counts)])
    if typical // 60 in BY_MINUTES:
        return BY_MINUTES[typical // 60]
    if typical < 86400:
        raise SchemaError(f"'{label}' has a row every {typical / 60:g} minutes", "Wanted: 30 or 60 minutes, or days")
    try:
        return infer_time_step(np.array([0, round(typical / 86400)], dtype="datetime64[D]"))
    except GridError as error:
        raise SchemaError(f"'{label}': {error}", "Use daily, 8-day, weekly, monthly or annual data") from error


def _remark(parts: Sequence[xr.Dataset], table: Table, picked: Mapping[str, str], flux: str) -> None:
    """Put into the ledger what a user should know of how the table was understood."""
    ds = parts[0]
    shown = ", ".join(f"{name} = {column}" for name, column in picked.items() if name not in (flux, "site"))
    note(ds, "columns read", 0, detail=f"{table.label}: {shown}")
    swc = np.concatenate([part["swc"].values.ravel() if "swc" in part else [np.nan] for part in parts])
    if np.isfinite(swc).any() and np.nanmax(swc) <= 1:
        note(ds, "soil water content looks like a fraction but is read as %", 0,
             detail=f"{table.label}, column {picked['swc']}; mend it with units=\"swc=m3 m-3\"")
    if "qc" not in picked:
        note(ds, "no quality column: quality is not checked", 0, detail=table.label)
    for part in parts:
        for name in (flux, *VARIABLES):
            if name in part and name in picked:
                part[name].attrs["source_column"] = picked[name]
