"""Trends of a map: our kernel against pymannkendall in a loop over pixels, in the same run.

Prints rows for RESULTS.md: date, machine, pixels, years, seconds of ours, peer, seconds of the peer
(scaled up from `--peer` pixels), largest difference of slope and p. Medians of `--repeats`, interleaved.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from datetime import date

import numpy as np

from reco_core.deps import need
from reco_core.trends import trend_maps


def world(years: int, pixels: int, gaps: float) -> np.ndarray:
    """Return annual fluxes with trends and, if asked for, gaps, shape (years, pixels)."""
    rng = np.random.default_rng(0)
    values = 600 + 60 * rng.standard_normal((years, pixels)) + rng.normal(0, 3, pixels) * np.arange(years)[:, None]
    values[rng.random(values.shape) < gaps] = np.nan
    return values.astype("float32")


def peer(values: np.ndarray) -> np.ndarray:
    """Return slope and p of each column by pymannkendall."""
    test = need("pymannkendall").original_test
    results = [test(column) for column in values.T]
    return np.array([(result.slope, result.p) for result in results]).T


def seconds(function, *args) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def main() -> None:
    """Measure every size and print its row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="20x200000,50x50000,240x3000", help="years x pixels, separated by commas")
    parser.add_argument("--gaps", type=float, default=0.0, help="share of missing values")
    parser.add_argument("--peer", type=int, default=400, help="pixels that the peer computes")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print("| date | machine | pixels | years | ours (s) | peer | peer (s) | largest difference |")
    for size in options.sizes.split(","):
        years, pixels = (int(part) for part in size.split("x"))
        values, times = world(years, pixels, options.gaps), np.arange(float(years))
        few = values[:, :options.peer]
        ours, theirs = trend_maps(few, times, min_n=3), peer(few)
        gap = [np.nanmax(np.abs(ours[name] - row)) for name, row in zip(("slope", "p"), theirs)]
        assert gap[0] < 1e-9 and gap[1] < 1e-12, f"the answers differ by {gap}"
        pairs = [(seconds(lambda v=values, t=times: trend_maps(v, t, min_n=3)), seconds(peer, few))
                 for _ in range(options.repeats)]
        mine = statistics.median(pair[0] for pair in pairs)
        other = statistics.median(pair[1] for pair in pairs) * pixels / few.shape[1]
        ratio = statistics.median(pair[1] * pixels / few.shape[1] / pair[0] for pair in pairs)
        print(f"| {date.today()} | {os.cpu_count()} cores | {pixels} | {years} | {mine:.2f} | pymannkendall loop | "
              f"{other:.0f} ({ratio:.0f} x) | slope {gap[0]:.1g}, p {gap[1]:.1g} |", flush=True)


if __name__ == "__main__":
    main()
