"""Run files: a TOML list of steps, checked with line numbers before anything runs.

    [run]
    title = "Respiration of the upper Moselle"
    output = "runs/moselle"

    [[step]]
    use = "fit"
    samples = "samples.nc"
    seeds = 20

Relative outputs go into `output`; relative inputs are looked for among what
earlier steps write, then beside the run file. `${NAME}` and `${NAME:-default}`
are environment variables.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Collection, Optional

from .catalogue import FILE_KINDS, STEPS, Param, Step, get_step, resolve, suggestion
from .errors import ConfigError
from .progress import SILENT, Progress

_RUN_KEYS = ("title", "output")
_FLUX_NAMES = ("reco", "rs", "rh")


@dataclass(frozen=True)
class PlannedStep:
    """A step of a run file with its values checked and its paths made whole."""

    step: Step
    values: dict[str, Any]
    line: int


@dataclass(frozen=True)
class Plan:
    """A checked run file."""

    title: str
    folder: Path
    steps: tuple[PlannedStep, ...]
    notes: tuple[str, ...] = field(default=())


def read_plan(path: str | os.PathLike[str]) -> Plan:
    """Read and check a run file.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    Plan

    Raises
    ------
    ConfigError
        The file is not TOML, or a key, value or input is wrong; the message names the line.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")  # some editors begin a text with a mark
    except OSError as error:
        raise ConfigError(f"The run file '{file}' cannot be read: {error.strerror}", "Check the path") from None
    except UnicodeDecodeError as error:
        line = file.read_bytes()[:error.start].count(b"\n") + 1
        raise ConfigError(f"{file.name}, line {line}: a letter is not in UTF-8", "Save the file as UTF-8") from None
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file.name}: not valid TOML: {error}", "See docs/run-files.md") from None
    lines = _Lines(file.name, text)
    for key in content:
        if key not in ("run", "step"):
            raise ConfigError(f"{lines.where(key)}: unknown key '{key}'", "A run file has [run] and [[step]] tables")
    run = content.get("run", {})
    if not isinstance(run, dict):
        raise ConfigError(f"{lines.where('run')}: [run] is no table", "Write [run], then title and output below it")
    for key in run:
        if key not in _RUN_KEYS:
            raise ConfigError(f"{lines.where(key, table='run')}: unknown key '{key}' in [run]",
                              suggestion(key, list(_RUN_KEYS)))
    steps = content.get("step", [])
    if not isinstance(steps, list) or not steps or not all(isinstance(entry, dict) for entry in steps):
        raise ConfigError(f"{file.name}: there is no [[step]]", "Add at least one [[step]] with use = \"...\"")
    base = file.resolve().parent
    folder = _join(base, _expand(str(run.get("output", "."))))
    produced: dict[str, str] = {}
    planned = [_plan_step(entry, number, lines, base, folder, produced) for number, entry in enumerate(steps)]
    return Plan(str(run.get("title", file.stem)), folder, tuple(planned))


def run_plan(plan: Plan, progress: Progress = SILENT) -> list[dict[str, Any]]:
    """Run the steps of a plan in order and return their results."""
    from .actions import run_step

    results = []
    share = 1.0 / len(plan.steps)
    for number, planned in enumerate(plan.steps):
        span = progress.span(number * share, (number + 1) * share)
        results.append(run_step(planned.step.name, planned.values, span, folder=str(plan.folder)))
    return results


def _plan_step(entry: dict[str, Any], number: int, lines: _Lines, base: Path, folder: Path,
               produced: dict[str, str]) -> PlannedStep:
    where = lines.where("use", number=number)
    if "use" not in entry:
        raise ConfigError(f"{lines.where(None, number=number)}: this [[step]] does not say which step to use",
                          "Add use = \"...\", one of " + ", ".join(STEPS))
    try:
        step = get_step(str(entry["use"]))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error.message}", error.hint) from None
    values: dict[str, Any] = {}
    outputs = {param.name for param in step.outputs}
    for key, value in entry.items():
        if key == "use" or value == "":
            continue
        line = lines.where(key, number=number)
        try:
            param = step.param(key)
        except ConfigError as error:
            raise ConfigError(f"{line}: {error.message}", error.hint) from None
        if param.name in outputs:
            values[param.name] = str(_join(folder, _expand(str(value), line)))
        else:
            values[param.name] = _input(param, value, base, folder, produced, line)
    try:
        resolved = resolve(step, values, str(folder))
    except ConfigError as error:
        wrong = _key_of(error.message)
        raise ConfigError(f"{lines.where(wrong, number=number)}: {error.message}", error.hint) from None
    for param in step.outputs:
        path = resolved[param.name]
        if path and param.creates == "folder":
            produced[path] = where
        elif path:
            if path in produced:
                raise ConfigError(f"{where}: '{param.name}' would replace '{path}' of an earlier step "
                                  f"({produced[path]})", f"Give another name: {param.name} = \"...\"")
            produced.update({path.replace("{flux}", flux): where for flux in ("{flux}", *_FLUX_NAMES)})
    return PlannedStep(step, values, lines.number("use", number))


def _input(param: Param, value: Any, base: Path, folder: Path, produced: Collection[str], line: str) -> Any:
    if param.kind in FILE_KINDS or param.kind == "rasters":
        if isinstance(value, str) and param.kind in ("rasters", "drivers"):
            value = [part.strip() for part in value.split(",") if part.strip()]
        many = isinstance(value, list)
        found = [_input_path(str(item), base, folder, produced, line) for item in (value if many else [value])]
        if param.kind == "drivers":
            return ",".join(found)
        return found if many else found[0]
    if param.kind == "region" and isinstance(value, str):
        candidate = _join(base, _expand(value, line))
        return str(candidate) if candidate.exists() else _expand(value, line)
    return _expand(value, line) if isinstance(value, str) else value


def _input_path(text: str, base: Path, folder: Path, produced: Collection[str], line: str) -> str:
    text = _expand(text, line)
    if text.startswith(("NETCDF:", "/vsi", "HDF4_", "ZARR:")):
        return text
    earlier = str(_join(folder, text))
    if earlier in produced or any(earlier.startswith(p + os.sep) for p in produced):
        return earlier
    path = _join(base, text)
    if not path.exists():
        raise ConfigError(f"{line}: '{text}' does not exist and no earlier step writes it",
                          f"Looked for {path}")
    return str(path)


def _join(base: Path, text: str) -> Path:
    return Path(os.path.normpath(base / Path(text).expanduser()))


def _expand(text: str, line: str = "run file") -> str:
    def replace(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(3)
        value = os.environ.get(name) or default
        if value is None:
            raise ConfigError(f"{line}: the environment variable '{name}' is not set",
                              f"Set it, or write ${{{name}:-default}}")
        return value

    return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(:-([^}]*))?\}", replace, text)


def _key_of(message: str) -> Optional[str]:
    match = re.search(r"parameter '([a-z_0-9]+)'", message)
    return match.group(1) if match else None


class _Lines:
    """Finds the line of a key in the text of a run file."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._lines = text.splitlines()

    def number(self, key: Optional[str], number: Optional[int] = None, table: str = "") -> int:
        """Return the line (from 1) of `key` in the given [[step]] or table; else of its header."""
        header, section, count = 1, "", -1
        for index, raw in enumerate(self._lines, start=1):
            line = raw.strip()
            match = re.match(r"\[\[?\s*([A-Za-z_]+)", line)
            if match:
                section = match.group(1)
                count += section == "step"
                if (number is not None and section == "step" and count == number) or section == table:
                    header = index
                continue
            inside = (count == number and section == "step") if number is not None else section == table
            if inside and key and re.match(rf"[\"']?{re.escape(key)}[\"']?\s*=", line):
                return index
        return header

    def where(self, key: Optional[str], number: Optional[int] = None, table: str = "") -> str:
        """Return 'file, line n' of a key."""
        return f"{self._name}, line {self.number(key, number, table)}"
