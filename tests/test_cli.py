"""The command line: help, exit codes and errors."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reco_core.catalogue import STEPS
from reco_core.errors import MissingDependency

ROOT = Path(__file__).resolve().parents[1]


def reco(*arguments, cwd=None):
    """Run the command as a user does."""
    env = dict(os.environ, PYTHONPATH=str(ROOT))
    return subprocess.run([sys.executable, "-m", "reco_core", *map(str, arguments)], cwd=cwd, env=env,
                          capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", list(STEPS))
def test_every_step_explains_itself(name):
    """Help names every parameter, and the help does not fail on a percent sign."""
    done = reco(name, "--help")
    assert done.returncode == 0
    for param in STEPS[name].params:
        assert param.flag in done.stdout


@pytest.mark.parametrize(("arguments", "code", "words"), [
    (("read_observations", "--path", "nowhere.csv", "--out", "x"), 3, "nowhere.csv"),
    (("read_observations", "--out", "x"), 2, "path"),
    (("fit", "--samples", "nowhere.nc", "--out", "x"), 3, "nowhere.nc"),
    (("fit", "--samples", "a.nc", "--folds", "1", "--out", "x"), 2, "from 2 to"),
    (("run", "nowhere.toml"), 2, "nowhere.toml"),
    (("predict", "--model", "nowhere", "--drivers", "nowhere.zarr", "--out", "x"), None, "nowhere"),
])
def test_errors_name_what_is_wrong(tmp_path, arguments, code, words):
    """An error is short, says what and where, and its exit code is documented."""
    done = reco(*arguments, cwd=tmp_path)
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ") or "\nerror: " in done.stderr
    assert words in done.stderr
    if code is not None:
        assert done.returncode == code
    assert done.returncode not in (0, 1)
    assert not list(tmp_path.glob("x/*"))


def test_json_progress_is_json(tmp_path):
    """Other programs can follow the progress."""
    done = reco("make_world", "--cells", "4", "--years", "1", "--towers", "3", "--out", tmp_path / "w",
                "--progress", "json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert lines[-1]["value"] == 100
    assert (tmp_path / "w" / "towers.csv").exists()
    assert json.loads((tmp_path / "w" / "drivers.run.json").read_text())["step"] == "make_world"


def test_doctor_knows_the_installation():
    """The check-up ends well where the library works."""
    done = reco("doctor")
    assert done.returncode == 0
    assert "xgboost" in done.stdout


def test_a_python_without_packages_is_told_what_to_install(tmp_path):
    """A bare interpreter lists everything; running a step says which command installs what it lacks."""
    code = (f"import sys; sys.path.insert(0, {str(ROOT)!r}); from reco_core.cli import main; "
            "sys.exit(main(sys.argv[1:]))")
    bare = [sys.executable, "-I", "-S", "-c", code]
    assert subprocess.run([*bare, "--help"], capture_output=True, check=False).returncode == 0
    done = subprocess.run([*bare, "trend", "--estimate", "a.tif", "--out", str(tmp_path)], capture_output=True,
                          text=True, check=False)
    assert done.returncode == MissingDependency.exit_code
    assert "python -m pip install 'reco'" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_a_terminated_step_leaves_nothing(tmp_path):
    """A scheduler that stops a step gets the exit code of a cancelled one, and no half-written file stays."""
    out = tmp_path / "out"
    command = [sys.executable, "-m", "reco_core", "make_world", "--cells", "4000", "--years", "40", "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=ROOT)
    deadline = time.monotonic() + 60
    while not list(out.glob(".reco-partial-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.terminate()
    assert process.wait(30) == 130
    assert list(out.glob("*")) == []
