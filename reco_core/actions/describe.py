"""The action that says what is in a file."""

from __future__ import annotations

from textwrap import wrap
from typing import Any, Optional, Sequence

from ..errors import ConfigError
from ..io.describe.description import Column, Description, number
from ..io.describe.files import describe as look
from ..io.files import atomic
from ..progress import Progress
from ..report.description import Block, build_description
from .needs import Need, derivations, methods

KEY, WIDTH = 14, 112
MOST_COLUMNS = 40
HEADS = ("RECO name", "in the file", "unit", "missing", "range", "remark")
METHODS, DERIVATIONS = "For each method", "What can be derived from it"


def describe(*, path: Any, output: Optional[str], progress: Progress) -> dict[str, Any]:
    """Say what a file or folder holds, and what each method would still need."""
    paths = [path] if isinstance(path, str) else list(path)
    if not paths:
        raise ConfigError("There is nothing to describe", "Give a file or folder")
    found = []
    for place, item in enumerate(paths):
        progress(0.9 * place / len(paths), f"Looking into {item}")
        found.append(look(item))
    result: dict[str, Any] = {"summary": [line for item in found for line in lines(item)], "citations": []}
    if output:
        html = build_description([block(item) for item in found])
        with atomic(output) as part:
            part.write_text(html, encoding="utf-8", newline="\n")
        result["output"] = output
    return result


def lines(found: Description) -> list[str]:
    """Return a description as text in columns, for a terminal."""
    told = [f"{found.label}: {found.kind}"]
    for key, text in found.facts:
        told += _indented(key, text)
    if found.columns:
        told += ["", *_table(found.columns)]
    if found.notes:
        told.append("")
    for note in found.notes:
        told += wrap(f"! {note}", WIDTH, initial_indent="  ", subsequent_indent="    ", break_long_words=False,
                     break_on_hyphens=False)
    for title, needs in _needs(found):
        told += ["", title]
        for need in needs:
            told += _indented(need.name, _words(need), key=18)
    if found.read_with:
        told += ["", f"Read it with: {found.read_with}"]
    return [*told, ""]


def _needs(found: Description) -> list[tuple[str, list[Need]]]:
    if not found.holds.where:
        return []
    told = [(METHODS, methods(found.holds))]
    if found.holds.where == "grid":
        told.append((DERIVATIONS, derivations(found.holds)))
    return told


def _words(need: Need) -> str:
    return need.text if need.able else f"still missing: {need.text}"


def _indented(name: str, text: str, *, key: int = KEY) -> list[str]:
    shown = f"  {name:<{key}}" if len(name) < key else f"  {name}  "
    return wrap(text, WIDTH, initial_indent=shown, subsequent_indent=" " * (key + 2), break_long_words=False,
                break_on_hyphens=False) or [shown.rstrip()]


def rows(columns: Sequence[Column]) -> list[tuple[str, ...]]:
    """Return columns as rows of text: RECO name, name in the file, unit, missing, range, remark."""
    told: list[tuple[str, ...]] = []
    for column in columns:
        span = f"{number(column.low)} to {number(column.high)}" if column.low is not None and number(column.low) else ""
        missing = "" if column.gaps is None else _percent(column.gaps)
        measured = bool(span or missing)
        told.append((column.reco or "-", column.name, column.unit or ("?" if measured and column.reco else ""),
                     missing, span, column.note))
    return told


def _percent(share: float) -> str:
    value = 100 * share
    return f"{value:.0f} %" if value == 0 or 1 <= value <= 99 or value == 100 else f"{value:.1f} %"


def _table(columns: Sequence[Column]) -> list[str]:
    shown = rows(columns[:MOST_COLUMNS])
    limits = (16, 30, 18, 8, 24, 60)
    cut = [tuple(text if len(text) <= limit else text[:limit - 1] + "…" for text, limit in zip(row, limits))
           for row in [HEADS, *shown]]
    kept = [at for at in range(len(HEADS)) if any(row[at] for row in cut[1:])]
    widths = {at: max(len(row[at]) for row in cut) for at in kept}
    told = ["  " + "  ".join(row[at].rjust(widths[at]) if at == 3 else row[at].ljust(widths[at])
                             for at in kept).rstrip() for row in cut]
    if len(columns) > MOST_COLUMNS:
        told.append(f"  ... and {len(columns) - MOST_COLUMNS} more")
    return told


def block(found: Description) -> Block:
    """Return a description as the page shows it."""
    return Block(found.label, found.kind, found.facts, HEADS, rows(found.columns), found.notes,
                 tuple((title, tuple((need.name, need.able, need.text) for need in needs))
                       for title, needs in _needs(found)), found.read_with)
