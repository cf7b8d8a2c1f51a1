"""Reading observations of any kind, and writing and opening tables of observations and samples."""

from __future__ import annotations

import csv
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from ..errors import ConfigError, SchemaError
from ..progress import SILENT, Progress
from ..vocabulary import check_observations, check_samples
from ..vocabulary.calendar import parse_period
from ..vocabulary.kinds import feature_names
from ..vocabulary.ledger import ledger, note
from .archives import Source, find_sources
from .assemble import add_towers, merge, note_unplaced
from .files import atomic
from .fluxnet import DEFAULT_TARGET, FluxnetFile, choose_resolution, drop_subsets, is_kin, read_fluxnet, recognise
from .points import write_points
from .sites import read_site_table, read_sites
from .table_observations import read_table_observations
from .tables import is_table

Reduce = Callable[[xr.Dataset, str], xr.Dataset]
_SITE_FILE = re.compile(r"_(BIF|SITEINFO)_", re.IGNORECASE)


def read_observations(path: str | Path | Sequence[str | Path], *, sites: str | None = None,
                      columns: Mapping[str, str] | None = None, units: Mapping[str, str] | None = None,
                      flux: str = "reco", target: str = DEFAULT_TARGET, resolution: str = "auto",
                      period: str | None = None, reduce: Reduce | None = None,
                      progress: Progress = SILENT) -> xr.Dataset:
    """Read flux observations from FLUXNET files (also zips and folders of them) or from tables.

    Parameters
    ----------
    path : path or list of paths
        Files named like FLUXNET downloads are read as such; any other file as a table.
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
    reduce : callable (table, file name) -> table, optional
        Applied to each file's table before they are joined, such as aggregation of half-hours to days.

    Returns
    -------
    xarray.Dataset
        Observations as they are in the files, unfiltered; flux [g C m-2 d-1].
    """
    paths = [path] if isinstance(path, (str, Path)) else list(path)
    found = [source for item in paths for source in find_sources(item)]
    files = [file for file in map(recognise, found) if file is not None]
    named = {file.source for file in files}
    tables = [] if files else [source for source in found if is_table(source.name) and not is_kin(source)]
    explicit = [source for source in found if not source.members and str(source.path) in map(str, paths)]
    if files:
        tables = [source for source in explicit if source not in named and is_table(source.name)]
    elif not tables or (len(tables) > 1 and set(tables) - set(explicit)):
        raise _nothing(paths, found, tables)
    if files and flux != "reco":
        raise ConfigError(f"FLUXNET files hold ecosystem respiration; the flux kind given is '{flux}'",
                          "Take flux=reco, or give a table")
    chosen, twins = drop_subsets(choose_resolution(files, resolution)) if files else ([], [])
    jobs: list[FluxnetFile | Source] = [*chosen, *tables]
    first, last = parse_period(period)
    parts = []
    for number, job in enumerate(jobs):
        source = job.source if isinstance(job, FluxnetFile) else job
        progress(number / len(jobs), f"Reading {source.label}")
        ds = (read_fluxnet(job, target=target) if isinstance(job, FluxnetFile) else
              read_table_observations(job, columns=columns, units=units, flux=flux, target=target))
        ds = _within(ds, first, last, source.label)
        parts.append((source.label, reduce(ds, source.label) if reduce is not None else ds))
    whole = merge(parts)
    _note_ignored(whole, [source for source in found if source not in named and source not in tables] if files else [],
                  [file.source for file in twins])
    return _place(whole, sites, found)


def _nothing(paths: Sequence[str | Path], found: Sequence[Source], tables: Sequence[Source]) -> SchemaError:
    where = ", ".join(f"'{Path(item).name}'" for item in paths)
    shown = ", ".join(source.label for source in (tables or found)[:10]) or "no file at all"
    if tables:
        return SchemaError(f"{where} holds {len(tables)} tables and none is named like a FLUXNET file",
                           f"Give the table itself; found: {shown}")
    return SchemaError(f"{where} holds no observations that can be read",
                       "Give FLUXNET files (such as FLX_XX-Xxx_FLUXNET2015_FULLSET_MM_2001-2010_1-4.csv) or a "
                       f"table (CSV, TSV, parquet, GeoPackage); found: {shown}")


def _within(ds: xr.Dataset, first: np.datetime64 | None, last: np.datetime64 | None, label: str) -> xr.Dataset:
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


def _note_ignored(ds: xr.Dataset, ignored: Sequence[Source], twins: Sequence[Source]) -> None:
    for reason, sources in (("files ignored: no FLUXNET flux files", ignored),
                            ("files ignored: SUBSET where the FULLSET is there too", twins)):
        if sources:
            shown = ", ".join(source.label for source in sources[:10])
            note(ds, reason, len(sources), detail=shown + (", ..." if len(sources) > 10 else ""))


def _place(ds: xr.Dataset, sites: str | None, found: Sequence[Source]) -> xr.Dataset:
    """Give sites their position and class, from the site table or from BADM files in the download."""
    if sites:
        towers = read_sites(sites)
        unknown = [str(site) for site in ds["site"].values if site not in towers.index]
        if len(unknown) == ds.sizes["site"]:
            raise SchemaError(f"The site table '{Path(sites).name}' knows none of the {len(unknown)} sites, "
                              f"such as '{unknown[0]}'", "Its sites are, for example: "
                              + ", ".join(map(str, towers.index[:5])))
        ds = add_towers(ds, towers)
    for source in found:
        if _SITE_FILE.search(source.name) and is_table(source.name):
            ds = add_towers(ds, read_site_table(source))
    note_unplaced(ds)
    return ds


def write_observations(ds: xr.Dataset, path: str | Path) -> list[Path]:
    """Write observations as NetCDF, with a CSV, a GeoPackage of the towers and the ledger (CSV) beside it.

    Returns
    -------
    list of Path
        What was written, the NetCDF file first.
    """
    check_observations(ds)
    target = _netcdf_path(path)
    written = [target, target.with_suffix(".csv"), target.with_name(target.stem + "_towers.gpkg"),
               target.with_name(target.stem + "_ledger.csv")]
    records = np.isfinite(ds[ds.attrs["flux_kind"]].values).sum(axis=1)
    fields = {"site": ds["site"].values.astype(object), "igbp": ds["igbp"].values.astype(object),
              "records": records.astype("int32")}
    with ExitStack() as stack:
        netcdf, table, towers, dropped = (stack.enter_context(atomic(item)) for item in written)
        _write_netcdf(ds, netcdf)
        _observation_rows(ds).to_csv(table, index=False, lineterminator="\n", float_format="%.10g")
        write_points(towers, ds["lat"].values, ds["lon"].values, fields, "towers")
        _write_ledger(ledger(ds), dropped)
    return written


def _write_ledger(entries: Sequence[Mapping[str, Any]], part: Path) -> None:
    """Write a ledger as CSV: a row per reason, then one per site of it."""
    with open(part, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("reason", "site", "count", "detail"))
        for entry in entries:
            writer.writerow((entry["reason"], "", entry["count"], entry.get("detail", "")))
            for site, count in entry.get("sites", {}).items():
                writer.writerow((entry["reason"], site, count, ""))


def _observation_rows(ds: xr.Dataset) -> pd.DataFrame:
    flux = ds.attrs["flux_kind"]
    at_site, at_time = np.nonzero(np.isfinite(ds[flux].values))
    columns: dict[str, Any] = {"site": ds["site"].values[at_site],
                               "time": _dates(ds["time"].values[at_time], ds.attrs["time_step"])}
    for name in ("lat", "lon", "igbp", "network", "elevation"):
        if name in ds.coords:
            columns[name] = ds[name].values[at_site]
    for name in map(str, ds.data_vars):
        columns[name] = ds[name].values[at_site, at_time]
    return pd.DataFrame(columns)


def _dates(times: np.ndarray, time_step: str) -> np.ndarray:
    unit = {"year": "Y", "month": "M", "half-hour": "m", "hour": "m"}.get(time_step, "D")
    return times.astype(f"datetime64[{unit}]").astype(str)


def open_observations(path: str | Path) -> xr.Dataset:
    """Open and check a table of observations."""
    return check_observations(_open_netcdf(path, "observations", "read_observations"))


def write_samples(ds: xr.Dataset, path: str | Path) -> list[Path]:
    """Write samples as NetCDF with a CSV beside it."""
    check_samples(ds)
    target = _netcdf_path(path)
    columns = {name: ds[name].values for name in ("site", "time", "lat", "lon", "igbp", "group")}
    columns["time"] = _dates(columns["time"], ds.attrs["time_step"])
    columns |= {name: ds[name].values for name in ("target", *feature_names(ds))}
    written = [target, target.with_suffix(".csv")]
    with atomic(written[0]) as netcdf, atomic(written[1]) as table:
        _write_netcdf(ds, netcdf)
        pd.DataFrame(columns).to_csv(table, index=False, lineterminator="\n", float_format="%.10g")
    return written


def open_samples(path: str | Path) -> xr.Dataset:
    """Open and check a table of samples."""
    return check_samples(_open_netcdf(path, "samples", "build_samples"))


def _netcdf_path(path: str | Path) -> Path:
    target = Path(path)
    if target.suffix.lower() != ".nc":
        raise ConfigError(f"'{target.name}' cannot be written: such tables are NetCDF", "Let its name end in .nc")
    return target


def _write_netcdf(ds: xr.Dataset, part: Path) -> None:
    out = ds.copy()
    encoding: dict[str, dict[str, Any]] = {}
    for name in map(str, out.variables):
        variable = out[name]
        if variable.dtype == object:
            out[name] = variable.copy(data=np.array([str(text) for text in variable.values], dtype=object))
            encoding[name] = {"dtype": str}
        elif np.issubdtype(variable.dtype, np.datetime64):
            sub_daily = out.attrs.get("time_step") in ("half-hour", "hour")
            encoding[name] = {"units": f"{'minutes' if sub_daily else 'days'} since 1970-01-01",
                                   "calendar": "standard", "dtype": "int32"}
        elif variable.dtype.kind == "f":
            encoding[name] = {"zlib": True, "complevel": 2, "_FillValue": np.nan}
    out.attrs["Conventions"] = "CF-1.8"
    out.to_netcdf(part, engine="netcdf4", format="NETCDF4", encoding=encoding)


def _open_netcdf(path: str | Path, kind: str, step: str) -> xr.Dataset:
    where = Path(path)
    if not where.is_file():
        raise SchemaError(f"The {kind} '{where}' do not exist", f"Make them with {step}")
    try:
        with xr.open_dataset(where, engine="netcdf4", decode_timedelta=False) as ds:
            loaded = ds.load()
    except (OSError, ValueError, RuntimeError) as error:
        raise SchemaError(f"'{where.name}' cannot be opened as {kind}: {error}", f"Make it with {step}") from error
    for name in loaded.variables:
        if loaded[name].dtype.kind in "UT":
            loaded[name] = loaded[name].astype(object)
        loaded[name].encoding = {}
    loaded.attrs.pop("Conventions", None)
    return loaded


__all__ = ["open_observations", "open_samples", "read_observations", "write_observations", "write_samples"]
