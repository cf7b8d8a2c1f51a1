"""The run record: what was run, on what, with what."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import sys
from pathlib import Path
from typing import Any, Mapping, Optional

from ..catalogue import FILE_KINDS, Step
from ..io.files import atomic
from ..version import __version__

SUBDATASET = re.compile(r'(?:NETCDF|HDF4\w*|HDF5|ZARR):"?(.+?)"?:[^:]+')
WHOLE_FILE_LIMIT = 512 * 1024 * 1024
_PACKAGES = ("numpy", "scipy", "pandas", "xarray", "rasterio", "zarr", "xgboost", "numba", "tigramite", "shap")


def record_path(step: Step, resolved: Mapping[str, Any], result: Mapping[str, Any]) -> Optional[Path]:
    """Return where the record of a step belongs: beside what it wrote."""
    if any(output.name == "folder" for output in step.outputs) and resolved.get("folder"):
        return Path(resolved["folder"]) / "run.json"
    for output in step.outputs:
        if result.get(output.name):
            path = Path(result[output.name])
            return path.with_name(path.stem + ".run.json")
    return None


def input_paths(step: Step, resolved: Mapping[str, Any]) -> list[str]:
    """Return the files and folders that a step reads."""
    found: list[str] = []
    for param in step.params:
        value = resolved.get(param.name)
        if value and (param.kind in FILE_KINDS or param.kind in ("rasters", "region")):
            for item in map(str, value if isinstance(value, (list, tuple)) else [value]):
                variable = SUBDATASET.fullmatch(item)
                several = item.split(",") if param.kind == "drivers" else []
                found += [item, *([variable.group(1)] if variable else []), *(part.strip() for part in several)]
    return [path for path in dict.fromkeys(found) if path and os.path.exists(path)]


def build_record(step: Step, resolved: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of a run as plain data."""
    inputs = {path: checksum(Path(path)) for path in input_paths(step, resolved)}
    outputs = {output.name: result[output.name] for output in step.outputs if result.get(output.name)}
    return {
        "reco_version": __version__,
        "step": step.name,
        "title": step.title,
        "parameters": {param.name: resolved.get(param.name) for param in step.params},
        "outputs": outputs,
        "inputs": inputs,
        "summary": list(result.get("summary", [])),
        "citations": list(result.get("citations", [])),
        "details": result.get("details", {}),
        "versions": _versions(),
    }


def write_record(step: Step, resolved: Mapping[str, Any], result: Mapping[str, Any]) -> Optional[Path]:
    """Write the record of a run beside its outputs and return its path."""
    path = record_path(step, resolved, result)
    if path is None:
        return None
    from ..io.artifact import clean  # needs numpy, and this file is loaded before it is known to be there

    text = json.dumps(clean(build_record(step, resolved, result)), indent=2, ensure_ascii=False, allow_nan=False,
                      default=str)
    with atomic(path) as part:
        part.write_text(text + "\n", encoding="utf-8")
    return path


def checksum(path: Path) -> str:
    """Return the sha256 of a file or folder; of very large ones, of their sizes and first megabytes."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    whole = sum(file.stat().st_size for file in files) <= WHOLE_FILE_LIMIT
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(path).as_posix()}:{file.stat().st_size}\n".encode())
        with open(file, "rb") as stream:
            if whole:
                for block in iter(lambda: stream.read(1 << 20), b""):
                    digest.update(block)
            else:
                digest.update(stream.read(1 << 20))
    return ("sha256:" if whole else "sha256-of-heads:") + digest.hexdigest()


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        module = sys.modules.get(name)
        version = getattr(module, "__version__", None)
        if version:
            found[name] = str(version)
    return found
