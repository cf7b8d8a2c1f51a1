"""Worker processes: order, errors, and that none outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from reco_core.errors import ResourceError
from reco_core.models.crew import Crew
from source import ROOT


def times(common, job, progress):
    """Return the product of the common input and the job."""
    return common * job


def die(common, job, progress):
    """End the process without a word, as the system does when memory runs out."""
    os._exit(9)


def test_results_in_the_order_of_the_jobs():
    """Two processes and none give the same results, in order."""
    for processes in (1, 2):
        with Crew(3, processes) as crew:
            assert crew.map(times, list(range(20))) == [3 * number for number in range(20)]
            assert crew.map(times, [5, 6]) == [15, 18]


def test_a_process_that_ends_by_itself():
    """A worker that is gone is reported with what to do, and does not hang the rest."""
    with pytest.raises(ResourceError, match="ended unexpectedly") as caught, Crew(3, 2) as crew:
        crew.map(die, [1, 2, 3])
    assert "processes=1" in caught.value.hint


SCRIPT = """
    import sys, time
    sys.path[:0] = [{root!r}, {helpers!r}]
    from dataclasses import replace
    from reco_core.models.ensemble import Recipe, run_folds
    from tables import make_table
    table = make_table(sites={sites}, rows={rows})
    print(run_folds(table, table.group % 4, Recipe(weights="uniform", settings={settings!r}, seeds=(1, 2)),
                    keep=False, processes=2)[1].shape, flush=True)
"""


def script(tmp_path, sites, rows, settings):
    path = tmp_path / "fit.py"
    path.write_text(textwrap.dedent(SCRIPT).format(root=str(ROOT), helpers=str(ROOT / "tests" / "helpers"),
                                                   sites=sites, rows=rows, settings=settings))
    return [sys.executable, str(path)]


def test_a_plain_script_needs_no_guard(tmp_path):
    """A user's script without `if __name__ == "__main__"` fits in two processes and is not run again by them."""
    done = subprocess.run(script(tmp_path, 8, 24, "robust"), capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "(192,)\n", done.stderr


def state_of(pid):
    """Return state and parent of a process, or nothing if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            state, parent = stream.read().rpartition(")")[2].split()[:2]  # its name may hold blanks
        return state, int(parent)
    except OSError:
        return "", 0


def children_of(pid):
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and state_of(name)[1] == pid]


def alive(pid):
    return state_of(pid)[0] not in ("", "Z")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at processes through /proc")
def test_no_process_outlives_a_killed_parent(tmp_path):
    """If the parent is killed outright, its workers end within seconds."""
    slow = "n_estimators=2000,early_stopping=0,max_depth=10,min_child_weight=0"
    parent = subprocess.Popen(script(tmp_path, 40, 200, slow), stdout=subprocess.DEVNULL)
    workers: list[int] = []
    deadline = time.monotonic() + 30
    while len(workers) < 3 and time.monotonic() < deadline:  # two workers and multiprocessing's own tracker
        workers = children_of(parent.pid)
        time.sleep(0.2)
    time.sleep(2)
    assert len(workers) >= 2 and parent.poll() is None
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 5
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(alive, workers))
