"""Folds hold out whole tower groups or years, evenly and always the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reco_core.errors import ConfigError, SampleError
from reco_core.samples.splits import assign_folds

SIZES = st.lists(st.integers(1, 60), min_size=2, max_size=40)


@settings(max_examples=80, deadline=None)
@given(sizes=SIZES, seed=st.integers(0, 1000), data=st.data())
def test_no_group_on_both_sides(sizes, seed, data):
    """Each group is in one fold, each fold has records, and folds differ by no more than the largest group."""
    group = np.repeat(np.arange(len(sizes)) * 7 + 3, sizes)
    folds = data.draw(st.integers(2, len(sizes)))
    fold = assign_folds(group, folds, seed=seed)
    assert all(np.unique(fold[group == one]).size == 1 for one in np.unique(group))
    filled = np.bincount(fold, minlength=folds)
    assert filled.min() > 0
    assert filled.max() - filled.min() <= max(sizes)
    np.testing.assert_array_equal(fold, assign_folds(group, folds, seed=seed))


def test_seed_deals_anew():
    """Another seed gives other folds; groups of one size are dealt in turn, in the shuffled order."""
    group = np.repeat(np.arange(20), 5)
    assert not np.array_equal(assign_folds(group, 5, seed=0), assign_folds(group, 5, seed=1))
    order = np.random.default_rng(0).permutation(8)
    assert assign_folds(np.arange(8), 4, seed=0)[order].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]


def test_order_of_records_does_not_matter():
    """A group stays in its fold however the records are sorted."""
    group = np.repeat(np.arange(12), np.arange(1, 13))
    order = np.random.default_rng(1).permutation(group.size)
    np.testing.assert_array_equal(assign_folds(group, 4)[order], assign_folds(group[order], 4))


def test_leave_one_site_out_has_a_fold_per_group():
    """Numbers of groups need not follow each other."""
    assert assign_folds(np.array([5, 5, 9, 2]), scheme="loso").tolist() == [1, 1, 2, 0]


def test_random_folds_are_even():
    """Records are dealt evenly, across sites."""
    fold = assign_folds(np.zeros(103, dtype=int), 10, scheme="random")
    assert sorted(np.bincount(fold)) == [10] * 7 + [11] * 3


def test_temporal_holds_out_the_last_years():
    """The last tenth of the years of a site, but at least one, is fold 0; the rest and single years are trained on."""
    site = np.repeat(["a", "b", "c"], [24, 8, 6])
    year = np.concatenate([np.repeat(np.arange(2000, 2024), 1), np.repeat([2010, 2013], 4), np.full(6, 2015)])
    order = np.random.default_rng(3).permutation(site.size)
    fold = np.empty(site.size, dtype=int)
    fold[order] = assign_folds(np.zeros(site.size), 10, scheme="temporal", site=site[order], year=year[order])
    assert set(year[(fold == 0) & (site == "a")]) == {2022, 2023} and set(year[(fold == 0) & (site == "b")]) == {2013}
    assert set(fold[site == "c"]) == {-1} and set(fold) == {0, -1}


def test_site_years_stay_whole():
    """A year of a site is in one fold; folds are even; without sites the groups are taken for them."""
    site, year = (part.ravel() for part in np.meshgrid(np.arange(9), np.arange(1999, 2006)))
    site, year = np.repeat(site, 12), np.repeat(year, 12)
    fold = assign_folds(site, 7, scheme="site_year", year=year)
    assert all(np.unique(fold[(site == one) & (year == when)]).size == 1 for one in range(9) for when in set(year))
    assert set(np.bincount(fold)) == {9 * 12} and any(np.unique(fold[site == one]).size > 1 for one in range(9))


@pytest.mark.parametrize(("group", "kwargs", "error", "message"), [
    ([1, 1, 1], {}, SampleError, "one site only"),
    ([1, 1, 1], {"scheme": "loso"}, SampleError, "one site only"),
    ([1, 2, 3], {"folds": 10}, SampleError, "3 tower groups but 10 folds"),
    ([1, 2, 3], {"folds": 4, "scheme": "random"}, SampleError, "3 records but 4 folds"),
    ([1, 2, 3], {"folds": 1}, ConfigError, "1 folds do not hold"),
    ([1, 2, 3], {"scheme": "temporal"}, SampleError, "two years"),
    ([1, 1, 2], {"scheme": "temporal", "year": [2001, 2001, 2003]}, SampleError, "two years"),
    ([1, 1, 2], {"scheme": "site_year", "year": [2001, 2002, 2003]}, SampleError, "3 site-years but 10 folds"),
    ([1, 2, 3], {"scheme": "spatial"}, ConfigError, "'spatial' is no hold-out scheme")])
def test_too_few_sites_are_told(group, kwargs, error, message):
    """One site, or fewer sites than folds, cannot be held out; the hint says what to do."""
    with pytest.raises(error, match=message) as caught:
        assign_folds(np.array(group), **kwargs)
    assert caught.value.hint
