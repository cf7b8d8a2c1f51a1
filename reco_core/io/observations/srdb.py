"""SRDB V5: annual soil and heterotrophic respiration of published studies."""

from __future__ import annotations

from typing import Mapping, Sequence

import numpy as np
import xarray as xr

from ...errors import SampleError
from ...progress import SILENT, Progress
from ...vocabulary import to_canonical
from ..archives import Source
from ..tables import Table, read_table
from .assemble import add_source, assemble
from .chambers import (
    Sieve,
    acceptance,
    add_entries,
    check_positions,
    days_of,
    first_rows,
    igbp_class,
    match_header,
    mean_of_doubles,
    peek_header,
    refuse_kind,
    site_names,
    the_table,
)
from .columns import constant, numbers, texts

CITATION = "Jian et al. 2021, Earth Syst. Sci. Data 13:255-267, doi:10.5194/essd-13-255-2021"
UNIT = "g C m-2 yr-1"
NAMES: dict[str, tuple[str, ...]] = {
    "rs": ("Rs_annual",), "rh": ("Rh_annual",), "reco": ("ER",),
    "year": ("Study_midyear",), "years": ("YearsOfData",), "lat": ("Latitude",), "lon": ("Longitude",),
    "elevation": ("Elevation",), "site": ("Site_ID",), "study": ("Study_number",), "record": ("Record_number",),
    "method": ("Meas_method",), "manipulation": ("Manipulation",), "quality": ("Quality_flag",),
    "duplicate": ("Duplicate_record",), "ecosystem": ("Ecosystem_type",), "leaf": ("Leaf_habit",),
}
FLUXES = ("rs", "rh", "reco")
WORDS = ("site", "study", "record", "method", "manipulation", "quality", "duplicate", "ecosystem", "leaf")
REQUIRED = ("year", "lat", "lon", "site", "study", "record", "method", "manipulation", "quality", "duplicate")
_MARKS = {"study_midyear", "meas_method", "quality_flag"}
_BARE = {"Desert": "BSV", "Bare": "BSV"}


def is_srdb(sources: Sequence[Source]) -> bool:
    """Return whether one of the files has the header of srdb-data.csv."""
    return any(_is_data(source) for source in sources[:50])


def _is_data(source: Source) -> bool:
    return set(peek_header(source)) >= _MARKS


def read_srdb(sources: Sequence[Source], *, flux: str, screening: str = "strict",
              columns: Mapping[str, str] | None = None, units: Mapping[str, str] | None = None,
              subdaily: str = "hourly_then_daily", progress: Progress = SILENT) -> xr.Dataset:
    """Read annual sums as mean rates of site-years, screened by named criteria.

    A record of several years stands at its middle year. Records of one site and year are averaged.

    Parameters
    ----------
    sources : sequence of Source
        One of them is srdb-data.csv.
    flux : {'rs', 'rh', 'reco'}
        Column Rs_annual, Rh_annual or ER.
    screening : {'strict', 'basic', 'none'}
        Which of `chambers.CRITERIA` are applied. ER is not measured by soil chambers: its method is not judged.
    columns, units : mapping, optional
        Where the header or the unit [g C m-2 yr-1] differs.
    subdaily : str
        Not used: the data are annual.

    Returns
    -------
    xarray.Dataset
        Observations of time step year; flux [g C m-2 d-1].

    Raises
    ------
    SchemaError
        The header is not that of SRDB.
    ConfigError
        The column of the flux is not there.
    SampleError
        Nothing is left.

    References
    ----------
    Jian, J. et al. (2021). Earth Syst. Sci. Data 13, 255-267. doi:10.5194/essd-13-255-2021
    """
    source = the_table(sources, _is_data, "SRDB")
    progress(0.1, f"Reading {source.label}")
    picked: dict[str, str] = {}

    def choose(names: list[str]) -> Sequence[str]:
        picked.update(match_header(names, NAMES, REQUIRED, source.label, columns or {}, "SRDB"))
        if flux not in picked:
            raise refuse_kind(flux, {name: picked[name] for name in FLUXES if name in picked}, source.label, "SRDB")
        return [picked[name] for name in picked if (name not in FLUXES or name == flux)
                and constant(picked[name]) is None]

    table = read_table(source, choose, text_columns=lambda names: [
        name for name in names if name in [picked.get(word) for word in WORDS]])
    return _observations(table, picked, flux, screening, dict(units or {}))


def _observations(table: Table, picked: Mapping[str, str], flux: str, screening: str,
                  units: dict[str, str]) -> xr.Dataset:
    word = {name: texts(table, picked[name]) if name in picked else np.full(len(table.frame), "", dtype=object)
            for name in WORDS}
    lat, lon = numbers(table, picked["lat"]), numbers(table, picked["lon"])
    values, midyear = numbers(table, picked[flux]), numbers(table, picked["year"])
    sites = site_names(word["site"], word["study"], word["record"], lat, lon)
    lat, lon = check_positions(lat, lon, sites, table.label)
    sieve = Sieve(sites)
    sieve.drop(f"records without {picked[flux]}", np.isnan(values), by_site=False)
    sieve.drop("records without a year", np.isnan(midyear), by_site=False)
    sieve.apply(acceptance(len(sites), method=word["method"] if flux != "reco" else None,
                           manipulation=word["manipulation"], flags=word["quality"], duplicate=word["duplicate"],
                           year=np.floor(midyear)), screening)
    keep = sieve.keep
    if not keep.any():
        raise SampleError(f"No record of {flux} in '{table.label}' passes screening={screening}: "
                          + ", ".join(f"{entry['count']} {entry['reason']}" for entry in sieve.entries),
                          "Take screening=basic or none")
    time = np.floor(midyear[keep]).astype("int64").astype("U4").astype("datetime64[Y]").astype("datetime64[D]")
    unit = units.get(flux, UNIT)
    rates = to_canonical(flux, values[keep], unit, days=days_of(unit, time, "year"))
    at_site, at_time, means, merged = mean_of_doubles(sites[keep], time, {flux: rates})
    towers = _towers(at_site, sites[keep], lat[keep], lon[keep], table, picked, word, keep)
    ds = assemble(at_site, at_time, means, towers, flux=flux, time_step="year")
    _remarks(sieve, table, picked, keep, merged, flux, len(at_site))
    ds[flux].attrs["source_column"] = picked[flux]
    ds.attrs.update(citation=CITATION, history=f"read from {table.label}: {flux} = {picked[flux]}")
    if flux != "reco":
        ds.attrs["method"] = "chamber"
    add_source(ds, file=table.label, network="SRDB", citation=CITATION)
    return add_entries(ds, sieve.entries)


def _towers(at_site: np.ndarray, sites: np.ndarray, lat: np.ndarray, lon: np.ndarray, table: Table,
            picked: Mapping[str, str], word: Mapping[str, np.ndarray], keep: np.ndarray) -> dict[str, np.ndarray]:
    """Return position, class and elevation of each row of the result: the first of its site."""
    row = first_rows(sites, at_site)
    classes = np.array([_class(kind, leaf) for kind, leaf in zip(word["ecosystem"][keep], word["leaf"][keep])],
                       dtype=object)
    towers = {"lat": lat[row], "lon": lon[row], "igbp": classes[row],
              "network": np.full(len(at_site), "SRDB", dtype=object)}
    if "elevation" in picked:
        towers["elevation"] = numbers(table, picked["elevation"])[keep][row]
    return towers


def _class(ecosystem: str, leaf: str) -> str:
    """Return a vegetation class; SRDB does not tell needles from broad leaves, so that forests keep its words."""
    if ecosystem == "Forest":
        return "MF" if leaf == "Mixed" else f"Forest ({leaf.lower()})" if leaf else "Forest"
    return _BARE.get(ecosystem, igbp_class(ecosystem))


def _remarks(sieve: Sieve, table: Table, picked: Mapping[str, str], keep: np.ndarray, merged: int, flux: str,
             site_years: int) -> None:
    if "years" in picked:
        several = int((numbers(table, picked["years"])[keep] > 1).sum())
        if several:
            sieve.remark("records of more than one year stand at their middle year", f"{several} records")
    if merged:
        sieve.remark("records of one site and year were averaged",
                     f"{int(keep.sum())} records became {site_years} site-years")
    if flux == "reco":
        sieve.remark("the method of ER is not stated: criterion method was not applied", table.label)
