"""Result layers: loaded from where they were written, styled, grouped, ordered, and with time."""

from __future__ import annotations

import pytest
from qgis.core import (
    Qgis,
    QgsDateTimeRange,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputLayerDefinition,
    QgsProject,
    QgsRasterLayer,
    QgsSingleBandPseudoColorRenderer,
)
from qgis.PyQt.QtCore import QDate, QDateTime, Qt, QTime

PER_BAND = hasattr(getattr(Qgis, "RasterTemporalMode", None), "FixedRangePerBand")


@pytest.fixture
def context(qgis_new_project):
    """A context with the project of the test."""
    found = QgsProcessingContext()
    found.setProject(QgsProject.instance())
    return found


def run_and_load(provider, context, feedback, name, parameters):
    """Run an algorithm and load its results, as the dialog does."""
    from processing.gui.Postprocessing import handleAlgorithmResults

    algorithm = provider.algorithm(name).create()
    results, done = algorithm.run(parameters, context, feedback)
    assert done
    assert handleAlgorithmResults(algorithm, context, feedback, parameters=parameters)
    return results


@pytest.fixture
def run(reco, context, feedback, qgis_iface):
    """A function that runs an algorithm and loads its results."""
    return lambda name, parameters: run_and_load(reco, context, feedback, name, parameters)


def shown(path="TEMPORARY_OUTPUT"):
    """Return a raster destination whose layer is loaded when done."""
    return QgsProcessingOutputLayerDefinition(str(path), QgsProject.instance())


def tree():
    """Return the groups of the project with the names of their layers, and which are visible."""
    root = QgsProject.instance().layerTreeRoot()
    return {group.name(): [(node.name(), node.itemVisibilityChecked()) for node in group.children()]
            for group in root.findGroups()}, [node.name() for node in root.children()]


@pytest.mark.parametrize(("texts", "first", "last"), [
    (["2001", "2002"], "2001-01-01 2002-01-01", "2002-01-01 2003-01-01"),
    (["2001-11", "2001-12"], "2001-11-01 2001-12-01", "2001-12-01 2002-01-01"),
    (["2001-01-01", "2001-01-09"], "2001-01-01 2001-01-09", "2001-01-09 2001-01-17"),
])
def test_periods_of_bands(plugin_folder, texts, first, last):
    """Years, months and days last until the next one begins."""
    from reco.bands import periods

    found = [" ".join(day.strftime("%Y-%m-%d") for day in pair) for pair in periods(texts)]
    assert found == [first, last]


@pytest.mark.parametrize("texts", [[], ["slope", "p"], ["2001-01", ""], ["2001-13", "2001-14"]])
def test_bands_without_dates_have_no_periods(plugin_folder, texts):
    """Names that are no dates are not taken for dates."""
    from reco.bands import periods

    assert periods(texts) == []


def test_dates_of_netcdf(plugin_folder):
    """QGIS's names of NetCDF bands become dates."""
    from reco.bands import _cf_date

    assert _cf_date("time=31 (days since 2000-01-01 00:00:00)") == "2000-02-01"
    assert _cf_date("time=36 (hours since 2000-01-01)") == "2000-01-02"
    assert _cf_date("level=3 (hPa)") == ""


@pytest.fixture(scope="module")
def made(registry, tmp_path_factory):
    """A project with the true respiration of a small world, loaded by the algorithm that wrote it; its file."""
    from reco.provider import RecoProvider

    if registry.providerById("reco") is None:
        registry.addProvider(RecoProvider())
    project = QgsProject.instance()
    project.clear()
    context = QgsProcessingContext()
    context.setProject(project)
    folder = tmp_path_factory.mktemp("made") / "my world"
    run_and_load(registry.providerById("reco"), context, QgsProcessingFeedback(False), "make_world", {
        "CELLS": 6, "YEARS": 2, "TOWERS": 3, "TRUTH": shown(folder / "truth.tif"),
        "DRIVERS": str(folder / "d.zarr"), "OBSERVATIONS": str(folder / "t.csv")})
    path = str(folder / "p.qgz")
    assert project.write(path)
    yield path
    project.clear()


@pytest.fixture
def truth(made, qgis_canvas):
    """The layer of that project, opened from its file: nothing may get lost on the way."""
    project = QgsProject.instance()
    project.clear()
    assert project.read(made)
    layers = list(project.mapLayers().values())
    assert len(layers) == 1 and isinstance(layers[0], QgsRasterLayer)
    yield layers[0]
    project.clear()


def test_layer_is_grouped_styled_and_described(truth):
    """The layer stands in a group named after its folder, with the style beside the file and words of its own."""
    groups, top = tree()
    assert top == ["RECO: my world"] and groups == {"RECO: my world": [("True respiration", True)]}
    assert isinstance(truth.renderer(), QgsSingleBandPseudoColorRenderer)
    assert truth.metadata().title() == "True respiration" and "band per month" in truth.metadata().abstract()
    assert any("3 towers" in line for line in truth.metadata().history())


def test_layer_has_time(truth):
    """Twenty-four months from 2001 on, active in the temporal controller."""
    properties = truth.temporalProperties()
    assert properties.isActive()
    if PER_BAND:
        ranges = properties.fixedRangePerBand()
        assert len(ranges) == 24
        assert ranges[3].begin().date() == QDate(2001, 3, 1) and ranges[3].end().date() == QDate(2001, 4, 1)
    else:
        span = properties.fixedTemporalRange()
        assert span.begin().date() == QDate(2001, 1, 1) and span.end().date() == QDate(2003, 1, 1)


@pytest.mark.skipif(PER_BAND, reason="this QGIS gives each band its own time")
def test_band_follows_the_canvas(truth, qgis_canvas):
    """Before QGIS 3.38 the band shown is that of the canvas's time."""
    from reco.temporal import BandFollower, is_needed

    assert is_needed()
    follower = BandFollower(qgis_canvas)

    def at(year, month):
        begin = QDateTime(QDate(year, month, 1), QTime(0, 0), Qt.TimeSpec.UTC)
        qgis_canvas.setTemporalRange(QgsDateTimeRange(begin, begin.addDays(27), True, False))
        return truth.renderer().band()

    assert [at(2001, 5), at(2002, 12), at(2001, 1)] == [5, 24, 1]
    assert at(2010, 1) == 1, "outside its time the layer keeps its band"
    follower.stop()
    assert at(2001, 7) == 1


def test_outputs_of_a_folder_are_loaded_in_order(run, world, tmp_path):
    """Temporary outputs are written into the output folder, and loaded from there in the order of the record."""
    folder = tmp_path / "upper valley"
    results = run("estimate_region", {
        "MODEL": str(world / "model_lt"), "DRIVERS": str(world / "drivers.zarr"), "PERIOD": "2001-01/2001-06",
        "EXTENT": "10,40,-20,40 [EPSG:4326]", "FOLDER": str(folder), "MIN_YEARS": 3,
        "TREND": None, "SHARES": shown(), "FLUX": shown(), "SPREAD": shown(), "APPLICABILITY": "TEMPORARY_OUTPUT"})
    assert results["FLUX"] == str(folder / "reco.tif") and results["APPLICABILITY"] == str(folder / "applicability.tif")
    groups, top = tree()
    assert top == ["RECO: upper valley"]
    assert groups["RECO: upper valley"] == [("Respiration", True), ("Spread", False), ("Contribution shares", False)]
    flux = QgsProject.instance().mapLayersByName("Respiration")[0]
    assert flux.source() == str(folder / "reco.tif") and flux.bandCount() == 6
    assert flux.bandName(2).endswith("2001-02")


def test_rasters_of_a_folder_are_loaded(run, sources, tmp_path):
    """What a derivation made comes as one layer per driver, grouped, styled, with its dates."""
    folder = tmp_path / "drought"
    run("derive_spei", {"PRECIP_LAYER": str(sources / "rain.tif"), "PET_LAYER": str(sources / "evaporation.tif"),
                        "SCALES": "3,12", "OUTPUT": str(tmp_path / "c.zarr"), "RASTERS": str(folder)})
    groups, top = tree()
    assert top == ["RECO: drought"]
    assert groups["RECO: drought"] == [("spei_12", True), ("spei_3", False)]
    layer = QgsProject.instance().mapLayersByName("spei_3")[0]
    assert layer.bandCount() == 72 and layer.bandName(1).endswith("2001-01")
    assert isinstance(layer.renderer(), QgsSingleBandPseudoColorRenderer) and layer.temporalProperties().isActive()


def test_towers_are_loaded_as_points(run, world, tmp_path):
    """The towers of an inventory come as a point layer with their counts."""
    run("inventory", {"OBSERVATIONS": str(world / "observations.nc"), "OUTPUT": str(tmp_path / "i.html"),
                      "TABLE": str(tmp_path / "i.csv"), "POINTS": shown(tmp_path / "towers" / "i.gpkg")})
    groups, _ = tree()
    assert groups["RECO: towers"] == [("Towers", True)]
    layer = QgsProject.instance().mapLayersByName("Towers")[0]
    assert layer.isValid() and layer.featureCount() == 12 and layer.crs().authid() == "EPSG:4326"


def test_order_where_the_desktop_has_put_layers_into_the_group(plugin_folder, qgis_new_project, world):
    """QGIS adds a layer beside the current one, which may be inside the group: the order holds all the same."""
    from reco.results import ORDER, place

    project = QgsProject.instance()
    group = project.layerTreeRoot().insertGroup(0, "RECO: x")
    for name, order in (("third", 2), ("first", 0), ("second", 1)):
        layer = QgsRasterLayer(str(world / "truth.tif"), name)
        project.addMapLayer(layer, False)
        group.insertLayer(0, layer)
        layer.setCustomProperty(ORDER, order)
        place(layer, "RECO: x", order, project, order == 0)
    assert tree()[0]["RECO: x"] == [("first", True), ("second", False), ("third", False)]


def test_a_second_run_joins_the_group(run, world, tmp_path):
    """Results of one folder share one group, however many runs made them."""
    for name in ("a.tif", "b.tif"):
        run("predict", {"MODEL": str(world / "model_lt"), "DRIVERS": str(world / "drivers.zarr"),
                        "PERIOD": "2001-01/2001-02", "FLUX": shown(tmp_path / "out" / name)})
    groups, top = tree()
    assert top == ["RECO: out"] and [name for name, _ in groups["RECO: out"]] == ["Respiration"] * 2


def test_a_temporary_result_has_a_plain_group(plugin_folder):
    """The folder of a temporary file is no name for people."""
    from reco.results import group_name

    assert group_name("/tmp/processing_AbCd/0123/FLUX.tif") == "RECO"
    assert group_name("/data/upper valley/reco.tif") == "RECO: upper valley"
