"""Causal links between respiration and its drivers, and the feature weights made of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Mapping, Optional

import numpy as np

from ..errors import ConfigError, SampleError
from ..progress import SILENT, Progress
from .crew import Crew
from .lagged_links import lagged_links
from .pcmci import changing, skeleton
from .table import Table

MODES = ("pooled", "by_pft", "site_mean")
FLOOR = 0.01
FEWEST_YEARS = 2
SPARE_ROWS = 5
CITATION = ("Runge, J. (2020). Discovering contemporaneous and lagged causal relations in autocorrelated nonlinear "
            "time series datasets. Proc. UAI, PMLR 124, 1388-1397.")


@dataclass(frozen=True)
class Links:
    """How strongly each of p drivers is linked with respiration.

    effects (p,) partial correlation given what else is linked [1], NaN where undefined; in modes
    that average several runs their weighted mean absolute value. p_values (p,) at that effect.
    marks: "o-o" for a link whose direction was not sought, "" for none, else as in tigramite, driver first.
    lags (p,) [time steps], None where runs with lags of their own are averaged. skipped: site or class ->
    why it was left out.
    """

    drivers: tuple[str, ...]
    effects: np.ndarray
    p_values: np.ndarray
    rows: int
    sites: int
    mode: str = "pooled"
    engine: str = "own"
    alpha: float = 0.05
    within_site: str = "values"
    max_lag: int = 0
    marks: tuple[str, ...] = ()
    lags: tuple[Optional[int], ...] = ()
    by_class: Mapping[str, Links] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)

    def weights(self, label: str = "", floor: float = FLOOR) -> np.ndarray:
        """Return the feature weights of a class, or of all; a class without a run of its own has those of all."""
        return feature_weights(self.by_class.get(label, self).effects, floor)

    def to_dict(self) -> dict[str, Any]:
        """Return the links as plain data; NaN becomes None."""
        return {
            "mode": self.mode, "engine": self.engine, "alpha": self.alpha, "within_site": self.within_site,
            "max_lag": self.max_lag, "rows": self.rows, "sites": self.sites, "drivers": list(self.drivers),
            "effects": _plain(self.effects), "p_values": _plain(self.p_values), "marks": list(self.marks),
            "lags": list(self.lags), "by_class": {label: part.to_dict() for label, part in self.by_class.items()},
            "skipped": dict(self.skipped)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Links:
        """Return the links that `to_dict` wrote."""
        values = dict(data)
        for name in ("effects", "p_values"):
            values[name] = np.array([np.nan if item is None else item for item in values[name]], dtype="float64")
        for name in ("drivers", "marks", "lags"):
            values[name] = tuple(values[name])
        values["by_class"] = {label: cls.from_dict(part) for label, part in values["by_class"].items()}
        return cls(**values)

    def records(self) -> list[dict[str, Any]]:
        """Return a row per class and driver, those of all classes first."""
        rows = []
        for label, part in (("all", self), *self.by_class.items()):
            try:
                weights = feature_weights(part.effects)
            except ConfigError:
                weights = np.full(len(part.drivers), np.nan)
            for k, driver in enumerate(part.drivers):
                rows.append({"class": label, "driver": driver, "effect": part.effects[k], "p": part.p_values[k],
                             "weight": weights[k], "link": part.marks[k], "lag": part.lags[k], "rows": part.rows,
                             "sites": part.sites})
        return rows


def _plain(values: np.ndarray) -> list[Optional[float]]:
    return [None if np.isnan(value) else float(value) for value in values]


def feature_weights(effects: np.ndarray, floor: float = FLOOR) -> np.ndarray:
    """Return how boosting favours each driver: |effect|, at least `floor` of the largest, adding up to their number.

    Raises
    ------
    ConfigError
        No driver has an effect.

    Examples
    --------
    >>> feature_weights(np.array([0.3, -0.1, np.nan])).round(4)
    array([2.2333, 0.7444, 0.0223])
    """
    size = np.nan_to_num(np.abs(effects))
    if size.size == 0 or size.max() == 0:
        raise ConfigError("No driver has a causal link with respiration: all feature weights would be 0",
                          "Use weights=uniform, or more samples")
    weights = np.maximum(size, floor * size.max())
    return weights * (size.size / weights.sum())


def check_weights(weights: Any, features: int) -> np.ndarray:
    """Return feature weights as an array.

    Raises
    ------
    ConfigError
        Their number is not that of the features, one is negative or missing, or all are 0.
    """
    values = np.asarray(weights, dtype="float64")
    if values.shape != (features,):
        raise ConfigError(f"There are {values.size} feature weights for {features} features", "Give one per feature")
    if not np.isfinite(values).all() or (values < 0).any():
        raise ConfigError(f"A feature weight is negative or missing: {', '.join(f'{v:g}' for v in values)}",
                          "Weights are 0 or more; 0 means that the feature is never used")
    if values.max() == 0:
        raise ConfigError("All feature weights are 0", "Give at least one a positive weight")
    return values


@dataclass(frozen=True)
class _Run:
    """What one run on some sites needs to know."""

    features: tuple[str, ...]
    alpha: float
    engine: str
    max_lag: int
    value: str
    progress: Progress
    processes: int = 1

    def links(self, data: Mapping[str, tuple[np.ndarray, np.ndarray]], **about: Any) -> Links:
        """Return the links in the rows of some sites: site -> (time steps, rows with respiration first)."""
        rows = sum(len(part) for _, part in data.values())
        if rows < self.fewest:
            raise SampleError(f"{rows} complete samples are too few to find links among {len(self.features) + 1} "
                              f"variables; at least {self.fewest} are needed",
                              "Add samples, use fewer drivers, or set weights=uniform")
        effects, p_values, marks, lags = _by_own(data, self) if self.is_quick else lagged_links(
            data, self.features, alpha=self.alpha, max_lag=self.max_lag, cached=self.engine == "own")
        return Links(self.features, effects, p_values, rows, len(data), engine=self.engine, alpha=self.alpha,
                     max_lag=self.max_lag, marks=marks, lags=lags, **about)

    def several(self, jobs: list[dict[str, Any]], **about: Any) -> list[Links]:
        """Return the links of several groups of sites, the arguments of `links`; slow ones share the processors."""
        common = replace(self, progress=SILENT), about
        with Crew(common, 1 if self.is_quick else self.processes) as crew:
            return crew.map(_links_of, jobs, self.progress, "Links of group")

    @property
    def is_quick(self) -> bool:
        """Whether links are found by our own search, which takes milliseconds."""
        return self.engine == "own" and not self.max_lag

    @property
    def fewest(self) -> int:
        """Fewest rows of a run."""
        return len(self.features) + 1 + SPARE_ROWS


def find_links(table: Table, mode: str = "pooled", *, alpha: float = 0.05, engine: str = "own", max_lag: int = 0,
               within_site: str = "values", value: str = "first_row", processes: int = 1,
               progress: Progress = SILENT) -> Links:
    """Find how strongly each driver is linked with respiration, by PCMCI+.

    Rows with a gap are left out of a contemporaneous search. Sites with one year only are left
    out, as they tell nothing of how years differ; single-site runs need six rows more than drivers.

    Parameters
    ----------
    table : Table
        Training rows only.
    mode : {"pooled", "by_pft", "site_mean"}
        One run over all sites; one per vegetation class; or one per site, averaged by their
        number of rows, where drivers that are constant within sites take the pooled value.
    alpha : float
        Significance level of the tests.
    engine : {"own", "tigramite"}
        "own" finds contemporaneous links without direction, and larger lags by tigramite's search with tests
        of our own, which give the same result sooner.
    max_lag : int [time steps]
        Above 0 the package tigramite is needed; a driver's effect is that of its strongest lag.
    within_site : {"values", "anomaly"}
        "anomaly" takes each site's mean seasonal cycle from what changes within sites.
    value : {"first_row", "max_p_pair"}
        See `pcmci.skeleton`.
    processes : int
        That share sites or classes where lags are sought; 0 uses every processor core.

    Raises
    ------
    ConfigError
        There is no such engine or mode.
    SampleError
        There are too few rows.
    """
    if engine not in ("own", "tigramite"):
        raise ConfigError(f"There is no engine '{engine}'", "Choose own or tigramite")
    if mode not in MODES:
        raise ConfigError(f"There is no way '{mode}' to gather links", "Choose: " + ", ".join(MODES))
    run = _Run(table.features, alpha, engine, max_lag, value, progress, processes)
    rows, keep = _rows(table, within_site, gaps=max_lag > 0)
    skipped = _skipped(table, keep, single=mode == "site_mean" or max_lag > 0, fewest=run.fewest + 2 * max_lag)
    used = keep & ~np.isin(table.site, list(skipped))
    if not used.any():
        raise SampleError(f"None of the {len(np.unique(table.site))} sites can be used to find links: "
                          + "; ".join(sorted(set(skipped.values()))), "Add years, or set weights=uniform")
    about = {"mode": mode, "within_site": within_site}
    if mode == "by_pft":
        return _by_class(run, table, rows, used, skipped, about)
    pooled = run.links(_per_site(table, rows, used), skipped=skipped, **about)
    if mode == "pooled":
        return pooled
    return _mean_over_sites(run, table, rows, used, pooled)


def _rows(table: Table, within_site: str, gaps: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return rows with respiration first, and which of them can be used."""
    rows = np.column_stack([table.y, table.X])
    keep = np.isfinite(rows).any(axis=1) if gaps else np.isfinite(rows).all(axis=1)
    if within_site == "values":
        return rows, keep
    if within_site != "anomaly":
        raise ConfigError(f"'{within_site}' is no choice within sites", "Choose values or anomaly")
    result = rows.copy()
    moves = np.zeros(rows.shape[1], dtype=bool)
    for site in np.unique(table.site[keep]):
        mine = keep & (table.site == site)
        moves |= changing(rows[mine])
        for season in np.unique(table.season[mine]):
            part = mine & (table.season == season)
            known = np.maximum(np.isfinite(rows[part]).sum(axis=0), 1)
            result[part] = rows[part] - np.nansum(rows[part], axis=0) / known
    result[:, ~moves] = rows[:, ~moves]
    return result, keep


def _skipped(table: Table, keep: np.ndarray, *, single: bool, fewest: int) -> dict[str, str]:
    """Return the sites that cannot be used, and why."""
    found = {}
    for site in np.unique(table.site):
        mine = keep & (table.site == site)
        if table.dated and np.unique(table.year[mine]).size < FEWEST_YEARS:
            found[str(site)] = f"fewer than {FEWEST_YEARS} years"
        elif single and mine.sum() < fewest:
            found[str(site)] = f"fewer than {fewest} complete samples"
    return found


def _per_site(table: Table, rows: np.ndarray, used: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {str(site): (table.step[mine], rows[mine]) for site in np.unique(table.site[used])
            if (mine := used & (table.site == site)).any()}


def _by_class(run: _Run, table: Table, rows: np.ndarray, used: np.ndarray, skipped: dict[str, str],
              about: dict[str, Any]) -> Links:
    jobs: dict[str, dict[str, Any]] = {}
    for label in np.unique(table.stratum[used]):
        mine = used & (table.stratum == label)
        if not label or mine.sum() < run.fewest:
            name = f"class {label}" if label else "sites without a class"
            skipped[name] = f"fewer than {run.fewest} complete samples" if label else "no class is known"
            continue
        jobs[str(label)] = _per_site(table, rows, mine)
    parts = dict(zip(jobs, run.several(list(jobs.values()), **about)))
    if not parts:
        raise SampleError("No vegetation class has enough samples to find links",
                          "Use the mode pooled, or check the classes of the sites")
    return _weighted(list(parts.values()), by_class=parts, skipped=skipped)


def _mean_over_sites(run: _Run, table: Table, rows: np.ndarray, used: np.ndarray, pooled: Links) -> Links:
    data = _per_site(table, rows, used)
    parts = run.several([{site: part} for site, part in data.items()], mode=pooled.mode,
                        within_site=pooled.within_site)
    mean = _weighted(parts, skipped=pooled.skipped)
    static = np.isnan(mean.effects)
    mean.effects[static] = np.abs(pooled.effects[static])
    return mean


def _weighted(parts: list[Links], **about: Any) -> Links:
    """Return the mean |effect| of several runs, weighted by their rows, where it is defined."""
    effects = np.abs(np.stack([part.effects for part in parts]))
    rows = np.array([part.rows for part in parts], dtype="float64")[:, None] * np.isfinite(effects)
    total = rows.sum(axis=0)
    mean = np.divide((rows * np.nan_to_num(effects)).sum(axis=0), total, out=np.full(effects.shape[1], np.nan),
                     where=total > 0)
    first = parts[0]
    count = len(first.drivers)
    return Links(first.drivers, mean, np.full(count, np.nan), sum(part.rows for part in parts),
                 sum(part.sites for part in parts), mode=first.mode, engine=first.engine, alpha=first.alpha,
                 within_site=first.within_site, max_lag=first.max_lag, marks=("",) * count,
                 lags=(None if first.max_lag else 0,) * count, **about)


def _by_own(data: Mapping[str, tuple[np.ndarray, np.ndarray]], run: _Run) -> tuple:
    found = skeleton(np.concatenate([rows for _, rows in data.values()]), run.alpha, value=run.value,
                     progress=run.progress)
    marks = tuple("o-o" if near else "" for near in found.adjacent[1:, 0])
    return found.values[0, 1:].copy(), found.p_values[0, 1:].copy(), marks, (0,) * len(marks)


def _links_of(common: tuple[_Run, dict[str, Any]], data: Mapping[str, tuple[np.ndarray, np.ndarray]],
              progress: Progress) -> Links:
    run, about = common
    return replace(run, progress=progress).links(data, **about)
