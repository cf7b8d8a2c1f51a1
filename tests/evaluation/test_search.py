"""The search of settings: reproducible, resumable, pruned, and blind to what is held out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reco_core.errors import Cancelled, ConfigError, MissingDependency, SampleError
from reco_core.evaluation import search
from reco_core.evaluation.search import cross_validate_searched, nested_search, search_settings, space_of
from reco_core.models.ensemble import Recipe
from reco_core.models.registry import make_model
from reco_core.progress import Progress
from tables import make_table

pytest.importorskip("optuna")
TREES = Recipe("causal_xgboost", "uniform", settings="early_stopping=0,n_estimators=20", seeds=(1, 2), seed=4)


def run(table=None, recipe=TREES, **options):
    return search_settings(table or make_table(), recipe, processes=1, **{"trials": 8, **options})


@pytest.fixture(scope="module")
def whole():
    return run(trials=14)


def test_best_settings_lie_in_the_space(whole):
    """What is chosen is in the space, what was given is kept, and the choice is no worse than what was given."""
    space = space_of(TREES)
    assert set(whole.chosen) == set(space) and "n_estimators" not in space
    assert whole.settings["n_estimators"] == 20 and whole.settings["max_bin"] == 256
    assert 2 <= whole.settings["max_depth"] <= 8 and whole.trials == 14 and whole.folds == 5
    assert whole.rmse <= whole.given_rmse
    make_model("causal_xgboost", settings=whole.settings).all_settings()


def test_poor_trials_are_given_up(whole):
    """Some trials stop after two of the five folds; their number is told."""
    assert 0 < whole.pruned < whole.trials and whole.failed == 0


@pytest.mark.parametrize("name", ["study.db", "study.log"])
def test_a_stopped_search_goes_on_where_it_was(tmp_path, whole, name):
    """Stopped twice, once in the middle of a trial, and taken up again, it finds the same as in one go."""
    path = str(tmp_path / "deep" / name)
    run(trials=5, study=path)
    asked = []

    def enough():
        asked.append(1)
        return len(asked) > 12

    with pytest.raises(Cancelled):
        run(trials=14, study=path, progress=Progress(stopped=enough))
    again = run(trials=14, study=path)
    assert again == whole
    assert run(trials=14, study=path) == whole  # nothing is left to do


def test_processes_do_not_matter(whole):
    """Two processes find what one finds."""
    assert search_settings(make_table(), TREES, trials=14, processes=2) == whole


def test_seed_matters():
    """Another seed tries other settings."""
    assert run(recipe=replace(TREES, seed=5)).chosen != run().chosen


def test_study_of_another_search_is_refused(tmp_path):
    """A study is taken up only with the same samples, model, settings and seed; other files are no study."""
    path = tmp_path / "study.db"
    run(trials=2, study=str(path))
    for table, recipe in ((make_table(seed=1), TREES), (None, replace(TREES, seed=5))):
        with pytest.raises(ConfigError, match="another search") as caught:
            run(table, recipe, trials=2, study=str(path))
        assert caught.value.hint
    path.write_text("not a data base at all, but a text that is long enough to be read as one" * 20)
    with pytest.raises(ConfigError, match="cannot be opened"):
        run(trials=2, study=str(path))


@pytest.mark.parametrize("name", ["causal_xgboost", "rf", "svr", "bp_ann"])
def test_usual_settings_lie_in_every_space(name):
    """Each space holds the usual value, and its ends are settings that the model takes."""
    model = make_model(name)
    usual = model.all_settings()
    for setting, (kind, *ends) in model.search_space().items():
        values = list(ends[0]) if kind == "choice" else ends
        inside = usual[setting] in values if kind == "choice" else values[0] <= usual[setting] <= values[1]
        assert inside, (setting, usual[setting])
        for value in values:
            make_model(name, settings={setting: value}).all_settings()


@pytest.mark.parametrize("recipe", [Recipe("svr", seeds=(1,)), Recipe("bp_ann", settings="max_iter=50", seeds=(1,)),
                                    Recipe("rf", settings="n_estimators=10", seeds=(1,))])
def test_every_searchable_model(recipe):
    """The other models are searched by the same function."""
    found = run(recipe=recipe, trials=3)
    assert found.trials == 3 and np.isfinite(found.rmse) and found.r2_nse > 0


def test_nested_search_is_blind_to_what_is_held_out():
    """Settings of a fold do not change when the values held out do; the estimates are finite where held out."""
    table = make_table()
    fold = np.where(table.group < 4, 0, -1)
    one, chosen = nested_search(table, TREES, fold, trials=3, processes=1)
    changed = replace(table, y=np.where(fold == 0, table.y[::-1] * 3, table.y))
    other, again = nested_search(changed, TREES, fold, trials=3, processes=1)
    np.testing.assert_array_equal(one, other)
    assert chosen == again and len(chosen) == 1
    np.testing.assert_array_equal(np.isfinite(one), fold == 0)


def test_nested_score_of_noise_is_honest():
    """On pure noise the inner score of the best of many trials looks better than the nested one."""
    table = make_table()
    noise = replace(table, y=np.random.default_rng(99).normal(100, 10, len(table)))
    inner = run(noise, trials=12).r2_nse
    found, chosen = cross_validate_searched(noise, TREES, folds=3, trials=12, processes=1)
    nested = 1 - np.mean(np.square(found.estimates - noise.y)) / noise.y.var()
    assert nested < inner + 0.02 and nested < 0.05 and len(chosen) == 3


@pytest.mark.parametrize(("recipe", "words"), [
    (Recipe("lloyd_taylor"), "no settings to search"),
    (Recipe("rf", settings="max_depth=3,min_samples_leaf=2,max_features=0.5"), "All settings of rf")])
def test_nothing_to_search(recipe, words):
    """A model without settings, or with all of them given, is told apart from a failed search."""
    with pytest.raises(ConfigError, match=words):
        run(recipe=recipe)


def test_one_site_and_broken_trials():
    """One site cannot be judged on others; if nothing can be fitted the first reason is told."""
    table = make_table()
    with pytest.raises(SampleError, match="one site only"):
        run(table.take(table.group == 0))
    with pytest.raises(SampleError, match="None of the 2 trials"):
        run(table.take(np.arange(len(table)) % 43 == 0), Recipe("rf", settings="n_estimators=5"), trials=2)


def test_without_optuna_the_extra_is_named(monkeypatch):
    """Where optuna is not installed the message names the extra."""
    def absent(module, extra=""):
        raise MissingDependency(f"no {module}", f"reco[{extra}]")

    monkeypatch.setattr(search, "need", absent)
    with pytest.raises(MissingDependency) as caught:
        run()
    assert "reco[search]" in caught.value.hint
