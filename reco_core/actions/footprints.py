"""The action that reads drivers around towers."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
from typing import Any, Iterator, Optional

import numpy as np
import xarray as xr

from ..errors import ResourceError, SchemaError
from ..io.drivers.files import open_drivers
from ..io.footprint_files import write_footprints, write_patches
from ..io.observations.read import open_observations
from ..io.observations.sites import read_sites
from ..io.rasters.grid import Grid, from_lonlat
from ..progress import Progress
from ..samples import collocate
from ..samples.footprints import Footprint
from ..vocabulary.calendar import step_label
from ..vocabulary.ledger import join_ledgers, ledger, ledger_lines, note, set_ledger
from .data import lengths
from .texts import names, pairs

LINE_WIDTH = 110
MOST_BYTES = 8 * 2**30
NO_TIME = np.array(["NaT"], dtype="datetime64[ns]")


def sample_footprints(*, towers: str, drivers: Optional[str], layers: Optional[list[str]], layer_names: Optional[str],
                      variables: Optional[str], units: Optional[str], start: Optional[str], time_step: str, align: str,
                      footprint: str, footprint_km: float, patch_cells: int, output: str, patches: Optional[str],
                      progress: Progress) -> dict[str, Any]:
    """Write the drivers of each tower at every time step of a grid, as a table and as patches."""
    shape = Footprint(footprint, footprint_km, patch_cells)
    sites, lon, lat = tower_positions(towers)
    cube = open_drivers(drivers, layers or (), names(layer_names), variables=pairs(variables, "variables"),
                        units=pairs(units, "units"), start=start, time_step=time_step, align=align)
    grid = Grid.of(cube)
    x, y = from_lonlat(grid.crs_wkt, lon, lat)
    step = str(cube.attrs.get("time_step", "")) if "time" in cube.dims else ""
    result: dict[str, Any] = {"output": output}
    if footprint == "patch":
        made = Path(patches) if patches else Path(output).with_name(Path(output).stem + "_patches.nc")
        table = _write_patches(cube, list(sites), x, y, shape, lengths(grid).get("wrap"), made, progress)
        result["patches"] = str(made)
    else:
        table = collocate.extract(cube, list(sites), x, y, cube["time"].values if step else NO_TIME, time_step=step,
                                  footprint=shape, progress=progress.span(0.05, 0.9), **lengths(grid))
    _note_unplaced(table, np.isfinite(lon) & np.isfinite(lat))
    _note_gaps(table)
    write_footprints(table.isel(site=np.flatnonzero(_with_data(table))), output, step)
    return {**result, "summary": _summary(table, shape, step), "citations": [],
            "details": {"ledger": ledger(table)}}


def tower_positions(path: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return site, longitude and latitude [degree] of towers in a point layer, a table or observations.

    Raises
    ------
    SchemaError
        It cannot be read, or no tower has a position.
    """
    if Path(path).suffix.lower() in (".nc", ".nc4"):
        table = open_observations(path)
        sites, lon, lat = table["site"].values.astype(object), table["lon"].values, table["lat"].values
    else:
        frame = read_sites(path)
        sites, lon, lat = frame.index.to_numpy(object), frame["lon"].to_numpy(float), frame["lat"].to_numpy(float)
    if not (np.isfinite(lon) & np.isfinite(lat)).any():
        raise SchemaError(f"None of the {len(sites)} towers of '{Path(path).name}' has a position",
                          "Give columns lat and lon, or a point layer")
    return sites, lon, lat


def _write_patches(cube: xr.Dataset, sites: list[str], x: np.ndarray, y: np.ndarray, shape: Footprint,
                   wrap: Optional[float], path: Path, progress: Progress) -> xr.Dataset:
    """Write patches driver by driver and return the cells that contain the towers."""
    found = [str(name) for name in cube.data_vars if name not in ("inside", "igbp")]
    times = cube["time"].values if "time" in cube.dims else NO_TIME
    size = len(sites) * times.size * shape.cells**2 * 4
    if size > MOST_BYTES:
        raise ResourceError(f"Patches of {shape.cells} x {shape.cells} cells at {len(sites)} towers and {times.size} "
                            f"time steps take {size / 2**30:.0f} GB for each driver", "Take smaller patches, fewer "
                            "towers, or drivers of a shorter period")
    table = xr.Dataset(coords={"site": np.asarray(sites, dtype=object), "time": times}, attrs={"ledger": "[]"})
    middle = shape.cells // 2

    def parts() -> Iterator[xr.Dataset]:
        for number, name in enumerate(found):
            progress(0.05 + 0.85 * number / len(found), f"Reading patches of {name}")
            part = collocate.extract_patches(cube, name, sites, x, y, footprint=shape, wrap=wrap)
            values = part[name].values[..., middle, middle]
            values = values if values.ndim == 2 else np.repeat(values[:, None], times.size, axis=1)
            table[name] = (("site", "time"), values, part[name].attrs)
            set_ledger(table, join_ledgers([ledger(table), ledger(part)]))
            yield part

    write_patches(parts(), path)
    return table


def _note_unplaced(table: xr.Dataset, placed: np.ndarray) -> None:
    if not placed.all():
        note(table, "towers without a position", 0, detail=", ".join(map(str, table["site"].values[~placed])))


def _note_gaps(table: xr.Dataset) -> None:
    """Tell how many time steps each driver lacks at towers that have some."""
    for name in table.data_vars:
        missing = np.isnan(table[name].values)
        some = missing.any(axis=1) & ~missing.all(axis=1)
        if some.any():
            counts = {str(site): int(count) for site, count in zip(table["site"].values[some],
                                                                   missing[some].sum(axis=1))}
            shown = ", ".join(f"{site} {count}" for site, count in counts.items())
            note(table, f"{name}: time steps without data, of {table.sizes['time']}", 0, detail=shown)
        never = missing.all(axis=1) & _with_data(table)
        if never.any():
            note(table, f"{name}: towers without data", 0, detail=", ".join(map(str, table["site"].values[never])))


def _with_data(table: xr.Dataset) -> np.ndarray:
    """Return which towers have a value of any driver."""
    return np.any([np.isfinite(table[name].values).any(axis=1) for name in table.data_vars], axis=0)


def _summary(table: xr.Dataset, shape: Footprint, step: str) -> list[str]:
    times = table["time"].values
    span = f", {times.size} time steps per {step}, {step_label(times[0], step)} to {step_label(times[-1], step)}" \
        if step else ", drivers without dates"
    there = int(_with_data(table).sum())
    lines = [f"{there} of {table.sizes['site']} towers have data{span}, {shape.words}",
             "drivers: " + ", ".join(f"{name} [{table[name].attrs.get('units') or 'no unit'}]"
                                     for name in table.data_vars)]
    return [part for line in lines + ledger_lines(ledger(table)) for part in folded(line)]


def folded(line: str) -> list[str]:
    """Return a long line as several; those after the first are indented."""
    return wrap(line, LINE_WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False) or [line]
