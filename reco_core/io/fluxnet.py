"""Flux-tower files of the FLUXNET2015 / ONEFlux family (FLUXNET2015, AmeriFlux, ICOS, Warm Winter 2020)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterable, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from ..catalogue.records import suggestion
from ..errors import ConfigError, SampleError, SchemaError
from ..vocabulary import convert
from .archives import Source, open_source, reading
from .assemble import assemble
from .columns import qc_column
from .tables import MISSING_AT

RESOLUTIONS = {"HH": "half-hour", "HR": "hour", "DD": "day", "WW": "week", "MM": "month", "YY": "year"}
FLUX_UNITS = {"HH": "umol CO2 m-2 s-1", "HR": "umol CO2 m-2 s-1", "DD": "g C m-2 d-1", "WW": "g C m-2 d-1",
              "MM": "g C m-2 d-1", "YY": "g C m-2 yr-1"}
DRIVERS = {"TA_F": "ta", "P_F": "precip", "VPD_F": "vpd", "SW_IN_F": "sw_in", "PPFD_IN": "par",
           "TS_F_MDS_1": "ts", "SWC_F_MDS_1": "swc", "NETRAD": "net_rad", "WS_F": "wind", "PA_F": "pa"}
DEFAULT_TARGET = "RECO_NT_VUT_REF"

_NAME = re.compile(
    r"(?P<network>[A-Z0-9-]+)_(?P<site>[A-Z]{2}-[A-Z0-9]{3})_FLUXNET(?:20\d\d)?"
    r"(?:_(?P<grouping>FULLSET|SUBSET|FLUXMET))?_(?P<resolution>HH|HR|DD|WW|MM|YY)(?:_(?P<rest>.*))?\.csv(?:\.gz)?",
    re.IGNORECASE)
_KIN = re.compile(r"[A-Z0-9-]+_[A-Z]{2}-[A-Z0-9]{3}_", re.IGNORECASE)
_STAMPS = {"HH": "%Y%m%d%H%M", "HR": "%Y%m%d%H%M", "WW": "%Y%m%d", "DD": "%Y%m%d", "MM": "%Y%m", "YY": "%Y"}
_NETWORKS = {"FLX": "FLUXNET2015", "AMF": "AmeriFlux", "ICOSETC": "ICOS", "ICOS": "ICOS", "EUF": "European Fluxes",
             "TERN": "OzFlux"}
_ONEFLUX = "Pastorello et al. 2020, Scientific Data 7:225, doi:10.1038/s41597-020-0534-3"
_WARM_WINTER = "Warm Winter 2020 Team & ICOS Ecosystem Thematic Centre 2022, doi:10.18160/2G60-ZHAK"


@dataclass(frozen=True)
class FluxnetFile:
    """A file whose name says site, grouping and resolution."""

    source: Source
    network: str
    site: str
    grouping: str
    resolution: str

    @property
    def citation(self) -> str:
        """What to cite for data of this file."""
        return f"{_WARM_WINTER}; {_ONEFLUX}" if self.network == "Warm Winter 2020" else _ONEFLUX


def recognise(source: Source) -> FluxnetFile | None:
    """Return what the name of a file says, or None if it is not one with fluxes.

    Examples
    --------
    >>> from pathlib import Path
    >>> recognise(Source(Path("AMF_CA-CF1_FLUXNET_FULLSET_MM_2007-2008_3-5.csv"))).resolution
    'MM'
    """
    match = _NAME.fullmatch(source.name)
    if match is None:
        return None
    prefix = match["network"].upper()
    network = "Warm Winter 2020" if prefix == "FLX" and "_beta-" in source.name else _NETWORKS.get(prefix, prefix)
    site = match["site"][:2].upper() + match["site"][2:]
    return FluxnetFile(source, network, site, (match["grouping"] or "FULLSET").upper(), match["resolution"].upper())


def is_kin(source: Source) -> bool:
    """Return whether a file belongs to a FLUXNET download but holds no fluxes (ERA, AUX, BIF, ...)."""
    return recognise(source) is None and _KIN.match(source.name) is not None


def choose_resolution(files: Sequence[FluxnetFile], resolution: str) -> list[FluxnetFile]:
    """Return the files of one resolution; 'auto' is the only one there is. HR counts as HH.

    Raises
    ------
    ConfigError
        There are several, or not the one that was asked for.
    """
    there = sorted({_family(file) for file in files}, key=list(RESOLUTIONS).index)
    if resolution == "auto":
        if len(there) > 1:
            raise ConfigError(f"The files come in {len(there)} resolutions: " + ", ".join(there),
                              f"Choose one, for example resolution={there[-1]}")
        return list(files)
    if resolution not in there:
        raise ConfigError(f"There is no file of resolution {resolution}", "There are: " + ", ".join(there))
    return [file for file in files if _family(file) == resolution]


def _family(file: FluxnetFile) -> str:
    return "HH" if file.resolution == "HR" else file.resolution


def drop_subsets(files: Sequence[FluxnetFile]) -> tuple[list[FluxnetFile], list[FluxnetFile]]:
    """Return the files to read, and the SUBSET files left out because the FULLSET of the site is there."""
    full = {(file.site, file.resolution) for file in files if file.grouping != "SUBSET"}
    twins = [file for file in files if file.grouping == "SUBSET" and (file.site, file.resolution) in full]
    return [file for file in files if file not in twins], twins


def read_fluxnet(file: FluxnetFile, *, target: str = DEFAULT_TARGET) -> xr.Dataset:
    """Read one file: flux, quality, uncertainty and drivers; no other column is parsed.

    Parameters
    ----------
    file : FluxnetFile
    target : str
        Respiration column; the quality is that of the matching NEE column.

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
    names = _header(file.source)
    wanted = _columns(names, target, label)
    stamp = "TIMESTAMP_START" if "TIMESTAMP_START" in names else "TIMESTAMP"
    columns = [stamp, *(["TIMESTAMP_END"] if stamp == "TIMESTAMP_START" and "TIMESTAMP_END" in names else []),
               *dict.fromkeys(column for pair in wanted.values() for column in pair)]
    frame = _read(file.source, [names[column] for column in columns]).rename(columns={v: k for k, v in names.items()})
    times = _times(frame, stamp, file)
    days = _days(frame, times, file)
    values = {name: _numbers(frame, pair[0], label) for name, pair in wanted.items() if name != "uncertainty"}
    if "uncertainty" in wanted:
        high, low = (_numbers(frame, column, label) for column in wanted["uncertainty"])
        values["uncertainty"] = np.abs(high - low) / 2
    for name in ("reco", "uncertainty"):
        if name in values:
            values[name] = convert(values[name], FLUX_UNITS[file.resolution], "g C m-2 d-1", days=days)
    if "precip" in values and file.resolution in ("HH", "HR", "YY"):
        values["precip"] = values["precip"] / days
    _check_quality(values["qc"], wanted["qc"][0], file)
    site = np.full(len(frame), file.site, dtype=object)
    ds = assemble(site, times, values, {"network": np.full(len(frame), file.network, dtype=object)},
                  flux="reco", time_step=RESOLUTIONS[file.resolution])
    ds["reco"].attrs["source_column"] = target
    ds.attrs.update(citation=file.citation, history=f"read {target} from {file.resolution} files of {file.network}")
    return ds


def _header(source: Source) -> dict[str, str]:
    """Return upper-case column name -> name in the file."""
    with open_source(source) as stream, reading(source.label):
        line = stream.readline(2**20)
    if not line.strip():
        raise SchemaError(f"'{source.label}' is empty ({len(line)} bytes)", "Download it again")
    text = line.decode("utf-8-sig", errors="replace").strip()
    return {name.strip().strip('"').upper(): name.strip().strip('"') for name in text.split(",")}


def _columns(names: dict[str, str], target: str, label: str) -> dict[str, tuple[str, ...]]:
    """Return RECO name -> columns of the file it is made of."""
    target = target.upper()
    if not {"TIMESTAMP", "TIMESTAMP_START"} & set(names):
        raise SchemaError(f"'{label}' has no column TIMESTAMP or TIMESTAMP_START", "Is this a FLUXNET file?")
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
    if {f"{stem}_84", f"{stem}_16"} <= set(names):
        wanted["uncertainty"] = (f"{stem}_84", f"{stem}_16")
    wanted.update({name: (column,) for column, name in DRIVERS.items() if column in names})
    return wanted


def _read(source: Source, columns: Iterable[str]) -> pd.DataFrame:
    try:
        with open_source(source) as stream, reading(source.label):
            frame = pd.read_csv(stream, usecols=list(columns), encoding="utf-8-sig", skipinitialspace=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise SchemaError(f"'{source.label}' is not a regular table: {error}", "Download it again") from error
    if frame.empty:
        raise SchemaError(f"'{source.label}' has a header but no rows", "Download it again")
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
    return times.to_numpy().astype("datetime64[s]")


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


def _check_quality(qc: np.ndarray, column: str, file: FluxnetFile) -> None:
    """Refuse quality that does not have the meaning it must have at this resolution."""
    good = qc[np.isfinite(qc)]
    flags = file.resolution in ("HH", "HR")
    fits = np.isin(good, (0, 1, 2, 3)) if flags else (good >= 0) & (good <= 1)
    if not fits.all():
        wanted = "a flag 0, 1, 2 or 3" if flags else "a share from 0 to 1"
        raise SchemaError(f"'{file.source.label}', column {column}: quality {good[np.argmin(fits)]:g} does not fit a "
                          f"{file.resolution} file, where it is {wanted}",
                          "Is the file name right about its resolution?")
