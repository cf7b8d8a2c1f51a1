"""Styles that QGIS takes from beside a raster."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from rasters import field, grid
from reco_core.io.rasters.geotiff import RasterWriter
from reco_core.io.rasters.qml import RAMPS, Stats, Style, class_style, scale, write_qml

STATS = Stats(-4.0, 10.0, -2.0, 8.0)


def tree(tmp_path, style, stats=STATS):
    return ElementTree.parse(write_qml(tmp_path / "a.qml", style, stats)).getroot()


def test_ramps_span_the_quantiles(tmp_path):
    """Nine stops from the 2 to the 98 % quantile, each labelled with the unit; no temporal section."""
    root = tree(tmp_path, Style("ramp", "Respiration", "g C m-2 month-1"))
    items = root.findall(".//colorrampshader/item")
    assert [float(items[i].get("value")) for i in (0, -1)] == [-2.0, 8.0]
    assert [item.get("color") for item in items] == list(RAMPS["viridis"])
    assert items[-1].get("label") == "8.0 g C m-2 month-1"
    assert root.find(".//temporal") is None and root.get("version") == "3.22.0"


def test_diverging_is_symmetric_and_white_in_the_middle(tmp_path):
    """0 has the middle colour, whatever the data."""
    items = tree(tmp_path, Style("diverging", unit="1")).findall(".//colorrampshader/item")
    values = [float(item.get("value")) for item in items]
    assert (values[0], values[4], values[-1]) == (-8.0, 0.0, 8.0)
    assert items[4].get("color") == "#f7f7f7" and items[4].get("label") == "0.0"


@pytest.mark.parametrize("stats", [Stats(), Stats(3, 3, 3, 3), Stats(0, 0, 0, 0), Stats(0, 7, 0, 0)])
@pytest.mark.parametrize("kind", ["ramp", "diverging"])
def test_ends_always_differ(kind, stats):
    """Empty, constant and nearly constant rasters have a scale, too."""
    low, high = scale(Style(kind), stats)
    assert np.isfinite([low, high]).all() and low < high


def test_fixed_ends(tmp_path):
    """An end that is given is kept."""
    assert scale(Style("ramp", low=0.0, high=1.0), STATS) == (0.0, 1.0)
    root = tree(tmp_path, Style("rgb"))
    assert root.find(".//redContrastEnhancement/maxValue").text == "0.8"
    assert root.find(".//rasterrenderer").get("blueBand") == "3"


def test_names_of_classes_are_escaped(tmp_path):
    """Names may hold any character."""
    root = tree(tmp_path, class_style("Driver", ["ta", 'a<b & "c"']))
    labels = [entry.get("label") for entry in root.iter("paletteEntry")]
    assert labels == ["ta", 'a<b & "c"']


ASK = """
import sys
from qgis.core import QgsApplication, QgsRasterLayer
app = QgsApplication([], False)
app.initQgis()
for path in sys.argv[1:]:
    layer = QgsRasterLayer(path, "x")
    renderer = layer.renderer()
    legend = [label for label, colour in renderer.legendSymbologyItems()]
    print("ASKED", layer.isValid(), layer.crs().authid(), renderer.type(), renderer.usesBands(), legend, sep=";")
"""


@pytest.mark.skipif(shutil.which("qgis_process") is None and not Path("/usr/share/qgis").exists(),
                    reason="QGIS is not installed")
def test_qgis_takes_the_styles(tmp_path):
    """QGIS shows the rasters with their CRS, renderer, bands and legend, without being told of the style."""
    on = grid(30, 40)
    styles = {"ramp": Style("ramp", "Flux", "g C m-2"), "slope": Style("diverging", bands=(2,)),
              "groups": Style("rgb"), "dominant": class_style("Driver", ["ta", "lai"])}
    paths = []
    for name, style in styles.items():
        values = np.round(field(3, on, low=1, high=2)) if name == "dominant" else field(3, on)
        with RasterWriter(tmp_path / f"{name}.tif", on, ["a", "b", "c"], style=style) as writer:
            writer.write(values, 0, 0)
        paths.append(str(tmp_path / f"{name}.tif"))
    environment = {"QT_QPA_PLATFORM": "offscreen", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    run = subprocess.run(["/usr/bin/python3", "-c", ASK, *paths], capture_output=True, text=True, env=environment,
                         timeout=120, check=False)
    lines = [line.split(";")[1:] for line in run.stdout.splitlines() if line.startswith("ASKED")]
    assert len(lines) == 4, run.stderr
    assert all(line[:2] == ["True", "EPSG:4326"] for line in lines)
    ramp = "singlebandpseudocolor"
    assert [line[2] for line in lines] == [ramp, ramp, "multibandcolor", "paletted"]
    assert [line[3] for line in lines] == ["[1]", "[2]", "[1, 2, 3]", "[1]"]
    assert "g C m-2'" in lines[0][4] and lines[3][4] == "['ta', 'lai']"
