"""The stacked autoencoder: numpy and torch agree, layers are pre-trained, contributions add up."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from reco_core.errors import ArtifactError, ConfigError, SampleError
from reco_core.models.arrays import pack_arrays, unpack_arrays
from reco_core.models.ensemble import Recipe, fit_folds
from reco_core.models.registry import model_class
from reco_core.models.stacked_autoencoder_training import encode, train_stack
from tables import make_table

torch = pytest.importorskip("torch")
QUICK = "epochs=30,pretraining=4,layer1=12,layer2=8,layer3=6,learning_rate=0.01"


def fitted(table, seeds=(1,), settings=QUICK, **options):
    model = model_class("sae")(settings=settings, **options)
    return model.fit(table.X, table.y, group=table.group, stratum=table.stratum, weight=table.weight, seeds=seeds,
                     features=table.features)


@pytest.fixture(scope="module")
def table():
    """Return a small table."""
    return make_table(sites=9, rows=24)


@pytest.fixture(scope="module")
def model(table):
    """Return a model of two members."""
    return fitted(table, seeds=(1, 2))


def test_learns():
    """On held-out sites it explains most of what there is to explain."""
    table = make_table()
    found = fit_folds(table, table.group % 3, Recipe("sae", settings="epochs=60,pretraining=10", seeds=(1,)),
                      processes=1)
    held = found.reference["held_out"]
    assert 1 - np.square(held - table.y).sum() / np.square(table.y - table.y.mean()).sum() > 0.85


def test_estimates_are_those_of_torch(model, table):
    """The arrays give what a module of torch with the same weights gives."""
    network = model.members_["all"][0]
    assert [values.shape for values in network.weights] == [(3, 12), (12, 8), (8, 6), (6, 1)]
    parts = []
    for weights, biases in zip(network.weights, network.biases):
        linear = torch.nn.Linear(*weights.shape).double()
        linear.load_state_dict({"weight": torch.from_numpy(weights.T), "bias": torch.from_numpy(biases)})
        parts += [linear, torch.nn.Sigmoid()]
    rows = model.scalings_["all"].rows(table.X)
    with torch.no_grad():
        expected = torch.nn.Sequential(*parts[:-1])(torch.from_numpy(rows))[:, 0].numpy()
    np.testing.assert_allclose(network.estimate(rows), expected, rtol=1e-12, atol=1e-12)


def test_pretraining_restores_what_it_sees(table):
    """An autoencoder's code tells more of its input than that of random weights."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(600, 2))
    X = np.tanh(hidden @ rng.normal(size=(2, 8))) + 0.05 * rng.normal(size=(600, 8))
    X = (X - X.mean(axis=0)) / X.std(axis=0)

    def left_over(pretraining):
        settings = {"layer1": 3, "layer2": 3, "layer3": 3, "noise": 0.1, "pretraining": pretraining, "epochs": 1,
                    "patience": 100, "batch": 32, "learning_rate": 1e-2, "decay": 0.0}
        stack = train_stack(X[:500], X[:500, 0] * 0, (X[500:], X[500:, 0]), {**settings, "learning_rate": 1e-2}, seed=0)
        code = np.column_stack([encode(X, stack.weights[0], stack.biases[0]), np.ones(len(X))])
        return np.square(X - code @ np.linalg.lstsq(code, X, rcond=None)[0]).mean()

    assert left_over(40) < 0.6 * left_over(0)


def test_contributions_add_up_and_are_near_shapley(model, table):
    """They add up to the estimate; in the mean they are those of all orders of the drivers; what is missed is told."""
    phi = model.contributions(table.X)
    np.testing.assert_allclose(phi.sum(axis=1), model.predict(table.X), rtol=1e-12)
    network, scaling = model.members_["all"][0], model.scalings_["all"]
    Z = scaling.rows(table.X[::9])
    slow = np.zeros((len(Z), 3))
    for order in permutations(range(3)):
        mixed = np.repeat(network.background[None], len(Z), axis=0)
        before = network.estimate(mixed.reshape(-1, 3)).reshape(len(Z), -1).mean(axis=1)
        for driver in order:
            mixed[:, :, driver] = Z[:, None, driver]
            after = network.estimate(mixed.reshape(-1, 3)).reshape(len(Z), -1).mean(axis=1)
            slow[:, driver] += (after - before) / 6
            before = after
    found = network.contributions(Z)[:, :-1]
    assert np.abs(found - slow).max() < 0.1 * np.abs(slow).max()
    assert 0 < model.completeness_ < 0.02
    assert "expected gradients with 64 training rows" in model.remarks()[-1]


def test_any_portion_gives_the_same_bits(model, table):
    """Estimates and contributions of a row do not depend on the rows beside it."""
    whole, phi = model.predict(table.X), model.contributions(table.X)
    for rows in (slice(0, 1), slice(5, 47), slice(3, None)):
        np.testing.assert_array_equal(model.member_predictions(table.X[rows])[0],
                                      model.member_predictions(table.X)[0][rows])
        np.testing.assert_allclose(model.predict(table.X[rows]), whole[rows], rtol=1e-15)
        np.testing.assert_array_equal(model.contributions(table.X[rows]), phi[rows])


def test_same_seed_same_bytes(table):
    """Two processes and one give the same parts; another seed others; they come back unchanged."""
    recipe = Recipe("sae", settings=QUICK, seeds=(1, 2))
    first, second = (fit_folds(table, table.group % 3, recipe, processes=count).folds[0] for count in (1, 2))
    assert first.to_parts()[1] == second.to_parts()[1]
    one, other = first.to_parts()[1]["all-000.npz"], first.to_parts()[1]["all-001.npz"]
    assert one != other
    back = type(first).from_parts(*first.to_parts())
    np.testing.assert_array_equal(back.contributions(table.X), first.contributions(table.X))
    assert back.completeness_ == first.completeness_


def test_classes_gaps_and_weights(table):
    """Classes have networks of their own, gaps take the median, weights of rows count."""
    X = table.X.copy()
    X[::5, 1] = np.nan
    own = fitted(replace(table, X=X), per_class=True)
    assert set(own.members_) == {"DBF", "ENF", "GRA"}
    assert np.isfinite(own.contributions(X, stratum=table.stratum)).all()
    assert "median" in own.remarks()[0]
    heavy = np.where(table.y > np.median(table.y), 50.0, 1.0)
    assert fitted(replace(table, weight=heavy)).predict(table.X).mean() > fitted(table).predict(table.X).mean() + 1


def test_without_pretraining(table):
    """It can be left out, and makes a difference."""
    other = fitted(table, settings=QUICK.replace("pretraining=4", "pretraining=0"))
    assert np.abs(other.predict(table.X) - fitted(table).predict(table.X)).max() > 1e-3


@pytest.mark.parametrize("name", ["weights0", "weights3", "biases1", "background"])
def test_damaged_weights_are_refused(model, name):
    """Arrays that do not fit together, or are not there, are not used."""
    meta, blobs = model.to_parts()
    arrays = unpack_arrays(blobs["all-000.npz"])
    rest = {key: values for key, values in arrays.items() if key != name}
    for damaged in ({**arrays, name: arrays[name][..., :-1]}, {**arrays, name: arrays[name].ravel()[:2]}, rest):
        with pytest.raises(ArtifactError):
            model_class("sae").from_parts(meta, {**blobs, "all-000.npz": pack_arrays(damaged)})


def test_wrong_use(table):
    """One tower group leaves none to hold back; settings that make no sense are refused."""
    with pytest.raises(SampleError, match="one tower group"):
        fitted(table.take(table.group == 0))
    with pytest.raises(ConfigError, match="noise is 2"):
        model_class("sae")(settings="noise=2").check(("ta",))
    with pytest.raises(ConfigError, match="no setting 'learningrate'"):
        model_class("sae")(settings="learningrate=1").check(("ta",))
