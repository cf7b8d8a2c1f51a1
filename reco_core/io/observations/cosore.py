"""COSORE: continuous soil respiration, from single measurements to daily means of a site."""

from __future__ import annotations

import re
from typing import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from ...errors import SampleError, SchemaError
from ...progress import SILENT, Progress
from ...vocabulary import convert
from ...vocabulary.averaging import daily_means
from ...vocabulary.ledger import Entry, join_ledgers
from ..archives import Source
from .assemble import add_source, assemble
from .chambers import Sieve, add_entries, chosen_criteria, igbp_class, peek_header, refuse_kind
from .cosore_files import DataSet, Records, is_repository
from .cosore_tables import DAILY_MARKS, EXPORT_MARK, find_data_sets

CITATION = "Bond-Lamberty et al. 2020, Global Change Biology 26:7268-7283, doi:10.1111/gcb.15353"
VARIABLES = {"rs": "Rs", "rh": "Rh", "reco": "Reco"}
UNIT = "umol CO2 m-2 s-1"
LOW, HIGH, LEAST_R2 = -1.0, 50.0, 0.8
_UNTREATED = re.compile(r"(none|control|ambient)?", re.IGNORECASE)
# these separate Rh from Rs: they are how it is measured, no manipulation
_PARTITION = re.compile(r"trench\w*|girdl\w*|root[ -]?(exclusion|exclud\w*|removal|remov\w*|free)|exclusion|"
                        r"no[ -]roots?|deep[ -]?(collar|pvc)s?", re.IGNORECASE)


def is_cosore(sources: Sequence[Source]) -> bool:
    """Return whether the files are a part of COSORE, in the layout of its repository or as tables."""
    if is_repository(sources):
        return True
    headers = (set(peek_header(source)) for source in sources[:50])
    return any(EXPORT_MARK in header or header >= DAILY_MARKS for header in headers)


def read_cosore(sources: Sequence[Source], *, flux: str, screening: str = "strict",
                columns: Mapping[str, str] | None = None, units: Mapping[str, str] | None = None,
                subdaily: str = "hourly_then_daily", progress: Progress = SILENT) -> xr.Dataset:
    """Read daily means, one site per data set.

    The ports that measure the flux asked for are averaged by day, then over ports. Days are those of local
    standard time. Quality is the share of the measurements of a day that passed the screening.

    Parameters
    ----------
    sources : sequence of Source
        Folders of data sets as in the repository, its CSV export, or a table of daily port means.
    flux : {'rs', 'rh', 'reco'}
        CSR_MSMT_VAR of the ports to take.
    screening : {'strict', 'basic', 'none'}
        'basic' leaves out treated ports and flagged measurements; 'strict' also fluxes outside -1 to 50
        umol m-2 s-1 and fits with R2 below 0.8. What separates Rh from Rs (trenching, girdling, root
        exclusion) is no treatment where `flux` is 'rh'.
    columns, units : mapping, optional
        Not used: the columns of COSORE have fixed names and units.
    subdaily : {'hourly_then_daily', 'flat'}
        How measurements of a port become a daily mean.

    Returns
    -------
    xarray.Dataset
        Observations of time step day; flux [g C m-2 d-1], where given `ts`, `ta` [degC] and `swc` [%].

    Raises
    ------
    SchemaError
        A file of a data set is missing, damaged or not understood.
    ConfigError
        No data set holds this flux; the message has what they hold.
    SampleError
        Nothing is left.

    References
    ----------
    Bond-Lamberty, B. et al. (2020). Global Change Biology 26, 7268-7283. doi:10.1111/gcb.15353
    """
    chosen_criteria(screening)
    data_sets = find_data_sets(sources)
    wanted = _holding(data_sets, flux)
    frames: list[pd.DataFrame] = []
    ledgers: list[list[Entry]] = []
    for number, data_set in enumerate(wanted):
        progress(number / len(wanted), f"Reading {data_set.name}")
        frame, entries = _daily(data_set, flux, screening, subdaily)
        frames += [frame] if frame is not None and len(frame) else []
        ledgers.append(entries)
    entries = join_ledgers(ledgers)
    if not frames:
        raise SampleError(f"No measurement of {flux} passes screening={screening}: "
                          + (", ".join(f"{entry['count']} {entry['reason']}" for entry in entries) or "none has data"),
                          "Take screening=basic or none")
    return _assemble(frames, {data_set.name: data_set for data_set in wanted}, flux, entries)


def _holding(data_sets: Sequence[DataSet], flux: str) -> list[DataSet]:
    """Return the data sets with ports that measure the flux."""
    wanted = [data_set for data_set in data_sets if VARIABLES.get(flux) in data_set.variables]
    if not wanted:
        there = {kind: sum(var in data_set.variables for data_set in data_sets) for kind, var in VARIABLES.items()}
        raise refuse_kind(flux, {kind: f"{n} data set{'s' if n > 1 else ''}" for kind, n in there.items() if n},
                          data_sets[0].label if len(data_sets) == 1 else f"{len(data_sets)} data sets", "COSORE")
    return wanted


def _daily(data_set: DataSet, flux: str, screening: str, subdaily: str) -> tuple[pd.DataFrame | None, list[Entry]]:
    """Return a frame of day, flux [umol m-2 s-1], qc and drivers of one data set."""
    records = data_set.load()
    if records is None:
        return None, [{"reason": "data sets without a CO2 flux", "count": 0, "detail": data_set.name}]
    var, treatment = _of_ports(data_set, records)
    sieve = Sieve(np.full(records.flux.size, data_set.name))
    sieve.keep = var == VARIABLES[flux]
    sieve.drop("measurements without a flux", np.isnan(records.flux))
    if chosen_criteria(screening):
        treated = _treated(sieve, data_set.name, treatment, flux)
        sieve.drop("measurements on treated ports", np.isin(treatment, list(treated)),
                   detail=" | ".join(sorted(treated)))
    of_day = sieve.keep.copy()
    if chosen_criteria(screening):
        sieve.drop("measurements with an error flag", records.error)
    if screening == "strict":
        sieve.drop(f"measurements outside {LOW:g} to {HIGH:g} umol m-2 s-1",
                   (records.flux < LOW) | (records.flux > HIGH))
        sieve.drop(f"measurements whose fit has R2 below {LEAST_R2:g}", records.r2 < LEAST_R2)
    for remark in records.remarks:
        sieve.remark("remarks on data sets", f"{data_set.name}: {remark}")
    return _means(data_set.name, records, sieve, of_day, subdaily), sieve.entries


def _of_ports(data_set: DataSet, records: Records) -> tuple[np.ndarray, np.ndarray]:
    """Return what each record measures and its treatment."""
    if records.var is not None and records.treatment is not None:
        return records.var, records.treatment
    at, ports = pd.factorize(records.port)
    everywhere = data_set.ports.get("0")
    known = [data_set.ports.get(port, everywhere) for port in ports]
    if None in known:
        port = ports[known.index(None)]
        raise SchemaError(f"'{data_set.label}': the records have port {port}, which PORTS.txt does not know",
                          "It knows: " + ", ".join(list(data_set.ports)[:30]))
    pairs = [pair for pair in known if pair is not None]
    return (np.array([pair[0] for pair in pairs], dtype=object)[at],
            np.array([pair[1] for pair in pairs], dtype=object)[at])


def _treated(sieve: Sieve, name: str, treatment: np.ndarray, flux: str) -> set[str]:
    """Return the treatments to leave out; a partition method is none for Rh, which the ledger tells."""
    there = {str(text) for text in np.unique(treatment[sieve.keep].astype(str))}
    treated = {text for text in there if not _UNTREATED.fullmatch(text.strip())}
    if flux == "rh":
        partition = {text for text in treated if all(_PARTITION.fullmatch(part.strip()) for part in text.split(","))}
        if partition:
            sieve.remark("partition methods of rh, which are no treatment", f"{name}: {' | '.join(sorted(partition))}")
        treated -= partition
    return treated


def _means(name: str, records: Records, sieve: Sieve, of_day: np.ndarray, subdaily: str) -> pd.DataFrame:
    """Average by port and day, then over ports; add the share of measurements that passed."""
    columns = {"flux": records.flux, **records.drivers}
    if "swc" in columns:
        columns["swc"] = _percent(sieve, name, columns["swc"])
    parts = []
    at_port = pd.factorize(records.port)[0]
    for number in np.unique(at_port[sieve.keep]):
        rows = np.flatnonzero(sieve.keep & (at_port == number))
        means = {key: daily_means(records.time[rows], values[rows], subdaily) for key, values in columns.items()}
        parts.append(pd.DataFrame({key: pd.Series(mean, index=days) for key, (days, mean, _) in means.items()}))
    if not parts:
        return pd.DataFrame()
    frame = pd.concat(parts).groupby(level=0).mean()
    day = records.time.astype("datetime64[D]")
    passed, taken = (pd.Series(mask[of_day]).groupby(day[of_day]).sum() for mask in (sieve.keep, of_day))
    frame["qc"] = (passed / taken).reindex(frame.index)
    frame.insert(0, "site", name)
    return frame.rename_axis("time").reset_index()


def _percent(sieve: Sieve, name: str, moisture: np.ndarray) -> np.ndarray:
    """Return soil moisture [%]; COSORE has a fraction, some of its data sets have percent."""
    known = moisture[np.isfinite(moisture)]
    if known.size and np.median(known) > 1:
        sieve.remark("remarks on data sets", f"{name}: soil moisture beyond 1 is taken as %")
        return moisture
    return moisture * 100


def _assemble(frames: Sequence[pd.DataFrame], data_sets: Mapping[str, DataSet], flux: str,
              entries: Sequence[Entry]) -> xr.Dataset:
    whole = pd.concat(frames, ignore_index=True)
    whole["flux"] = convert(whole["flux"].to_numpy("float64"), UNIT, "g C m-2 d-1")
    values = {flux if name == "flux" else name: whole[name].to_numpy("float64")
              for name in whole.columns if name not in ("site", "time")}
    sites = whole["site"].to_numpy(object)
    remarks: list[Entry] = []
    about = {name: _tower(data_sets[name], remarks) for name in pd.unique(sites)}
    towers = {key: np.array([about[name][key] for name in sites], dtype=object if key == "igbp" else "float64")
              for key in ("lat", "lon", "elevation", "igbp")}
    towers["network"] = np.full(sites.size, "COSORE", dtype=object)
    ds = assemble(sites, whole["time"].to_numpy("datetime64[s]"), values, towers, flux=flux, time_step="day")
    papers = {name: _paper(data_sets[name]) for name in about}
    ds[flux].attrs["source_column"] = "CSR_FLUX_CO2"
    ds.attrs.update(citation="; ".join(dict.fromkeys(filter(None, (CITATION, *papers.values())))), method="chamber",
                    history=f"read from COSORE: daily means of {VARIABLES[flux]} of {len(about)} data sets")
    for name, paper in papers.items():
        add_source(ds, file=data_sets[name].label, network="COSORE", site=name, citation=paper)
    return add_entries(ds, [*entries, *join_ledgers([remarks])])


def _tower(data_set: DataSet, remarks: list[Entry]) -> dict[str, float | str]:
    """Return position and class; the fields of COSORE say north and east the wrong way round, so some swap them."""
    lat, lon, elevation = (_number(data_set.about.get(key, "")) for key in
                           ("CSR_LATITUDE", "CSR_LONGITUDE", "CSR_ELEVATION"))
    if abs(lat) > 90 and abs(lon) <= 90:
        remarks.append({"reason": "latitude and longitude were swapped", "count": 0,
                        "detail": f"{data_set.name}: latitude was {lat:g}"})
        lat, lon = lon, lat
    if abs(lat) > 90 or abs(lon) > 180:
        raise SchemaError(f"Data set '{data_set.name}' stands at latitude {lat:g}, longitude {lon:g}",
                          "Correct CSR_LATITUDE and CSR_LONGITUDE in its description")
    return {"lat": lat, "lon": lon, "elevation": elevation, "igbp": igbp_class(data_set.about.get("CSR_IGBP", ""))}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _paper(data_set: DataSet) -> str:
    paper = data_set.about.get("CSR_PRIMARY_PUB", "")
    return f"doi:{paper}" if re.fullmatch(r"10\.\d{4,}/\S+", paper) else paper
