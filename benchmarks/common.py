"""What benchmarks share: sizes from the command line, timing in turns, and how a row tells machine and date."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Callable, NoReturn, Sequence

CANNOT = 3  # exit code: something that is needed is not here
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parsed(parser: argparse.ArgumentParser, **quick: Any) -> argparse.Namespace:
    """Return the options of a benchmark; with `--quick` those of a check that takes seconds, given by name."""
    parser.add_argument("--quick", action="store_true", help="small sizes: a check in seconds, no measurement")
    options = parser.parse_args()
    if options.quick:
        for name, value in quick.items():
            setattr(options, name, value)
    return options


def cannot(reason: str) -> NoReturn:
    """End with the reason why a benchmark cannot be run here."""
    print(reason, file=sys.stderr)
    sys.exit(CANNOT)


def machine() -> str:
    """Return what a row says of the machine: cores, memory and, where others work on it too, the load."""
    memory = -(-os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**30)
    busy = os.getloadavg()[0]
    others = busy > CORES * 1.25  # our own threads make a load of 1 per core
    return f"{CORES} cores, {memory} GB" + (f", shared (load {busy:.0f})" if others else "")


def row(*cells: Any) -> None:
    """Print a row for RESULTS.md, with date and machine in front."""
    print(f"| {date.today()} | {machine()} | " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def head(*names: str) -> None:
    """Print the names of the columns."""
    print("| date | machine | " + " | ".join(names) + " |", flush=True)


def seconds(function: Callable[..., object], *args: Any) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def in_turns(repeats: int, *calls: Callable[[], float]) -> list[list[float]]:
    """Return what each of several measurements found, made in turns so that other work disturbs all alike."""
    rounds = [[call() for call in calls] for _ in range(repeats)]
    return [list(column) for column in zip(*rounds)]


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Return the median with least and largest, for example '81 [79..86]'."""
    middle, low, high = statistics.median(values), min(values), max(values)
    text = f"{middle:.{digits}f}"
    return text if len(values) == 1 else f"{text} [{low:.{digits}f}..{high:.{digits}f}]"


SAMPLE_SECONDS = 0.05


@dataclass
class Usage:
    """Processor time of this process while a block of `with` runs, and how many of its threads had work to do.

    On a machine that others use, too, processor time over wall time says more of them than of us. Therefore threads
    that run or wait for a core are counted twenty times a second, as many as there are cores at most: their mean over
    the cores is the share that the process would use of a machine of its own.
    """

    wall: float = 0.0
    own: float = 0.0
    ready: list[int] = field(default_factory=list)

    def __enter__(self) -> Usage:
        self._start = time.perf_counter(), _own()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *about: object) -> None:
        self.wall, self.own = (now - then for now, then in zip((time.perf_counter(), _own()), self._start))
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            self.ready.append(min(_ready_threads(threading.get_native_id()), CORES))

    @property
    def efficiency(self) -> float:
        """Processor time over wall time times cores: what other programs take lowers it."""
        return self.own / (self.wall * CORES)

    @property
    def wanted(self) -> float:
        """Mean number of threads with work to do, over the cores; NaN where the system does not tell."""
        return statistics.fmean(self.ready) / CORES if self.ready else float("nan")


def _own() -> float:
    now = os.times()
    return now.user + now.system


def _ready_threads(but: int) -> int:
    """Return how many threads of this process run or wait for a core, but one."""
    count = 0
    for task in Path("/proc/self/task").glob("*"):
        with suppress(OSError):  # a thread that ended since
            state = (task / "stat").read_text().rpartition(") ")[2][:1]
            count += state == "R" and task.name != str(but)
    return count
