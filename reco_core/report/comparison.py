"""The page that sets models side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

import numpy as np

from ..deps import need
from .page import Figure, Key, Page, Part, TableOf, render_page
from .palette import FLUX_TITLES, number, percent, plain, pretty_unit

STEPS = {"month": "site-months", "year": "site-years", "8day": "8-day steps", "16day": "16-day steps", "week": "weeks",
         "day": "days"}
SCALE_TITLES = {"pooled": "All {steps}", "site_mean": "Means of sites", "class_mean": "Means of classes",
                "seasonal_cycle": "Seasonal cycle of sites", "anomaly": "Anomalies"}
SEASONS = ("winter", "spring", "summer", "autumn")
LEVELS = {"class": "class", "season": "season"}


@dataclass(frozen=True)
class Comparison:
    """Models on the same samples.

    Parameters
    ----------
    scores : list of dict
        Rows of `league_rows`.
    observed : array of shape (n,) [unit]
    estimates : mapping of label to array of shape (n,) [unit]
        Means over assignments.
    unit, flux, step, reference, note : str
        `note` says what was held out.
    held : int
        Samples that were held out; n of them are estimated by all.
    lost : mapping of label to int
        Held-out samples that a model does not estimate.
    skipped : mapping of label to str
        Who was left out, and why.
    floor : str
        Label of the estimate that knows nothing.
    titles : mapping of label to str
    """

    scores: Sequence[Mapping[str, Any]]
    observed: np.ndarray
    estimates: Mapping[str, np.ndarray]
    unit: str
    flux: str
    step: str
    reference: str
    note: str
    held: int
    lost: Mapping[str, int]
    skipped: Mapping[str, str]
    floor: str
    titles: Mapping[str, str]
    folds: int
    assignments: int
    seeds: int
    source: str = ""

    def at(self, level: str) -> list[Mapping[str, Any]]:
        """Return the rows of a level."""
        return [row for row in self.scores if row["level"] == level]

    def ranked(self) -> list[Mapping[str, Any]]:
        """Return the pooled rows, least squared error first."""
        return sorted(self.at("pooled"), key=lambda row: -np.nan_to_num(row["r2_nse"], nan=-np.inf))

    def order(self) -> list[str]:
        """Return the labels, best first."""
        return [str(row["run"]) for row in self.ranked()]

    def groups(self, level: str) -> list[str]:
        """Return the names of classes, or of seasons, in their order."""
        there = dict.fromkeys(str(row["name"]) for row in self.at(level))
        return [name for name in SEASONS if name in there] if level == "season" else sorted(there)

    def matrix(self, level: str, metric: str) -> np.ndarray:
        """Return a metric by model (best first) and group."""
        values = {(row["run"], row["name"]): row[metric] for row in self.at(level)}
        return np.array([[values.get((label, name), np.nan) for name in self.groups(level)] for label in self.order()],
                        dtype=float)


def draw_comparison(found: Comparison) -> dict[str, bytes]:
    """Return the figures as PNG by name: taylor, scatter, gaps, class and season; those without data are absent.

    Raises
    ------
    MissingDependency
        matplotlib is not installed.
    """
    need("matplotlib", extra="report")
    from . import figures_comparison as draw
    from .canvas import png, style

    with style():
        drawn = {"taylor": draw.taylor(found), "scatter": draw.panels(found), "gaps": draw.gaps(found),
                 **{level: draw.heat(found, level) for level in LEVELS}}
        return {name: png(figure) for name, figure in drawn.items() if figure is not None}


def build_comparison(found: Comparison, pictures: Mapping[str, bytes]) -> str:
    """Return the page as HTML text with all images inside.

    Raises
    ------
    MissingDependency
        jinja2 is not installed.
    """
    steps = STEPS.get(found.step, found.step)
    best = next(row for row in found.ranked() if row["run"] != found.floor)
    keys = [Key("Models", str(len(found.order()) - (found.floor in found.order()))),
            Key("Sites", f"{int(best['sites']):,}"), Key("Samples", f"{len(found.observed):,}", steps),
            Key("Best R²", plain(best["r2_nse"], 2), str(best["run"])),
            Key("Its MAE", number(best["mae"]), pretty_unit(found.unit))]
    facts = [found.note, f"{found.folds} folds" + (f" × {found.assignments}" if found.assignments > 1 else ""),
             f"{found.seeds} seeds"]
    parts = [_league(found, pictures), _scales(found, steps), *(_groups(found, level, pictures) for level in LEVELS
                                                               if len(found.groups(level)) > 1),
             _left_out(found), _reading(found)]
    title = FLUX_TITLES.get(found.flux, found.flux)
    return render_page(Page("RECO comparison", f"{title}: models side by side", facts, parts, keys,
                            "Fluxes are positive to the atmosphere."))


def _league(found: Comparison, pictures: Mapping[str, bytes]) -> Part:
    unit = pretty_unit(found.unit)
    rows, gaps = [], []
    for row in found.ranked():
        rows.append([str(row["run"]), plain(row["r2_nse"]), _range(row, "r2_nse", 2), plain(row["r2_pearson"]),
                     *(number(row[name]) for name in ("rmse", "mae")), percent(row["rmae"]), plain(row["ccc"]),
                     *(number(row[name]) for name in ("sde", "bias")), plain(row["slope"], 2),
                     number(row["site_mae"]), plain(row["site_r2"], 2), percent(row["worst_sites_share"])])
        if "d_r2_nse" in row:
            gaps.append([str(row["run"]), _signed(row["d_r2_nse"]), _range(row, "d_r2_nse"), number(row["d_mae"]),
                         _range(row, "d_mae", 2), percent(row["share_better"])])
    tables = [TableOf(("Model", "R²", "95 % over sites", "r²", "RMSE", "MAE", "MAE/mean", "CCC", "SDE", "Bias", "Slope",
                       "Site MAE", "Site R²", "Worst five"), rows, f"Scores over all samples [{unit}]",
                      hint="R² is 1 − SSE/SST, r² the squared correlation; site MAE and R² are medians over sites; the "
                           "last column is the share of the squared error that the five worst sites have.")]
    if gaps:
        tables.append(TableOf(("Model", "Difference of R²", "95 %", f"of MAE [{unit}]", "95 %", "Better in"), gaps,
                              f"Compared with {found.reference}",
                              hint="Sites are resampled as wholes, the same for both models. A range that holds 0 "
                                   "means that other sites could have turned the order round."))
    figures = [
        Figure("taylor", "Correlation and variability", "Angle: correlation with the observations; distance from the "
               "origin: standard deviation over that of the observations; distance from the observations (circles): "
               "error without the bias. A perfect model lies on the point 'observed'.", pictures["taylor"]),
        Figure("scatter", "Observed against estimated, sites held out",
               "One panel per model, best first; colours count samples. Dashed: 1 : 1; line: regression.",
               pictures["scatter"])]
    if "gaps" in pictures:
        figures.insert(0, Figure("gaps", f"Better or worse than {found.reference}",
                                 "Difference of R² with its 95 % range over resampled sites; filled where the range "
                                 "leaves out 0.", pictures["gaps"]))
    return Part("league", "All samples", _words(found), figures, tables)


def _words(found: Comparison) -> list[str]:
    first = found.ranked()[0]
    ties = [str(row["run"]) for row in found.ranked() if row["run"] not in (found.reference, found.floor)
            and "d_r2_nse" in row and row["d_r2_nse_low"] <= 0 <= row["d_r2_nse_high"]]
    text = (f"Each model saw the same samples in the same folds ({found.note}); its estimate of a sample comes from "
            f"models that did not see it. Scores are of the {len(found.observed):,} of {found.held:,} held-out samples "
            f"that every model estimates.")
    told = f"{first['run']} has the least squared error."
    if ties:
        told += (f" From {found.reference} these cannot be told apart, given the choice of sites: {', '.join(ties)}.")
    return [text, told]


def _scales(found: Comparison, steps: str) -> Part:
    there = [level for level in SCALE_TITLES if found.at(level)]
    by = {level: {row["run"]: row for row in found.at(level)} for level in there}
    rows = [[label, *(f"{plain(by[level][label]['r2_nse'], 2)} / {number(by[level][label]['mae'])}" for level in there)]
            for label in found.order()]
    return Part("scales", "Scales", [
        "How much of each component is met, as R² / MAE: where the level of a site is missed, its seasonal cycle may "
        "still be right."], tables=[TableOf(
            ("Model", *(SCALE_TITLES[level].format(steps=steps) for level in there)), rows)])


def _groups(found: Comparison, level: str, pictures: Mapping[str, bytes]) -> Part:
    names = found.groups(level)
    one = {row["name"]: row for row in found.at(level) if row["run"] == found.order()[0]}
    r2, mae = found.matrix(level, "r2_nse"), found.matrix(level, "mae")
    rows = [[label, *(f"{plain(r2[at, k], 2)} / {number(mae[at, k])}" for k in range(len(names)))]
            for at, label in enumerate(found.order())]
    rows.append(["samples (sites)", *(f"{one[name]['n']:,} ({one[name]['sites']})" for name in names)])
    title = {"class": "Classes", "season": "Seasons"}[level]
    figures = [Figure(level, f"R² by {level}", "Below 0 (brown) the mean of the group would do better.",
                      pictures[level])] if level in pictures else []
    notes = ["Winter is December to February in the north, June to August in the south."] if level == "season" else []
    return Part(level, title, notes, figures, [TableOf(("Model", *names), rows, f"R² / MAE by {level}")])


def _left_out(found: Comparison) -> Part:
    lines = [f"{label}: no estimate for {count:,} of {found.held:,} held-out samples"
             for label, count in found.lost.items() if count]
    lines += [f"{label} does not take part: {reason}" for label, reason in found.skipped.items()]
    return Part("left", "Left out", bullets=lines or ["Nothing: every model estimates every sample."])


def _reading(found: Comparison) -> Part:
    lines = [f"{label}: {title}" for label, title in found.titles.items() if title and label in found.estimates]
    lines.append(f"{found.floor}: what can be said without drivers; a model that does not beat it has learned nothing.")
    return Part("who", "Who is who", bullets=lines)


def _range(row: Mapping[str, Any], name: str, places: int = 3) -> str:
    return f"{plain(row[f'{name}_low'], places)} to {plain(row[f'{name}_high'], places)}"


def _signed(value: float) -> str:
    return ("+" if value > 0 else "") + plain(value)
