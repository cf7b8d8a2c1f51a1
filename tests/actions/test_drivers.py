"""The step read_drivers, as every front end runs it."""

from __future__ import annotations

import numpy as np
import pytest

from rasters import field, grid, months, save
from reco_core.actions import run_step
from reco_core.errors import GridError
from reco_core.io.cubes import open_cube

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
