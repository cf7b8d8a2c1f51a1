"""Drawings of where and when there are observations."""

from __future__ import annotations

from typing import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ..vocabulary.variables import IGBP_CODES
from .canvas import FULL, HALF, label_axes, new_figure, place
from .inputs import Frame
from .palette import CLASS_COLOURS, INK, LINE_COLOURS, OTHER_COLOUR, RULE, SOFT

UNKNOWN = "not stated"
ROW, PANELS, SITES_PER_FIGURE = 0.135, 3, 180
MONTHS = "JFMAMJJASOND"
FEW_SITES = 14
_CODES = {name: number for number, name in IGBP_CODES.items()}


def class_colour(name: str, others: Sequence[str]) -> str:
    """Return the colour of a vegetation class: that of its IGBP number, grey where it is not stated."""
    if name in _CODES:
        return CLASS_COLOURS[(_CODES[name] - 1) % len(CLASS_COLOURS)]
    rest = [other for other in others if other not in _CODES and other != UNKNOWN]
    return CLASS_COLOURS[(17 + rest.index(name)) % len(CLASS_COLOURS)] if name in rest else OTHER_COLOUR


def class_order(classes: Sequence[str]) -> list[str]:
    """Return the classes there are in the order of IGBP, others after them, unknown ones last."""
    there = set(map(str, classes))
    return sorted(there, key=lambda name: (name == UNKNOWN, _CODES.get(name, 99), name))


def tower_map(lon: np.ndarray, lat: np.ndarray, classes: Sequence[str], years: np.ndarray,
              sites: Sequence[str]) -> Figure:
    """Return where towers stand, coloured by class and larger with more years."""
    good = np.isfinite(lon) & np.isfinite(lat)
    frame = _frame(lon[good], lat[good])
    drawn = 8.6
    height = float(np.clip(drawn * frame.aspect, 2.6, 6.6))
    width = min(drawn, height / frame.aspect)
    order = class_order([name for name, here in zip(classes, good) if here])
    texts = [f"{name} ({int((good & (np.asarray(classes, dtype=object) == name)).sum())})" for name in order]
    across = max(1, min(9, int((FULL - 0.4) / (0.34 + 0.07 * max(map(len, texts))))))
    rows = -(-len(order) // across)
    figure = new_figure(FULL, height + 0.95 + 0.24 * rows, "", fixed=True)
    axes = place(figure, 0.75 + (drawn - width) / 2, 0.1, width, height)
    names = np.asarray(classes, dtype=object)
    for name in order:
        which = good & (names == name)
        axes.scatter(lon[which], lat[which], s=16 + 5 * np.clip(years[which], 0, 25), color=class_colour(name, order),
                     edgecolors="white", linewidths=0.6, zorder=3, alpha=0.9)
    if good.sum() <= FEW_SITES:
        for x, y, text in zip(lon[good], lat[good], np.asarray(sites, dtype=object)[good]):
            axes.annotate(str(text), (x, y), xytext=(5, 4), textcoords="offset points", fontsize=7.5, color=SOFT)
    axes.set_xlim(frame.left, frame.right)
    axes.set_ylim(frame.bottom, frame.top)
    axes.set_aspect(frame.stretch)
    label_axes(axes, frame, ticks=7)
    axes.grid(color=RULE, linewidth=0.6)
    if frame.bottom < 0 < frame.top:
        axes.axhline(0, color=SOFT, linewidth=0.7, zorder=1)
    for side in axes.spines.values():
        side.set_visible(True)
        side.set_color(RULE)
    handles = [Line2D([], [], linestyle="none", marker="o", markersize=6, color=class_colour(name, order),
                      label=text) for name, text in zip(order, texts)]
    figure.legend(handles=handles, loc="lower center", ncols=across, handletextpad=0.1, columnspacing=1.2)
    return figure


def _frame(lon: np.ndarray, lat: np.ndarray) -> Frame:
    """Return the part of the Earth that holds all towers, with some room around them."""
    room = max(2.0, 0.06 * max(float(np.ptp(lon)), float(np.ptp(lat))))
    left, right = max(lon.min() - room, -180.0), min(lon.max() + room, 180.0)
    bottom, top = max(lat.min() - room, -90.0), min(lat.max() + room, 90.0)
    return Frame(float(left), float(right), float(bottom), float(top))


def strips(share: np.ndarray, years: np.ndarray, labels: Sequence[str], classes: Sequence[str]) -> list[Figure]:
    """Return in which years each tower has data, as many figures as are needed.

    Parameters
    ----------
    share : array (sites, years) [1]
        Part of the time steps of a year that have data; NaN where there is none at all.
    years : array (years,)
    labels, classes : sequence of str, of length sites
        Sorted by class.
    """
    made = []
    size = -(-len(labels) // (-(-len(labels) // SITES_PER_FIGURE)))
    for first in range(0, len(labels), size):
        part = slice(first, min(first + size, len(labels)))
        made.append(_strip_figure(share[part], years, labels[part], classes[part]))
    return made


def _strip_figure(share: np.ndarray, years: np.ndarray, labels: Sequence[str], classes: Sequence[str]) -> Figure:
    panels = min(PANELS, max(1, -(-len(labels) // 24)))
    per = -(-len(labels) // panels)
    longest = max(len(label) for label in labels)
    height = per * ROW
    figure = new_figure(FULL, height + 1.05, "", fixed=True)
    left = 0.35 + min(0.075 * longest, 1.6)
    width = (FULL - 0.15) / panels - left - 0.1
    colours = ListedColormap(["#d4e6ea", "#9cc6cf", "#5d9fac", "#2c7685", "#0b4a56"])
    order = class_order(classes)
    for number in range(panels):
        rows = slice(number * per, min((number + 1) * per, len(labels)))
        axes = place(figure, number * (FULL - 0.15) / panels + left, 0.12, width,
                     (rows.stop - rows.start) * ROW)
        axes.imshow(share[rows], aspect="auto", cmap=colours, vmin=0, vmax=1, interpolation="none",
                    extent=(years[0] - 0.5, years[-1] + 0.5, rows.stop - rows.start - 0.5, -0.5))
        _rows(axes, labels[rows], classes[rows], order, years)
    handles = [Patch(color=colours(step), label=text) for step, text in enumerate(
        ("up to 20 %", "20–40 %", "40–60 %", "60–80 %", "80–100 % of the time steps of the year"))]
    figure.legend(handles=handles, loc="lower left", ncols=5, bbox_to_anchor=(0.02, 0.0), handlelength=1.2,
                  columnspacing=1.4)
    return figure


def _rows(axes: Axes, labels: Sequence[str], classes: Sequence[str], order: Sequence[str], years: np.ndarray) -> None:
    """Label the rows of a strip and mark their classes with colour."""
    axes.set_yticks(range(len(labels)), list(labels), fontsize=6.6)
    axes.tick_params(axis="y", length=0, pad=6)
    axes.tick_params(axis="x", labelsize=7.2)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axes.set_xlim(years[0] - 0.5, years[-1] + 0.5)
    axes.scatter(np.full(len(labels), -0.012), range(len(labels)), transform=axes.get_yaxis_transform(), marker="s",
                 s=16, clip_on=False, color=[class_colour(name, order) for name in classes], linewidths=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    ends, bottom = (years[0] - 0.5, years[-1] + 0.5), len(labels) - 0.5
    borders: dict[bool, list[float]] = {True: [], False: []}
    for row in range(1, len(labels)):
        borders[classes[row] != classes[row - 1]].append(row - 0.5)
    axes.hlines(borders[False], *ends, color="white", linewidth=0.8)
    axes.hlines(borders[True], *ends, color=SOFT, linewidth=0.6)
    axes.vlines(years[:-1] + 0.5, -0.5, bottom, color="white", linewidth=0.4)
    axes.set_ylim(bottom, -0.5)


def class_bars(order: Sequence[str], sites: Sequence[int], site_years: Sequence[int]) -> Figure:
    """Return towers and site-years of each class."""
    figure = new_figure(HALF, 0.26 * len(order) + 1.1)
    left, right = figure.subplots(1, 2, sharey=True)
    places = np.arange(len(order))[::-1]
    for axes, values, title in ((left, sites, "Sites"), (right, site_years, "Site-years")):
        axes.barh(places, values, color=[class_colour(name, order) for name in order], height=0.7)
        for y, value in zip(places, values):
            axes.annotate(f"{value:,}", (value, y), xytext=(3, 0), textcoords="offset points", va="center",
                          fontsize=7.5, color=INK)
        axes.set_xlabel(f"{title} [count]")
        axes.set_xlim(0, max(max(values), 1) * 1.22)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.tick_params(axis="y", length=0)
    left.set_yticks(places, list(order))
    left.set_ylim(-0.6, len(order) - 0.4)
    return figure


def month_table(order: Sequence[str], counts: np.ndarray) -> Figure:
    """Return the number of records of each class in each month of the year.

    Parameters
    ----------
    counts : array (classes, 12)
    """
    figure = new_figure(HALF, 0.26 * len(order) + 1.9)
    top, below = figure.subplots(2, 1, sharex=True, height_ratios=(1.0, max(0.26 * len(order), 0.5)))
    top.bar(np.arange(12), counts.sum(axis=0), color="#5d9fac", width=0.8)
    top.set_ylabel("Records [count]")
    top.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    top.tick_params(axis="x", length=0)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    there = shares[counts.sum(axis=1) > 0] * 100
    picture = below.imshow(shares * 100, aspect="auto", cmap="YlGnBu", interpolation="none",
                           vmin=np.floor(there.min()), vmax=max(np.ceil(there.max()), np.floor(there.min()) + 1))
    below.set_yticks(range(len(order)), list(order))
    below.set_xticks(range(12), list(MONTHS))
    below.tick_params(length=0)
    below.set_xlabel("Month of the year")
    bar = figure.colorbar(picture, ax=below, label="Share of the class [%]", pad=0.02, aspect=12)
    bar.outline.set_linewidth(0.5)  # type: ignore[operator]
    return figure


def year_bars(years: np.ndarray, networks: Sequence[str], counts: np.ndarray) -> Figure:
    """Return how many towers of each network have data in each year.

    Parameters
    ----------
    counts : array (networks, years)
    """
    figure = new_figure(FULL, 2.9)
    axes = figure.subplots()
    base = np.zeros(years.size)
    for number, name in enumerate(networks):
        axes.bar(years, counts[number], bottom=base, width=0.8, label=name,
                 color=LINE_COLOURS[number % len(LINE_COLOURS)])
        base += counts[number]
    axes.set_ylabel("Sites with data [count]")
    axes.set_xlabel("Year")
    axes.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(axis="y")
    if len(networks) > 1 or networks[0] != UNKNOWN:
        axes.legend(loc="upper left", ncols=3)
        axes.set_ylim(0, max(float(base.max()), 1.0) * (1.12 + 0.09 * (-(-len(networks) // 3))))
    return figure
