"""The desktop side: dialogs with our widgets, drawing on the map, the panel, and the plugin coming and going."""

from __future__ import annotations

import pytest
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsGeometry,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProject,
    QgsRectangle,
)
from qgis.gui import QgsProcessingModelerParameterWidget
from qgis.PyQt.QtCore import QPoint, Qt
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QComboBox, QLineEdit, QToolButton

CORNERS = ((30, 30), (90, 30), (60, 90))


@pytest.fixture
def canvas(qgis_canvas, qgis_new_project):
    """The map canvas over some land, in longitude and latitude."""
    QgsProject.instance().setCrs(QgsCoordinateReferenceSystem("EPSG:4326"))
    qgis_canvas.resize(400, 300)
    qgis_canvas.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:4326"))
    qgis_canvas.setExtent(QgsRectangle(0, 40, 20, 55))
    return qgis_canvas


def click(canvas, *points):
    """Click corners and finish with the right button."""
    for x, y in points:
        QTest.mouseClick(canvas.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(x, y))
    QTest.mouseClick(canvas.viewport(), Qt.MouseButton.RightButton, Qt.KeyboardModifier.NoModifier, QPoint(50, 50))


def corners(text):
    """Return the corners of a drawn polygon."""
    prefix, wkt = text.split(";", 1)
    assert prefix == "CRS=EPSG:4326"
    return [(point.x(), point.y()) for point in QgsGeometry.fromWkt(wkt).asPolygon()[0][:-1]]


@pytest.fixture
def drawing(plugin_folder, canvas):
    """A drawing that has begun, with what it was given."""
    from reco.polygon_tool import Drawing

    got = {"texts": [], "ends": 0}

    def ended():
        got["ends"] += 1

    one = Drawing(canvas, got["texts"].append, ended)
    one.start()
    return one, got


def test_a_polygon_is_drawn(drawing, canvas):
    """Three clicks and a right click give a polygon in the CRS of the map, and the old tool back."""
    one, got = drawing
    assert canvas.mapTool() is one.tool
    click(canvas, *CORNERS)
    expected = [canvas.getCoordinateTransform().toMapCoordinates(x, y) for x, y in CORNERS]
    assert corners(got["texts"][0]) == [pytest.approx((point.x(), point.y())) for point in expected]
    assert got["ends"] == 1 and canvas.mapTool() is not one.tool


def test_two_corners_are_no_polygon(drawing, canvas):
    """A right click too early gives nothing and lets the user go on."""
    one, got = drawing
    click(canvas, *CORNERS[:2])
    assert got["texts"] == [] and canvas.mapTool() is one.tool and one.tool.points == []


def test_keys(drawing, canvas):
    """Backspace takes a corner back, Escape stops."""
    one, got = drawing
    for x, y in CORNERS:
        QTest.mouseClick(canvas.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(x, y))
    QTest.keyClick(canvas, Qt.Key.Key_Backspace)
    assert len(one.tool.points) == 2
    QTest.keyClick(canvas, Qt.Key.Key_Escape)
    assert got == {"texts": [], "ends": 1}


@pytest.fixture
def dialog(reco, qgis_iface, canvas, monkeypatch):
    """A function that opens the dialog of an algorithm."""
    import processing
    from qgis.gui import QgsBrowserGuiModel
    from reco import widgets

    monkeypatch.setattr(widgets, "iface", qgis_iface)
    browser = QgsBrowserGuiModel()
    monkeypatch.setattr(qgis_iface, "browserModel", lambda: browser, raising=False)
    opened = []

    def show(name, given):
        opened.append(processing.createAlgorithmDialog(f"reco:{name}", given))
        return opened[-1]

    yield show
    for one in opened:
        one.close()


def given(dialog):
    """Return the parameters of a dialog."""
    return dialog.createProcessingParameters() if hasattr(dialog, "createProcessingParameters") \
        else dialog.getParameterValues()


def test_dialog_is_filled_in_and_read_back(dialog):
    """What the panel fills in is what the algorithm gets."""
    filled = {"REGION": "CRS=EPSG:4326;Polygon ((6 48, 7 48, 7 49, 6 48))", "MODEL": "/models/a",
              "METHOD": "lloyd_taylor"}
    got = given(dialog("estimate_region", filled))
    assert {key: got[key] for key in filled} == filled


def test_draw_button_of_the_dialog(dialog, canvas):
    """The button beside the region leaves the dialog, draws, and comes back with the polygon."""
    shown = dialog("estimate_region", {})
    shown.show()
    button = shown.findChild(QToolButton, "recoDraw")
    button.click()
    assert shown.isMinimized() and not shown.isHidden(), "a hidden dialog would be a closed one"
    click(canvas, *CORNERS)
    assert len(corners(given(shown)["REGION"])) == 3
    assert shown.isVisible() and not shown.isMinimized()


@pytest.mark.parametrize(("parameter", "file", "folder"), [("DRIVERS", True, True), ("MODEL", False, True),
                                                           ("SAMPLES", True, False)])
def test_path_widgets_offer_what_is_wanted(dialog, parameter, file, folder):
    """A cube may be a file or a folder, a model is a folder, a table a file."""
    shown = dialog("estimate_region", {parameter: "/some/where"})
    panel = shown.mainWidget() if hasattr(shown, "mainWidget") else shown
    widget = panel.wrappers[parameter].widget
    assert widget.findChild(QLineEdit).text() == "/some/where"
    assert bool(widget.findChild(QToolButton, "recoFile")) == file
    assert bool(widget.findChild(QToolButton, "recoFolder")) == folder


def test_modeler_can_chain(reco, qgis_iface):
    """In the modeler QGIS's own widget is used: the model folder of fit can be picked for predict."""
    from reco.widgets import PathWrapper

    model = QgsProcessingModelAlgorithm("chain", "RECO")
    for name in ("fit", "predict"):
        child = QgsProcessingModelChildAlgorithm(f"reco:{name}")
        child.setChildId(name)
        child.setDescription(name)
        model.addChildAlgorithm(child)

    from qgis.PyQt.QtWidgets import QDialog

    class ModelerParametersDialog(QDialog):
        def __init__(self):
            super().__init__()
            self.model, self.childId = model, "predict"

    parent = ModelerParametersDialog()
    widget = PathWrapper(reco.algorithm("predict").parameterDefinition("MODEL"), parent)
    assert isinstance(widget, QgsProcessingModelerParameterWidget)
    offered = [box.itemText(i) for box in widget.findChildren(QComboBox) for i in range(box.count())]
    assert any("Fitted model" in text and "fit" in text for text in offered)


@pytest.fixture
def dock(reco, qgis_iface, canvas, monkeypatch):
    """The panel; dialogs that it would open are kept instead of shown."""
    import processing
    from reco.dock import RecoDock

    opened = []
    monkeypatch.setattr(processing, "execAlgorithmDialog", lambda name, values: opened.append((name, values)))
    panel = RecoDock(qgis_iface)
    panel.opened = opened
    yield panel
    panel.close_down()
    panel.deleteLater()


def test_panel_opens_the_main_job_with_what_was_chosen(dock, canvas, reco):
    """Draw, choose, press: the dialog of estimate_region is filled with region, method and model."""
    dock.draw_button.click()
    click(canvas, *CORNERS)
    assert not dock.draw_button.isChecked() and "Polygon within" in dock.region_label.text()
    dock.method.setCurrentIndex(dock.method.findData("lloyd_taylor"))
    dock.model.setFilePath("/models/a")
    dock.open_button.click()
    name, values = dock.opened[0]
    assert name == "reco:estimate_region"
    assert len(corners(values["REGION"])) == 3
    assert values["METHOD"] == "lloyd_taylor" and values["MODEL"] == "/models/a"
    assert set(values) <= {definition.name() for definition in reco.algorithm(name[5:]).parameterDefinitions()}


def test_panel_takes_the_map_view(dock, canvas):
    """What the map shows can be the region."""
    dock.view_button.click()
    assert QgsGeometry.fromWkt(dock.region.split(";")[1]).boundingBox().toString(3) == canvas.extent().toString(3)


def test_panel_stops_drawing(dock, canvas):
    """Pressing the button again gives the map back."""
    before = canvas.mapTool()
    dock.draw_button.click()
    assert canvas.mapTool() is not before
    dock.draw_button.click()
    assert canvas.mapTool() is before and not dock.draw_button.isChecked()


def test_panel_says_which_python_runs(dock, settings, worker_python, monkeypatch):
    """The panel shows the interpreter, or what to do without one."""
    dock.show_state()
    assert worker_python in dock.state.text()
    settings.setValue("reco/workerPython", "/gone/python")
    dock.show_state()
    assert "does not exist" in dock.state.text()


def test_plugin_comes_and_goes(registry, qgis_iface, canvas, monkeypatch):
    """Loading adds provider, panel and menu; unloading takes all of them back."""
    import reco as package

    calls = []
    for name in ("addPluginToRasterMenu", "addRasterToolBarIcon", "removePluginRasterMenu", "removeRasterToolBarIcon",
                 "addDockWidget", "removeDockWidget"):
        monkeypatch.setattr(qgis_iface, name, lambda *_, name=name: calls.append(name), raising=False)
    registry.removeProvider("reco")
    plugin = package.classFactory(qgis_iface)
    plugin.initGui()
    assert registry.providerById("reco") is not None and plugin.dock is not None
    plugin.unload()
    assert registry.providerById("reco") is None and plugin.dock is None
    assert calls.count("addPluginToRasterMenu") == calls.count("removePluginRasterMenu") == 3
    assert calls.count("addDockWidget") == calls.count("removeDockWidget") == 1


def test_without_a_desktop_only_the_provider_is_added(registry):
    """qgis_process gives no interface and calls initProcessing alone."""
    import reco as package

    registry.removeProvider("reco")
    plugin = package.classFactory(None)
    plugin.initProcessing()
    assert registry.providerById("reco") is not None and plugin.dock is None
    plugin.unload()
    assert registry.providerById("reco") is None
