"""Local records beside what a model says of them, and which of them are used where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import numpy as np
import xarray as xr

from ..errors import ArtifactError, SampleError
from ..io.rasters.regions import parse_region
from ..models.base import FittedModel
from ..models.calibration import FEWEST_RECORDS
from ..models.table import Table
from ..progress import Progress
from ..vocabulary import variable
from ..vocabulary.calendar import parse_period, step_label
from ..vocabulary.kinds import feature_names
from .texts import counted

REGION = "region"
NAMED = 5


@dataclass(frozen=True)
class LocalRecords:
    """Records in order of time within each tower.

    site, igbp, label (n,) str; time (n,) days; lat, lon (n,) [degree]; observed, blind (n,) [unit of the flux].
    """

    site: np.ndarray
    igbp: np.ndarray
    time: np.ndarray
    label: np.ndarray
    lat: np.ndarray
    lon: np.ndarray
    observed: np.ndarray
    blind: np.ndarray

    def take(self, rows: np.ndarray) -> LocalRecords:
        """Return some of the records (a mask or positions)."""
        return LocalRecords(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    @property
    def span(self) -> tuple[str, str]:
        """Return the first and the last time step."""
        return str(self.label[np.argmin(self.time)]), str(self.label[np.argmax(self.time)])


def local_records(fitted: FittedModel, samples: xr.Dataset, *, on_map: bool, progress: Progress) -> LocalRecords:
    """Return the records of a sample table with the blind estimates of a model.

    Estimates of towers that the model was trained on come from the models of the ensemble that did not see them, but
    for a map, which all models made: there the factor must be that of the map.

    Raises
    ------
    SampleError
        The samples are of another flux or time step, or none can be estimated.
    ArtifactError
        A driver is missing, or in another unit.
    """
    _check_target(fitted, samples)
    fitted.columns(feature_names(samples))
    _check_units(fitted, samples)
    table = Table.of(samples.assign_attrs(features=",".join(fitted.feature_names)), fitted.context)
    stratum = table.stratum if fitted.strata else None
    blind = fitted.estimate(table.X, stratum=stratum).mean
    trained = np.isin(table.site, fitted.reference["site"])
    if trained.any():
        blind = blind if on_map else _unseen(fitted, table, stratum, blind)
        _tell_of_trained(np.unique(table.site[trained]), on_map, progress)
    days = np.asarray(samples["time"].values, dtype="datetime64[D]")
    label = np.array([step_label(day, fitted.time_step) for day in days])
    lat, lon = (samples[name].values.astype("float64") for name in ("lat", "lon"))
    found = LocalRecords(table.site, table.stratum, days, label, lat, lon, table.y, blind)
    known = np.isfinite(blind) & np.isfinite(table.y)
    if not known.any():
        raise SampleError(f"The model can estimate none of the {len(table)} local records: drivers are missing",
                          "Build the samples with missing=drop to see which")
    order = np.lexsort((found.time, found.site))
    return found.take(order[known[order]])


def _check_target(fitted: FittedModel, samples: xr.Dataset) -> None:
    kind, unit = samples.attrs["flux_kind"], samples["target"].attrs.get("units", "")
    if kind != fitted.flux_kind:
        raise SampleError(f"The model estimates {variable(fitted.flux_kind).long_name.lower()} and the local records "
                          f"are {variable(kind).long_name.lower()}", f"Give records of {fitted.flux_kind}")
    step = samples.attrs["time_step"]
    if step != fitted.time_step or (fitted.target_unit and unit and unit != fitted.target_unit):
        raise SampleError(f"The model estimates {fitted.target_unit} for each {fitted.time_step}; the local records "
                          f"are in {unit} for each {step}",
                          f"Read the records with aggregate={fitted.time_step} and build the samples again")


def _check_units(fitted: FittedModel, samples: xr.Dataset) -> None:
    for feature in fitted.features:
        there = str(samples[feature.name].attrs.get("units", ""))
        if feature.unit and there and there != feature.unit:
            raise ArtifactError(f"The model knows '{feature.name}' in {feature.unit}, the local records have it in "
                                f"{there}", f"Give '{feature.name}' in {feature.unit}")


def _unseen(fitted: FittedModel, table: Table, stratum: Optional[np.ndarray], blind: np.ndarray) -> np.ndarray:
    """Return estimates, those of training sites by the model that did not see them."""
    site, fold = fitted.reference["site"], np.asarray(fitted.reference["fold"])
    numbers = np.unique(fold[fold >= 0])
    result = blind.copy()
    for number, model in zip(numbers, fitted.folds):
        mine = np.isin(table.site, np.unique(site[fold == number]))
        if mine.any():
            result[mine] = model.predict(table.X[mine], stratum=None if stratum is None else stratum[mine])
    return result


def _tell_of_trained(sites: np.ndarray, on_map: bool, progress: Progress) -> None:
    who = f"{counted(sites.size, 'tower')} of the local records ({_named(sites)}) took part in training"
    if on_map:
        progress.warn(f"{who}: the map has seen them, so factors are near 1 and their skill is optimistic")
    else:
        progress.info(f"{who}: their estimates come from the models that did not see them")


def places_of(records: LocalRecords, place: str, region: Optional[str]) -> np.ndarray:
    """Return the name of the place of each record, empty where it has none.

    Raises
    ------
    SampleError
        No record lies in a place.
    """
    sites = np.unique(records.site)
    if place == "tower":
        return records.site.astype(object)
    if place == "class":
        if not (records.igbp != "").any():
            raise SampleError(f"None of the {sites.size} towers ({_named(sites)}) has a vegetation class",
                              "Give classes with a site table (read_observations, sites=...)")
        return records.igbp.astype(object)
    assert region is not None
    inside = parse_region(region).holds(records.lon, records.lat)
    if not inside.any():
        raise SampleError(f"No local record lies in the region: there are {len(records.site)} records at "
                          f"{counted(sites.size, 'tower')} ({_positions(records)})",
                          "Check the region and its CRS, or choose place=tower")
    return np.where(inside, REGION, "").astype(object)


def used_records(records: LocalRecords, labels: np.ndarray, known: int, period: Optional[str],
                 progress: Progress) -> np.ndarray:
    """Return which records are used, bool of shape (n,): those of the period, and of them the first of each tower.

    Raises
    ------
    SampleError
        No tower has three of them.
    """
    first, last = parse_period(period)
    chosen = labels != ""
    if first is not None and last is not None:
        chosen &= (records.time >= first) & (records.time <= last)
    if not chosen.any():
        raise SampleError(f"No local record lies in {period}: there are {len(labels)} from {' to '.join(records.span)}",
                          "Give another period")
    few = []
    for site in np.unique(records.site[chosen]):
        rows = np.flatnonzero(chosen & (records.site == site))
        chosen[rows[known or rows.size:]] = False
        if min(rows.size, known or rows.size) < FEWEST_RECORDS:
            chosen[rows] = False
            few.append(f"{site} {min(rows.size, known or rows.size)}")
    if not chosen.any():
        raise SampleError(f"A factor needs {FEWEST_RECORDS} records of a tower; there are: {', '.join(few[:NAMED])}",
                          "Give more time steps (known, period), or more records")
    if few:
        progress.warn(f"Towers with fewer than {FEWEST_RECORDS} records are not used: {', '.join(few[:NAMED])}"
                      + (f" and {len(few) - NAMED} more" if len(few) > NAMED else ""))
    return chosen


def _named(sites: np.ndarray) -> str:
    return ", ".join(map(str, sites[:NAMED])) + (f" and {sites.size - NAMED} more" if sites.size > NAMED else "")


def _positions(records: LocalRecords) -> str:
    sites, first = np.unique(records.site, return_index=True)
    shown = [f"{site} at {records.lon[at]:.4g} {records.lat[at]:.4g}" for site, at in zip(sites[:2], first)]
    return ", ".join(shown) + (", ..." if sites.size > 2 else "")
