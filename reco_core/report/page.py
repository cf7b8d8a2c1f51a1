"""Plain pages: key figures, paragraphs, tables and figures, in the look of the report."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Sequence

from ..deps import need
from ..version import __version__

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Figure:
    """A drawing with its title and how to read it; `wide` ones take the whole width of the page."""

    name: str
    title: str
    caption: str
    png: bytes
    wide: bool = True


@dataclass(frozen=True)
class TableOf:
    """A table of text; columns in `words` are set to the left, the others as numbers to the right.

    `groups` gives for some rows, by number, a heading that stands above.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    words: int = 1
    hint: str = ""
    groups: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """A section of a page."""

    name: str
    title: str
    paragraphs: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[TableOf] = ()
    bullets: Sequence[str] = ()


@dataclass(frozen=True)
class Key:
    """A figure in large letters at the top of the page."""

    label: str
    value: str
    unit: str = ""


@dataclass(frozen=True)
class Page:
    """All of a page: `kicker` says what kind of page it is, `facts` stand below the title."""

    kicker: str
    title: str
    facts: Sequence[str]
    parts: Sequence[Part]
    keys: Sequence[Key] = ()
    footer: str = ""


def render_page(page: Page) -> str:
    """Return a page as HTML text with all images inside; the same page gives the same text.

    Raises
    ------
    MissingDependency
        jinja2 is not installed.
    """
    jinja2 = need("jinja2", extra="report")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True,
                                     undefined=jinja2.StrictUndefined)
    template = environment.from_string((HERE / "page.html").read_text(encoding="utf-8"))
    number = 0
    pictures: dict[str, list[dict[str, Any]]] = {}
    for part in page.parts:
        pictures[part.name] = []
        for drawing in part.figures:
            number += 1
            width, height = (int.from_bytes(drawing.png[at:at + 4], "big") for at in (16, 20))
            pictures[part.name].append({
                "number": number, "name": drawing.name, "title": drawing.title, "caption": drawing.caption,
                "wide": drawing.wide, "width": width, "height": height,
                "data": base64.b64encode(drawing.png).decode("ascii")})
    css = (HERE / "style.css").read_text(encoding="utf-8")
    return str(template.render(page=page, pictures=pictures, css=css, version=__version__))
