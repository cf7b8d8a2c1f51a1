"""All figures of a report, each with its caption, in the order of reading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Collection, Iterator, Optional

import numpy as np
from matplotlib.figure import Figure

from ..progress import SILENT, Progress
from . import figures_drivers, figures_groups, figures_maps, figures_series, figures_skill
from .canvas import png, style
from .inputs import ReportInputs
from .palette import RAMPS, percent, with_unit
from .words import driver_order, flux_title, pooled_score, span_of

SMALLEST_FLUX, SMALLEST_SHARE = 1e-12, 0.005
LEAST_PROFILE = 8.0


@dataclass(frozen=True)
class Picture:
    """A finished figure: where it stands, what it shows, how to read it.

    `place` is "wide" for the whole width of the page, "start" for the first column, else empty.
    """

    name: str
    section: str
    title: str
    caption: str
    png: bytes
    place: str = ""


def all_figures(inputs: ReportInputs, only: Collection[str] = (), progress: Progress = SILENT) -> list[Picture]:
    """Return the figures that can be drawn from what is given, or `only` those of these names."""
    pictures = []
    with style():
        plan = list(_plan(inputs))
        for number, (name, section, title, caption, place, draw) in enumerate(plan):
            progress(number / len(plan), f"Drawing: {title.lower()}")
            figure = draw() if not only or name in only else None
            if figure is not None:
                pictures.append(Picture(name, section, title, caption, png(figure), place))
    return pictures


Plan = tuple[str, str, str, str, str, Callable[[], Optional[Figure]]]


def outside_mask(inputs: ReportInputs) -> Optional[np.ndarray]:
    """Return the cells that lie outside the area of applicability in at least half of the time steps."""
    outside = inputs.maps.get("outside")
    return None if outside is None else np.nan_to_num(outside) >= 0.5


def _plan(inputs: ReportInputs) -> Iterator[Plan]:
    yield from _skill(inputs)
    yield from _maps(inputs)
    yield from _time(inputs)
    yield from _drivers(inputs)
    yield from _trend(inputs)


def _skill(inputs: ReportInputs) -> Iterator[Plan]:
    skill = inputs.skill
    if skill is None:
        return
    held = skill.held
    if held is not None and np.isfinite(held.observed).sum() > 2:
        yield ("scatter", "skill", "Observed and estimated, site held out",
               "Each estimate comes from models that saw no record of that site. The dashed line is a perfect "
               "estimate; a fit flatter than it means that high fluxes are underestimated.", "",
               lambda: figures_skill.scatter(held, inputs.unit, pooled_score(inputs), "Sites the models have not seen"))
    yield ("class_skill", "skill", "Skill by vegetation class",
           "R² and mean absolute error of held-out sites within each class; R² below −1 is drawn at −1. Classes with "
           "few sites are uncertain.", "", lambda: figures_skill.class_skill(skill, inputs.unit))


def _maps(inputs: ReportInputs) -> Iterator[Plan]:
    frame, unit, maps, outside = inputs.frame, inputs.unit, inputs.maps, outside_mask(inputs)
    title, span = flux_title(inputs), span_of(inputs)
    hatched = " Hatched: outside the area of applicability in at least half of the time." if (
        outside is not None and outside.any()) else ""
    yield ("flux", "maps", f"Mean {title.lower()}", f"Mean over {span}. Grey: no estimate.{hatched}", "",
           lambda: figures_maps.field_map(frame, maps["flux"], ramp=RAMPS["flux"], label=with_unit(title, unit),
                                          title=f"Mean {title.lower()}, {span}", outside=outside))
    if "spread" in maps:
        spread = maps["spread"]
        yield ("spread", "maps", "Spread", "Mean standard deviation over the models of the folds, each trained "
               "without one part of the sites. It shows how far the training sites alone move the estimate, not every "
               "error.", "",
               lambda: figures_maps.field_map(frame, spread, ramp=RAMPS["spread"], title="Spread over the fold models",
                                              label=with_unit("Standard deviation", unit)))
        yield ("relative_spread", "maps", "Relative spread", "Mean spread divided by the mean estimate of the cell.",
               "", lambda: figures_maps.field_map(
                   frame, 100 * _ratio(spread, maps["flux"]), ramp=RAMPS["spread"], title="Relative spread",
                   label="Spread / estimate [%]", floor=0.0))
    if "applicability" in maps:
        yield ("applicability", "maps", "Applicability", "1: drivers as in the training data; 0.5: limit of the "
               "area of applicability; 0: far outside (mean over time). Hatched: outside in at least half of "
               "the time; there the skill of held-out sites says nothing.", "",
               lambda: figures_maps.field_map(frame, maps["applicability"], ramp=RAMPS["applicability"],
                                              title="Applicability", label="Applicability [1]", span=(0.0, 1.0),
                                              outside=outside))
    if inputs.seasons:
        yield ("seasons", "maps", "Seasons", "Mean of all years in each season.", "wide",
               lambda: figures_maps.panels(frame, inputs.seasons, ramp=RAMPS["flux"], title=f"{title} by season",
                                           label=with_unit(title, unit)))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    good = np.abs(whole) > SMALLEST_FLUX
    return np.where(good, part / np.where(good, whole, 1.0), np.nan)


def _time(inputs: ReportInputs) -> Iterator[Plan]:
    if len(inputs.series.times) < 3:
        return
    title = flux_title(inputs)
    yield ("series", "maps", "Through time", "Area-weighted mean of the region per time step. The band is the mean "
           "spread of the cells; errors of neighbouring cells go together, so it does not shrink with the size of the "
           "region.", "wide", lambda: figures_series.time_series(inputs.series, inputs.unit, title))
    if inputs.time_step == "month" and len(inputs.series.times) >= 12:
        yield ("season", "maps", "Mean year", "Mean of each calendar month over the years"
               + (", north and south of the equator apart." if inputs.series.zones else "."), "",
               lambda: figures_series.seasonal_cycle(inputs.series, inputs.unit, title))
    if inputs.frame.geographic and abs(inputs.frame.top - inputs.frame.bottom) >= LEAST_PROFILE:
        yield ("profile", "maps", "From north to south", "Mean of the cells of each latitude; the band is their mean "
               "spread.", "", lambda: figures_series.latitude_profile(
                   inputs.frame, inputs.maps["flux"], inputs.maps.get("spread"), inputs.unit, title))


def _drivers(inputs: ReportInputs) -> Iterator[Plan]:
    frame, drivers, order = inputs.frame, inputs.drivers, driver_order(inputs)
    if inputs.driver_numbers:
        yield ("importance", "drivers", "Mean share of each driver", "Mean |contribution| of a driver over time, "
               "divided by the sum over all drivers, then averaged over cells. Bars: standard deviation over cells.",
               "", lambda: figures_drivers.importance_bars(drivers, inputs.driver_numbers, order))
    yield ("contribution_year", "drivers", "Contributions through the year", "Mean contribution per calendar month: "
           "above 0 the driver raises the estimate over the base value, below 0 it lowers it"
           + (" (northern hemisphere)." if inputs.numbers.get("samples_north") else "."), "",
           lambda: figures_series.contribution_year(drivers, inputs.dependence, order, inputs.unit))
    if inputs.groups is not None and several_groups(inputs.groups):
        groups = inputs.groups
        yield ("groups", "drivers", "Groups of drivers", "Pure corner colours: one group makes all of the estimate; "
               "light grey: the three are equal. The white dot is the mean of the region.", "start",
               lambda: figures_groups.composite_map(frame, groups))
    if inputs.dominant is not None:
        dominant = inputs.dominant
        area = np.array([inputs.driver_numbers.get(d.name, {}).get("dominant", np.nan) for d in drivers])
        yield ("dominant", "drivers", "Dominant driver", "The driver with the largest share in each cell; "
               "percentages are of the area.", "",
               lambda: figures_groups.dominant_map(frame, dominant, drivers, area if np.isfinite(area).all() else None))
    if inputs.shares is not None:
        shares = inputs.shares
        yield ("shares", "drivers", "Share of each driver", "All on one scale, largest mean first; the shares of a "
               "cell add up to 1.", "wide", lambda: figures_maps.share_panels(frame, drivers, shares))
    if inputs.dependence:
        yield ("dependence", "drivers", "Dependence", "Grey: pixels and time steps of a sample. Line and band: median "
               "and quartiles in up to 30 bins with equally many points. A rising line means that more of the driver "
               "goes with more respiration in the model; it is a property of the model, not a proof of cause.", "wide",
               lambda: figures_drivers.dependence_panels(drivers, inputs.dependence, order, inputs.unit))


def several_groups(groups: np.ndarray) -> bool:
    """Return whether more than one group of drivers has a share anywhere."""
    return sum(bool(np.nan_to_num(band).max(initial=0.0) > SMALLEST_SHARE) for band in groups) > 1


def _trend(inputs: ReportInputs) -> Iterator[Plan]:
    trend, frame = inputs.trend, inputs.frame
    if "slope" not in trend or not np.isfinite(trend["slope"]).any():
        return
    significant = np.nan_to_num(trend["p"], nan=1.0) < 0.05 if "p" in trend else None
    dots = " Dots: Mann–Kendall p < 0.05." if significant is not None else ""
    n = inputs.numbers
    area = (f" It rises significantly on {percent(n['trend_up'])} and falls on {percent(n['trend_down'])} of the area."
            if "trend_up" in n else "")
    yield ("trend", "trend", "Trend", f"Theil–Sen slope of each cell, {span_of(inputs)}.{dots}{area}", "",
           lambda: figures_maps.field_map(frame, trend["slope"], ramp=RAMPS["trend"], title="Trend (Theil–Sen slope)",
                                          label=with_unit("Slope", inputs.trend_unit), symmetric=True,
                                          significant=significant))
    if "relative" in trend and np.isfinite(trend["relative"]).any():
        yield ("relative_trend", "trend", "Relative trend", f"Slope divided by the mean of the cell.{dots}", "",
               lambda: figures_maps.field_map(frame, trend["relative"], ramp=RAMPS["trend"], title="Relative trend",
                                              label="Slope / mean [% yr⁻¹]", symmetric=True, significant=significant))
