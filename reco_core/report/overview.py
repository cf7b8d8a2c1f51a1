"""One picture of a result: six maps on a page."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from .canvas import extension, label_axes, limits, new_figure, place, png, style
from .figures import outside_mask
from .figures_groups import draw_composite, draw_dominant, draw_ternary
from .figures_maps import bar, legend_of, mark, paint
from .inputs import ReportInputs
from .palette import RAMPS, with_unit
from .words import flux_title, span_of

ACROSS, LEFT, GAP, TOP, TALLEST = 10.6, 0.62, 0.62, 0.62, 4.0
UNDER, HEAD, LAST = 1.3, 0.3, 0.46


def overview(inputs: ReportInputs) -> bytes:
    """Return a PNG with mean, spread, applicability, groups, dominant driver and trend in two rows of three.

    Parameters
    ----------
    inputs : ReportInputs
        With all of these maps.
    """
    frame = inputs.frame
    width = (ACROSS - 3 * LEFT - 0.25 - 2 * (GAP - 0.4)) / 3
    height = width * frame.aspect
    if height > TALLEST:
        width, height = TALLEST / frame.aspect, TALLEST
    pitch = (ACROSS - 0.1) / 3
    with style():
        figure = new_figure(ACROSS, TOP + 2 * (height + HEAD + UNDER) + LAST, fixed=True)
        figure.text(0.1 / ACROSS, 1 - 0.14 / figure.get_figheight(), inputs.title, va="top", fontsize=13,
                    fontweight="bold")
        figure.text(0.1 / ACROSS, 1 - 0.42 / figure.get_figheight(), f"{flux_title(inputs)}, {span_of(inputs)}",
                    va="top", fontsize=9)
        spots = [(LEFT + 0.1 + column * pitch, TOP + HEAD + row * (height + HEAD + UNDER))
                 for row in range(2) for column in range(3)]
        for (left, top), draw in zip(spots, (_flux, _spread, _applicability, _groups, _dominant, _trend)):
            axes = place(figure, left, top, width, height)
            draw(figure, axes, inputs, (left, top + height + 0.5, width))
        return png(figure)


Room = tuple[float, float, float]


def _field(figure: Figure, axes: Axes, inputs: ReportInputs, room: Room, values: np.ndarray, ramp: str, title: str,
           label: str, span: Optional[tuple[float, float]] = None, **options: Any) -> None:
    low, high = span or limits(values, symmetric=options.pop("symmetric", False))
    norm = Normalize(low, high)
    paint(axes, inputs.frame, values, RAMPS[ramp], norm)
    mark(axes, inputs.frame, **options)
    _finish(axes, inputs, title)
    left, top, width = room
    bar(place(figure, left, top, width, 0.12), RAMPS[ramp], norm, label, extend=extension(values, low, high))
    handles = legend_of(options.get("outside"), options.get("significant"))
    if handles:
        across, down = figure.get_size_inches()
        figure.legend(handles=handles, loc="upper left", borderaxespad=0,
                      bbox_to_anchor=((left - 0.08) / across, 1 - (top + 0.53) / down), handlelength=1.5,
                      fontsize=7.5)


def _finish(axes: Axes, inputs: ReportInputs, title: str) -> None:
    axes.set_title(title, fontsize=9)
    label_axes(axes, inputs.frame, ticks=4)


def _flux(figure: Figure, axes: Axes, inputs: ReportInputs, room: Room) -> None:
    _field(figure, axes, inputs, room, inputs.maps["flux"], "flux", "Mean respiration",
           with_unit("Flux", inputs.unit), outside=outside_mask(inputs))


def _spread(figure: Figure, axes: Axes, inputs: ReportInputs, room: Room) -> None:
    _field(figure, axes, inputs, room, inputs.maps["spread"], "spread", "Spread over the fold models",
           with_unit("SD", inputs.unit))


def _applicability(figure: Figure, axes: Axes, inputs: ReportInputs, room: Room) -> None:
    _field(figure, axes, inputs, room, inputs.maps["applicability"], "applicability", "Applicability",
           "Applicability [1]", (0.0, 1.0), outside=outside_mask(inputs))


def _groups(figure: Figure, axes: Axes, inputs: ReportInputs, room: Room) -> None:
    assert inputs.groups is not None
    draw_composite(axes, inputs.frame, inputs.groups)
    _finish(axes, inputs, "Groups of drivers")
    left, top, width = room
    draw_ternary(place(figure, left + width / 2 - 0.85, top + 0.02, 1.7, 1.15), inputs.groups, size=6.5)


def _dominant(figure: Figure, axes: Axes, inputs: ReportInputs, room: Room) -> None:
    assert inputs.dominant is not None
    area = np.array([inputs.driver_numbers.get(d.name, {}).get("dominant", np.nan) for d in inputs.drivers])
    handles = draw_dominant(axes, inputs.frame, inputs.dominant, inputs.drivers,
                            area if np.isfinite(area).all() else None)
    _finish(axes, inputs, "Driver with the largest contribution")
    across, down = figure.get_size_inches()
    left, top, _width = room
    figure.legend(handles=handles[:5], loc="upper left", bbox_to_anchor=((left - 0.08) / across, 1 - top / down),
                  borderaxespad=0, handlelength=1.4, fontsize=7.5)


def _trend(figure: Figure, axes: Axes, inputs: ReportInputs, room: Room) -> None:
    trend = inputs.trend
    _field(figure, axes, inputs, room, trend["slope"], "trend", "Trend (Theil–Sen slope)",
           with_unit("Slope", inputs.trend_unit), symmetric=True,
           significant=np.nan_to_num(trend["p"], nan=1.0) < 0.05)
