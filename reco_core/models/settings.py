"""Settings of boosting: what the published method takes, what may be changed, and what makes no sense."""

from __future__ import annotations

import difflib
from typing import Any, Mapping, Union

from ..errors import ConfigError

Value = Union[int, float, str]

PUBLISHED: dict[str, Value] = {
    "n_estimators": 10000, "early_stopping": 30, "validation_share": 0.1, "learning_rate": 0.05, "max_depth": 5,
    "min_child_weight": 3.0, "gamma": 0.4, "subsample": 0.8, "colsample_bytree": 1.0, "colsample_bylevel": 0.6,
    "colsample_bynode": 0.8, "reg_lambda": 1.0, "reg_alpha": 0.0, "max_bin": 256, "weight_floor": 0.01,
    "objective": "reg:squarederror",
}
ROBUST: dict[str, Value] = {
    **PUBLISHED, "n_estimators": 120, "early_stopping": 0, "learning_rate": 0.08, "max_depth": 4,
    "min_child_weight": 20.0, "gamma": 0.0, "subsample": 0.7, "colsample_bylevel": 1.0, "colsample_bynode": 0.3,
}
PRESETS = {"published": PUBLISHED, "robust": ROBUST}
SAMPLED = ("colsample_bytree", "colsample_bylevel", "colsample_bynode")
OBJECTIVES = ("reg:squarederror", "reg:absoluteerror")
MOST_TREES_BLIND = 2000
_RANGES: dict[str, tuple[float, float]] = {
    "n_estimators": (1, 100_000), "early_stopping": (0, 10_000), "validation_share": (0.01, 0.9),
    "learning_rate": (1e-4, 1), "max_depth": (1, 16), "min_child_weight": (0, 1e9), "gamma": (0, 1e9),
    "subsample": (0.01, 1), "colsample_bytree": (0.01, 1), "colsample_bylevel": (0.01, 1),
    "colsample_bynode": (0.01, 1), "reg_lambda": (0, 1e9), "reg_alpha": (0, 1e9), "max_bin": (2, 4096),
    "weight_floor": (0, 1),
}


def boosting_settings(given: Union[str, Mapping[str, Any], None] = None) -> dict[str, Value]:
    """Return all settings of boosting: those of a preset, changed as given.

    Parameters
    ----------
    given : mapping or str, optional
        Names and values, or text such as "robust" or "max_depth=4,learning_rate=0.1". The preset
        'published' (without saying) is the method as printed; 'robust' takes fewer, stronger
        regularised trees and does not stop early, which serves small tables better.

    Raises
    ------
    ConfigError
        A name is unknown, a value is out of range, or early stopping is off with very many trees.

    Examples
    --------
    >>> boosting_settings("robust,max_depth=3")["max_depth"]
    3
    """
    items = _items(given)
    settings = dict(PRESETS[str(items.pop("preset", "published"))])
    for name, value in items.items():
        settings[name] = _value(name, value)
    if settings["early_stopping"] == 0 and float(settings["n_estimators"]) > MOST_TREES_BLIND:
        raise ConfigError(f"Without early stopping {settings['n_estimators']} trees would all be grown",
                          "Set n_estimators too, for example settings=\"early_stopping=0,n_estimators=120\"")
    return settings


def _items(given: Union[str, Mapping[str, Any], None]) -> dict[str, Any]:
    if not isinstance(given, str):
        items = dict(given or {})
    else:
        items = {}
        for part in (part.strip() for part in given.split(",") if part.strip()):
            name, equals, value = (text.strip() for text in part.partition("="))
            name, value = (name, value) if equals else ("preset", name)
            if name in items:
                raise ConfigError(f"The setting '{name}' is given twice", "Keep one of them")
            items[name] = value
    preset = items.get("preset", "published")
    if preset not in PRESETS:
        raise ConfigError(f"'{preset}' is neither a name=value pair nor a preset of settings",
                          f"Presets: {', '.join(PRESETS)}; settings: {', '.join(PUBLISHED)}")
    return items


def _value(name: str, value: Any) -> Value:
    if name not in PUBLISHED:
        near = difflib.get_close_matches(name, PUBLISHED, n=1)
        raise ConfigError(f"There is no setting '{name}'",
                          f"Did you mean '{near[0]}'?" if near else "Settings: " + ", ".join(PUBLISHED))
    if name == "objective":
        if value not in OBJECTIVES:
            raise ConfigError(f"The objective '{value}' is not offered", "Choose: " + ", ".join(OBJECTIVES))
        return str(value)
    low, high = _RANGES[name]
    whole = isinstance(PUBLISHED[name], int)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ConfigError(f"The setting {name} is '{value}', which is no number",
                          f"Give a value from {low:g} to {high:g}") from None
    if not low <= number <= high or (whole and number != int(number)):
        raise ConfigError(f"The setting {name} is {number:g}",
                          f"Give a {'whole number' if whole else 'value'} from {low:g} to {high:g}")
    return int(number) if whole else number


def check_sampling(settings: Mapping[str, Value], weights: str) -> None:
    """Raise `ConfigError` where feature weights are asked for but could have no effect."""
    if weights != "uniform" and all(float(settings[name]) >= 1 for name in SAMPLED):
        raise ConfigError(
            f"Feature weights have no effect: {', '.join(f'{name}=1' for name in SAMPLED)}, so every tree sees all "
            f"features (weights={weights})",
            "Set one of them below 1, for example settings=\"colsample_bynode=0.8\", or weights=uniform")
