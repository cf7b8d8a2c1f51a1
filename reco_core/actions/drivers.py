"""The action that reads gridded drivers."""

from __future__ import annotations

from typing import Any

import xarray as xr

from ..io.drivers.files import open_drivers
from ..io.drivers.products import Product, products_told
from ..io.rasters.cubes import open_cube, write_cube
from ..io.rasters.grid import Grid, crs_name
from ..progress import Progress
from ..vocabulary.calendar import step_label
from .texts import counted, names, pairs


def read_drivers(*, drivers: str | None, layers: list[str] | None, layer_names: str | None, variables: str | None,
                 units: str | None, start: str | None, time_step: str, align: str, product: str, crs: str | None,
                 period: str | None, region: str | None, memory: float, output: str, rasters: str | None,
                 progress: Progress) -> dict[str, Any]:
    """Check that rasters share one grid, calendar and unit, and write them as one driver cube."""
    from .derive_run import write_rasters

    ds = open_drivers(drivers, layers or (), names(layer_names), variables=pairs(variables, "variables"),
                      units=pairs(units, "units"), start=start, time_step=time_step, align=align, period=period,
                      region=region, product=product, crs=crs)
    share = 0.8 if rasters else 1.0
    write_cube(ds, output, memory_gb=memory, progress=progress.span(0.05, share))
    told = products_told(str(ds.attrs.get("notes", "")))
    result: dict[str, Any] = {"output": output, "summary": [*summary(ds), *_doubts(told)],
                              "citations": [known.citation for known in told]}
    if rasters:
        write_rasters(open_cube(output), rasters, step="read_drivers", memory=memory,
                      progress=progress.span(share, 1.0))
        result["rasters"] = rasters
    return result


def _doubts(told: list[Product]) -> list[str]:
    unproven = [known.title for known in told if not known.proven]
    if not unproven:
        return []
    return [f"{', '.join(unproven)}: read after the published description, not tried on real files: check some values"]


def summary(ds: xr.Dataset) -> list[str]:
    """Return what a driver cube holds, in a few lines."""
    grid = Grid.of(ds)
    a, e = grid.transform[0], grid.transform[4]
    moving = [str(name) for name in ds.data_vars if "time" in ds[name].dims]
    static = [str(name) for name in ds.data_vars if "time" not in ds[name].dims and name != "inside"]
    count = counted(len(moving) + len(static), "driver")
    lines = [f"{count} on {grid.height} x {grid.width} cells of {a:g} x {abs(e):g} "
             f"({crs_name(grid.crs_wkt)})"]
    if "time" in ds.dims:
        first, last = (step_label(time, ds.attrs["time_step"]) for time in ds["time"].values[[0, -1]])
        lines.append(f"{first} to {last}, {counted(ds.sizes['time'], 'time step')} per {ds.attrs['time_step']}")
    for word, group in (("in time", moving), ("static", static)):
        if group:
            lines.append(f"{word}: " + ", ".join(f"{name} [{ds[name].attrs['units'] or 'no unit'}]" for name in group))
    return lines + [note for note in str(ds.attrs.get("notes", "")).split("; ") if note]
