"""From observations and drivers to the table that models are fitted on."""

from __future__ import annotations

from typing import Mapping, Sequence

import numpy as np
import xarray as xr

from ..errors import ConfigError, SampleError, SchemaError
from ..vocabulary import canonical_name, check_observations, period_unit, variable
from ..vocabulary.calendar import TIME_STEPS, step_days, step_label, step_number
from ..vocabulary.ledger import add_history, join_ledgers, ledger, ledger_lines, note, set_ledger
from ..vocabulary.variables import IGBP_CODES
from . import surroundings
from .grouping import tower_groups

NOT_DRIVERS = ("qc", "uncertainty", "uncertainty_partitioning")
SITE_COORDS = ("lat", "lon", "igbp")
RANGE_SLACK = 1e-4


def build_samples(observations: xr.Dataset, drivers: xr.Dataset | None = None, *,
                  features: Sequence[str] | None = None, group_distance: float = 1.0, missing: str = "keep",
                  history: int = 0, patches: Mapping[str, np.ndarray] | None = None) -> xr.Dataset:
    """Join observations with drivers: one sample per site and time step that has the flux.

    Parameters
    ----------
    observations : xarray.Dataset
        Observations after quality control [g C m-2 d-1].
    drivers : xarray.Dataset, optional
        Drivers (site, time) taken from a grid (see `collocate.extract`), at the time steps of the observations and
        perhaps more; those measured at the sites if not given.
    features : sequence of str, optional
        Drivers that models shall see, in this order; all there are if not given.
    group_distance : float [km]
        Towers nearer than this are one group.
    missing : {'keep', 'drop'}
        Whether samples with gaps in their drivers stay.
    history : int
        Earlier time steps of every driver to keep with each sample.
    patches : mapping of driver to array of shape (site, time, k, k), optional
        The cells around the towers at the time steps of `drivers`, as `collocate.extract_patches` gives them; static
        drivers (site, k, k).

    Returns
    -------
    xarray.Dataset
        Samples; `target` in g C m-2 per time step. `climate` (sample, driver, month) holds the mean of each
        driver in each month of the year, `history` (sample, driver, lag) the earlier time steps, `patch`
        (sample, driver, dy, dx) the cells around.

    Raises
    ------
    SampleError
        A feature does not exist or has no value, or no sample is left.
    SchemaError
        A driver is out of its valid range.
    """
    check_observations(observations)
    flux, step = observations.attrs["flux_kind"], observations.attrs["time_step"]
    if step not in TIME_STEPS:
        raise SampleError(f"Samples cannot be built from data of time step '{step}'",
                          "Read the observations with aggregate=day or aggregate=month")
    if missing not in ("keep", "drop"):
        raise ConfigError(f"'{missing}' is no way to treat missing drivers", "Choose keep or drop")
    at_site, at_time = np.nonzero(np.isfinite(observations[flux].values))
    table = observations if drivers is None else drivers
    asked = _asked(features)
    place = _places(table["time"].values, observations["time"].values, step)[at_time]
    series = {name: _column(table, observations, name) for name in (asked or _there(table, flux))}
    columns = {name: values[at_site, place] for name, values in series.items()}
    out = _rows(observations, at_site, at_time, group_distance)
    set_ledger(out, join_ledgers([ledger(observations), ledger(table) if drivers is not None else []]))
    if drivers is not None and all(np.isnan(values).all() for values in columns.values()):
        raise SampleError(f"None of the {at_site.size} records lies on the grid, on data and inside its period",
                          "; ".join(ledger_lines(ledger(drivers))) or "Check the positions of the towers")
    kept = _usable(out, columns, asked)
    for name in kept:
        _check_range(name, columns[name], out, step)
        out[name] = ("sample", columns[name].astype("float64"), _attrs(table, observations, name))
    days = step_days(out["time"].values, step)
    rates = observations[flux].values[at_site, at_time]
    out["target"] = ("sample", rates * days, {"units": period_unit(step), "long_name": variable(flux).long_name})
    out["weight"] = ("sample", np.ones(at_site.size), {"units": "1", "long_name": "Weight of the sample"})
    out.attrs.update(reco_kind="samples", flux_kind=flux, time_step=step, features=",".join(kept),
                     history=observations.attrs.get("history", ""), citation=observations.attrs.get("citation", ""),
                     drivers_source="site" if drivers is None else "grid")
    rows = surroundings.Rows(at_site, place, table["time"].values, step)
    out = out.assign(surroundings.around(rows, {name: series[name] for name in kept}, history, patches or {}))
    if drivers is not None and "footprint" in drivers.attrs:
        out.attrs["footprint"] = drivers.attrs["footprint"]
    out = _finish(_one_network(out, observations, at_site), kept, missing)
    how = f" ({out.attrs['footprint']})" if "footprint" in out.attrs else ""
    add_history(out, f"samples of {flux} with {', '.join(kept)} from the {out.attrs['drivers_source']}{how}")
    return out


def _places(there: np.ndarray, wanted: np.ndarray, step: str) -> np.ndarray:
    """Return where each time step wanted stands among those that are there."""
    have, ask = step_number(there, step), step_number(wanted, step)
    return np.searchsorted(have, ask) if have.size != ask.size or (have != ask).any() else np.arange(ask.size)


def _asked(features: Sequence[str] | None) -> list[str]:
    asked = [canonical_name(name) or name.lower() for name in features or ()]
    for name in asked:
        if asked.count(name) > 1:
            raise ConfigError(f"The driver '{name}' is asked for twice", "Name each driver once")
    return asked


def _there(table: xr.Dataset, flux: str) -> list[str]:
    return [str(name) for name in table.data_vars if name not in (*NOT_DRIVERS, flux)]


def _column(table: xr.Dataset, observations: xr.Dataset, name: str) -> np.ndarray:
    """Return a driver as an array (site, time)."""
    flux = observations.attrs["flux_kind"]
    found = table[name] if name in _there(table, flux) else observations.coords.get(name)
    if found is None or found.dtype.kind not in "fiu":
        there = ", ".join(_there(table, flux)) or "none"
        if table is observations:
            raise SampleError(f"There is no driver '{name}' in the observations",
                              f"There are: {there}; take others from a grid with source=grid")
        raise SampleError(f"There is no driver '{name}' in the grid", f"There are: {there}")
    shape = (observations.sizes["site"], table.sizes["time"])
    values = found.values if found.ndim == 2 else found.values[:, None]
    return np.broadcast_to(values, shape)


def _rows(observations: xr.Dataset, at_site: np.ndarray, at_time: np.ndarray, distance: float) -> xr.Dataset:
    sites = observations["site"].values.astype(str)
    group = tower_groups(list(sites), observations["lat"].values, observations["lon"].values, distance)
    out = xr.Dataset(coords={
        "site": ("sample", observations["site"].values[at_site], observations["site"].attrs),
        "time": ("sample", observations["time"].values[at_time], observations["time"].attrs),
        **{name: ("sample", observations[name].values[at_site], observations[name].attrs) for name in SITE_COORDS},
        "group": ("sample", group[at_site], {"long_name": f"Tower group ({distance:g} km)"})})
    return out


def _attrs(table: xr.Dataset, observations: xr.Dataset, name: str) -> dict[str, str]:
    source = table[name] if name in table else observations[name]
    known = variable(name)
    return {"units": source.attrs.get("units", known.unit), "long_name": source.attrs.get("long_name", known.long_name)}


def _usable(out: xr.Dataset, columns: Mapping[str, np.ndarray], asked: Sequence[str]) -> list[str]:
    """Return the drivers with values; remark on those that never change."""
    kept = []
    for name, values in columns.items():
        good = values[np.isfinite(values)]
        if good.size == 0 and asked:
            raise SampleError(f"The driver '{name}' has no value at any of the {values.size} records",
                              "Leave it out of the features, or check its column or raster")
        if good.size == 0:
            note(out, "drivers left out because they have no value", 0, detail=name)
            continue
        if good.size and np.ptp(good) == 0:
            note(out, "drivers that never change: models cannot learn from them", 0, detail=f"{name} = {good[0]:g}")
        kept.append(name)
    if not kept:
        raise SampleError("There is no driver with values", "Add driver columns to the table, or take drivers from a "
                          "grid with source=grid")
    return kept


def _check_range(name: str, values: np.ndarray, out: xr.Dataset, step: str) -> None:
    known = variable(name)
    slack = RANGE_SLACK * (known.high - known.low) if np.isfinite(known.high - known.low) else 0.0
    bad = (values < known.low - slack) | (values > known.high + slack)
    if bad.any():
        at = int(np.argmax(bad))
        raise SchemaError(f"{name} of site '{out['site'].values[at]}' in {step_label(out['time'].values[at], step)} is "
                          f"{values[at]:g} {known.unit}; valid is {known.low:g} to {known.high:g} "
                          f"({int(bad.sum())} of {values.size} values are outside)",
                          f"Check the unit of {name} (units=\"{name}=...\") and its missing values")


def _one_network(out: xr.Dataset, observations: xr.Dataset, at_site: np.ndarray) -> xr.Dataset:
    """Where networks share a tower, keep one record per time step, that of FLUXNET first.

    Towers of one group that stand in different IGBP classes are neighbours, not the same tower.
    """
    if "network" not in observations.coords or observations.attrs.get("overlaps"):  # resolved when they were read
        return out
    network = observations["network"].values[at_site].astype(str)
    igbp = np.char.upper(out["igbp"].values.astype(str))
    igbp = np.where(np.isin(igbp, list(IGBP_CODES.values())), igbp, "")
    best: dict[tuple[int, int], list[int]] = {}
    keep = np.ones(network.size, dtype=bool)
    times = out["time"].values.astype("int64")
    for at in sorted(range(network.size), key=lambda at: ("FLUXNET" not in network[at].upper(), network[at])):
        holders = best.setdefault((int(out["group"].values[at]), int(times[at])), [])
        keep[at] = not any(network[other] != network[at] and ("" in (igbp[other], igbp[at]) or igbp[other] == igbp[at])
                           for other in holders)
        if keep[at]:
            holders.append(at)
    if not keep.all():
        sites, counts = np.unique(out["site"].values[~keep].astype(str), return_counts=True)
        note(out, "records of a tower that another network gives too", int((~keep).sum()),
             sites=dict(zip(sites.tolist(), counts.tolist())))
    return out.isel(sample=np.flatnonzero(keep))


def _finish(out: xr.Dataset, names: Sequence[str], missing: str) -> xr.Dataset:
    """Drop samples without drivers, or with gaps where asked."""
    gaps = np.array([np.isnan(out[name].values) for name in names])
    lost = gaps.any(axis=0) if missing == "drop" else gaps.all(axis=0)
    if lost.any():
        sites, counts = np.unique(out["site"].values[lost].astype(str), return_counts=True)
        reason = "samples with a missing driver" if missing == "drop" else "samples without any driver"
        by_driver = ", ".join(f"{name} {int(gap.sum())}" for name, gap in zip(names, gaps) if gap.any())
        note(out, reason, int(lost.sum()), sites=dict(zip(sites.tolist(), counts.tolist())), detail=by_driver)
    if lost.all():
        raise SampleError(f"No sample is left: each of the {lost.size} lacks a driver; missing values: " + ", ".join(
            f"{name} {int(gap.sum())}" for name, gap in zip(names, gaps) if gap.any()),
            "Leave out the driver with most gaps (features=...), or keep gaps (missing=keep)")
    return out.isel(sample=np.flatnonzero(~lost))
