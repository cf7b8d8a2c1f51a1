"""What RECO can do, as data: every front end is made from these records."""

from __future__ import annotations

from ..errors import ConfigError
from .calibration import CALIBRATION_STEPS
from .comparison import COMPARISON_STEPS
from .data import DATA_STEPS
from .derive import DERIVE_STEPS
from .maps import MAP_STEPS
from .models import MODEL_STEPS, MODELS
from .records import FILE_KINDS, INPUT_KINDS, OUTPUT_KINDS, Param, Step, resolve, suggestion
from .survey import SURVEY_STEPS
from .zones import ZONE_STEPS

STEPS: dict[str, Step] = {
    step.name: step for step in (*DATA_STEPS, *SURVEY_STEPS, *DERIVE_STEPS, *MODEL_STEPS, *COMPARISON_STEPS,
                                 *ZONE_STEPS, *MAP_STEPS, *CALIBRATION_STEPS)}


def get_step(name: str) -> Step:
    """Return the step called `name`; underscores and hyphens are the same."""
    key = name.replace("-", "_")
    if key not in STEPS:
        raise ConfigError(f"There is no step '{name}'", suggestion(key, list(STEPS)))
    return STEPS[key]


__all__ = ["FILE_KINDS", "INPUT_KINDS", "MODELS", "OUTPUT_KINDS", "STEPS", "Param", "Step",
           "get_step", "resolve", "suggestion"]
