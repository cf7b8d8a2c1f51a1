"""The table of attention: shares that add up, contributions beside it, and models that do not attend."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from reco_core.actions import run_step
from reco_core.actions.attention import attention_rows
from reco_core.actions.models import fit_samples, open_model, save_model
from reco_core.errors import ArtifactError, SampleError
from reco_core.io.observations.read import write_samples
from reco_core.models.ensemble import Recipe
from small_world import NAMES, small_model, small_samples

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """Return a small Geoman, its samples, and the folders of both."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    samples, folder = small_samples(9, 3), tmp_path_factory.mktemp("attention")
    recipe = Recipe("geoman", settings="window=3,hidden=8,epochs=3", seeds=(1,))
    found = fit_samples(samples, recipe, folds=3, processes=1)
    save_model(found, folder / "model")
    write_samples(samples, folder / "samples.nc")
    yield found, samples, folder
    torch.set_num_threads(before)


def test_rows_of_the_table_add_up(fitted, tmp_path):
    """Each class and season has shares of attention, and of contributions, that add up to 1."""
    _, samples, folder = fitted
    result = run_step("attention", {"model": str(folder / "model"), "samples": str(folder / "samples.nc"),
                                    "output": str(tmp_path / "a.csv"), "figure": str(tmp_path / "a.png")})
    table = pd.read_csv(tmp_path / "a.csv")
    names = list(NAMES)
    np.testing.assert_allclose(table[names].sum(axis=1), 1, atol=3e-6)  # as written, with six digits
    np.testing.assert_allclose(table[[f"{name}_contribution" for name in names]].sum(axis=1), 1, atol=3e-6)
    assert (table[[f"{name}_sd" for name in names]] > 0).all(axis=None)
    assert set(table["class"]) == {"all", *np.unique(samples["igbp"].values.astype(str))}
    assert table.season.unique().tolist() == ["growing", "non-growing", "low-value"]
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "not what moves the estimate" in result["summary"][0] and any("Liu" in text for text in result["citations"])


def test_shares_are_the_means_of_the_models(fitted):
    """The pooled share of a season is the mean over fold models of the mean over its records, exactly 1 in sum."""
    found, samples, folder = fitted
    rows = attention_rows(open_model(folder / "model"), samples)
    np.testing.assert_allclose(rows[list(NAMES)].sum(axis=1), 1, atol=1e-6)
    pooled = rows[rows["class"] == "all"].set_index("season")
    assert pooled.loc["growing", "samples"] + pooled.loc["non-growing", "samples"] == found.reference["y"].size - 27
    assert pooled.loc["low-value", "samples"] < pooled.loc["non-growing", "samples"]


def test_seasons_turn_over_at_the_equator(fitted):
    """South of the equator the growing season is half a year later."""
    found, samples, _ = fitted
    samples = samples.assign_coords(lat=abs(samples["lat"]))
    south = samples.assign_coords(lat=-samples["lat"])
    counts = [attention_rows(found, ds).query("`class` == 'all' and season == 'growing'").samples.item()
              for ds in (samples.isel(sample=samples.time.dt.month == 7), south.isel(sample=south.time.dt.month == 1))]
    assert counts[0] == 27 and counts[1] == 18  # the first January has no past


def test_what_it_refuses(fitted):
    """Models without attention, and samples without the past, are named."""
    found, samples, _ = fitted
    with pytest.raises(ArtifactError, match="no attention"):
        attention_rows(small_model(), samples)
    with pytest.raises(SampleError, match="looks back 3 time steps"):
        attention_rows(found, samples.drop_dims("lag"))
    with pytest.raises(ArtifactError, match="drivers that are not there: soc_0"):
        attention_rows(found, samples.assign_attrs(features="ta,lai"))
