"""Take a picture of the QGIS desktop with RECO's maps as layers.

    python3 tools/screenshot_qgis.py picture.png RASTER[=TITLE] ... [--view RASTER ...] [--search TEXT]

The rasters are loaded through the plugin (built and installed into a fresh
profile) as its results are: grouped, styled, with time. The first one is shown
in the main map, each `--view` in a map view of its own. Needs xvfb-run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
from pathlib import Path

SIZE = (1600, 1000)
VARIABLE = "RECO_SCREENSHOT"
STARTED_AFTER = 2500  # milliseconds until the desktop has settled
SETTINGS = """[PythonPlugins]
reco=true
processing=true
[app]
projections\\unknownCrsBehavior=NoAction
[qgis]
checkVersion=false
showTips=false
[Processing]
Configuration\\RECENT_ALGORITHMS=
"""


def main(arguments: list[str]) -> int:
    """Start the desktop under a virtual display and wait for its picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("picture", type=Path)
    parser.add_argument("rasters", nargs="+", help="raster, optionally with =TITLE")
    parser.add_argument("--view", action="append", default=[], help="raster shown in a map view of its own")
    parser.add_argument("--search", default="RECO", help="what the toolbox is searched for")
    parser.add_argument("--zoom", type=float, default=1.05, help="how much wider than the first raster the map is")
    given = parser.parse_args(arguments)
    import build_plugin
    from house import ROOT, qgis_environment, say

    given.picture.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="reco-picture-") as name:
        folder = Path(name)
        profile = folder / "profiles" / "default"
        (profile / "python" / "plugins").mkdir(parents=True)
        (profile / "QGIS").mkdir()
        (profile / "QGIS" / "QGIS3.ini").write_text(SETTINGS)
        with zipfile.ZipFile(build_plugin.build(ROOT, folder / "dist")) as archive:
            archive.extractall(profile / "python" / "plugins")
        log = folder / "log.txt"
        environment = {**qgis_environment(folder), VARIABLE: json.dumps({
            "picture": str(given.picture.resolve()), "log": str(log), "search": given.search, "zoom": given.zoom,
            "rasters": [split(text) for text in given.rasters], "views": [split(text)[0] for text in given.view]})}
        del environment["QT_QPA_PLATFORM"], environment["QGIS_CUSTOM_CONFIG_PATH"]
        command = ["/usr/bin/xvfb-run", "-a", "-s", f"-screen 0 {SIZE[0]}x{SIZE[1]}x24", "/usr/bin/qgis", "--nologo",
                   "--noversioncheck", "--profiles-path", str(folder), "--code", str(Path(__file__).resolve())]
        try:
            subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=180)
        except subprocess.TimeoutExpired:
            say("QGIS did not end within three minutes")
        said = log.read_text() if log.exists() else "QGIS did not start\n"
    if not said.endswith("done\n"):
        say(said)
        return 1
    say(f"{given.picture} ({given.picture.stat().st_size / 1024:.0f} KB)")
    return 0


def split(text: str) -> tuple[str, str]:
    """Return path and title of 'path=title'."""
    path, _, title = text.partition("=")
    return str(Path(path).resolve()), title or Path(path).stem.replace("_", " ").capitalize()


def inside(job: dict) -> None:
    """Take the picture; runs in the desktop."""
    log = open(job["log"], "w", buffering=1)
    try:
        take(job)
        log.write("done\n")
    except Exception:
        log.write(traceback.format_exc())
    log.close()
    os._exit(0)


def take(job: dict) -> None:
    """Load the layers, arrange the window and save it."""
    from qgis.core import QgsProject
    from qgis.gui import QgsMapCanvas
    from qgis.PyQt.QtCore import Qt
    from qgis.PyQt.QtWidgets import QDockWidget
    from qgis.utils import iface

    window = iface.mainWindow()
    window.showNormal()
    window.setGeometry(0, 0, *SIZE)
    layers = {path: load(path, title, order) for order, (path, title) in enumerate(job["rasters"])}
    first = next(iter(layers.values()))
    QgsProject.instance().setCrs(first.crs())
    for dock in window.findChildren(QDockWidget):
        dock.setVisible(dock.objectName() in ("Layers", "ProcessingToolbox"))
        if dock.objectName() == "ProcessingToolbox":
            dock.searchBox.setText(job["search"])
    views = [open_view(layers[path], job["zoom"]) for path in job["views"]]
    if views:
        window.resizeDocks(views, [SIZE[0] // len(views)] * len(views), Qt.Orientation.Horizontal)
        window.resizeDocks(views, [SIZE[1] * 2 // 5] * len(views), Qt.Orientation.Vertical)
    settle(20)
    for path, view in zip(job["views"], views):
        show(view.findChild(QgsMapCanvas), layers[path], job["zoom"])
    show(iface.mapCanvas(), first, job["zoom"])
    settle(40)
    window.grab().save(job["picture"])


def load(path: str, title: str, order: int):
    """Add a raster to the project as the plugin adds its results."""
    from qgis.core import QgsProject, QgsRasterLayer
    from reco import results

    layer = QgsRasterLayer(path, title)
    if not layer.isValid():
        raise ValueError(f"{path} is no raster")
    QgsProject.instance().addMapLayer(layer)
    layer.loadDefaultStyle()
    results.set_time(layer)
    layer.setCustomProperty(results.ORDER, order)
    results.place(layer, results.group_name(path), order, QgsProject.instance(), order == 0)
    return layer


def open_view(layer, zoom: float):
    """Show one layer in a map view below the main map, and its legend."""
    from qgis.core import QgsMapThemeCollection, QgsProject
    from qgis.PyQt.QtCore import Qt
    from qgis.PyQt.QtWidgets import QDockWidget
    from qgis.utils import iface

    theme = QgsMapThemeCollection.MapThemeRecord()
    theme.setLayerRecords([QgsMapThemeCollection.MapThemeLayerRecord(layer)])
    QgsProject.instance().mapThemeCollection().insert(layer.name(), theme)
    canvas = iface.createNewMapCanvas(layer.name())
    canvas.setTheme(layer.name())
    dock = canvas
    while dock is not None and not isinstance(dock, QDockWidget):
        dock = dock.parent()
    if dock is not None:
        dock.setFloating(False)
        iface.mainWindow().addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)
    QgsProject.instance().layerTreeRoot().findLayer(layer.id()).setExpanded(True)
    settle(5)
    show(canvas, layer, zoom)
    return dock


def show(canvas, layer, zoom: float) -> None:
    """Zoom a map to a layer."""
    canvas.setDestinationCrs(layer.crs())
    extent = layer.extent()
    extent.scale(zoom)
    canvas.setExtent(extent)
    canvas.refresh()
    canvas.waitWhileRendering()


def settle(times: int) -> None:
    """Let the desktop draw itself."""
    from qgis.PyQt.QtWidgets import QApplication

    for _ in range(times):
        QApplication.processEvents()
        time.sleep(0.05)


if VARIABLE in os.environ and "qgis.utils" in sys.modules:
    from qgis.PyQt.QtCore import QTimer

    QTimer.singleShot(STARTED_AFTER, lambda: inside(json.loads(os.environ[VARIABLE])))
elif __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
