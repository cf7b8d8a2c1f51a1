"""Result layers in the desktop: grouped by folder, in order, with metadata and time."""

import glob
import json
import os
from dataclasses import replace

from qgis.core import (
    QgsDateTimeRange,
    QgsProcessingContext,
    QgsProcessingLayerPostProcessorInterface,
    QgsProject,
)
from qgis.PyQt.QtCore import QDate, QDateTime, Qt, QTime

from . import bands, compat

GROUP = "RECO"
RASTERS = "rasters"  # what an output folder creates whose rasters are layers
ORDER = "reco/order"
DATES = "reco/band_dates"
LAST_KEPT = 200
_kept = []  # QGIS holds post-processors weakly: without this list they would be gone when layers load


class LayerFinish(QgsProcessingLayerPostProcessorInterface):
    """Puts one result layer into its group and gives it words and time."""

    def __init__(self, output, order, group, history):
        super().__init__()
        self._output = output
        self._order = order
        self._group = group
        self._history = history
        self.is_shown = False

    def postProcessLayer(self, layer, context, feedback):
        """Finish a layer that was just added to the project."""
        layer.setCustomProperty(ORDER, self._order)
        if self._output.kind != "vector_out":
            layer.loadDefaultStyle()  # the style beside the file: Processing loads rasters without it
            set_time(layer)
        describe(layer, self._output, self._history)
        place(layer, self._group, self._order, context.project() or QgsProject.instance(), self.is_shown)
        layer.triggerRepaint()


def register(context, step, paths, unnamed, history):
    """Ask QGIS to finish the result layers that it will load.

    Parameters
    ----------
    context : QgsProcessingContext
    step : Step
    paths : dict of str to str
        Path of each output that was written.
    unnamed : dict of str to QgsProject or None
        Outputs whose name was left to the library, with the project that shall show them.
    history : list of str
        Lines for the metadata of the layers.
    """
    finishes = []
    for order, (output, path, project) in enumerate(_result_layers(step, paths, unnamed, context.project())):
        if project is not None:
            details = QgsProcessingContext.LayerDetails(output.title, project, output.name.upper())
            context.addLayerToLoadOnCompletion(path, details)
        if context.willLoadLayerOnCompletion(path):
            finishes.append(LayerFinish(output, order, group_name(path), history))
            context.layerToLoadOnCompletionDetails(path).setPostProcessor(finishes[-1])
    if finishes:
        finishes[0].is_shown = True
    _kept.extend(finishes)
    del _kept[:-LAST_KEPT]


def _result_layers(step, paths, unnamed, shown_in):
    """Yield output, path and project (None where QGIS decides itself) of each result that is a layer."""
    for output in step.outputs:
        path = paths.get(output.name)
        if path and output.kind in ("raster_out", "vector_out"):
            yield output, path, unnamed.get(output.name)
        elif path and output.creates == RASTERS:
            for file in sorted(glob.glob(os.path.join(path, "*.tif"))):
                yield replace(output, title=os.path.splitext(os.path.basename(file))[0]), file, shown_in


def group_name(path):
    """Return the name of the group of a result: that of its folder, where it is not a temporary one."""
    folder = os.path.basename(os.path.dirname(path))
    temporary = "processing_" in os.path.dirname(path)
    return GROUP if temporary or not folder else "{}: {}".format(GROUP, folder)


def place(layer, group, order, project, is_shown):
    """Move a layer into a group, in the order of the outputs; the others are switched off."""
    root = project.layerTreeRoot()
    node = root.findLayer(layer.id())
    if node is None:
        return
    parent = root.findGroup(group) or root.insertGroup(0, group)
    children = parent.children()  # the layer may be among them: QGIS adds layers beside the current one
    others = [child for child in children if child is not node and hasattr(child, "layer")]
    before = [child for child in others
              if child.layer() is not None and int(child.layer().customProperty(ORDER, 0)) <= order]
    copy = node.clone()
    copy.setItemVisibilityChecked(is_shown)
    copy.setExpanded(is_shown)
    parent.insertChildNode(children.index(before[-1]) + 1 if before else 0, copy)
    node.parent().removeChildNode(node)


def describe(layer, output, history):
    """Write what the layer is into its metadata."""
    metadata = layer.metadata()
    metadata.setTitle(output.title)
    metadata.setAbstract(output.help)
    metadata.setHistory(list(history))
    layer.setMetadata(metadata)


def set_time(layer):
    """Give each band its time, as far as this QGIS can."""
    texts = bands.descriptions(layer)
    ranges = [_range(first, after) for first, after in bands.periods(texts)]
    if len(ranges) < 2:
        return
    layer.setCustomProperty(DATES, json.dumps(texts))
    properties = layer.temporalProperties()
    if compat.FIXED_RANGE_PER_BAND is not None and hasattr(layer.renderer(), "inputBand"):
        properties.setMode(compat.FIXED_RANGE_PER_BAND)
        properties.setFixedRangePerBand(dict(enumerate(ranges, 1)))
    else:  # the whole layer has one range; `temporal.BandFollower` shows the band
        properties.setMode(compat.FIXED_RANGE)
        properties.setFixedTemporalRange(QgsDateTimeRange(ranges[0].begin(), ranges[-1].end(), True, False))
    properties.setIsActive(True)


def _range(first, after):
    begin, end = (QDateTime(QDate(day.year, day.month, day.day), QTime(0, 0), Qt.TimeSpec.UTC)
                  for day in (first, after))
    return QgsDateTimeRange(begin, end, True, False)
