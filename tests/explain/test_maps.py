"""Shares, groups and the dominant driver."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.explain.maps import AbsoluteSum, dominant_driver, group_shares, shares


def contributions_over_time(times=24, p=5, seed=0):
    rng = np.random.default_rng(seed)
    phi = rng.normal(size=(times, p, 6, 7)) * np.arange(1, p + 1)[:, None, None]
    phi[:, :, 0, 0] = np.nan
    phi[3:9, :, 2, 2] = np.nan
    phi[:, :, 1, 1] = 0.0
    return phi


def test_shares_by_definition():
    """Share k is the mean absolute contribution of k over that of all; both over the valid months."""
    phi = contributions_over_time()
    total = AbsoluteSum(5, (6, 7))
    maps = np.moveaxis(phi, 1, 0)
    for first, last, start, stop in ((0, 3, 0, 10), (3, 5, 0, 10), (0, 3, 10, 24), (3, 5, 10, 24)):
        total.add(first, maps[first:last, start:stop])
    share = shares(total.total)
    valid = ~np.isnan(share[0])
    assert np.isnan(share[:, 0, 0]).all() and np.isnan(share[:, 1, 1]).all() and valid.sum() == 40
    np.testing.assert_allclose(share.sum(axis=0)[valid], 1, atol=1e-12)
    mean = np.nanmean(np.abs(phi[:, :, 2, 2]), axis=0)
    np.testing.assert_allclose(share[:, 2, 2], mean / mean.sum(), rtol=1e-12)


def test_groups_add_up():
    """Group shares are the sums of their drivers' and add up to 1; a group without drivers has 0."""
    share = shares(np.random.default_rng(1).random((4, 3, 3)))
    groups = group_shares(share, ("environment", "biotic", "environment", "biotic"))
    np.testing.assert_allclose(groups.sum(axis=0), 1, atol=1e-12)
    np.testing.assert_allclose(groups[0], share[0] + share[2], atol=1e-15)
    assert (groups[2] == 0).all()


def test_published_group_shares_are_whole():
    """The three published global shares are one whole."""
    assert sum((44.15, 25.91, 29.94)) == pytest.approx(100.0, abs=1e-9)


def test_dominant_driver():
    """The largest share wins, the first of equals, and nodata stays nodata."""
    share = np.array([[0.2, 0.4, np.nan], [0.5, 0.4, np.nan], [0.3, 0.2, np.nan]])
    np.testing.assert_array_equal(dominant_driver(share), [2, 1, np.nan])
    assert np.isnan(group_shares(share, ("biotic",) * 3)[:, 2]).all()
