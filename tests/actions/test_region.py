"""The main job in one step gives what its parts give, and all of it or nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio

from reco_core.actions import region as region_action
from reco_core.actions import run_step
from reco_core.actions.models import open_model, save_model
from reco_core.errors import ArtifactError, Cancelled, ConfigError, GridError, SampleError
from reco_core.io.artifact import model_id
from reco_core.io.dependence import read_dependence
from reco_core.io.files import remove_pending
from reco_core.io.observations.read import write_samples
from reco_core.io.rasters.cubes import write_cube
from reco_core.progress import SILENT, Progress
from reco_core.trends import trend_maps
from small_world import NAMES, SETTINGS, small_drivers, small_model, small_samples

YEARS = 12
FILES = {"reco.tif", "spread.tif", "seed_spread.tif", "relative_spread.tif", "applicability.tif",
         "base_value.tif", "shares.tif", "contribution_groups.tif", "dominant_driver.tif", "trend.tif",
         "report.html", "run.json", "dependence.csv",
         *(f"contributions/{name}.tif" for name in NAMES)}


def read(path):
    """Return the bands of a raster with NaN where there is nothing."""
    with rasterio.open(path) as file:
        values = file.read().astype("float64")
        return np.where(values == file.nodata, np.nan, values)


def everything(folder):
    """Return all files and folders below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder with a model, samples and drivers of twelve years."""
    folder = tmp_path_factory.mktemp("inputs")
    save_model(small_model(), folder / "model")
    write_samples(small_samples(), folder / "samples.nc")
    write_cube(small_drivers(10, 6, YEARS), str(folder / "drivers.zarr"), memory_gb=1.0, progress=SILENT)
    return folder


@pytest.fixture(scope="module")
def result(place, tmp_path_factory):
    """Return what the step says, and its folder."""
    folder = tmp_path_factory.mktemp("region")
    values = {"model": str(place / "model"), "drivers": str(place / "drivers.zarr"), "folder": str(folder)}
    return run_step("estimate_region", values), folder


def test_everything_is_there(result):
    """Every output lies in the folder under its usual name, each raster with its style."""
    said, folder = result
    found = set(everything(folder))
    assert FILES <= found
    assert {name.replace(".tif", ".qml") for name in FILES if name.endswith(".tif")} <= found
    assert found - FILES - {name.replace(".tif", ".qml") for name in FILES} == {"contributions"}
    assert said["flux"] == str(folder / "reco.tif") and said["trend"] == str(folder / "trend.tif")


def test_the_same_as_its_parts(place, result, tmp_path):
    """predict, explain and trend write the same numbers one by one."""
    _, folder = result
    values = {"model": str(place / "model"), "drivers": str(place / "drivers.zarr")}
    run_step("predict", values, folder=str(tmp_path))
    run_step("explain", {**values, "folder": str(tmp_path)})
    run_step("trend", {"estimate": str(tmp_path / "reco.tif"), "output": str(tmp_path / "trend.tif")})
    for name in sorted(FILES):
        if name.endswith(".tif"):
            assert np.array_equal(read(folder / name), read(tmp_path / name), equal_nan=True), name


def test_record_and_sample(place, result):
    """The run record names the model and what was left out; the sample for curves is of the maps."""
    _, folder = result
    record = json.loads((folder / "run.json").read_text())
    assert record["step"] == "estimate_region" and record["details"]["model_id"] == model_id(place / "model")
    assert record["details"]["left_out"] and record["details"]["additivity_error"] <= 1e-4
    assert record["outputs"]["trend"] == str(folder / "trend.tif")
    table, names = read_dependence(folder / "dependence.csv")
    assert names == list(NAMES) and len(table) > 1000
    first = table.iloc[0]
    band = [str(label) for label in rasterio.open(folder / "reco.tif").descriptions].index(first["time"])
    mapped = read(folder / "contributions" / "lai.tif")[band, int(first["row"]), int(first["col"])]
    assert first["contribution_lai"] == pytest.approx(mapped, rel=1e-4)


def test_the_trend_is_the_worlds(result):
    """Warming and greening show as more respiration."""
    _, folder = result
    slope = read(folder / "trend.tif")[0]
    assert np.nanmean(slope > 0) > 0.8 and np.isfinite(slope).sum() > 20


def test_the_trend_by_season(place, tmp_path):
    """The test of the trend has a name of its own, since method is the model."""
    said = run_step("estimate_region", {
        "model": str(place / "model"), "drivers": str(place / "drivers.zarr"), "folder": str(tmp_path),
        "annual": "none", "trend_method": "seasonal"})
    with rasterio.open(tmp_path / "trend.tif") as file:
        assert "seasonal Mann-Kendall test" in file.tags()["METHOD"]
    assert any("Hirsch" in text for text in said["citations"])
    flux = read(tmp_path / "reco.tif")
    expected = trend_maps(flux, 2001 + np.arange(len(flux)) / 12, method="seasonal")
    np.testing.assert_allclose(read(tmp_path / "trend.tif")[2], expected["p"], rtol=1e-5)


def test_from_samples(place, tmp_path):
    """Without a model one is fitted, kept in the folder, and named in the rasters."""
    settings = ",".join(f"{name}={value}" for name, value in SETTINGS.items())
    said = run_step("estimate_region", {
        "samples": str(place / "samples.nc"), "drivers": str(place / "drivers.zarr"), "folder": str(tmp_path / "out"),
        "period": "2001/2001", "weights": "uniform", "folds": 3, "seeds": 1, "settings": settings, "processes": 1})
    fitted = open_model(tmp_path / "out" / "model")
    assert len(fitted.folds) == 3 and fitted.target_unit == "g C m-2 month-1"
    tags = rasterio.open(tmp_path / "out" / "reco.tif").tags()
    assert tags["MODEL_ID"] == model_id(tmp_path / "out" / "model")
    assert any("held" in line or "not seen" in line for line in said["summary"])
    assert not (tmp_path / "out" / "trend.tif").exists() and "trend" not in said
    assert any(line.startswith("No trend: A trend needs 10 whole years") for line in said["summary"])


def test_a_trend_that_is_asked_for_by_name(place, tmp_path):
    """A trend that was named and cannot be is an error, and nothing is left."""
    with pytest.raises(SampleError, match="needs 10 whole years; the series has 1"):
        run_step("estimate_region", {"model": str(place / "model"), "drivers": str(place / "drivers.zarr"),
                                     "folder": str(tmp_path / "out"), "period": "2001/2001",
                                     "trend": str(tmp_path / "my_trend.tif")})
    assert everything(tmp_path) == []


def test_an_old_trend_does_not_stay(place, result, tmp_path):
    """A trend of an earlier, longer run is not left beside maps that have none."""
    _, folder = result
    (tmp_path / "trend.tif").write_bytes((folder / "trend.tif").read_bytes())
    run_step("estimate_region", {"model": str(place / "model"), "drivers": str(place / "drivers.zarr"),
                                 "folder": str(tmp_path), "period": "2001/2001"})
    assert not (tmp_path / "trend.tif").exists() and (tmp_path / "reco.tif").exists()


def test_neither_model_nor_samples(place, tmp_path):
    """One of them is needed."""
    with pytest.raises(ConfigError, match="neither a fitted model nor samples"):
        run_step("estimate_region", {"drivers": str(place / "drivers.zarr"), "folder": str(tmp_path / "out")})
    assert everything(tmp_path) == []


def test_drivers_are_checked_before_the_fit(place, tmp_path, monkeypatch):
    """Drivers that do not fit the samples are told at once, not after the model was fitted."""
    write_cube(small_drivers(4, 4, 1).drop_vars("lai"), str(tmp_path / "few.zarr"), memory_gb=1.0, progress=SILENT)
    monkeypatch.setattr(region_action, "fit_samples", lambda *args, **options: pytest.fail("a model was fitted"))
    with pytest.raises(ArtifactError, match="not there: lai"):
        run_step("estimate_region", {"samples": str(place / "samples.nc"), "drivers": str(tmp_path / "few.zarr"),
                                     "folder": str(tmp_path / "out")})


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.93])
def test_cancel_leaves_nothing(place, tmp_path, fraction):
    """Stopped while fitting, while mapping or while reporting, nothing is left."""
    seen = []
    progress = Progress(lambda part, message: seen.append(part), lambda: bool(seen) and seen[-1] >= fraction)
    settings = ",".join(f"{name}={value}" for name, value in SETTINGS.items())
    with pytest.raises(Cancelled):
        run_step("estimate_region", {
            "samples": str(place / "samples.nc"), "drivers": str(place / "drivers.zarr"), "weights": "uniform",
            "folder": str(tmp_path / "out"), "folds": 3, "seeds": 1, "settings": settings, "processes": 1}, progress)
    assert everything(tmp_path) == []


def test_a_disk_that_fills_up_at_the_end(place, tmp_path, monkeypatch):
    """If one raster cannot be finished none of the others appears."""
    from reco_core.errors import ResourceError
    from reco_core.io.rasters.geotiff import RasterWriter
    whole = RasterWriter.finish

    def finish(self):
        if self.path.name == "spread.tif":
            raise ResourceError("The disk is full", "Free some space")
        whole(self)

    monkeypatch.setattr(RasterWriter, "finish", finish)
    with pytest.raises(ResourceError, match="disk is full"):
        run_step("estimate_region", {"model": str(place / "model"), "drivers": str(place / "drivers.zarr"),
                                     "folder": str(tmp_path / "out"), "period": "2001/2001"})
    assert everything(tmp_path) == []


@pytest.mark.parametrize(("error", "words"), [
    (GridError("no picture today"), "no picture today"), (KeyError("sd"), "KeyError: 'sd'")])
def test_no_report_is_no_disaster(place, tmp_path, monkeypatch, error, words):
    """If the report cannot be made, even by a fault of RECO, the maps stay and the summary says so."""
    def broken(*args, **options):
        raise error

    monkeypatch.setattr(region_action, "write_report", broken)
    said = run_step("estimate_region", {"model": str(place / "model"), "drivers": str(place / "drivers.zarr"),
                                        "folder": str(tmp_path), "period": "2001/2001"})
    assert (tmp_path / "reco.tif").exists() and not (tmp_path / "report.html").exists()
    assert f"The report could not be written: {words}" in said["summary"]


def test_killed_while_reporting_nothing_is_left(place, tmp_path, monkeypatch):
    """A worker that must end before it comes to clean up takes the finished maps with it, too."""
    left = []

    def killed(*args, **options):
        remove_pending()
        left.extend(path for path in tmp_path.rglob("*") if path.is_file())
        raise Cancelled

    monkeypatch.setattr(region_action, "write_report", killed)
    with pytest.raises(Cancelled):
        run_step("estimate_region", {"model": str(place / "model"), "drivers": str(place / "drivers.zarr"),
                                     "folder": str(tmp_path), "period": "2001/2001"})
    assert left == [] and everything(tmp_path) == []
