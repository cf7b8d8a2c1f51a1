"""The action that reads gridded drivers."""

from __future__ import annotations

from typing import Any

import xarray as xr

from ..io.cubes import write_cube
from ..io.driver_files import open_drivers
from ..io.grid import Grid, crs_name
from ..progress import Progress
from ..vocabulary.calendar import step_label
from .texts import names, pairs


def read_drivers(*, drivers: str | None, layers: list[str] | None, layer_names: str | None, variables: str | None,
                 units: str | None, start: str | None, time_step: str, align: str, period: str | None,
                 region: str | None, memory: float, output: str, progress: Progress) -> dict[str, Any]:
    """Check that rasters share one grid, calendar and unit, and write them as one driver cube."""
    ds = open_drivers(drivers, layers or (), names(layer_names), variables=pairs(variables, "variables"),
                      units=pairs(units, "units"), start=start, time_step=time_step, align=align, period=period,
                      region=region)
    write_cube(ds, output, memory_gb=memory, progress=progress.span(0.05, 1.0))
    return {"output": output, "summary": summary(ds), "citations": []}


def summary(ds: xr.Dataset) -> list[str]:
    """Return what a driver cube holds, in a few lines."""
    grid = Grid.of(ds)
    a, e = grid.transform[0], grid.transform[4]
    moving = [str(name) for name in ds.data_vars if "time" in ds[name].dims]
    static = [str(name) for name in ds.data_vars if "time" not in ds[name].dims and name != "inside"]
    lines = [f"{len(moving) + len(static)} drivers on {grid.height} x {grid.width} cells of {a:g} x {abs(e):g} "
             f"({crs_name(grid.crs_wkt)})"]
    if "time" in ds.dims:
        first, last = (step_label(time, ds.attrs["time_step"]) for time in ds["time"].values[[0, -1]])
        lines.append(f"{first} to {last}, {ds.sizes['time']} time steps per {ds.attrs['time_step']}")
    for word, group in (("in time", moving), ("static", static)):
        if group:
            lines.append(f"{word}: " + ", ".join(f"{name} [{ds[name].attrs['units'] or 'no unit'}]" for name in group))
    return lines + [note for note in str(ds.attrs.get("notes", "")).split("; ") if note]
