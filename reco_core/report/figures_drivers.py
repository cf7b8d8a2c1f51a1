"""How much each driver contributes, and how its contribution depends on its value."""

from __future__ import annotations

from itertools import pairwise
from typing import Mapping, Optional, Sequence

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from .canvas import FULL, HALF, new_figure
from .figures_maps import short
from .inputs import Driver
from .palette import GROUP_COLOURS, GROUP_TITLES, INK, OTHER_COLOUR, SOFT, percent, pretty_unit, with_unit

BINS, LEAST = 30, 20
Sample = tuple[np.ndarray, np.ndarray, Optional[np.ndarray]]


def binned_medians(x: np.ndarray, y: np.ndarray, bins: int = BINS, least: int = LEAST) -> np.ndarray:
    """Return medians and quartiles of y in bins of x that hold about as many points each.

    Parameters
    ----------
    x, y : arrays (n,)
        Pairs that are not finite are left out.
    bins : int
        Number of bins; equal values never stand in two bins, so there may be fewer.
    least : int
        Bins with fewer points are merged with the one before.

    Returns
    -------
    array (b, 5)
        Median of x, then 25th, 50th and 75th percentile of y, then the number of points.
    """
    good = np.isfinite(x) & np.isfinite(y)
    x, y = x[good], y[good]
    if x.size < least:
        return np.empty((0, 5))
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    cuts = np.searchsorted(x, x[(np.arange(1, bins) * x.size) // bins], side="left")
    edges = [0]
    for cut in np.unique(cuts):
        if cut - edges[-1] >= least:
            edges.append(int(cut))
    if x.size - edges[-1] < least and len(edges) > 1:
        edges.pop()
    edges.append(x.size)
    return np.array([[np.median(x[a:b]), *np.percentile(y[a:b], (25, 50, 75)), b - a]
                     for a, b in pairwise(edges)])


def dependence_panels(drivers: Sequence[Driver], dependence: Mapping[str, Sample], order: Sequence[str], unit: str,
                      columns: int = 3) -> Figure:
    """Return, for each driver, the density of its contributions over its values and binned medians."""
    named = {driver.name: driver for driver in drivers}
    names = [name for name in order if name in dependence and name in named]
    columns = min(columns, max(2, len(names)))
    rows = -(-len(names) // columns)
    figure = new_figure(FULL, 2.45 * rows + 0.75, "How the contribution of a driver depends on its value")
    grid = figure.subplots(rows, columns, squeeze=False)
    for place, axes in enumerate(grid.ravel()):
        if place >= len(names):
            axes.set_visible(False)
            continue
        driver = named[names[place]]
        x, y, _month = dependence[driver.name]
        colour = GROUP_COLOURS.get(driver.group, OTHER_COLOUR)
        good = np.isfinite(x) & np.isfinite(y)
        if good.any():
            axes.hist2d(x[good], y[good], bins=(60, 44), cmap="Greys", norm=LogNorm(vmin=0.5), cmin=1, rasterized=True)
        axes.axhline(0, color=SOFT, linewidth=0.7)
        curve = binned_medians(x, y)
        if len(curve):
            axes.fill_between(curve[:, 0], curve[:, 1], curve[:, 3], color=colour, alpha=0.35, linewidth=0)
            axes.plot(curve[:, 0], curve[:, 2], color=colour, linewidth=1.7)
        axes.set_xlabel(with_unit(short(driver.long_name, 34), driver.unit))
        axes.set_title(short(driver.long_name, 34), fontsize=8.5, pad=3)
        if place % columns == 0:
            axes.set_ylabel(f"Contribution\n[{pretty_unit(unit)}]")
        axes.margins(x=0.02)
    present = [group for group in GROUP_TITLES if any(named[name].group == group for name in names)]
    handles: list[Line2D | Patch] = [
        Patch(facecolor="#9a9a9a", label="records (darker: more)")]
    for group in present:
        handles.append(Line2D([], [], color=GROUP_COLOURS[group], linewidth=1.8,
                              label=f"median, 25–75 % ({GROUP_TITLES[group].lower()})"))
    figure.legend(handles=handles, loc="outside lower left", ncols=4, columnspacing=1.2)
    return figure


def importance_bars(drivers: Sequence[Driver], numbers: Mapping[str, Mapping[str, float]],
                    order: Sequence[str]) -> Figure:
    """Return bars of the mean share of each driver with its standard deviation over the pixels."""
    named = {driver.name: driver for driver in drivers}
    names = [name for name in order if name in numbers]
    figure = new_figure(HALF, 0.27 * len(names) + 1.35, "Mean share per driver (whisker: ± SD over cells)")
    axes = figure.subplots()
    axes.grid(axis="x")
    means = np.array([numbers[name]["mean"] for name in names])
    spreads = np.array([numbers[name].get("sd", np.nan) for name in names])
    colours = [GROUP_COLOURS.get(named[name].group, OTHER_COLOUR) for name in names]
    places = np.arange(len(names))[::-1]
    axes.barh(places, means, color=colours, height=0.68)
    low = np.minimum(np.nan_to_num(spreads), means)
    axes.errorbar(means, places, xerr=np.stack([low, np.nan_to_num(spreads)]), fmt="none", ecolor=INK, elinewidth=0.8,
                  capsize=2)
    ends = means + np.nan_to_num(spreads)
    for place, mean, end in zip(places, means, ends):
        axes.text(end + 0.015 * max(ends.max(), 1e-9), place, percent(mean), va="center", fontsize=7.5)
    axes.set_yticks(places, [short(named[name].long_name, 30) for name in names])
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, ends.max() * 1.14)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xlabel("Share of the contributions [1]")
    present = [group for group in GROUP_TITLES if any(named[name].group == group for name in names)]
    figure.legend(handles=[Patch(facecolor=GROUP_COLOURS[g], label=GROUP_TITLES[g]) for g in present],
                  loc="outside lower left", ncols=3)
    return figure
