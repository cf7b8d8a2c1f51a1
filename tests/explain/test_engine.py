"""The explainer of a fitted model agrees with the model itself, and is the same however rows are cut."""

from __future__ import annotations

import numpy as np
import pytest
from small_world import NAMES, small_drivers, small_model

from reco_core.errors import Cancelled
from reco_core.explain import engine
from reco_core.explain.engine import Explainer
from reco_core.explain.tree_shap import additivity_error
from reco_core.progress import Progress


def rows(count=800):
    drivers = small_drivers(gaps=False)
    shape = drivers["ta"].shape
    table = np.stack([np.broadcast_to(drivers[name].values, shape).reshape(-1) for name in NAMES], axis=1)
    return table[:: len(table) // count]


@pytest.mark.parametrize("members", ["all", "one_per_fold"])
@pytest.mark.parametrize("per_class", [False, True])
def test_equals_the_models_own(members, per_class):
    """Tables give what xgboost gives, for all members or one per fold, with and without classes."""
    fitted, X = small_model(per_class=per_class), rows()
    stratum = np.resize(np.array(fitted.strata), len(X)) if per_class else None
    ours = Explainer(fitted, members).contributions(X, stratum)
    theirs = fitted.contributions(X, stratum=stratum, members=members)
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())
    assert additivity_error(ours, fitted.estimate(X, stratum=stratum, members=members)[0]) <= 1e-5


def test_mixed_members_do_not_add_up():
    """One seed per fold explains another estimate than all seeds do."""
    fitted, X = small_model(), rows()
    phi = Explainer(fitted, "one_per_fold").contributions(X)
    assert additivity_error(phi, fitted.estimate(X, members="all")[0]) > 1e-3


def test_single_rows():
    """A row explained alone has the same bits as among others."""
    fitted, X = small_model(), rows(60)
    explainer = Explainer(fitted)
    alone = np.concatenate([explainer.contributions(row[None]) for row in X])
    assert np.array_equal(explainer.contributions(X), alone)


def test_falls_back_to_xgboost(monkeypatch):
    """Trees that tables cannot hold are explained by xgboost."""
    fitted, X = small_model(), rows(100)
    expected = fitted.contributions(X)
    monkeypatch.setattr(engine.TableExplainer, "of", lambda booster: None)
    np.testing.assert_allclose(Explainer(fitted).contributions(X), expected, atol=1e-4)


def test_engine_of_the_model():
    """engine=model asks the model and nothing else."""
    fitted, X = small_model(), rows(100)
    assert np.array_equal(Explainer(fitted, engine="model").contributions(X),
                          fitted.contributions(X.astype("float32")))


def test_other_models():
    """A model without boosters splits its estimate itself: here all goes to the temperature."""
    fitted, X = small_model("lloyd_taylor"), rows()
    phi = Explainer(fitted).contributions(X)
    assert (phi[:, 1:3] == 0).all() and additivity_error(phi, fitted.estimate(X)[0]) <= 1e-5


def test_cancel_and_progress():
    """Progress reaches the end, and stopping stops."""
    fitted, X = small_model(), rows(100)
    seen = []
    Explainer(fitted).contributions(X, progress=Progress(lambda fraction, message: seen.append(fraction)))
    assert seen == sorted(seen) and seen[-1] == pytest.approx(1)
    with pytest.raises(Cancelled):
        Explainer(fitted).contributions(X, progress=Progress(stopped=lambda: True))
