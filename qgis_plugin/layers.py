"""Layers as files: a layer that is one plain file is named, any other is written to a temporary one.

A worker in another process cannot see scratch layers, edits, filters,
selections, joins or rasters that are not files. What it gets keeps all of them.
Objects here are made in the main thread, where layers live, and asked for a
path in the thread of the algorithm.
"""

import os
import re

from qgis.core import (
    QgsFeature,
    QgsFeatureSink,
    QgsFields,
    QgsProcessingException,
    QgsProcessingFeatureSourceDefinition,
    QgsProject,
    QgsProviderRegistry,
    QgsRasterBlockFeedback,
    QgsRasterFileWriter,
    QgsRasterPipe,
    QgsVectorFileWriter,
)

from . import bands, compat

VIRTUAL_GAP = -3.4028234663852886e38  # what QGIS's virtual rasters hold where there is nothing, without saying so
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_NETCDF = re.compile(r'NETCDF:"?([^"]+?)"?:(\w+)')
_SUBDATASET = re.compile(r'(?:NETCDF|HDF4\w*|HDF5|ZARR):.*[:/]"?(\w+)"?')


def plain_path(layer):
    """Return the path of a layer that is one whole file as it lies on disk, else an empty text."""
    provider, source = layer.providerType(), layer.source()
    if provider not in ("gdal", "ogr") or "|" in source:
        return ""
    parts = QgsProviderRegistry.instance().decodeUri(provider, source)
    if any(parts.get(key) for key in ("layerName", "vsiPrefix", "vsiSuffix", "openOptions", "subset")):
        return ""
    path = parts.get("path") or ""
    return os.path.abspath(path) if os.path.exists(path) else ""


def free_path(folder, name, ending):
    """Return a path in `folder` that nothing has yet, named after a layer."""
    stem = re.sub(r"\W+", "_", name).strip("_") or "layer"
    path, number = os.path.join(folder, stem + ending), 1
    while os.path.exists(path):
        number += 1
        path = os.path.join(folder, "{}_{}{}".format(stem, number, ending))
    return path


class VectorInput:
    """A vector layer that was given as a parameter."""

    def __init__(self, algorithm, parameters, name, context):
        self._source = algorithm.parameterAsSource(parameters, name, context)
        if self._source is None:
            raise QgsProcessingException(algorithm.invalidSourceError(parameters, name))
        self._path = self._plain(algorithm, parameters, name, context)

    @staticmethod
    def _plain(algorithm, parameters, name, context):
        value = parameters.get(name)
        if isinstance(value, QgsProcessingFeatureSourceDefinition):
            if value.selectedFeaturesOnly or value.featureLimit >= 0 or getattr(value, "filterExpression", ""):
                return ""
            value = value.source.valueAsString(context.expressionContext())[0]
        layer = algorithm.parameterAsVectorLayer({name: value}, name, context)
        return "" if layer is None else unchanged_file(layer)

    def path(self, folder, feedback):
        """Return the path of the layer's file, or of a GeoPackage with what the layer shows."""
        if not self._path:
            feedback.pushInfo("The layer '{}' is more than a plain file: what it shows is written to a temporary "
                              "GeoPackage".format(self._source.sourceName()))
            self._path = free_path(folder, self._source.sourceName(), ".gpkg")
            write_features(self._source, self._path, feedback)
        return self._path


def unchanged_file(layer):
    """Return the path of a vector layer whose file holds just what the layer shows, else an empty text."""
    fields = layer.fields()
    computed = any(fields.fieldOrigin(i) == compat.COMPUTED_FIELD for i in range(fields.count()))
    if layer.isEditable() or layer.subsetString() or layer.vectorJoins() or computed:
        return ""
    return plain_path(layer) if layer.dataProvider().subLayerCount() == 1 else ""


def write_features(source, path, feedback):
    """Write the features of a source, with joined and computed fields, to a GeoPackage."""
    fields = QgsFields()
    for field in source.fields():
        if field.name().lower() != "fid":  # GeoPackage keeps its own
            fields.append(field)
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName = "GPKG"
    options.layerName = os.path.splitext(os.path.basename(path))[0]
    writer = QgsVectorFileWriter.create(path, fields, source.wkbType(), source.sourceCrs(),
                                        QgsProject.instance().transformContext(), options)
    for feature in source.getFeatures():
        if feedback.isCanceled():
            break
        copy = QgsFeature(fields)
        copy.setGeometry(feature.geometry())
        copy.setAttributes([feature.attribute(field.name()) for field in fields])
        if not writer.addFeature(copy, QgsFeatureSink.FastInsert):
            break
    failure = writer.errorMessage() if writer.hasError() else ""
    del writer  # closes the file
    if failure:
        raise QgsProcessingException("The layer could not be written to '{}': {}".format(path, failure))


def netcdf_path(layer):
    """Return the source of a layer that is one variable of a NetCDF file, else an empty text."""
    found = _NETCDF.fullmatch(layer.source())
    if layer.providerType() != "gdal" or not found or not os.path.exists(found.group(1)):
        return ""
    return 'NETCDF:"{}":{}'.format(os.path.abspath(found.group(1)), found.group(2))


class RasterInput:
    """A raster layer that was given as a parameter.

    With `is_driver` one variable of a NetCDF file is named as GDAL names it: the
    library reads its calendar and unit better than a copy could keep them.
    """

    def __init__(self, layer, is_driver=False):
        self.file = plain_path(layer) or (netcdf_path(layer) if is_driver else "")
        self._texts = bands.descriptions(layer)
        self.is_one_driver = len(self._texts) == 1 or bool(bands.periods(self._texts))
        variable = _SUBDATASET.fullmatch(layer.source())
        self.name = variable.group(1) if variable else layer.name()
        if not self.file:
            self._provider = layer.dataProvider().clone()  # a layer must not be read in another thread
            self._extent, self._crs = layer.extent(), layer.crs()
            self._size = (layer.width(), layer.height())
            self._unit = bands.unit(layer)
            self._gap = VIRTUAL_GAP if layer.providerType() == "virtualraster" else None

    def path(self, folder, feedback):
        """Return the path of the layer's file, or of a GeoTIFF with its values."""
        if self.file:
            return self.file
        feedback.pushInfo("The layer '{}' is not a plain file: its values are written to a temporary GeoTIFF".format(
            self.name))
        path = free_path(folder, self.name, ".tif")
        self._write(path, feedback)
        bands.write_descriptions(path, self._texts, self._unit, self._gap)
        return path

    def _write(self, path, feedback):
        if min(self._size) <= 0:
            raise QgsProcessingException("The layer '{}' has no cells of its own (it is an image service); save it as "
                                         "a GeoTIFF first".format(self.name))
        pipe = QgsRasterPipe()
        pipe.set(self._provider)
        writer = QgsRasterFileWriter(path)
        writer.setOutputFormat("GTiff")
        writer.setCreateOptions(["TILED=YES", "COMPRESS=DEFLATE", "ZLEVEL=1", "BIGTIFF=IF_SAFER"])
        watcher = QgsRasterBlockFeedback()
        feedback.canceled.connect(watcher.cancel)
        error = writer.writeRaster(pipe, self._size[0], self._size[1], self._extent, self._crs,
                                   QgsProject.instance().transformContext(), watcher)
        if feedback.isCanceled():
            raise QgsProcessingException("Cancelled")
        if error != compat.RASTER_WRITTEN:
            raise QgsProcessingException("The layer '{}' could not be written to '{}' (error {})".format(
                self.name, path, int(error)))


def raster_input(algorithm, parameters, name, context, is_driver=False):
    """Return the raster of a parameter."""
    layer = algorithm.parameterAsRasterLayer(parameters, name, context)
    if layer is None:
        raise QgsProcessingException(algorithm.invalidRasterError(parameters, name))
    return RasterInput(layer, is_driver)


def raster_inputs(algorithm, parameters, name, context):
    """Return the rasters of a parameter that takes several."""
    layers = algorithm.parameterAsLayerList(parameters, name, context)
    given = parameters.get(name)
    if isinstance(given, (list, tuple)) and len(layers) != len(given):
        found = {layer.source() for layer in layers} | {layer.id() for layer in layers}
        lost = [str(item) for item in given if isinstance(item, str) and item not in found]
        raise QgsProcessingException("Not every layer of '{}' could be opened: {}".format(
            name, ", ".join(lost) or "{} of {}".format(len(layers), len(given))))
    return [RasterInput(layer, is_driver=True) for layer in layers]


def names_of(inputs):
    """Return driver names for layers that were renamed in the project, else an empty text.

    The library takes names from files. It is told others only where every
    layer has a name that can be one and some differ from those of their files.
    """
    names = [one.name for one in inputs]
    if not all(one.is_one_driver and _IDENTIFIER.fullmatch(one.name) for one in inputs):
        return ""
    stems = [os.path.splitext(os.path.basename(one.file))[0] if one.file else one.name for one in inputs]
    return ",".join(names) if names != stems else ""
