"""What readers of chamber and synthesis data share: headers, named criteria, places and classes."""

from __future__ import annotations

import re
from typing import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from ...catalogue.records import suggestion
from ...errors import ConfigError, RecoError, SchemaError
from ...vocabulary import canonical_name
from ...vocabulary.calendar import step_days
from ...vocabulary.ledger import Entry, join_ledgers, ledger, set_ledger
from ..archives import Source
from ..tables import TEXT_SUFFIXES, read_table
from .columns import constant, plain

ALL_KINDS = ("reco", "rs", "rh")
SCREENINGS = ("strict", "basic", "none")
CRITERIA = {
    "method": "not measured by infrared gas analyser or gas chromatograph",
    "manipulation": "treated (fertilised, warmed, burned, ...)",
    "quality": "flagged as problematic (Q10 and above)",
    "duplicate": "marked as a duplicate",
    "year": "before 2000",
}
CHOSEN = {"strict": tuple(CRITERIA), "basic": ("manipulation", "quality", "duplicate"), "none": ()}
FIRST_YEAR, FIRST_PROBLEM_FLAG = 2000, 10
_GOOD_METHOD = re.compile(r"irga|igra|infra.?red|gas chromatogra|\bgc\b|li-?(6200|6400|6800|8100|8150|820|840)",
                          re.IGNORECASE)
_UNTREATED = re.compile(r"(none|no|na|control|untreated|unmanipulated|ambient)?", re.IGNORECASE)
_CLASSES = {
    "evergreen needleleaf forest": "ENF", "evergreen broadleaf forest": "EBF", "deciduous needleleaf forest": "DNF",
    "deciduous broadleaf forest": "DBF", "mixed forest": "MF", "closed shrubland": "CSH", "open shrubland": "OSH",
    "woody savanna": "WSA", "savanna": "SAV", "grassland": "GRA", "wetland": "WET", "permanent wetland": "WET",
    "peatland": "WET", "cropland": "CRO", "agriculture": "CRO", "urban": "URB", "urban and built-up": "URB",
    "cropland/natural vegetation mosaic": "CVM", "snow and ice": "SNO", "barren": "BSV",
    "barren or sparsely vegetated": "BSV", "water": "WAT", "water bodie": "WAT",
}
SAME_PLACE = 2  # decimals of a degree: about 1 km
MOST_NAMES = 200


def peek_header(source: Source) -> tuple[str, ...]:
    """Return the plain names of the columns of a table, or nothing where it is none; never raises."""
    seen: list[str] = []

    def look(names: list[str]) -> Sequence[str]:
        seen.extend(names)
        raise _Enough

    if not re.sub(r"\.(gz|gzip)$", "", source.name.lower()).endswith(TEXT_SUFFIXES):
        return ()
    try:
        read_table(source, look)
    except (_Enough, RecoError, OSError, ValueError):
        pass
    return tuple(plain(name) for name in seen)


class _Enough(Exception):
    """The header is known, so that the rows need not be read."""


def the_table(sources: Sequence[Source], is_data: Callable[[Source], bool], kind: str) -> Source:
    """Return the one file that is the table of a data base: the only file, or the only one with its header.

    Raises
    ------
    SchemaError
        There are several such files, or several files and none.
    """
    found = [source for source in sources if is_data(source)]
    if len(sources) == 1 or len(found) == 1:
        return (found or list(sources))[0]
    words = ", ".join(source.label for source in (found or sources)[:10]) or "no file at all"
    raise SchemaError(f"{len(found)} of the {len(sources)} files have the header of {kind}; one was wanted",
                      f"Give the table itself; found: {words}")


def match_header(names: Sequence[str], aliases: Mapping[str, Sequence[str]], required: Sequence[str], label: str,
                 columns: Mapping[str, str], kind: str) -> dict[str, str]:
    """Return which column holds what, by a table of known names; what is not known is shown, not guessed.

    Parameters
    ----------
    names : sequence of str
        The header.
    aliases : mapping RECO name -> known names
    required : sequence of str
        RECO names that must be found.
    label, kind : str
        What messages call the file and the data base.
    columns : mapping RECO name -> column
        What the user says; a text in quotes is a value that all rows share.

    Raises
    ------
    SchemaError
        A column that the user named is not there, or a required one is not found.
    ConfigError
        The user maps a name that the reader does not know.
    """
    picked: dict[str, str] = {}
    for key, column in columns.items():
        name = key if key in aliases else canonical_name(key) or plain(key)
        if name not in aliases:
            raise ConfigError(f"columns: '{key}' means nothing to the reader of {kind}",
                              "It knows: " + ", ".join(aliases))
        if constant(column) is None and column not in names:
            raise SchemaError(f"'{label}' has no column '{column}' (asked for as {key}); its header: {shown(names)}",
                              suggestion(column, list(names)))
        picked[name] = column
    by_plain = {plain(name): name for name in reversed(names)}
    for name, spellings in aliases.items():
        found = [by_plain[plain(key)] for key in spellings if plain(key) in by_plain]
        if name not in picked and found:
            picked[name] = found[0]
    missing = [name for name in required if name not in picked]
    if missing:
        known = "; ".join(f"{name}: {', '.join(aliases[name])}" for name in missing)
        words = " and ".join(filter(None, (", ".join(missing[:-1]), missing[-1])))
        raise SchemaError(f"'{label}' has no column that {kind} is known to hold {words} in; "
                          f"its header: {shown(names)}",
                          f"Name it, for example columns=\"{missing[0]}=...\"; names known so far: {known}")
    return picked


def shown(names: Sequence[str]) -> str:
    """Return a header as it is printed in a message."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def refuse_kind(flux: str, there: Mapping[str, str], label: str, kind: str) -> ConfigError:
    """Return the error for a kind of flux that is not there; `there` is kind -> what is known of it."""
    held = ", ".join(f"{name} ({words})" if words else name for name, words in there.items())
    first = next((name for name in there if name in ALL_KINDS), "")
    return ConfigError(f"{kind} ({label}) holds no {flux}; it holds {held or 'no respiration at all'}",
                       f"Take flux={first}" if first else "Give another source")


def acceptance(n: int, *, method: np.ndarray | None = None, manipulation: np.ndarray | None = None,
               flags: np.ndarray | None = None, duplicate: np.ndarray | None = None,
               year: np.ndarray | None = None) -> pd.DataFrame:
    """Return the criteria of Zhu et al. (2024) as named columns; True where a record fulfils one.

    Parameters
    ----------
    n : int
        Number of records.
    method, manipulation, flags, duplicate : array of str, shape (n,), optional
        Texts of the data base; a criterion whose column is not there is fulfilled by all.
    year : array of shape (n,), optional

    Returns
    -------
    pandas.DataFrame
        Columns as CRITERIA, bool.

    References
    ----------
    Zhu, L. et al. (2024). IEEE JSTARS. doi:10.1109/JSTARS.2024.3400158

    Examples
    --------
    >>> list(acceptance(2, flags=np.array(["Q01", "Q01,Q13"]))["quality"])
    [True, False]
    """
    frame = pd.DataFrame({name: np.ones(n, dtype=bool) for name in CRITERIA})
    if method is not None:
        frame["method"] = [bool(_GOOD_METHOD.search(text)) for text in method]
    if manipulation is not None:
        frame["manipulation"] = [bool(_UNTREATED.fullmatch(text.strip())) for text in manipulation]
    if flags is not None:
        frame["quality"] = [all(int(digits) < FIRST_PROBLEM_FLAG for digits in re.findall(r"[Qq](\d+)", text))
                            for text in flags]
    if duplicate is not None:
        frame["duplicate"] = [text.strip().lower() in ("", "0", "no", "false", "none") for text in duplicate]
    if year is not None:
        frame["year"] = ~(np.asarray(year, dtype="float64") < FIRST_YEAR)
    return frame


def chosen_criteria(screening: str) -> tuple[str, ...]:
    """Return the criteria that a screening applies."""
    if screening not in CHOSEN:
        raise ConfigError(f"'{screening}' is no screening", "Choose: " + ", ".join(SCREENINGS))
    return CHOSEN[screening]


class Sieve:
    """Which rows are still in, and a ledger of those that were not; a row is counted by the first reason."""

    def __init__(self, sites: np.ndarray) -> None:
        self.sites = np.asarray(sites).astype(str)
        self.keep = np.ones(self.sites.size, dtype=bool)
        self.entries: list[Entry] = []

    def drop(self, reason: str, which: np.ndarray, *, detail: str = "", by_site: bool = True) -> None:
        """Take out rows for a reason."""
        gone = self.keep & which
        if gone.any():
            entry: Entry = {"reason": reason, "count": int(gone.sum())}
            if by_site:
                names, counts = np.unique(self.sites[gone], return_counts=True)
                entry["sites"] = {str(name): int(n) for name, n in zip(names, counts) if name}
            self.entries.append(entry | ({"detail": detail} if detail else {}))
        self.keep &= ~which

    def apply(self, criteria: pd.DataFrame, screening: str) -> None:
        """Take out what a screening rejects, criterion by criterion."""
        for name in chosen_criteria(screening):
            self.drop(f"criterion {name}: {CRITERIA[name]}", ~criteria[name].to_numpy())

    def remark(self, reason: str, detail: str) -> None:
        """Put into the ledger what a user should know; nothing is taken out."""
        self.entries.append({"reason": reason, "count": 0, "detail": detail})


def add_entries(ds: xr.Dataset, entries: Sequence[Entry]) -> xr.Dataset:
    """Put the ledger of a reader before that of the table it made."""
    set_ledger(ds, join_ledgers([entries, ledger(ds)]))
    return ds


def igbp_class(label: str) -> str:
    """Return the IGBP code of a vegetation label; labels that no code fits are kept word for word.

    Examples
    --------
    >>> igbp_class("Deciduous broadleaf plantation"), igbp_class("Desert woodland")
    ('DBF', 'Desert woodland')
    """
    words = re.sub(r"\s+", " ", label.strip())
    key = words.lower().replace("plantation", "forest").removesuffix("s")
    return words if words.upper() in _CLASSES.values() else _CLASSES.get(key, words)


def site_names(site: np.ndarray, study: np.ndarray, record: np.ndarray, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Return one name per place: the site code, or the study; with the position where it is not one place.

    Parameters
    ----------
    site, study, record : array of str, shape (n,)
    lat, lon : array of shape (n,) [degree]
    """
    where = [f"({a:.{SAME_PLACE}f}, {b:.{SAME_PLACE}f})" if np.isfinite(a) and np.isfinite(b) else ""
             for a, b in zip(lat, lon)]
    names = np.array([code or f"study {number}" for code, number in zip(site, study)], dtype=object)
    places = pd.DataFrame({"name": names, "where": where})
    known = places[places["where"] != ""].groupby("name")["where"].nunique()
    several = set(known.index[known > 1])
    return np.array([_one_name(str(name), bool(code), place, number, name in several)
                     for name, code, place, number in zip(names, site, where, record)], dtype=object)


def _one_name(name: str, has_code: bool, place: str, record: str, several: bool) -> str:
    if place and (several or not has_code):
        return f"{name} {place}"
    return name if has_code else f"{name} record {record}"


def check_positions(lat: np.ndarray, lon: np.ndarray, sites: np.ndarray, label: str) -> tuple[np.ndarray, np.ndarray]:
    """Return positions with longitudes from -180 to 180.

    Raises
    ------
    SchemaError
        A position is nowhere on Earth.
    """
    for name, values, limit in (("latitude", lat, 90.0), ("longitude", lon, 360.0)):
        bad = np.abs(values) > limit
        if bad.any():
            at = int(np.argmax(bad))
            raise SchemaError(f"'{label}': the {name} of site '{sites[at]}' is {values[at]:g}",
                              f"It is at most {limit:g}; are latitude and longitude swapped?")
    return lat, np.where(lon > 180, lon - 360, lon)


def first_rows(sites: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return for each wanted site its first row in `sites`."""
    names, first = np.unique(sites.astype(str), return_index=True)
    return first[np.searchsorted(names, wanted.astype(str))]


def days_of(unit: str, times: np.ndarray, time_step: str) -> np.ndarray:
    """Return the days that a total in `unit` stands for: of its own month or year, else of the time step.

    Examples
    --------
    >>> days_of("g C m-2 yr-1", np.array(["2004-02-01"], "datetime64[D]"), "month")
    array([366.])
    """
    per = re.search(r"(month|mon|year|yr)-1", unit)
    return step_days(times, {"m": "month", "y": "year"}[per[1][0]] if per else time_step)


def mean_of_doubles(sites: np.ndarray, times: np.ndarray, values: Mapping[str, np.ndarray]) -> tuple[
        np.ndarray, np.ndarray, dict[str, np.ndarray], int]:
    """Average rows of the same site and time.

    Returns
    -------
    sites, times, values
        One row per site and time, each value the mean of those that are not missing.
    int
        Rows that were merged into others.
    """
    frame = pd.DataFrame({"site": sites.astype(str), "time": times.astype("datetime64[s]"), **values})
    means = frame.groupby(["site", "time"], sort=True)[list(values)].mean()
    index = means.index
    return (index.get_level_values("site").to_numpy(object), index.get_level_values("time").to_numpy("datetime64[s]"),
            {name: means[name].to_numpy("float64") for name in values}, len(frame) - len(means))
