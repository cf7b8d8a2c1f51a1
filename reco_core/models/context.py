"""What a model sees besides the drivers of a row's own place and time, and where it stands in the row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Optional

import numpy as np

MONTHS = 12


class View(NamedTuple):
    """The parts of wide rows; those that were not asked for are None.

    own (n, p); past (n, T, p), oldest first, the last one the time step before the row's; patch (n, k, k, p),
    north to south and west to east, the own cell in the middle; climate (n, 12, p), January first [units of the
    drivers]; lat (n,) [deg]; day (n,), the day of the year in the middle of the time step.
    """

    own: np.ndarray
    past: Optional[np.ndarray] = None
    patch: Optional[np.ndarray] = None
    climate: Optional[np.ndarray] = None
    lat: Optional[np.ndarray] = None
    day: Optional[np.ndarray] = None


@dataclass(frozen=True)
class Context:
    """What a model wants to see of the surroundings of a row.

    The sample builder and the reader of grids put it behind the p drivers of the row, in the order of the
    fields of `View`; no other part of the library knows which model asked for it.

    Parameters
    ----------
    past : int
        Earlier time steps of every driver.
    side : int
        Side of the square of cells around, an odd number.
    climate : bool
        Mean of every driver in each month of the year, at the place.
    place : bool
        Latitude and day of the year.
    """

    past: int = 0
    side: int = 1
    climate: bool = False
    place: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether a row is its drivers and nothing else."""
        return self == Context()

    def blocks(self) -> int:
        """Return how many times all drivers stand in a row."""
        return 1 + self.past + (self.side ** 2 if self.side > 1 else 0) + (MONTHS if self.climate else 0)

    def width(self, features: int) -> int:
        """Return the number of columns of rows with so many drivers.

        Examples
        --------
        >>> Context(past=2, place=True).width(3)
        11
        """
        return self.blocks() * features + (2 if self.place else 0)

    def view(self, X: np.ndarray, features: int) -> View:
        """Return the parts of rows without copying them.

        Parameters
        ----------
        X : array of shape (n, width)
        features : int
            Number of drivers.

        Raises
        ------
        ValueError
            The rows have another width.
        """
        if X.shape[1] != self.width(features):
            raise ValueError(f"rows of {features} drivers with this context have {self.width(features)} columns, "
                             f"not {X.shape[1]}")
        n, start = len(X), features
        found: dict[str, np.ndarray] = {}
        for name, shape in self._parts(features):
            size = int(np.prod(shape))
            found[name] = X[:, start:start + size].reshape(n, *shape) if shape else X[:, start]
            start += size
        return View(X[:, :features], **found)

    def _parts(self, features: int) -> list[tuple[str, tuple[int, ...]]]:
        """Return name and shape of each part behind the drivers themselves."""
        parts: list[tuple[str, tuple[int, ...]]] = []
        if self.past:
            parts.append(("past", (self.past, features)))
        if self.side > 1:
            parts.append(("patch", (self.side, self.side, features)))
        if self.climate:
            parts.append(("climate", (MONTHS, features)))
        return parts + ([("lat", ()), ("day", ())] if self.place else [])

    def owners(self, features: int) -> np.ndarray:
        """Return the driver of each column, shape (width,); -1 where it is of none.

        Examples
        --------
        >>> Context(past=1, place=True).owners(2)
        array([ 0,  1,  0,  1, -1, -1])
        """
        drivers = np.tile(np.arange(features), self.blocks())
        return np.concatenate([drivers, np.full(2, -1)]) if self.place else drivers
