"""A dataset is of a kind if its check passes, and the first thing to mend is named if not."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from reco_core.errors import SchemaError
from reco_core.vocabulary.kinds import check_drivers, check_observations, check_samples, feature_names


@pytest.fixture
def observations():
    """Two towers, three months."""
    return xr.Dataset(
        {"reco": (("site", "time"), np.ones((2, 3))), "qc": (("site", "time"), np.ones((2, 3)))},
        coords={"site": ["A", "B"], "time": np.array(["2001-01", "2001-02", "2001-03"], "datetime64[ns]"),
                "lat": ("site", [50.0, 51.0]), "lon": ("site", [6.0, 7.0]), "igbp": ("site", ["ENF", ""])},
        attrs={"reco_kind": "observations", "flux_kind": "reco", "time_step": "month"})


@pytest.fixture
def samples():
    """Four samples with two features."""
    columns = {name: ("sample", np.arange(4.0)) for name in ("ta", "lai", "target", "lat", "lon", "group")}
    texts = {"site": ("sample", list("AABB")), "igbp": ("sample", ["ENF"] * 4)}
    time = {"time": ("sample", np.array(["2001-01"] * 4, "datetime64[ns]"))}
    return xr.Dataset({**columns, **texts, **time}, attrs={
        "reco_kind": "samples", "flux_kind": "reco", "time_step": "month", "features": "ta,lai"})


@pytest.fixture
def drivers():
    """A grid of two by two cells."""
    return xr.Dataset({"ta": (("time", "y", "x"), np.ones((1, 2, 2)))}, coords={"spatial_ref": 0},
                      attrs={"reco_kind": "drivers", "time_step": "month"})


def test_what_is_whole_passes(observations, samples, drivers):
    """The checks give back the very dataset."""
    assert check_observations(observations) is observations
    assert check_samples(samples) is samples
    assert check_drivers(drivers) is drivers


def test_static_drivers_need_no_time_step(drivers):
    """Without a time axis there is no step to name."""
    static = drivers.isel(time=0, drop=True)
    del static.attrs["time_step"]
    assert check_drivers(static) is static


@pytest.mark.parametrize("name", ["reco", "qc", "lat", "igbp"])
def test_missing_part_of_observations_is_named(observations, name):
    """What is lacking is named."""
    with pytest.raises(SchemaError, match=f"'{name}'"):
        check_observations(observations.drop_vars(name))


@pytest.mark.parametrize("name", ["ta", "lai", "target", "site", "group"])
def test_missing_part_of_samples_is_named(samples, name):
    """Features and coordinates alike are asked for."""
    with pytest.raises(SchemaError, match=f"'{name}'"):
        check_samples(samples.drop_vars(name))


def test_missing_part_of_drivers_is_named(drivers):
    """A cube without a coordinate system or time step is refused."""
    with pytest.raises(SchemaError, match="'spatial_ref'"):
        check_drivers(drivers.drop_vars("spatial_ref"))
    del drivers.attrs["time_step"]
    with pytest.raises(SchemaError, match="'time_step'"):
        check_drivers(drivers)


def test_another_kind_is_told(observations, samples):
    """A file of another kind is named as what it is."""
    with pytest.raises(SchemaError, match=r"samples.*'observations'"):
        check_samples(observations)
    with pytest.raises(SchemaError, match=r"observations.*None"):
        check_observations(xr.Dataset())


def test_features_keep_their_order(samples):
    """The order of features is that of the table."""
    assert feature_names(samples) == ["ta", "lai"]
