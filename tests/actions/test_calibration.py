"""Calibration through its step: factors, tables and maps from local records, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import rasterio

from reco_core.actions import run_step
from reco_core.actions.calibration import held_out
from reco_core.actions.models import save_model
from reco_core.errors import ArtifactError, ConfigError, GridError, SampleError, SchemaError
from reco_core.io.observations.read import write_samples
from reco_core.io.rasters.cubes import write_cube
from reco_core.io.rasters.geotiff import RasterWriter
from reco_core.io.rasters.grid import Grid, lonlat
from reco_core.models.calibration import shrinkage, transfer
from reco_core.models.table import Table
from reco_core.progress import SILENT
from small_world import small_drivers, small_model, small_samples

STRONGER = 1.5
NEW = ("NEW-A", "NEW-B", "NEW-C")


def local_samples(factor=STRONGER, names=NEW):
    """Return records of three towers the model has not seen, on cells of the map, whose flux is the estimate scaled."""
    ds = small_samples()
    rows = np.flatnonzero(np.isin(ds["site"].values, np.unique(ds["site"].values)[:3]))
    ds = ds.isel(sample=rows).load().copy()
    number = np.unique(ds["site"].values, return_inverse=True)[1]
    x, y = lonlat(Grid.of(small_drivers()))
    ds["lon"] = ("sample", x[5, [1, 4, 7]][number])
    ds["lat"] = ("sample", y[5, [1, 4, 7]][number])
    ds["site"] = ("sample", np.asarray(names)[number])
    ds["igbp"] = ("sample", np.array(["ENF", "ENF", "GRA"])[number])
    blind = small_model().estimate(Table.of(ds).X).mean
    ds["target"] = ("sample", factor * blind, ds["target"].attrs)
    return ds


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Return a folder with a fitted model, its map, a class layer and local records."""
    folder = tmp_path_factory.mktemp("inputs")
    save_model(small_model(), folder / "model")
    write_cube(small_drivers(gaps=False), str(folder / "drivers.zarr"), memory_gb=1.0, progress=SILENT)
    run_step("predict", {"model": str(folder / "model"), "drivers": str(folder / "drivers.zarr")}, folder=str(folder))
    codes = np.full((12, 9), 10.0)
    codes[:, :4], codes[0, 0] = 1.0, np.nan
    with RasterWriter(folder / "igbp.tif", Grid.of(small_drivers()), ["igbp"], unit="1", dtype="uint8") as writer:
        writer.write(codes, 0, 0)
    write_samples(local_samples(), folder / "local.nc")
    return folder


def run(inputs, out, **values):
    """Calibrate and return what the step says."""
    given = {"model": str(inputs / "model"), "samples": str(inputs / "local.nc"), **values}
    return run_step("calibrate", given, folder=str(out))


def read(path):
    """Return the bands of a raster with NaN where there is nothing."""
    with rasterio.open(path) as file:
        values = file.read().astype("float64")
        return np.where(values == file.nodata, np.nan, values)


def ratio(inputs, out):
    """Return the calibrated over the blind map, (rows, columns), the same in every month."""
    found = read(out / "reco_calibrated.tif") / read(inputs / "reco.tif")
    np.testing.assert_allclose(found, np.broadcast_to(found[:1], found.shape), rtol=1e-5)
    return found[0]


def test_factors_are_those_of_the_formula(inputs, tmp_path):
    """The table has the factor of each tower from its first six records, and the skill on the others improves."""
    result = run(inputs, tmp_path, known=6)
    table = pd.read_csv(tmp_path / "factors.csv")
    assert list(table["place"]) == list(NEW) and (table["records"] == 6).all() and (table["rest"] == 42).all()
    strength = shrinkage(held_out(small_model()), 6)
    rows = pd.read_csv(tmp_path / "calibrated.csv")
    used = rows[(rows["site"] == "NEW-B") & (rows["used"] == 1)]
    expected = strength.factor(used["observed"].to_numpy(), used["blind"].to_numpy())
    assert table["factor"][1] == pytest.approx(expected, rel=1e-8) and 1 < expected < STRONGER
    assert (table["mae_calibrated"] < table["mae_blind"]).all()
    assert (table["first"] == "2001-01").all() and (table["last"] == "2001-06").all()
    assert result["details"]["skill"]["rest"] == 126 and "calibrated" not in result
    assert any("on 126 records not used" in line for line in result["summary"])
    np.testing.assert_allclose(rows["calibrated"], rows["factor"] * rows["blind"], rtol=1e-8)


def test_all_records_leave_nothing_to_tell(inputs, tmp_path):
    """With all records used the summary says that their worth is not known, and no score is printed."""
    result = run(inputs, tmp_path)
    assert result["summary"][-1].startswith("All records were used")
    assert pd.read_csv(tmp_path / "factors.csv")["mae_blind"].isna().all()


def test_map_of_towers(inputs, tmp_path):
    """Only the cells around towers have values, those of the nearest tower, and the map says CALIBRATED."""
    blind = (inputs / "reco.tif").read_bytes()
    run(inputs, tmp_path, known=12, estimate=str(inputs / "reco.tif"))
    found, factors = ratio(inputs, tmp_path), pd.read_csv(tmp_path / "factors.csv")["factor"].to_numpy()
    np.testing.assert_allclose(found[5, [1, 4, 7]], factors, rtol=1e-5)
    assert np.isfinite(found).sum() == 3 and (inputs / "reco.tif").read_bytes() == blind
    with rasterio.open(tmp_path / "reco_calibrated.tif") as file, rasterio.open(inputs / "reco.tif") as source:
        tags = file.tags()
        assert file.descriptions == source.descriptions and file.units == source.units
        assert tags["MODEL_ID"] == source.tags()["MODEL_ID"] and tags["RECO_STEP"] == "calibrate"
    assert tags["CALIBRATED"].startswith("tower within 5 km: NEW-A x 1.")
    assert "CALIBRATED" in tags["TITLE"] and (tmp_path / "reco_calibrated.qml").exists()
    record = json.loads((tmp_path / "factors.run.json").read_text())
    assert record["outputs"]["calibrated"].endswith("reco_calibrated.tif")


def test_nearest_tower_counts(inputs, tmp_path):
    """With a wide radius each cell has the factor of the tower next to it."""
    run(inputs, tmp_path, known=12, estimate=str(inputs / "reco.tif"), radius_km=20000)
    found, factors = ratio(inputs, tmp_path), pd.read_csv(tmp_path / "factors.csv")["factor"].to_numpy()
    np.testing.assert_allclose(found[5], factors[[0, 0, 0, 1, 1, 1, 2, 2, 2]], rtol=1e-5)
    assert np.isfinite(found).all()


def test_region_has_one_factor(inputs, tmp_path):
    """All cells of the region and no other are scaled, by the mean over its towers as far as towers tell of others."""
    west, south, east, north = Grid.of(small_drivers()).bounds
    box = f"{west},{south},{west + 6 * (east - west) / 9},{north} [EPSG:4326]"
    run(inputs, tmp_path / "a", known=12, place="region", region=box, estimate=str(inputs / "reco.tif"), transfer=0.5)
    run(inputs, tmp_path / "b", known=12)
    table, single = (pd.read_csv(tmp_path / name / "factors.csv") for name in "ab")
    expected = 1 + 2 / 3 * (single["factor"][:2].mean() - 1)
    assert table["factor"].tolist() == pytest.approx([expected]) and table["towers"].tolist() == [2]
    found = ratio(inputs, tmp_path / "a")
    np.testing.assert_allclose(found[:, :6], expected, rtol=1e-5)
    assert np.isnan(found[:, 6:]).all()


def test_classes_have_their_factors(inputs, tmp_path):
    """Cells of a class have its factor, and cells without a class none."""
    run(inputs, tmp_path, known=12, place="class", estimate=str(inputs / "reco.tif"), transfer=1.0,
        class_layer=str(inputs / "igbp.tif"))
    table = pd.read_csv(tmp_path / "factors.csv").set_index("place")
    found = ratio(inputs, tmp_path)
    assert np.isnan(found[0, 0]) and table["towers"].to_dict() == {"ENF": 2, "GRA": 1}
    np.testing.assert_allclose(found[1:, :4], table["factor"]["ENF"], rtol=1e-5)
    np.testing.assert_allclose(found[:, 4:], table["factor"]["GRA"], rtol=1e-5)


def test_transfer_comes_from_the_training_sites(inputs, tmp_path, caplog):
    """Without a transfer the training sites are asked, and where that is nothing or a guess a warning says so."""
    with caplog.at_level("WARNING"):
        share = run(inputs, tmp_path, known=12, place="class")["details"]["transfer"]
    held = held_out(small_model())
    assert share == transfer(held, held.stratum, shrinkage(held, 12).weight).share
    assert ("Give transfer" in caplog.text) == (share < 0.05)


def test_same_bytes_again(inputs, tmp_path):
    """The same records give the same files, and small tiles make no difference."""
    for name in "ab":
        run(inputs, tmp_path / name, known=6, estimate=str(inputs / "reco.tif"), memory=0.1 if name == "b" else 2.0)
    for file in ("factors.csv", "calibrated.csv", "reco_calibrated.tif"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_towers_of_the_training_are_blind(inputs, tmp_path):
    """Estimates of towers that took part in training are those of the models that did not see them."""
    ds = small_samples()
    write_samples(ds, tmp_path / "seen.nc")
    run(inputs, tmp_path, samples=str(tmp_path / "seen.nc"), known=12)
    table = pd.read_csv(tmp_path / "calibrated.csv")
    reference = small_model().reference
    expected = pd.Series(reference["held_out"], index=[reference["site"], ds["time"].dt.strftime("%Y-%m").values])
    found = table.set_index(["site", "time"])["blind"]
    np.testing.assert_allclose(found, expected.loc[found.index], rtol=1e-6)


def test_factor_of_one_changes_nothing(inputs, tmp_path):
    """Records that are what the model says leave map and table as they are."""
    write_samples(local_samples(1.0), tmp_path / "local.nc")
    run(inputs, tmp_path, samples=str(tmp_path / "local.nc"), estimate=str(inputs / "reco.tif"))
    np.testing.assert_allclose(ratio(inputs, tmp_path)[5, [1, 4, 7]], 1.0, rtol=1e-6)


@pytest.mark.parametrize(("values", "kind", "text"), [
    ({"known": 2}, SampleError, "needs 3 records of a tower; there are: NEW-A 2"),
    ({"period": "1990/1991"}, SampleError, "lies in 1990/1991: there are 144 from 2001-01 to 2004-12"),
    ({"place": "region"}, ConfigError, "no region is given"),
    ({"region": "0,0,1,1 [EPSG:4326]"}, ConfigError, "the place is tower"),
    ({"place": "region", "region": "0,85,1,86 [EPSG:4326]"}, SampleError, "No local record lies in the region"),
    ({"place": "class", "estimate": "reco.tif"}, ConfigError, "no class layer"),
    ({"estimate": "applicability.tif"}, GridError, "The map is in 1 "),
    ({"estimate": "igbp.tif"}, ArtifactError, "by none of RECO's models")])
def test_what_is_refused(inputs, tmp_path, values, kind, text):
    """Too few records, none in the period or region, and maps of something else: told, and nothing is written."""
    if "estimate" in values:
        values = {**values, "estimate": str(inputs / values["estimate"])}
    with pytest.raises(kind, match=text) as error:
        run(inputs, tmp_path / "out", **values)
    assert error.value.hint and not list(tmp_path.rglob("*.*"))


def changed(name, value):
    """Return local records with another attribute."""
    ds = local_samples()
    if name == "ta":
        ds["ta"].attrs["units"] = value
    elif name == "target":
        ds["target"].attrs["units"] = value
    else:
        ds.attrs[name] = value
    return ds


@pytest.mark.parametrize(("name", "value", "kind", "text"), [
    ("flux_kind", "rs", SampleError, "estimates ecosystem respiration and the local records are soil respiration"),
    ("time_step", "8day", SampleError, "for each 8day"),
    ("target", "g C m-2 d-1", SampleError, "are in g C m-2 d-1"),
    ("ta", "K", ArtifactError, "'ta' in degC, the local records have it in K"),
    ("features", "ta,lai", ArtifactError, "not there: soc_0")])
def test_other_records_are_refused(inputs, tmp_path, name, value, kind, text):
    """Records of another flux, time step or unit, or without a driver, are refused."""
    write_samples(changed(name, value), tmp_path / "other.nc")
    with pytest.raises(kind, match=text):
        run(inputs, tmp_path / "out", samples=str(tmp_path / "other.nc"))


def test_calibrated_map_is_not_calibrated_again(inputs, tmp_path):
    """A calibrated map and a region off the map are refused."""
    run(inputs, tmp_path, known=6, estimate=str(inputs / "reco.tif"))
    with pytest.raises(SchemaError, match="calibrated already"):
        run(inputs, tmp_path / "again", known=6, estimate=str(tmp_path / "reco_calibrated.tif"))


def test_places_off_the_map_are_told(inputs, tmp_path):
    """Towers and regions with records, but beside the map, are refused with where the map lies."""
    ds = local_samples()
    ds["lat"] = ("sample", np.full(ds.sizes["sample"], 89.99))
    ds["lon"] = ("sample", np.full(ds.sizes["sample"], 300.0))
    write_samples(ds, tmp_path / "away.nc")
    small = small_drivers(gaps=False).isel(y=slice(3, 9), x=slice(2, 6))
    write_cube(small, str(tmp_path / "part.zarr"), memory_gb=1.0, progress=SILENT)
    run_step("predict", {"model": str(inputs / "model"), "drivers": str(tmp_path / "part.zarr")}, folder=str(tmp_path))
    values = {"samples": str(tmp_path / "away.nc"), "estimate": str(tmp_path / "reco.tif"), "known": 6}
    with pytest.raises(GridError, match="None of the towers with a factor"):
        run(inputs, tmp_path / "out", **values)
    with pytest.raises(GridError, match="lies outside"):
        run(inputs, tmp_path / "out", **values, place="region", region="-70,89.9,-50,90 [EPSG:4326]")
