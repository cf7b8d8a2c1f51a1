"""Hold-out: whole sites, every sample once, and the gap to random folds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reco_core.errors import SampleError
from reco_core.evaluation import crossval
from reco_core.evaluation.comparison import paired_difference
from reco_core.evaluation.crossval import Predictions, bootstrap, cross_validate, score_rows, site_medians, worst_share
from reco_core.evaluation.metrics import score
from reco_core.models.ensemble import Recipe
from tables import make_table

QUICK = Recipe(weights="uniform", settings="robust,n_estimators=40", seeds=(1,))


def found(scheme="grouped", table=None, **options):
    return cross_validate(table or make_table(), QUICK, scheme=scheme, processes=1, **{"folds": 4, **options})


@pytest.mark.parametrize("scheme", ["grouped", "loso"])
def test_no_site_on_both_sides(scheme):
    """Training and test samples of a fold share no tower group; every sample is tested exactly once."""
    held = found(scheme)
    for fold in held.fold:
        for number in np.unique(fold):
            assert not set(held.group[fold == number]) & set(held.group[fold != number])
    assert np.isfinite(held.estimates).all() and held.estimates.shape == held.fold.shape
    assert np.unique(held.fold[0]).size == (12 if scheme == "loso" else 4)


def test_assignments_deal_anew():
    """Each assignment deals the sites anew; the score table has their mean and spread."""
    held = found(assignments=3)
    assert len({fold.tobytes() for fold in held.fold}) == 3
    pooled = score_rows(held)[0]
    each = [score(held.observed, estimate)["mae"] for estimate in held.estimates]
    assert pooled["mae"] == pytest.approx(np.mean(each)) and pooled["mae_sd"] == pytest.approx(np.std(each, ddof=1))


@pytest.mark.parametrize(("scheme", "words"), [("temporal", "same sites, later years"), ("site_year", "optimistic")])
def test_years_held_out(scheme, words):
    """Years of the same sites are held out and labelled so; rows never held out are in no score."""
    table = make_table()
    table = replace(table, year=2001 + np.arange(len(table)) % 4)
    held = found(scheme, table)
    assert (held.fold == crossval.deal(table, scheme, folds=4)[0]).all()
    np.testing.assert_array_equal(np.isfinite(held.estimates), held.fold >= 0)
    rows = score_rows(held)
    assert words in rows[0]["note"] and rows[0]["n"] == (held.fold >= 0).sum()
    if scheme == "temporal":
        assert set(table.year[held.fold[0] == 0]) == {2004} and crossval.fold_count(held) == 1


def test_random_folds_flatter():
    """Where features tell sites apart but carry nothing to new sites, random folds score high, grouped ones do not."""
    rng = np.random.default_rng(0)
    table = make_table(sites=40, rows=30)
    effect, mark = rng.normal(size=40), rng.normal(size=(40, 3))
    table = replace(table, X=mark[table.group] + 0.001 * rng.normal(size=(1200, 3)),
                    y=effect[table.group] + 0.3 * rng.normal(size=1200))
    settings = "robust,n_estimators=150,min_child_weight=3,learning_rate=0.1,colsample_bynode=0.7"
    recipe = replace(QUICK, settings=settings)
    scores = {scheme: score_rows(cross_validate(table, recipe, scheme=scheme, folds=5, processes=1))[0]
              for scheme in ("random", "grouped")}
    assert scores["random"]["r2_nse"] > 0.8 and scores["grouped"]["r2_nse"] < 0.1
    assert "optimistic" in scores["random"]["note"] and "optimistic" not in scores["grouped"]["note"]


def test_rows_of_the_score_table():
    """One row pooled, one per class, one per site; n adds up at each level."""
    rows = score_rows(found())
    levels = {level: [row for row in rows if row["level"] == level] for level in ("pooled", "class", "site")}
    assert {level: len(part) for level, part in levels.items()} == {"pooled": 1, "class": 3, "site": 12}
    assert {level: sum(row["n"] for row in part) for level, part in levels.items()} == dict.fromkeys(levels, 432)
    pooled = levels["pooled"][0]
    assert pooled["r2_nse_low"] < pooled["r2_nse"] < pooled["r2_nse_high"]
    assert pooled["mae_low"] < pooled["mae"] < pooled["mae_high"]
    assert pooled["site_mae"] == pytest.approx(np.median([row["mae"] for row in levels["site"]]))


def test_site_medians_and_worst_sites():
    """Medians over sites, R2 only where a site has a year of samples; the worst sites' share of the squared error."""
    site = np.repeat(["a", "b", "c"], [24, 24, 4])
    y = np.tile(np.arange(4.0), 13)
    p = y + np.repeat([0.0, 1.0, 3.0], [24, 24, 4])
    medians = site_medians(y, p, site)
    assert medians["site_mae"] == 1.0
    assert medians["site_r2"] == pytest.approx((1 + score(y[24:48], p[24:48])["r2_nse"]) / 2)
    assert worst_share(y, p, site, count=1) == pytest.approx(36 / 60)
    assert worst_share(y, p, site) == 1


def test_bootstrap_equals_drawing_by_hand():
    """The vectorised resampling of sites gives what copying the drawn sites' rows gives."""
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(6), [3, 5, 7, 4, 6, 9])
    y = rng.normal(size=34) + group
    p = y + rng.normal(size=34)
    low, high = bootstrap(y, p, group, repeats=300, seed=5)["r2_nse"]
    drawn = np.random.default_rng(5).integers(0, 6, (300, 6))
    by_hand = []
    for draw in drawn:
        rows = np.concatenate([np.flatnonzero(group == g) for g in draw])
        by_hand.append(score(y[rows], p[rows])["r2_nse"])
    np.testing.assert_allclose((low, high), np.quantile(by_hand, [0.025, 0.975]), atol=1e-9)


def test_summary_labels_what_is_optimistic():
    """The skill that a model keeps has held-out scores first and says that the overall ones are optimistic."""
    table = make_table()
    fold = table.group % 4
    held = Predictions(table.y, (table.y + 5)[None], fold[None], "grouped", table.site, table.stratum, table.group)
    summary = crossval.summarise(held, table.y + 1)
    assert list(summary) == ["scheme", "note", "folds", "held_out", "by_class", "overall"]
    assert summary["held_out"]["mae"] == pytest.approx(5) and summary["overall"]["mae"] == pytest.approx(1)
    assert "optimistic" in summary["overall"]["note"] and summary["folds"] == 4


def test_one_site_and_too_many_folds():
    """One site cannot be held out; more folds than sites cannot be dealt."""
    table = make_table()
    with pytest.raises(SampleError, match="one site only"):
        found(table=table.take(table.group == 0))
    with pytest.raises(SampleError, match="12 tower groups but 13 folds"):
        found(folds=13)


def test_a_gap_in_the_estimates_costs_one_pair():
    """Where a model has no estimate, ranges and shares are those of the pairs that are there."""
    rng = np.random.default_rng(0)
    site = np.repeat(np.arange(20), 30)
    y = rng.normal(size=600) + site
    p = y + rng.normal(size=600)
    p[::30] = np.nan
    there = np.isfinite(p)
    assert bootstrap(y, p, site) == bootstrap(y[there], p[there], site[there])
    assert worst_share(y, p, site) == worst_share(y[there], p[there], site[there])
    better = paired_difference(y, np.where(there, y, np.nan), p, site, repeats=200)
    assert better["r2_nse"]["share_better"] == 1 and better["mae"]["difference"] < 0 and better["mae"]["high"] < 0
