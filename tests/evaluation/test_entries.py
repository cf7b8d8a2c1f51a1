"""What takes part in a comparison: models and variants, written in one line."""

from __future__ import annotations

import pytest

from reco_core.errors import ConfigError
from reco_core.evaluation.entries import read_entries, unusable
from reco_core.models.ensemble import Recipe
from reco_core.models.table import Table
from tables import make_table
from wide_world import wide_samples

BASE = Recipe("", "pooled", seeds=(1, 2), seed=3)


def test_variants_carry_their_settings():
    """Settings stay with the model; weights and per_class are those of the recipe; titles may hold commas."""
    entries = read_entries(["rf"], "a, b = causal_xgboost: robust, max_depth=3, weights=uniform; "
                                   "svr:C=10; q10:per_class=yes", BASE)
    assert [entry.label for entry in entries] == ["rf", "a, b", "svr:C=10", "q10:per_class=yes"]
    recipes = [entry.recipe for entry in entries]
    assert [recipe.name for recipe in recipes] == ["rf", "causal_xgboost", "svr", "q10"]
    assert [recipe.settings for recipe in recipes] == [None, "robust,max_depth=3", "C=10", None]
    assert [recipe.weights for recipe in recipes] == ["pooled", "uniform", "pooled", "pooled"]
    assert [recipe.per_class for recipe in recipes] == [False, False, False, True]
    assert all(recipe.seeds == (1, 2) and recipe.seed == 3 for recipe in recipes)


def test_lists_inside_a_setting_keep_their_semicolons():
    """What follows a semicolon and names no model belongs to the list before it."""
    entries = read_entries([], "z = zonal_forest:zones=2,factors=ta;precip;lai,soft=yes; rf; svr:C=1", BASE)
    assert [entry.label for entry in entries] == ["z", "rf", "svr:C=1"]
    assert entries[0].recipe.settings == "zones=2,factors=ta;precip;lai,soft=yes"


@pytest.mark.parametrize(("models", "variants", "words"), [
    (["rf", "rf"], None, "'rf' takes part twice"), ([], "rf; rf", "takes part twice"), ([], "forest", "no model"),
    ([], " = rf", "names no model"), ([], "svr:K=3", "no setting 'K'"), ([], "rf:per_class=maybe", "maybe")])
def test_misspelt_variants_are_refused(models, variants, words):
    """A name or setting that does not exist is a mistake, not a model to leave out; the hint says what to write."""
    with pytest.raises(ConfigError, match=words) as caught:
        read_entries(models, variants, BASE)
    assert caught.value.hint


def test_models_without_their_drivers_are_told():
    """A model that lacks drivers is unusable; wrong settings of a usable one are an error."""
    table = make_table()
    tpgpp, forest = read_entries(["tpgpp", "rf"], None, BASE)
    assert "gpp" in unusable(tpgpp, table) and unusable(forest, table) == ""
    blind, = read_entries([], "causal_xgboost:colsample_bylevel=1,colsample_bynode=1", BASE)
    with pytest.raises(ConfigError, match="no effect"):
        unusable(blind, table)


def test_model_that_needs_settings_is_no_obstacle():
    """A model whose settings must be given is left out where they are not, and that is not fatal."""
    table = Table.of(wide_samples())
    entry, = read_entries(["tang2020"], "", Recipe())
    assert "type of grassland" in unusable(entry, table)
    given, = read_entries([], "tang2020:type=alpine_meadow", Recipe())
    assert unusable(given, table) == ""
    with pytest.raises(ConfigError, match="'lawn' is no type"):
        read_entries([], "tang2020:type=lawn", Recipe())
