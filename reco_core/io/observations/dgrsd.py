"""DGRsD and tables like it: soil and heterotrophic respiration with the date and method of each record."""

from __future__ import annotations

from typing import Mapping, Sequence

import numpy as np
import xarray as xr

from ...errors import SampleError
from ...progress import SILENT, Progress
from ...vocabulary import VARIABLES, to_canonical, variable
from ...vocabulary.calendar import step_start
from ..archives import Source
from ..tables import Table, read_table
from .assemble import add_source, assemble
from .chambers import (
    Sieve,
    acceptance,
    add_entries,
    check_positions,
    chosen_criteria,
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
from .columns import constant, numbers, parse_times, texts

CITATION = "Jian et al. 2018, Global Change Biology 24:4143-4160, doi:10.1111/gcb.14301"
UNIT = "g C m-2 d-1"
NAMES: dict[str, tuple[str, ...]] = {
    "rs": ("RS_Norm", "Rs_Norm", "Rs", "Rs_daily", "Rs_monthly", "soil_respiration"),
    "rh": ("RH_Norm", "Rh_Norm", "Rh", "Rh_daily", "Rh_monthly", "heterotrophic_respiration"),
    "time": ("date", "measure_date", "meas_date"),
    "year": ("Measure_Year", "Meas_Year", "year"), "month": ("Measure_Month", "Meas_Month", "month"),
    "day": ("Measure_Day", "Meas_Day", "day"), "doy": ("DOY", "Measure_DOY", "Meas_DOY", "day_of_year"),
    "lat": ("Latitude", "lat"), "lon": ("Longitude", "lon", "long"), "elevation": ("Elevation", "elev"),
    "site": ("SiteID", "Site_ID", "site"), "study": ("StudyNumber", "Study_number", "StudyID", "study"),
    "record": ("RecordNumber", "Record_number", "RecordID", "record"),
    "method": ("Meas_Method", "Meas_method", "MeasureMethod", "method"),
    "manipulation": ("Manipulation", "Treatment"), "quality": ("Quality_flag", "QualityFlag", "Quality"),
    "duplicate": ("Duplicate_record", "Duplicate"), "ecosystem": ("Ecosystem_type", "Ecosystem", "IGBP", "Biome"),
}
FLUXES = ("rs", "rh")
WORDS = ("site", "study", "record", "method", "manipulation", "quality", "duplicate", "ecosystem")
DATES = ("time", "year", "month", "day", "doy")
_MARKS = ({"rs_norm", "rh_norm"}, {"measure_year", "meas_year", "measure_month", "meas_month"})


def is_dgrsd(sources: Sequence[Source]) -> bool:
    """Return whether one of the files has the header of DGRsD."""
    return any(_is_data(source) for source in sources[:50])


def _is_data(source: Source) -> bool:
    header = set(peek_header(source))
    return all(header & marks for marks in _MARKS)


def read_dgrsd(sources: Sequence[Source], *, flux: str, screening: str = "strict",
               columns: Mapping[str, str] | None = None, units: Mapping[str, str] | None = None,
               subdaily: str = "hourly_then_daily", progress: Progress = SILENT) -> xr.Dataset:
    """Read dated chamber records, screened by named criteria; records of one site and date are averaged.

    Parameters
    ----------
    sources : sequence of Source
        One table.
    flux : {'rs', 'rh'}
    screening : {'strict', 'basic', 'none'}
        Which of `chambers.CRITERIA` are applied; method and manipulation must have a column unless it is 'none'.
    columns, units : mapping, optional
        RECO name -> column and -> unit, where header or unit [g C m-2 d-1] differ. Drivers are read if
        they are named here.
    subdaily : str
        Not used: the data are daily or monthly.

    Returns
    -------
    xarray.Dataset
        Observations of time step day (with a day or day of year), month or year; flux [g C m-2 d-1].

    Raises
    ------
    SchemaError
        The header is not known; it is shown with the names that would be.
    ConfigError
        The table does not hold this flux.
    SampleError
        Nothing is left.

    References
    ----------
    Jian, J. et al. (2018). Global Change Biology 24, 4143-4160. doi:10.1111/gcb.14301
    Zhu, L. et al. (2024). IEEE JSTARS. doi:10.1109/JSTARS.2024.3400158
    """
    source = the_table(sources, _is_data, "DGRsD")
    progress(0.1, f"Reading {source.label}")
    picked: dict[str, str] = {}
    required = ("lat", "lon", "method", "manipulation") if chosen_criteria(screening) else ()
    known = {**NAMES, **{name: () for name in map(str, columns or {}) if name in VARIABLES and name not in NAMES}}

    def choose(names: list[str]) -> Sequence[str]:
        picked.update(match_header(names, known, required, source.label, columns or {}, "DGRsD"))
        if flux not in FLUXES or (flux not in picked and any(name in picked for name in FLUXES)):
            raise refuse_kind(flux, {name: picked[name] for name in FLUXES if name in picked}, source.label, "DGRsD")
        match_header(names, known, (flux,), source.label, columns or {}, "DGRsD")
        if "time" not in picked:
            match_header(names, known, ("year",), source.label, columns or {}, "DGRsD")
        return [picked[name] for name in picked if (name not in FLUXES or name == flux)
                and constant(picked[name]) is None]

    table = read_table(source, choose, text_columns=lambda names: [
        name for name in names if name in [picked.get(word) for word in WORDS]])
    ds = _observations(table, picked, flux, screening, dict(units or {}))
    if _is_data(source):
        # other tables of this kind have other authors
        ds["network"][:] = "DGRsD"
        ds.attrs["citation"] = CITATION
    add_source(ds, file=source.label, network=str(ds["network"].values[0]), citation=ds.attrs["citation"])
    return ds


def _observations(table: Table, picked: Mapping[str, str], flux: str, screening: str,
                  units: dict[str, str]) -> xr.Dataset:
    word = {name: texts(table, picked[name]) if name in picked else np.full(len(table.frame), "", dtype=object)
            for name in WORDS}
    nowhere = np.full(len(table.frame), np.nan)
    lat, lon = (numbers(table, picked[name]) if name in picked else nowhere for name in ("lat", "lon"))
    values = numbers(table, picked[flux])
    times, step = parse_times(table, {name: picked[name] for name in DATES if name in picked
                                      and not (name == "month" and "doy" in picked and "day" not in picked)})
    step = step or "day"
    times = step_start(times, step)
    sites = site_names(word["site"], word["study"], word["record"], lat, lon)
    lat, lon = check_positions(lat, lon, sites, table.label)
    sieve = Sieve(sites)
    sieve.drop(f"records without {picked[flux]}", np.isnan(values), by_site=False)
    sieve.apply(acceptance(len(sites), method=word["method"] if "method" in picked else None,
                           manipulation=word["manipulation"], flags=word["quality"], duplicate=word["duplicate"],
                           year=times.astype("datetime64[Y]").astype(int) + 1970), screening)
    keep = sieve.keep
    if not keep.any():
        raise SampleError(f"No record of {flux} in '{table.label}' passes screening={screening}: "
                          + ", ".join(f"{entry['count']} {entry['reason']}" for entry in sieve.entries),
                          "Take screening=basic or none")
    if flux not in units:
        sieve.remark("the unit is taken to be that of DGRsD", f"{picked[flux]} in {UNIT}")
    units = {flux: UNIT, **units}
    rows = {name: to_canonical(name, numbers(table, picked[name])[keep], unit, days=days_of(unit, times[keep], step))
            for name, unit in _units(picked, flux, units).items()}
    at_site, at_time, means, merged = mean_of_doubles(sites[keep], times[keep], rows)
    if merged:
        sieve.remark("records of one site and date were averaged", f"{int(keep.sum())} records became {len(at_site)}")
    row = first_rows(sites[keep], at_site)
    towers = {"lat": lat[keep][row], "lon": lon[keep][row],
              "igbp": np.array([igbp_class(text) for text in word["ecosystem"][keep][row]], dtype=object)}
    if "elevation" in picked:
        towers["elevation"] = numbers(table, picked["elevation"])[keep][row]
    ds = assemble(at_site, at_time, means, towers, flux=flux, time_step=step)
    ds[flux].attrs["source_column"] = picked[flux]
    ds.attrs.update(history=f"read from {table.label}: {flux} = {picked[flux]}", method="chamber")
    return add_entries(ds, sieve.entries)


def _units(picked: Mapping[str, str], flux: str, units: Mapping[str, str]) -> dict[str, str]:
    """Return the unit of the flux and of each driver that was asked for."""
    return {name: units.get(name, variable(name).unit) for name in picked if name == flux or name not in NAMES}
