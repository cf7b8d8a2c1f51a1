"""How many of many tests of trends are significant once their number is reckoned with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Sequence

import numpy as np

ALPHA = 0.05
# p is counted up to these edges: tiles are added up, and no p needs to be kept
EDGES = np.append(np.geomspace(1e-12, ALPHA, 500)[:-1], ALPHA)


def fdr_threshold(p: Any, alpha: float = ALPHA) -> float:
    """Return the largest p that is significant when the share of false alarms shall stay below `alpha`.

    Parameters
    ----------
    p : array of any shape
        NaN are left out.
    alpha : float
        The largest p_(i), of N in order, with p_(i) <= (i / N) alpha is the threshold; Wilks advises twice the
        level of the map where neighbours are alike.

    Returns
    -------
    float
        0 where no p is significant.

    References
    ----------
    Benjamini, Y., Hochberg, Y. (1995). J. R. Stat. Soc. B 57, 289-300. doi:10.1111/j.2517-6161.1995.tb02031.x
    Wilks, D. S. (2016). Bull. Am. Meteorol. Soc. 97, 2263-2273. doi:10.1175/BAMS-D-15-00267.1

    Examples
    --------
    >>> fdr_threshold([0.001, 0.008, 0.012, 0.03, 0.04, 0.2, 0.5, 0.9])
    0.012
    """
    ordered = np.sort(np.asarray(p, dtype="float64"), axis=None)
    ordered = ordered[np.isfinite(ordered)]
    fits = np.flatnonzero(ordered <= np.arange(1, ordered.size + 1) / max(ordered.size, 1) * alpha)
    return float(ordered[fits[-1]]) if fits.size else 0.0


@dataclass
class FieldSignificance:
    """Counts of p of a map, added up over its tiles: at or below each edge, and all."""

    counts: list[int] = field(default_factory=lambda: [0] * (EDGES.size + 1))

    @staticmethod
    def count(p: np.ndarray) -> list[int]:
        """Return the counts of some p."""
        known = np.sort(p[np.isfinite(p)])
        return [*np.searchsorted(known, EDGES, side="right").tolist(), int(known.size)]

    def add(self, counts: Sequence[int]) -> None:
        """Add the counts of a tile."""
        self.counts = [one + int(other) for one, other in zip(self.counts, counts)]

    @property
    def shares(self) -> tuple[float, float]:
        """Shares of pixels with p up to 0.05, and of those that stay when false alarms shall be 5 % of them."""
        below, number = np.array(self.counts[:-1]), max(self.counts[-1], 1)
        fits = np.flatnonzero((below > 0) & (EDGES <= below / number * ALPHA))
        return float(below[-1] / number), float(below[fits[-1]] / number) if fits.size else 0.0

    def line(self) -> str:
        """Return a line for the user."""
        before, after = self.shares
        return (f"Significant (p up to {ALPHA:g}): {before:.1%} of these pixels; {after:.1%} when at most "
                f"{ALPHA:.0%} of them may be false alarms")
