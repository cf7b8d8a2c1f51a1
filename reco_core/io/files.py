"""Files appear whole or not at all."""

from __future__ import annotations

import atexit
import difflib
import errno
import hashlib
import itertools
import os
import re
import shutil
import tempfile
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterable, Iterator

from ..errors import ConfigError, RecoError, ResourceError, SchemaError

PREFIX = ".reco-partial-"
MARKS = {".zattrs": rb'"reco_kind"\s*:', "model.json": rb'"kind"\s*:\s*"reco-model"'}  # in folders that RECO wrote
ZARR = (".zarray", ".zgroup", "zarr.json")
BESIDE_RASTERS = (".aux.xml", ".qml", ".qmd")
HEAD_BYTES = 1 << 16
NEARLY_NOTHING = 1 << 20
_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_pending: dict[Path, Path] = {}  # temporary name -> final name
_inputs: set[Path] = set()
_unfinished: set[Path] = set()
_number = itertools.count()


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`; what is written there becomes `path` at the end.

    Works for files and for folders, which the caller makes. An existing file is replaced; an
    existing folder only if it is empty or RECO wrote it. After an error nothing is left.

    Parameters
    ----------
    path : path
        Final name; folders above it are made.

    Yields
    ------
    pathlib.Path
        Where to write; ends like `path`.

    Raises
    ------
    ResourceError
        The disk is full, writing is not allowed, or a folder of others is in the way.
    ConfigError
        `path` is an input of this run, or is being written already.
    """
    target = Path(path)
    refuse_input(target)
    refuse_foreign(target)
    temporary = target.with_name(f"{PREFIX}{os.getpid()}-{next(_number)}-{target.name}")
    _pending[temporary] = target.resolve()
    try:
        with telling(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            _move(temporary, target)
    finally:
        remove(temporary)
        _pending.pop(temporary, None)


@contextmanager
def telling(target: Path) -> Iterator[None]:
    """Turn errors of the operating system while `target` is written into what the user can mend.

    Raises
    ------
    ResourceError
        The disk is full, writing is not allowed, or a folder is none.
    """
    try:
        yield
    except RecoError:
        raise
    except Exception as error:
        explained = _explain(error, target)
        if explained is None:
            raise
        raise explained from error


@contextmanager
def keeping(paths: Iterable[str | os.PathLike[str]]) -> Iterator[None]:
    """Refuse to replace these files and folders as long as the block runs: they are what a run reads."""
    new = {Path(path).resolve() for path in paths if os.path.exists(path)} - _inputs
    _inputs.update(new)
    try:
        yield
    finally:
        _inputs.difference_update(new)


def refuse_input(target: Path) -> None:
    """Raise `ConfigError` if `target` is, or holds, what this run reads, or has the name of another output."""
    final = target.resolve()
    if any(final == path or final in path.parents for path in _inputs):
        raise ConfigError(f"'{target}' would be replaced, and it is an input", "Give the output another name")
    if final in _pending.values():
        raise ConfigError(f"Two outputs have the name '{target}'", "Give each output its own name")


@contextmanager
def scratch(beside: str | os.PathLike[str]) -> Iterator[Path]:
    """Give an empty folder beside a path for files that are needed for a while; it is removed at the end.

    Raises
    ------
    ResourceError
        The disk is full, or writing is not allowed.
    """
    target = Path(beside)
    folder = target.with_name(f"{PREFIX}{os.getpid()}-{next(_number)}-files")
    _pending[folder] = folder.resolve()
    try:
        with telling(folder):
            folder.mkdir(parents=True)
            yield folder
    finally:
        remove(folder)
        _pending.pop(folder, None)


@contextmanager
def lasting_scratch() -> Iterator[Path]:
    """Give an empty folder among the temporary files of the system; it stays until the process ends.

    Raises
    ------
    ResourceError
        The disk is full, or writing is not allowed; the folder is removed.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    _pending[folder] = folder.resolve()
    atexit.register(remove, folder)
    try:
        yield folder
    except BaseException as error:
        remove(folder)
        _pending.pop(folder, None)
        explained = _explain(error, folder) if isinstance(error, OSError) else None
        if explained is None:
            raise
        raise explained from error


def refuse_foreign(target: Path) -> None:
    """Raise `ResourceError` if `target` is a folder that RECO did not write."""
    if target.is_dir() and any(target.iterdir()) and not _is_ours(target):
        raise ResourceError(f"'{target}' is a folder with files of others: it is not replaced",
                            "Give another name, or empty the folder first")


def _is_ours(folder: Path) -> bool:
    """Return whether RECO wrote a folder: others write Zarr cubes and a model.json, too."""
    for name, words in MARKS.items():
        with suppress(OSError), open(folder / name, "rb") as stream:
            if re.search(words, stream.read(HEAD_BYTES)):
                return True
    return False


def _move(temporary: Path, target: Path) -> None:
    if not target.is_dir():
        os.replace(temporary, target)
        return
    if temporary.is_file():
        raise ResourceError(f"'{target}' is a folder and a file shall have its name", "Give another name")
    old = target.with_name(f"{PREFIX}old-{os.getpid()}-{next(_number)}-{target.name}")
    os.replace(target, old)
    try:
        os.replace(temporary, target)
    except OSError:
        os.replace(old, target)
        raise
    remove(old)


def _explain(error: Exception, target: Path) -> ResourceError | None:
    """Return what the user can mend about an error of the operating system, or None."""
    number = getattr(error, "errno", None)
    if number in _FULL or "No space left on device" in str(error) or _nearly_full(target.parent):
        return ResourceError(f"The disk is full or cannot hold so large a file: '{target}' could not be written",
                             "Free some space or write to another disk")
    if number in _REFUSED:
        name = getattr(error, "filename", None) or target
        return ResourceError(f"No permission for '{name}' while writing '{target}'",
                             "Choose a folder you may write to, or close the program that holds the file")
    if isinstance(error, NotADirectoryError | FileExistsError):
        return ResourceError(f"'{target.parent}' is not a folder: '{target}' could not be written",
                             "Give a path whose folders are folders")
    return None


def _nearly_full(folder: Path) -> bool:
    """Return whether nothing more can be written: libraries hide the number of such errors."""
    try:
        return shutil.disk_usage(folder).free < NEARLY_NOTHING
    except OSError:
        return False


def remove(path: Path) -> None:
    """Remove a file or folder if it is there; never fails."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


@contextmanager
def unfinished(paths: Iterable[Path]) -> Iterator[None]:
    """Take these files, which have their names already, for half-written as long as the block runs."""
    new = set(paths) - _unfinished
    _unfinished.update(new)
    try:
        yield
    finally:
        _unfinished.difference_update(new)


def remove_pending() -> None:
    """Remove everything that is still being written; for the last moment of a stopped process."""
    for path in (*_pending, *_unfinished):
        remove(path)


def sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file, or of a folder's file names and contents in stable order.

    Raises
    ------
    SchemaError
        There is no such file.
    """
    source = require(path, "file")
    if not source.is_dir():
        with open(source, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    digest = hashlib.sha256()
    inside = {file.relative_to(source).as_posix(): file for file in source.rglob("*") if file.is_file()}
    for name in sorted(inside):
        digest.update(f"{name}\0{sha256(inside[name])}\n".encode())
    return digest.hexdigest()


class Unchanged:
    """Knows the state of files and folders that are read, and says when they changed.

    Of a folder count the names in it and in its folders; Zarr would take chunks that were removed for missing data.

    Parameters
    ----------
    paths : sequence of path
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self.state = {path: _state(path) for path in paths}

    def check(self) -> None:
        """Look again.

        Raises
        ------
        SchemaError
            Something is gone or was changed.
        """
        for path, before in self.state.items():
            if _state(path) != before:
                what = "was changed" if os.path.exists(path) else "was removed"
                raise SchemaError(f"'{path}' {what} while it was read",
                                  "Bring it back as it was, or run the step again on what is there now")


def _state(path: str) -> list[list[int]]:
    """Return size and time of a file, or of what counts of a folder.

    Of Zarr that is the time of its folders and what describes it; of other folders their files, but for hidden ones
    and for what programs put beside rasters: a run may write into the folder that it reads.
    """
    found: list[list[int]] = []
    try:
        if not os.path.isdir(path):
            return [_stamp(path)]
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            if any(name in ZARR for name in names):
                found.append(_stamp(folder)[1:])
                names = [name for name in names if name.startswith(".z") or name == "zarr.json"]
            else:
                names = [name for name in names if not name.startswith(".") and not name.endswith(BESIDE_RASTERS)]
            for name in sorted(names):
                file = os.path.join(folder, name)
                found.append([zlib.crc32(os.path.relpath(file, path).encode()), *_stamp(file)])
    except OSError:
        return []
    return found


def _stamp(path: str) -> list[int]:
    state = os.stat(path)
    return [state.st_size, state.st_mtime_ns]


def require(path: str | os.PathLike[str], what: str) -> Path:
    """Return `path` if it exists.

    Parameters
    ----------
    path : path
    what : str
        What it should be, for the message.

    Raises
    ------
    SchemaError
        There is no such file or folder.
    """
    found = Path(path)
    if os.path.exists(found):  # unlike Path.exists, False for texts that are too long to be a path
        return found
    hint = "Check the path"
    if os.path.isdir(found.parent):
        near = difflib.get_close_matches(found.name, [item.name for item in found.parent.iterdir()], n=1)
        hint = f"Did you mean '{near[0]}'?" if near else f"'{found.parent}' exists, but has no '{found.name}'"
    raise SchemaError(f"There is no {what} '{path}'", hint)
