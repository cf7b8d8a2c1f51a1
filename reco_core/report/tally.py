"""Numbers of a region, gathered block by block so that rasters of any size fit."""

from __future__ import annotations

from typing import Mapping, Optional, Sequence

import numpy as np

from ..vocabulary.calendar import STEPS_PER_YEAR

SEASONS = ("December to February", "March to May", "June to August", "September to November")


def shrink_factor(height: int, width: int, most: int = 600) -> int:
    """Return the power of two by which a raster is coarsened to at most `most` cells a side.

    Examples
    --------
    >>> shrink_factor(400, 300), shrink_factor(4000, 300)
    (1, 8)
    """
    factor = 1
    while max(height, width) / factor > most:
        factor *= 2
    return factor


def shrink(values: np.ndarray, factor: int) -> np.ndarray:
    """Return means of blocks of factor x factor cells of the last two axes; missing cells are left out."""
    if factor == 1:
        return values.astype("float64")
    *lead, height, width = values.shape
    pad = [(0, 0)] * len(lead) + [(0, -height % factor), (0, -width % factor)]
    padded = np.pad(values.astype("float64"), pad, constant_values=np.nan)
    shape = (*lead, padded.shape[-2] // factor, factor, padded.shape[-1] // factor, factor)
    return mean_known(np.moveaxis(padded.reshape(shape), -3, -2), (-2, -1))


def mean_known(values: np.ndarray, axis: int | tuple[int, ...] = 0) -> np.ndarray:
    """Return the mean of the finite values along an axis, NaN where there are none."""
    good = np.isfinite(values)
    count = good.sum(axis=axis)
    total = np.where(good, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


class Coarse:
    """A coarse picture of a raster, filled block by block.

    Parameters
    ----------
    height, width : int
        Size of the raster; blocks must start at multiples of `factor`.
    factor : int
    bands : int
        Number of layers; 0 for a single layer.
    """

    def __init__(self, height: int, width: int, factor: int, bands: int = 0) -> None:
        self.factor = factor
        shape = (-(-height // factor), -(-width // factor))
        self.values = np.full((bands, *shape) if bands else shape, np.nan)

    def add(self, values: np.ndarray, row: int, column: int, *, nearest: bool = False) -> None:
        """Put a block whose first cell is at `row`, `column` of the raster; `nearest` keeps single cells."""
        f = self.factor
        small = values[..., f // 2::f, f // 2::f] if nearest and f > 1 else shrink(values, f)
        rows, columns = small.shape[-2:]
        self.values[..., row // f:row // f + rows, column // f:column // f + columns] = small


class Tally:
    """Area-weighted sums over cells, band by band.

    Parameters
    ----------
    bands : int
    zones : sequence of str
        Names of parts of the region that are summed besides the whole.
    floor : float, optional
        Also sum the area at or above this value.
    """

    def __init__(self, bands: int, zones: Sequence[str] = (), floor: Optional[float] = None) -> None:
        self._floor = floor
        self._sum = {name: np.zeros(bands) for name in ("", *zones)}
        self._weight = {name: np.zeros(bands) for name in ("", *zones)}
        self.above = np.zeros(bands)
        self.count = np.zeros(bands)
        self._plain = np.zeros(bands)
        self._square = np.zeros(bands)
        self.low = np.full(bands, np.inf)
        self.high = np.full(bands, -np.inf)
        self.seen = 0.0

    def add(self, values: np.ndarray, area: np.ndarray, zones: Optional[Mapping[str, np.ndarray]] = None) -> None:
        """Add a block.

        Parameters
        ----------
        values : array (bands, h, w)
            NaN where missing.
        area : array (h, w) [m2]
        zones : mapping of name to bool array (h, w), optional
            Which cells are of each zone.
        """
        bands = values.shape[0]
        flat = values.reshape(bands, -1).astype("float64")
        good = np.isfinite(flat)
        filled = np.where(good, flat, 0.0)
        for name in self._sum:
            weight = (area if not name else area * (zones or {})[name]).ravel()
            self._sum[name] += filled @ weight
            self._weight[name] += good @ weight
        if self._floor is not None:
            self.above += (good & (filled >= self._floor)) @ area.ravel()
        self.count += good.sum(axis=1)
        self._plain += filled.sum(axis=1)
        self._square += (filled ** 2).sum(axis=1)
        self.low = np.minimum(self.low, np.where(good, flat, np.inf).min(axis=1))
        self.high = np.maximum(self.high, np.where(good, flat, -np.inf).max(axis=1))
        self.seen += float(good.any(axis=0) @ area.ravel())

    def total(self, zone: str = "") -> np.ndarray:
        """Sum of value times area per band [unit m2]."""
        return self._sum[zone]

    def area(self, zone: str = "") -> np.ndarray:
        """Area with a value per band [m2]."""
        return self._weight[zone]

    def mean(self, zone: str = "") -> np.ndarray:
        """Area-weighted mean per band."""
        weight = self._weight[zone]
        return np.where(weight > 0, self._sum[zone] / np.where(weight > 0, weight, 1.0), np.nan)

    def cell_mean(self) -> np.ndarray:
        """Mean over cells, each counting the same."""
        return np.where(self.count > 0, self._plain / np.maximum(self.count, 1), np.nan)

    def cell_sd(self) -> np.ndarray:
        """Standard deviation over cells (ddof 1)."""
        n = np.maximum(self.count, 2)
        spread = np.maximum(self._square - self._plain ** 2 / n, 0.0) / (n - 1)
        return np.where(self.count > 1, np.sqrt(spread), np.nan)


class TrendTally:
    """Area with a significant rise or fall.

    Parameters
    ----------
    alpha : float
    """

    def __init__(self, alpha: float = 0.05) -> None:
        self._alpha = alpha
        self._known = self._up = self._down = self._slope = 0.0
        self.years = 0.0

    def add(self, slope: np.ndarray, p: np.ndarray, n: np.ndarray, area: np.ndarray) -> None:
        """Add blocks of shape (h, w); `area` in m2."""
        good = np.isfinite(slope) & np.isfinite(p)
        sure = good & (np.nan_to_num(p, nan=1.0) < self._alpha)
        self._known += float(area[good].sum())
        self._up += float(area[sure & (slope > 0)].sum())
        self._down += float(area[sure & (slope < 0)].sum())
        self._slope += float((slope[good].astype("float64") * area[good]).sum())
        if np.isfinite(n).any():
            self.years = max(self.years, float(np.nanmax(n)))

    def numbers(self) -> dict[str, float]:
        """Return the area-weighted mean slope and the shares of the area."""
        if self._known == 0:
            return {}
        return {"trend_slope": self._slope / self._known, "trend_up": self._up / self._known,
                "trend_down": self._down / self._known, "trend_years": self.years, "trend_area": self._known}


def whole_years(times: Sequence[str], time_step: str) -> list[str]:
    """Return the years of which every time step is there."""
    wanted = STEPS_PER_YEAR[time_step]
    years = [label[:4] for label in times]
    return [year for year in sorted(set(years)) if years.count(year) >= wanted]


def annual_totals(times: Sequence[str], totals: np.ndarray, time_step: str) -> dict[str, float]:
    """Return the sum of the region per whole year from the sums per time step."""
    years = np.array([label[:4] for label in times])
    return {year: float(np.sum(totals[years == year])) for year in whole_years(times, time_step)}


def season_of(times: Sequence[str], time_step: str) -> Optional[np.ndarray]:
    """Return the season (0 to 3, see SEASONS) of each time step, or None for annual data."""
    if time_step == "year":
        return None
    return np.array([int(label[5:7]) % 12 // 3 for label in times])


def flux_numbers(times: Sequence[str], time_step: str, flux: Tally) -> dict[str, float]:
    """Return mean, totals and area of the flux.

    Returns
    -------
    dict
        mean [unit], area [m2], total_per_year [g C yr-1] and annual [g C m-2 yr-1] over whole years, years.
    """
    weight = flux.area().sum()
    numbers = {"mean": float(flux.total().sum() / weight) if weight else float("nan"), "area": flux.seen}
    totals = annual_totals(times, flux.total(), time_step)
    if totals:
        numbers["years"] = float(len(totals))
        numbers["total_per_year"] = float(np.mean(list(totals.values())))
        inside = np.array([label[:4] in totals for label in times])
        mean_area = float(flux.area()[inside].mean())
        numbers["annual"] = numbers["total_per_year"] / mean_area if mean_area else float("nan")
    return numbers
