"""Processes: what they say reaches the user, and they end when they should."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from qgis.core import (
    QgsApplication,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
)

WORLD = {"CELLS": 1500, "YEARS": 20, "TOWERS": 4}


def outputs(folder):
    """Return the outputs of make_world in a folder."""
    return {"DRIVERS": str(folder / "d.zarr"), "OBSERVATIONS": str(folder / "t.csv"), "TRUTH": str(folder / "t.tif")}


@pytest.fixture
def script(plugin_folder, feedback):
    """A function that runs Python code as a process and returns (exit code, cancelled)."""
    from reco.runner import run_process

    def run(code, on_line=None):
        return run_process([sys.executable, "-I", "-u", "-c", code], feedback, on_line)

    return run


def test_lines_arrive_apart(script, feedback):
    """Standard output goes to the listener, standard error to the log; the exit code is kept."""
    lines = []
    code, cancelled = script("import sys; print('out ä'); print('log', file=sys.stderr); sys.exit(3)", lines.append)
    assert (code, cancelled, lines) == (3, False, ["out ä"]) and "log" in feedback.said


def test_environment_is_clean(script, monkeypatch):
    """What QGIS sets for its own libraries does not reach the process."""
    for name in ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "PYTHONHOME_", "PYTHONPATH", "LD_PRELOAD", "QT_PLUGIN_PATH"):
        monkeypatch.setenv(name, "/garbage")
    lines = []
    script("import os; print([key for key, value in os.environ.items() if value == '/garbage'])", lines.append)
    assert lines == ["[]"]


def test_program_that_is_not_there(plugin_folder, feedback):
    """A program that cannot be started is named."""
    from reco.runner import run_process

    with pytest.raises(QgsProcessingException, match="nowhere"):
        run_process(["/nowhere/python"], feedback)


STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid)
time.sleep(60)
"""


def test_a_stubborn_process_is_killed_with_its_children(script, feedback):
    """A process that does not listen is killed within two seconds, and so is its child."""
    lines = []

    def cancel(line):
        lines.append(line)
        feedback.cancel()

    begin = time.monotonic()
    _, cancelled = script(STUBBORN, cancel)
    assert cancelled and time.monotonic() - begin < 2.5
    time.sleep(0.1)
    stat = Path(f"/proc/{lines[0]}/stat")
    assert not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] == "Z"


def test_a_crash_does_not_wait_for_children(script):
    """When a process dies, children that hold its pipes do not keep QGIS waiting."""
    code = STUBBORN.rsplit("time.sleep(60)", 1)[0] + "import os; os.abort()"
    begin = time.monotonic()
    assert script(code) == (-6, False)
    assert time.monotonic() - begin < 4


def test_a_flood_of_lines_can_be_cancelled(script, feedback):
    """Cancel is heard while lines keep coming."""
    begin = time.monotonic()
    seen = []

    def count(line):
        seen.append(line)
        if len(seen) == 100:
            feedback.cancel()

    _, cancelled = script("while True: print('line')", count)
    assert cancelled and time.monotonic() - begin < 4


def test_error_of_a_step(algorithm, feedback, tmp_path):
    """Message and hint become the error; the traceback goes to the log."""
    _, done = algorithm("find_links").run({"SAMPLES": "absent.nc", "OUTPUT": str(tmp_path / "l.json")},
                                          QgsProcessingContext(), feedback)
    assert not done and "absent.nc" in feedback.errors[0] and "Traceback" not in feedback.errors[0]
    assert any("Traceback" in text for text in feedback.said)
    assert os.listdir(tmp_path) == []


def test_progress_and_summary(algorithm, feedback, tmp_path):
    """Progress, what is being done, and the lines of the result reach the user."""
    seen = []
    feedback.progressChanged.connect(seen.append)
    results, done = algorithm("make_world").run({"CELLS": 6, "YEARS": 1, "TOWERS": 3, **outputs(tmp_path)},
                                                QgsProcessingContext(), feedback)
    assert done and seen == sorted(seen) and seen[-1] == 100
    assert any("3 towers" in text for text in feedback.said)
    assert results == outputs(tmp_path)


def test_cancel_of_a_step(algorithm, feedback, tmp_path, no_orphans):
    """Cancelled while it writes, a step ends within two seconds and leaves nothing half done."""
    when = []

    def stop(text):
        feedback.said.append(text)
        if "Writing" in text and not when:
            when.append(time.monotonic())
            feedback.cancel()

    feedback.setProgressText = stop
    _, done = algorithm("make_world").run({**WORLD, **outputs(tmp_path)}, QgsProcessingContext(), feedback)
    assert not done and time.monotonic() - when[0] < 2
    assert "Cancelled" in feedback.errors
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".") or name in ("t.tif", "d.zarr")]


def test_cancel_of_a_task(reco, feedback, tmp_path, no_orphans):
    """The same for a task in the background, as the desktop runs it."""
    task_algorithm = reco.algorithm("make_world").create()
    context = QgsProcessingContext()
    task = QgsProcessingAlgRunnerTask(task_algorithm, {**WORLD, **outputs(tmp_path)}, context, feedback)
    ended = []
    task.executed.connect(lambda good, results: ended.append((good, time.monotonic())))
    QgsApplication.taskManager().addTask(task)

    def wait(condition, seconds):
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            QgsApplication.processEvents()
            time.sleep(0.02)

    wait(no_orphans, 10)
    assert no_orphans(), "the worker did not start"
    begin = time.monotonic()
    task.cancel()
    wait(lambda: ended, 5)
    assert ended and not ended[0][0] and ended[0][1] - begin < 2
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_cancelled_map_goes_on(algorithm, feedback, library, world, tmp_path, no_orphans):
    """Cancelled between two tiles, a map keeps what is done; run again it goes on and gives the same file."""
    library("make_world", "--cells", 1800, "--years", 1, "--towers", 3, "--out", tmp_path / "wide")
    inputs = {"MODEL": str(world / "model_lt"), "DRIVERS": str(tmp_path / "wide" / "drivers.zarr"), "MEMORY": 0.1}
    whole = tmp_path / "whole.tif"
    library("predict", "--model", inputs["MODEL"], "--drivers", inputs["DRIVERS"], "--memory", 0.1, "--flux", whole)
    maps = tmp_path / "maps"
    maps.mkdir()

    def stop(text):
        feedback.said.append(text)
        if text.startswith("tile 2 of"):  # of thirty-two: the rest takes longer than to say so
            feedback.cancel()

    feedback.setProgressText = stop
    _, done = algorithm("predict").run({**inputs, "FLUX": str(maps / "f.tif")}, QgsProcessingContext(), feedback)
    assert not done and not (maps / "f.tif").exists()
    assert feedback.errors[0].startswith("Cancelled\n") and "tiles are kept" in feedback.errors[0], feedback.errors
    again, said = QgsProcessingFeedback(False), []
    again.pushInfo = said.append
    _, done = algorithm("predict").run({**inputs, "FLUX": str(maps / "f.tif")}, QgsProcessingContext(), again)
    assert done and any(text.startswith("Going on with an interrupted run") for text in said), said
    assert (maps / "f.tif").read_bytes() == whole.read_bytes()
    assert not [name for name in os.listdir(maps) if name.startswith(".")]


def test_partial_files_of_a_killed_worker_are_removed(plugin_folder, tmp_path):
    """What a worker that had to be killed left is removed beside and inside its outputs, and nothing else."""
    from reco.runner import PARTIAL, remove_partial

    inside = tmp_path / "out" / "contributions"
    inside.mkdir(parents=True)
    mine = [tmp_path / f"{PARTIAL}77-0-flux.tif", inside / f"{PARTIAL}77-1-ta.tif", tmp_path / f"{PARTIAL}77-2-c.zarr"]
    other = tmp_path / f"{PARTIAL}78-0-flux.tif"
    for path in (*mine[:2], other):
        path.write_text("half")
    mine[2].mkdir()
    remove_partial({"flux": str(tmp_path / "flux.tif"), "folder": str(tmp_path / "out"), "seeds": 3}, 77)
    assert not any(path.exists() for path in mine) and other.exists() and inside.exists()
