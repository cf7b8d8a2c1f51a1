"""What the report says in words; every number comes from the inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping

import numpy as np

from .inputs import ReportInputs
from .palette import FLUX_TITLES, GROUP_TITLES, number, percent, plain, pretty_unit

NBSP = "\N{NO-BREAK SPACE}"
STEP_WORDS = {"month": "month", "year": "year", "16day": "16-day step", "8day": "8-day step",
              "week": "week", "day": "day"}


@dataclass(frozen=True)
class KeyFigure:
    """A number that stands out at the top."""

    value: str
    unit: str
    label: str


def carbon(grams: float) -> tuple[str, str]:
    """Return a mass of carbon with a unit that keeps it readable.

    Examples
    --------
    >>> carbon(5.12e16), carbon(3.2e9)
    (('51.2', 'Pg C'), ('3.20', 'Gg C'))
    """
    for factor, unit in ((1e15, "Pg C"), (1e12, "Tg C"), (1e9, "Gg C"), (1e6, "Mg C")):
        if abs(grams) >= factor:
            return number(grams / factor), unit
    return number(grams / 1e3), "kg C"


def unit_word(unit: str) -> str:
    """Return a unit that does not break at the end of a line."""
    return pretty_unit(unit).replace(" ", NBSP)


def square_km(square_metres: float) -> str:
    """Return an area in km2, or millions of them."""
    km2 = square_metres / 1e6
    return f"{number(km2 / 1e6)} million km²" if km2 >= 1e6 else f"{number(km2)} km²"


def span_of(inputs: ReportInputs) -> str:
    """Return the first and last time step as text."""
    times = inputs.series.times
    return times[0] if len(times) == 1 else f"{times[0]} to {times[-1]}"


def flux_title(inputs: ReportInputs) -> str:
    """Return the name of the flux."""
    return FLUX_TITLES.get(inputs.flux_kind, inputs.flux_kind)


def driver_order(inputs: ReportInputs) -> list[str]:
    """Return driver names, largest mean share first."""
    names = [driver.name for driver in inputs.drivers]
    return sorted(names, key=lambda name: -float(inputs.driver_numbers.get(name, {}).get("mean", 0.0)))


def key_figures(inputs: ReportInputs) -> list[KeyFigure]:
    """Return the numbers of the strip under the title."""
    n, unit = inputs.numbers, unit_word(inputs.unit)
    found = [KeyFigure(number(n.get("mean")), unit, f"mean {flux_title(inputs).lower()}")]
    if "total_per_year" in n:
        value, mass = carbon(n["total_per_year"])
        found.append(KeyFigure(value, f"{mass} yr⁻¹", f"total of the region ({square_km(n['area'])})"))
    if "relative_spread" in n:
        found.append(KeyFigure(percent(n["relative_spread"]), "of the mean", "spread over the fold models"))
    if "applicable" in n:
        found.append(KeyFigure(percent(n["applicable"]), "of area and time", "inside the area of applicability"))
    order = driver_order(inputs)
    if order and inputs.driver_numbers:
        top = order[0]
        name = next(driver.long_name for driver in inputs.drivers if driver.name == top)
        found.append(KeyFigure(percent(inputs.driver_numbers[top]["mean"]), "of the contributions", name.lower()))
    grouped = pooled_score(inputs)
    if grouped:
        found.append(KeyFigure(plain(grouped.get("r2_nse"), 2), "1 − SSE/SST", "R² on sites held out"))
    if "trend_slope" in n:
        found.append(KeyFigure(_signed(n["trend_slope"]), unit_word(inputs.trend_unit), "mean trend"))
    return found


def _signed(value: float) -> str:
    return ("+" if value > 0 else "") + number(value)


def pooled_score(inputs: ReportInputs) -> dict[str, float]:
    """Return the pooled scores on held-out sites, empty if there are none."""
    return dict(inputs.skill.pooled()) if inputs.skill else {}


def summary(inputs: ReportInputs) -> list[str]:
    """Return the summary as paragraphs."""
    parts = [_flux_words(inputs), _skill_words(inputs), _driver_words(inputs), _trend_words(inputs)]
    return [part for part in parts if part]


def _flux_words(inputs: ReportInputs) -> str:
    n, unit = inputs.numbers, unit_word(inputs.unit)
    step = STEP_WORDS.get(inputs.time_step, inputs.time_step)
    text = (f"From {span_of(inputs)} the mean {flux_title(inputs).lower()} of the region was "
            f"{number(n.get('mean'))}{NBSP}{unit}, weighted by cell area")
    if "annual" in n and inputs.time_step != "year":
        text += f", or {number(n['annual'])}{NBSP}{unit_word('g C m-2 yr-1')}"
    text += "."
    if "total_per_year" in n:
        value, mass = carbon(n["total_per_year"])
        years = int(n["years"])
        text += (f" Over {square_km(n['area'])} this adds up to {value}{NBSP}{mass} yr⁻¹ "
                 f"(mean of {years} whole year{'s' if years != 1 else ''}).")
    if "spread" in n:
        text += (f" The models of the folds differ by {number(n['spread'])}{NBSP}{unit} on average "
                 f"({percent(n.get('relative_spread', np.nan))} of the mean; standard deviation per cell and {step})")
        text += f"; those of one fold, which differ by their seed alone, by {number(n['seed_spread'])}{NBSP}{unit}." \
            if "seed_spread" in n else "."
    if "applicable" in n:
        text += (f" {percent(n['applicable'])} of the area and time lies inside the area of applicability, where the "
                 "drivers resemble those of the training sites.")
    return text


def _skill_words(inputs: ReportInputs) -> str:
    scores = pooled_score(inputs)
    if not scores:
        return ""
    unit = unit_word(inputs.unit)
    return (f"On sites that the models had not seen, the estimate explains R² = {plain(scores.get('r2_nse'))} of the "
            f"variance (1{NBSP}−{NBSP}SSE/SST), with a mean absolute error of {number(scores.get('mae'))}{NBSP}{unit} "
            f"and a bias of {number(scores.get('bias'))}{NBSP}{unit}."
            + _range_words(scores) + _spread_words(inputs, scores))


def _range_words(scores: Mapping[str, float]) -> str:
    if "r2_nse_low" not in scores:
        return ""
    low, high = (plain(scores[f"r2_nse_{end}"], 2) for end in ("low", "high"))
    text = (f" Had other sites of this kind been measured, R² could have come out between {low} and {high} "
            f"(95{NBSP}% range over resampled sites).")
    if "worst_sites_share" in scores:
        text += f" The five worst sites have {percent(scores['worst_sites_share'])} of the squared error."
    return text


def _spread_words(inputs: ReportInputs, scores: Mapping[str, float]) -> str:
    error, spread = scores.get("rmse"), inputs.numbers.get("spread")
    if not error or not spread or error < spread:
        return ""
    return (f" The error on such sites (RMSE {number(error)}{NBSP}{unit_word(inputs.unit)}) is "
            f"{number(error / spread, 2)} times the spread of the maps: the spread is not the whole uncertainty.")


def _driver_words(inputs: ReportInputs) -> str:
    order = [name for name in driver_order(inputs) if name in inputs.driver_numbers]
    if not order:
        return ""
    named = {driver.name: driver for driver in inputs.drivers}
    lead = [f"{named[name].long_name.lower()} ({percent(inputs.driver_numbers[name]['mean'])})" for name in order[:3]]
    text = "The largest contributions come from " + _join(lead) + "."
    groups = {key: inputs.numbers[f"group_{key}"] for key in GROUP_TITLES if f"group_{key}" in inputs.numbers}
    if groups:
        text += " By group: " + _join([f"{GROUP_TITLES[key].lower()} {percent(value)}"
                                       for key, value in groups.items()]) + "."
    top = max(order, key=lambda name: inputs.driver_numbers[name].get("dominant", 0.0))
    if inputs.driver_numbers[top].get("dominant", 0.0) > 0:
        text += (f" {named[top].long_name} is the largest contributor on "
                 f"{percent(inputs.driver_numbers[top]['dominant'])} of the area.")
    return text


def _trend_words(inputs: ReportInputs) -> str:
    n = inputs.numbers
    if "trend_slope" not in n:
        return ""
    unit = unit_word(inputs.trend_unit)
    years = len({label[:4] for label in inputs.series.times})
    over = f"{int(n['trend_years'])} {'years' if n['trend_years'] <= years else 'time steps'}"
    return (f"Over {over} the estimate changes by {_signed(n['trend_slope'])}{NBSP}{unit} on average "
            f"(area-weighted mean of the Theil–Sen slopes). It rises significantly on {percent(n['trend_up'])} of the "
            f"area and falls on {percent(n['trend_down'])} (Mann–Kendall, p < 0.05; by chance alone about 2.5 % each).")


def _join(items: list[str]) -> str:
    if len(items) < 2:
        return "".join(items)
    return ", ".join(items[:-1]) + " and " + items[-1]
