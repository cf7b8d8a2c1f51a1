"""One self-contained HTML page from the inputs of a report."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, Mapping, Sequence

from ..deps import need
from ..progress import SILENT, Progress
from ..version import __version__
from . import words
from .inputs import ReportInputs, ScoreRow
from .palette import GROUP_COLOURS, GROUP_TITLES, OTHER_COLOUR, number, percent, plain, pretty_unit

HERE = Path(__file__).parent
SECTIONS = (("summary", "Summary"), ("skill", "Skill"), ("maps", "Maps"), ("drivers", "Drivers and contributions"),
            ("trend", "Trend"), ("provenance", "Data and provenance"), ("warnings", "Warnings"))
SCORES = (("n", "Records"), ("sites", "Sites"), ("r2_nse", "R²"), ("range", "95 % range of R²"),
          ("r2_pearson", "r²"), ("rmse", "RMSE"), ("mae", "MAE"), ("rmae", "rMAE"), ("bias", "Bias"))
SCHEMES = {"grouped": "whole sites held out", "loso": "one site held out at a time",
           "block": "blocks of land held out", "temporal": "later years of the same sites held out",
           "site_year": "years of sites held out: optimistic", "random": "random records held out: optimistic",
           "overall": "nothing held out, models have seen the sites: optimistic"}
SCHEME_ORDER = tuple(SCHEMES)


def build_report(inputs: ReportInputs, progress: Progress = SILENT) -> str:
    """Return the report as HTML text with all images inside.

    Parameters
    ----------
    inputs : ReportInputs
    progress : Progress
        Asked before each figure, so that drawing can be stopped.

    Returns
    -------
    str
        A whole page that loads nothing from elsewhere; the same inputs give the same text.

    Raises
    ------
    MissingDependency
        matplotlib or jinja2 is not installed.
    """
    need("matplotlib", extra="report")
    jinja2 = need("jinja2", extra="report")
    from .figures import all_figures

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True,
                                     undefined=jinja2.StrictUndefined)
    template = environment.from_string((HERE / "template.html").read_text(encoding="utf-8"))
    pictures: dict[str, list[dict[str, Any]]] = {}
    for count, picture in enumerate(all_figures(inputs, progress=progress), start=1):
        width, height = (int.from_bytes(picture.png[at:at + 4], "big") for at in (16, 20))
        pictures.setdefault(picture.section, []).append({
            "number": count, "name": picture.name, "title": picture.title, "caption": picture.caption,
            "place": picture.place, "width": width, "height": height,
            "data": base64.b64encode(picture.png).decode("ascii")})
    return template.render(**_context(inputs), pictures=pictures)


def _context(inputs: ReportInputs) -> dict[str, Any]:
    shown = [(key, title) for key, title in SECTIONS if _present(inputs, key)]
    flux = words.flux_title(inputs)
    step = words.STEP_WORDS.get(inputs.time_step, inputs.time_step)
    facts = [flux, inputs.region, words.span_of(inputs), f"a map per {step}" if len(inputs.series.times) > 1 else ""]
    return {
        "title": inputs.title, "css": (HERE / "style.css").read_text(encoding="utf-8"), "sections": shown,
        "facts": [fact for fact in facts if fact], "keys": words.key_figures(inputs),
        "summary": words.summary(inputs), "grave": [note.text for note in inputs.notes if note.grave],
        "notes": [note.text for note in inputs.notes], "unit": words.unit_word(inputs.unit),
        "skill": inputs.skill, "score_groups": score_groups(inputs), "score_titles": score_titles(inputs),
        "optimism": optimism(inputs), "driver_rows": driver_rows(inputs), "model": inputs.model,
        "record": record_tables(inputs.record), "crs": inputs.frame.crs, "version": __version__,
    }


def _present(inputs: ReportInputs, section: str) -> bool:
    if section == "drivers":
        return bool(inputs.driver_numbers) or inputs.shares is not None
    return section != "trend" or "slope" in inputs.trend


def score_titles(inputs: ReportInputs) -> list[str]:
    """Return the column heads of the skill table that have values."""
    return [title for _key, title in _score_columns(inputs)]


def _score_columns(inputs: ReportInputs) -> list[tuple[str, str]]:
    rows = [*inputs.skill.rows, *inputs.skill.compared] if inputs.skill else []
    return [(key, title) for key, title in SCORES
            if any(("r2_nse_low" if key == "range" else key) in row.values for row in rows)]


def score_groups(inputs: ReportInputs) -> list[dict[str, Any]]:
    """Return the skill table as groups of rows, one per hold-out scheme, site-grouped first."""
    if inputs.skill is None:
        return []
    columns = [key for key, _title in _score_columns(inputs)]
    rank = {"pooled": 0, "site": 1, "class": 2}
    groups = []
    for scheme in _schemes(inputs.skill.rows):
        rows = sorted((row for row in inputs.skill.rows if row.scheme == scheme),
                      key=lambda row: (rank.get(row.kind, 3), row.scope))
        groups.append({"title": SCHEMES.get(scheme, scheme), "scheme": scheme,
                       "rows": [{"scope": row.scope, "kind": row.kind, "cells": _cells(row, columns)}
                                for row in rows]})
    for scheme in _schemes(inputs.skill.compared):
        groups.append({"title": f"models compared in {inputs.skill.compared_in}, {SCHEMES.get(scheme, scheme)}",
                       "scheme": scheme,
                       "rows": [{"scope": row.scope, "kind": row.kind, "cells": _cells(row, columns)}
                                for row in inputs.skill.compared if row.scheme == scheme]})
    return groups


def _schemes(rows: Sequence[ScoreRow]) -> list[str]:
    return sorted({row.scheme for row in rows},
                  key=lambda name: SCHEME_ORDER.index(name) if name in SCHEME_ORDER else len(SCHEME_ORDER))


def _cells(row: ScoreRow, columns: Sequence[str]) -> list[str]:
    cells = []
    for key in columns:
        value = row.values.get(key)
        if key == "range" and "r2_nse_low" in row.values:
            cells.append(f"{plain(row.values['r2_nse_low'], 2)} – {plain(row.values['r2_nse_high'], 2)}")
        elif value is None:
            cells.append("")
        elif key in ("n", "sites"):
            cells.append(f"{int(value):,}")
        elif key == "rmae":
            cells.append(percent(value))
        elif key.startswith("r2"):
            cells.append(plain(value))
        else:
            cells.append(number(value))
    return cells


def optimism(inputs: ReportInputs) -> str:
    """Return how much better random folds look, in words; empty without both schemes."""
    if inputs.skill is None:
        return ""
    grouped, random = (inputs.skill.pooled(scheme).get("r2_nse") for scheme in ("", "random"))
    if grouped is None or random is None:
        return ""
    return (f"Random folds give R² = {plain(random)}, {plain(abs(random - grouped), 2)} "
            f"{'more' if random >= grouped else 'less'} than whole sites held out.")


def driver_rows(inputs: ReportInputs) -> list[dict[str, str]]:
    """Return the table of drivers, largest mean share first."""
    named = {driver.name: driver for driver in inputs.drivers}
    rows = []
    for name in words.driver_order(inputs):
        numbers, driver = inputs.driver_numbers.get(name), named[name]
        if numbers is None:
            continue
        rows.append({
            "name": name, "long_name": driver.long_name, "unit": pretty_unit(driver.unit),
            "group": GROUP_TITLES.get(driver.group, driver.group),
            "colour": GROUP_COLOURS.get(driver.group, OTHER_COLOUR),
            "mean": f"{percent(numbers['mean'], 1)} ± {number(100 * numbers.get('sd', float('nan')), 2)}",
            "range": f"{percent(numbers.get('low'))} – {percent(numbers.get('high'))}",
            "weighted": percent(numbers.get("weighted"), 1), "dominant": percent(numbers.get("dominant"), 1)})
    return rows


def record_tables(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the run record as tables of text."""
    def rows(key: str) -> list[tuple[str, str]]:
        found = record.get(key) or {}
        return [(str(name), _text(value)) for name, value in found.items()] if isinstance(found, Mapping) else []

    return {"step": str(record.get("step", "")), "version": str(record.get("reco_version", "")),
            "parameters": [(name, text) for name, text in rows("parameters") if text],
            "inputs": rows("inputs"), "outputs": rows("outputs"), "versions": rows("versions"),
            "citations": [_text(item) for item in record.get("citations", [])]}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(item) for item in value)
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return str(value)
