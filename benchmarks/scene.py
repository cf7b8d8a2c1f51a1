"""Drivers and models of any size for benchmarks of whole steps: a cube in Zarr and a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Iterable, Sequence

import numpy as np
import xarray as xr

from reco_core.io.artifact import write_artifact
from reco_core.io.rasters.cubes import CubeWriter
from reco_core.io.rasters.grid import Grid, parse_crs, spatial_ref
from reco_core.models.base import Feature, FittedModel
from reco_core.models.registry import make_model

TRAINING_ROWS = 40_000
TILE = 256
CELL = 0.005


def names(drivers: int) -> list[str]:
    """Return names of drivers that are in no vocabulary, so that any value is valid."""
    return [f"driver{k:02d}" for k in range(drivers)]


def flux(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a flux that depends on the drivers, with noise."""
    y = 80 + 20 * np.exp(0.4 * X[:, 0]) * (1 + np.tanh(X[:, 1])) + 10 * X[:, -1] * X[:, X.shape[1] // 2] + X.sum(axis=1)
    return y + rng.normal(size=len(y))


def write_model(folder: Path, drivers: int, trees: int, depth: int, boosters: int = 1) -> Path:
    """Write a fitted model of one fold with so many boosters."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(TRAINING_ROWS, drivers)).astype("float32")
    y, group = flux(X, rng), np.arange(TRAINING_ROWS) % 100
    settings = {"n_estimators": trees, "max_depth": depth, "early_stopping": 0, "subsample": 0.8,
                "colsample_bylevel": 1.0, "min_child_weight": 3, "gamma": 0.0}
    model = make_model("causal_xgboost", weights="uniform", settings=settings).fit(
        X, y, group=group, seeds=tuple(range(boosters)), features=names(drivers))
    few = slice(0, 500)
    text = np.full(500, "")
    reference = {"X": X[few], "y": y[few], "fold": group[few] % 3, "group": group[few], "site": group[few].astype(str),
                 "stratum": text, "held_out": y[few], "overall": y[few], "weights": np.full(drivers, 1 / drivers)}
    features = tuple(Feature(name, "", name, "environment", float(X[:, k].min()), float(X[:, k].max()))
                     for k, name in enumerate(names(drivers)))
    fitted = FittedModel("causal_xgboost", features, "g C m-2 month-1", "month", "reco", (), (model,),
                         reference=reference)
    return write_artifact(folder, *fitted.to_parts(), {})


def write_drivers(path: Path, side: int, months: int, drivers: int,
                  tiles: Iterable[tuple[int, int]] | None = None) -> Path:
    """Write monthly drivers of side x side cells as a cube; only some tiles of 256 x 256 where they are given."""
    template = _template(side, months)
    with CubeWriter(path, template, {name: (("time", "y", "x"), {"units": "1"}) for name in names(drivers)}) as cube:
        for row, column in tiles if tiles is not None else _all(side):
            high, wide = min(TILE, side - row * TILE), min(TILE, side - column * TILE)
            for k, name in enumerate(names(drivers)):
                cube.write(name, _smooth(k, row, column, (months, high, wide)), row * TILE, column * TILE)
    return path


def drawn(side: int, count: int) -> list[tuple[int, int]]:
    """Return so many tiles of a grid, drawn without replacement and in the order of the map."""
    across = -(-side // TILE)
    chosen = np.random.default_rng(0).choice(across * across, min(count, across * across), replace=False)
    return [divmod(int(number), across) for number in np.sort(chosen)]


def box(cells: int) -> str:
    """Return the region of the first cells x cells of a grid."""
    return f"0,{60 - cells * CELL:.4f},{cells * CELL:.4f},60 [EPSG:4326]"


def _template(side: int, months: int) -> xr.Dataset:
    grid = Grid(parse_crs("EPSG:4326").to_wkt(), (CELL, 0.0, 0.0, 0.0, -CELL, 60.0), side, side)
    x, y = (np.arange(side) + 0.5) * CELL, 60 - (np.arange(side) + 0.5) * CELL
    time = np.datetime64("2001-01", "M") + np.arange(months)
    return xr.Dataset(coords={"time": time.astype("datetime64[ns]"), "y": ("y", y), "x": ("x", x),
                              "spatial_ref": spatial_ref(grid)},
                      attrs={"reco_kind": "drivers", "time_step": "month"})


def _all(side: int) -> Sequence[tuple[int, int]]:
    across = -(-side // TILE)
    return [(row, column) for row in range(across) for column in range(across)]


def _smooth(driver: int, row: int, column: int, shape: tuple[int, int, int]) -> np.ndarray:
    """Return smooth fields with seasons and a little noise, the same whatever tiles are written."""
    months, high, wide = shape
    rng = np.random.default_rng((driver, row, column))
    y, x = (row * TILE + np.arange(high))[:, None], column * TILE + np.arange(wide)
    field = np.sin(x / (30 + 7 * driver) + driver) * np.cos(y / (45 + 5 * driver))
    season = np.sin(2 * np.pi * (np.arange(months) + driver) / 12)
    values = 1.2 * field + 0.8 * season[:, None, None] + 0.15 * rng.standard_normal(shape, dtype="float32")
    return (np.round(values * 64) / 64).astype("float32")  # fewer digits, less disk
