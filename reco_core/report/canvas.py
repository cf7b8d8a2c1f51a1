"""Paper and pen: figures without global state, the same bytes on every run."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import Any, Iterator, Optional

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from .inputs import Frame
from .palette import STYLE

HALF, FULL, DPI = 5.1, 10.4, 150


@contextmanager
def style() -> Iterator[None]:
    """Draw in the style of the report, whatever the user's own settings are."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def new_figure(width: float, height: float, title: str = "", *, fixed: bool = False) -> Figure:
    """Return an empty figure of this size [inch] with its title at the upper left.

    Its parts make room for each other, or with `fixed` stay where they are put.
    """
    figure = Figure(figsize=(width, height), dpi=DPI, layout="none" if fixed else "constrained")
    FigureCanvasAgg(figure)
    if not fixed:
        figure.get_layout_engine().set(w_pad=0.06, h_pad=0.06, wspace=0.03, hspace=0.04)  # type: ignore[union-attr]
    if title:
        figure.suptitle(title, x=0.08 / width, y=1 - 0.08 / height if fixed else None, va="top", ha="left",
                        fontsize=9.5, fontweight="bold")
    return figure


def place(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Return axes at a place given in inches from the upper left corner of the figure."""
    across, down = figure.get_size_inches()
    return figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))


def png(figure: Figure) -> bytes:
    """Return the figure as PNG without date and program name."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI, metadata={"Software": None},
                   pil_kwargs={"optimize": True})
    return stream.getvalue()


def _degrees(positive: str, negative: str) -> FuncFormatter:
    def text(value: float, _position: Any = None) -> str:
        side = positive if value > 1e-9 else negative if value < -1e-9 else ""
        return f"{abs(value):g}°{' ' + side if side else ''}"
    return FuncFormatter(text)


def label_axes(axes: Axes, frame: Frame, *, x: bool = True, y: bool = True, ticks: int = 5,
               inner: bool = False) -> None:
    """Write coordinates and what they are along the edges of a map; `inner` leaves out those at its corners."""
    span = max(abs(frame.right - frame.left), abs(frame.top - frame.bottom))
    for axis, wanted, geographic, projected, sides in (
            (axes.xaxis, x, "Longitude [°]", "Easting", ("E", "W")),
            (axes.yaxis, y, "Latitude [°]", "Northing", ("N", "S"))):
        axis.set_major_locator(MaxNLocator(ticks, steps=[1, 1.5, 2, 3, 5, 6, 10], min_n_ticks=2,
                                          prune="both" if inner else None))
        if frame.geographic:
            axis.set_major_formatter(_degrees(*sides))
            label = geographic
        else:
            kilometres = span * frame.metres >= 5000
            factor = frame.metres / (1000 if kilometres else 1)
            axis.set_major_formatter(FuncFormatter(lambda value, _p, f=factor: f"{value * f:,.10g}"))
            label = f"{projected} [{'km' if kilometres else 'm'}]"
        if wanted:
            axis.set_label_text(label)
        else:
            axis.set_ticklabels([])


def nice_ceiling(value: float) -> float:
    """Return the next round number at or above `value`."""
    if not np.isfinite(value) or value <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    for step in (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10):
        if value <= step * power * (1 + 1e-9):
            return float(step * power)
    return float(10 * power)


def limits(values: np.ndarray, *, symmetric: bool = False, floor: Optional[float] = None, low: float = 2,
           high: float = 98) -> tuple[float, float]:
    """Return colour limits that leave out the most extreme cells."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return (-1.0, 1.0) if symmetric else (0.0, 1.0)
    if symmetric:
        top = nice_ceiling(float(np.percentile(np.abs(finite), high)))
        return -top, top
    bottom, top = (float(v) for v in np.percentile(finite, (low, high)))
    if floor is not None:
        return floor, floor + nice_ceiling(top - floor)
    if bottom >= 0 and bottom < 0.4 * top:
        return 0.0, nice_ceiling(top)
    if top - bottom < 1e-9 * max(1.0, abs(top)):
        return bottom - 0.5 * max(abs(bottom), 1e-6), top + 0.5 * max(abs(top), 1e-6)
    locator = MaxNLocator(6).tick_values(bottom, top)
    return float(locator[0]), float(locator[-1])


def extension(values: np.ndarray, low: float, high: float) -> str:
    """Return which ends of a colour bar need an arrow."""
    finite = values[np.isfinite(values)]
    below = finite.size and finite.min() < low - 1e-9 * max(1.0, abs(low))
    above = finite.size and finite.max() > high + 1e-9 * max(1.0, abs(high))
    return "both" if below and above else "min" if below else "max" if above else "neither"
