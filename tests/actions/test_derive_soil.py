"""The step derive_soil, as every front end runs it."""

from __future__ import annotations

import numpy as np
import pytest

from rasters import field, grid, months, save
from reco_core.actions import run_step
from reco_core.drivers.soil import TEXTURES
from reco_core.errors import SchemaError
from reco_core.io.rasters.cubes import open_cube

ON = grid()


def run(tmp_path, **values):
    result = run_step("derive_soil", {**values, "output": str(tmp_path / "soil.zarr")})
    return result, open_cube(tmp_path / "soil.zarr")


def layer(folder, name, value, units=""):
    values = np.full((1, ON.height, ON.width), value, "float32") if np.ndim(value) == 0 else value
    return save(folder / f"{name}.tif", values, ON, units=units)


def test_density_of_picked_layers(tmp_path):
    """Layers picked one by one, in the units of their files, make the published 7.02 kg C m-2."""
    result, ds = run(tmp_path, oc_layer=layer(tmp_path, "a", 2.0), gravel_layer=layer(tmp_path, "c", 10.0),
                     bulk_density_layer=layer(tmp_path, "b", 1.3, "g cm-3"), rasters=str(tmp_path / "rasters"))
    assert list(ds.data_vars) == ["soc_density"] and "time" not in ds.dims
    assert ds["soc_density"].values == pytest.approx(7.02, rel=1e-5)
    assert ds["soc_density"].attrs["units"] == "kg C m-2"
    assert "soc_density is of a layer of 0.3 m" in result["summary"]
    assert (tmp_path / "rasters" / "soc_density.tif").exists()
    assert any("10.1038/nature13731" in text for text in result["citations"])
    without, ds = run(tmp_path, oc_layer=str(tmp_path / "a.tif"), bulk_density_layer=str(tmp_path / "b.tif"),
                      thickness=1.0)
    assert ds["soc_density"].values == pytest.approx(26.0, rel=1e-5)
    assert any("without gravel" in line for line in without["summary"])


def test_texture_counts_what_does_not_add_up(tmp_path):
    """Cells whose fractions do not add up are missing and counted; the classes that there are are told."""
    clay = field(1, ON, low=5, high=35)
    silt = field(1, ON, seed=1, low=5, high=60)
    sand = 100 - clay - silt
    sand[0, 0] += 5
    sand[0, 1, 1] = np.nan
    paths = [layer(tmp_path, name, values) for name, values in (("clay", clay), ("silt", silt), ("sand", sand))]
    result, ds = run(tmp_path, layers=paths)
    values = ds["texture"].values
    assert np.isnan(values[0]).all() and np.isnan(values[1, 1]) and np.isfinite(values[2:]).all()
    assert set(np.unique(values[2:])) <= set(range(1, 13))
    assert any("10 of 79 cells are missing" in line for line in result["summary"])
    assert any(name in result["summary"][-1] for name in TEXTURES)


def test_soilgrids_as_downloaded(tmp_path):
    """Files of SoilGrids make both drivers; carbon in g kg-1 counts as organic carbon."""
    for name, value in (("soc", 200), ("bdod", 130), ("cfvo", 100), ("clay", 200), ("silt", 400), ("sand", 400)):
        save(tmp_path / "in" / f"{name}_0-5cm_mean.tif", np.full((8, 10), value), ON, dtype="int16", nodata=-32768)
    result, ds = run(tmp_path, drivers=str(tmp_path / "in"))
    assert set(ds.data_vars) == {"soc_density", "texture"}
    assert ds["soc_density"].values == pytest.approx(7.02, rel=1e-5)
    assert (ds["texture"].values == TEXTURES.index("loam") + 1).all()
    assert "oc is soc_0" in " ".join(result["summary"])


def test_layers_of_a_profile_add_up(tmp_path):
    """Carbon of SoilGrids' layers is summed down to the depth asked for; deeper layers do not count."""
    for depth, carbon in (("0-5", 400), ("5-15", 200), ("15-30", 100), ("30-60", 50)):
        save(tmp_path / "in" / f"soc_{depth}cm_mean.tif", np.full((8, 10), carbon), ON, dtype="int16", nodata=-32768)
        save(tmp_path / "in" / f"bdod_{depth}cm_mean.tif", np.full((8, 10), 130), ON, dtype="int16", nodata=-32768)
    result, ds = run(tmp_path, drivers=str(tmp_path / "in"))
    expected = 1300 * (0.04 * 0.05 + 0.02 * 0.10 + 0.01 * 0.15)
    assert ds["soc_density"].values == pytest.approx(expected, rel=1e-5)
    assert any("sum of the layers 0-5 cm, 5-15 cm, 15-30 cm without gravel" in line for line in result["summary"])
    _, ds = run(tmp_path, drivers=str(tmp_path / "in"), thickness=0.5)
    assert ds["soc_density"].values == pytest.approx(expected + 1300 * 0.005 * 0.2, rel=1e-5)


def test_what_is_missing_is_named(tmp_path):
    """Without the inputs of any soil driver the message names what each needs."""
    with pytest.raises(SchemaError, match=r"soc_density needs oc, bulk_density \(there is no bulk_density\); texture "
                                          r"needs clay, silt, sand \(there is no silt, sand\)"):
        run(tmp_path, layers=[layer(tmp_path, "oc", 2.0), layer(tmp_path, "clay", 20.0)])
    dated = save(tmp_path / "oc.tif", field(2, ON, low=0, high=3), ON, names=months("2001-01", 2))
    with pytest.raises(SchemaError, match="oc change in time"):
        run(tmp_path, layers=[dated, layer(tmp_path, "bulk_density", 1300.0)])
