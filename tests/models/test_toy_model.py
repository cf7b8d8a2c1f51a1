"""A new method takes one file, one line in the registry and one in the catalogue; then every step knows it."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import rasterio

from reco_core import catalogue
from reco_core.actions import run_step
from reco_core.actions.models import open_model
from reco_core.errors import SampleError
from reco_core.io.observations.read import write_samples
from reco_core.io.rasters.cubes import write_cube
from reco_core.models import registry
from reco_core.progress import SILENT
from small_world import small_drivers, small_samples

FILE = '''
"""A straight line through every driver and its two earlier time steps."""

import numpy as np

from reco_core.models.arrays import pack_arrays, unpack_arrays
from reco_core.models.base import Model
from reco_core.models.context import Context


class Lines(Model):
    """Least squares; a driver contributes what it and its past differ from their means."""

    name = "toy"

    @property
    def context(self):
        return Context(past=2)

    def fit(self, X, y, *, group, features=(), **_):
        self.features_ = tuple(features)
        known = np.isfinite(X).all(axis=1)
        self.mean_, self.base_ = X[known].mean(axis=0), np.array(y[known].mean())
        self.slope_ = np.linalg.lstsq(X[known] - self.mean_, y[known] - self.base_, rcond=None)[0]
        return self

    def member_predictions(self, X, *, stratum=None, members="all"):
        return self.contributions(X).sum(axis=1)[None]

    def contributions(self, X, *, stratum=None, members="all"):
        p = len(self.features_)
        shares, owners = (X - self.mean_) * self.slope_, self.context.owners(p)
        return np.column_stack([*(shares[:, owners == j].sum(axis=1) for j in range(p)), np.full(len(X), self.base_)])

    def to_parts(self):
        arrays = {"mean": self.mean_, "base": self.base_, "slope": self.slope_}
        return {"features": list(self.features_)}, {"lines.npz": pack_arrays(arrays)}

    @classmethod
    def from_parts(cls, meta, blobs):
        model, arrays = cls(), unpack_arrays(blobs["lines.npz"])
        model.features_ = tuple(meta["features"])
        model.mean_, model.base_, model.slope_ = (arrays[name] for name in ("mean", "base", "slope"))
        return model
'''


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Put the file beside the other methods and its name into registry and catalogue."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "toy.py").write_text(FILE, encoding="utf-8")
    package = sys.modules[registry.__package__]
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path / "code")])
    monkeypatch.setitem(registry._CLASSES, "toy", ("toy", "Lines"))
    monkeypatch.setitem(catalogue.MODELS, "toy", "Lines through drivers and their past")
    for name in ("fit", "evaluate", "estimate_region"):  # their choices were made of the catalogue's list at import
        step = catalogue.get_step(name)
        params = [replace(param, choices=tuple(catalogue.MODELS)) if param.name in ("model", "method")
                  and param.kind == "choice" else param for param in step.params]
        monkeypatch.setitem(catalogue.STEPS, name, replace(step, params=tuple(params)))
    yield
    sys.modules.pop(f"{registry.__package__}.toy", None)


@pytest.fixture
def place(tmp_path):
    """Write samples and drivers of the small world."""
    write_samples(small_samples(), tmp_path / "samples.nc")
    write_cube(small_drivers(5, 4, years=7, gaps=False), str(tmp_path / "drivers.zarr"), memory_gb=1.0, progress=SILENT)
    return tmp_path


def read(path):
    """Return the bands of a raster with NaN where there is nothing."""
    with rasterio.open(path) as file:
        values = file.read().astype("float64")
        return np.where(values == file.nodata, np.nan, values)


def test_a_toy_goes_the_whole_way(toy, place):
    """Fit, evaluate, predict, explain, trend and the region in one step know it and what it looks back at."""
    values = {"samples": str(place / "samples.nc"), "folds": 3, "seeds": 1, "processes": 1}
    run_step("fit", {**values, "model": "toy", "output": str(place / "model")})
    run_step("evaluate", {**values, "model": "toy", "output": str(place / "scores.csv"),
                          "predictions": str(place / "predictions.csv")})
    scores = pd.read_csv(place / "scores.csv")
    assert scores.model[0] == "toy" and scores.r2_nse[0] > 0.3
    maps = {"model": str(place / "model"), "drivers": str(place / "drivers.zarr")}
    run_step("predict", maps, folder=str(place))
    run_step("explain", {**maps, "folder": str(place)})
    run_step("trend", {"estimate": str(place / "reco.tif"), "min_years": 5, "output": str(place / "trend.tif")})
    fitted = open_model(place / "model")
    estimate, drivers = read(place / "reco.tif"), small_drivers(5, 4, years=7, gaps=False)
    assert np.isnan(estimate[:2]).all() and np.isfinite(estimate[2:]).any()  # the first have no two months before
    cube = np.stack([np.broadcast_to(drivers[name].values, estimate.shape) for name in fitted.feature_names], axis=-1)
    rows = np.concatenate([cube[30], cube[28], cube[29]], axis=-1).reshape(20, -1)
    known = np.isfinite(rows).all(axis=1)
    assert known.any()
    np.testing.assert_allclose(estimate[30].ravel()[known], fitted.estimate(rows[known]).mean, rtol=1e-5)
    parts = sum(read(place / "contributions" / f"{name}.tif") for name in fitted.feature_names)
    np.testing.assert_allclose((parts + read(place / "base_value.tif"))[2:], estimate[2:], rtol=1e-4, atol=1e-3)
    assert np.isfinite(read(place / "trend.tif")[0]).any()
    run_step("estimate_region", {**values, "method": "toy", "drivers": maps["drivers"], "folder": str(place / "all")})
    np.testing.assert_allclose(read(place / "all" / "reco.tif"), estimate, rtol=1e-5)


def test_samples_without_a_past(toy, place):
    """Samples that keep no earlier time steps are refused with what to do."""
    samples = small_samples(towers=9).drop_dims("lag")
    write_samples(samples, place / "short.nc")
    with pytest.raises(SampleError, match="looks back 2 time steps") as caught:
        run_step("fit", {"samples": str(place / "short.nc"), "model": "toy", "folds": 3, "processes": 1,
                         "output": str(place / "model")})
    assert "history=2" in caught.value.hint
