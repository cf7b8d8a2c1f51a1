"""Set-up happens once, again only when its description changes, and says what to do where it cannot go on."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import house
import setup_env
from source import ROOT


@pytest.fixture
def stamps(tmp_path, monkeypatch):
    """Let stamps and logs go to a folder of their own."""
    monkeypatch.setattr(setup_env, "STAMPS", tmp_path)
    return tmp_path


@pytest.fixture
def installs(stamps, monkeypatch):
    """Record what pip would install; every Python works and every environment is there."""
    calls: list[list[str]] = []

    def pip(python, arguments, log):
        calls.append([str(python), *arguments])
        return True

    monkeypatch.setattr(setup_env, "pip", pip)
    monkeypatch.setattr(setup_env, "make_venv", lambda *arguments: None)
    monkeypatch.setattr(setup_env, "works", lambda *arguments: True)
    monkeypatch.setattr(setup_env, "RECO", Path(sys.executable))
    return calls


def test_second_run_installs_nothing(installs):
    """What was installed from the same description is left alone."""
    for _ in range(2):
        setup_env.make_library()
        setup_env.make_qgis_tests()
    assert len(installs) == 2


def test_other_constraints_install_again(installs, monkeypatch):
    """A changed pin is a reason to install."""
    setup_env.make_library()
    text = setup_env.constraints()
    monkeypatch.setattr(setup_env, "constraints", lambda: text + "\nnew==1.0\n")
    setup_env.make_library()
    assert len(installs) == 2


def test_environments_never_mix(installs):
    """The library goes into .venv, torch included; beside QGIS there are pytest and pytest-qgis and nothing else."""
    setup_env.make_library()
    setup_env.make_qgis_tests()
    library, qgis = installs
    assert library[0].endswith("/.venv/bin/python") and library[1] == "-e"
    assert library[2].endswith("[causal,explain,report,modis,cosore,deep,search,cluster,dev]")
    assert "gpu" not in library[2]
    assert qgis[0].endswith("/.venv-qgis/bin/python")
    assert [re.sub("==.*", "", requirement) for requirement in qgis[1:]] == ["pytest", "pytest-qgis"]


def test_failed_install_is_told_and_tried_again(installs, stamps, monkeypatch):
    """A failure shows the last words of pip and leaves no stamp."""
    (stamps / "library.log").write_text("No matching distribution found for numpy==2.4.6\n")
    monkeypatch.setattr(setup_env, "pip", lambda *arguments: False)
    with pytest.raises(setup_env.SetupError, match="No matching distribution"):
        setup_env.make_library()
    assert not (stamps / "library").exists()


def test_without_rights_the_line_to_run_is_said(stamps, monkeypatch, capsys):
    """Where packages may not be installed the one line to run is printed and set-up goes on."""
    monkeypatch.setattr(setup_env, "missing_packages", lambda: ["qgis", "python3-venv"])
    monkeypatch.setattr(setup_env, "administrator", lambda: None)
    monkeypatch.setattr(setup_env.shutil, "which", lambda name: name)
    setup_env.install_packages()
    said = capsys.readouterr().out
    assert "sudo apt-get install -y --no-install-recommends qgis python3-venv" in said
    assert len(said.splitlines()) == 1


def test_with_rights_packages_are_installed(stamps, monkeypatch):
    """As root the list is refreshed first, then what is missing is installed without questions."""
    ran = []
    monkeypatch.setattr(setup_env, "missing_packages", lambda: ["qgis"])
    monkeypatch.setattr(setup_env, "administrator", lambda: [])
    monkeypatch.setattr(setup_env.shutil, "which", lambda name: name)
    monkeypatch.setattr(setup_env, "run", lambda command, log, environment: ran.append(
        (command[:2], environment["DEBIAN_FRONTEND"])) or True)
    setup_env.install_packages()
    assert ran == [(["apt-get", "update"], "noninteractive"), (["apt-get", "install"], "noninteractive")]


def test_no_python_is_told(monkeypatch):
    """Without a Python that can make environments the message says how to get one."""
    monkeypatch.setattr(setup_env, "can_make_venv", lambda python: False)
    with pytest.raises(setup_env.SetupError, match="apt-get install -y python3-venv"):
        setup_env.base_python()


def test_a_python_that_lacks_venv_is_seen(tmp_path):
    """A Python that fails, or is not there, is passed over; the one that runs this test is not."""
    broken = tmp_path / "python3"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    assert not setup_env.can_make_venv(broken)
    assert not setup_env.can_make_venv(tmp_path / "nowhere")
    assert setup_env.can_make_venv(Path(sys.executable))


def test_qgis_gets_a_clean_environment(tmp_path, monkeypatch):
    """No Python, GDAL, PROJ or Qt variable of the caller reaches QGIS, and the profile is a fresh one."""
    for name in ("PYTHONPATH", "PYTHONHOME", "PROJ_LIB", "GDAL_DATA", "QT_PLUGIN_PATH", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "garbage")
    monkeypatch.setenv("RECO_DATA", "kept")
    environment = house.qgis_environment(tmp_path)
    assert "garbage" not in environment.values()
    assert environment["PATH"] == "/usr/bin:/bin" and environment["QT_QPA_PLATFORM"] == "offscreen"
    assert environment["RECO_DATA"] == "kept"
    assert environment["RECO_WORKER_PYTHON"] == str(ROOT / ".venv" / "bin" / "python")
    assert Path(environment["QGIS_CUSTOM_CONFIG_PATH"]).is_relative_to(tmp_path)
    assert Path(environment["XDG_RUNTIME_DIR"]).stat().st_mode & 0o777 == 0o700


def test_make_lists_its_targets():
    """`make` alone prints every target with its words."""
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z-]+):.*## \S", makefile, re.MULTILINE)
    assert set(targets) == {"help", "env", "demo", "test", "real", "bench", "bench-gpu", "lint",
                            "plugin", "clean"}
    assert ".DEFAULT_GOAL := help" in makefile
