"""Animation before QGIS 3.38, which knows no time per band: the band follows the temporal controller."""

import json

from qgis.core import QgsProject
from qgis.PyQt.QtCore import QObject

from . import bands, compat
from .results import DATES


class BandFollower(QObject):
    """Shows the band of the canvas's time in every layer that RECO made."""

    def __init__(self, canvas):
        super().__init__()
        self._canvas = canvas
        canvas.temporalRangeChanged.connect(self.follow)

    def follow(self):
        """Set the bands of all layers with dates to the time of the canvas."""
        span = self._canvas.temporalRange()
        if span.isInfinite() or not span.begin().isValid():
            return
        moment = span.begin().toString("yyyy-MM-dd")
        for layer in QgsProject.instance().mapLayers().values():
            texts = layer.customProperty(DATES)
            if texts and layer.type() == compat.RASTER_LAYER:
                show(layer, json.loads(texts), moment)

    def stop(self):
        """Follow no longer."""
        self._canvas.temporalRangeChanged.disconnect(self.follow)


def band_at(texts, moment):
    """Return the number of the band whose time contains a day (YYYY-MM-DD), or 0."""
    for band, (first, after) in enumerate(bands.periods(texts), 1):
        if first.strftime("%Y-%m-%d") <= moment < after.strftime("%Y-%m-%d"):
            return band
    return 0


def show(layer, texts, moment):
    """Draw the band of a day, if the layer shows a single band."""
    renderer, band = layer.renderer(), band_at(texts, moment)
    if band and hasattr(renderer, "setBand") and renderer.band() != band:
        renderer.setBand(band)
        layer.triggerRepaint()


def is_needed():
    """Return whether this QGIS cannot give bands their own time."""
    return compat.FIXED_RANGE_PER_BAND is None
