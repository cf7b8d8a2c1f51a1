"""The step derive_season, as every front end runs it."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from rasters import field, grid, months, save
from reco_core.actions import run_step
from reco_core.errors import GridError
from reco_core.io.rasters.cubes import open_cube

ALL = "doy_sin,season_sin,season_cos,day_length,latitude_abs"


def run(tmp_path, **values):
    result = run_step("derive_season", {**values, "output": str(tmp_path / "season.zarr")})
    return result, open_cube(tmp_path / "season.zarr")


def test_real_grid(tmp_path, real_data):
    """The months of the Moselle get the season of their middle day, on its projected grid."""
    path = real_data("grid_moselle_multidriver/moselle_monthly_24km_1989_1993.nc")
    result, ds = run(tmp_path, drivers=str(path), variables_made=ALL, rasters=str(tmp_path / "rasters"))
    assert ds["latitude_abs"].dims == ("y", "x") and ds["day_length"].sizes["time"] == 60
    assert ds["doy_sin"].isel(time=0).values == pytest.approx(np.sin(np.pi * 16 / 365), rel=1e-6)
    assert ds["doy_sin"].isel(time=6).values == pytest.approx(np.sin(np.pi * 197 / 365), rel=1e-6)
    assert 47 < float(ds["latitude_abs"].min()) < float(ds["latitude_abs"].max()) < 50
    assert 15 < float(ds["day_length"].isel(time=5).min()) < 17
    assert "the day of the year is that of the middle day of each time step" in result["summary"]
    assert sorted(path.name for path in (tmp_path / "rasters").glob("*.tif")) == sorted(
        f"{name}.tif" for name in ALL.split(","))


def test_the_south_is_shifted_where_asked(tmp_path):
    """South of the equator July is what January is in the north, only if the user says so."""
    on = grid(8, 10, top=2.0)
    path = save(tmp_path / "ta.tif", field(12, on), on, names=months("2001-01", 12))
    faithful, moved = (run(tmp_path, drivers=path, shift_south=shift)[1]["doy_sin"].values for shift in (False, True))
    assert np.array_equal(faithful[:, :4], moved[:, :4]) and (faithful[0, 0] == faithful[0, -1]).all()
    assert moved[0, -1, 0] == pytest.approx(np.sin(np.pi * (16 + 182.5) / 365), rel=1e-6)


def test_without_dates_or_with_years(tmp_path, real_data):
    """Static drivers have a latitude only, annual ones no season."""
    static = real_data("grid_moselle_multidriver/moselle_static_24km.nc")
    _, ds = run(tmp_path, drivers=str(static), variables_made="latitude_abs")
    assert list(ds.data_vars) == ["latitude_abs"]
    with pytest.raises(GridError, match="doy_sin need dates"):
        run(tmp_path, drivers=str(static))
    with pytest.raises(GridError, match="Annual drivers have no season"):
        run(tmp_path, drivers=str(real_data("grid_conus_annual_t_p/indicators.nc")))


def test_the_synthetic_world(tmp_path):
    """The world's grid gets a season that its drivers can be joined with."""
    run_step("make_world", {"cells": 8, "years": 2, "drivers": str(tmp_path / "w.zarr"),
                            "observations": str(tmp_path / "t.csv"), "truth": str(tmp_path / "t.tif")})
    _, ds = run(tmp_path, drivers=str(tmp_path / "w.zarr"))
    world = xr.open_zarr(tmp_path / "w.zarr")
    assert np.array_equal(ds["time"].values, world["time"].values) and ds["doy_sin"].shape == world["ta"].shape
    joined = run_step("read_drivers", {"drivers": f"{tmp_path / 'w.zarr'},{tmp_path / 'season.zarr'}",
                                       "output": str(tmp_path / "all.zarr")})
    assert "doy_sin [1]" in " ".join(joined["summary"])
