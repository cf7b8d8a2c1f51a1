"""Compiled kernels: selection equals sorting, and they work where nothing can be kept on disk."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.deps import jit
from reco_core.trends.kernels import select

caching = pytest.importorskip("numba.core.caching")


@pytest.mark.parametrize("levels", [0, 1, 3])
@pytest.mark.parametrize("size", [1, 2, 13, 190, 4000])
def test_select(size, levels):
    """The k-th value is that of the sorted row, with the smaller ones before it, however many are equal."""
    rng = np.random.default_rng(size)
    values = rng.integers(0, levels, size).astype(float) if levels else rng.normal(size=size)
    for k in {0, size // 3, size // 2, size - 1}:
        row = values.copy()
        assert select(row, 0, size - 1, k) == np.sort(values)[k] == row[k]
        assert (row[:k] <= row[k]).all() and (row[k:] >= row[k]).all()
        assert np.array_equal(np.sort(row), np.sort(values))


def double(x):
    """Return twice x."""
    return 2 * x


def test_without_a_place_for_machine_code(monkeypatch):
    """In a read-only installation without a home folder kernels are compiled anew."""
    monkeypatch.setattr(caching.CompileResultCacheImpl, "_locator_classes", [])
    with pytest.raises(RuntimeError, match="cannot cache"):
        pytest.importorskip("numba").njit(cache=True)(double)
    assert jit(double)(21) == 42
