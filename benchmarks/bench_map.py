"""The whole step `explain`, Zarr in and GeoTIFF out: as it is, and with xgboost's pred_contribs in the place of tables.

Prints rows for RESULTS.md. The peer is the same step with the same reading, checking and writing; it works on two small
windows of the same cube, from which its time for the whole map is reckoned (what both take alike counts once). Both
must write the same contributions in the smaller window. A second table tells what share of the processor the step uses,
and for what share of its time it computes rather than opens, waits for reading and writing, or closes.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

import numpy as np
from common import Usage, head, in_turns, parsed, row, seconds, spread
from scene import box, names, write_drivers, write_model

from reco_core.actions import run_step
from reco_core.deps import need
from reco_core.explain.shelf import Shelf
from reco_core.inference.job import MapJob

SAME = 1e-4


@contextmanager
def xgboost_inside() -> Iterator[None]:
    """Let the step ask xgboost for estimates and contributions."""
    usual = Shelf.tables
    Shelf.tables = lambda self, trees, place: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        Shelf.tables = usual  # type: ignore[method-assign]


def explain(folder: Path, cells: int | None, options: argparse.Namespace, name: str) -> None:
    """Run the step on the whole cube, or on its first cells."""
    values = {"model": str(folder / "model"), "drivers": str(folder / "cube.zarr"), "memory": options.memory,
              "device": "cpu", "region": box(cells) if cells else None}
    run_step("explain", values, folder=str(folder / name))


def peer(folder: Path, cells: int, options: argparse.Namespace) -> float:
    """Return how long the step takes with xgboost inside."""
    with xgboost_inside():
        return seconds(explain, folder, cells, options, f"peer-{cells}")


@contextmanager
def computing() -> Iterator[list[float]]:
    """Give the seconds that each tile was computed, less those that it waited for reading and writing."""
    usual, found = MapJob.work, []

    def work(self: MapJob, *args: Any, **more: Any) -> Any:
        start, waited = time.perf_counter(), self.waited
        try:
            return usual(self, *args, **more)
        finally:
            found.append(time.perf_counter() - start - (self.waited - waited))

    MapJob.work = work  # type: ignore[method-assign]
    try:
        yield found
    finally:
        MapJob.work = usual  # type: ignore[method-assign]


def whole(folder: Path, options: argparse.Namespace, used: list[tuple[Usage, float]]) -> float:
    """Return how long the step takes, and keep what it used and for how long it computed."""
    with Usage() as usage, computing() as found:
        explain(folder, None, options, "ours")
    used.append((usage, sum(found)))
    return usage.wall


def difference(folder: Path, cells: int, drivers: int) -> float:
    """Return the largest difference of the two steps in the peer's window, over the largest contribution."""
    rasterio = need("rasterio")
    gaps, sizes = [], []
    for name in names(drivers):
        parts = []
        for run in ("ours", f"peer-{cells}"):
            with rasterio.open(folder / run / "contributions" / f"{name}.tif") as file:
                parts.append(file.read(window=((0, cells), (0, cells))))
        gaps.append(np.abs(parts[0] - parts[1]).max())
        sizes.append(np.abs(parts[1]).max())
    return float(max(gaps) / max(sizes))


def main() -> None:
    """Make the map both ways and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=512, help="rows and columns of the map")
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--drivers", type=int, default=20)
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--peer", type=int, default=28, help="rows and columns that the peer explains")
    parser.add_argument("--memory", type=float, default=2.0)
    parser.add_argument("--repeats", type=int, default=3)
    options = parsed(parser, side=64, months=3, drivers=4, trees=30, depth=4, peer=16, repeats=1)
    small = max(4, options.peer // 4)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_model(folder / "model", options.drivers, options.trees, options.depth)
        write_drivers(folder / "cube.zarr", options.side, options.months, options.drivers)
        explain(folder, small, options, "warm")  # compile
        used: list[tuple[Usage, float]] = []
        mine, large, little = in_turns(
            options.repeats, lambda: whole(folder, options, used), lambda: peer(folder, options.peer, options),
            lambda: peer(folder, small, options))
        gap = difference(folder, options.peer, options.drivers)
    assert gap < SAME, f"the maps differ by {gap:.2g} of the largest contribution"
    per_cell = [max(a - b, 0.0) / (options.peer ** 2 - small ** 2) for a, b in zip(large, little)]
    theirs = [b + per * (options.side ** 2 - small ** 2) for b, per in zip(little, per_cell)]
    ratios = [other / own for other, own in zip(theirs, mine)]
    size = f"{options.side} x {options.side} x {options.months}, {options.drivers} drivers"
    trees = f"{options.trees} trees, depth {options.depth}"
    head("map", "booster", "ours (s)", "rows/s", "peer", "peer (s)", "largest difference")
    row(size, trees, spread(mine, 1), f"{options.side ** 2 * options.months / statistics.median(mine):.0f}",
        f"the step with xgboost {need('xgboost').__version__}, {options.peer} x {options.peer} cells scaled up",
        f"{statistics.median(theirs):.0f} ({spread(ratios)} x)", f"{gap:.1g}")
    print()
    head("map", "booster", "processor over wall time x cores", "threads with work to do over cores",
         "computing over wall time")
    row(size, trees, spread([100 * usage.efficiency for usage, _ in used]) + " %",
        spread([100 * usage.wanted for usage, _ in used]) + " %",
        spread([100 * busy / usage.wall for usage, busy in used]) + " %")


if __name__ == "__main__":
    main()
