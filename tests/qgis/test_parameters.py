"""What a user gives in QGIS becomes the values that the library gets."""

from __future__ import annotations

import json

import pytest
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsGeometry,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingOutputLayerDefinition,
    QgsProject,
    QgsRectangle,
    QgsReferencedRectangle,
    QgsVectorLayer,
)

from reco_core.catalogue import STEPS

TRIANGLE = "Polygon ((6 48, 7 48, 7 49, 6 48))"


@pytest.fixture
def context(qgis_new_project):
    """A context with the project of the test."""
    found = QgsProcessingContext()
    found.setProject(QgsProject.instance())
    return found


@pytest.fixture
def values(algorithm, context, feedback, tmp_path):
    """A function from step and parameters to the values for the library."""
    from reco.parameters import Values

    def collect(name, **given):
        return Values(algorithm(name), STEPS[name], given, context).paths(str(tmp_path), feedback)

    return collect


def polygons(*wkt, crs="EPSG:4326", name="areas"):
    """Return a scratch layer of polygons, in the project."""
    layer = QgsVectorLayer(f"Polygon?crs={crs}&field=name:string", name, "memory")
    from qgis.core import QgsFeature

    for text in wkt:
        feature = QgsFeature(layer.fields())
        feature.setGeometry(QgsGeometry.fromWkt(text))
        layer.dataProvider().addFeature(feature)
    layer.updateExtents()
    QgsProject.instance().addMapLayer(layer)
    return layer


def test_only_what_was_given_is_handed_on(values):
    """Empty parameters stay away, so that the defaults of the record hold."""
    assert values("fit", SAMPLES="s.nc", SETTINGS="", ALPHA=None) == {"samples": "s.nc"}


def test_plain_kinds(values):
    """Numbers, choices, flags and texts come in the types of the record."""
    got = values("fit", SAMPLES="s.nc", MODEL="lloyd_taylor", FOLDS=3, ALPHA=0.01, PER_CLASS=True,
                 SETTINGS="max_depth=4")
    assert got == {"samples": "s.nc", "model": "lloyd_taylor", "folds": 3, "alpha": 0.01, "per_class": True,
                   "settings": "max_depth=4"}
    assert isinstance(got["folds"], int)


def test_texts_of_the_command_line(values):
    """qgis_process gives everything as text."""
    assert values("fit", SAMPLES="s.nc", FOLDS="3", PER_CLASS="false", MODEL="lloyd_taylor") == {
        "samples": "s.nc", "folds": 3, "per_class": False, "model": "lloyd_taylor"}


def test_paths_mean_the_same_in_the_worker(values, tmp_path, monkeypatch):
    """Relative paths that exist become absolute; a folder passes where a cube is wanted."""
    (tmp_path / "drivers.zarr").mkdir()
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    got = values("predict", DRIVERS="drivers.zarr", MODEL="model")
    assert got == {"drivers": str(tmp_path / "drivers.zarr"), "model": str(tmp_path / "model")}


def test_a_folder_is_acceptable(algorithm, context, tmp_path):
    """QGIS lets a folder through where the record takes files or folders."""
    given = {"DRIVERS": str(tmp_path), "MODEL": str(tmp_path), "FLUX": str(tmp_path / "f.tif")}
    assert algorithm("predict").checkParameterValues(given, context) == (True, "")
    assert algorithm("report").checkParameterValues(
        {"FOLDER": str(tmp_path), "OUTPUT": str(tmp_path / "r.html")}, context)[0]


def test_values_out_of_range_are_refused_by_qgis(algorithm, context):
    """The ranges of the record hold in the dialog."""
    given = {"SAMPLES": "s.nc", "FOLDS": 1, "OUTPUT": "m"}
    assert not algorithm("fit").checkParameterValues(given, context)[0]
    assert not algorithm("fit").checkParameterValues({**given, "FOLDS": 3, "MODEL": "magic"}, context)[0]


@pytest.mark.parametrize(("given", "wanted"), [
    (f"CRS=EPSG:3035;{TRIANGLE}", f"CRS=EPSG:3035;{TRIANGLE}"),
    (TRIANGLE, f"CRS=EPSG:4326;{TRIANGLE}"),
    ("PolygonZ ((6 48 1, 7 48 1, 7 49 1, 6 48 1))", f"CRS=EPSG:4326;{TRIANGLE}"),
])
def test_region_as_polygon(values, given, wanted):
    """A polygon keeps its CRS; without one it is in that of the project or in longitude and latitude."""
    assert values("read_drivers", REGION=given) == {"region": wanted}


def test_a_line_is_no_region(values):
    """Only polygons can be a region."""
    with pytest.raises(QgsProcessingException, match="not a polygon"):
        values("read_drivers", REGION="CRS=EPSG:4326;LineString (0 0, 1 1)")


@pytest.mark.parametrize("given", [
    "6,7,48,49 [EPSG:4326]",
    QgsReferencedRectangle(QgsRectangle(6, 48, 7, 49), QgsCoordinateReferenceSystem("EPSG:4326")),
])
def test_region_as_extent(values, given):
    """QGIS's order (xmin, xmax, ymin, ymax) becomes ours."""
    assert values("read_drivers", EXTENT=given) == {"region": "6.0,48.0,7.0,49.0 [EPSG:4326]"}


def test_extent_without_crs_is_that_of_the_project(values):
    """Numbers alone are coordinates of the project."""
    QgsProject.instance().setCrs(QgsCoordinateReferenceSystem("EPSG:3035"))
    assert values("read_drivers", EXTENT="1,2,3,4")["region"].endswith("[EPSG:3035]")


def test_order_of_regions(values):
    """The polygon goes before the extent, the extent before the layer."""
    layer = polygons(TRIANGLE)
    all_three = {"REGION": TRIANGLE, "EXTENT": "1,2,3,4 [EPSG:4326]", "REGION_LAYER": layer}
    assert values("read_drivers", **all_three)["region"].startswith("CRS=")
    del all_three["REGION"]
    assert values("read_drivers", **all_three)["region"].startswith("1.0,")
    del all_three["EXTENT"]
    assert values("read_drivers", **all_three)["region"].endswith(".gpkg")
    assert values("read_drivers") == {}


def test_region_layer_with_selection(values, library_mask):
    """Of a layer with a selection only the selected polygons count, in the CRS of the layer."""
    layer = polygons(TRIANGLE, "Polygon ((0 0, 1 0, 1 1, 0 1, 0 0))")
    layer.selectByIds([2])
    path = values("read_drivers", REGION_LAYER=QgsProcessingFeatureSourceDefinition(layer.id(), True))["region"]
    assert library_mask(path) == [0.0, 0.0, 1.0, 1.0]


@pytest.fixture
def library_mask(worker_python):
    """The bounding box that the library reads from a region file."""
    import subprocess

    def bounds(path):
        code = ("import json, sys; from shapely.geometry import shape; "
                "from reco_core.io.rasters.regions import parse_region; "
                "region = parse_region(sys.argv[1]); assert '4326' in region.crs, region.crs; "
                "print(json.dumps(shape(region.geometry).bounds))")
        from source import ROOT

        done = subprocess.run([worker_python, "-c", code, path], cwd=ROOT, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    return bounds


def destination(text, project=None):
    """Return a raster destination as a dialog gives it."""
    return QgsProcessingOutputLayerDefinition(text, project)


def test_outputs(algorithm, context, tmp_path):
    """Named rasters go where the user says; temporary ones into the output folder, shown when done."""
    from reco.parameters import Outputs

    project = QgsProject.instance()
    outputs = Outputs(algorithm("estimate_region"), STEPS["estimate_region"], {
        "FOLDER": str(tmp_path / "out"), "FLUX": destination("TEMPORARY_OUTPUT", project),
        "SPREAD": "TEMPORARY_OUTPUT", "TREND": destination(str(tmp_path / "t.tif"), project), "GROUPS": None}, context)
    assert outputs.values == {"folder": str(tmp_path / "out"), "trend": str(tmp_path / "t.tif")}
    assert outputs.unnamed == {"flux": project, "spread": None}
    assert context.willLoadLayerOnCompletion(str(tmp_path / "t.tif"))


def test_temporary_outputs_without_a_folder(algorithm, context):
    """A step without an output folder gets temporary paths from QGIS."""
    from reco.parameters import Outputs

    outputs = Outputs(algorithm("predict"), STEPS["predict"],
                      {"FLUX": "TEMPORARY_OUTPUT", "SPREAD": None}, context)
    assert list(outputs.values) == ["flux"] and outputs.values["flux"].endswith("FLUX.tif")
    cube = Outputs(algorithm("read_drivers"), STEPS["read_drivers"], {"OUTPUT": "TEMPORARY_OUTPUT"}, context)
    assert cube.values["output"].endswith("OUTPUT.zarr")
    model = Outputs(algorithm("fit"), STEPS["fit"], {"OUTPUT": "TEMPORARY_OUTPUT"}, context)
    assert model.values["output"].endswith("OUTPUT")
