"""Where methods compute: what was asked for, else the processor and the reason; GPU and processor agree."""

from __future__ import annotations

import json
import logging
import sys
import types
from dataclasses import replace

import numpy as np
import pytest

from reco_core import device
from reco_core.actions import run_step
from reco_core.device import obstacle, resolve
from reco_core.errors import ConfigError
from reco_core.explain.engine import Engine
from reco_core.io.observations.read import write_samples
from reco_core.models.ensemble import Recipe, fit_folds, put_on
from reco_core.models.registry import model_class
from tables import make_samples, make_table

QUICK = {"sae": "epochs=20,pretraining=3,layer1=16,layer2=8,layer3=4,learning_rate=0.01",
         "causal_xgboost": "n_estimators=20,early_stopping=0"}
TOLERANCE = {"sae": 1e-4, "causal_xgboost": 1e-4}  # share of the largest estimate, given the same weights


@pytest.fixture(autouse=True)
def fresh():
    """Forget what was found out about this machine."""
    obstacle.cache_clear()
    yield
    obstacle.cache_clear()


@pytest.fixture
def gpu(monkeypatch):
    """Pretend that there is one GPU."""
    monkeypatch.setattr(device, "gpu_count", lambda: 1)


def test_without_a_gpu(monkeypatch, caplog):
    """auto takes the processor and says nothing; cuda takes it and says why."""
    monkeypatch.setattr(device, "gpu_count", lambda: 0)
    with caplog.at_level(logging.INFO, logger="reco"):
        assert resolve("auto", "torch") == resolve("cpu", "torch") == "cpu"
        assert not caplog.records
        assert resolve("cuda", "torch") == "cpu"
    assert "no GPU of NVIDIA" in caplog.text and "device=cuda" in caplog.text


def test_methods_without_anything_for_a_gpu(gpu, caplog):
    """A forest stays on the processor and says so."""
    assert resolve("cuda", model_class("rf").accelerator) == "cpu"
    assert "no computations for a GPU" in caplog.text


def test_builds_without_cuda(gpu, monkeypatch):
    """The reason names the package and what to install."""
    for name, module in (("torch", types.SimpleNamespace(__version__="2.0+cpu", cuda=types.SimpleNamespace(
            is_available=lambda: False))), ("xgboost", types.SimpleNamespace(build_info=lambda: {"USE_CUDA": False}))):
        monkeypatch.setitem(sys.modules, name, module)
    assert "torch 2.0+cpu" in obstacle("torch")
    assert "without CUDA" in obstacle("xgboost") and "xgboost-cpu" in obstacle("xgboost")


def test_missing_package(gpu, monkeypatch):
    """A package that is not there is a reason like any other."""
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "reco[deep]" in obstacle("torch")


def test_gpu_that_fails(gpu, monkeypatch):
    """A GPU for which torch has no kernels is not used."""
    def ones(*_, **__):
        raise RuntimeError("no kernel image is available\nmore")

    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(
        __version__="2.0", ones=ones, cuda=types.SimpleNamespace(is_available=lambda: True)))
    assert obstacle("torch") == "torch 2.0 fails on the GPU: no kernel image is available"


def test_a_gpu_that_serves(gpu, monkeypatch):
    """auto and cuda take it, cpu does not."""
    monkeypatch.setitem(sys.modules, "xgboost", types.SimpleNamespace(build_info=lambda: {"USE_CUDA": True}))
    assert [resolve(wanted, "xgboost") for wanted in ("auto", "cuda", "cpu")] == ["cuda", "cuda", "cpu"]


def test_no_such_device():
    """A wrong word is refused with the right ones."""
    with pytest.raises(ConfigError, match="no device 'gpu'"):
        resolve("gpu", "torch")


def test_the_record_tells_the_device(tmp_path, caplog):
    """Steps run with device=cuda where there is none, and their record says what served."""
    if obstacle("xgboost") == "":
        pytest.skip("this machine has a GPU that serves xgboost")
    write_samples(make_samples(sites=6, rows=24), tmp_path / "samples.nc")
    run_step("fit", {"samples": str(tmp_path / "samples.nc"), "model": "causal_xgboost", "weights": "uniform",
                     "folds": 2, "seeds": 1, "processes": 1, "settings": QUICK["causal_xgboost"], "device": "cuda",
                     "output": str(tmp_path / "model")})
    record = json.loads((tmp_path / "model.run.json").read_text(encoding="utf-8"))
    assert record["parameters"]["device"] == "cuda" and record["details"]["device"] == "cpu"
    assert "device=cuda was asked for" in caplog.text


@pytest.mark.gpu
@pytest.mark.parametrize("name", QUICK)
def test_gpu_and_processor_agree(name):
    """The same fitted model gives the same estimates and contributions on both, within 1e-4 of the largest estimate."""
    reason = obstacle(model_class(name).accelerator)
    if reason:
        pytest.skip(reason)
    table = make_table(sites=6, rows=24)
    fitted = fit_folds(table, table.group % 2, Recipe(name, "uniform", settings=QUICK[name], seeds=(1, 2)), processes=1)
    X = table.X.astype("float32")
    own, phi = Engine(fitted).explain(X)
    theirs, their_phi = Engine(put_on(fitted, "cuda")).explain(X)
    most = TOLERANCE[name] * np.abs(own.mean).max()
    assert np.abs(own.mean - theirs.mean).max() < most and np.abs(phi - their_phi).max() < most
    np.testing.assert_allclose(their_phi.sum(axis=1), theirs.mean, rtol=1e-5, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize("name", QUICK)
def test_gpu_learns_as_well(name):
    """What a GPU learns is as good on held-out sites: R2 within 0.05."""
    reason = obstacle(model_class(name).accelerator)
    if reason:
        pytest.skip(reason)
    table = make_table(sites=9)
    recipe = Recipe(name, "uniform", settings=QUICK[name], seeds=(1,))
    skill = []
    for place in ("cpu", "cuda"):
        held = fit_folds(table, table.group % 3, replace(recipe, device=place), processes=1).reference["held_out"]
        skill.append(1 - np.square(held - table.y).mean() / table.y.var())
    assert abs(skill[0] - skill[1]) < 0.05
