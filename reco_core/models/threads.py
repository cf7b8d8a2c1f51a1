"""Threads that share the rows of one computation."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Iterator

FEWEST_ROWS, MOST_ROWS = 64, 2048


def in_parts(rows: int, work: Callable[[slice], None]) -> None:
    """Do some work for all parts of rows, spread over threads; each part writes what is its own."""
    parts = list(_parts(rows))
    if len(parts) < 2:
        for part in parts:
            work(part)
        return
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(work, parts))


def _parts(rows: int) -> Iterator[slice]:
    size = max(FEWEST_ROWS, min(MOST_ROWS, -(-rows // 16)))
    for first in range(0, rows, size):
        yield slice(first, first + size)
