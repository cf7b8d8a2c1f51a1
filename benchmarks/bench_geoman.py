"""Estimates of Geoman for many rows at once against a loop over rows in eager torch, and what contributions cost.

Prints rows for RESULTS.md: date, machine, window, hidden units, rows per second of one member: all at once without
torch, one by one in torch (on `--loop` rows), all at once in torch; ratios to both, the largest difference of the
scaled estimate, and rows per second of contributions. Medians of `--repeats`, interleaved; on `--threads` threads.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from datetime import date
from typing import Callable

import numpy as np
from common import parsed

from reco_core.deps import need
from reco_core.models.geoman_network import GeomanNetwork
from reco_core.models.geoman_numpy import CompiledGeoman, Shape

SERIES, EXTERNAL = 7, 3
SAME = 1e-5


def seconds(function: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def member(window: int, hidden: int) -> tuple[CompiledGeoman, GeomanNetwork]:
    """Return the same network with random weights in numpy and in torch."""
    torch = need("torch", extra="deep")
    torch.manual_seed(0)
    features = SERIES + 1
    module = GeomanNetwork(Shape(window, SERIES, EXTERNAL, hidden)).eval()
    weights = {name: values.detach().numpy() for name, values in module.state_dict().items()}
    local_at = (np.arange(window) + 1)[:, None] * features + np.arange(SERIES)
    background = np.random.default_rng(1).normal(size=(64, (window + 1) * features)).astype("float32")
    return CompiledGeoman(module.shape, weights, local_at, np.array([7, 0, 1]), background, features), module


def measure(window: int, hidden: int, options: argparse.Namespace) -> None:
    """Measure one size of network and print its row."""
    torch = need("torch", extra="deep")
    ours, module = member(window, hidden)
    rows = np.random.default_rng(0).normal(size=(options.rows, ours.background.shape[1])).astype("float32")
    local, external = torch.from_numpy(rows[:, ours.local_at]), torch.from_numpy(rows[:, ours.external_at])

    def loop() -> np.ndarray:
        with torch.no_grad():
            return np.array([float(module(local[k:k + 1], external[k:k + 1])) for k in range(options.loop)])

    def whole() -> object:
        with torch.no_grad():
            return module(local, external)

    gap = float(np.abs(ours.estimate(rows[:options.loop]) - loop()).max())
    assert gap < SAME, f"the answers differ by {gap}"
    taken = [(seconds(lambda: ours.estimate(rows)), seconds(loop), seconds(whole)) for _ in range(options.repeats)]
    mine, one, many = (statistics.median(run[k] for run in taken) for k in range(3))
    ratios = sorted(run[1] / options.loop * options.rows / run[0] for run in taken)
    split = seconds(lambda: ours.contributions(rows[:options.explain]))
    print(f"| {date.today()} | {os.cpu_count()} cores, {options.threads} used | {window} | {hidden} | "
          f"{options.rows / mine:.0f} | {options.loop / one:.0f} | {options.rows / many:.0f} | "
          f"{statistics.median(ratios):.0f} [{ratios[0]:.0f} to {ratios[-1]:.0f}] | {many / mine:.1f} | {gap:.1g} | "
          f"{options.explain / split:.0f} |", flush=True)


def main() -> None:
    """Measure the default network and the published one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="12x32,12x64", help="window x hidden units, separated by commas")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--loop", type=int, default=300, help="rows that torch estimates one by one")
    parser.add_argument("--explain", type=int, default=100, help="rows that are split into contributions")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parsed(parser, sizes="6x8", rows=200, loop=10, explain=4, repeats=1)
    need("torch", extra="deep").set_num_threads(options.threads)
    limits = need("threadpoolctl").threadpool_limits
    print("| date | machine | window | hidden | ours (rows/s) | torch, one by one | torch, at once | "
          "ratio to one by one | ratio to at once | largest difference | contributions (rows/s) |")
    with limits(options.threads):
        for size in options.sizes.split(","):
            measure(*(int(part) for part in size.split("x")), options)


if __name__ == "__main__":
    main()
