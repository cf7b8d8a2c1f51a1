"""What is known of a file: facts, columns, and what it could be used for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional, Sequence

import numpy as np

from ...vocabulary.calendar import TIME_STEPS, step_label, step_start
from ..archives import Source, open_source

HEAD_BYTES = 512
STEP_WORDS = {"day": "daily", "8day": "8-day", "16day": "16-day", "week": "weekly", "month": "monthly",
              "year": "annual", "half-hour": "half-hourly", "hour": "hourly"}
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x0e\x03\x13\x01", "HDF4"), (b"\x89HDF\r\n\x1a\n", "HDF5 or NetCDF4"), (b"CDF", "NetCDF classic"),
    (b"II*\x00", "TIFF"), (b"MM\x00*", "TIFF"), (b"II+\x00", "BigTIFF"), (b"MM\x00+", "BigTIFF"),
    (b"PK\x03\x04", "zip"), (b"PK\x05\x06", "an empty zip"), (b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"), (b"SQLite format 3", "SQLite (such as GeoPackage)"), (b"PAR1", "parquet"), (b"%PDF", "PDF"),
    (b"\x89PNG", "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"GRIB", "GRIB"), (b"RDX", "an R workspace"), (b"X\n", "RDS of R"),
    (b"\x7fELF", "a program"), (b"7z\xbc\xaf", "7-Zip"), (b"Rar!", "RAR"))


@dataclass(frozen=True)
class Column:
    """One variable, column, band or layer.

    Parameters
    ----------
    name : str
        In the file.
    reco : str
        What RECO reads it as; a trailing '?' marks a guess, '' means unknown.
    unit : str
        As stated; '' where nothing is.
    gaps : float, optional [1]
        Share of missing values in what was looked at.
    low, high : float, optional
        Least and largest value of it, in the unit above.
    note : str
    """

    name: str
    reco: str = ""
    unit: str = ""
    gaps: Optional[float] = None
    low: Optional[float] = None
    high: Optional[float] = None
    note: str = ""


@dataclass(frozen=True)
class Holds:
    """What a file gives to methods.

    Parameters
    ----------
    where : {"", "towers", "grid", "samples"}
    fluxes : sequence of str
        Kinds of respiration.
    series, static : sequence of str
        Drivers with and without a time axis, by RECO name.
    time_step : str
    """

    where: str = ""
    fluxes: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    time_step: str = ""

    @property
    def drivers(self) -> tuple[str, ...]:
        """All drivers."""
        return tuple(dict.fromkeys((*self.series, *self.static)))


@dataclass(frozen=True)
class Description:
    """What a file or folder is.

    `kind` says it in words, `read_with` is the command that reads it.
    """

    label: str
    kind: str
    facts: tuple[tuple[str, str], ...] = ()
    columns: tuple[Column, ...] = ()
    notes: tuple[str, ...] = ()
    holds: Holds = field(default_factory=Holds)
    read_with: str = ""


def joined_holds(parts: Sequence[Holds]) -> Holds:
    """Return what several files give together."""
    def all_of(name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(item for part in parts for item in getattr(part, name)))

    series = all_of("series")
    steps = list(dict.fromkeys(part.time_step for part in parts if part.time_step))
    where = list(dict.fromkeys(part.where for part in parts if part.where))
    return Holds(where[0] if len(where) == 1 else "", all_of("fluxes"), series,
                 tuple(name for name in all_of("static") if name not in series), steps[0] if len(steps) == 1 else "")


def head_of(source: Source, count: int = HEAD_BYTES) -> bytes:
    """Return the first bytes of a file as they lie there, packed or not."""
    if source.members:
        with open_source(source) as stream:
            return stream.read(count)
    with open(source.path, "rb") as raw:
        return raw.read(count)


def first_bytes(head: bytes) -> str:
    """Return in words what the first bytes of a file look like.

    Examples
    --------
    >>> first_bytes(b"PK\\x03\\x04..."), first_bytes(b"site,time\\n"), first_bytes(b"\\x00\\x01\\x02")
    ('zip (it begins with 50 4b 03 04 2e 2e 2e)', "text (it begins with 'site,time')", 'binary data of no known \
kind (it begins with 00 01 02)')
    """
    if not head:
        return "nothing: it is empty"
    shown = head[:8].hex(" ")
    for mark, words in _MAGIC:
        if head.startswith(mark):
            return f"{words} (it begins with {shown})"
    if is_text(head):
        line = head.decode("utf-8", errors="replace").lstrip("\ufeff").strip().splitlines()
        page = head.lstrip()[:1] == b"<"
        return f"{'a web page or XML' if page else 'text'} (it begins with {(line[0] if line else '')[:40]!r})"
    return f"binary data of no known kind (it begins with {shown})"


def is_text(head: bytes) -> bool:
    """Return whether bytes look like text."""
    if not head or b"\x00" in head:
        return False
    odd = sum(byte < 9 or 13 < byte < 32 for byte in head)
    return odd <= 0.02 * len(head)


def size_words(count: int) -> str:
    """Return a number of bytes in words.

    Examples
    --------
    >>> size_words(512), size_words(2_071_045)
    ('512 bytes', '2.07 MB')
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}" if count < 1e3 * factor else f"{count / factor:,.0f} {unit}"
    return f"{count} bytes"


def span_words(times: Any, time_step: str) -> str:
    """Return first and last time step, their number, and how many are missing between them."""
    days = np.unique(np.asarray(times, dtype="datetime64[D]"))
    days = days[~np.isnat(days)]
    if not days.size:
        return "no dates"
    first, last = step_label(days[0], time_step), step_label(days[-1], time_step)
    text = f"{first} to {last}" if days.size > 1 else first
    if time_step not in TIME_STEPS or time_step == "week":
        return f"{text}, {days.size} date{'s' * (days.size > 1)}"
    wanted = np.unique(step_start(np.arange(days[0], days[-1] + 1), time_step)).size
    missing = wanted - np.unique(step_start(days, time_step)).size
    gaps = f", {missing} missing between them" if missing > 0 else ""
    return f"{text}, {days.size} {STEP_WORDS[time_step]} step{'s' * (days.size > 1)}{gaps}"


def number(value: Optional[float]) -> str:
    """Return a number in few letters."""
    return "" if value is None or not np.isfinite(value) else f"{value:.4g}"


def statistics(values: np.ndarray) -> dict[str, Any]:
    """Return the share of missing values, and least and largest value where there is one."""
    values = np.asarray(values, dtype="float64")
    good = np.isfinite(values)
    if not values.size:
        return {}
    found = {"gaps": float(1 - good.mean())}
    return {**found, "low": float(values[good].min()), "high": float(values[good].max())} if good.any() else found


def file_size(path: str | Path) -> int:
    """Return the size of a file, or of all files in a folder [bytes]."""
    place = Path(path)
    return sum(item.stat().st_size for item in place.rglob("*") if item.is_file()) if place.is_dir() else (
        place.stat().st_size)
