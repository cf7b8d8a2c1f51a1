"""The engine agrees with the model itself, and is the same however rows are cut."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from reco_core.actions.models import fit_samples
from reco_core.errors import Cancelled, ConfigError
from reco_core.explain.engine import Engine, bytes_per_row, rows_for
from reco_core.explain.pairs import pairs
from reco_core.explain.shap_tables import TableExplainer
from reco_core.explain.tree_shap import additivity_error
from reco_core.models.base import Feature, FittedModel
from reco_core.models.causal_xgboost import CausalXgboost
from reco_core.models.ensemble import Recipe
from reco_core.progress import Progress
from reco_core.vocabulary.variables import GROUPS
from small_world import NAMES, small_drivers, small_model, small_samples
from wide_world import MODELS, SETTINGS, wide_samples


def rows(count=800):
    drivers = small_drivers(gaps=False)
    shape = drivers["ta"].shape
    table = np.stack([np.broadcast_to(drivers[name].values, shape).reshape(-1) for name in NAMES], axis=1)
    return table[:: len(table) // count]


@pytest.mark.parametrize("members", ["all", "one_per_fold"])
@pytest.mark.parametrize("per_class", [False, True])
def test_equals_the_models_own(members, per_class):
    """Estimates are those of the model to the last bit, and contributions are xgboost's."""
    fitted, X = small_model(per_class=per_class), rows()
    stratum = np.resize(np.array(fitted.strata), len(X)) if per_class else None
    engine = Engine(fitted, members)
    found, phi = engine.explain(X, stratum)
    expected = fitted.estimate(X, stratum=stratum, members=members)
    for ours in (found, engine.estimate(X, stratum)):
        assert np.array_equal(ours.mean, expected.mean) and np.array_equal(ours.spread, expected.spread)
        np.testing.assert_allclose(ours.seed_spread, expected.seed_spread, rtol=1e-9)
    assert np.isnan(expected.seed_spread).all() == (members == "one_per_fold")
    theirs = fitted.contributions(X, stratum=stratum, members=members)
    np.testing.assert_allclose(phi, theirs, atol=1e-5 * np.abs(theirs).max())
    assert additivity_error(phi, found.mean) <= 1e-5


def test_members_matter():
    """One seed per fold gives another estimate than all seeds do."""
    fitted, X = small_model(), rows()
    assert np.abs(Engine(fitted, "one_per_fold").estimate(X)[0] - Engine(fitted).estimate(X)[0]).max() > 1e-3


@pytest.mark.parametrize("rows_at_once", [1, 7, 64])
def test_rows_at_once_do_not_matter(rows_at_once):
    """Alone or among others, a row has the same bits."""
    fitted, X = small_model(), rows(60)
    whole, parts = Engine(fitted).explain(X), Engine(fitted, rows_at_once=rows_at_once).explain(X)
    for one, other in zip((*whole[0], whole[1]), (*parts[0], parts[1])):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("name", ["tpgpp", "jagermeyr_like", "lgs_like", "svr", "bp_ann"])
def test_rows_at_once_do_not_matter_to_other_methods(name):
    """The same holds for equations and learners: the size of tiles leaves no trace in maps."""
    samples = wide_samples(MODELS[name], towers=8, years=2)
    fitted = fit_samples(samples, Recipe(name, settings=SETTINGS.get(name), seeds=(1, 2)), folds=2, processes=1)
    X = fitted.reference["X"][:90]
    whole = Engine(fitted).explain(X)
    for size in (1, 2, 7, 64):
        parts = Engine(fitted, rows_at_once=size).explain(X)
        assert np.array_equal(parts[0].mean, whole[0].mean) and np.array_equal(parts[1], whole[1])


def test_falls_back_to_xgboost(monkeypatch):
    """Trees that tables cannot hold are left to xgboost, with the same result."""
    fitted, X = small_model(), rows(100)
    expected = Engine(fitted).explain(X)
    monkeypatch.setattr(TableExplainer, "of", lambda booster, keep: None)
    found = Engine(fitted).explain(X)
    assert all(np.array_equal(one, other) for one, other in zip(found[0], expected[0]))
    np.testing.assert_allclose(found[1], expected[1], atol=1e-4)


def test_plain():
    """plain asks the model and nothing else."""
    fitted, X = small_model(), rows(100)
    found, phi = Engine(fitted, plain=True).explain(X)
    assert np.array_equal(phi, fitted.contributions(X.astype("float32")))
    assert all(np.array_equal(one, other) for one, other in zip(found, fitted.estimate(X)))


def test_other_models():
    """A model without boosters splits its estimate itself: here all goes to the temperature."""
    fitted, X = small_model("lloyd_taylor"), rows()
    found, phi = Engine(fitted).explain(X)
    assert (phi[:, 1:3] == 0).all() and additivity_error(phi, found.mean) <= 1e-9
    assert np.array_equal(found.mean, fitted.estimate(X).mean)
    assert np.array_equal(found.spread, fitted.estimate(X).spread) and np.isnan(found.seed_spread).all()


@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("settings", ["n_estimators=20,max_depth=6", "n_estimators=10,max_depth=20,min_samples_leaf=1"])
def test_forests(per_class, settings):
    """Forests are split by tables where they are shallow, else by the model itself: the same values, and no rest."""
    recipe = Recipe("rf", per_class=per_class, settings=settings, seeds=(1, 2))
    fitted, X = fit_samples(small_samples(), recipe, folds=2, processes=1), rows(300)
    stratum = np.resize(np.array(fitted.strata), len(X)) if per_class else None
    found, phi = Engine(fitted).explain(X, stratum)
    plain, theirs = Engine(fitted, plain=True).explain(X, stratum)
    for ours, wanted in zip(found, plain):
        assert np.array_equal(ours, wanted)
    np.testing.assert_allclose(phi, theirs, atol=1e-5 * np.abs(theirs).max())
    assert additivity_error(phi, found.mean) <= 1e-5
    parts = Engine(fitted, rows_at_once=7).explain(X, stratum)
    assert np.array_equal(parts[0].mean, found.mean) and np.array_equal(parts[1], phi)


def test_gaps_in_forests():
    """Rows with gaps are left to the model, which fills them, and the others are as they were."""
    fitted = fit_samples(small_samples(), Recipe("rf", settings="n_estimators=10", seeds=(1,)), folds=2, processes=1)
    X = rows(100)
    whole = Engine(fitted).explain(X)[1]
    X[::9, 1] = np.nan
    found, phi = Engine(fitted).explain(X)
    kept = np.isfinite(X).all(axis=1)
    assert np.array_equal(phi[kept], whole[kept]) and additivity_error(phi, found.mean) <= 1e-5


@pytest.mark.parametrize("what", ["estimate", "explain"])
def test_cancel_and_progress(what):
    """Progress rises to the end, and stopping stops."""
    fitted, X = small_model(), rows(100)
    seen = []
    getattr(Engine(fitted, rows_at_once=40), what)(
        X, progress=Progress(lambda fraction, message: seen.append(fraction)))
    assert seen == sorted(seen) and seen[-1] == pytest.approx(1)
    with pytest.raises(Cancelled):
        getattr(Engine(fitted), what)(X, progress=Progress(stopped=lambda: True))


@pytest.mark.parametrize("members", ["all", "one_per_fold"])
@pytest.mark.parametrize("recipe", [Recipe("causal_xgboost", seeds=(1, 2), settings="n_estimators=15"),
                                    Recipe("rf", settings="n_estimators=8,max_depth=5", seeds=(1,))])
def test_interactions(members, recipe):
    """What groups do alone and together adds up to the estimate; halves of it to what each group contributes."""
    fitted, X = fit_samples(small_samples(), recipe, folds=2, processes=1), rows(200)
    engine = Engine(fitted, members)
    found, (estimate, phi) = engine.interactions(X, GROUPS), engine.explain(X)
    np.testing.assert_allclose(found.sum(axis=1), estimate.mean, rtol=1e-5)
    for number, group in enumerate(GROUPS):
        own = [k for k, driver in enumerate(fitted.explained) if driver.group == group]
        half = sum(found[:, lane] / (1 if a == b else 2) for lane, (a, b) in enumerate(pairs(3)) if number in (a, b))
        np.testing.assert_allclose(half, phi[:, own].sum(axis=1), atol=1e-4)
    assert np.array_equal(Engine(fitted, members, rows_at_once=7).interactions(X, GROUPS), found)
    plain = Engine(fitted, members, plain=True).interactions(X, GROUPS)
    np.testing.assert_allclose(plain, found, atol=1e-3)
    seen: list[float] = []
    engine.interactions(X, GROUPS, progress=Progress(lambda fraction, message: seen.append(fraction)))
    assert seen == sorted(seen) and seen[-1] == pytest.approx(1)


def test_progress_of_interactions_by_class():
    """It never goes back, although each class has boosters of its own."""
    fitted, X = small_model(per_class=True), rows(100)
    seen: list[float] = []
    Engine(fitted).interactions(X, GROUPS, np.resize(np.array(fitted.strata), len(X)),
                                Progress(lambda fraction, message: seen.append(fraction)))
    assert len(fitted.strata) > 1 and seen == sorted(seen)


def test_no_interactions_without_trees():
    """Equations and networks are refused by name."""
    with pytest.raises(ConfigError, match="lloyd_taylor"):
        Engine(small_model("lloyd_taylor")).interactions(rows(10), GROUPS)


def test_spread_of_contributions():
    """The standard deviation over folds of what each fold's model says."""
    fitted, X = small_model(), rows(50)
    found = Engine(fitted).contribution_spread(X)
    each = [Engine(replace(fitted, folds=(fold,))).explain(X)[1] for fold in fitted.folds]
    np.testing.assert_allclose(found, np.std(each, axis=0, ddof=1), atol=1e-6)


@pytest.mark.parametrize("kept_bytes", [1, 300_000, 10**9])
def test_kept_tables_do_not_matter(kept_bytes):
    """Tables that are kept for the next rows, all or some of them, give the same bits."""
    fitted, X = small_model(), rows(90)
    engine = Engine(fitted, rows_at_once=30, kept_bytes=kept_bytes)
    first, again = engine.explain(X), engine.explain(X)
    expected = Engine(fitted).explain(X)
    for found in (first, again):
        assert np.array_equal(found[0].mean, expected[0].mean) and np.array_equal(found[1], expected[1])
    kept = sum(table.nbytes for tables in engine._shelf._known.values() for table in tables._kept.values())
    assert kept <= kept_bytes and (kept > 0) == (kept_bytes > 1)


@pytest.mark.parametrize(("folds", "drivers"), [(3, 3), (100, 3), (1, 20), (10, 20), (3, 60)])
def test_what_a_row_takes(folds, drivers):
    """What an engine holds for a row grows with folds and drivers, and the rows at once are fewer then."""
    fitted = small_model("lloyd_taylor") if drivers == 3 else wide_booster(drivers)
    fitted = replace(fitted, folds=fitted.folds[:1] * folds)
    X = np.random.default_rng(0).normal(size=(20_000, drivers)).astype("float32")
    engine = Engine(fitted)
    engine.explain(X[:100])
    tracemalloc.start()
    engine.explain(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak / len(X) < bytes_per_row(folds, drivers)
    assert rows_for(2.0, folds, drivers) * bytes_per_row(folds, drivers) <= 0.25e9


def wide_booster(drivers):
    """Return a fitted model of one small booster of many drivers."""
    X = np.random.default_rng(1).normal(size=(500, drivers)).astype("float32")
    model = CausalXgboost(weights="uniform", settings="n_estimators=5,early_stopping=0,max_depth=6")
    model.fit(X, X.sum(axis=1), group=np.arange(len(X)) % 9, seeds=(1,))
    features = tuple(Feature(f"x{k}", "1", "", "biotic", -3.0, 3.0) for k in range(drivers))
    return FittedModel("causal_xgboost", features, "g C m-2 month-1", "month", "reco", (), (model,))


@pytest.mark.parametrize("recipe", [Recipe("causal_xgboost", seeds=(1, 2), settings="n_estimators=15"),
                                    Recipe("causal_xgboost", per_class=True, seeds=(1,), settings="n_estimators=9"),
                                    Recipe("rf", settings="n_estimators=8,max_depth=5", seeds=(1,)),
                                    Recipe("rf", settings="n_estimators=4,max_depth=20", seeds=(1,)),
                                    Recipe("lloyd_taylor", seeds=(1,))])
def test_tables_in_torch(recipe):
    """The way of a GPU, gone on the processor: what the kernels and methods say, but for rounding, and no rest."""
    pytest.importorskip("torch")
    fitted, X = fit_samples(small_samples(), recipe, folds=2, processes=1), rows(300)
    stratum = np.resize(np.array(fitted.strata), len(X)) if recipe.per_class else None
    usual, torch = Engine(fitted), Engine(fitted, device="cpu", kept_bytes=10**6)
    (found, phi), (estimate, expected) = torch.explain(X, stratum), usual.explain(X, stratum)
    for ours, wanted in zip(found, estimate):
        np.testing.assert_allclose(ours, wanted, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(phi, expected, atol=1e-5 * np.abs(expected).max())
    assert additivity_error(phi, found.mean) <= 1e-5
    assert np.array_equal(torch.explain(X, stratum)[1], phi)
    assert np.array_equal(torch.estimate(X, stratum).mean, estimate.mean)
    np.testing.assert_allclose(torch.contribution_spread(X, stratum), usual.contribution_spread(X, stratum), atol=1e-3)
    if recipe.name == "causal_xgboost":
        ours, wanted = (engine.interactions(X, GROUPS, stratum) for engine in (torch, usual))
        np.testing.assert_allclose(ours, wanted, atol=1e-5 * np.abs(wanted).max())


def test_all_cores_for_many_rows():
    """A booster that was asked for a few rows, by one thread, uses all cores again for many; the bits are the same."""
    fitted, X = small_model(), np.resize(rows(), (20_000, 3))
    booster = fitted.folds[0].boosters()[0]
    fitted.estimate(X[:5])
    threads = []
    for count in (5, len(X)):
        Engine(fitted).estimate(X[:count])
        threads.append(json.loads(booster.save_config())["learner"]["generic_param"]["nthread"])
    assert threads == ["1", "0"]
    assert np.array_equal(Engine(fitted).estimate(X).mean[:5], Engine(fitted).estimate(X[:5]).mean)
