"""Widgets of the algorithm dialogs: a polygon that can be drawn, and a path to a file or a folder.

Parameters name these classes by text, so that qgis_process never loads them.
In the modeler QGIS's own widget is used, which can also take the value from
another algorithm.
"""

import os

from processing.gui.wrappers import WidgetWrapper
from qgis.core import QgsProcessingContext, QgsSettings
from qgis.gui import QgsGui
from qgis.PyQt.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QToolButton, QWidget
from qgis.utils import iface

from .texts import tr

LAST_FOLDER = "/Processing/LastInputPath"


def wrapper(made, param, dialog, row, column, **options):
    """Return the wrapper for a dialog: `made` of ours, or QGIS's own in the modeler."""
    if type(dialog).__name__ != "ModelerParametersDialog":
        return made(param, dialog, row, column, **options)
    own = QgsGui.processingGuiRegistry().createModelerParameterWidget(
        dialog.model, dialog.childId, param, getattr(dialog, "context", None) or QgsProcessingContext())
    own.setDialog(dialog)
    return own


class PolygonWrapper:
    """What the record's `region` geometry names; gives the widget that fits the dialog."""

    def __new__(cls, param, dialog, row=0, col=0, **options):
        return wrapper(PolygonLine, param, dialog, row, col, **options)


class PathWrapper:
    """What file and folder parameters name; gives the widget that fits the dialog."""

    def __new__(cls, param, dialog, row=0, col=0, **options):
        return wrapper(PathLine, param, dialog, row, col, **options)


class Line(WidgetWrapper):
    """A line of text with buttons behind it."""

    def createWidget(self, **options):
        """Return the widget; options come from the parameter's metadata."""
        self._options = options
        self.line = QLineEdit()
        self.line.textChanged.connect(lambda _: self.widgetValueHasChanged.emit(self))
        box = QWidget()
        layout = QHBoxLayout(box)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.line)
        for name, text, help_text, action in self.buttons():
            button = QToolButton()
            button.setObjectName(name)
            button.setText(text)
            button.setToolTip(help_text)
            button.clicked.connect(action)
            layout.addWidget(button)
        return box

    def buttons(self):
        """Return (object name, text, tool tip, action) of each button."""
        return []

    def setValue(self, value):
        """Show a value."""
        self.line.setText("" if value is None else value.asWkt() if hasattr(value, "asWkt") else str(value))

    def value(self):
        """Return what stands in the line, None for nothing."""
        return self.line.text().strip() or None


class PolygonLine(Line):
    """WKT, or a polygon drawn on the map."""

    def buttons(self):
        """Return the button that draws."""
        self.line.setPlaceholderText(tr("[optional] draw, or paste WKT"))
        if iface is None:
            return []
        return [("recoDraw", tr("Draw"), tr("Draw the region on the map"), self.draw)]

    def draw(self):
        """Leave the dialog and draw on the map."""
        from .polygon_tool import HINT, Drawing

        self._window = self.widget.window()
        self._window.showMinimized()  # hiding it would end its event loop, and with it the dialog
        self._drawing = Drawing(iface.mapCanvas(), self.line.setText, self._back)
        self._drawing.start()
        iface.messageBar().pushMessage("RECO", tr(HINT), duration=8)

    def _back(self):
        self._window.showNormal()
        self._window.raise_()


class PathLine(Line):
    """A path; one button looks for files, one for folders, as the parameter allows."""

    def buttons(self):
        """Return the buttons."""
        wanted = []
        if self._options.get("file", True):
            wanted.append(("recoFile", "…", tr("Choose a file"), self.choose_file))
        if self._options.get("folder"):
            text = tr("Folder…") if wanted else "…"
            wanted.append(("recoFolder", text, tr("Choose a folder"), self.choose_folder))
        return wanted

    def _start(self):
        path = self.value() or QgsSettings().value(LAST_FOLDER, "") or ""
        return path if os.path.isdir(path) else os.path.dirname(path)

    def _take(self, path):
        if path:
            QgsSettings().setValue(LAST_FOLDER, os.path.dirname(path))
            self.line.setText(path)

    def choose_file(self):
        """Ask for a file."""
        filters = ";;".join(text for text in (self._options.get("filter", ""), tr("All files") + " (*)") if text)
        self._take(QFileDialog.getOpenFileName(self.widget, tr("Choose a file"), self._start(), filters)[0])

    def choose_folder(self):
        """Ask for a folder."""
        self._take(QFileDialog.getExistingDirectory(self.widget, tr("Choose a folder"), self._start()))
