"""Maps of zones: which zone a cell belongs to, and how far it is from all sites."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping

import numpy as np
import xarray as xr

from ..errors import SampleError
from ..inference.surroundings import Surroundings
from ..inference.tiles import Clock, Tile, plan_tiles
from ..io.drivers.values import check_range
from ..io.rasters.grid import Grid
from ..io.rasters.qml import Style, class_style
from ..models.zones import CLIMATE, GROWING, Zones, factors_of_rows
from ..progress import Progress
from ..version import __version__
from .derive_run import open_inputs
from .map_files import MapFiles

SEASON = ("ta", "ndvi")
PER_CELL = 80.0  # bytes beside the monthly means: distances, labels, what is written


class ZoneReader:
    """Reads the factors of the zones tile by tile.

    Parameters
    ----------
    zones : Zones
    ds : xarray.Dataset of kind drivers
    names : list of str
        Drivers to read: those of the factors, and those that tell the growing season.
    """

    def __init__(self, zones: Zones, ds: xr.Dataset, names: list[str]) -> None:
        self.zones, self.ds, self.names = zones, ds, names
        self.surroundings = Surroundings(ds, names, CLIMATE)

    @classmethod
    def open(cls, zones: Zones, inputs: Mapping[str, Any]) -> ZoneReader:
        """Open the drivers that the zones need; no pixel is read."""
        drivers = list(dict.fromkeys(name.removesuffix(GROWING) for name in zones.factors))
        season = SEASON if any(name.endswith(GROWING) for name in zones.factors) else ()
        ds = open_inputs(inputs, require=drivers, optional=season)
        return cls(zones, ds, list(dict.fromkeys([*drivers, *(name for name in season if name in ds)])))

    @property
    def width(self) -> int:
        """Columns of a row with the monthly means of its drivers."""
        return CLIMATE.width(len(self.names))

    def read(self, tile: Tile) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return row and column of each cell of the region in a tile, and its factors, shape (n, f)."""
        there = np.ones(tile.shape, dtype=bool)
        if "inside" in self.ds:
            there = self.ds["inside"].isel(y=tile.rows, x=tile.columns).values.astype(bool)
        y, x = np.nonzero(there)
        X = np.full((y.size, self.width), np.nan)
        self.surroundings.fill(X, (), (np.zeros_like(y), y, x), tile, slice(0, 1))
        for k, name in enumerate(self.names):
            source = str(self.ds[name].attrs.get("source") or "the drivers")
            check_range(name, X[:, len(self.names) + k::len(self.names)], source)
        return y, x, factors_of_rows(X, self.names, self.zones.factors)


def map_zones(zones: Zones, inputs: Mapping[str, Any], wanted: Mapping[str, str], memory: float,
              progress: Progress) -> list[str]:
    """Write the zone of each cell, and its novelty, tile by tile; return lines about them.

    Parameters
    ----------
    zones : Zones
    inputs : mapping
        Parameters of the step that say where the drivers are.
    wanted : mapping of "map" or "novelty" to path
    memory : float [GB]

    Raises
    ------
    SampleError
        No cell has all factors.
    """
    reader = ZoneReader.open(zones, inputs)
    grid = Grid.of(reader.ds)
    plan = plan_tiles(grid.height, grid.width, 1, per_value=reader.width * 8 + PER_CELL,
                      per_pixel=reader.surroundings.per_pixel, memory_gb=memory)
    looks = {"map": ("Zone", "uint8", class_style("Zone", [f"zone {k}" for k in range(1, zones.count + 1)])),
             "novelty": ("Novelty", "float32", Style("ramp", "Novelty", low=0.0, high=2.0))}
    cells, novel = np.zeros(zones.count + 1, dtype="int64"), 0
    clock = Clock(len(plan.tiles), progress)
    with MapFiles(grid, {"RECO_VERSION": __version__, "RECO_STEP": "make_zones"}) as files:
        writers = {name: files.open(Path(path), [looks[name][0]], unit="1", dtype=looks[name][1], style=looks[name][2])
                   for name, path in wanted.items()}
        for number, tile in enumerate(plan.tiles):
            clock.span(number, 0.0, 1.0)
            y, x, values = reader.read(tile)
            label, far = zones.labels(values), zones.distances(values).min(axis=1) / zones.reach
            cells += np.bincount(label, minlength=zones.count + 1)
            novel += int((far > 1).sum())
            for name, column in (("map", np.where(label > 0, label, np.nan)), ("novelty", far)):
                if name in writers:
                    band = np.full(tile.shape, np.nan, dtype="float32")
                    band[y, x] = column
                    writers[name].write(band, tile.row0, tile.col0)
        if not cells[1:].any():
            raise SampleError("No cell has all factors of the zones", "Check region and period of the drivers")
    total = int(cells[1:].sum())
    shares = ", ".join(f"zone {number} {count / total:.0%}" for number, count in enumerate(cells[1:], 1))
    return [f"Map of {total} cells: {shares}; {novel / total:.1%} are unlike all sites (novelty above 1); "
            f"{int(cells[0])} cells lack a factor"]
