"""The page about gridded drivers beside those of towers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

import numpy as np

from ..deps import need
from ..progress import SILENT, Progress
from .page import Figure, Key, Page, Part, TableOf, render_page
from .palette import number, plain, pretty_unit, with_unit

POOLED = "all"
MEASURES = (("mean_tower", "Mean, tower"), ("mean_grid", "Mean, grid"), ("bias", "Bias"), ("rmse", "RMSE"),
            ("r2_pearson", "r² (Pearson)"), ("r2_nse", "R² (1 − SSE/SST)"))
UNITLESS = ("r2_pearson", "r2_nse")
HINT = ("Bias is grid less tower. r² (Pearson) is the squared correlation, blind to bias and scale; R² (1 − SSE/SST) "
        "is the share of the variance explained and falls below 0 where the mean of the tower would do better.")

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class DriverCheck:
    """Scores of gridded drivers at towers.

    Parameters
    ----------
    rows : sequence of mapping
        driver, site ('all' for all of them), sites, n and the scores.
    held : mapping of driver to (tower values, grid values, number of the site), each of shape (n,)
    about : mapping of driver to (long name, unit)
    footprint, time_step : str
    sources, notes : sequence of str
    """

    rows: Sequence[Mapping[str, Any]]
    held: Mapping[str, Pairs]
    about: Mapping[str, tuple[str, str]]
    footprint: str
    time_step: str
    sources: Sequence[str] = ()
    notes: Sequence[str] = ()

    def pooled(self, name: str) -> Mapping[str, Any]:
        """Return the scores of a driver over all towers."""
        return next(row for row in self.rows if row["driver"] == name and row["site"] == POOLED)

    def of_sites(self, name: str) -> list[Mapping[str, Any]]:
        """Return the scores of a driver at each tower."""
        return [row for row in self.rows if row["driver"] == name and row["site"] != POOLED]


def build_driver_check(found: DriverCheck, progress: Progress = SILENT) -> str:
    """Return the page about drivers beside towers as HTML text with all images inside.

    Raises
    ------
    MissingDependency
        matplotlib or jinja2 is not installed.
    """
    need("matplotlib", extra="report")
    drivers = list(found.held)
    towers = {row["site"] for row in found.rows if row["site"] != POOLED}
    pairs = sum(int(found.pooled(name)["n"]) for name in drivers)
    keys = [Key("Drivers compared", str(len(drivers))), Key("Towers", str(len(towers))),
            Key("Pairs of values", f"{pairs:,}", f"per {found.time_step}"),
            Key("Footprint", found.footprint)]
    summary = TableOf(("Driver", "Unit", "Towers", "Pairs", *(title for _, title in MEASURES)),
                      [[found.about[name][0], pretty_unit(found.about[name][1]) or "–",
                        str(found.pooled(name)["sites"]), f"{int(found.pooled(name)['n']):,}",
                        *_cells(found.pooled(name))] for name in drivers], words=2, hint=HINT)
    parts = [Part("summary", "All towers together", tables=[summary])]
    for at, name in enumerate(drivers):
        progress(at / len(drivers), f"Drawing {name}")
        parts.append(_driver(found, name))
    if found.notes:
        parts.append(Part("left", "Not compared", bullets=list(found.notes)))
    return render_page(Page("RECO driver check", "Gridded drivers beside towers", list(found.sources), parts, keys))


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [plain(row[key], 2) if key in UNITLESS else number(row[key]) for key, _ in MEASURES]


def _driver(found: DriverCheck, name: str) -> Part:
    from . import figures_check as draw
    from .canvas import png, style

    title, unit = found.about[name]
    sites = sorted(found.of_sites(name), key=lambda row: str(row["site"]))
    with style():
        figures = [
            Figure(f"scatter-{name}", f"{title}, grid against tower",
                   "Each point is a tower and time step; the dashed line is agreement.",
                   png(draw.scatter(found.held[name], found.pooled(name), with_unit("Tower", unit),
                                    with_unit("Grid", unit))), wide=False)]
        bars = png(draw.site_bars(sites, unit))
        figures.append(Figure(f"sites-{name}", f"{title}, tower by tower",
                              "Bias (grid less tower) and squared correlation at each tower, sorted by bias"
                              + (f"; the {draw.MOST_BARS} with the largest bias of {len(sites)}."
                                 if len(sites) > draw.MOST_BARS else "."), bars, wide=False))
    rows = [[str(row["site"]), f"{int(row['n']):,}", *_cells(row)] for row in sites]
    return Part(name, title, figures=figures,
                tables=[TableOf(("Tower", "Pairs", *(text for _, text in MEASURES)), rows,
                                hint=f"Means, bias and RMSE in {pretty_unit(unit)}." if pretty_unit(unit) else "")])
