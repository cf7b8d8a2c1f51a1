"""Largest memory of whole processes that run predict, explain and trend: on a large sparse source, and on a full one.

Prints rows for RESULTS.md. Each step is a process of its own, started as users start it (`python -m reco_core`), and
the largest resident memory is what the system says of it when it ends. The large source is a cube of 20,000 x 20,000
cells and 12 months with data in 200 tiles of 256 x 256 cells drawn over it, and nothing elsewhere.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import head, parsed, row
from scene import drawn, write_drivers, write_model

STEPS = ("predict", "explain", "trend")


def commands(folder: Path, cube: Path, memory: float) -> dict[str, list[str]]:
    """Return the command line of each step."""
    inputs = ["--model", folder / "model", "--drivers", cube, "--device", "cpu"]
    found = {"predict": [*inputs, "--flux", folder / "flux.tif", "--spread", folder / "spread.tif",
                         "--applicability", folder / "applicability.tif"],
             "explain": [*inputs, "--folder", folder / "explained"],
             "trend": ["--estimate", folder / "flux.tif", "--annual", "none", "--output", folder / "trend.tif"]}
    return {step: [str(word) for word in ("-m", "reco_core", step, *words, "--memory", memory, "--progress", "none")]
            for step, words in found.items()}


def run(command: list[str]) -> tuple[float, float]:
    """Run a step and return its largest resident memory [GB] and the time it takes [s]."""
    start = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([sys.executable, *command], stdout=said, stderr=said, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            said.seek(0)
            sys.exit(f"{' '.join(command)}\n{said.read().decode()}")
    return usage.ru_maxrss * 1024 / 1e9, time.perf_counter() - start


def main() -> None:
    """Run the steps on both sources and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", default="20000:200,2000:all", help="side:tiles, separated by commas")
    parser.add_argument("--steps", default=",".join(STEPS))
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--drivers", type=int, default=4)
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--memory", type=float, default=0.5, help="budget of a step [GB]")
    parser.add_argument("--folder", default=None, help="where files go; a temporary folder if not given")
    options = parsed(parser, sources="300:2", trees=20, depth=4)
    head("source", "step", "budget (GB)", "largest memory (GB)", "seconds")
    for source in options.sources.split(","):
        side, _, count = source.partition(":")
        with tempfile.TemporaryDirectory(dir=options.folder) as place:
            folder = Path(place)
            write_model(folder / "model", options.drivers, options.trees, options.depth)
            tiles = None if count == "all" else drawn(int(side), int(count))
            cube = write_drivers(folder / "cube.zarr", int(side), options.months, options.drivers, tiles)
            size = f"{side} x {side} x {options.months}, {options.drivers} drivers"
            size += "" if tiles is None else f", data in {len(tiles)} tiles"
            peaks = []
            for step, command in commands(folder, cube, options.memory).items():
                if step not in options.steps.split(","):
                    continue
                peak, took = run(command)
                peaks.append(peak)
                row(size, step, f"{options.memory:g}", f"{peak:.2f}", f"{took:.0f}")
            row(size, "the largest of them", f"{options.memory:g}", f"{max(peaks):.2f}", "")


if __name__ == "__main__":
    main()
