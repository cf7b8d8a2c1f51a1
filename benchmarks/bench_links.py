"""PCMCI+: our search, and our tests in the search with lags, against tigramite, in the same run and one process.

Prints rows for RESULTS.md: sites, rows, drivers, lags, seconds of ours, peer, seconds of the peer, largest difference
of an effect. Medians of `--repeats`, interleaved; marks and lags must be equal.
"""

from __future__ import annotations

import argparse
import statistics
import time
from importlib.metadata import version

import numpy as np
from common import head, parsed, row

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


def timed(table: Table, engine: str, max_lag: int) -> tuple[float, Links]:
    """Return how long a search takes, and what it finds."""
    start = time.perf_counter()
    links = find_links(table, engine=engine, max_lag=max_lag)
    return time.perf_counter() - start, links


def main() -> None:
    """Measure every size and print its row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="8x60x6,20x60x13,1x120x19x1,1x120x19x2,1x120x19x3",
                        help="sites x months x drivers [x largest lag]")
    parser.add_argument("--repeats", type=int, default=3)
    options = parsed(parser, sizes="4x30x3,1x60x3x1", repeats=1)
    find_links(world(4, 24, 3))  # compile
    find_links(world(1, 30, 3), max_lag=1)
    head("sites", "rows", "drivers", "largest lag", "ours (s)", "peer", "peer (s)", "largest difference")
    peer = f"tigramite {version('tigramite')}"
    for size in options.sizes.split(","):
        sites, months, drivers, max_lag = (*(int(part) for part in size.split("x")), 0)[:4]
        table = world(sites, months, drivers)
        pairs = [(timed(table, "own", max_lag), timed(table, "tigramite", max_lag)) for _ in range(options.repeats)]
        gap = np.abs(pairs[0][0][1].effects - pairs[0][1][1].effects).max()
        assert gap < 1e-6, f"the effects differ by {gap}"
        ours, theirs = pairs[0][0][1], pairs[0][1][1]
        assert ours.lags == theirs.lags and [bool(m) for m in ours.marks] == [bool(m) for m in theirs.marks]
        mine, other = (statistics.median(pair[k][0] for pair in pairs) for k in (0, 1))
        ratio = statistics.median(pair[1][0] / pair[0][0] for pair in pairs)
        row(sites, len(table), drivers, max_lag, f"{mine:.3f}", peer, f"{other:.1f} ({ratio:.0f} x)", f"{gap:.1g}")


if __name__ == "__main__":
    main()
