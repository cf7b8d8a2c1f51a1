"""Threads that share one computation."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Sequence, TypeVar

from .progress import SILENT, Progress

FEWEST_ROWS, MOST_ROWS = 64, 2048
Part = TypeVar("Part")


def available_cores() -> int:
    """Return the number of processor cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def in_threads(work: Callable[[Part], Any], parts: Sequence[Part], progress: Progress = SILENT, *,
               threads: int = 0) -> None:
    """Do some work for all parts, by all cores or in so many threads; each part writes what is its own.

    What has not begun is given up where a part fails, or somebody asks to stop.
    """
    with ThreadPoolExecutor(threads or available_cores()) as pool:
        tasks = [pool.submit(work, part) for part in parts]
        try:
            for done, task in enumerate(tasks):
                task.result()
                progress((done + 1) / len(tasks))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def in_parts(rows: int, work: Callable[[slice], Any]) -> None:
    """Do some work for all parts of so many rows, in threads where there are several."""
    size = max(FEWEST_ROWS, min(MOST_ROWS, -(-rows // 16)))
    parts = [slice(first, first + size) for first in range(0, rows, size)]
    if len(parts) == 1:
        work(parts[0])
    elif parts:
        in_threads(work, parts)
