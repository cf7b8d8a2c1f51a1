"""Folds for held-out evaluation: whole tower groups, one site at a time, or records."""

from __future__ import annotations

import numpy as np

from ..errors import ConfigError, SampleError

SCHEMES = ("grouped", "loso", "random")


def assign_folds(group: np.ndarray, folds: int = 10, *, seed: int = 0, scheme: str = "grouped") -> np.ndarray:
    """Return the fold that holds out each record.

    Parameters
    ----------
    group : array of shape (n,)
        Tower group of each record.
    folds : int
        Number of folds; not used by 'loso', which has one per group.
    seed : int
    scheme : {'grouped', 'loso', 'random'}
        'random' deals single records and is optimistic.

    Returns
    -------
    array of int, shape (n,)

    Raises
    ------
    SampleError
        There is one group only, or fewer groups (records) than folds.
    """
    group = np.asarray(group)
    if scheme == "random":
        return _random(group.size, folds, seed)
    if scheme not in SCHEMES:
        raise ConfigError(f"'{scheme}' is no hold-out scheme", "Choose: " + ", ".join(SCHEMES))
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


def _random(count: int, folds: int, seed: int) -> np.ndarray:
    _check_folds(folds)
    if count < folds:
        raise SampleError(f"There are {count} records but {folds} folds", f"Give folds={count} or fewer")
    fold = np.empty(count, dtype="int64")
    fold[np.random.default_rng(seed).permutation(count)] = np.arange(count) % folds
    return fold
