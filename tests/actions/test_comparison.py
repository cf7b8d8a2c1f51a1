"""Comparing models as users do: files in, one table, a page and figures out, and what cannot take part is told."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from reco_core.actions import comparison, run_step
from reco_core.actions.comparison import FLOOR
from reco_core.errors import ConfigError, SampleError
from reco_core.io.observations.read import write_samples
from tables import make_samples

QUICK = {"folds": 3, "seeds": 1, "processes": 1, "scheme": "grouped"}
THREE = {"models": "lloyd_taylor,tpgpp,rf", "variants": "small = rf:n_estimators=20,max_depth=2"}


@pytest.fixture
def samples(tmp_path):
    path = tmp_path / "samples.nc"
    write_samples(make_samples(), path)
    return path


def compare(samples, folder, **values):
    result = run_step("compare", {"samples": str(samples), **QUICK, **values}, folder=str(folder))
    return result, pd.read_csv(folder / "comparison.csv")


def test_compare(samples, tmp_path):
    """All models are scored on the same samples and folds as evaluate would; what lacks drivers is told."""
    result, table = compare(samples, tmp_path / "out", **THREE, reference="rf")
    assert set(table.run) == {"lloyd_taylor", "rf", "small", FLOOR}
    assert table[table.level == "pooled"].n.unique().tolist() == [432]
    assert any("tpgpp is left out: needs" in line for line in result["summary"])
    run_step("evaluate", {"samples": str(samples), **QUICK, "model": "rf", "output": str(tmp_path / "scores.csv"),
                          "predictions": str(tmp_path / "predictions.csv")})
    alone = pd.read_csv(tmp_path / "scores.csv")
    here = table[table.run == "rf"]
    for level in ("pooled", "class", "site"):
        np.testing.assert_allclose(here[here.level == level].mae, alone[alone.level == level].mae, rtol=1e-8)
    assert table[table.run == "rf"].d_r2_nse.isna().all()
    floor = table[(table.run == FLOOR) & (table.level == "pooled")].iloc[0]
    assert floor.d_r2_nse_high < 0 and floor.r2_nse < 0.1
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert "lloyd_taylor" in page and "tpgpp" in page and "data:image/png" in page
    assert (tmp_path / "out" / "taylor.png").read_bytes().startswith(b"\x89PNG")
    assert any("Breiman" in text for text in result["citations"])


def test_same_folds_for_models_that_look_around(samples, tmp_path):
    """Folds depend on the samples and the seed alone, so every kept table has the same."""
    compare(samples, tmp_path / "out", **THREE, assignments=2)
    kept = {path.stem: pd.read_csv(path) for path in (tmp_path / "out" / "held_out").glob("*.csv")}
    folds = [frame.fold.tolist() for frame in kept.values()]
    assert len(kept) == 3 and all(fold == folds[0] for fold in folds) and len(folds[0]) == 864


def test_models_that_are_there_are_not_fitted_again(samples, tmp_path, monkeypatch):
    """A second run reads what the first kept and writes the same bytes; other settings are fitted anew."""
    out = tmp_path / "out"
    compare(samples, out, **THREE)
    first = {path.name: path.read_bytes() for path in out.iterdir() if path.suffix in (".csv", ".html", ".png")}
    fitted = []
    whole = comparison.cross_validate
    monkeypatch.setattr(comparison, "cross_validate", lambda table, recipe, **rest: (
        fitted.append(recipe.name), whole(table, recipe, **rest))[1])
    compare(samples, out, **THREE)
    assert fitted == []
    assert {name: (out / name).read_bytes() for name in first} == first
    compare(samples, out, **THREE, seed=1)
    assert fitted == ["lloyd_taylor", "rf", "rf"]


def test_rows_that_one_model_cannot_estimate_are_left_out_for_all(tmp_path):
    """Samples without temperature are estimated by the forest, not by the equation: none is scored on them."""
    ds = make_samples()
    ds["ta"][:30] = np.nan
    write_samples(ds, tmp_path / "samples.nc")
    result, table = compare(tmp_path / "samples.nc", tmp_path / "out", models="lloyd_taylor,rf")
    pooled = table[table.level == "pooled"].set_index("run")
    assert pooled.n.unique().tolist() == [402]
    assert pooled.left_out.to_dict() == {"lloyd_taylor": 30, "rf": 0, FLOOR: 0}
    assert "lloyd_taylor: no estimate for 30 samples" in result["summary"]


def test_temporal_scheme(samples, tmp_path):
    """Later years of the same sites: scored where held out, and labelled."""
    _, table = compare(samples, tmp_path / "out", models="lloyd_taylor,rf", scheme="temporal")
    assert table[table.level == "pooled"].n.unique().tolist() == [144]
    assert set(table.note) == {"same sites, later years"}


@pytest.mark.parametrize(("values", "error", "words"), [
    ({"models": "rf", "reference": "svr"}, ConfigError, "'svr' does not take part"),
    ({"models": "tpgpp"}, SampleError, "None of the models"),
    ({"models": "tpgpp,rf", "reference": "tpgpp"}, ConfigError, "cannot be used"),
    ({"variants": "svr:C=many"}, ConfigError, "C is 'many'"),
    ({"models": "rf", "folds": 13}, SampleError, "13 folds")])
def test_what_cannot_be_compared(samples, tmp_path, values, error, words):
    """Nothing is written, and the message says what to mend."""
    with pytest.raises(error, match=words) as caught:
        compare(samples, tmp_path / "out", **values)
    assert caught.value.hint and not (tmp_path / "out" / "comparison.csv").exists()


def test_record_tells_who_was_left_out(samples, tmp_path):
    """The record of the run has the settings of all and the reasons of those left out."""
    compare(samples, tmp_path / "out", **THREE)
    details = json.loads((tmp_path / "out" / "comparison.run.json").read_text())["details"]
    assert "gpp" in details["skipped"]["tpgpp"] and details["settings"]["small"]["settings"].startswith("n_estimators")
