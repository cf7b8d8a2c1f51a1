"""A network that looks at the cells around, by ordinary steps from towers to trend, and the drivers that help it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import rasterio

from lagged_world import LAGS, true_respiration, write_inputs
from reco_core.actions import run_step
from reco_core.actions.models import open_model
from reco_core.errors import ConfigError, SampleError

pytest.importorskip("torch")
SETTINGS = "filters=8,steps=500,learning_rate=0.004"


@pytest.fixture(scope="module")
def coast(tmp_path_factory):
    """Return a folder with drivers, observations and samples of a coast, and the drivers."""
    folder = tmp_path_factory.mktemp("coast")
    drivers = write_inputs(folder, towers=50, years=8)
    run_step("read_observations", {"path": str(folder / "towers.csv"), "output": str(folder / "observations.nc")})
    run_step("build_samples", {"observations": str(folder / "observations.nc"), "source": "grid", "patch": 3,
                               "drivers": str(folder / "drivers.zarr"), "output": str(folder / "samples.nc")})
    return folder, drivers


def ablated(folder, tmp_path, **values):
    """Return what the step ablate says, and its table."""
    outputs = {"output": str(tmp_path / "ablation.csv"), "predictions": str(tmp_path / "predictions.csv")}
    found = run_step("ablate", {"samples": str(folder / "samples.nc"), "folds": 2, "seeds": 1, "processes": 1,
                                "draws": 300, **outputs, **values})
    return found, pd.read_csv(tmp_path / "ablation.csv")


def test_the_network_finds_the_lag(coast, tmp_path):
    """Of six variants that with the drought of two years is named, and beats one that sees no neighbours."""
    found, table = ablated(coast[0], tmp_path, settings=SETTINGS)
    assert table["variant"].tolist() == [f"CNN{k}" for k in range(1, 7)]
    assert table.loc[table["optimal"], "added"].str.contains("spei_24").all() and table["optimal"].sum() == 1
    singles = table[table["added"].isin(LAGS)].set_index("added")["rmse"]
    assert singles.idxmin() == "spei_24"
    words = found["summary"][0]
    assert "optimal lag: " in words and "spei_24" in words and "whole sites held out" in words
    estimates = pd.read_csv(tmp_path / "predictions.csv")
    assert len(estimates) == 400
    error = np.sqrt(np.mean((estimates["CNN3"] - estimates["observed"]) ** 2))
    assert error == pytest.approx(table["rmse"][2], rel=1e-6)
    _, alone = ablated(coast[0], tmp_path, settings=f"side=1,{SETTINGS}", added="spei_24")
    assert alone["rmse"][1] > 1.5 * table["rmse"][2]


def test_any_model_and_scheme(coast, tmp_path):
    """A forest is ablated by the same step; a scheme that is not independent says so in the table and in words."""
    found, table = ablated(coast[0], tmp_path, model="rf", settings="n_estimators=10", scheme="resplit")
    assert table["variant"].tolist() == [f"rf_{k}" for k in range(1, 7)]
    assert table["note"].str.startswith("not independent").all() and "not independent" in found["summary"][0]
    found, _ = ablated(coast[0], tmp_path, settings="side=1,filters=4,steps=40", scheme="temporal", added="spei_24")
    assert "cnn_spei with a 1 x 1 context, temporal" in found["summary"][0]


def test_from_towers_to_trend(coast, tmp_path):
    """A network with 3 x 3 cells goes through all steps; cells at the coast have estimates too."""
    folder, drivers = coast
    paths = {"samples": str(folder / "samples.nc"), "drivers": str(folder / "drivers.zarr")}
    fit = {"samples": paths["samples"], "model": "cnn_spei", "settings": SETTINGS, "folds": 3, "seeds": 1,
           "processes": 1}
    run_step("fit", {**fit, "output": str(tmp_path / "model")})
    run_step("evaluate", {**fit, "output": str(tmp_path / "scores.csv"), "predictions": str(tmp_path / "held.csv")})
    maps = {"model": str(tmp_path / "model"), "drivers": paths["drivers"]}
    run_step("predict", {**maps, "memory": 0.1}, folder=str(tmp_path))
    run_step("explain", {**maps, "folder": str(tmp_path)})
    run_step("trend", {"estimate": str(tmp_path / "reco.tif"), "min_years": 8, "output": str(tmp_path / "trend.tif")})
    fitted = open_model(tmp_path / "model")
    assert fitted.scores["held_out"]["r2_nse"] > 0.8
    estimate = _read(tmp_path / "reco.tif")
    land, truth = np.isfinite(drivers["lai"].values), true_respiration(drivers)
    np.testing.assert_array_equal(np.isfinite(estimate), land)
    assert np.corrcoef(estimate[land], truth[land])[0, 1] > 0.9
    parts = [_read(tmp_path / "contributions" / f"{name}.tif") for name in fitted.feature_names]
    whole = _read(tmp_path / "base_value.tif") + sum(parts)
    np.testing.assert_allclose(whole[land], estimate[land], rtol=1e-4)
    size = {name: np.abs(part[land]).mean() for name, part in zip(fitted.feature_names, parts)}
    assert max(size, key=size.get) == "spei_24"
    assert np.isfinite(_read(tmp_path / "trend.tif")[0]).sum() == land[0].sum()


def test_wrong_inputs(coast, tmp_path):
    """Samples without cells around, drivers that are not there, a model of one fold: each says what to do."""
    folder, _ = coast
    run_step("build_samples", {"observations": str(folder / "observations.nc"), "source": "grid",
                               "drivers": str(folder / "drivers.zarr"), "output": str(tmp_path / "bare.nc")})
    outputs = {"output": str(tmp_path / "a.csv"), "predictions": str(tmp_path / "b.csv")}
    with pytest.raises(SampleError) as raised:
        run_step("ablate", {"samples": str(tmp_path / "bare.nc"), **outputs})
    assert "patch=3" in raised.value.hint
    with pytest.raises(ConfigError, match="no driver 'spei_48'"):
        run_step("ablate", {"samples": str(folder / "samples.nc"), "added": "spei_48", **outputs})
    with pytest.raises(ConfigError, match="do not last without padding"):
        run_step("ablate", {"samples": str(folder / "samples.nc"), "settings": "padding=valid", **outputs})
    assert not (tmp_path / "a.csv").exists()


def _read(path):
    """Return the bands of a raster with NaN where there is nothing."""
    with rasterio.open(path) as file:
        values = file.read().astype("float64")
        return np.where(values == file.nodata, np.nan, values)
