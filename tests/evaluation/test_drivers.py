"""Gridded drivers against those of towers."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from reco_core.errors import SampleError
from reco_core.evaluation.drivers import COLUMNS, compare_drivers, shared_drivers

TIMES = np.arange("2001-01", "2002-01", dtype="datetime64[M]").astype("datetime64[ns]")


def towers(seed=0) -> xr.Dataset:
    """Return three towers that measured temperature and rain, and know their elevation."""
    rng = np.random.default_rng(seed)
    ds = xr.Dataset({"reco": (("site", "time"), np.ones((3, 12))), "qc": (("site", "time"), np.ones((3, 12))),
                     "ta": (("site", "time"), rng.normal(10, 5, (3, 12))),
                     "precip": (("site", "time"), rng.uniform(0, 5, (3, 12)))},
                    coords={"site": ["A", "B", "C"], "time": TIMES, "elevation": ("site", [10.0, 20.0, 30.0])})
    ds.attrs = {"flux_kind": "reco", "time_step": "month"}
    return ds


def test_a_known_bias_is_found():
    """A grid 2 degrees too warm at every tower has that bias and error, full correlation, and less R2 by SSE."""
    own = towers()
    other = own[["ta", "precip"]].copy(deep=True)
    other["ta"] += 2.0
    other["ta"][1, 3] = np.nan
    rows, held = compare_drivers(own, other, ["ta", "precip"])
    assert list(rows.columns) == list(COLUMNS)
    pooled = rows[(rows["driver"] == "ta") & (rows["site"] == "all")].iloc[0]
    assert pooled["n"] == 35
    assert pooled["sites"] == 3
    assert pooled["bias"] == pytest.approx(2)
    assert pooled["rmse"] == pytest.approx(2)
    assert pooled["r2_pearson"] == pytest.approx(1)
    values = own["ta"].values[np.isfinite(other["ta"].values)]
    assert pooled["r2_nse"] == pytest.approx(1 - 35 * 4 / np.sum((values - values.mean()) ** 2))
    assert rows[rows["driver"] == "ta"]["site"].tolist() == ["all", "A", "B", "C"]
    assert rows[(rows["driver"] == "precip") & (rows["site"] == "B")].iloc[0]["r2_nse"] == pytest.approx(1)
    assert [len(part) for part in held["ta"]] == [35, 35, 35]


def test_what_never_changes_counts_once_per_tower():
    """Elevation is compared once at each tower, not at every month."""
    own = towers()
    other = xr.Dataset({"elevation": (("site", "time"), np.repeat([[12.0], [18.0], [33.0]], 12, axis=1))})
    rows, _ = compare_drivers(own, other, ["elevation"])
    assert rows.iloc[0]["n"] == 3
    assert rows.iloc[0]["bias"] == pytest.approx(1)


def test_only_what_both_have_is_compared():
    """The flux, its quality and unknown drivers are left aside."""
    cube = xr.Dataset({name: ("x", [0.0]) for name in ("lai", "ta", "qc", "reco", "inside", "elevation")})
    assert shared_drivers(towers(), cube) == ["ta", "elevation"]


def test_nothing_in_common_is_an_error():
    """No common name, or no common value."""
    with pytest.raises(SampleError, match="no driver in common"):
        shared_drivers(towers(), xr.Dataset({"lai": ("x", [0.0])}))
    other = towers()[["ta"]] * np.nan
    with pytest.raises(SampleError, match="No tower has values of ta"):
        compare_drivers(towers(), other, ["ta"])
