"""Models side by side: the same rows for all, scales that add up, and differences that cancel what all find hard."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.evaluation.league import SCALES, Rows, common_rows, league_rows, season_of, to_scale, training_mean
from reco_core.evaluation.metrics import score
from tables import make_table


def rows_of(table, lat=50.0):
    season = season_of(table.step % 12 + 1, np.full(len(table), lat))
    return Rows(table.y, table.site, table.stratum, table.group, season, table.season)


@pytest.fixture(scope="module")
def rows():
    return rows_of(make_table())


def estimates_of(rows, seed=0):
    rng = np.random.default_rng(seed)
    good = rows.observed + rng.normal(0, 5, (2, len(rows.observed)))
    return {"good": good, "poor": rows.observed[::-1] + np.zeros((2, 1))}


def test_seasons_turn_round_in_the_south():
    """December to February is winter in the north and summer in the south."""
    month = np.arange(1, 13)
    north, south = season_of(month, np.full(12, 40.0)), season_of(month, np.full(12, -40.0))
    assert north[[11, 0, 1]].tolist() == ["winter"] * 3 and south[[11, 0, 1]].tolist() == ["summer"] * 3
    assert north[3] == "spring" and south[3] == "autumn"


def test_common_rows_need_every_model_in_every_assignment():
    """One gap in one assignment of one model takes the sample from all."""
    a, b = np.ones((2, 4)), np.ones((2, 4))
    a[1, 2] = b[0, 0] = np.nan
    assert common_rows({"a": a, "b": b}).tolist() == [False, True, False, True]


def test_scales_add_up(rows):
    """Site mean, seasonal cycle and anomaly of a value add up to it; means of classes are means over sites."""
    y = rows.observed
    sites, means = to_scale(y, rows, "site_mean")
    of_cycle, cycle = to_scale(y, rows, "seasonal_cycle")
    _, anomaly = to_scale(y, rows, "anomaly")
    months = {(site, part): value for site, part, value in zip(of_cycle, np.tile(np.arange(12), len(sites)), cycle)}
    again = [dict(zip(sites, means))[site] + months[site, part] for site, part in zip(rows.site, rows.part)]
    np.testing.assert_allclose(again + anomaly, y, rtol=1e-12)
    assert cycle.reshape(len(sites), 12).mean(axis=1) == pytest.approx(0, abs=1e-9)
    classes, mean = to_scale(y, rows, "class_mean")
    enf = [means[list(sites).index(site)] for site in np.unique(rows.site[rows.stratum == "ENF"])]
    assert mean[list(classes).index("ENF")] == pytest.approx(np.mean(enf))


def test_league_has_every_level(rows):
    """Each model has rows pooled, of each scale, class, season and site, on the same number of samples."""
    table = league_rows(rows, estimates_of(rows), scheme="grouped", reference="poor")
    levels = {level: sum(row["level"] == level for row in table if row["run"] == "good")
              for level in ("pooled", *SCALES, "class", "season", "site")}
    assert levels == {"pooled": 1, **dict.fromkeys(SCALES, 1), "class": 3, "season": 4, "site": 12}
    pooled = {row["run"]: row for row in table if row["level"] == "pooled"}
    estimates = estimates_of(rows)["good"]
    assert pooled["good"]["mae"] == pytest.approx(np.mean([score(rows.observed, item)["mae"] for item in estimates]))
    assert pooled["good"]["n"] == pooled["poor"]["n"] == len(rows.observed)
    assert pooled["good"]["d_r2_nse"] == pytest.approx(pooled["good"]["r2_nse"] - pooled["poor"]["r2_nse"])
    assert pooled["good"]["d_r2_nse_low"] > 0 and pooled["good"]["share_better"] == 1.0
    assert "d_r2_nse" not in pooled["poor"] and pooled["good"]["worst_sites_share"] < 1
    site = next(row for row in table if row["level"] == "site_mean" and row["run"] == "good")
    assert site["n"] == 12 and site["rmse"] < 0.4 * pooled["good"]["rmse"]


def test_differences_cancel_what_is_hard_for_all(rows):
    """An error that both models share, however large, does not widen the range of their difference."""
    hard = np.where(rows.group == 0, 200.0, 0.0)
    base = estimates_of(rows)["good"]
    pair = {"one": base, "two": base + np.random.default_rng(1).normal(0, 2, base.shape)}
    both = {label: values + hard for label, values in pair.items()}
    table = [row for row in league_rows(rows, both, scheme="grouped", reference="two") if row["level"] == "pooled"]
    own, gap = table[0], table[0]["d_mae_high"] - table[0]["d_mae_low"]
    assert gap < 0.1 * (own["mae_high"] - own["mae_low"])


def test_annual_tables_have_no_cycle():
    """Without parts of the year there are neither seasonal cycles nor anomalies nor seasons."""
    table = make_table()
    rows = Rows(table.y, table.site, table.stratum, table.group, np.full(len(table), ""), np.zeros(len(table), int))
    levels = {row["level"] for row in league_rows(rows, estimates_of(rows), scheme="grouped", reference="good")}
    assert levels == {"pooled", "site_mean", "class_mean", "class", "site"}


def test_floor_does_not_see_what_is_held_out():
    """The mean of the training rows changes with the fold and skips rows that are never held out."""
    estimate = training_mean(np.array([1.0, 3.0, 5.0, 9.0]), np.array([[0, 1, 0, -1]]))
    np.testing.assert_array_equal(estimate, [[6.0, 5.0, 6.0, np.nan]])
