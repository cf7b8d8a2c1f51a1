"""The hidden folder beside outputs in which a run keeps what it has: one run at a time."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO, Any, Iterable, Optional

from ..errors import ConfigError
from ..io.files import PREFIX as PARTIAL
from ..io.files import remove, telling

PREFIX = ".reco-journal-"
LOCK, TILES, PARTS, MODEL, FITTED = "lock", "tiles", "partial.json", "model", "fitted.json"
NOT_OF_TILES = (LOCK, PARTS, MODEL, FITTED)
SUFFIX = ".part"


class Hold:
    """Holds the folder of a run; what a process that was killed left half-written is removed.

    Parameters
    ----------
    folder : path
        See `beside`; it is made.

    Raises
    ------
    ConfigError
        Another process is writing the same outputs.
    ResourceError
        The disk is full, or writing is not allowed.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        with telling(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock: Optional[IO[bytes]] = _locked(self.folder)
            _clear(self.folder)

    def note(self, paths: Iterable[Path], memory_gb: float) -> None:
        """Note files that are being written beside, so that the next run finds them, and the memory budget [GB]."""
        part = self.folder / f"{PARTS}{SUFFIX}"
        with telling(part):
            part.write_text(json.dumps({"paths": [str(path.absolute()) for path in paths], "memory": memory_gb}),
                            encoding="utf-8")
            os.replace(part, self.folder / PARTS)

    def leave(self) -> None:
        """Let go of the folder; it is removed if neither a tile nor a model is in it."""
        if any((self.folder / TILES).glob("*.json")) or (self.folder / MODEL).exists():
            self._let_go()
        else:
            self.remove()

    def remove(self) -> None:
        """Remove the folder: the run succeeded, or nothing of it is worth keeping."""
        remove(self.folder)
        self._let_go()
        if os.name == "nt":  # where open files cannot be removed
            remove(self.folder)

    def _let_go(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def beside(step: str, target: str | os.PathLike[str], *, folder: bool = False) -> Path:
    """Return where the folder of a step is: beside an output, or in a folder of outputs.

    Examples
    --------
    >>> beside("predict", "maps/reco.tif").as_posix()
    'maps/.reco-journal-predict-reco'
    """
    path = Path(target)
    return path / f"{PREFIX}{step}" if folder else path.with_name(f"{PREFIX}{step}-{path.stem}")


def plain(values: Any) -> Any:
    """Return values as they come back from JSON."""
    return json.loads(json.dumps(values, default=str))


def read_plain(path: Path) -> dict[str, Any]:
    """Return what a JSON file holds; nothing where it is not there or damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _clear(folder: Path) -> None:
    """Remove what a process that was killed left half-written."""
    for text in read_plain(folder / PARTS).get("paths", []):
        if Path(text).name.startswith(PARTIAL):
            remove(Path(text))
    for path in (*folder.rglob(f"*{SUFFIX}"), *folder.glob(f"{PARTIAL}*")):
        remove(path)


def _locked(folder: Path) -> IO[bytes]:
    """Return the open lock of a folder; the system frees it when the process ends, however it ends."""
    stream = open(folder / LOCK, "ab")
    try:
        if os.name == "nt":
            import msvcrt

            stream.seek(0)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:  # the one of POSIX, the other of Windows
        stream.close()
        raise ConfigError(f"Another run is writing the same outputs: it holds '{folder}'",
                          "Wait until it is done, or give other outputs") from error
    except OSError:  # a file system without locks
        pass
    return stream
