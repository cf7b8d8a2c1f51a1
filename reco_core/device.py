"""Where a method computes: on the processor, or on a GPU where there is one that serves it."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Callable, Mapping

from .deps import need
from .errors import ConfigError, MissingDependency
from .progress import SILENT, Progress

DEVICES = ("auto", "cpu", "cuda")
DRIVERS = ("libcuda.so.1", "nvcuda.dll")


def resolve(wanted: str, accelerator: str, progress: Progress = SILENT) -> str:
    """Return where a method computes, "cpu" or "cuda"; a wish that cannot be met is answered with the reason.

    Parameters
    ----------
    wanted : {"auto", "cpu", "cuda"}
        "auto" takes a GPU where there is one that serves the method, and says nothing where there is none.
    accelerator : str
        The package through which the method can use a GPU ("torch", "xgboost"), empty where it cannot.
    progress : Progress

    Raises
    ------
    ConfigError
        There is no such device.

    Examples
    --------
    >>> resolve("auto", "")
    'cpu'
    """
    if wanted not in DEVICES:
        raise ConfigError(f"There is no device '{wanted}'", "Choose: " + ", ".join(DEVICES))
    if wanted == "cpu":
        return "cpu"
    reason = obstacle(accelerator)
    if not reason:
        return "cuda"
    if wanted == "cuda":
        progress.warn(f"The processor computes, although device=cuda was asked for: {reason}")
    return "cpu"


@lru_cache(maxsize=8)
def obstacle(accelerator: str) -> str:
    """Return why a method cannot use a GPU here, or nothing if it can."""
    if not accelerator:
        return "this method has no computations for a GPU"
    if gpu_count() == 0:
        return "no GPU of NVIDIA, or no driver of one, was found"
    try:
        return _CHECKS[accelerator]()
    except MissingDependency as error:
        return f"{error.message}. {error.hint}"


def gpu_count() -> int:
    """Return how many GPUs the driver of NVIDIA knows; 0 without a driver."""
    for name in DRIVERS:
        try:
            driver = ctypes.CDLL(name)
        except OSError:
            continue
        count = ctypes.c_int(0)
        if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0:
            return count.value
    return 0


def _torch_obstacle() -> str:
    torch = need("torch", extra="deep")
    if not torch.cuda.is_available():
        return f"torch {torch.__version__} cannot use the GPU. Install a torch with CUDA for this driver"
    try:
        (torch.ones(8, device="cuda") + 1).sum().item()  # an older GPU is there and has no kernels
    except RuntimeError as error:
        return f"torch {torch.__version__} fails on the GPU: {str(error).splitlines()[0]}"
    return ""


def _xgboost_obstacle() -> str:
    xgboost = need("xgboost")
    if xgboost.build_info().get("USE_CUDA"):
        return ""
    return ("xgboost was installed without CUDA. To change that: python -m pip uninstall -y xgboost-cpu; "
            "python -m pip install --force-reinstall --no-deps xgboost")


_CHECKS: Mapping[str, Callable[[], str]] = {"torch": _torch_obstacle, "xgboost": _xgboost_obstacle}
