"""Writing and opening tables of observations and samples."""

from __future__ import annotations

import csv
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from ...errors import ConfigError, SchemaError
from ...vocabulary import check_observations, check_samples
from ...vocabulary.kinds import feature_names
from ...vocabulary.ledger import ledger
from ..files import atomic
from ..points import write_points


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
    with ExitStack() as stack:
        netcdf, table, towers, dropped = (stack.enter_context(atomic(item)) for item in written)
        _write_netcdf(ds, netcdf)
        _observation_rows(ds).to_csv(table, index=False, lineterminator="\n", float_format="%.10g")
        _write_towers(ds, towers)
        _write_ledger(ledger(ds), dropped)
    return written


def write_towers(ds: xr.Dataset, path: str | Path) -> Path:
    """Write the towers as points: site, network, class, first and last year, records and mean flux [g C m-2 d-1].

    Raises
    ------
    ConfigError
        The name of the file does not end in .gpkg.
    """
    target = Path(path)
    if target.suffix.lower() != ".gpkg":
        raise ConfigError(f"'{target.name}' cannot be written: points are a GeoPackage", "Let its name end in .gpkg")
    with atomic(target) as part:
        _write_towers(check_observations(ds), part)
    return target


def _write_towers(ds: xr.Dataset, part: Path) -> None:
    flux = ds[ds.attrs["flux_kind"]].values
    good = np.isfinite(flux)
    records = good.sum(axis=1)
    years = ds["time"].values.astype("datetime64[Y]").astype("int64") + 1970
    first, last = (np.where(records > 0, pick, 0) for pick in (
        np.where(good, years, 9999).min(axis=1), np.where(good, years, 0).max(axis=1)))
    mean = np.where(good, flux, 0.0).sum(axis=1) / np.maximum(records, 1)
    fields = {"site": ds["site"].values.astype(object), "network": _texts(ds, "network"), "igbp": _texts(ds, "igbp"),
              "first_year": first.astype("int32"), "last_year": last.astype("int32"),
              "records": records.astype("int32"), f"mean_{ds.attrs['flux_kind']}": np.where(records > 0, mean, np.nan)}
    write_points(part, ds["lon"].values, ds["lat"].values, fields, "towers")


def _texts(ds: xr.Dataset, name: str) -> np.ndarray:
    return ds[name].values.astype(object) if name in ds.coords else np.full(ds.sizes["site"], "", dtype=object)


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
