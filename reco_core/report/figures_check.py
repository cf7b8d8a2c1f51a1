"""Drawings of gridded drivers beside those of towers."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from .canvas import HALF, new_figure
from .palette import ACCENT, INK, SOFT, number, plain, with_unit

DENSE = 1500
MOST_BARS = 60


def scatter(pairs: tuple[np.ndarray, np.ndarray, np.ndarray], scores: Mapping[str, Any], x_label: str,
            y_label: str) -> Figure:
    """Return grid against tower, as points or, where there are many, as counts."""
    figure = new_figure(HALF, 4.6)
    axes = figure.subplots()
    x, y = pairs[0], pairs[1]
    low, high = _ends(np.concatenate([x, y]))
    if x.size > DENSE:
        cells = axes.hexbin(x, y, gridsize=46, extent=(low, high, low, high), norm=LogNorm(vmin=1), cmap="viridis",
                            mincnt=1, linewidths=0.1)
        colours = figure.colorbar(cells, ax=axes, label="Pairs per cell [count]", shrink=0.75, aspect=26, pad=0.02,
                                  format=FuncFormatter(lambda value, _place: f"{value:g}"))
        colours.minorformatter = NullFormatter()
        colours.outline.set_linewidth(0.5)  # type: ignore[operator]
    else:
        axes.plot(x, y, linestyle="none", marker="o", markersize=3.4, color=ACCENT, alpha=0.45, markeredgewidth=0)
    axes.plot([low, high], [low, high], color=INK, linewidth=0.9, linestyle="--")
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    lines = [f"n = {x.size:,}", f"bias = {number(scores['bias'])}", f"RMSE = {number(scores['rmse'])}",
             f"r² (Pearson) = {plain(scores['r2_pearson'], 2)}", f"R² (1 − SSE/SST) = {plain(scores['r2_nse'], 2)}"]
    middle = (low + high) / 2
    # in the corner with fewer points
    above = int(((x < middle) & (y > middle)).sum()) <= int(((x > middle) & (y < middle)).sum())
    axes.text(0.03 if above else 0.97, 0.97 if above else 0.03, "\n".join(lines), transform=axes.transAxes, fontsize=8,
              va="top" if above else "bottom", ha="left" if above else "right", linespacing=1.4,
              bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 2})
    return figure


def _ends(values: np.ndarray) -> tuple[float, float]:
    """Return limits that leave out the most extreme values."""
    low, high = (float(value) for value in np.percentile(values, (0.1, 99.9)))
    room = 0.05 * (high - low) or 0.5
    return (min(0.0, float(values.min())) if -0.01 * high <= low < 0.2 * high else low - room), high + room


def site_bars(rows: Sequence[Mapping[str, Any]], unit: str) -> Figure:
    """Return bias and squared correlation of each tower."""
    shown = sorted(rows, key=lambda row: -abs(float(row["bias"])))[:MOST_BARS]
    shown = sorted(shown, key=lambda row: float(row["bias"]))
    figure = new_figure(HALF, max(2.2, 0.17 * len(shown) + 1.0))
    left, right = figure.subplots(1, 2, sharey=True)
    places = np.arange(len(shown))
    bias = np.array([float(row["bias"]) for row in shown])
    fit = np.array([float(row["r2_pearson"]) for row in shown])
    left.barh(places, bias, color=np.where(bias > 0, "#b2563a", "#2c7685"), height=0.7)
    left.axvline(0, color=SOFT, linewidth=0.8)
    left.set_xlabel(with_unit("Bias", unit))
    right.plot(fit, places, linestyle="none", marker="o", markersize=4, color=ACCENT)
    right.set_xlim(-0.03, 1.03)
    right.set_xlabel("r² (Pearson) [1]")
    for axes in (left, right):
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
    size = 8.0 if len(shown) <= 30 else 6.6
    left.set_yticks(places, [f"{row['site']} ({int(row['n']):,})" for row in shown], fontsize=size)
    left.set_ylim(-0.7, max(len(shown) - 0.3, 1.0))
    return figure
