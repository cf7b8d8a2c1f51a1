"""Time and cost of very large jobs, reckoned from the measured throughput of the step `explain`.

python benchmarks/cluster_cost.py [--cores 64] [--price 0.045] [--efficiency 0.8] [--rate ROWS --of CORES]

Without `--rate` the newest row of `bench_map.py` in RESULTS.md counts: rows per second of the whole step, with reading
and writing, over the processor time it took, since other work on the machine takes none of that.
Time = rows x trees / (rows per second of processor time x trees of that row x cores x share of it that is kept).
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

from run import Table, cells, tables_of

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"
BYTES, PACKED = 4, 1.6  # of a value of float32, and how much smaller the files are than the values
GRID_005 = 7200 * 3600


@dataclass(frozen=True)
class Job:
    """A map: cells that are estimated, time steps, trees of the whole ensemble, drivers."""

    name: str
    cells: float
    steps: int
    boosters: int
    trees: int = 300
    drivers: int = 20

    @property
    def rows(self) -> float:
        """Cells times time steps."""
        return self.cells * self.steps


@dataclass(frozen=True)
class Measured:
    """What was measured: rows per second of a booster with so many trees, on so many cores that worked for it."""

    rate: float
    trees: int
    cores: float
    source: str

    @property
    def tree_rows(self) -> float:
        """Trees times rows per second and core."""
        return self.rate * self.trees / self.cores


JOBS = (
    Job("globe, 0.05 degree, one month, vegetated land, one booster", 0.23 * GRID_005, 1, 1),
    Job("globe, 0.05 degree, one month, vegetated land, 200 boosters", 0.23 * GRID_005, 1, 200),
    Job("globe, 0.05 degree, 240 months, vegetated land, one booster", 0.23 * GRID_005, 240, 1),
    Job("globe, 0.05 degree, 240 months, vegetated land, 200 boosters", 0.23 * GRID_005, 240, 200),
    Job("China's grasslands, 1 km, 8 days, one year, one booster", 4.0e6, 46, 1),
    Job("China's grasslands, 1 km, 8 days, one year, 200 boosters", 4.0e6, 46, 200),
    Job("China's grasslands, 1 km, 8 days, 20 years, one booster", 4.0e6, 920, 1),
    Job("China's grasslands, 1 km, 8 days, 20 years, 200 boosters", 4.0e6, 920, 200),
)


def newest(text: str) -> Measured:
    """Return what the newest row of `bench_map.py` in RESULTS.md says."""
    tables = tables_of(text[text.index("`benchmarks/bench_map.py`"):].split("\n## ")[0])
    rate, share = ([table for table in tables if name in cells(table.header)][-1]
                   for name in ("rows/s", "processor over wall time x cores"))

    def number(table: Table, name: str) -> float:
        found = re.match(r"[\d.]+", table.column(table.rows[-1], name))
        assert found is not None, table.rows[-1]
        return float(found.group())

    machine = rate.column(rate.rows[-1], "machine")
    used = number(rate, "machine") * number(share, "processor over wall time x cores") / 100
    return Measured(number(rate, "rows/s"), int(number(rate, "booster")), used,
                    f"{rate.column(rate.rows[-1], 'date')}, {machine}")


def words(hours: float) -> str:
    """Return a length of time."""
    if hours < 1 / 30:
        return f"{hours * 3600:.0f} s"
    if hours < 2:
        return f"{hours * 60:.0f} min"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"


def amount(value: float) -> str:
    """Return a number with two digits that count, or without decimals."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def line(job: Job, measured: Measured, options: argparse.Namespace) -> str:
    """Return a row of the table: job, rows, core hours, time on this many cores, cost, what is written."""
    tree_rows = job.rows * job.boosters * job.trees
    core_hours = tree_rows / (measured.tree_rows * options.efficiency) / 3600
    written = job.rows * (job.drivers + 2) * BYTES / PACKED / 1e9
    return (f"| {job.name} x {job.trees} trees | {job.rows / 1e6:,.0f} M | {amount(core_hours)} | "
            f"{words(core_hours / options.cores)} | {amount(core_hours * options.price)} | {amount(written)} |")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cores", type=int, default=64)
    parser.add_argument("--price", type=float, default=0.045, help="of a core for an hour [USD]")
    parser.add_argument("--efficiency", type=float, default=0.8, help="share of the rate that many workers keep")
    parser.add_argument("--rate", type=float, help="rows per second of a booster of --trees trees")
    parser.add_argument("--of", type=int, default=2, help="cores on which --rate was measured")
    parser.add_argument("--trees", type=int, default=300)
    options = parser.parse_args()
    measured = newest(RESULTS.read_text(encoding="utf-8")) if options.rate is None else Measured(
        options.rate, options.trees, options.of, "given")
    print(f"{measured.rate:,.0f} rows/s x {measured.trees} trees on {measured.cores:g} cores ({measured.source}) = "
          f"{measured.tree_rows / 1e6:.1f} million tree-rows per second and core; {options.efficiency:.0%} of it on "
          f"{options.cores} cores; {options.price:g} USD per core and hour\n")
    print(f"| job | rows | core hours | time on {options.cores} cores | USD | written (GB) |")
    print("|---|---|---|---|---|---|")
    for job in JOBS:
        print(line(job, measured, options))


if __name__ == "__main__":
    main()
