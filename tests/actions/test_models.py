"""Links, fitting and evaluation as users run them: files in, files out, messages for what cannot be."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from reco_core.actions import run_step
from reco_core.actions.models import fit_samples, open_model, save_model
from reco_core.errors import ArtifactError, ConfigError, SampleError, SchemaError
from reco_core.io.observations.read import write_samples
from reco_core.models.ensemble import Recipe
from tables import make_samples

QUICK = {"folds": 3, "seeds": 2, "processes": 1, "settings": "n_estimators=50,learning_rate=0.2,early_stopping=10"}


@pytest.fixture
def samples(tmp_path):
    path = tmp_path / "samples.nc"
    write_samples(make_samples(), path)
    return path


def test_find_links(samples, tmp_path):
    """Links come as JSON for steps and as CSV for people, and the summary names the strongest first."""
    output = tmp_path / "links.json"
    result = run_step("find_links", {"samples": str(samples), "output": str(output)})
    record = json.loads(output.read_text())
    assert record["drivers"] == ["ta", "lai", "soc_0"] and record["mode"] == "pooled" and record["rows"] == 432
    table = pd.read_csv(tmp_path / "links.csv")
    assert table["class"].unique().tolist() == ["all"] and table.weight.sum() == pytest.approx(3)
    strongest = table.driver[table.effect.abs().argmax()]
    assert result["summary"][1].startswith(strongest)
    assert any("Runge" in line for line in result["citations"])


@pytest.mark.parametrize("mode", ["by_pft", "site_mean"])
def test_find_links_modes(samples, tmp_path, mode):
    """Every way of gathering sites writes its links."""
    run_step("find_links", {"samples": str(samples), "mode": mode, "output": str(tmp_path / "links.json")})
    labels = set(pd.read_csv(tmp_path / "links.csv")["class"])
    assert labels == ({"all", "ENF", "GRA", "DBF"} if mode == "by_pft" else {"all"})


def test_fit(samples, tmp_path):
    """The model folder opens, estimates, and carries a card with skill on held-out sites first."""
    folder = tmp_path / "model"
    result = run_step("fit", {"samples": str(samples), "output": str(folder), **QUICK})
    fitted = open_model(folder)
    assert fitted.feature_names == ("ta", "lai", "soc_0") and len(fitted.folds) == 3
    assert fitted.target_unit == "g C m-2 month-1" and fitted.time_step == "month" and fitted.flux_kind == "reco"
    assert [feature.group for feature in fitted.features] == ["environment", "biotic", "environment"]
    held = np.mean(np.abs(fitted.reference["held_out"] - fitted.reference["y"]))
    assert fitted.scores["held_out"]["mae"] == pytest.approx(held)
    assert fitted.scores["overall"]["mae"] < held and "optimistic" in fitted.scores["overall"]["note"]
    assert fitted.provenance["sites"] == 12 and fitted.provenance["seeds"] == [837, 929]
    card = (folder / "card.md").read_text()
    assert card.index("sites held out") < card.index("optimistic") and "What it is not for" in card
    assert json.loads((folder / "links.json").read_text())["drivers"] == ["ta", "lai", "soc_0"]
    assert "R²" in result["summary"][1] and result["output"] == str(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "model.run.json", "samples.csv", "samples.nc"]


def test_fit_with_search(samples, tmp_path):
    """What a search chose is used, kept in the model, and told on the card with what its scores are worth."""
    pytest.importorskip("optuna")
    values = {"samples": str(samples), "model": "rf", "settings": "n_estimators=20", "folds": 3, "seeds": 1,
              "processes": 1, "search": True, "trials": 4, "study": str(tmp_path / "study.db")}
    result = run_step("fit", {**values, "output": str(tmp_path / "model")})
    fitted = open_model(tmp_path / "model")
    found = fitted.provenance["search"]
    assert found["trials"] == 4 and fitted.provenance["settings"]["max_depth"] == found["chosen"]["max_depth"]
    assert fitted.folds[0].all_settings()["max_depth"] == found["chosen"]["max_depth"]
    card = (tmp_path / "model" / "card.md").read_text()
    assert "Inner score" in card and "slightly optimistic" in card and "nested" in card
    assert any("4 trials" in line for line in result["summary"])
    run_step("evaluate", {**values, "study": None, "trials": 2, "output": str(tmp_path / "scores.csv"),
                          "predictions": str(tmp_path / "predictions.csv")})
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert (scores.settings == "searched in each fold (nested)").all() and scores.n[0] == 432


def test_fitted_in_python_and_by_a_step_are_the_same(samples, tmp_path):
    """The Python function and the step write the same bytes."""
    run_step("fit", {"samples": str(samples), "output": str(tmp_path / "one"), **QUICK})
    recipe = Recipe(settings=QUICK["settings"], seeds=(837, 929))
    save_model(fit_samples(make_samples(), recipe, folds=3, processes=1), tmp_path / "two")
    for path in (tmp_path / "one").rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes(), path.name


@pytest.mark.parametrize(("options", "folds"), [
    ({}, 3), ({"scheme": "loso", "model": "lloyd_taylor", "settings": None, "per_class": True}, 12),
    ({"scheme": "random", "assignments": 2, "weights": "uniform"}, 3)])
def test_evaluate(samples, tmp_path, options, folds):
    """Scores have a row pooled, per class and per site; every estimate can be found again."""
    outputs = {"output": str(tmp_path / "scores.csv"), "predictions": str(tmp_path / "predictions.csv")}
    result = run_step("evaluate", {"samples": str(samples), **QUICK, **outputs, **options})
    scores, held = pd.read_csv(outputs["output"]), pd.read_csv(outputs["predictions"])
    assert scores.level.value_counts().to_dict() == {"site": 12, "class": 3, "pooled": 1}
    assert (scores.folds == folds).all() and scores.scheme.unique().tolist() == [options.get("scheme", "grouped")]
    assert ("optimistic" in scores.note[0]) == (options.get("scheme") == "random")
    assert len(held) == 432 * options.get("assignments", 1) and held.time[0] == "2001-01"
    by_hand = held.groupby("assignment").apply(lambda part: (part.estimate - part.observed).abs().mean()).mean()
    assert scores.mae[0] == pytest.approx(by_hand)
    assert "R²" in result["summary"][0]


@pytest.mark.parametrize(("values", "error", "words"), [
    ({"folds": 13}, SampleError, "12 tower groups but 13 folds"),
    ({"settings": "colsample_bylevel=1,colsample_bynode=1"}, ConfigError, "no effect"),
    ({"settings": "max_deep=3"}, ConfigError, "'max_deep'"),
    ({"model": "lloyd_taylor"}, ConfigError, "no settings"),
    ({"samples": "nothing.nc"}, SchemaError, r"nothing\.nc")])
def test_what_cannot_be_fitted(samples, tmp_path, values, error, words):
    """One line says what is wrong, and nothing stands under the model's name."""
    before = sorted(tmp_path.iterdir())
    with pytest.raises(error, match=words) as caught:
        run_step("fit", {"samples": str(samples), "output": str(tmp_path / "model"), **QUICK, **values})
    assert caught.value.hint and "\n" not in caught.value.message
    assert sorted(tmp_path.iterdir()) == before


def change(samples, **columns):
    ds = make_samples()
    for name, values in columns.items():
        ds[name] = ("sample", np.broadcast_to(values, ds.sizes["sample"]).copy(), ds[name].attrs)
    write_samples(ds, samples)


@pytest.mark.parametrize(("columns", "words"), [
    ({"group": 0}, "one site only"), ({"soc_0": 20.0}, "'soc_0' is constant"), ({"target": 5.0}, "nothing to learn")])
@pytest.mark.parametrize("step", ["fit", "evaluate"])
def test_samples_that_teach_nothing(samples, tmp_path, step, columns, words):
    """One site, a constant driver and constant respiration are refused by fit and evaluate alike."""
    change(samples, **columns)
    with pytest.raises(SampleError, match=words):
        run_step(step, {"samples": str(samples), "output": str(tmp_path / "out"), **QUICK}, folder=str(tmp_path))
    assert not (tmp_path / "out").exists()


def test_changed_model(samples, tmp_path):
    """A model whose weights were changed is not opened."""
    run_step("fit", {"samples": str(samples), "output": str(tmp_path / "model"), **QUICK})
    weights = next((tmp_path / "model" / "weights").iterdir())
    weights.write_bytes(weights.read_bytes()[:-3] + b"abc")
    with pytest.raises(ArtifactError, match="was changed"):
        open_model(tmp_path / "model")
