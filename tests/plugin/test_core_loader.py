"""The plugin sees the records of the library without making the library visible to anybody."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile

import pytest

import build_plugin
from reco_core import STEPS, __version__
from source import PLUGIN, ROOT

CODE = """
import importlib.util, json, sys
sys.path.insert(0, {parent!r})
before = list(sys.path)
spec = importlib.util.spec_from_file_location("{package}", {init!r}, submodule_search_locations=[{folder!r}])
package = importlib.util.module_from_spec(spec)
sys.modules["{package}"] = package
from {package} import core
print(json.dumps({{
    "steps": list(core.catalogue.STEPS), "version": core.VERSION, "path": sys.path == before,
    "public": "reco_core" in sys.modules, "numpy": "numpy" in sys.modules,
    "help": core.catalogue.STEPS["fit"].params[0].help, "icon": core.resource("icons", "reco.svg"),
    "constraints": core.shipped("constraints.txt"), "absent": core.resource("icons", "none.svg")}}))
"""


def load(folder, package):
    """Load core.py of a plugin folder in a fresh interpreter without the library, and return what it saw."""
    code = CODE.format(parent=str(folder.parent), package=package, init=str(folder / "__init__.py"), folder=str(folder))
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The plugin folder of the built zip."""
    folder = tmp_path_factory.mktemp("plugins")
    with zipfile.ZipFile(build_plugin.build(ROOT, tmp_path_factory.mktemp("dist"))) as archive:
        archive.extractall(folder)
    return folder / "reco"


@pytest.mark.parametrize("where", ["checkout", "zip"])
def test_records_are_loaded_privately(where, unpacked):
    """From a checkout and from the zip: all records, no change of sys.path, no public reco_core, no numpy."""
    seen = load(PLUGIN, "qgis_plugin") if where == "checkout" else load(unpacked, "reco")
    assert seen["steps"] == list(STEPS) and seen["version"] == __version__
    assert seen["help"] == STEPS["fit"].params[0].help
    assert seen["path"] and not seen["public"] and not seen["numpy"]
    assert seen["icon"].endswith("reco.svg") and seen["constraints"] and seen["absent"] == ""


def test_missing_library_is_said(unpacked, tmp_path):
    """A damaged installation ends with one sentence."""
    broken = tmp_path / "reco"
    shutil.copytree(unpacked, broken, ignore=shutil.ignore_patterns("lib"))
    with pytest.raises(subprocess.CalledProcessError) as caught:
        load(broken, "reco")
    assert "library of the RECO plugin is missing" in caught.value.stderr


def test_the_worker_of_the_zip_runs_anywhere(unpacked, tmp_path):
    """From a folder with spaces and letters beyond ASCII the worker finds the library that ships with it."""
    folder = tmp_path / "wo es grünt – 森" / "reco"
    shutil.copytree(unpacked, folder)
    job = folder / "job.json"
    job.write_text(json.dumps({"step": "doctor"}))
    done = subprocess.run([sys.executable, "-I", "-u", "-X", "utf8", str(folder / "worker_main.py"), str(job)],
                          cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", stdin=subprocess.DEVNULL)
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    assert messages[0]["type"] == "hello" and messages[0]["version"] == __version__, done.stderr


def test_icons_and_files_that_metadata_names_are_in_the_zip(unpacked):
    """What metadata.txt and the groups of the toolbox point at is there."""
    text = (unpacked / "metadata.txt").read_text(encoding="utf-8")
    icon = next(line.split("=", 1)[1] for line in text.splitlines() if line.startswith("icon="))
    assert (unpacked / icon).is_file()
    for step in STEPS.values():
        group = step.group.split(" ", 1)[1].lower().replace(" ", "_")
        assert (unpacked / "resources" / "icons" / f"{group}.svg").is_file(), group
