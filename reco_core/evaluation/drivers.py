"""Gridded drivers against those measured at towers."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from ..errors import SampleError
from ..vocabulary import canonical_name, variable
from .metrics import score

COLUMNS = ("driver", "site", "sites", "n", "mean_tower", "mean_grid", "bias", "rmse", "mae", "r2_pearson", "r2_nse",
           "slope")
POOLED = "all"
NEVER = ("qc", "uncertainty", "uncertainty_partitioning")


def shared_drivers(towers: xr.Dataset, cube: xr.Dataset) -> list[str]:
    """Return the drivers that the towers measured and the grid has.

    Raises
    ------
    SampleError
        There is none.
    """
    measured = _measured(towers)
    there = [str(name) for name in cube.data_vars if name not in ("inside", "spatial_ref", "igbp")]
    common = [name for name in there if name in measured]
    if not common:
        raise SampleError(f"The towers and the grid have no driver in common: the towers measured "
                          f"{', '.join(sorted(measured)) or 'none'}, the grid has {', '.join(there)}",
                          "Map the names of the grid with variables, for example variables=\"t2m=ta\"")
    return common


def _measured(towers: xr.Dataset) -> set[str]:
    flux = towers.attrs["flux_kind"]
    found = {str(name) for name in towers.data_vars if name not in (*NEVER, flux)}
    return found | {str(name) for name in towers.coords if name == "elevation" and canonical_name(str(name))}


def compare_drivers(towers: xr.Dataset, gridded: xr.Dataset,
                    names: Sequence[str]) -> tuple[pd.DataFrame, dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """Return scores of gridded drivers at towers.

    Parameters
    ----------
    towers : xarray.Dataset of kind observations
    gridded : xarray.Dataset (site, time)
        The same sites and times.
    names : sequence of str

    Returns
    -------
    pandas.DataFrame with COLUMNS
        For each driver a row of all towers (site 'all'), then one per tower; `bias` is grid less tower,
        `r2_pearson` the squared correlation and `r2_nse` is 1 - SSE/SST.
    dict of driver -> (tower values, grid values, number of the site), each of shape (n,)

    Raises
    ------
    SampleError
        No tower and time step has both.
    """
    rows: list[dict[str, Any]] = []
    held = {}
    sites = towers["site"].values.astype(str)
    for name in names:
        own, other = np.broadcast_arrays(*(_values(table, name) for table in (towers, gridded)))
        both = np.isfinite(own) & np.isfinite(other)
        if "time" not in towers[name].dims or variable(name).static:  # what never changes counts once
            both &= np.cumsum(both, axis=1) == 1
        if not both.any():
            continue
        held[name] = (own[both], other[both], np.nonzero(both)[0])
        rows.append(_row(name, POOLED, int(both.any(axis=1).sum()), own[both], other[both]))
        rows += [_row(name, site, 1, own[at][both[at]], other[at][both[at]])
                 for at, site in enumerate(sites) if both[at].any()]
    if not rows:
        raise SampleError(f"No tower has values of {', '.join(names)} where and when the grid has them",
                          "Check that the towers stand on the grid and that the periods overlap")
    return pd.DataFrame(rows, columns=list(COLUMNS)), held


def _values(table: xr.Dataset, name: str) -> np.ndarray:
    values = np.asarray(table[name].values, dtype="float64")
    return values if values.ndim == 2 else values[:, None]


def _row(name: str, site: str, sites: int, own: np.ndarray, other: np.ndarray) -> dict[str, Any]:
    found = score(own, other)
    return {**{key: found[key] for key in COLUMNS if key in found}, "driver": name, "site": site, "sites": sites,
            "mean_tower": float(own.mean()), "mean_grid": float(other.mean()), "bias": float(np.mean(other - own)),
            "rmse": float(np.sqrt(np.mean((other - own) ** 2)))}
