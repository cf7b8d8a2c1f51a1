"""The one door through which heavy or optional packages enter."""

from __future__ import annotations

import importlib
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Callable

from .errors import MissingDependency, out_of_memory


def need(module: str, extra: str = "") -> ModuleType:
    """Import and return `module`, or say which command installs it.

    Parameters
    ----------
    module : str
        Dotted module name.
    extra : str
        The extra of the `reco` distribution that carries it; empty for the core.

    Raises
    ------
    MissingDependency
        The package, or something it needs, is not installed.
    MemoryError
        There is no room to load it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if out_of_memory(error):
            raise MemoryError(str(error)) from error
        target = f"reco[{extra}]" if extra else "reco"
        raise MissingDependency(
            f"The Python package '{module.split('.')[0]}' cannot be imported: {error}",
            f"Install it with: python -m pip install '{target}'",
        ) from error


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel with numba; it releases the GIL, so that threads can share the work.

    Machine code is kept on disk where numba may write; where it may not (a read-only
    installation without a home folder) the kernel is compiled anew in each process.
    """
    njit = need("numba").njit
    forget_stale_code(Path(__file__).parent)
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba: "no locator available"
        return njit(nogil=True)(function)


@cache
def forget_stale_code(package: Path) -> None:
    """Remove the indices of machine code in a package that are older than its newest kernel.

    numba compiles again what has changed itself, but not what calls or holds something that has changed.
    """
    kernels = [path.stat().st_mtime for path in package.rglob("*.py") if b"jit" in path.read_bytes()]
    for index in package.rglob("__pycache__/*.nbi"):
        with suppress(OSError):  # gone since, or not ours to remove
            if index.stat().st_mtime < max(kernels, default=0.0):
                index.unlink()
