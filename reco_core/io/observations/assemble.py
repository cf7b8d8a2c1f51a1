"""From rows to a table of observations (site x time), and from several tables to one."""

from __future__ import annotations

import json
from typing import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from ...errors import ConfigError, SampleError
from ...vocabulary import variable
from ...vocabulary.ledger import join_ledgers, ledger, note, set_ledger

TEXT_COORDS = ("igbp", "network")
NUMBER_COORDS = ("lat", "lon", "elevation")
NETWORKS_JOINED = " + "
_UNCERTAINTY = {"uncertainty": "Uncertainty of the flux from the u* threshold",
                "uncertainty_partitioning": "Difference between night-time and daytime partitioning of the flux"}


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
        ds.coords[name] = ("site", _networks(given, at_site, sites.size) if name == "network" and given is not None
                           else _per_site(given, at_site, sites.size, name in TEXT_COORDS))
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


def _networks(given: np.ndarray, at_site: np.ndarray, count: int) -> np.ndarray:
    """Return the networks of each site, joined where it has rows of several."""
    out = np.full(count, "", dtype=object)
    for site, network in dict.fromkeys(zip(at_site.tolist(), map(str, given))):
        out[site] = join_networks(out[site], network)
    return out


def join_networks(*names: str) -> str:
    """Return several networks as one text, each once.

    Examples
    --------
    >>> join_networks("ICOS", "FLUXNET2015 + ICOS", "")
    'ICOS + FLUXNET2015'
    """
    parts = (part for name in names for part in name.split(NETWORKS_JOINED) if part)
    return NETWORKS_JOINED.join(dict.fromkeys(parts))


def _attrs(name: str, flux: str, unit: str | None) -> dict[str, str]:
    if name == "qc":
        return {"units": "1", "long_name": "Quality of the flux"}
    if name in _UNCERTAINTY:
        return {"units": variable(flux).unit, "long_name": _UNCERTAINTY[name]}
    known = variable(name)
    return {"units": unit if unit is not None and not known.unit else known.unit, "long_name": known.long_name}


def add_source(ds: xr.Dataset, **entry: str) -> None:
    """Add a file to those that the table was made of: file, network, site, version, citation."""
    known = json.loads(ds.attrs.get("sources", "[]"))
    ds.attrs["sources"] = json.dumps([*known, entry], sort_keys=True, ensure_ascii=False)


def sources(ds: xr.Dataset) -> list[dict[str, str]]:
    """Return the files that a table was made of, each with what to cite."""
    return list(json.loads(ds.attrs.get("sources", "[]")))


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
    attrs = {name: _joint_attrs([ds[name].attrs for _, ds in parts if name in ds]) for name in names}
    grids = {name: np.full((sites.size, times.size), np.nan) for name in names}
    owner = np.full((sites.size, times.size), -1)
    for number, (label, ds) in enumerate(parts):
        rows, columns = np.searchsorted(sites, ds["site"].values.astype(str)), np.searchsorted(times, ds["time"].values)
        where = np.ix_(rows, columns)
        has = np.isfinite(ds[flux].values)
        _refuse_doubles(ds, label, has & (owner[where] >= 0), [parts[n][0] for n in range(number)], owner[where])
        owner[where] = np.where(has, number, owner[where])
        for name in map(str, ds.data_vars):
            known = grids[name][where]
            grids[name][where] = np.where(np.isnan(known) | has, ds[name].values, known)
    merged = xr.Dataset({name: (("site", "time"), grid, attrs[name]) for name, grid in grids.items()},
                        coords={"site": sites, "time": times, **_joint_towers(parts, sites, flux)})
    merged.attrs = dict(first.attrs)
    if len({ds.attrs.get("method", "") for _, ds in parts}) > 1:
        merged.attrs.pop("method", None)
    merged.attrs["sources"] = json.dumps([entry for _, ds in parts for entry in sources(ds)], sort_keys=True,
                                         ensure_ascii=False)
    set_ledger(merged, join_ledgers([ledger(ds) for _, ds in parts]))
    for key, joint in (("history", "\n"), ("citation", "; ")):
        lines = (line for _, ds in parts for line in ds.attrs.get(key, "").split(joint) if line)
        merged.attrs[key] = joint.join(dict.fromkeys(lines))
    return with_attrs(merged)


def _joint_towers(parts: Sequence[tuple[str, xr.Dataset]], sites: np.ndarray,
                  flux: str) -> dict[str, tuple[str, np.ndarray]]:
    """Return what is known of each site: the first value given, and all networks that gave a record."""
    joint = {name: np.full(sites.size, "", dtype=object) if name in TEXT_COORDS else np.full(sites.size, np.nan)
             for name in TEXT_COORDS + NUMBER_COORDS if any(name in ds.coords for _, ds in parts)}
    rows = [np.searchsorted(sites, ds["site"].values.astype(str)) for _, ds in parts]
    for (_, ds), at in zip(parts, rows):
        for row, network, some in zip(at, ds["network"].values, np.isfinite(ds[flux].values).any(axis=1)):
            joint["network"][row] = join_networks(joint["network"][row], network if some else "")
    for (_, ds), at in zip(parts, rows):  # the network of a site without any record is the first that names it
        for name, values in joint.items():
            if name in ds.coords:
                _fill(values, at, ds[name].values, name in TEXT_COORDS)
    return {name: ("site", values) for name, values in joint.items()}


def _joint_attrs(attrs: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the attributes of a variable; where tables made it in several ways, all are told."""
    joint = dict(attrs[0])
    for key in ("method", "source_column"):
        told = dict.fromkeys(str(part[key]) for part in attrs if key in part)
        if told:
            joint[key] = "; ".join(told)
    return joint


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
