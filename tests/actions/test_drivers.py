"""The step read_drivers, as every front end runs it."""

from __future__ import annotations

import numpy as np
import pytest

from rasters import field, grid, months, save
from reco_core.actions import run_step
from reco_core.errors import GridError
from reco_core.io.rasters.cubes import open_cube

ON = grid()


def test_rasters_become_a_cube(tmp_path):
    """Texts are parsed, the cube is written and the summary says what it holds and what was assumed."""
    save(tmp_path / "tavg.tif", field(12, ON), ON, names=months("2001-01", 12))
    save(tmp_path / "rain.tif", field(12, ON, low=0, high=90), ON)
    result = run_step("read_drivers", {
        "layers": [str(tmp_path / "tavg.tif"), str(tmp_path / "rain.tif")], "layer_names": "ta, precip",
        "units": "precip=mm month-1", "start": "2001-01", "period": "2001-02/2001-11", "region": "0,46,2,50",
        "output": str(tmp_path / "out" / "drivers.zarr")})
    cube = open_cube(tmp_path / "out" / "drivers.zarr")
    assert dict(cube.sizes) == {"time": 10, "y": 8, "x": 4}
    assert cube["precip"].values[0] == pytest.approx(field(12, ON, low=0, high=90)[1, :, :4] / 28, rel=1e-5)
    assert np.array_equal(cube["ta"].values, field(12, ON)[1:11, :, :4])
    assert result["summary"][:3] == [
        "2 drivers on 8 x 4 cells of 0.5 x 0.5 (EPSG:4326)", "2001-02 to 2001-11, 10 time steps per month",
        "in time: ta [degC], precip [mm d-1]"]
    assert "'ta' has no unit in tavg.tif: taken as degC" in result["summary"]
    assert (tmp_path / "out" / "drivers.run.json").exists()


def test_a_mismatch_leaves_nothing(tmp_path):
    """Rasters on different grids are refused before anything is written."""
    save(tmp_path / "ta.tif", field(1, ON), ON, names=["2001"])
    save(tmp_path / "lai.tif", field(1, ON, low=0, high=6), grid(cell=1.0), names=["2001"])
    with pytest.raises(GridError, match=r"lai\.tif"):
        run_step("read_drivers", {"drivers": str(tmp_path), "output": str(tmp_path / "out.zarr")})
    assert not list(tmp_path.glob("*zarr*"))


def test_real_drivers(tmp_path, real_data):
    """The Moselle files become a cube of 15 drivers."""
    folder = real_data("grid_moselle_multidriver")
    paths = ",".join(str(folder / name) for name in ("moselle_monthly_24km_1989_1993.nc", "moselle_static_24km.nc"))
    result = run_step("read_drivers", {"drivers": paths, "output": str(tmp_path / "d.zarr")})
    assert result["summary"][0] == "15 drivers on 9 x 6 cells of 24000 x 24000 (EPSG:3035)"
    assert float(open_cube(tmp_path / "d.zarr")["ea"].mean()) == pytest.approx(9.79, abs=0.01)


REAL = [
    ("grid_gpcp_australia_monthly/gpcp_australia.nc", "1 driver on 12 x 20 cells of 2.5 x 2.5 (EPSG:4326)", "1982",
     {}),
    ("grid_conus_annual_t_p/indicators.nc", "2 drivers on 56 x 116 cells of 0.5 x 0.5 (EPSG:4326)", "", {}),
    ("grid_moselle_multidriver/domain2_monthly_precip_24km_1950_2011.nc",
     "1 driver on 5 x 5 cells of 24000 x 24000 (EPSG:3035)", "1950", {"crs": "EPSG:3035"}),
    ("grid_moselle_multidriver/original/lc_1981.asc.gz", "1 driver on 432 x 288 cells of 500 x 500 (EPSG:3035)", "",
     {"crs": "EPSG:3035", "time_step": "year", "variables": "lc=igbp"}),
    ("grid_ndvi_evi_timeseries/gimms_ndvi_brooksrange.nc", "1 driver on 29 x 24 cells of 0.083314 x 0.0832948 "
     "(EPSG:4326)", "1982", {}),
    ("grid_ndvi_evi_timeseries/modis_evi_megadrought_chile.nc", "1 driver on 8 x 8 cells of 250 x 250 (EPSG:32719)",
     "2000", {}),
    ("grid_ndvi_evi_timeseries/modis_ndvi_somalia.nc", "1 driver on 5 x 5 cells of 0.05 x 0.05 (EPSG:4267)", "2000",
     {}),
    ("grid_ndvi_evi_timeseries/modis_mod13a3_ndvi_belgium_utm31.nc", "1 driver on 30 x 43 cells of 1000 x 1000 "
     "(EPSG:32631)", "2000", {}),
    ("grid_ndvi_evi_timeseries/original_rts_mod13a3/ndvi.grd", "1 driver on 30 x 43 cells of 1000 x 1000 "
     "(EPSG:32631)", "2000", {}),
    ("grid_australia_ndvi_precip_monthly/original/AUSdemo_SYNMAP_C4Fraction.nc",
     "1 driver on 139 x 177 cells of 0.25 x 0.25 (EPSG:4326)", "", {"time_step": "year"})]


@pytest.mark.parametrize(("name", "line", "first_year", "options"), REAL, ids=[row[0].split("/")[-1] for row in REAL])
def test_every_real_grid(tmp_path, real_data, name, line, first_year, options):
    """Each grid is read by its own, and finer ones become years."""
    result = run_step("read_drivers", {"drivers": str(real_data(name)), "output": str(tmp_path / "d.zarr"), **options})
    assert result["summary"][0] == line and result["citations"] == []
    if first_year:
        yearly = run_step("aggregate", {"drivers": str(tmp_path / "d.zarr"), "to": "year",
                                        "output": str(tmp_path / "y.zarr")})
        assert yearly["summary"][1].startswith(first_year)
        cube = open_cube(tmp_path / "y.zarr")
        assert all(np.isfinite(cube[driver].values).any() for driver in cube.data_vars)


def test_products_are_told_and_cited(tmp_path):
    """The summary says which profile was applied, that it was not tried on real files, and what to cite."""
    save(tmp_path / "in" / "clay_0-5cm_mean.tif", np.full((1, 8, 10), 231), ON, dtype="int16", nodata=-32768)
    values = {"drivers": str(tmp_path / "in"), "output": str(tmp_path / "d.zarr"),
              "rasters": str(tmp_path / "rasters")}
    result = run_step("read_drivers", values)
    assert "clay_0-5cm_mean.tif: SoilGrids, 'clay' in %, stored values x 0.1" in result["summary"]
    assert any("SoilGrids: read after the published description" in line for line in result["summary"])
    assert any("10.5194/soil-7-217-2021" in text for text in result["citations"])
    assert (tmp_path / "rasters" / "clay.tif").exists()
    plain = run_step("read_drivers", {**values, "product": "cru_ts", "units": "clay=g kg-1", "variables":
                                      "clay_0-5cm_mean=topsoil"})
    assert "clay_0-5cm_mean.tif: no variable of CRU TS, taken at its word" in plain["summary"]
    assert plain["citations"] == []
