"""The main job recovers the known truth of the synthetic world."""

import json

import numpy as np
import pytest

from reco_core.actions import run_step
from reco_core.io.rasters.cubes import write_cube
from reco_core.io.rasters.geotiff import read_series
from reco_core.io.rasters.grid import Grid
from reco_core.io.rasters.read import RasterReader
from reco_core.vocabulary.calendar import step_days
from reco_core.world import make_drivers, make_observations, respiration

YEARS, ROWS, COLUMNS = 20, 30, 15


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Towers of the reference world, and maps on a coarse grid of it, made by the steps a user runs."""
    folder = tmp_path_factory.mktemp("world")
    make_observations(make_drivers(120, 60, YEARS), 60, seed=0).to_csv(folder / "towers.csv", index=False)
    drivers = make_drivers(ROWS, COLUMNS, YEARS)
    write_cube(drivers, folder / "drivers.zarr")
    run_step("read_observations", {"path": folder / "towers.csv"}, folder=folder)
    run_step("build_samples", {"observations": folder / "observations.nc", "features": "ta,lai,soc_0"}, folder=folder)
    run_step("fit", {"samples": folder / "samples.nc", "seeds": 1}, folder=folder)
    result = run_step("estimate_region", {"model": folder / "model", "drivers": folder / "drivers.zarr"}, folder=folder)
    truth = respiration(drivers)
    days = step_days(truth.time.values, "month")[:, None, None]
    area = Grid.of(drivers).cell_area_m2()
    return {"folder": folder, "truth": truth.values * days, "area": area / area.sum(), "details": result["details"],
            "flux": read_series(folder / "reco.tif").values.astype(float)}


def annual(series):
    """Monthly totals, shape (time, ...), as annual totals."""
    return series.reshape(YEARS, 12, *series.shape[1:]).sum(axis=1)


def ols(series):
    """Least-squares slope per year of annual values along the first axis."""
    t = np.arange(YEARS) - (YEARS - 1) / 2
    return np.tensordot(t, series, axes=1) / (t**2).sum()


def test_skill_on_sites_held_out(made):
    """Towers that the models have not seen are estimated."""
    scores = json.loads((made["folder"] / "model" / "model.json").read_text())["meta"]["scores"]["held_out"]
    assert scores["r2_nse"] > 0.93


def test_budget(made):
    """The area-weighted total is right to 3 %."""
    ratio = (made["flux"] * made["area"]).sum() / (made["truth"] * made["area"]).sum()
    assert ratio == pytest.approx(1, abs=0.03)


def test_trends(made):
    """Where the true trend is strong its sign is right; the regional trend is 70 to 110 % of the truth."""
    true, ours = ols(annual(made["truth"])), ols(annual(made["flux"]))
    strong = np.abs(true) > np.median(np.abs(true))
    assert (np.sign(ours) == np.sign(true))[strong].mean() > 0.95
    share = (ours * made["area"]).sum() / (true * made["area"]).sum()
    assert 0.7 < share < 1.1


def test_contributions_share_the_trend_as_the_truth_does(made):
    """Temperature carries .419 of what temperature and leaf area carry together in factorial runs."""
    slopes = {}
    for name in ("ta", "lai", "soc_0"):
        phi = read_series(made["folder"] / "contributions" / f"{name}.tif").values.astype(float)
        slopes[name] = (ols(annual(phi)) * made["area"]).sum()
    assert slopes["ta"] / (slopes["ta"] + slopes["lai"]) == pytest.approx(0.419, abs=0.10)
    ours = (ols(annual(made["flux"])) * made["area"]).sum()
    assert sum(slopes.values()) == pytest.approx(ours, rel=1e-4)


def test_contributions_add_up_everywhere(made):
    """Base value plus contributions is the estimate in every cell and month."""
    with RasterReader(made["folder"] / "base_value.tif") as file:
        base = file.read(slice(0, ROWS), slice(0, COLUMNS))[0].astype(float)
    total = base + sum(
        read_series(made["folder"] / "contributions" / f"{name}.tif").values.astype(float)
        for name in ("ta", "lai", "soc_0"))
    gap = np.abs(total - made["flux"])
    assert (gap <= 1e-4 * np.maximum(1, np.abs(made["flux"]))).all()
    assert made["details"]["additivity_error"] < 1e-4
