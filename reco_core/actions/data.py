"""Actions that read observations, build samples and make the synthetic world."""

from __future__ import annotations

from textwrap import shorten
from typing import Any

import numpy as np
import xarray as xr

from .. import world
from ..errors import ConfigError
from ..io.drivers.files import open_drivers
from ..io.files import atomic
from ..io.observations import read as observation_files
from ..io.observations.assemble import sources
from ..io.rasters.cubes import write_cube
from ..io.rasters.geotiff import RasterWriter
from ..io.rasters.grid import Grid, from_lonlat, parse_crs
from ..io.rasters.qml import Style
from ..progress import Progress
from ..samples import build, collocate, periods, quality
from ..samples.footprints import Footprint
from ..samples.overlaps import resolve_overlaps
from ..version import __version__
from ..vocabulary import canonical_name
from ..vocabulary.calendar import SUB_DAILY, step_label, step_start
from ..vocabulary.ledger import ledger, ledger_lines
from .texts import counted, names, pairs

BLOCK_VALUES = 8_000_000
LINE_WIDTH = 240


def read_observations(*, path: Any, towers: str | None, format: str, sites: str | None, columns: str | None,
                      units: str | None, flux: str, target: str, resolution: str, aggregate: str, subdaily: str,
                      least_days: int | None, overlaps: str | None, screening: str, qc_min: float | None,
                      qc_max: float | None, negative: str, period: str | None, output: str, points: str | None,
                      progress: Progress) -> dict[str, Any]:
    """Read flux files or tables, check their quality and write one observation table."""
    given = [path] if isinstance(path, str) else list(path or ())
    paths = [item for item in (*given, towers) if item]
    if not paths:
        raise ConfigError("There is nothing to read: neither files nor a tower layer were given",
                          "Give path (a file, folder or zip) or towers (a point layer)")

    def reduce(ds: xr.Dataset, label: str) -> xr.Dataset:
        step = ds.attrs["time_step"]
        quality.check_thresholds(step, qc_min, qc_max, label)
        ds = periods.aggregate(quality.screen(ds, qc_max=qc_max, where=label), aggregate, subdaily=subdaily,
                               least_days=least_days)
        return quality.judge(ds, qc_min=qc_min, negative=negative, share=step not in SUB_DAILY)

    table = quality.compact(observation_files.read_observations(
        paths, format=format, sites=sites, columns=pairs(columns, "columns"), units=pairs(units, "units"), flux=flux,
        target=target, resolution=resolution, period=period, subdaily=subdaily, screening=screening, reduce=reduce,
        join=lambda parts: resolve_overlaps(parts, names(overlaps)), progress=progress.span(0.0, 0.9)))
    progress(0.9, "Writing the observations")
    observation_files.write_observations(table, output)
    if points:
        observation_files.write_towers(table, points)
    first, last = (step_label(time, table.attrs["time_step"]) for time in table["time"].values[[0, -1]])
    records, sites_ = counted(quality.count_records(table), "record"), counted(table.sizes["site"], "site")
    lines = [f"{records} of {flux} at {sites_}, {first} to {last}, time step {table.attrs['time_step']}",
             *_networks(table)]
    return {"output": output, **({"points": points} if points else {}), "summary": lines + _short(ledger(table)),
            "citations": _citations(table), "details": {"ledger": ledger(table), "sources": sources(table)}}


def _networks(table: xr.Dataset) -> list[str]:
    """Return a line with the sites of each network, where they are known."""
    found, counts = np.unique(table["network"].values.astype(str), return_counts=True)
    shown = ", ".join(f"{name or 'not stated'} {counted(count, 'site')}" for name, count in zip(found, counts))
    return [f"networks: {shown}"] if any(found) else []


def build_samples(*, observations: str, source: str, drivers: str | None, layers: list[str] | None,
                  layer_names: str | None, variables: str | None, units: str | None, start: str | None,
                  time_step: str, align: str, footprint: str, footprint_km: float, features: str | None,
                  group_distance: float, missing: str, history: int, patch: int, output: str,
                  progress: Progress) -> dict[str, Any]:
    """Join observations with drivers of the towers or of a grid and write the samples."""
    table = observation_files.open_observations(observations)
    asked = [canonical_name(name) or name.lower() for name in names(features)]
    gridded, patches = None, {}
    if source == "grid":
        if not drivers and not layers:
            raise ConfigError("source=grid needs drivers", "Give drivers (a cube, file or folder) or layers")
        cube = open_drivers(drivers, layers or (), names(layer_names), variables=pairs(variables, "variables"),
                            units=pairs(units, "units"), start=start, time_step=time_step, align=align,
                            require=asked or None)
        gridded = at_towers(table, cube, asked, Footprint(footprint, footprint_km), progress.span(0.05, 0.8),
                            whole=True)
        if patch > 1:
            patches = _patches_at(table, cube, gridded, patch, progress.span(0.8, 0.9))
    elif patch > 1:
        raise ConfigError(f"{patch} x {patch} cells around the towers are of a grid, but source=site takes drivers "
                          "measured at the towers", "Set source=grid and give drivers, or leave out patch")
    elif footprint != "nearest":
        raise ConfigError(f"The footprint '{footprint}' is of a grid, but source=site takes drivers measured at the "
                          "towers", "Set source=grid and give drivers, or leave out the footprint")
    elif drivers or layers:
        raise ConfigError("Gridded drivers are given, but source=site takes those measured at the towers",
                          "Set source=grid, or leave out drivers and layers")
    samples = build.build_samples(table, gridded, features=asked or None, group_distance=group_distance,
                                  missing=missing, history=history, patches=patches)
    progress(0.95, "Writing the samples")
    observation_files.write_samples(samples, output)
    sites, groups = (np.unique(samples[name].values.astype(str)).size for name in ("site", "group"))
    how = f", {samples.attrs['footprint']}" if footprint != "nearest" else ""
    lines = [f"{samples.sizes['sample']} samples at {sites} sites in {groups} tower groups",
             f"drivers ({samples.attrs['drivers_source']}{how}): {samples.attrs['features'].replace(',', ', ')}"]
    around = [f"{history} earlier time steps"] * (history > 0) + [f"{patch} x {patch} cells"] * (patch > 1)
    if around:
        lines.append(f"kept with each sample: {' and '.join(around)}")
    told = ledger(table)
    return {"output": output, "summary": lines + _short([entry for entry in ledger(samples) if entry not in told]),
            "citations": _citations(samples), "details": {"ledger": ledger(samples)}}


def at_towers(table: xr.Dataset, cube: xr.Dataset, asked: list[str], footprint: Footprint,
              progress: Progress, *, whole: bool = False) -> xr.Dataset:
    """Return the drivers of a grid at the towers and time steps of a table of observations, or at all of the grid."""
    grid = Grid.of(cube)
    x, y = from_lonlat(grid.crs_wkt, table["lon"].values, table["lat"].values)
    return collocate.extract(cube, list(table["site"].values), x, y, table["time"].values,
                             time_step=table.attrs["time_step"], names=asked or None, footprint=footprint,
                             whole=whole, progress=progress, **lengths(grid))


def _patches_at(table: xr.Dataset, cube: xr.Dataset, gridded: xr.Dataset, side: int,
                progress: Progress) -> dict[str, np.ndarray]:
    """Return the cells around the towers for each driver, at the time steps of `gridded`."""
    if side % 2 == 0:
        raise ConfigError(f"A patch of {side} x {side} cells has no middle", f"Give an odd number, such as {side + 1}")
    grid = Grid.of(cube)
    x, y = from_lonlat(grid.crs_wkt, table["lon"].values, table["lat"].values)
    step, found = table.attrs["time_step"], {}
    for number, name in enumerate(map(str, gridded.data_vars)):
        progress(number / len(gridded.data_vars), f"Reading {side} x {side} cells of {name}")
        cells = collocate.extract_patches(cube, name, list(table["site"].values), x, y,
                                          footprint=Footprint("patch", cells=side),
                                          wrap=360.0 if grid.is_geographic else None)[name]
        if "time" in cells.dims:
            cells = cells.assign_coords(time=step_start(cells["time"].values, step).astype("datetime64[ns]"))
            cells = cells.reindex(time=step_start(gridded["time"].values, step).astype("datetime64[ns]"))
        found[name] = cells.values
    return found


def lengths(grid: Grid) -> dict[str, Any]:
    """Return how the coordinates of a grid are measured: the period of longitudes, or the metres of a unit."""
    if grid.is_geographic:
        return {"wrap": 360.0}
    return {"metres": float(parse_crs(grid.crs_wkt).linear_units_factor[1])}


def make_world(*, cells: int, years: int, towers: int, seed: int, drivers: str, observations: str, truth: str,
               progress: Progress) -> dict[str, Any]:
    """Write the synthetic world: towers, drivers and the respiration that it was made with."""
    columns = cells // 2  # square cells: the world is twice as high as wide
    cube = world.make_drivers(cells, columns, years)
    table = world.make_observations(cube, towers, seed)
    with atomic(observations) as part:
        table.to_csv(part, index=False, lineterminator="\n", float_format="%.6f")
    write_cube(cube, drivers, memory_gb=2.0, progress=progress.span(0.0, 0.5))
    _write_truth(cube, truth, progress.span(0.5, 1.0))
    return {"drivers": drivers, "observations": observations, "truth": truth, "citations": [],
            "summary": [f"{table['site'].nunique()} towers with {len(table)} site-months",
                        f"{cells} x {columns} cells, {years} years of ta, lai and soc_0"]}


def _write_truth(cube: xr.Dataset, path: str, progress: Progress) -> None:
    bands = [step_label(time, "month") for time in cube["time"].values]
    rows = max(1, BLOCK_VALUES // (len(bands) * cube.sizes["x"]))
    tags = {"RECO_VERSION": __version__, "RECO_STEP": "make_world", "UNITS": "g C m-2 month-1"}
    style = Style("ramp", "True respiration", "g C m-2 month-1")
    with RasterWriter(path, Grid.of(cube), bands, unit="g C m-2 month-1", tags=tags, style=style) as writer:
        for row in range(0, cube.sizes["y"], rows):
            progress(row / cube.sizes["y"], "Writing the true respiration")
            flux = world.monthly_total(world.respiration(cube.isel(y=slice(row, row + rows))))
            writer.write(flux.values.astype("float32"), row, 0)


def _short(entries: list[dict[str, Any]]) -> list[str]:
    """Return a ledger as lines for the user; the whole of it lies beside the output."""
    return [shorten(line, LINE_WIDTH, placeholder=" ...") for line in ledger_lines(entries)]


def _citations(ds: xr.Dataset) -> list[str]:
    return [part for part in str(ds.attrs.get("citation", "")).split("; ") if part]
