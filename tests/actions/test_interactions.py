"""The map of what groups of drivers contribute alone and in pairs."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

from reco_core.actions import run_step
from reco_core.actions.models import save_model
from reco_core.errors import ConfigError
from reco_core.io.rasters.cubes import write_cube
from reco_core.progress import SILENT
from small_world import small_drivers, small_model

UNIT = "g C m-2 month-1"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder with a fitted model and a driver cube."""
    folder = tmp_path_factory.mktemp("inputs")
    save_model(small_model(), folder / "model")
    write_cube(small_drivers(7, 5, 1), str(folder / "drivers.zarr"), memory_gb=1.0, progress=SILENT)
    return folder


def read(path):
    """Return the bands of a raster with NaN where there is nothing."""
    with rasterio.open(path) as file:
        values = file.read()
        return np.where(values == file.nodata, np.nan, values)


def test_interactions_of_groups(place, tmp_path):
    """Only where asked for; alone and in pairs the groups add up to the mean estimate, and to their contributions."""
    values = {"model": str(place / "model"), "drivers": str(place / "drivers.zarr"), "folder": str(tmp_path)}
    run_step("explain", values)
    assert not list(tmp_path.rglob("*interaction*"))
    run_step("explain", {**values, "interactions": str(tmp_path / "pairs.tif")})
    run_step("predict", {name: values[name] for name in ("model", "drivers")}, folder=str(tmp_path))
    found, flux = read(tmp_path / "pairs.tif"), read(tmp_path / "reco.tif")
    with rasterio.open(tmp_path / "pairs.tif") as file:
        assert file.descriptions[:3] == ("environment", "environment x biotic", "biotic") and file.count == 6
        assert set(file.units) == {UNIT}
    known = np.isfinite(flux).any(axis=0)
    assert np.array_equal(np.isfinite(found).all(axis=0), known)
    whole = found.sum(axis=0) + read(tmp_path / "base_value.tif")[0]
    np.testing.assert_allclose(whole[known], np.nanmean(flux[:, known], axis=0), rtol=1e-4)
    biotic = np.nanmean(read(tmp_path / "contributions" / "lai.tif")[:, known], axis=0)
    np.testing.assert_allclose((found[1] / 2 + found[2])[known], biotic, atol=1e-3)


def test_no_interactions_without_trees(place, tmp_path):
    """Equations are refused by name, and leave nothing behind."""
    save_model(small_model("lloyd_taylor"), tmp_path / "model")
    with pytest.raises(ConfigError, match="lloyd_taylor"):
        run_step("explain", {"model": str(tmp_path / "model"), "drivers": str(place / "drivers.zarr"),
                             "folder": str(tmp_path / "maps"), "interactions": str(tmp_path / "pairs.tif")})
    assert not list((tmp_path / "maps").rglob("*")) and not (tmp_path / "pairs.tif").exists()
