"""A run that fits its own model keeps it, and takes it up again where nothing changed."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from reco_core import world
from reco_core.actions import run_step
from reco_core.actions.keeping import Keeping
from reco_core.errors import Cancelled, ConfigError
from reco_core.inference.hold import MODEL, PREFIX
from reco_core.io.observations.read import write_samples
from reco_core.io.rasters.cubes import write_cube
from reco_core.progress import SILENT
from small_world import SETTINGS, small_model, small_samples
from source import HEARS_CTRL_C, ROOT

HIDDEN = f"{PREFIX}estimate_region"
GOING_ON = "Going on with the model that the interrupted run fitted"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder with samples, drivers of six tiles, and what a run makes that nobody interrupts."""
    folder = tmp_path_factory.mktemp("inputs")
    write_samples(small_samples(), folder / "samples.nc")
    drivers = world.make_drivers(400, 600, 1).isel(time=slice(0, 3)).load()
    drivers["ta"] += np.random.default_rng(0).normal(0, 2, drivers["ta"].shape).astype("float32")
    write_cube(drivers, folder / "drivers.zarr")
    run_step("estimate_region", values(folder, folder / "whole"))
    return folder


def values(place, folder):
    """Return the parameters of the run."""
    return {"samples": str(place / "samples.nc"), "drivers": str(place / "drivers.zarr"), "folder": str(folder),
            "memory": 0.1, "weights": "uniform", "folds": 2, "seeds": 1, "processes": 1,
            "settings": ",".join(f"{name}={value}" for name, value in SETTINGS.items())}


def digests(folder):
    """Return the checksum of every file but the record and the report, which tells the folder's name."""
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*") if path.is_file() and path.name not in ("run.json", "report.html")}


def run(place, folder, *, then="pass", at=101.0, how=signal.SIGKILL):
    """Run in a process of its own, after some changes to it; send a signal at so many percent.

    Returns
    -------
    words, code : str, int
    """
    flags = [text for name, value in values(place, folder).items() for text in (f"--{name}", str(value))]
    code = f"{HEARS_CTRL_C}\nimport os, sys\nfrom reco_core import cli\n{then}\nsys.exit(cli.main(sys.argv[1:]))"
    process = subprocess.Popen([sys.executable, "-c", code, "estimate_region", *flags, "--progress", "json"],
                               cwd=place, text=True, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                               env={**os.environ, "PYTHONPATH": str(ROOT)})
    words = []
    for line in process.stderr:
        words += [] if line.startswith("{") else [line]
        if line.startswith("{") and json.loads(line)["value"] >= at:
            process.send_signal(how)
            at = 101.0
    return "".join(words), process.wait(timeout=120)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("at", "tiles"), [(41, False), (70, True)], ids=["after the fit", "while mapping"])
def test_the_model_of_a_killed_run_is_taken_up(place, tmp_path, at, tiles):
    """Killed once its model is fitted, the run goes on with that model, to the same bytes, and leaves nothing."""
    words, code = run(place, tmp_path, at=at)
    assert code == -9 and (tmp_path / HIDDEN / MODEL / "model.json").exists() and GOING_ON not in words
    assert any((tmp_path / HIDDEN).glob("tiles/*.json")) == tiles
    assert not list(tmp_path.rglob("[!.]*.tif"))
    words, code = run(place, tmp_path)
    assert code == 0 and GOING_ON in words
    assert digests(tmp_path) == digests(place / "whole")


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_stopped_while_reporting(place, tmp_path):
    """Ctrl-C at the report leaves nothing under a final name, and keeps what took so long."""
    interrupt = ("from reco_core.actions import region\n"
                 "region.write_report = lambda *args, **more: os.kill(os.getpid(), signal.SIGINT)")
    words, code = run(place, tmp_path, then=interrupt)
    assert code == 130 and "6 of 6 tiles are kept in" in words
    assert [path.name for path in tmp_path.iterdir()] == [HIDDEN] and (tmp_path / HIDDEN / MODEL).exists()
    forbid = ("from reco_core.actions import region\nfrom reco_core.inference.job import MapJob\n"
              "region.fit_samples = MapJob.work = None")
    words, code = run(place, tmp_path, then=forbid)
    assert code == 0 and GOING_ON in words, words
    assert digests(tmp_path) == digests(place / "whole")


def fitted(folder, how, fits, *, resume=True):
    """Fit a model in a run that is then killed."""
    keeping = Keeping("predict", {}, folder / "j", resume=resume)

    def fit():
        fits.append(how)
        return small_model()

    with pytest.raises(Cancelled), keeping:
        found, path = keeping.fitted(how, fit, "cpu", SILENT)
        assert found.feature_names == small_model().feature_names and path.exists()
        keeping._hold.remove = keeping._hold._let_go
        raise Cancelled


def test_which_model_is_taken_up(tmp_path):
    """The same samples and settings are asked for, the model must be whole, and nobody may have said no to it."""
    fits = []
    fitted(tmp_path, {"seed": 1}, fits)
    fitted(tmp_path, {"seed": 1}, fits)
    assert fits == [{"seed": 1}]
    fitted(tmp_path, {"seed": 2}, fits)
    fitted(tmp_path, {"seed": 2}, fits, resume=False)
    assert fits == [{"seed": 1}, {"seed": 2}, {"seed": 2}]
    next((tmp_path / "j" / MODEL / "weights").iterdir()).write_bytes(b"damaged")
    fitted(tmp_path, {"seed": 2}, fits)
    assert len(fits) == 4


def test_two_runs_at_once(tmp_path):
    """A second run is refused before it computes anything, and takes nothing away from the first."""
    first = Keeping("predict", {}, tmp_path / "out" / "j")
    with first:
        with pytest.raises(ConfigError, match="Another run"), Keeping("predict", {}, tmp_path / "out" / "j"):
            pytest.fail("two runs at once")
        assert (tmp_path / "out" / "j").exists()
    assert not (tmp_path / "out" / "j").exists()
