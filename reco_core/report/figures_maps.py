"""Maps of one quantity: estimate, spread, applicability, seasons, shares, trend."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from .canvas import FULL, HALF, extension, label_axes, limits, new_figure, place
from .inputs import Driver, Frame
from .palette import INK, MISSING, RAMPS, percent

TALLEST, GAP = 5.0, 0.24


def paint(axes: Axes, frame: Frame, values: np.ndarray, ramp: str, norm: Normalize) -> None:
    """Draw values of shape (y, x) as cells; missing cells stay grey."""
    axes.set_facecolor(MISSING)
    axes.imshow(values, extent=frame.extent, origin="upper", cmap=matplotlib.colormaps[ramp], norm=norm,
                interpolation="nearest", aspect=frame.stretch)
    tidy(axes, frame)


def tidy(axes: Axes, frame: Frame) -> None:
    """Fix the view on the frame and draw the box around the map."""
    axes.set_xlim(min(frame.left, frame.right), max(frame.left, frame.right))
    axes.set_ylim(min(frame.bottom, frame.top), max(frame.bottom, frame.top))
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_linewidth(0.6)


def bar(axes: Axes, ramp: str, norm: Normalize, label: str, *, extend: str = "neither",
        upright: bool = False) -> None:
    """Fill `axes` with the colour bar of a map."""
    mappable = ScalarMappable(norm=norm, cmap=matplotlib.colormaps[ramp])
    colours = axes.figure.colorbar(mappable, cax=axes, orientation="vertical" if upright else "horizontal",
                                   label=label, extend=extend, extendfrac=0.03)
    colours.outline.set_linewidth(0.5)


@dataclass(frozen=True)
class Sheet:
    """Where the parts of a figure with one map lie [inch]; the same for all maps of a frame.

    `aside` tells that the colour bar stands right of the map, `below` is where things under the map begin.
    """

    left: float
    top: float
    width: float
    height: float
    aside: bool
    across: float

    @property
    def right(self) -> float:
        """Left end of the room beside the map."""
        return self.left + self.width + 0.14

    @property
    def below(self) -> float:
        """Upper end of the room under the map and its coordinates."""
        return self.top + self.height + 0.5


def sheet(frame: Frame, across: float = HALF) -> Sheet:
    """Return the layout of a map in a figure `across` inches wide."""
    left = 0.74 if frame.geographic else 0.9
    aside = frame.aspect > 1.05
    width = across - left - (1.0 if aside else 0.2)
    height = width * frame.aspect
    if height > TALLEST:
        width, height = TALLEST / frame.aspect, TALLEST
    return Sheet(left, 0.38, width, height, aside, across)


def field_map(frame: Frame, values: np.ndarray, *, ramp: str, title: str, label: str,
              span: Optional[tuple[float, float]] = None, symmetric: bool = False, floor: Optional[float] = None,
              outside: Optional[np.ndarray] = None, significant: Optional[np.ndarray] = None) -> Figure:
    """Return a figure with one map, its coordinates, colour bar and legend.

    Parameters
    ----------
    values : array (y, x)
    span, symmetric, floor
        Ends of the colours: given, equal on both sides of 0, or with a given lower end; else from the values.
    outside : array of bool (y, x), optional
        Cells that are hatched and outlined (outside the area of applicability).
    significant : array of bool (y, x), optional
        Cells that get a dot.
    """
    lay = sheet(frame)
    handles = legend_of(outside, significant)
    height = lay.below + (0.0 if lay.aside else 0.62) + (0.3 if handles else 0.05)
    figure = new_figure(lay.across, height, title, fixed=True)
    axes = place(figure, lay.left, lay.top, lay.width, lay.height)
    low, high = span or limits(values, symmetric=symmetric, floor=floor)
    norm = Normalize(low, high)
    paint(axes, frame, values, ramp, norm)
    label_axes(axes, frame)
    mark(axes, frame, outside=outside, significant=significant)
    side = place(figure, lay.right, lay.top, 0.14, lay.height) if lay.aside else place(
        figure, lay.left, lay.below + 0.05, lay.width, 0.13)
    bar(side, ramp, norm, label, extend=extension(values, low, high), upright=lay.aside)
    if handles:
        figure.legend(handles=handles, loc="lower left", bbox_to_anchor=((lay.left - 0.1) / lay.across, 0.0),
                      ncols=2, handlelength=1.6, borderaxespad=0.3)
    return figure


def legend_of(outside: Optional[np.ndarray], significant: Optional[np.ndarray]) -> list[Any]:
    """Return the legend of the marks that `mark` draws."""
    handles: list[Any] = []
    if outside is not None and outside.any():
        handles.append(Patch(facecolor="none", edgecolor=INK, hatch="/////", linewidth=0.8,
                             label="outside the area of applicability"))
    if significant is not None and significant.any():
        handles.append(Line2D([], [], linestyle="none", marker=".", markersize=3.5, color=INK, label="p < 0.05"))
    return handles


def mark(axes: Axes, frame: Frame, *, outside: Optional[np.ndarray] = None,
         significant: Optional[np.ndarray] = None) -> None:
    """Hatch and outline cells outside the area of applicability; dot significant cells."""
    if outside is not None and outside.any():
        hatch(axes, frame, outside)
    if significant is not None and significant.any():
        stipple(axes, frame, significant)


def hatch(axes: Axes, frame: Frame, mask: np.ndarray) -> None:
    """Draw stripes over the cells of `mask` and a line around them."""
    rows, columns = mask.shape
    fine = int(max(1, np.ceil(900 / max(rows, columns))))
    big = np.kron(mask, np.ones((fine, fine), dtype=bool)) if fine > 1 else mask
    diagonal = np.add.outer(np.arange(big.shape[0]), np.arange(big.shape[1]))
    period = max(8, max(big.shape) // 60)
    thick = max(1, period // 7)
    stripes = np.zeros((*big.shape, 4))
    stripes[..., 3] = 0.75 * (big & (diagonal % period < 2 * thick))
    stripes[..., :3] = (diagonal % period < thick)[..., None]
    axes.imshow(stripes, extent=frame.extent, origin="upper", interpolation="antialiased", aspect=frame.stretch)
    axes.add_collection(LineCollection(_edges(mask, frame), colors=INK, linewidths=0.8), autolim=False)
    tidy(axes, frame)


def _edges(mask: np.ndarray, frame: Frame) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    rows, columns = mask.shape
    xs = np.linspace(frame.left, frame.right, columns + 1)
    ys = np.linspace(frame.top, frame.bottom, rows + 1)
    padded = np.pad(mask, 1)
    lines = []
    for i, j in zip(*np.nonzero(padded[1:, 1:-1] != padded[:-1, 1:-1])):
        lines.append(((xs[j], ys[i]), (xs[j + 1], ys[i])))
    for i, j in zip(*np.nonzero(padded[1:-1, 1:] != padded[1:-1, :-1])):
        lines.append(((xs[j], ys[i]), (xs[j], ys[i + 1])))
    return lines


def stipple(axes: Axes, frame: Frame, mask: np.ndarray, across: int = 48) -> None:
    """Put dots where most cells around are in `mask`, about `across` of them side by side."""
    rows, columns = mask.shape
    wide, high = abs(frame.right - frame.left) / columns, abs(frame.top - frame.bottom) * frame.stretch / rows
    apart = max(wide * columns, high * rows) / across
    down, right = (max(1, round(apart / size)) for size in (high, wide))
    xs = frame.left + (np.arange(columns) + 0.5) * (frame.right - frame.left) / columns
    ys = frame.top - (np.arange(rows) + 0.5) * (frame.top - frame.bottom) / rows
    points = [(xs[j:j + right].mean(), ys[i:i + down].mean())
              for i in range(0, rows, down) for j in range(0, columns, right)
              if mask[i:i + down, j:j + right].mean() > 0.5]
    if points:
        axes.plot(*zip(*points), linestyle="none", marker=".", markersize=2.4, color=INK, markeredgewidth=0)
    tidy(axes, frame)


def panels(frame: Frame, fields: Mapping[str, np.ndarray], *, ramp: str, title: str, label: str,
           span: Optional[tuple[float, float]] = None) -> Figure:
    """Return small maps side by side with one colour bar for all."""
    columns, width, height = _grid(frame, len(fields))
    rows = -(-len(fields) // columns)
    titles = [textwrap.wrap(name, max(12, int(width / 0.079))) for name in fields]
    head = 0.12 + 0.15 * max(len(lines) for lines in titles)
    left, pitch = (0.74 if frame.geographic else 0.9), height + head + 0.08
    bottom = 0.36 + rows * pitch + 0.5
    figure = new_figure(FULL, bottom + 0.62, title, fixed=True)
    values = np.concatenate([np.ravel(field) for field in fields.values()])
    low, high = span or limits(values)
    norm = Normalize(low, high)
    for number, (lines, field) in enumerate(zip(titles, fields.values())):
        row, column = divmod(number, columns)
        axes = place(figure, left + column * (width + GAP), 0.36 + row * pitch + head, width, height)
        paint(axes, frame, field, ramp, norm)
        axes.set_title("\n".join(lines), fontsize=8, pad=3.5)
        last, first = number + columns >= len(fields), column == 0
        label_axes(axes, frame, x=last, y=first, ticks=4, inner=True)
    side = place(figure, left, bottom + 0.06, min(4.4, columns * (width + GAP) - GAP), 0.13)
    bar(side, ramp, norm, label, extend=extension(values, low, high))
    return figure


def _grid(frame: Frame, count: int) -> tuple[int, float, float]:
    """Return columns, and width and height of each small map [inch]."""
    room = FULL - (0.74 if frame.geographic else 0.9) - 0.12
    columns = min(count, 5 if frame.aspect > 1.3 else 4 if frame.aspect > 0.75 else 3)
    if count == 4 and columns == 3:
        columns = 2
    width = min((room - GAP * (columns - 1)) / columns, 4.75)
    height = width * frame.aspect
    if height > 3.6:
        width, height = 3.6 / frame.aspect, 3.6
    return columns, width, height


def share_panels(frame: Frame, drivers: Sequence[Driver], shares: np.ndarray) -> Figure:
    """Return a small map of the share of every driver, on one scale, largest first."""
    means = np.array([np.nanmean(field) if np.isfinite(field).any() else 0.0 for field in shares])
    order = np.argsort(-means, kind="stable")
    fields = {f"{short(drivers[i].long_name)} ({percent(means[i])})": shares[i] for i in order}
    return panels(frame, fields, ramp=RAMPS["share"], title="Share of each driver in the estimate",
                  label="Normalised mean |contribution| [1]")


def short(text: str, most: int = 30) -> str:
    """Return a text cut at a word to at most so many letters."""
    if len(text) <= most:
        return text
    return text[:most - 1].rsplit(" ", 1)[0] + "…"
