"""What the plugin may import and do, read from its source: it must start in any QGIS, old or new."""

from __future__ import annotations

import ast
import sys

import pytest

from source import PLUGIN, imports, name, python_files, tree

FILES = python_files(PLUGIN)
WORKER = PLUGIN / "worker_main.py"
INSIDE_QGIS = [path for path in FILES if path != WORKER]


def attribute_chain(node):
    """Return the dotted names of an attribute such as Qt.MouseButton.LeftButton."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *reversed(parts)] if isinstance(node, ast.Name) else []


@pytest.mark.parametrize("path", INSIDE_QGIS, ids=name)
def test_only_qgis_and_the_standard_library(path):
    """Nothing but QGIS, the standard library (as of Python 3.9) and the plugin's own files."""
    foreign = [f"{line} {target}" for line, target in imports(path)
               if target.split(".")[0] not in (*sys.stdlib_module_names, "qgis", "processing", "qgis_plugin")
               or target.split(".")[0] in ("tomllib", "osgeo", "PyQt5", "PyQt6")]
    assert foreign == []


@pytest.mark.parametrize("path", INSIDE_QGIS, ids=name)
def test_own_files_are_imported_relatively(path):
    """The package has another name inside the zip, so it never says its own."""
    absolute = [node.lineno for node in ast.walk(tree(path))
                if (isinstance(node, ast.ImportFrom) and node.level == 0 and "qgis_plugin" in (node.module or ""))
                or (isinstance(node, ast.Import) and any("qgis_plugin" in alias.name for alias in node.names))]
    assert absolute == []


def test_the_core_is_reached_through_one_door():
    """Only core.py loads the library, and only what QGIS may see: the catalogue and the errors."""
    loads = {path.name for path in FILES if "_reco_core" in path.read_text() or "import_module" in path.read_text()}
    assert loads == {"core.py"}
    called = {node.args[0].value for node in ast.walk(tree(PLUGIN / "core.py"))
              if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_load"}
    assert called <= {"catalogue", "errors", "progress"} and "catalogue" in called


def test_only_the_worker_touches_the_search_path():
    """The library is put on sys.path in the worker alone."""
    assert [path.name for path in FILES if "sys.path" in path.read_text().replace("`sys.path`", "")] == [WORKER.name]


def test_only_the_runner_starts_processes():
    """One audited file starts processes, without a shell."""
    using = {path.name for path in FILES for _, target in imports(path) if target.split(".")[0] == "subprocess"}
    assert using == {"runner.py"}
    assert not [path.name for path in FILES if "os.system" in path.read_text() or "shell=True" in path.read_text()]


def test_nobody_starts_the_python_of_qgis():
    """`sys.executable` may be QGIS itself; only the worker, which is a Python, may name it."""
    assert [path.name for path in FILES
            for node in ast.walk(tree(path)) if attribute_chain(node) == ["sys", "executable"]] == [WORKER.name]


@pytest.mark.parametrize("path", FILES, ids=name)
def test_enums_are_scoped(path):
    """Qt 6 knows no short enums: Qt.MouseButton.LeftButton, never Qt.LeftButton; and no exec_()."""
    chains = [attribute_chain(node) for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)]
    longest = {tuple(chain) for chain in chains if chain and chain[0] == "Qt"}
    short = [chain for chain in longest if len(chain) == 2
             and not any(other[:2] == chain and len(other) > 2 for other in longest)]
    assert short == []
    assert "exec_" not in {chain[-1] for chain in chains if chain}
