"""Maps through their actions: what lies in the files is what the model says, or no file is there."""

from __future__ import annotations

import hashlib
import re

import numpy as np
import pytest
import rasterio

from reco_core import actions
from reco_core.actions import run_step
from reco_core.actions.models import save_model
from reco_core.errors import ArtifactError, Cancelled, ConfigError, GridError, SampleError, SchemaError
from reco_core.io.artifact import model_id
from reco_core.io.rasters.cubes import write_cube
from reco_core.io.rasters.geotiff import RasterWriter
from reco_core.io.rasters.grid import Grid
from reco_core.progress import SILENT, Progress
from reco_core.trends import theil_sen, trend_maps
from small_world import NAMES, small_drivers, small_model

UNIT = "g C m-2 month-1"
ROWS, COLUMNS, YEARS = 12, 9, 2


def drivers_with(**changes):
    """Return small drivers with some changed."""
    drivers = small_drivers(ROWS, COLUMNS, YEARS)
    for name, values in changes.items():
        drivers[name] = drivers[name].copy(data=values)
    return drivers


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder with a fitted model, one per class, and a driver cube."""
    folder = tmp_path_factory.mktemp("inputs")
    save_model(small_model(), folder / "model")
    save_model(small_model(per_class=True), folder / "classes")
    write_cube(drivers_with(), str(folder / "drivers.zarr"), memory_gb=1.0, progress=SILENT)
    return folder


@pytest.fixture(scope="module")
def explained(place, tmp_path_factory):
    """Return the folder of predict and explain of the whole grid."""
    folder = tmp_path_factory.mktemp("maps")
    values = {"model": str(place / "model"), "drivers": str(place / "drivers.zarr")}
    run_step("predict", values, folder=str(folder))
    run_step("explain", {**values, "folder": str(folder)})
    return folder


def read(path):
    """Return the bands of a raster with NaN where there is nothing."""
    with rasterio.open(path) as file:
        values = file.read().astype("float64")
        return np.where(values == file.nodata, np.nan, values)


def digests(folder):
    """Return the content of all rasters and styles of a folder."""
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.suffix in (".tif", ".qml", ".csv")}


def everything(folder):
    """Return all files and folders below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def stop_at(fraction):
    """Return a progress that is asked to stop when it gets that far."""
    seen = []
    return Progress(lambda part, message: seen.append(part), lambda: bool(seen) and seen[-1] >= fraction)


def test_estimates_are_the_models(explained):
    """Each cell and month holds the model's estimate, its spread, and their ratio where that means something."""
    drivers, fitted = drivers_with(), small_model()
    flux = read(explained / "reco.tif")
    shape = flux.shape
    X = np.stack([np.broadcast_to(drivers[name].values, shape).reshape(-1) for name in NAMES], axis=1)
    valid = np.isfinite(X).all(axis=1)
    mean, spread, seeds = fitted.estimate(X[valid])
    assert np.array_equal(np.isfinite(flux).reshape(-1), valid) and 0 < valid.sum() < valid.size
    np.testing.assert_array_equal(flux.reshape(-1)[valid], mean.astype("float32"))
    np.testing.assert_array_equal(read(explained / "spread.tif").reshape(-1)[valid], spread.astype("float32"))
    np.testing.assert_allclose(read(explained / "seed_spread.tif").reshape(-1)[valid], seeds, rtol=1e-6)
    assert (seeds > 0).mean() > 0.9
    relative = read(explained / "relative_spread.tif").reshape(-1)[valid]
    assert np.array_equal(np.isnan(relative), np.abs(mean) < 1)
    np.testing.assert_allclose(relative[np.abs(mean) >= 1], (spread / np.abs(mean))[np.abs(mean) >= 1], rtol=1e-6)
    near = read(explained / "applicability.tif").reshape(-1)
    assert np.nanmin(near) >= 0 and np.nanmax(near) <= 1 and np.array_equal(np.isfinite(near), valid)


def test_what_the_files_say_of_themselves(place, explained):
    """Bands carry months and units, files carry tags, and a style lies beside each."""
    with rasterio.open(explained / "reco.tif") as file:
        assert file.descriptions[0] == "2001-01" and file.descriptions[-1] == "2002-12" and file.count == 24
        assert set(file.units) == {UNIT} and file.nodata == -9999
        tags = file.tags()
        assert (tags["RECO_STEP"], tags["MEMBERS"], tags["UNITS"]) == ("predict", "all", UNIT)
        assert tags["MODEL_ID"] == model_id(place / "model") and re.fullmatch("[0-9a-f]{12}", tags["MODEL_ID"])
    with rasterio.open(explained / "contributions" / "lai.tif") as file:
        assert file.descriptions[3] == "2001-04" and set(file.units) == {UNIT}
        assert 0 < float(file.tags()["ADDITIVITY_ERROR"]) <= 1e-4
    for name in ("reco", "spread", "seed_spread", "relative_spread", "applicability", "shares", "contribution_groups",
                 "dominant_driver", "base_value", "contributions/ta"):
        assert (explained / f"{name}.qml").exists(), name
    assert "biotic" in rasterio.open(explained / "contribution_groups.tif").descriptions
    dominant = (explained / "dominant_driver.qml").read_text()
    assert all(f'label="{name}"' in dominant for name in NAMES)


def test_contributions_add_up_everywhere(explained):
    """Base value plus the contributions in the files is the estimate in the other file."""
    flux, base = read(explained / "reco.tif"), read(explained / "base_value.tif")
    parts = sum(read(explained / "contributions" / f"{name}.tif") for name in NAMES)
    gap = np.abs(base + parts - flux) / np.maximum(1, np.abs(flux))
    assert np.array_equal(np.isfinite(gap), np.isfinite(flux)) and np.nanmax(gap) <= 1e-4
    assert base.shape == (1, ROWS, COLUMNS) and np.unique(base[np.isfinite(base)]).size == 1


def test_shares_are_those_of_the_contributions(explained):
    """Shares, groups and the dominant driver follow from the mapped contributions."""
    size = np.stack([np.nansum(np.abs(read(explained / "contributions" / f"{name}.tif")), axis=0) for name in NAMES])
    size[:, size.sum(axis=0) == 0] = np.nan
    share = read(explained / "shares.tif")
    np.testing.assert_allclose(share, size / size.sum(axis=0), rtol=1e-5)
    groups = read(explained / "contribution_groups.tif")
    np.testing.assert_allclose(groups, np.stack([share[0] + share[2], share[1], 0 * share[0]]), rtol=1e-5)
    dominant = read(explained / "dominant_driver.tif")[0]
    known = np.isfinite(share[0])
    assert np.array_equal(dominant[known], share.argmax(axis=0)[known] + 1) and np.isnan(dominant[~known]).all()


def test_same_bytes(place, explained, tmp_path):
    """A second run writes the same bytes."""
    values = {"model": str(place / "model"), "drivers": str(place / "drivers.zarr")}
    run_step("predict", values, folder=str(tmp_path))
    run_step("explain", {**values, "folder": str(tmp_path)})
    assert digests(tmp_path) == digests(explained)


def test_memory_does_not_matter(place, tmp_path, monkeypatch):
    """However small the pieces, all rasters are the same to the last bit; only sparse files differ in order."""
    from reco_core.inference import job
    from reco_core.inference.tiles import Tile, TilePlan

    values = {"model": str(place / "model"), "drivers": str(place / "drivers.zarr")}
    run_step("explain", {**values, "folder": str(tmp_path / "whole")})
    plan = TilePlan(tuple(Tile(r, r + 4, c, c + 3) for r in range(0, ROWS, 4) for c in range(0, COLUMNS, 3)), 5, 24)
    monkeypatch.setattr(job.MapJob, "plan", lambda self: plan)
    run_step("explain", {**values, "folder": str(tmp_path / "parts")})
    for path in sorted((tmp_path / "whole").rglob("*.tif")):
        other = tmp_path / "parts" / path.relative_to(tmp_path / "whole")
        assert np.array_equal(read(path), read(other), equal_nan=True), path.name


def test_outputs_that_are_not_wanted(place, tmp_path):
    """Only what is named is written."""
    run_step("predict", {"model": str(place / "model"), "drivers": str(place / "drivers.zarr"),
                         "flux": str(tmp_path / "map.tif")})
    assert everything(tmp_path) == ["map.qml", "map.run.json", "map.tif"]


def test_region(place, tmp_path):
    """A box crops the map, cells outside the polygon are nodata, and the estimates are those of the whole."""
    values = {"model": str(place / "model"), "drivers": str(place / "drivers.zarr")}
    run_step("predict", {**values, "flux": str(tmp_path / "whole.tif")})
    triangle = "CRS=EPSG:4326;POLYGON((0 60, 60 60, 0 -60, 0 60))"
    run_step("predict", {**values, "flux": str(tmp_path / "part.tif"), "region": triangle})
    whole, part = read(tmp_path / "whole.tif"), read(tmp_path / "part.tif")
    inside = np.isfinite(part)
    assert part.shape == whole.shape and 0 < inside.sum() < np.isfinite(whole).sum()
    assert np.array_equal(part[inside], whole[inside])
    run_step("predict", {**values, "flux": str(tmp_path / "box.tif"), "region": "0,0,20,60 [EPSG:4326]",
                         "period": "2001-03/2001-05"})
    assert np.array_equal(read(tmp_path / "box.tif"), whole[2:5, :6, :3], equal_nan=True)


def test_classes(place, tmp_path):
    """A class layer picks the model of each cell; it must be there, and its unknown codes become nodata."""
    drivers = drivers_with()
    codes = np.full((ROWS, COLUMNS), 2.0, dtype="float32")
    codes[0, :4] = 17
    layer = tmp_path / "classes.tif"
    with RasterWriter(layer, Grid.of(drivers), ["igbp"]) as writer:
        writer.write(codes, 0, 0)
    values = {"model": str(place / "classes"), "drivers": str(place / "drivers.zarr"),
              "flux": str(tmp_path / "flux.tif")}
    with pytest.raises(ArtifactError, match="no class layer"):
        run_step("predict", values)
    result = run_step("predict", {**values, "class_layer": str(layer)})
    flux = read(tmp_path / "flux.tif")
    assert np.isnan(flux[:, 0, :4]).all() and np.isfinite(flux[:, 5]).any()
    assert any("of a land-cover class the model does not know" in line for line in result["summary"])
    X = np.array([[drivers["ta"].values[0, 6, 6], drivers["lai"].values[0, 6, 6], drivers["soc_0"].values[6, 6]]])
    assert flux[0, 6, 6] == np.float32(small_model(per_class=True).estimate(X, stratum=np.array(["EBF"]))[0][0])


def layer_of(drivers, name, path, values):
    """Write one driver as a raster with a band per month."""
    bands = [str(month)[:7] for month in drivers["time"].values]
    with RasterWriter(path, Grid.of(drivers), bands, unit=drivers[name].attrs["units"]) as writer:
        writer.write(values, 0, 0)
    return str(path)


@pytest.mark.parametrize(("name", "value", "error", "words"), [
    ("ta", 290.0, SchemaError, "'ta' is 290 degC in .*2001-04.*valid are -80 to 60"),
    ("lai", np.nan, GridError, "No valid pixel .* without 'lai'"),
])
def test_bad_drivers_leave_nothing(place, tmp_path, name, value, error, words):
    """A driver out of range, or one without any value, is told in one line, and no file is left."""
    drivers, cube = drivers_with(), tmp_path / "drivers.zarr"
    write_cube(drivers.drop_vars(name), str(cube), memory_gb=1.0, progress=SILENT)
    values = np.full((24, ROWS, COLUMNS), 1.0, "float32")
    values[3:, 1:, 1:] = value
    values[:, 0], values[:, :, 0] = np.nan, np.nan
    values[:3] = np.nan if np.isnan(value) else 1.0
    layer = layer_of(drivers, name, tmp_path / f"{name}.tif", values)
    before = everything(tmp_path)
    with pytest.raises(error, match=words):
        run_step("explain", {"model": str(place / "model"), "drivers": str(cube), "layers": [layer],
                             "folder": str(tmp_path / "out" / "a")})
    assert everything(tmp_path) == before


def test_missing_driver(place, tmp_path):
    """A driver that the model needs is named, with what there is."""
    cube = tmp_path / "drivers.zarr"
    write_cube(drivers_with().drop_vars("lai"), str(cube), memory_gb=1.0, progress=SILENT)
    with pytest.raises(ArtifactError, match="not there: lai") as caught:
        run_step("predict", {"model": str(place / "model"), "drivers": str(cube), "flux": str(tmp_path / "a.tif")})
    assert "ta" in caught.value.hint and "soc_0" in caught.value.hint


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.9])
def test_cancel_leaves_nothing(place, tmp_path, fraction):
    """Stopped at any time, nothing is left: no raster, no style, no folder."""
    with pytest.raises(Cancelled):
        run_step("explain", {"model": str(place / "model"), "drivers": str(place / "drivers.zarr"),
                             "folder": str(tmp_path / "out")}, stop_at(fraction))
    assert everything(tmp_path) == []


def test_contributions_of_other_drivers_go(place, tmp_path):
    """What an earlier run with other drivers left in the folder does not stay among the new maps."""
    values = {"model": str(place / "model"), "drivers": str(place / "drivers.zarr"), "folder": str(tmp_path)}
    run_step("explain", values)
    old, foreign = tmp_path / "contributions" / "vpd.tif", tmp_path / "contributions" / "mine.tif"
    old.write_bytes((tmp_path / "contributions" / "ta.tif").read_bytes())
    foreign.write_bytes(b"not of RECO")
    run_step("explain", values)
    assert not old.exists() and foreign.exists()


def series(path, years=14, gaps=True, unit=UNIT):
    """Write a monthly raster with a trend and return its values."""
    drivers = small_drivers(5, 4, years, gaps=False)
    rng = np.random.default_rng(0)
    values = 50 + rng.normal(0, 3, (12 * years, 5, 4)) + np.arange(12 * years)[:, None, None] / 12
    if gaps:
        values[7, 0, 0] = np.nan
        values[24:30, 0, 1] = np.nan
        values[:, 1, 1] = np.nan
    bands = [str(month)[:7] for month in drivers["time"].values]
    with RasterWriter(path, Grid.of(drivers), bands, unit=unit, tags={"MODEL_ID": "abc"}) as writer:
        writer.write(values.astype("float32"), 0, 0)
    return values.astype("float32")


def test_trend(tmp_path):
    """The trend of a raster is that of its annual sums, with units in every band."""
    values = series(tmp_path / "flux.tif")
    said = run_step("trend", {"estimate": str(tmp_path / "flux.tif"), "output": str(tmp_path / "trend.tif")})
    annual = values.reshape(14, 12, 5, 4).astype("float64").sum(axis=1)
    annual[0, 0, 0] = np.nansum(values[:12, 0, 0], dtype="float64") + np.nanmean(values[7::12, 0, 0], dtype="float64")
    assert any("steps filled: 1 (with" in line for line in said["summary"])
    expected = trend_maps(annual, 2001.0 + np.arange(14))
    got = read(tmp_path / "trend.tif")
    for band, name in enumerate(("slope", "relative", "p", "low", "high")):
        np.testing.assert_allclose(got[band], expected[name], rtol=1e-6, err_msg=name)
    assert got[5, 0, 1] == 13 and got[5, 0, 0] == got[5, 2, 2] == 14 and np.isnan(got[:, 1, 1]).all()
    assert got[0, 2, 2] == pytest.approx(theil_sen(annual[:, 2, 2]).slope, rel=1e-6)
    with rasterio.open(tmp_path / "trend.tif") as file:
        assert file.descriptions == ("slope", "relative slope", "p", "low", "high", "n")
        assert file.units == ("g C m-2 yr-2", "% yr-1", "1", "g C m-2 yr-2", "g C m-2 yr-2", "1")
        assert (file.tags()["MODEL_ID"], file.tags()["PERIOD"]) == ("abc", "2001/2014")


def test_trend_engines_agree(tmp_path):
    """The reference engine writes the same numbers."""
    series(tmp_path / "flux.tif")
    for engine in ("own", "reference"):
        run_step("trend", {"estimate": str(tmp_path / "flux.tif"), "output": str(tmp_path / f"{engine}.tif"),
                           "engine": engine})
    np.testing.assert_allclose(read(tmp_path / "own.tif"), read(tmp_path / "reference.tif"), rtol=1e-6)


@pytest.mark.parametrize(("annual", "unit"), [("mean", "g C m-2 month-1 yr-1"), ("none", "g C m-2 month-1 yr-1")])
def test_trend_of_means_and_of_months(tmp_path, annual, unit):
    """Means keep the unit of the months; the series as it is has its slope per year, too."""
    values = series(tmp_path / "flux.tif", gaps=False)
    run_step("trend", {"estimate": str(tmp_path / "flux.tif"), "output": str(tmp_path / "trend.tif"), "annual": annual})
    got = read(tmp_path / "trend.tif")
    assert 0.8 < np.mean(got[0]) < 1.2 and (got[5] == (14 if annual == "mean" else 168)).all()
    assert rasterio.open(tmp_path / "trend.tif").units[0] == unit
    if annual == "mean":
        mean = values.reshape(14, 12, 5, 4).astype("float64").mean(axis=1)
        np.testing.assert_allclose(got[0], trend_maps(mean, np.arange(14.0))["slope"], rtol=1e-6)


def test_trend_of_a_period(tmp_path):
    """A period leaves out the rest, and years that are not whole are left out and named."""
    series(tmp_path / "flux.tif", gaps=False)
    result = run_step("trend", {"estimate": str(tmp_path / "flux.tif"), "output": str(tmp_path / "trend.tif"),
                                "period": "2002-03/2013-12"})
    assert (read(tmp_path / "trend.tif")[5] == 11).all()
    assert any("2002" in line and "left out" in line for line in result["summary"])


def test_trend_of_too_few_years(tmp_path):
    """Fewer years than asked for are an error that counts them, and nothing is written."""
    series(tmp_path / "flux.tif", years=5)
    before = everything(tmp_path)
    with pytest.raises(SampleError, match="needs 10 whole years; the series has 5"):
        run_step("trend", {"estimate": str(tmp_path / "flux.tif"), "output": str(tmp_path / "trend.tif")})
    assert everything(tmp_path) == before


def test_a_trend_never_replaces_its_series(tmp_path):
    """An output with the name of an input is refused before anything is read."""
    series(tmp_path / "flux.tif", gaps=False)
    before = (tmp_path / "flux.tif").read_bytes()
    with pytest.raises(ConfigError, match="is an input"):
        run_step("trend", {"estimate": str(tmp_path / "flux.tif"), "output": str(tmp_path / "flux.tif")})
    assert (tmp_path / "flux.tif").read_bytes() == before


def test_two_rasters_need_two_names(place, tmp_path):
    """Flux and spread in one file would lose one of them."""
    with pytest.raises(ConfigError, match="Two outputs"):
        run_step("predict", {"model": str(place / "model"), "drivers": str(place / "drivers.zarr"),
                             "flux": str(tmp_path / "a.tif"), "spread": str(tmp_path / "a.tif")})
    assert everything(tmp_path) == []


def test_base_values_follow_classes_in_time(place, tmp_path):
    """Where a class layer has dates, the base value has a band per month: else the sum would miss the estimate."""
    drivers = drivers_with()
    codes = np.full(drivers["ta"].shape, 4.0, dtype="float32")
    codes[12:] = 10.0
    drivers["igbp"] = drivers["ta"].copy(data=codes).assign_attrs(units="1", long_name="Class")
    write_cube(drivers, str(tmp_path / "classes.zarr"))
    run_step("explain", {"model": str(place / "classes"), "drivers": str(tmp_path / "classes.zarr"),
                         "folder": str(tmp_path)})
    run_step("predict", {"model": str(place / "classes"), "drivers": str(tmp_path / "classes.zarr"),
                         "flux": str(tmp_path / "reco.tif")})
    base, flux = read(tmp_path / "base_value.tif"), read(tmp_path / "reco.tif")
    whole = base + sum(read(tmp_path / "contributions" / f"{name}.tif") for name in NAMES)
    assert base.shape == flux.shape and np.nanmax(np.abs(base[12:] - base[:12])) > 0.5
    assert np.nanmax(np.abs(whole - flux) / np.maximum(1, np.abs(flux))) < 1e-4


def test_no_map_without_its_record(place, tmp_path, monkeypatch):
    """If the record cannot be written, the raster named after its flux goes, too."""
    def broken(*args):
        raise ConfigError("no record today")

    monkeypatch.setattr(actions, "write_record", broken)
    with pytest.raises(ConfigError, match="no record"):
        run_step("predict", {"model": str(place / "model"), "drivers": str(place / "drivers.zarr")},
                 folder=str(tmp_path))
    assert everything(tmp_path) == []


@pytest.mark.parametrize("unit", ["g C m-2 d-1", "mm yr-1"])
def test_rates_are_not_added_up(tmp_path, unit):
    """Monthly bands of a rate per day or year have no annual sum; their mean keeps the unit."""
    series(tmp_path / "flux.tif", gaps=False, unit=unit)
    values = {"estimate": str(tmp_path / "flux.tif"), "output": str(tmp_path / "trend.tif")}
    with pytest.raises(ConfigError, match="gives no annual value"):
        run_step("trend", values)
    run_step("trend", {**values, "annual": "mean"})
    wanted = {"g C m-2 d-1": "g C m-2 d-1 yr-1", "mm yr-1": "mm yr-2"}[unit]
    assert rasterio.open(tmp_path / "trend.tif").units[0] == wanted
