"""Whatever ends a run over many tiles, it says so, keeps what is done, and goes on to the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from reco_core import world
from reco_core.actions import run_step
from reco_core.actions.models import save_model
from reco_core.errors import Cancelled, GridError, ResourceError
from reco_core.inference.hold import PREFIX
from reco_core.inference.job import MapJob
from reco_core.io.files import PREFIX as PARTIAL
from reco_core.io.rasters.cubes import write_cube
from reco_core.progress import Progress
from small_world import small_drivers, small_model
from source import HEARS_CTRL_C, ROOT

ROWS, COLUMNS, MONTHS = 400, 1000, 4  # eight tiles of 256 cells a side, where the budget is a tenth of a GB


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder with a model, drivers, and what a run makes that nobody interrupts."""
    folder = tmp_path_factory.mktemp("faults")
    save_model(small_model(folds=2, seeds=1), folder / "model")
    drivers = world.make_drivers(ROWS, COLUMNS, 1).isel(time=slice(0, MONTHS)).load()
    drivers["ta"] += np.random.default_rng(0).normal(0, 2, drivers["ta"].shape).astype("float32")
    drivers["lai"][:, :256, 256:512] = np.nan  # a tile is empty
    write_cube(drivers, folder / "drivers.zarr")
    run_step("explain", values(folder, folder / "whole"))
    return folder


def values(place, folder, **more):
    """Return the parameters of the run."""
    return {"model": str(place / "model"), "drivers": str(place / "drivers.zarr"), "folder": str(folder),
            "memory": 0.1, **more}


def digests(folder):
    """Return the checksum of every file but the record."""
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*") if path.is_file() and path.name != "run.json"}


def start(place, folder, *, before="", limits="", slowly="", **more):
    """Start the run in a process of its own, which limits itself before, or when it has done half of its tiles.

    From there on it may go `slowly`, so that whoever watches has the time to stop it.
    """
    code = f"""
{before}
{HEARS_CTRL_C}
import resource, sys, time
from reco_core import cli
report, done = cli._Reporter._report, []
def watch(self, fraction, message):
    report(self, fraction, message)
    if fraction > 0.55:
        {slowly or 'pass'}
    if fraction > 0.55 and not done:
        done.append(1)
        {limits or 'pass'}
cli._Reporter._report = watch
sys.exit(cli.main(sys.argv[1:]))
"""
    flags = [text for name, value in values(place, folder, **more).items() for text in (f"--{name}", str(value))]
    return subprocess.Popen([sys.executable, "-c", code, "explain", *flags, "--progress", "json"], cwd=place, text=True,
                            env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, stdout=subprocess.PIPE)


def until(process, value):
    """Wait until a process says that so many percent are done."""
    for line in process.stderr:
        if line.startswith("{") and json.loads(line)["value"] >= value:
            return
    pytest.fail(f"the run ended before it could be interrupted: {process.wait()}")


def said(process):
    """Return the words that a process ended with, and its exit code."""
    text = process.communicate(timeout=120)[1]
    return "\n".join(line for line in text.splitlines() if not line.startswith("{")), process.returncode


def stop_at(share):
    """Return the progress of a user who stops a run after a share of it."""
    def interrupted(fraction, message):
        if fraction > share:
            raise Cancelled

    return Progress(interrupted)


def hidden(folder):
    """Return what is left beside the outputs."""
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def kept(folder):
    """Return how many tiles the journal has."""
    return len(list((folder / f"{PREFIX}explain" / "tiles").glob("*.json")))


def goes_on(place, folder):
    """Run again, and compare with the run that nobody interrupted."""
    before, seen = kept(folder), []
    assert before > 0
    run_step("explain", values(place, folder), Progress(lambda fraction, message: seen.append(message)))
    assert digests(folder) == digests(place / "whole") and hidden(folder) == []
    assert len({text.split(",")[0] for text in seen if text.startswith("tile")}) > 2


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=["kill -9", "Ctrl-C", "SIGTERM"])
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_process_that_is_stopped(place, tmp_path, how):
    """Killed or interrupted in the middle, the run goes on to the same bytes and leaves nothing."""
    process = start(place, tmp_path, slowly="time.sleep(0.2)")
    until(process, 60)
    process.send_signal(how)
    words, code = said(process)
    left = hidden(tmp_path)
    assert f"{PREFIX}explain" in left and not list(tmp_path.glob("[!.]*.tif"))
    if how == signal.SIGKILL:
        assert code == -9 and any(name.startswith(PARTIAL) for name in left)
    else:
        assert code == 130 and left == [f"{PREFIX}explain"]
        assert "error: Cancelled" in words and f"tiles are kept in '{tmp_path / PREFIX}explain'" in words
    goes_on(place, tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
@pytest.mark.parametrize(("limits", "words"), [
    ("resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))", "the disk is full"),
    ("resource.setrlimit(resource.RLIMIT_AS, (1 << 33, 1 << 40)); bytearray(1 << 33)", "There is not enough memory"),
], ids=["full disk", "ulimit -v"])
def test_a_limit_that_is_hit(place, tmp_path, limits, words):
    """Where no more bytes fit on the disk or into memory, the run ends with exit code 8, and goes on later."""
    text, code = said(start(place, tmp_path, limits=limits))
    assert code == 8 and words in text and "the same command goes on from there" in text, text
    assert hidden(tmp_path) == [f"{PREFIX}explain"]
    goes_on(place, tmp_path)


def test_a_source_that_is_removed(place, tmp_path):
    """Chunks that are gone are no missing data: the run says what was removed, and goes on when it is back."""
    shutil.copytree(place / "drivers.zarr", tmp_path / "drivers.zarr", copy_function=shutil.copy2)
    for path in [tmp_path / "drivers.zarr", *(tmp_path / "drivers.zarr").rglob("*")]:
        shutil.copystat(place / "drivers.zarr" / path.relative_to(tmp_path / "drivers.zarr"), path)
    there, away = tmp_path / "drivers.zarr", tmp_path / "away.zarr"
    process = start(place, tmp_path / "out", slowly="time.sleep(0.2)", drivers=there)
    until(process, 55)
    there.rename(away)
    words, code = said(process)
    assert code == 3 and "drivers.zarr" in words and "kept in" in words, words
    away.rename(there)
    again = start(place, tmp_path / "out", drivers=there)
    assert said(again)[1] == 0
    assert digests(tmp_path / "out") == digests(place / "whole")


def test_outputs_beside_the_drivers(place, tmp_path):
    """A run may write into the folder that it reads, and goes on there."""
    shutil.copytree(place / "drivers.zarr", tmp_path / "drivers.zarr")
    with pytest.raises(Cancelled) as error:
        run_step("explain", values(place, tmp_path, drivers=tmp_path), stop_at(0.7))
    assert "are kept in" in error.value.hint and kept(tmp_path) > 0
    seen = []
    run_step("explain", values(place, tmp_path, drivers=tmp_path), Progress(lambda part, text: seen.append(text)))
    assert sum(text.startswith("tile 1 ") for text in seen) == 1, "a tile was computed again"
    rasters = {name: digest for name, digest in digests(tmp_path).items() if name.endswith(".tif")}
    assert rasters == {name: digest for name, digest in digests(place / "whole").items() if name.endswith(".tif")}


@pytest.mark.parametrize("when", ["flushing", "renaming"])
def test_a_disk_that_is_full_at_the_very_end(place, tmp_path, monkeypatch, when):
    """What fails after the last tile says what is kept, too, and a second run has only to write."""
    from reco_core.io import files
    from reco_core.io.rasters.geotiff import RasterWriter

    def full(*paths):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(*((RasterWriter, "finish") if when == "flushing" else (files, "_move")), full)
        with pytest.raises(ResourceError, match="disk is full") as error:
            run_step("explain", values(place, tmp_path))
    assert "8 of 8 tiles are kept in" in error.value.hint and hidden(tmp_path) == [f"{PREFIX}explain"]
    monkeypatch.setattr(MapJob, "work", lambda *args: pytest.fail("a tile was computed again"))
    run_step("explain", values(place, tmp_path))
    assert digests(tmp_path) == digests(place / "whole") and hidden(tmp_path) == []


def test_a_map_without_any_estimate_leaves_nothing(place, tmp_path):
    """Where no cell can be estimated the same run would find the same: nothing is kept for it."""
    empty = small_drivers(300, 600, 1)
    empty["lai"][:] = np.nan
    write_cube(empty, tmp_path / "empty.zarr")
    with pytest.raises(GridError, match="No valid pixel") as error:
        run_step("explain", values(place, tmp_path / "out", drivers=tmp_path / "empty.zarr"))
    assert "kept in" not in error.value.hint and not (tmp_path / "out").exists()


def test_another_run_begins_anew(place, tmp_path):
    """Tiles of other parameters are not taken; nor are those of the same run where nobody wants them."""
    for more in ({}, {"members": "one_per_fold"}, {"resume": False}):
        with pytest.raises(Cancelled):
            run_step("explain", values(place, tmp_path), stop_at(0.7))
        before = kept(tmp_path)
        assert before > 0
        seen = []
        run_step("explain", values(place, tmp_path, **more), Progress(lambda part, text, seen=seen: seen.append(text)))
        firsts = [text for text in seen if text.startswith("tile 1 ")]
        assert (len(firsts) == 1) == (not more), firsts  # a tile that is there already is passed over at once
        assert hidden(tmp_path) == []


def test_more_memory_goes_on_with_the_same_tiles(place, tmp_path):
    """A run that was interrupted for lack of memory may go on with a larger budget; its tiles stay as they were."""
    with pytest.raises(Cancelled):
        run_step("explain", values(place, tmp_path), stop_at(0.7))
    assert kept(tmp_path) > 0
    run_step("explain", values(place, tmp_path, memory=4.0))
    assert digests(tmp_path) == digests(place / "whole")


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_one_tile_that_is_killed(place, tmp_path):
    """A small map has no journal: killed, nothing of it has its final name, and the next run clears what is left."""
    small = {"memory": 8.0, "region": "0,0,90,60 [EPSG:4326]"}
    run_step("explain", values(place, tmp_path / "whole", **small))
    process = start(place, tmp_path / "out", slowly="time.sleep(0.2)", **small)
    until(process, 30)
    process.kill()
    assert said(process)[1] == -9 and not list((tmp_path / "out").rglob("[!.]*.tif"))
    assert any(name.startswith(PARTIAL) for name in hidden(tmp_path / "out"))
    run_step("explain", values(place, tmp_path / "out", **small))
    assert digests(tmp_path / "out") == digests(tmp_path / "whole") and hidden(tmp_path / "out") == []


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
@pytest.mark.parametrize("gigabytes", [0.3, 0.5, 0.8, 0.9, 1.0, 1.2, 1.3, 1.4])
def test_too_few_addresses_to_begin_with(place, tmp_path, gigabytes):
    """Where the limit is too small from the beginning the run says so at once, and no library crashes."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_AS, (int({gigabytes}e9),) * 2)"
    text, code = said(start(place, tmp_path / "out", before=limit))
    assert code == 8 and f"may address {gigabytes:.2f} GB (ulimit -v)" in text and "--memory" in text, text
    assert not (tmp_path / "out").exists()


@pytest.fixture()
def small_disk(tmp_path):
    """Return a folder on a disk of twelve megabytes, and a function that makes it larger."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if not mount or subprocess.run([mount, "-t", "tmpfs", "-o", "size=12m", "tmpfs", disk], capture_output=True,
                                   check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield disk, lambda: subprocess.run([mount, "-o", "remount,size=200m", disk], check=True)
    subprocess.run(["umount", disk], check=True)


def test_a_disk_that_is_really_full(place, small_disk):
    """The run names the file, says what is kept, leaves no half of a file, and goes on when there is room."""
    disk, enlarge = small_disk
    text, code = said(start(place, disk / "out"))
    assert code == 8 and "the disk is full" in text.lower() and "tiles are kept in" in text, text
    assert hidden(disk / "out") == [f"{PREFIX}explain"] and not list(disk.rglob("*.part"))
    assert not list(disk.rglob("[!.]*.tif"))
    enlarge()
    goes_on(place, disk / "out")


def test_one_tile_leaves_no_journal(place, tmp_path):
    """A small map that is interrupted leaves nothing at all."""
    with pytest.raises(Cancelled):
        run_step("explain", values(place, tmp_path / "out", memory=8.0, region="0,0,10,20 [EPSG:4326]"), stop_at(0.3))
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_fails_in_its_first_tile_leaves_nothing(place, tmp_path):
    """A journal without a tile is of no use: it goes, and with it the new folder."""
    with pytest.raises(Cancelled) as error:
        run_step("explain", values(place, tmp_path / "out"), stop_at(0.02))
    assert list(tmp_path.iterdir()) == [] and error.value.hint == ""
