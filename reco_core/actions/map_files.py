"""The rasters of one run: all of them appear together, or none does."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Iterator, Mapping, Optional, Sequence

from ..errors import SchemaError
from ..inference.pieces import Piece
from ..io.rasters.geotiff import RasterWriter, raster_tags
from ..io.rasters.grid import Grid
from ..io.rasters.qml import Style


class MapFiles:
    """Opens rasters on one grid; a context manager.

    Parameters
    ----------
    grid : Grid
    tags : mapping of str to str
        Tags of every raster.

    Attributes
    ----------
    others : list of path
        Temporary names of what appears beside the rasters.
    """

    def __init__(self, grid: Grid, tags: Mapping[str, str]) -> None:
        self.grid, self.tags = grid, dict(tags)
        self.stack = ExitStack()
        self.writers: dict[str, RasterWriter] = {}
        self.others: list[Path] = []

    @property
    def paths(self) -> list[Path]:
        """Return the final names."""
        return [writer.path for writer in self.writers.values()]

    @property
    def temporaries(self) -> list[Path]:
        """Return the names that the files have until the run succeeds."""
        return [*(path for writer in self.writers.values() for path in writer.temporaries), *self.others]

    def open(self, path: str | Path, bands: Sequence[str], *, unit: str | Sequence[str], style: Style,
             name: str = "", dtype: str = "float32", **tags: str) -> RasterWriter:
        """Return a writer; its file gets its name when the run succeeds. `name` is that of the output."""
        self.stack.enter_context(tidy(path))
        units = unit if isinstance(unit, str) else ", ".join(dict.fromkeys(unit))
        writer = RasterWriter(path, self.grid, bands, unit=unit, dtype=dtype, style=style,
                              tags={**self.tags, "UNITS": units, **tags})
        self.writers[name or str(path)] = self.stack.enter_context(writer)
        return writer

    def write(self, piece: Piece) -> None:
        """Write a piece of an output."""
        self.writers[piece.output].write(piece.values, piece.row0, piece.col0, piece.band0)

    def finish(self) -> None:
        """Write all that is still in memory, before the first raster gets its name."""
        for writer in self.writers.values():
            writer.finish()

    def __enter__(self) -> MapFiles:
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        if kind is not None:
            self.stack.__exit__(kind, error, trace)
            return
        with self.stack:
            self.finish()


@contextmanager
def tidy(path: str | Path) -> Iterator[None]:
    """Remove the folders above `path` that are new, as far as they are empty, if the block fails."""
    new = [folder for folder in Path(path).parents if not folder.exists()]
    try:
        yield
    except BaseException:
        for folder in new:
            with suppress(OSError):
                folder.rmdir()
        raise


def remove_rasters(paths: Sequence[Path]) -> None:
    """Remove rasters and their styles."""
    for path in paths:
        for file in (path, path.with_suffix(".qml")):
            file.unlink(missing_ok=True)


def written_by(path: Path) -> str:
    """Return the step of RECO that wrote a raster; empty if none did or it is not there."""
    if not path.is_file():
        return ""
    try:
        return raster_tags(path).get("RECO_STEP", "")
    except SchemaError:
        return ""
