"""The steps derive_pet and derive_spei, as every front end runs them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
import xarray as xr

from rasters import grid, months, save
from reco_core.actions import run_step
from reco_core.actions.water import derive_spei
from reco_core.drivers.water_balance import spei, spi, thornthwaite
from reco_core.errors import Cancelled, ConfigError, GridError, SchemaError
from reco_core.io.rasters.cubes import open_cube
from reco_core.io.rasters.grid import Grid, parse_crs
from reco_core.progress import SILENT, Progress

ON = grid(70, 40, cell=0.5)
COUNT = 72
DAYS = np.array([28 if month == 1 else 31 - month % 7 % 2 for month in range(12)] * 6)[:, np.newaxis, np.newaxis]
DAYS[37] = 29
MOSELLE = "grid_moselle_multidriver/moselle_monthly_24km_1989_1993.nc"


def weather(count=COUNT, on=ON, seed=0):
    """Return precipitation and PET [mm d-1], temperatures [degC] and wind of months from 2001-01."""
    rng = np.random.default_rng(seed)
    shape = (count, on.height, on.width)
    season = np.cos((np.arange(count) - 6) / 6 * np.pi)[:, np.newaxis, np.newaxis]
    ta = 10 + 9 * season + rng.normal(0, 1, shape)
    return {"precip": rng.gamma(2, 1.2, shape), "pet": 2.5 + 1.5 * season + rng.uniform(0, 0.5, shape), "ta": ta,
            "tmin": ta - rng.uniform(2, 5, shape), "tmax": ta + rng.uniform(2, 5, shape),
            "wind": rng.uniform(0, 6, shape), "sw_in": 150 + 100 * season + rng.uniform(0, 20, shape),
            "ea": rng.uniform(3, 8, shape)}


UNITS = {"precip": "mm d-1", "pet": "mm d-1", "ta": "degC", "tmin": "degC", "tmax": "degC", "wind": "m s-1",
         "sw_in": "W m-2", "ea": "hPa", "elevation": "m"}


@pytest.fixture
def drivers(tmp_path):
    """Return a function that writes drivers as GeoTIFFs and returns their folder."""
    def write(*names, count=COUNT, first="2001-01", labels=None, **changes):
        fields = {**weather(count), "elevation": np.full((ON.height, ON.width), 200.0), **changes}
        for name in names:
            values = np.where(np.isnan(fields[name]), -9999, fields[name]).astype("float32")
            save(tmp_path / "in" / f"{name}.tif", values, ON, nodata=-9999, units=UNITS[name],
                 names=(labels or months(first, count)) if values.ndim == 3 else ())
        return str(tmp_path / "in")

    return write


def run(step, tmp_path, name="out", **values):
    """Run a step and return its result and the cube."""
    result = run_step(step, {**values, "output": str(tmp_path / f"{name}.zarr")})
    return result, open_cube(tmp_path / f"{name}.zarr")


def test_spei_of_a_cube(drivers, tmp_path):
    """Rates become monthly sums, each scale a driver; values are those of the function, and rasters have dates."""
    folder = drivers("precip", "pet")
    result, cube = run("derive_spei", tmp_path, drivers=folder, scales="1,12", rasters=str(tmp_path / "maps"))
    fields = weather()
    balance = (fields["precip"] - fields["pet"]) * DAYS
    for scale in (1, 12):
        np.testing.assert_allclose(cube[f"spei_{scale}"].values, spei(balance, scale), atol=2e-3)
    assert cube["spei_12"].attrs["units"] == "1" and "12 months" in cube["spei_12"].attrs["long_name"]
    assert "log_logistic" in cube.attrs["history"] and "doi:10.1175/2009JCLI2909.1" in result["citations"][0]
    assert any(line.startswith("scale 12: 15.3 % of the values have no index") for line in result["summary"])
    with rasterio.open(tmp_path / "maps" / "spei_12.tif") as file:
        assert file.descriptions[11] == "2001-12" and file.read(12, masked=True).count() == ON.height * ON.width


def test_tiles_and_layers(drivers, tmp_path):
    """Little memory, layers instead of a cube, and gaps in time change nothing."""
    holes = weather()["precip"]
    holes[:, 3, 5] = np.nan
    holes[40, 50, 30] = np.nan
    folder = drivers("precip", "pet", precip=holes)
    _, whole = run("derive_spei", tmp_path, drivers=folder, scales="3")
    derive_spei(precip_layer=f"{folder}/precip.tif", pet_layer=f"{folder}/pet.tif", scales="3", index="spei",
                distribution="auto", calibration=None, clip=8.0, memory=0.004, output=str(tmp_path / "parts.zarr"),
                rasters=None, progress=SILENT)
    parts = open_cube(tmp_path / "parts.zarr")
    assert json.loads((tmp_path / "parts.zarr" / "spei_3" / ".zarray").read_text())["chunks"][-1] < 40
    assert np.array_equal(whole["spei_3"].values, parts["spei_3"].values, equal_nan=True)
    missing = np.isnan(whole["spei_3"].values)
    assert missing[:, 3, 5].all() and missing[:, 50, 30].nonzero()[0].tolist() == [0, 1, 40, 41, 42]


def test_months_that_lack(drivers, tmp_path):
    """A cube in which a month lacks is worked on with the right calendar, and the sums that need it are missing."""
    labels = [label for label in months("2001-01", COUNT + 1) if label != "2003-05"]
    _, cube = run("derive_spei", tmp_path, drivers=drivers("precip", labels=labels), index="spi", scales="2")
    missing = np.isnan(cube["spi_2"].values).all(axis=(1, 2))
    assert missing.nonzero()[0].tolist() == [0, 28] and str(cube["time"].values[28])[:7] == "2003-06"


@pytest.mark.parametrize(("index", "distribution", "expected"), [
    ("spi", "auto", "gamma"), ("spei", "gamma", "gamma"), ("spi", "log_logistic", "log_logistic")])
def test_distributions_and_calibration(drivers, tmp_path, index, distribution, expected):
    """The distribution may be chosen, and the years it is fitted on; the history says both."""
    folder = drivers("precip", "pet")
    _, cube = run("derive_spei", tmp_path, drivers=folder, scales="1", index=index, distribution=distribution,
                  calibration="2001/2005", clip="3")
    fields = weather()
    water = (fields["precip"] - (fields["pet"] if index == "spei" else 0)) * DAYS
    scores = (spei if index == "spei" else spi)(water, 1, distribution=expected, calibration=slice(0, 60), clip=3)
    np.testing.assert_allclose(cube[f"{index}_1"].values, scores, atol=2e-3)
    assert f"{expected}, fitted on 2001/2005, clipped at 3" in cube.attrs["history"]


def test_pet_of_a_cube(drivers, tmp_path):
    """PET is a rate per day, colder in the south in July; the methods agree about as well as they do."""
    folder = drivers("ta", "tmin", "tmax", "wind", "sw_in", "ea", "elevation")
    made = {method: run("derive_pet", tmp_path, method, drivers=folder, method=method)[1]["pet"].values
            for method in ("thornthwaite", "hargreaves", "penman_monteith")}
    for values in made.values():
        assert values.shape == (COUNT, ON.height, ON.width) and np.isfinite(values).all()
        assert 0 <= values.min() and values.max() < 15 and 0.5 < values.mean() < 6
    assert np.corrcoef(made["hargreaves"].ravel(), made["penman_monteith"].ravel())[0, 1] > 0.7
    lat = ON.xy()[1][10]
    alone = thornthwaite(weather()["ta"][:, 10, 7], lat, times=np.datetime64("2001-01") + np.arange(COUNT))
    assert made["thornthwaite"][37, 10, 7] * 29 == pytest.approx(alone[37], rel=1e-4)


def test_pet_then_spei(drivers, tmp_path):
    """The cube of derive_pet is what derive_spei takes: one step after the other."""
    folder = drivers("ta", "precip")
    run("derive_pet", tmp_path, "pet", drivers=folder)
    _, cube = run("derive_spei", tmp_path, drivers=f"{folder}/precip.tif,{tmp_path}/pet.zarr", scales="12")
    assert np.isfinite(cube["spei_12"].values[11:]).all()


def test_daily_pet(drivers, tmp_path):
    """Hargreaves goes for days too; Thornthwaite and the indices ask for months and name the step that makes them."""
    labels = [str(np.datetime64("2001-01-01") + day) for day in range(60)]
    folder = drivers("ta", "precip", "tmin", "tmax", count=60, labels=labels)
    _, cube = run("derive_pet", tmp_path, drivers=folder, method="hargreaves")
    assert cube.attrs["time_step"] == "day" and (cube["pet"].values > 0).all()
    for step, values in (("derive_pet", {}), ("derive_spei", {"index": "spi"})):
        with pytest.raises(GridError, match="monthly") as caught:
            run(step, tmp_path, "none", drivers=folder, **values)
        assert "aggregate" in caught.value.hint
    assert not (tmp_path / "none.zarr").exists()


@pytest.mark.parametrize(("count", "values", "error", "words"), [
    (COUNT, {}, SchemaError, "no 'pet'"), (36, {"index": "spi", "scales": "1"}, GridError, "only 3 sums"),
    (COUNT, {"index": "spi", "scales": "36"}, GridError, "of 36 months"),
    (COUNT, {"index": "spi", "scales": "90"}, GridError, "longer than the series"),
    (COUNT, {"index": "spi", "scales": "twelve"}, ConfigError, "twelve"),
    (COUNT, {"index": "spi", "scales": "12,12"}, ConfigError, "12,12"),
    (COUNT, {"index": "spi", "scales": "120"}, ConfigError, "120"),
    (COUNT, {"index": "spi", "calibration": "1961/1990"}, ConfigError, "no month of the series"),
    (COUNT, {"index": "spi", "scales": "1", "calibration": "2001/2002"}, GridError, "only 2 sums")])
def test_bad_requests(drivers, tmp_path, count, values, error, words):
    """What lacks or cannot be is said before anything is written."""
    with pytest.raises(error, match=words) as caught:
        run("derive_spei", tmp_path, drivers=drivers("precip", count=count), **values)
    assert caught.value.hint and not (tmp_path / "out.zarr").exists()


def test_pet_that_lacks_is_made_by_a_step(drivers, tmp_path):
    """Without PET the user is sent to the step that makes it."""
    with pytest.raises(SchemaError) as caught:
        run("derive_spei", tmp_path, drivers=drivers("precip"))
    assert "derive_pet" in caught.value.hint


@pytest.mark.parametrize(("names", "values", "words"), [
    (("tmin", "tmax"), {"tmax": weather()["tmin"] - 3}, "below tmin"),
    (("tmin", "tmax", "wind", "sw_in", "ea", "elevation"), {"wind": weather()["wind"] - 9}, "'wind' is -"),
    (("tmin", "tmax"), {"tmax": weather()["tmax"] + 273.15}, "'tmax' is"),
    (("tmin", "tmax", "wind", "sw_in", "elevation"), {}, "humidity"),
    (("tmin", "tmax", "wind", "ea", "elevation"), {}, "radiation"),
    (("tmin", "tmax", "wind", "ea", "sw_in"), {}, "elevation or air pressure"), (("tmin",), {}, "tmax")])
def test_bad_weather(drivers, tmp_path, names, values, words):
    """Swapped extremes, negative wind, Kelvin called degC and drivers that lack end the step, and nothing remains."""
    method = "penman_monteith" if "wind" in names else "hargreaves"
    with pytest.raises((SchemaError, GridError), match=words) as caught:
        run("derive_pet", tmp_path, drivers=drivers(*names, **values), method=method)
    assert caught.value.hint and not (tmp_path / "out.zarr").exists()


def test_cancelling(drivers, tmp_path):
    """A run that is stopped leaves no cube."""
    values = {"drivers": drivers("precip"), "index": "spi", "scales": "1", "output": str(tmp_path / "out.zarr")}
    asked = iter([False] * 3 + [True] * 1000)
    with pytest.raises(Cancelled):
        run_step("derive_spei", values, Progress(stopped=lambda: next(asked)))
    assert not (tmp_path / "out.zarr").exists()


@pytest.mark.parametrize(("method", "likeness", "bias"), [
    ("thornthwaite", 0.96, 0.5), ("hargreaves", 0.96, 0.1), ("penman_monteith", 0.94, 0.1)])
def test_moselle_pet(tmp_path, real_data, method, likeness, bias):
    """PET of the upper Moselle follows the PET that comes with the data; Thornthwaite is low, as it is known to be."""
    folder = real_data("grid_moselle_multidriver")
    paths = ",".join(str(folder / name) for name in ("moselle_monthly_24km_1989_1993.nc", "moselle_static_24km.nc"))
    _, cube = run("derive_pet", tmp_path, drivers=paths, method=method)
    with xr.open_dataset(real_data(MOSELLE)) as ds:
        theirs = ds["pet"].transpose("time", "y", "x").sortby("y", ascending=False).values
    both = np.isfinite(cube["pet"].values) & np.isfinite(theirs)
    ours, theirs = cube["pet"].values[both], theirs[both]
    assert both.sum() >= 60 * 34 and np.corrcoef(ours, theirs)[0, 1] > likeness
    assert abs(ours.mean() - theirs.mean()) < bias


def test_australia_spi(tmp_path, real_data):
    """SPI-12 of Australia has the droughts of 1982-83, 1994 and 2002 and the wet years of 1999-2000."""
    path = real_data("grid_gpcp_australia_monthly/gpcp_australia.nc")
    _, cube = run("derive_spei", tmp_path, drivers=str(path), index="spi", scales="12")
    mean = cube["spi_12"].mean(("y", "x")).to_series()
    for low, high in (("1983-02", "1984-03"), ("1994-12", "1989-06"), ("2002-11", "2000-06")):
        assert mean[low].iloc[0] < -0.5 < 0.5 < mean[high].iloc[0]
    values = cube["spi_12"].values[11:]
    assert abs(values.mean()) < 0.01 and values.std() == pytest.approx(1, abs=0.01)


def test_alps_spi(tmp_path, real_data):
    """SPI-12 in the Alps, fitted on 1961-1990: 2003 is dry, the years fitted on have mean 0 and spread 1."""
    with xr.open_dataset(real_data("grid_moselle_multidriver/domain2_monthly_precip_24km_1950_2011.nc")) as ds:
        values, x, y = ds["pre_month"].values, float(ds["x"][0]), float(ds["y"][0])
    on = Grid(str(parse_crs("EPSG:3035").to_wkt()), (24000.0, 0.0, x - 12000, 0.0, -24000.0, y + 12000), 5, 5)
    path = save(tmp_path / "precip.tif", values, on, names=months("1950-01", 744), units="mm month-1")
    _, cube = run("derive_spei", tmp_path, precip_layer=path, index="spi", scales="12", calibration="1961/1990")
    normal = cube["spi_12"].sel(time=slice("1961", "1990")).values
    assert abs(np.nanmean(normal)) < 0.05 and np.nanstd(normal) == pytest.approx(1, abs=0.05)
    assert float(cube["spi_12"].sel(time="2003-12").mean()) < -1.5
