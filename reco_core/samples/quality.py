"""Which observations are good enough; their means over longer time steps are in `periods`."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..errors import ConfigError, SampleError, SchemaError
from ..vocabulary import check_observations
from ..vocabulary.calendar import SUB_DAILY
from ..vocabulary.ledger import ledger, ledger_lines, note

QC_MIN = 0.75
QC_MAX_FLAG = 1
MAX_ABS = 40.0
MAX_ABS_SHARE = 0.05
MAX_ABS_COUNT = 3
NEGATIVE = ("drop", "keep", "clip")


def check_thresholds(time_step: str, qc_min: float | None, qc_max: float | None, where: str = "") -> None:
    """Refuse a quality threshold that has no meaning at this time step.

    Raises
    ------
    ConfigError
        A share (0..1) for half-hours, whose quality is a flag, or a flag for coarser data.
    """
    of = f" of '{where}'" if where else ""
    if time_step in SUB_DAILY:
        if qc_min is not None:
            raise ConfigError(f"qc_min={qc_min:g} does not fit: the quality{of} at time step '{time_step}' is a flag "
                              "0, 1, 2 or 3", "Give qc_max instead (keep flags up to it), and no qc_min")
        if qc_max is not None and qc_max not in (0, 1, 2, 3):
            raise ConfigError(f"qc_max={qc_max:g} is not a quality flag", "Give 0, 1, 2 or 3")
        return
    if qc_max is not None:
        raise ConfigError(f"qc_max={qc_max:g} does not fit: the quality{of} at time step '{time_step}' is a share "
                          "from 0 to 1", "Give qc_min instead, and no qc_max")
    if qc_min is not None and not 0 <= qc_min <= 1:
        raise ConfigError(f"qc_min={qc_min:g} does not fit: the quality{of} at time step '{time_step}' is a share "
                          "from 0 to 1", "Give a value from 0 to 1, such as 0.75")


def screen(ds: xr.Dataset, *, qc_max: float | None = None, max_abs: float = MAX_ABS, where: str = "") -> xr.Dataset:
    """Remove what may not enter a mean: impossible rates, and half-hours of poor quality.

    Parameters
    ----------
    ds : xarray.Dataset
        Observations as read.
    qc_max : float, optional
        For half-hours: keep flags up to this; QC_MAX_FLAG if not given.
    max_abs : float [g C m-2 d-1]
        A larger absolute rate is an error of measurement.

    Raises
    ------
    SchemaError
        So many rates are impossible that the unit must be wrong.
    """
    flux = check_observations(ds).attrs["flux_kind"]
    values = ds[flux].values.copy()
    huge = np.abs(values) > max_abs
    share = huge.sum() / max(int(np.isfinite(values).sum()), 1)
    if share > MAX_ABS_SHARE and huge.sum() >= MAX_ABS_COUNT:
        source = ds[flux].attrs.get("source_column", flux) + (f" in '{where}'" if where else "")
        raise SchemaError(f"{share:.0%} of the values of {source} exceed {max_abs:g} g C m-2 d-1, so their unit must "
                          "be another",
                          f"State it, for example units=\"{flux}=g C m-2 month-1\"")
    out = ds.copy()
    _remove(out, values, huge, f"rates beyond {max_abs:g} g C m-2 d-1")
    if ds.attrs["time_step"] in SUB_DAILY:
        limit = QC_MAX_FLAG if qc_max is None else qc_max
        qc = ds["qc"].values
        if np.isfinite(qc).any():
            _remove(out, values, np.isfinite(values) & ~np.isfinite(qc), "half-hours without a quality flag")
            _remove(out, values, np.isfinite(values) & (qc > limit), f"half-hours with a quality flag above {limit:g}")
    out[flux] = ds[flux].copy(data=values)
    return out


def accept(ds: xr.Dataset, *, qc_min: float | None = None, negative: str = "drop",
           share: bool = True) -> xr.Dataset:
    """Keep the records of good quality; sites and times without any are left out.

    Parameters
    ----------
    ds : xarray.Dataset
        Observations, screened and aggregated.
    qc_min, negative, share
        See `judge`.

    Raises
    ------
    SampleError
        Nothing is left; the message has the ledger of what was dropped and why.
    """
    return compact(judge(ds, qc_min=qc_min, negative=negative, share=share))


def judge(ds: xr.Dataset, *, qc_min: float | None = None, negative: str = "drop", share: bool = True) -> xr.Dataset:
    """Set the records that are not good enough to missing.

    Parameters
    ----------
    ds : xarray.Dataset
        Observations, screened and aggregated.
    qc_min : float, optional
        Least share of measured or well gap-filled data; QC_MIN if not given. 0 switches the test off,
        so that records without quality stay too.
    negative : {'drop', 'keep', 'clip'}
        What to do with rates below zero.
    share : bool
        False where `qc` was judged by flags already and is not tested again.
    """
    flux = check_observations(ds).attrs["flux_kind"]
    if negative not in NEGATIVE:
        raise ConfigError(f"'{negative}' is no way to treat negative fluxes", "Choose: " + ", ".join(NEGATIVE))
    limit = QC_MIN if qc_min is None else qc_min
    out = ds.copy()
    values, qc = ds[flux].values.copy(), ds["qc"].values
    if share and limit > 0 and ds.attrs["time_step"] not in SUB_DAILY and np.isfinite(qc).any():
        _remove(out, values, np.isfinite(values) & ~np.isfinite(qc), "records without quality")
        _remove(out, values, np.isfinite(values) & (qc < limit), f"records of quality below {limit:g}")
    below = values < 0
    if negative == "drop":
        _remove(out, values, below, "negative rates")
    elif negative == "clip":
        if below.any():
            note(out, "negative rates set to 0", 0, detail=f"{int(below.sum())} records")
        values[below] = 0.0
    out[flux] = ds[flux].copy(data=values)
    return out


def _remove(ds: xr.Dataset, values: np.ndarray, which: np.ndarray, reason: str) -> None:
    if which.any():
        counts = which.sum(axis=1)
        note(ds, reason, int(which.sum()), sites={str(s): int(n) for s, n in zip(ds["site"].values, counts) if n})
        values[which] = np.nan


def compact(ds: xr.Dataset) -> xr.Dataset:
    """Leave out sites and times without any record.

    Raises
    ------
    SampleError
        Nothing is left; the message has the ledger of what was dropped and why.
    """
    flux = check_observations(ds).attrs["flux_kind"]
    good = np.isfinite(ds[flux].values)
    if not good.any():
        lines = [line for entry, line in zip(ledger(ds), ledger_lines(ledger(ds))) if entry["count"]]
        raise SampleError("No record is left after quality control: " + (", ".join(lines) or "none has a flux"),
                          "Lower the threshold (qc_min), or check the flux and quality columns")
    empty = [str(site) for site, some in zip(ds["site"].values, good.any(axis=1)) if not some]
    if empty:
        note(ds, "sites without any record left", 0, detail=", ".join(empty))
    return ds.isel(site=np.flatnonzero(good.any(axis=1)), time=np.flatnonzero(good.any(axis=0)))


def count_records(ds: xr.Dataset) -> int:
    """Return how many records of the flux there are."""
    return int(np.isfinite(ds[ds.attrs["flux_kind"]].values).sum())
