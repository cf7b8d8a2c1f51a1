"""Tables stand where their model computes, and stay there as far as there is room."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.explain import shelf as shelf_module
from reco_core.explain.shap_tables import TableExplainer
from reco_core.explain.shelf import KERNELS, Shelf
from reco_core.explain.torch_tables import TorchTables, room_on
from small_world import small_model

torch = pytest.importorskip("torch")


def test_places(monkeypatch):
    """Models on the processor have compiled kernels, those on a GPU torch where it can use it; a device overrules."""
    model = small_model().folds[0]
    assert Shelf().place(model) == KERNELS and Shelf(device="cpu").place(model) == "cpu"
    monkeypatch.setattr(model, "device", "cuda")
    for reason, place in (("torch is too old", None), ("", "cuda")):
        monkeypatch.setattr(shelf_module, "obstacle", lambda package, reason=reason: reason)
        assert Shelf().place(model) == place


@pytest.mark.parametrize("place", [KERNELS, "cpu"])
@pytest.mark.parametrize("kept_bytes", [0, 300_000, 10**9])
def test_tables_are_kept_as_far_as_there_is_room(place, kept_bytes):
    """Each booster is read once, its tables stay within the room, and kept or not they give the same bits."""
    boosters = small_model().folds[0].boosters()
    shelf, X = Shelf(kept_bytes), np.random.default_rng(0).normal(size=(50, 3)).astype("float32")
    found = [shelf.tables(booster, place) for booster in boosters]
    assert all(isinstance(one, TorchTables if place else TableExplainer) for one in found)
    first = [one.contributions(X) for one in found]
    again = [shelf.tables(booster, place).contributions(X) for booster in boosters]
    assert all(shelf.tables(booster, place) is one for booster, one in zip(boosters, found))
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    kept = sum(getattr(table, "size" if place else "nbytes") for one in found for table in one._kept.values())
    assert kept <= kept_bytes and (kept > 0) == (kept_bytes > 0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_tables_stay_on_a_gpu():
    """There is room, the tables take it, and the second call finds them there."""
    shelf, booster = Shelf(), small_model().folds[0].boosters()[0]
    X = np.random.default_rng(0).normal(size=(50, 3)).astype("float32")
    assert room_on("cuda") > 10**8
    tables = shelf.tables(booster, "cuda")
    expected = shelf.tables(booster, KERNELS).contributions(X)
    for _ in range(2):
        np.testing.assert_allclose(tables.contributions(X), expected, atol=1e-4)
    assert all(lookup.table.is_cuda for lookup in tables._kept.values()) and tables._kept
