"""qgis_process, the built plugin and a fresh profile: every algorithm is listed, explained and run."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from qgis.core import Qgis

import house
from reco_core.catalogue import STEPS

EXTRAS = ("check_environment", "create_environment")
MODEL = house.ROOT / "resources" / "models" / "respiration_chain.model3"
SHORT = {"PERIOD": "2001/2003", "MIN_YEARS": 3}

CUBE = {"OUTPUT": "c.zarr", "RASTERS": "rasters"}
RUNS = {
    "make_world": ({"CELLS": 6, "YEARS": 1, "TOWERS": 3},
                   {"DRIVERS": "d.zarr", "OBSERVATIONS": "t.csv", "TRUTH": "truth.tif"}),
    "read_observations": ({"PATH": "{world}/towers.csv", "AGGREGATE": "year"}, {"OUTPUT": "o.nc", "POINTS": "o.gpkg"}),
    "read_drivers": ({"DRIVERS": "{world}/drivers.zarr", "EXTENT": "10,40,-20,40 [EPSG:4326]"}, {"OUTPUT": "c.zarr"}),
    "build_samples": ({"OBSERVATIONS": "{world}/observations.nc", "SOURCE": "grid", "DRIVERS": "{world}/drivers.zarr",
                           "FEATURES": "ta,lai"}, {"OUTPUT": "s.nc"}),
    "find_links": ({"SAMPLES": "{world}/samples.nc"}, {"OUTPUT": "l.json"}),
    "fit": ({"SAMPLES": "{world}/samples.nc", "FOLDS": 3, "SEEDS": 1, "WEIGHTS": "uniform"}, {"OUTPUT": "model"}),
    "evaluate": ({"SAMPLES": "{world}/samples.nc", "MODEL": "lloyd_taylor", "FOLDS": 3, "SEEDS": 1},
                 {"OUTPUT": "scores.csv", "PREDICTIONS": "p.csv"}),
    "compare": ({"SAMPLES": "{world}/samples.nc", "MODELS": "lloyd_taylor", "FOLDS": 3, "SEEDS": 1,
                 "VARIANTS": "small = rf:n_estimators=5", "PRODUCTS": "{world}/truth.tif"},
                {"OUTPUT": "c.csv", "PAGE": "c.html", "TAYLOR": "t.png", "SCATTER": "s.png", "PREDICTIONS": "held"}),
    "attention": ({"MODEL": "{world}/model_geoman", "SAMPLES": "{world}/samples_past.nc"},
                  {"OUTPUT": "a.csv", "FIGURE": "a.png"}),
    "ablate": ({"SAMPLES": "{world}/samples.nc", "MODEL": "lloyd_taylor", "ADDED": "lai", "FOLDS": 3, "SEEDS": 1},
               {"OUTPUT": "ablation.csv", "PREDICTIONS": "p.csv"}),
    "make_zones": ({"SAMPLES": "{world}/samples.nc", "DRIVERS": "{world}/drivers.zarr", "ZONES": 2,
                    "FACTORS": "ta,lai"},
                   {"OUTPUT": "z.json", "SITES": "s.csv", "CHOICE": "k.csv", "TESTS": "t.csv", "MAP": "z.tif",
                    "NOVELTY": "n.tif"}),
    "calibrate": ({"MODEL": "{world}/model_lt", "SAMPLES": "{world}/samples.nc", "KNOWN": 6},
                  {"OUTPUT": "factors.csv", "TABLE": "t.csv"}),
    "predict": ({"MODEL": "{world}/model_lt", "DRIVERS": "{world}/drivers.zarr", "PERIOD": "2001/2002"},
                {"FLUX": "f.tif", "SPREAD": "sp.tif", "APPLICABILITY": "a.tif"}),
    "explain": ({"MODEL": "{world}/model_lt", "DRIVERS": "{world}/drivers.zarr", "PERIOD": "2001-01/2001-03"},
                {"SHARES": "s.tif", "GROUPS": "g.tif", "DOMINANT": "d.tif", "BASE_VALUE": "b.tif", "FOLDER": "out"}),
    "trend": ({"ESTIMATE": "{world}/truth.tif"}, {"OUTPUT": "trend.tif"}),
    "estimate_region": (dict(MODEL="{world}/model_lt", DRIVERS="{world}/drivers.zarr",
                             REGION="CRS=EPSG:4326;POLYGON((5 -50,45 -50,45 50,5 50,5 -50))", **SHORT),
                        {"FOLDER": "out"}),
    "report": ({"FOLDER": "{region}"}, {"OUTPUT": "r.html"}),
    "read_satellite": ({"PATH": "{sources}/exports", "QUALITY": "none"}, CUBE),
    "describe": ({"PATH": "{world}/drivers.zarr"}, {"OUTPUT": "d.html"}),
    "inventory": ({"OBSERVATIONS": "{world}/observations.nc"},
                  {"OUTPUT": "i.html", "TABLE": "i.csv", "POINTS": "i.gpkg"}),
    "check_drivers": ({"OBSERVATIONS": "{world}/observations.nc", "DRIVERS": "{world}/drivers.zarr"},
                      {"OUTPUT": "c.html", "TABLE": "c.csv"}),
    "sample_footprints": ({"TOWERS": "{world}/observations_towers.gpkg", "DRIVERS": "{world}/drivers.zarr",
                           "FOOTPRINT": "patch"}, {"OUTPUT": "f.csv", "PATCHES": "f.nc"}),
    "aggregate": ({"DRIVERS": "{world}/drivers.zarr", "TO": "year"}, CUBE),
    "derive_annual": ({"DRIVERS": "{world}/drivers.zarr", "CHOSEN": "lai", "STATISTICS": "max"}, CUBE),
    "derive_season": ({"DRIVERS": "{world}/drivers.zarr"}, CUBE),
    "derive_soil": ({"OC_LAYER": "{sources}/carbon.tif", "BULK_DENSITY_LAYER": "{sources}/density.tif",
                     "GRAVEL_LAYER": "{sources}/stones.tif"}, CUBE),
    "derive_pet": ({"TA_LAYER": "{sources}/evaporation.tif", "UNITS": "ta=degC"}, CUBE),
    "derive_spei": ({"PRECIP_LAYER": "{sources}/rain.tif", "PET_LAYER": "{sources}/evaporation.tif", "SCALES": "3,12"},
                    CUBE),
    "derive_indices": ({"RED_LAYER": "{sources}/red.tif", "NIR_LAYER": "{sources}/nir.tif",
                        "BLUE_LAYER": "{sources}/blue.tif", "SWIR_LAYER": "{sources}/swir.tif"}, CUBE),
    "smooth": ({"DRIVERS": "{sources}/ndvi.tif", "METHOD": "double_logistic"}, CUBE),
    "derive_phenology": ({"INDEX_LAYER": "{sources}/ndvi.tif"}, CUBE),
    "check_environment": ({}, {"REPORT_FILE": "report.txt"}),
}


@pytest.fixture(scope="session")
def region(library, world, tmp_path_factory):
    """A result folder of estimate_region, made by the library's own command line."""
    folder = tmp_path_factory.mktemp("region") / "out"
    library("estimate_region", "--model", world / "model_lt", "--drivers", world / "drivers.zarr", "--period",
            "2001/2003", "--min-years", 3, "--region", "CRS=EPSG:4326;POLYGON((5 -50,45 -50,45 50,5 50,5 -50))",
            "--folder", folder)
    return folder


def test_plugin_is_enabled_and_lists_every_algorithm(process):
    """A fresh profile: the plugin can be enabled, and every step is listed."""
    assert process.enabled.returncode == 0
    listed = process("list").stdout
    assert all(f"reco:{name}\t{step.title}" in listed for name, step in STEPS.items())
    assert all(f"reco:{name}\t" in listed for name in EXTRAS)


@pytest.mark.parametrize("name", [*STEPS, *EXTRAS])
def test_help(process, name):
    """The help of every algorithm shows its parameters with their texts."""
    done = process("help", f"reco:{name}")
    assert done.returncode == 0
    if name in STEPS:
        step = STEPS[name]
        assert step.summary in done.stdout
        for param in step.params + step.outputs:
            assert f"\n{param.name.upper()}: " in done.stdout and param.help.split(".")[0] in done.stdout


@pytest.mark.parametrize("name", list(RUNS))
def test_run(process, name, world, region, sources, tmp_path):
    """Every algorithm runs and writes what it was asked for."""
    inputs, outputs = RUNS[name]
    given = {key: value.format(world=world, region=region, sources=sources) if isinstance(value, str) else value
             for key, value in inputs.items()}
    wanted = {key: str(tmp_path / value) for key, value in outputs.items()}
    results = process.run(f"reco:{name}", **given, **wanted)
    assert {key: results[key] for key in wanted} == wanted
    assert all(Path(path).exists() for path in wanted.values())
    assert "RASTERS" not in wanted or list(Path(wanted["RASTERS"]).glob("*.tif"))
    assert not list(tmp_path.rglob(".reco-*"))


def test_every_step_is_run_here():
    """No algorithm is left out above; making an environment needs the internet and is tried apart."""
    assert set(RUNS) == set(STEPS) | {"check_environment"}


def test_same_rasters_as_the_command_line(process, world, region, tmp_path):
    """QGIS and the command line give the same bytes."""
    results = process.run("reco:estimate_region", MODEL=world / "model_lt", DRIVERS=world / "drivers.zarr",
                          EXTENT="-90,90,-90,90 [EPSG:4326]", FOLDER=tmp_path / "out",
                          REGION="CRS=EPSG:4326;POLYGON((5 -50,45 -50,45 50,5 50,5 -50))", **SHORT)
    rasters = sorted(path.relative_to(region) for path in region.rglob("*.tif"))
    assert len(rasters) > 8 and Path(results["FLUX"]) == tmp_path / "out" / "reco.tif"
    for name in rasters:
        assert (tmp_path / "out" / name).read_bytes() == (region / name).read_bytes(), name


def test_layers_as_drivers(process, world, tmp_path):
    """Rasters picked one by one, named in order."""
    done = process.run("reco:read_drivers", LAYERS=[world / "truth.tif", world / "truth.tif"],
                       LAYER_NAMES="gpp,reco_map", UNITS="gpp=g C m-2 month-1,reco_map=1", OUTPUT=tmp_path / "c.zarr")
    assert {"gpp", "reco_map"} <= {path.name for path in Path(done["OUTPUT"]).iterdir()}


def test_model_runs(process, world, tmp_path):
    """The example model: samples, fit, predict, explain and trend, each output named child:OUTPUT."""
    outputs = {"samples:OUTPUT": "s.nc", "fit:OUTPUT": "model", "predict:FLUX": "reco.tif", "predict:SPREAD": "sp.tif",
               "predict:APPLICABILITY": "a.tif", "explain:FOLDER": "why", "explain:SHARES": "shares.tif",
               "explain:GROUPS": "groups.tif", "trend:OUTPUT": "trend.tif"}
    wanted = {key: str(tmp_path / value) for key, value in outputs.items()}
    results = process.run(str(MODEL), OBSERVATIONS=world / "observations.nc", FEATURES="ta,lai,soc_0",
                          DRIVERS=world / "drivers.zarr", MODEL="lloyd_taylor", FOLDS=3, SEEDS=1, **SHORT, **wanted)
    assert {key: results[key] for key in wanted} == wanted
    assert all(Path(path).exists() for path in wanted.values())
    assert (tmp_path / "why" / "contributions").is_dir()


@pytest.mark.skipif(Qgis.QGIS_VERSION_INT // 100 != 322, reason="the model is written by QGIS 3.22")
def test_model_is_what_its_script_makes(tmp_path):
    """The model in the repository is the one that tools/make_model.py makes from the records of today."""
    subprocess.run([str(house.SYSTEM_PYTHON), str(house.ROOT / "tools" / "make_model.py"), str(tmp_path / "m.model3")],
                   env=house.qgis_environment(tmp_path), check=True, capture_output=True)
    assert (tmp_path / "m.model3").read_bytes() == MODEL.read_bytes(), "run tools/make_model.py"


def test_error_of_a_step(process, world, tmp_path):
    """A failed run ends with exit code 1, the message and the hint on stderr, and nothing written."""
    done = process("run", "reco:predict", "--", f"MODEL={world}/model_lt", f"DRIVERS={world}/truth.tif",
                   f"FLUX={tmp_path}/f.tif")
    assert done.returncode == 1
    assert "ta" in done.stderr and "Traceback" not in done.stderr.split("ERROR")[-1]
    assert list(tmp_path.iterdir()) == []


def test_missing_environment(process, tmp_path):
    """Without an environment everything is listed, and a run says what to do."""
    assert "reco:fit" in process("list", RECO_WORKER_PYTHON="").stdout
    done = process("run", "reco:make_world", "--", f"DRIVERS={tmp_path}/d.zarr", f"OBSERVATIONS={tmp_path}/t.csv",
                   f"TRUTH={tmp_path}/t.tif", RECO_WORKER_PYTHON="")
    assert done.returncode == 1 and "Create the RECO environment" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def long_run(process, tmp_path, no_orphans):
    """A run that is busy writing, and its folder."""
    started = process.start("reco:make_world", CELLS=2000, YEARS=40, TOWERS=3, DRIVERS=tmp_path / "d.zarr",
                            OBSERVATIONS=tmp_path / "t.csv", TRUTH=tmp_path / "truth.tif")
    end = time.monotonic() + 30
    while not list(tmp_path.glob(".reco-partial-*")) and time.monotonic() < end:
        time.sleep(0.05)
    assert list(tmp_path.glob(".reco-partial-*")) and no_orphans()
    yield started
    started.kill()
    started.wait()


def leftovers(folder):
    """Return what lies half written, or under a name that a cancelled run should not have reached."""
    return [path.name for path in folder.iterdir() if path.name.startswith(".") or path.name in ("d.zarr", "truth.tif")]


def test_interrupt(long_run, tmp_path):
    """Ctrl-C ends within two seconds with exit code 1 and leaves nothing."""
    begin = time.monotonic()
    long_run.send_signal(signal.SIGINT)
    said, _ = long_run.communicate(timeout=10)
    assert time.monotonic() - begin < 2 and long_run.returncode == 1, said
    assert leftovers(tmp_path) == []


def test_death_of_qgis(long_run, tmp_path, no_orphans):
    """When QGIS is killed the worker stops by itself within two seconds and cleans up."""
    long_run.kill()
    end = time.monotonic() + 2
    while no_orphans() and time.monotonic() < end:
        time.sleep(0.05)
    assert not no_orphans() and leftovers(tmp_path) == []


def test_results_are_json(process, tmp_path):
    """--json gives results that a script can read."""
    done = process("--json", "run", "reco:check_environment")
    assert json.loads(done.stdout)["results"]["HEALTHY"] is True
