"""Boosting with causal weights: what weights and classes do, and that a model survives its parts."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.errors import ArtifactError, ConfigError
from reco_core.models.causal_links import feature_weights, find_links
from reco_core.models.causal_xgboost import ALL, CausalXgboost, _set_aside
from reco_core.models.settings import boosting_settings
from tables import make_table

QUICK = "n_estimators=200,early_stopping=10,learning_rate=0.2"


def fitted(table=None, seeds=(1, 2), **options):
    table = make_table() if table is None else table
    options = {"settings": QUICK, **options}
    model = CausalXgboost(**options)
    return model.fit(table.X, table.y, group=table.group, stratum=table.stratum, seeds=seeds, features=table.features)


def test_learns_what_is_there():
    """The estimate follows respiration far better than its mean does."""
    table = make_table()
    error = fitted().predict(table.X) - table.y
    assert np.sqrt(np.mean(error**2)) < 0.4 * table.y.std()


def test_uniform_passes_ones_and_needs_no_links():
    """The baseline has weights of ones, not none."""
    model = fitted(weights="uniform")
    assert {label: values.tolist() for label, values in model.weights_.items()} == {ALL: [1.0, 1.0, 1.0]}
    assert model.links_ == {}


def test_weights_are_those_of_the_training_rows():
    """Pooled weights come from the links of exactly the rows that were given."""
    table = make_table()
    some = table.take(table.group < 7)
    model = CausalXgboost(settings=QUICK)
    shared = model.prepare(some)
    expected = feature_weights(find_links(some).effects)
    np.testing.assert_allclose(shared["weights"][ALL], expected)
    assert not np.allclose(expected, feature_weights(find_links(table).effects))
    assert model.fit(some.X, some.y, group=some.group, seeds=(1,), shared=shared).weights_[ALL].tolist() == \
        shared["weights"][ALL]


def test_shuffled_is_a_permutation():
    """The control has the same weights in another order, which the seed decides."""
    table = make_table()
    model = CausalXgboost(weights="shuffled", settings=QUICK)
    orders = [model.prepare(table, seed=seed)["weights"][ALL] for seed in range(6)]
    assert all(sorted(order) == pytest.approx(sorted(orders[0])) for order in orders)
    assert len({tuple(order) for order in orders}) > 1
    assert model.prepare(table, seed=3) == model.prepare(table, seed=3)


def test_shuffled_per_class_starts_from_the_weights_of_each_class():
    """With one model per class the control permutes the weights of that class."""
    table = make_table()
    causal = CausalXgboost(weights="by_pft", per_class=True, settings=QUICK).prepare(table)["weights"]
    control = CausalXgboost(weights="shuffled", per_class=True, settings=QUICK).prepare(table)["weights"]
    assert set(control) == {"ENF", "GRA", "DBF"}
    for label, values in control.items():
        assert sorted(values) == pytest.approx(sorted(causal[label]))


def test_feature_weights_act():
    """A feature with a weight near 0 is hardly used; with ones it is."""
    table = make_table()
    used = {}
    for name, weights in (("ones", [1, 1, 1]), ("tilted", [1, 1, 1e-6])):
        model = CausalXgboost(settings="robust")
        model.fit(table.X, table.y, group=table.group, features=table.features, seeds=(1,),
                  shared={"weights": {ALL: weights}, "links": {}})
        used[name] = model.boosters()[0].get_score(importance_type="weight").get("soc_0", 0)
    assert used["ones"] > 50 and used["tilted"] < 5


@pytest.mark.parametrize("weights", [[1, -1, 1], [0, 0, 0], [1, 1]])
def test_weights_that_make_no_sense(weights):
    """Weights handed in are checked too."""
    table = make_table()
    with pytest.raises(ConfigError, match="weight"):
        CausalXgboost(settings=QUICK).fit(table.X, table.y, group=table.group, features=table.features,
                                          shared={"weights": {ALL: weights}, "links": {}})


def test_every_tree_sees_every_feature():
    """All colsample at 1 with causal weights is refused, with weights of ones it is not."""
    settings = QUICK + ",colsample_bylevel=1,colsample_bynode=1"
    with pytest.raises(ConfigError, match="Feature weights have no effect"):
        fitted(settings=settings)
    assert fitted(settings=settings, weights="uniform").boosters()


def test_unknown_weights():
    """A way of weighing that does not exist is named."""
    with pytest.raises(ConfigError, match="'magic'"):
        fitted(weights="magic")


def test_one_model_per_class():
    """Each class is estimated by boosters trained on it alone."""
    table = make_table()
    model = fitted(table, per_class=True, weights="by_pft")
    assert set(model.boosters_) == {"ENF", "GRA", "DBF"} and model.pooled_classes_ == ()
    mine = table.stratum == "GRA"
    shared = {"weights": {ALL: model.weights_["GRA"].tolist()}, "links": {}}
    alone = CausalXgboost(settings=QUICK).fit(table.X[mine], table.y[mine], group=table.group[mine], seeds=(1, 2),
                                              features=table.features, shared=shared)
    np.testing.assert_array_equal(model.predict(table.X[mine], stratum=table.stratum[mine]),
                                  alone.predict(table.X[mine]))


def test_small_classes_are_served_by_all():
    """A class with one tower group, and one that is not in the training rows, get the pooled boosters and are named."""
    table = make_table()
    rows = table.take((table.stratum != "DBF") | (table.group == 2))
    model = fitted(rows, per_class=True, weights="uniform", classes=("ENF", "GRA", "DBF", "MF"))
    assert model.pooled_classes_ == ("DBF", "MF") and set(model.boosters_) == {"ENF", "GRA", ALL}
    pooled = fitted(rows, weights="uniform")
    for label in ("DBF", "MF"):
        np.testing.assert_array_equal(model.predict(rows.X, stratum=np.full(len(rows), label)), pooled.predict(rows.X))


def test_classes_are_needed():
    """A model per class cannot be fitted or asked without classes, nor asked for a class it does not know."""
    table = make_table()
    with pytest.raises(ConfigError, match="no classes are given"):
        CausalXgboost(per_class=True, settings=QUICK).fit(table.X, table.y, group=table.group)
    model = fitted(per_class=True, weights="uniform")
    with pytest.raises(ArtifactError, match="no classes are given"):
        model.predict(table.X)
    with pytest.raises(ArtifactError, match="'URB'"):
        model.predict(table.X[:3], stratum=np.array(["ENF", "URB", "ENF"]))


@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("members", ["all", "one_per_fold"])
def test_contributions_add_up(per_class, members):
    """Base value plus contributions is the estimate of the same members, gaps included."""
    table = make_table()
    model = fitted(table, per_class=per_class, weights="uniform")
    X = table.X.copy()
    X[::5, 1] = np.nan
    phi = model.contributions(X, stratum=table.stratum, members=members)
    estimate = model.predict(X, stratum=table.stratum, members=members)
    assert phi.shape == (len(X), 4)
    assert (np.abs(phi.sum(axis=1) - estimate) < 1e-4 * np.maximum(1, np.abs(estimate))).all()


def test_members():
    """There is a member per seed; the estimate is their mean and the first one stands for a fold."""
    table = make_table()
    model = fitted(seeds=(1, 2, 3))
    members = model.member_predictions(table.X)
    assert members.shape == (3, len(table)) and np.ptp(members, axis=0).max() > 0
    np.testing.assert_allclose(model.predict(table.X), members.mean(axis=0))
    np.testing.assert_array_equal(model.predict(table.X, members="one_per_fold"), members[0])


def test_whole_groups_are_set_aside():
    """Early stopping looks at whole groups, a tenth of them, others for each seed; never at all of them."""
    settings = boosting_settings(None)
    group = np.repeat(np.arange(30), 5)
    asides = [_set_aside(group, settings, seed) for seed in range(5)]
    for aside in asides:
        assert np.unique(group[aside]).size == 3 and not np.isin(group[aside], group[~aside]).any()
    assert len({aside.tobytes() for aside in asides}) > 1
    assert _set_aside(np.array([0, 0, 1]), settings, 0).sum() in (1, 2)
    assert not _set_aside(np.zeros(5), settings, 0).any()


def test_stops_early_and_keeps_the_best_trees():
    """The kept booster ends at the tree that served the set-aside groups best."""
    table = make_table()
    model = fitted(settings="published", seeds=(1,), weights="uniform")
    kept = model.boosters()[0].num_boosted_rounds()
    assert 5 < kept < 1000
    aside = _set_aside(table.group, boosting_settings("published"), 1)
    errors = [np.mean((model.boosters()[0][:k].inplace_predict(table.X[aside]) - table.y[aside]) ** 2)
              for k in range(max(1, kept - 20), kept + 1)]
    assert int(np.argmin(errors)) == len(errors) - 1


def test_weight_of_samples_counts():
    """Samples with a large weight pull the estimate to them."""
    table = make_table()
    X = np.column_stack([np.ones(len(table)), table.X[:, 1]])
    X[0, 0] = 1.5
    weight = np.where(table.y > np.median(table.y), 50.0, 1.0)
    options = {"group": table.group, "seeds": (1,), "shared": {"weights": {ALL: [1, 1]}, "links": {}}}
    plain = CausalXgboost(settings="robust").fit(X, table.y, **options).predict(X).mean()
    pulled = CausalXgboost(settings="robust").fit(X, table.y, weight=weight, **options).predict(X).mean()
    assert pulled > plain + 5


def test_parts():
    """A model put together from its parts gives the same estimates to the last bit."""
    table = make_table()
    model = fitted(per_class=True, weights="by_pft")
    meta, blobs = model.to_parts()
    back = CausalXgboost.from_parts(meta, blobs)
    np.testing.assert_array_equal(back.predict(table.X, stratum=table.stratum),
                                  model.predict(table.X, stratum=table.stratum))
    assert back.to_parts() == (meta, blobs)
    assert all(isinstance(content, bytes) for content in blobs.values())


def test_a_damaged_booster():
    """Bytes that are no booster are refused with our own error."""
    meta, blobs = fitted(seeds=(1,)).to_parts()
    with pytest.raises(ArtifactError, match="cannot be read"):
        CausalXgboost.from_parts(meta, {name: content[:50] for name, content in blobs.items()})
