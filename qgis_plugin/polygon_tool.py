"""The map tool that draws a polygon; QGIS has none for Processing."""

from qgis.core import QgsGeometry
from qgis.gui import QgsMapTool, QgsRubberBand
from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtGui import QColor

from . import compat

HINT = "Left click adds a corner, right click finishes, Backspace takes the last one back, Esc stops."


class PolygonTool(QgsMapTool):
    """Left click adds a corner, right click or Enter finishes, Backspace takes one back, Esc stops."""

    drawn = pyqtSignal(QgsGeometry)
    stopped = pyqtSignal()

    def __init__(self, canvas):
        super().__init__(canvas)
        self.points = []
        self._band = QgsRubberBand(canvas, compat.POLYGON)
        self._band.setFillColor(QColor(31, 122, 92, 60))
        self._band.setStrokeColor(QColor(31, 122, 92))
        self._band.setWidth(2)
        self.setCursor(Qt.CursorShape.CrossCursor)

    def canvasReleaseEvent(self, event):
        """Add a corner or finish."""
        if event.button() == Qt.MouseButton.RightButton:
            self.finish()
        else:
            self.points.append(self.toMapCoordinates(event.pos()))
            self._redraw()

    def canvasMoveEvent(self, event):
        """Show where the next corner would be."""
        if self.points:
            self._redraw(self.toMapCoordinates(event.pos()))

    def keyPressEvent(self, event):
        """Finish, take back, or stop."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.finish()
        elif event.key() == Qt.Key.Key_Backspace and self.points:
            self.points.pop()
            self._redraw()
        elif event.key() == Qt.Key.Key_Escape:
            self.clear()
            self.stopped.emit()
        else:
            return
        event.accept()  # else the canvas would use the key too

    def finish(self):
        """Hand on the polygon, if there is one."""
        points = self.points
        self.clear()
        if len(points) > 2:
            self.drawn.emit(QgsGeometry.fromPolygonXY([points]))

    def clear(self):
        """Forget all corners."""
        self.points = []
        self._band.reset(compat.POLYGON)

    def deactivate(self):
        """Clean the canvas when another tool is chosen."""
        self.clear()
        super().deactivate()

    def _redraw(self, extra=None):
        self._band.reset(compat.POLYGON)
        for point in self.points + ([extra] if extra is not None else []):
            self._band.addPoint(point)


class Drawing:
    """One polygon being drawn on a canvas; the tool that was active before comes back at the end.

    Parameters
    ----------
    canvas : QgsMapCanvas
    done : callable (text)
        Gets `CRS=...;POLYGON((...))`.
    ended : callable ()
        Called when drawing ends, with a polygon or without.
    """

    def __init__(self, canvas, done, ended):
        self._canvas = canvas
        self._done = done
        self._ended = ended
        self._before = None
        self.tool = PolygonTool(canvas)
        self.tool.drawn.connect(self._take)
        self.tool.stopped.connect(self.stop)
        self.tool.deactivated.connect(self._left)

    def start(self):
        """Make the tool the active one."""
        self._before = self._canvas.mapTool()
        self._canvas.setMapTool(self.tool)
        self._canvas.setFocus()

    def stop(self):
        """Give the canvas back to the tool that was active before."""
        if self._canvas.mapTool() is not self.tool:
            return
        if self._before is not None:
            self._canvas.setMapTool(self._before)
        else:
            self._canvas.unsetMapTool(self.tool)

    def _left(self):
        self._ended()

    def _take(self, geometry):
        crs = self._canvas.mapSettings().destinationCrs()
        self.stop()
        self._done("CRS={};{}".format(crs.authid() or crs.toWkt(), geometry.asWkt(8)))
