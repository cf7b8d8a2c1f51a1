"""Eight pixels side by side: networks sort, brackets may miss, and nothing depends on how a map is cut."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reco_core import threads
from reco_core.deps import jit
from reco_core.trends import engine, trend_maps
from reco_core.trends.engine import Layout, own_run, padded
from reco_core.trends.kernels import BUCKETS, COLUMNS, HIGH, LOW, MEAN, SLOPE, at_rank, order_roughly
from reco_core.trends.maps import NAMES
from reco_core.trends.vectors import LANES, exchange, sorting_network


@jit
def carry_out(rows, network):
    """Exchange what a network says."""
    flat = rows.ravel()
    for k in range(network.shape[0]):
        exchange(flat, np.int64(network[k, 0]), np.int64(network[k, 1]))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 190, 301])
def test_networks_sort(size):
    """Each lane is sorted by itself, infinities last."""
    rng = np.random.default_rng(size)
    rows = rng.integers(-9, 9, (size, LANES)) + rng.choice([0.0, 0.5], (size, LANES))
    rows[rng.random(rows.shape) < 0.2] = np.inf
    expected = np.sort(rows, axis=0)
    carry_out(rows, sorting_network(size))
    assert np.array_equal(rows, expected)


@pytest.mark.parametrize("ends", [(0.0, 1.0), (-np.inf, 1.0), (0.5, 0.5), (0.0, 5e-324)])
@pytest.mark.parametrize("spread", ["even", "skewed", "equal", "outside"])
def test_ranks_of_values_in_buckets(spread, ends):
    """The value of a rank is that of sorting, whether or not values are spread as supposed."""
    rng = np.random.default_rng(0)
    values = {"even": rng.random(900), "skewed": rng.random(900) ** 9, "equal": np.full(900, 0.5),
              "outside": 5 - 10 * rng.random(900)}[spread]
    bucket, starts, ordered = np.empty(950, np.int32), np.empty(BUCKETS + 1, np.int64), np.empty(950)
    order_roughly(np.append(values, np.full(50, np.nan)), 900, *ends, bucket, starts, ordered)
    for k in (449, 0, 1, 450, 898, 899):
        assert at_rank(ordered, starts, k) == np.sort(values)[k]


@pytest.mark.parametrize("digits", [None, 0])
def test_a_bracket_that_misses(digits):
    """A sample that says nothing about the rest leads to the same result, by way of all slopes."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(70, 19)) * 3 + 0.1 * np.arange(70)[:, None]
    values[rng.random(values.shape) < 0.1] = np.nan
    rows = padded(values if digits is None else np.round(values, digits))
    layout = Layout.of(np.arange(70.0), np.zeros(70, dtype=int))
    assert not layout.sorts_all
    steep = np.argsort(layout.spans, kind="stable")[:64]  # neighbours only
    poor = replace(layout, sampled=np.sort(steep), network=sorting_network(64))
    every = replace(layout, sampled=np.arange(layout.first.size), network=sorting_network(layout.first.size))
    tables = [np.empty((19, COLUMNS)) for _ in range(3)]
    for one, table in zip((layout, poor, every), tables):
        own_run(rows, np.ones(19), table, layout=one, fewest=3, z_level=1.96)
    assert every.sorts_all and np.isfinite(tables[0][:, [SLOPE, LOW, HIGH]]).all()
    assert np.array_equal(tables[0], tables[2]) and np.array_equal(tables[1], tables[2])
    np.testing.assert_allclose(tables[0][:, MEAN], np.nanmean(rows[:, :19], axis=0), rtol=1e-12)


@pytest.mark.parametrize("method", ["plain", "seasonal", "hamed_rao"])
@pytest.mark.parametrize("n", [24, 72])
def test_pieces_and_threads_give_the_same_bits(n, method, monkeypatch):
    """However a map is cut, and however many threads there are, the bytes are the same."""
    rng = np.random.default_rng(n)
    values = np.round(rng.normal(size=(n, 700)).cumsum(axis=0), 1)
    values[rng.random(values.shape) < 0.1] = np.nan
    times = 2001 + np.arange(n) / 12
    whole = trend_maps(values, times, method=method)
    parts = [trend_maps(values[:, a:a + 131], times, method=method) for a in range(0, 700, 131)]
    monkeypatch.setattr(threads, "available_cores", lambda: 1)
    monkeypatch.setattr(engine, "pixels_per_task", lambda length: 64)
    alone = trend_maps(values, times, method=method)
    for name in NAMES:
        assert whole[name].tobytes() == np.concatenate([part[name] for part in parts]).tobytes()
        assert whole[name].tobytes() == alone[name].tobytes()
