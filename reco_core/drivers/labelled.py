"""Arrays that may come as DataArrays: they go as they came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from ..errors import GridError


@dataclass(frozen=True)
class Labelled:
    """Values with time first, and the DataArray they came from, if any."""

    values: np.ndarray
    times: Optional[np.ndarray] = None
    source: Any = None

    @classmethod
    def of(cls, values: Any) -> Labelled:
        """Return the values of an array or DataArray.

        Raises
        ------
        GridError
            A DataArray has no dimension time.
        """
        if not (hasattr(values, "dims") and hasattr(values, "coords")):
            return cls(np.asarray(values))
        if "time" not in values.dims:
            raise GridError(f"The DataArray has the dimensions {', '.join(map(str, values.dims))} and no time",
                            "Rename the one that is time: values.rename(old=\"time\")")
        turned = values.transpose("time", ...)
        times = turned["time"].values if "time" in turned.coords else None
        if times is not None and times.dtype.kind == "O":  # calendars of climate models
            times = np.array([f"{time.year:04d}-{time.month:02d}" for time in times], dtype="datetime64[M]")
        return cls(turned.values, times if times is None else times.astype("datetime64[D]"), values)

    def like(self, other: Any) -> Any:
        """Return the values of another input, in the order of dimensions of this one where both have names."""
        if not hasattr(other, "dims"):
            return other
        if self.source is None or "time" not in other.dims:
            return self.like_places(other)
        return other.transpose(*self.source.transpose("time", ...).dims).values

    def like_places(self, other: Any) -> Any:
        """Return the values of an input without time so that they broadcast with one time step of this."""
        if not hasattr(other, "dims"):
            return other
        if self.source is None:
            return other.values
        places = self.source.isel(time=0, drop=True)
        return other.broadcast_like(places).transpose(*places.dims).values

    def latitude(self) -> Any:
        """Return the latitude of each place, from the coordinate of that name, or None."""
        for name in ("lat", "latitude"):
            if self.source is not None and name in self.source.coords:
                return self.like_places(self.source[name])
        return None

    def again(self, result: np.ndarray, **attrs: str) -> Any:
        """Return a result in the form that the values came in."""
        if self.source is None:
            return result
        turned = self.source.transpose("time", ...)
        return turned.copy(data=result).assign_attrs(attrs).transpose(*self.source.dims)
