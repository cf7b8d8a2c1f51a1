"""The repository of COSORE: a folder per data set, with its description, ports and records."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Callable, Mapping, Sequence
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from ...errors import SchemaError
from ..archives import Source, open_source
from ..r_files import read_rds
from ..tables import MISSING_AT
from .chambers import match_header

MEASURED = ("Rs", "Rh", "Reco", "NEE")
_ENTRY = re.compile(r"\s*(CSR_[A-Z_]+)\s*:\s*(.*?)\s*")


@dataclass(frozen=True)
class Records:
    """Measurements of a data set, a row each; times are local standard time."""

    time: np.ndarray
    port: np.ndarray
    flux: np.ndarray
    error: np.ndarray
    r2: np.ndarray
    drivers: dict[str, np.ndarray]
    var: np.ndarray | None = None
    treatment: np.ndarray | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataSet:
    """One data set: where it is, what its ports measure, and how to load its records."""

    name: str
    about: Mapping[str, str]
    ports: Mapping[str, tuple[str, str]]
    load: Callable[[], Records | None]
    label: str
    variables: frozenset[str] = field(default_factory=frozenset)


def is_repository(sources: Sequence[Source]) -> bool:
    """Return whether the files are laid out like the repository of COSORE."""
    names = {place(source) for source in sources}
    return any(name.rsplit("/", 1)[-1].upper() == "DESCRIPTION.TXT" and (
        f"{folder(name)}/PORTS.txt" in names or f"{folder(name)}/data/data.RDS" in names) for name in names)


def place(source: Source) -> str:
    """Return where a file lies, with the way into a zip."""
    return "/".join((source.path.as_posix(), *source.members))


def folder(name: str) -> str:
    """Return the folder part of a place."""
    return name.rsplit("/", 1)[0] if "/" in name else "."


def in_repository(sources: Sequence[Source]) -> list[DataSet]:
    """Return the data sets that have a folder of their own.

    Raises
    ------
    SchemaError
        One lacks DESCRIPTION.txt or PORTS.txt, or they cannot be understood.
    """
    by_place = {place(source): source for source in sources}
    homes = sorted({folder(name) for name in by_place if name.rsplit("/", 1)[-1] == "DESCRIPTION.txt"}
                   | {folder(folder(name)) for name in by_place if name.lower().endswith("/data/data.rds")})
    return [_data_set(home, by_place) for home in homes]


def _data_set(home: str, files: Mapping[str, Source]) -> DataSet:
    name = PurePath(home).name
    for needed in ("DESCRIPTION.txt", "PORTS.txt"):
        if f"{home}/{needed}" not in files:
            raise SchemaError(f"Data set '{name}' has no file {needed}",
                              "It tells " + ("position and time zone" if needed[0] == "D" else
                                             "what each port measures") + "; copy the whole folder of the data set")
    about = read_description(files[f"{home}/DESCRIPTION.txt"])
    ports = read_ports(files[f"{home}/PORTS.txt"])
    data = next((files[key] for key in files if key.lower() == f"{home}/data/data.rds".lower()), None)

    def load() -> Records | None:
        return None if data is None else records_of(read_rds(data), about, data.label)

    return DataSet(name, about, ports, load, name, frozenset(var for var, _ in ports.values()))


def _text(source: Source) -> str:
    with open_source(source) as stream:
        content = stream.read()
    if not content.strip():
        raise SchemaError(f"'{source.label}' is empty ({len(content)} bytes)", "Download it again")
    return content.decode("utf-8-sig", errors="replace")


def read_description(source: Source) -> dict[str, str]:
    """Read DESCRIPTION.txt: key -> text.

    Raises
    ------
    SchemaError
        The position is not there.
    """
    found = {match[1]: match[2] for line in _text(source).splitlines() if (match := _ENTRY.fullmatch(line))}
    for key in ("CSR_LATITUDE", "CSR_LONGITUDE"):
        if key not in found:
            raise SchemaError(f"'{place(source).rsplit('/', 2)[-2]}/{source.name}' has no entry {key}",
                              "It has: " + ", ".join(found))
    return found


def tidy(treatment: str) -> str:
    """Return the words of a treatment with single spaces, and one after each comma."""
    return re.sub(r"\s*,\s*", ", ", re.sub(r"\s+", " ", treatment.strip()))


def read_ports(source: Source) -> dict[str, tuple[str, str]]:
    """Read PORTS.txt: port -> what it measures and its treatment; port '0' stands for all ports.

    Raises
    ------
    SchemaError
        A line cannot be understood, or two lines contradict each other.
    """
    where = f"{place(source).rsplit('/', 2)[-2]}/{source.name}"
    lines = [(number, re.sub(r",[ \t]+", ",", line.strip())) for number, line in
             enumerate(_text(source).splitlines(), 1) if line.strip() and not line.lstrip().startswith("#")]
    rows = list(csv.reader(io.StringIO("\n".join(line for _, line in lines))))
    names = [name.strip().upper() for name in rows[0]] if rows else []
    columns = match_header(names, {"port": ("CSR_PORT",), "var": ("CSR_MSMT_VAR",), "treatment": ("CSR_TREATMENT",)},
                           ("port", "var", "treatment"), where, {}, "COSORE")
    at = {key: names.index(column) for key, column in columns.items()}
    ports: dict[str, tuple[str, str]] = {}
    for (number, _), row in zip(lines[1:], rows[1:]):
        cells = [cell.strip() for cell in row] + [""] * len(names)
        port, var, treatment = (cells[at[key]] for key in ("port", "var", "treatment"))
        treatment = tidy(treatment)
        if var not in MEASURED or not re.fullmatch(r"\d+", port):
            raise SchemaError(f"'{where}', line {number}: port '{port}' measures '{var}'",
                              "Wanted: a number and one of " + ", ".join(MEASURED))
        if ports.setdefault(port, (var, treatment)) != (var, treatment):
            raise SchemaError(f"'{where}', line {number}: port {port} stands twice, as {ports[port]} and as "
                              f"{(var, treatment)}", "Keep one line per port")
    if not ports:
        raise SchemaError(f"'{where}' has no ports", "Download it again")
    return ports


def records_of(frame: pd.DataFrame, about: Mapping[str, str], label: str) -> Records | None:
    """Return the rows of data.RDS or of an exported table as records; None if they hold no CO2 flux."""
    if "CSR_FLUX_CO2" not in frame:
        return None
    stamps = [name for name in ("CSR_TIMESTAMP_BEGIN", "CSR_TIMESTAMP_END", "CSR_TIMESTAMP_MID") if name in frame]
    if not stamps or "CSR_PORT" not in frame:
        raise SchemaError(f"'{label}' lacks a column of: CSR_PORT, CSR_TIMESTAMP_BEGIN, CSR_TIMESTAMP_END; it has "
                          + ", ".join(map(str, frame.columns)), "Download it again")
    offset, remarks = _offset(about, frame[stamps[0]])
    seconds = np.nanmean(np.stack([_numbers(frame, name) for name in stamps[:2]]), axis=0)
    known = np.isfinite(seconds)
    if not known.all():
        remarks = (*remarks, f"{int((~known).sum())} records without a time were left out")
        frame, seconds = frame.loc[known], seconds[known]
    time = np.floor(seconds + offset).astype("int64").astype("datetime64[s]")
    return Records(time, _port_names(frame["CSR_PORT"]), _numbers(frame, "CSR_FLUX_CO2"), _flags(frame, "CSR_ERROR"),
                   _numbers(frame, "CSR_R2_CO2" if "CSR_R2_CO2" in frame else "CSR_R2"), _drivers(frame),
                   remarks=remarks)


def _port_names(values: pd.Series) -> np.ndarray:
    return np.array(["" if pd.isna(value) else re.sub(r"\.0$", "", str(value)) for value in values], dtype=object)


def _numbers(frame: pd.DataFrame, name: str) -> np.ndarray:
    if name not in frame:
        return np.full(len(frame), np.nan)
    values = pd.to_numeric(frame[name], errors="coerce").to_numpy("float64", na_value=np.nan, copy=True)
    values[(values <= MISSING_AT) | ~np.isfinite(values)] = np.nan
    return values


def _flags(frame: pd.DataFrame, name: str) -> np.ndarray:
    if name not in frame:
        return np.zeros(len(frame), dtype=bool)
    texts = frame[name].astype("string").str.strip().str.upper()
    return texts.isin(["TRUE", "T", "1", "1.0"]).fillna(False).to_numpy(bool)


def _drivers(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return soil temperature and moisture of the least depth and air temperature, where they are given."""
    found = {}
    for name, pattern in (("ts", r"CSR_T(\d+(?:\.\d+)?)"), ("swc", r"CSR_SM(\d+(?:\.\d+)?)")):
        depths = {float(match[1]): column for column in map(str, frame.columns)
                  if (match := re.fullmatch(pattern, column))}
        if depths:
            found[name] = _numbers(frame, depths[min(depths)])
    air = next((name for name in ("CSR_TAIR", "CSR_TAIR_AMB") if name in frame), None)
    return found | ({"ta": _numbers(frame, air)} if air else {})


def _offset(about: Mapping[str, str], stamps: pd.Series) -> tuple[float, tuple[str, ...]]:
    """Return seconds from UTC to local standard time."""
    zone = about.get("CSR_TIMEZONE", "") or about.get("CSR_TIMESTAMP_TZ", "")
    first = pd.to_numeric(stamps, errors="coerce").dropna()
    year = int(np.clip(1970 + first.iloc[0] / (365.25 * 86400), 1970, 2100)) if len(first) else 2000
    try:
        offsets = [datetime(year, month, 1, tzinfo=ZoneInfo(zone)).utcoffset() or timedelta() for month in (1, 7)]
    except (ZoneInfoNotFoundError, ValueError, OSError):
        lon = float(about["CSR_LONGITUDE"])
        return round(lon / 15) * 3600.0, (f"time zone '{zone}' is not known: local time comes from longitude {lon:g}",)
    # the lesser of both is the time without daylight saving
    return min(offsets).total_seconds(), ()
