"""Causal links: a known world, the reference program, ways to gather sites, and weights."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from reco_core.errors import ConfigError, MissingDependency, SampleError
from reco_core.models import causal_links
from reco_core.models.causal_links import Links, check_weights, feature_weights, find_links
from reco_core.models.table import Table
from tables import make_table, to_table

TER_DRIVERS = ("Air_temperature Soil_temperature VPD SWC Precipation SOC_0 SOC_10 SOC_30 LAI BS PV NPV CI").split()
PUBLISHED = {("EBF", "CI"): -0.550733, ("EBF", "SWC"): -0.094596, ("SHR", "Precipation"): 0.265418,
             ("SHR", "NPV"): -0.346964, ("MF", "Air_temperature"): 0.176532, ("MF", "LAI"): 0.102972}


def known_world(seed, sites=30, months=120):
    """Return TER = .7 T + .5 L + .3 S + .5 e, Z = .8 T + .6 e' with S constant in a site."""
    rng = np.random.default_rng(seed)
    n = sites * months
    T, L, e, e2 = rng.normal(size=(4, n))
    site = np.repeat(np.arange(sites), months)
    S = rng.normal(size=sites)[site]
    step = np.tile(np.arange(months), sites)
    X = np.column_stack([T, L, 0.8 * T + 0.6 * e2, S])
    return Table(X, 0.7 * T + 0.5 * L + 0.3 * S + 0.5 * e, site, ("T", "L", "Z", "S"), site.astype(str),
                 np.full(n, "ENF"), step, step % 12, 2001 + step // 12)


@pytest.mark.parametrize("seed", range(5))
def test_known_world(seed):
    """Causes are found, what only shares a cause is not, and what is constant in a site is seen across sites."""
    T, L, Z, S = find_links(known_world(seed)).effects
    assert T > 0.4 and L > 0.4 and abs(Z) < 0.05 and S > 0.1


def test_single_sites_cannot_see_what_is_constant_in_them():
    """A run of one site has no value for S; site_mean then takes the pooled one."""
    table = known_world(0)
    one = find_links(table.take(table.group == 0))
    assert np.isnan(one.effects[3]) and np.isfinite(one.effects[:3]).all()
    mean, pooled = find_links(table, "site_mean"), find_links(table)
    assert mean.effects[3] == abs(pooled.effects[3])
    assert mean.effects[0] > 0.4 and mean.effects[2] < 0.15


@cache
def ter_frame(path):
    return pd.read_csv(path / "ter_site_month_drivers.csv.gz")


@pytest.mark.parametrize("label", ["CRO", "DBF", "EBF", "ENF", "GRA", "MF", "SAV", "SHR"])
def test_equals_tigramite_on_real_towers(real_data, label):
    """Effects and p of every class of the shared towers equal those of the reference program to 1e-6."""
    pytest.importorskip("tigramite", reason="the extra 'causal' is not installed")
    frame = ter_frame(real_data("flux_ter_causal_xgb_monthly"))
    table = to_table(frame[frame.type == label], TER_DRIVERS)
    own, reference = find_links(table), find_links(table, engine="tigramite")
    assert own.rows == reference.rows and own.rows > 200
    np.testing.assert_allclose(own.effects, reference.effects, atol=1e-6)
    np.testing.assert_allclose(own.p_values, reference.p_values, atol=1e-6)
    assert [bool(mark) for mark in own.marks] == [bool(mark) for mark in reference.marks]


def test_published_effects():
    """The six effects printed with the method, where its full table is given (RECO_TER_TABLE)."""
    path = os.environ.get("RECO_TER_TABLE")
    if not path:
        pytest.skip("set RECO_TER_TABLE to the full public table of 135 towers")
    frame = pd.read_csv(path).rename(columns={"Precipitation": "Precipation"})
    frame[TER_DRIVERS] = frame[TER_DRIVERS].fillna(0.0)  # as the authors did
    for (label, driver), effect in PUBLISHED.items():
        mine = frame[frame.type.str.strip(".") == label]
        found = find_links(to_table(mine, TER_DRIVERS))
        assert found.effects[TER_DRIVERS.index(driver)] == pytest.approx(effect, abs=1e-6)


def test_gathered_by_class():
    """Each class has links of its own; the whole has their mean, weighted by rows."""
    table = make_table(sites=9)
    links = find_links(table, "by_pft")
    assert set(links.by_class) == {"ENF", "GRA", "DBF"}
    alone = find_links(table.take(table.stratum == "GRA"))
    np.testing.assert_array_equal(links.by_class["GRA"].effects, alone.effects)
    rows = np.array([part.rows for part in links.by_class.values()])
    sizes = np.abs([part.effects for part in links.by_class.values()])
    np.testing.assert_allclose(links.effects, (rows[:, None] * sizes).sum(axis=0) / rows.sum())
    np.testing.assert_array_equal(links.weights("nowhere"), feature_weights(links.effects))


def test_sites_left_out_are_named():
    """A site with one year tells nothing of how years differ; a short one has no run of its own."""
    table = make_table(sites=6)
    short = (table.group == 2) & (table.year > 2001)
    links = find_links(table.take(~short))
    assert links.skipped == {"XX-002": "fewer than 2 years"} and links.sites == 5
    few = ~((table.group == 3) & (table.step % 12 > 1))
    links = find_links(table.take(few), "site_mean")
    assert links.skipped == {"XX-003": "fewer than 9 complete samples"}


def test_classes_left_out_are_named():
    """Sites without a class and classes with a handful of samples have no links of their own."""
    table = make_table(sites=9)
    few = (table.stratum != "DBF") | ((table.group == 2) & np.isin(table.step, [0, 12, 13]))
    table = table.take(few)
    table = replace(table, stratum=np.where(table.group == 0, "", table.stratum))
    links = find_links(table, "by_pft")
    assert set(links.by_class) == {"ENF", "GRA"}
    assert links.skipped == {"class DBF": "fewer than 9 complete samples", "sites without a class": "no class is known"}


def test_gaps_are_left_out():
    """A row with a gap does not count; the rest decides."""
    table = make_table()
    X = table.X.copy()
    X[::7, 1] = np.nan
    links = find_links(replace(table, X=X))
    assert links.rows == np.isfinite(X).all(axis=1).sum()
    np.testing.assert_array_equal(links.effects, find_links(table.take(np.isfinite(X).all(axis=1))).effects)


def test_anomalies_take_the_season_away():
    """Two drivers that share nothing with respiration but the season are linked only by it."""
    table = make_table(sites=20, rows=60, noise=20)
    rng = np.random.default_rng(2)
    season = np.sin(2 * np.pi * table.step / 12)
    table = replace(table, X=np.column_stack([5 * season + rng.normal(size=len(table)), table.X[:, 2]]),
                    y=50 + 30 * season + 3 * rng.normal(size=len(table)), features=("ta", "soc_0"))
    values, anomaly = find_links(table), find_links(table, within_site="anomaly")
    assert abs(values.effects[0]) > 0.5 and abs(anomaly.effects[0]) < 0.1
    assert np.isfinite(anomaly.effects[1])


@pytest.mark.parametrize("engine", ["own", "tigramite"])
def test_finds_a_lag(engine):
    """Both engines find the lag that was put in, and its direction."""
    pytest.importorskip("tigramite", reason="the extra 'causal' is not installed")
    rng = np.random.default_rng(4)
    sites, months = 4, 150
    x = rng.normal(size=(sites, months))
    y = 0.3 * rng.normal(size=(sites, months))
    y[:, 2:] += x[:, :-2]
    step = np.tile(np.arange(months), sites)
    group = np.repeat(np.arange(sites), months)
    keep = rng.random(group.size) > 0.03
    table = Table(np.column_stack([x.ravel(), rng.normal(size=group.size)]), y.ravel(), group, ("x", "u"),
                  group.astype(str), np.full(group.size, ""), step, step % 12, 2001 + step // 12).take(keep)
    links = find_links(table, max_lag=2, engine=engine)
    assert links.lags[0] == 2 and links.effects[0] > 0.8 and links.marks[0] == "-->"
    assert abs(links.effects[1]) < 0.2


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("max_lag", [0, 1])
@pytest.mark.parametrize("within_site", ["values", "anomaly"])
def test_drivers_missing_at_a_site(within_site, max_lag):
    """A driver without a value at one site, and one without any: no warnings, and no effect of the latter."""
    if max_lag:
        pytest.importorskip("tigramite", reason="the extra 'causal' is not installed")
    table = make_table(sites=4)
    X = np.column_stack([table.X, np.full(len(table), np.nan)]) if max_lag else table.X.copy()
    X[table.group == 0, 1] = np.nan
    links = find_links(replace(table, X=X, features=tuple("abcd"[:X.shape[1]])), max_lag=max_lag,
                       within_site=within_site)
    assert np.isfinite(links.effects[:3]).all() and np.isnan(links.effects[3:]).all()


def test_a_site_where_nothing_changes():
    """It says nothing, and the mean over sites is that of the others."""
    table = make_table(sites=4)
    still = table.group == 0
    table = replace(table, X=np.where(still[:, None], 1.0, table.X), y=np.where(still, 2.0, table.y))
    links, others = find_links(table, "site_mean"), find_links(table.take(~still), "site_mean")
    np.testing.assert_array_equal(links.effects[:2], others.effects[:2])
    nothing = find_links(table.take(still))
    assert np.isnan(nothing.effects).all() and np.isnan(nothing.p_values).all() and set(nothing.marks) == {""}


def test_no_lag_of_a_mean():
    """Where runs with lags of their own are averaged no lag is told; without lags it is 0."""
    pytest.importorskip("tigramite", reason="the extra 'causal' is not installed")
    links = find_links(make_table(sites=3, rows=36), "site_mean", max_lag=1)
    assert set(links.lags) == {None} and Links.from_dict(links.to_dict()).to_dict() == links.to_dict()
    assert {row["lag"] for row in links.records()} == {None}
    assert set(find_links(make_table(sites=3), "site_mean").lags) == {0}


def test_tigramite_missing(monkeypatch):
    """Without the extra the message says how to install it."""
    monkeypatch.setitem(__import__("sys").modules, "tigramite.data_processing", None)
    with pytest.raises(MissingDependency) as caught:
        find_links(make_table(sites=4), engine="tigramite")
    assert "reco[causal]" in caught.value.hint


def test_too_few_rows():
    """A handful of samples gives no links; the message counts them."""
    with pytest.raises(SampleError, match="5 complete samples are too few"):
        find_links(replace(make_table(), year=np.zeros(432, dtype=int)).take(np.arange(5)))
    with pytest.raises(SampleError, match="None of the 3 sites"):
        find_links(make_table(sites=3, rows=10))


def test_weights():
    """Weights follow the size of the effect, none is 0, and they add up to the number of drivers."""
    weights = feature_weights(np.array([0.5, -0.25, 0.0, np.nan]))
    np.testing.assert_allclose(weights / weights[0], [1, 0.5, 0.01, 0.01])
    assert weights.sum() == pytest.approx(4)


@pytest.mark.parametrize("effects", [[0.0, 0.0], [np.nan, np.nan], []])
def test_no_effect_at_all(effects):
    """Weights that would all be 0 are refused."""
    with pytest.raises(ConfigError, match="all feature weights would be 0"):
        feature_weights(np.array(effects))


@pytest.mark.parametrize(("weights", "words"), [
    ([1, -0.1, 2], "negative or missing"), ([1, np.nan, 2], "negative or missing"), ([0, 0, 0], "All feature weights"),
    ([1, 2], "2 feature weights for 3 features")])
def test_weights_that_make_no_sense(weights, words):
    """Negative, missing, all-zero weights and the wrong number of them are refused."""
    with pytest.raises(ConfigError, match=words):
        check_weights(weights, 3)


@pytest.mark.parametrize(("options", "words"), [
    ({"mode": "magic"}, "'magic'"), ({"engine": "magic"}, "'magic'"), ({"within_site": "magic"}, "'magic'")])
def test_unknown_choices(options, words):
    """A choice that does not exist is named."""
    with pytest.raises(ConfigError, match=words):
        find_links(make_table(sites=4), **options)


def test_to_plain_data_and_back():
    """Links survive as JSON, NaN as null."""
    links = find_links(known_world(0).take(np.arange(120)))
    data = links.to_dict()
    assert data["effects"][3] is None
    back = Links.from_dict(data)
    np.testing.assert_array_equal(back.effects, links.effects)
    assert back.to_dict() == data
    assert [row["driver"] for row in back.records()] == ["T", "L", "Z", "S"]
    assert causal_links.CITATION.startswith("Runge")
