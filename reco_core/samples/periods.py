"""Means of observations over longer time steps: days, 8-day steps, months, years."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..errors import ConfigError
from ..vocabulary import check_observations
from ..vocabulary.averaging import SUBDAILY, daily_means
from ..vocabulary.calendar import SUB_DAILY, step_days, step_start
from ..vocabulary.ledger import add_history, note
from .quality import QC_MAX_FLAG

COVERAGE_DAY = 0.8
COVERAGE_MONTH = 0.8
COVERAGE_YEAR = 0.9
LEAST_DAYS = {"tower": 4, "chamber": 1}
_RANK = {"half-hour": 0, "hour": 0, "day": 1, "8day": 2, "week": 2, "16day": 3, "month": 4, "year": 5}
_CROSSING = ("8day", "week", "16day")  # steps that do not fit into any other but years


def aggregate(ds: xr.Dataset, to: str, *, subdaily: str = SUBDAILY[0], least_days: int | None = None) -> xr.Dataset:
    """Average observations over longer time steps.

    Fluxes stay mean rates [g C m-2 d-1] and precipitation a mean rate [mm d-1], so that their sum over
    a step is the rate times its days. 8-day steps begin anew on 1 January and the last of a year has 5
    days, or 6. A mean needs COVERAGE_DAY of the half-hours of a day, LEAST_DAYS days of an 8-day step
    (all of them where it is shorter), COVERAGE_MONTH of the days of a month, COVERAGE_YEAR of the days
    or all months of a year; each variable by itself. Quality becomes the mean share; flags become the
    share of flags up to QC_MAX_FLAG. Uncertainties are averaged like the flux: those of the u*
    threshold and of the partitioning do not cancel from day to day.

    Parameters
    ----------
    ds : xarray.Dataset
        Observations.
    to : {'none', 'day', '8day', 'month', 'year'}
    subdaily : {'hourly_then_daily', 'flat'}
        How half-hours become days.
    least_days : int, optional [d]
        Days with data that an 8-day step or month needs, instead of the rules above.

    Raises
    ------
    ConfigError
        The data are coarser than that, or their steps do not fit into it.

    References
    ----------
    Liu, J. et al. (2022). Remote Sensing 14, 3563. doi:10.3390/rs14153563 (8-day means of towers)
    """
    step = check_observations(ds).attrs["time_step"]
    if to in ("none", step):
        return ds
    if _RANK[step] > _RANK[to]:
        raise ConfigError(f"Data of time step '{step}' cannot be aggregated to '{to}'", "Choose a coarser time step")
    if step in _CROSSING and to != "year":
        raise ConfigError(f"Steps of '{step}' do not fit into steps of '{to}'", "Aggregate to year, or use daily data")
    if step in SUB_DAILY:
        return aggregate(_daily(ds, subdaily), to, least_days=least_days)
    starts, target = np.unique(step_start(ds["time"].values, to), return_inverse=True)
    length = step_days(starts, to)
    needed, rule = _needed(ds, to, length, least_days)
    return _means(ds, to, starts, target, needed, rule)


def _needed(ds: xr.Dataset, to: str, length: np.ndarray, least_days: int | None) -> tuple[np.ndarray, str]:
    """Return the days with data that each step needs, and the rule in words."""
    chamber = ds.attrs.get("method") == "chamber" or ds.attrs["flux_kind"] in ("rs", "rh")
    if to == "8day" and least_days is None:
        least_days = LEAST_DAYS["chamber" if chamber else "tower"]
    if least_days is not None and to in ("8day", "month"):
        return np.minimum(least_days, length), f"{least_days} of them are needed"
    if (ds.attrs["time_step"], to) == ("month", "year"):
        return length, "100% of them are needed"
    share = COVERAGE_MONTH if to == "month" else COVERAGE_YEAR
    return share * length, f"{share:.0%} of them are needed"


def _daily(ds: xr.Dataset, subdaily: str) -> xr.Dataset:
    """Average half-hours or hours over days."""
    step = ds.attrs["time_step"]
    names = list(map(str, ds.data_vars))
    flags = ds["qc"].values
    good = np.where(np.isnan(flags), np.nan, flags <= QC_MAX_FLAG)
    columns = {name: good if name == "qc" else ds[name].values for name in names}
    days, means, counts = daily_means(ds["time"].values, np.concatenate(list(columns.values())), subdaily)
    means = np.where(counts * SUB_DAILY[step] >= COVERAGE_DAY - 1e-6, means, np.nan)
    rule = f"{COVERAGE_DAY:.0%} of them are needed"
    sites = ds.sizes["site"]
    parts = {name: (means[at * sites:(at + 1) * sites], counts[at * sites:(at + 1) * sites])
             for at, name in enumerate(columns)}
    return _finish(ds, "day", days, parts, rule, f" ({subdaily})")


def _means(ds: xr.Dataset, to: str, starts: np.ndarray, target: np.ndarray, needed: np.ndarray,
           rule: str) -> xr.Dataset:
    """Average over steps of `to`, weighted by the days of each input step."""
    days = step_days(ds["time"].values, ds.attrs["time_step"])
    parts = {}
    for name in map(str, ds.data_vars):
        sums, weight = _sums(ds[name].values, days, target, starts.size)
        with np.errstate(invalid="ignore", divide="ignore"):
            parts[name] = (np.where((weight > 0) & (weight >= needed - 1e-6), sums / weight, np.nan), weight)
    return _finish(ds, to, starts, parts, rule)


def _finish(ds: xr.Dataset, to: str, starts: np.ndarray, parts: dict[str, tuple[np.ndarray, np.ndarray]], rule: str,
            how: str = "") -> xr.Dataset:
    """Return the table of the new steps; `parts` are means and what went into them."""
    flux, step = ds.attrs["flux_kind"], ds.attrs["time_step"]
    out = xr.Dataset(coords={name: c for name, c in ds.coords.items() if name != "time"})
    out = out.assign_coords(time=("time", starts.astype("datetime64[ns]"), ds["time"].attrs))
    for name, (means, _) in parts.items():
        out[name] = (("site", "time"), means, ds[name].attrs)
    out.attrs = dict(ds.attrs, time_step=to)
    means, weight = parts[flux]
    lost = (weight > 0) & np.isnan(means)
    if lost.any():
        note(out, f"{to}s that lack {step}s ({rule})" if to != "8day" else f"8-day steps that lack {step}s ({rule})",
             int(lost.sum()), sites={str(s): int(n) for s, n in zip(ds["site"].values, lost.sum(axis=1)) if n})
    add_history(out, f"aggregated from {step} to {to}{how}")
    return out


def _sums(values: np.ndarray, days: np.ndarray, target: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return day-weighted sums and the days with data, per site and target step."""
    good = np.isfinite(values)
    sums = np.zeros((values.shape[0], size))
    weight = np.zeros_like(sums)
    for row in range(values.shape[0]):
        sums[row] = np.bincount(target, np.where(good[row], values[row], 0.0) * days, minlength=size)
        weight[row] = np.bincount(target, good[row] * days, minlength=size)
    return sums, weight
