"""Maps tell where the training data support the vegetation class of a cell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import rasterio

from reco_core.actions import run_step
from reco_core.actions.class_support import grades
from reco_core.actions.models import save_model
from reco_core.io.rasters.cubes import write_cube
from reco_core.io.rasters.geotiff import RasterWriter
from reco_core.io.rasters.grid import Grid
from reco_core.progress import SILENT
from small_world import small_drivers, small_model

SCORES = [{"level": "class", "name": "ENF", "sites": 12, "r2_nse": 0.6},
          {"level": "class", "name": "EBF", "sites": 8, "r2_nse": -0.03},
          {"level": "class", "name": "SHR", "sites": 4, "r2_nse": 0.5}]


def graded_model():
    """Return a model for all classes, whose skill differs among them."""
    fitted = small_model()
    return replace(fitted, scores={**fitted.scores, "by_class": SCORES})


def test_grades():
    """Supported, few sites, hardly predicted, unseen; members of a family share its grade."""
    table = grades(graded_model())
    assert table[[1, 2, 6, 7, 12, 0, 200]].tolist() == [1, 3, 2, 2, 4, 4, 4]


@pytest.fixture()
def place(tmp_path):
    """Return a folder with a model, drivers, and a class layer of ENF, EBF in two columns, and crops in one corner."""
    drivers = small_drivers(12, 9, 2)
    save_model(graded_model(), tmp_path / "model")
    write_cube(drivers, str(tmp_path / "drivers.zarr"), memory_gb=1.0, progress=SILENT)
    codes = np.full((12, 9), 1.0, dtype="float32")
    codes[:, 2:4] = 2
    codes[-1, -1] = 12
    with RasterWriter(tmp_path / "classes.tif", Grid.of(drivers), ["igbp"]) as writer:
        writer.write(codes, 0, 0)
    return tmp_path, codes


def test_map(place):
    """Cells with an estimate get the grade of their class, others nodata; the summary counts them."""
    folder, codes = place
    values = {"model": str(folder / "model"), "drivers": str(folder / "drivers.zarr"),
              "flux": str(folder / "flux.tif"), "class_support": str(folder / "support.tif")}
    result = run_step("predict", {**values, "class_layer": str(folder / "classes.tif")})
    with rasterio.open(folder / "support.tif") as file, rasterio.open(folder / "flux.tif") as flux:
        grade, known = file.read(1), (flux.read() != flux.nodata).any(axis=0)
        assert file.nodata == 255
    wanted = np.where(codes == 1, 1, np.where(codes == 2, 3, 4))
    assert known.any() and not known.all()
    assert np.array_equal(grade, np.where(known, wanted, 255))
    share = round(100 * (wanted == 3)[known].mean())
    assert any(f"{share} % hardly predicted at new sites" in line for line in result["summary"])


def test_not_without_classes(place):
    """Where no class layer is given nothing is told, and no file is left."""
    folder, _ = place
    result = run_step("predict", {"model": str(folder / "model"), "drivers": str(folder / "drivers.zarr"),
                                  "flux": str(folder / "flux.tif"), "class_support": str(folder / "support.tif")})
    assert "class_support" not in result and not (folder / "support.tif").exists()
    assert not any("Vegetation classes" in line for line in result["summary"])
