"""The report is one honest, self-contained page."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from reco_core.report.inputs import Driver, Frame, Note, ScoreRow, Series, Skill
from reco_core.report.render import SECTIONS, build_report

BARE = {"seasons": {}, "shares": None, "groups": None, "dominant": None, "trend": {}, "dependence": {}}
VOID = {"meta", "img", "br", "link", "hr", "input"}


class Page(HTMLParser):
    """Reads a page: open tags are closed, text and attributes are kept."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if not self.stack or self.stack[-1] != "style":
            self.text += data


@pytest.fixture(scope="module")
def html(inputs):
    """Return the report of the standard inputs."""
    return build_report(inputs())


def test_page_is_whole(html):
    """Every tag is closed and every section is there, with its heading and a link to it."""
    page = Page(html)
    sections = [attrs["id"] for tag, attrs in page.tags if tag == "section"]
    assert sections == [key for key, _title in SECTIONS]
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert links == [f"#{key}" for key in sections]


def test_numbers_are_those_of_the_inputs(html):
    """Mean, total, spread, applicability, skill, shares and trend appear as given."""
    text = Page(html).text.replace("\N{NO-BREAK SPACE}", " ")
    for words in ("84.6 g C m⁻² month⁻¹", "1.39 Pg C yr⁻¹", "1.37 million km²", "8.13 g C m⁻² month⁻¹",
                  "2.47 g C m⁻² month⁻¹", "61 % of the area", "R² = 0.531",
                  "29.3 g C m⁻² month⁻¹", "air temperature (45 %)",
                  "+1.23 g C m⁻² yr⁻²", "on 57 % of"):
        assert words in text, words


def test_nothing_comes_from_elsewhere(html):
    """No script, no link to a file, no address: the page works without a network."""
    page = Page(html)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _attrs in page.tags}
    assert not re.search(r"https?:|@import|url\(|file:", html)
    for tag, attrs in page.tags:
        if tag == "img":
            assert (attrs["src"] or "").startswith("data:image/png;base64,")


def test_images_open_and_have_words(html):
    """Every image is a PNG of the stated size and has a text for those who cannot see it."""
    image = pytest.importorskip("PIL.Image")
    pictures = [attrs for tag, attrs in Page(html).tags if tag == "img"]
    assert len(pictures) == 18
    for attrs in pictures:
        opened = image.open(io.BytesIO(base64.b64decode(attrs["src"].split(",", 1)[1])))
        opened.load()
        assert opened.size == (int(attrs["width"]), int(attrs["height"]))
        assert len(attrs["alt"]) > 20


def test_skill_starts_with_held_out_sites(html):
    """Site-grouped scores stand first, pooled before classes; random folds come last and are called optimistic."""
    table = html[html.index('<table class="scores">'):html.index("</table>", html.index('<table class="scores">'))]
    order = [table.index(word) for word in ("Whole sites held out", "0.531", "−0.217", "0.652", "optimistic", "0.874")]
    assert order == sorted(order)
    assert "0.34 more than whole sites held out" in Page(html).text


def test_foreign_text_is_shown_not_run(inputs):
    """Markup in titles, file names, notes, drivers, classes and parameters stays text."""
    bad = "<script>alert('$x$ $_')</script>"
    given = inputs(
        **BARE, title=bad, region=bad, notes=[Note(bad, True)], model={bad: bad},
        record={"parameters": {bad: bad}, "inputs": {bad: bad}, "citations": [bad], "versions": {bad: bad}},
        drivers=[Driver("ta", bad, bad, bad)], driver_numbers={"ta": {"mean": 1.0, "sd": 0.1, "dominant": 1.0}},
        skill=Skill([ScoreRow(bad + name, "grouped", {"n": 3, "r2_nse": 0.1, "mae": 1.0}, "class") for name in "ab"]))
    html = build_report(given)
    assert "<script" not in html
    assert Page(html).text.count(bad) >= 12
    assert "fig-importance" in html
    assert "fig-class_skill" in html


def test_report_is_reproducible_and_small(inputs, html):
    """The same inputs give the same page, below 5 MB."""
    assert build_report(inputs()) == html
    assert len(html) < 5_000_000


def test_report_lives_with_little(inputs):
    """A flux of one time step alone, without skill, drivers and trend, gives a page that says what it lacks."""
    bare = inputs(**BARE, series=Series(("2001-01",), np.array([84.6])), maps={"flux": inputs().maps["flux"]},
                  drivers=(), driver_numbers={}, skill=None, model={}, record={}, notes=(),
                  numbers={"mean": 84.6, "area": 1e9})
    page = Page(build_report(bare))
    assert "skill of this model on unseen sites is unknown" in page.text
    assert [attrs["id"] for tag, attrs in page.tags if tag == "section"] == [
        "summary", "skill", "maps", "provenance", "warnings"]


def test_projected_maps_are_drawn(inputs):
    """A grid in metres is drawn without latitudes, and its CRS stands in the text."""
    html = build_report(inputs(**BARE, frame=Frame(4.0e6, 4.1e6, 2.8e6, 3.0e6, "EPSG:3035 (LAEA)", False)))
    assert "EPSG:3035 (LAEA)" in html
    assert "fig-flux" in html
    assert "fig-profile" not in html
