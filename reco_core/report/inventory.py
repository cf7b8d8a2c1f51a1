"""The page about what observations there are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Sequence

import numpy as np

from ..deps import need
from ..progress import SILENT, Progress
from .page import Figure, Key, Page, Part, TableOf, render_page
from .palette import FLUX_TITLES, number, percent, plain, pretty_unit

MOST_STRIPS = 900
STEPS = {"month": "months", "day": "days", "8day": "8-day steps", "16day": "16-day steps", "week": "weeks",
         "year": "years", "half-hour": "half-hours", "hour": "hours"}


@dataclass(frozen=True)
class Inventory:
    """Observations counted by tower and year.

    Parameters
    ----------
    site, network, igbp, flux : sequence of str, of length n
        A tower that two networks hold stands twice; '' where not known.
    lat, lon : array (n,) [degree]
    years : array (m,)
        Every year from the first to the last.
    records : int array (n, m)
        Time steps with a flux.
    share : array (n, m) [1]
        The same as part of the time steps of the year.
    months : int array (n, 12)
        Records by month of the year.
    mean : array (n,) [g C m-2 d-1]
    passed : array (n,) [1]
        Part of the records that passed quality control, NaN where not known.
    dropped : pairs of reason and number of records
    time_steps : sequence of str
        All there are.
    left_out : sequence of str
        What else was left out when the files were read.
    sources, citations : sequence of str
    """

    site: Sequence[str]
    network: Sequence[str]
    igbp: Sequence[str]
    flux: Sequence[str]
    lat: np.ndarray
    lon: np.ndarray
    years: np.ndarray
    records: np.ndarray
    share: np.ndarray
    months: np.ndarray
    mean: np.ndarray
    passed: np.ndarray
    dropped: Sequence[tuple[str, int]] = ()
    time_steps: Sequence[str] = ("month",)
    left_out: Sequence[str] = ()
    sources: Sequence[str] = ()
    citations: Sequence[str] = field(default_factory=tuple)

    @property
    def site_years(self) -> np.ndarray:
        """Number of years with data of each tower."""
        return (self.records > 0).sum(axis=1)

    @property
    def passed_all(self) -> float:
        """Part of all records that passed quality control, NaN where not known."""
        lost = sum(count for _, count in self.dropped)
        kept = int(self.records.sum())
        return kept / (kept + lost) if self.dropped else float("nan")


def build_inventory(found: Inventory, progress: Progress = SILENT) -> str:
    """Return the page about observations as HTML text with all images inside.

    Raises
    ------
    MissingDependency
        matplotlib or jinja2 is not installed.
    """
    need("matplotlib", extra="report")
    steps = " and ".join(STEPS.get(step, step) for step in found.time_steps)
    titles = [FLUX_TITLES.get(name, name) for name in dict.fromkeys(found.flux)]
    first, last = int(found.years[0]), int(found.years[-1])
    keys = [Key("Sites", f"{len(found.site):,}"), Key("Site-years", f"{int(found.site_years.sum()):,}"),
            Key("Records", f"{int(found.records.sum()):,}", steps),
            Key("Years", f"{first}–{last}" if first != last else f"{first}")]
    if np.isfinite(found.passed_all):
        keys.append(Key("Passed quality control", percent(found.passed_all), "of the records"))
    parts = [_where(found, progress.span(0.0, 0.3)), _when(found, progress.span(0.3, 0.8)), _quality(found),
             _towers(found)]
    if found.citations:
        parts.append(Part("cite", "To cite", bullets=tuple(found.citations)))
    return render_page(Page("RECO inventory", f"Observations of {' and '.join(titles).lower()}",
                            [", ".join(found.sources), steps], parts, keys, "Fluxes are positive to the atmosphere."))


def _named(names: Sequence[str]) -> list[str]:
    return [name or "not stated" for name in names]


def _where(found: Inventory, progress: Progress) -> Part:
    from . import figures_inventory as draw
    from .canvas import png, style

    classes, figures = _named(found.igbp), []
    order = draw.class_order(classes)
    names = np.asarray(classes, dtype=object)
    placed = np.isfinite(found.lat) & np.isfinite(found.lon)
    per_class = [[int((names == name).sum()), int(found.site_years[names == name].sum())] for name in order]
    with style():
        progress(0.0, "Drawing the map of towers")
        if placed.any():
            figures.append(Figure("towers", "Sites by vegetation class",
                                  "Larger dots have more years of data; in brackets the number of sites."
                                  + _unplaced(placed),
                                  png(draw.tower_map(found.lon, found.lat, classes, found.site_years, found.site))))
        figures.append(Figure("classes", "Sites and site-years by class",
                              "A site-year is a site and year with at least one record.",
                              png(draw.class_bars(order, [row[0] for row in per_class],
                                                  [row[1] for row in per_class])), wide=False))
        if found.time_steps != ("year",):
            counts = np.array([found.months[names == name].sum(axis=0) for name in order])
            figures.append(Figure("months", "Records by month of the year",
                                  "Above: all records. Below: how the records of each class are spread over the year; "
                                  "8.3 % in every month would be even.", png(draw.month_table(order, counts)),
                                  wide=False))
    return Part("where", "Where", figures=figures)


def _unplaced(placed: np.ndarray) -> str:
    lost = int((~placed).sum())
    if not lost:
        return ""
    return f" {lost} site{'s' * (lost > 1)} without a position {'are' if lost > 1 else 'is'} not drawn."


def _when(found: Inventory, progress: Progress) -> Part:
    from . import figures_inventory as draw
    from .canvas import png, style

    classes, figures = _named(found.igbp), []
    order = draw.class_order(classes)
    rows = sorted(range(len(found.site)), key=lambda at: (order.index(classes[at]), found.site[at]))
    text = ""
    if len(rows) > MOST_STRIPS:
        text = f"The strips show the {MOST_STRIPS} sites with most records; the table has all {len(rows)}."
        busiest = set(np.argsort(-found.records.sum(axis=1), kind="stable")[:MOST_STRIPS].tolist())
        rows = [at for at in rows if at in busiest]
    several = len(set(found.site)) < len(found.site)
    labels = [f"{found.site[at]} {found.network[at]}"[:22] if several else found.site[at][:22] for at in rows]
    share = np.where(found.records[rows] > 0, found.share[rows], np.nan)
    networks = list(dict.fromkeys(_named(found.network)))
    named = np.asarray(_named(found.network), dtype=object)
    counts = np.array([(found.records[named == name] > 0).sum(axis=0) for name in networks])
    with style():
        progress(0.0, "Drawing the years")
        figures.append(Figure("years", "Sites with data in each year", "Stacked by network.",
                              png(draw.year_bars(found.years, networks, counts))))
        drawn = draw.strips(share, found.years, labels, [classes[at] for at in rows])
        for number_, figure in enumerate(drawn):
            progress(0.2 + 0.8 * number_ / len(drawn), "Drawing the strips of towers")
            which = f", part {number_ + 1} of {len(drawn)}" if len(drawn) > 1 else ""
            figures.append(Figure(f"strips{number_ + 1}", f"Data by site and year{which}",
                                  "Sorted by class, whose colour stands beside the name as in the map; white: no data.",
                                  png(figure)))
    return Part("when", "When", figures=figures, paragraphs=[text] if text else ())


def _quality(found: Inventory) -> Part:
    if not found.dropped:
        return Part("quality", "Quality", ["No record was left out by quality control, or the table does not tell.",
                                           *_also(found)], bullets=tuple(found.left_out))
    kept = int(found.records.sum())
    total = kept + sum(count for _, count in found.dropped)
    rows = [["kept", f"{kept:,}", percent(kept / total, 1)]]
    rows += [[reason, f"{count:,}", percent(count / total, 1)] for reason, count in found.dropped]
    return Part("quality", "Quality", [
        f"{percent(found.passed_all)} of the records that have a flux passed quality control as the files were read.",
        *_also(found)], bullets=tuple(found.left_out),
        tables=[TableOf(("What became of records", "Records", "Share"), rows)])


def _also(found: Inventory) -> list[str]:
    return ["Left out before, as the ledger of the table tells:"] if found.left_out else []


def _towers(found: Inventory) -> Part:
    groups = []
    for title, names in (("Network", _named(found.network)), ("Class", _named(found.igbp))):
        groups.append(TableOf((title, "Sites", "Site-years", "Records", "First year", "Last year", "Passed"),
                              _grouped(found, names), f"By {title.lower()}"))
    unit = pretty_unit("g C m-2 d-1")
    order = sorted(range(len(found.site)), key=lambda at: (found.site[at], found.network[at]))
    rows = []
    for at in order:
        there = found.years[found.records[at] > 0]
        rows.append([found.site[at], found.network[at], found.igbp[at], plain(found.lat[at]), plain(found.lon[at]),
                     *(map(str, (there[0], there[-1])) if there.size else ("–", "–")), str(there.size),
                     f"{int(found.records[at].sum()):,}", number(found.mean[at]), percent(found.passed[at])])
    heads = ("Site", "Network", "Class", "Latitude", "Longitude", "First", "Last", "Years", "Records",
             f"Mean flux [{unit}]", "Passed")
    return Part("table", "Tables", tables=[*groups, TableOf(heads, rows, "By site", words=3)])


def _grouped(found: Inventory, names: Sequence[str]) -> list[list[str]]:
    named, rows = np.asarray(names, dtype=object), []
    for name in sorted(set(names), key=lambda text: (text == "not stated", text)):
        which = named == name
        records = found.records[which]
        years = found.years[(records > 0).any(axis=0)]
        weight = records.sum(axis=1)
        known = np.isfinite(found.passed[which]) & (found.passed[which] > 0)
        tried = (weight[known] / found.passed[which][known]).sum()
        share = weight[known].sum() / tried if tried else np.nan
        rows.append([name, f"{int(which.sum()):,}", f"{int((records > 0).sum()):,}", f"{int(records.sum()):,}",
                     str(years[0]) if years.size else "–", str(years[-1]) if years.size else "–", percent(share)])
    return rows
