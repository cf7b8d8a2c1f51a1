"""Records as parameters of QGIS, and what a user gave as values for the library."""

import os

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
)

from . import compat, layers, region
from .texts import describe, has_folder, label

NETCDF = "NetCDF (*.nc)"
EVERY_FILE = "All files (*)"
FILTERS = {"observations": NETCDF, "samples": NETCDF, "drivers": "Zarr (*.zarr)", "links": "JSON (*.json)",
           "scores": "CSV (*.csv)", "table": "CSV (*.csv)", "html": "HTML (*.html)", "picture": "PNG (*.png)"}
FILE_INPUTS = ("observations", "samples", "drivers", "links", "model", "scores", "path", "table")
MAY_BE_FOLDER = ("drivers", "path")
CLASS_LAYER = "class_layer"
PICKER = "_layer"  # how the parameters end that pick one driver
LAYER_OUTPUTS = ("raster_out", "vector_out")
LAYER_NAMES = ("layers", "layer_names")  # a record's list of rasters and what they are called


def qgis_name(param):
    """Return the name that a parameter has in QGIS."""
    return param.name.upper()


def definitions(step):
    """Return the parameters of a step as QGIS knows them, inputs first."""
    made = []
    for param in step.params:
        found = region.definitions(param) if param.kind == "region" else [_described(_input(param), param)]
        for definition in found:
            if param.advanced:
                definition.setFlags(definition.flags() | compat.ADVANCED)
            made.append(definition)
    return made + [_described(_output(step, output), output) for output in step.outputs]


def _described(definition, param):
    definition.setHelp(describe(param))
    return definition


def _input(param):
    """Return the definition of one input; its kind decides."""
    name, title, optional = qgis_name(param), label(param), not param.required
    if param.kind in FILE_INPUTS:
        return _file(param, name, title, optional)
    if param.kind in ("raster", "estimate"):
        return QgsProcessingParameterRasterLayer(name, title, optional=optional)
    if param.kind == "rasters":
        return QgsProcessingParameterMultipleLayers(name, title, compat.SOURCE_RASTER, optional=optional)
    if param.kind in ("points", "polygons"):
        source = compat.SOURCE_POINT if param.kind == "points" else compat.SOURCE_POLYGON
        return QgsProcessingParameterFeatureSource(name, title, [source], optional=optional)
    if param.kind in ("choice", "choices"):
        return QgsProcessingParameterEnum(
            name, title, list(param.choices), allowMultiple=param.kind == "choices", defaultValue=_default(param),
            optional=optional and param.default is None, usesStaticStrings=True)
    if param.kind in ("number", "integer"):
        return _number(param, name, title)
    if param.kind == "flag":
        return QgsProcessingParameterBoolean(name, title, defaultValue=bool(param.default))
    return QgsProcessingParameterString(name, title, defaultValue=param.default, optional=optional)


def _default(param):
    return list(param.default) if isinstance(param.default, tuple) else param.default


def _file(param, name, title, optional):
    folder = param.kind == "model" or param.name == "folder"
    definition = QgsProcessingParameterFile(name, title, compat.FOLDER if folder else compat.FILE,
                                            defaultValue=param.default, optional=optional)
    definition.setFileFilter(EVERY_FILE)  # QGIS's own default refuses folders such as Zarr cubes
    widget = {"class": __package__ + ".widgets.PathWrapper", "folder": folder or param.kind in MAY_BE_FOLDER,
              "file": not folder, "filter": FILTERS.get(param.kind, "")}
    definition.setMetadata({"widget_wrapper": widget})
    return definition


def _number(param, name, title):
    kind = compat.INTEGER if param.kind == "integer" else compat.DOUBLE
    definition = QgsProcessingParameterNumber(name, title, kind, param.default,
                                              optional=param.optional or param.default is None)
    if param.minimum is not None:
        definition.setMinimum(param.minimum)
    if param.maximum is not None:
        definition.setMaximum(param.maximum)
    return definition


def _output(step, output):
    name, title = qgis_name(output), label(output)
    if output.kind == "raster_out":
        # where there is an output folder, what is not named goes there
        optional = output.optional or has_folder(step)
        return QgsProcessingParameterRasterDestination(name, title, optional=optional, createByDefault=True)
    if output.kind == "vector_out":
        return QgsProcessingParameterVectorDestination(name, title, compat.SOURCE_POINT, optional=output.optional)
    if output.kind == "folder_out":
        return QgsProcessingParameterFolderDestination(name, title, optional=output.optional)
    return QgsProcessingParameterFileDestination(name, title, FILTERS.get(output.creates, ""),
                                                 optional=output.optional)


class Values:
    """What a user gave for a step; made in the main thread, completed in the algorithm's."""

    def __init__(self, algorithm, step, parameters, context):
        self._plain = {}
        self._layers = {}
        for param in step.params:
            if param.kind == "region":
                self._take_region(algorithm, param, parameters, context)
            elif parameters.get(qgis_name(param)) not in (None, ""):
                self._take(algorithm, param, parameters, context)

    def _take_region(self, algorithm, param, parameters, context):
        text, layer = region.value(algorithm, parameters, context)
        if text:
            self._plain[param.name] = text
        elif layer:
            self._layers[param.name] = layers.VectorInput(algorithm, parameters, layer, context)

    def _take(self, algorithm, param, parameters, context):
        name = qgis_name(param)
        if param.kind in ("raster", "estimate"):
            is_driver = param.name.endswith(PICKER) and param.name != CLASS_LAYER
            self._layers[param.name] = layers.raster_input(algorithm, parameters, name, context, is_driver)
        elif param.kind == "rasters":
            self._layers[param.name] = layers.raster_inputs(algorithm, parameters, name, context)
        elif param.kind in ("points", "polygons"):
            self._layers[param.name] = layers.VectorInput(algorithm, parameters, name, context)
        else:
            self._plain[param.name] = _value(algorithm, param, parameters, context)

    def paths(self, folder, feedback):
        """Return the values for the library; layers that are no plain files are written into `folder`."""
        values = {name: value for name, value in self._plain.items() if value not in (None, "", [])}
        for name, layer in self._layers.items():
            several = isinstance(layer, list)
            values[name] = [one.path(folder, feedback) for one in layer] if several else layer.path(folder, feedback)
        rasters, names = LAYER_NAMES
        if self._layers.get(rasters) and not values.get(names):
            found = layers.names_of(self._layers[rasters])
            if found:
                values[names] = found
        return values


def _value(algorithm, param, parameters, context):
    name = qgis_name(param)
    if param.kind in FILE_INPUTS:
        return absolute(algorithm.parameterAsFile(parameters, name, context))
    if param.kind == "choice":
        return algorithm.parameterAsEnumString(parameters, name, context)
    if param.kind == "choices":
        return algorithm.parameterAsEnumStrings(parameters, name, context)
    if param.kind == "number":
        return algorithm.parameterAsDouble(parameters, name, context)
    if param.kind == "integer":
        return algorithm.parameterAsInt(parameters, name, context)
    if param.kind == "flag":
        return algorithm.parameterAsBoolean(parameters, name, context)
    return algorithm.parameterAsString(parameters, name, context)


def absolute(path):
    """Return a path that means the same in every process."""
    return os.path.abspath(path) if path and os.path.exists(path) else path


class Outputs:
    """Where a step shall write, and which rasters are still to be named by the library.

    A raster that would become a temporary file is written into the output
    folder, under its usual name, where the step has one.
    """

    def __init__(self, algorithm, step, parameters, context):
        self.values = {}
        self.unnamed = {}
        for output in step.outputs:
            name = qgis_name(output)
            given = parameters.get(name)
            if given is None or given == "":
                continue
            if output.kind not in LAYER_OUTPUTS:
                path = algorithm.parameterAsFileOutput(parameters, name, context)
            elif output.kind == "raster_out" and has_folder(step) and is_temporary(given):
                self.unnamed[output.name] = getattr(given, "destinationProject", None)
                continue
            else:
                path = algorithm.parameterAsOutputLayer(parameters, name, context)
            if path:
                self.values[output.name] = os.path.abspath(path)


def is_temporary(value):
    """Return whether a raster destination asks for a temporary file."""
    sink = getattr(value, "sink", None)
    text = sink.staticValue() if sink is not None else value
    return text == QgsProcessing.TEMPORARY_OUTPUT
