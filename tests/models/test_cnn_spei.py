"""CNN-SPEI: the network is the published one, compiled and trained forms agree, and it learns what is there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import correlate2d

from reco_core.errors import ArtifactError, ConfigError, SampleError
from reco_core.models.arrays import pack_arrays, unpack_arrays
from reco_core.models.base import FittedModel
from reco_core.models.cnn_numpy import CompiledNetwork, pooled_sides, unrolled, windows
from reco_core.models.context import Context
from reco_core.models.ensemble import Recipe, fit_folds
from reco_core.models.registry import make_model
from reco_core.models.table import Table
from tables import make_table

torch = pytest.importorskip("torch")
QUICK = "side=1,filters=8,steps=400"
CENTRE = 4


def network(channels=11, side=3, filters=(8, 16, 32), stride=2, output="relu", seed=0):
    """Return a network with random weights, in torch and compiled."""
    from reco_core.models.cnn_network import ConvolutionNetwork

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = ConvolutionNetwork(channels, side, filters, stride, output)
    made.start_at(0.7)
    state = {name: values.numpy() for name, values in made.state_dict().items()}
    background = np.random.default_rng(1).normal(size=(64, side * side * channels)).astype("float32")
    return made, CompiledNetwork.of_state(state, side=side, stride=stride, output=output, background=background)


def cells(rows, side, channels):
    """Return rows as torch wants them."""
    patches = rows.reshape(-1, side, side, channels).transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(patches, dtype="float32"))


def spatial_table(rows=3000, channels=2, groups=30, seed=0, truth=lambda patch: patch[:, CENTRE, 0]):
    """Return a table of random patches, whose target is made from them (n, 9, channels)."""
    rng = np.random.default_rng(seed)
    patch = rng.normal(size=(rows, 9, channels))
    X = np.column_stack([patch[:, CENTRE], patch.reshape(rows, -1)])
    names = tuple(f"x{k}" for k in range(channels))
    table = Table.plain(X, truth(patch) + 5.0, group=np.arange(rows) % groups)
    return replace(table, features=names)


def fitted(table, settings, seeds=(1,), **options):
    model = make_model("cnn_spei", settings=settings, **options)
    return model.fit(table.X, table.y, group=table.group, stratum=table.stratum, seeds=seeds, features=table.features)


@pytest.mark.parametrize("channels", [11, 12, 13, 14])
def test_sizes_are_those_of_the_paper(channels):
    """Patches of 3 x 3 become 2 x 2, 1 x 1 and 1 x 1, whatever the number of drivers; with steps of 1 they stay."""
    made, _ = network(channels)
    assert made.sizes(torch.zeros(2, channels, 3, 3)) == [3, 2, 1, 1] == pooled_sides(3, 3, 2)
    made, _ = network(channels, stride=1)
    assert made.sizes(torch.zeros(2, channels, 3, 3)) == [3, 3, 3, 3] == pooled_sides(3, 3, 1)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [1, 2, 3])
def test_pooling_of_negative_values_keeps_the_largest(side, stride):
    """Beyond the edge lies minus infinity, not 0."""
    from reco_core.models.cnn_network import pool_same

    patch = -1.0 - np.random.default_rng(0).random((side, side))
    found = pool_same(torch.from_numpy(patch)[None, None], stride)[0, 0].numpy()
    expected = [max(patch.ravel()[at] for at in window if at >= 0) for window in windows(side, stride)]
    np.testing.assert_array_equal(found.ravel(), expected)
    assert (found < 0).all()
    assert found.max() == patch.max()


def test_convolution_is_scipys():
    """Torch, the matrix of a convolution and scipy's correlation with zeros around agree."""
    rng = np.random.default_rng(0)
    patch, kernel = rng.normal(size=(3, 3, 4)), rng.normal(size=(5, 4, 3, 3))
    wanted = np.stack([sum(correlate2d(patch[..., c], kernel[f, c], mode="same") for c in range(4)) for f in range(5)],
                      axis=-1)
    np.testing.assert_allclose((patch.reshape(1, -1) @ unrolled(kernel, 3)).reshape(3, 3, 5), wanted, atol=1e-12)
    theirs = torch.nn.functional.conv2d(torch.from_numpy(patch.transpose(2, 0, 1))[None], torch.from_numpy(kernel),
                                        padding=1)[0]
    np.testing.assert_allclose(theirs.numpy().transpose(1, 2, 0), wanted, atol=1e-12)


@pytest.mark.parametrize("output", ["relu", "softplus", "linear"])
@pytest.mark.parametrize(("side", "stride"), [(3, 2), (3, 1), (1, 2)])
def test_compiled_network_is_torchs(side, stride, output):
    """Estimates and slopes of the compiled network are those of torch to 1e-5, for any number of rows."""
    made, compiled = network(5, side, stride=stride, output=output)
    rows = np.random.default_rng(2).normal(size=(203, side * side * 5)).astype("float32")
    patches = cells(rows, side, 5).requires_grad_(True)
    theirs = made(patches)
    found = compiled.estimate(rows)
    np.testing.assert_allclose(found, theirs.detach().numpy(), atol=1e-5)
    (slopes,) = torch.autograd.grad(theirs.sum(), patches)
    np.testing.assert_allclose(compiled._slopes(rows), slopes.numpy().transpose(0, 2, 3, 1).reshape(203, -1), atol=1e-5)
    for part in (slice(0, 1), slice(7, 12), slice(100, 203)):
        np.testing.assert_array_equal(compiled.estimate(rows[part]), found[part])
    phi = compiled.contributions(rows[:20])
    np.testing.assert_array_equal(compiled.contributions(rows[7:10]), phi[7:10])


def test_other_devices_estimate_with_torch():
    """A GPU is reached through torch: the same to 1e-5, and contributions add up to that. (Here: the CPU.)"""
    table = make_table(sites=6)
    model = fitted(table, QUICK)
    X = table.X.copy()
    X[3, 0] = np.nan
    plain = model.predict(X)
    model.device = "cpu:0"
    estimate = model.predict(X)
    np.testing.assert_allclose(estimate, plain, rtol=1e-5)
    assert np.isnan(estimate).sum() == 1
    np.testing.assert_allclose(model.contributions(table.X).sum(axis=1), model.predict(table.X), rtol=1e-9)


def test_contributions_are_expected_gradients():
    """They add up to the estimate, and are those of a fine quadrature in torch as far as the rule misses nothing."""
    from reco_core.models.expected_gradients import expected_gradients

    made, compiled = network(4, output="softplus")
    rows = np.random.default_rng(3).normal(size=(30, 36)).astype("float32")
    found = compiled.contributions(rows)
    np.testing.assert_allclose(found.sum(axis=1), compiled.estimate(rows), atol=1e-12)

    def function(points):
        return made(points.reshape(-1, 3, 3, 4).permute(0, 3, 1, 2))

    theirs = expected_gradients(function, rows, compiled.background, np.tile(np.arange(4), 9), 4, points=16,
                                estimate=compiled.estimate(rows), base=compiled.base)
    assert np.square(found - theirs.phi)[:, :-1].mean() < 0.1 ** 2 * np.square(theirs.phi[:, :-1]).mean()
    missed = compiled.expected_gradients(rows)[1]
    assert np.abs(missed).mean() < 0.1 * compiled.estimate(rows).std()


@pytest.mark.parametrize("settings", ["padding=valid", "padding=valid,pool_stride=1", "side=1,padding=valid"])
def test_pooling_without_padding_is_refused(settings):
    """Nothing is left for the later poolings of such small patches."""
    with pytest.raises(ConfigError, match="do not last without padding"):
        make_model("cnn_spei", settings=settings).check(("ta",))


@pytest.mark.parametrize(("settings", "words"), [
    ("side=2", "no middle"), ("side=5", "from 1 to 3"), ("output=tanh", "'tanh'"), ("stepps=3", "Did you mean")])
def test_wrong_settings(settings, words):
    """A setting that makes no sense is named."""
    with pytest.raises(ConfigError) as raised:
        make_model("cnn_spei", settings=settings).all_settings()
    assert words in f"{raised.value} {raised.value.hint}"


def test_overfits_twenty_samples():
    """With nothing held back it learns twenty samples by heart, to 1e-3 of their spread."""
    table = spatial_table(rows=20, channels=3, groups=5)
    model = fitted(table, "validation=0,steps=3000,patience=3000,batch=20,learning_rate=0.002")
    assert np.sqrt(np.mean((model.predict(table.X) - table.y) ** 2)) < 1e-3


def test_centre_is_learnt_and_the_ring_hardly_matters():
    """Where respiration is that of the own cell, new samples have R2 > .99, and the ring may be shuffled."""
    table = spatial_table(rows=6000)
    new = spatial_table(rows=600, seed=9)
    model = fitted(table, "filters=16,steps=4000")
    spread = np.square(new.y - new.y.mean()).sum()
    estimate = model.predict(new.X)
    assert 1 - np.square(estimate - new.y).sum() / spread > 0.99
    shuffled = new.X.copy()
    ring = [2 + 2 * cell + driver for cell in range(9) if cell != CENTRE for driver in range(2)]
    shuffled[:, ring] = np.random.default_rng(0).permutation(shuffled[:, ring])
    moved = np.square(model.predict(shuffled) - estimate).sum() / spread
    shuffled = new.X.copy()
    shuffled[:, [2 + 2 * CENTRE]] = np.random.default_rng(0).permutation(shuffled[:, [2 + 2 * CENTRE]])
    assert moved < 0.01 < 1 < np.square(model.predict(shuffled) - estimate).sum() / spread


def test_neighbours_are_used():
    """Where respiration is the mean of the cells around, the network finds it and a 1 x 1 context does not."""
    table = spatial_table(rows=3000, channels=1, truth=lambda patch: patch[..., 0].mean(axis=1) * 3)
    new = spatial_table(rows=500, channels=1, seed=5, truth=lambda patch: patch[..., 0].mean(axis=1) * 3)
    spread = np.square(new.y - new.y.mean()).sum()
    wide = fitted(table, "filters=16,steps=1500").predict(new.X)
    alone = fitted(replace(table, X=table.X[:, :1]), "side=1,filters=16,steps=400").predict(new.X[:, :1])
    assert 1 - np.square(wide - new.y).sum() / spread > 0.9
    assert 1 - np.square(alone - new.y).sum() / spread < 0.3


def test_context_follows_the_settings():
    """Side 3 asks for the cells around, side 1 for nothing, and the card calls that by its name."""
    assert make_model("cnn_spei").context == Context(side=3)
    assert make_model("cnn_spei", settings="side=1").context == Context()
    table = make_table(sites=6)
    assert any("CNN with a 1 x 1 context" in words for words in fitted(table, QUICK).remarks())


def test_whole_way_in_memory():
    """Folds, members, contributions and parts fit together; two processes give the same bytes as one."""
    table = make_table(sites=6)
    found = [fit_folds(table, table.group % 3, Recipe("cnn_spei", settings=QUICK, seeds=(1, 2)), processes=count)
             for count in (1, 2)]
    assert found[0].to_parts()[1] == found[1].to_parts()[1]
    held = found[0].reference["held_out"]
    assert 1 - np.square(held - table.y).sum() / np.square(table.y - table.y.mean()).sum() > 0.8
    back = FittedModel.from_parts(*found[0].to_parts())
    np.testing.assert_array_equal(back.estimate(table.X).mean, found[0].estimate(table.X).mean)
    phi = back.contributions(table.X)
    np.testing.assert_allclose(phi.sum(axis=1), back.estimate(table.X).mean, rtol=1e-9)
    assert (back.estimate(table.X).seed_spread > 0).all()


def test_one_model_per_class():
    """Each class has its own networks where it is asked for."""
    table = make_table(sites=6)
    model = fitted(table, QUICK, per_class=True)
    assert set(model.members_) == {"ENF", "GRA", "DBF"}
    assert not np.allclose(model.predict(table.X, stratum=np.full(len(table), "GRA")),
                           model.predict(table.X, stratum=np.full(len(table), "DBF")))


def test_gaps():
    """Rows with a gap are not trained on, are counted, and have no estimate; too few rows are refused."""
    table = make_table(sites=6)
    X = table.X.copy()
    X[5:20, 1] = np.nan
    model = fitted(replace(table, X=X), QUICK)
    assert {row.name: row.value for row in model.parameters()}["samples left out for gaps"] == 15
    assert np.flatnonzero(np.isnan(model.predict(X))).tolist() == list(range(5, 20))
    X[8:] = np.nan
    with pytest.raises(SampleError, match="5 samples without gaps"):
        fitted(replace(table, X=X), QUICK)


def test_dead_networks_are_started_anew(monkeypatch):
    """A network whose output is always 0 is not kept: the next start is, and the card tells."""
    from reco_core.models.cnn_network import ConvolutionNetwork

    start, calls = ConvolutionNetwork.start_at, []

    def dead_at_first(self, mean):
        calls.append(mean)
        start(self, -1e6 if len(calls) == 1 else mean)

    monkeypatch.setattr(ConvolutionNetwork, "start_at", dead_at_first)
    model = fitted(make_table(sites=6), QUICK)
    assert model.restarts_ == 1
    assert any("started anew" in words for words in model.remarks())
    monkeypatch.setattr(ConvolutionNetwork, "start_at", lambda self, mean: start(self, -1e6))
    with pytest.raises(SampleError, match="died"):
        fitted(make_table(sites=6), QUICK)


def test_damaged_weights_are_refused():
    """Weights that do not fit together are an error of the model folder."""
    meta, blobs = fitted(make_table(sites=6), QUICK).to_parts()
    arrays = unpack_arrays(blobs["all-000.npz"])
    for name, values in (("dense.weight", np.zeros((1, 3))), ("convolutions.1.weight", np.zeros((16, 4, 3, 3))),
                         ("convolutions.0.bias", np.zeros(3))):
        broken = {**blobs, "all-000.npz": pack_arrays({**arrays, name: values})}
        with pytest.raises(ArtifactError, match="damaged"):
            make_model("cnn_spei").from_parts(meta, broken)
