"""The provider: every step of the catalogue and two tools for the environment."""

from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .algorithm import StepAlgorithm
from .core import VERSION, catalogue, resource
from .extras.check_environment import CheckEnvironment
from .extras.create_environment import CreateEnvironment


class RecoProvider(QgsProcessingProvider):
    """Lists the algorithms; needs nothing but QGIS."""

    def id(self):
        """Return the stable name."""
        return "reco"

    def name(self):
        """Return the name that people read."""
        return "RECO"

    def longName(self):
        """Return the name with a few words."""
        return "RECO - ecosystem respiration"

    def versionInfo(self):
        """Return the version."""
        return VERSION

    def icon(self):
        """Return the icon."""
        return QIcon(resource("icons", "reco.svg"))

    def svgIconPath(self):
        """Return the file of the icon."""
        return resource("icons", "reco.svg")

    def supportedOutputRasterLayerExtensions(self):
        """Return the endings of rasters that the steps write."""
        return ["tif"]

    def defaultRasterFileExtension(self, hasRasterOutput=True):
        """Return the ending of rasters."""
        return "tif"

    def loadAlgorithms(self):
        """Add every algorithm."""
        for step in catalogue.STEPS.values():
            self.addAlgorithm(StepAlgorithm(step))
        self.addAlgorithm(CheckEnvironment())
        self.addAlgorithm(CreateEnvironment())
