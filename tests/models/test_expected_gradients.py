"""Contributions of networks: they close, equal a reference and known answers, and tell what was shared out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reco_core.models.expected_gradients import expected_gradients, share_missed, share_out


def network(width=4, seed=0):
    """Return a smooth network."""
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(width, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1), torch.nn.Flatten(0))


def values(function, X):
    with torch.no_grad():
        return function(torch.from_numpy(X.astype("float32"))).numpy().astype("float64")


def explained(function, X, background, owners=None, features=None, **options):
    owners = np.arange(X.shape[1]) if owners is None else np.asarray(owners)
    return expected_gradients(function, X, background, owners, features or int(owners.max()) + 1,
                              estimate=values(function, X), base=float(values(function, background).mean()), **options)


def rows(n, width=4, seed=1):
    return np.random.default_rng(seed).normal(size=(n, width))


def test_rows_add_up():
    """Contributions and base value add up to the estimate, and little of it had to be shared out."""
    function, X, background = network(), rows(50), rows(64, seed=2)
    found = explained(function, X, background)
    np.testing.assert_allclose(found.phi.sum(axis=1), values(function, X), atol=1e-12)
    assert share_missed(found.missed, values(function, X)) < 0.02
    assert share_missed(explained(function, X, background, points=8).missed, values(function, X)) < 1e-5


def test_linear_function_has_exact_contributions():
    """Of a linear function each column contributes slope times distance from the mean of the background."""
    slope = torch.tensor([1.0, -2.0, 0.0, 3.0])
    X, background = rows(9), rows(64, seed=2)
    found = explained(lambda x: x @ slope + 5.0, X, background)
    np.testing.assert_allclose(found.phi[:, :4], (X - background.mean(axis=0)) * slope.numpy(), atol=1e-5)
    assert np.abs(found.missed).max() < 1e-5


def test_equals_captum():
    """Many points along the way give what captum's integrated gradients give, averaged over the background."""
    from captum.attr import IntegratedGradients

    function, X, background = network(), rows(6), rows(8, seed=2)
    found = explained(function, X, background, points=32)
    method = IntegratedGradients(function)
    tensors = [torch.from_numpy(part.astype("float32")) for part in (X, background)]
    wanted = np.mean([method.attribute(tensors[0], baselines=row[None].expand_as(tensors[0]), n_steps=64).numpy()
                      for row in tensors[1]], axis=0)
    np.testing.assert_allclose(found.phi[:, :4], wanted, atol=2e-4)


def test_columns_count_for_their_driver():
    """Columns of one driver add up; the part of columns without a driver is shared out."""
    function, X, background = network(5), rows(20, 5), rows(64, 5, seed=2)
    apart = explained(function, X, background, points=16).phi
    together = explained(function, X, background, [0, 1, 0, 1, -1], 2, points=16)
    bare = np.column_stack([apart[:, 0] + apart[:, 2], apart[:, 1] + apart[:, 3], apart[:, -1]])
    np.testing.assert_allclose(together.missed, apart[:, 4], atol=1e-4)
    np.testing.assert_allclose(together.phi, share_out(bare, apart[:, 4]), atol=1e-4)


@pytest.mark.parametrize("at_once", [1, 7, 100])
def test_portions_do_not_matter(at_once):
    """Rows explained in portions of any size have the same contributions to single precision."""
    function, X, background = network(), rows(20), rows(64, seed=2)
    np.testing.assert_allclose(explained(function, X, background, rows_at_once=at_once).phi,
                               explained(function, X, background).phi, atol=1e-6)


def test_what_is_missed_goes_to_someone():
    """Where nothing contributes, what is missed is shared equally."""
    np.testing.assert_allclose(share_out(np.array([[0.0, 0.0, 2.0]]), np.array([1.0])), [[0.5, 0.5, 2.0]])
