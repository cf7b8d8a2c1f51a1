"""Samples as plain arrays: what models are fitted on, and what worker processes are handed."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from ..errors import SampleError
from ..vocabulary import check_samples
from ..vocabulary.calendar import step_day, step_number
from ..vocabulary.kinds import feature_names
from .context import Context

if TYPE_CHECKING:
    import xarray as xr


NOTHING = Context()


@dataclass(frozen=True)
class Table:
    """Samples in rows.

    X (n, width) [units of the drivers], the p drivers and then the surroundings a model asked for
    (see `Context`); y (n,) [unit of the target], group (n,) int, the unit of
    hold-out; site (n,) str; stratum (n,) str, the vegetation class; step (n,) int, the time
    step counted without gaps; season (n,) int, the part of the year; year (n,) int. `time_step` is
    what the target is a total of, empty for bare arrays.
    """

    X: np.ndarray
    y: np.ndarray
    group: np.ndarray
    features: tuple[str, ...]
    site: np.ndarray
    stratum: np.ndarray
    step: np.ndarray
    season: np.ndarray
    year: np.ndarray
    weight: Optional[np.ndarray] = None
    time_step: str = ""

    @classmethod
    def of(cls, samples: xr.Dataset, context: Context = NOTHING) -> Table:
        """Return the arrays of a sample table, with the surroundings that a model wants to see.

        Raises
        ------
        SampleError
            The samples do not have these surroundings.
        """
        check_samples(samples)
        names = feature_names(samples)
        n = samples.sizes["sample"]
        X = np.column_stack([samples[name].values for name in names]).astype("float64").reshape(n, len(names))
        if not context.is_empty:
            X = np.column_stack([X, *_surroundings(samples, names, context)])
        step, season, year = _clock(samples["time"].values, samples.attrs["time_step"])
        weight = samples["weight"].values.astype("float64") if "weight" in samples else None
        return cls(X, samples["target"].values.astype("float64"), samples["group"].values.astype("int64"),
                   tuple(names), samples["site"].values.astype(str), samples["igbp"].values.astype(str),
                   step, season, year, weight if weight is not None and np.ptp(weight) > 0 else None,
                   samples.attrs["time_step"])

    @classmethod
    def plain(cls, X: Any, y: Any, *, group: Any, stratum: Optional[Any] = None, weight: Optional[Any] = None,
              features: Any = ()) -> Table:
        """Return a table of bare arrays, whose rows have no date; each group is a site."""
        rows = np.asarray(X, dtype="float64")
        n, p = rows.shape
        groups = np.asarray(group)
        labels = np.full(n, "", dtype=str) if stratum is None else np.asarray(stratum).astype(str)
        names = tuple(features) or tuple(f"x{k}" for k in range(p))
        nothing = np.zeros(n, dtype="int64")
        return cls(rows, np.asarray(y, dtype="float64"), groups, names, groups.astype(str), labels,
                   np.arange(n), nothing, nothing, None if weight is None else np.asarray(weight, dtype="float64"))

    def __len__(self) -> int:
        return len(self.y)

    @property
    def dated(self) -> bool:
        """Whether the rows carry dates."""
        return bool(self.year.any())

    def take(self, rows: np.ndarray) -> Table:
        """Return some of the rows (a mask or positions)."""
        parts = {part.name: getattr(self, part.name)[rows] for part in fields(self)
                 if part.name not in ("features", "time_step") and getattr(self, part.name) is not None}
        return replace(self, **parts)

    def check(self) -> Table:
        """Return the table if something can be learned from it.

        Raises
        ------
        SampleError
            There are no samples, the target has gaps or never changes, or a driver is constant or empty.
        """
        if len(self) == 0:
            raise SampleError("There are no samples to learn from", "See the ledger of build_samples: it says why")
        if not np.isfinite(self.y).all():
            raise SampleError(f"{int((~np.isfinite(self.y)).sum())} of {len(self)} samples have no respiration",
                              "Build the samples again")
        if np.ptp(self.y) == 0:
            raise SampleError(f"Respiration is {self.y[0]:g} in all {len(self)} samples: there is nothing to learn",
                              "Check the column of the flux")
        for name, column in zip(self.features, self.X.T):
            known = column[np.isfinite(column)]
            if known.size == 0:
                raise SampleError(f"The driver '{name}' has no value in any of the {len(self)} samples",
                                  "Leave it out of the features of build_samples")
            if np.ptp(known) == 0:
                raise SampleError(f"The driver '{name}' is constant ({known[0]:g} in all {known.size} samples)",
                                  "Leave it out of the features of build_samples: nothing can be learned from it")
        return self


def _surroundings(samples: xr.Dataset, names: list[str], context: Context) -> list[np.ndarray]:
    """Return the columns behind the drivers: earlier time steps, cells around, monthly means, latitude and day."""
    parts = []
    if context.past:
        there = samples.sizes.get("lag", 0)
        if there < context.past:
            raise SampleError(f"The model looks back {context.past} time steps and the samples hold {there or 'none'}",
                              f"Build the samples again with history={context.past}")
        parts.append(_flat(samples, "history", names, ("lag",))[:, -context.past * len(names):])
    if context.side > 1:
        there = samples.sizes.get("dy", 1)
        if there < context.side:
            raise SampleError(f"The model looks at {context.side} x {context.side} cells, the samples hold "
                              f"{there} x {there}",
                              f"Build the samples again with source=grid and patch={context.side}")
        rim = (there - context.side) // 2
        inner = slice(rim, rim + context.side)
        parts.append(_flat(samples.isel(dy=inner, dx=inner), "patch", names, ("dy", "dx")))
    if context.climate:
        if "climate" not in samples:
            raise SampleError("The samples hold no monthly means of their drivers", "Build the samples again")
        parts.append(_flat(samples, "climate", names, ("month",)))
    if context.place:
        day = step_day(samples["time"].values, samples.attrs["time_step"])
        parts.append(np.column_stack([samples["lat"].values, day]))
    return parts


def _flat(samples: xr.Dataset, name: str, drivers: list[str], dims: tuple[str, ...]) -> np.ndarray:
    """Return a variable of all drivers as columns, the drivers side by side."""
    values = samples[name].sel(driver=drivers).transpose("sample", *dims, "driver").values
    return values.reshape(len(values), -1).astype("float64")


def _clock(times: np.ndarray, time_step: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the number of the time step, the part of the year and the year of each time."""
    days = np.asarray(times, dtype="datetime64[D]")
    year = days.astype("datetime64[Y]").astype("int64") + 1970
    month = days.astype("datetime64[M]").astype("int64")
    in_year = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype("int64")
    season = {"year": np.zeros_like(year), "8day": in_year // 8, "16day": in_year // 16}.get(time_step, month % 12)
    return step_number(days, time_step), season, year
