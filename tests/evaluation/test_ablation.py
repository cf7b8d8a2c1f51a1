"""Ablation: the right driver is found, chance is not taken for a finding, and what is not independent says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reco_core.errors import ConfigError, SampleError
from reco_core.evaluation.ablation import Ablation, ablate, compare, variants, verdict
from reco_core.evaluation.crossval import resampled
from reco_core.evaluation.metrics import score
from reco_core.models.ensemble import Recipe
from reco_core.models.table import Table

LAGS = ("spei_12", "spei_24", "spei_36")
FOREST = Recipe("rf", settings="n_estimators=20", seeds=(1,))


def lagged(weight=2.0, sites=30, years=8, seed=0):
    """Return a table of site-years that follow temperature and the second of three drought indices."""
    rng = np.random.default_rng(seed)
    wet = rng.normal(size=(sites, years + 2))
    two = wet[:, 2:] + wet[:, 1:-1]
    droughts = [wet[:, 2:], two / 2 ** 0.5, (two + wet[:, :-2]) / 3 ** 0.5]
    ta = rng.normal(size=(sites, years))
    y = 10 + ta + weight * droughts[1] + rng.normal(0, 0.3, (sites, years))
    X = np.column_stack([values.ravel() for values in (ta, *droughts)])
    site = np.repeat(np.arange(sites), years)
    table = Table.plain(X, y.ravel(), group=site, features=("ta", *LAGS))
    return replace(table, site=site.astype(str), year=np.tile(2001 + np.arange(years), sites))


def tables(table, prefix="CNN"):
    """Return the variants and their tables."""
    chosen = variants(table.features, LAGS, prefix)
    places = {name: at for at, name in enumerate(table.features)}
    return chosen, {variant.name: replace(table, features=variant.drivers,
                                          X=table.X[:, [places[name] for name in variant.drivers]])
                    for variant in chosen}


def test_variants_are_those_of_the_paper():
    """CNN1 to CNN6: the base, each index alone, the first two, and all three."""
    chosen = variants(("ta", "lai", *LAGS), LAGS, "CNN")
    assert [variant.name for variant in chosen] == [f"CNN{k}" for k in range(1, 7)]
    assert [variant.added for variant in chosen] == [
        (), LAGS[:1], LAGS[1:2], LAGS[2:], LAGS[:2], LAGS]
    assert all(variant.drivers == ("ta", "lai", *variant.added) for variant in chosen)


@pytest.mark.parametrize(("drivers", "added", "words"), [
    (("ta", "lai"), ("spei_12",), "no driver 'spei_12'"), (LAGS, LAGS, "none is left"), (LAGS, (), "No driver"),
    (("ta", *LAGS), ("spei_12", "spei_12"), "named twice")])
def test_wrong_drivers(drivers, added, words):
    """What cannot be added is named."""
    with pytest.raises(ConfigError, match=words):
        variants(drivers, added, "CNN")


@pytest.mark.parametrize("scheme", ["grouped", "temporal"])
def test_the_right_lag_is_found(scheme):
    """The verdict names the driver that respiration follows, on held-out sites and on held-out years."""
    chosen, each = tables(lagged())
    rows = compare(ablate(each, chosen, FOREST, scheme=scheme, folds=3, processes=1), draws=500)
    best, words = verdict(rows)
    assert "spei_24" in words and best
    singles = {row["added"]: row["rmse"] for row in rows if row["added"] in LAGS}
    assert min(singles, key=singles.get) == "spei_24"
    assert rows[2]["rmse_high"] < 0 < rows[2]["r2_nse_low"]


def test_chance_is_no_finding():
    """Where respiration follows none of them, no lag is better."""
    chosen, each = tables(lagged(weight=0.0))
    rows = compare(ablate(each, chosen, FOREST, folds=3, processes=1), draws=500)
    assert verdict(rows) == ("", "no lag is better beyond chance")


def test_the_last_years_are_held_out():
    """Scores of scheme=temporal are of the last years only; a site with one year is never held out."""
    table = lagged(sites=6)
    table = replace(table, year=np.where(table.site == "5", 2001, table.year))
    chosen, each = tables(table)
    found = ablate(each, chosen[:1], FOREST, scheme="temporal", folds=4, processes=1)
    np.testing.assert_array_equal(np.isfinite(found.estimates[0][0]), (table.year >= 2007) & (table.site != "5"))
    with pytest.raises(SampleError, match="two years"):
        ablate({chosen[0].name: replace(each[chosen[0].name], year=np.full(len(table), 2001))}, chosen[:1], FOREST,
               scheme="temporal", processes=1)


def test_resplit_says_that_it_is_not_independent():
    """The published scheme and the refits of other methods carry the flag, and score three in thirteen samples."""
    pytest.importorskip("torch")
    table = lagged(sites=13)
    chosen, each = tables(table)
    network = Recipe("cnn_spei", settings="side=1,filters=4", seeds=(1,))
    for recipe, words in ((network, "every sample was trained on"), (FOREST, "other samples of the same sites")):
        found = ablate(each, chosen[:2], recipe, scheme="resplit", iterations=40, processes=1)
        rows = compare(found, draws=100)
        assert all(row["note"].startswith("not independent") and words in row["note"] for row in rows)
        assert found.estimates[0].shape == (10, len(table))
        assert (np.isfinite(found.estimates[0]).sum(axis=1) == round(len(table) * 3 / 13)).all()
        np.testing.assert_array_equal(np.isfinite(found.estimates[0]), np.isfinite(found.estimates[1]))


def test_resplit_has_trained_on_what_it_scores():
    """Noise that says nothing new is learnt by heart under resplit, and not on held-out sites."""
    pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    noise = replace(lagged(sites=10, years=4), y=10 + rng.normal(size=40))
    chosen, each = tables(noise)
    recipe = Recipe("cnn_spei", settings="side=1,filters=32,learning_rate=0.005", seeds=(1,))
    found = [ablate(each, chosen[-1:], recipe, scheme=scheme, folds=3, iterations=1500, processes=1)
             for scheme in ("resplit", "grouped")]
    scores = [compare(part, draws=100) for part in found]
    assert scores[0][0]["r2_nse"] > 0.8
    assert scores[1][0]["r2_nse"] < 0.1


def test_scores_are_those_of_the_library():
    """Scores from sums are those of `score`, and the resampled ones those of `resampled`; RMSE2 = bias2 + SDE2."""
    rng = np.random.default_rng(1)
    y, group = rng.normal(800, 200, 90), np.repeat(np.arange(15), 6)
    p = y + rng.normal(20, 90, 90)
    p[7] = np.nan
    q = y + rng.normal(0, 60, 90)
    chosen = tuple(variants(("ta", "a"), ("a",), "M"))
    rows = compare(Ablation(chosen, y, (p[None], q[None]), group, ""), draws=400, seed=3)
    wanted = score(y, p)
    for name in ("r2_nse", "ccc", "rmse", "sde", "bias"):
        assert rows[0][name] == pytest.approx(wanted[name], rel=1e-9)
    assert rows[0]["rmse"] ** 2 == pytest.approx(rows[0]["bias"] ** 2 + rows[0]["sde"] ** 2)
    drawn = [resampled(y, values, group, repeats=400, seed=3)["r2_nse"] for values in (p, q)]
    assert rows[1]["r2_nse_low"] == pytest.approx(np.quantile(drawn[1] - drawn[0], 0.025))
    assert rows[1]["r2_nse_high"] == pytest.approx(np.quantile(drawn[1] - drawn[0], 0.975))


def test_variants_have_the_same_samples():
    """Other rows, or a scheme that is none, are refused."""
    chosen, each = tables(lagged(sites=4))
    with pytest.raises(ConfigError, match="'loso'"):
        ablate(each, chosen, FOREST, scheme="loso")
    each["CNN2"] = each["CNN2"].take(np.arange(10))
    with pytest.raises(SampleError, match="same samples"):
        ablate(each, chosen, FOREST)
