"""Which drivers rule where: colours mixed from three groups, and classes of the dominant driver."""

from __future__ import annotations

from typing import Optional, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from .canvas import label_axes, new_figure, place
from .figures_maps import sheet, short, tidy
from .inputs import Driver, Frame
from .palette import CLASS_COLOURS, GROUP_COLOURS, GROUP_TITLES, INK, MISSING, SOFT, percent

CORNERS = np.array([to_rgb(GROUP_COLOURS[name]) for name in GROUP_TITLES])
LEAST_AREA = 0.005
GAMMA = 2.2
OTHERS = "#f4f4f4"


def mix(shares: np.ndarray) -> np.ndarray:
    """Return the colour of shares of three groups.

    Parameters
    ----------
    shares : array (..., 3)
        Shares of environment, biotic and spatiotemporal drivers, adding up to 1.

    Returns
    -------
    array (..., 3)
        Corners have the colour of the group, mixtures are lighter, equal shares give light grey.
    """
    shares = np.clip(np.nan_to_num(shares), 0, 1)
    light = shares @ CORNERS ** GAMMA / np.maximum(shares.max(-1, keepdims=True), 1e-12)
    return np.clip(light, 0, 1) ** (1 / GAMMA)


def draw_composite(axes: Axes, frame: Frame, groups: np.ndarray) -> None:
    """Draw the map of mixed colours from group shares of shape (3, y, x)."""
    cells = np.moveaxis(groups, 0, -1)
    known = np.isfinite(cells).all(-1)
    image = np.ones((*known.shape, 4))
    image[..., :3] = mix(cells)
    image[~known] = (*to_rgb(MISSING), 1)
    axes.imshow(image, extent=frame.extent, origin="upper", interpolation="nearest", aspect=frame.stretch)
    tidy(axes, frame)
    label_axes(axes, frame)


def draw_ternary(axes: Axes, groups: np.ndarray, size: float = 7.5) -> None:
    """Draw the triangle that explains the mixed colours, with the mean of the region as a dot."""
    n = 220
    x, y = np.meshgrid(np.linspace(0, 1, n), np.linspace(0, np.sqrt(3) / 2, n))
    biotic = y / (np.sqrt(3) / 2)
    spatio = x - biotic / 2
    environment = 1 - biotic - spatio
    cells = np.stack([environment, biotic, spatio], -1)
    inside = (cells >= -1e-9).all(-1)
    axes.imshow(np.dstack([mix(cells), inside]), extent=(0, 1, 0, np.sqrt(3) / 2), origin="lower",
                interpolation="bilinear", aspect="equal")
    axes.plot([0, 1, 0.5, 0], [0, 0, np.sqrt(3) / 2, 0], color=INK, linewidth=0.7)
    mean = np.array([np.nanmean(band) if np.isfinite(band).any() else np.nan for band in groups])
    if np.isfinite(mean).all():
        axes.plot(mean[2] + mean[1] / 2, mean[1] * np.sqrt(3) / 2, marker="o", markersize=5, color="white",
                  markeredgecolor=INK, markeredgewidth=1.1)
    titles = [f"{title}\n{percent(value)}" for title, value in zip(GROUP_TITLES.values(), mean)]
    axes.text(-0.04, -0.05, titles[0], ha="center", va="top", fontsize=size)
    axes.text(0.5, np.sqrt(3) / 2 + 0.04, titles[1].replace("\n", "  "), ha="center", va="bottom", fontsize=size)
    axes.text(1.04, -0.05, titles[2], ha="center", va="top", fontsize=size)
    axes.set_xlim(-0.45, 1.45)
    axes.set_ylim(-0.3, 1.05)
    axes.axis("off")


def composite_map(frame: Frame, groups: np.ndarray) -> Figure:
    """Return the map of group shares with its triangle."""
    lay = sheet(frame)
    room = min(lay.across - lay.right, 2.2)
    aside = lay.aside and room > 1.8
    height = lay.below + (0.05 if aside else 1.55)
    figure = new_figure(lay.across, height, "Which group of drivers contributes where", fixed=True)
    draw_composite(place(figure, lay.left, lay.top, lay.width, lay.height), frame, groups)
    if aside:
        draw_ternary(place(figure, lay.right, lay.top + lay.height - 0.72 * room, room, 0.72 * room), groups, size=7)
    else:
        draw_ternary(place(figure, lay.left + lay.width / 2 - 1.15, lay.below, 2.3, 1.5), groups)
    return figure


def dominant_classes(dominant: np.ndarray, drivers: Sequence[Driver],
                     area: Optional[np.ndarray] = None) -> list[tuple[int, str, str, float]]:
    """Return number, name, colour and share of the area of the drivers that dominate somewhere, largest first."""
    if area is None:
        counts = np.array([(dominant == k + 1).sum() for k in range(len(drivers))], dtype=float)
        area = counts / max(counts.sum(), 1)
    order = [int(k) for k in np.argsort(-area, kind="stable") if area[k] > 0]
    return [(k + 1, drivers[k].long_name, CLASS_COLOURS[k % len(CLASS_COLOURS)], float(area[k]))
            for k in order if area[k] >= LEAST_AREA]


def draw_dominant(axes: Axes, frame: Frame, dominant: np.ndarray, drivers: Sequence[Driver],
                  area: Optional[np.ndarray] = None) -> list[Patch]:
    """Draw the classes of the dominant driver and return their legend."""
    classes = dominant_classes(dominant, drivers, area)
    index = np.full(dominant.shape, np.nan)
    index[np.isfinite(dominant)] = len(classes)
    for number, (code, *_rest) in enumerate(classes):
        index[dominant == code] = number
    palette = ListedColormap([colour for *_, colour, _share in classes] + [OTHERS])
    axes.set_facecolor(MISSING)
    axes.imshow(index, extent=frame.extent, origin="upper", cmap=palette, norm=Normalize(-0.5, len(classes) + 0.5),
                interpolation="nearest", aspect=frame.stretch)
    tidy(axes, frame)
    label_axes(axes, frame)
    handles = [Patch(facecolor=colour, edgecolor=SOFT, linewidth=0.4, label=f"{short(name, 28)} ({percent(share)})")
               for _code, name, colour, share in classes]
    if (index == len(classes)).any():
        rest = max(1 - sum(share for *_, share in classes), 0.0)
        handles.append(Patch(facecolor=OTHERS, edgecolor=SOFT, linewidth=0.4, label=f"others ({percent(rest)})"))
    return handles


def dominant_map(frame: Frame, dominant: np.ndarray, drivers: Sequence[Driver],
                 area: Optional[np.ndarray] = None) -> Figure:
    """Return the map of the driver with the largest share, the legend telling shares of the area."""
    lay = sheet(frame)
    lines = -(-(len(dominant_classes(dominant, drivers, area)) + 1) // 2)
    figure = new_figure(lay.across, lay.below + 0.19 * lines + 0.02, "Driver with the largest contribution",
                        fixed=True)
    handles = draw_dominant(place(figure, lay.left, lay.top, lay.width, lay.height), frame, dominant, drivers, area)
    figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.01, 0.0), ncols=2, columnspacing=1.0,
                  borderaxespad=0.3, handlelength=1.4)
    return figure
