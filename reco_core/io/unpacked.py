"""Packed rasters: unpacked once into a folder that lives as long as the process."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from ..errors import SchemaError
from .archives import Source, find_sources, on_disk
from .files import lasting_scratch

PACKED = (".gz", ".zip")
BESIDE = (".hdr", ".prj", ".tfw", ".blw", ".stx", ".clr", ".xml", ".gri", ".csv")
_known: dict[tuple[str, int, int], list[str]] = {}


def is_packed(path: str) -> bool:
    """Return whether a path is a file that must be unpacked before it is read."""
    return path.lower().endswith(PACKED) and Path(path).is_file()


def inner_name(path: str) -> str:
    """Return the name of a file without .gz."""
    name = Path(path).name
    return name.rsplit(".", 1)[0] if name.lower().endswith(".gz") else name


def has_any(path: str, endings: tuple[str, ...]) -> bool:
    """Return whether a zip has a file of some endings; one that is damaged has none."""
    try:
        return any(_ending(source) in endings for source in find_sources(path))
    except SchemaError:
        return False


def unpacked(path: str, endings: tuple[str, ...]) -> list[str]:
    """Return the files in a gzip or zip, unpacked; the folder is removed when the process ends.

    Parameters
    ----------
    path : str
    endings : sequence of str
        Of the files wanted, such as .tif and .nc; what belongs beside them is unpacked too.

    Raises
    ------
    SchemaError
        It is damaged, has none of these, or a zip is not to be trusted.
    ResourceError
        The disk is full.
    """
    state = Path(path).stat()
    key = (str(Path(path).resolve()), state.st_mtime_ns, state.st_size)
    if key in _known and all(Path(file).exists() for file in _known[key]):
        return _known[key]
    sources = [Source(Path(path))] if not path.lower().endswith(".zip") else find_sources(path)
    wanted = [source for source in sources if _ending(source) in (*endings, *BESIDE)]
    if not any(_ending(source) in endings for source in wanted):
        seen = ", ".join(sorted({source.name for source in sources})[:5])
        raise SchemaError(f"'{path}' has no raster or NetCDF file" + (f", only {seen}" if seen else ""),
                          "Unpack it and give the files")
    found = []
    with lasting_scratch() as folder:
        for source in wanted:
            inside = PurePosixPath(source.members[-1].replace("\\", "/")).parent if source.members else PurePosixPath()
            place = folder / Path(path).name / inside
            place.mkdir(parents=True, exist_ok=True)
            with on_disk(source, place) as file:
                if _ending(source) in endings:
                    found.append(str(file))
    _known[key] = sorted(found)
    return _known[key]


def _ending(source: Source) -> str:
    return PurePosixPath(source.name.lower().removesuffix(".gz")).suffix
