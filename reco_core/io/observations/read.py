"""Reading observations of any kind: which reader takes which files, and their tables as one.

A reader of a format is a module of this room named like the format (`cosore.py`) with two functions::

    def is_cosore(sources: Sequence[Source]) -> bool: ...
    def read_cosore(sources: Sequence[Source], *, flux: str, screening: str, columns: Mapping[str, str],
                    units: Mapping[str, str], subdaily: str, progress: Progress) -> xr.Dataset: ...

`sources` are all files at one path that the user gave (the files of a folder and below, the members of a zip; see
`archives.find_sources`, open them with `archives.open_source`). `is_<format>` looks at names and, where it must, at
headers, raises nothing, and is asked in the order of FORMATS where the user left the format to RECO. `read_<format>`
returns observations as `assemble.assemble` makes them: the flux asked for ('reco', 'rs' or 'rh') in g C m-2 d-1 at
one time step that `vocabulary.calendar` knows (sub-daily records averaged to days by `vocabulary.averaging`), what
was left out in the ledger, `attrs["citation"]` (parts joined by '; ') and the coordinate `network` filled in, and
`attrs["method"] = "chamber"` where it was measured so. `screening` is 'strict', 'basic' or 'none'; `columns` is RECO
name -> column of the file and `units` RECO name -> unit, both for headers that the reader does not know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Sequence

import numpy as np
import xarray as xr

from ...errors import ConfigError, SchemaError
from ...progress import SILENT, Progress
from ...vocabulary.averaging import SUBDAILY
from ...vocabulary.calendar import parse_period
from ...vocabulary.ledger import note
from ..archives import Source, find_sources
from ..tables import is_table
from .assemble import add_towers, merge, note_unplaced
from .fluxnet import DEFAULT_TARGET, choose_resolution, drop_subsets, is_kin, read_fluxnet, recognise
from .kept import open_observations, open_samples, write_observations, write_samples, write_towers
from .plain import read_table_observations
from .sites import read_site_table, read_sites

FORMATS = ("fluxnet", "abcflux", "cosore", "srdb", "dgrsd", "table")
MODULES = FORMATS[1:-1]
Part = tuple[str, xr.Dataset]
Reduce = Callable[[xr.Dataset, str], xr.Dataset]
Join = Callable[[Sequence[Part]], Sequence[Part]]
_SITE_FILE = re.compile(r"_(BIF|SITEINFO)_", re.IGNORECASE)


def read_observations(path: str | Path | Sequence[str | Path], *, format: str = "auto", sites: str | None = None,
                      columns: Mapping[str, str] | None = None, units: Mapping[str, str] | None = None,
                      flux: str = "reco", target: str = DEFAULT_TARGET, resolution: str = "auto",
                      period: str | None = None, subdaily: str = SUBDAILY[0], screening: str = "strict",
                      reduce: Reduce | None = None, join: Join | None = None,
                      progress: Progress = SILENT) -> xr.Dataset:
    """Read flux observations from FLUXNET files, chamber data bases or tables, also zips and folders of them.

    Parameters
    ----------
    path : path or list of paths
        Each is of one format; formats, networks and files may be mixed where their time steps end up the same.
    format : str
        One of FORMATS, or 'auto'.
    sites : str, optional
        Site table with positions and vegetation classes, for files that do not carry them.
    columns, units : mapping, optional
        For tables: RECO name -> column, and RECO name -> unit.
    flux : str
        'reco', 'rs' or 'rh'.
    target, resolution : str
        For FLUXNET files: the column of the flux and the resolution to take.
    period : str, optional
        FIRST/LAST; only times inside are kept.
    subdaily, screening : str
        For readers of chamber data; see the top of this file.
    reduce : callable (table, file name) -> table, optional
        Applied to each file's table before they are joined, such as aggregation of half-hours to days.
    join : callable (list of (file name, table)) -> the same, optional
        Applied to all tables, with positions, before they become one: removes what stands in several.

    Returns
    -------
    xarray.Dataset
        Observations as they are in the files, unfiltered; flux [g C m-2 d-1].

    Raises
    ------
    ConfigError
        The files do not hold the kind of flux asked for, or come in several resolutions.
    SchemaError
        A file cannot be understood.
    SampleError
        Tables give different values for one site and time.
    """
    paths = [path] if isinstance(path, (str, Path)) else list(path)
    found = {str(item): find_sources(item) for item in paths}
    jobs = _jobs(found, format, flux, resolution)
    ignored = [(reason, sources) for reason, sources in jobs.ignored if sources]
    first, last = parse_period(period)
    options: dict[str, Any] = {"flux": flux, "columns": columns or {}, "units": units or {}}
    parts: list[Part] = []
    for number, (label, kind, what) in enumerate(jobs.work):
        span = progress.span(number / len(jobs.work), (number + 1) / len(jobs.work))
        span(0.0, f"Reading {label}")
        for ds in _read(kind, what, options, target=target, subdaily=subdaily, screening=screening, progress=span):
            ds = _within(ds, first, last)
            parts.append((label, reduce(ds, label) if reduce is not None else ds))
    parts = _place(parts, sites, [source for sources in found.values() for source in sources])
    whole = merge(join(parts) if join is not None else parts)
    for reason, sources in ignored:
        shown = ", ".join(source.label for source in sources[:10])
        note(whole, reason, len(sources), detail=shown + (", ..." if len(sources) > 10 else ""))
    note_unplaced(whole)
    return whole


@dataclass(frozen=True)
class _Jobs:
    """What is to be read, (label, format, file or files), and what is left aside, (reason, files)."""

    work: list[tuple[str, str, Any]]
    ignored: list[tuple[str, list[Source]]]


def _jobs(found: Mapping[str, list[Source]], format: str, flux: str, resolution: str) -> _Jobs:
    """Decide what each path holds."""
    if format not in ("auto", *FORMATS):
        raise ConfigError(f"'{format}' is no format of observations", "Choose: auto, " + ", ".join(FORMATS))
    kinds = {path: _format(sources) if format == "auto" else format for path, sources in found.items()}
    towers = list(dict.fromkeys(source for path in found if kinds[path] == "fluxnet" for source in found[path]))
    work, ignored = _tower_jobs(towers, list(found), flux, resolution) if "fluxnet" in kinds.values() else ([], [])
    for path, sources in found.items():
        label = Path(path).name
        if kinds[path] == "table":
            work.append(_table(path, sources))
        elif kinds[path] != "fluxnet":
            work.append((label, kinds[path], sources))
    return _Jobs(work, ignored)


def _format(sources: Sequence[Source]) -> str:
    """Return the format of the files at one path."""
    if any(recognise(source) is not None for source in sources):
        return "fluxnet"
    for name in MODULES:
        module = _module(name)
        if module is not None and getattr(module, f"is_{name}")(sources):
            return name
    return "table"


def _module(name: str) -> Any:
    return import_module(f".{name}", __package__) if find_spec(f".{name}", __package__) is not None else None


def _tower_jobs(sources: Sequence[Source], paths: Sequence[str], flux: str,
                resolution: str) -> tuple[list[tuple[str, str, Any]], list[tuple[str, list[Source]]]]:
    files = [file for file in map(recognise, sources) if file is not None]
    if not files:
        raise _nothing(paths, sources, [])
    if flux != "reco":
        raise ConfigError(f"FLUXNET files hold ecosystem respiration; the flux kind given is '{flux}'",
                          f"Take flux=reco, or give data of {flux} (such as COSORE, SRDB or a table)")
    of_resolution = choose_resolution(files, resolution)
    chosen, twins = drop_subsets(of_resolution)
    named = {file.source for file in files}
    ignored = [("files ignored: no FLUXNET flux files", [source for source in sources if source not in named]),
               ("files ignored: another resolution", [file.source for file in files if file not in of_resolution]),
               ("files ignored: SUBSET where the FULLSET is there too", [file.source for file in twins])]
    return [(file.source.label, "fluxnet", file) for file in chosen], ignored


def _table(path: str, sources: Sequence[Source]) -> tuple[str, str, Source]:
    """Return the one table at a path."""
    tables = [source for source in sources if is_table(source.name) and (len(sources) == 1 or not is_kin(source))]
    if len(tables) != 1:
        raise _nothing([path], sources, tables)
    return tables[0].label, "table", tables[0]


def _nothing(paths: Sequence[str], found: Sequence[Source], tables: Sequence[Source]) -> SchemaError:
    where = ", ".join(f"'{Path(item).name}'" for item in paths)
    shown = ", ".join(source.label for source in (tables or found)[:10]) or "no file at all"
    if tables:
        return SchemaError(f"{where} holds {len(tables)} tables and none is named like a FLUXNET file",
                           f"Give the table itself; found: {shown}")
    return SchemaError(f"{where} holds no observations that can be read",
                       "Give FLUXNET files (such as FLX_XX-Xxx_FLUXNET2015_FULLSET_MM_2001-2010_1-4.csv) or a "
                       f"table (CSV, TSV, parquet, GeoPackage); found: {shown}")


def _read(kind: str, what: Any, options: Mapping[str, Any], *, target: str, subdaily: str, screening: str,
          progress: Progress) -> Iterator[xr.Dataset]:
    """Read one job of any format."""
    if kind == "fluxnet":
        yield read_fluxnet(what, target=target)
    elif kind == "table":
        yield from read_table_observations(what, target=target, **options)
    else:
        module = _module(kind)
        if module is None:
            raise ConfigError(f"Files of format {kind} cannot be read here", "Give them as a table with columns=...")
        yield getattr(module, f"read_{kind}")(what, subdaily=subdaily, screening=screening, progress=progress,
                                              **options)


def _within(ds: xr.Dataset, first: np.datetime64 | None, last: np.datetime64 | None) -> xr.Dataset:
    """Keep the time steps that start inside the period."""
    days = ds["time"].values.astype("datetime64[D]")
    inside = np.ones(days.shape, dtype=bool)
    if first is not None:
        inside &= days >= first
    if last is not None:
        inside &= days <= last
    if inside.all():
        return ds
    outside = np.isfinite(ds[ds.attrs["flux_kind"]].values[:, ~inside]).sum(axis=1)
    kept = ds.isel(time=inside)
    note(kept, "records outside the period", int(outside.sum()),
         sites={str(site): int(n) for site, n in zip(ds["site"].values, outside) if n})
    return kept


def _place(parts: Sequence[Part], sites: str | None, found: Sequence[Source]) -> list[Part]:
    """Give sites their position and class, from the site table or from BADM files in the download."""
    tables = [read_site_table(source) for source in found if _SITE_FILE.search(source.name) and is_table(source.name)]
    if sites:
        towers = read_sites(sites)
        there = list(dict.fromkeys(str(site) for _, ds in parts for site in ds["site"].values))
        if not set(there) & set(towers.index):
            raise SchemaError(f"The site table '{Path(sites).name}' knows none of the {len(there)} sites, "
                              f"such as '{there[0]}'", "Its sites are, for example: "
                              + ", ".join(map(str, towers.index[:5])))
        tables.insert(0, towers)
    placed = []
    for label, ds in parts:
        for table in tables:
            ds = _cite(add_towers(ds, table), table)
        placed.append((label, ds))
    return placed


def _cite(ds: xr.Dataset, table: Any) -> xr.Dataset:
    """Add the DOIs of sites that a BADM file states to what is to be cited."""
    if "doi" in table:
        cited = [f"{site}: doi:{table['doi'][site]}" for site in map(str, ds["site"].values)
                 if site in table.index and table["doi"][site]]
        ds.attrs["citation"] = "; ".join(dict.fromkeys(part for part in (*ds.attrs["citation"].split("; "), *cited)
                                                       if part))
    return ds


__all__ = ["FORMATS", "open_observations", "open_samples", "read_observations", "write_observations", "write_samples",
           "write_towers"]
