"""CIML-TER on 110 real towers: skill on held-out sites against the same without causal weights and against floors.

Reads flux_ter_causal_xgb_monthly below RECO_DATA (default ../shared/data), writes scores,
predictions and results.md into runs/ter_towers and prints the table. With --results the rows are
also added to the tables of RESULTS.md. About ten minutes on two idle cores.
"""

from __future__ import annotations

import argparse
import datetime
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Sequence

import numpy as np
import pandas as pd

from reco_core.evaluation.comparison import paired_difference
from reco_core.evaluation.crossval import Predictions, cross_validate, score_rows
from reco_core.evaluation.structure import compare_splits, likeness, mean_absolute, split_shares
from reco_core.io.observations.read import read_observations
from reco_core.models.causal_links import find_links
from reco_core.models.ensemble import Recipe, fit_folds
from reco_core.models.seeds import default_seeds
from reco_core.models.table import Table
from reco_core.samples.build import build_samples
from reco_core.samples.splits import assign_folds

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = {
    "site": "site", "igbp": "type", "reco": "RECO", "qc": "NEE_qc", "ta": "Air_temperature",
    "ts": "Soil_temperature", "vpd": "VPD", "swc": "SWC", "precip": "Precipation", "soc_0": "SOC_0",
    "soc_10": "SOC_10", "soc_30": "SOC_30", "lai": "LAI", "bs": "BS", "pv": "PV", "npv": "NPV", "ci": "CI"}
DRIVERS = tuple(COLUMNS)[4:]
SEEDS = (20, 4, 4)
LOSO_SEEDS = 2
BAR = {"mae": 38.1, "rmse": 57.6, "r2_nse": 0.509}


@dataclass(frozen=True)
class Run:
    """One row of the table."""

    title: str
    recipe: Recipe
    loso: bool = True


def runs() -> list[Run]:
    """Return what is compared; every boosting run with causal weights, ones and shuffled weights."""
    found = []
    for settings, words in (("published", "published settings"), ("robust", "robust settings")):
        for per_class, causal, scope in ((True, "by_pft", "per biome"), (False, "pooled", "one model")):
            for weights, label in ((causal, "CIML-TER, causal weights"), ("uniform", "the same, weights of ones"),
                                   ("shuffled", "the same, shuffled weights")):
                recipe = Recipe("causal_xgboost", weights, per_class, settings=settings)
                found.append(Run(f"{label}; {scope}; {words}", recipe, per_class and weights != "shuffled"))
    found.append(Run("Lloyd-Taylor per biome", Recipe("lloyd_taylor", per_class=True)))
    return found


def read_table(data: Path) -> Table:
    """Return the site-months exactly as they are in the table, through the project's reader."""
    observations = read_observations(data / "ter_site_month_drivers.csv.gz", columns=COLUMNS,
                                     units={"reco": "g C m-2 month-1"})
    return Table.of(build_samples(observations, features=DRIVERS))


def grouped(table: Table, recipe: Recipe, processes: int, seeds: tuple[int, ...] = SEEDS) -> Predictions:
    """Return held-out estimates for three fold assignments; the first with more seeds."""
    parts = [cross_validate(table, replace(recipe, seed=number, seeds=default_seeds(count)), processes=processes)
             for number, count in enumerate(seeds)]
    return replace(parts[0], estimates=np.concatenate([part.estimates for part in parts]),
                   fold=np.concatenate([part.fold for part in parts]))


def mean_predictor(table: Table, like: Predictions) -> Predictions:
    """Return the mean of the training rows as estimate, on the same folds."""
    estimates = np.stack([[0.0] * len(table)] * len(like.fold))
    for estimate, fold in zip(estimates, like.fold):
        for number in np.unique(fold):
            estimate[fold == number] = table.y[fold != number].mean()
    return replace(like, estimates=estimates)


Rows = list[list[str]]
SKILL = ("model", "scheme", "MAE", "RMSE", "R2", "rMAE", "median site MAE", "note")
GAP = ("setting", "compared with", "dR2", "95 %", "dMAE", "95 %", "share of draws with less MAE")
ALIKE = ("biome", "SHAP causal", "SHAP base", "splits causal", "splits base", "effects", "SHAP to effects",
         "drivers whose splits changed")


def skill_row(title: str, scheme: str, pooled: dict, seeds: str) -> list[str]:
    """Return one row of the skill table."""
    spread = f" ± {pooled['r2_nse_sd']:.3f}" if np.isfinite(pooled["r2_nse_sd"]) else ""
    note = (f"R2 over resampled sites {pooled['r2_nse_low']:.2f} to {pooled['r2_nse_high']:.2f}; bias "
            f"{pooled['bias']:+.1f}; median site R2 {pooled['site_r2']:.2f}; worst five sites "
            f"{pooled['worst_sites_share']:.0%} of squared error{seeds}")
    if scheme.startswith("grouped") and "; per biome;" in title and "Lloyd" not in title:
        good = pooled["mae"] <= BAR["mae"] and pooled["rmse"] <= BAR["rmse"] and pooled["r2_nse"] >= BAR["r2_nse"]
        note += "; bar " + ("reached" if good else "NOT reached")
    return [title, scheme, f"{pooled['mae']:.2f}", f"{pooled['rmse']:.2f}", f"{pooled['r2_nse']:.3f}{spread}",
            f"{pooled['rmae']:.3f}", f"{pooled['site_mae']:.1f}", note]


def skill(table: Table, processes: int, out: Path) -> tuple[Rows, Rows, Rows]:
    """Run everything; return the skill of all runs, of each biome, and causal minus other weights."""
    found: dict[str, Predictions] = {}
    single: dict[str, Predictions] = {}
    for run in runs():
        started = time.monotonic()
        found[run.title] = grouped(table, run.recipe, processes)
        if run.loso:
            single[run.title] = cross_validate(table, replace(run.recipe, seeds=default_seeds(LOSO_SEEDS)),
                                               scheme="loso", processes=processes)
        print(f"[ter] {run.title}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    found["mean of the training rows"] = mean_predictor(table, next(iter(found.values())))
    single["mean of the training rows"] = mean_predictor(table, next(iter(single.values())))
    scores = {title: score_rows(item) for title, item in found.items()}
    pd.DataFrame([{"run": title, **row} for title, rows in scores.items() for row in rows]).to_csv(
        out / "scores.csv", index=False, float_format="%.6g")
    many, few = (f"; {text} seeds" for text in ("/".join(map(str, SEEDS)), str(LOSO_SEEDS)))
    lines = [skill_row(title, f"grouped, 10 folds x {len(SEEDS)}", rows[0], many if "weights" in title else "")
             for title, rows in scores.items()]
    lines += [skill_row(title, "leave one site out", score_rows(item)[0], few if "weights" in title else "")
              for title, item in single.items()]
    biomes = [[title, *(f"{row['mae']:.1f} / {row['r2_nse']:.2f}" for row in rows if row["level"] == "class")]
              for title, rows in scores.items()]
    return lines, biomes, differences(found)


def differences(found: dict[str, Predictions]) -> Rows:
    """Return causal minus other weights with ranges over resampled tower groups, the same for both."""
    lines = []
    for title, item in found.items():
        if not title.startswith("CIML-TER"):
            continue
        setting = title.split("; ", 1)[1]
        for other in ("weights of ones", "shuffled weights"):
            rival = found[f"the same, {other}; {setting}"]
            gap = paired_difference(item.observed, item.estimates, rival.estimates, item.group)
            r2, mae = gap["r2_nse"], gap["mae"]
            lines.append([setting, other, f"{r2['difference']:+.3f}", f"{r2['low']:+.3f} to {r2['high']:+.3f}",
                          f"{mae['difference']:+.2f}", f"{mae['low']:+.2f} to {mae['high']:+.2f}",
                          f"{mae['share_better']:.2f}"])
    return lines


def structure(table: Table, data: Path, processes: int) -> Rows:
    """Return how alike our structure (published settings, per biome) is to that of the authors' models.

    Spearman / cosine of normalised mean |SHAP| and of splits with those of their in-sample
    models, of our causal effects with theirs (computed on more towers); cosine of our mean
    |SHAP| with our causal effects without -> with causal weights; number of drivers whose share of splits
    changes with the weights (paired Wilcoxon, p < .05).
    """
    fold = assign_folds(table.group, 10, seed=0)
    models = {name: fit_folds(table, fold, Recipe("causal_xgboost", weights, True, seeds=default_seeds(3)),
                              processes=processes) for name, weights in (("causal", "by_pft"), ("base", "uniform"))}
    theirs = pd.read_csv(data / "ter_reference_shap_base_causal.csv.gz")
    printed = pd.read_csv(data / "Causal_effect_PFT.csv").assign(PFT=lambda t: t.PFT.str.strip(".")).set_index("PFT")
    links = find_links(table, "by_pft")
    columns = [COLUMNS[driver] for driver in DRIVERS]
    lines = []
    for label in models["causal"].strata:
        mine = table.take(table.stratum == label)
        rows = theirs[theirs.type == label]
        effects = links.by_class[label].effects
        ours, shares, shap, splits = {}, {}, [], []
        for name, file in (("causal", "Causal"), ("base", "Baseline")):
            ours[name] = mean_absolute(models[name].contributions(mine.X, stratum=mine.stratum,
                                                                  members="one_per_fold"))
            shap.append(_pair(likeness(ours[name], rows[[f"{column}_{name}" for column in columns]].abs().mean())))
            boosters = [booster for model in models[name].folds for booster in model.boosters(label)]
            shares[name] = split_shares(boosters, table.features)
            counts = pd.read_csv(data / "xgboost_weight" / f"{file}_{label}.csv").fillna(0.0)[columns].mean()
            splits.append(_pair(likeness(shares[name].mean(axis=0), counts)))
        near = [likeness(ours[name], effects)["cosine"] for name in ("base", "causal")]
        changed = int((compare_splits(shares["causal"], shares["base"])["p"] < 0.05).sum())
        lines.append([label, *shap, *splits, _pair(likeness(effects, printed.loc[label, columns].to_numpy(float))),
                      f"{near[0]:.2f} -> {near[1]:.2f}", f"{changed} of {len(DRIVERS)}"])
    return lines


def _pair(found: dict[str, float]) -> str:
    return f"{found['spearman']:.2f} / {found['cosine']:.2f}"


def markdown(head: Sequence[str], rows: Rows) -> str:
    """Return a table as Markdown."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [list(head), ["---"] * len(head), *rows])


def append(results: Path, heading: str, rows: Rows) -> None:
    """Add rows, each with today's date and the kind of machine, to the table under a heading."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    first = f"| {datetime.date.today()} | {os.cpu_count()} cores, {memory:.0f} GB | "
    lines = results.read_text(encoding="utf-8").splitlines()
    start = next(number for number, text in enumerate(lines) if text.startswith("## ") and heading in text)
    end = next(number for number in range(start + 1, len(lines)) if lines[number].startswith("|---")) + 1
    while end < len(lines) and lines[end].startswith("|"):
        end += 1
    lines[end:end] = [first + " | ".join(cells) + " |" for cells in rows]
    results.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("RECO_DATA", ROOT.parent / "shared" / "data")))
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "ter_towers")
    parser.add_argument("--results", type=Path, help="Markdown file whose tables get the rows, such as RESULTS.md")
    parser.add_argument("--processes", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    data = options.data / "flux_ter_causal_xgb_monthly"
    table = read_table(data)
    biomes = sorted(set(table.stratum))
    tables = dict(zip(("part a (", "part a: biomes", "part a: causal weights", "part a: structure"),
                      (*skill(table, options.processes, options.out), structure(table, data, options.processes))))
    heads = (SKILL, ("model", *biomes), GAP, ALIKE)
    text = (f"# CIML-TER on {len(np.unique(table.site))} towers ({len(np.unique(table.group))} tower groups), "
            f"{len(table)} site-months, {len(DRIVERS)} drivers; g C m-2 month-1\n\n"
            + "\n\n".join(markdown(head, rows) for head, rows in zip(heads, tables.values()))
            + f"\n\n{(time.monotonic() - started) / 60:.1f} minutes.\n")
    (options.out / "results.md").write_text(text, encoding="utf-8")
    print(text)
    for heading, rows in tables.items() if options.results else ():
        append(options.results, heading, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
