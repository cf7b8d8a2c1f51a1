"""The actions that look at observations, and at drivers beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from ..errors import SampleError
from ..evaluation.drivers import COLUMNS, compare_drivers, shared_drivers
from ..io.drivers.files import open_drivers
from ..io.files import atomic
from ..io.observations.read import open_observations
from ..io.points import write_points
from ..progress import Progress
from ..report.driver_check import DriverCheck, build_driver_check
from ..report.inventory import Inventory, build_inventory
from ..samples.footprints import Footprint
from ..vocabulary import variable
from ..vocabulary.calendar import SUB_DAILY, step_days
from ..vocabulary.ledger import ledger, ledger_lines
from .data import at_towers
from .footprints import folded
from .texts import names, pairs

JUDGED = ("records of quality below", "records without quality", "negative rates", "rates beyond")
RAW = "rates beyond"  # is judged before values are averaged over time steps
YEAR_DAYS = 365.0


def inventory(*, observations: Any, output: str, table: str, points: str, progress: Progress) -> dict[str, Any]:
    """Count what observations there are by network, class, month and year; as page, table and points."""
    paths = [observations] if isinstance(observations, str) else list(observations)
    found = take_stock([open_observations(path) for path in paths], [Path(path).name for path in paths])
    rows = site_years(found)
    with atomic(table) as part:
        rows.to_csv(part, index=False, lineterminator="\n", float_format="%.6g")
    with atomic(points) as part:
        write_points(part, found.lon, found.lat, _fields(found), "towers")
    html = build_inventory(found, progress.span(0.1, 0.95))
    with atomic(output) as part:
        part.write_text(html, encoding="utf-8", newline="\n")
    return {"output": output, "table": table, "points": points, "summary": _stock_lines(found),
            "citations": list(found.citations)}


def take_stock(tables: Sequence[xr.Dataset], sources: Sequence[str]) -> Inventory:
    """Return observations counted by tower and year.

    Parameters
    ----------
    tables : sequence of xarray.Dataset of kind observations
    sources : sequence of str
        Their names.

    Raises
    ------
    SampleError
        No table has a record.
    """
    counted = [_count(ds) for ds in tables]
    years = np.concatenate([part["years"] for part in counted])
    if not years.size:
        raise SampleError("The observations have no record", "Read them again with a lower qc_min")
    span = np.arange(years.min(), years.max() + 1)
    def grid(name: str) -> np.ndarray:
        return np.concatenate([_spread(part[name], part["years"], span) for part in counted])

    def column(name: str) -> list[str]:
        return [str(text) for part in counted for text in part[name]]

    dropped: dict[str, int] = {}
    for ds in tables:
        for reason, count in _judged(ds):
            dropped[reason] = dropped.get(reason, 0) + count
    cited = [part for ds in tables for part in str(ds.attrs.get("citation", "")).split("; ") if part]
    return Inventory(
        site=column("site"), network=column("network"), igbp=column("igbp"), flux=column("flux"), years=span,
        records=grid("records"), share=grid("share"), dropped=tuple(dropped.items()),
        **{name: np.concatenate([part[name] for part in counted]) for name in ("lat", "lon", "mean", "passed",
                                                                              "months")},
        left_out=tuple(dict.fromkeys(line for ds in tables for line in ledger_lines(
            [entry for entry in ledger(ds) if entry["count"] and entry not in _entries(ds)]))),
        time_steps=tuple(dict.fromkeys(str(ds.attrs["time_step"]) for ds in tables)), sources=tuple(sources),
        citations=tuple(dict.fromkeys(cited)))


def _count(ds: xr.Dataset) -> dict[str, Any]:
    flux, step = str(ds.attrs["flux_kind"]), str(ds.attrs["time_step"])
    values = ds[flux].values
    good = np.isfinite(values)
    stamps = ds["time"].values.astype("datetime64[M]").astype(int)
    year, month = stamps // 12 + 1970, stamps % 12
    years = np.unique(year[good.any(axis=0)])
    records = np.stack([good[:, year == each].sum(axis=1) for each in years], axis=1) if years.size else np.zeros(
        (ds.sizes["site"], 0), dtype=int)
    possible = np.array([_steps_of_year(int(each), step) for each in years])
    text = {name: ds[name].values if name in ds.coords else np.full(ds.sizes["site"], "") for name in ("network",
                                                                                                      "igbp")}
    kept = good.sum(axis=1)
    lost = np.zeros(ds.sizes["site"])
    for entry in _entries(ds):
        lost += [entry.get("sites", {}).get(str(site), 0) for site in ds["site"].values]
    return {
        "years": years, "records": records, "share": records / np.maximum(possible, 1), **text,
        "site": ds["site"].values, "flux": [flux] * ds.sizes["site"], "lat": ds["lat"].values, "lon": ds["lon"].values,
        "months": np.stack([good[:, month == each].sum(axis=1) for each in range(12)], axis=1),
        "mean": np.where(good, values, 0.0).sum(axis=1) / np.where(kept > 0, kept, np.nan),
        "passed": kept / np.where(kept + lost > 0, kept + lost, np.nan) if _entries(ds) else np.full(kept.shape,
                                                                                                   np.nan)}


def _steps_of_year(year: int, step: str) -> float:
    """Return how many time steps a year has."""
    days = np.arange(f"{year}-01-01", f"{year + 1}-01-01", dtype="datetime64[D]")
    if step in SUB_DAILY:
        return days.size / SUB_DAILY[step]
    return float((1.0 / step_days(days, step)).sum()) if step != "week" else days.size / 7


def _spread(values: np.ndarray, years: np.ndarray, span: np.ndarray) -> np.ndarray:
    """Return columns of some years as columns of all years, 0 where there are none."""
    out = np.zeros((values.shape[0], span.size), dtype=values.dtype)
    out[:, years - span[0]] = values
    return out


def _entries(ds: xr.Dataset) -> list[dict[str, Any]]:
    """Return the entries of the ledger that tell of records of this time step which failed quality control."""
    averaged = "aggregated from" in str(ds.attrs.get("history", ""))
    return [entry for entry in ledger(ds) if entry["count"] and entry["reason"].startswith(JUDGED)
            and not (averaged and entry["reason"].startswith(RAW))]


def _judged(ds: xr.Dataset) -> list[tuple[str, int]]:
    return [(str(entry["reason"]), int(entry["count"])) for entry in _entries(ds)]


def site_years(found: Inventory) -> pd.DataFrame:
    """Return a row per tower and year with records."""
    at_site, at_year = np.nonzero(found.records)
    def of(values: Sequence[Any]) -> np.ndarray:
        return np.asarray(values, dtype=object)[at_site]

    return pd.DataFrame({
        "site": of(found.site), "network": of(found.network), "igbp": of(found.igbp), "lat": found.lat[at_site],
        "lon": found.lon[at_site], "flux": of(found.flux), "year": found.years[at_year],
        "records": found.records[at_site, at_year], "share_of_year": found.share[at_site, at_year],
        "site_mean_flux": found.mean[at_site], "site_share_passed": found.passed[at_site]})


def _fields(found: Inventory) -> dict[str, np.ndarray]:
    there = found.records > 0
    first = np.array([found.years[row].min() if row.any() else 0 for row in there], dtype="int32")
    last = np.array([found.years[row].max() if row.any() else 0 for row in there], dtype="int32")
    return {"site": np.asarray(found.site, dtype=object), "network": np.asarray(found.network, dtype=object),
            "igbp": np.asarray(found.igbp, dtype=object), "flux": np.asarray(found.flux, dtype=object),
            "first_year": first, "last_year": last, "years": there.sum(axis=1).astype("int32"),
            "records": found.records.sum(axis=1).astype("int32"), "mean_flux": found.mean,
            "share_passed": found.passed}


def _stock_lines(found: Inventory) -> list[str]:
    lines = [f"{len(found.site)} sites, {int(found.site_years.sum())} site-years, {int(found.records.sum())} records, "
             f"{found.years[0]} to {found.years[-1]}, time step {', '.join(found.time_steps)}"]
    for title, texts in (("networks", found.network), ("classes", found.igbp)):
        values, counts = np.unique([text or "not stated" for text in texts], return_counts=True)
        lines.append(f"{title}: " + ", ".join(f"{value} {count}" for value, count in zip(values, counts)))
    if np.isfinite(found.passed_all):
        lines.append(f"{100 * found.passed_all:.1f} % of the records passed quality control")
    return [part for line in lines for part in folded(line)]


def check_drivers(*, observations: str, drivers: Optional[str], layers: Optional[list[str]],
                  layer_names: Optional[str], variables: Optional[str], units: Optional[str], start: Optional[str],
                  time_step: str, align: str, footprint: str, footprint_km: float, output: str, table: str,
                  progress: Progress) -> dict[str, Any]:
    """Compare gridded drivers with what the towers measured; as table and page."""
    shape = Footprint(footprint, footprint_km)
    towers = open_observations(observations)
    cube = open_drivers(drivers, layers or (), names(layer_names), variables=pairs(variables, "variables"),
                        units=pairs(units, "units"), start=start, time_step=time_step, align=align)
    common = shared_drivers(towers, cube)
    gridded = at_towers(towers, cube, common, shape, progress.span(0.05, 0.6))
    rows, held = compare_drivers(towers, gridded, common)
    with atomic(table) as part:
        rows.to_csv(part, index=False, lineterminator="\n", float_format="%.6g")
    about = {name: (variable(name).long_name, str(gridded[name].attrs.get("units", ""))) for name in common}
    notes = ledger_lines(ledger(gridded))
    html = build_driver_check(DriverCheck(
        rows.to_dict("records"), held, about, shape.words, str(towers.attrs["time_step"]),
        (Path(observations).name, *_sources(cube, common)), notes), progress.span(0.6, 0.95))
    with atomic(output) as part:
        part.write_text(html, encoding="utf-8", newline="\n")
    lines = _check_lines(rows[rows["site"] == "all"], about) + notes
    return {"output": output, "table": table, "summary": [part for line in lines for part in folded(line)],
            "citations": [part for part in str(towers.attrs.get("citation", "")).split("; ") if part],
            "details": {"ledger": ledger(gridded)}}


def _sources(cube: xr.Dataset, common: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(str(cube[name].attrs.get("source") or "drivers") for name in common))[:3]


def _check_lines(pooled: pd.DataFrame, about: dict[str, tuple[str, str]]) -> list[str]:
    """Return a line per driver, set in columns."""
    lines = [f"{'driver':<12}{'unit':<14}{'sites':>6}{'n':>8}{'bias':>10}{'RMSE':>10}{'R2 (r2)':>10}{'R2 (NSE)':>10}"]
    for row in pooled.to_dict("records"):
        lines.append(f"{row['driver']:<12}{about[row['driver']][1] or '-':<14}{row['sites']:>6}{row['n']:>8}"
                     f"{row['bias']:>10.3g}{row['rmse']:>10.3g}{row['r2_pearson']:>10.3f}{row['r2_nse']:>10.3f}")
    return lines


__all__ = ["COLUMNS", "check_drivers", "inventory", "site_years", "take_stock"]
