"""Every method of the registry: kept by one process, used by another, and refused where it is not what it was."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import rasterio

from reco_core.actions import run_step
from reco_core.actions.models import fit_samples, open_model, save_model
from reco_core.errors import ArtifactError
from reco_core.models.ensemble import Recipe
from reco_core.models.registry import _CLASSES
from reco_core.models.table import Table
from source import ROOT
from wide_world import MODELS, SETTINGS, wide_drivers, wide_samples

QUICK = {"causal_xgboost": "n_estimators=15,early_stopping=0", **SETTINGS}
SOME = ("causal_xgboost", "lloyd_taylor", "rf", "svr", "bp_ann", "sae")
ELSEWHERE = """
import sys
from pathlib import Path
import numpy as np
from reco_core.actions.models import open_model, save_model
for folder in sorted(Path(sys.argv[1]).iterdir()):
    fitted, X = open_model(folder / "model"), np.load(folder / "rows.npy")
    save_model(fitted, folder / "again")
    np.savez(folder / "theirs.npz", *fitted.estimate(X), fitted.contributions(X))
"""


def samples_for(name):
    """Return small samples with the drivers of a method."""
    return wide_samples(MODELS.get(name, ("ta", "lai", "soc_0")), towers=9, years=2)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Fit and keep every method, and let another process open, use and keep them again."""
    place, models = tmp_path_factory.mktemp("kept"), {}
    for name in _CLASSES:
        recipe = Recipe(name, "uniform", settings=QUICK.get(name), seeds=(1, 2))
        models[name] = fit_samples(samples_for(name), recipe, folds=2, processes=1)
        save_model(models[name], place / name / "model")
        np.save(place / name / "rows.npy", Table.of(samples_for(name), recipe.context).X[::5])
    subprocess.run([sys.executable, "-c", ELSEWHERE, str(place)], check=True, cwd=ROOT)
    return place, models


def files_of(folder):
    """Return the bytes of every file of a folder by name."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", _CLASSES)
def test_kept_here_used_there(kept, name):
    """Another process has the same bits of estimates and contributions, and keeps the same bytes."""
    place, models = kept
    X = np.load(place / name / "rows.npy")
    theirs = list(np.load(place / name / "theirs.npz").values())
    for mine, other in zip([*models[name].estimate(X), models[name].contributions(X)], theirs):
        np.testing.assert_array_equal(mine, other)
    assert np.isfinite(theirs[0]).any()
    np.testing.assert_allclose(theirs[-1].sum(axis=1), theirs[0], rtol=1e-5, atol=1e-5)
    assert files_of(place / name / "model") == files_of(place / name / "again")


@pytest.mark.parametrize("name", _CLASSES)
def test_nothing_in_it_is_code(kept, name):
    """No file holds a pickle, or anything but text, arrays and boosters."""
    for file, content in files_of(kept[0] / name / "model").items():
        assert file.endswith((".json", ".md", ".npz", ".npz.gz", ".ubj.gz")), file
        assert b"cbuiltins" not in content and b"numpy.core.multiarray" not in content


@pytest.mark.parametrize("name", SOME)
def test_newer_and_changed(kept, name, tmp_path):
    """A folder of a later format, and weights that were changed, are refused by every step that reads it."""
    kept_files = files_of(kept[0] / name / "model")
    weights = next((file for file in kept_files if file.startswith("weights/")), "reference.npz")
    changed = kept_files[weights][:-1] + bytes([kept_files[weights][-1] ^ 1])
    head = {**json.loads(kept_files["model.json"]), "format": 2}
    for file, content, words in ((weights, changed, "was changed"),
                                 ("model.json", json.dumps(head).encode(), "format 2; this version of RECO reads up")):
        folder = tmp_path / words[:3]
        for other, own in {**kept_files, file: content}.items():
            (folder / other).parent.mkdir(parents=True, exist_ok=True)
            (folder / other).write_bytes(own)
        with pytest.raises(ArtifactError, match=words) as caught:
            open_model(folder)
        assert caught.value.hint


@pytest.mark.parametrize("name", SOME)
def test_a_class_unseen_in_training(name):
    """A class that no sample had is refused with those there are; one that a fold lacks is served by all samples."""
    samples = samples_for(name)
    labels = samples["igbp"].values.astype(object)
    labels[samples["group"].values == samples["group"].values[0]] = "WSA"  # one tower: some fold has none of it
    samples = samples.assign_coords(igbp=("sample", labels))
    fitted = fit_samples(samples, Recipe(name, "uniform", True, settings=QUICK.get(name), seeds=(1,)), folds=3,
                         processes=1)
    X = Table.of(samples).X[:4]
    assert np.isfinite(fitted.estimate(X, stratum=np.full(4, "WSA")).mean).all()
    phi = fitted.contributions(X, stratum=np.full(4, "WSA"))
    np.testing.assert_allclose(phi.sum(axis=1), fitted.estimate(X, stratum=np.full(4, "WSA")).mean, rtol=1e-5)
    for use in (fitted.estimate, fitted.contributions):
        with pytest.raises(ArtifactError, match="does not know the class 'URB'") as caught:
            use(X, stratum=np.full(4, "URB"))
        assert "WSA" in caught.value.hint


def test_features_with_other_units(kept, tmp_path):
    """Kelvin is turned into the model's degrees; what cannot be turned is refused before anything is mapped."""
    drivers = wide_drivers(rows=4, columns=4, years=1)

    def bands(cube, folder):
        (tmp_path / folder).mkdir()
        cube.to_netcdf(tmp_path / folder / "drivers.nc")
        run_step("predict", {"model": str(kept[0] / "rf" / "model"),
                             "drivers": str(tmp_path / folder / "drivers.nc")}, folder=str(tmp_path / folder))
        with rasterio.open(tmp_path / folder / "reco.tif") as file:
            return file.read()

    own = bands(drivers, "own")
    kelvin = drivers.assign(ta=(drivers["ta"] + 273.15).assign_attrs({**drivers["ta"].attrs, "units": "K"}))
    np.testing.assert_allclose(bands(kelvin, "kelvin"), own, rtol=1e-2)
    wrong = drivers.assign(lai=drivers["lai"].assign_attrs({**drivers["lai"].attrs, "units": "kg"}))
    with pytest.raises(Exception, match="lai") as caught:
        bands(wrong, "wrong")
    assert getattr(caught.value, "hint", "") and not (tmp_path / "wrong" / "reco.tif").exists()
