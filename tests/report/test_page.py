"""Plain pages, and the pages of inventory, driver check and description."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from reco_core.report.description import Block, build_description
from reco_core.report.driver_check import DriverCheck, build_driver_check
from reco_core.report.inventory import Inventory, build_inventory
from reco_core.report.page import Figure, Key, Page, Part, TableOf, render_page

VOID = {"meta", "img", "br", "link"}
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (30).to_bytes(4, "big") + (20).to_bytes(4, "big")


class Checked(HTMLParser):
    """Reads a page and checks that its tags are closed."""

    def __init__(self, html):
        super().__init__()
        self.stack, self.ids, self.sources = [], [], []
        self.feed(html)
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.sources += [attrs[key] for key in ("src", "href") if key in attrs]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag


def whole(html):
    """Check a page: tags closed, ids unique, nothing loaded from elsewhere."""
    page = Checked(html)
    assert len(set(page.ids)) == len(page.ids)
    assert [source for source in page.sources if not source.startswith(("data:", "#"))] == []
    assert "nan" not in re.sub(r"data:[^\"]*", "", html).lower().replace("financ", "").split()
    return page


def test_page():
    """Keys, sections, tables, groups, figures and what could be mistaken for HTML."""
    html = render_page(Page("kicker", "<b>Title</b>", ["one", "two"], [
        Part("a", "Part A", ["A paragraph"], [Figure("f", "Drawing", "How to read it", PNG)],
             [TableOf(("Name", "Value"), [("x", "1"), ("y", "2")], groups={1: "Group"}, hint="A hint")], ["a point"]),
        Part("b", "Part B"), Part("c", "Part C")], [Key("Label", "12", "of 13")], "Foot."))
    whole(html)
    assert "&lt;b&gt;Title" in html
    assert 'width="30" height="20"' in html
    for words in ("A hint", "Group", "a point", "Figure 1. Drawing.", "of 13", "Foot.", 'href="#b"'):
        assert words in html


def inventory(sites=40, years=12, **changes) -> Inventory:
    """Return observations of some towers."""
    rng = np.random.default_rng(3)
    records = rng.integers(0, 13, (sites, years))
    records[0] = 12
    classes = rng.choice(["ENF", "GRA", "CRO", "TWE", ""], sites)
    made = {"site": [f"XX-{at:03d}" for at in range(sites)], "network": ["Net"] * sites, "igbp": list(classes),
            "flux": ["reco"] * sites, "lat": rng.uniform(-50, 70, sites), "lon": rng.uniform(-170, 170, sites),
            "years": np.arange(2001, 2001 + years), "records": records, "share": records / 12,
            "months": rng.integers(0, 20, (sites, 12)), "mean": rng.uniform(0, 5, sites),
            "passed": rng.uniform(0.5, 1, sites), "dropped": (("negative rates", 7),), "sources": ("obs.nc",)}
    return Inventory(**{**made, **changes})


@pytest.mark.parametrize(("sites", "figures"), [(1, 5), (40, 5), (200, 6)])
def test_inventory_of_any_size(sites, figures):
    """One tower, some, or more than fit into one drawing."""
    html = build_inventory(inventory(sites))
    page = whole(html)
    assert sum(name.startswith("fig-") for name in page.ids) == figures
    assert f"XX-{sites - 1:03d}" in html


def test_inventory_without_positions_or_quality():
    """No map where no tower has a position; no share of quality where none is told."""
    nowhere = np.full(5, np.nan)
    html = build_inventory(inventory(5, lat=nowhere, lon=nowhere, dropped=(), passed=nowhere))
    page = whole(html)
    assert "fig-towers" not in page.ids
    assert "Passed quality control" not in html
    assert "No record was left out" in html


def test_annual_inventory_has_no_months():
    """Annual data are not drawn by month."""
    assert "fig-months" not in whole(build_inventory(inventory(time_steps=("year",)))).ids


def test_inventory_of_very_many_towers():
    """Of a thousand towers the strips show the busiest; the table has all."""
    html = build_inventory(inventory(1000, 3))
    assert "The strips show the 900 sites" in html
    assert "XX-999" in html


def rows(name, sites):
    """Return scores of a driver at towers."""
    rng = np.random.default_rng(1)
    numbers = ("mean_tower", "mean_grid", "bias", "rmse", "mae", "r2_pearson", "r2_nse", "slope")
    return [{"driver": name, "site": site, "sites": len(sites), "n": 30, **dict(zip(numbers, rng.uniform(0, 1, 8)))}
            for site in ("all", *sites)]


@pytest.mark.parametrize("pairs", [40, 4000])
def test_driver_check(pairs):
    """A section per driver with scatter and bars, dense or not, and what was not compared at the end."""
    rng = np.random.default_rng(2)
    own = rng.normal(10, 5, pairs)
    held = {"ta": (own, own + 1, np.zeros(pairs, int)), "precip": (np.abs(own), np.abs(own), np.zeros(pairs, int))}
    html = build_driver_check(DriverCheck(
        [*rows("ta", [f"S{at}" for at in range(70)]), *rows("precip", ["S1"])], held,
        {"ta": ("Air temperature", "degC"), "precip": ("Precipitation", "mm d-1")}, "nearest cell", "month",
        ("obs.nc",), ["towers outside the grid (FAR)"]))
    page = whole(html)
    assert {"fig-scatter-ta", "fig-sites-ta", "fig-scatter-precip", "fig-sites-precip"} <= set(page.ids)
    assert "r² (Pearson)" in html and "R² (1 − SSE/SST)" in html
    assert "towers outside the grid (FAR)" in html
    assert "the 60 with the largest bias of 70" in html


def test_description():
    """Facts, variables without empty columns, needs and the command; a drawing only where something is missing."""
    heads = ("RECO name", "in the file", "unit", "missing", "range", "remark")
    block = Block("a.nc", "NetCDF file", [("grid", "3 x 3 cells")], heads,
                  [("ta", "tas", "degC", "0 %", "1 to 2", ""), ("lai", "lai", "?", "37 %", "0 to 3", "")],
                  ["a note"], [("For each method", (("lloyd_taylor", True, "ta here"), ("other", False, "lai")))],
                  "reco read_drivers --drivers a.nc")
    html = build_description([block])
    page = whole(html)
    assert "fig-missing" in page.ids
    assert "°C" in html and "Remark" not in html
    assert "still missing: lai" in html
    two = whole(build_description([block, block]))
    assert "1-what" in two.ids and "2-what" in two.ids
