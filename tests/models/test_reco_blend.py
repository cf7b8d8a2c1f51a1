"""The blend: what is chosen and where, exact contributions by tables, classes, gaps, and what is kept."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.errors import ArtifactError, ConfigError
from reco_core.explain.engine import Engine
from reco_core.models.base import FittedModel
from reco_core.models.ensemble import Recipe, fit_folds
from reco_core.models.reco_blend import CHOICES, RecoBlend
from reco_core.models.table import Table
from reco_core.samples.splits import assign_folds
from small_world import small_samples

FAST = {"rounds": 30, "learning_rate": 0.2, "min_child_weight": 5, "n_estimators": 12, "class_groups": 2}


def table():
    """Return samples of towers in three classes, whose classes respire differently."""
    found = Table.of(small_samples(towers=18, years=2), RecoBlend().context)
    label = np.array(["DBF", "ENF", "GRA"])[found.group % 3]
    y = found.y * np.where(label == "GRA", 0.3, np.where(label == "ENF", 1.0, 2.0))
    return Table(**{**vars(found), "stratum": label, "y": y})


def fitted(per_class=True, seeds=(1, 2), **settings):
    rows = table()
    recipe = Recipe("reco_blend", "uniform", per_class, settings={**FAST, **settings}, seeds=seeds)
    return rows, fit_folds(rows, assign_folds(rows.group, 3), recipe, processes=1)


@pytest.fixture(scope="module")
def by_class():
    return fitted(parts="squared+trees+classes")


def test_learns_classes(by_class):
    """Held-out towers are estimated well where each class has its own boosting; one for all cannot tell them apart."""
    rows, model = fitted(parts="classes", seeds=(1,))
    error = np.square(model.reference["held_out"] - rows.y).mean() / rows.y.var()
    pooled = fitted(False, parts="absolute", seeds=(1,))[1]
    assert error < 0.7
    assert error < 0.5 * np.square(pooled.reference["held_out"] - rows.y).mean() / rows.y.var()


def test_choice_is_made_inside_the_training_rows():
    """The choice prefers parts per class here, tells the error of every choice, and does not see the held-out rows."""
    rows = table()
    out = assign_folds(rows.group, 3) == 0
    model = RecoBlend(per_class=True, settings=FAST, classes=("DBF", "ENF", "GRA"))
    found = model.prepare(rows.take(~out), seed=3)
    assert set(found["inner"]) == set(CHOICES)
    assert found["inner"][found["choice"]] == min(found["inner"].values())
    assert "classes" in found["choice"]
    spoilt = Table(**{**vars(rows), "y": np.where(out, 1e4, rows.y)})
    assert model.prepare(spoilt.take(~out), seed=3) == found
    assert set(RecoBlend(settings=FAST).prepare(rows)["inner"]) == {name for name in CHOICES if "classes" not in name}


def test_tables_and_trees_agree(by_class):
    """The engine's tables give what xgboost and the forest kernel give, and everything adds up."""
    rows, model = by_class
    X = rows.X[::5].astype("float32")
    fast, phi = Engine(model).explain(X, rows.stratum[::5])
    slow, exact = Engine(model, plain=True).explain(X, rows.stratum[::5])
    np.testing.assert_allclose(phi, exact, atol=2e-4)
    np.testing.assert_array_equal(fast.mean, slow.mean)
    np.testing.assert_allclose(phi.sum(axis=1), fast.mean, rtol=1e-5)
    assert phi.shape[1] == len(rows.features) + 2
    assert [feature.name for feature in model.explained] == [*rows.features, "season"]
    assert np.abs(phi[:, -2]).max() > 1  # the season contributes by itself


def test_same_bytes_after_keeping(by_class):
    """A kept model estimates and explains to the same bits, and keeps itself in the same bytes."""
    rows, model = by_class
    meta, blobs, arrays = model.to_parts()
    again = FittedModel.from_parts(meta, blobs, arrays)
    for method in ("estimate", "contributions"):
        before, after = (getattr(item, method)(rows.X, stratum=rows.stratum) for item in (model, again))
        np.testing.assert_array_equal(np.asarray(before), np.asarray(after))
    assert again.to_parts()[1] == blobs


def test_bias_is_taken_off():
    """The absolute error alone estimates too little where the flux is skewed; the factor from inner folds mends it."""
    rows = table()
    skewed = Table(**{**vars(rows), "y": rows.y * np.random.default_rng(0).lognormal(0, 1, len(rows))})
    folds, kept = assign_folds(rows.group, 3), {}
    for bias in ("no", "yes"):
        recipe = Recipe("reco_blend", settings={**FAST, "parts": "absolute", "bias": bias}, seeds=(1,))
        model = fit_folds(skewed, folds, recipe, processes=1)
        kept[bias] = abs((model.reference["held_out"] - skewed.y).mean())
    assert kept["yes"] < 0.7 * kept["no"]
    factors = [fold.factor_ for fold in model.folds]
    assert all(1.0 < factor <= 1.25 for factor in factors)


def test_gaps_do_not_stop_it(by_class):
    """Rows with gaps in drivers and months are estimated, and their contributions add up too."""
    rows, model = by_class
    X = rows.X[:40].astype("float32")
    X[::2, 1] = np.nan
    X[1::3, 5:20] = np.nan
    estimate, phi = Engine(model).explain(X, rows.stratum[:40])
    assert np.isfinite(estimate.mean).all()
    np.testing.assert_allclose(phi.sum(axis=1), estimate.mean, rtol=1e-4)


def test_small_classes_are_served_by_all():
    """A class with fewer tower groups than asked for has no boosting of its own, and the card can tell."""
    rows = table()
    few = Table(**{**vars(rows), "stratum": np.where(rows.group == rows.group[0], "WET", rows.stratum)})
    model = RecoBlend(per_class=True, settings={**FAST, "parts": "classes"}, classes=("DBF", "ENF", "GRA", "WET"))
    model.fit(few.X, few.y, group=few.group, stratum=few.stratum, features=few.features)
    assert model.own_ == ("DBF", "ENF", "GRA")
    assert model.pooled_classes_ == ("WET",)
    with pytest.raises(ArtifactError, match="no classes are given"):
        model.predict(few.X)


def test_wrong_settings_are_told():
    """Parts per class need per_class, and unknown parts are refused with the choices."""
    with pytest.raises(ConfigError, match="boosting per class, but one model serves all"):
        RecoBlend(settings="parts=classes").check(("ta",))
    with pytest.raises(ConfigError, match="parts"):
        RecoBlend(settings="parts=everything").check(("ta",))
