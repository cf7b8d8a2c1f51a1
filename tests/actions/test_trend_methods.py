"""The step `trend` with each of its tests: what stands in the raster, what is told, what is cited."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

from reco_core.actions import run_step
from reco_core.actions.map_job import TrendSpec, series_job
from reco_core.catalogue import get_step
from reco_core.errors import Cancelled, ConfigError
from reco_core.io.rasters.geotiff import RasterWriter, read_series
from reco_core.io.rasters.grid import Grid
from reco_core.progress import Progress
from reco_core.trends import METHODS, TrendTest, trend_maps
from reco_core.trends.maps import NAMES
from small_world import small_drivers

MONTHS = np.arange("2001-01", "2009-01", dtype="datetime64[M]")


@pytest.fixture
def flux(tmp_path):
    """Return the path of a monthly raster of eight years with a cycle, memory and gaps, and its values."""
    rng = np.random.default_rng(0)
    values = rng.normal(0, 3, (96, 4, 3))
    for k in range(1, 96):
        values[k] += 0.4 * values[k - 1]
    month = np.arange(96)[:, None, None]
    values += 50 + 30 * np.cos(2 * np.pi * month / 12) + np.linspace(-0.02, 0.06, 12).reshape(4, 3) * month
    values[5:9, 0, 1] = np.nan
    with RasterWriter(tmp_path / "flux.tif", Grid.of(small_drivers(4, 3, 1)), [str(one) for one in MONTHS],
                      unit="g C m-2 month-1", tags={}) as writer:
        writer.write(values.astype("float32"), 0, 0)
    return tmp_path / "flux.tif", values.astype("float32")


def run(flux, tmp_path, **values):
    """Run the step and return its record, its bands and its tags."""
    path = tmp_path / "trend.tif"
    said = run_step("trend", {"estimate": str(flux), "output": str(path), "annual": "none", **values})
    with rasterio.open(path) as file:
        return said, file.read(masked=True).filled(np.nan), file.tags()


@pytest.mark.parametrize("method", METHODS)
def test_every_method(flux, tmp_path, method):
    """The raster holds what the test gives, its tags and the summary name it, and its authors are cited."""
    path, values = flux
    said, bands, tags = run(path, tmp_path, method=method)
    test = TrendTest(method, 12)
    expected = trend_maps(values, 2001 + np.arange(96) / 12, method=test)
    for band, name in zip(bands, NAMES):
        np.testing.assert_allclose(band, expected[name], rtol=1e-5, atol=1e-7, err_msg=name)
    assert tags["METHOD"] == f"Theil-Sen slope, {test.text}, 95 % interval"
    assert any(test.text in line for line in said["summary"])
    assert list(said["citations"]) == test.citations


def test_choices_are_all_methods():
    """The catalogue, which loads nothing, names the methods that there are, in both steps."""
    assert get_step("trend").param("method").choices == tuple(METHODS)
    assert get_step("estimate_region").param("trend_method").choices == tuple(METHODS)


def test_seasons_of_another_length(flux, tmp_path):
    """A cycle of six months is not the one of a year."""
    path, values = flux
    _, bands, _ = run(path, tmp_path, method="seasonal", season=6)
    expected = trend_maps(values, 2001 + np.arange(96) / 12, method="seasonal", season=6)
    np.testing.assert_allclose(bands[2], expected["p"], rtol=1e-5)


@pytest.mark.parametrize("engine", ["torch", "reference"])
def test_other_engines(flux, tmp_path, engine):
    """Other engines write the same numbers."""
    pytest.importorskip({"torch": "torch", "reference": "pymannkendall"}[engine])
    path, _ = flux
    ours = run(path, tmp_path, method="seasonal")[1]
    np.testing.assert_allclose(run(path, tmp_path, method="seasonal", engine=engine)[1], ours, rtol=1e-6, atol=1e-9)


def test_seasons_need_several_values_a_year(flux, tmp_path):
    """A seasonal test of annual sums is refused, and the message says what to change."""
    path, _ = flux
    with pytest.raises(ConfigError, match="annual=sum leaves one value a year") as caught:
        run(path, tmp_path, method="seasonal", annual="sum")
    assert "annual=none" in caught.value.hint and not (tmp_path / "trend.tif").exists()


def test_share_that_is_significant(flux, tmp_path):
    """The summary says which share is significant, before and after the number of tests is reckoned with."""
    path, _ = flux
    said, bands, _ = run(path, tmp_path, method="seasonal")
    share = (bands[2] <= 0.05).mean()
    assert 0 < share < 1
    assert any(f"{share:.1%} of these pixels" in line for line in said["summary"])


def test_first_and_last_year(flux, tmp_path):
    """A series of months that ends in December 2008 does not reach into 2009."""
    said, _, tags = run(flux[0], tmp_path)
    assert any("96 time steps, 2001 to 2008;" in line for line in said["summary"])
    assert tags["PERIOD"] == "2001.000/2008.917"


@pytest.mark.parametrize("engine", ["own", "reference"])
def test_a_tile_can_be_stopped_while_its_trends_are_computed(flux, engine, monkeypatch):
    """Long series take long: whoever asks to stop need not wait for the tile."""
    pytest.importorskip("pymannkendall")
    job = series_job(read_series(flux[0]), TrendSpec("none", 10, engine), 2.0)
    series, gathered = job.products[0].series, []
    values = series.values
    monkeypatch.setattr(series, "values", lambda: gathered.append(True) or values())
    with pytest.raises(Cancelled):
        job.compute(0, Progress(stopped=lambda: bool(gathered)))
