"""ABCflux: monthly fluxes of the Arctic and boreal zone."""

from __future__ import annotations

import re
from typing import Mapping, Sequence

import numpy as np
import xarray as xr

from ...errors import SampleError, SchemaError
from ...progress import SILENT, Progress
from ...vocabulary import VARIABLES, to_canonical, variable
from ..archives import Source
from ..tables import Table, read_table
from .assemble import add_source, assemble
from .chambers import (
    Sieve,
    add_entries,
    check_positions,
    chosen_criteria,
    days_of,
    match_header,
    peek_header,
    refuse_kind,
    the_table,
)
from .columns import constant, numbers, parse_times, texts

CITATION = ("Virkkala et al. 2022, Earth Syst. Sci. Data 14:179-208, doi:10.5194/essd-14-179-2022; "
            "data doi:10.3334/ORNLDAAC/1934")
UNITS = {"reco": "g C m-2 month-1", "gpp": "g C m-2 month-1", "gap_fill": "%",
         "precip": "mm", "ta": "degC", "ts": "degC"}
# version 1 (Arctic_Boreal_CO2_Flux.csv), then version 2, then the tables its authors work with
NAMES: dict[str, tuple[str, ...]] = {
    "reco": ("reco", "Reco_gC_m2"), "gpp": (),
    "site": ("study_id", "site_id", "study_id_short"), "code": ("site_reference",), "site_name": ("site_name",),
    "lat": ("latitude", "lat"), "lon": ("longitude", "lon"),
    "year": ("meas_year", "year"), "month": ("interval_month", "month", "interval"),
    "gap_fill": ("gap_fill_perc", "gap_fill_perc_reco", "gap_fill_perc_nee"), "method": ("flux_method",),
    "igbp": ("veg_type_short", "veg_type", "vegetation_type", "bawld_class"),
    "partition": ("partition_method",),
    "ta": ("tair_int", "tair"), "precip": ("precip_int", "precip"),
}
REQUIRED = ("reco", "site", "lat", "lon", "year", "month", "method")
WORDS = ("site", "code", "site_name", "method", "igbp", "partition")
_MARKS = {"gap_fill_perc", "gap_fill_perc_nee", "flux_method", "study_id", "site_reference", "interval_month",
          "meas_year"}
_EDDY = re.compile(r"ec|.*eddy.*", re.IGNORECASE)
_NIGHT = re.compile(r"reichstein|night", re.IGNORECASE)
_CODE = re.compile(r"[A-Z]{2}-[A-Za-z0-9]{3}")


def is_abcflux(sources: Sequence[Source]) -> bool:
    """Return whether one of the files has the header of ABCflux."""
    return any(_is_data(source) for source in sources[:50])


def _is_data(source: Source) -> bool:
    header = set(peek_header(source))
    return bool(header & {"reco", "reco_gc_m2"}) and len(header & _MARKS) >= 2


def read_abcflux(sources: Sequence[Source], *, flux: str, screening: str = "strict",
                 columns: Mapping[str, str] | None = None, units: Mapping[str, str] | None = None,
                 subdaily: str = "hourly_then_daily", progress: Progress = SILENT) -> xr.Dataset:
    """Read ecosystem respiration per month; quality is the share of the month that was not gap-filled.

    Vegetation labels are kept word for word. A tower whose `site_reference` is a network code that no
    other tower of the table has is called by it, so that it can be found again in other networks.

    Parameters
    ----------
    sources : sequence of Source
        One of them is the table.
    flux : {'reco'}
    screening : {'strict', 'basic', 'none'}
        'none' keeps chambers and snow diffusion too; otherwise only eddy covariance is read.
    columns, units : mapping, optional
        RECO name -> column and -> unit, where header or unit [g C m-2 month-1] differ. `gpp` and
        drivers of other names are read if they are named here.
    subdaily : str
        Not used: the data are monthly.

    Returns
    -------
    xarray.Dataset
        Observations of time step month; flux [g C m-2 d-1], `qc` = 1 - gap_fill_perc / 100.

    Raises
    ------
    SchemaError
        The header is not known; it is shown with the names that would be.
    ConfigError
        Another flux than `reco` is asked for.
    SampleError
        A tower has a month twice, or nothing is left.

    References
    ----------
    Virkkala, A.-M. et al. (2022). Earth Syst. Sci. Data 14, 179-208. doi:10.5194/essd-14-179-2022
    """
    source = the_table(sources, _is_data, "ABCflux")
    if flux != "reco":
        raise refuse_kind(flux, {"reco": "ecosystem respiration"}, source.label, "ABCflux")
    progress(0.1, f"Reading {source.label}")
    picked: dict[str, str] = {}

    def choose(names: list[str]) -> Sequence[str]:
        asked = columns or {}
        drivers = {name: () for name in map(str, asked) if name in VARIABLES and name not in NAMES}
        picked.update(match_header(names, {**NAMES, **drivers}, REQUIRED, source.label, asked, "ABCflux"))
        return [column for column in picked.values() if constant(column) is None]

    table = read_table(source, choose, text_columns=lambda names: [
        name for name in names if name in [picked.get(word) for word in WORDS]])
    return _observations(table, picked, screening, {**UNITS, **(units or {})})


def _observations(table: Table, picked: Mapping[str, str], screening: str, units: Mapping[str, str]) -> xr.Dataset:
    word = {name: texts(table, picked[name]) if name in picked else np.full(len(table.frame), "", dtype=object)
            for name in WORDS}
    number = {name: numbers(table, column) for name, column in picked.items()
              if name not in (*WORDS, "year", "month")}
    sites = _sites(table, picked["site"], word)
    sieve = Sieve(sites)
    sieve.drop(f"records without {picked['reco']}", np.isnan(number["reco"]), by_site=False)
    eddy = np.array([bool(_EDDY.fullmatch(method)) for method in word["method"]], dtype=bool)
    if chosen_criteria(screening):
        kinds = sorted({method or "not stated" for method in word["method"][sieve.keep & ~eddy]})
        sieve.drop("records not measured by eddy covariance", ~eddy, detail=", ".join(kinds))
    times, _ = parse_times(table, picked)
    _keep_one_partitioning(sieve, sites, times, word["partition"])
    keep = sieve.keep
    if not keep.any():
        raise SampleError(f"No record of reco is left in '{table.label}': "
                          + ", ".join(f"{entry['count']} {entry['reason']}" for entry in sieve.entries),
                          "Take screening=none to keep chambers")
    _refuse_doubles(table, sites, times, keep)
    lat, lon = check_positions(number.pop("lat"), number.pop("lon"), sites, table.label)
    values = _values(table, picked, number, times, units)
    if "gpp" in values and np.nanmedian(values["gpp"][keep]) < 0:
        values["gpp"] = -values["gpp"]
        sieve.remark("gpp is negative where plants take up carbon: its sign was changed", table.label)
    towers = {"lat": lat[keep], "lon": lon[keep], "igbp": word["igbp"][keep],
              "network": np.full(int(keep.sum()), "ABCflux", dtype=object)}
    ds = assemble(sites[keep], times[keep].astype("datetime64[M]"), {name: array[keep] for name, array in
                                                                     values.items()}, towers, flux="reco",
                  time_step="month")
    if "gap_fill" not in picked:
        sieve.remark("no gap-fill percentage: quality is not checked", table.label)
    ds["reco"].attrs["source_column"] = picked["reco"]
    ds.attrs.update(citation=CITATION, history=f"read from {table.label}: reco = {picked['reco']}")
    add_source(ds, file=table.label, network="ABCflux", citation=CITATION)
    return add_entries(ds, sieve.entries)


def _sites(table: Table, column: str, word: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return a name per tower: its network code where that is one tower's alone."""
    own = word["site"]
    if (own == "").any():
        at = int(np.argmax(own == ""))
        raise SchemaError(f"'{table.label}', column '{column}', {table.row(at)}: there is no site",
                          "Give every row a site")
    towers: dict[str, set[str]] = {}
    for name, code in zip(own, word["code"]):
        towers.setdefault(code, set()).add(name)
    return np.array([code if _CODE.fullmatch(code) and len(towers[code]) == 1 else name
                     for name, code in zip(own, word["code"])], dtype=object)


def _keep_one_partitioning(sieve: Sieve, sites: np.ndarray, times: np.ndarray, partition: np.ndarray) -> None:
    """Where a tower has a month by night and by day partitioning, keep the night one (as with FLUXNET)."""
    night = np.array([bool(_NIGHT.search(text)) for text in partition], dtype=bool)
    by_night = {key for key, good in zip(zip(sites, times), night & sieve.keep) if good}
    double = np.array([key in by_night for key in zip(sites, times)], dtype=bool) & ~night
    sieve.drop("records of other partitioning where night-time partitioning is there too", double)


def _refuse_doubles(table: Table, sites: np.ndarray, times: np.ndarray, keep: np.ndarray) -> None:
    seen: dict[tuple[str, np.datetime64], int] = {}
    for at in np.flatnonzero(keep):
        first = seen.setdefault((sites[at], times[at]), int(at))
        if first != at:
            raise SampleError(f"'{table.label}': site '{sites[at]}' has {str(times[at])[:7]} twice, in "
                              f"{table.row(first)} and {table.row(int(at))}",
                              "Remove one of the rows, or name the column that tells the towers apart: "
                              "columns=\"site=...\"")


def _values(table: Table, picked: Mapping[str, str], number: Mapping[str, np.ndarray], times: np.ndarray,
            units: Mapping[str, str]) -> dict[str, np.ndarray]:
    values: dict[str, np.ndarray] = {}
    for name, raw in number.items():
        if name == "gap_fill":
            values["qc"] = _quality(table, picked[name], raw)
        elif name in VARIABLES:
            unit = units.get(name, variable(name).unit)
            values[name] = to_canonical(name, raw, unit, days=days_of(unit, times, "month"))
    return values


def _quality(table: Table, column: str, percent: np.ndarray) -> np.ndarray:
    bad = (percent < 0) | (percent > 100)
    if bad.any():
        at = int(np.argmax(bad))
        raise SchemaError(f"'{table.label}', column '{column}', {table.row(at)}: {percent[at]:g} % of a month cannot "
                          "be gap-filled", "Wanted: 0 to 100")
    return 1 - percent / 100
