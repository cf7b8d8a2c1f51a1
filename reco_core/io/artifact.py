"""A fitted model as a folder without code, checked before anything in it is loaded."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import math
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any, Mapping

import numpy as np

from ..errors import ArtifactError
from .files import atomic, sha256

FORMAT = 1
HEAD = "model.json"
ARRAYS = "reference.npz"
WEIGHTS = "weights"
ALWAYS_ALLOWED, MOST_RATIO = 256 * 2**20, 100  # bytes, and times the packed size
_STAMP = (1980, 1, 1, 0, 0, 0)


def write_artifact(path: str | Path, meta: Mapping[str, Any], blobs: Mapping[str, bytes],
                   arrays: Mapping[str, np.ndarray], texts: Mapping[str, str]) -> Path:
    """Write a model folder; the same content gives the same bytes.

    Parameters
    ----------
    path : path
        Folder; one that is there is replaced only if it holds a model.
    meta : mapping
        Plain data; NaN becomes null.
    blobs : mapping of file name to bytes
        Kept compressed under weights/.
    arrays : mapping of name to array
    texts : mapping of file name to text
        Such as card.md and links.json.

    Returns
    -------
    pathlib.Path
    """
    target = Path(path)
    with atomic(target) as folder:
        (folder / WEIGHTS).mkdir(parents=True)
        for name, content in sorted(blobs.items()):
            (folder / WEIGHTS / f"{_safe(name)}.gz").write_bytes(gzip.compress(content, 6, mtime=0))
        (folder / ARRAYS).write_bytes(_pack(arrays))
        for name, text in sorted(texts.items()):
            (folder / _safe(name)).write_text(text, encoding="utf-8", newline="\n")
        inside = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
        head = {"format": FORMAT, "kind": "reco-model", "meta": clean(meta),
                "files": {name: sha256(folder / name) for name in inside}}
        head["sha256"] = _digest(head)
        (folder / HEAD).write_text(json.dumps(head, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
                                   encoding="utf-8", newline="\n")
    return target


def read_artifact(path: str | Path) -> tuple[dict[str, Any], dict[str, bytes], dict[str, np.ndarray]]:
    """Return meta, blobs and arrays of a model folder after checking every file in it.

    Raises
    ------
    ArtifactError
        It is no model folder, was written by a newer version, or a file is missing or was changed.
    """
    folder = Path(path)
    head = _head(folder)
    for name, wanted in head["files"].items():
        file = folder / _safe(name)
        if not file.is_file():
            raise ArtifactError(f"The model '{folder}' lacks the file '{name}'", "Copy the whole folder, or fit again")
        if sha256(file) != wanted:
            raise ArtifactError(f"The file '{name}' of the model '{folder}' was changed after it was written",
                                "Copy the folder again, or fit again")
    blobs = {}
    for name in head["files"]:
        parts = PurePosixPath(name).parts
        if parts[0] == WEIGHTS:
            blobs[parts[-1].removesuffix(".gz")] = _unpacked(folder / name)
    return head["meta"], blobs, _arrays(folder / ARRAYS)


def _unpacked(file: Path) -> bytes:
    """Return the content of a gzip file, unless it is absurdly large."""
    most = _most(file)
    try:
        with gzip.open(file) as stream:
            content = stream.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ArtifactError(f"The file '{file}' of a model cannot be unpacked: {error}",
                            "Fit the model again") from error
    if len(content) > most:
        raise _absurd(file)
    return content


def _arrays(file: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an npz file, unless they are absurdly large."""
    try:
        with zipfile.ZipFile(file) as packed:
            if sum(item.file_size for item in packed.infolist()) > _most(file):
                raise _absurd(file)
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile) as error:
        raise ArtifactError(f"The arrays '{file}' of a model cannot be read: {error}",
                            "Fit the model again") from error


def _most(file: Path) -> int:
    """Return to how many bytes a file may unpack."""
    return max(ALWAYS_ALLOWED, MOST_RATIO * file.stat().st_size)


def _absurd(file: Path) -> ArtifactError:
    return ArtifactError(f"The file '{file}' of a model would unpack to more than {_most(file) / 2**20:.0f} MB",
                         "Do not trust this model; fit it again")


def model_id(path: str | Path) -> str:
    """Return the 12 digits by which a model folder is known in rasters made with it."""
    return str(_head(Path(path))["sha256"])[:12]


def _head(folder: Path) -> dict[str, Any]:
    file = folder / HEAD
    if not file.is_file():
        there = "is there, but has no model.json" if folder.is_dir() else "does not exist"
        raise ArtifactError(f"'{folder}' is no fitted model: the folder {there}", "Give the folder that fit wrote")
    try:
        head = json.loads(file.read_text(encoding="utf-8"))
        number, kind = int(head["format"]), head["kind"]
        kept = head.pop("sha256")
        known = isinstance(head["files"], dict) and isinstance(head["meta"], dict) and ARRAYS in head["files"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"'{file}' cannot be read: {error}",
                            "The model is damaged: copy or fit it again") from error
    if kind != "reco-model" or number > FORMAT:
        raise ArtifactError(f"The model '{folder}' has format {number}; this version of RECO reads up to {FORMAT}",
                            "Update RECO, or fit the model again")
    if not known or _digest(head) != kept:
        raise ArtifactError(f"'{file}' was changed after it was written", "Copy the folder again, or fit again")
    return {**head, "sha256": kept}


def _digest(head: Mapping[str, Any]) -> str:
    text = json.dumps(head, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _safe(name: str) -> str:
    """Return a file name if it stays inside the folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not path.parts:
        raise ArtifactError(f"'{name}' is no name of a file in a model", "The model is damaged: fit it again")
    return name


def _pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return arrays as npz without the dates that numpy would put into it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        for name, values in sorted(arrays.items()):
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asarray(values), allow_pickle=False)
            packed.writestr(zipfile.ZipInfo(f"{_safe(name)}.npy", _STAMP), content.getvalue(), zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def clean(value: Any) -> Any:
    """Return plain data that JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [clean(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
