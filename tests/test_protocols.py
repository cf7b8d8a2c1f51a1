"""Run files that RECO ships are in order, and say what the papers say."""

from __future__ import annotations

import pytest

from reco_core.runfile import read_plan
from reco_core.vocabulary import VARIABLES
from source import CORE, ROOT, name

SHIPPED = sorted([*(CORE / "protocols").glob("*.toml"), *(ROOT / "docs" / "examples").glob("*.toml")])


@pytest.fixture
def given_files(tmp_path, monkeypatch):
    """Set the variables that a protocol asks its user for to files that exist."""
    for variable in ("RECO_TOWERS", "RECO_SITES", "RECO_DRIVERS"):
        path = tmp_path / variable.lower()
        path.write_text("")
        monkeypatch.setenv(variable, str(path))
    monkeypatch.setenv("RECO_RUN", str(tmp_path / "run"))


@pytest.mark.parametrize("path", SHIPPED, ids=name)
def test_run_file_is_in_order(path, given_files):
    """Every key is known, every value in range, every input given or written by an earlier step."""
    plan = read_plan(path)
    assert plan.title and len(plan.steps) > 1


def test_something_is_shipped():
    """The protocol of the paper and the demo are there."""
    assert {path.name for path in SHIPPED} >= {"ciml_ter.toml", "demo.toml"}


def test_ciml_ter_is_the_paper(given_files):
    """21 drivers in three groups, NEE quality of 0.75, 10 folds of sites x 20 seeds."""
    steps = {planned.step.name: planned.values for planned in read_plan(CORE / "protocols" / "ciml_ter.toml").steps}
    features = steps["build_samples"]["features"].split(",")
    groups = [VARIABLES[feature].group for feature in features]
    assert (groups.count("environment"), groups.count("biotic"), groups.count("spatiotemporal")) == (6, 6, 9)
    assert (steps["fit"]["folds"], steps["fit"]["seeds"], steps["fit"]["weights"]) == (10, 20, "pooled")
    assert steps["read_observations"]["qc_min"] == 0.75
