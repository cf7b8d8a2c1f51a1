"""Files as they are downloaded: plain, gzip, zip (also zips inside a zip) and folders of them."""

from __future__ import annotations

import gzip
import io
import shutil
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Iterator

from ..errors import ResourceError, SchemaError

MAX_BYTES = 32 * 2**30
MAX_RATIO = 300
RATIO_FROM_BYTES = 64 * 2**20
MAX_MEMBERS = 100_000
MAX_INNER_BYTES = 4 * 2**30
TAIL_BYTES = 2**16


@dataclass(frozen=True)
class Source:
    """One file, perhaps inside a zip: `members` is the way into it."""

    path: Path
    members: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the file without its folder."""
        return PurePosixPath(self.members[-1]).name if self.members else self.path.name

    @property
    def label(self) -> str:
        """What messages call the file."""
        return "/".join((self.path.name, *self.members))


@contextmanager
def reading(label: str) -> Iterator[None]:
    """Turn the many ways in which a damaged file fails into one error that names it."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile) as error:
        raise SchemaError(f"'{label}' is damaged or cut off: {error}", "Download or copy it again") from error
    except NotImplementedError as error:
        raise SchemaError(f"'{label}' is packed in a way that cannot be read: {error}",
                          "Unpack it and give the folder") from error
    except UnicodeDecodeError as error:
        raise SchemaError(f"'{label}' is not a text table: {error.reason} at byte {error.start}",
                          "Give a CSV, TSV, parquet or GeoPackage file") from error
    except PermissionError as error:
        raise ResourceError(f"'{label}' cannot be read: permission denied",
                            "Check the rights of the file and its folder") from error


def find_sources(path: str | Path) -> list[Source]:
    """Return every file at `path`: itself, the members of a zip, or all files of a folder and below.

    Parameters
    ----------
    path : str or Path
        A file, a folder, or a member of a zip written as 'archive.zip/member.csv'.

    Raises
    ------
    SchemaError
        Nothing is there, or a zip has members that climb out of it or are absurdly large.
    """
    where = Path(path)
    if where.is_dir():
        files = sorted(item for item in where.rglob("*") if item.is_file() and not _hidden(item, where))
        return [source for item in files for source in _expand(Source(item))]
    if where.is_file():
        return _expand(Source(where))
    for archive in where.parents:
        if archive.suffix.lower() == ".zip" and archive.is_file():
            member = where.relative_to(archive).as_posix()
            found = [source for source in _expand(Source(archive)) if "/".join(source.members) == member]
            if found:
                return found
            raise SchemaError(f"'{archive.name}' has no member '{member}'", "Look into the zip for its name")
    raise SchemaError(f"'{where}' does not exist", "Check the path")


def _hidden(item: Path, root: Path) -> bool:
    parts = item.relative_to(root).parts
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def _expand(source: Source) -> list[Source]:
    if not source.name.lower().endswith(".zip"):
        return [source]
    if len(source.members) > 1:
        return []
    with reading(source.label), _open_zip(source) as archive:
        infos = archive.infolist()
        if len(infos) > MAX_MEMBERS:
            raise SchemaError(f"'{source.label}' has {len(infos)} members; at most {MAX_MEMBERS} are read",
                              "Unpack it and give the folder")
        for info in infos:
            _check_member(source.label, info)
        _check_total(source, infos)
        names = sorted(info.filename for info in infos if not info.is_dir())
    inner = [Source(source.path, (*source.members, name)) for name in names
             if not PurePosixPath(name).name.startswith(".") and not name.startswith("__MACOSX/")]
    return [found for item in inner for found in _expand(item)]


def _check_member(label: str, info: zipfile.ZipInfo) -> None:
    name = info.filename.replace("\\", "/")
    if name.startswith("/") or ".." in PurePosixPath(name).parts or (len(name) > 1 and name[1] == ":"):
        raise SchemaError(f"'{label}' has a member that climbs out of it: '{info.filename}'",
                          "Do not trust this zip; download the data from its source")
    if info.flag_bits & 0x1:
        raise SchemaError(f"'{label}': '{info.filename}' is encrypted", "Unpack it and give the folder")
    ratio = info.file_size / max(info.compress_size, 1)
    if info.file_size > MAX_BYTES or (info.file_size > RATIO_FROM_BYTES and ratio > MAX_RATIO):
        raise SchemaError(f"'{label}': '{info.filename}' would unpack to {info.file_size / 2**20:.0f} MB, "
                          f"{ratio:.0f} times its packed size",
                          "This looks like a zip bomb; unpack it by hand if you trust it")


def _check_total(source: Source, infos: list[zipfile.ZipInfo]) -> None:
    """Refuse a zip whose members together unpack to absurdly much, such as members that share their bytes."""
    size = source.path.stat().st_size
    total = sum(info.file_size for info in infos)
    if total > RATIO_FROM_BYTES and not source.members and total > MAX_RATIO * size:
        raise SchemaError(f"'{source.label}' would unpack to {total / 2**20:.0f} MB, {total / size:.0f} times its size",
                          "This looks like a zip bomb; unpack it by hand if you trust it")


@contextmanager
def _open_zip(source: Source) -> Iterator[zipfile.ZipFile]:
    if not source.members:
        with zipfile.ZipFile(source.path) as archive:
            yield archive
        return
    with zipfile.ZipFile(source.path) as outer:
        inner = outer.getinfo(source.members[0])
        _check_member(source.path.name, inner)
        if inner.file_size > MAX_INNER_BYTES:
            raise SchemaError(f"'{source.label}' is a zip of {inner.file_size / 2**30:.1f} GB inside a zip",
                              "Unpack the outer one and give the folder")
        with zipfile.ZipFile(io.BytesIO(outer.read(source.members[0]))) as archive:
            yield archive


@contextmanager
def open_source(source: Source) -> Iterator[IO[bytes]]:
    """Open a file for reading its unpacked bytes; never more than MAX_BYTES of them."""
    with reading(source.label):
        if not source.members:
            with open(source.path, "rb") as raw:
                yield _unpacked(raw, source, source.path.stat().st_size)
            return
        with _open_zip(Source(source.path, source.members[:-1])) as archive:
            info = archive.getinfo(source.members[-1])
            _check_member(source.label, info)
            with archive.open(source.members[-1]) as raw:
                yield _unpacked(raw, source, info.compress_size)


def _unpacked(raw: IO[bytes], source: Source, size: int) -> IO[bytes]:
    packed = source.name.lower().endswith((".gz", ".gzip"))
    return io.BufferedReader(_Bounded(gzip.GzipFile(fileobj=raw) if packed else raw, source.label, size), 2**20)


def ends_in_line_end(raw: io.RawIOBase) -> bool:
    """Return whether a stream that was read to its end (its `raw`) ended with a line end."""
    return bytes(getattr(raw, "tail", b"")).endswith((b"\n", b"\r"))


def last_line(raw: io.RawIOBase) -> bytes:
    """Return the last line with content of a stream of `open_source` that was read to its end (its `raw`)."""
    lines = bytes(getattr(raw, "tail", b"")).rstrip(b"\r\n").splitlines()
    return lines[-1] if lines else b""


class _Bounded(io.RawIOBase):
    """A stream that refuses to give absurdly much, and remembers its end."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, label: str, packed: int) -> None:
        self._stream = stream
        self._label = label
        self._limit = min(MAX_BYTES, max(RATIO_FROM_BYTES, MAX_RATIO * packed))
        self._given = 0
        self.tail = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        chunk = self._stream.read(len(buffer))
        self._given += len(chunk)
        if self._given > self._limit:
            raise SchemaError(f"'{self._label}' unpacks to more than {self._limit / 2**20:.0f} MB",
                              "This looks like a zip bomb; unpack it by hand if you trust it, or split it")
        self.tail = (self.tail + chunk)[-TAIL_BYTES:] if len(chunk) < TAIL_BYTES else chunk[-TAIL_BYTES:]
        buffer[:len(chunk)] = chunk
        return len(chunk)


@contextmanager
def on_disk(source: Source, folder: Path) -> Iterator[Path]:
    """Give the path of a file for readers that need one, unpacking it into `folder` if it is packed."""
    if not source.members and not source.name.lower().endswith(".gz"):
        yield source.path
        return
    name = source.name[:-3] if source.name.lower().endswith(".gz") else source.name
    target = folder / PurePosixPath(name.replace("\\", "/")).name
    with open_source(source) as stream, open(target, "wb") as copy:
        shutil.copyfileobj(stream, copy)
    yield target
