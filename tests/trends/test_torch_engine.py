"""Trends by torch equal those of our kernels."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.errors import MissingDependency
from reco_core.trends import METHODS, torch_engine, trend_maps

TIMES = 2001 + np.arange(36) / 12


def series(gaps=0.0, digits=None):
    """Return 36 months of 50 pixels, two of them too short and one constant."""
    rng = np.random.default_rng(5)
    values = rng.normal(size=(36, 50)) + 0.02 * np.arange(36)[:, None]
    values[rng.random(values.shape) < gaps] = np.nan
    values[5:, 3], values[:, 7], values[:, 11] = np.nan, np.nan, 2.0
    return values if digits is None else np.round(values, digits)


def equal(values, method, device):
    """Check that torch gives what our kernels give, bit by bit where only values are compared and divided."""
    own = trend_maps(values, TIMES, method=method)
    other = trend_maps(values, TIMES, method=method, engine="torch", device=device)
    for name in ("slope", "low", "high", "s", "n"):
        assert np.array_equal(own[name], other[name], equal_nan=True), name
    for name in ("p", "tau", "relative"):
        np.testing.assert_allclose(own[name], other[name], rtol=1e-12, atol=1e-15, err_msg=name)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("gaps", "digits"), [(0.0, None), (0.2, None), (0.1, 0)])
def test_equals_our_kernels(method, gaps, digits):
    """Every method, with gaps and ties, on the processor."""
    pytest.importorskip("torch")
    equal(series(gaps, digits), method, "cpu")


def test_few_pixels_at_once(monkeypatch):
    """However few pixels fit in memory, the result is the same."""
    pytest.importorskip("torch")
    monkeypatch.setitem(torch_engine.BYTES_AT_ONCE, "cpu", 1e5)
    equal(series(0.1), "plain", "cpu")


@pytest.mark.gpu
@pytest.mark.parametrize("method", ["plain", "seasonal", "hamed_rao"])
def test_on_a_gpu(method):
    """A GPU divides and sorts like the processor."""
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    equal(series(0.1, 1), method, "cuda")


def test_without_torch(monkeypatch):
    """A missing torch is answered with the command that installs it."""
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(MissingDependency) as caught:
        trend_maps(series(), TIMES, engine="torch")
    assert "reco[deep]" in caught.value.hint
