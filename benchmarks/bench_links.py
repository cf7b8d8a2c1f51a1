"""PCMCI+ without lags: our search against tigramite, in the same run.

Prints rows for RESULTS.md: date, machine, sites, rows, drivers, seconds of ours, peer, seconds of the
peer, largest difference of an effect. Medians of `--repeats`, interleaved.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from datetime import date

import numpy as np

from reco_core.models.causal_links import Links, find_links
from reco_core.models.table import Table


def world(sites: int, months: int, drivers: int) -> Table:
    """Return samples whose drivers hang together, as real ones do."""
    rng = np.random.default_rng(0)
    n = sites * months
    hidden = rng.normal(size=(n, 4))
    X = hidden @ rng.normal(size=(4, drivers)) + rng.normal(size=(n, drivers))
    y = X[:, 0] + 0.5 * X[:, 1] + rng.normal(size=n)
    site, step = np.repeat(np.arange(sites), months), np.tile(np.arange(months), sites)
    return Table(X, y, site, tuple(f"x{k}" for k in range(drivers)), site.astype(str), np.full(n, ""), step, step % 12,
                 2001 + step // 12)


def timed(table: Table, engine: str) -> tuple[float, Links]:
    """Return how long a search takes, and what it finds."""
    start = time.perf_counter()
    links = find_links(table, engine=engine)
    return time.perf_counter() - start, links


def main() -> None:
    """Measure every size and print its row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="8x60x6,20x60x13", help="sites x months x drivers")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    find_links(world(4, 24, 3))  # compile
    print("| date | machine | sites | rows | drivers | ours (s) | peer | peer (s) | largest difference |")
    for size in options.sizes.split(","):
        sites, months, drivers = (int(part) for part in size.split("x"))
        table = world(sites, months, drivers)
        pairs = [(timed(table, "own"), timed(table, "tigramite")) for _ in range(options.repeats)]
        gap = np.abs(pairs[0][0][1].effects - pairs[0][1][1].effects).max()
        assert gap < 1e-6, f"the effects differ by {gap}"
        mine, other = (statistics.median(pair[k][0] for pair in pairs) for k in (0, 1))
        ratio = statistics.median(pair[1][0] / pair[0][0] for pair in pairs)
        print(f"| {date.today()} | {os.cpu_count()} cores | {sites} | {len(table)} | {drivers} | {mine:.3f} | "
              f"tigramite | {other:.1f} ({ratio:.0f} x) | {gap:.1g} |", flush=True)


if __name__ == "__main__":
    main()
