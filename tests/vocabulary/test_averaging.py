"""Daily means of values measured several times a day."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_core.errors import ConfigError
from reco_core.vocabulary.averaging import SUBDAILY, daily_means

START = np.datetime64("2004-02-28T00:00", "m")
RECORDS = st.lists(st.tuples(st.integers(0, 4 * 1440 - 1), st.one_of(st.just(np.nan), st.floats(-5, 50))),
                   min_size=1, max_size=80)


@given(RECORDS, st.sampled_from(SUBDAILY))
def test_means_lie_between_their_values(records, how):
    """Each day of the leap February is there once, its count is right, and its mean is no invention."""
    times = START + np.array([minute for minute, _ in records])
    values = np.array([value for _, value in records])
    days, means, counts = daily_means(times, values, how)
    assert np.array_equal(days, np.unique(times.astype("datetime64[D]")))
    for day, mean, count in zip(days, means, counts):
        mine = values[times.astype("datetime64[D]") == day]
        mine = mine[np.isfinite(mine)]
        assert count == mine.size
        assert np.isnan(mean) if mine.size == 0 else mine.min() - 1e-9 <= mean <= mine.max() + 1e-9


@given(st.lists(st.floats(-5, 50), min_size=96, max_size=96), st.permutations(range(96)))
def test_full_days_need_no_rule(values, order):
    """Where every half-hour is there, both ways give the mean of the day, in any order of the rows."""
    times, values = START + 30 * np.arange(96), np.array(values)
    for how in SUBDAILY:
        _, means, counts = daily_means(times[list(order)], values[list(order)], how)
        np.testing.assert_allclose(means, values.reshape(2, 48).mean(axis=1), rtol=1e-9, atol=1e-9)
        assert counts.tolist() == [48, 48]


def test_a_well_sampled_hour_counts_once():
    """Ten values at noon and one at midnight: hours first gives their middle."""
    times = START + np.array([0, *range(720, 730)])
    values = np.array([2.0, *[4.0] * 10])
    assert daily_means(times, values)[1].tolist() == [3.0]
    assert daily_means(times, values, "flat")[1].tolist() == [pytest.approx(42 / 11)]


def test_several_series_at_once():
    """Rows are averaged each by itself."""
    times = START + 60 * np.arange(48)
    _, means, counts = daily_means(times, np.stack([np.ones(48), np.where(np.arange(48) < 24, np.nan, 2.0)]))
    np.testing.assert_array_equal(means, [[1, 1], [np.nan, 2]])
    assert counts.tolist() == [[24, 24], [0, 24]]


def test_unknown_way_is_refused():
    """The choices are named."""
    with pytest.raises(ConfigError, match="'weekly' is no way") as caught:
        daily_means(np.array([START]), np.ones(1), "weekly")
    assert "flat" in caught.value.hint
