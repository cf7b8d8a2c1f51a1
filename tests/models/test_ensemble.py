"""The ensemble over folds: nothing leaks, nothing depends on the number of processes, bad input is refused."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace

import numpy as np
import pytest

from reco_core.errors import ArtifactError, Cancelled, ConfigError, SampleError
from reco_core.models.base import FittedModel, Model
from reco_core.models.causal_links import feature_weights, find_links
from reco_core.models.ensemble import Recipe, fit_folds, importance, run_folds
from reco_core.models.registry import make_model, model_class
from reco_core.models.seeds import default_seeds
from reco_core.progress import Progress
from tables import make_table

QUICK = Recipe(settings="n_estimators=60,early_stopping=10,learning_rate=0.2", seeds=(1, 2))


def folds_of(table, count=3):
    return table.group % count


def digest(fitted):
    meta, blobs, arrays = fitted.to_parts()
    whole = hashlib.sha256(repr(meta).encode())
    for part in (blobs, arrays):
        for name in sorted(part):
            whole.update(name.encode() + bytes(part[name]))
    return whole.hexdigest()


@pytest.fixture(scope="module")
def fitted():
    table = make_table()
    return fit_folds(table, folds_of(table), QUICK, processes=1)


def test_same_bytes_with_one_and_two_processes(fitted):
    """The same seed gives the same bytes, however many processes share the work."""
    table = make_table()
    assert digest(fit_folds(table, folds_of(table), QUICK, processes=2)) == digest(fitted)


def test_rows_that_are_only_trained_on():
    """Rows of fold -1 train every model and have no held-out estimate; nothing else changes."""
    table = make_table()
    fold = np.where(table.group % 3 == 0, -1, table.group % 3)
    models, held_out = run_folds(table, fold, QUICK, processes=1)
    assert len(models) == 2
    np.testing.assert_array_equal(np.isnan(held_out), fold == -1)
    alone = run_folds(table, np.where(fold == 1, 1, 2), QUICK, processes=1)[1]
    np.testing.assert_array_equal(held_out[fold == 1], alone[fold == 1])
    with pytest.raises(SampleError, match="nothing would be held out"):
        run_folds(table, np.full(len(table), -1), QUICK, processes=1)


def test_other_seed_other_model(fitted):
    """The seeds matter."""
    table = make_table()
    other = fit_folds(table, folds_of(table), replace(QUICK, seeds=(3, 4)), processes=1)
    assert digest(other) != digest(fitted)


def test_each_fold_is_fitted_without_its_sites(fitted):
    """The model of a fold equals one fitted on the other folds alone, weights included."""
    table = make_table()
    for number, model in enumerate(fitted.folds):
        rest = table.take(folds_of(table) != number)
        alone = make_model("causal_xgboost", settings=QUICK.settings).fit(
            rest.X, rest.y, group=rest.group, seeds=(1, 2), features=rest.features, shared=None)
        np.testing.assert_array_equal(model.predict(table.X), alone.predict(table.X))
        np.testing.assert_allclose(model.weights_["all"], feature_weights(find_links(rest).effects))


def test_what_is_held_out(fitted):
    """Each sample is estimated once by models that did not see its site; overall is the mean of all folds."""
    table = make_table()
    held = fitted.reference["held_out"]
    assert np.isfinite(held).all()
    for number, model in enumerate(fitted.folds):
        out = folds_of(table) == number
        np.testing.assert_array_equal(held[out], model.predict(table.X[out]))
    means = np.stack([model.predict(table.X) for model in fitted.folds])
    np.testing.assert_allclose(fitted.reference["overall"], means.mean(axis=0), rtol=1e-6)
    assert np.mean((fitted.reference["overall"] - table.y) ** 2) < np.mean((held - table.y) ** 2)


def test_mean_and_spread(fitted):
    """The estimate is the mean over folds, the spreads are standard deviations (n - 1) over folds and over seeds."""
    X = make_table().X[:50]
    mean, spread, seeds = fitted.estimate(X)
    folds = np.stack([model.predict(X) for model in fitted.folds])
    np.testing.assert_allclose(mean, folds.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(spread, folds.std(axis=0, ddof=1), rtol=1e-12)
    within = np.stack([model.member_predictions(X).std(axis=0, ddof=1) for model in fitted.folds])
    np.testing.assert_allclose(seeds, np.sqrt((within ** 2).mean(axis=0)), rtol=1e-12)
    first = np.stack([model.member_predictions(X)[0] for model in fitted.folds])
    np.testing.assert_allclose(fitted.estimate(X, members="one_per_fold")[0], first.mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize("members", ["all", "one_per_fold"])
def test_contributions_add_up(fitted, members):
    """Contributions and base value are those of the same members as the estimate."""
    X = make_table().X
    phi, estimate = fitted.contributions(X, members=members), fitted.estimate(X, members=members)[0]
    assert (np.abs(phi.sum(axis=1) - estimate) < 1e-4 * np.maximum(1, np.abs(estimate))).all()


def test_importance(fitted):
    """Importances add up to 1; what respiration does not follow has the least."""
    weights = fitted.reference["weights"]
    assert weights.sum() == pytest.approx(1) and weights.argmin() == 2
    np.testing.assert_array_equal(importance(fitted, make_table()), weights)


def test_features_by_name(fitted):
    """Columns are found by name in any order; missing ones are named."""
    assert fitted.columns(["soc_0", "x", "lai", "ta"]) == [3, 2, 0]
    with pytest.raises(ArtifactError, match="not there: lai, soc_0"):
        fitted.columns(["ta"])


def test_what_cannot_be_asked(fitted):
    """A wrong number of columns and an unknown choice of members are refused."""
    with pytest.raises(ArtifactError, match="3 features"):
        fitted.estimate(np.zeros((4, 2)))
    with pytest.raises(ConfigError, match="'some'"):
        fitted.estimate(np.zeros((4, 3)), members="some")


def test_parts(fitted):
    """A fitted model put together from its parts gives the same estimates."""
    X = make_table().X
    back = FittedModel.from_parts(*fitted.to_parts())
    np.testing.assert_array_equal(back.estimate(X)[0], fitted.estimate(X)[0])
    assert digest(back) == digest(fitted)
    meta, blobs, arrays = fitted.to_parts()
    with pytest.raises(ArtifactError, match="cannot be put together"):
        FittedModel.from_parts({**meta, "name": "crystal_ball"}, blobs, arrays)


def test_one_model_per_class():
    """With strata the classes are needed, and a class that was not there is refused."""
    table = make_table()
    own = fit_folds(table, folds_of(table, 2), replace(QUICK, per_class=True, weights="by_pft"), processes=1)
    assert own.strata == ("DBF", "ENF", "GRA")
    assert np.isfinite(own.reference["held_out"]).all() and np.isfinite(own.reference["overall"]).all()
    with pytest.raises(ArtifactError, match="no classes are given"):
        own.estimate(table.X)
    with pytest.raises(ArtifactError, match="'URB'"):
        own.estimate(table.X[:1], stratum=np.array(["URB"]))


def test_a_class_whose_only_site_is_held_out():
    """Where a fold leaves no site of a class, the model of all classes serves it."""
    table = make_table(sites=7)
    table = replace(table, stratum=np.where(table.group == 6, "MF", table.stratum))
    own = fit_folds(table, table.group, replace(QUICK, per_class=True, weights="uniform", seeds=(1,)), processes=1)
    assert np.isfinite(own.reference["held_out"]).all()
    assert all("MF" in model.pooled_classes_ for model in own.folds)


def test_lloyd_taylor():
    """A method without seeds has one member per fold."""
    table = make_table()
    found = fit_folds(table, folds_of(table), Recipe("lloyd_taylor"), processes=1)
    assert len(found.to_parts()[1]) == 0 and found.folds[0].member_predictions(table.X).shape[0] == 1
    np.testing.assert_allclose(found.reference["weights"], [1, 0, 0])


def test_constant_driver():
    """A driver that never changes is named with its value."""
    table = make_table()
    X = table.X.copy()
    X[:, 2] = 7.0
    with pytest.raises(SampleError, match="'soc_0' is constant"):
        run_folds(replace(table, X=X), folds_of(table), QUICK, processes=1)


@pytest.mark.parametrize(("change", "words"), [
    ({"y": np.full(432, 3.0)}, "nothing to learn"), ({"y": np.full(432, np.nan)}, "have no respiration"),
    ({"X": np.full((432, 3), np.nan)}, "has no value")])
def test_nothing_to_learn(change, words):
    """A target without change, with gaps, or drivers without values are refused."""
    table = make_table()
    with pytest.raises(SampleError, match=words):
        run_folds(replace(table, **change), folds_of(table), QUICK, processes=1)


def test_no_classes():
    """One model per class needs classes."""
    table = replace(make_table(), stratum=np.full(432, ""))
    with pytest.raises(SampleError, match="no site has a vegetation class"):
        run_folds(table, folds_of(table), replace(QUICK, per_class=True), processes=1)


def test_one_fold_holds_nothing_out():
    """A single fold is refused."""
    table = make_table()
    with pytest.raises(SampleError, match="one fold only"):
        run_folds(table, np.zeros(len(table)), QUICK, processes=1)


def test_our_errors_come_back_from_processes():
    """An error in a worker process arrives with its kind, message and hint."""
    table = make_table(sites=4, rows=10)  # one year: no links can be found
    with pytest.raises(SampleError, match="No feature weights: None of the 3 sites") as caught:
        run_folds(table, table.group, QUICK, processes=2)
    assert "weights=uniform" in caught.value.hint


@pytest.mark.parametrize("processes", [1, 2])
def test_stops_soon(processes):
    """When the user stops, fitting ends within two seconds and leaves no process behind."""
    import multiprocessing

    table = make_table(sites=20, rows=200)
    slow = Recipe(settings="n_estimators=2000,early_stopping=0,max_depth=8", seeds=default_seeds(20))
    asked = []

    def stopped():
        if not asked and stage[0]:
            asked.append(time.monotonic())
        return bool(asked)

    stage = [False]

    def sink(fraction, message):
        stage[0] = stage[0] or fraction >= 0.1

    with pytest.raises(Cancelled):
        run_folds(table, folds_of(table, 10), replace(slow, weights="uniform"), processes=processes,
                  progress=Progress(sink, stopped))
    assert time.monotonic() - asked[0] < 2
    assert multiprocessing.active_children() == []


def test_seeds():
    """The first twenty seeds are the published ones; more follow, all different, always the same."""
    assert default_seeds(20)[:4] == (837, 929, 321, 536)
    many = default_seeds(300)
    assert len(set(many)) == 300 and many[:20] == default_seeds(20) and many == default_seeds(300)


def test_unknown_model():
    """A method that does not exist is named with those that do."""
    with pytest.raises(ConfigError, match="'crystal_ball'") as caught:
        model_class("crystal_ball")
    assert "lloyd_taylor" in caught.value.hint


class Average(Model):
    """A new method in a few lines: the mean of what it was fitted on."""

    name = "average"

    def fit(self, X, y, **_):
        self.mean_ = float(np.mean(y))
        return self

    def member_predictions(self, X, *, stratum=None, members="all"):
        return np.full((1, len(X)), self.mean_)


def test_a_new_method_is_small():
    """What `Model` says about new methods holds: fit and member_predictions make it estimate."""
    table = make_table()
    model = Average().fit(table.X, table.y)
    assert model.predict(table.X[:3]).tolist() == [table.y.mean()] * 3


@pytest.mark.parametrize("change", [
    {"flux_kind": "../../reco"}, {"time_step": "fortnight"}, {"folds": []}, {"folds": None},
    {"features": [{"name": "../x", "unit": "", "long_name": "", "group": "biotic", "low": 0, "high": 1}]},
    {"features": [{"name": "ta", "unit": "", "long_name": "", "group": "other", "low": 0, "high": 1}]}])
def test_words_that_no_model_has(fitted, change):
    """Words that become parts of paths, or decide what is done, are checked before a model is used."""
    meta, blobs, arrays = fitted.to_parts()
    with pytest.raises(ArtifactError, match="cannot be put together"):
        FittedModel.from_parts({**meta, **change}, blobs, arrays)
