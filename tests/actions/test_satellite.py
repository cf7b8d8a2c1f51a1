"""The step read_satellite, as every front end runs it."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

from modis import granule, pixels, reflectance
from reco_core.actions import run_step
from reco_core.errors import SchemaError
from reco_core.io.rasters.cubes import open_cube
from reco_core.io.rasters.grid import Grid
from reco_core.io.satellite.scene import TILE

pytest.importorskip("pyhdf", reason="the modis extra is not installed")


def test_granules_become_a_cube_and_rasters(tmp_path):
    """Tiles and dates become one cube; the summary tells what quality rejected; nothing else is left behind."""
    for tile in ((18, 4), (19, 4)):
        for day in ("2017185", "2017193"):
            state = np.full((12, 12), 8, "uint16")
            state[:3] = 1
            granule(tmp_path / "g", reflectance(seed=tile[0], state=state), tile=tile, date=day)
    result = run_step("read_satellite", {
        "path": str(tmp_path / "g"), "chosen": "red, sur_refl_b02", "output": str(tmp_path / "out" / "s.zarr"),
        "rasters": str(tmp_path / "out" / "tifs")})
    cube = open_cube(tmp_path / "out" / "s.zarr")
    assert dict(cube.sizes) == {"time": 2, "y": 12, "x": 24} and set(cube.data_vars) == {"red", "nir"}
    stored = reflectance(seed=19)["sur_refl_b02"][0]
    assert np.array_equal(cube["nir"].values[1, 3:, 12:], (stored[3:] * 1e-4).astype("float32"))
    assert np.isnan(cube["nir"].values[:, :3]).all() and "quality standard" in cube.attrs["history"]
    assert result["summary"][0] == "MOD09A1: 4 scenes"
    assert "red, nir: 576 values, 25.0 % rejected by quality" in result["summary"]
    assert result["citations"] and "MOD09A1.061" in result["citations"][0]
    with rasterio.open(tmp_path / "out" / "tifs" / "nir.tif") as raster:
        assert raster.descriptions == ("2017-07-04", "2017-07-12") and raster.crs.to_dict()["proj"] == "sinu"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["s.run.json", "s.zarr", "tifs"]


def test_one_date_and_gaps_are_read_back(tmp_path):
    """A cube knows its time step though one date, or dates with gaps, do not tell it."""
    for number, days in enumerate((["2017193"], ["2017185", "2017201"], ["2017001", "2017009", "2017033"])):
        for day in days:
            granule(tmp_path / str(number), reflectance(), date=day)
        output = str(tmp_path / f"{number}.zarr")
        run_step("read_satellite", {"path": str(tmp_path / str(number)), "chosen": "red", "output": output})
        assert open_cube(output).attrs["time_step"] == "8day" and open_cube(output).sizes["time"] == len(days)


def test_quality_levels(tmp_path):
    """strict rejects more than standard, none nothing; only none can do without quality layers."""
    state = np.array([8, 8 | 3, 8 | 1 << 13, 1] * 36, "uint16").reshape(12, 12)
    path = str(granule(tmp_path / "g", reflectance(state=state)))
    kept = {}
    for level in ("strict", "standard", "none"):
        result = run_step("read_satellite", {"path": path, "chosen": "red", "quality": level,
                                             "output": str(tmp_path / f"{level}.zarr")})
        kept[level] = int(np.isfinite(open_cube(tmp_path / f"{level}.zarr")["red"].values).sum())
    assert kept == {"strict": 36, "standard": 108, "none": 144}
    assert "red: 144 values" in result["summary"]
    layers = reflectance()
    del layers["sur_refl_state_500m"]
    with pytest.raises(SchemaError, match="no quality layer"):
        run_step("read_satellite", {"path": str(granule(tmp_path / "n", layers)), "output": str(tmp_path / "x.zarr")})
    assert not (tmp_path / "x.zarr").exists()


def test_small_memory_gives_the_same_cube(tmp_path, monkeypatch):
    """Windows of any size give the same values, the fallback of MCD43A4 included."""
    rng = np.random.default_rng(0)
    for day in range(1, 41):
        quality = rng.choice([0, 1, 1, 1, 255], (300, 300))
        layers = {"Nadir_Reflectance_Band1": pixels("int16", rng.integers(100, 900, (300, 300))),
                  "BRDF_Albedo_Band_Mandatory_Quality_Band1": pixels("uint8", quality)}
        granule(tmp_path / "g", layers, product="MCD43A4", date=f"2016{day:03d}", tile=(18, 4))
    cubes = []
    for held in (24, 10_000):
        monkeypatch.setattr("reco_core.io.rasters.cubes.BYTES_PER_VALUE", held)
        output = tmp_path / f"{held}.zarr"
        result = run_step("read_satellite", {"path": str(tmp_path / "g"), "memory": 0.1, "output": str(output)})
        cubes.append(open_cube(output)["red"].values)
    assert np.array_equal(*cubes, equal_nan=True) and 0.3 < np.isfinite(cubes[0]).mean() < 0.8
    assert any("second-best kept" in line for line in result["summary"])


def test_the_region_and_unproven_products(tmp_path):
    """A region crops, and products that were never tried on real files say so."""
    path = granule(tmp_path, {"Npp_500m": pixels("int16", 5000, 24, scale_factor=1e-4)}, product="MOD17A3HGF",
                   date="2016001")
    result = run_step("read_satellite", {"path": str(path), "region": "2,42,6,45 [EPSG:4326]",
                                         "output": str(tmp_path / "npp.zarr")})
    cube = open_cube(tmp_path / "npp.zarr")
    assert cube.sizes["y"] < 24 and "inside" in cube and cube.attrs["time_step"] == "year"
    assert float(cube["npp"].max()) == pytest.approx(500 / 366, rel=1e-5)
    assert any("not tried on real files" in line for line in result["summary"])


@pytest.mark.parametrize("name, lines, driver, low, high", [
    ("MOD09A1*.zip", ["MOD09A1: 1 scene", "blue: 4818 values, 10.8 % rejected by quality"], "nir", 0.09, 0.48),
    ("MOD11A1.hdf", ["lst_day: 333829 values, 0.4 % rejected by quality",
                     "lst_night: 224088 values, 4.6 % rejected by quality"], "lst_day", 15, 55),
    ("MOD11B2*.zip", ["lst_day: 3119 values, 18.9 % rejected by quality"], "lst_day", -35, 15),
    ("test_modis.hdf", ["MCD15A2: 1 scene", "lai, fapar: nothing but fill values"], "lai", None, None)])
def test_real_granules(tmp_path, real_data, name, lines, driver, low, high):
    """Every real granule becomes a cube in its place, with values that can be."""
    path = next(real_data("modis_hdf4_samples").glob(name))
    result = run_step("read_satellite", {"path": str(path), "output": str(tmp_path / "s.zarr")})
    assert set(lines) <= set(result["summary"])
    values = open_cube(tmp_path / "s.zarr")[driver].values
    if low is None:
        assert np.isnan(values).all()
    else:
        assert low < np.nanmin(values) and np.nanmax(values) < high


def test_real_year_of_rasters(tmp_path, real_data):
    """The year of MODIStsp: integers and floating-point numbers in one series, from winter to summer."""
    path = real_data("modis_hdf4_samples") / "VI_16Days_500m_v6_NDVI.zip"
    with pytest.raises(SchemaError, match="pixel_reliability"):
        run_step("read_satellite", {"path": str(path), "output": str(tmp_path / "s.zarr")})
    run_step("read_satellite", {"path": str(path), "quality": "none", "output": str(tmp_path / "s.zarr")})
    cube = open_cube(tmp_path / "s.zarr")
    means = np.nanmean(cube["ndvi"].values, axis=(1, 2))
    assert cube.sizes["time"] == 23 and means.argmax() == 13 and means.argmin() == 4
    assert means[[4, 13, 21, 22]] == pytest.approx([0.385, 0.748, 0.519, 0.501], abs=0.001)
    assert Grid.of(cube).transform[0] == TILE / 2400
