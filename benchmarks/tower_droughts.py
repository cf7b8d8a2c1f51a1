"""Lagged drought indices on real towers: CNN1 to CNN6 with a 1 x 1 context, by three hold-out schemes.

Reads flux_warmwinter2020_mm below RECO_DATA (default ../shared/data): months of 58 European towers, 1996 to 2020.
Potential evapotranspiration (Thornthwaite) and SPEI are computed from the temperature and precipitation of each tower
with at least `--years` years; respiration and drivers are means of whole years whose mean share of good data is at
least `--quality`, and the indices those of December. There are no grids of these years around the towers, so the
network sees no neighbours; LAI, NDVI, FAPAR, NPP and soil carbon of the published network are not in these files.
Prints rows for RESULTS.md and writes samples and tables into runs/tower_droughts.
"""

from __future__ import annotations

import argparse
import os
import time
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from reco_core.actions import run_step
from reco_core.drivers.evapotranspiration import thornthwaite
from reco_core.drivers.water_balance import spei
from reco_core.io.observations.read import read_observations, write_samples
from reco_core.samples.build import build_samples
from reco_core.samples.periods import aggregate
from reco_core.vocabulary.calendar import step_days

ROOT = Path(__file__).resolve().parents[1]
SCALES = (12, 24, 36)
BASE = ("ta", "precip", "sw_in", "vpd")


def with_droughts(months: xr.Dataset, fewest_years: int) -> xr.Dataset:
    """Return monthly observations with SPEI of 12, 24 and 36 months, at towers whose series are long enough."""
    times, found = months["time"].values, {k: np.full(months["ta"].shape, np.nan) for k in SCALES}
    for site in range(months.sizes["site"]):
        ta, rain = months["ta"].values[site], months["precip"].values[site] * step_days(times, "month")
        there = np.flatnonzero(np.isfinite(ta) & np.isfinite(rain))
        if there.size < 12 * fewest_years:
            continue
        span = slice(there[0], there[-1] + 1)
        balance = rain[span] - thornthwaite(ta[span], float(months["lat"][site]), times=times[span])
        for scale in SCALES:
            found[scale][site, span] = spei(balance, scale, times=times[span])
    return months.assign({f"spei_{scale}": (("site", "time"), values, {"units": "1"})
                          for scale, values in found.items()})


def yearly(months: xr.Dataset, quality: float) -> xr.Dataset:
    """Return whole years: means, but the drought indices of December; years with poor data are left out."""
    years = aggregate(months, "year")
    december = months.isel(time=months["time"].dt.month.values == 12)
    at = np.searchsorted(december["time"].dt.year.values, years["time"].dt.year.values)
    for scale in SCALES:
        years[f"spei_{scale}"] = (("site", "time"), december[f"spei_{scale}"].values[:, at], {"units": "1"})
    years["reco"] = years["reco"].where(years["qc"] >= quality)
    return years


def samples(data: Path, folder: Path, fewest_years: int, quality: float) -> xr.Dataset:
    """Return site-years with their drivers, none of them with a gap."""
    source = data / "flux_warmwinter2020_mm"
    towers = pd.read_csv(source / "warmwinter2020_monthly_merged.csv.gz").drop_duplicates("SITE_ID")
    towers, sites = towers[["SITE_ID", "LAT", "LON", "IGBP"]], folder / "sites.csv"
    towers.set_axis(["site", "lat", "lon", "igbp"], axis=1).to_csv(sites, index=False)
    months = with_droughts(read_observations(source, sites=str(sites)), fewest_years)
    names = [f"spei_{scale}" for scale in SCALES]
    return build_samples(yearly(months, quality), features=(*BASE, *names), missing="drop")


def main() -> None:
    """Run every scheme and print its rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, default=8, help="fewest years of months that a tower must have")
    parser.add_argument("--quality", type=float, default=0.5, help="least share of good data of a year")
    parser.add_argument("--schemes", default="grouped,temporal,resplit")
    parser.add_argument("--models", default="cnn_spei,rf")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=5000)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    folder = ROOT / "runs" / "tower_droughts"
    folder.mkdir(parents=True, exist_ok=True)
    data = Path(os.environ.get("RECO_DATA", ROOT.parent / "shared" / "data"))
    table = samples(data, folder, options.years, options.quality)
    write_samples(table, folder / "samples.nc")
    print(f"{table.sizes['sample']} site-years of {np.unique(table['site'].values).size} towers, mean "
          f"{float(table['target'].mean()):.0f}, standard deviation {float(table['target'].std()):.0f} g C m-2 yr-1")
    print("| date | machine | model | scheme | variant | R2 | CC | RMSE | SDE | bias | RMSE less base | seconds |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for model in options.models.split(","):
        for scheme in options.schemes.split(","):
            start = time.perf_counter()
            output = folder / f"{model}_{scheme}.csv"
            said = run_step("ablate", {
                "samples": str(folder / "samples.nc"), "model": model, "scheme": scheme, "seeds": options.seeds,
                "iterations": options.iterations, "settings": "side=1" if model == "cnn_spei" else None,
                "processes": options.processes, "output": str(output),
                "predictions": str(output.with_suffix(".predictions.csv"))})
            taken = time.perf_counter() - start
            for row in pd.read_csv(output).itertuples():
                gap = "-" if pd.isna(getattr(row, "rmse_low", np.nan)) else (
                    f"{row.rmse_difference:+.1f} [{row.rmse_low:+.1f}, {row.rmse_high:+.1f}]")
                print(f"| {date.today()} | {os.cpu_count()} cores | {model} | {scheme} ({row.note}) | {row.variant} "
                      f"({row.added}) | {row.r2_nse:.3f} | {row.ccc:.3f} | {row.rmse:.0f} | {row.sde:.0f} | "
                      f"{row.bias:+.0f} | {gap} | {taken:.0f} |", flush=True)
            print(said["summary"][0], flush=True)


if __name__ == "__main__":
    main()
