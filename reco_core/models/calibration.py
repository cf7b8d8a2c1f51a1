r"""How far a few local records move an estimate: scale factors, drawn towards 1 as training sites teach.

A place is :math:`f` times what the model says. With local records :math:`y`, estimates :math:`p` of the same time
steps, and the mean square :math:`P^2` of estimates of training sites by models that did not see them,

.. math:: f = \frac{\lambda P^2 + \sum y p}{\lambda P^2 + \sum p^2}

is the least-squares factor drawn towards 1 as if :math:`\lambda` usual records had shown no difference.
:math:`\lambda` is the one that would have served the training sites best: from windows of as many consecutive records,
scored on the rest of each site, by estimates of models that did not see it.

For other places of a region or class than the towers themselves, the mean deviation of *n* towers counts with
:math:`n \rho / (1 + (n - 1) \rho)` (Spearman-Brown), where :math:`\rho` is what the deviation of a training site
tells of its kin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import SampleError

FEWEST_RECORDS = 3
FEWEST_SITES = 8
FEWEST_PAIRS = 10
WINDOWS = 8
WEIGHTS = np.geomspace(0.01, 1000, 251)  # of usual records
UNKNOWN_SHARE = 0.5
MOST = 10.0


@dataclass(frozen=True)
class HeldOut:
    """Records of training sites and estimates of them by models that did not see the site.

    observed, estimate (n,) [unit of the flux] in order of time within each site; site (n,) str, `group` (n,) int (near
    towers share one), stratum (n,) str, fold (n,) int.
    """

    observed: np.ndarray
    estimate: np.ndarray
    site: np.ndarray
    group: np.ndarray
    stratum: np.ndarray
    fold: np.ndarray

    def take(self, rows: np.ndarray) -> HeldOut:
        """Return some of the rows (a mask or positions)."""
        return HeldOut(self.observed[rows], self.estimate[rows], self.site[rows], self.group[rows], self.stratum[rows],
                       self.fold[rows])

    def known(self) -> HeldOut:
        """Return the rows that have an estimate.

        Raises
        ------
        SampleError
            None has one, or all estimates are 0.
        """
        there = np.isfinite(self.observed) & np.isfinite(self.estimate)
        if not np.any(self.estimate[there]):
            raise SampleError("The model keeps no estimates of sites it did not see, so how far local records can be "
                              "trusted is not known", "Fit it with at least 2 folds")
        return self.take(there)


@dataclass(frozen=True)
class Sums:
    """Sums over records: `cross` of observation times estimate, `square` of estimate squared, each of shape (n,)."""

    cross: np.ndarray
    square: np.ndarray


@dataclass(frozen=True)
class Shrinkage:
    """How strongly factors are drawn towards 1.

    Parameters
    ----------
    typical : float [unit of the flux, squared]
        Mean square of the estimates of training sites.
    weight : float [1]
        Of how many usual records the factor 1 has the weight.
    error : float [1]
        Usual error of a factor, against the one that serves the rest of the site best.
    records, sites : int
        Length of the windows, and how many training sites have some.
    """

    typical: float
    weight: float
    error: float
    records: int
    sites: int

    def factor(self, observed: np.ndarray, estimate: np.ndarray) -> float:
        """Return the factor of one place from its local records, each of shape (k,) [unit of the flux].

        Examples
        --------
        >>> shrinkage = Shrinkage(typical=100.0, weight=2.0, error=0.2, records=2, sites=10)
        >>> shrinkage.factor(np.array([20.0, 20.0]), np.array([10.0, 10.0]))
        1.5
        """
        sums = Sums(np.array([observed @ estimate]), np.array([estimate @ estimate]))
        return float(_factors(sums, self.weight * self.typical)[0])


@dataclass(frozen=True)
class Transfer:
    """What the deviation of a tower tells of other places like it.

    Parameters
    ----------
    share : float [1]
        From 0, nothing, to 1, all.
    pairs : int
        Of training sites; 0 where there were too few and the share is a guess.
    spread : float [1]
        Usual deviation of a site from the factor 1.
    """

    share: float
    pairs: int
    spread: float

    def of(self, towers: int) -> float:
        """Return with which weight the mean deviation of some towers counts."""
        return towers * self.share / (1 + (towers - 1) * self.share)

    def error(self, towers: int) -> float:
        """Return the usual error of the factor."""
        return float(self.spread * np.sqrt(1 - self.of(towers) * self.share))


def shrinkage(held: HeldOut, records: int) -> Shrinkage:
    """Return how strongly factors of so many local records should be drawn towards 1.

    Parameters
    ----------
    held : HeldOut
    records : int
        Consecutive local records. Where fewer than eight training sites have more, shorter windows serve.

    Raises
    ------
    SampleError
        Too few training sites have more than three records, or there are too few local records.
    """
    if records < FEWEST_RECORDS:
        raise SampleError(f"{records} local records are too few; {FEWEST_RECORDS} are wanted",
                          "Give more time steps of each tower")
    held = held.known()
    lengths = np.sort(np.unique(held.site, return_counts=True)[1])[::-1]
    reach = int(lengths[FEWEST_SITES - 1]) - 1 if lengths.size >= FEWEST_SITES else 0
    if reach < FEWEST_RECORDS:
        raise SampleError(f"The model was fitted on {lengths.size} sites with up to {lengths[0]} records: too few to "
                          "tell how far local records can be trusted",
                          f"{FEWEST_SITES} sites with more than {FEWEST_RECORDS} records are wanted")
    length = min(records, reach)
    known, rest, sites = windows(held, length)
    typical = float(np.square(held.estimate).mean())
    loss = [_loss(_factors(known, weight * typical), rest) for weight in WEIGHTS]
    best = int(np.argmin(loss))
    found = _factors(known, WEIGHTS[best] * typical)
    usable = rest.square > 0
    gap = found[usable] - rest.cross[usable] / rest.square[usable]
    error = np.sqrt(np.average(np.square(gap), weights=rest.square[usable]))
    return Shrinkage(typical, float(WEIGHTS[best]), float(error), length, sites)


def windows(held: HeldOut, records: int) -> tuple[Sums, Sums, int]:
    """Return sums over windows of consecutive records and over the rest of their sites, and the number of sites."""
    drawn = window_rows(held.site, records)
    whole, known = (np.array([_sums(held, rows) for rows in part]) for part in zip(*drawn))
    sites = len({str(held.site[rows[0]]) for rows, _ in drawn})
    return Sums(*known.T), Sums(*(whole - known).T), sites


def window_rows(site: np.ndarray, records: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return for each window the rows of its site and those within; up to eight windows spread over each site."""
    found = []
    for name in np.unique(site):
        rows = np.flatnonzero(site == name)
        last = rows.size - records
        if last < 1:
            continue
        starts = np.unique(np.linspace(0, last, WINDOWS).round().astype(int))
        found += [(rows, rows[start:start + records]) for start in starts]
    return found


def transfer(held: HeldOut, kin: np.ndarray, weight: float) -> Transfer:
    """Return what the deviation of a site tells of its kin among the training sites.

    Parameters
    ----------
    held : HeldOut
    kin : array of shape (n,)
        Sites whose rows have the same are kin; an empty text is kin of none.
    weight : float [1]
        Of how many usual records the factor 1 has the weight.

    Returns
    -------
    Transfer
        Its share is the least-squares slope over all ordered pairs of kin, between 0 and 1; a half where there are
        fewer than ten pairs.
    """
    there = np.isfinite(held.observed) & np.isfinite(held.estimate)
    held, kin = held.known(), np.asarray(kin).astype(str)[there]
    typical = weight * float(np.square(held.estimate).mean())
    _, first, member = np.unique(held.site, return_index=True, return_inverse=True)
    cross = np.bincount(member, weights=held.observed * held.estimate)
    square = np.bincount(member, weights=np.square(held.estimate))
    deviation = _factors(Sums(cross, square), typical) - 1
    gap = cross - square
    top, bottom, pairs = 0.0, 0.0, 0
    for label in np.unique(kin[kin != ""]):
        mine = kin[first] == label
        d, g, s = deviation[mine], gap[mine], square[mine]
        pairs += d.size * (d.size - 1)
        top += d.sum() * g.sum() - d @ g
        bottom += np.square(d).sum() * s.sum() - np.square(d) @ s
    usable = square > 0
    spread = np.sqrt(np.sum(np.square(gap[usable]) / square[usable]) / square.sum())
    if pairs < FEWEST_PAIRS or bottom <= 0:
        return Transfer(UNKNOWN_SHARE, 0, float(spread))
    return Transfer(float(np.clip(top / bottom, 0, 1)), pairs, float(spread))


def _sums(held: HeldOut, rows: np.ndarray) -> tuple[float, float]:
    observed, estimate = held.observed[rows], held.estimate[rows]
    return float(observed @ estimate), float(estimate @ estimate)


def _factors(sums: Sums, prior: float) -> np.ndarray:
    """Return the factors of places; fluxes far from the estimate do not turn or explode it."""
    return np.clip((prior + sums.cross) / (prior + sums.square), 1 / MOST, MOST)


def _loss(factors: np.ndarray, rest: Sums) -> float:
    """Return the squared error on the rest, but for what no factor changes."""
    return float(np.sum(rest.square * factors**2 - 2 * rest.cross * factors))
