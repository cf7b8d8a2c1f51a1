"""The two records that describe every step, and how values are checked against them."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from typing import Any, Mapping, Optional

from ..errors import ConfigError

INPUT_KINDS = (
    "observations", "samples", "drivers", "links", "model", "scores", "estimate",
    "path", "raster", "rasters", "points", "polygons", "region", "table", "period",
    "number", "integer", "choice", "choices", "text", "flag",
)
OUTPUT_KINDS = ("raster_out", "vector_out", "file_out", "folder_out")

FILE_KINDS = ("observations", "samples", "drivers", "links", "model", "scores", "estimate",
              "path", "raster", "points", "polygons", "table")


@dataclass(frozen=True)
class Param:
    """One input or output of a step.

    `kind` is one of INPUT_KINDS or OUTPUT_KINDS. For outputs `filename` is the
    name used when only a folder is given, and `creates` says what is written
    (observations, samples, drivers, links, model, scores, estimate, table, html).
    """

    name: str
    kind: str
    title: str
    help: str
    default: Any = None
    choices: tuple[str, ...] = ()
    minimum: Optional[float] = None
    maximum: Optional[float] = None
    unit: str = ""
    optional: bool = False
    advanced: bool = False
    filename: str = ""
    creates: str = ""
    aliases: tuple[str, ...] = ()
    single: bool = False  # of kind path: never a list

    @property
    def required(self) -> bool:
        """True if a value must be given."""
        return not self.optional and self.default is None

    @property
    def flag(self) -> str:
        """The command-line spelling of the name."""
        return "--" + self.name.replace("_", "-")


@dataclass(frozen=True)
class Step:
    """One thing RECO can do: what it takes and what it gives."""

    name: str
    title: str
    group: str
    summary: str
    params: tuple[Param, ...]
    outputs: tuple[Param, ...]
    help: str = ""
    tags: tuple[str, ...] = ()
    can_rehearse: bool = False  # says what it would need, without writing anything

    def param(self, name: str) -> Param:
        """Return the input or output called `name` (or by an alias of it)."""
        for param in self.params + self.outputs:
            if name == param.name or name in param.aliases:
                return param
        raise ConfigError(f"Step '{self.name}' has no parameter '{name}'",
                          suggestion(name, [p.name for p in self.params + self.outputs]))


def suggestion(name: str, known: list[str]) -> str:
    """Return a hint with the nearest known names."""
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"Did you mean '{near[0]}'?"
    return "Known names: " + ", ".join(known)


def resolve(step: Step, values: Mapping[str, Any], folder: Optional[str] = None) -> dict[str, Any]:
    """Check `values` against the record and fill in the defaults.

    Parameters
    ----------
    step : Step
    values : mapping
        Parameter names to raw values; text is converted to the kind.
    folder : str, optional
        Where outputs that were not named are put, under their `filename`.

    Returns
    -------
    dict
        Every parameter and output of the step; None where nothing was given.

    Raises
    ------
    ConfigError
        An unknown name, a missing value, or one outside its range.
    """
    given: dict[str, Any] = {}
    for name, value in values.items():
        param = step.param(name)
        if param.name in given:
            raise ConfigError(f"Step '{step.name}': '{param.name}' is given twice",
                              f"'{name}' and '{param.name}' mean the same: give one of them")
        given[param.name] = value
    resolved: dict[str, Any] = {}
    for param in step.params:
        value = given.get(param.name)
        if value is None or value == "" or (isinstance(value, (list, tuple)) and not value):
            value = param.default
        if value is None and not param.optional:
            raise ConfigError(f"Step '{step.name}' needs '{param.name}' ({param.title})",
                              f"Give it with {param.flag} or as the key '{param.name}' of a run file")
        resolved[param.name] = None if value is None else _convert(step, param, value)
    base = given.get("folder") or folder
    for param in step.outputs:
        value = given.get(param.name)
        if not value and base and param.filename:
            value = os.path.join(str(base), param.filename)
        if not value and param.kind == "folder_out" and param.name == "folder":
            value = base
        if not value and not param.optional:
            raise ConfigError(f"Step '{step.name}' needs the output '{param.name}' ({param.title})",
                              f"Give it with {param.flag}, or give a folder for all outputs with --out")
        resolved[param.name] = None if not value else str(value)
    return resolved


def _convert(step: Step, param: Param, value: Any) -> Any:
    where = f"Step '{step.name}', parameter '{param.name}'"
    if param.kind == "flag":
        return _flag(where, value)
    if param.kind in ("number", "integer"):
        return _number(where, param, value)
    if param.kind == "choice":
        text = str(value)
        if text not in param.choices:
            raise ConfigError(f"{where}: '{text}' is not a choice",
                              suggestion(text, list(param.choices)))
        return text
    if param.kind in ("choices", "rasters"):
        items = _items(value)
        for item in items:
            if param.choices and item not in param.choices:
                raise ConfigError(f"{where}: '{item}' is not a choice",
                                  suggestion(item, list(param.choices)))
        return items
    if param.kind == "path":
        paths = _paths(value)
        if param.single and isinstance(paths, list) and len(paths) != 1:
            raise ConfigError(f"{where}: one path is wanted, {len(paths)} are given: {', '.join(paths)}", "Give one")
        return paths[0] if param.single and isinstance(paths, list) else paths
    if isinstance(value, (list, tuple, dict)):
        raise ConfigError(f"{where}: {value} is no single text", "Write one text, with commas between its parts")
    return str(value)


def _paths(value: Any) -> Any:
    """Return a path, or a list of them; a text with commas is a list unless a file has that very name."""
    if isinstance(value, (list, tuple)):
        return [path for item in value for path in _several(str(item))]
    found = _several(str(value))
    return found if len(found) > 1 else found[0]


def _several(text: str) -> list[str]:
    parts = _items(text)
    listed = len(parts) > 1 and not os.path.exists(text) and any(_is_there(part) for part in parts)
    return parts if listed else [text]


def _is_there(path: str) -> bool:
    """Return whether a file, or the archive whose member it is, exists."""
    return os.path.exists(path) or (".zip" in path.lower() and os.path.exists(path[:path.lower().index(".zip") + 4]))


def _items(value: Any) -> list[str]:
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return [str(item) for item in value]


def _flag(where: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in ("true", "yes", "1", "on"):
        return True
    if text in ("false", "no", "0", "off"):
        return False
    raise ConfigError(f"{where}: '{value}' is neither true nor false", "Write true or false")


def _number(where: str, param: Param, value: Any) -> Any:
    try:
        number = float(value)
        if isinstance(value, bool) or number != number:
            raise ValueError
        if param.kind == "integer":
            if number != int(number):
                raise ValueError
            number = int(number)
    except (TypeError, ValueError, OverflowError):
        wanted = "a whole number" if param.kind == "integer" else "a number"
        raise ConfigError(f"{where}: '{value}' is not {wanted}",
                          _range_text(param) or f"Give {wanted}") from None
    if (param.minimum is not None and number < param.minimum) or (
            param.maximum is not None and number > param.maximum):
        raise ConfigError(f"{where}: {number:g} is outside its range", _range_text(param))
    return number


def _range_text(param: Param) -> str:
    unit = f" {param.unit}" if param.unit else ""
    if param.minimum is not None and param.maximum is not None:
        return f"Give a value from {param.minimum:g} to {param.maximum:g}{unit}"
    if param.minimum is not None:
        return f"Give a value of at least {param.minimum:g}{unit}"
    if param.maximum is not None:
        return f"Give a value of at most {param.maximum:g}{unit}"
    return ""
