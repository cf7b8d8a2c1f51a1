"""The worker: what it says, how it ends, and that it leaves nothing when it is stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time

import pytest

from reco_core import __version__
from reco_core.errors import ERRORS
from reco_core.io.files import PREFIX
from source import ROOT

MAIN = ROOT / "qgis_plugin" / "worker_main.py"


def start(tmp_path, job, code=None):
    """Start a worker on a job; `code` replaces what it is started with."""
    path = tmp_path / "job.json"
    path.write_text(job if isinstance(job, str) else json.dumps(job), encoding="utf-8")
    script = MAIN
    if code is not None:
        script = tmp_path / "other_main.py"
        script.write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n" + textwrap.dedent(code), encoding="utf-8")
    return subprocess.Popen([sys.executable, "-I", "-u", "-X", "utf8", str(script), str(path)], cwd=tmp_path, text=True,
                            encoding="utf-8", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(process):
    """Wait for a worker and return its messages, its stderr and its exit code."""
    said, logged = [], process.stderr
    for line in process.stdout:
        said.append(json.loads(line))
    text = logged.read()
    code = process.wait(20)
    process.stdin.close()
    return said, text, code


def run(tmp_path, job, code=None):
    """Run a worker to its end."""
    return finish(start(tmp_path, job, code))


def wait_for(process, kind):
    """Read messages until one of a kind comes."""
    for line in process.stdout:
        message = json.loads(line)
        if message["type"] == kind:
            return message
    raise AssertionError(f"the worker said no {kind}: {process.stderr.read()}")


def stop(process):
    """Close the worker's stdin and return seconds until it ended and its exit code."""
    begin = time.monotonic()
    process.stdin.close()
    code = process.wait(10)
    return time.monotonic() - begin, code


def world(tmp_path, **changes):
    """A job that makes a small world."""
    values = {"cells": 8, "years": 1, "towers": 4, "drivers": str(tmp_path / "drivers.zarr"),
              "observations": str(tmp_path / "towers.csv"), "truth": str(tmp_path / "truth.tif"), **changes}
    return {"step": "make_world", "values": values}


def test_a_step_runs(tmp_path):
    """Hello, progress that grows to 100, and the result with the paths that were written."""
    said, _, code = run(tmp_path, world(tmp_path))
    assert code == 0
    assert said[0].items() >= {"type": "hello", "protocol": 1, "version": __version__}.items()
    shares = [message["value"] for message in said if message["type"] == "progress"]
    assert shares == sorted(shares) and shares[-1] == 100
    assert said[-1]["type"] == "result" and said[-1]["value"]["truth"] == str(tmp_path / "truth.tif")
    assert (tmp_path / "truth.tif").exists() and (tmp_path / "drivers.zarr").is_dir()


def test_the_folder_of_a_job_holds_what_is_not_named(tmp_path):
    """Outputs without a path go into the job's folder under their usual names."""
    said, _, code = run(tmp_path, {"step": "make_world", "values": {"cells": 4, "years": 1, "towers": 2},
                                   "folder": str(tmp_path / "out")})
    assert code == 0 and (tmp_path / "out" / "truth.tif").exists(), said


def test_check_up(tmp_path):
    """The check-up lists the packages."""
    said, _, code = run(tmp_path, {"step": "doctor"})
    assert code == 0 and said[-1]["value"]["healthy"] is True
    assert any("numpy" in line for line in said[-1]["value"]["summary"])


@pytest.mark.parametrize(("job", "kind", "words"), [
    ({"step": "nothing"}, "ConfigError", "nothing"),
    ({"step": "make_world", "values": {"cells": "many"}}, "ConfigError", "many"),
    ({"step": "trend", "values": {"estimate": "absent.tif", "output": "t.tif"}}, "SchemaError", "absent.tif"),
    ("no json", "ConfigError", "job.json"),
    ({"values": {}}, "ConfigError", "not a job"),
])
def test_errors_have_kind_message_and_exit_code(tmp_path, job, kind, words):
    """What a user can mend comes as a message with its class; the exit code is that of the class."""
    said, _, code = run(tmp_path, job)
    error = said[-1]
    assert error["type"] == "error" and error["kind"] == kind and words in error["message"]
    assert code == ERRORS[kind].exit_code
    assert "Traceback" in error["traceback"]


REPLACED = """
    import reco_core.worker as worker

    def step(job, progress):
        {}

    worker.run_job = step
    if __name__ == "__main__":
        sys.exit(worker.main(sys.argv[1]))
"""


@pytest.mark.parametrize(("statement", "kind", "code"), [
    ("raise MemoryError", "ResourceError", 8),
    ("import a_package_that_is_nowhere", "MissingDependency", 7),
    ("return {}['x']", "KeyError", 1),
])
def test_other_errors_are_put_into_words(tmp_path, statement, kind, code):
    """Memory and missing packages are the user's to mend; anything else is said to be a fault of RECO."""
    said, _, ended = run(tmp_path, {"step": "x"}, REPLACED.format(statement))
    assert (said[-1]["kind"], ended) == (kind, code)
    assert said[-1]["hint"] and ("fault of RECO" in said[-1]["hint"]) == (code == 1)


def test_stray_prints_do_not_reach_the_protocol(tmp_path):
    """What a library prints, even from C, is found in the log."""
    said, text, code = run(tmp_path, {"step": "x"}, REPLACED.format(
        "import os; print('stray'); os.write(1, b'from C\\n'); return {'ok': 1}"))
    assert code == 0 and [message["type"] for message in said] == ["hello", "result"]
    assert "stray" in text and "from C" in text


def test_log_lines_carry_their_level(tmp_path):
    """Lines for the user come as log messages."""
    said, _, _ = run(tmp_path, {"step": "x"}, REPLACED.format(
        "progress.info('good'); progress.warn('beware'); return {'ok': 1}"))
    assert [(m["level"], m["text"]) for m in said if m["type"] == "log"] == [("info", "good"), ("warning", "beware")]


def test_end_of_stdin_cancels(tmp_path):
    """A running step stops within two seconds, says Cancelled, and nothing is left, not even partly."""
    process = start(tmp_path, world(tmp_path, cells=1500, years=20))
    wait_for(process, "progress")
    time.sleep(0.5)
    seconds, code = stop(process)
    assert seconds < 2 and code == 130
    names = {path.name for path in tmp_path.iterdir()} - {"job.json", "towers.csv"}
    assert not {name for name in names if name.startswith(PREFIX)} and "truth.tif" not in names, names


STUBBORN = """
    import multiprocessing, os, time
    import reco_core.worker as worker
    from reco_core.io.files import atomic

    def sleep():
        time.sleep(60)

    def step(job, progress):
        child = multiprocessing.get_context("spawn").Process(target=sleep)
        child.start()
        with atomic("big.tif") as part:
            part.write_text("half")
            progress(0.1, str(child.pid))
            time.sleep(60)

    worker.run_job = step
    if __name__ == "__main__":
        sys.exit(worker.main(sys.argv[1]))
"""


def alive(pid):
    """Return whether a process runs (a dead one that nobody waited for does not count)."""
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
def test_a_step_that_does_not_listen_is_ended(tmp_path):
    """Without a report for long, the process ends all the same: its child with it, no file half written."""
    process = start(tmp_path, {"step": "x"}, STUBBORN)
    child = int(wait_for(process, "progress")["text"])
    assert alive(child) and list(tmp_path.glob(PREFIX + "*big.tif"))
    seconds, code = stop(process)
    assert seconds < 2 and code == 130
    time.sleep(0.2)
    assert not alive(child)
    assert not [path for path in tmp_path.iterdir() if "big.tif" in path.name]


def test_children_of_a_worker_find_the_library(tmp_path):
    """Spawned processes of a step run its functions, although nobody put the library on their path."""
    said, text, code = run(tmp_path, {"step": "x"}, REPLACED.format("""
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return {"version": pool.submit(worker.read_job, sys.argv[1]).result()}
    """))
    assert code == 0, text
    assert said[-1]["value"] == {"version": {"step": "x"}}
