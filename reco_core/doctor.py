"""A check-up of the installation, in words."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil

from .device import gpu_count, obstacle
from .version import __version__

CORE = {"numpy": "numpy", "scipy": "scipy", "xarray": "xarray", "pandas": "pandas", "rasterio": "rasterio",
        "pyogrio": "pyogrio", "shapely": "shapely", "zarr": "zarr", "netCDF4": "netCDF4", "numba": "numba",
        "scikit-learn": "scikit-learn", "xgboost": "xgboost-cpu", "pymannkendall": "pymannkendall"}
EXTRAS = {"causal": ("tigramite",), "report": ("matplotlib", "jinja2"), "explain": ("shap",),
          "deep": ("torch", "safetensors", "captum"), "search": ("optuna",), "modis": ("pyhdf",),
          "cosore": ("rdata",)}


def examine() -> tuple[list[str], bool]:
    """Return the lines of the report and whether everything RECO must have is there."""
    lines = [f"RECO {__version__}, Python {platform.python_version()} on {platform.system()} {platform.machine()}"]
    missing = []
    for name, distribution in CORE.items():
        version = _version(distribution) or _version(name)
        lines.append(f"  {name:<16} {version or 'MISSING'}")
        if version is None:
            missing.append(distribution)
    for extra, names in EXTRAS.items():
        absent = [name for name in names if _version(name) is None]
        state = "installed" if not absent else \
            f"not installed (optional): python -m pip install 'reco[{extra}]'"
        lines.append(f"  extra {extra:<10} {state}")
    lines.append(f"  QGIS             {_qgis() or 'not found on the PATH (needed only for the plugin)'}")
    lines += _gpu()
    lines.append(f"  processor cores  {os.cpu_count()}")
    free = shutil.disk_usage(os.getcwd()).free / 1e9
    lines.append(f"  free disk        {free:.1f} GB")
    if missing:
        lines.append(f"Missing: install with: python -m pip install {' '.join(missing)}")
    else:
        lines.append("Everything RECO must have is installed.")
    return lines, not missing


def _gpu() -> list[str]:
    """Return what can be computed on a GPU, and why the rest cannot."""
    if gpu_count() == 0:
        return ["  GPU              none of NVIDIA found (optional)"]
    return [f"  GPU              {name}: {obstacle(name) or 'ready'}" for name in ("torch", "xgboost")]


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _qgis() -> str | None:
    return shutil.which("qgis_process.bin") or shutil.which("qgis_process") or shutil.which("qgis")
