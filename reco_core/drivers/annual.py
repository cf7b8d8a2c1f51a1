"""Least, mean and largest value of each calendar year."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from ..errors import ConfigError, GridError
from ..progress import SILENT, Progress
from .composite import Composite, middle_days

STATISTICS = ("min", "mean", "max")


class Annual:
    """Statistics of the calendar years of a series; made once, used for every tile.

    Parameters
    ----------
    times : array of shape (time,) (datetime64[D])
        Increasing first days of the steps.
    time_step : str
        Of the series.
    every_step : bool
        Whether each time step gets the value of its year, else there is one per year.
    least_share : float
        A year needs at least this share of its time steps, by days.

    Raises
    ------
    GridError
        The series is annual already.

    References
    ----------
    Zhu, L. et al. (2024). IEEE Journal of Selected Topics in Applied Earth Observations and Remote Sensing.
    doi:10.1109/JSTARS.2024.3400158
    """

    def __init__(self, times: Any, time_step: str, *, every_step: bool = True, least_share: float = 0.8) -> None:
        given = np.asarray(times, dtype="datetime64[D]")
        if time_step == "year":
            raise GridError("Annual drivers have one value per year, and no statistics within it",
                            "Give daily, 8-day, 16-day or monthly drivers")
        self.composite = Composite(given, time_step, "year", least_share=least_share)
        years = middle_days(given, time_step).astype("datetime64[Y]").astype("datetime64[D]")
        self.at = np.searchsorted(self.composite.times, years)
        self.every_step = every_step
        self.times = given if every_step else self.composite.times
        self.time_step = time_step if every_step else "year"

    def __call__(self, values: np.ndarray, statistics: Sequence[str] = STATISTICS, *,
                 progress: Progress = SILENT) -> dict[str, np.ndarray]:
        """Compute the statistics of an array.

        Parameters
        ----------
        values : array of shape (time, ...) [any unit]
            NaN where missing.
        statistics : sequence of {"min", "mean", "max"}
            Means weigh each time step by its days.

        Returns
        -------
        dict of arrays of shape (time, ...) or (year, ...), float32 [unit of `values`]

        Raises
        ------
        ConfigError
            There is no such statistic.
        """
        wrong = [name for name in statistics if name not in STATISTICS]
        if wrong:
            raise ConfigError(f"There is no statistic '{wrong[0]}'", "Choose: " + ", ".join(STATISTICS))
        made = {name: self.composite(values, name, progress=progress) for name in statistics}
        return {name: result[self.at] for name, result in made.items()} if self.every_step else made
