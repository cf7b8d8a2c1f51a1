"""Which Python runs the library, and how its environment is made."""

from __future__ import annotations

import os
import sys
import time

import pytest
from qgis.core import QgsProcessingContext, QgsProcessingException

import build_plugin


@pytest.fixture
def environment(plugin_folder, settings, monkeypatch, tmp_path):
    """The module, with no setting, no variable and an empty profile."""
    from reco import environment

    monkeypatch.delenv("RECO_WORKER_PYTHON", raising=False)
    monkeypatch.setattr(environment, "default_folder", lambda: str(tmp_path / "profile" / "reco-environment"))
    return environment


def executable(path):
    """Make something that looks like an interpreter."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return str(path)


def test_setting_goes_before_variable_before_folder(environment, settings, monkeypatch, tmp_path):
    """The user's setting wins, then the variable, then the folder in the profile."""
    with pytest.raises(QgsProcessingException, match="Create the RECO environment"):
        environment.find_worker_python()
    folder = executable(tmp_path / "profile" / "reco-environment" / "bin" / "python")
    assert environment.find_worker_python() == folder
    variable = executable(tmp_path / "b" / "python")
    monkeypatch.setenv("RECO_WORKER_PYTHON", variable)
    assert environment.find_worker_python() == variable
    setting = executable(tmp_path / "a" / "python")
    environment.remember(setting)
    assert settings.value("reco/workerPython") == setting and environment.find_worker_python() == setting


def test_a_named_python_that_is_gone_is_said(environment, settings):
    """A stale setting is not passed over in silence."""
    settings.setValue("reco/workerPython", "/gone/python")
    with pytest.raises(QgsProcessingException, match=r"/gone/python \(QGIS setting reco/workerPython\)"):
        environment.find_worker_python()


def test_base_pythons_exist_and_are_not_qgis(environment):
    """Only interpreters that are there are offered."""
    found = environment.base_pythons()
    assert found and all(os.path.isfile(path) for path in found) and len(set(found)) == len(found)


def test_check_up(algorithm, feedback, tmp_path, settings):
    """The tool shows versions of both sides and says that all is there."""
    path = tmp_path / "report.txt"
    results, done = algorithm("check_environment").run({"REPORT_FILE": str(path)}, QgsProcessingContext(), feedback)
    assert done and results["HEALTHY"] is True
    assert path.read_text(encoding="utf-8").rstrip("\n") == results["REPORT"]
    for word in ("RECO plugin", "QGIS 3", "Worker:", "numpy", "xgboost"):
        assert word in results["REPORT"]


def test_check_up_without_an_environment(algorithm, feedback, environment):
    """Without an environment the check-up still runs, and says so."""
    results, done = algorithm("check_environment").run({}, QgsProcessingContext(), feedback)
    assert done and results["HEALTHY"] is False
    assert "RECO has no Python environment yet" in results["REPORT"]


def test_requirements_are_the_pins_of_the_project(plugin_folder):
    """Core and extras come from the constraints in the zip, each pinned."""
    from reco.extras.create_environment import EXTRAS, requirements

    core, more = requirements([]), requirements(["report", "causal"])
    assert all("==" in pin for pin in more) and set(core) < set(more)
    names = {pin.split("==")[0].lower() for pin in core}
    assert {"numpy", "rasterio", "xgboost-cpu", "scikit-learn"} <= names
    assert not {"torch", "pytest", "shap"} & names
    text = (build_plugin.ROOT / "constraints.txt").read_text()
    assert all(f"# {extra}\n" in text for extra in ("core", *EXTRAS))


def test_a_folder_with_other_things_is_not_emptied(algorithm, feedback, tmp_path):
    """Only an empty folder or an older environment is replaced."""
    (tmp_path / "thesis.txt").write_text("years of work")
    _, done = algorithm("create_environment").run(
        {"PYTHON": sys.executable, "ENVIRONMENT": str(tmp_path)}, QgsProcessingContext(), feedback)
    assert not done and "is not empty" in feedback.errors[0]
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_a_folder_that_looks_like_an_older_one_is_not_emptied(algorithm, feedback, tmp_path):
    """The name under which an older environment is put aside may be taken by something of the user's."""
    (tmp_path / "env.older").mkdir()
    (tmp_path / "env.older" / "thesis.txt").write_text("years of work")
    _, done = algorithm("create_environment").run(
        {"PYTHON": sys.executable, "ENVIRONMENT": str(tmp_path / "env"), "WHEELS": str(tmp_path)},
        QgsProcessingContext(), feedback)
    assert not done and "is not empty" in feedback.errors[0]
    assert (tmp_path / "env.older" / "thesis.txt").exists()


def test_a_base_that_cannot_make_environments_is_refused(algorithm, feedback, tmp_path):
    """A program that is no Python is not used."""
    _, done = algorithm("create_environment").run(
        {"PYTHON": "/bin/true", "ENVIRONMENT": str(tmp_path / "env"), "WHEELS": str(tmp_path)},
        QgsProcessingContext(), feedback)
    assert not done and "No Python 3.11" in feedback.errors[0] and not (tmp_path / "env").exists()


def test_a_failed_installation_brings_the_older_environment_back(algorithm, feedback, tmp_path, settings,
                                                                 worker_python):
    """Without wheels pip fails: the older environment is as it was, and no setting is changed."""
    older = tmp_path / "env"
    older.mkdir()
    (older / "pyvenv.cfg").write_text("older")
    (tmp_path / "wheels").mkdir()
    _, done = algorithm("create_environment").run(
        {"PYTHON": worker_python, "ENVIRONMENT": str(older), "WHEELS": str(tmp_path / "wheels")},
        QgsProcessingContext(), feedback)
    assert not done and "pip install" in feedback.errors[0]
    assert (older / "pyvenv.cfg").read_text() == "older" and os.listdir(tmp_path) in (["env", "wheels"],
                                                                                      ["wheels", "env"])
    assert settings.value("reco/workerPython") is None


def test_cancel_leaves_nothing(algorithm, feedback, tmp_path, settings, worker_python):
    """Cancelled while the environment is made, nothing of it is left."""
    feedback.pushInfo = lambda text: feedback.cancel() if text.startswith("Base Python") else None
    begin = time.monotonic()
    _, done = algorithm("create_environment").run(
        {"PYTHON": worker_python, "ENVIRONMENT": str(tmp_path / "env"), "WHEELS": str(tmp_path)},
        QgsProcessingContext(), feedback)
    assert not done and "Cancelled" in feedback.errors and time.monotonic() - begin < 4
    assert os.listdir(tmp_path) == [] and settings.value("reco/workerPython") is None


def test_pip_lines_become_progress(plugin_folder, feedback):
    """What pip collects moves the bar, between 5 and 75 %."""
    from reco.extras.create_environment import PipProgress

    seen = []
    feedback.progressChanged.connect(seen.append)
    listen = PipProgress(feedback)
    for line in ("Collecting numpy==2.4.6", "Collecting scipy", "Installing collected packages: numpy, scipy"):
        listen(line)
    assert seen == [6, 7, 75] and "pip: numpy" in feedback.said
