"""Soil respiration as users read it: one step from the files of a data base to a checked table."""

from __future__ import annotations

import json

import numpy as np
import pytest

from reco_core.actions import run_step
from reco_core.errors import ConfigError
from reco_core.io.observations.read import open_observations


def read(folder, **values):
    """Run read_observations and return its result."""
    return run_step("read_observations", {key: str(value) for key, value in values.items()}, folder=str(folder))


@pytest.mark.parametrize(("flux", "sites", "least"), [("rh", 1, 70), ("rs", 5, 200)])
def test_cosore_repository_to_eight_days(real_data, tmp_path, flux, sites, least):
    """COSORE's own folders become 8-day means with the data sets and their papers in the record."""
    pytest.importorskip("rdata")
    result = read(tmp_path, path=real_data("soil_cosore") / "original_layout", flux=flux, aggregate="8day")
    ds = open_observations(result["output"])
    assert (ds.attrs["time_step"], ds.attrs["flux_kind"], ds.sizes["site"]) == ("8day", flux, sites)
    assert int(np.isfinite(ds[flux]).sum()) >= least
    day = ds["time"].dt.dayofyear.values
    assert ((day - 1) % 8 == 0).all()
    record = json.loads((tmp_path / "observations.run.json").read_text())
    assert any("10.1111/gcb.15353" in text for text in record["citations"])
    assert any("10.1016/j.agrformet.2018.05.005" in text for text in record["citations"])


def test_criteria_are_told(real_data, tmp_path):
    """The summary of SRDB says how many records each criterion removed."""
    result = read(tmp_path, path=real_data("soil_srdb_v5") / "srdb-data.csv.gz", flux="rh")
    text = "\n".join(result["summary"])
    for name in ("method", "manipulation", "quality", "duplicate", "year"):
        assert f"criterion {name}: " in text
    assert open_observations(result["output"]).attrs["time_step"] == "year"


def test_two_data_bases_at_one_step(real_data, tmp_path):
    """COSORE averaged over years and SRDB join into one table of RH, each with its network."""
    folder = real_data("soil_cosore").parent
    paths = [folder / "soil_srdb_v5" / "srdb-data.csv.gz", folder / "soil_cosore" / "cosore_port_daily_means.csv.gz"]
    result = run_step("read_observations", {"path": [str(path) for path in paths], "flux": "rh", "aggregate": "year"},
                      folder=str(tmp_path))
    ds = open_observations(result["output"])
    assert set(ds["network"].values) >= {"SRDB"}
    assert ds.attrs["time_step"] == "year"


def test_wrong_kind_is_refused_at_once(real_data, tmp_path):
    """Ecosystem respiration is not in these chambers: the message says what is, and no file is written."""
    with pytest.raises(ConfigError, match=r"holds no reco; it holds rs \(5 data sets\), rh \(1 data set\)"):
        read(tmp_path, path=real_data("soil_cosore") / "original_layout", flux="reco")
    assert list(tmp_path.iterdir()) == []
