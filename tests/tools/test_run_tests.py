"""`make test` runs both sets of tests and ends with their closing lines."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import run_tests


@pytest.mark.parametrize("line", [
    "345 passed, 2 skipped in 60.12s (0:01:00)", "1 failed, 3 passed in 0.12s", "2 errors in 1.00s",
    "======== 3 passed in 0.01s ========", "no tests ran in 0.01s", "12 deselected in 0.01s",
])
def test_closing_lines_are_known(line):
    """Whatever pytest closes with is kept for the end."""
    assert run_tests.CLOSING.match(line)


@pytest.mark.parametrize("line", ["FAILED test_a.py::test_b - assert 3 passed in 4", "........ [ 10%]", "3 passed"])
def test_other_lines_pass_through(line):
    """Only closing lines are held back."""
    assert not run_tests.CLOSING.match(line)


@pytest.fixture
def suites(tmp_path, monkeypatch):
    """Two sets of tests in a folder of their own: one for the library, one for QGIS."""
    monkeypatch.setattr(run_tests, "ROOT", tmp_path)
    monkeypatch.setattr(run_tests, "LIBRARY_PYTHON", Path(sys.executable))
    monkeypatch.setattr(run_tests, "QGIS_PYTHON", Path(sys.executable))
    monkeypatch.setattr(run_tests, "has_qgis", lambda: True)
    monkeypatch.setattr(run_tests, "qgis_environment", lambda folder: dict(os.environ))
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "tests" / "qgis").mkdir(parents=True)

    def write(library: str, qgis: str = "assert True") -> None:
        (tmp_path / "tests" / "test_library.py").write_text(f"def test_one(): {library}\ndef test_two(): pass\n")
        (tmp_path / "tests" / "qgis" / "test_plugin.py").write_text(f"def test_three(): {qgis}\n")

    return write


def test_both_pass(suites, capfd):
    """The last two lines are the two summaries, library first."""
    suites("assert True")
    assert run_tests.main([]) == 0
    last = capfd.readouterr().out.splitlines()[-2:]
    assert last[0].startswith("2 passed") and last[1].startswith("1 passed")


def test_one_failure_fails_both_run(suites, capfd):
    """A failure in the library does not hide what happens in QGIS, and the whole fails."""
    suites("assert False")
    assert run_tests.main([]) == 1
    said = capfd.readouterr().out
    assert "1 failed, 1 passed" in said.splitlines()[-2] and said.splitlines()[-1].startswith("1 passed")


def test_failure_in_qgis_fails(suites, capfd):
    """A failure inside QGIS fails the whole."""
    suites("assert True", "assert False")
    assert run_tests.main([]) == 1


def test_without_qgis_it_is_said(suites, monkeypatch, capfd):
    """Without QGIS the library is tested, the lack is said plainly, and CI=true makes it a failure."""
    suites("assert True")
    monkeypatch.setattr(run_tests, "has_qgis", lambda: False)
    assert run_tests.main([]) == 0
    assert "tests/qgis were NOT run" in capfd.readouterr().out
    monkeypatch.setenv("CI", "true")
    assert run_tests.main([]) == 1
