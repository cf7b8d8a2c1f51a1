"""How many zones: what each number costs and brings, and the number to take."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Optional, Sequence

import numpy as np

from ..deps import need
from ..errors import SampleError
from ..progress import SILENT, Progress
from .selection import FEWEST_TO_LEARN, grow, pooled_error
from .swarm import inertia
from .zones import learn_zones

COUNTS = tuple(range(2, 9))
FEWEST_RECORDS = 90
TREES = 25


@dataclass(frozen=True)
class ZoneCount:
    """What is known of one number of zones.

    `inertia` is the sum of squared distances from the centres in principal components; silhouette and
    Calinski-Harabasz are better when larger, Davies-Bouldin when smaller; `rmse` [unit of the target] and `r2`
    are pooled over records of held-out sites.
    """

    zones: int
    inertia: float
    silhouette: float
    calinski_harabasz: float
    davies_bouldin: float
    min_sites: int
    min_records: int
    rmse: float
    r2: float

    def to_dict(self) -> dict[str, Any]:
        """Return the row of the table; None where something is not known."""
        return {name: value if np.isfinite(value) else None for name, value in asdict(self).items()}


def compare_counts(values: np.ndarray, factors: Sequence[str], site: np.ndarray, X: np.ndarray, y: np.ndarray,
                   fold: np.ndarray, *, counts: Sequence[int] = COUNTS, least: int = FEWEST_RECORDS, seed: int = 0,
                   variant: str = "constriction", trees: int = TREES, all_scored: bool = True,
                   progress: Progress = SILENT) -> list[ZoneCount]:
    """Return a row for every number of zones that the sites allow.

    Zones are learned from the factors of all sites given here, which tell nothing of their flux; the forests
    of the zones never see the records of the fold they are scored on.

    Parameters
    ----------
    values : array of shape (n, f) [units of the drivers]
        Factors of the site of each record; records with a gap in them do not count.
    factors : sequence of str
    site : array of shape (n,)
    X : array of shape (n, p)
        Drivers without gaps.
    y : array of shape (n,) [unit of the target]
    fold : array of int, shape (n,)
        One per site for leave-one-site-out, or folds of whole sites.
    counts : sequence of int
    least : int
        Records that a zone needs for forests of its own.
    all_scored : bool
        Whether numbers with too small a zone are scored too.
    """
    known = np.isfinite(values).all(axis=1)
    places, of_row = _places(values[known], site[known])
    rows = []
    for number, count in enumerate(counts):
        progress(number / len(counts), f"Trying {count} zones")
        if len(np.unique(places, axis=0)) <= count:
            break
        zones = learn_zones(places, factors, count, seed=seed, variant=variant)
        label = zones.labels(places)
        sites = np.bincount(label, minlength=count + 1)[1:]
        records = np.bincount(label[of_row], minlength=count + 1)[1:]
        rmse, r2 = float("nan"), float("nan")
        if all_scored or records.min() >= least:
            estimate = zonal_estimates(label[of_row], X[known], y[known], fold[known], least=least, trees=trees,
                                       seed=seed, progress=progress)
            rmse, r2 = pooled_error(y[known], estimate)
        points = zones.scores(places)
        rows.append(ZoneCount(count, inertia(points, zones.centres), *_quality(points, label), int(sites.min()),
                              int(records.min()), rmse, r2))
    return rows


def best_count(rows: Sequence[ZoneCount], least: int = FEWEST_RECORDS) -> Optional[int]:
    """Return the number of zones, two at least, with the least error whose zones have enough records each, or None."""
    fit = [row for row in rows if row.zones > 1 and row.min_records >= least and np.isfinite(row.rmse)]
    return min(fit, key=lambda row: (row.rmse, row.zones)).zones if fit else None


def zonal_estimates(label: np.ndarray, X: np.ndarray, y: np.ndarray, fold: np.ndarray, *,
                    least: int = FEWEST_RECORDS, trees: int = TREES, min_leaf: int = 5, mtry: int = 0, seed: int = 0,
                    kept: Optional[dict[int, Sequence[int]]] = None, progress: Progress = SILENT) -> np.ndarray:
    """Return the estimate of each record by the forest of its zone, grown without its fold, shape (n,).

    Where a zone has fewer than `least` records left, the forest of all zones serves it.

    Parameters
    ----------
    label : array of int, shape (n,)
        Zone of each record.
    kept : mapping of zone to positions of drivers, optional
        Drivers of each zone; all of them where nothing is said.
    """
    found = np.full(len(y), np.nan)
    for number in np.unique(fold):
        out = fold == number
        for zone in np.unique(label[out]):
            progress.check()
            mine, rows = label == zone, ~out
            if (mine & rows).sum() >= max(least, FEWEST_TO_LEARN):
                rows = mine & rows
            columns = list((kept or {}).get(int(zone), range(X.shape[1])))
            if rows.sum() < FEWEST_TO_LEARN:
                raise SampleError(f"{int(rows.sum())} records are left to learn from without one fold",
                                  "Add sites, or use fewer folds")
            forest = grow(X[np.ix_(rows, columns)], y[rows], trees=trees, min_leaf=min_leaf, mtry=mtry, seed=seed)
            found[out & mine] = forest.predict(X[np.ix_(out & mine, columns)].astype("float32"))
    return found


def _places(values: np.ndarray, site: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the factors of each site, and the site of each row."""
    _, first, of_row = np.unique(site, return_index=True, return_inverse=True)
    return values[first], of_row


def _quality(points: np.ndarray, label: np.ndarray) -> tuple[float, float, float]:
    """Return silhouette, Calinski-Harabasz and Davies-Bouldin."""
    if not 1 < np.unique(label).size < len(points):
        return (float("nan"),) * 3
    metrics = need("sklearn.metrics")
    return (float(metrics.silhouette_score(points, label)), float(metrics.calinski_harabasz_score(points, label)),
            float(metrics.davies_bouldin_score(points, label)))
