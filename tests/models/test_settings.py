"""Settings of boosting: presets, changes, and what is refused."""

from __future__ import annotations

import pytest

from reco_core.errors import ConfigError
from reco_core.models.settings import PUBLISHED, boosting_settings, check_sampling


def test_nothing_given_is_the_published_method():
    """Without a word the settings are those of the published code."""
    settings = boosting_settings(None)
    assert settings == PUBLISHED
    assert (settings["learning_rate"], settings["max_depth"], settings["early_stopping"]) == (0.05, 5, 30)


def test_text_and_mapping_agree():
    """The text of the command line and a mapping mean the same; a preset can be changed."""
    text = boosting_settings("robust, max_depth=3,subsample=0.5")
    assert text == boosting_settings({"preset": "robust", "max_depth": 3, "subsample": 0.5})
    assert text["max_depth"] == 3 and text["n_estimators"] == 120 and isinstance(text["max_depth"], int)
    assert boosting_settings(text) == text


@pytest.mark.parametrize(("text", "words"), [
    ("max_deep=4", "no setting 'max_deep'"), ("max_depth=0", "max_depth is 0"), ("max_depth=2.5", "max_depth is 2.5"),
    ("subsample=nan", "subsample is nan"), ("gamma=lots", "no number"), ("fast", "neither a name=value pair"),
    ("gamma=1,gamma=2", "given twice"), ("objective=rank:map", "'rank:map'"), ("early_stopping=0", "10000 trees")])
def test_refused(text, words):
    """An unknown name, an impossible value and a trap each have their message."""
    with pytest.raises(ConfigError, match=words) as caught:
        boosting_settings(text)
    assert caught.value.hint


def test_near_names_are_suggested():
    """A slip of the pen is met with the right name."""
    with pytest.raises(ConfigError) as caught:
        boosting_settings("learning_rat=0.1")
    assert "learning_rate" in caught.value.hint


def test_weights_without_column_sampling():
    """If every tree sees all features, weights have no effect: that is said, except for weights of ones."""
    settings = boosting_settings("colsample_bylevel=1,colsample_bynode=1")
    with pytest.raises(ConfigError, match="Feature weights have no effect"):
        check_sampling(settings, "pooled")
    check_sampling(settings, "uniform")
    check_sampling(boosting_settings("colsample_bylevel=1"), "pooled")
