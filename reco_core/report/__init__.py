"""Figures and one self-contained HTML page about a region; knows arrays, not files."""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "build_report": "render", "ReportInputs": "inputs", "Frame": "inputs", "Driver": "inputs",
    "Series": "inputs", "Skill": "inputs", "ScoreRow": "inputs", "Note": "inputs", "Held": "inputs",
    "Tally": "tally", "TrendTally": "tally", "Coarse": "tally",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(f".{_PUBLIC[name]}", __name__), name)
    raise AttributeError(f"module 'reco_core.report' has no attribute '{name}'")
