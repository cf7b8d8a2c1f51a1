"""What a few known records of a site are worth: skill on the rest of the site, before and after calibration."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from ..models.calibration import HeldOut, shrinkage, window_rows
from ..progress import SILENT, Progress
from .metrics import METRICS, score


def few_shot(held: HeldOut, records: Sequence[int] = (3, 6, 12), progress: Progress = SILENT) -> list[dict[str, Any]]:
    """Return the skill on the rest of each site when some consecutive records of it are known.

    Up to eight windows are spread over each site; the strength of the shrinkage comes from the sites of other folds.

    Parameters
    ----------
    held : HeldOut
        Estimates by models that did not see the site.
    records : sequence of int
        How many are known.

    Returns
    -------
    list of dict
        For each number: `records`, `sites`, `windows`, `weight` (mean strength of the shrinkage, in usual records),
        `error` (usual error of a factor), and the scores on the rest before (`before_r2_nse`, ...) and after
        (`after_r2_nse`, ...).

    Raises
    ------
    SampleError
        Too few sites have more records than that.
    """
    held, rows = held.known(), []
    for number, count in enumerate(records):
        progress(number / len(records), f"{count} known records")
        found = {fold: shrinkage(held.take(held.fold != fold), count) for fold in np.unique(held.fold)}
        observed, blind, calibrated, sites = [], [], [], set()
        drawn = window_rows(held.site, count)
        for whole, known in drawn:
            rest = np.setdiff1d(whole, known)
            factor = found[held.fold[known[0]]].factor(held.observed[known], held.estimate[known])
            observed.append(held.observed[rest])
            blind.append(held.estimate[rest])
            calibrated.append(factor * held.estimate[rest])
            sites.add(str(held.site[known[0]]))
        seen = np.concatenate(observed)
        before, after = score(seen, np.concatenate(blind)), score(seen, np.concatenate(calibrated))
        rows.append({"records": int(count), "sites": len(sites), "windows": len(drawn),
                     "weight": float(np.mean([item.weight for item in found.values()])),
                     "error": float(np.mean([item.error for item in found.values()])),
                     **{f"before_{name}": before[name] for name in METRICS},
                     **{f"after_{name}": after[name] for name in METRICS}})
    return rows
