"""Which column of a table is what: names are translated once, here, at reading."""

from __future__ import annotations

import re
from typing import Mapping, Sequence

import numpy as np
import pandas as pd

from ...catalogue.records import suggestion
from ...errors import ConfigError, SchemaError
from ...vocabulary import VARIABLES, canonical_name, variable
from ...vocabulary.variables import IGBP_CODES
from ..tables import POINT_LAT, POINT_LON, Table

ROLES: dict[str, tuple[str, ...]] = {
    "site": ("site", "site_id", "siteid", "site_code", "sitecode", "station", "station_id", "stationid", "tower",
             "tower_id", "site_name"),
    "time": ("time", "date", "timestamp", "timestamp_start", "datetime", "yyyymm", "yyyymmdd"),
    "year": ("year", "yr", "yyyy"),
    "month": ("month", "mon", "mo"),
    "day": ("day", "dom", "day_of_month"),
    "doy": ("doy", "day_of_year", "julian_day"),
    "lat": (POINT_LAT, "lat", "latitude", "location_lat", "site_lat", "y_lat"),
    "lon": (POINT_LON, "lon", "long", "longitude", "lng", "location_long", "location_lon", "site_lon", "x_lon"),
    "igbp": ("igbp", "type", "pft", "igbp_class", "veg_type", "vegetation", "vegetation_type", "land_cover",
             "landcover", "biome"),
    "network": ("network", "source"),
    "qc": ("qc", "nee_qc", "quality"),
    "uncertainty": ("uncertainty",),
}
TEXT_ROLES = ("site", "igbp", "network")
# fluxes explain respiration too well to become drivers without being asked for
NEVER_UNASKED = {name for name, known in VARIABLES.items() if known.group == "flux"} | {"gpp", "igbp"}


def plain(name: str) -> str:
    """Return a header in lower case with single underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


def pick_columns(names: Sequence[str], label: str, asked: Mapping[str, str], flux: str, target: str) -> dict[str, str]:
    """Return which column holds what: RECO name -> column.

    Parameters
    ----------
    names : sequence of str
        The columns there are.
    label : str
        What messages call the file.
    asked : mapping
        RECO name -> column, or -> 'text' in quotes for a value that all rows share.
    flux : str
        Flux kind, such as 'reco'.
    target : str
        Column preferred where several may hold the flux.

    Raises
    ------
    SchemaError
        A column that was asked for is not there, or none holds the flux.
    """
    picked: dict[str, str] = {}
    for key, column in asked.items():
        name = canonical_name(key) or plain(key)
        if name not in ROLES:
            variable(name)
        if constant(column) is None and column not in names:
            raise SchemaError(f"'{label}' has no column '{column}' (asked for as {key})",
                              suggestion(column, list(names)))
        picked[name] = column
    by_plain = {plain(name): name for name in reversed(names)}
    free = {key: name for key, name in by_plain.items() if name not in picked.values()}
    if flux not in picked:
        picked[flux] = _flux_column(free, label, flux, target, names)
    qc_first = (f"{plain(picked[flux])}_qc", plain(qc_column(picked[flux]) or ""))
    for role, spellings in ROLES.items():
        found = [free[key] for key in (qc_first if role == "qc" else ()) + spellings if key in free]
        if role not in picked and found:
            picked[role] = found[0]
    for name, known in VARIABLES.items():
        found = [free[key] for key in (name, *known.aliases) if key in free]
        if name not in NEVER_UNASKED and name not in picked and found and found[0] not in picked.values():
            picked[name] = found[0]
    return picked


def _flux_column(free: Mapping[str, str], label: str, flux: str, target: str, names: Sequence[str]) -> str:
    preferred = (plain(target), flux) if plain(target).startswith(flux) else (flux,)
    for key in (*preferred, *VARIABLES[flux].aliases):
        if key in free:
            return free[key]
    raise SchemaError(f"'{label}' has no column that is known to hold {VARIABLES[flux].long_name.lower()} ({flux})",
                      f"Name it, for example columns=\"{flux}=...\"; columns: " + ", ".join(names[:60]))


def qc_column(target: str) -> str | None:
    """Return the quality column that belongs to a respiration column of FLUXNET files: that of its NEE.

    Examples
    --------
    >>> qc_column("RECO_DT_CUT_USTAR50")
    'NEE_CUT_USTAR50_QC'
    """
    match = re.fullmatch(r"(?:RECO|GPP)_(?:NT|DT)_(VUT|CUT)_(REF|MEAN|USTAR50|\d\d)", target.upper())
    return f"NEE_{match.group(1)}_{match.group(2)}_QC" if match else None


def constant(column: str) -> str | None:
    """Return the text of a quoted value of a column map, or None if it names a column."""
    match = re.fullmatch(r"'([^']*)'|\"([^\"]*)\"", column.strip())
    return (match.group(1) or match.group(2) or "") if match else None


def texts(table: Table, column: str) -> np.ndarray:
    """Return a column, or a value that all rows share, as text."""
    shared = constant(column)
    if shared is not None:
        return np.full(len(table.frame), shared, dtype=object)
    return table.texts(column)


def numbers(table: Table, column: str) -> np.ndarray:
    """Return a column, or a value that all rows share, as float64."""
    shared = constant(column)
    if shared is None:
        return table.numbers(column)
    try:
        return np.full(len(table.frame), float(shared))
    except ValueError:
        raise ConfigError(f"'{shared}' in the column map is not a number", "Give a number in quotes") from None


def classes(values: np.ndarray) -> np.ndarray:
    """Return vegetation classes as text; numbers become IGBP names."""
    codes = {str(code): name for code, name in IGBP_CODES.items()}
    return np.array([codes.get(re.sub(r"\.0+$", "", str(value)), str(value)) for value in values], dtype=object)


def parse_times(table: Table, picked: Mapping[str, str]) -> tuple[np.ndarray, str]:
    """Return the time of each row and its time step where the way it is written tells ('' if not).

    Returns
    -------
    array of datetime64[s], shape (n,); str

    Raises
    ------
    SchemaError
        There is no date, or one cannot be read; the message has the line.
    """
    if "time" in picked:
        return _parse_stamps(table, picked["time"])
    if "year" not in picked:
        raise SchemaError(f"'{table.label}' has no date: neither a column 'time' nor 'year' was found",
                          "Name it, for example columns=\"time=DATE\" or columns=\"year=YEAR,month=MONTH\"")
    parts = {role: numbers(table, picked[role]) for role in ("year", "month", "day", "doy") if role in picked}
    for role, (low, high) in {"year": (1000, 3000), "month": (1, 12), "day": (1, 31), "doy": (1, 366)}.items():
        if role in parts:
            values = parts[role]
            bad = ~((values >= low) & (values <= high) & (values % 1 == 0))
            if bad.any():
                at = int(np.argmax(bad))
                raise SchemaError(f"'{table.label}', column '{picked[role]}', {table.row(at)}: "
                                  f"'{table.frame[picked[role]].iloc[at]}' is not a {role}",
                                  f"Wanted: {low} to {high}")
    year = (parts["year"].astype("int64") - 1970).astype("datetime64[Y]")
    if "month" in parts:
        months = year.astype("datetime64[M]") + (parts["month"].astype("int64") - 1)
        days = months.astype("datetime64[D]") + (parts["day"].astype("int64") - 1 if "day" in parts else 0)
        if (days.astype("datetime64[M]") != months).any():
            at = int(np.argmax(days.astype("datetime64[M]") != months))
            raise SchemaError(f"'{table.label}', {table.row(at)}: {months[at]} has no day {int(parts['day'][at])}",
                              "Correct the date")
        return days.astype("datetime64[s]"), "" if "day" in parts else "month"
    if "doy" in parts:
        days = year.astype("datetime64[D]") + (parts["doy"].astype("int64") - 1)
        return days.astype("datetime64[s]"), ""
    return year.astype("datetime64[s]"), "year"


_FORMATS = {4: ("%Y", "year"), 6: ("%Y%m", "month"), 8: ("%Y%m%d", ""), 12: ("%Y%m%d%H%M", "")}


def _parse_stamps(table: Table, column: str) -> tuple[np.ndarray, str]:
    raw = table.frame[column]
    if pd.api.types.is_datetime64_any_dtype(raw.dtype):
        stamps, step, shown = pd.to_datetime(raw).dt.tz_localize(None), "", raw.astype(str).to_numpy()
    else:
        shown = np.array([re.sub(r"\.0+$", "", text) for text in table.texts(column)], dtype=object)
        first = next((text for text in shown if text), "")
        if first.isdigit():
            form, step = _FORMATS.get(len(first), ("%Y%m%d%H%M%S", ""))
            exact = pd.Series(shown).where([len(text) == len(first) for text in shown])
            stamps = pd.to_datetime(exact, format=form, errors="coerce")
        else:
            step = "month" if re.fullmatch(r"\d{4}[-/]\d{1,2}", first) else ""
            # only year-first dates are unambiguous
            year_first = pd.Series([text.replace("/", "-") if re.match(r"\d{4}[-/]", text) else None for text in shown])
            stamps = pd.to_datetime(year_first, format="%Y-%m" if step else "ISO8601", errors="coerce", utc=not step)
            stamps = stamps.dt.tz_localize(None)
    if stamps.isna().any():
        at = int(np.argmax(stamps.isna().to_numpy()))
        raise SchemaError(f"'{table.label}', column '{column}', {table.row(at)}: '{shown[at]}' is not a date",
                          "Write dates as YYYY, YYYYMM, YYYYMMDD, YYYYMMDDhhmm or YYYY-MM-DD, all in one way")
    return stamps.to_numpy().astype("datetime64[s]"), step
