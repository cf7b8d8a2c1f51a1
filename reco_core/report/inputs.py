"""What a report is made from: plain arrays and records, already read from files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Sequence

import numpy as np

from ..vocabulary import variable

HONEST = ("grouped", "loso", "block")


@dataclass(frozen=True)
class Frame:
    """Where the maps lie: outer edges in the units of the CRS, and how to label them.

    `metres` is the length of one unit of a projected CRS [m].
    """

    left: float
    right: float
    bottom: float
    top: float
    crs: str = ""
    geographic: bool = True
    metres: float = 1.0

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Edges as matplotlib wants them."""
        return self.left, self.right, self.bottom, self.top

    @property
    def stretch(self) -> float:
        """How much longer a unit of y is drawn than a unit of x (1 / cos latitude in degrees)."""
        if not self.geographic:
            return 1.0
        middle = np.clip((self.bottom + self.top) / 2, -75.0, 75.0)
        return float(1.0 / np.cos(np.radians(middle)))

    @property
    def aspect(self) -> float:
        """Height divided by width of the map as drawn."""
        return abs(self.top - self.bottom) * self.stretch / max(abs(self.right - self.left), 1e-12)


@dataclass(frozen=True)
class Driver:
    """A driver as the report names and colours it."""

    name: str
    long_name: str
    unit: str
    group: str

    @classmethod
    def named(cls, name: str, unit: str = "", long_name: str = "", group: str = "") -> Driver:
        """Return the driver called `name`; what is not given comes from the vocabulary."""
        known = variable(name)
        return cls(name, long_name or known.long_name, unit or known.unit, group or known.group)


@dataclass(frozen=True)
class Series:
    """Numbers of the region per time step; `zones` holds the same mean for parts of the region.

    mean, spread [unit of the flux]; applicable [share of the area, 0..1]; total [g C per step];
    area [m2] with an estimate.
    """

    times: tuple[str, ...]
    mean: np.ndarray
    spread: Optional[np.ndarray] = None
    applicable: Optional[np.ndarray] = None
    total: Optional[np.ndarray] = None
    area: Optional[np.ndarray] = None
    zones: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class ScoreRow:
    """One line of the skill table."""

    scope: str
    scheme: str
    values: Mapping[str, float]
    kind: str = "class"


@dataclass(frozen=True)
class Held:
    """Observed flux and its estimate by models that never saw the site [unit of the flux]."""

    observed: np.ndarray
    estimated: np.ndarray
    label: Optional[np.ndarray] = None


@dataclass(frozen=True)
class Skill:
    """Scores on held-out data; rows of whole sites held out come first in every table.

    `folds` and `sites` say how the grouped scheme dealt the sites; `compared` are scores over all
    sites of other models, named by their scope, from the table `compared_in`.
    """

    rows: Sequence[ScoreRow]
    held: Optional[Held] = None
    folds: int = 0
    sites: int = 0
    compared: Sequence[ScoreRow] = ()
    compared_in: str = ""

    @property
    def scheme(self) -> str:
        """The scheme to judge maps by: whole sites held out, in folds or one at a time."""
        there = {row.scheme for row in self.rows}
        return next((name for name in HONEST if name in there), "")

    def pooled(self, scheme: str = "") -> Mapping[str, float]:
        """Return the scores over all sites, empty if there are none."""
        wanted = scheme or self.scheme
        return next((row.values for row in self.rows if row.kind == "pooled" and row.scheme == wanted), {})

    def classes(self) -> list[ScoreRow]:
        """Return the rows of the vegetation classes."""
        return [row for row in self.rows if row.kind == "class" and row.scheme == self.scheme]


@dataclass(frozen=True)
class Note:
    """Something the reader must know; `grave` notes stand in the box at the top."""

    text: str
    grave: bool = False


@dataclass(frozen=True)
class ReportInputs:
    """All that `build_report` needs.

    Parameters
    ----------
    title, region : str
    flux_kind : str
        reco, rs or rh.
    unit : str
        Unit of every flux, contribution and spread, such as 'g C m-2 month-1'.
    time_step : str
    frame : Frame
    maps : mapping of name to array of shape (y, x), north up, NaN where missing
        `flux`, `spread` [unit], `applicability` [0..1] (means over time), `outside` [share of time steps].
    seasons : mapping of title to array (y, x) [unit]
    series : Series
    drivers : sequence of Driver, of length k
    shares : array (k, y, x) [1]
    groups : array (3, y, x) [1], environment, biotic, spatiotemporal
    dominant : array (y, x), number of the driver from 1, NaN where missing
    trend : mapping of band to array (y, x): slope, relative [% yr-1], p, low, high, n
    trend_unit : str
        Unit of the slope, such as 'g C m-2 yr-2'.
    numbers : mapping of name to number
        Area-weighted results over all cells at full resolution; see `tally`.
    driver_numbers : mapping of driver name to its numbers (mean, sd, low, high, weighted, dominant)
    dependence : mapping of driver name to (driver values, contributions, month or None)
    skill : Skill, optional
    model : mapping of label to text
    record : mapping
        The run record (run.json).
    notes : sequence of Note
    """

    title: str
    flux_kind: str
    unit: str
    time_step: str
    frame: Frame
    maps: Mapping[str, np.ndarray]
    series: Series
    region: str = ""
    seasons: Mapping[str, np.ndarray] = field(default_factory=dict)
    drivers: Sequence[Driver] = ()
    shares: Optional[np.ndarray] = None
    groups: Optional[np.ndarray] = None
    dominant: Optional[np.ndarray] = None
    trend: Mapping[str, np.ndarray] = field(default_factory=dict)
    trend_unit: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
    driver_numbers: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    dependence: Mapping[str, tuple[np.ndarray, np.ndarray, Optional[np.ndarray]]] = field(default_factory=dict)
    skill: Optional[Skill] = None
    model: Mapping[str, str] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[Note] = ()
