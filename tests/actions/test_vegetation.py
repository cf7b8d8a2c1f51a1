"""The steps derive_indices, smooth and derive_phenology, as every front end runs them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from rasters import field, grid, months, save
from reco_core.actions import run_step
from reco_core.drivers.indices import evi, evi2, lswi, nirv
from reco_core.drivers.phenology import NAMES, scvtg
from reco_core.errors import ConfigError, GridError, SchemaError
from reco_core.io.drivers.files import open_drivers
from reco_core.io.rasters.cubes import open_cube
from reco_core.vocabulary.calendar import step_start

ON = grid()
SOUTH = grid(top=-30.0)
TIMES = np.unique(step_start(np.arange(np.datetime64("2001-01-01"), np.datetime64("2004-01-01")), "8day"))
LABELS = [str(day) for day in TIMES]
DOY = (TIMES - TIMES.astype("datetime64[Y]")).astype(int) + 4.5
BANDS = {"red": (0.02, 0.1), "nir": (0.2, 0.5), "blue": (0.01, 0.05), "swir": (0.1, 0.3)}


def reflectances(folder, names=tuple(BANDS), count=3):
    """Write reflectances and return them."""
    made = {}
    for seed, name in enumerate(names):
        made[name] = field(count, ON, seed, *BANDS[name])
        save(folder / f"{name}.tif", made[name], ON, names=months("2001-01", count))
    return made


def wave(peak=200.0, on=ON, noise=0.0):
    """Return 8-day maps of a vegetation index, a little different in each cell."""
    base = 0.3 + 0.2 * np.cos(2 * np.pi * (DOY - peak) / 365)
    cells = 1 + np.arange(on.height * on.width).reshape(on.height, on.width) / 400
    values = base[:, None, None] * cells
    return (values + noise * np.random.default_rng(0).standard_normal(values.shape)).astype("float32")


def test_indices_of_layers(tmp_path):
    """Every index is computed from its bands; picked layers need no names."""
    bands = reflectances(tmp_path)
    result = run_step("derive_indices", {
        **{f"{name}_layer": str(tmp_path / f"{name}.tif") for name in bands}, "nirv_soil": 0.08,
        "output": str(tmp_path / "made.zarr"), "rasters": str(tmp_path / "maps")})
    cube = open_cube(tmp_path / "made.zarr")
    assert cube["evi"].values == pytest.approx(evi(bands["red"], bands["nir"], bands["blue"]), nan_ok=True, rel=1e-6)
    assert cube["nirv"].values == pytest.approx(nirv(bands["red"], bands["nir"], 0.08), rel=1e-5)
    assert cube["lswi"].values == pytest.approx(lswi(bands["nir"], bands["swir"]), rel=1e-5)
    assert cube["evi"].attrs["units"] == "1" and sorted(cube.data_vars) == ["evi", "lswi", "ndvi", "nirv"]
    assert not any("two bands" in line for line in result["summary"])
    assert sorted(path.name for path in (tmp_path / "maps").glob("*.tif")) == [
        "evi.tif", "lswi.tif", "ndvi.tif", "nirv.tif"]


def test_evi_without_blue_is_told(tmp_path):
    """Without blue, or where it is invalid, EVI is that of two bands and the output says how often."""
    bands = reflectances(tmp_path / "in")
    bands["blue"][1] = -9999
    save(tmp_path / "in" / "blue.tif", bands["blue"], ON, names=months("2001-01", 3), nodata=-9999)
    some = run_step("derive_indices", {"drivers": str(tmp_path / "in"), "indices": "evi",
                                       "output": str(tmp_path / "some.zarr")})
    assert "evi: 80 of 240 values are of two bands, because blue is missing or invalid" in some["summary"]
    (tmp_path / "in" / "blue.tif").unlink()
    every = run_step("derive_indices", {"drivers": str(tmp_path / "in"), "indices": "evi",
                                        "output": str(tmp_path / "every.zarr")})
    assert any("EVI2" in line for line in every["summary"])
    made = open_cube(tmp_path / "every.zarr")["evi"].values
    assert made == pytest.approx(evi2(bands["red"], bands["nir"]), rel=1e-5)
    assert open_cube(tmp_path / "some.zarr")["evi"].values[1] == pytest.approx(made[1])


def test_missing_bands(tmp_path):
    """Every index is named with the band it lacks, and nothing is written."""
    reflectances(tmp_path / "in", ("red", "nir"))
    with pytest.raises(ConfigError, match="lswi needs swir"):
        run_step("derive_indices", {"drivers": str(tmp_path / "in"), "output": str(tmp_path / "made.zarr")})
    assert not list(tmp_path.glob("made*"))


def test_reflectance_in_digital_numbers(tmp_path):
    """Reflectances that were not scaled are refused."""
    save(tmp_path / "in" / "red.tif", field(3, ON, low=300, high=900), ON, names=months("2001-01", 3))
    save(tmp_path / "in" / "nir.tif", field(3, ON, low=2000, high=3000), ON, names=months("2001-01", 3))
    with pytest.raises(SchemaError, match=r"'red' is .*valid are"):
        run_step("derive_indices", {"drivers": str(tmp_path / "in"), "indices": "ndvi",
                                    "output": str(tmp_path / "made.zarr")})


def test_smooth_series(tmp_path):
    """A noisy series becomes smooth on its own steps, or daily; only what was chosen is worked on."""
    values = wave(noise=0.02)
    values[40:43, 0, 0] = np.nan
    save(tmp_path / "in" / "evi.tif", values, ON, names=LABELS, nodata=-9999)
    save(tmp_path / "in" / "ta.tif", field(len(TIMES), ON), ON, names=LABELS, units="degC")
    result = run_step("smooth", {"drivers": str(tmp_path / "in"), "chosen": "evi",
                                 "output": str(tmp_path / "smooth.zarr")})
    cube = open_cube(tmp_path / "smooth.zarr")
    assert list(cube.data_vars) == ["evi"] and cube.attrs["time_step"] == "8day"
    assert np.isfinite(cube["evi"].values).all()
    rough = np.abs(np.diff(wave(noise=0.02), n=2, axis=0)).mean()
    assert np.abs(np.diff(cube["evi"].values, n=2, axis=0)).mean() < 0.7 * rough
    assert any("Chen" in text for text in result["citations"])
    run_step("smooth", {"drivers": str(tmp_path / "in"), "chosen": "evi", "daily": True, "method": "double_logistic",
                        "output": str(tmp_path / "daily.zarr")})
    daily = open_cube(tmp_path / "daily.zarr")
    assert daily.attrs["time_step"] == "day" and daily.sizes["time"] == 3 * 365
    assert np.abs(np.diff(daily["evi"].values, axis=0)).max() < 0.02


def test_tiles_make_no_difference(tmp_path):
    """With little memory the tiles are small and the values the same."""
    on = grid(40, 50, cell=0.1)
    save(tmp_path / "evi.tif", wave(on=on, noise=0.02) / 6, on, names=LABELS)
    for name, memory in (("whole", 2), ("parts", 0.1)):
        run_step("smooth", {"drivers": str(tmp_path / "evi.tif"), "memory": memory, "daily": name == "parts",
                            "output": str(tmp_path / f"{name}.zarr")})
    whole, parts = (open_cube(tmp_path / f"{name}.zarr")["evi"] for name in ("whole", "parts"))
    assert parts.sel(time=whole["time"] + np.timedelta64(4, "D")).values == pytest.approx(whole.values, abs=0.01)


def test_quality_layer(tmp_path):
    """Weights take out bad values; a layer of another length is named, and flags are no weights."""
    values, quality = wave(), np.ones((len(TIMES), ON.height, ON.width))
    values[50], quality[50] = 0.9, 0.0
    save(tmp_path / "evi.tif", values, ON, names=LABELS)
    save(tmp_path / "quality.tif", quality, ON, names=LABELS, dtype="float32")
    arguments = {"drivers": str(tmp_path / "evi.tif"), "quality_layer": str(tmp_path / "quality.tif"),
                 "output": str(tmp_path / "made.zarr")}
    run_step("smooth", arguments)
    assert np.abs(open_cube(tmp_path / "made.zarr")["evi"].values - wave()).max() < 0.03
    save(tmp_path / "quality.tif", quality[:-5], ON, names=LABELS[:-5], dtype="float32")
    with pytest.raises(GridError, match=r"quality\.tif"):
        run_step("smooth", arguments)
    save(tmp_path / "quality.tif", quality * 3, ON, names=LABELS, dtype="float32")
    with pytest.raises(SchemaError, match="from 0 to 3; weights from 0"):
        run_step("smooth", arguments)
    save(tmp_path / "quality.tif", quality[:1], ON, dtype="float32")
    with pytest.raises(SchemaError, match="quality weights carry no dates"):
        run_step("smooth", arguments)


@pytest.mark.parametrize(("arguments", "error", "words"), [
    ({"chosen": "nirv"}, SchemaError, "have no nirv; they have evi"),
    ({"degree": 9, "half_window": 4}, ConfigError, "degree 9"),
    ({"period": "2001-01-01/2001-02-25"}, GridError, r"7 time steps \(8day\).*needs 9"),
])
def test_what_cannot_be_smoothed(tmp_path, arguments, error, words):
    """A driver that is not there, a degree that does not fit and a series that is too short are told."""
    save(tmp_path / "evi.tif", wave(), ON, names=LABELS)
    with pytest.raises(error, match=words):
        run_step("smooth", {"drivers": str(tmp_path / "evi.tif"), "output": str(tmp_path / "made.zarr"), **arguments})
    assert not list(tmp_path.glob("made*"))


def test_static_and_annual_drivers(tmp_path):
    """A driver without dates, or with one value a year, is no series of a vegetation index."""
    save(tmp_path / "evi.tif", wave()[0], ON)
    with pytest.raises(SchemaError, match="series with dates"):
        run_step("smooth", {"drivers": str(tmp_path / "evi.tif"), "output": str(tmp_path / "made.zarr")})
    with pytest.raises(SchemaError, match="no dates"):
        run_step("derive_phenology", {"drivers": str(tmp_path / "evi.tif"), "index": "evi",
                                      "output": str(tmp_path / "made.zarr")})
    save(tmp_path / "ndvi.tif", wave()[:3], ON, names=["2001", "2002", "2003"])
    with pytest.raises(GridError, match="year"):
        run_step("smooth", {"drivers": str(tmp_path / "ndvi.tif"), "output": str(tmp_path / "made.zarr")})


def test_jumps_are_filled_and_told(tmp_path):
    """Steps that the series lacks are filled, and the output says so."""
    kept = np.delete(np.arange(len(TIMES)), [30, 31, 70])
    save(tmp_path / "evi.tif", wave()[kept], ON, names=[LABELS[i] for i in kept])
    result = run_step("smooth", {"drivers": str(tmp_path / "evi.tif"), "output": str(tmp_path / "made.zarr")})
    assert "3 time steps that the series lacks are filled" in result["summary"]
    cube = open_cube(tmp_path / "made.zarr")
    assert np.array_equal(cube["time"].values.astype("datetime64[D]"), TIMES)
    assert np.abs(cube["evi"].values - wave()).max() < 0.03


def test_phenology_of_a_series(tmp_path):
    """Nine annual drivers come out, with units; the picked layer needs no name."""
    save(tmp_path / "x.tif", wave(), ON, names=LABELS)
    result = run_step("derive_phenology", {"index_layer": str(tmp_path / "x.tif"), "window": "calendar",
                                           "output": str(tmp_path / "made.zarr")})
    cube = open_cube(tmp_path / "made.zarr")
    assert set(cube.data_vars) == set(NAMES) and cube.sizes["time"] == 3 and cube.attrs["time_step"] == "year"
    assert {cube[name].attrs["units"] for name in NAMES[5:]} == {"d"}
    exact = scvtg(0.3 + 0.2 * np.cos(2 * np.pi * (np.arange(1, 366) - 200) / 365))
    for name in NAMES[5:8]:
        assert cube[name].values[:, 0, 0] == pytest.approx(float(exact[name]), abs=2.5)
    assert "of the pixel-years 240 are good" in result["summary"]


def test_southern_phenology(tmp_path):
    """South of the equator season years have the lengths of the northern curve; calendar years warn of the swap."""
    save(tmp_path / "evi.tif", wave(17.5, SOUTH), SOUTH, names=LABELS)
    arguments = {"drivers": str(tmp_path / "evi.tif"), "index": "evi"}
    right = run_step("derive_phenology", {**arguments, "output": str(tmp_path / "season.zarr")})
    wrong = run_step("derive_phenology", {**arguments, "window": "calendar", "output": str(tmp_path / "year.zarr")})
    season, year = open_cube(tmp_path / "season.zarr"), open_cube(tmp_path / "year.zarr")
    assert float(season["l75"][1, 0, 0]) == pytest.approx(122, abs=3) and float(season["l25"][1, 0, 0]) > 230
    assert float(year["l75"][1, 0, 0]) == pytest.approx(243, abs=3)
    assert any("swaps" in line for line in wrong["summary"]) and not any("swap" in x for x in right["summary"])


def test_phenology_of_something_else(tmp_path):
    """Only an index without unit has levels; a driver that is not there is named."""
    save(tmp_path / "lai.tif", wave() * 5, ON, names=LABELS)
    for index, error, words in (("lai", ConfigError, "m2 m-2"), ("nirv", SchemaError, "have no nirv")):
        with pytest.raises(error, match=words):
            run_step("derive_phenology", {"drivers": str(tmp_path / "lai.tif"), "index": index,
                                          "output": str(tmp_path / "made.zarr")})


@pytest.mark.parametrize(("name", "index", "least", "lengths"), [
    ("modis_evi_megadrought_chile.nc", "evi", 0.9, (60, 130)),
    ("modis_mod13a3_ndvi_belgium_utm31.nc", "ndvi", 0.85, (60, 220)),
    ("modis_ndvi_somalia.nc", "ndvi", 0.85, (20, 320)),
    ("gimms_ndvi_brooksrange.nc", "ndvi", 0.8, (80, 130)),
])
def test_real_stacks(tmp_path, real_data, name, index, least, lengths):
    """Real 8-day, 16-day and monthly stacks become envelopes that lie on or above most values, and phenology."""
    path = str(real_data("grid_ndvi_evi_timeseries") / name)
    run_step("smooth", {"drivers": path, "output": str(tmp_path / "smooth.zarr")})
    made = open_cube(tmp_path / "smooth.zarr")[index]
    raw = open_drivers(path)[index]
    there = made.sel(time=raw["time"]).values
    known = np.isfinite(raw.values) & np.isfinite(there)
    assert known.sum() > 0.9 * np.isfinite(raw.values).sum()
    gap = (there - raw.values)[known]
    assert np.mean(gap > -0.02) > 0.8 and 0 < gap.mean() < 0.1
    run_step("derive_phenology", {"drivers": path, "index": index, "output": str(tmp_path / "phenology.zarr")})
    cube = open_cube(tmp_path / "phenology.zarr")
    pixels = np.isfinite(raw.values).sum(axis=0) >= 8
    whole = cube.isel(time=slice(1, -1))
    assert np.isfinite(whole["l75"].values[:, pixels]).mean() > least
    assert lengths[0] < float(whole["l75"].median()) < lengths[1]
    for low, high in (("v_bottom", "v25"), ("v25", "v50"), ("v50", "v75"), ("v75", "v_top")):
        assert not (whole[low].values > whole[high].values).any()


def test_real_southern_towers(tmp_path, real_data):
    """8-day reflectances of two Australian towers become indices, an envelope and southern season years."""
    table = pd.read_csv(real_data("site_modis_australia_8day") / "modis_site_statistics.csv.gz")
    table = table[(table["product"] == "MOD09A1") & table["SITE_ID"].isin(["AU-Tum", "AU-Cum"])]
    bands = {"sur_refl_b01": "red", "sur_refl_b02": "nir", "sur_refl_b03": "blue", "sur_refl_b06": "swir"}
    wide = table.pivot_table(index="date", columns=["band", "SITE_ID"], values="value_mean")
    xr.Dataset(
        {name: (("time", "lat", "lon"), wide[band][["AU-Cum", "AU-Tum"]].values[:, None].astype("float32"),
                {"units": "1"}) for band, name in bands.items()},
        {"time": pd.to_datetime(wide.index), "lat": ("lat", [-34.6], {"units": "degrees_north"}),
         "lon": ("lon", [150.0, 151.0], {"units": "degrees_east"})}).to_netcdf(tmp_path / "towers.nc")
    run_step("derive_indices", {"drivers": str(tmp_path / "towers.nc"), "output": str(tmp_path / "i.zarr")})
    indices = open_cube(tmp_path / "i.zarr")
    assert 0.2 < float(indices["evi"].mean()) < 0.5 and 0.1 < float(indices["nirv"].mean()) < 0.25
    smooth = run_step("smooth", {"drivers": str(tmp_path / "i.zarr"), "output": str(tmp_path / "s.zarr")})
    assert "3 time steps that the series lacks are filled" in smooth["summary"]
    for window in ("season", "calendar"):
        run_step("derive_phenology", {"drivers": str(tmp_path / "s.zarr"), "method": "none", "window": window,
                                      "output": str(tmp_path / f"{window}.zarr")})
    made = {name: open_cube(tmp_path / f"{name}.zarr").isel(x=0).sel(time=slice("2003", "2020"))
            for name in ("season", "calendar")}  # AU-Cum, whose season lies around New Year
    lengths = {name: float(cube["l75"].median()) for name, cube in made.items()}
    ordered = {name: float((cube["l75"] < cube["l25"]).mean()) for name, cube in made.items()}
    assert 2 * lengths["season"] < lengths["calendar"] and ordered["season"] > ordered["calendar"]


def test_real_days(tmp_path, real_data):
    """A real daily series of 21 years is reduced, smoothed and brought back to days; its empty indices stay missing."""
    source = xr.open_dataset(real_data("site_fluxneteo_modis_daily") / "CG-Tch.modis.average_cutout.nc")
    names = {"LST_TERRA_Day": "lst_day", "NIRv": "nirv"}
    xr.Dataset({new: (("time", "lat", "lon"), np.repeat(source[old].values[:, None, None], 2, axis=2), {
                    "units": "K" if new == "lst_day" else "1"}) for old, new in names.items()},
               {"time": source["time"].values, "lat": ("lat", [-4.3], {"units": "degrees_north"}),
                "lon": ("lon", [11.65, 11.66], {"units": "degrees_east"})}).to_netcdf(tmp_path / "tower.nc")
    result = run_step("smooth", {"drivers": str(tmp_path / "tower.nc"), "daily": True,
                                 "time_step": "day", "output": str(tmp_path / "s.zarr")})
    assert "daily values were reduced to 8-day medians before smoothing" in result["summary"]
    assert "nirv: 2 pixels with fewer than 8 values stay missing" in result["summary"]
    made, raw = open_cube(tmp_path / "s.zarr")["lst_day"][:, 0, 0], open_drivers(str(tmp_path / "tower.nc"))["lst_day"]
    assert made.sizes["time"] == 7671 and np.isfinite(made.values).all()
    assert np.corrcoef(made.values, raw.values[:, 0, 0])[0, 1] > 0.7
    phenology = run_step("derive_phenology", {"drivers": str(tmp_path / "tower.nc"),
                                              "output": str(tmp_path / "p.zarr")})
    assert "of the pixel-years 42 are missing" in phenology["summary"]
