"""Packages enter by one door, and what the library imports is what its metadata declares."""

from __future__ import annotations

import ast
import os
import re
import sys
import tomllib

import pytest

from reco_core.deps import forget_stale_code, need
from reco_core.errors import MissingDependency
from source import CORE, ROOT, called, imports, name, python_files, tree

IMPORT_NAMES = {"scikit-learn": "sklearn", "xgboost-cpu": "xgboost"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def package(requirement: str) -> str:
    """Return the name of a requirement such as 'numpy>=1.26'."""
    return re.split(r"[^A-Za-z0-9_.-]", requirement)[0].lower()


def module(requirement: str) -> str:
    """Return what a requirement is imported as."""
    return IMPORT_NAMES.get(package(requirement), package(requirement))


def pins() -> dict[str, str]:
    """Return package and version of each line of constraints.txt."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
    return {line.split("==")[0].lower(): line.split("==")[1] for line in lines}


@pytest.mark.parametrize("later", [True, False])
def test_machine_code_is_no_older_than_kernels(tmp_path, later):
    """What was compiled before any kernel changed is compiled again; other changes cost nothing."""
    place = tmp_path / "room" / "__pycache__"
    place.mkdir(parents=True)
    (tmp_path / "kernels.py").write_text("@jit\ndef f(): ...\n")
    (tmp_path / "other.py").write_text("newest = True\n")
    index = place / "lanes.f-1.py311.nbi"
    index.write_bytes(b"")
    for path, age in ((index, 100), (tmp_path / "kernels.py", 50 if later else 150), (tmp_path / "other.py", 0)):
        os.utime(path, (1e9 - age, 1e9 - age))
    forget_stale_code(tmp_path)
    assert index.exists() is not later


def test_installed_module_is_returned():
    """The door gives the module itself, dotted names included."""
    assert need("json") is sys.modules["json"]
    assert need("xml.etree.ElementTree").__name__ == "xml.etree.ElementTree"


@pytest.mark.parametrize(("extra", "target"), [("explain", "reco[explain]"), ("", "reco")])
def test_hidden_module_names_the_command(monkeypatch, extra, target):
    """Where a package is missing the error names it and the command that installs it."""
    for loaded in [module for module in sys.modules if module.split(".")[0] == "shap"]:
        monkeypatch.setitem(sys.modules, loaded, None)
    monkeypatch.setitem(sys.modules, "shap", None)
    with pytest.raises(MissingDependency) as caught:
        need("shap.explainers", extra=extra)
    assert "'shap'" in caught.value.message
    assert caught.value.hint == f"Install it with: python -m pip install '{target}'"


def test_broken_package_is_told_apart(monkeypatch, tmp_path):
    """A package that is there but cannot load what it needs shows the reason."""
    (tmp_path / "broken_package.py").write_text("import a_module_that_is_nowhere\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingDependency, match="a_module_that_is_nowhere"):
        need("broken_package")


def test_a_package_that_finds_no_room(monkeypatch, tmp_path):
    """A library that cannot be loaded for lack of memory is not said to be missing."""
    (tmp_path / "heavy_package.py").write_text("raise ImportError('a.so: failed to map segment from shared object')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MemoryError):
        need("heavy_package")


def test_extras_named_in_code_exist():
    """Each `need(..., extra=...)` names an extra that carries that package."""
    faults = []
    for path in python_files(CORE):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and called(node) == "need" and isinstance(node.args[0], ast.Constant):
                wanted = node.args[0].value.split(".")[0].lower()
                extra = next((k.value.value for k in node.keywords if k.arg == "extra"),
                             node.args[1].value if len(node.args) > 1 else "")
                carried = EXTRAS.get(extra, []) if extra else PROJECT["dependencies"]
                if wanted not in map(module, carried) and wanted not in sys.stdlib_module_names:
                    faults.append(f"{name(path)}:{node.lineno} {wanted} is not in {extra or 'the core'}")
    assert faults == []


def test_imports_are_declared():
    """What the library imports from outside is in its metadata."""
    declared = {module(item) for items in (PROJECT["dependencies"], *EXTRAS.values()) for item in items}
    found = {(target.split(".")[0], name(path)) for path in python_files(CORE) for _, target in imports(path)}
    strange = [(one, where) for one, where in sorted(found) if one.lower() not in declared
               and one not in sys.stdlib_module_names and one not in ("reco_core", "__future__")]
    assert strange == []


def test_every_direct_dependency_is_pinned():
    """constraints.txt gives one exact version for each package of the metadata."""
    wanted = {package(item) for items in (PROJECT["dependencies"], *EXTRAS.values()) for item in items}
    assert wanted <= set(pins())
    assert all(re.fullmatch(r"[0-9][0-9A-Za-z.+]*", version) for version in pins().values())
