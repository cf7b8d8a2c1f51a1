"""Zonal against unified forests, and the published way of scoring, which is told apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reco_core.evaluation.zonal import NESTED, Z24_STYLE, without_surroundings, z24_style, zonal_against_unified
from zonal import FEATURES, make_zonal

pytest.importorskip("sklearn")
SETTINGS = {"zones": 3, "factors": "ta;precip", "n_estimators": 20, "eliminate": "no", "min_records": 30}


def test_zonal_wins_where_zones_differ():
    """Opposite slopes by zone: the zonal R2 is higher on the same samples, and the range of the difference says so."""
    found = zonal_against_unified(make_zonal(spread=1.5), SETTINGS, folds=5, seeds=(1,), processes=1)
    assert found["zonal"]["r2_nse"] > found["unified"]["r2_nse"] and found["note"] == NESTED
    gap = found["difference"]["r2_nse"]
    assert gap["difference"] == pytest.approx(found["zonal"]["r2_nse"] - found["unified"]["r2_nse"], abs=1e-9)
    assert gap["low"] <= gap["difference"] <= gap["high"]


def test_one_zone_is_no_difference():
    """With one zone both are the same forest: the difference is nothing, whatever is resampled."""
    found = zonal_against_unified(without_surroundings(make_zonal()), {**SETTINGS, "zones": 1}, folds=3, seeds=(1,),
                                  processes=1)
    assert found["zonal"] == found["unified"] and found["difference"]["mae"]["difference"] == 0


def test_both_are_scored_on_the_same_rows():
    """A site without factors counts for neither."""
    table = make_zonal()
    gap = table.X.copy()
    gap[table.group == 2, 3] = np.nan
    found = zonal_against_unified(replace(table, X=gap), SETTINGS, folds=3, seeds=(1,), processes=1)
    assert found["zonal"]["n"] == found["unified"]["n"] == len(table) - 36


def test_published_style_is_labelled():
    """The published score tells each zone, its drivers and that it is optimistic."""
    found = z24_style(make_zonal(spread=1.5), SETTINGS)
    assert found["note"] == Z24_STYLE and "optimistic" in Z24_STYLE
    assert [row["zone"] for row in found["zones"]] == ["zone1", "zone2", "zone3"]
    assert sum(row["sites"] for row in found["zones"]) == 15
    assert all(set(row["drivers"]) <= set(FEATURES) and "lai" in row["drivers"] for row in found["zones"])
    assert found["r2"] > 0.7 and found["rmse"] < 5.5


def test_published_style_of_one_zone():
    """One zone needs no monthly means."""
    found = z24_style(without_surroundings(make_zonal(sites=6)), {**SETTINGS, "zones": 1}, scheme="loso")
    assert len(found["zones"]) == 1 and found["zones"][0]["records"] == 216
