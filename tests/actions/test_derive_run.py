"""The loop of all derived drivers: tile by tile the same as at once, and nothing left where it fails."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio

from rasters import field, grid, months, save
from reco_core.actions.derive_run import Derivation, Made, derive, open_inputs
from reco_core.errors import Cancelled, ResourceError, SchemaError
from reco_core.io.rasters.cubes import open_cube
from reco_core.progress import SILENT, Progress

ON = grid(70, 50, cell=0.1)
MONTHS = 30
MADE = (Made("ts", "degC", "Soil temperature"), Made("latitude_abs", "degree", "Absolute latitude", static=True))


@pytest.fixture
def drivers(tmp_path):
    """Temperature of 30 months and soil carbon, in files."""
    save(tmp_path / "in" / "ta.tif", field(MONTHS, ON), ON, names=months("2001-01", MONTHS), units="degC", nodata=-9999)
    save(tmp_path / "in" / "soc_0.tif", field(1, ON, low=0, high=90), ON)
    return str(tmp_path / "in")


def half(**changes):
    """Return a derivation that halves the temperature and keeps the latitude."""
    def compute(window):
        return {"ts": window.values["ta"] / 2 + window.values["soc_0"] * 0, "latitude_abs": np.abs(window.lat)}

    return Derivation(**{"made": MADE, "compute": compute, "history": "derive_test: halves", **changes})


def run(path, tmp_path, name="out", *, memory=2.0, rasters=None, region=None, progress=SILENT, **changes):
    """Derive and return what came of it."""
    ds = open_inputs({"drivers": path, "region": region}, require=["ta", "soc_0"])
    return derive(ds, ["ta", "soc_0"], half(**changes), output=str(tmp_path / f"{name}.zarr"), rasters=rasters,
                  memory=memory, progress=progress)


def test_values_and_words(drivers, tmp_path):
    """The cube holds what was computed, with unit, name, calendar and history; places have their latitude."""
    result = run(drivers, tmp_path)
    cube = open_cube(tmp_path / "out.zarr")
    assert np.array_equal(cube["ts"].values, field(MONTHS, ON) / 2)
    assert cube["latitude_abs"].dims == ("y", "x")
    np.testing.assert_allclose(cube["latitude_abs"].values[:, 0], np.abs(cube["y"].values), rtol=1e-6)
    assert cube["ts"].attrs["units"] == "degC" and cube.attrs["time_step"] == "month"
    assert cube.attrs["history"].endswith("derive_test: halves")
    assert result["output"] == str(tmp_path / "out.zarr") and "rasters" not in result


def test_tiles_make_no_difference(drivers, tmp_path):
    """With little memory the tiles are small and the values the same."""
    run(drivers, tmp_path, "whole")
    run(drivers, tmp_path, "parts", memory=0.0015)
    assert json.loads((tmp_path / "parts.zarr" / "ts" / ".zarray").read_text())["chunks"][-1] < 50
    assert open_cube(tmp_path / "parts.zarr").equals(open_cube(tmp_path / "whole.zarr"))


def test_other_calendar(drivers, tmp_path):
    """A result may have time steps of its own."""
    years = np.array(["2001", "2002", "2003"], dtype="datetime64[Y]").astype("datetime64[D]")

    def compute(window):
        return {"ts": np.stack([window.values["ta"][at:at + 12].mean(axis=0) for at in (0, 12, 24)]),
                "latitude_abs": np.abs(window.lat)}

    run(drivers, tmp_path, compute=compute, times=years, time_step="year")
    cube = open_cube(tmp_path / "out.zarr")
    assert cube.sizes["time"] == 3 and cube.attrs["time_step"] == "year"
    np.testing.assert_allclose(cube["ts"].values[1], field(MONTHS, ON)[12:24].mean(axis=0), rtol=1e-5)


def test_rasters(drivers, tmp_path):
    """Each driver made becomes a GeoTIFF with dates, unit and style; cells outside the region are nodata."""
    result = run(drivers, tmp_path, rasters=str(tmp_path / "layers"), region="0.55,44.05,4.05,49.55")
    assert result["rasters"] == str(tmp_path / "layers")
    with rasterio.open(tmp_path / "layers" / "ts.tif") as file:
        assert file.descriptions[0] == "2001-01" and file.count == MONTHS and set(file.units) == {"degC"}
        values = file.read(masked=True)
        assert file.tags()["RECO_STEP"] == "derive_test"
    cube = open_cube(tmp_path / "out.zarr")
    np.testing.assert_array_equal(values.filled(np.nan), cube["ts"].values)
    with rasterio.open(tmp_path / "layers" / "latitude_abs.tif") as file:
        assert file.descriptions == ("latitude_abs",)
    assert (tmp_path / "layers" / "ts.qml").exists()


def test_layers_picked_one_by_one(tmp_path):
    """A picked layer has the name of its parameter, whatever the file is called."""
    rain = save(tmp_path / "whatever.tif", field(12, ON, low=0, high=9), ON, names=months("2001-01", 12),
                units="mm d-1")
    other = save(tmp_path / "lai.tif", field(12, ON, low=0, high=6), ON, names=months("2001-01", 12), units="1")
    ds = open_inputs({"precip_layer": rain, "pet_layer": None, "layers": [other]}, require=["precip"], optional=["lai"])
    assert set(ds.data_vars) == {"precip", "lai"}
    assert set(open_inputs({"precip_layer": rain}, require=["precip"], optional=["pet"]).data_vars) == {"precip"}
    with pytest.raises(SchemaError, match="no pet"):
        open_inputs({"precip_layer": rain}, require=["precip", "pet"])


def test_impossible_values_are_refused(drivers, tmp_path):
    """What cannot be is neither read nor written, and nothing remains."""
    def compute(window):
        return {"ts": window.values["ta"] * 0 + 1000.0, "latitude_abs": window.lat}

    with pytest.raises(SchemaError, match="'ts' is 1"):
        run(drivers, tmp_path, compute=compute)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_too_little_memory(drivers, tmp_path):
    """Where not even a small tile fits, the error says how much it needs."""
    with pytest.raises(ResourceError, match="needs"):
        run(drivers, tmp_path, memory=1e-6)


def test_stopping_leaves_nothing(drivers, tmp_path):
    """A stop half-way removes what was written."""
    seen = []
    progress = Progress(lambda part, message: seen.append(part), lambda: bool(seen) and seen[-1] > 0.5)
    with pytest.raises(Cancelled):
        run(drivers, tmp_path, memory=0.0015, progress=progress)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
