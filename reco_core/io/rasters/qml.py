"""QGIS styles (.qml) written without QGIS: the sidecar that every version picks up."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Sequence
from xml.sax.saxutils import quoteattr

from ..files import atomic

RAMPS: dict[str, tuple[str, ...]] = {
    "viridis": ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"),
    "magma": ("#fcfdbf", "#fec488", "#fb8861", "#e75263", "#b73779", "#822681", "#51127c", "#1d1147", "#000004"),
    "blues": ("#f7fbff", "#deebf7", "#c6dbef", "#9ecae1", "#6baed6", "#4292c6", "#2171b5", "#08519c", "#08306b"),
    "red_blue": ("#2166ac", "#4393c3", "#92c5de", "#d1e5f0", "#f7f7f7", "#fddbc7", "#f4a582", "#d6604d", "#b2182b"),
    "applicability": ("#8c510a", "#bf812d", "#dfc27d", "#f6e8c3", "#f5f5f5", "#c7eae5", "#80cdc1", "#35978f",
                      "#01665e"),
}
CLASS_COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#e69f00", "#009e73",
                 "#d55e00", "#0072b2", "#cc79a7", "#882255", "#44aa99", "#999933", "#332288", "#ddcc77", "#117733",
                 "#88ccee", "#661100", "#6699cc")
LARGEST_SHARE = 0.8  # brightest value of the composite of shares, which seldom come near 1


@dataclass(frozen=True)
class Stats:
    """What a style needs to know of a raster: least and largest value, and the 2 and 98 % quantiles."""

    minimum: float = math.nan
    maximum: float = math.nan
    p02: float = math.nan
    p98: float = math.nan


@dataclass(frozen=True)
class Style:
    """How a raster is drawn.

    Parameters
    ----------
    kind : {"ramp", "diverging", "classes", "rgb"}
        A ramp from low to high, one that is symmetric around 0, a colour per number, or three
        bands as red, green and blue.
    title, unit : str
        What is shown, and what stands behind each number of the legend.
    ramp : str
        A key of RAMPS; empty for viridis, or red_blue where diverging.
    labels : sequence of (value, label, colour)
        Classes; see `class_style`.
    low, high : float, optional
        Ends of the ramp, by default the 2 and 98 % quantiles; for rgb 0 and 0.8.
    bands : sequence of int
        Bands the style is for, counted from 1: their values make the scale and the first one is
        shown (rgb: three bands). Empty: all bands share the scale, and the first is shown.
    """

    kind: str
    title: str = ""
    unit: str = ""
    ramp: str = ""
    labels: Sequence[tuple[int, str, str]] = ()
    low: float | None = None
    high: float | None = None
    bands: Sequence[int] = ()


def class_style(title: str, names: Iterable[str]) -> Style:
    """Return a style of classes numbered from 1 in the order of `names`.

    Examples
    --------
    >>> class_style("Dominant driver", ["ta", "lai"]).labels
    ((1, 'ta', '#4477aa'), (2, 'lai', '#ee6677'))
    """
    labels = tuple((number, name, CLASS_COLOURS[(number - 1) % len(CLASS_COLOURS)])
                   for number, name in enumerate(names, start=1))
    return Style("classes", title, labels=labels)


def write_qml(path: str | os.PathLike[str], style: Style, stats: Stats | None = None) -> Path:
    """Write a style as a QGIS layer definition and return its path.

    Parameters
    ----------
    path : path
        `<stem of the raster>.qml`: QGIS then takes it by itself.
    style : Style
    stats : Stats, optional
        Of the bands of the style; needed where `low` or `high` is not fixed.
    """
    with atomic(path) as temporary:
        temporary.write_text(style_text(style, stats), encoding="utf-8", newline="\n")
    return Path(path)


def style_text(style: Style, stats: Stats | None = None) -> str:
    """Return a style as the text of a QGIS layer definition; see `write_qml`."""
    renderer = {"ramp": _ramp, "diverging": _ramp, "classes": _classes, "rgb": _rgb}[style.kind]
    return "\n".join([
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>",
        '<qgis version="3.22.0" styleCategories="Symbology" hasScaleBasedVisibilityFlag="0">',
        "  <pipe>",
        *renderer(style, stats or Stats()),
        '    <brightnesscontrast brightness="0" contrast="0" gamma="1"/>',
        '    <huesaturation saturation="0" grayscaleMode="0" colorizeOn="0"/>',
        '    <rasterresampler maxOversampling="2"/>',
        "  </pipe>",
        "  <blendMode>0</blendMode>",
        "</qgis>", ""])


def scale(style: Style, stats: Stats) -> tuple[float, float]:
    """Return the values at the two ends of a ramp; never equal, symmetric around 0 where diverging.

    Examples
    --------
    >>> scale(Style("diverging"), Stats(-3, 5, -1, 2))
    (-2.0, 2.0)
    """
    low = _first(style.low, stats.p02, stats.minimum, 0.0)
    high = _first(style.high, stats.p98, stats.maximum, 1.0)
    if style.kind == "diverging":
        reach = max(abs(low), abs(high))
        reach = reach or max(abs(_first(stats.minimum, 0.0)), abs(_first(stats.maximum, 0.0))) or 1.0
        return -reach, reach
    if high > low:
        return low, high
    low, high = _first(style.low, stats.minimum, low), _first(style.high, stats.maximum, high)
    if high > low:
        return low, high
    pad = abs(low) * 0.01 or 1.0
    return low - pad, low + pad


def _first(*values: float | None) -> float:
    """Return the first value that is a number."""
    return next(float(value) for value in values if value is not None and math.isfinite(value))


def _label(value: float, step: float) -> str:
    """Return a value with as many digits as tell the steps of the legend apart."""
    digits = max(0, min(9, 1 - math.floor(math.log10(step))))
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


def _ramp(style: Style, stats: Stats) -> list[str]:
    low, high = scale(style, stats)
    colours = RAMPS[style.ramp or ("red_blue" if style.kind == "diverging" else "viridis")]
    step = (high - low) / (len(colours) - 1)
    suffix = f" {style.unit}" if style.unit not in ("", "1") else ""
    items = []
    for number, colour in enumerate(colours):
        value = high if number == len(colours) - 1 else low + step * number
        label = quoteattr(_label(value, step) + suffix)
        items.append(f'          <item alpha="255" value="{value!r}" label={label} color="{colour}"/>')
    return [
        f'    <rasterrenderer type="singlebandpseudocolor" band="{_shown(style)}" opacity="1" alphaBand="-1" '
        f'classificationMin="{low!r}" classificationMax="{high!r}" nodataColor="">',
        "      <rasterTransparency/>",
        "      <minMaxOrigin><limits>None</limits><extent>WholeRaster</extent></minMaxOrigin>",
        "      <rastershader>",
        '        <colorrampshader colorRampType="INTERPOLATED" classificationMode="1" clip="0" labelPrecision="6" '
        f'minimumValue="{low!r}" maximumValue="{high!r}">',
        *_gradient(colours),
        *items,
        f'          <rampLegendSettings prefix="" suffix={quoteattr(suffix)} direction="0" orientation="2" '
        'minimumLabel="" maximumLabel="" useContinuousLegend="0"/>',
        "        </colorrampshader>",
        "      </rastershader>",
        "    </rasterrenderer>"]


def _gradient(colours: Sequence[str]) -> list[str]:
    """Return the ramp itself, so that QGIS can classify anew in its colours."""
    stops = ":".join(f"{number / (len(colours) - 1):.6g};{_rgba(colour)}"
                     for number, colour in enumerate(colours[1:-1], 1))
    options = {"color1": _rgba(colours[0]), "color2": _rgba(colours[-1]), "discrete": "0", "rampType": "gradient",
               "stops": stops}
    return ['          <colorramp name="[source]" type="gradient">',
            *(f'            <prop k="{key}" v="{value}"/>' for key, value in options.items()),
            "          </colorramp>"]


def _rgba(colour: str) -> str:
    return ",".join(str(int(colour[i:i + 2], 16)) for i in (1, 3, 5)) + ",255"


def _shown(style: Style) -> int:
    return style.bands[0] if style.bands else 1


def _classes(style: Style, stats: Stats) -> list[str]:
    entries = [f'        <paletteEntry value="{int(value)}" label={quoteattr(label)} color="{colour}" alpha="255"/>'
               for value, label, colour in style.labels]
    return [
        f'    <rasterrenderer type="paletted" band="{_shown(style)}" opacity="1" alphaBand="-1" nodataColor="">',
        "      <rasterTransparency/>",
        "      <colorPalette>",
        *entries,
        "      </colorPalette>",
        "    </rasterrenderer>"]


def _rgb(style: Style, stats: Stats) -> list[str]:
    red, green, blue = (list(style.bands) or [1, 2, 3])[:3]
    low = 0.0 if style.low is None else float(style.low)
    high = LARGEST_SHARE if style.high is None else float(style.high)
    return [
        f'    <rasterrenderer type="multibandcolor" redBand="{red}" greenBand="{green}" blueBand="{blue}" '
        'opacity="1" alphaBand="-1" nodataColor="">',
        "      <rasterTransparency/>",
        "      <minMaxOrigin><limits>None</limits><extent>WholeRaster</extent></minMaxOrigin>",
        *(f"      <{name}ContrastEnhancement><minValue>{low!r}</minValue><maxValue>{high!r}</maxValue>"
          f"<algorithm>StretchToMinimumMaximum</algorithm></{name}ContrastEnhancement>"
          for name in ("red", "green", "blue")),
        "    </rasterrenderer>"]
