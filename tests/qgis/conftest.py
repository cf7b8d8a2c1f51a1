"""Tests inside QGIS: the built plugin, as it ships, with the real worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

import build_plugin
import house

ROOT = Path(__file__).resolve().parents[2]
try:
    import qgis.core  # noqa: F401
except ImportError:
    HAS_QGIS = False
    collect_ignore_glob = ["test_*.py"]
else:
    HAS_QGIS = True
    os.environ.setdefault("RECO_WORKER_PYTHON", str(house.LIBRARY_PYTHON))


def pytest_report_header():
    """Say why nothing of this folder is collected, where that is so."""
    return [] if HAS_QGIS else ["tests/qgis: not collected, because this Python has no QGIS (see .venv-qgis)"]


@pytest.fixture(scope="session")
def worker_python():
    """The interpreter of the library's environment."""
    python = os.environ["RECO_WORKER_PYTHON"]
    assert Path(python).is_file(), f"{python} does not exist: run `make env` or set RECO_WORKER_PYTHON"
    return python


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    """The plugin as a zip."""
    return build_plugin.build(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def installed(archive, tmp_path_factory):
    """The plugin unpacked into a fresh profile, and the environment in which QGIS finds that profile."""
    environment = house.qgis_environment(tmp_path_factory.mktemp("qgis"))
    environment["RECO_WORKER_PYTHON"] = os.environ["RECO_WORKER_PYTHON"]
    plugins = Path(environment["QGIS_CUSTOM_CONFIG_PATH"]) / "profiles" / "default" / "python" / "plugins"
    plugins.mkdir(parents=True)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(plugins)
    return plugins / "reco", environment


@pytest.fixture(scope="session")
def plugin_folder(installed):
    """The installed plugin, on the search path as package `reco`."""
    folder, _ = installed
    sys.path.insert(0, str(folder.parent))
    return folder


@pytest.fixture(scope="session")
def registry(plugin_folder, qgis_app, qgis_processing):
    """The registry of algorithms; at the end our provider is taken out of it."""
    from qgis.core import QgsApplication

    found = QgsApplication.processingRegistry()
    yield found
    found.removeProvider("reco")


@pytest.fixture
def reco(registry):
    """The provider, registered."""
    if registry.providerById("reco") is None:
        from reco.provider import RecoProvider

        assert registry.addProvider(RecoProvider())
    return registry.providerById("reco")


@pytest.fixture
def settings():
    """QGIS settings of RECO, empty before and after."""
    from qgis.core import QgsSettings

    found = QgsSettings()
    found.remove("reco")
    yield found
    found.remove("reco")


@pytest.fixture
def algorithm(reco):
    """A function that gives a fresh algorithm by name."""
    kept = []  # definitions live as long as their algorithm

    def create(name):
        kept.append(reco.algorithm(name).create())
        return kept[-1]

    return create


@pytest.fixture
def feedback():
    """Feedback that keeps what it is told."""
    from qgis.core import QgsProcessingFeedback

    class Kept(QgsProcessingFeedback):
        def __init__(self):
            super().__init__(False)
            self.said, self.errors = [], []
            for name in ("pushInfo", "pushWarning", "pushConsoleInfo", "pushDebugInfo", "setProgressText"):
                setattr(self, name, self.said.append)

        def reportError(self, error, fatalError=False):
            self.errors.append(error)

    return Kept()


@pytest.fixture(scope="session")
def library(worker_python):
    """A function that runs a step with the library's own command line."""

    def run(step, *arguments):
        command = [worker_python, "-m", "reco_core", step, *map(str, arguments), "--progress", "none"]
        subprocess.run(command, cwd=ROOT, check=True, stdin=subprocess.DEVNULL, capture_output=True)

    return run


@pytest.fixture(scope="session")
def world(library, tmp_path_factory):
    """A small world: drivers.zarr, towers.csv, truth.tif, observations.nc, samples.nc and a fitted model."""
    folder = tmp_path_factory.mktemp("world")
    library("make_world", "--cells", 12, "--years", 10, "--towers", 12, "--out", folder)
    library("read_observations", "--path", folder / "towers.csv", "--out", folder)
    library("build_samples", "--observations", folder / "observations.nc", "--features", "ta,lai,soc_0",
            "--out", folder)
    library("fit", "--samples", folder / "samples.nc", "--model", "lloyd_taylor", "--folds", 3, "--seeds", 1,
            "--output", folder / "model_lt")
    library("build_samples", "--observations", folder / "observations.nc", "--features", "ta,lai,soc_0",
            "--history", 2, "--output", folder / "samples_past.nc")
    library("fit", "--samples", folder / "samples_past.nc", "--model", "geoman", "--folds", 3, "--seeds", 1,
            "--settings", "window=2,hidden=4,epochs=2", "--output", folder / "model_geoman")
    return folder


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    """Reflectances, a water balance, soil layers and satellite exports as GeoTIFFs."""
    import qgis_sources as rasters

    return rasters.make(tmp_path_factory.mktemp("sources"))


class Process:
    """Runs qgis_process in a fresh profile with the built plugin."""

    def __init__(self, environment):
        self.environment = environment
        self.enabled = self("plugins", "enable", "reco")

    def __call__(self, *arguments, **changes):
        """Run to the end; `changes` go into the environment."""
        return subprocess.run([str(house.QGIS_PROCESS), *map(str, arguments)], env={**self.environment, **changes},
                              capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)

    def run(self, name, **values):
        """Run an algorithm and return its results; fails where it fails."""
        pairs = [f"{key}={item}" for key, value in values.items()
                 for item in (value if isinstance(value, list) else [value])]
        done = self("--json", "run", name, "--", *pairs)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)["results"]

    def start(self, name, **values):
        """Start an algorithm and return the process."""
        pairs = [f"{key}={value}" for key, value in values.items()]
        return subprocess.Popen([str(house.QGIS_PROCESS), "run", name, "--", *pairs], env=self.environment, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.fixture(scope="session")
def process(installed, worker_python):
    """qgis_process in a fresh profile, the plugin enabled."""
    started = Process(installed[1])
    assert "Enabled reco" in started.enabled.stdout, started.enabled.stderr
    return started


def workers(plugin):
    """Return the process ids of workers that the plugin in this folder has started."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                text = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if str(plugin / "worker_main.py").encode() in text:
                found.append(int(folder.name))
    return found


@pytest.fixture
def no_orphans(installed):
    """After the test no worker runs that was not there before."""
    def running():
        return set(workers(installed[0])) - before

    before = set()
    before = running()
    yield running
    end = time.monotonic() + 3
    while running() and time.monotonic() < end:
        time.sleep(0.1)
    left = running()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == set()
