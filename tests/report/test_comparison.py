"""The page and figures of compared models: whole for any set of models, and the same bytes on every run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reco_core.evaluation.league import Rows, league_rows
from reco_core.report.comparison import Comparison, build_comparison, draw_comparison
from reco_core.report.figures_comparison import _point
from tables import make_table


def comparison(count=3, classes=True, seasons=True, **models):
    table, rng = make_table(), np.random.default_rng(2)
    labels = table.stratum if classes else np.full(len(table), "")
    season = np.where(table.season < 6, "winter", "summer") if seasons else np.full(len(table), "")
    rows = Rows(table.y, table.site, labels, table.group, season, table.season if seasons else 0 * table.season)
    estimates = {f"model {number}": table.y + rng.normal(0, 5 + 5 * number, len(table)) for number in range(count)}
    estimates |= {**models, "floor": np.full(len(table), table.y.mean())}
    scores = league_rows(rows, {label: values[None] for label, values in estimates.items()}, scheme="grouped",
                         reference="model 0")
    return Comparison(scores, table.y, estimates, "g C m-2 month-1", "reco", "month", "model 0",
                      "whole sites held out", len(table) + 5, dict.fromkeys(estimates, 5), {"absent": "needs gpp <&>"},
                      floor="floor", titles={"model 1": "Forest"}, folds=4, assignments=1, seeds=2)


@pytest.fixture(scope="module")
def found():
    return comparison()


def test_page_is_whole_and_the_same_each_time(found):
    """Every model is in the tables, best first; who was left out is told; two runs give the same text."""
    pictures = draw_comparison(found)
    assert set(pictures) == {"taylor", "scatter", "gaps", "class", "season"}
    page = build_comparison(found, pictures)
    assert page == build_comparison(found, draw_comparison(found))
    assert page.index("model 0") < page.index("model 1") < page.index("model 2") < page.index("floor")
    assert "needs gpp &lt;&amp;&gt;" in page and "no estimate for 5 of 437 held-out samples" in page
    assert page.count("data:image/png;base64,") == 5 and "Winter is December" in page


def test_taylor_places_follow_the_law_of_cosines(found):
    """The distance of a model from the observations is its error without the bias, over their spread."""
    y, p = found.observed, found.estimates["model 2"] + 40
    x, height = _point(y, p)
    error = np.std(p - y) / np.std(y)
    assert np.hypot(x - 1, height) == pytest.approx(error)
    assert _point(y, np.full(len(y), 3.0)) == (0.0, 0.0)


def test_what_a_set_does_not_have_is_left_out():
    """One model without classes and seasons has no differences and no tables of them."""
    one = comparison(count=1, classes=False, seasons=False)
    assert set(draw_comparison(one)) == {"taylor", "scatter"}
    assert "R² / MAE by class" not in build_comparison(one, draw_comparison(one))


def test_any_number_of_models_and_any_correlation(found):
    """Thirty models, and one that goes against the observations, are drawn."""
    y = found.observed
    many = comparison(count=30, against=2 * y.mean() - 1.4 * y, wild=y * 4.0)
    pictures = draw_comparison(many)
    assert all(content.startswith(b"\x89PNG") for content in pictures.values())
    assert "against" in build_comparison(many, pictures)


def test_ties_are_named(found):
    """What cannot be told apart from the reference is said in words."""
    tie = found.estimates["model 0"] + np.random.default_rng(0).normal(0, 0.1, len(found.observed))
    close = comparison(twin=tie)
    page = build_comparison(replace(close), draw_comparison(close))
    assert "cannot be told apart, given the choice of sites: twin" in page
