"""How well held-out sites are met."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from .canvas import HALF, new_figure
from .inputs import Held, Skill
from .palette import ACCENT, INK, SOFT, number, plain, pretty_unit

DENSE = 1500


def scatter(held: Held, unit: str, scores: dict[str, float], title: str) -> Figure:
    """Return observed against estimated flux of sites that the models have not seen."""
    figure = new_figure(HALF, 4.6)
    axes = figure.subplots()
    x, y = np.asarray(held.observed, float), np.asarray(held.estimated, float)
    good = np.isfinite(x) & np.isfinite(y)
    x, y = x[good], y[good]
    low = float(min(0.0, x.min(), y.min()))
    high = float(max(np.percentile(x, 99.7), np.percentile(y, 99.7)) * 1.06)
    if x.size > DENSE:
        cells = axes.hexbin(x, y, gridsize=46, extent=(low, high, low, high), norm=LogNorm(vmin=1), cmap="viridis",
                            mincnt=1, linewidths=0.1)
        colours = figure.colorbar(cells, ax=axes, label="Records per cell [count]", shrink=0.75, aspect=26, pad=0.02,
                                  format=FuncFormatter(lambda value, _place: f"{value:g}"))
        colours.minorformatter = NullFormatter()
        colours.outline.set_linewidth(0.5)  # type: ignore[operator]
    else:
        axes.plot(x, y, linestyle="none", marker="o", markersize=3.2, color=ACCENT, alpha=0.45, markeredgewidth=0,
                  label="a record")
    axes.plot([low, high], [low, high], color=INK, linewidth=0.9, linestyle="--", label="1 : 1")
    slope, cut = np.polyfit(x, y, 1) if x.size > 2 and np.ptp(x) > 0 else (np.nan, np.nan)
    if np.isfinite(slope):
        ends = np.array([low, high])
        axes.plot(ends, slope * ends + cut, color="#d55e00", linewidth=1.3, label=f"fit, slope {slope:.2f}")
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")
    axes.set_xlabel(f"Observed [{pretty_unit(unit)}]")
    axes.set_ylabel(f"Estimated, site held out [{pretty_unit(unit)}]")
    axes.set_title(title)
    lines = [f"n = {x.size:,}"]
    for key, label in (("r2_nse", "R² (1 − SSE/SST)"), ("rmse", "RMSE"), ("mae", "MAE"), ("bias", "Bias")):
        if np.isfinite(scores.get(key, np.nan)):
            lines.append(f"{label} = {(plain if key == 'r2_nse' else number)(scores[key])}")
    axes.text(0.03, 0.97, "\n".join(lines), transform=axes.transAxes, va="top", fontsize=8, linespacing=1.4,
              bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 2})
    figure.legend(loc="outside lower left", ncols=3)
    return figure


def class_skill(skill: Skill, unit: str) -> Figure | None:
    """Return MAE and R2 by vegetation class as dots, or None with fewer than two classes."""
    rows = skill.classes()
    if len(rows) < 2:
        return None
    rows = sorted(rows, key=lambda row: -float(row.values.get("r2_nse", np.nan)))
    figure = new_figure(HALF, 0.3 * len(rows) + 1.3, "Skill by class, sites held out (dashed: all classes)")
    left, right = figure.subplots(1, 2, sharey=True)
    places = np.arange(len(rows))[::-1]
    pooled = {key: float(skill.pooled().get(key, np.nan)) for key in ("r2_nse", "mae")}
    for axes, key, label in ((left, "r2_nse", "R² (1 − SSE/SST) [1]"), (right, "mae", f"MAE [{pretty_unit(unit)}]")):
        values = np.array([float(row.values.get(key, np.nan)) for row in rows])
        shown = np.clip(values, -1, None) if key == "r2_nse" else values
        axes.grid(axis="x")
        axes.hlines(places, 0, shown, color="#9fb6bd", linewidth=1.6)
        axes.plot(shown, places, linestyle="none", marker="o", markersize=5, color=ACCENT)
        if np.isfinite(pooled[key]):
            axes.axvline(pooled[key], color="#d55e00", linewidth=1.1, linestyle="--")
        axes.axvline(0, color=SOFT, linewidth=0.7)
        axes.set_xlabel(label)
        axes.margins(x=0.08)
        axes.tick_params(axis="y", length=0)
    left.set_yticks(places, [f"{row.scope} (n={int(row.values.get('n', 0)):,})" for row in rows])
    left.set_ylim(-0.6, len(rows) - 0.4)
    return figure
