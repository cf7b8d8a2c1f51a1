"""Folds for held-out evaluation: whole tower groups, one site at a time, years, or records."""

from __future__ import annotations

from typing import Optional

import numpy as np

from ..errors import ConfigError, SampleError

SCHEMES = ("grouped", "loso", "temporal", "site_year", "random")
NEVER = -1


def assign_folds(group: np.ndarray, folds: int = 10, *, seed: int = 0, scheme: str = "grouped",
                 site: Optional[np.ndarray] = None, year: Optional[np.ndarray] = None) -> np.ndarray:
    """Return the fold that holds out each record.

    Parameters
    ----------
    group : array of shape (n,)
        Tower group of each record.
    folds : int
        Number of folds; 'loso' has one per group, and 'temporal' has one, with about 1 / folds of the years.
    seed : int
        Not used by 'loso' and 'temporal'.
    scheme : {'grouped', 'loso', 'temporal', 'site_year', 'random'}
        'grouped' deals whole groups; 'temporal' holds out the last years of each site, at least one, and trains on
        the earlier ones (a site with one year is only trained on); 'site_year' deals whole years of sites and
        'random' single records: both are optimistic.
    site, year : array of shape (n,), optional
        Site (without: the group) and year of each record; wanted by 'temporal' and 'site_year'.

    Returns
    -------
    array of int, shape (n,)
        -1 marks records that are never held out.

    Raises
    ------
    SampleError
        There is one group only, fewer groups (site-years, records) than folds, or no site has two years.
    """
    group = np.asarray(group)
    if scheme == "random":
        return _random(group.size, folds, seed)
    if scheme not in SCHEMES:
        raise ConfigError(f"'{scheme}' is no hold-out scheme", "Choose: " + ", ".join(SCHEMES))
    if scheme in ("temporal", "site_year"):
        return _by_year(scheme, group if site is None else np.asarray(site), year, folds, seed)
    groups, member, sizes = np.unique(group, return_inverse=True, return_counts=True)
    if groups.size < 2:
        raise SampleError("The samples come from one site only; whole sites cannot be held out",
                          "Add towers; towers nearer than group_distance count as one")
    if scheme == "loso":
        return member
    _check_folds(folds)
    if groups.size < folds:
        raise SampleError(f"There are {groups.size} tower groups but {folds} folds",
                          f"Give folds={groups.size} or fewer; towers nearer than group_distance count as one")
    return _deal(sizes, folds, seed)[member]


def _check_folds(folds: int) -> None:
    if folds < 2:
        raise ConfigError(f"{folds} folds do not hold anything out", "Give at least 2 folds")


def _deal(sizes: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Deal groups, shuffled, each to the fold with the fewest records so far."""
    filled = np.zeros(folds, dtype="int64")
    fold = np.empty(sizes.size, dtype="int64")
    for group in np.random.default_rng(seed).permutation(sizes.size):
        fold[group] = int(np.argmin(filled))
        filled[fold[group]] += sizes[group]
    return fold


def _by_year(scheme: str, site: np.ndarray, year: Optional[np.ndarray], folds: int, seed: int) -> np.ndarray:
    _check_folds(folds)
    place = np.unique(site, return_inverse=True)[1]
    pairs, member, sizes = np.unique(np.column_stack([place, np.zeros_like(place) if year is None else year]),
                                     axis=0, return_inverse=True, return_counts=True)
    years = np.bincount(pairs[:, 0])
    if years.max() < 2:
        raise SampleError("No site has records of two years: none can be held out of the others",
                          "Hold out whole sites (scheme=grouped)")
    if scheme == "temporal":
        held = np.maximum(1, np.round(years / folds)) * (years > 1)
        left = (np.cumsum(years) - 1)[pairs[:, 0]] - np.arange(len(pairs))
        return np.where(left < held[pairs[:, 0]], 0, NEVER)[member.ravel()]
    if len(pairs) < folds:
        raise SampleError(f"There are {len(pairs)} site-years but {folds} folds", f"Give folds={len(pairs)} or fewer")
    return _deal(sizes, folds, seed)[member.ravel()]


def _random(count: int, folds: int, seed: int) -> np.ndarray:
    _check_folds(folds)
    if count < folds:
        raise SampleError(f"There are {count} records but {folds} folds", f"Give folds={count} or fewer")
    fold = np.empty(count, dtype="int64")
    fold[np.random.default_rng(seed).permutation(count)] = np.arange(count) % folds
    return fold
