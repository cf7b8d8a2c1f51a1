"""Trends of every pixel of a map."""

from __future__ import annotations

from typing import Any, Union

import numpy as np

from ..errors import ConfigError
from ..progress import SILENT, Progress
from .engine import trend_table
from .mann_kendall import EXACT_LIMIT, exact_p, normal_p, standard_score
from .methods import TrendTest
from .theil_sen import interval_score

ENGINES = ("own", "reference", "torch")
NAMES = ("slope", "relative", "p", "low", "high", "n")
SMALL_MEAN = 1e-6


def trend_maps(values: Any, times: Any, *, min_n: int = 10, level: float = 0.95, engine: str = "own",
               exact: bool = False, method: Union[str, TrendTest] = "plain", season: int = 12,
               device: str = "cpu", progress: Progress = SILENT) -> dict[str, np.ndarray]:
    """Theil-Sen slope and Mann-Kendall test of every pixel.

    Parameters
    ----------
    values : array of shape (time, ...) [any]
        NaN are left out, the times of the others stay as they are.
    times : array of shape (time,) [yr]
        Increasing, for example 2001, 2002, ... or 2001 + month / 12.
    min_n : int
        Pixels with fewer values get NaN (their `n` is kept).
    level : float
        Of the confidence interval of the slope.
    engine : {"own", "reference", "torch"}
        reference runs pymannkendall pixel by pixel; it needs evenly spaced times (gaps are allowed).
    exact : bool
        p of the plain test from the exact distribution of S where there are at most 10 values and no ties.
    method : str or TrendTest
        The test, one of `methods.METHODS`, or a test with settings of its own.
    season : int
        Length of the season cycle in time steps, for the seasonal methods.
    device : {"cpu", "cuda"}
        Where engine=torch computes.

    Returns
    -------
    dict of arrays of shape (...)
        slope, low, high [unit of the values per year]; relative [% of the mean per year], NaN where
        the mean is 0; p, tau, s [1]; n, the number of values.

    Raises
    ------
    ConfigError
        The engine is unknown, or cannot deal with these times; there is no such level.

    Examples
    --------
    >>> maps = trend_maps(np.arange(12.0).reshape(12, 1, 1), 2001 + np.arange(12))
    >>> float(maps["slope"][0, 0]), int(maps["n"][0, 0])
    (1.0, 12)
    """
    cube = np.asarray(values)
    axis = np.asarray(times, dtype="float64")
    if axis.shape != cube.shape[:1]:
        raise ValueError(f"{axis.size} times for {cube.shape[0]} values")
    if (np.diff(axis) <= 0).any():
        raise ValueError("times must increase")
    if engine not in ENGINES:
        raise ConfigError(f"There is no trend engine '{engine}'", "Use one of: " + ", ".join(ENGINES))
    test = method if isinstance(method, TrendTest) else TrendTest(method, season)
    flat, z_level = cube.reshape(axis.size, -1), interval_score(level)
    if engine == "reference":
        from .reference import reference_rows

        table = reference_rows(flat.T, axis, min_n, z_level, test, progress)
    else:
        table = trend_table(flat, axis, min_n=min_n, z_level=z_level, test=test,
                            device=device if engine == "torch" else "", progress=progress)
    maps = _named(table, exact and test.method == "plain")
    return {name: column.reshape(cube.shape[1:]) for name, column in maps.items()}


def _named(table: np.ndarray, exact: bool) -> dict[str, np.ndarray]:
    slope, mean, low, high, score, variance, count, pairs = table.T
    p = np.where(np.isnan(score), np.nan, normal_p(standard_score(score, variance)))
    if exact:
        p = _with_exact(p, score, variance, count)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(np.abs(mean) < SMALL_MEAN, np.nan, 100.0 * slope / mean)
        tau = score / pairs
    return {"slope": slope, "relative": relative, "p": p, "low": low, "high": high,
            "n": count.astype("int32"), "tau": tau, "s": score}


def _with_exact(p: np.ndarray, score: np.ndarray, variance: np.ndarray, count: np.ndarray) -> np.ndarray:
    untied = np.isclose(variance, count * (count - 1) * (2 * count + 5) / 18)
    result = p.copy()
    for n in range(2, EXACT_LIMIT + 1):
        chosen = np.flatnonzero(untied & (count == n) & ~np.isnan(score))
        if chosen.size:
            known = {s: exact_p(s, n) for s in np.unique(score[chosen])}
            result[chosen] = [known[s] for s in score[chosen]]
    return result


def trend_units(unit: str) -> tuple[str, ...]:
    """Return the units of slope, relative slope, p, low, high and n of a series in `unit`."""
    per_year = f"{unit[:-4]}yr-2" if unit.endswith("yr-1") else f"{unit} yr-1".strip()
    return (per_year, "% yr-1", "1", per_year, per_year, "1")
