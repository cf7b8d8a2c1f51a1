"""Rooms know only the rooms below them, and each third-party package has its owner."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from source import CORE, PLUGIN, ROOT, imports, name, python_files

LEVELS = {
    **dict.fromkeys(("errors", "progress", "deps", "device", "threads", "catalogue", "version"), 0),
    "vocabulary": 1,
    **dict.fromkeys(("io", "drivers", "samples", "models", "trends", "summaries", "report", "world"), 2),
    **dict.fromkeys(("inference", "evaluation", "explain"), 3),
    "actions": 4,
    **dict.fromkeys(("cli", "doctor", "runfile", "worker"), 5),
}
NEIGHBOURS_MAY_MEET = (0, 5)
DOORS = ("deps", "device")
FRONT = ("__init__.py", "__main__.py")
OWNERS = {
    "tigramite": ("reco_core/models/lagged_links.py",),
    "shap": ("reco_core/explain/",),
    "captum": ("reco_core/explain/",),
    "rasterio": ("reco_core/io/",),
    "pyogrio": ("reco_core/io/",),
    "pyhdf": ("reco_core/io/",),
    "shapely": ("reco_core/io/",),
    "optuna": ("reco_core/evaluation/search.py",),
    "matplotlib": ("reco_core/report/",),
    "jinja2": ("reco_core/report/",),
    "pymannkendall": ("reco_core/trends/",),
    "torch": ("reco_core/models/", "reco_core/explain/torch_tables.py", "reco_core/trends/torch_engine.py",
              "reco_core/device.py"),
    "dask": ("reco_core/inference/cluster.py",),
    "distributed": ("reco_core/inference/cluster.py",),
}
FORBIDDEN = ("qgis", "osgeo", "gdal", "ogr", "PyQt5", "PyQt6", "processing")
PLUGIN_MAY_USE = ("catalogue", "errors", "progress")
CHILD = PLUGIN / "worker_main.py"
QGIS = ("qgis", "processing")


def room(path: Path, top: Path) -> str:
    """Return the room a file of the library belongs to."""
    part = path.relative_to(top / "reco_core").parts[0]
    return part.removesuffix(".py")


def level_faults(path: Path, top: Path = ROOT) -> list[str]:
    """Return the imports of one file that reach sideways or upwards."""
    own = room(path, top)
    faults = []
    for line, target in imports(path, top):
        parts = target.split(".")
        if parts[0] != "reco_core" or len(parts) < 2 or parts[1] in (own, "__version__"):
            continue
        other, mine = LEVELS.get(parts[1]), LEVELS[own]
        allowed = other is not None and (other < mine or (other == mine and mine in NEIGHBOURS_MAY_MEET))
        if not allowed:
            faults.append(f"{path.relative_to(top)}:{line} imports {target} (level {mine} -> {other})")
    return faults


def third_party(path: Path) -> list[tuple[int, str]]:
    """Return line and package of all that a file imports from outside."""
    found = [(line, target.split(".")[0]) for line, target in imports(path)]
    return [(line, package) for line, package in found
            if package not in sys.stdlib_module_names and package not in ("reco_core", "__future__")]


LIBRARY = [path for path in python_files(CORE) if path.parent != CORE or path.name not in FRONT]


@pytest.mark.parametrize("path", LIBRARY, ids=name)
def test_room_imports_only_what_is_below(path):
    """A room imports its own files and lower levels only."""
    assert room(path, ROOT) in LEVELS, f"{name(path)} is in no known room: give it a level"
    assert level_faults(path) == []


@pytest.mark.parametrize("path", LIBRARY, ids=name)
def test_third_party_packages_stay_with_their_owners(path):
    """Heavy and optional packages are imported in one room each."""
    faults = [f"{name(path)}:{line} imports {package}" for line, package in third_party(path)
              if package in OWNERS and not name(path).startswith(OWNERS[package])]
    assert faults == []


def test_library_never_imports_qgis():
    """The library runs without QGIS, GDAL's own bindings and Qt."""
    faults = [f"{name(path)}:{line} imports {package}" for path in python_files(CORE)
              for line, package in third_party(path) if package in FORBIDDEN]
    assert faults == []


def test_lowest_level_is_standard_library():
    """Errors, progress and the catalogue load inside QGIS, so they need nothing from outside."""
    files = [path for path in LIBRARY if LEVELS[room(path, ROOT)] == 0 and room(path, ROOT) not in DOORS]
    assert files
    faults = [f"{name(path)}:{line} imports {package}" for path in files for line, package in third_party(path)]
    assert faults == []


def test_world_needs_only_the_vocabulary():
    """The synthetic world stands on the vocabulary alone."""
    used = {target.split(".")[1] for _, target in imports(CORE / "world.py") if target.startswith("reco_core.")}
    assert used <= {"vocabulary", "errors", "progress", "deps"}


def plugin_faults(path: Path) -> list[str]:
    """Return the imports of a plugin file that QGIS alone could not satisfy."""
    faults = []
    usable = (*PLUGIN_MAY_USE, "worker") if path == CHILD else PLUGIN_MAY_USE
    for line, target in imports(path):
        parts = target.split(".")
        if parts[0] == "reco_core":
            allowed = len(parts) > 1 and parts[1] in usable
        else:
            allowed = parts[0] in sys.stdlib_module_names or parts[0] in (*QGIS, "qgis_plugin", "")
        if not allowed:
            faults.append(f"{name(path)}:{line} imports {target}")
    return faults


def test_plugin_imports_only_qgis_and_standard_library():
    """The plugin starts in a QGIS that has no scientific package; only its child process starts the library."""
    files = python_files(PLUGIN)
    assert files
    assert [fault for path in files for fault in plugin_faults(path)] == []


@pytest.mark.parametrize("text", [
    "from ..io import grid", "from reco_core.actions import run_step", "def f():\n    from ..samples.build import x",
])
def test_the_rule_sees_a_breach(tmp_path, text):
    """Sideways, upward and hidden imports are found."""
    path = tmp_path / "reco_core" / "models" / "breach.py"
    path.parent.mkdir(parents=True)
    path.write_text(text + "\n")
    assert len(level_faults(path, tmp_path)) == 1


def test_the_rule_lets_lower_levels_in(tmp_path):
    """What is below, and one's own room, may be imported."""
    path = tmp_path / "reco_core" / "models" / "fine.py"
    path.parent.mkdir(parents=True)
    path.write_text("from . import base\nfrom ..vocabulary import variable\nfrom ..errors import SampleError\n")
    assert level_faults(path, tmp_path) == []
