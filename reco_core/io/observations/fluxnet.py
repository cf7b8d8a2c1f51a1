"""Flux-tower files of the FLUXNET2015 / ONEFlux family (FLUXNET2015, AmeriFlux, ICOS, Warm Winter 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable

import numpy as np
import pandas as pd
import xarray as xr

from ...catalogue.records import suggestion
from ...errors import ConfigError, SampleError, SchemaError
from ...vocabulary import convert
from ...vocabulary.ledger import note
from ..archives import Source, last_line, open_source, reading
from ..tables import MISSING_AT, decimal_comma
from .assemble import add_source, assemble
from .columns import qc_column
from .fluxnet_names import RESOLUTIONS, FluxnetFile, choose_resolution, drop_subsets, is_kin, recognise

FLUX_UNITS = {"HH": "umol CO2 m-2 s-1", "HR": "umol CO2 m-2 s-1", "DD": "g C m-2 d-1", "WW": "g C m-2 d-1",
              "MM": "g C m-2 d-1", "YY": "g C m-2 yr-1"}
DRIVERS = {"TA_F": "ta", "P_F": "precip", "VPD_F": "vpd", "SW_IN_F": "sw_in", "PPFD_IN": "par",
           "TS_F_MDS_1": "ts", "SWC_F_MDS_1": "swc", "NETRAD": "net_rad", "WS_F": "wind", "PA_F": "pa"}
DEFAULT_TARGET = "RECO_NT_VUT_REF"
UNCERTAINTY = {"84": ("84", "16", 2.0), "75": ("75", "25", 1.349)}
MEAN_SHARE = 0.75

_STAMPS = {"HH": "%Y%m%d%H%M", "HR": "%Y%m%d%H%M", "WW": "%Y%m%d", "DD": "%Y%m%d", "MM": "%Y%m", "YY": "%Y"}
_MINUTES = {"HH": 30, "HR": 60}


def read_fluxnet(file: FluxnetFile, *, target: str = DEFAULT_TARGET) -> xr.Dataset:
    """Read one file: flux, quality, uncertainty and drivers; no other column is parsed.

    Parameters
    ----------
    file : FluxnetFile
    target : str
        Respiration column; the quality is that of the matching NEE column. Records of one or two years
        hold no constant threshold (CUT): for them it is that of the years (VUT), and the ledger says so.

    Returns
    -------
    xarray.Dataset
        Observations of one site; flux [g C m-2 d-1]; `qc` a share 0..1, or a flag 0..3 for half-hours.

    Raises
    ------
    SchemaError
        The file lacks a column, or a date or number cannot be read.
    SampleError
        A time stands in two lines.
    """
    label = file.source.label
    layout = _layout(file.source)
    names = layout.names
    asked, target = target.upper(), _of_short_record(target.upper(), names, file)
    wanted = _columns(names, target, label)
    stamp = "TIMESTAMP_START" if "TIMESTAMP_START" in names else "TIMESTAMP"
    columns = [stamp, *(["TIMESTAMP_END"] if stamp == "TIMESTAMP_START" and "TIMESTAMP_END" in names else []),
               *dict.fromkeys(column for pair in wanted.values() for column in pair)]
    frame = _read(file.source, layout, [names[column] for column in columns])
    frame = frame.rename(columns={v: k for k, v in names.items()})
    times = _times(frame, stamp, file)
    days = _days(frame, times, file)
    values = {name: _numbers(frame, pair[0], label) for name, pair in wanted.items() if len(pair) == 1}
    method = _uncertainty(values, wanted, frame, label)
    for name in ("reco", "uncertainty", "uncertainty_partitioning"):
        if name in values:
            values[name] = convert(values[name], FLUX_UNITS[file.resolution], "g C m-2 d-1", days=days)
    if "precip" in values and file.resolution in ("HH", "HR", "YY"):
        values["precip"] = values["precip"] / days
    values["qc"] = _quality(values["qc"], wanted["qc"][0], file)
    site = np.full(len(frame), file.site, dtype=object)
    ds = assemble(site, times, values, {"network": np.full(len(frame), file.network, dtype=object)},
                  flux="reco", time_step=RESOLUTIONS[file.resolution])
    ds["reco"].attrs["source_column"] = target
    if target != asked:
        note(ds, f"{target} read for {asked}: a record of up to two years has one u* threshold, named VUT", 0,
             detail=file.site)
    for name, text in method.items():
        ds[name].attrs["method"] = text
    ds.attrs.update(citation=file.citation, history=f"read {target} from {file.resolution} files of {file.network}")
    add_source(ds, file=label, network=file.network, site=file.site, version=file.version, citation=file.citation)
    _remark(ds, times, file, wanted["qc"][0])
    return ds


@dataclass(frozen=True)
class _Layout:
    """How a text table is written: upper-case column name -> name in the file, and its marks."""

    names: dict[str, str]
    separator: str
    decimal: str
    width: int


def _layout(source: Source) -> _Layout:
    """Return how a file is written; spreadsheets turn commas into semicolons and points into commas."""
    with open_source(source) as stream, reading(source.label):
        head = stream.read(2**18)
    if not head.strip():
        raise SchemaError(f"'{source.label}' is empty ({len(head)} bytes)", "Download it again")
    lines = head.decode("utf-8-sig", errors="replace").splitlines()
    separator = max(",;\t", key=lambda mark: (lines[0].count(mark), mark == ","))
    fields = [name.strip().strip('"') for name in lines[0].split(separator)]
    decimal = "," if separator != "," and decimal_comma(lines[1:50], separator) else "."
    return _Layout({name.upper(): name for name in fields}, separator, decimal, len(fields))


def _columns(names: dict[str, str], target: str, label: str) -> dict[str, tuple[str, ...]]:
    """Return RECO name -> columns of the file it is made of."""
    if not {"TIMESTAMP", "TIMESTAMP_START"} & set(names):
        raise SchemaError(f"'{label}' has no column TIMESTAMP or TIMESTAMP_START",
                          "Is this a FLUXNET file? Its columns: " + ", ".join(list(names)[:60]))
    if target not in names:
        known = [name for name in names if name.startswith("RECO_")]
        raise SchemaError(f"'{label}' has no column {target}",
                          f"{suggestion(target, known)} Columns: {', '.join(known) or 'no RECO_* at all'}")
    quality = qc_column(target)
    if quality is None:
        raise ConfigError(f"Column {target} has no quality of a matching NEE column",
                          "Take one such as RECO_NT_VUT_REF, RECO_DT_VUT_REF or RECO_NT_CUT_REF")
    if quality not in names:
        raise SchemaError(f"'{label}' has no column {quality}, which tells the quality of {target}",
                          "Take another flux column, or download the FULLSET of the site")
    wanted: dict[str, tuple[str, ...]] = {"reco": (target,), "qc": (quality,)}
    stem = target.rsplit("_", 1)[0]
    for high, (upper, lower, _) in UNCERTAINTY.items():
        if "uncertainty" not in wanted and {f"{stem}_{upper}", f"{stem}_{lower}"} <= set(names):
            wanted["uncertainty"] = (f"{stem}_{high}", f"{stem}_{lower}")
    twin = target.replace("_NT_", "_DT_") if "_NT_" in target else target.replace("_DT_", "_NT_")
    if twin in names:
        wanted["uncertainty_partitioning"] = (target, twin)
    wanted.update({name: (column,) for column, name in DRIVERS.items() if column in names})
    return wanted


def _of_short_record(target: str, names: dict[str, str], file: FluxnetFile) -> str:
    """Return the column for a constant threshold in records too short to tell it from that of each year."""
    twin = target.replace("_CUT_", "_VUT_")
    lacks = target not in names and twin in names and not any("_CUT_" in name for name in names)
    return twin if lacks and file.is_short and file.grouping != "SUBSET" else target


def _uncertainty(values: dict[str, np.ndarray], wanted: dict[str, tuple[str, ...]], frame: pd.DataFrame,
                 label: str) -> dict[str, str]:
    """Add what the percentiles of the u* threshold and the two partitionings tell; return how each was made."""
    method = {}
    if "uncertainty" in wanted:
        high, low = wanted["uncertainty"]
        width = UNCERTAINTY[high[-2:]][2]
        values["uncertainty"] = np.abs(_numbers(frame, high, label) - _numbers(frame, low, label)) / width
        method["uncertainty"] = f"({high} - {low}) / {width:g}"
    if "uncertainty_partitioning" in wanted:
        one, two = wanted["uncertainty_partitioning"]
        values["uncertainty_partitioning"] = np.abs(_numbers(frame, one, label) - _numbers(frame, two, label))
        method["uncertainty_partitioning"] = f"|{one} - {two}|"
    return method


def _read(source: Source, layout: _Layout, columns: Iterable[str]) -> pd.DataFrame:
    try:
        with open_source(source) as stream, reading(source.label):
            raw = stream.raw  # type: ignore[attr-defined]
            frame = pd.read_csv(stream, usecols=list(columns), encoding="utf-8-sig", skipinitialspace=True,
                                sep=layout.separator, decimal=layout.decimal, index_col=False, low_memory=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise SchemaError(f"'{source.label}' is not a regular table: {error}", "Download it again") from error
    if frame.empty:
        raise SchemaError(f"'{source.label}' has a header but no rows", "Download it again")
    fields = last_line(raw).decode("utf-8", errors="replace").count(layout.separator) + 1
    if fields < layout.width:
        raise SchemaError(f"'{source.label}' is cut off: its last line {len(frame) + 1} has {fields} of "
                          f"{layout.width} fields", "Download or copy it again")
    return frame


def _times(frame: pd.DataFrame, stamp: str, file: FluxnetFile) -> np.ndarray:
    form = _STAMPS[file.resolution]
    texts = frame[stamp].astype(str).str.replace(r"\.0$", "", regex=True).str.strip()
    times = pd.to_datetime(texts, format=form, errors="coerce")
    if times.isna().any():
        at = int(np.argmax(times.isna().to_numpy()))
        raise SchemaError(f"'{file.source.label}', column {stamp}, line {at + 2}: '{texts.iloc[at]}' is not a time of "
                          f"a {file.resolution} file", f"Wanted: {form.translate(_READABLE)}")
    doubled = times.duplicated().to_numpy()
    if doubled.any():
        at = int(np.argmax(doubled))
        first = int(np.argmax((times == times.iloc[at]).to_numpy()))
        raise SampleError(f"'{file.source.label}': site {file.site} has {texts.iloc[at]} twice, in lines "
                          f"{first + 2} and {at + 2}", "Remove one of the lines, or download the file again")
    found = times.to_numpy().astype("datetime64[s]")
    _check_steps(frame, found, stamp, file)
    return found


def _check_steps(frame: pd.DataFrame, times: np.ndarray, stamp: str, file: FluxnetFile) -> None:
    """Refuse half-hours or hours whose rows follow each other in other steps than the file name says."""
    minutes = _MINUTES.get(file.resolution)
    if minutes is None:
        return
    whole = times.astype("datetime64[m]").astype("int64")
    off = whole % minutes != 0
    gaps = np.diff(np.unique(whole))
    if not off.any() and (gaps.size == 0 or gaps.min() == minutes):
        return
    at = int(np.argmax(off))
    seen = (f"'{frame[stamp].iloc[at]}' is no start of {minutes} minutes" if off.any() else
            f"the rows follow each other in {int(gaps.min())} minutes, not in {minutes}")
    raise SchemaError(f"'{file.source.label}', column {stamp}, line {at + 2}: {seen}",
                      "Is the file name right about its resolution?")


_READABLE = str.maketrans({"%": "", "Y": "YYYY", "m": "MM", "d": "DD", "H": "hh", "M": "mm"})


def _days(frame: pd.DataFrame, times: np.ndarray, file: FluxnetFile) -> np.ndarray:
    """Return the length of the step of each row [d]."""
    if file.resolution == "YY":
        years = times.astype("datetime64[Y]")
        return ((years + 1).astype("datetime64[D]") - years.astype("datetime64[D]")).astype("float64")
    return np.full(len(frame), {"HH": 1 / 48, "HR": 1 / 24}.get(file.resolution, 1.0))


def _numbers(frame: pd.DataFrame, column: str, label: str) -> np.ndarray:
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy("float64", na_value=np.nan, copy=True)
    bad = np.isnan(values) & frame[column].notna().to_numpy()
    if bad.any():
        at = int(np.argmax(bad))
        raise SchemaError(f"'{label}', column {column}, line {at + 2}: '{frame[column].iloc[at]}' is not a number",
                          "Download the file again")
    values[values <= MISSING_AT] = np.nan
    return values


def _quality(qc: np.ndarray, column: str, file: FluxnetFile) -> np.ndarray:
    """Return the quality; refuse one that does not have the meaning it must have at this resolution.

    The quality of the mean over u* thresholds is a share at every resolution; where flags are wanted,
    MEAN_SHARE of good data counts as flag 1 and less as flag 3.
    """
    good = qc[np.isfinite(qc)]
    flags = file.resolution in _MINUTES and not column.endswith("_MEAN_QC")
    fits = np.isin(good, (0, 1, 2, 3)) if flags else (good >= 0) & (good <= 1)
    if not fits.all():
        wanted = "a flag 0, 1, 2 or 3" if flags else "a share from 0 to 1"
        raise SchemaError(f"'{file.source.label}', column {column}: quality {good[np.argmin(fits)]:g} does not fit a "
                          f"{file.resolution} file, where it is {wanted}",
                          "Is the file name right about its resolution?")
    if file.resolution not in _MINUTES or flags:
        return qc
    return np.where(np.isnan(qc), np.nan, np.where(qc >= MEAN_SHARE, 1.0, 3.0))


def _remark(ds: xr.Dataset, times: np.ndarray, file: FluxnetFile, quality: str) -> None:
    """Put into the ledger what a user should know of how the file was understood."""
    if file.resolution in _MINUTES and quality.endswith("_MEAN_QC"):
        note(ds, f"quality is a share: {MEAN_SHARE:g} or more was taken for flag 1, less for flag 3", 0, detail=quality)
    unit = {"DD": "D", "MM": "M", "YY": "Y"}.get(file.resolution, "m")
    steps = np.unique(times.astype(f"datetime64[{unit}]").astype("int64")) // _MINUTES.get(file.resolution, 1)
    if file.resolution == "WW":
        missing = int((np.diff(steps) > 10 * 1440).sum())
    else:
        missing = int(steps[-1] - steps[0] + 1 - steps.size)
    if missing:
        note(ds, f"gaps in the time axis: {RESOLUTIONS[file.resolution]}s that have no row", 0,
             detail=f"{file.source.label}: {missing}")


__all__ = ["DEFAULT_TARGET", "FluxnetFile", "choose_resolution", "drop_subsets", "is_kin", "read_fluxnet", "recognise"]
