"""Whether further drivers make a model better: the same splits and seeds without and with them, compared in pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence

import numpy as np

from ..errors import ConfigError, SampleError
from ..models.crew import Crew
from ..models.ensemble import Recipe
from ..models.table import Table
from ..progress import SILENT, Progress
from .crossval import cross_validate

SCHEMES = ("grouped", "temporal", "resplit")
NOTES = {"grouped": "whole sites held out",
         "temporal": "the last years of each site held out; its earlier years were in training",
         "resplit": "not independent: every sample was trained on, as published",
         "refit": "not independent: other samples of the same sites were in training"}
METRICS = ("r2_nse", "ccc", "rmse", "sde", "bias")
TRAINED_SHARE, LAST = 10 / 13, 10
DRAWS = 2000


@dataclass(frozen=True)
class Variant:
    """A set of drivers: those of the base model and the ones `added`."""

    name: str
    drivers: tuple[str, ...]
    added: tuple[str, ...]


def variants(drivers: Sequence[str], added: Sequence[str], prefix: str) -> list[Variant]:
    """Return the base, the base with each added driver, and with the first two, three and so on.

    Raises
    ------
    ConfigError
        A driver to add is not there or named twice, none is named, or none is left for the base.

    Examples
    --------
    >>> [variant.added for variant in variants(["ta", "a", "b", "c"], ["a", "b", "c"], "CNN")][1:]
    [('a',), ('b',), ('c',), ('a', 'b'), ('a', 'b', 'c')]
    """
    lacking = [name for name in added if name not in drivers]
    if not added or lacking:
        raise ConfigError(f"The samples have no driver '{lacking[0]}'" if lacking else "No driver to add is named",
                          "Drivers of the samples: " + ", ".join(drivers))
    if len(set(added)) < len(added):
        raise ConfigError(f"A driver to add is named twice: {', '.join(added)}", "Name each once")
    base = tuple(name for name in drivers if name not in added)
    if not base:
        raise ConfigError("All drivers of the samples are to be added, none is left for the base",
                          "Build the samples with other drivers too")
    sets = [(), *((name,) for name in added), *(tuple(added[:count]) for count in range(2, len(added) + 1))]
    return [Variant(f"{prefix}{number}", (*base, *extra), extra) for number, extra in enumerate(sets, 1)]


@dataclass(frozen=True)
class Ablation:
    """Held-out estimates of all variants.

    observed (n,) and each of `estimates` (repeats, n) [unit of the target], NaN where a sample was not held out.
    """

    variants: tuple[Variant, ...]
    observed: np.ndarray
    estimates: tuple[np.ndarray, ...]
    group: np.ndarray
    note: str


def ablate(tables: Mapping[str, Table], chosen: Sequence[Variant], recipe: Recipe, *, scheme: str = "grouped",
           folds: int = 10, iterations: int = 5000, processes: int = 0, progress: Progress = SILENT) -> Ablation:
    """Estimate every variant on the same held-out samples.

    Parameters
    ----------
    tables : mapping of name of the variant to Table
        The same rows in each.
    chosen : sequence of Variant
    recipe : Recipe
        Its seeds and its `seed` serve all variants.
    scheme : {"grouped", "temporal", "resplit"}
        Whole sites; the last years of each site, about 1 / `folds` of them; or a new random split of 10 to 3 at each
        training step, scored in the last ten, for which nothing is independent.
    folds : int
    iterations : int
        Training steps of a network under resplit.

    Raises
    ------
    ConfigError
        There is no such scheme.
    SampleError
        The variants have other rows, or nothing can be held out.
    """
    if scheme not in SCHEMES:
        raise ConfigError(f"'{scheme}' is no hold-out scheme", "Choose: " + ", ".join(SCHEMES))
    first = tables[chosen[0].name]
    if any(len(table) != len(first) or (table.y != first.y).any() for table in tables.values()):
        raise SampleError("The variants do not have the same samples", "Leave out samples with gaps first")
    found = []
    for number, variant in enumerate(chosen):
        part = progress.span(number / len(chosen), (number + 1) / len(chosen))
        table = tables[variant.name]
        part(0.0, f"{variant.name}: {', '.join(variant.added) or 'base'}")
        if scheme == "resplit":
            with Crew(table, processes) as crew:
                found.append(_ten_times(table, recipe, iterations, crew, part))
            continue
        found.append(cross_validate(table, recipe, scheme=scheme, folds=folds, processes=processes,
                                    progress=part).estimates)
    steps = scheme == "resplit" and not hasattr(recipe.model(first), "resplit")
    return Ablation(tuple(chosen), first.y, tuple(found), first.group, NOTES["refit" if steps else scheme])


@dataclass(frozen=True)
class _Job:
    recipe: Recipe
    seed: int
    out: Optional[np.ndarray]
    iterations: int


def _ten_times(table: Table, recipe: Recipe, iterations: int, crew: Crew, progress: Progress) -> np.ndarray:
    """Return the estimates of the last ten random splits of 10 to 3, shape (repeats, n)."""
    template = recipe.model(table.check())
    template.check(table.features)
    seeds = recipe.seeds if template.seeded else recipe.seeds[:1]
    if hasattr(template, "resplit"):
        jobs = [_Job(recipe, seed, None, iterations) for seed in seeds]
        return np.concatenate(crew.map(_resplit, jobs, progress, "Seed"))
    rng = np.random.default_rng(recipe.seed)
    held = len(table) - max(1, round(TRAINED_SHARE * len(table)))
    dealt = [np.isin(np.arange(len(table)), rng.permutation(len(table))[:held]) for _ in range(LAST)]
    jobs = [_Job(recipe, seed, out, 0) for out in dealt for seed in seeds]
    found = crew.map(_fit, jobs, progress, "Fit")
    return np.stack(found).reshape(LAST, len(seeds), -1).mean(axis=1)


def _fit(table: Table, job: _Job, progress: Progress) -> np.ndarray:
    """Return the estimates of the rows that are held out, NaN elsewhere."""
    assert job.out is not None
    training, own = table.take(~job.out), job.recipe.model(table)
    shared = own.prepare(training, seed=job.recipe.seed, progress=progress)
    own.fit(training.X, training.y, group=training.group, stratum=training.stratum, weight=training.weight,
            seeds=(job.seed,), features=table.features, shared=shared, progress=progress)
    found = np.full(len(table), np.nan)
    found[job.out] = own.predict(table.X[job.out], stratum=table.stratum[job.out])
    return found


def _resplit(table: Table, job: _Job, progress: Progress) -> np.ndarray:
    """Return the estimates of the last ten steps, shape (10, n), NaN where a row was not held out."""
    model: Any = job.recipe.model(table)
    steps = model.resplit(table, steps=job.iterations, seed=job.seed, progress=progress)
    found = np.full((len(steps), len(table)), np.nan)
    for number, (rows, values) in enumerate(steps):
        found[number, rows] = values
    return found


def compare(found: Ablation, *, draws: int = DRAWS, seed: int = 0) -> list[dict[str, Any]]:
    """Return a row per variant: scores, means over repeats, and differences to the base.

    Each row has the metrics and, but for the base, `rmse_difference` and `r2_nse_difference` with `_low` and
    `_high`, their 95 % interval over sites resampled as wholes, the same for all variants.
    """
    rows: list[dict[str, Any]] = []
    base: dict[str, np.ndarray] = {}
    for variant, estimates in zip(found.variants, found.estimates):
        sums = [_sums(found.observed, estimate, found.group) for estimate in estimates]
        whole = _average([_scores(part.sum(axis=0, keepdims=True)) for part in sums])
        times = _drawn(len(sums[0]), draws, seed)
        drawn = _average([_scores(times @ part) for part in sums])
        held = np.isfinite(estimates).any(axis=0)
        row = {"variant": variant.name, "added": " ".join(variant.added) or "-",
               "drivers": len(variant.drivers), "n": int(held.sum()), "groups": int(np.unique(found.group[held]).size),
               **{name: float(whole[name][0]) for name in METRICS}, "note": found.note}
        if rows:
            for name in ("rmse", "r2_nse"):
                low, high = np.nanquantile(drawn[name] - base[name], [0.025, 0.975])
                row |= {f"{name}_difference": row[name] - rows[0][name], f"{name}_low": float(low),
                        f"{name}_high": float(high)}
        else:
            base = drawn
        rows.append(row)
    return rows


def verdict(rows: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Return the name of the best variant, or nothing, and what to say.

    Optimal is the variant with the least RMSE among those whose whole interval of the difference to the base is
    below 0.
    """
    better = [row for row in rows[1:] if row["rmse_high"] < 0]
    if not better:
        return "", "no lag is better beyond chance"
    best = min(better, key=lambda row: row["rmse"])
    return str(best["variant"]), (f"optimal lag: {best['added'].replace(' ', ' + ')} ({best['variant']}), RMSE "
                                  f"{best['rmse_difference']:+.3g} [{best['rmse_low']:+.3g}, {best['rmse_high']:+.3g}]")


def _sums(y: np.ndarray, p: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return number, sums and products of each group, shape (groups, 6); from the mean of y, so that digits last."""
    member = np.unique(group, return_inverse=True)[1]
    known = np.isfinite(y) & np.isfinite(p)
    a = np.where(known, y - y.mean(), 0.0)
    b = np.where(known, p - y.mean(), 0.0)
    parts = (known.astype("float64"), a, b, a * a, b * b, a * b)
    return np.stack([np.bincount(member, weights=part) for part in parts], axis=1)


def _drawn(groups: int, draws: int, seed: int) -> np.ndarray:
    """Return how often each group is drawn, shape (draws, groups)."""
    drawn = np.random.default_rng(seed).integers(0, groups, (draws, groups))
    return np.stack([np.bincount(row, minlength=groups) for row in drawn]).astype("float64")


def _scores(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Return all metrics of sums of shape (m, 6), each (m,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        n, a, b, aa, bb, ab = sums.T
        error = aa + bb - 2 * ab
        bias, spread = (b - a) / n, aa - a * a / n
        mean = error / n
        return {"r2_nse": np.where(spread > 0, 1 - error / spread, np.nan), "rmse": np.sqrt(np.maximum(mean, 0)),
                "bias": bias, "sde": np.sqrt(np.maximum(mean - bias ** 2, 0)),
                "ccc": 2 * (ab - a * b / n) / (spread + bb - b * b / n + n * bias ** 2)}


def _average(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.mean([part[name] for part in parts], axis=0) for name in METRICS}

