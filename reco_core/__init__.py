"""RECO: maps of ecosystem respiration, explained by their drivers, with trends.

Importing this package loads nothing heavy: names are fetched when first used.

Examples
--------
>>> import reco_core
>>> "fit" in reco_core.STEPS
True
"""

from __future__ import annotations

import importlib
from typing import Any

from .version import __version__

_PUBLIC = {
    "STEPS": "catalogue", "MODELS": "catalogue",
    "RecoError": "errors",
    "Progress": "progress",
    "run_step": "actions",
    "open_drivers": "io.drivers.files", "open_observations": "io.observations.read",
    "open_samples": "io.observations.read", "open_model": "actions.models",
    "FittedModel": "models.base", "make_drivers": "world", "respiration": "world",
    "trend_maps": "trends", "score": "evaluation.metrics",
}

__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(f".{_PUBLIC[name]}", __name__), name)
    raise AttributeError(f"module 'reco_core' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
