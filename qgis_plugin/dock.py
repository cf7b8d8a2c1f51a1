"""The panel: draw a region, choose a model, and open the dialog with both filled in."""

from qgis.core import QgsGeometry, QgsProcessingException
from qgis.gui import QgsFileWidget
from qgis.PyQt.QtWidgets import QComboBox, QDockWidget, QFormLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from . import environment
from .core import catalogue
from .polygon_tool import HINT, Drawing
from .texts import tr

ALGORITHM = "reco:estimate_region"


class RecoDock(QDockWidget):
    """A small panel beside the map."""

    def __init__(self, iface):
        super().__init__(tr("RECO - ecosystem respiration"))
        self.setObjectName("RecoDock")
        self._iface = iface
        self._drawing = None
        self.region = ""
        self._build()

    def _build(self):
        self.draw_button = QPushButton(tr("Draw region"))
        self.draw_button.setCheckable(True)
        self.draw_button.clicked.connect(self.draw)
        self.view_button = QPushButton(tr("Use map view"))
        self.view_button.clicked.connect(self.use_view)
        self.region_label = QLabel(tr("No region: the whole driver grid"))
        self.region_label.setWordWrap(True)
        self.method = QComboBox()
        for name, title in catalogue.MODELS.items():
            self.method.addItem(tr(title), name)
        self.method.setToolTip(tr("Fitted on the samples, unless a fitted model is chosen"))
        self.method.setMinimumContentsLength(14)
        self.model = QgsFileWidget()
        self.model.setStorageMode(QgsFileWidget.StorageMode.GetDirectory)
        self.model.setToolTip(tr("Folder of a fitted model; empty: a model is fitted on samples"))
        self.open_button = QPushButton(tr("Respiration of this region…"))
        self.open_button.clicked.connect(self.open_dialog)
        self.state = QLabel()
        self.state.setWordWrap(True)
        self.setWidget(self._arranged())
        self.visibilityChanged.connect(lambda visible: self.show_state() if visible else None)

    def _arranged(self):
        box = QWidget()
        column = QVBoxLayout(box)
        form = QFormLayout()
        form.addRow(tr("Method"), self.method)
        form.addRow(tr("Fitted model"), self.model)
        for widget in (self.draw_button, self.view_button, self.region_label):
            column.addWidget(widget)
        column.addLayout(form)
        column.addWidget(self.open_button)
        column.addStretch(1)
        column.addWidget(self.state)
        return box

    def draw(self):
        """Start drawing, or stop it."""
        if self._drawing is not None:
            self._drawing.stop()
            return
        self._drawing = Drawing(self._iface.mapCanvas(), self.set_region, self._ended)
        self._drawing.start()
        self.draw_button.setChecked(True)
        self._iface.messageBar().pushMessage("RECO", tr(HINT), duration=8)

    def _ended(self):
        self._drawing = None
        self.draw_button.setChecked(False)

    def set_region(self, text):
        """Keep a region; shown as its number of corners and its bounding box."""
        self.region = text
        box = QgsGeometry.fromWkt(text.split(";", 1)[1]).boundingBox()
        self.region_label.setText("{}: {:.4g}, {:.4g}, {:.4g}, {:.4g}".format(
            tr("Polygon within"), box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum()))

    def use_view(self):
        """Take what the map shows as the region."""
        canvas = self._iface.mapCanvas()
        crs = canvas.mapSettings().destinationCrs()
        self.set_region("CRS={};{}".format(crs.authid() or crs.toWkt(),
                                           QgsGeometry.fromRect(canvas.extent()).asWkt(8)))

    def values(self):
        """Return the parameters that the dialog is opened with."""
        found = {"METHOD": self.method.currentData()}
        if self.region:
            found["REGION"] = self.region
        if self.model.filePath():
            found["MODEL"] = self.model.filePath()
        return found

    def open_dialog(self):
        """Open the dialog of the main job: log, cancel and history come with it."""
        import processing

        processing.execAlgorithmDialog(ALGORITHM, self.values())

    def show_state(self):
        """Say which Python will run the job."""
        try:
            self.state.setText("{}: {}".format(tr("Runs with"), environment.find_worker_python()))
        except QgsProcessingException as error:
            self.state.setText(str(error))

    def close_down(self):
        """Leave the canvas as it was found."""
        if self._drawing is not None:
            self._drawing.stop()
