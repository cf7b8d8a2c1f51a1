"""What tower files, tables, point layers and R files hold."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Mapping, Optional, Sequence

import numpy as np
import pandas as pd

from ...errors import RecoError, SchemaError
from ...vocabulary import VARIABLES, canonical_name
from ...vocabulary.calendar import SUB_DAILY, infer_time_step
from ..archives import Source, open_source
from ..drivers.layers import name_of_file
from ..observations.columns import ROLES, TEXT_ROLES, parse_times, plain, qc_column
from ..observations.fluxnet import DEFAULT_TARGET, DRIVERS, read_fluxnet
from ..observations.fluxnet_names import RESOLUTIONS, FluxnetFile
from ..r_files import read_rds
from ..tables import Table, read_table
from .description import STEP_WORDS, Column, Description, Holds, span_words, statistics

FLUXES = ("reco", "rs", "rh")
GOOD_SHARE = 0.75
MOST_COLUMNS = 250
MOST_OUTSIDE = 0.05
FILLED = 0.3
LONGEST_NAME = 40
_DERIVED = re.compile(r"trend|shap|weight|predict|error|_(sd|se|std|n|qc|flag)$")
_FLUX_WORDS = re.compile(r"reco|resp|(^|_)ter(_|$)")
_UNIT_IN_NAME = re.compile(
    r"_(gc?_?m2_?(?:month|d|day|yr|year)?|umol_?m2_?s|degc|deg_c|c|k|mm(?:_?(?:d|day|month|m))?|hpa|kpa|pa|w_?m2|pct|"
    r"percent|mj_?m2_?d|ppm|dn|m3m3)$", re.IGNORECASE)
_OWN = {
    frozenset({"reason", "site", "count", "detail"}): "Ledger that RECO wrote: what was left out and why",
    frozenset({"level", "name", "scheme", "r2_nse"}): "Scores that RECO wrote (evaluate)",
    frozenset({"driver", "site", "r2_pearson", "r2_nse", "bias"}): "Driver check that RECO wrote (check_drivers)",
    frozenset({"site", "year", "share_of_year", "site_share_passed"}): "Inventory that RECO wrote (inventory)",
    frozenset({"site", "time", "target", "group"}): "Samples that RECO wrote, as CSV",
}


def describe_tower(file: FluxnetFile) -> Description:
    """Return what a file of the ONEFlux family holds.

    Raises
    ------
    SchemaError, SampleError
        It is damaged; see `read_fluxnet`.
    """
    label = file.source.label
    names = header(file.source)
    fluxes = [name for name in names if re.match(r"RECO_", name, re.IGNORECASE)]
    upper = {name.upper() for name in names}
    step = RESOLUTIONS[file.resolution]
    kind = f"Tower file of the ONEFlux family ({STEP_WORDS.get(step, step)}, {file.grouping})"
    facts = [("site", file.site), ("network", file.network)]
    target = next((name for name in (DEFAULT_TARGET, "RECO_DT_VUT_REF", *fluxes) if name.upper() in upper), None)
    read = f"reco read_observations --path {file.source.path}"
    if target is None:
        facts.append(("columns", f"{len(names)}, none of them RECO_*"))
        return Description(label, kind, tuple(facts), tuple(_drivers_in_header(names)),
                           ("It has no respiration: RECO does not read it",))
    ds = read_fluxnet(file, target=target)
    flux = ds["reco"].values[0]
    facts += [("period", span_words(ds["time"].values, step) if step not in SUB_DAILY else
               f"{str(ds['time'].values[0])[:16]} to {str(ds['time'].values[-1])[:16]}, {flux.size} steps"),
              ("flux", f"{target}: {int(np.isfinite(flux).sum())} of {flux.size} values"
               + (f"; {len(fluxes)} RECO columns, such as {', '.join(sorted(set(fluxes) - {target})[:3])}"
                  if len(fluxes) > 1 else "")),
              ("quality", _quality_words(ds["qc"].values[0], qc_column(target), step))]
    columns = [Column(target, "reco", "g C m-2 d-1", **statistics(flux))]
    by_reco = {name: column for column, name in DRIVERS.items()}
    for name in map(str, ds.data_vars):
        if name in by_reco:
            columns.append(Column(by_reco[name], name, str(ds[name].attrs.get("units", "")),
                                  **statistics(ds[name].values[0])))
    drivers = tuple(column.reco for column in columns[1:])
    return Description(label, kind, tuple(facts), tuple(columns),
                       ("Positions and vegetation classes are not in such files: give a table of them with --sites",),
                       Holds("towers", ("reco",), drivers, (), step), read)


def _drivers_in_header(names: Sequence[str]) -> list[Column]:
    upper = {name.upper(): name for name in names}
    found = [Column(upper[column], name) for column, name in DRIVERS.items() if column in upper]
    return found + [Column(name) for name in names if name not in [column.name for column in found]][:20]


def _quality_words(qc: np.ndarray, column: Optional[str], step: str) -> str:
    good = qc[np.isfinite(qc)]
    if not good.size:
        return f"{column or 'none'}: no value"
    if step in SUB_DAILY:
        return f"{column}: {100 * (good <= 1).mean():.0f} % of the flags are 0 or 1"
    return f"{column}: {100 * (good >= GOOD_SHARE).mean():.0f} % of the values are {GOOD_SHARE:g} or better"


def header(source: Source) -> list[str]:
    """Return the column names of a text table.

    Raises
    ------
    SchemaError
        It ends in the middle of its first line.
    """
    with open_source(source) as stream:
        head = stream.read(2**18)
    lines = head.decode("utf-8-sig", errors="replace").splitlines()
    first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    if not head.endswith((b"\n", b"\r")) and len(lines) < 2:
        raise SchemaError(f"'{source.label}' is cut off in its first line", "Download or copy it again")
    mark = max(",;\t", key=lambda item: (first.count(item), item == ","))
    return [name.strip().strip('"') for name in first.split(mark)]


def describe_table(source: Source, path: str, kind: str = "Table") -> Description:
    """Return what a text table, parquet file or point layer holds, with guesses of what its columns are.

    Raises
    ------
    SchemaError
        It is no regular table.
    """
    table = read_table(source, lambda names: names[:MOST_COLUMNS], text_columns=lambda names: [
        name for name in names if any(plain(name) in ROLES[role] for role in TEXT_ROLES)])
    return describe_frame(table, path, kind)


def is_filled(found: Description) -> bool:
    """Return whether most columns of a table have values, unlike those of a text with commas."""
    gaps = [column.gaps for column in found.columns if column.gaps is not None]
    empty = sum(column.note == "empty" for column in found.columns)
    return len(found.columns) > 1 and empty <= len(found.columns) / 2 and not any(
        " " in column.name.strip() and len(column.name) > LONGEST_NAME for column in found.columns) and (
        not gaps or float(np.median(gaps)) <= 1 - FILLED)


def describe_rds(source: Source) -> Description:
    """Return what an RDS file holds that R wrote.

    Raises
    ------
    SchemaError
        It is damaged.
    """
    try:
        frame = read_rds(source)
    except RecoError as error:
        if "holds no data frame" not in error.message:
            raise
        return Description(source.label, "R object (RDS)", notes=(f"{error.message}; {error.hint}",))
    if not len(frame.columns):
        return Description(source.label, "R data frame (RDS) without columns")
    return describe_frame(Table(frame, source.label), str(source.path), "R data frame (RDS)")


def describe_frame(table: Table, path: str, kind: str) -> Description:
    """Return what a table holds: roles and drivers by name, dates, sites, gaps and ranges."""
    frame = table.frame
    own = next((words for marks, words in _OWN.items() if marks <= set(map(str, frame.columns))), "")
    roles = _roles(list(map(str, frame.columns)))
    facts = [("rows", f"{len(frame):,}, {len(frame.columns)} columns")]
    step, period = _period(table, roles)
    facts += [(key, text) for key, text in (
        ("sites", _sites(table, roles.get("site"))), ("period", period), ("place", _place(table, roles)),
        ("classes", _classes(table, roles.get("igbp")))) if text]
    columns = [_column(table, str(name), roles) for name in frame.columns]
    if own:
        shown = tuple(replace(column, reco="", note=column.note if column.low is None else "") for column in columns)
        return Description(table.label, own, tuple(facts[:1]), shown)
    columns.sort(key=lambda column: (not column.reco, column.reco.endswith("?")))
    sure = {column.reco for column in columns if column.reco and not column.reco.endswith("?")}
    fluxes = tuple(name for name in FLUXES if name in sure)
    drivers = tuple(name for name in VARIABLES if name in sure and VARIABLES[name].group != "flux")
    useful = bool(fluxes or any(column.reco.rstrip("?") in FLUXES for column in columns))
    return Description(table.label, kind, tuple(facts), tuple(columns), tuple(_table_notes(columns, roles, fluxes)),
                       Holds("towers" if useful else "", fluxes, drivers, (), step),
                       f"reco read_observations --path {path}{_map_words(columns)}" if useful else "")


def _roles(names: Sequence[str]) -> dict[str, str]:
    by_plain = {plain(name): name for name in reversed(names)}
    found = {}
    for role, spellings in ROLES.items():
        name = next((by_plain[key] for key in spellings if key in by_plain), None)
        if name is not None:
            found[role] = name
    return found


def _column(table: Table, name: str, roles: Mapping[str, str]) -> Column:
    """Return a column with the best guess of what it is."""
    role = next((key for key, column in roles.items() if column == name), "")
    values = _numbers(table.frame[name])
    if role in ("site", "time", "year", "month", "day", "doy", "igbp", "network"):
        return Column(name, role)
    found = role or canonical_name(name) or ""
    if values is None:
        return Column(name, found if found in ROLES else "", note=_texts(table.frame[name]))
    if not found:
        found = _guess(name)
    unit = _UNIT_IN_NAME.search(name)
    note = f"its name says {unit[1]}" if unit and found else ""
    numbers = statistics(values)
    if found in VARIABLES and _does_not_fit(values, found):
        note = f"values do not fit {found} [{VARIABLES[found].unit}]"
        found = "" if found in ("rs", "rh") else found  # relative humidity and radiation go by these names, too
    return Column(name, found, note=note, **numbers)


def _guess(name: str) -> str:
    """Return what a column perhaps is, from a part of its name that RECO knows."""
    text = plain(name)
    guess, partly = name_of_file(name, {})
    if not partly or canonical_name(guess) is None or _DERIVED.search(text):
        return ""
    if guess in FLUXES and not _FLUX_WORDS.search(text):
        return ""
    return "ts?" if guess == "ta" and "soil" in text else f"{guess}?"


def _does_not_fit(values: np.ndarray, name: str) -> bool:
    """Return whether many values are outside the valid range of a driver in its canonical unit."""
    known, good = VARIABLES[name], values[np.isfinite(values)]
    return bool(good.size) and float(((good < known.low) | (good > known.high)).mean()) > MOST_OUTSIDE


def _numbers(raw: pd.Series) -> Optional[np.ndarray]:
    """Return a column as numbers with -9999 as NaN, or None where it is text."""
    if pd.api.types.is_bool_dtype(raw.dtype) or pd.api.types.is_datetime64_any_dtype(raw.dtype):
        return None
    values = pd.to_numeric(raw, errors="coerce").to_numpy("float64", na_value=np.nan, copy=True)
    if np.isnan(values).sum() > raw.isna().sum() + 0.5 * len(raw):
        return None
    values[values <= -9990] = np.nan
    return values


def _texts(raw: pd.Series) -> str:
    found = raw.dropna().astype(str)
    if found.empty:
        return "empty"
    kinds = found.unique()
    return f"text, {len(kinds)} value{'s' * (len(kinds) > 1)} such as {kinds[0][:24]!r}"


def _period(table: Table, roles: Mapping[str, str]) -> tuple[str, str]:
    """Return the time step and the period in words, as far as the dates can be read."""
    if not {"time", "year"} & set(roles):
        return "", ""
    try:
        times, step = parse_times(table, roles)
    except RecoError:
        return "", "dates that RECO does not read as they stand"
    step = step or _step_of(table, times, roles.get("site"))
    return step, span_words(times, step)


def _step_of(table: Table, times: np.ndarray, site: Optional[str]) -> str:
    rows = np.ones(times.size, dtype=bool)
    if site is not None:
        sites = table.texts(site)
        rows = sites == sites[0]
    gaps = np.diff(np.unique(times[rows])).astype("timedelta64[m]").astype(int)
    if not gaps.size:
        return ""
    if np.median(gaps) < 1440:
        return {30: "half-hour", 60: "hour"}.get(int(np.median(gaps)), "")
    try:
        return infer_time_step(np.unique(times[rows]))
    except RecoError:
        return ""


def _sites(table: Table, column: Optional[str]) -> str:
    if column is None:
        return ""
    sites = np.unique(table.texts(column).astype(str))
    return f"{sites.size}: {', '.join(sites[:6])}" + (", ..." if sites.size > 6 else "")


def _classes(table: Table, column: Optional[str]) -> str:
    if column is None:
        return ""
    values = np.unique(table.texts(column).astype(str))
    return ", ".join(value or "none" for value in values[:12]) + (", ..." if values.size > 12 else "")


def _place(table: Table, roles: Mapping[str, str]) -> str:
    if not {"lat", "lon"} <= set(roles):
        return ""
    parts = []
    for role in ("lat", "lon"):
        values = _numbers(table.frame[roles[role]])
        good = values[np.isfinite(values)] if values is not None else np.empty(0)
        if not good.size:
            return ""
        parts.append(f"{role} {good.min():.4g} to {good.max():.4g}")
    return ", ".join(parts)


def _table_notes(columns: Sequence[Column], roles: Mapping[str, str], fluxes: Sequence[str]) -> list[str]:
    guessed = [column for column in columns if column.reco.rstrip("?") in FLUXES]
    if not guessed:
        return ["It has no column that RECO knows as respiration (reco, rs, rh); name it with --columns reco=COLUMN"]
    notes = []
    if not fluxes:
        notes.append(f"{guessed[0].name} is perhaps the flux; RECO takes it only where it is named with --columns")
    if "site" not in roles:
        notes.append("It has no site column that RECO knows: name it with --columns site=COLUMN")
    if not {"time", "year"} & set(roles):
        notes.append("It has no dates that RECO knows: name them with --columns time=COLUMN")
    if not {"lat", "lon"} <= set(roles):
        notes.append("It has no positions: give a table of sites with --sites")
    return [*notes, "A table states no units: RECO takes canonical ones (g C m-2 d-1, degC, mm d-1, hPa, W m-2) unless "
            "--units says otherwise"]


def _map_words(columns: Sequence[Column]) -> str:
    """Return the column map that a reading needs for guesses of fluxes."""
    if any(column.reco in FLUXES for column in columns):
        return ""
    guess = next((column for column in columns if column.reco.rstrip("?") in FLUXES), None)
    return f" --columns {guess.reco.rstrip('?')}={guess.name}" if guess else ""


def describe_vector(path: str, label: str) -> Description:
    """Return the layers of a vector file.

    Raises
    ------
    SchemaError
        It is damaged.
    """
    from .vectors import vector_layers

    layers = vector_layers(path, label)
    facts, columns = [], []
    for name, info in layers.items():
        facts.append((name, f"{info['features']:,} {info['geometry']} features, {info['crs'] or 'no CRS'}"))
        columns += [Column(field, canonical_name(field) or _role_of(field),
                           note=name if len(layers) > 1 else "") for field in info["fields"]]
    return Description(label, "Vector file" if len(layers) != 1 else f"Vector layer ({facts[0][1].split(',')[0]})",
                       tuple(facts), tuple(columns))


def _role_of(name: str) -> str:
    return next((role for role, spellings in ROLES.items() if plain(name) in spellings), "")


__all__: list[Any] = ["describe_frame", "describe_rds", "describe_table", "describe_tower", "describe_vector", "header",
                       "is_filled"]
