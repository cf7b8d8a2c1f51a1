"""Geoman: its equations, its two backends, what it learns, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.errors import ArtifactError, ConfigError, SampleError
from reco_core.models.arrays import pack_arrays
from reco_core.models.geoman import Geoman, grid_of
from reco_core.models.geoman_numpy import CompiledGeoman, Forward, Shape

torch = pytest.importorskip("torch")
NAMES = ("ta", "evi", "elevation")
QUICK = "window=3,hidden=8,epochs=4,batch=64"


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny networks are slower on several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network(shape, seed=0, double=False):
    """Return a network in torch with random weights, ready to estimate."""
    from reco_core.models.geoman_network import GeomanNetwork

    torch.manual_seed(seed)
    made = GeomanNetwork(shape).eval()
    return made.double() if double else made


def given(shape, rows=9, seed=0):
    """Return random series and external values."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(rows, shape.window, shape.series)).astype("float32"),
            rng.normal(size=(rows, shape.external)).astype("float32"))


def forward(module):
    """Return the same network in numpy."""
    return Forward(module.shape, {name: values.numpy() for name, values in module.state_dict().items()})


def made_rows(rows=240, groups=8, window=3, seed=0):
    """Return wide rows of three drivers and a target that follows the last two values of evi."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, (1 + window) * 3)) * 2 + 5
    group = np.arange(rows) % groups
    X[:, 2::3] = group[:, None] * 100.0
    return X, 10 + 3 * X[:, -2] + X[:, -5], group


def fitted(settings=QUICK, seeds=(1,), rows=240, **options):
    """Return a fitted model and what it was fitted on."""
    X, y, group = made_rows(rows)
    model = Geoman(settings=settings, **options)
    stratum = np.where(group % 2 == 0, "GRA", "ENF")
    return model.fit(X, y, group=group, stratum=stratum, seeds=seeds, features=NAMES), X, y, stratum


def test_number_of_parameters():
    """The default form has 74 921 parameters for 12 steps, 64 units, 7 series and 3 external values."""
    assert sum(values.numel() for values in network(Shape(12, 7, 3, 64)).parameters()) == 74_921


@pytest.mark.parametrize("tf", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("external", [0, 2])
def test_two_backends_agree(tf, layers, external):
    """numpy and torch give the same estimate and attention to 1e-5."""
    shape = Shape(5, 4, external, 16, layers, tf)
    module, (local, ex) = network(shape), given(shape)
    with torch.no_grad():
        theirs = module.seen(torch.from_numpy(local), torch.from_numpy(ex))
    for one, other in zip(forward(module).seen(local, ex), theirs):
        np.testing.assert_allclose(one, other.numpy(), atol=1e-5)


@pytest.mark.parametrize("tf", [False, True])
def test_gradient_by_finite_differences(tf):
    """The gradients of every weight equal finite differences to 1e-5 in double precision."""
    module = network(Shape(3, 2, 2, 4, 1, tf), double=True)
    local, ex = (torch.from_numpy(part).double() for part in given(module.shape, rows=3))
    module(local, ex).square().sum().backward()
    step = 1e-6
    for name, weight in module.named_parameters():
        flat, slope = weight.data.reshape(-1), weight.grad.reshape(-1)
        for at in {0, len(flat) // 2, len(flat) - 1}:
            value, ends = float(flat[at]), []
            for side in (step, -step):
                flat[at] = value + side
                ends.append(float(module(local, ex).detach().square().sum()))
            flat[at] = value
            assert abs((ends[0] - ends[1]) / (2 * step) - float(slope[at])) < 1e-5, name


def test_order_of_series_is_theirs_alone():
    """Series in another order, with their weights in that order, get the same attention in that order."""
    module, order = network(Shape(4, 5, 1, 8)), np.array([3, 0, 4, 1, 2])
    local, ex = given(module.shape)
    before = forward(module).seen(local, ex)
    module.encoder0_in.data = module.encoder0_in.data[:, order]
    after = forward(module).seen(local[:, :, order], ex)
    np.testing.assert_allclose(after.series, before.series[:, :, order], atol=1e-6)
    np.testing.assert_allclose(after.estimate, before.estimate, atol=1e-6)


def test_without_weights_attention_is_even():
    """With the weights of local attention 0 every series has the same share."""
    module = network(Shape(4, 5, 1, 8))
    for name in ("local_series", "local_bias", "local_out"):
        getattr(module, name).data.zero_()
    np.testing.assert_allclose(forward(module).seen(*given(module.shape)).series, 0.2, atol=1e-7)


def test_one_step_has_all_of_the_time():
    """With one time step its share is 1 and what is summed up is the first output of the encoder."""
    module = network(Shape(1, 3, 1, 8))
    local, ex = given(module.shape)
    found = forward(module).seen(local, ex)
    np.testing.assert_array_equal(found.steps, 1)
    weights = {name: values.numpy().astype("float64") for name, values in module.state_dict().items()}
    gates = (found.series[:, 0] * local[:, 0]) @ weights["encoder0_in"].T + weights["encoder0_bias"]
    inward, outward = (1 / (1 + np.exp(-gates[:, k * 8:(k + 1) * 8])) for k in (0, 3))
    np.testing.assert_allclose(found.summary, outward * np.tanh(inward * np.tanh(gates[:, 16:24])), atol=1e-6)


def test_as_in_tensorflow_the_first_step_sees_nothing():
    """The public code gives no attention to the first step; the default form does."""
    for tf in (True, False):
        module = network(Shape(3, 2, 1, 8, 1, tf))
        local, ex = given(module.shape)
        other = local.copy()
        other[:, 0] += 1
        module.local_series.data.zero_()  # else the first value reaches the attention of later steps
        gap = np.abs(forward(module).seen(other, ex).estimate - forward(module).seen(local, ex).estimate).max()
        assert (gap == 0) == tf


def test_learns_the_last_value_of_one_driver():
    """A target that follows the last EVI alone is learned, and EVI ranks first when drivers are shuffled."""
    X, _, group = made_rows(900, groups=12)
    y = 2 + np.tanh(X[:, -2] - 5)
    new, _, _ = made_rows(400, seed=5)
    truth = 2 + np.tanh(new[:, -2] - 5)
    model = Geoman(settings="window=3,hidden=16,epochs=60,patience=20,batch=64,dropout=0,decay=0,learning_rate=0.005")
    model.fit(X, y, group=group, features=NAMES, seeds=(1,))
    assert 1 - np.square(model.predict(new) - truth).sum() / np.square(truth - truth.mean()).sum() > 0.95
    rise = []
    for driver in range(3):
        mixed = new.copy()
        mixed[:, driver::3] = np.random.default_rng(0).permutation(mixed[:, driver::3])
        rise.append(np.square(model.predict(mixed) - truth).mean())
    assert np.argmax(rise) == 1
    phi = model.contributions(new[:50])[:, :-1]
    assert np.abs(phi).mean(axis=0).argmax() == 1


def test_rows_do_not_depend_on_their_company():
    """One row at a time gives what all rows give at once, to the last bit."""
    model, X, _, _ = fitted(rows=300)
    np.testing.assert_array_equal(np.concatenate([model.predict(X[k:k + 1]) for k in range(0, 300, 37)]),
                                  model.predict(X)[::37])
    np.testing.assert_array_equal(model.predict(X[::-1])[::-1], model.predict(X))


def test_network_trained_by_torch_is_the_one_kept():
    """What is kept estimates like a plain loop over rows in torch, to 1e-6 of the spread."""
    from reco_core.models.geoman_network import GeomanNetwork

    model, X, y, _ = fitted()
    member, scaling = model.members_["all"][0], model.scalings_["all"]
    module = GeomanNetwork(member.shape).load(member.weights).eval()
    rows = scaling.rows(X).astype("float32")
    with torch.no_grad():
        loop = [float(module(*(torch.from_numpy(row[at][None]) for at in (member.local_at, member.external_at))))
                for row in rows[:40]]
    np.testing.assert_allclose(model.predict(X[:40]), np.array(loop) * scaling.target[1] + scaling.target[0],
                               atol=2e-6 * y.std())


@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("extra", ["", ",include_current=yes", ",compat=tf,layers=2", ",validation=records"])
def test_whole_way_in_memory(per_class, extra):
    """Members, classes, contributions, attention and parts fit together."""
    if "include" in extra:
        X, y, group = made_rows(window=2)
        stratum = np.where(group % 2 == 0, "GRA", "ENF")
        model = Geoman(settings=QUICK + extra, per_class=per_class)
        model.fit(X, y, group=group, stratum=stratum, seeds=(1, 2), features=NAMES)
    else:
        model, X, y, stratum = fitted(QUICK + extra, (1, 2), per_class=per_class)
    several = model.member_predictions(X, stratum=stratum)
    assert several.shape == (2, len(X)) and np.abs(several[0] - several[1]).max() > 0
    phi = model.contributions(X[:20], stratum=stratum[:20])
    np.testing.assert_allclose(phi.sum(axis=1), several.mean(axis=0)[:20], atol=1e-9)
    shares = model.attention(X, stratum=stratum)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-9)
    assert (shares[:, 2] == 0).all() and (shares[:, :2] > 0).all()
    back = Geoman.from_parts(*model.to_parts())
    np.testing.assert_array_equal(back.predict(X, stratum=stratum), model.predict(X, stratum=stratum))
    np.testing.assert_array_equal(back.contributions(X[:9], stratum=stratum[:9]), phi[:9])
    assert back.remarks() == model.remarks() and back.parameters() == model.parameters()


def test_same_seed_same_bytes():
    """Two fits with the same seed keep the same bytes; another seed keeps others."""
    first, second, third = (fitted(seeds=(seed,))[0].to_parts()[1] for seed in (1, 1, 2))
    assert first == second and first != third


def test_gaps_are_left_out_and_counted():
    """A row with a gap in its past is not trained on, and neither estimated nor split nor attended to."""
    X, y, group = made_rows()
    X[5, 4] = np.nan
    model = Geoman(settings=QUICK).fit(X, y, group=group, features=NAMES, seeds=(1,))
    assert np.isnan(model.predict(X)[5]) and np.isfinite(np.delete(model.predict(X), 5)).all()
    assert np.isnan(model.contributions(X[4:6])[1]).all() and np.isnan(model.attention(X[4:6])[1]).all()
    assert model.left_out_ == 1 and any("gap" in words for words in model.remarks())
    with pytest.raises(SampleError, match="without gaps to learn from"):
        Geoman(settings=QUICK).fit(np.full_like(X, np.nan), y, group=group, features=NAMES)


def test_search_tries_eight_combinations():
    """The search compares eight networks on one set of held-back sites and keeps one of them."""
    settings = Geoman(settings="window=6").all_settings()
    assert np.prod([len(values) for values in grid_of(settings).values()]) == 8
    assert np.prod([len(values) for values in grid_of({**settings, "window": 23, "search": "full"}).values()]) == 96
    model, X, _, _ = fitted("window=3,epochs=1,search=yes")
    assert model.chosen_["all"]["hidden"] in (32, 64) and np.isfinite(model.predict(X)).all()
    assert {row.name for row in model.parameters()} >= {"window", "hidden", "dropout"}


def test_names_of_inputs():
    """Lists of drivers decide what is a series and what is external; what is given beats the preset."""
    assert Geoman(settings="external=ta").inputs(NAMES) == ([0, 1], [0])
    assert Geoman(settings="local=evi,external=none").inputs(NAMES) == ([1], [])
    assert Geoman().inputs(NAMES) == ([0, 1], [2, 0])
    settings = Geoman(settings="published,hidden=16").all_settings()
    assert settings["hidden"] == 16 and settings["epochs"] == 300 and settings["validation"] == "records"
    again = Geoman(settings=settings)
    assert again.all_settings() == settings


@pytest.mark.parametrize("settings, words", [
    ("external=vpd", "no driver of the samples"), ("local=none", "no series"), ("windw=3", "Did you mean 'window'"),
    ("dropout=1", "dropout"), ("compat=keras", "compat")])
def test_what_it_refuses(settings, words):
    """Settings that make no sense are named."""
    with pytest.raises(ConfigError) as error:
        Geoman(settings=settings).check(NAMES)
    assert words in f"{error.value} {error.value.hint}"


def test_damaged_weights_are_refused():
    """Weights of another shape, or columns that are not there, are no network."""
    model, _, _, _ = fitted()
    meta, blobs = model.to_parts()
    arrays = model.members_["all"][0].to_arrays()
    for name, values in (("weight_out", np.zeros(3)), ("local_at", arrays["local_at"] + 99)):
        with pytest.raises(ArtifactError, match="damaged"):
            Geoman.from_parts(meta, {**blobs, "all-000.npz": pack_arrays({**arrays, name: values})})
    assert isinstance(CompiledGeoman.from_arrays(arrays), CompiledGeoman)


@pytest.mark.gpu
def test_gpu_and_processor_agree():
    """A GPU gives the estimates and contributions of the processor to 1e-4 of the largest estimate, and learns."""
    if not torch.cuda.is_available():
        pytest.skip("there is no GPU")
    model, X, _, _ = fitted()
    here = model.predict(X), model.contributions(X[:20])
    model.device = "cuda"
    for mine, other in zip(here, (model.predict(X), model.contributions(X[:20]))):
        assert np.abs(mine - other).max() < 1e-4 * np.abs(here[0]).max()
    again = Geoman(settings=QUICK)
    again.device = "cuda"
    X, y, group = made_rows()
    assert np.isfinite(again.fit(X, y, group=group, features=NAMES).predict(X)).all()
