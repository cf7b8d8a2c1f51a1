"""SPEI-12 of a map against climate-indices on the same water balance in the same run, and the memory of the whole step.

Prints rows for RESULTS.md: date, machine, distribution, months, ours and the peer in pixels per second, ratio, largest
difference of the index. Medians of `--repeats`, interleaved; ours on `--pixels`, the peer on the first of them, in two
ways: `loop`, a call per pixel (on `--loop` pixels), and `block`, its calls for many pixels at once, which its version 3
compiles (on `--block` pixels, in pieces and in as many threads as there are cores, which is where it is fastest).

With `--step ROWSxCOLUMNS` it then writes a cube of precipitation and PET of that size, runs `reco derive_spei` on it
with `--memory` GB and prints seconds and the largest memory of the process (Linux).
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Callable

import numpy as np
import xarray as xr
from common import parsed

from reco_core.deps import need
from reco_core.drivers.water_balance import spei
from reco_core.errors import MissingDependency
from reco_core.io.rasters.cubes import CubeWriter
from reco_core.io.rasters.grid import parse_crs

SCALE, WIDEST, PIECE = 12, 3.09, 1000
SAME = 1e-5  # the peer takes shapes below 1e-6 for 0
CORES = os.cpu_count() or 1
MEASURED = """
import sys
from reco_core.cli import main
if main(sys.argv[1:]):
    sys.exit(1)
print([line for line in open("/proc/self/status") if line.startswith("VmHWM")][0])
"""


def world(months: int, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return monthly precipitation and PET [mm], shape (months, pixels), float32."""
    rng = np.random.default_rng(0)
    season = np.cos((np.arange(months)[:, None] - 6) * np.pi / 6).astype("float32")
    precip = rng.standard_gamma(2, (months, pixels), dtype="float32") * (40 + 15 * season)
    return precip, 70 + 50 * season + 12 * rng.standard_normal((months, pixels), dtype="float32")


def peer_of(distribution: str, months: int) -> Callable[..., np.ndarray]:
    """Return climate-indices' SPEI as a function of precipitation and PET."""
    module, compute = need("climate_indices.indices", extra="peers"), need("climate_indices.compute", extra="peers")
    structlog = need("structlog", extra="peers")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)
    warnings.filterwarnings("ignore", module="climate_indices")
    kind = module.Distribution(distribution.replace("_", ""))

    def index(precip: np.ndarray, pet: np.ndarray, **options: bool) -> np.ndarray:
        years = 2001, 2001, 2000 + months // 12
        return module.spei(precip, pet, SCALE, kind, compute.Periodicity.monthly, *years, **options)

    return index


def loop(index: Callable[..., np.ndarray], precip: np.ndarray, pet: np.ndarray) -> np.ndarray:
    """Return the index of each column, one call per pixel."""
    return np.stack([index(p, e) for p, e in zip(precip.T, pet.T)], axis=1)


def block(index: Callable[..., np.ndarray], precip: np.ndarray, pet: np.ndarray) -> np.ndarray:
    """Return the index of all columns, a call per piece, in threads."""
    def part(start: int) -> np.ndarray:
        piece = (np.ascontiguousarray(values[:, start:start + PIECE, np.newaxis]) for values in (precip, pet))
        return index(*piece, spatial_time_major=True)[..., 0]

    with ThreadPoolExecutor(CORES) as pool:
        return np.concatenate(list(pool.map(part, range(0, precip.shape[1], PIECE))), axis=1)


def seconds(function: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def compare(distribution: str, options: argparse.Namespace) -> None:
    """Measure one distribution and print its rows."""
    precip, pet = world(options.months, options.pixels)
    balance = precip - pet

    def ours() -> np.ndarray:
        return spei(balance, SCALE, distribution=distribution)

    head = f"| {date.today()} | {CORES} cores | {distribution} | {options.months} | {options.pixels} |"
    spei(balance[:, :500], SCALE, distribution=distribution)
    try:
        index = peer_of(distribution, options.months)
    except MissingDependency as error:
        mine = [seconds(ours) for _ in range(options.repeats)]
        print(f"{head} {options.pixels / statistics.median(mine):.0f} | not installed | - | - | - |", flush=True)
        print(error.hint, file=sys.stderr)
        return
    for name, way, pixels in (("loop", loop, options.loop), ("block", block, options.block)):
        few = [values[:, :pixels].astype("float64") for values in (precip, pet)]
        theirs = way(index, *few)
        gap = float(np.nanmax(np.abs(spei(few[0] - few[1], SCALE, distribution=distribution, clip=WIDEST) - theirs)))
        assert gap < SAME, f"the answers differ by {gap}"
        pairs = [(seconds(ours), seconds(lambda w=way, f=few: w(index, *f))) for _ in range(options.repeats)]
        mine, other = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
        ratios = sorted(pair[1] / pixels * options.pixels / pair[0] for pair in pairs)
        print(f"{head} {options.pixels / mine:.0f} | climate-indices, {name} ({pixels}) | {pixels / other:.0f} | "
              f"{statistics.median(ratios):.1f} [{ratios[0]:.1f}..{ratios[-1]:.1f}] | {gap:.1g} |", flush=True)


def write_drivers(path: Path, rows: int, columns: int, months: int) -> None:
    """Write a cube of precipitation and PET [mm d-1]."""
    cell = 90 / rows
    times = (np.datetime64("2001-01") + np.arange(months)).astype("datetime64[ns]")
    template = xr.Dataset(coords={
        "time": times, "y": 60 - cell * (np.arange(rows) + 0.5), "x": cell * (np.arange(columns) + 0.5),
        "spatial_ref": ((), 0, {"crs_wkt": str(parse_crs("EPSG:4326").to_wkt()),
                                "GeoTransform": f"0 {cell} 0 60 0 {-cell}"})})
    template.attrs.update(reco_kind="drivers", time_step="month", history="benchmark")
    attrs = {"units": "mm d-1", "grid_mapping": "spatial_ref"}
    names = {"precip": "Precipitation", "pet": "Potential evapotranspiration"}
    with CubeWriter(path, template, {name: (("time", "y", "x"), {**attrs, "long_name": long})
                                     for name, long in names.items()}) as writer:
        for row in range(0, rows, 256):
            deep = min(256, rows - row)
            for name, values in zip(names, world(months, deep * columns)):
                rate = np.maximum(values, 0).reshape(months, deep, columns) / 30
                writer.write(name, rate, row, 0)


def step(size: str, options: argparse.Namespace) -> None:
    """Run the whole step in a process of its own and print its seconds and memory."""
    rows, columns = (int(part) for part in size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder, "drivers.zarr"), Path(folder, "spei.zarr")
        write_drivers(source, rows, columns, options.months)
        arguments = ["derive_spei", "--drivers", str(source), "--scales", str(SCALE), "--memory", str(options.memory),
                     "--output", str(made), "--progress", "none"]
        before = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", MEASURED, *arguments], check=True, capture_output=True, text=True)
        taken = time.perf_counter() - before
    print(f"| {date.today()} | {CORES} cores | reco derive_spei --scales {SCALE} --memory {options.memory:g} | "
          f"{rows} x {columns} x {options.months} | {taken:.0f} | {rows * columns / taken:.0f} | "
          f"{int(done.stdout.split()[-2]) / 1024**2:.2f} |", flush=True)


def main() -> None:
    """Measure every distribution, then the step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--distributions", default="log_logistic,gamma")
    parser.add_argument("--months", type=int, default=240)
    parser.add_argument("--pixels", type=int, default=200_000)
    parser.add_argument("--loop", type=int, default=400, help="pixels that the peer computes one by one")
    parser.add_argument("--block", type=int, default=16_000, help="pixels that the peer computes in blocks")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--step", default="1000x1000", help="rows x columns of the cube; empty: not measured")
    parser.add_argument("--memory", type=float, default=0.5, help="GB that the step may take for tiles")
    options = parsed(parser, months=120, pixels=2000, loop=8, block=200, repeats=1, step="64x64")
    print("| date | machine | distribution | months | pixels | ours (pixels/s) | peer | peer (pixels/s) | ratio | "
          "largest difference |")
    for distribution in options.distributions.split(","):
        compare(distribution, options)
    if options.step:
        print("| date | machine | step | cells x months | seconds | pixels/s | largest memory (GB) |")
        step(options.step, options)


if __name__ == "__main__":
    main()
