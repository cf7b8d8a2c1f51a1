"""All models that can be used on real tables, side by side: whole sites held out, one table per set.

Reads the tables below RECO_DATA (default ../shared/data), runs `reco compare` on each set into runs/compare_<set> and
prints its rows; models that are there already are not fitted again. GPP and NEE are never drivers. With --results
the rows are also added to RESULTS.md, with --docs the tables of docs/skill.md are made anew. Geoman (daily files) and
CNN-SPEI (site-years) are scored on their own sets.

ter: 110 towers, months, 13 drivers. towers: the merged table of 195 towers, months, four drivers without gaps.
abcflux: 71 groups of arctic and boreal towers, 37 drivers; the table has neither dates nor positions, so that its rows
have no season, the year of a driver at a place is the mean over the rows of the place, and all stand at 65 degrees
north.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pandas as pd
import xarray as xr
from ter_towers import COLUMNS, DRIVERS, markdown

from reco_core.actions import run_step
from reco_core.catalogue import MODELS
from reco_core.io.observations.read import read_observations, write_samples
from reco_core.progress import Progress
from reco_core.samples.build import build_samples

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("RECO_DATA", ROOT.parent / "shared" / "data"))
ELSEWHERE = ("geoman", "cnn_spei")
LONG = ("zonal_forest",)  # with usual settings, which choose drivers in each zone and fold
REFERENCE = ("reco_blend", "robust boosting")
NOT_DRIVERS = ("site_group", "source_row", "reco_gC_m2_month", "gpp_gC_m2_month", "lst_day_modis_dn")
ARCTIC = {  # column: name, factor, offset to the canonical unit
    "tmean_tc_dn": ("ta", 0.1, 0.0), "soil_temp_l1_K": ("ts", 1.0, -273.15), "lst_day_K": ("lst_day", 1.0, -273.15),
    "swc_l1_m3m3": ("swc", 100.0, 0.0), "pr_tc_mm_month": ("precip", 1 / 30.4375, 0.0), "vpd_tc_dn": ("vpd", 0.1, 0.0),
    "srad_tc_dn": ("sw_in", 0.1, 0.0), "ndvi_modis_1km": ("ndvi", 1.0, 0.0), "snow_cover_pct": ("snow_cover", 1.0, 0.0),
    "mat_tc_degC": ("mat", 1.0, 0.0), "map_tc_mm": ("map", 1.0, 0.0), "soc_stock_t_ha": ("soc_density", 0.1, 0.0)}
ARCTIC_LAT = 65.0
HEADS = ("model", "R2 [95 %]", "MAE", "RMSE", "bias", "CCC", "slope", "site MAE / R2", "worst five",
         "dR2 to the reference [95 %]", "minutes")


@dataclass(frozen=True)
class Set:
    """A table, and what is compared on it besides every model with its usual settings."""

    title: str
    read: Callable[[Path], None]
    variants: tuple[str, ...]


def ter(path: Path) -> None:
    """Write the samples of 110 towers exactly as they are in the table."""
    table = read_observations(DATA / "flux_ter_causal_xgb_monthly" / "ter_site_month_drivers.csv.gz", columns=COLUMNS,
                              units={"reco": "g C m-2 month-1"})
    write_samples(build_samples(table, features=DRIVERS), path)


def towers(path: Path) -> None:
    """Write the samples of the merged tower table: quality above 0.5 where it is known, drivers without gaps."""
    source = DATA / "flux_tower_monthly_merged" / "tower_reco_monthly_merged.csv.gz"
    observations = path.with_name("observations.nc")
    run_step("read_observations", {"path": str(source), "qc_min": 0.5, "output": str(observations)})
    run_step("build_samples", {"observations": str(observations), "features": "ta,sw_in,vpd,precip",
                               "output": str(path)})


def arctic(path: Path) -> None:
    """Write the samples of ABCflux: no dates, no positions, gaps kept."""
    frame = pd.read_csv(DATA / "flux_abcflux_arctic_monthly" / "abcflux_reco_monthly_drivers.csv.gz")
    frame = frame.sort_values(["site_group", "source_row"], ignore_index=True)
    n, sites = len(frame), frame["site_group"].to_numpy().astype(str)
    number = frame.groupby("site_group").cumcount().to_numpy()  # stands for the date, which the source does not give
    ds = xr.Dataset(coords={
        "site": ("sample", sites.astype(object)), "lat": ("sample", np.full(n, ARCTIC_LAT)),
        "lon": ("sample", np.zeros(n)), "igbp": ("sample", np.full(n, "", dtype=object)),
        "time": ("sample", (np.datetime64("1900-01-01", "Y") + number).astype("datetime64[ns]")),
        "group": ("sample", np.unique(sites, return_inverse=True)[1])})
    names = []
    for column in frame.columns.difference(NOT_DRIVERS, sort=False):
        name, factor, offset = ARCTIC.get(column, (column, 1.0, 0.0))
        ds[name] = ("sample", frame[column].to_numpy("float64") * factor + offset)
        names.append(name)
    means = frame[["site_group"]].assign(**{name: ds[name].values for name in names}).groupby(
        "site_group")[names].transform("mean").to_numpy()
    ds["climate"] = (("sample", "driver", "month"), np.repeat(means[:, :, None], 12, axis=2).astype("float32"))
    ds = ds.assign_coords(driver=("driver", np.array(names, dtype=object)))
    ds["target"] = ("sample", frame["reco_gC_m2_month"].to_numpy("float64"), {"units": "g C m-2 month-1"})
    ds["weight"] = ("sample", np.ones(n))
    ds.attrs.update(reco_kind="samples", flux_kind="reco", time_step="year", features=",".join(names),
                    history="dates and positions are made up", drivers_source="site",
                    citation="Virkkala et al. (2022). Earth Syst. Sci. Data 14, 179-208. doi:10.5194/essd-14-179-2022")
    write_samples(ds, path)


BOOSTING = ("robust boosting = causal_xgboost:robust",
            "the same, weights of ones = causal_xgboost:robust,weights=uniform",
            "the same, weights shuffled = causal_xgboost:robust,weights=shuffled")
ZONES = "zonal forest, all drivers = zonal_forest:eliminate=no,n_estimators=200"
ARCTIC_ZONES = f"{ZONES},factors=mat;map;ndvi"  # soil water, which it would take, is lacking at two places
PER_CLASS = ("blend per class = reco_blend:per_class=yes",
             "robust boosting per class = causal_xgboost:robust,per_class=yes,weights=by_pft",
             "forest per class = rf:per_class=yes", "Lloyd-Taylor per class = lloyd_taylor:per_class=yes",
             "MMRT per class = mmrt:per_class=yes")
SETS = {"ter": Set("TER: 110 towers, months, 13 drivers", ter, (*BOOSTING, ZONES, *PER_CLASS)),
        "abcflux": Set("ABCflux: 71 groups of arctic and boreal towers, 37 drivers", arctic,
                          (*BOOSTING, ARCTIC_ZONES)),
        "towers": Set("Merged table: 195 towers, months, 4 drivers", towers, (*BOOSTING, *PER_CLASS))}


def run(name: str, options: argparse.Namespace) -> pd.DataFrame:
    """Compare the models on one set and return its scores, with the minutes each model took."""
    folder = options.out / f"compare_{name}"
    folder.mkdir(parents=True, exist_ok=True)
    samples = folder / "samples.nc"
    SETS[name].read(samples)
    wanted = [model for model in MODELS if model not in ELSEWHERE and model in (options.models or MODELS)]
    models = [model for model in wanted if model not in LONG]
    variants = [part for part in SETS[name].variants if part.partition("=")[2].partition(":")[0].strip() in wanted]
    labels = [*models, *(part.partition("=")[0].strip() for part in variants)]
    reference = next((label for label in REFERENCE if label in labels), labels[0])
    result = run_step("compare", {
        "samples": str(samples), "models": models, "variants": ";".join(variants), "reference": reference,
        "folds": 10, "seeds": options.seeds, "processes": options.processes}, folder=str(folder),
        progress=Progress(lambda fraction, text: None))
    for line in result["summary"]:
        print(f"[{name}] {line}", file=sys.stderr, flush=True)
    table = pd.read_csv(folder / "comparison.csv")
    return table.assign(minutes=table["run"].map(result["details"]["seconds"]) / 60)


def rows_of(table: pd.DataFrame) -> list[list[str]]:
    """Return the pooled rows, best first, as text."""
    rows = []
    for row in table[table.level == "pooled"].sort_values("r2_nse", ascending=False).to_dict("records"):
        gap = "reference" if np.isnan(row["d_r2_nse"]) else (
            f"{row['d_r2_nse']:+.3f} [{row['d_r2_nse_low']:+.3f}, {row['d_r2_nse_high']:+.3f}]")
        rows.append([row["run"], f"{row['r2_nse']:.3f} [{row['r2_nse_low']:.2f}, {row['r2_nse_high']:.2f}]",
                     f"{row['mae']:.2f}", f"{row['rmse']:.2f}", f"{row['bias']:+.2f}", f"{row['ccc']:.3f}",
                     f"{row['slope']:.2f}", f"{row['site_mae']:.1f} / {row['site_r2']:.2f}",
                     f"{row['worst_sites_share']:.0%}", gap,
                     "" if np.isnan(row["minutes"]) else f"{row['minutes']:.1f}"])
    return rows


def classes_of(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Return R2 / MAE by class, models as in the table of all samples."""
    order = table[table.level == "pooled"].sort_values("r2_nse", ascending=False)["run"]
    part = table[table.level == "class"]
    names = sorted(part["name"].unique())
    found = {(row["run"], row["name"]): f"{row['r2_nse']:.2f} / {row['mae']:.1f}" for row in part.to_dict("records")}
    sites = {row["name"]: row["sites"] for row in part.to_dict("records")}
    return (["model", *(f"{name} ({sites[name]})" for name in names)],
            [[label, *(found[label, name] for name in names)] for label in order])


def scales_of(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Return R2 at each scale."""
    order = table[table.level == "pooled"].sort_values("r2_nse", ascending=False)["run"]
    titles = {"site_mean": "site means", "class_mean": "class means", "seasonal_cycle": "seasonal cycle",
              "anomaly": "anomalies"}
    there = [level for level in titles if (table.level == level).any()]
    found = {(row["run"], row["level"]): f"{row['r2_nse']:.2f}" for row in table.to_dict("records")}
    return (["model", "all samples", *(titles[level] for level in there)],
            [[label, found[label, "pooled"], *(found[label, level] for level in there)] for label in order])


def text_of(name: str, table: pd.DataFrame) -> str:
    """Return the tables of one set as Markdown."""
    first = table[table.level == "pooled"].iloc[0]
    parts = [f"{datetime.date.today()}; {first['n']:.0f} samples of {first['sites']:.0f} sites, whole sites held out "
             f"({first['folds']:.0f} folds); MAE, RMSE and bias in {first['unit']}; reference: {first['reference']}.",
             markdown(HEADS, rows_of(table)), "R² at each scale:", markdown(*scales_of(table))]
    if (table.level == "class").any():
        parts += ["R² / MAE by class (sites):", markdown(*classes_of(table))]
    return "\n\n".join(parts)


def add_results(path: Path, name: str, table: pd.DataFrame) -> None:
    """Put the rows of a set into RESULTS.md, instead of those that stand there."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    title = f"## Models side by side: `make real`, part d, {SETS[name].title}"
    words = (f"\n\n{datetime.date.today()}, {os.cpu_count()} cores, {memory:.0f} GB; "
             f"`python benchmarks/compare_real.py --set {name}`.\n\n{markdown(HEADS, rows_of(table))}\n")
    text = path.read_text(encoding="utf-8")
    found = re.search(re.escape(title) + r"\n.*?(?=\n## |\Z)", text, re.DOTALL)
    text = text.replace(found.group(0), title + words) if found else f"{text.rstrip()}\n\n{title}{words}"
    path.write_text(text, encoding="utf-8")


def add_docs(path: Path, name: str, table: pd.DataFrame) -> None:
    """Make the tables between the marks of a set anew."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    text = path.read_text(encoding="utf-8")
    head, _, rest = text.partition(begin)
    path.write_text(f"{head}{begin}\n\n{text_of(name, table)}\n\n{end}{rest.partition(end)[2]}", encoding="utf-8")


def main() -> int:
    """Run the comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", dest="sets", choices=tuple(SETS), action="append", help="which set; all if not given")
    parser.add_argument("--models", nargs="*", help="which models; all if not given")
    parser.add_argument("--out", type=Path, default=ROOT / "runs")
    parser.add_argument("--results", type=Path, help="Markdown file that gets the rows, such as RESULTS.md")
    parser.add_argument("--docs", type=Path, help="page whose tables are made anew, such as docs/skill.md")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--processes", type=int, default=0)
    options = parser.parse_args()
    started = time.monotonic()
    for name in options.sets or SETS:
        table = run(name, options)
        print(f"## {SETS[name].title}\n\n{text_of(name, table)}\n", flush=True)
        add: list[tuple[Any, Path | None]] = [(add_results, options.results), (add_docs, options.docs)]
        for write, path in add:
            if path:
                write(path, name, table)
    print(f"{(time.monotonic() - started) / 60:.1f} minutes", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
