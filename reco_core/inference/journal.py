"""Tiles that are done, kept on disk until the whole map is: an interrupted run goes on where it stopped."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import IO, Any, Iterable, Iterator, Mapping, Optional

import numpy as np

from ..deps import need
from ..errors import ConfigError
from ..io.files import PREFIX as PARTIAL
from ..io.files import remove, telling
from .pieces import Piece, Record, Tally, TileResult
from .tiles import Tile, TilePlan

PREFIX = ".reco-journal-"
ABOUT, LOCK, TILES, PARTS = "journal.json", "lock", "tiles", "partial.json"
SUFFIX = ".part"
ARRAY = "array"  # marks what of a record is kept in a file of its own


class Journal:
    """A folder with a Zarr group (format 2) of one array per output, whose chunks are tiles, and a marker per tile.

    A tile counts as done when its marker is there: it is written after the chunks, renamed into
    place, and carries their checksums. Several processes may write tiles into one journal.

    Parameters
    ----------
    folder : path
        Of a journal that `start` made.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.about: dict[str, Any] = json.loads((self.folder / ABOUT).read_text(encoding="utf-8"))
        self._sums: dict[int, dict[str, Optional[int]]] = {}
        self._lock: Optional[IO[bytes]] = None

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
        ConfigError
            Another process is writing the same outputs.
        ResourceError
            The disk is full, or writing is not allowed.
        """
        place = Path(folder)
        about = _plain({"run": run, "plan": plan.to_dict(), "outputs": outputs, "shape": shape})
        with telling(place):
            place.mkdir(parents=True, exist_ok=True)
            lock = _locked(place)
            _clear(place)
            if not (resume and _same(place, about)):
                for path in place.iterdir():
                    if path.name != LOCK:
                        remove(path)
                _lay_out(place, about)
            journal = cls(place)
        journal._lock = lock
        return journal

    def put(self, number: int, piece: Piece) -> None:
        """Keep a piece of a tile.

        Raises
        ------
        ResourceError
            The disk is full.
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

    def finished(self) -> set[int]:
        """Return the tiles that are done and whole; damaged ones are forgotten."""
        found = set()
        for path in sorted((self.folder / TILES).glob("*.json")):
            if self._whole(path):
                found.add(int(path.stem))
            else:
                remove(path)
        return found

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

    def note(self, paths: Iterable[Path], memory_gb: float) -> None:
        """Note files that are being written beside, so that the next run finds them, and the memory budget [GB]."""
        self._write(PARTS, json.dumps({"paths": [str(path) for path in paths], "memory": memory_gb}).encode())

    def close(self) -> None:
        """Let go of the journal; what is in it stays."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def leave(self) -> None:
        """Let go of the journal; it is removed if no tile is in it."""
        if any((self.folder / TILES).glob("*.json")):
            self.close()
        else:
            self.remove()

    def remove(self) -> None:
        """Remove the journal: the run succeeded."""
        self.close()
        remove(self.folder)

    def _marker(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / TILES / f"{number:08d}.json").read_text(encoding="utf-8"))
        return found

    def _array(self, name: str, dtype: str, shape: list[int]) -> np.ndarray:
        return np.frombuffer((self.folder / name).read_bytes(), dtype=dtype).reshape(shape)

    def _write(self, name: str, data: bytes) -> int:
        """Write a file that appears when it is whole; return its checksum."""
        path = self.folder / name
        part = path.with_name(f"{path.name}.{os.getpid()}{SUFFIX}")
        with telling(path):
            part.write_bytes(data)
            os.replace(part, path)
        return zlib.crc32(data)

    def _whole(self, marker: Path) -> bool:
        try:
            sums = json.loads(marker.read_text(encoding="utf-8"))["sums"]
            return all(known is None or zlib.crc32((self.folder / name).read_bytes()) == known
                       for name, known in sums.items())
        except (OSError, ValueError, KeyError):
            return False


def beside(step: str, target: str | os.PathLike[str], *, folder: bool = False) -> Path:
    """Return where the journal of a step is: beside an output, or in a folder of outputs.

    Examples
    --------
    >>> beside("predict", "maps/reco.tif").as_posix()
    'maps/.reco-journal-predict-reco'
    """
    path = Path(target)
    return path / f"{PREFIX}{step}" if folder else path.with_name(f"{PREFIX}{step}-{path.stem}")


def earlier(folder: str | os.PathLike[str], run: Mapping[str, Any]) -> Optional[dict[str, Any]]:
    """Return what an interrupted run, if it is the same, noted of itself: among others its `plan` and `memory`."""
    place = Path(folder)
    found = _read(place / ABOUT)
    return {**found, **_read(place / PARTS)} if found.get("run") == _plain(run) else None


def _plain(values: Any) -> Any:
    return json.loads(json.dumps(values, default=str))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _clear(folder: Path) -> None:
    """Remove what a process that was killed left half-written."""
    for text in _read(folder / PARTS).get("paths", []):
        if Path(text).name.startswith(PARTIAL):
            remove(Path(text))
    for path in folder.rglob(f"*{SUFFIX}"):
        remove(path)


def _same(folder: Path, about: Mapping[str, Any]) -> bool:
    """Return whether a folder holds the journal of this very run."""
    found = _read(folder / ABOUT)
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


def _locked(folder: Path) -> Optional[IO[bytes]]:
    """Return the open lock of a journal; the system frees it when the process ends, however it ends."""
    stream = open(folder / LOCK, "ab")
    try:
        if os.name == "nt":
            import msvcrt

            stream.seek(0)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        stream.close()
        raise ConfigError(f"Another run is writing the same outputs: it holds '{folder}'",
                          "Wait until it is done, or give other outputs") from error
    except OSError:  # a file system without locks
        pass
    return stream
