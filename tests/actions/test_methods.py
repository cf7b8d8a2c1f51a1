"""Every method goes the whole way by the same steps: fit, evaluate, predict, explain, and the region in one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import rasterio

from reco_core.actions import run_step
from reco_core.actions.models import open_model
from reco_core.catalogue import MODELS as NAMED
from reco_core.errors import ConfigError
from reco_core.io.observations.read import write_samples
from reco_core.io.rasters.cubes import write_cube
from reco_core.progress import SILENT
from wide_world import MODELS, SETTINGS, wide_drivers, wide_samples

FIT = {"folds": 3, "seeds": 1, "processes": 1}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder with a driver cube, some of whose cells lack leaf area."""
    folder = tmp_path_factory.mktemp("inputs")
    write_cube(wide_drivers(rows=6, columns=5, years=1), str(folder / "drivers.zarr"), memory_gb=1.0, progress=SILENT)
    return folder


def read(path):
    """Return the bands of a raster with NaN where there is nothing."""
    with rasterio.open(path) as file:
        values = file.read().astype("float64")
        return np.where(values == file.nodata, np.nan, values)


def values_of(name, folder):
    """Return what fit and evaluate are given, after writing the samples with the drivers of a method."""
    write_samples(wide_samples(MODELS[name], towers=9, years=2), folder / "samples.nc")
    return {**FIT, "samples": str(folder / "samples.nc"), "model": name, "settings": SETTINGS.get(name)}


def test_all_are_here():
    """No method of the catalogue is forgotten below."""
    assert set(MODELS) | {"causal_xgboost"} == set(NAMED)


@pytest.mark.parametrize("name", MODELS)
def test_fit_evaluate_predict_explain(place, tmp_path, name):
    """Maps hold the model's estimates; contributions add up to them; scores are those of held-out sites."""
    values = values_of(name, tmp_path)
    run_step("fit", {**values, "output": str(tmp_path / "model")})
    run_step("evaluate", {**values, "output": str(tmp_path / "scores.csv"),
                          "predictions": str(tmp_path / "predictions.csv")})
    fitted = open_model(tmp_path / "model")
    assert fitted.provenance["weights"] == "none"
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert scores.r2_nse[0] == pytest.approx(fitted.scores["held_out"]["r2_nse"])
    maps = {"model": str(tmp_path / "model"), "drivers": str(place / "drivers.zarr")}
    run_step("predict", maps, folder=str(tmp_path))
    run_step("explain", {**maps, "folder": str(tmp_path)})
    estimate = read(tmp_path / "reco.tif")
    parts = [read(tmp_path / "contributions" / f"{feature.name}.tif") for feature in fitted.explained]
    whole = read(tmp_path / "base_value.tif") + sum(parts)
    known = np.isfinite(estimate)
    assert known.sum() > 200
    np.testing.assert_allclose(whole[known], estimate[known], rtol=1e-4, atol=1e-4)
    if not fitted.context.is_empty:
        return
    used = wide_drivers(rows=6, columns=5, years=1)
    lags = (0, *range(fitted.context.past, 0, -1))  # the drivers of the step, then earlier ones, oldest first
    X = np.column_stack([np.roll(np.broadcast_to(used[name].values, estimate.shape), lag, axis=0)[known]
                         for lag in lags for name in fitted.feature_names])
    np.testing.assert_allclose(estimate[known], fitted.estimate(X.astype("float32")).mean, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["mmrt", "tpgpp", "rf"])
def test_region_in_one_step(place, tmp_path, name):
    """estimate_region fits, maps, explains and reports any method."""
    values = values_of(name, tmp_path)
    values["method"] = values.pop("model")
    run_step("estimate_region", {**values, "drivers": str(place / "drivers.zarr"), "folder": str(tmp_path / "all")})
    for file in ("reco.tif", "shares.tif", "report.html", "model/card.md"):
        assert (tmp_path / "all" / file).exists()
    card = (tmp_path / "all" / "model" / "card.md").read_text(encoding="utf-8")
    assert ("## Parameters" in card and "standard error" in card) == (name != "rf")
    assert ("t_opt" in card) == (name == "mmrt")


def test_card_tells_what_was_chosen_and_what_was_not_fitted(tmp_path):
    """Choices are counted over folds; a published equation says that nothing was fitted."""
    for name, words in (("lgs_like", "| all | equation |"), ("tang2020", "Nothing was fitted")):
        folder = tmp_path / name
        folder.mkdir()
        run_step("fit", {**values_of(name, folder), "output": str(folder / "model")})
        assert words in (folder / "model" / "card.md").read_text(encoding="utf-8")


def test_missing_drivers(tmp_path):
    """A method whose drivers are not among the samples names them, and nothing is written."""
    values = values_of("q10", tmp_path)
    with pytest.raises(ConfigError, match=r"ge_like needs a vegetation index \(evi or ndvi\) and the land surface"):
        run_step("fit", {**values, "model": "ge_like", "output": str(tmp_path / "model")})
    assert not (tmp_path / "model").exists()
