"""From rows to a table of observations (site x time), and from several tables to one."""

from __future__ import annotations

from typing import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from ..errors import ConfigError, SampleError
from ..vocabulary import variable
from ..vocabulary.ledger import join_ledgers, ledger, note, set_ledger

TEXT_COORDS = ("igbp", "network")
NUMBER_COORDS = ("lat", "lon", "elevation")


def assemble(site: np.ndarray, time: np.ndarray, values: Mapping[str, np.ndarray],
             towers: Mapping[str, np.ndarray], *, flux: str, time_step: str,
             units: Mapping[str, str] | None = None) -> xr.Dataset:
    """Return rows as a dataset of observations; the rows must not repeat a site and time.

    Parameters
    ----------
    site : array of str, shape (n,)
    time : array of datetime64, shape (n,)
    values : mapping name -> array of shape (n,)
        Flux [g C m-2 d-1], qc, and whatever else was read, in canonical units.
    towers : mapping name -> array of shape (n,)
        What belongs to the site: lat, lon, igbp, network, elevation. The first value given counts.
    flux, time_step : str
    units : mapping, optional
        Units of variables that the vocabulary does not know.
    """
    sites, at_site = np.unique(site.astype(str), return_inverse=True)
    times, at_time = np.unique(time.astype("datetime64[ns]"), return_inverse=True)
    ds = xr.Dataset(coords={"site": sites.astype(object), "time": times})
    for name in (flux, "qc", *(name for name in values if name not in (flux, "qc"))):
        grid = np.full((sites.size, times.size), np.nan)
        if name in values:
            grid[at_site, at_time] = values[name]
        ds[name] = (("site", "time"), grid, _attrs(name, flux, (units or {}).get(name)))
    for name in TEXT_COORDS + NUMBER_COORDS:
        given = towers.get(name)
        if given is None and name == "elevation":
            continue
        ds.coords[name] = ("site", _per_site(given, at_site, sites.size, name in TEXT_COORDS))
    ds.attrs = {"reco_kind": "observations", "flux_kind": flux, "time_step": time_step, "history": "",
                "citation": "", "ledger": "[]"}
    empty = np.bincount(at_site, np.isnan(values[flux]), minlength=sites.size).astype(int)
    if empty.any():
        note(ds, "records without a flux value", int(empty.sum()),
             sites={str(name): int(n) for name, n in zip(sites, empty) if n})
    return with_attrs(ds)


def _per_site(given: np.ndarray | None, at_site: np.ndarray, count: int, is_text: bool) -> np.ndarray:
    out = np.full(count, "", dtype=object) if is_text else np.full(count, np.nan)
    if given is None:
        return out
    known = np.array([bool(value) for value in given]) if is_text else np.isfinite(given)
    # backwards, so that the first known value of a site stays
    out[at_site[known][::-1]] = given[known][::-1]
    return out


def _attrs(name: str, flux: str, unit: str | None) -> dict[str, str]:
    if name == "qc":
        return {"units": "1", "long_name": "Quality of the flux"}
    if name == "uncertainty":
        return {"units": variable(flux).unit, "long_name": "Uncertainty of the flux from the u* threshold"}
    known = variable(name)
    return {"units": unit if unit is not None and not known.unit else known.unit, "long_name": known.long_name}


def with_attrs(ds: xr.Dataset) -> xr.Dataset:
    """Give coordinates their CF attributes."""
    ds["lat"].attrs = {"units": "degrees_north", "standard_name": "latitude", "long_name": "Latitude"}
    ds["lon"].attrs = {"units": "degrees_east", "standard_name": "longitude", "long_name": "Longitude"}
    ds["igbp"].attrs = {"long_name": "Vegetation class"}
    ds["network"].attrs = {"long_name": "Network"}
    ds["site"].attrs = {"long_name": "Site", "cf_role": "timeseries_id"}
    ds["time"].attrs = {"long_name": "Start of the time step", "standard_name": "time"}
    if "elevation" in ds.coords:
        ds["elevation"].attrs = {"units": "m", "long_name": "Elevation"}
    return ds


def merge(parts: Sequence[tuple[str, xr.Dataset]]) -> xr.Dataset:
    """Join tables of observations; `parts` are (label, table).

    Raises
    ------
    ConfigError
        The time steps differ.
    SampleError
        Two tables give the flux of one site at one time.
    """
    first = parts[0][1]
    flux, step = first.attrs["flux_kind"], first.attrs["time_step"]
    for label, ds in parts:
        if ds.attrs["time_step"] != step:
            raise ConfigError(f"'{parts[0][0]}' is at time step '{step}' but '{label}' is at "
                              f"'{ds.attrs['time_step']}'", "Aggregate them to one time step (aggregate=month)")
    sites = np.unique(np.concatenate([ds["site"].values.astype(str) for _, ds in parts])).astype(object)
    times = np.unique(np.concatenate([ds["time"].values for _, ds in parts]))
    names = list(dict.fromkeys(name for _, ds in parts for name in map(str, ds.data_vars)))
    attrs = {name: ds[name].attrs for _, ds in reversed(parts) for name in map(str, ds.data_vars)}
    grids = {name: np.full((sites.size, times.size), np.nan) for name in names}
    owner = np.full((sites.size, times.size), -1)
    coords = {name: np.full(sites.size, "", dtype=object) if name in TEXT_COORDS else np.full(sites.size, np.nan)
              for name in TEXT_COORDS + NUMBER_COORDS if any(name in ds.coords for _, ds in parts)}
    for number, (label, ds) in enumerate(parts):
        rows, columns = np.searchsorted(sites, ds["site"].values.astype(str)), np.searchsorted(times, ds["time"].values)
        where = np.ix_(rows, columns)
        has = np.isfinite(ds[flux].values)
        _refuse_doubles(ds, label, has & (owner[where] >= 0), [parts[n][0] for n in range(number)], owner[where])
        owner[where] = np.where(has, number, owner[where])
        for name in map(str, ds.data_vars):
            known = grids[name][where]
            grids[name][where] = np.where(np.isnan(known) | has, ds[name].values, known)
        for name, values in coords.items():
            if name in ds.coords:
                _fill(values, rows, ds[name].values, name in TEXT_COORDS)
    merged = xr.Dataset({name: (("site", "time"), grid, attrs[name]) for name, grid in grids.items()},
                        coords={"site": sites, "time": times, **{n: ("site", v) for n, v in coords.items()}})
    merged.attrs = dict(first.attrs)
    set_ledger(merged, join_ledgers([ledger(ds) for _, ds in parts]))
    for key, joint in (("history", "\n"), ("citation", "; ")):
        lines = (line for _, ds in parts for line in ds.attrs.get(key, "").split(joint) if line)
        merged.attrs[key] = joint.join(dict.fromkeys(lines))
    return with_attrs(merged)


def _refuse_doubles(ds: xr.Dataset, label: str, double: np.ndarray, labels: list[str], owner: np.ndarray) -> None:
    if not double.any():
        return
    row, column = (int(at[0]) for at in np.nonzero(double))
    site, time = ds["site"].values[row], str(ds["time"].values[column])
    other = labels[owner[row, column]]
    raise SampleError(f"Site '{site}' has {int(double.sum())} time steps twice, the first {time[:10]}: "
                      f"in '{other}' and in '{label}'", "Remove one of the two files")


def _fill(values: np.ndarray, rows: np.ndarray, given: np.ndarray, is_text: bool) -> None:
    for row, value in zip(rows, given):
        unknown = values[row] == "" if is_text else np.isnan(values[row])
        if unknown:
            values[row] = value


def add_towers(ds: xr.Dataset, towers: pd.DataFrame) -> xr.Dataset:
    """Fill in what the table does not know of its sites from a site table (index site)."""
    sites = ds["site"].values.astype(str)
    for name in TEXT_COORDS + NUMBER_COORDS:
        if name not in towers:
            continue
        is_text = name in TEXT_COORDS
        known = ds[name].values.copy() if name in ds.coords else np.full(sites.size, np.nan)
        given = towers[name].reindex(sites)
        values = given.fillna("").to_numpy(object) if is_text else given.to_numpy("float64")
        if name == "elevation" and name not in ds.coords and not np.isfinite(values).any():
            continue
        _fill(known, np.arange(sites.size), values, is_text)
        ds.coords[name] = ("site", known)
    return with_attrs(ds)


def note_unplaced(ds: xr.Dataset) -> None:
    """Put the sites without a position into the ledger."""
    unplaced = [str(site) for site, lat, lon in zip(ds["site"].values, ds["lat"].values, ds["lon"].values)
                if not (np.isfinite(lat) and np.isfinite(lon))]
    if unplaced:
        note(ds, "sites without a position: they cannot be joined with grids", 0,
             detail=", ".join(unplaced[:20]) + (f" and {len(unplaced) - 20} more" if len(unplaced) > 20 else ""))
