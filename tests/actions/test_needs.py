"""What each method and each derivation still needs."""

from __future__ import annotations

import tomllib

import pytest

import reco_core
from reco_core.actions.needs import GENERAL, PUBLISHED, derivations, methods, possible
from reco_core.catalogue import MODELS
from reco_core.catalogue.derive import DERIVE_STEPS
from reco_core.io.describe.description import Holds


def grid(*series, static=(), step="month") -> Holds:
    """Return drivers on a grid."""
    return Holds("grid", (), tuple(series), tuple(static), step)


def need(holds, name):
    """Return one derivation or method."""
    return next(item for item in (*methods(holds), *derivations(holds)) if item.name == name)


def test_every_method_and_derivation_is_told():
    """The catalogue is walked: nothing that it has is forgotten."""
    assert [item.name for item in methods(grid("ta"))] == list(MODELS)
    assert [item.name for item in derivations(grid("ta"))] == [step.name for step in DERIVE_STEPS]
    assert {*GENERAL} < {step.name for step in DERIVE_STEPS}


def test_published_drivers_are_those_of_the_protocol():
    """The 21 drivers of Zhao & Zhu are the same as in the run file that ships."""
    path = reco_core.__path__[0] + "/protocols/ciml_ter.toml"
    with open(path, "rb") as stream:
        plan = tomllib.load(stream)
    features = next(step["features"] for step in plan["step"] if "features" in step)
    assert tuple(features.split(",")) == PUBLISHED


def test_derivable_drivers_are_not_missing():
    """Reflectances give indices, and a vegetation index gives the phenology, step after step."""
    holds = grid("red", "nir", "swir", step="8day")
    assert set(possible(holds)) >= {"evi", "ndvi", "nirv", "lswi", "v_top", "season_area"}
    text = need(holds, "causal_xgboost").text
    assert "nirv, lswi, v_top" in text and "can be derived" in text
    missing = text.split("still missing: ")[1].split(", ")
    assert missing == ["lst_day", "lst_night", "soc_0", "soc_10", "soc_30", "lai", "ci", "pv", "npv", "bs"]


def test_all_published_drivers():
    """With all 21 nothing is missing."""
    text = need(grid(*PUBLISHED), "causal_xgboost").text
    assert "all 21 of the published method are here" in text and "missing" not in text


@pytest.mark.parametrize(("holds", "name", "able", "words"), [
    (grid("ta"), "lloyd_taylor", True, "all its drivers are here"),
    (grid("lai"), "lloyd_taylor", False, "ts, ta or lst_day"),
    (grid("ta", "gpp"), "tpgpp", False, "precip"),
    (grid("swc"), "lgs_like", True, "all its drivers are here"),
    (grid("evi"), "tang2020", False, "type of grassland"),
    (grid("ta"), "derive_pet", True, "thornthwaite"),
    (grid("ta", step="day"), "derive_pet", False, "monthly ta"),
    (grid("tmin", "tmax", step="day"), "derive_pet", True, "hargreaves"),
    (grid("tmin", "tmax", "wind", "sw_in", "vpd", static=["elevation"]), "derive_pet", True, "penman_monteith"),
    (grid("tmin", "tmax", "wind", "sw_in", static=["elevation"]), "derive_pet", True, "pet by hargreaves"),
    (grid("precip", "ta"), "derive_spei", True, "derive_pet first for spei"),
    (grid("precip", "pet"), "derive_spei", True, "spei and spi"),
    (grid("precip", step="day"), "derive_spei", False, "aggregate to months first"),
    (grid("ndvi", step="year"), "derive_phenology", False, "ndvi at daily to monthly steps"),
    (grid("lai"), "derive_phenology", False, "a vegetation index"),
    (grid("lai"), "smooth", True, "smooth lai"),
    (grid("ta", step="year"), "aggregate", False, "shorter than a year"),
    (grid(static=["clay", "silt"], step=""), "derive_soil", False, "sand"),
    (grid(static=["clay", "silt", "sand"], step=""), "derive_soil", True, "texture"),
    (grid(static=["clay"], step=""), "derive_season", False, "drivers with dates")])
def test_needs(holds, name, able, words):
    """What is there decides, and the words name what is not."""
    found = need(holds, name)
    assert found.able == able
    assert words in found.text


def test_towers_without_flux():
    """A table without a flux is told so for every method."""
    found = methods(Holds("towers", (), ("ta",), (), "month"))
    assert all(not item.able and "a column with the flux" in item.text for item in found)
    able = {item.name for item in methods(Holds("towers", ("reco",), ("ta",), (), "month")) if item.able}
    assert {"causal_xgboost", "lloyd_taylor", "q10"} <= able and "tpgpp" not in able
