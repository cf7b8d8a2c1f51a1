"""Tiles that are done, kept on disk until the whole map is: an interrupted run goes on where it stopped."""

from __future__ import annotations

import json
import os
import platform
import zlib
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional

import numpy as np

from ..deps import need
from ..errors import ConfigError
from ..io.files import remove, telling
from ..progress import SILENT, Progress
from .hold import NOT_OF_TILES, PARTS, SUFFIX, TILES, plain, read_plain
from .pieces import Piece, Record, Tally, TileResult
from .tiles import Tile, TilePlan

ABOUT = "journal.json"
ARRAY = "array"  # marks what of a record is kept in a file of its own


class Journal:
    """A folder with a Zarr group (format 2) of one array per output, whose chunks are tiles, and a marker per tile.

    A tile counts as done when its marker is there: it is written after the chunks, renamed into
    place, and carries their checksums. Several processes may write tiles into one journal; who holds its folder
    (`Hold`) starts it.

    Parameters
    ----------
    folder : path
        Of a journal that `start` made.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.about: dict[str, Any] = json.loads((self.folder / ABOUT).read_text(encoding="utf-8"))
        self._sums: dict[int, dict[str, Optional[int]]] = {}
        self._mark = self._stamp()

    @classmethod
    def start(cls, folder: str | os.PathLike[str], run: Mapping[str, Any], plan: TilePlan,
              outputs: Mapping[str, int], shape: tuple[int, int], *, resume: bool = True) -> Journal:
        """Go on with the journal of the same run, or begin a new one.

        Parameters
        ----------
        folder : path
        run : mapping
            What the run is, as plain values: only a run with the same goes on.
        plan : TilePlan
        outputs : mapping of output name to number of bands
        shape : tuple of int
            Rows and columns of the map.
        resume : bool
            Whether an interrupted run goes on.

        Raises
        ------
        ResourceError
            The disk is full, or writing is not allowed.
        """
        place = Path(folder)
        about = plain({"run": run, "plan": plan.to_dict(), "outputs": outputs, "shape": shape})
        with telling(place):
            if not (resume and _same(place, about)):
                for path in place.iterdir():
                    if path.name not in NOT_OF_TILES:
                        remove(path)
                _lay_out(place, about)
            return cls(place)

    def put(self, number: int, piece: Piece) -> None:
        """Keep a piece of a tile.

        Raises
        ------
        ResourceError
            The disk is full.
        ConfigError
            The folder holds the journal of another run by now.
        """
        steps, high, wide = self.about["outputs_chunks"][piece.output]
        sums = self._sums.setdefault(number, {})
        for first in range(0, len(piece.values), steps):
            values = np.ascontiguousarray(piece.values[first:first + steps], dtype="<f4")
            name = f"{piece.output}/{(piece.band0 + first) // steps}.{piece.row0 // high}.{piece.col0 // wide}"
            if np.isnan(values).all():
                sums[name] = None  # a chunk that is not there reads as missing
                continue
            if values.shape != (steps, high, wide):
                whole = np.full((steps, high, wide), np.nan, dtype="<f4")
                whole[tuple(slice(0, length) for length in values.shape)] = values
                values = whole
            sums[name] = self._write(name, bytes(_codec().encode(values)))

    def finish(self, result: TileResult) -> None:
        """Mark a tile as done, with what is counted of it."""
        name = f"{TILES}/{result.number:08d}"
        sums = self._sums.pop(result.number, {})
        records: list[dict[str, Any]] = []
        for k, record in enumerate(result.records):
            arrays = {key: value for key, value in record.items() if isinstance(value, np.ndarray)}
            for key, array in arrays.items():
                data = np.ascontiguousarray(array)
                sums[f"{name}.{k}.{key}"] = self._write(f"{name}.{k}.{key}", data.tobytes())
            records.append({key: {ARRAY: [value.dtype.str, list(value.shape)]} if key in arrays else value
                            for key, value in record.items()})
        tally = {"valid": result.tally.valid, "missing": dict(result.tally.missing),
                 "additivity_error": result.tally.additivity_error}
        text = json.dumps({"tally": tally, "records": records, "sums": sums}, default=_number)
        self._write(f"{name}.json", text.encode())

    def finished(self, progress: Progress = SILENT) -> set[int]:
        """Return the tiles that are done and whole; damaged ones are forgotten."""
        found = set()
        for path in sorted((self.folder / TILES).glob("*.json")):
            progress.check()
            if self._whole(path):
                found.add(int(path.stem))
            else:
                remove(path)
        return found

    @property
    def count(self) -> int:
        """How many tiles are done, whoever computed them."""
        return sum(1 for _ in (self.folder / TILES).glob("*.json"))

    @property
    def complete(self) -> bool:
        """Whether all tiles are done."""
        return self.count == self.about["plan"]["tiles"]

    def kept(self) -> str:
        """Return in words what is kept and how to go on; nothing where no tile is done."""
        return (f"{self.count} of {self.about['plan']['tiles']} tiles are kept in '{self.folder}': the same command "
                "goes on from there") if self.count else ""

    def result(self, number: int) -> TileResult:
        """Return a tile that is done, without its pieces."""
        name = f"{TILES}/{number:08d}"
        marker = self._marker(number)
        tally = marker["tally"]
        records: list[Record] = []
        for k, record in enumerate(marker["records"]):
            records.append({key: self._array(f"{name}.{k}.{key}", *value[ARRAY])
                            if isinstance(value, dict) and ARRAY in value else value for key, value in record.items()})
        missing = Tally().missing
        missing.update(tally["missing"])
        return TileResult(number, [], Tally(tally["valid"], missing, tally["additivity_error"]), records)

    def pieces(self, number: int, tile: Tile) -> Iterator[Piece]:
        """Yield the pieces of a tile that is done, in the order in which they were kept."""
        for name, known in self._marker(number)["sums"].items():
            output, _, place = name.rpartition("/")
            if output == TILES:
                continue
            steps, high, wide = self.about["outputs_chunks"][output]
            band0 = int(place.split(".")[0]) * steps
            shape = (min(steps, self.about["outputs"][output] - band0), *tile.shape)
            if known is None:
                values = np.full(shape, np.nan, dtype="float32")
            else:
                data = _codec().decode((self.folder / name).read_bytes())
                whole = np.frombuffer(data, dtype="<f4").reshape(steps, high, wide)
                values = whole[tuple(slice(0, length) for length in shape)]
            yield Piece(output, band0, tile.row0, tile.col0, values)

    def _marker(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / TILES / f"{number:08d}.json").read_text(encoding="utf-8"))
        return found

    def _array(self, name: str, dtype: str, shape: list[int]) -> np.ndarray:
        return np.frombuffer((self.folder / name).read_bytes(), dtype=dtype).reshape(shape)

    def _write(self, name: str, data: bytes) -> int:
        """Write a file that appears when it is whole; return its checksum."""
        path = self.folder / name
        part = path.with_name(f"{path.name}.{platform.node()}-{os.getpid()}{SUFFIX}")
        with telling(path):
            if self._stamp() != self._mark:  # a process that outlived its run
                raise ConfigError(f"'{self.folder}' holds the journal of another run by now",
                                  "Nothing is to be done: this run was given up")
            try:
                part.write_bytes(data)
                os.replace(part, path)
            except BaseException:
                remove(part)
                raise
        return zlib.crc32(data)

    def _stamp(self) -> Optional[tuple[int, int]]:
        """Return what tells this journal from a later one in the same folder."""
        try:
            with open(self.folder / ABOUT, "rb") as stream:  # which asks the server where the folder is on one
                state = os.fstat(stream.fileno())
        except OSError:
            return None
        return state.st_ino, state.st_mtime_ns

    def _whole(self, marker: Path) -> bool:
        try:
            sums = json.loads(marker.read_text(encoding="utf-8"))["sums"]
            return all(known is None or zlib.crc32((self.folder / name).read_bytes()) == known
                       for name, known in sums.items())
        except (OSError, ValueError, KeyError):
            return False


def earlier(folder: str | os.PathLike[str], run: Mapping[str, Any]) -> Optional[dict[str, Any]]:
    """Return what an interrupted run, if it is the same, noted of itself: among others its `plan` and `memory`."""
    place = Path(folder)
    found = read_plain(place / ABOUT)
    return {**found, **read_plain(place / PARTS)} if found.get("run") == plain(run) else None


def _same(folder: Path, about: Mapping[str, Any]) -> bool:
    """Return whether a folder holds the journal of this very run."""
    found = read_plain(folder / ABOUT)
    return all(found.get(key) == value for key, value in about.items())


def _lay_out(folder: Path, about: dict[str, Any]) -> None:
    """Write the metadata of a new journal."""
    (folder / TILES).mkdir()
    group = need("zarr").open_group(str(folder), mode="a", zarr_format=2)
    plan, chunks = about["plan"], {}
    for name, bands in about["outputs"].items():
        chunks[name] = [min(plan["steps"], bands), plan["rows"], plan["columns"]]
        group.create_array(name, shape=(bands, *about["shape"]), chunks=tuple(chunks[name]), dtype="float32",
                           compressors=_codec(), fill_value=np.nan)
    part = folder / f"{ABOUT}{SUFFIX}"
    part.write_text(json.dumps({**about, "outputs_chunks": chunks}, indent=1), encoding="utf-8")
    os.replace(part, folder / ABOUT)


def _codec() -> Any:
    return need("numcodecs").Blosc(cname="lz4", clevel=1, shuffle=1)


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else str(value)

