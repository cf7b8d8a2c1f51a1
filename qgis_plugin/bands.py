"""What the bands of a raster are called, in which unit they are and which time they stand for."""

import re
from datetime import datetime, timedelta
from xml.sax.saxutils import escape

_NUMBERED = re.compile(r"^\D+\d+\s*:\s*(.*)$", re.DOTALL)
_NUMBER_ALONE = re.compile(r"^\D+\d+$")
_CF_TIME = re.compile(r"time\w*=([-+\d.eE]+) \((day|hour|minute|second)s? since (\d{1,4})-(\d{1,2})-(\d{1,2})")
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")
_UNIT = re.compile(r"<li>(?:units|UNITS)=([^<]+)</li>")


def descriptions(layer):
    """Return the description of each band; times of NetCDF are written as dates."""
    return [_description(layer, band) for band in range(1, layer.bandCount() + 1)]


def _description(layer, band):
    text = layer.bandName(band)  # "Band 07: 2001-07", or "Band 07" where the file says nothing
    numbered = _NUMBERED.match(text)
    if numbered:
        return _cf_date(numbered.group(1)) or numbered.group(1)
    return "" if _NUMBER_ALONE.match(text) else _cf_date(text) or text


def _cf_date(text):
    """Return the date in a band name such as 'time=31 (days since 2000-01-01)', else an empty text."""
    found = _CF_TIME.search(text)
    if not found:
        return ""
    count, step, year, month, day = found.groups()
    try:
        date = datetime(int(year), int(month), int(day)) + timedelta(**{step + "s": float(count)})
    except (ValueError, OverflowError):
        return ""
    return date.strftime("%Y-%m-%d")


def unit(layer):
    """Return the unit that the file of a raster layer states, else an empty text."""
    found = _UNIT.search(layer.dataProvider().htmlMetadata())
    return found.group(1).strip() if found else ""


def periods(texts):
    """Return (first day, day after the last) of each band; empty where one of the texts is no date.

    Parameters
    ----------
    texts : list of str
        YYYY, YYYY-MM or YYYY-MM-DD.
    """
    matches = [_DATE.fullmatch(text or "") for text in texts]
    if not matches or not all(matches):
        return []
    try:
        starts = [datetime(int(m.group(1)), int(m.group(2) or 1), int(m.group(3) or 1)) for m in matches]
    except ValueError:
        return []
    if all(m.group(3) for m in matches):
        steps = [later - first for first, later in zip(starts, starts[1:])]
        ends = starts[1:] + [starts[-1] + (steps[-1] if steps else timedelta(days=1))]
    elif all(m.group(2) for m in matches):
        ends = [_add_months(start, 1) for start in starts]
    else:
        ends = [_add_months(start, 12) for start in starts]
    return list(zip(starts, ends))


def _add_months(date, count):
    month = date.month - 1 + count
    return date.replace(year=date.year + month // 12, month=month % 12 + 1)


def write_descriptions(path, texts, unit_text, gap=None):
    """Write descriptions, unit and missing value of the bands of a raster beside it, where GDAL looks for them."""
    rows = ["<PAMDataset>"]
    for band, text in enumerate(texts, 1):
        rows.append('  <PAMRasterBand band="{}">'.format(band))
        rows += ["    <{0}>{1}</{0}>".format(key, escape(value)) for key, value in (
            ("Description", text), ("NoDataValue", "" if gap is None else repr(gap)), ("UnitType", unit_text)) if value]
        rows.append("  </PAMRasterBand>")
    with open(path + ".aux.xml", "w", encoding="utf-8") as stream:
        stream.write("\n".join([*rows, "</PAMDataset>", ""]))
