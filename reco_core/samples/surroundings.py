"""What lies around samples, for models that look there: earlier time steps, monthly means, cells next to the tower."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping

import numpy as np

from ..vocabulary.calendar import step_number
from .climate import MONTHS, MonthlyMeans, months_of

Variable = tuple[tuple[str, ...], np.ndarray, dict[str, Any]]


@dataclass(frozen=True)
class Rows:
    """Where the samples stand in the series of the towers.

    `site` (n,) and `place` (n,) are positions in series of shape (site, time); `times` those of the series.
    """

    site: np.ndarray
    place: np.ndarray
    times: np.ndarray
    time_step: str


def around(rows: Rows, series: Mapping[str, np.ndarray], history: int,
           patches: Mapping[str, np.ndarray]) -> dict[str, Variable]:
    """Return the surroundings of samples as variables of their dataset, with coordinates.

    Parameters
    ----------
    rows : Rows
    series : mapping of driver to array of shape (site, time) [unit of the driver]
    history : int
        Earlier time steps; those that are not in the series are NaN.
    patches : mapping of driver to array of shape (site, time, k, k) or (site, k, k) [unit of the driver]

    Returns
    -------
    dict
        `climate` (sample, driver, month), `history` (sample, driver, lag) and `patch` (sample, driver, dy, dx) as far
        as they are asked for, and their coordinates.
    """
    found: dict[str, Variable] = {"driver": (("driver",), np.array(list(series), dtype=object), {}),
                                  "month": (("month",), np.arange(1, MONTHS + 1), {"long_name": "Month of the year"})}
    means = np.stack([monthly_means(values, rows.times)[rows.site] for values in series.values()], axis=1)
    found["climate"] = (("sample", "driver", "month"), means.astype("float32"),
                        {"long_name": "Mean of the driver in the month of the year, at the place"})
    if history:
        earlier = np.stack([_earlier(values, rows, history) for values in series.values()], axis=1)
        found["history"] = (("sample", "driver", "lag"), earlier.astype("float32"),
                            {"long_name": "Driver at earlier time steps"})
        found["lag"] = (("lag",), np.arange(-history, 0), {"long_name": "Time steps from the sample"})
    if patches:
        cells = np.stack([_cells(patches[name], rows) for name in series], axis=1)
        offsets = np.arange(cells.shape[-1]) - cells.shape[-1] // 2
        found["patch"] = (("sample", "driver", "dy", "dx"), cells, {"long_name": "Driver in the cells around"})
        found["dy"] = (("dy",), offsets, {"long_name": "Rows to the south of the tower"})
        found["dx"] = (("dx",), offsets, {"long_name": "Columns to the east of the tower"})
    return found


def monthly_means(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the mean of series (site, time) in each month of the year, shape (site, 12); gaps are interpolated."""
    means = MonthlyMeans(values.shape[:1])
    means.add(np.asarray(values, dtype="float64").T, months_of(times))
    return means.means().T


def _earlier(values: np.ndarray, rows: Rows, history: int) -> np.ndarray:
    """Return the values of earlier time steps, oldest first, shape (n, history)."""
    number = step_number(rows.times, rows.time_step)
    wanted = number[rows.place][:, None] + np.arange(-history, 0)
    at = np.searchsorted(number, wanted)
    there = number[np.minimum(at, number.size - 1)] == wanted
    found = values[rows.site[:, None], np.where(there, at, 0)]
    return np.where(there, found, np.nan)


def _cells(patch: np.ndarray, rows: Rows) -> np.ndarray:
    return np.asarray(patch[rows.site] if patch.ndim == 3 else patch[rows.site, rows.place], dtype="float32")
