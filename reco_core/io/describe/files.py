"""What a file or folder is: told by its content first, by its name second."""

from __future__ import annotations

import logging
import shlex
import struct
import tempfile
import tomllib
import warnings
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Iterator

from ...errors import MissingDependency, RecoError, ResourceError, SchemaError
from ..archives import Source, find_sources, on_disk, open_source
from ..files import require
from ..observations.columns import plain
from ..observations.fluxnet_names import recognise
from ..rasters.netcdf import is_zarr, open_dataset
from ..tables import PARQUET_SUFFIXES, TEXT_SUFFIXES, VECTOR_SUFFIXES
from . import grids as describe_grids
from . import own as describe_own
from . import tables as describe_tables
from .description import Column, Description, file_size, first_bytes, head_of, is_text, size_words
from .folders import HELD, describe_folder, format_of, read_words
from .r import describe_workspace, is_workspace

HDF4, HDF5, NETCDF3, ZIP, SQLITE = b"\x0e\x03\x13\x01", b"\x89HDF", b"CDF", b"PK\x03\x04", b"SQLite format 3"
RASTERS = (".tif", ".tiff", ".img", ".asc", ".vrt", ".bil", ".flt", ".grd", ".bsq", ".bip", ".rst", ".sdat")
MOST_TEXT, MOST_PACKED, LOOKED_AT = 200_000_000, 40_000_000, 30_000_000
PICTURES = (b"\x89PNG", b"\xff\xd8\xff")
_DAMAGED = (ArithmeticError, AttributeError, EOFError, LookupError, NotImplementedError, OSError, RecursionError,
            RuntimeError, TypeError, ValueError, struct.error)


def describe(path: str | Path) -> Description:
    """Return what a file or folder holds.

    Parameters
    ----------
    path : path
        Anything; a member of a zip is written 'archive.zip/member.csv'.

    Raises
    ------
    SchemaError
        There is nothing, or it is of no kind that RECO knows, or damaged; the message says what its first bytes
        look like and which error came.
    MissingDependency
        A package is missing that reads such files.
    """
    source = _source(path)
    with _told_by_log() as told:
        found = _describe(source, str(path))
    if not source.members:
        size = ("size", size_words(file_size(source.path)))
        found = replace(found, facts=(*found.facts, size))
    extra = [line for line in dict.fromkeys(told) if line not in found.notes]
    read = found.read_with.replace(str(path), shlex.quote(str(path)))
    return replace(found, read_with=read, notes=tuple(_short(line, source) for line in (*found.notes, *extra)))


def _source(path: str | Path) -> Source:
    place = Path(path)
    if place.exists():
        return Source(place)
    for archive in place.parents:
        if archive.suffix.lower() == ".zip" and archive.is_file():
            return Source(archive, (place.relative_to(archive).as_posix(),))
    return Source(require(path, "file or folder"))


@contextmanager
def _told_by_log() -> Iterator[list[str]]:
    """Collect what readers would log: here it is part of the answer."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    logger, handler = logging.getLogger("reco"), Keep()
    passed, level = logger.propagate, logger.level
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(logging.INFO)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield lines
    finally:
        logger.removeHandler(handler)
        logger.propagate = passed
        logger.setLevel(level)


def _short(line: str, source: Source) -> str:
    """Return a message with the name of the file instead of its path."""
    return line.replace(str(source.path.parent) + "/", "") if str(source.path.parent) != "." else line


def _describe(source: Source, path: str) -> Description:
    place = source.path
    if place.is_dir() and not source.members:
        return _folder(place, path)
    return _describe_file(source, path)


def _describe_file(source: Source, path: str) -> Description:
    """Return what one file holds; whatever goes wrong becomes an error that tells its first bytes."""
    head = head_of(source)
    try:
        return describe_source(source, path)
    except (MissingDependency, ResourceError):
        raise
    except RecoError as error:
        raise _unreadable(source, head, f"{error.message}", error.hint) from error
    except _DAMAGED as error:
        raise _unreadable(source, head, f"{type(error).__name__}: {error}", "") from error


def _unreadable(source: Source, head: bytes, why: str, hint: str) -> SchemaError:
    known = "It may be damaged or cut off: download or copy it again; formats that RECO reads are listed in the guide"
    if not head:
        return SchemaError(why, hint)
    return SchemaError(f"{why[:1].upper()}{why[1:]}. The first bytes of '{source.name}' look like {first_bytes(head)}",
                       hint or known)


def _folder(place: Path, path: str) -> Description:
    if is_zarr(str(place)):
        return describe_grids.describe_dataset(str(place), place.name)
    if (place / "model.json").exists():
        return describe_own.describe_model(str(place), place.name)
    if (place / "run.json").exists():
        return describe_own.describe_result(place, place.name)
    return describe_folder(place, path, _describe_file)


def describe_source(source: Source, path: str) -> Description:
    """Return what one file holds, in a folder or zip or not.

    Raises
    ------
    SchemaError
        It is of no kind that RECO knows, or damaged.
    """
    head = head_of(source)
    if not head:
        raise SchemaError(f"'{source.name}' is empty (0 bytes)", "Download or copy it again")
    if source.name.lower().endswith(".rds"):
        return describe_tables.describe_rds(source)
    if source.name.lower().endswith((".gz", ".gzip")):
        with open_source(source) as stream:
            head = stream.read(512)
    if is_workspace(source, head):
        return describe_workspace(source)
    if head.startswith(ZIP):
        return _zip(source, path)
    ending = PurePosixPath(plain_name(source)).suffix
    if _needs_disk(head, ending):
        with tempfile.TemporaryDirectory(prefix="reco-describe-") as folder, on_disk(source, Path(folder)) as file:
            if _looks_like_raster(file, head, ending):
                return _as_given(_on_disk(str(file), source, head, ending), file, path)
    return _text_or_table(source, path, head, ending)


def plain_name(source: Source) -> str:
    """Return the name of a file in small letters, without .gz."""
    return source.name.lower().removesuffix(".gz").removesuffix(".gzip")


def _as_given(found: Description, file: Path, path: str) -> Description:
    """Return a description that names the file as the user did, not its unpacked copy."""
    swap = {str(file): path, f"{file.parent}/": ""}

    def words(text: str) -> str:
        for old, new in swap.items():
            text = text.replace(old, new) if old != path and str(file) != path else text
        return text

    return replace(found, read_with=words(found.read_with), notes=tuple(words(line) for line in found.notes))


def _needs_disk(head: bytes, ending: str) -> bool:
    return head.startswith((HDF4, HDF5, NETCDF3, SQLITE, *PICTURES, b"II", b"MM")) or ending in (
        *RASTERS, *VECTOR_SUFFIXES, *PARQUET_SUFFIXES, ".nc", ".nc4", ".hdf", ".h5") or not is_text(head)


def _looks_like_raster(file: Path, head: bytes, ending: str) -> bool:
    """Return whether a file is something other than a text or a table."""
    if head.startswith((HDF4, HDF5, NETCDF3, SQLITE)) or ending in (*VECTOR_SUFFIXES, *PARQUET_SUFFIXES):
        return not (ending == ".json" and not _is_geojson(file))
    return ending in (*RASTERS, ".nc", ".nc4", ".hdf") or describe_grids.is_raster(file)


def _is_geojson(file: Path) -> bool:
    with open(file, "rb") as stream:
        return b'"FeatureCollection"' in stream.read(2**16)


def _on_disk(file: str, source: Source, head: bytes, ending: str) -> Description:
    label = source.name
    if head.startswith(HDF4):
        return describe_grids.describe_granule(file, label)
    if ending in PARQUET_SUFFIXES:
        return describe_tables.describe_table(source, str(source.path), "Parquet table")
    if head.startswith(SQLITE) or ending in VECTOR_SUFFIXES:
        return describe_tables.describe_vector(file, label)
    if head.startswith((HDF5, NETCDF3)) or ending in (".nc", ".nc4"):
        return _netcdf(file, label)
    return describe_grids.describe_raster(file, label)


def _netcdf(file: str, label: str) -> Description:
    with open_dataset(file, unpack=False) as ds:
        kind = ds.attrs.get("reco_kind")
    if kind == "observations":
        return describe_own.describe_observations(file, label)
    if kind == "samples":
        return describe_own.describe_samples(file, label)
    return describe_grids.describe_dataset(file, label)


def _zip(source: Source, path: str) -> Description:
    if source.members:
        return Description(source.label, "zip inside a zip")
    if not source.name.lower().endswith(".zip"):
        book = source.name.lower().endswith((".xlsx", ".xlsm", ".ods"))
        raise SchemaError(f"'{source.name}' is {'a workbook of a spreadsheet' if book else 'packed like a zip'}, which "
                          "RECO does not read", "Save its sheet as CSV" if book else "Unpack it, or let its name end "
                          "in .zip")
    return describe_folder(source.path, path, _describe_file, find_sources(source.path))


def _text_or_table(source: Source, path: str, head: bytes, ending: str) -> Description:
    if not is_text(head):
        raise SchemaError(f"'{source.name}' is of no kind that RECO knows",
                          "Formats that RECO reads are listed in the guide")
    file = recognise(source)
    if file is not None:
        return describe_tables.describe_tower(file)
    if ending == ".json":
        return describe_own.describe_json(_text(source), source.name, path)
    if ending == ".toml":
        return _run_file(source)
    if ending in TEXT_SUFFIXES:
        return _table_or_words(source, path, ending)
    return _words(source)


def _table_or_words(source: Source, path: str, ending: str) -> Description:
    if not source.members and source.path.stat().st_size > (MOST_PACKED if source.name.lower().endswith("gz") else
                                                            MOST_TEXT):
        return _large_table(source, path, ending)
    try:
        found = describe_tables.describe_table(source, path)
    except RecoError as error:
        if "has a header but no rows" in error.message:
            return Description(source.name, "Table without rows",
                               columns=tuple(Column(name) for name in describe_tables.header(source)))
        if ending in (".csv", ".tsv"):
            raise
        return _words(source)
    if ending in (".csv", ".tsv") or describe_tables.is_filled(found):
        return _known_format(source, path, found)
    return _words(source)


def _large_table(source: Source, path: str, ending: str) -> Description:
    """Return what the first part of a large table holds."""
    with tempfile.TemporaryDirectory(prefix="reco-describe-") as folder:
        head = Path(folder) / source.name.removesuffix(".gz").removesuffix(".gzip")
        with open_source(source) as stream, open(head, "wb") as copy:
            copy.write(stream.read(LOOKED_AT).rpartition(b"\n")[0] + b"\n")
        found = _table_or_words(Source(head), path, ending)
    note = f"Only the first {size_words(LOOKED_AT)} were looked at: rows, dates, gaps and ranges are of these"
    return replace(found, label=source.label, notes=(note, *found.notes))


def _known_format(source: Source, path: str, found: Description) -> Description:
    """Return a description that names the data base whose layout a table has."""
    title = "" if "RECO wrote" in found.kind else format_of([source])
    if not title:
        return found
    return replace(found, kind=f"Table in the layout of {title}", holds=HELD[title], notes=(),
                   read_with=read_words(path, title))


def _text(source: Source) -> str:
    with open_source(source) as stream:
        return stream.read(2**26).decode("utf-8-sig", errors="replace")


def _words(source: Source) -> Description:
    """Return what can be said of a text that is no table."""
    text = _text(source)
    lines = [line.strip() for line in text.splitlines()]
    first = next((line for line in lines if line), "")
    if text.lstrip()[:1] == "<":
        made = "RECO" in text[:2000] and 'name="generator"' in text[:2000]
        return Description(source.name, "Page that RECO wrote (HTML)" if made else "Web page or XML",
                           (("lines", f"{len(lines):,}"),), (), () if made else
                           ("Where data was expected, the download failed, for example because of a login",))
    return Description(source.name, "Text, no data that RECO reads", (("lines", f"{len(lines):,}"),
                                                                     ("begins with", first[:100])))


def _run_file(source: Source) -> Description:
    try:
        plan = tomllib.loads(_text(source))
    except tomllib.TOMLDecodeError as error:
        raise SchemaError(f"'{source.name}' is no TOML: {error}", "Correct the line") from error
    steps = [str(step.get("use", "?")) for step in plan.get("step", ()) if isinstance(step, dict)]
    if not steps:
        return Description(source.name, "TOML that is no run file", (("holds", ", ".join(map(plain, plan))),))
    return Description(source.name, "Run file of RECO", (("steps", ", ".join(steps)),),
                       read_with=f"reco run {source.path}")
