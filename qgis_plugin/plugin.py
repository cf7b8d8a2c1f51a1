"""Where QGIS and RECO meet: the provider, and in the desktop a menu, a button and a panel."""

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QIcon

from .core import resource
from .provider import RecoProvider
from .texts import tr

MENU = "RECO"


class RecoPlugin:
    """The plugin as QGIS sees it."""

    def __init__(self, iface):
        self._iface = iface
        self._provider = None
        self._actions = []
        self.dock = None
        self._follower = None

    def initProcessing(self):
        """Add the provider; the only entry that qgis_process calls."""
        self._provider = RecoProvider()
        QgsApplication.processingRegistry().addProvider(self._provider)

    def initGui(self):
        """Add what only the desktop has."""
        self.initProcessing()
        from . import temporal
        from .dock import RecoDock

        self.dock = RecoDock(self._iface)
        self._iface.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self.dock)
        self.dock.hide()
        main = self._action("reco.svg", tr("Respiration of a region…"), self._open_main)
        self._iface.addRasterToolBarIcon(main)
        self._action("reco.svg", tr("RECO panel"), self._show_dock)
        self._action("environment.svg", tr("Check the environment…"), self._open_check)
        if temporal.is_needed():
            self._follower = temporal.BandFollower(self._iface.mapCanvas())

    def _action(self, icon, text, slot):
        from qgis.PyQt.QtWidgets import QAction

        action = QAction(QIcon(resource("icons", icon)), text, self._iface.mainWindow())
        action.triggered.connect(slot)
        self._iface.addPluginToRasterMenu(MENU, action)
        self._actions.append(action)
        return action

    def _open_main(self):
        import processing

        processing.execAlgorithmDialog("reco:estimate_region", {})

    def _open_check(self):
        import processing

        processing.execAlgorithmDialog("reco:check_environment", {})

    def _show_dock(self):
        self.dock.show()
        self.dock.raise_()

    def unload(self):
        """Take everything back."""
        if self._follower is not None:
            self._follower.stop()
            self._follower = None
        for action in self._actions:
            self._iface.removePluginRasterMenu(MENU, action)
            self._iface.removeRasterToolBarIcon(action)
            action.deleteLater()
        self._actions = []
        if self.dock is not None:
            self.dock.close_down()
            self._iface.removeDockWidget(self.dock)
            self.dock.deleteLater()
            self.dock = None
        if self._provider is not None:
            QgsApplication.processingRegistry().removeProvider(self._provider)
            self._provider = None
