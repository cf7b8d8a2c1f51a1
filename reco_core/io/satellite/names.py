"""What the names of satellite files tell: product, date, layer, area."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

import numpy as np

from ...errors import SchemaError
from ..dates import date_in_name, read_stamp
from .products import PRODUCTS, plain

_MODIS = re.compile(r"(?<![A-Za-z0-9])(M[OYC]D\d{2}[A-Z][A-Z0-9]*)(?:[._-]?0?\d{2}\d?(?=[._]))?")
_FRACTIONS = re.compile(r"(?<![A-Za-z])FC[._]v\d+(?:[._]MCD43A4)?", re.IGNORECASE)
_GLASS = re.compile(r"GLASS(\d{2})[A-Z]\d{2}(?:[._]V\d+)?", re.IGNORECASE)
_GLASS_NUMBERS = {"01": "GLASS_LAI", "09": "GLASS_FAPAR", "12": "GLASS_GPP"}
_APPEEARS = re.compile(r"_doy(?P<date>\d{7})(?:\d{6})?(?:_(?P<area>aid\d+))?", re.IGNORECASE)
_AREA = re.compile(r"(?<![A-Za-z0-9])aid\d+", re.IGNORECASE)
_PART = re.compile(r"-\d{10}-\d{10}$")  # Earth Engine cuts large exports: row and column of the part
_GRANULE = re.compile(r"(?<![A-Za-z0-9])A(?P<date>\d{7})(?!\d)")


@dataclass(frozen=True)
class FileName:
    """What a file name tells: product, date, layer (what is left) and area; empty or None where it does not."""

    product: str
    date: Optional[np.datetime64]
    layer: str
    area: str


def read_name(name: str) -> FileName:
    """Return what the name of a file tells.

    Examples
    --------
    >>> read_name("MOD13A1.061__500m_16_days_NDVI_doy2016001_aid0001.tif")
    FileName(product='MOD13A1', date=np.datetime64('2016-01-01'), layer='500m_16_days_ndvi', area='aid0001')
    >>> read_name("MOD13A1_NDVI_2016_337.tif").date
    np.datetime64('2016-12-02')

    Raises
    ------
    SchemaError
        It has a day of the year that this year does not have.
    """
    rest = _PART.sub("", re.sub(r"\.(tiff?|nc4?|hdf4?|h4)$", "", name, flags=re.IGNORECASE))
    product, rest = _product(rest)
    area, date = "", None
    match = _APPEEARS.search(rest) or _GRANULE.search(rest)
    if match:
        stamp = read_stamp(match["date"])
        if stamp is None:
            raise SchemaError(f"'{name}': there is no day {match['date'][4:]} in {match['date'][:4]}",
                              "Check the name of the file")
        date = stamp.date
        area = (match.groupdict().get("area") or "").lower()
        rest = rest[:match.start()] + "." + rest[match.end():]
    else:
        stamp, rest = date_in_name(rest)
        date = stamp.date if stamp else None
    known = _AREA.search(rest)
    if known:
        area, rest = known[0].lower(), rest[:known.start()] + rest[known.end():]
    return FileName(product, date, plain(rest), area)


def _product(text: str) -> tuple[str, str]:
    """Return the product that a name tells and the rest of the name."""
    for pattern in (_FRACTIONS, _GLASS, _MODIS):
        match = pattern.search(text)
        if match:
            found = ("GFVCP" if pattern is _FRACTIONS else
                     _GLASS_NUMBERS.get(match[1], match[0]) if pattern is _GLASS else match[1])
            return found, text[:match.start()] + "." + text[match.end():]
    for name in PRODUCTS:  # such as PML_V2_2010_01_01
        match = re.search(name.replace("_", "[-_. ]?"), text, re.IGNORECASE)
        if match:
            return name, text[:match.start()] + "." + text[match.end():]
    return "", text
