"""Environmentally similar zones: factors of a place, their principal components, and the nearest centre."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence

import numpy as np

from ..errors import ArtifactError, ConfigError, SampleError
from ..vocabulary import canonical_name
from .context import Context
from .swarm import cluster

# each factor of the published method, and what may stand for it where it is not there
FACTORS: dict[str, tuple[str, ...]] = {
    "air temperature": ("ta", "bio1", "mat", "ts", "lst_day"),
    "precipitation": ("precip", "bio12", "map"),
    "NDVI": ("ndvi", "evi", "fapar", "lai", "npp"),
    "LSWI of the growing season": ("lswi_growing", "swc"),
    "elevation": ("elevation",),
    "soil organic carbon": ("soc_0", "soc_density", "oc", "clay"),
}
CLIMATE = Context(climate=True)
GROWING = "_growing"
WARM = 5.0  # degC; months above it are the growing season
MONTHS_WITHOUT_WARMTH = 3
LEAST_SHARE = 0.8
NOVEL_SHARE = 99.0
NAMES = ("mean", "spread", "loadings", "explained", "centres", "reach", "width")


@dataclass(frozen=True)
class Zones:
    """Zones in the plane of the first principal components of f factors; K centres in q components.

    Parameters
    ----------
    factors : tuple of str
        Drivers whose long-term mean is a factor; `<driver>_growing` is that of the growing season.
    mean, spread : array of shape (f,) [units of the drivers]
        Of the training sites.
    loadings : array of shape (f, q)
        The largest of each component is positive.
    explained : array of shape (q,)
        Share of the variance.
    centres : array of shape (K, q)
        In ascending order of the first factor at the sites of the zone.
    reach : float
        99th percentile of the distance of sites from the centre of their own zone; beyond it a place is novel.
    width : float
        Root mean square of these distances: how far zones are blended where that is wanted.
    """

    factors: tuple[str, ...]
    mean: np.ndarray
    spread: np.ndarray
    loadings: np.ndarray
    explained: np.ndarray
    centres: np.ndarray
    reach: float
    width: float

    @property
    def count(self) -> int:
        """Number of zones."""
        return len(self.centres)

    def scores(self, values: np.ndarray) -> np.ndarray:
        """Return places in principal components, shape (n, q), from factors of shape (n, f) [units of the drivers]."""
        z = (np.asarray(values, dtype="float64") - self.mean) / self.spread
        # column by column: a matrix product rounds rows otherwise when there are more of them
        return sum((z[:, k, None] * row for k, row in enumerate(self.loadings)), np.zeros((len(z), 1)))

    def distances(self, values: np.ndarray) -> np.ndarray:
        """Return the distance of each place from each centre, shape (n, K); NaN where a factor is missing."""
        points = self.scores(values)
        found = np.zeros((len(points), self.count))
        for number, centre in enumerate(self.centres):
            for axis, value in enumerate(centre):
                found[:, number] += np.square(points[:, axis] - value)
        return np.sqrt(found)

    def labels(self, values: np.ndarray) -> np.ndarray:
        """Return the zone of each place, 1 to K, shape (n,); 0 where a factor is missing."""
        return nearest(self.distances(values))

    def novel(self, values: np.ndarray) -> np.ndarray:
        """Return which places are farther from every centre than nearly all training sites are from theirs, (n,)."""
        return self.distances(values).min(axis=1) > self.reach

    def blend(self, values: np.ndarray) -> np.ndarray:
        """Return how much each zone counts at each place, shape (n, K), adding up to 1: exp(-d^2 / 2 width^2)."""
        square = np.square(self.distances(values) / self.width) / 2
        share = np.exp(-(square - square.min(axis=1, keepdims=True)))
        return share / share.sum(axis=1, keepdims=True)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the numbers to keep."""
        return {name: np.asarray(getattr(self, name), dtype="float64") for name in NAMES}

    @classmethod
    def from_arrays(cls, factors: Sequence[str], arrays: Mapping[str, np.ndarray]) -> Zones:
        """Return the zones that `to_arrays` took apart.

        Raises
        ------
        ArtifactError
            The numbers do not fit together.
        """
        mean, spread, loadings, explained, centres = (arrays[name] for name in NAMES[:5])
        found = cls(tuple(factors), mean, spread, loadings, explained, centres, float(arrays["reach"]),
                    float(arrays["width"]))
        f, q = found.loadings.shape
        if {len(found.factors), found.mean.size, found.spread.size} != {f} or found.centres.shape[1:] != (q,):
            raise ArtifactError("The zones of the model are damaged", "Fit the model again")
        return found

    def to_plain(self) -> dict[str, Any]:
        """Return the zones as plain data, for files that people read and for other processes."""
        return {"factors": list(self.factors), **{name: values.tolist() for name, values in self.to_arrays().items()}}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Zones:
        """Return the zones that `to_plain` took apart."""
        return cls.from_arrays(plain["factors"], {name: np.asarray(plain[name], dtype="float64") for name in NAMES})


def nearest(distances: np.ndarray) -> np.ndarray:
    """Return the number of the nearest centre, counted from 1, or 0 where the distances are NaN, shape (n,)."""
    known = np.isfinite(distances).all(axis=1)
    return np.where(known, np.argmin(np.where(known[:, None], distances, 0.0), axis=1) + 1, 0)


def learn_zones(values: np.ndarray, factors: Sequence[str], count: int, *, seed: int = 0,
                variant: str = "constriction") -> Zones:
    """Return zones of places that are alike.

    Factors are brought to mean 0 and standard deviation 1, turned into principal components, of which
    the first are kept that together have 80 % of the variance, and grouped by k-means that a particle swarm starts.

    Parameters
    ----------
    values : array of shape (sites, f) [units of the drivers]
        Sites that lack a factor are left out.
    factors : sequence of str
    count : int
        Number of zones.
    seed : int
    variant : {"constriction", "1995"}
        Of the particle swarm; see `swarm.cluster`.

    Raises
    ------
    SampleError
        There are fewer different sites than zones, or no factor differs between them.

    References
    ----------
    Zhu, L. et al. (2024). IEEE J. Sel. Top. Appl. Earth Obs. Remote Sens. doi:10.1109/JSTARS.2024.3400158
    """
    known = np.asarray(values, dtype="float64")
    known = known[np.isfinite(known).all(axis=1)]
    if len(known) < max(count, 2):
        raise SampleError(f"{len(known)} sites have all factors of zones ({', '.join(factors)}), {count} zones are "
                          "wanted", "Ask for fewer zones, or leave out the factor with most gaps (factors=...)")
    spread = known.std(axis=0, ddof=1)
    if not (spread > 0).any():
        raise SampleError(f"The factors of zones ({', '.join(factors)}) are the same at all {len(known)} sites",
                          "Name other factors, or make one zone (zones=1)")
    mean, spread = known.mean(axis=0), np.where(spread > 0, spread, 1.0)
    loadings, explained = components((known - mean) / spread)
    points = ((known - mean) / spread) @ loadings
    centres, label = cluster(points, count, seed=seed, variant=variant)
    order = np.argsort([known[label == number, 0].mean() for number in range(count)], kind="stable")
    own = np.sqrt(np.square(points - centres[label]).sum(axis=1))
    width = float(np.sqrt(np.square(own).mean())) or 1.0
    return Zones(tuple(factors), mean, spread, loadings, explained, centres[order],
                 float(np.percentile(own, NOVEL_SHARE)), width)


def components(z: np.ndarray, least: float = LEAST_SHARE) -> tuple[np.ndarray, np.ndarray]:
    """Return loadings, (f, q), and shares of variance, (q,), of the first components that have enough of it together.

    Parameters
    ----------
    z : array of shape (n, f)
        Centred columns.
    least : float
        Share of the variance that is kept at least.
    """
    _, singular, directions = np.linalg.svd(z, full_matrices=False)
    share = np.square(singular) / np.square(singular).sum()
    q = int(np.searchsorted(np.cumsum(share), least - 1e-12) + 1)
    loadings = directions[:q].T
    sign = np.sign(loadings[np.argmax(np.abs(loadings), axis=0), np.arange(q)])
    return loadings * sign, share[:q]


def choose_factors(given: str, features: Sequence[str]) -> tuple[str, ...]:
    """Return the factors to make zones of.

    Parameters
    ----------
    given : str
        Names separated by semicolons; "auto" takes those of the published method, or what may stand for them.
    features : sequence of str
        Drivers that there are.

    Raises
    ------
    ConfigError
        A factor is no driver or is named twice, or fewer than two are there for "auto".

    Examples
    --------
    >>> choose_factors("auto", ["ta", "precip", "lai", "soc_0"])
    ('ta', 'precip', 'lai', 'soc_0')
    """
    if given == "auto":
        found = tuple(name for name in (_first(names, features) for names in FACTORS.values()) if name)
        if len(found) < 2:
            raise ConfigError(f"Zones need at least two factors, and the drivers have {', '.join(found) or 'none'}",
                              "Name drivers that tell places apart, for example settings=\"factors=ta;precip\"")
        return found
    names = [part.strip().lower() for part in given.split(";") if part.strip()]
    chosen = tuple(_known(name) for name in names)
    if len(set(chosen)) < len(chosen) or not chosen:
        raise ConfigError(f"The factors '{given}' name a driver twice, or none", "Name each factor once: ta;precip")
    for name in chosen:
        needed = _needs(name)
        if not set(needed) <= set(features):
            raise ConfigError(f"The factor '{name}' needs the driver {', '.join(needed)}, which is not there",
                              f"There are: {', '.join(features)}")
        if name.endswith(GROWING) and not {"ta", "ndvi"} & set(features):
            raise ConfigError(f"The factor '{name}' needs ta or ndvi to tell the growing season",
                              f"There are: {', '.join(features)}")
    return chosen


def stand_ins(factors: Sequence[str]) -> list[str]:
    """Return in words which factors stand for those of the published method, and which of them are lacking.

    Examples
    --------
    >>> stand_ins(("ta", "precip", "lai"))[0]
    'lai stands for NDVI'
    """
    words = []
    for title, names in FACTORS.items():
        found = next((name for name in names if name in factors), None)
        if found != names[0]:
            words.append(f"{found} stands for {title}" if found else f"{title} is lacking")
    return words


def factor_values(climate: np.ndarray, features: Sequence[str], factors: Sequence[str]) -> np.ndarray:
    """Return the factors of places.

    Parameters
    ----------
    climate : array of shape (n, 12, p) [units of the drivers]
        Mean of each driver in each month of the year.
    features : sequence of str
        The p drivers.
    factors : sequence of str
        A driver: its mean over the year; `<driver>_growing`: over months warmer than 5 degC, or where there are
        none over the three of the highest NDVI (the three warmest where there is no NDVI).

    Returns
    -------
    array of shape (n, f)
        NaN where a month has no value.
    """
    at = {name: number for number, name in enumerate(features)}
    found = np.empty((len(climate), len(factors)))
    season: Optional[np.ndarray] = None
    for number, name in enumerate(factors):
        monthly = climate[:, :, at[name.removesuffix(GROWING)]].astype("float64")
        if not name.endswith(GROWING):
            found[:, number] = _year(monthly) / monthly.shape[1]
            continue
        if season is None:
            season = growing_season(*(climate[:, :, at[driver]] if driver in at else None for driver in ("ta", "ndvi")))
        months, total = season.sum(axis=1), _year(np.where(season, monthly, 0.0))
        found[:, number] = np.divide(total, months, out=np.full(len(total), np.nan), where=months > 0)
    return found


def _year(monthly: np.ndarray) -> np.ndarray:
    """Return the sum over months, shape (n,), month after month: the same for any number of rows."""
    total = np.zeros(len(monthly))
    for column in monthly.T:
        total += column
    return total


def factors_of_rows(X: np.ndarray, features: Sequence[str], factors: Sequence[str]) -> np.ndarray:
    """Return the factors of rows that carry the monthly means of their place, shape (n, f).

    Parameters
    ----------
    X : array of shape (n, 13 p)
        Drivers and their means in each month, as `CLIMATE` orders them.
    features, factors : sequence of str
        As in `factor_values`.
    """
    climate = CLIMATE.view(X, len(features)).climate
    assert climate is not None
    return factor_values(climate, features, factors)


def growing_season(ta: Optional[np.ndarray], ndvi: Optional[np.ndarray]) -> np.ndarray:
    """Return the months of the growing season, bool of shape (n, 12); none where it cannot be told.

    Parameters
    ----------
    ta : array of shape (n, 12) [degC], optional
    ndvi : array of shape (n, 12), optional
    """
    guide = ndvi if ndvi is not None else ta
    assert guide is not None
    highest = np.argsort(np.argsort(-guide, axis=1, kind="stable"), axis=1) < MONTHS_WITHOUT_WARMTH
    highest &= np.isfinite(guide).all(axis=1, keepdims=True)
    if ta is None:
        return highest
    warm = ta > WARM
    season = np.where(warm.any(axis=1, keepdims=True), warm, highest)
    return season & np.isfinite(ta).all(axis=1, keepdims=True)


def _needs(factor: str) -> tuple[str, ...]:
    return (factor.removesuffix(GROWING),)


def _known(name: str) -> str:
    bare = name.removesuffix(GROWING)
    return (canonical_name(bare) or bare) + name[len(bare):]


def _first(names: Sequence[str], features: Sequence[str]) -> Optional[str]:
    there = set(features)
    return next((name for name in names if set(_needs(name)) <= there
                 and (not name.endswith(GROWING) or {"ta", "ndvi"} & there)), None)
