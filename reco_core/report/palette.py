"""Colours, letters and how numbers and units are written."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

INK = "#1f2428"
SOFT = "#5f6b73"
RULE = "#c9d0d4"
MISSING = "#e6e8e9"
ACCENT = "#0b5563"

GROUP_COLOURS = {"environment": "#d55e00", "biotic": "#009e73", "spatiotemporal": "#0072b2"}
GROUP_TITLES = {"environment": "Environment", "biotic": "Biotic", "spatiotemporal": "Spatiotemporal"}
OTHER_COLOUR = "#b9c0c4"

# after P. Tol and Okabe & Ito: the same numbers have the same colours in the styles of the raster layers
CLASS_COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#e69f00", "#009e73",
                 "#d55e00", "#0072b2", "#cc79a7", "#882255", "#44aa99", "#999933", "#332288", "#ddcc77", "#117733",
                 "#88ccee", "#661100", "#6699cc")
LINE_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")

RAMPS = {"flux": "viridis", "spread": "magma_r", "applicability": "BrBG", "share": "YlGnBu", "trend": "RdBu_r"}

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans", "font.size": 8.5, "axes.titlesize": 9.5, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.titlepad": 7.0, "axes.labelsize": 8.5, "axes.labelcolor": INK,
    "axes.edgecolor": SOFT, "axes.linewidth": 0.7, "axes.spines.top": False, "axes.spines.right": False,
    "xtick.color": SOFT, "ytick.color": SOFT, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "xtick.labelsize": 8.0, "ytick.labelsize": 8.0, "xtick.major.size": 3.0, "ytick.major.size": 3.0,
    "xtick.major.width": 0.7, "ytick.major.width": 0.7, "text.color": INK, "legend.frameon": False,
    "legend.fontsize": 8.0, "figure.facecolor": "white", "savefig.facecolor": "white",
    "hatch.linewidth": 0.5, "axes.grid": False, "grid.color": "#e3e7e9", "grid.linewidth": 0.7,
    "axes.axisbelow": True, "text.parse_math": False,
}

_SUPER = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
FLUX_TITLES = {"reco": "Ecosystem respiration", "rs": "Soil respiration", "rh": "Heterotrophic respiration"}


def pretty_unit(unit: str) -> str:
    """Return a unit with raised exponents.

    Examples
    --------
    >>> pretty_unit("g C m-2 month-1")
    'g C m⁻² month⁻¹'
    """
    if unit in ("", "1", "-"):
        return ""
    text = re.sub(r"(?<=[A-Za-z])(-?\d+)\b", lambda match: match.group(1).translate(_SUPER), unit)
    return text.replace("degC", "°C").replace("umol", "µmol")


def with_unit(text: str, unit: str) -> str:
    """Return 'text [unit]', or the text alone where there is no unit."""
    pretty = pretty_unit(unit)
    return f"{text} [{pretty}]" if pretty else text


def number(value: Any, digits: int = 3) -> str:
    """Return a number with so many significant digits, thousands set apart, or an en dash for none.

    Examples
    --------
    >>> number(51205.382), number(0.0031847), number(-12.34), number(float("nan"))
    ('51,200', '0.00318', '−12.3', '–')
    """
    if value is None or not np.isfinite(value):
        return "–"
    size = abs(float(value))
    places = digits - 1 - int(np.floor(np.log10(size))) if size > 0 else 0
    rounded = round(float(value), places)
    if size and not 1e-4 <= size < 1e9:
        return f"{value:.{digits - 1}e}".replace("-", "−")
    return f"{rounded:,.{max(places, 0)}f}".replace("-", "−")


def plain(value: Any, places: int = 3) -> str:
    """Return a number with so many decimals, as scores without unit are written.

    Examples
    --------
    >>> plain(0.0409), plain(-1.25, 1)
    ('0.041', '−1.2')
    """
    if value is None or not np.isfinite(value):
        return "–"
    return f"{float(value):.{places}f}".replace("-", "−")


def percent(share: Any, digits: int = 0) -> str:
    """Return a share of 1 as a percentage.

    Examples
    --------
    >>> percent(0.4415), percent(0.004)
    ('44\xa0%', '0.4\xa0%')
    """
    if share is None or not np.isfinite(share):
        return "–"
    value = 100 * float(share)
    if digits == 0 and (0 < value < 1 or 99 < value < 100):
        digits = 1
    return f"{value:.{digits}f}\N{NO-BREAK SPACE}%"

