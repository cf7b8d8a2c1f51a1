"""Small files in the layout of ONEFlux downloads."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import numpy as np

FORMS = {"HH": "%Y%m%d%H%M", "HR": "%Y%m%d%H%M", "DD": "%Y%m%d", "MM": "%Y%m", "YY": "%Y", "WW": "%Y%m%d"}
COLUMNS = ("NEE_VUT_REF", "NEE_VUT_REF_QC", "RECO_NT_VUT_REF", "RECO_NT_VUT_16", "RECO_NT_VUT_84", "RECO_DT_VUT_REF",
           "TA_F", "P_F", "VPD_F", "GPP_NT_VUT_REF", "H_F_MDS")


def stamps(first: str, count: int, resolution: str) -> np.ndarray:
    """Return the starts of `count` steps from `first`."""
    if resolution in ("MM", "YY"):
        unit = {"MM": "M", "YY": "Y"}[resolution]
        return (np.datetime64(first, unit) + np.arange(count)).astype("datetime64[s]")
    seconds = {"HH": 1800, "HR": 3600, "DD": 86400, "WW": 7 * 86400}[resolution]
    return np.datetime64(first, "s") + np.arange(count) * np.timedelta64(seconds, "s")


def text(times: np.ndarray, resolution: str, values: dict[str, np.ndarray] | None = None,
         columns: tuple[str, ...] = COLUMNS, end: str = "\n", mark: str = "") -> str:
    """Return a file as text; columns that are not given hold 0.9, and missing values -9999."""
    table = {name: np.full(times.size, 0.9) for name in columns}
    table.update(values or {})
    shown = [time.strftime(FORMS[resolution]) for time in times.astype(object)]
    if resolution in ("HH", "HR", "WW"):
        gap = np.timedelta64({"HH": 1800, "HR": 3600, "WW": 6 * 86400}[resolution], "s")
        ends = [time.strftime(FORMS[resolution]) for time in (times + gap).astype(object)]
        lines = [",".join(("TIMESTAMP_START", "TIMESTAMP_END", *table))]
        head = [f"{a},{b}" for a, b in zip(shown, ends)]
    else:
        lines, head = [",".join(("TIMESTAMP", *table))], shown
    for at, stamp in enumerate(head):
        row = (-9999 if np.isnan(column[at]) else column[at] for column in table.values())
        lines.append(",".join((stamp, *(f"{value:.10g}" for value in row))))
    return mark + end.join(lines) + end


def name(site: str = "BE-Bra", resolution: str = "MM", years: str = "2003-2004", grouping: str = "FULLSET") -> str:
    """Return the name of a FLUXNET2015 file."""
    return f"FLX_{site}_FLUXNET2015_{grouping}_{resolution}_{years}_1-4.csv"


def write(folder: Path, content: str, filename: str, packed: str = "") -> Path:
    """Write a file plain, as gzip or as the only member of a zip."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (filename + {"": "", "gz": ".gz", "zip": ""}[packed])
    if packed == "gz":
        path.write_bytes(gzip.compress(content.encode()))
    elif packed == "zip":
        path = path.with_suffix(".zip")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(filename, content)
    else:
        path.write_bytes(content.encode())
    return path
