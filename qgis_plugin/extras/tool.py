"""What the tools for the environment share."""

from qgis.core import QgsProcessingAlgorithm
from qgis.PyQt.QtGui import QIcon

from ..core import resource
from ..texts import tr


class Tool(QgsProcessingAlgorithm):
    """A handwritten algorithm of the group Environment."""

    NAME = TITLE = HELP = ""

    def createInstance(self):
        """Return a fresh copy."""
        return type(self)()

    def name(self):
        """Return the stable name."""
        return self.NAME

    def displayName(self):
        """Return the name that people read."""
        return tr(self.TITLE)

    def group(self):
        """Return the group that people read."""
        return tr("7 Environment")

    def groupId(self):
        """Return the stable name of the group."""
        return "environment"

    def shortHelpString(self):
        """Return the help page."""
        return tr(self.HELP)

    def tags(self):
        """Return words to search by."""
        return ["python", "install", "setup", "doctor"]

    def icon(self):
        """Return the icon of the group."""
        return QIcon(resource("icons", "environment.svg"))

    def svgIconPath(self):
        """Return the file of the icon."""
        return resource("icons", "environment.svg")
