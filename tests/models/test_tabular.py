"""Forest, support vectors and network: equal to scikit-learn, honest about gaps, kept without code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reco_core.errors import ArtifactError, Cancelled, ConfigError, SampleError
from reco_core.models.arrays import pack_arrays, unpack_arrays
from reco_core.models.base import FittedModel
from reco_core.models.ensemble import Recipe, fit_folds
from reco_core.models.options import Option, read_options
from reco_core.models.registry import model_class
from reco_core.models.shapley import sampled_plan
from reco_core.progress import Progress
from tables import make_table

pytest.importorskip("sklearn")
NAMES = ("rf", "svr", "bp_ann")
QUICK = {"rf": "n_estimators=12", "svr": None, "bp_ann": "hidden=4,max_iter=60"}


def fitted(name, table, seeds=(1,), settings="quick", **options):
    model = model_class(name)(settings=QUICK[name] if settings == "quick" else settings, **options)
    return model.fit(table.X, table.y, group=table.group, stratum=table.stratum, weight=table.weight, seeds=seeds,
                     features=table.features)


def scaled(X, like):
    return (X - like.mean(axis=0)) / like.std(axis=0)


def test_forest_is_scikit_learns():
    """The forest is the one that scikit-learn grows from the same seed, to 1e-6."""
    from sklearn.ensemble import RandomForestRegressor

    table = make_table()
    found = fitted("rf", table, settings="n_estimators=60,max_depth=6")
    rows = table.X.astype("float32")
    theirs = RandomForestRegressor(60, max_depth=6, min_samples_leaf=5, max_features=0.4, random_state=1)
    np.testing.assert_allclose(found.predict(rows), theirs.fit(rows, table.y).predict(rows), rtol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_support_vectors_are_scikit_learns(weighted):
    """The kept vectors give the estimates of scikit-learn, with and without weights."""
    from sklearn.svm import SVR

    table = make_table()
    weight = np.where(table.group % 2 == 0, 1.5, 0.5) if weighted else None
    found = fitted("svr", replace(table, weight=weight), settings="C=3,epsilon=0.05")
    Z, y = scaled(table.X, table.X), scaled(table.y, table.y)
    theirs = SVR(C=3, epsilon=0.05).fit(Z, y, sample_weight=weight)
    np.testing.assert_allclose(found.predict(table.X), theirs.predict(Z) * table.y.std() + table.y.mean(), rtol=1e-6)


@pytest.mark.filterwarnings("ignore:lbfgs failed")
def test_network_is_scikit_learns():
    """The kept weights give the estimates of scikit-learn."""
    from sklearn.neural_network import MLPRegressor

    table = make_table()
    found = fitted("bp_ann", table, settings="hidden=5,max_iter=40,decay=0.01")
    Z, y = scaled(table.X, table.X), scaled(table.y, table.y)
    theirs = MLPRegressor(hidden_layer_sizes=(5,), activation="tanh", solver="lbfgs", alpha=0.01, max_iter=40,
                          random_state=1).fit(Z, y)
    np.testing.assert_allclose(found.predict(table.X), theirs.predict(Z) * table.y.std() + table.y.mean(), rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("per_class", [False, True])
def test_whole_way_in_memory(name, per_class):
    """Members, classes, contributions and parts fit together."""
    table = make_table()
    model = fitted(name, table, seeds=(1, 2), per_class=per_class)
    several = model.member_predictions(table.X, stratum=table.stratum)
    assert several.shape == (2, len(table)) and model.member_predictions(
        table.X, stratum=table.stratum, members="one_per_fold").shape[0] == 1
    assert (np.abs(several[0] - several[1]).max() > 1e-3) == (name != "svr")
    phi = model.contributions(table.X, stratum=table.stratum)
    np.testing.assert_allclose(phi.sum(axis=1), several.mean(axis=0), rtol=1e-9, atol=1e-9)
    assert np.abs(phi[:, 2]).mean() < 0.5 * np.abs(phi[:, 0]).mean()
    back = type(model).from_parts(*model.to_parts())
    for one, other in ((back.predict, model.predict), (back.contributions, model.contributions)):
        np.testing.assert_array_equal(one(table.X, stratum=table.stratum), other(table.X, stratum=table.stratum))
    if per_class:
        with pytest.raises(ArtifactError, match="no classes are given"):
            model.predict(table.X)
        with pytest.raises(ArtifactError, match="'URB'"):
            model.predict(table.X[:2], stratum=np.array(["URB", "URB"]))


@pytest.mark.parametrize("name", NAMES)
def test_learns(name):
    """On held-out sites each explains most of what there is to explain, and the folder's parts come back."""
    table = make_table()
    found = fit_folds(table, table.group % 3, Recipe(name, settings=QUICK[name], seeds=(1, 2)), processes=1)
    held = found.reference["held_out"]
    assert 1 - np.square(held - table.y).sum() / np.square(table.y - table.y.mean()).sum() > 0.85
    back = FittedModel.from_parts(*found.to_parts())
    np.testing.assert_array_equal(back.estimate(table.X).mean, found.estimate(table.X).mean)
    assert np.isnan(found.estimate(table.X).seed_spread).all() == (name == "svr")


@pytest.mark.parametrize("name", NAMES)
def test_the_same_for_any_number_of_processes(name):
    """Two processes and one give the same parts."""
    table = make_table(sites=6)
    parts = [fit_folds(table, table.group % 3, Recipe(name, settings=QUICK[name], seeds=(1, 2)), processes=count)
             .to_parts()[1] for count in (1, 2)]
    assert parts[0] == parts[1]


def test_trees_are_dealt_to_the_seeds():
    """The number of trees is that of all members together."""
    table = make_table(sites=6)
    found = fit_folds(table, table.group % 2, Recipe("rf", settings="n_estimators=30", seeds=(1, 2, 3)), processes=1)
    assert [learner.trees for learner in found.folds[0].members_["all"]] == [10, 10, 10]


@pytest.mark.parametrize("name", NAMES)
def test_gaps_take_the_median(name):
    """A missing value, at a tower or later, counts as the median of the training rows, and the card can tell."""
    table = make_table()
    X = table.X.copy()
    X[::7, 1] = np.nan
    model = fitted(name, replace(table, X=X))
    median = np.nanmedian(X[:, 1])
    row = table.X[:1].copy()
    row[0, 1] = np.nan
    filled = np.where(np.isnan(row), median, row)
    np.testing.assert_array_equal(model.predict(row), model.predict(filled))
    np.testing.assert_array_equal(model.contributions(row), model.contributions(filled))
    found = {item.name: item.value for item in model.parameters()}
    assert found == {"gaps in lai": np.isnan(X[:, 1]).sum()} and "median" in model.remarks()[0]
    assert fitted(name, table).remarks() == []


@pytest.mark.parametrize("name", ["svr", "bp_ann"])
def test_the_training_fold_alone_scales(name):
    """Mean and spread are those of the rows it was given; the size of units does not matter."""
    table = make_table()
    model = fitted(name, table)
    np.testing.assert_allclose(model.scalings_["all"].mean, table.X.mean(axis=0))
    factor = np.array([10.0, 0.1, 1000.0])
    other = fitted(name, replace(table, X=table.X * factor))
    np.testing.assert_allclose(other.predict(table.X * factor), model.predict(table.X), rtol=1e-3)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0.1, np.nan])
def test_a_driver_that_never_changed(name, value):
    """Nothing is known of a driver that was constant, or empty, in the training rows: its later values count for
    nothing, although the standard deviation of 0.1, 0.1, ... is not zero to the last bit."""
    table = make_table()
    X = table.X.copy()
    X[:, 2] = value
    model = fitted(name, replace(table, X=X))
    np.testing.assert_allclose(model.predict(table.X), model.predict(X), rtol=1e-9)
    assert np.abs(model.contributions(table.X)[:, 2]).max() < 1e-4
    assert np.abs(model.predict(X) - table.y).mean() < 12


def test_a_network_that_blows_up_is_started_anew(monkeypatch):
    """scikit-learn tells it by an error; another seed is tried, and after three of them the user hears of it."""
    from sklearn.neural_network import MLPRegressor

    table, seeds, real = make_table(sites=4), [], MLPRegressor.fit

    def fit(self, X, y, **options):
        seeds.append(self.random_state)
        if len(seeds) != 2:
            raise ValueError("Solver produced non-finite parameter weights. The input data may contain large values.")
        return real(self, X, y, **options)

    monkeypatch.setattr(MLPRegressor, "fit", fit)
    assert np.isfinite(fitted("bp_ann", table, seeds=(3,)).predict(table.X)).all() and seeds == [3, 1_000_003]
    with pytest.raises(SampleError, match="blew up 3 times"):
        fitted("bp_ann", table, seeds=(3,))


def test_contributions_are_shapley_values():
    """Those of support vectors are the plain sum over sets with the 64 background rows."""
    table = make_table()
    model = fitted("svr", table)
    machine, scaling = model.members_["all"][0], model.scalings_["all"]
    Z = scaling.rows(table.X[:4])

    def worth(*inside):
        mixed = np.repeat(machine.background[None], len(Z), axis=0)
        mixed[:, :, inside] = Z[:, None, inside]
        return machine.estimate(mixed.reshape(-1, 3)).reshape(len(Z), -1).mean(axis=1)

    slow = (2 * (worth(0) - worth()) + (worth(0, 1) - worth(1)) + (worth(0, 2) - worth(2))
            + 2 * (worth(0, 1, 2) - worth(1, 2))) / 6
    np.testing.assert_allclose(model.contributions(table.X[:4])[:, 0], slow * table.y.std(), rtol=1e-4, atol=1e-3)
    assert len(machine.background) == 64


def test_many_drivers():
    """With ten drivers contributions are those of the sixteen orders, computed plainly, and add up all the same."""
    table = make_table()
    rng = np.random.default_rng(0)
    wide = replace(table, X=np.column_stack([table.X, rng.normal(size=(len(table), 7))]),
                   features=(*table.features, *"abcdefg"))
    model = fitted("svr", wide)
    machine, scaling = model.members_["all"][0], model.scalings_["all"]
    Z = scaling.rows(wide.X[:5])

    def worth(mask):
        mixed = np.where(mask, Z[:, None], machine.background[None])
        return machine.estimate(mixed.reshape(-1, 10)).reshape(len(Z), -1).mean(axis=1)

    found = model.contributions(wide.X[:5])
    np.testing.assert_allclose(found[:, :-1], sampled_plan(10).values(worth, 5) * table.y.std(), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found.sum(axis=1), model.predict(wide.X[:5]), rtol=1e-12)
    assert "over 16 orders" in model.remarks()[0] and fitted("bp_ann", wide).remarks() == model.remarks()
    assert fitted("rf", wide).remarks() == fitted("svr", table).remarks() == []


@pytest.mark.parametrize("name", NAMES)
def test_damaged_weights_are_refused(name):
    """Arrays that do not fit together, or belong to other drivers, are not used."""
    meta, blobs = fitted(name, make_table()).to_parts()
    with pytest.raises(ArtifactError, match="not those of 2 drivers"):
        model_class(name).from_parts({**meta, "features": ["ta", "lai"]}, blobs)
    arrays = unpack_arrays(blobs["all-000.npz"])
    shorter = {"rf": "value", "svr": "factors", "bp_ann": "outputs"}[name]
    arrays[shorter] = arrays[shorter][:-1]
    with pytest.raises(ArtifactError, match="damaged"):
        model_class(name).from_parts(meta, {**blobs, "all-000.npz": pack_arrays(arrays)})


def test_search():
    """With search=yes the settings are those that serve held-out training sites best, and the card says which."""
    table = make_table(sites=6, rows=24)
    model = model_class("svr")(settings="search=yes")
    shared = model.prepare(table, seed=0)
    assert shared["chosen"]["all"]["gamma"] != 1.0  # far too narrow for these smooth data
    model.fit(table.X, table.y, group=table.group, seeds=(1,), features=table.features, shared=shared)
    assert {row.name for row in model.parameters()} == {"C", "gamma", "epsilon"}


def test_one_class_has_one_site():
    """It is served by the members for all."""
    table = make_table(sites=7)
    table = replace(table, stratum=np.where(table.group == 6, "MF", table.stratum))
    model = fitted("rf", table, per_class=True, classes=("DBF", "ENF", "GRA", "MF"))
    assert model.pooled_classes_ == ("MF",) and "all" in model.members_
    assert np.isfinite(model.predict(table.X, stratum=table.stratum)).all()


@pytest.mark.parametrize(("name", "settings", "words"), [
    ("rf", "max_deep=3", "no setting 'max_deep'"), ("rf", "max_depth=2.5", "max_depth is 2.5"),
    ("rf", "max_depth=0", "max_depth is 0"), ("rf", "robust", "no name=value pair"), ("svr", "gamma=wide", "'wide'"),
    ("svr", "C=1,c=2", "given twice"), ("bp_ann", "search=maybe", "'maybe'"), ("bp_ann", "search=0", "search is 0")])
def test_settings_that_make_no_sense(name, settings, words):
    """Unknown names, wrong values and presets of other methods are refused with what would do."""
    with pytest.raises(ConfigError, match=words) as caught:
        model_class(name)(settings=settings).check(("ta",))
    assert caught.value.hint


def test_options():
    """Names do not care for capitals; mappings and text mean the same."""
    options = {"C": Option(1.0, 0.1, 10.0), "n": Option(3, 1, 9)}
    assert read_options("c=2,n=4", options, "x") == read_options({"C": 2, "n": 4.0}, options, "x") == {"C": 2.0, "n": 4}


@pytest.mark.parametrize("name", NAMES)
def test_too_few_samples_and_stopping(name):
    """A handful of rows teaches nothing; the user may stop."""
    table = make_table()
    with pytest.raises(SampleError, match="at least 10"):
        fitted(name, table.take(np.arange(5)))
    with pytest.raises(Cancelled):
        model_class(name)(settings=QUICK[name]).fit(table.X, table.y, group=table.group, seeds=(1,),
                                                    progress=Progress(stopped=lambda: True))
