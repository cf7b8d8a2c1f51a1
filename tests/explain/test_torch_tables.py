"""The tables looked up by torch give what the compiled kernels give."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.explain import torch_tables
from reco_core.explain.forest import read_forest
from reco_core.explain.shap_tables import TableExplainer
from reco_core.explain.torch_tables import TorchTables
from reco_core.explain.tree_shap import contributions

torch = pytest.importorskip("torch")
xgboost = pytest.importorskip("xgboost")


def case(p=9, depth=5, rows=900, gaps=0.15, **settings):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, p)).astype("float32")
    X[rng.random(X.shape) < gaps] = np.nan
    y = np.nan_to_num(X) @ rng.normal(size=p) + np.sin(3 * np.nan_to_num(X[:, 0]))
    chosen = {"max_depth": depth, "nthread": 1, **settings}
    return xgboost.train(chosen, xgboost.DMatrix(X, y), 12), X


def check(device, **what):
    booster, X = case(**what)
    tables = TableExplainer(read_forest(booster))
    (phi, estimate), (expected, values) = TorchTables(tables, device).explain(X), tables.explain(X)
    assert phi.dtype == expected.dtype and phi.shape == expected.shape
    np.testing.assert_allclose(phi, expected, atol=2e-6 * max(1.0, np.abs(expected).max()))
    np.testing.assert_allclose(estimate, values, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("what", [{}, {"depth": 1, "p": 1}, {"depth": 9}, {"gamma": 1e12}, {"p": 200, "depth": 4},
                                  {"rows": 4000, "p": 1, "depth": 12, "tree_method": "exact", "gaps": 0.0}])
def test_equals_the_kernels(what):
    """Missing values, one leaf, many features in several runs of trees, and more thresholds than a byte can count."""
    check("cpu", **what)


def test_small_portions(monkeypatch):
    """However rows, groups and tables are cut, the same values come out."""
    for name, size in (("ROWS_AT_ONCE", 100), ("NUMBERS_AT_ONCE", 500), ("TABLE_NUMBERS", 100)):
        monkeypatch.setattr(torch_tables, name, size)
    check("cpu")


def test_tables_are_cut_to_the_room(monkeypatch):
    """No table that goes to the device is larger than the room for it, whatever the number of lanes."""
    booster, X = case()
    explainer, sizes, tables = TableExplainer(read_forest(booster)), [], TableExplainer.tables
    monkeypatch.setattr(TableExplainer, "tables", lambda *what: sizes.append(tables(*what).size) or tables(*what))
    TorchTables(explainer, "cpu").contributions(X)
    assert len(sizes) == 1
    room = sizes[0] // 3
    monkeypatch.setattr(torch_tables, "TABLE_NUMBERS", room)
    TorchTables(explainer, "cpu").contributions(X)
    assert len(sizes) > 3 and max(sizes[1:]) <= room


def test_interactions():
    """Pairs of kinds of features, too."""
    booster, X = case()
    tables, kinds = TableExplainer(read_forest(booster)), (0, 1, 2) * 3
    expected = tables.interactions(X, kinds)
    np.testing.assert_allclose(TorchTables(tables, "cpu").interactions(X, kinds), expected, atol=1e-5)


def test_by_name():
    """The door takes a device, too."""
    booster, X = case()
    np.testing.assert_allclose(contributions(booster, X, device="cpu"), contributions(booster, X), atol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_gpu():
    """On a GPU, too."""
    check("cuda")
