"""Figures of several models: Taylor diagram, scatter panels, differences with ranges, and tables in colour."""

from __future__ import annotations

from typing import Optional

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from .canvas import FULL, new_figure, nice_ceiling
from .comparison import Comparison
from .palette import ACCENT, CLASS_COLOURS, INK, MISSING, RULE, SOFT, number, plain, pretty_unit

CORRELATIONS = (0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
MOST_PANELS = 20
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "p", "h", "<", ">")
LINE = "#d55e00"


def taylor(found: Comparison) -> Figure:
    """Return the Taylor diagram: correlation, standard deviation and centred error of every model in one plane.

    References
    ----------
    Taylor, K. E. (2001). J. Geophys. Res. 106(D7), 7183-7192. doi:10.1029/2000JD900719
    """
    labels = [label for label in found.order() if label != found.floor]
    points = {label: _point(found.observed, found.estimates[label]) for label in labels}
    reach = max([1.15, *(np.hypot(*point) * 1.06 for point in points.values())])
    left = min(0.0, *(point[0] for point in points.values())) * 1.15
    height = max(4.6, 0.245 * len(labels) + 1.0)
    across = min(height, 5.2) * (1.13 * reach - left) / (1.13 * reach)
    figure = new_figure(min(FULL, across + 0.9 + 0.072 * max(len(label) + 12 for label in labels)), height)
    axes = figure.subplots()
    _rings(axes, reach, left)
    for place, label in enumerate(labels):
        x, y = points[label]
        colour = CLASS_COLOURS[place % len(CLASS_COLOURS)]
        axes.plot(x, y, linestyle="none", marker=MARKERS[place % len(MARKERS)], markersize=8, color=colour,
                  markeredgecolor="white", markeredgewidth=0.8, zorder=5, clip_on=False)
    axes.plot(1, 0, linestyle="none", marker="*", markersize=15, color=INK, zorder=6, clip_on=False)
    axes.annotate("observed", (1, 0), xytext=(4, 7), textcoords="offset points", fontsize=8.5, fontweight="bold")
    handles = [Line2D([], [], linestyle="none", marker=MARKERS[place % len(MARKERS)], markersize=7,
                      color=CLASS_COLOURS[place % len(CLASS_COLOURS)], markeredgecolor="white", markeredgewidth=0.7,
                      label=f"{label}  (r = {plain(_correlation(points[label]), 2)})")
               for place, label in enumerate(labels)]
    figure.legend(handles=handles, loc="outside right center", title="Least squared error first", alignment="left",
                  labelspacing=0.55, title_fontsize=8.5)
    return figure


def _point(observed: np.ndarray, estimated: np.ndarray) -> tuple[float, float]:
    """Return the place of a model: its spread over that of the observations, along and across them."""
    ratio = float(np.std(estimated) / np.std(observed))
    if ratio < 1e-9:
        return 0.0, 0.0
    r = float(np.clip(np.corrcoef(observed, estimated)[0, 1], -1, 1))
    return ratio * r, ratio * float(np.sqrt(1 - r * r))


def _correlation(point: tuple[float, float]) -> float:
    return point[0] / np.hypot(*point) if np.hypot(*point) > 0 else np.nan


def _rings(axes: Axes, reach: float, left: float) -> None:
    """Draw the rings of standard deviation, the rays of correlation and the circles of centred error."""
    step = 0.25 if reach <= 1.7 else 0.5
    for radius in np.arange(step, reach, step):
        one = abs(radius - 1) < 1e-9
        angle = np.linspace(0, np.arccos(max(left / radius, -1.0)), 200)
        axes.plot(radius * np.cos(angle), radius * np.sin(angle), color=INK if one else RULE,
                  linewidth=1.0 if one else 0.6, linestyle="--" if one else "-", zorder=1)
    angle = np.linspace(0, np.arccos(max(left / reach, -1.0)), 200)
    axes.plot(reach * np.cos(angle), reach * np.sin(angle), color=SOFT, linewidth=0.9)
    full = np.linspace(0, np.pi, 200)
    for error in np.arange(step, 2 * reach, step):
        x, y = 1 + error * np.cos(full), error * np.sin(full)
        x[(np.hypot(x, y) > reach) | (x < left)] = np.nan
        axes.plot(x, y, color="#8fb3bd", linewidth=0.7, linestyle=":", zorder=1)
        top = 1 + error * np.cos(2.1), error * np.sin(2.1)
        if np.hypot(*top) < 0.94 * reach and top[0] > left:
            axes.annotate(f"{error:g}", top, fontsize=7, color="#4e7d89", ha="center", va="center",
                          bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6})
    for r in (*CORRELATIONS, *((-0.2, -0.4, -0.6, -0.8) if left < 0 else ())):
        if reach * r < left - 1e-9:
            continue
        x, y = reach * r, reach * np.sqrt(1 - r * r)
        axes.plot([0, x], [0, y], color=RULE, linewidth=0.6, zorder=0)
        axes.annotate(f"{r:g}".replace("-", "−"), (1.025 * x, 1.025 * y), fontsize=7.5, color=INK, ha="center",
                      va="center", rotation=np.degrees(np.arctan2(y, x)) - 90)
    axes.annotate("Correlation", (1.1 * reach * np.cos(0.8), 1.1 * reach * np.sin(0.8)), ha="center", va="center",
                  rotation=np.degrees(0.8) - 90, fontsize=8.5)
    axes.set_aspect("equal")
    axes.set_xlim(left, 1.13 * reach)
    axes.set_ylim(0, 1.13 * reach)
    axes.spines["left"].set_visible(left >= 0)
    axes.spines["left"].set_bounds(0, reach)
    axes.spines["bottom"].set_bounds(max(left, -reach), reach)
    ticks = np.arange(0, reach, step)
    axes.set_xticks(ticks)
    axes.set_yticks(ticks if left >= 0 else [])
    axes.set_xlabel("Standard deviation over that of the observations [1]\ndotted: error without the bias, likewise")
    if left < 0:
        axes.plot([0, 0], [0, reach], color=SOFT, linewidth=0.7)


def panels(found: Comparison) -> Figure:
    """Return observed against estimated flux, a panel per model, best first, all at one scale."""
    labels = [label for label in found.order() if label != found.floor][:MOST_PANELS]
    columns = min(4, len(labels))
    lines = -(-len(labels) // columns)
    side = FULL / max(columns, 2.6)
    figure = new_figure(side * columns + 0.5, side * lines * 1.06 + 0.3)
    grid = np.atleast_1d(figure.subplots(lines, columns, sharex=True, sharey=True)).ravel()
    observed = found.observed
    every = np.concatenate([observed, *(found.estimates[label] for label in labels)])
    low = float(min(0.0, np.percentile(observed, 0.1)))
    high = nice_ceiling(float(max(np.percentile(observed, 99.8), np.percentile(every, 99.5))))
    scores = {row["run"]: row for row in found.at("pooled")}
    most = max(10.0, len(observed) / 60)
    cells = None
    for axes, label in zip(grid, labels):
        estimated = found.estimates[label]
        cells = axes.hexbin(observed, estimated, gridsize=38, extent=(low, high, low, high), mincnt=1, cmap="viridis",
                            norm=LogNorm(vmin=1, vmax=most), linewidths=0.1)
        axes.plot([low, high], [low, high], color=INK, linewidth=0.9, linestyle="--")
        if np.ptp(estimated) > 0:
            slope, cut = np.polyfit(observed, estimated, 1)
            ends = np.array([low, high])
            axes.plot(ends, slope * ends + cut, color=LINE, linewidth=1.3)
        row = scores[label]
        axes.text(0.04, 0.965, f"R² {plain(row['r2_nse'], 2)}\nMAE {number(row['mae'])}\nbias {number(row['bias'], 2)}",
                  transform=axes.transAxes, va="top", fontsize=7.8, linespacing=1.35,
                  bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.5})
        axes.set_title(label if len(label) <= 30 else label[:29] + "…", fontsize=8.8)
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        axes.set_aspect("equal")
    for axes in grid[len(labels):]:
        axes.set_visible(False)
    for axes in grid[max(len(labels) - columns, 0):len(labels)]:
        axes.tick_params(labelbottom=True)
    unit = pretty_unit(found.unit)
    figure.supxlabel(f"Observed [{unit}]", fontsize=8.5)
    figure.supylabel(f"Estimated, held out [{unit}]", fontsize=8.5)
    if cells is not None:
        bar = figure.colorbar(cells, ax=grid.tolist(), label="Samples per cell [count]", shrink=min(1.0, 0.9 / lines),
                              aspect=30, pad=0.015, extend="max")
        bar.ax.yaxis.set_major_formatter(lambda value, _place: f"{value:g}")
        bar.ax.yaxis.set_minor_formatter(NullFormatter())
        bar.outline.set_linewidth(0.5)  # type: ignore[operator]
    return figure


def gaps(found: Comparison) -> Optional[Figure]:
    """Return the difference of R2 from the reference with its range over resampled sites, or None for one model."""
    rows = [row for row in found.ranked() if "d_r2_nse" in row and row["run"] != found.floor]
    if not rows:
        return None
    figure = new_figure(FULL, 0.27 * len(rows) + 0.9)
    axes = figure.subplots()
    places = np.arange(len(rows))[::-1]
    least = min(float(row["d_r2_nse_low"]) for row in rows)
    floor = min(-0.05, max(least, -1.0) * 1.08)
    axes.grid(axis="x")
    for place, row in zip(places, rows):
        value, low, high = (float(row[name]) for name in ("d_r2_nse", "d_r2_nse_low", "d_r2_nse_high"))
        sure = low > 0 or high < 0
        colour = ACCENT if value >= 0 else LINE
        axes.plot([max(low, floor), max(high, floor)], [place, place], color=colour, linewidth=2.0,
                  solid_capstyle="butt")
        shown = max(value, floor)
        axes.plot(shown, place, linestyle="none", marker="o" if value >= floor else "<", markersize=6.5, color=colour,
                  markerfacecolor=colour if sure else "white", markeredgewidth=1.3)
        if value < floor:
            axes.annotate(plain(value, 2), (shown, place), xytext=(8, 6), textcoords="offset points", fontsize=7.5)
    axes.axvline(0, color=INK, linewidth=0.9)
    axes.set_yticks(places, [str(row["run"]) for row in rows])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.04)
    axes.set_xlabel(f"R² minus that of {found.reference} [1]")
    return figure


def heat(found: Comparison, level: str) -> Optional[Figure]:
    """Return R2 by model and class (or season) as a table in colour, or None with fewer than two columns."""
    names, labels = found.groups(level), found.order()
    if len(names) < 2:
        return None
    values = found.matrix(level, "r2_nse")
    wide = max(0.62 * len(names), 2.4)
    figure = new_figure(min(FULL, wide + 0.075 * max(map(len, labels)) + 1.3), 0.26 * len(labels) + 0.85)
    axes = figure.subplots()
    axes.set_facecolor(MISSING)
    image = axes.imshow(values, cmap="BrBG", norm=Normalize(-1, 1), aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        text = plain(value, 2) if np.isfinite(value) else "–"
        axes.text(column, row, "< −9" if value < -9 else text, ha="center", va="center", fontsize=7.8,
                  color="white" if np.isfinite(value) and abs(value) > 0.62 else INK)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(labels) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.2)
    axes.tick_params(which="both", length=0)
    axes.tick_params(axis="x", top=True, labeltop=True, bottom=False, labelbottom=False)
    for side in axes.spines.values():
        side.set_visible(False)
    figure.colorbar(image, ax=axes, label="R² (1 − SSE/SST) [1]", shrink=0.9, aspect=24, pad=0.02,
                    extend="min").outline.set_linewidth(0.5)  # type: ignore[operator]
    return figure
