"""A dry run says what a step would need, is near the truth, and writes nothing."""

from __future__ import annotations

import re

import numpy as np
import pytest

from reco_core import cli
from reco_core.actions import run_step
from reco_core.actions.models import save_model
from reco_core.catalogue import STEPS
from reco_core.errors import ArtifactError, ConfigError, SampleError
from reco_core.io.rasters.cubes import write_cube
from small_world import small_drivers, small_model

STEPS_THAT_CAN = [name for name, step in STEPS.items() if step.can_rehearse]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder with a model, drivers and a series of maps."""
    folder = tmp_path_factory.mktemp("dry")
    save_model(small_model(), folder / "model")
    drivers = small_drivers(20, 15, 12)
    drivers["lai"][:, :10] = np.nan
    write_cube(drivers, folder / "drivers.zarr")
    run_step("predict", {"model": str(folder / "model"), "drivers": str(folder / "drivers.zarr"),
                         "flux": str(folder / "reco.tif")})
    return folder


def values(place, step, out):
    """Return the parameters of a step."""
    if step == "trend":
        return {"estimate": str(place / "reco.tif"), "output": str(out / "trend.tif")}
    target = {"flux": str(out / "reco.tif")} if step == "predict" else {"folder": str(out / "maps")}
    return {"model": str(place / "model"), "drivers": str(place / "drivers.zarr"), **target}


def test_which_steps_can():
    """All steps that work tile by tile on a map."""
    assert STEPS_THAT_CAN == ["predict", "explain", "trend", "estimate_region"]


@pytest.mark.parametrize("step", STEPS_THAT_CAN)
def test_what_it_says(place, tmp_path, step, capsys):
    """Grid, tiles, memory, disk and time are told on the command line; nothing is written, not even a folder."""
    given = [text for name, value in values(place, step, tmp_path).items() for text in (f"--{name}", value)]
    assert cli.main([step, *given, "--dry-run", "--progress", "none"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said] == ["Grid", "Tiles", "Memory", "Disk", "Time", "Nothing was written"]
    assert said[0].startswith("Grid: 20 x 15 cells, 144 time steps, 2001-01 to 2012-12")
    assert "a guess from a piece of tile 1" in said[4] and re.search(r"about \d+ s", said[4])
    assert list(tmp_path.iterdir()) == []


def test_how_much_disk(place, tmp_path):
    """All bands of all outputs count."""
    for step in STEPS_THAT_CAN:
        told = run_step(step, values(place, step, tmp_path), folder=None, dry_run=True)["summary"]
        run_step(step, values(place, step, tmp_path), folder=None)
        bands = sum(count(path) for path in tmp_path.rglob("*.tif"))
        assert f" for {bands} bands" in next(line for line in told if line.startswith("Disk")), step
        for path in tmp_path.rglob("*.tif"):
            path.unlink()


def count(path):
    """Return the number of bands of a raster."""
    import rasterio

    with rasterio.open(path) as file:
        return file.count


def test_what_share_can_be_estimated(place, tmp_path):
    """Half of the cells lack a driver, and the region is smaller than the grid."""
    told = run_step("predict", {**values(place, "predict", tmp_path), "region": "0,-60,30,60 [EPSG:4326]"},
                    dry_run=True)["summary"]
    assert "20 x 8 cells" in told[0] or "20 x 7 cells" in told[0]
    share = int(re.search(r"(\d+)% can be estimated", told[4]).group(1))
    assert 40 <= share <= 52


def test_what_would_fail_fails_now(place, tmp_path):
    """A dry run finds what is wrong with the inputs; without a model it says what it needs."""
    write_cube(small_drivers(4, 4, 1).drop_vars("lai"), tmp_path / "few.zarr")
    with pytest.raises(ArtifactError, match="not there: lai"):
        run_step("explain", {**values(place, "explain", tmp_path), "drivers": str(tmp_path / "few.zarr")}, dry_run=True)
    with pytest.raises(ConfigError, match="needs a fitted model"):
        run_step("estimate_region", {"drivers": str(place / "drivers.zarr"), "folder": str(tmp_path)}, dry_run=True)


@pytest.mark.parametrize("step", ["trend", "estimate_region"])
def test_a_trend_that_would_be_refused(place, tmp_path, step):
    """Too short a series is told now, as the step itself would."""
    given = {**values(place, step, tmp_path), "min_years": 13}
    if step == "estimate_region":
        given["trend"] = str(tmp_path / "wanted.tif")
    with pytest.raises(SampleError, match="needs 13 whole years; the series has 12"):
        run_step(step, given, folder=None, dry_run=True)


def test_rates_that_cannot_be_added_up(place, tmp_path):
    """Fluxes per day in a raster of months have no yearly sum: told now, as the step itself would."""
    import rasterio

    path = tmp_path / "daily.tif"
    path.write_bytes((place / "reco.tif").read_bytes())
    with rasterio.open(path, "r+") as file:
        file.units = ["g C m-2 d-1"] * file.count
    with pytest.raises(ConfigError, match="adding up such rates"):
        run_step("trend", {"estimate": str(path), "output": str(tmp_path / "trend.tif")}, dry_run=True)


def test_a_first_month_without_data(place, tmp_path):
    """Drivers that begin later than the others, such as those that look back, do not make the time unknown."""
    drivers = small_drivers(6, 5, 1)
    drivers["ta"][:3] = np.nan
    write_cube(drivers, tmp_path / "late.zarr")
    told = run_step("predict", {**values(place, "predict", tmp_path), "drivers": str(tmp_path / "late.zarr")},
                    dry_run=True)["summary"]
    assert told[4].startswith("Time: about")


def test_a_map_without_data(place, tmp_path):
    """Where nothing can be estimated there is no guess."""
    drivers = small_drivers(6, 5, 1)
    drivers["ta"][:] = np.nan
    write_cube(drivers, tmp_path / "empty.zarr")
    told = run_step("predict", {**values(place, "predict", tmp_path), "drivers": str(tmp_path / "empty.zarr")},
                    dry_run=True)["summary"]
    assert told[4].startswith("Time: unknown")
