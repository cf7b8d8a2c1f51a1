"""Zonal against unified forests on real tables: towers, ABCflux, and soil respiration of the world and of China.

Reads the tables below RECO_DATA (default ../shared/data) and prints rows for RESULTS.md. Nested skill holds whole
sites out (ten folds), for the unified forest and the zonal one on the same rows; the Z24-style score, which has seen
the sites it is scored on, stands beside it and is named so. COSORE is read and counted, not zoned: six sites.

Most of these tables carry no date or no position, so `reco read_observations` refuses them, and they are read
here as they are; a place's long-term means are those of its own records, the same in every month where a table has no
month. What stands for the published factors is printed with each set.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pandas as pd

from reco_core.errors import RecoError
from reco_core.evaluation.zonal import z24_style, zonal_against_unified
from reco_core.io.observations.read import read_observations
from reco_core.models.seeds import default_seeds
from reco_core.models.table import Table
from reco_core.models.zones import stand_ins

DATA = Path(os.environ.get("RECO_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
TOWERS = {"ta": "Air_temperature", "ts": "Soil_temperature", "vpd": "VPD", "swc": "SWC", "precip": "Precipation",
          "soc_0": "SOC_0", "soc_10": "SOC_10", "soc_30": "SOC_30", "lai": "LAI", "bs": "BS", "pv": "PV",
          "npv": "NPV", "ci": "CI"}
NO_DRIVERS = ("site_group", "source_row", "reco_gC_m2_month", "gpp_gC_m2_month", "co2_barrow_ppm", "lst_day_modis_dn")
ARCTIC = {"mat_tc_degC": "mat", "map_tc_mm": "map", "ndvi_modis_1km": "ndvi", "swc_l1_m3m3": "swc",
          "soc_stock_t_ha": "soc_density"}


@dataclass(frozen=True)
class Set:
    """A table to learn from, and the factors of its zones."""

    name: str
    read: Callable[[], Table]
    factors: str
    zones: int = 4


def wide(frame: pd.DataFrame, columns: dict[str, str], target: str, site: str, month: np.ndarray,
         group: np.ndarray) -> Table:
    """Return a table with the means of each place, month by month, behind its drivers."""
    X, p = frame[list(columns.values())].to_numpy("float64"), len(columns)
    sites, of_row = np.unique(frame[site].to_numpy().astype(str), return_inverse=True)
    climate = np.full((sites.size, 12, p), np.nan)
    for number in range(sites.size):
        mine = X[of_row == number]
        own = month[of_row == number]
        year = _mean(mine)
        for k in range(12):
            found = _mean(mine[own == k]) if (own == k).any() else year
            climate[number, k] = np.where(np.isfinite(found), found, year)
    rows = np.column_stack([X, climate[of_row].reshape(len(X), -1)])
    found = Table.plain(rows, frame[target].to_numpy("float64"), group=group, features=tuple(columns))
    return replace(found, site=sites[of_row], features=tuple(columns), season=month)


def _mean(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0).sum(axis=0) / known.sum(axis=0)


def towers() -> Table:
    """Return monthly RECO of 110 towers [g C m-2 month-1]; the site is the unit of hold-out."""
    frame = pd.read_csv(DATA / "flux_ter_causal_xgb_monthly" / "ter_site_month_drivers.csv.gz")
    group = np.unique(frame.site, return_inverse=True)[1]
    return wide(frame, TOWERS, "RECO", "site", frame.month.to_numpy() - 1, group)


def arctic() -> Table:
    """Return monthly RECO of 71 arctic and boreal groups [g C m-2 month-1], which have no date and no position."""
    frame = pd.read_csv(DATA / "flux_abcflux_arctic_monthly" / "abcflux_reco_monthly_drivers.csv.gz")
    columns = {ARCTIC.get(name, name): name for name in frame.columns if name not in NO_DRIVERS}
    group = np.unique(frame.site_group, return_inverse=True)[1]
    return wide(frame, columns, "reco_gC_m2_month", "site_group", np.zeros(len(frame), dtype=int), group)


def soil(kind: str) -> Table:
    """Return annual Rs or Rh of locations of the world [g C m-2 year-1]; locations have numbers, no position."""
    frame = pd.read_csv(DATA / "soil_rs_rh_global_drivers" / f"finaldataset_{kind}_withsoil.csv.gz")
    frame = frame.rename(columns={"clay_0_30cm": "clay"})
    columns = {name: name for name in frame.columns if name not in ("local", kind)}
    group = np.unique(frame.local, return_inverse=True)[1]
    frame["soc_0"] = frame["soc_clay_0_30cm"] * frame["clay"]  # from the ratio to clay: its unit is not stated
    columns["soc_0"] = "soc_0"
    return wide(frame, columns, kind, "local", np.zeros(len(frame), dtype=int), group)


def china() -> Table:
    """Return annual Rs of China [g C m-2 year-1]; records at one position (0.01 degree) are one site."""
    frame = pd.read_csv(DATA / "soil_rs_china" / "china_rs_annual.csv.gz").dropna(subset=["flux"])
    frame["site"] = frame.Lon.round(2).astype(str) + " " + frame.Lat.round(2).astype(str)
    columns = {"mat": "MAT", "lai": "LAI", "soc_0": "SOC", "swc": "SWC"}
    return wide(frame, columns, "flux", "site", np.zeros(len(frame), dtype=int),
                np.unique(frame.site, return_inverse=True)[1])


SETS = (Set("TER, towers", towers, "ta;precip;lai;swc;soc_0"),
        Set("ABCflux", arctic, "mat;map;ndvi;swc;soc_density"),
        Set("Rs, world", lambda: soil("rs"), "bio1;bio12;npp;clay;soc_0"),
        Set("Rh, world", lambda: soil("rh"), "bio1;bio12;npp;clay;soc_0", 3),
        Set("Rs, China", china, "mat;lai;soc_0;swc", 3))


def report(chosen: Set, settings: dict[str, Any], options: argparse.Namespace) -> None:
    """Print one row, and what stands for what."""
    table, start = chosen.read(), time.perf_counter()
    own = {**settings, "factors": chosen.factors, "zones": chosen.zones}
    found = zonal_against_unified(table, own, folds=10, seeds=default_seeds(1), processes=options.processes)
    gap, taken = found["difference"]["r2_nse"], time.perf_counter() - start
    old = z24_style(table, own, scheme=options.z24) if options.z24 != "none" else {"r2": float("nan")}
    print(f"| {date.today()} | {chosen.name} | {found['zonal']['n']} | {found['zonal']['sites']} | {chosen.zones} | "
          f"{found['unified']['r2_nse']:.3f} | {found['zonal']['r2_nse']:.3f} | {gap['difference']:+.3f} "
          f"[{gap['low']:+.3f}..{gap['high']:+.3f}] | {found['unified']['mae']:.1f} | {found['zonal']['mae']:.1f} | "
          f"{old['r2']:.3f} | {taken:.0f} |", flush=True)
    print(f"  {chosen.name}: factors {chosen.factors}; " + "; ".join(stand_ins(chosen.factors.split(";"))), flush=True)


def main() -> None:
    """Print the table of all sets, and what COSORE holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", default=",".join(part.name.split(",")[0] for part in SETS))
    parser.add_argument("--trees", type=int, default=200)
    parser.add_argument("--eliminate", choices=("yes", "no"), default="yes")
    parser.add_argument("--z24", choices=("loso", "grouped", "none"), default="grouped")
    parser.add_argument("--processes", type=int, default=0)
    options = parser.parse_args()
    print("| date | set | records | sites | zones | unified R² | zonal R² | difference | unified MAE | zonal MAE | "
          "Z24-style R² | seconds |")
    for chosen in SETS:
        if any(name and chosen.name.startswith(name) for name in options.sets.split(",")):
            report(chosen, {"n_estimators": options.trees, "eliminate": options.eliminate}, options)
    try:
        cosore = read_observations(DATA / "soil_cosore", flux="rh")
        print(f"COSORE: {int(cosore['rh'].notnull().sum())} daily Rh records at {cosore.sizes['site']} sites, too few "
              "for zones")
    except RecoError as error:
        print(f"COSORE: {error}")


if __name__ == "__main__":
    main()
