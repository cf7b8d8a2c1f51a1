"""Maps by other processes: a real scheduler and real workers on this machine, one of which is killed on the way."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from reco_core.actions import run_step
from reco_core.actions.models import save_model
from reco_core.errors import Cancelled, ConfigError, ResourceError, SchemaError
from reco_core.inference import cluster
from reco_core.inference.job import MapJob
from reco_core.inference.tiles import TilePlan
from reco_core.io.rasters.cubes import write_cube
from reco_core.progress import SILENT, Progress
from small_world import small_drivers, small_model
from source import ROOT

pytest.importorskip("distributed")

SIDE, TILE, SECONDS = 24, 3, 60


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder with a fitted model and a driver cube."""
    folder = tmp_path_factory.mktemp("inputs")
    save_model(small_model(), folder / "model")
    write_cube(small_drivers(SIDE, SIDE, 2), str(folder / "drivers.zarr"), memory_gb=1.0, progress=SILENT)
    return folder


@pytest.fixture(scope="module", autouse=True)
def small_tiles():
    """Cut maps into very many tiles."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MapJob, "plan", lambda self: TilePlan.cut(
            self.reader.height, self.reader.width, rows=TILE, columns=TILE, steps=24, times=len(self.reader.times)))
        yield


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """Return the file with the address of a running scheduler."""
    folder = tmp_path_factory.mktemp("scheduler")
    file = folder / "scheduler.json"
    process = started("dask_scheduler", folder, "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                      "--scheduler-file", str(file))
    wait_for(file.exists)
    yield file
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def workers(scheduler):
    """Return two workers of the scheduler."""
    processes = [worker(scheduler) for _ in range(2)]
    yield processes
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def alone(place, tmp_path_factory):
    """Return the folder of a run without workers, and what it returned."""
    folder = tmp_path_factory.mktemp("alone")
    return folder, explain(place, folder)


def worker(scheduler):
    """Return a worker process that joins a scheduler."""
    return started("dask_worker", scheduler.parent, "--scheduler-file", str(scheduler), "--no-nanny", "--nthreads", "1",
                   "--no-dashboard", "--host", "127.0.0.1", "--local-directory", str(scheduler.parent))


def started(command, folder, *words):
    """Return a process of dask.distributed that finds this library."""
    with open(folder / f"{command}.log", "ab") as log:
        return subprocess.Popen([sys.executable, "-m", f"distributed.cli.{command}", *words], cwd=folder, stdout=log,
                                stderr=log, env={**os.environ, "PYTHONPATH": str(ROOT)})


def address(scheduler):
    """Return where the scheduler listens."""
    distributed = pytest.importorskip("distributed")
    with distributed.Client(scheduler_file=str(scheduler), set_as_default=False) as client:
        return client.scheduler.address


def count(scheduler):
    """Return how many workers the scheduler has."""
    distributed = pytest.importorskip("distributed")
    with distributed.Client(scheduler_file=str(scheduler), set_as_default=False) as client:
        return len(client.nthreads())


def wait_for(condition):
    """Wait until something is so."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def maps(folder):
    """Return the bytes of each raster of a folder, and of its style."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*"))
            if path.suffix in (".tif", ".qml")}


def done(folder):
    """Return how many tiles a journal holds."""
    return len(list(folder.glob(".reco-journal-*/tiles/*.json")))


def explain(place, folder, where=None, progress=SILENT):
    """Run `explain` into a folder."""
    return run_step("explain", {"model": str(place / "model"), "drivers": str(place / "drivers.zarr"),
                                "cluster": where}, progress, folder=str(folder))


def test_lost_worker_changes_nothing(place, scheduler, workers, alone, tmp_path):
    """A worker that is killed on the way is replaced by the others, and the maps are those of a run without workers."""
    victim, killed = worker(scheduler), []

    def kill():
        wait_for(lambda: done(tmp_path) >= 5)
        killed.append(done(tmp_path))
        victim.kill()

    thread = threading.Thread(target=kill)
    wait_for(lambda: count(scheduler) == 3)
    thread.start()
    result = explain(place, tmp_path, address(scheduler))
    thread.join()
    assert victim.wait(timeout=SECONDS) == -signal.SIGKILL and killed[0] < (SIDE // TILE) ** 2
    assert all(process.poll() is None for process in workers)
    assert maps(tmp_path) == maps(alone[0]) and len(maps(tmp_path)) > 8
    assert all(result[key] == alone[1][key] for key in ("summary", "details"))
    assert not list(tmp_path.glob(".reco-*"))


def stopper(share):
    """Return the progress of a user who stops a run after a share of it."""
    stop = threading.Event()

    def watch(fraction, message):
        if fraction > share:
            stop.set()

    return Progress(watch, stop.is_set)


def test_stopping_leaves_the_workers(place, scheduler, workers, alone, tmp_path):
    """A run that is stopped keeps its tiles and leaves foreign workers alone; the same run then goes on."""
    with pytest.raises(Cancelled):
        explain(place, tmp_path, address(scheduler), stopper(0.2))
    assert done(tmp_path) > 5 and all(process.poll() is None for process in workers)
    explain(place, tmp_path, address(scheduler))
    assert maps(tmp_path) == maps(alone[0])


def test_processes_of_this_machine(place, alone, tmp_path, monkeypatch):
    """Local processes take relative paths, write the same maps and end with the run, also when it is stopped."""
    monkeypatch.chdir(place)
    with pytest.raises(Cancelled):
        explain(Path("."), tmp_path, "local:1", stopper(0.1))
    assert multiprocessing.active_children() == []
    explain(place, tmp_path, "local:1")
    assert maps(tmp_path) == maps(alone[0])
    assert multiprocessing.active_children() == []


def test_trend_by_workers(place, scheduler, workers, tmp_path):
    """A trend is computed by the same workers."""
    values = {"model": str(place / "model"), "drivers": str(place / "drivers.zarr")}
    run_step("predict", {**values, "cluster": address(scheduler)}, folder=str(tmp_path))
    options = {"estimate": str(tmp_path / "reco.tif"), "annual": "none", "min_years": 20}
    run_step("trend", {**options, "output": str(tmp_path / "alone" / "trend.tif")})
    run_step("trend", {**options, "output": str(tmp_path / "cluster" / "trend.tif"), "cluster": address(scheduler)})
    assert maps(tmp_path / "alone") == maps(tmp_path / "cluster")


def test_error_of_a_worker_is_ours(place, scheduler, workers, tmp_path):
    """What a worker finds wrong is told as it is here, with the name of the worker."""
    drivers = small_drivers(SIDE, SIDE, 2)
    lai = drivers["lai"].values.copy()
    lai[5, 20, 20] = 4000.0
    drivers["lai"] = drivers["lai"].copy(data=lai)
    folder = tmp_path / "wrong"
    folder.mkdir()
    (folder / "model").symlink_to(place / "model")
    write_unchecked(drivers, folder / "drivers.zarr")
    with pytest.raises(SchemaError, match="lai") as caught:
        explain(folder, tmp_path / "maps", address(scheduler))
    assert "on worker" in caught.value.message


def write_unchecked(drivers, path):
    """Write a cube with values that no driver may have."""
    good = drivers["lai"].values
    bad = good > 1000
    write_cube(drivers.assign(lai=drivers["lai"].copy(data=good.clip(max=1))), str(path), memory_gb=1.0)
    import zarr

    array = zarr.open_group(str(path), mode="r+")["lai"]
    values = array[:]
    values[bad] = 4000.0
    array[:] = values


def test_no_scheduler(place, tmp_path, monkeypatch):
    """A scheduler that does not answer is named, with what to check."""
    monkeypatch.setattr(cluster, "ANSWER", 1.0)
    with pytest.raises(ResourceError, match="tcp://127.0.0.1:9 does not answer") as caught:
        explain(place, tmp_path / "maps", "tcp://127.0.0.1:9")
    assert "dask scheduler" in caught.value.hint and maps(tmp_path) == {}


def test_no_cluster_of_this_name(place, tmp_path):
    """A parameter that names no cluster is refused before anything is computed."""
    with pytest.raises(ConfigError, match="is no cluster"):
        explain(place, tmp_path / "maps", "slurm")
