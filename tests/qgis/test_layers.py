"""Layers that are no plain files reach the library with all that they show."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from pathlib import Path

import pytest
from qgis.core import (
    QgsCoordinateTransformContext,
    QgsFeature,
    QgsField,
    QgsGeometry,
    QgsPointXY,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeatureSourceDefinition,
    QgsProject,
    QgsRasterLayer,
    QgsVectorFileWriter,
    QgsVectorLayer,
    QgsVectorLayerJoinInfo,
)
from qgis.PyQt.QtCore import QVariant

from source import ROOT

SITES = (("AA-One", 2.0), ("BB-Two", 4.0), ("CC-Six", 12.0))


@pytest.fixture
def context(qgis_new_project):
    """A context with the project of the test."""
    found = QgsProcessingContext()
    found.setProject(QgsProject.instance())
    return found


@pytest.fixture
def export(algorithm, context, feedback, tmp_path):
    """A function from a layer (or source definition) to the file that the library gets."""
    from reco.layers import VectorInput

    (tmp_path / "job").mkdir()

    def path(value):
        given = VectorInput(algorithm("read_observations"), {"TOWERS": value}, "TOWERS", context)
        return given.path(str(tmp_path / "job"), feedback)

    return path


def scratch(sites=SITES):
    """Return a scratch layer of towers, in the project."""
    layer = QgsVectorLayer("Point?crs=EPSG:4326&field=site:string&field=reco:double", "my towers", "memory")
    for number, (site, flux) in enumerate(sites):
        feature = QgsFeature(layer.fields())
        feature.setAttributes([site, flux])
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(6 + number, 48)))
        layer.dataProvider().addFeature(feature)
    QgsProject.instance().addMapLayer(layer)
    return layer


def write(path, name="towers", another=False):
    """Write the towers as a layer of a GeoPackage."""
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName, options.layerName = "GPKG", name
    if another:
        options.actionOnExistingFile = QgsVectorFileWriter.CreateOrOverwriteLayer
    QgsVectorFileWriter.writeAsVectorFormatV3(scratch(), str(path), QgsCoordinateTransformContext(), options)


def opened(source):
    """Return a vector layer, in the project."""
    layer = QgsVectorLayer(str(source), "towers", "ogr")
    assert layer.isValid()
    QgsProject.instance().addMapLayer(layer)
    return layer


def on_disk(path):
    """Write the towers as a GeoPackage of one layer and return it."""
    write(path)
    return opened(path)


def rows(path, *columns):
    """Return columns of the one table of a GeoPackage."""
    with sqlite3.connect(path) as database:
        table = database.execute("select table_name from gpkg_contents").fetchone()[0]
        return database.execute(f'select {", ".join(columns)} from "{table}" order by site').fetchall()


def test_a_plain_file_is_named(export, tmp_path):
    """A GeoPackage of one layer, unfiltered and unedited, is not copied."""
    layer = on_disk(tmp_path / "t.gpkg")
    assert export(layer.id()) == str(tmp_path / "t.gpkg")
    assert export(str(tmp_path / "t.gpkg")) == str(tmp_path / "t.gpkg")


def test_scratch_layer(export, tmp_path):
    """A scratch layer is written with its fields and positions, under its own name."""
    path = export(scratch().id())
    assert Path(path) == tmp_path / "job" / "my_towers.gpkg"
    assert rows(path, "site", "reco") == list(SITES)


def test_filter_is_kept(export, tmp_path):
    """A filtered layer gives what passes the filter."""
    layer = on_disk(tmp_path / "t.gpkg")
    layer.setSubsetString("reco > 3")
    assert rows(export(layer.id()), "site") == [("BB-Two",), ("CC-Six",)]


def test_edits_are_kept(export, tmp_path):
    """What is edited but not saved counts, as it does on the screen."""
    layer = on_disk(tmp_path / "t.gpkg")
    layer.startEditing()
    layer.changeAttributeValue(1, layer.fields().indexOf("reco"), 99.0)
    layer.deleteFeature(2)
    assert rows(export(layer.id()), "site", "reco") == [("AA-One", 99.0), ("CC-Six", 12.0)]
    layer.rollBack()


def test_selection_is_kept(export, tmp_path):
    """'Selected features only' gives the selected ones."""
    layer = on_disk(tmp_path / "t.gpkg")
    layer.selectByIds([3])
    assert rows(export(QgsProcessingFeatureSourceDefinition(layer.id(), True)), "site") == [("CC-Six",)]
    assert export(QgsProcessingFeatureSourceDefinition(layer.id(), False)) == str(tmp_path / "t.gpkg")


def test_one_of_several_layers(export, tmp_path):
    """`file|layername=name` gives that layer alone."""
    write(tmp_path / "t.gpkg", "first")
    write(tmp_path / "t.gpkg", "second", another=True)
    path = export(opened(f"{tmp_path}/t.gpkg|layername=second").id())
    assert path != str(tmp_path / "t.gpkg") and rows(path, "site", "reco") == list(SITES)
    with sqlite3.connect(path) as database:
        assert len(database.execute("select * from gpkg_contents").fetchall()) == 1


def test_joined_and_computed_fields_are_kept(export, tmp_path):
    """Fields of a joined table and of expressions come along."""
    layer = on_disk(tmp_path / "t.gpkg")
    table = QgsVectorLayer("None?field=site:string&field=igbp:string", "classes", "memory")
    feature = QgsFeature(table.fields())
    feature.setAttributes(["BB-Two", "ENF"])
    table.dataProvider().addFeature(feature)
    QgsProject.instance().addMapLayer(table)
    join = QgsVectorLayerJoinInfo()
    join.setJoinLayer(table)
    join.setJoinFieldName("site")
    join.setTargetFieldName("site")
    join.setUsingMemoryCache(True)
    join.setPrefix("")
    layer.addJoin(join)
    layer.addExpressionField("reco * 2", QgsField("twice", QVariant.Double))
    assert rows(export(layer.id()), "site", "igbp", "twice") == [
        ("AA-One", None, 4.0), ("BB-Two", "ENF", 8.0), ("CC-Six", None, 24.0)]


def test_missing_layer_is_named(export):
    """A layer that is not there is an error of QGIS's own."""
    with pytest.raises(QgsProcessingException, match=r"no\.where"):
        export("no.where.gpkg")


@pytest.fixture(scope="module")
def rasters(world, worker_python, tmp_path_factory):
    """Rasters to pick: ta.tif with months and a unit, and both.nc with two variables."""
    folder = tmp_path_factory.mktemp("rasters")
    code = """
import sys
from reco_core.io.rasters.cubes import open_cube
from reco_core.io.rasters.geotiff import RasterWriter
from reco_core.io.rasters.grid import Grid
cube = open_cube(sys.argv[1]).isel(time=slice(0, 3))
with RasterWriter(sys.argv[2] + "/ta.tif", Grid.of(cube), ["2001-01", "2001-02", "2001-03"], unit="degC") as writer:
    writer.write(cube["ta"].where(cube["x"] > 10).values, 0, 0)
both = cube[["ta", "lai"]].drop_vars("spatial_ref").load()
both["y"].attrs.update(standard_name="latitude", units="degrees_north")
both["x"].attrs.update(standard_name="longitude", units="degrees_east")
both["crs"] = ((), 0, {"grid_mapping_name": "latitude_longitude", "semi_major_axis": 6378137.0,
                       "inverse_flattening": 298.257223563})
for name in ("ta", "lai"):
    both[name].attrs["grid_mapping"] = "crs"
both.to_netcdf(sys.argv[2] + "/both.nc")
"""
    subprocess.run([worker_python, "-c", code, str(world / "drivers.zarr"), str(folder)], cwd=ROOT, check=True)
    return folder


@pytest.fixture
def look(worker_python):
    """A function that tells what the library's environment sees in a raster."""
    code = """
import json, sys, numpy, rasterio
with rasterio.open(sys.argv[1]) as file:
    values = file.read(masked=True).astype("float64").filled(numpy.nan)
    print(json.dumps({"bands": file.descriptions, "units": file.units, "crs": str(file.crs), "bounds": file.bounds,
                      "sums": numpy.nansum(values, axis=(1, 2)).tolist(),
                      "count": int(numpy.isfinite(values).sum()), "shape": values.shape}))
"""

    def seen(path):
        done = subprocess.run([worker_python, "-c", code, path], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    return seen


def virtual(path, name="doubled"):
    """Return a raster computed by QGIS: its own virtual raster of 2 x the first band."""
    base = QgsRasterLayer(str(path), "base")
    box = base.extent()
    layer = QgsRasterLayer(
        f"?crs=EPSG:4326&extent={box.xMinimum()},{box.yMinimum()},{box.xMaximum()},{box.yMaximum()}"
        f"&width={base.width()}&height={base.height()}&formula=%22base@1%22%20*%202&base:uri={path}&base:provider=gdal",
        name, "virtualraster")
    assert layer.isValid(), layer.error().message()
    return layer


def test_a_plain_raster_is_named(context, rasters, feedback, tmp_path):
    """A GeoTIFF is not copied."""
    from reco.layers import RasterInput

    layer = QgsRasterLayer(str(rasters / "ta.tif"), "ta")
    assert RasterInput(layer).path(str(tmp_path), feedback) == str(rasters / "ta.tif")


def test_virtual_raster(context, rasters, feedback, tmp_path, look):
    """A raster that QGIS computes is written with its values, gaps and grid."""
    from reco.layers import RasterInput

    path = RasterInput(virtual(rasters / "ta.tif")).path(str(tmp_path), feedback)
    assert Path(path) == tmp_path / "doubled.tif"
    copy, first = look(path), look(str(rasters / "ta.tif"))
    assert copy["shape"] == [1, *first["shape"][1:]] and copy["bounds"] == pytest.approx(first["bounds"])
    assert copy["crs"] == first["crs"] and copy["count"] == first["count"] / 3
    assert copy["sums"][0] == pytest.approx(2 * first["sums"][0], rel=1e-5)


def test_copy_of_a_netcdf_variable_keeps_dates_and_unit(context, rasters, feedback, tmp_path, look):
    """Where a copy is made, the bands of NetCDF carry their dates and the unit."""
    from reco.layers import RasterInput

    layer = QgsRasterLayer(f'NETCDF:"{rasters / "both.nc"}":ta', "both — ta")
    copy = look(RasterInput(layer).path(str(tmp_path), feedback))
    assert copy["bands"] == ["2001-01-01", "2001-02-01", "2001-03-01"]
    assert set(copy["units"]) == {"degC"}


def test_netcdf_driver_is_read_by_the_library_itself(context, rasters, feedback, tmp_path):
    """As a driver layer a NetCDF variable is named as GDAL does, under the name of the variable."""
    from reco.layers import RasterInput, names_of

    given = RasterInput(QgsRasterLayer(f'NETCDF:"{rasters / "both.nc"}":ta', "both — ta"), is_driver=True)
    assert given.path(str(tmp_path), feedback) == f'NETCDF:"{rasters / "both.nc"}":ta'
    assert names_of([given]) == "ta"


@pytest.mark.parametrize(("names", "wanted"), [
    (["ta", "ta"], ""), (["lai", "ta"], "lai,ta"), (["Air temperature", "ta"], ""),
])
def test_renamed_layers(context, rasters, names, wanted):
    """Layers renamed in the project are drivers of that name, if every name can be one."""
    from reco.layers import RasterInput, names_of

    assert names_of([RasterInput(QgsRasterLayer(str(rasters / "ta.tif"), name)) for name in names]) == wanted


def test_lost_layer_of_a_list_is_named(algorithm, context, rasters):
    """A list of rasters with one that cannot be opened is refused, and the message names it."""
    from reco.layers import raster_inputs

    with pytest.raises(QgsProcessingException, match=r"gone\.tif"):
        raster_inputs(algorithm("read_drivers"), {"LAYERS": [str(rasters / "ta.tif"), "gone.tif"]}, "LAYERS", context)


def test_layers_of_every_kind_make_a_cube(reco, context, rasters, tmp_path, look):
    """The library reads what it is given: a scratch raster of QGIS and a NetCDF variable, on one grid."""
    import processing

    doubled = virtual(rasters / "ta.tif", "ts")
    QgsProject.instance().addMapLayer(doubled)
    netcdf = QgsRasterLayer(f'NETCDF:"{rasters / "both.nc"}":lai', "lai")
    QgsProject.instance().addMapLayer(netcdf)
    result = processing.run("reco:read_drivers", {
        "LAYERS": [netcdf, doubled], "UNITS": "ts=degC", "OUTPUT": str(tmp_path / "cube.zarr")})
    names = {path.name for path in Path(result["OUTPUT"]).iterdir()}
    assert {"lai", "ts"} <= names
