"""CIML-TER on 110 real towers: skill on held-out sites against the same without causal weights and against floors.

Reads flux_ter_causal_xgb_monthly below RECO_DATA (default ../shared/data), writes scores,
predictions and results.md into runs/ter_towers and prints the table. About ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from reco_core.evaluation.comparison import paired_difference
from reco_core.evaluation.crossval import Predictions, cross_validate, score_rows
from reco_core.evaluation.structure import compare_splits, likeness, mean_absolute, split_shares
from reco_core.io.observation_files import read_observations
from reco_core.models.base import default_seeds
from reco_core.models.causal_links import find_links
from reco_core.models.ensemble import Recipe, fit_folds
from reco_core.models.table import Table
from reco_core.samples.build import build_samples
from reco_core.samples.splits import assign_folds

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = {
    "site": "site", "igbp": "type", "reco": "RECO", "qc": "NEE_qc", "ta": "Air_temperature",
    "ts": "Soil_temperature", "vpd": "VPD", "swc": "SWC", "precip": "Precipation", "soc_0": "SOC_0",
    "soc_10": "SOC_10", "soc_30": "SOC_30", "lai": "LAI", "bs": "BS", "pv": "PV", "npv": "NPV", "ci": "CI"}
DRIVERS = tuple(COLUMNS)[4:]
PRINTED = {name: column.replace("Precipation", "Precipitation") for name, column in COLUMNS.items()}
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


def table_line(title: str, pooled: dict) -> str:
    """Return one row of the skill table."""
    spread = f" ± {pooled['r2_nse_sd']:.3f}" if np.isfinite(pooled["r2_nse_sd"]) else ""
    return (f"| {title} | {pooled['mae']:.2f} | {pooled['rmse']:.2f} | {pooled['r2_nse']:.3f}{spread} | "
            f"{pooled['r2_nse_low']:.2f} to {pooled['r2_nse_high']:.2f} | {pooled['rmae']:.3f} | "
            f"{pooled['bias']:+.2f} | {pooled['site_mae']:.1f} | {pooled['site_r2']:.2f} | "
            f"{pooled['worst_sites_share']:.2f} |")


HEAD = ("| run | MAE | RMSE | R² (1-SSE/SST) | 95 % over sites | rMAE | bias | site MAE | site R² | worst 5 sites |\n"
        "|---|---|---|---|---|---|---|---|---|---|")


def skill(table: Table, processes: int, out: Path) -> tuple[list[str], dict[str, Predictions]]:
    """Run everything and return the lines of the tables, and the held-out estimates of grouped runs."""
    found: dict[str, Predictions] = {}
    single: dict[str, Predictions] = {}
    for run in runs():
        started = time.monotonic()
        found[run.title] = grouped(table, run.recipe, processes)
        if run.loso:
            single[run.title] = cross_validate(table, replace(run.recipe, seeds=default_seeds(LOSO_SEEDS)),
                                               scheme="loso", processes=processes)
        print(f"[ter] {run.title}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    first = next(iter(found.values()))
    found["mean of the training rows"] = mean_predictor(table, first)
    single["mean of the training rows"] = mean_predictor(table, next(iter(single.values())))
    lines = [f"Whole tower groups held out, 10 folds x {len(SEEDS)} assignments ({'/'.join(map(str, SEEDS))} seeds); "
             "mean ± sd over assignments; g C m-2 month-1.", "", HEAD]
    scores = {title: score_rows(item) for title, item in found.items()}
    lines += [table_line(title, rows[0]) for title, rows in scores.items()]
    lines += ["", f"Leave one tower group out ({LOSO_SEEDS} seeds).", "", HEAD]
    lines += [table_line(title, score_rows(item)[0]) for title, item in single.items()]
    lines += ["", *by_class(scores), "", *bar_lines(scores), "", *differences(found)]
    pd.DataFrame([{"run": title, **row} for title, rows in scores.items() for row in rows]).to_csv(
        out / "scores.csv", index=False, float_format="%.6g")
    return lines, found


def by_class(scores: dict[str, list[dict]]) -> list[str]:
    """Return MAE / R2 of each biome for every run."""
    names = [row["name"] for row in next(iter(scores.values())) if row["level"] == "class"]
    lines = ["By biome, MAE / R²:", "", "| run | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for title, rows in scores.items():
        cells = [f"{row['mae']:.1f} / {row['r2_nse']:.2f}" for row in rows if row["level"] == "class"]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return lines


def bar_lines(scores: dict[str, list[dict]]) -> list[str]:
    """Return which runs per biome reach the bar."""
    lines = [f"Bar for boosting per biome: MAE <= {BAR['mae']}, RMSE <= {BAR['rmse']}, R² >= {BAR['r2_nse']}:"]
    for title, rows in scores.items():
        if "per biome;" in title:
            held = rows[0]
            reached = (held["mae"] <= BAR["mae"] and held["rmse"] <= BAR["rmse"] and held["r2_nse"] >= BAR["r2_nse"])
            lines.append(f"- {title}: {'reached' if reached else 'not reached'} "
                         f"({held['mae']:.2f} / {held['rmse']:.2f} / {held['r2_nse']:.3f})")
    return lines


def differences(found: dict[str, Predictions]) -> list[str]:
    """Return causal minus other weights with ranges over resampled tower groups."""
    lines = ["Causal minus other weights (95 % over resampled tower groups, the same for both; mean of assignments; "
             "several seeds, so equal runs would still differ a little):", "",
             "| setting | compared with | dR² | range | dMAE | range | share of draws better in MAE |",
             "|---|---|---|---|---|---|---|"]
    for title, item in found.items():
        if not title.startswith("CIML-TER"):
            continue
        setting = title.split("; ", 1)[1]
        for other in ("weights of ones", "shuffled weights"):
            rival = found[f"the same, {other}; {setting}"]
            gap = paired_difference(item.observed, item.estimates, rival.estimates, item.group)
            r2, mae = gap["r2_nse"], gap["mae"]
            lines.append(f"| {setting} | {other} | {r2['difference']:+.3f} | {r2['low']:+.3f} to {r2['high']:+.3f} | "
                         f"{mae['difference']:+.2f} | {mae['low']:+.2f} to {mae['high']:+.2f} | "
                         f"{mae['share_better']:.2f} |")
    return lines


def structure(table: Table, data: Path, processes: int) -> list[str]:
    """Return how alike our structure is to that of the authors' models, biome by biome."""
    fold = assign_folds(table.group, 10, seed=0)
    causal, base = (fit_folds(table, fold, Recipe("causal_xgboost", weights, True, seeds=default_seeds(5)),
                              processes=processes) for weights in ("by_pft", "uniform"))
    theirs = pd.read_csv(data / "ter_reference_shap_base_causal.csv.gz")
    printed = pd.read_csv(data / "Causal_effect_PFT.csv").assign(PFT=lambda t: t.PFT.str.strip(".")).set_index("PFT")
    links = find_links(table, "by_pft")
    lines = ["Structure, published settings, per biome. Likeness (Spearman / cosine) of normalised mean |SHAP| with "
             "the authors' in-sample models, of splits with theirs, of our causal effects with theirs (computed on "
             "more towers), and of our mean |SHAP| with our causal effects without -> with causal weights:", "",
             "| biome | SHAP causal | SHAP base | splits causal | splits base | effects | SHAP to effects | "
             "p of split change < .05 |", "|---|---|---|---|---|---|---|---|"]
    for label in causal.strata:
        mine = table.take(table.stratum == label)
        ours = {name: mean_absolute(model.contributions(mine.X, stratum=mine.stratum, members="one_per_fold"))
                for name, model in (("causal", causal), ("base", base))}
        rows = theirs[theirs.type == label]
        cells = [_pair(likeness(ours[name], rows[[f"{PRINTED[d]}_{name}".replace("Precipitation", _spelt(theirs))
                                                  for d in DRIVERS]].abs().mean().to_numpy()))
                 for name in ("causal", "base")]
        shares = {name: split_shares([booster for fold_model in model.folds for booster in fold_model.boosters(label)],
                                     table.features) for name, model in (("causal", causal), ("base", base))}
        for name, file in (("causal", "Causal"), ("base", "Baseline")):
            counts = pd.read_csv(data / "xgboost_weight" / f"{file}_{label}.csv").fillna(0.0)
            cells.append(_pair(likeness(shares[name].mean(axis=0),
                                        counts[[PRINTED[d] for d in DRIVERS]].mean().to_numpy())))
        effects = links.by_class[label].effects
        cells.append(_pair(likeness(effects, printed.loc[label, [PRINTED[d] for d in DRIVERS]].to_numpy(float))))
        near = [likeness(ours[name], effects)["cosine"] for name in ("base", "causal")]
        change = compare_splits(shares["causal"], shares["base"])
        lines.append(f"| {label} | " + " | ".join(cells) + f" | {near[0]:.2f} -> {near[1]:.2f} | "
                     f"{int((change['p'] < 0.05).sum())} of {len(DRIVERS)} |")
    return lines


def _pair(found: dict[str, float]) -> str:
    return f"{found['spearman']:.2f} / {found['cosine']:.2f}"


def _spelt(table: pd.DataFrame) -> str:
    return "Precipation" if "Precipation_base" in table else "Precipitation"


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("RECO_DATA", ROOT.parent / "shared" / "data")))
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "ter_towers")
    parser.add_argument("--processes", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    data = options.data / "flux_ter_causal_xgb_monthly"
    table = read_table(data)
    lines = [f"## CIML-TER on {len(np.unique(table.site))} towers ({len(np.unique(table.group))} tower groups), "
             f"{len(table)} site-months, {len(DRIVERS)} drivers", ""]
    found, _ = skill(table, options.processes, options.out)
    lines += [*found, "", *structure(table, data, options.processes)]
    text = "\n".join([*lines, "", f"{(time.monotonic() - started) / 60:.1f} minutes."]) + "\n"
    (options.out / "results.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
