"""Models side by side: scores on the samples that all of them estimate, at several scales."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional

import numpy as np

from .comparison import paired_difference
from .crossval import Predictions, pooled_extras, score_row

SEASONS = ("winter", "spring", "summer", "autumn")
SCALES = {"site_mean": "means of sites", "class_mean": "means of classes", "seasonal_cycle": "mean seasonal cycle of "
          "each site", "anomaly": "difference from the mean seasonal cycle"}
FEWEST_GROUPS, FEWEST_CLASSES = 5, 3
UNCERTAIN = ("rmae",)  # means near 0 stand below the line


@dataclass(frozen=True)
class Rows:
    """What is known of n samples.

    observed (n,) [unit of the target], site, stratum and group (n,), season (n,) str, empty where the time step is
    too long for seasons; part (n,) int, the part of the year (month, 8-day step).
    """

    observed: np.ndarray
    site: np.ndarray
    stratum: np.ndarray
    group: np.ndarray
    season: np.ndarray
    part: np.ndarray

    def take(self, which: np.ndarray) -> Rows:
        """Return some of the samples (a mask)."""
        return Rows(*(getattr(self, name)[which] for name in self.__dataclass_fields__))


def season_of(month: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Return the season of each sample: winter is December to February in the north, June to August in the south.

    Parameters
    ----------
    month : array of int, shape (n,)
        1 to 12.
    lat : array of shape (n,) [degree]

    Examples
    --------
    >>> season_of(np.array([1, 1, 7]), np.array([50.0, -30.0, 50.0])).tolist()
    ['winter', 'summer', 'summer']
    """
    number = (np.asarray(month) % 12) // 3 + np.where(np.asarray(lat) < 0, 2, 0)
    return np.array(SEASONS)[number % 4]


def common_rows(estimates: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return which samples every model estimates in every assignment, shape (n,)."""
    return np.all([np.isfinite(item).all(axis=0) for item in estimates.values()], axis=0)


def league_rows(rows: Rows, estimates: Mapping[str, np.ndarray], *, scheme: str,
                reference: str) -> list[dict[str, Any]]:
    """Return the score table of several models on the same samples.

    Parameters
    ----------
    rows : Rows
        Samples that all models estimate.
    estimates : mapping of label to array of shape (assignments, n) [unit of the target]
    scheme : str
        How they were held out.
    reference : str
        The model that others are compared with.

    Returns
    -------
    list of dict
        For each model (`run`) a row pooled, with its difference from the reference (`d_r2_nse`, `d_mae`, their 95 %
        ranges over resampled sites and `share_better`), rows of the scales in SCALES, of each class (differences
        where it has five groups of sites), season and site; for the metrics see `score_rows`.
    """
    table = []
    for label, values in estimates.items():
        found = Predictions(rows.observed, values, np.zeros(values.shape, dtype="int64"), scheme, rows.site,
                            rows.stratum, rows.group)
        against = None if label == reference else estimates[reference]
        table += [{"run": label, **row} for row in _of_model(found, rows, against)]
    return table


def _of_model(found: Predictions, rows: Rows, against: Optional[np.ndarray]) -> list[dict[str, Any]]:
    everything = np.ones(len(rows.observed), dtype=bool)
    table = [{**score_row(found, "pooled", "all", everything), **pooled_extras(found),
              **_difference(found, against, everything)}]
    table += [_at_scale(found, rows, scale) for scale in _scales(rows)]
    for label in np.unique(rows.stratum[rows.stratum != ""]):
        mine = rows.stratum == label
        table.append({**score_row(found, "class", str(label), mine), **_difference(found, against, mine)})
    table += [score_row(found, "season", name, rows.season == name) for name in SEASONS if (rows.season == name).any()]
    table += [score_row(found, "site", str(site), rows.site == site) for site in np.unique(rows.site)]
    return table


def _scales(rows: Rows) -> list[str]:
    """Return the scales that these samples have."""
    classes = np.unique(rows.stratum[rows.stratum != ""]).size
    return [scale for scale in SCALES if (scale != "class_mean" or classes >= FEWEST_CLASSES)
            and (scale not in ("seasonal_cycle", "anomaly") or np.unique(rows.part).size > 1)]


def _difference(found: Predictions, against: Optional[np.ndarray], mine: np.ndarray) -> dict[str, float]:
    if against is None or np.unique(found.group[mine]).size < FEWEST_GROUPS:
        return {}
    gaps = paired_difference(found.observed[mine], found.estimates[:, mine], against[:, mine], found.group[mine])
    ends = {f"d_{metric}{end}": gaps[metric][key] for metric in ("r2_nse", "mae")
            for end, key in (("", "difference"), ("_low", "low"), ("_high", "high"))}
    return {**ends, "share_better": gaps["r2_nse"]["share_better"]}


def _at_scale(found: Predictions, rows: Rows, scale: str) -> dict[str, Any]:
    label, observed = to_scale(found.observed, rows, scale)
    estimates = np.stack([to_scale(values, rows, scale)[1] for values in found.estimates])
    coarse = Predictions(observed, estimates, np.zeros(estimates.shape, dtype="int64"), found.scheme, label, label,
                         label)
    row = score_row(coarse, scale, SCALES[scale], np.ones(len(observed), dtype=bool))
    if scale in ("seasonal_cycle", "anomaly"):
        row |= dict.fromkeys(UNCERTAIN, np.nan)
    return row


def to_scale(values: np.ndarray, rows: Rows, scale: str) -> tuple[np.ndarray, np.ndarray]:
    """Return values of samples at a coarser scale, and what each belongs to.

    Means of classes are means over sites; the seasonal cycle is the mean of a site in each part of the year minus
    the mean of these; anomalies are what is left of the values.

    Returns
    -------
    label, values : array of shape (m,)
        Site, or class, and value [unit of the target].
    """
    sites, at = np.unique(rows.site, return_inverse=True)
    if scale == "class_mean":
        stratum = rows.stratum[np.unique(at, return_index=True)[1]]
        means = _means(values, at)
        classes, member = np.unique(stratum[stratum != ""], return_inverse=True)
        return classes, _means(means[stratum != ""], member)
    if scale == "site_mean":
        return sites, _means(values, at)
    parts, member = np.unique(np.column_stack([at, rows.part]), axis=0, return_inverse=True)
    member = member.ravel()
    cycle = _means(values, member)
    if scale == "anomaly":
        return rows.site, values - cycle[member]
    return sites[parts[:, 0]], cycle - _means(cycle, parts[:, 0])[parts[:, 0]]


def _means(values: np.ndarray, member: np.ndarray) -> np.ndarray:
    return np.bincount(member, weights=values) / np.bincount(member)


def training_mean(observed: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return the mean of what is not held out as estimate of each sample, the floor of any model.

    Parameters
    ----------
    observed : array of shape (n,) [unit of the target]
    fold : array of int, shape (assignments, n)
        -1 for samples that are never held out.

    Returns
    -------
    array of shape (assignments, n)
    """
    result = np.full(fold.shape, np.nan)
    for estimate, dealt in zip(result, fold):
        for number in np.unique(dealt[dealt >= 0]):
            estimate[dealt == number] = observed[dealt != number].mean()
    return result
