"""Which vegetation classes the training data support, as a map can tell it."""

from __future__ import annotations

from collections import Counter

import numpy as np

from ..models.base import FittedModel
from ..vocabulary.variables import CLASS_FAMILIES, IGBP_CODES

CLASS_SUPPORT = "class_support"
SUPPORTED, FEW_SITES, HARDLY_PREDICTED, NOT_TRAINED = 1, 2, 3, 4
GRADES = ("supported", "fewer than five sites", "hardly predicted at new sites", "not among the training sites")
FEWEST_SITES = 5
LEAST_R2 = 0.2


def few_sites(fitted: FittedModel) -> list[tuple[str, int]]:
    """Return the classes with fewer than five sites, and how many they have."""
    return [(str(row["name"]), int(row["sites"])) for row in fitted.scores.get("by_class", ())
            if row["sites"] < FEWEST_SITES]


def hardly_predicted(fitted: FittedModel) -> list[str]:
    """Return the classes with R2 below 0.2 at sites that were held out."""
    return [str(row["name"]) for row in fitted.scores.get("by_class", ())
            if row["r2_nse"] is not None and np.isfinite(row["r2_nse"]) and row["r2_nse"] < LEAST_R2]


def grades(fitted: FittedModel) -> np.ndarray:
    """Return the number of the grade (of `GRADES`, from 1) of each IGBP code, shape (256,)."""
    trained = {str(row["name"]) for row in fitted.scores.get("by_class", ()) if row["name"]}
    few, weak = {name for name, _ in few_sites(fitted)}, set(hardly_predicted(fitted))
    table = np.full(256, NOT_TRAINED, dtype="float32")
    for code, label in IGBP_CODES.items():
        name = label if label in trained else CLASS_FAMILIES.get(label, label)
        if name in trained:
            table[code] = FEW_SITES if name in few else HARDLY_PREDICTED if name in weak else SUPPORTED
    return table


def support_line(counts: Counter[int]) -> str:
    """Return what share of the estimated cells has which grade.

    Examples
    --------
    >>> support_line(Counter({1: 30, 3: 10}))
    'Vegetation classes of the estimated cells: 75 % supported, 25 % hardly predicted at new sites'
    """
    total = sum(counts.values())
    parts = [f"{100 * counts[number] / total:.0f} % {grade}" for number, grade in enumerate(GRADES, start=1)
             if counts[number]]
    return "Vegetation classes of the estimated cells: " + ", ".join(parts)
