"""Whether a process may take the memory that a map needs, asked before it computes.

Libraries that meet a limit of addresses (`ulimit -v`) in the middle of their work often end the process without a word.
"""

from __future__ import annotations

import os
from typing import Optional

from ..errors import ResourceError

LIBRARIES_GB = 1.2  # addresses of Python and the libraries that a map needs
LATER_GB = 0.45  # of what is compiled and kept while it runs
THREAD_GB, THREADS_PER_CORE = 0.072, 3  # stack and heap of a thread; measured
MOST_CORES = 8  # with more of them threads share heaps where addresses are scarce


def require_addresses(wanted_gb: float = 0.0) -> None:
    """Refuse to begin where the system allows fewer addresses than will be needed; no limit, no check.

    Parameters
    ----------
    wanted_gb : float [GB]
        What arrays will take, once the libraries are loaded; 0 before.

    Raises
    ------
    ResourceError
        The limit is too small.
    """
    limit, taken = _limit_gb(), _taken_gb()
    if limit is None or taken is None:
        return
    threads = THREAD_GB * THREADS_PER_CORE * min(os.cpu_count() or 1, MOST_CORES)
    needed = (taken if wanted_gb else max(taken, LIBRARIES_GB)) + wanted_gb + LATER_GB + threads
    if limit < needed:
        raise ResourceError(
            f"There is not enough memory: this process may address {limit:.2f} GB (ulimit -v) and needs about "
            f"{needed:.2f} GB", "Raise the limit (ulimit -v), lower --memory or work on a smaller region")


def _limit_gb() -> Optional[float]:
    """Return how much a process may address [GB]; None where there is no limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else 1e-9 * limit


def _taken_gb() -> Optional[float]:
    """Return how much this process addresses now [GB]; None where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as stream:
            return 1e-9 * int(stream.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None
