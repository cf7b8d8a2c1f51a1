"""The step make_zones: zones of sites as files, and as maps where drivers are given."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import rasterio

from reco_core.actions import run_step
from reco_core.errors import ConfigError, SampleError, SchemaError
from reco_core.io.observations.read import write_samples
from reco_core.io.rasters.cubes import write_cube
from reco_core.models.zones import Zones, factor_values
from reco_core.samples.climate import MonthlyMeans, months_of
from small_world import small_drivers, small_samples

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    path = tmp_path_factory.mktemp("zones") / "samples.nc"
    write_samples(small_samples(13, 2), path)
    return str(path)


def test_zones_of_sites(samples, tmp_path):
    """Every site has a zone; zones are numbered from cold to warm; the tests compare every two of them."""
    result = run_step("make_zones", {"samples": samples, "zones": 3}, folder=str(tmp_path))
    sites, record = pd.read_csv(tmp_path / "zone_sites.csv"), json.loads((tmp_path / "zones.json").read_text())
    assert len(sites) == 13 and set(sites.zone) == {1, 2, 3} and record["factors"] == ["ta", "lai", "soc_0"]
    assert sites.groupby("zone").ta.mean().is_monotonic_increasing
    zones = Zones.from_plain(record)
    assert zones.labels(sites[["ta", "lai", "soc_0"]].to_numpy()).tolist() == sites.zone.tolist()
    tests = pd.read_csv(tmp_path / "zone_tests.csv")
    assert len(tests) == 9 and tests[tests.factor == "ta"].p_adjusted.min() < 0.05
    assert pd.read_csv(tmp_path / "zone_choice.csv").zones.tolist() == [1, 3]
    assert any("lai stands for NDVI" in line for line in result["summary"])
    assert any(line.startswith("One forest for all sites: R²") for line in result["summary"])
    assert any("Tamhane" in line for line in result["citations"])
    assert not (tmp_path / "zones.tif").exists() and "map" not in result


def test_number_is_chosen(samples, tmp_path):
    """Without a number it is the one with the least error whose zones all have enough records."""
    run_step("make_zones", {"samples": samples, "factors": "ta,lai", "min_records": 60}, folder=str(tmp_path))
    rows = pd.read_csv(tmp_path / "zone_choice.csv")
    fit = rows[(rows.zones > 1) & (rows.min_records >= 60)]
    record = json.loads((tmp_path / "zones.json").read_text())
    assert len(record["centres"]) == fit.sort_values("rmse").zones.iloc[0] and rows.zones.tolist() == list(range(1, 9))


def test_zone_map(samples, tmp_path):
    """Each cell has the zone of its own long-term means; what lacks a factor has none; tiles make no difference."""
    drivers = small_drivers(gaps=False)
    lai = drivers["lai"].values.copy()
    lai[:, 3, 4] = np.nan
    drivers["lai"] = drivers["lai"].copy(data=lai)
    write_cube(drivers, tmp_path / "drivers.zarr")
    wanted = {"samples": samples, "zones": 3, "factors": "ta,lai", "drivers": str(tmp_path / "drivers.zarr")}
    result = run_step("make_zones", wanted, folder=str(tmp_path))
    with rasterio.open(tmp_path / "zones.tif") as file, rasterio.open(tmp_path / "zone_novelty.tif") as other:
        found, far = file.read(1), other.read(1)
        assert file.dtypes == ("uint8",) and file.tags()["RECO_STEP"] == "make_zones"
    zones = Zones.from_plain(json.loads((tmp_path / "zones.json").read_text()))
    values = factor_values(np.stack([monthly(drivers, name) for name in ("ta", "lai")], axis=2), ("ta", "lai"),
                           ("ta", "lai"))
    np.testing.assert_array_equal(np.where(found == 255, 0, found).ravel(), zones.labels(values))
    assert found[3, 4] == 255 and (far == -9999).sum() == 1
    np.testing.assert_allclose(far.ravel()[found.ravel() < 255] > 1, zones.novel(values)[found.ravel() < 255])
    assert "zone 2" in (tmp_path / "zones.qml").read_text() and any("1 cells lack" in line
                                                                    for line in result["summary"])


def monthly(drivers, name):
    """Return the monthly means of a driver, one row per cell, shape (cells, 12)."""
    values = drivers[name].values
    means = MonthlyMeans(values.shape[1:])
    means.add(values, months_of(drivers["time"].values))
    return means.means().astype("float32").reshape(12, -1).T


def test_same_bytes(samples, tmp_path):
    """The same seed writes the same files."""
    for name in ("a", "b"):
        run_step("make_zones", {"samples": samples, "zones": 2}, folder=str(tmp_path / name))
    for file in ("zones.json", "zone_sites.csv", "zone_choice.csv", "zone_tests.csv"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize(("values", "error", "words"), [
    ({"factors": "ta,wind"}, ConfigError, "needs the driver wind"),
    ({"zones": 20, "factors": "soc_0"}, SampleError, "20 zones are wanted"),
    ({"min_records": 9000}, SampleError, "zones of at least 9000"),
    ({"min_records": 156, "factors": "ta"}, SampleError, "No number of zones"),
    ({"variant": "1996"}, ConfigError, "variant")])
def test_what_cannot_be(samples, tmp_path, values, error, words):
    """Factors that are not there, more zones than places, and too high demands are refused; nothing is written."""
    with pytest.raises(error, match=words):
        run_step("make_zones", {"samples": samples, **values}, folder=str(tmp_path / "none"))
    assert not (tmp_path / "none" / "zones.json").exists()


def test_drivers_that_lack_a_factor(samples, tmp_path):
    """A cube without a factor is refused by its name."""
    write_cube(small_drivers(gaps=False).drop_vars("lai"), tmp_path / "drivers.zarr")
    with pytest.raises(SchemaError, match="lai"):
        run_step("make_zones", {"samples": samples, "zones": 2, "drivers": str(tmp_path / "drivers.zarr")},
                 folder=str(tmp_path / "out"))
