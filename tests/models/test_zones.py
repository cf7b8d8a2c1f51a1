"""Zones: factors of places, principal components, labels that stay, and places unlike any site."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_core.errors import ArtifactError, ConfigError, SampleError
from reco_core.models.zone_choice import ZoneCount, best_count, compare_counts
from reco_core.models.zones import (
    Zones,
    choose_factors,
    components,
    factor_values,
    growing_season,
    learn_zones,
    stand_ins,
)
from zonal import FEATURES, make_zonal

NAMES = ("ta", "precip", "ndvi", "soc_0")


def places(sites=60, seed=0):
    """Return four factors of sites in three climates."""
    rng = np.random.default_rng(seed)
    centre = np.array([[-5, 300, 0.3, 80], [10, 900, 0.6, 30], [25, 1500, 0.8, 10]], dtype=float)
    return centre[np.arange(sites) % 3] + rng.normal(size=(sites, 4)) * (1, 60, 0.03, 4)


@given(seed=st.integers(0, 50))
def test_components_keep_enough(seed):
    """Components have 80 % of the variance, one fewer would not; the largest loading of each is positive."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(40, 6)) @ rng.normal(size=(6, 6))
    z = (z - z.mean(axis=0)) / z.std(axis=0, ddof=1)
    loadings, explained = components(z)
    rebuilt = z @ loadings @ loadings.T
    assert 1 - np.square(z - rebuilt).sum() / np.square(z).sum() == pytest.approx(explained.sum(), abs=1e-9)
    assert explained.sum() >= 0.8 > explained[:-1].sum()
    assert (loadings[np.abs(loadings).argmax(axis=0), np.arange(loadings.shape[1])] > 0).all()
    np.testing.assert_allclose(loadings.T @ loadings, np.eye(loadings.shape[1]), atol=1e-12)


def test_zones_are_the_climates():
    """Three climates become three zones, numbered from cold to warm, the same for each seed."""
    values = places()
    for seed in range(3):
        label = learn_zones(values, NAMES, 3, seed=seed).labels(values)
        assert label.tolist() == (np.arange(60) % 3 + 1).tolist()


def test_scores_are_not_rescaled():
    """Principal components keep their variance."""
    values = places()
    found = learn_zones(values, NAMES, 3)
    variance = found.scores(values).var(axis=0, ddof=1)
    np.testing.assert_allclose(variance / len(NAMES), found.explained, rtol=1e-9)


def test_rows_do_not_depend_on_each_other():
    """A place gets the same distances to the last bit alone, among others, or in another order of memory."""
    values = places(200)
    found = learn_zones(values, NAMES, 3)
    whole = found.distances(values)
    assert found.distances(values[17:18]).tobytes() == whole[17:18].tobytes()
    assert found.distances(np.asfortranarray(values)).tobytes() == whole.tobytes()


def test_novel_places():
    """A climate that no site has is novel; nearly no training site is; a gap is no zone and not novel."""
    values = places(200)
    found = learn_zones(values, NAMES, 3)
    assert found.novel(values).mean() == pytest.approx(0.01, abs=0.011)
    assert found.novel(np.array([[60.0, 9000.0, 0.1, 500.0]])).all()
    gap = np.array([[np.nan, 900.0, 0.6, 30.0]])
    assert found.labels(gap).tolist() == [0] and not found.novel(gap).any()


def test_blend_has_no_seams():
    """Shares add up to 1, are nearly whole at a centre, and equal halfway between two."""
    found = learn_zones(places()[:, :2], NAMES[:2], 3)
    share = found.blend(places()[:, :2])
    np.testing.assert_allclose(share.sum(axis=1), 1, atol=1e-12)
    assert (share.argmax(axis=1) + 1 == found.labels(places()[:, :2])).all()
    far = found.blend(np.array([[1e6, 1e6]]))
    assert np.isfinite(far).all() and far.sum() == pytest.approx(1)


def test_plain_and_back():
    """Zones survive being written as plain data and as arrays, bit by bit; damaged ones are refused."""
    values, found = places(), learn_zones(places(), NAMES, 3)
    for other in (Zones.from_plain(found.to_plain()), Zones.from_arrays(NAMES, found.to_arrays())):
        assert other.distances(values).tobytes() == found.distances(values).tobytes() and other.reach == found.reach
    with pytest.raises(ArtifactError, match="damaged"):
        Zones.from_arrays(NAMES[:2], found.to_arrays())


def test_factors_are_chosen():
    """The published factors are taken where they are there, else what stands for them, and the words say so."""
    assert choose_factors("auto", ["lswi", "ta", "ndvi", "soc_0", "precip", "elevation"]) == (
        "ta", "precip", "ndvi", "lswi_growing", "elevation", "soc_0")
    assert choose_factors("auto", ["bio1", "bio12", "npp", "clay"]) == ("bio1", "bio12", "npp", "clay")
    assert "npp stands for NDVI" in stand_ins(("bio1", "bio12", "npp", "clay"))
    assert "elevation is lacking" in stand_ins(("ta", "precip"))
    assert choose_factors("tem; pre", ["ta", "precip"]) == ("ta", "precip")


@pytest.mark.parametrize(("given_", "features", "words"), [
    ("auto", ["vpd", "ta"], "at least two factors"), ("ta;wind", ["ta"], "needs the driver wind"),
    ("ta;tem", ["ta"], "twice"), (";", ["ta"], "twice"), ("lswi_growing", ["lswi"], "needs ta or ndvi")])
def test_factors_that_cannot_be(given_, features, words):
    """Factors that are not there, or named twice, are refused in words."""
    with pytest.raises(ConfigError, match=words):
        choose_factors(given_, features)


def test_growing_season():
    """Months above 5 degC; without any, the three of the highest NDVI; without NDVI, the three warmest."""
    warm = np.array([[-9, -7, 0, 6, 9, 15, 18, 17, 11, 5, 0, -5.0]])
    cold = warm - 30
    ndvi = np.roll(np.arange(12.0), 3)[None]
    assert np.flatnonzero(growing_season(warm, ndvi)[0]).tolist() == [3, 4, 5, 6, 7, 8]
    assert np.flatnonzero(growing_season(cold, ndvi)[0]).tolist() == [0, 1, 2]
    assert np.flatnonzero(growing_season(cold, None)[0]).tolist() == [5, 6, 7]
    assert not growing_season(np.full((1, 12), np.nan), ndvi).any()


def test_factor_values():
    """A factor is the mean of twelve months, or of the growing season; a gap stays one."""
    months = np.arange(12.0)
    climate = np.stack([months, np.where(months > 5, 1.0, 9.0), np.where(months == 3, np.nan, 1.0)], axis=1)[None]
    found = factor_values(climate, ("ta", "lswi", "precip"), ("ta", "lswi_growing", "precip"))
    assert found[0, 0] == 5.5 and found[0, 1] == 1.0 and np.isnan(found[0, 2])


def test_too_few_or_equal_sites():
    """Fewer sites than zones, and factors that never differ, are refused in words."""
    with pytest.raises(SampleError, match="2 sites have all factors"):
        learn_zones(places(2), NAMES, 3)
    with pytest.raises(SampleError, match="are the same at all 9 sites"):
        learn_zones(np.ones((9, 4)), NAMES, 2)


def test_table_of_numbers():
    """The row of three zones wins for three climates; too small zones are not taken."""
    table = make_zonal()
    values = factor_values(table.X[:, 3:].reshape(-1, 12, 3), FEATURES, ("ta", "precip"))
    rows = compare_counts(values, ("ta", "precip"), table.site, table.X[:, :3], table.y, table.group % 5,
                          counts=range(2, 6), least=90, trees=10)
    assert [row.zones for row in rows] == [2, 3, 4, 5]
    assert [row.inertia for row in rows] == sorted((row.inertia for row in rows), reverse=True)
    three = rows[1]
    assert three.silhouette == max(row.silhouette for row in rows) and three.min_sites == 5
    assert three.davies_bouldin == min(row.davies_bouldin for row in rows) and three.min_records == 180
    assert best_count(rows, 90) == 3 and three.r2 > rows[0].r2
    assert best_count(rows, 500) is None


def test_unknown_errors_never_win():
    """A number of zones without an error is not taken, and is written as nothing."""
    row = ZoneCount(2, 1.0, float("nan"), 1.0, 1.0, 5, 500, float("nan"), float("nan"))
    assert best_count([row]) is None and row.to_dict()["rmse"] is None and row.to_dict()["zones"] == 2
