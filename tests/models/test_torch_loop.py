"""Training of networks: the same bits from the same seed, early stopping, and new starts for the dead and the wild."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reco_core.errors import Cancelled, SampleError
from reco_core.models.torch_loop import Schedule, hold_back, run_module, state_of, train, with_state
from reco_core.progress import Progress


class Small(torch.nn.Module):
    """A hidden layer of eight."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.first, self.last = torch.nn.Linear(3, 8), torch.nn.Linear(8, 1)
        self.scale = scale

    def forward(self, x):
        return self.last(torch.tanh(self.first(x))).squeeze(-1) * self.scale


def data(n=400, seed=0):
    """Return rows and a target of them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)).astype("float32")
    return X, np.sin(X[:, 0]) + 0.5 * X[:, 1] * X[:, 2]


def run(seed=1, build=Small, **options):
    X, y = data()
    return train(build, [X[:300]], y[:300], ([X[300:]], y[300:]), seed=seed, schedule=Schedule(**options))


def test_learns_and_keeps_the_best_weights():
    """The kept weights give the validation error that is told, which is far below the variance."""
    found = run(epochs=150, learning_rate=1e-2)
    X, y = data()
    module = with_state(Small(), found.state)
    error = np.square(run_module(module, [torch.from_numpy(X[300:])]) - y[300:]).mean()
    assert error == pytest.approx(found.loss, rel=1e-6)
    assert found.loss < 0.2 * y.var()
    assert found.tries == 1


def test_same_seed_same_bits_whatever_the_threads():
    """The number of threads and random numbers drawn before make no difference; another seed does."""
    before = run(epochs=5)
    torch.rand(17)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    again = run(epochs=5)
    torch.set_num_threads(threads)
    for name, values in before.state.items():
        np.testing.assert_array_equal(values, again.state[name])
    assert any((values != run(seed=2, epochs=5).state[name]).any() for name, values in before.state.items())


def test_stops_early():
    """A target of noise ends training after as many passes without progress as patience allows."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3)).astype("float32")
    y = rng.normal(size=200)
    found = train(Small, [X[:100]], y[:100], ([X[100:]], y[100:]), schedule=Schedule(patience=4, learning_rate=1e-2))
    assert found.epochs == found.epoch + 4 < 300


def test_steps_limit_the_work():
    """At most so many steps are taken, whatever the epochs."""
    assert run(steps=7, batch=100, epochs=300).epochs == 3


class Dying(Small):
    """Its first life ends with an output below zero that no gradient gets out of."""

    lives = 0

    def __init__(self):
        super().__init__()
        type(self).lives += 1
        self.dead = type(self).lives == 1

    def forward(self, x):
        return torch.relu(super().forward(x) - (1e6 if self.dead else -1.0))


def test_dead_network_is_started_anew():
    """A network whose output is the same for all rows is started again from another seed, and that is counted."""
    Dying.lives = 0
    assert run(build=Dying, epochs=30, patience=5).tries == 2


def test_network_that_always_explodes_is_refused():
    """Three starts that explode end in an error that says so."""
    with pytest.raises(SampleError, match="it exploded, then it exploded, then it exploded"):
        run(build=lambda: Small(scale=float("inf")), epochs=3)


def test_weights_of_rows_count():
    """Rows of weight nought do not matter."""
    X, y = data()
    spoilt = y.copy()
    spoilt[:150] = 50.0
    weight = np.r_[np.zeros(150), np.ones(150)]
    found = train(Small, [X[:300]], spoilt[:300], ([X[300:]], y[300:]), weight=weight,
                  schedule=Schedule(epochs=100, learning_rate=1e-2))
    assert found.loss < 0.4 * y.var()


def test_can_be_stopped():
    """A user who stops waits for one pass at most."""
    X, y = data()
    with pytest.raises(Cancelled):
        train(Small, [X], y, ([X], y), progress=Progress(lambda *_: None, lambda: True))


def test_held_back_groups_stay_whole():
    """About a tenth of the groups is held back, at least one, never all, the same for the same seed."""
    group = np.repeat(np.arange(30), 7)
    out = hold_back(group, 0.1, 3)
    assert np.unique(group[out]).size == 3
    assert not set(group[out]) & set(group[~out])
    np.testing.assert_array_equal(out, hold_back(group, 0.1, 3))
    assert hold_back(np.array([1, 2]), 0.9, 0).sum() == 1
    with pytest.raises(SampleError, match="one tower group"):
        hold_back(np.ones(5), 0.1, 0)


def test_state_is_a_copy():
    """Kept weights do not change when training goes on."""
    module = Small()
    state = state_of(module)
    with torch.no_grad():
        module.first.weight += 1
    assert (state["first.weight"] != state_of(module)["first.weight"]).all()
