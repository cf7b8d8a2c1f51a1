"""The steps aggregate and derive_annual, as every front end runs them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
import xarray as xr

from rasters import field, grid, months, save
from reco_core.actions import run_step
from reco_core.errors import ConfigError, GridError, SchemaError
from reco_core.io.rasters.cubes import open_cube

ON = grid()


def run(step, folder, **values):
    """Run a step into a folder and return its result and cube."""
    output = str(folder / f"{step}.zarr")
    result = run_step(step, {**values, "output": output})
    return result, open_cube(output)


@pytest.fixture
def daily(real_data, tmp_path):
    """The daily Moselle drivers as a cube, made by read_drivers."""
    folder = real_data("grid_moselle_multidriver/original")
    run_step("read_drivers", {"drivers": f"{folder / 'pre.nc'},{folder / 'tavg.nc'}", "crs": "EPSG:3035",
                              "output": str(tmp_path / "daily.zarr")})
    return tmp_path / "daily.zarr"


def test_monthly_means_of_real_days(daily, tmp_path, real_data):
    """Daily precipitation and temperature become the monthly file that is shipped beside them."""
    result, ds = run("aggregate", tmp_path, drivers=str(daily), to="month")
    shipped = xr.open_dataset(real_data("grid_moselle_multidriver/moselle_monthly_24km_1989_1993.nc"))
    assert (ds.attrs["time_step"], ds.sizes["time"]) == ("month", 60)
    np.testing.assert_allclose(ds["precip"].values, shipped["pre"].values, atol=1e-5)
    np.testing.assert_allclose(ds["ta"].values, shipped["tavg"].values, atol=1e-5)
    assert "mean per month: precip, ta" in result["summary"]
    assert xr.open_zarr(tmp_path / "aggregate.zarr")["precip"].attrs["cell_methods"] == "time: mean"
    assert ds.attrs["history"].endswith("aggregate: day to month, mean of precip ta, by middle day, at least 20 % of "
                                        "the steps")


def test_annual_totals_of_real_days(daily, tmp_path, real_data):
    """Totals have a unit that says so and a name of their own, so that they are no rates."""
    result, ds = run("aggregate", tmp_path, drivers=str(daily), chosen="pre", to="year", method="sum",
                     rasters=str(tmp_path / "rasters"))
    raw = xr.open_dataset(real_data("grid_moselle_multidriver/original/pre.nc"))["pre"]
    assert list(ds.data_vars) == ["precip_sum"] and ds["precip_sum"].attrs["units"] == "mm yr-1"
    totals = raw.resample(time="YS").sum(skipna=False).values
    np.testing.assert_allclose(ds["precip_sum"].values, totals if raw["yc"][0] > raw["yc"][1] else totals[:, ::-1],
                               rtol=1e-5)
    with rasterio.open(tmp_path / "rasters" / "precip_sum.tif") as file:
        assert file.units[0] == "mm yr-1" and file.descriptions == ("1989", "1990", "1991", "1992", "1993")
    assert "totals are the mean of the days that have data times all days of the step" in result["summary"]
    record = json.loads((tmp_path / "aggregate.run.json").read_text())
    assert record["step"] == "aggregate"


def test_sixteen_days_to_months(tmp_path, real_data):
    """MODIS NDVI of 16 days becomes monthly medians; a month has one or two composites."""
    path = real_data("grid_ndvi_evi_timeseries/modis_ndvi_somalia.nc")
    result, ds = run("aggregate", tmp_path, drivers=str(path))
    raw = xr.open_dataset(path)["ndvi"]
    middle = raw["time"].values + np.timedelta64(8, "D")
    chosen = raw.values[middle.astype("M8[M]") == np.datetime64("2005-07")]
    assert 1 <= len(chosen) <= 2
    expected = np.median(chosen, axis=0)
    got = ds["ndvi"].sel(time="2005-07-01").values
    np.testing.assert_allclose(got, expected if raw["lat"][0] > raw["lat"][1] else expected[::-1], rtol=1e-6)
    assert ds.sizes["time"] == 144
    assert {"median per month: ndvi", "a composite belongs to the step of its middle day"} <= set(result["summary"])


def test_classes_and_states(tmp_path):
    """auto takes the majority of classes, medians of indices and means of the rest; static drivers stay out."""
    codes = np.repeat([[4, 4, 12]], 4, axis=0).ravel()[:12]
    classes = np.broadcast_to(codes.reshape(-1, 1, 1), (12, 8, 10))
    save(tmp_path / "in" / "igbp.tif", classes, ON, names=months("2001-01", 12), dtype="uint8", nodata=255)
    save(tmp_path / "in" / "ndvi.tif", field(12, ON, low=0, high=1), ON, names=months("2001-01", 12))
    save(tmp_path / "in" / "ta.tif", field(12, ON), ON, names=months("2001-01", 12))
    save(tmp_path / "in" / "soc_0.tif", field(1, ON, low=0, high=9), ON)
    _, ds = run("aggregate", tmp_path, drivers=str(tmp_path / "in"), to="year")
    assert set(ds.data_vars) == {"igbp", "ndvi", "ta"}
    assert (ds["igbp"].values == 4).all()
    np.testing.assert_allclose(ds["ndvi"].values[0], np.median(field(12, ON, low=0, high=1), axis=0), rtol=1e-6)
    with pytest.raises(SchemaError, match="soc_0: a series with dates is needed"):
        run("aggregate", tmp_path, drivers=str(tmp_path / "in"), chosen="soc_0")
    with pytest.raises(ConfigError, match="'ndvi' is in 1: only amounts per day"):
        run("aggregate", tmp_path, drivers=str(tmp_path / "in"), chosen="ndvi", to="year", method="sum")
    with pytest.raises(GridError, match="one step per month cannot be aggregated to '8day'"):
        run("aggregate", tmp_path, drivers=str(tmp_path / "in"), to="8day")


def test_tiles_make_no_difference(tmp_path):
    """With little memory the tiles are small and the values the same."""
    on = grid(70, 50, cell=0.1)
    save(tmp_path / "ta.tif", field(60, on), on, names=months("2001-01", 60))
    cubes = [run("aggregate", tmp_path / str(memory), drivers=str(tmp_path / "ta.tif"), to="year",
                 memory=memory)[1]["ta"].values for memory in (2.0, 0.1)]
    assert np.array_equal(*cubes)


def test_annual_statistics_of_real_months(tmp_path, real_data):
    """Least, mean and largest value of each year stand beside the series at every step, with their gaps told."""
    path = real_data("grid_moselle_multidriver/moselle_monthly_24km_1989_1993.nc")
    raw = xr.open_dataset(path)["tavg"]
    result, ds = run("derive_annual", tmp_path, drivers=str(path), chosen="tavg")
    assert set(ds.data_vars) == {"ta_min", "ta_mean", "ta_max"} and ds.sizes["time"] == 60
    np.testing.assert_allclose(ds["ta_max"].values[::12], raw.resample(time="YS").max().values, rtol=1e-6)
    np.testing.assert_allclose(ds["ta_max"].values[11::12], raw.resample(time="YS").max().values, rtol=1e-6)
    assert (ds["ta_min"] <= ds["ta_mean"]).all() and (ds["ta_mean"] <= ds["ta_max"]).all()
    assert ds["ta_min"].attrs["long_name"] == "Air temperature, least of the year"
    assert "calendar years 1989 to 1993, repeated for every time step" in result["summary"]
    _, yearly = run("derive_annual", tmp_path / "yearly", drivers=str(path), chosen="tavg", statistics="max",
                    every_step="false")
    assert yearly.attrs["time_step"] == "year" and list(yearly.data_vars) == ["ta_max"]
    np.testing.assert_allclose(yearly["ta_max"].values, ds["ta_max"].values[::12])


def test_years_with_missing_months(tmp_path, real_data):
    """The Belgian stack lacks months: years without enough of them are missing, and the summary says how many."""
    path = real_data("grid_ndvi_evi_timeseries/modis_mod13a3_ndvi_belgium_utm31.nc")
    result, ds = run("derive_annual", tmp_path, drivers=str(path), every_step="false", statistics="mean",
                     least_share=0.9)
    months_per_year = xr.open_dataset(path)["ndvi"].resample(time="YS").count().max(["y", "x"]).values
    there = np.isfinite(ds["ndvi_mean"].values).any(axis=(1, 2))
    assert np.array_equal(there, months_per_year >= 11) and 0 < there.sum() < there.size
    assert any("of the results are missing" in line for line in result["summary"])


def test_the_synthetic_world(tmp_path):
    """Annual means of the world are those of its months, weighted by days."""
    run_step("make_world", {"cells": 8, "years": 3, "drivers": str(tmp_path / "w.zarr"),
                            "observations": str(tmp_path / "t.csv"), "truth": str(tmp_path / "t.tif")})
    _, ds = run("aggregate", tmp_path, drivers=str(tmp_path / "w.zarr"), to="year")
    world = xr.open_zarr(tmp_path / "w.zarr")["ta"]
    days = world["time"].dt.days_in_month
    expected = (world * days).resample(time="YS").sum() / days.resample(time="YS").sum()
    np.testing.assert_allclose(ds["ta"].values, expected.transpose("time", "y", "x").values, rtol=1e-5)
    _, annual = run("derive_annual", tmp_path, drivers=str(tmp_path / "w.zarr"), chosen="ta", every_step="false")
    np.testing.assert_allclose(annual["ta_mean"].values, ds["ta"].values, rtol=1e-6)
