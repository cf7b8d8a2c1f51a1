"""Columns of the blend: values by hand, parents, and what is left out where drivers are missing."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.models.blend_terms import TERMS, Terms, light_use, lloyd_taylor, oudin
from reco_core.models.context import Context
from reco_core.vocabulary.astronomy import day_length, extraterrestrial_radiation

CONTEXT = Context(climate=True, place=True)
SEASON = ("season_sin", "season_cos", "sunlight", "daylight")
NAMES = ("ta", "ts", "lai", "precip", "swc")


def rows(lat=45.0, day=196.0, leaf=4.0):
    """Return a row whose months have leaves in July alone, and steady rain."""
    own = np.array([20.0, 15.0, leaf, 3.0, 25.0])
    climate = np.tile([10.0, 10.0, 0.0, 2.0, 30.0], (12, 1))
    climate[6] = [20.0, 16.0, 5.0, 1.0, 20.0]
    return np.concatenate([own, climate.ravel(), [lat, day]])[None]


def columns(X, names=NAMES):
    """Return the columns by name."""
    terms = Terms(names)
    return dict(zip(terms.names, terms.values(CONTEXT.view(X, len(names)))[0]))


def test_values_by_hand():
    """Every column of one July day, computed from its definition."""
    found = columns(rows())
    sun = float(extraterrestrial_radiation(45.0, 196.0))
    demand = 25 * sun * 0.408 / 100
    warm = np.exp(308.56 * (1 / 56.02 - 1 / 66.02))
    rain3 = (3 + 2 + 2) / 3
    suns = extraterrestrial_radiation(45.0, np.array([15, 46, 74, 105, 135, 166, 196, 227, 258, 288, 319, 349]))
    demands = np.where(np.arange(12) == 6, 25, 15) * suns * 0.408 / 100
    wanted = {"warm": warm, "warm_soil": np.exp(308.56 * (1 / 56.02 - 1 / 61.02)), "air_less_soil": 5.0,
              "leaf_warm": 4 * warm, "leaf_max_warm": 5 * warm, "leaf_mean_warm": 5 / 12 * warm, "leaf_share": 4 / 5.1,
              "light_use": np.log(5) * sun, "light_use_year": np.log(6) * suns[6] / 12,
              "wet": 3 / (demand + 10 / 30.4), "wet3": rain3 / (demand + 10 / 30.4),
              "warm_wet": warm * min(rain3 / demand, 1), "wet_year": (23 / 12) / (demands.mean() + 0.3),
              "water_share": 5 / 11, "sunlight": sun, "daylight": float(day_length(45.0, 196.0)),
              "season_sin": np.sin(2 * np.pi * 196 / 365.25), "season_cos": np.cos(2 * np.pi * 196 / 365.25)}
    assert set(wanted) == {term.name for term in TERMS}
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-6), name


def test_seasons_of_the_south_are_half_a_year_later():
    """The phase of the season in July in the south is that of January in the north."""
    north, south = columns(rows(day=16.5)), columns(rows(lat=-45.0, day=16.5 + 365.25 / 2))
    for name in ("season_sin", "season_cos"):
        assert north[name] == pytest.approx(south[name])


def test_response_to_temperature():
    """The response is 1 at 10 degC, as published at 20 degC, and flat below -40 degC."""
    np.testing.assert_allclose(lloyd_taylor(np.array([10.0, 20.0])), [1.0, 2.303196], rtol=1e-6)
    assert lloyd_taylor(np.array(-60.0)) == lloyd_taylor(np.array(-40.0))
    assert oudin(np.array(-10.0), np.array(20.0)) == 0.0
    assert light_use(np.array(3.0), np.array(20.0), np.array(-2.0)) == 0.0


def test_columns_whose_drivers_are_missing_are_left_out():
    """Without soil temperature and water their columns are not made; surface temperature stands in for the air."""
    terms = Terms(("lst_day", "ndvi"))
    assert terms.columns == {"warmth": 0, "leaf": 1}
    assert {term.name for term in terms.terms} == {"warm", "leaf_warm", "leaf_max_warm", "leaf_mean_warm",
                                                   "leaf_share", "light_use", "light_use_year", *SEASON}
    assert Terms(("soc_0",)).names == ("soc_0", *SEASON)
    assert "warm_soil" not in Terms(("ts",)).names  # one driver does not stand for the air and for the soil


def test_contributions_go_to_the_parents():
    """What a column contributes is divided equally among its parents, and nothing is lost."""
    terms = Terms(NAMES)
    shares = terms.shares()
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    row = dict(zip(terms.names, shares))
    assert row["leaf_warm"].tolist() == [0.5, 0, 0.5, 0, 0, 0]
    assert row["warm_soil"].tolist() == [0, 1, 0, 0, 0, 0]
    assert row["swc"].tolist() == [0, 0, 0, 0, 1, 0]
    assert row["sunlight"].tolist() == [0, 0, 0, 0, 0, 1]


def test_unknown_place_leaves_gaps():
    """Without latitude the columns that need sunlight are missing, the others are not."""
    found = columns(rows(lat=np.nan))
    assert np.isnan([found[name] for name in ("light_use", "light_use_year", "wet", "wet_year", "warm_wet")]).all()
    assert np.isfinite([found[name] for name in ("warm", "leaf_max_warm", "water_share")]).all()


def test_december_looks_back_and_january_goes_round():
    """The three-monthly rain of January is that of the row and the usual November and December."""
    X = rows(day=16.5)
    X[0, 5 + 11 * 5 + 3], X[0, 5 + 10 * 5 + 3] = 9.0, 6.0
    demand = 25 * float(extraterrestrial_radiation(45.0, 16.5)) * 0.408 / 100
    assert columns(X)["wet3"] == pytest.approx(6.0 / (demand + 10 / 30.4), rel=1e-6)
