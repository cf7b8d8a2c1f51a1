"""Drawings of what is in a file."""

from __future__ import annotations

from typing import Sequence

import numpy as np
from matplotlib.figure import Figure

from .canvas import HALF, new_figure
from .palette import ACCENT, INK, MISSING

MOST_BARS = 40


def missing_bars(names: Sequence[str], percent: Sequence[float]) -> Figure:
    """Return the share of missing values of each variable [%]."""
    shown = list(zip(names, percent))[:MOST_BARS]
    figure = new_figure(HALF, 0.21 * len(shown) + 0.75)
    axes = figure.subplots()
    places = np.arange(len(shown))[::-1]
    axes.barh(places, 100.0, color=MISSING, height=0.7)
    axes.barh(places, [share for _, share in shown], color=ACCENT, height=0.7)
    for y, (_, share) in zip(places, shown):
        axes.annotate(f"{share:g} %", (100.0, y), xytext=(4, 0), textcoords="offset points", va="center", fontsize=7.5,
                      color=INK, annotation_clip=False)
    axes.set_yticks(places, [name if len(name) <= 34 else name[:33] + "…" for name, _ in shown])
    axes.set_xlim(0, 100)
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("Missing [%]")
    return figure
