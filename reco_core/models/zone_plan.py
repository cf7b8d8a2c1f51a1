"""What the forests of zones are made with: the zones of a training set and the drivers of each."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Mapping, Optional

import numpy as np

from ..progress import SILENT, Progress
from .inner import inner_folds
from .options import Value
from .selection import backward_elimination, best_choice, correlation_filter
from .table import Table
from .zone_choice import best_count, compare_counts
from .zone_presets import ALL, preset_drivers
from .zones import Zones, choose_factors, learn_zones

INNER_FOLDS = 5
TREES = 50


@dataclass(frozen=True)
class ZonePlan:
    """Zones and what each of their forests sees, found in training rows only.

    Parameters
    ----------
    zones : Zones or None
        None where one forest serves all.
    drivers : mapping of label to list of int
        Positions of the drivers that the forest of a label sees; a zone without an entry is served by "all".
    facts : mapping of label to mapping
        Sites and records of each zone, and the mean of each factor.
    counts : list of mapping
        The table of numbers of zones, where one was chosen.
    unknown : int
        Training rows left out because a factor of their site is missing.
    """

    zones: Optional[Zones]
    drivers: Mapping[str, list[int]]
    facts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    counts: tuple[Mapping[str, Any], ...] = ()
    unknown: int = 0

    def to_plain(self) -> dict[str, Any]:
        """Return the plan as plain data."""
        return {**asdict(self), "zones": self.zones.to_plain() if self.zones else None, "counts": list(self.counts)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> ZonePlan:
        """Return the plan that `to_plain` took apart."""
        zones = Zones.from_plain(plain["zones"]) if plain["zones"] else None
        return cls(zones, {label: [int(k) for k in kept] for label, kept in plain["drivers"].items()},
                   dict(plain["facts"]), tuple(plain["counts"]), int(plain["unknown"]))


def zone_label(number: int) -> str:
    """Return the label of a zone counted from 1."""
    return f"zone{number}"


def make_plan(table: Table, values: Optional[np.ndarray], settings: Mapping[str, Value], *, seed: int = 0,
              progress: Progress = SILENT) -> ZonePlan:
    """Return zones and drivers learned from training rows.

    Parameters
    ----------
    table : Table
        Drivers without gaps, and nothing behind them.
    values : array of shape (n, f), optional
        Factors of the site of each row; None for one zone.
    settings : mapping
        Settings of the zonal forest.
    seed : int
    """
    if values is None:
        return ZonePlan(None, {ALL: choose_drivers(table, ALL, settings, seed=seed, progress=progress)})
    factors = choose_factors(str(settings["factors"]), table.features)
    known = np.isfinite(values).all(axis=1)
    table, values = table.take(known), values[known]
    count = settings["zones"]
    counts: tuple[dict[str, Any], ...] = ()
    if count == "auto":
        rows = compare_counts(values, factors, table.site, table.X, table.y,
                              inner_folds(table.group, INNER_FOLDS, seed), least=int(settings["min_records"]),
                              seed=seed, variant=str(settings["variant"]), all_scored=False,
                              progress=progress.span(0.0, 0.5))
        count, counts = best_count(rows, int(settings["min_records"])) or 1, tuple(row.to_dict() for row in rows)
    _, first = np.unique(table.site, return_index=True)
    zones = learn_zones(values[first], factors, int(count), seed=seed, variant=str(settings["variant"]))
    label = zones.labels(values)
    facts = {zone_label(number): _facts(table.take(label == number), values[label == number], factors)
             for number in range(1, zones.count + 1)}
    served = [name for name, about in facts.items() if about["records"] >= float(settings["min_records"])
              and about["sites"] >= float(settings["min_sites"])]
    drivers: dict[str, list[int]] = {}
    labels = served if len(served) == zones.count else [*served, ALL]
    for number, name in enumerate(labels):
        rows_of = table if name == ALL else table.take(label == int(name.removeprefix("zone")))
        part = progress.span(0.5 + 0.5 * number / len(labels), 0.5 + 0.5 * (number + 1) / len(labels))
        drivers[name] = choose_drivers(rows_of, name, settings, seed=seed, progress=part)
    return ZonePlan(zones, drivers, facts, counts, int((~known).sum()))


def choose_drivers(table: Table, label: str, settings: Mapping[str, Value], *, seed: int = 0,
                   progress: Progress = SILENT) -> list[int]:
    """Return the positions of the drivers that a forest sees.

    Those of a published set; or where `eliminate` is "yes" those that are left when drivers that tell the same
    are filtered out and the least important are eliminated, as inner folds of whole training sites say.
    """
    preset = str(settings["features"])
    start = preset_drivers(preset, label, table.features)
    if preset != ALL or settings["eliminate"] != "yes":
        return start
    start = correlation_filter(table.X, table.features)
    tried = backward_elimination(
        table.X, table.y, inner_folds(table.group, INNER_FOLDS, seed), table.weight, start=start,
        trees=min(TREES, int(settings["n_estimators"])), min_leaf=int(settings["min_leaf"]),
        mtry=int(settings["mtry"]), seed=seed, progress=progress)
    return sorted(best_choice(tried).features)


def _facts(table: Table, values: np.ndarray, factors: tuple[str, ...]) -> dict[str, float]:
    _, first = np.unique(table.site, return_index=True)
    means = values[first].mean(axis=0).tolist() if len(first) else [float("nan")] * len(factors)
    return {"sites": float(len(first)), "records": float(len(table)), **dict(zip(factors, means))}
