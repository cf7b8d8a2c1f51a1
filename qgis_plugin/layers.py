"""Layers as files: a layer that is a plain file is named, any other is written to a temporary one.

A worker in another process cannot see scratch layers, edits, filters,
selections, joins or rasters that are not files. What it gets keeps all of them.
"""

import os
import re
from datetime import datetime, timedelta
from xml.sax.saxutils import escape

from qgis.core import (
    QgsFeature,
    QgsFeatureSink,
    QgsProcessingException,
    QgsProcessingFeatureSourceDefinition,
    QgsProviderRegistry,
    QgsRasterBlockFeedback,
    QgsRasterFileWriter,
    QgsRasterPipe,
    QgsVectorFileWriter,
)

_ONE_FILE = (".geojson", ".json", ".shp", ".fgb", ".parquet", ".csv", ".tsv")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_BAND = re.compile(r"^\D+\d+(?:\s*:\s*(.*))?$", re.DOTALL)
_NETCDF_TIME = re.compile(r"time\w*=([-\d.eE+]+) \((days|hours|minutes|seconds) since (\d+-\d+-\d+)(?:[ T](\d+):(\d+))?")


def plain_path(layer):
    """Return the path of a layer that is one whole file as it lies on disk, else an empty text."""
    provider, source = layer.providerType(), layer.source()
    if provider not in ("gdal", "ogr") or "|" in source:
        return ""
    parts = QgsProviderRegistry.instance().decodeUri(provider, source)
    path = parts.get("path") or ""
    if parts.get("layerName") or parts.get("vsiPrefix") or parts.get("openOptions") or not os.path.exists(path):
        return ""
    return os.path.abspath(path)


def safe_name(text):
    """Return a text as a file name."""
    return re.sub(r"\W+", "_", text).strip("_") or "layer"


class VectorInput:
    """A vector layer given as a parameter; made in the main thread, written in the algorithm's."""

    def __init__(self, algorithm, parameters, name, context):
        self._source = algorithm.parameterAsSource(parameters, name, context)
        if self._source is None:
            raise QgsProcessingException(algorithm.invalidSourceError(parameters, name))
        value = parameters.get(name)
        layer = algorithm.parameterAsVectorLayer(parameters, name, context)
        narrowed = isinstance(value, QgsProcessingFeatureSourceDefinition) and (
            value.selectedFeaturesOnly or value.featureLimit >= 0 or bool(getattr(value, "filterExpression", "")))
        self._path = "" if layer is None or narrowed else _unchanged_file(layer)

    def path(self, folder, feedback):
        """Return the path of the layer's file, or of a GeoPackage with what the layer shows."""
        if self._path:
            return self._path
        path = _free_path(folder, safe_name(self._source.sourceName()), ".gpkg")
        feedback.pushInfo("The layer '{}' is not a plain file as it stands: writing what it shows to a temporary "
                          "GeoPackage".format(self._source.sourceName()))
        write_features(self._source, path, feedback)
        return path


def _unchanged_file(layer):
    changed = (layer.isEditable() or layer.subsetString() or layer.vectorJoins()
               or any(layer.fields().fieldOrigin(i) == layer.fields().OriginExpression
                      for i in range(layer.fields().count())))
    path = "" if changed else plain_path(layer)
    return path if path.lower().endswith(_ONE_FILE) else ""


def write_features(source, path, feedback):
    """Write the features of a source, with joined and computed fields, to a GeoPackage."""
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName = "GPKG"
    options.layerName = os.path.splitext(os.path.basename(path))[0]
    writer = QgsVectorFileWriter.create(path, _writable_fields(source.fields()), source.wkbType(), source.sourceCrs(),
                                        _no_transform(), options)
    if writer.hasError():
        raise QgsProcessingException("A layer could not be written to '{}': {}".format(path, writer.errorMessage()))
    fields = writer_fields = _writable_fields(source.fields())
    for feature in source.getFeatures():
        if feedback.isCanceled():
            break
        copy = QgsFeature(writer_fields)
        copy.setGeometry(feature.geometry())
        for field in fields:
            copy.setAttribute(field.name(), feature.attribute(field.name()))
        if not writer.addFeature(copy, QgsFeatureSink.FastInsert):
            raise QgsProcessingException("A feature could not be written to '{}': {}".format(
                path, writer.errorMessage()))
    del writer  # closes the file
