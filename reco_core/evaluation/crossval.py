"""Skill on held-out sites: estimates of every sample by models that have not seen its site."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, Mapping, Optional, Sequence

import numpy as np

from ..models.crew import Crew
from ..models.ensemble import Recipe, run_folds
from ..models.table import Table
from ..progress import SILENT, Progress
from ..samples.splits import assign_folds
from .metrics import METRICS, score

NOTES = {"grouped": "whole sites held out", "loso": "one site held out at a time",
         "temporal": "same sites, later years",
         "site_year": "optimistic: other years of the same sites were in training",
         "random": "optimistic: other records of the same sites were in training",
         "overall": "optimistic: most of the models have seen the sample"}
DEALT_ONCE = ("loso", "temporal")
FEWEST_IN_SITE = 12
REPEATS = 2000
WORST = 5


@dataclass(frozen=True)
class Predictions:
    """Held-out estimates of n samples.

    estimates (assignments, n) [unit of the target], NaN where a sample was never held out;
    fold (assignments, n), -1 there; `scheme` is one of `splits.SCHEMES`.
    """

    observed: np.ndarray
    estimates: np.ndarray
    fold: np.ndarray
    scheme: str
    site: np.ndarray
    stratum: np.ndarray
    group: np.ndarray


def cross_validate(table: Table, recipe: Recipe, *, scheme: str = "grouped", folds: int = 10, assignments: int = 1,
                   processes: int = 0, progress: Progress = SILENT, crew: Optional[Crew] = None) -> Predictions:
    """Estimate every sample by models fitted without its fold.

    Parameters
    ----------
    table : Table
    recipe : Recipe
        Its `seed` is that of the first fold assignment, the next ones follow.
    scheme : {"grouped", "loso", "temporal", "site_year", "random"}
        Folds of whole tower groups; one fold per group; the last years of each site; or folds of years of sites or
        of records, which are optimistic.
    folds, assignments : int
        'loso' and 'temporal' have one assignment only.
    processes : int
    crew : Crew, optional
        Processes to use again; made for the same table.

    Raises
    ------
    SampleError
        There are fewer groups than folds, or nothing can be learned.
    """
    dealt = deal(table, scheme, folds=folds, assignments=assignments, seed=recipe.seed)
    count = len(dealt)
    estimates = []
    with nullcontext(crew) if crew else Crew(table, processes) as staff:
        for number, fold in enumerate(dealt):
            part = progress.span(number / count, (number + 1) / count)
            own = replace(recipe, seed=recipe.seed + number)
            estimates.append(run_folds(table, fold, own, keep=False, progress=part, crew=staff)[1])
    return Predictions(table.y, np.stack(estimates), np.stack(dealt), scheme, table.site, table.stratum, table.group)


def deal(table: Table, scheme: str, *, folds: int, assignments: int = 1, seed: int = 0) -> list[np.ndarray]:
    """Return the fold of each row of a table for each assignment, seeds counted up from `seed`."""
    return [assign_folds(table.group, folds, seed=seed + number, scheme=scheme, site=table.site, year=table.year)
            for number in range(1 if scheme in DEALT_ONCE else assignments)]


def score_rows(found: Predictions) -> list[dict[str, Any]]:
    """Return the score table: a row pooled, one per class, and one per site, means over assignments.

    Each row has scheme, level ("pooled", "class", "site"), name, note (what the scheme is worth),
    sites, the metrics and their standard deviation over assignments (`r2_nse_sd`, `mae_sd`); the
    pooled row also has the 95 % range of R2 and MAE over resampled sites, medians over sites, and
    the share of the squared error of the five worst sites.
    """
    held = (found.fold >= 0).any(axis=0)
    rows = [{**score_row(found, "pooled", "all", np.ones(len(found.observed), dtype=bool)), **pooled_extras(found)}]
    for label in np.unique(found.stratum[held & (found.stratum != "")]):
        rows.append(score_row(found, "class", str(label), found.stratum == label))
    for site in np.unique(found.site[held]):
        rows.append(score_row(found, "site", str(site), found.site == site))
    return rows


def fold_count(found: Predictions) -> int:
    """Return the number of folds that were held out."""
    return int(np.unique(found.fold[0][found.fold[0] >= 0]).size)


def score_row(found: Predictions, level: str, name: str, mine: np.ndarray) -> dict[str, Any]:
    """Return the scores of some of the samples (a mask), means over assignments."""
    parts = [score(found.observed[mine], estimate[mine]) for estimate in found.estimates]
    held = (found.fold >= 0).any(axis=0)
    row: dict[str, Any] = {"scheme": found.scheme, "level": level, "name": name, "note": NOTES[found.scheme],
                           "sites": len(np.unique(found.site[mine & held])), "n": parts[0]["n"]}
    row |= {metric: _mean([part[metric] for part in parts]) for metric in METRICS}
    for metric in ("r2_nse", "mae"):
        values = [part[metric] for part in parts]
        row[f"{metric}_sd"] = float(np.std(values, ddof=1)) if len(values) > 1 else np.nan
    return row


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def pooled_extras(found: Predictions) -> dict[str, float]:
    """Return ranges over resampled sites, medians over sites and the share of the worst sites."""
    ranges = [bootstrap(found.observed, estimate, found.group, repeats=REPEATS) for estimate in found.estimates]
    extras = {f"{metric}_{end}": _mean([item[metric][at] for item in ranges])
              for metric in ("r2_nse", "mae") for at, end in enumerate(("low", "high"))}
    medians = [site_medians(found.observed, estimate, found.site) for estimate in found.estimates]
    extras |= {name: _mean([item[name] for item in medians]) for name in medians[0]}
    extras["worst_sites_share"] = _mean([worst_share(found.observed, estimate, found.site)
                                         for estimate in found.estimates])
    return extras


def site_medians(y: np.ndarray, p: np.ndarray, site: np.ndarray, fewest: int = FEWEST_IN_SITE) -> dict[str, float]:
    """Return medians over sites: `site_mae` over all, `site_r2` over those with at least `fewest` samples."""
    errors, shares = [], []
    for name in np.unique(site):
        found = score(y[site == name], p[site == name])
        errors.append(found["mae"] if found["n"] >= 3 else float(np.abs(p - y)[site == name].mean()))
        if found["n"] >= fewest:
            shares.append(found["r2_nse"])
    return {"site_mae": float(np.nanmedian(errors)), "site_r2": float(np.nanmedian(shares)) if shares else np.nan}


def worst_share(y: np.ndarray, p: np.ndarray, site: np.ndarray, count: int = WORST) -> float:
    """Return the share of the squared error that the worst `count` sites have [1]; pairs with a gap do not count."""
    total = np.bincount(np.unique(site, return_inverse=True)[1], weights=np.nan_to_num(np.square(p - y)))
    return float(np.sort(total)[-count:].sum() / total.sum()) if total.sum() > 0 else np.nan


def bootstrap(y: np.ndarray, p: np.ndarray, group: np.ndarray, *, repeats: int = REPEATS, seed: int = 0,
              level: float = 0.95) -> dict[str, tuple[float, float]]:
    """Return the range of R2 (1 - SSE/SST) and MAE over resampled groups of sites.

    Parameters
    ----------
    y, p : array of shape (n,) [unit of the flux]
    group : array of shape (n,)
        What is drawn with replacement.
    repeats, seed : int
    level : float

    Returns
    -------
    dict
        `r2_nse` and `mae`: (low, high).
    """
    drawn = resampled(y, p, group, repeats=repeats, seed=seed)
    ends = [(1 - level) / 2, (1 + level) / 2]
    return {name: (float(low), float(high)) for name, (low, high) in
            ((name, np.nanquantile(values, ends)) for name, values in drawn.items())}


def resampled(y: np.ndarray, p: np.ndarray, group: np.ndarray, *, repeats: int = REPEATS,
              seed: int = 0) -> Mapping[str, np.ndarray]:
    """Return R2 and MAE of each resampling of groups; the same seed draws the same groups for any estimate.

    Pairs with a gap are left out.
    """
    member = np.unique(group, return_inverse=True)[1]
    count = member.max() + 1
    drawn = np.random.default_rng(seed).integers(0, count, (repeats, count))
    times = np.stack([np.bincount(row, minlength=count) for row in drawn]).astype("float64")

    def total(values: np.ndarray) -> np.ndarray:
        return times @ np.bincount(member, weights=values, minlength=count)

    known = np.isfinite(y) & np.isfinite(p)
    seen, gap = np.where(known, y, 0.0), np.where(known, p - y, 0.0)
    n, error = total(known.astype("float64")), total(np.square(gap))
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = total(np.square(seen)) - np.square(total(seen)) / n
        return {"r2_nse": np.where(spread > 0, 1 - error / spread, np.nan), "mae": total(np.abs(gap)) / n}


def summarise(found: Predictions, overall: np.ndarray | None = None) -> dict[str, Any]:
    """Return what a fitted model keeps of its skill as plain data.

    `held_out` (pooled scores on sites not seen), `by_class`, and `overall`, the scores of the
    mean over all folds, which have seen most samples: optimistic, and labelled so.
    """
    rows = score_rows(found)
    summary: dict[str, Any] = {
        "scheme": found.scheme, "note": NOTES[found.scheme], "folds": fold_count(found),
        "held_out": rows[0], "by_class": [row for row in rows if row["level"] == "class"]}
    if overall is not None:
        summary["overall"] = {"scheme": "overall", "note": NOTES["overall"], **score(found.observed, overall)}
    return summary
