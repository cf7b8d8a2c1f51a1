"""The one loop of all derived drivers: read a tile, compute, write a tile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Sequence

import numpy as np
import xarray as xr

from ..errors import ResourceError
from ..inference.tiles import Clock, Tile, TilePlan, plan_tiles
from ..io.drivers.files import open_drivers
from ..io.drivers.values import check_range
from ..io.rasters.cubes import CHUNK_SPACE, CubeWriter, open_cube
from ..io.rasters.grid import Grid, lonlat
from ..io.rasters.qml import Style
from ..progress import SILENT, Progress
from ..version import __version__
from ..vocabulary.calendar import step_label
from .drivers import summary
from .map_files import MapFiles
from .texts import names as split_names
from .texts import pairs

PICKER = "_layer"
SMALLEST_SIDE = 16
READING = 12.0  # bytes for each value that is read: float32, and what decompressing and scaling hold
WRITING = 8.0
OPENING = ("drivers", "start", "time_step", "align", "period", "region")


@dataclass(frozen=True)
class Made:
    """A driver that a derivation makes; `static` where it has no time axis, `cell_methods` in the words of CF."""

    name: str
    unit: str
    long_name: str
    static: bool = False
    cell_methods: str = ""

    @property
    def attrs(self) -> dict[str, str]:
        """Attributes in the cube."""
        attrs = {"units": self.unit, "long_name": self.long_name, "grid_mapping": "spatial_ref"}
        return {**attrs, "cell_methods": self.cell_methods} if self.cell_methods else attrs


@dataclass(frozen=True)
class Window:
    """One tile of the drivers, all time steps.

    `values` has for each driver float32 of shape (time, rows, cols), or (rows, cols) where it is
    static, NaN where it is missing or outside the region; `times` (time,) are the first days of the
    steps; `lat` and `lon` (rows, cols) [degree].
    """

    values: Mapping[str, np.ndarray]
    times: np.ndarray
    time_step: str
    lat: np.ndarray
    lon: np.ndarray
    progress: Progress = SILENT


@dataclass(frozen=True)
class Derivation:
    """What is made of a window, and how it is computed.

    Parameters
    ----------
    made : sequence of Made
    compute : function of a Window
        Returns an array per driver made: (result times, rows, cols), or (rows, cols) where static.
    times : array of datetime64[D], optional
        First days of the time steps of the result, by default those of the input.
    time_step : str
        Of the result; empty for that of the input.
    per_value : float [bytes]
        What `compute` holds for each input value at its peak, beside the values themselves.
    history : str
        What was done, for the attributes of the cube.
    notes, citations : sequence of str
    summary : function, optional
        Called afterwards; returns more lines for the user.
    """

    made: tuple[Made, ...]
    compute: Callable[[Window], Mapping[str, np.ndarray]]
    times: Optional[np.ndarray] = None
    time_step: str = ""
    per_value: float = 16.0
    history: str = ""
    notes: tuple[str, ...] = ()
    citations: tuple[str, ...] = ()
    summary: Optional[Callable[[], list[str]]] = None


def open_inputs(values: Mapping[str, Any], *, require: Sequence[str] | None = None,
                optional: Sequence[str] = ()) -> xr.Dataset:
    """Open the drivers of a step, lazily: its cube and layers, and the layers picked one by one.

    Parameters
    ----------
    values : mapping
        Parameters of the step as its action got them.
    require : sequence of str, optional
        Drivers that are needed; all that there are where nothing is said.
    optional : sequence of str
        Drivers to take too where they are there.

    Raises
    ------
    SchemaError, GridError
        See `open_drivers`.
    """
    picked = {name.removesuffix(PICKER): path for name, path in values.items() if name.endswith(PICKER) and path}
    layers = [*(values.get("layers") or ()), *picked.values()]
    layer_names = split_names(values.get("layer_names"))
    if picked and not layer_names:
        layer_names = [""] * len(values.get("layers") or ())
    layer_names = [*layer_names, *picked]
    opening: dict[str, Any] = {name: values[name] for name in OPENING if values.get(name) is not None}
    ds = open_drivers(layers=layers, layer_names=layer_names, variables=pairs(values.get("variables"), "variables"),
                      units=pairs(values.get("units"), "units"), require=None if optional else require, **opening)
    if not optional or require is None:
        return ds
    there = [name for name in optional if name in ds]
    return open_inputs(values, require=[*require, *there])


def derive(ds: xr.Dataset, names: Sequence[str], derivation: Derivation, *, output: str, rasters: Optional[str],
           memory: float, progress: Progress) -> dict[str, Any]:
    """Derive drivers tile by tile and write them as a cube, and as rasters where asked.

    Parameters
    ----------
    ds : xarray.Dataset of kind drivers
        Lazy.
    names : sequence of str
        Drivers to read.
    derivation : Derivation
    output : path
        Of the cube (Zarr).
    rasters : path, optional
        Folder for a GeoTIFF per driver made.
    memory : float [GB]

    Returns
    -------
    dict
        `output`, `rasters`, `summary`, `citations`.

    Raises
    ------
    SchemaError
        A value read or made is outside the valid range of its driver.
    ResourceError
        Not even a small tile fits into the memory budget.
    """
    template = _template(ds, derivation)
    variables = {made.name: (("y", "x") if made.static else ("time", "y", "x"),
                             made.attrs)
                 for made in derivation.made}
    plan, side = _plan(ds, names, derivation, template, memory)
    share = 0.8 if rasters else 1.0
    clock = Clock(len(plan.tiles), progress.span(0.0, share))
    with CubeWriter(output, template, variables, side=side) as writer:
        for number, tile in enumerate(plan.tiles):
            window = _read(ds, names, tile, clock.span(number, 0.1, 0.9))
            results = derivation.compute(window)
            for made in derivation.made:
                writer.write(made.name, np.asarray(results[made.name], dtype="float32"), tile.row0, tile.col0)
            del window, results
    if rasters:
        write_rasters(open_cube(output), rasters, step=derivation.history.split(":")[0], memory=memory,
                      progress=progress.span(share, 1.0))
    lines = summary(open_cube(output))
    lines += [note for note in derivation.notes if note not in lines]
    lines += derivation.summary() if derivation.summary else []
    return {"output": output, **({"rasters": rasters} if rasters else {}), "summary": lines,
            "citations": list(derivation.citations)}


def _template(ds: xr.Dataset, derivation: Derivation) -> xr.Dataset:
    """Return the coordinates and attributes of the result."""
    template = xr.Dataset(coords={name: ds[name] for name in ("y", "x", "spatial_ref")})
    template.attrs.update(reco_kind="drivers", history="\n".join(
        [*str(ds.attrs.get("history", "")).split("\n"), derivation.history]).strip())
    notes = [*[note for note in str(ds.attrs.get("notes", "")).split("; ") if note], *derivation.notes]
    if notes:
        template.attrs["notes"] = "; ".join(notes)
    if not all(made.static for made in derivation.made):
        times = ds["time"].values if derivation.times is None else derivation.times
        template = template.assign_coords(time=np.asarray(times).astype("datetime64[ns]"))
        template.attrs["time_step"] = derivation.time_step or ds.attrs["time_step"]
    return template


def _plan(ds: xr.Dataset, names: Sequence[str], derivation: Derivation, template: xr.Dataset,
          memory: float) -> tuple[TilePlan, int]:
    """Return tiles that hold all time steps, and the side of the chunks of the cube."""
    steps = sum(ds.sizes["time"] if "time" in ds[name].dims else 1 for name in names)
    made = sum(1 if item.static else template.sizes["time"] for item in derivation.made)
    cost = steps * (READING + derivation.per_value) + made * WRITING + 4 * 8
    side = CHUNK_SPACE
    while True:
        try:
            return plan_tiles(ds.sizes["y"], ds.sizes["x"], 1, per_value=cost, memory_gb=memory, block=side), side
        except ResourceError:
            if side <= SMALLEST_SIDE:
                raise
            side //= 2


def _read(ds: xr.Dataset, names: Sequence[str], tile: Tile, progress: Progress) -> Window:
    """Read one tile; values outside the region are missing."""
    window = ds.isel(y=tile.rows, x=tile.columns)
    inside = window["inside"].values if "inside" in ds else None
    values: dict[str, np.ndarray] = {}
    for name in names:
        array = np.array(window[name].values, dtype="float32")
        check_range(name, array, str(ds[name].attrs.get("source") or "the drivers"))
        if inside is not None:
            array[..., ~inside] = np.nan
        values[name] = array
        progress.check()
    lon, lat = lonlat(Grid.of(ds).window(tile.rows, tile.columns))
    times = ds["time"].values.astype("datetime64[D]") if "time" in ds.dims else np.empty(0, "datetime64[D]")
    return Window(values, times, str(ds.attrs.get("time_step", "")), lat, lon, progress)


def write_rasters(ds: xr.Dataset, folder: str, *, step: str, memory: float = 2.0,
                  progress: Progress = SILENT) -> list[Path]:
    """Write a driver cube as GeoTIFFs: one per driver, a band per time step.

    Parameters
    ----------
    ds : xarray.Dataset of kind drivers
    folder : path
    step : str
        The step that makes them, for the tags.
    memory : float [GB]
    """
    grid = Grid.of(ds)
    names = [str(name) for name in ds.data_vars if name != "inside"]
    for number, name in enumerate(names):
        span = progress.span(number / len(names), (number + 1) / len(names))
        bands = _labels(ds, name)
        plan = plan_tiles(grid.height, grid.width, len(bands), per_value=READING + WRITING, memory_gb=memory)
        attrs = ds[name].attrs
        with MapFiles(grid, {"RECO_VERSION": __version__, "RECO_STEP": step}) as files:
            writer = files.open(Path(folder) / f"{name}.tif", bands, unit=attrs["units"], style=_style(name, attrs))
            for at, tile in enumerate(plan.tiles):
                span(at / len(plan.tiles), f"Writing {name}.tif")
                for steps in plan.batches():
                    part = ds[name].isel(y=tile.rows, x=tile.columns)
                    values = part.isel(time=steps).values if "time" in part.dims else part.values[np.newaxis]
                    writer.write(values, tile.row0, tile.col0, steps.start)
    return [Path(folder) / f"{name}.tif" for name in names]


def _labels(ds: xr.Dataset, name: str) -> list[str]:
    if "time" not in ds[name].dims:
        return [name]
    return [step_label(time, ds.attrs["time_step"]) for time in ds["time"].values]


def _style(name: str, attrs: Mapping[str, Any]) -> Style:
    if name.startswith(("spei_", "spi_")):
        return Style("diverging", attrs["long_name"], "", low=-2.5, high=2.5)
    return Style("ramp", attrs["long_name"], "" if attrs["units"] == "1" else attrs["units"])
