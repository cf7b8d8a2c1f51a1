"""Forests of zones: better than one forest where zones differ, the same where there is one, honest about poor zones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reco_core.errors import ArtifactError, Cancelled, ConfigError, SampleError
from reco_core.evaluation.crossval import cross_validate
from reco_core.explain.engine import Engine
from reco_core.models.base import FittedModel
from reco_core.models.ensemble import Recipe, fit_folds
from reco_core.models.registry import model_class
from reco_core.models.zonal_forest import ZonalForest
from reco_core.models.zone_presets import TABLE1, preset_drivers
from reco_core.progress import Progress
from reco_core.samples.splits import assign_folds
from reco_core.vocabulary.variables import GROUPS
from zonal import FEATURES, make_zonal

pytest.importorskip("sklearn")
QUICK = "n_estimators=20,eliminate=no,factors=ta;precip"


def recipe(settings, seeds=(1,)):
    return Recipe("zonal_forest", settings=settings, seeds=seeds)


def fitted(table, settings=f"zones=3,{QUICK}", seeds=(1,)):
    return ZonalForest(settings=settings).fit(table.X, table.y, group=table.group, seeds=seeds, features=FEATURES)


def narrow(table):
    return replace(table, X=table.X[:, :3])


def test_one_zone_is_the_unified_forest():
    """With one zone the model is the forest of all rows, grown by scikit-learn from the same seed."""
    from sklearn.ensemble import RandomForestRegressor

    table = narrow(make_zonal())
    found = fitted(table, "zones=1,n_estimators=40,eliminate=no")
    rows = table.X.astype("float32")
    theirs = RandomForestRegressor(40, min_samples_leaf=5, max_features=1, random_state=1).fit(rows, table.y)
    np.testing.assert_allclose(found.predict(rows), theirs.predict(rows), rtol=1e-6)
    assert found.context.is_empty and found.route(rows, None).tolist() == ["all"] * len(rows)


def test_a_zone_of_all_sites_is_the_unified_forest():
    """Where every zone is too poor the unified forest serves all: the same estimates as with one zone."""
    table = make_zonal()
    poor, unified = fitted(table, f"zones=3,min_records=5000,{QUICK}"), fitted(narrow(table), f"zones=1,{QUICK}")
    np.testing.assert_array_equal(poor.predict(table.X), unified.predict(table.X[:, :3]))
    assert any("Too few" in line for line in poor.remarks())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_zonal_beats_unified(seed):
    """On the same folds and drivers the zonal R2 is above the unified one when slopes are opposite by zone."""
    table = make_zonal(seed=seed, spread=1.5)
    scores = []
    for settings, rows in (("zones=3", table), ("zones=1", narrow(table))):
        found = cross_validate(rows, recipe(f"{settings},{QUICK}"), folds=5, processes=1)
        scores.append(1 - np.square(found.estimates[0] - found.observed).sum() / np.square(
            found.observed - found.observed.mean()).sum())
    assert scores[0] > scores[1]


def test_each_site_is_held_out_once():
    """Leaving one site out tests each site exactly once, and every row has an estimate."""
    table = make_zonal(sites=9, rows=24)
    found = cross_validate(table, recipe(f"zones=3,min_records=30,min_sites=2,{QUICK}"), scheme="loso", processes=1)
    by_site = {site: np.unique(found.fold[0][table.site == site]) for site in np.unique(table.site)}
    assert all(folds.size == 1 for folds in by_site.values())
    assert len({int(folds[0]) for folds in by_site.values()}) == 9 and np.isfinite(found.estimates).all()


def test_zones_are_learned_without_the_held_out_site():
    """A held-out site cannot move the zones: changing its climate changes nothing that is learned."""
    table = make_zonal()
    fold = assign_folds(table.group, 3)
    training = table.take(fold != 0)
    moved = table.X.copy()
    moved[fold == 0] += 500
    again = replace(table, X=moved).take(fold != 0)
    model = ZonalForest(settings=f"zones=3,{QUICK}")
    assert model.prepare(training) == model.prepare(again)


def test_auto_finds_the_zones():
    """The number of zones with the least error on inner folds is taken, and the table is kept."""
    found = fitted(make_zonal(), f"zones=auto,{QUICK}")
    assert found.plan_.zones.count == 3
    assert [row["zones"] for row in found.plan_.counts][:2] == [2, 3]
    rows = {(row.label, row.name): row.value for row in found.parameters()}
    assert ("all", "RMSE with 3 zones") in rows and rows["zone1", "sites"] == 5


def test_elimination_keeps_what_matters():
    """Each zone chooses its own drivers: leaf area stays everywhere."""
    found = fitted(make_zonal(spread=3.0), "zones=3,n_estimators=20,factors=ta;precip")
    assert all(FEATURES.index("lai") in kept for kept in found.plan_.drivers.values())
    assert min(len(kept) for kept in found.plan_.drivers.values()) < 3


@pytest.mark.parametrize("soft", ["no", "yes"])
def test_contributions_add_up(soft):
    """Contributions and base value are the estimate, with whole zones and with blended ones."""
    table = make_zonal()
    found = fitted(table, f"zones=3,soft={soft},{QUICK}", seeds=(1, 2))
    phi = found.contributions(table.X)
    assert phi.shape == (len(table), 4)
    np.testing.assert_allclose(phi.sum(axis=1), found.predict(table.X), atol=1e-6)


@pytest.mark.parametrize("soft", ["no", "yes"])
def test_engine_is_the_model(soft):
    """The fast way through tables gives what the model itself says."""
    table = make_zonal()
    whole = fit_folds(table, assign_folds(table.group, 3), recipe(f"zones=3,min_records=30,soft={soft},{QUICK}"),
                      processes=1)
    rows = table.X.astype("float32")
    estimate, phi = Engine(whole).explain(rows)
    np.testing.assert_allclose(phi, whole.contributions(rows), atol=1e-4)
    np.testing.assert_allclose(estimate.mean, whole.estimate(rows).mean, rtol=1e-12)


def test_interactions_where_no_zone_is_known():
    """A place whose factors are missing has no estimate and no interactions; the others have theirs."""
    table = make_zonal()
    whole = fit_folds(table, assign_folds(table.group, 3), recipe(f"zones=3,min_records=30,max_depth=4,{QUICK}"),
                      processes=1)
    rows = table.X[:60].astype("float32")
    expected = Engine(whole).interactions(rows, GROUPS)
    rows[::7, 3:] = np.nan
    found, gone = Engine(whole).interactions(rows, GROUPS), np.arange(60) % 7 == 0
    assert np.isfinite(expected).all() and np.isnan(whole.estimate(rows).mean[gone]).all()
    assert np.isnan(found[gone]).all() and np.array_equal(found[~gone], expected[~gone])


def test_blending_leaves_no_seam():
    """Between two zones the blended estimate changes little by little where the whole one jumps."""
    table = make_zonal(spread=2.0)
    way = np.linspace(0, 1, 201)[:, None]
    ends = [table.X[table.site == f"XX-00{k}"][0] for k in (1, 2)]
    path = ends[0] * (1 - way) + ends[1] * way
    path[:, :3] = ends[0][:3]
    jumps = {soft: np.abs(np.diff(fitted(table, f"zones=3,soft={soft},{QUICK}").predict(path))).max()
             for soft in ("no", "yes")}
    assert jumps["yes"] < 0.5 * jumps["no"]


def test_a_place_without_factors_has_no_estimate():
    """A missing month is no zone and no estimate; a missing driver takes the median."""
    table = make_zonal()
    found, rows = fitted(table), table.X[:4].copy()
    rows[0, 3 + 0] = np.nan
    rows[1, 2] = np.nan
    estimate = found.predict(rows)
    assert np.isnan(estimate[0]) and np.isfinite(estimate[1:]).all()
    assert np.isnan(found.contributions(rows)[0]).all() and found.route(rows, None)[0] == ""
    gap = table.X.copy()
    gap[table.group == 3, 3] = np.nan
    other = fitted(replace(table, X=gap))
    assert other.plan_.unknown == 36 and any("36 training samples" in line for line in other.remarks())


def test_novel_places():
    """A climate of no site is novel; the sites are not."""
    table = make_zonal()
    found = fitted(table)
    strange = table.X.copy()
    strange[:, 3:] += 60
    assert found.novel(strange).all() and found.novel(table.X).mean() < 0.1
    assert not fitted(narrow(table), f"zones=1,{QUICK}").novel(table.X[:, :3]).any()


def test_parts_give_the_same_bytes():
    """The model taken apart and put together again gives the same estimates to the last bit."""
    table = make_zonal()
    found = fitted(table, seeds=(1, 2))
    meta, blobs = found.to_parts()
    again = ZonalForest.from_parts(meta, blobs)
    assert again.member_predictions(table.X).tobytes() == found.member_predictions(table.X).tobytes()
    assert again.to_parts()[1] == blobs and again.parameters() == found.parameters()
    broken = {**meta, "features": ["ta"]}
    with pytest.raises(ArtifactError):
        ZonalForest.from_parts(broken, blobs)


def test_same_for_any_number_of_processes():
    """Two processes give the bytes of one."""
    table = make_zonal(sites=9, rows=24)
    fold = assign_folds(table.group, 3)
    one, two = (fit_folds(table, fold, recipe(f"zones=2,min_records=30,{QUICK}", seeds=(1, 2)), processes=count)
                for count in (1, 2))
    assert one.to_parts()[1] == two.to_parts()[1]
    assert isinstance(FittedModel.from_parts(*one.to_parts()), FittedModel)


def test_members_share_the_trees():
    """The number of trees in all does not depend on the seeds."""
    table = make_zonal()
    model = ZonalForest(settings=f"zones=3,{QUICK}")
    model.planned_members = 2
    model.fit(table.X, table.y, group=table.group, seeds=(1, 2), features=FEATURES)
    assert [trees.trees for trees in model.members_["zone1"]] == [10, 10]
    assert [weight for weight, _ in model.forests("zone1")] == [0.5, 0.5] and model.forests("") == []


def test_published_drivers():
    """Table I has four sets; a zone takes its own, and what is lacking is named."""
    features = sorted({name for names in TABLE1.values() for name in names})
    assert [features[k] for k in preset_drivers("table1", "zone2", features)] == list(TABLE1["z2"])
    assert len(preset_drivers("table1", "all", features)) == len(features)
    assert [features[k] for k in preset_drivers("z4", "zone1", features)] == list(TABLE1["z4"])
    with pytest.raises(ConfigError, match="need lst_day_max"):
        preset_drivers("z1", "all", ["lswi"])


@pytest.mark.parametrize(("settings", "words"), [
    ("zones=0", "zones is 0"), ("zones=many", "zones is 'many'"), ("factors=ta;wind", "needs the driver wind"),
    ("features=table1,zones=3", "four zones"), ("features=z1,zones=1", "need lst_day_max"),
    ("variant=1996", "variant"), ("trees=5", "no setting 'trees'")])
def test_settings_that_cannot_be(settings, words):
    """Settings that make no sense are refused in words before anything is fitted."""
    with pytest.raises(ConfigError, match=words):
        fitted(make_zonal(sites=6, rows=12), settings)


def test_what_cannot_be_learned():
    """One model per class, hardly any samples, and no site with all factors are refused."""
    table = make_zonal()
    with pytest.raises(ConfigError, match="per zone, not per class"):
        ZonalForest(per_class=True).check(FEATURES)
    with pytest.raises(SampleError, match="5 samples"):
        few = table.take(np.arange(5))
        fitted(few)
    empty = table.X.copy()
    empty[:, 3:] = np.nan
    with pytest.raises(SampleError, match="No site has all factors"):
        fitted(replace(table, X=empty))
    assert "tell zones apart" in ZonalForest().lacking(["vpd"])[0] and ZonalForest().lacking(["ta", "lai"]) == ()


def test_fitting_can_be_stopped():
    """A user who stops is obeyed."""
    table = make_zonal()
    with pytest.raises(Cancelled):
        model_class("zonal_forest")(settings=f"zones=3,{QUICK}").fit(
            table.X, table.y, group=table.group, features=FEATURES, progress=Progress(stopped=lambda: True))
