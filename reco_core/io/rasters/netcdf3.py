"""Classic NetCDF files that were cut off: the library reads what is missing as zeros, so they are found here."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from ...errors import SchemaError

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
_STREAMING = 2**32 - 1
_PADDING = 4


def require_whole(path: str) -> None:
    """Raise `SchemaError` if a file is empty, or a classic NetCDF file shorter than its header says."""
    file = Path(path)
    if not file.is_file():
        return
    size = file.stat().st_size
    if size == 0:
        raise SchemaError(f"'{path}' is empty (0 bytes)", "Download or copy it again")
    with file.open("rb") as stream:
        if stream.read(3) != b"CDF":
            return
        try:
            needed = _Header(stream, stream.read(1)[0]).end()
        except (struct.error, IndexError, KeyError, MemoryError, OverflowError) as error:
            raise SchemaError(f"'{path}' is damaged or cut off in its header", "Download or copy it again") from error
    if size + _PADDING < needed:
        raise SchemaError(f"'{path}' is cut off: it has {size} of {needed} bytes", "Download or copy it again")


class _Header:
    """The header of a classic NetCDF file (versions 1, 2 and 5)."""

    def __init__(self, stream: BinaryIO, version: int) -> None:
        self._stream = stream
        self._count_format, self._count_size = (">Q", 8) if version == 5 else (">I", 4)
        self._offset_format, self._offset_size = (">I", 4) if version == 1 else (">Q", 8)

    def end(self) -> int:
        """Return where the last value ends."""
        records = self._count()
        dims = self._dims()
        self._attributes()
        self._number(">I", 4)
        fixed, lengths, begins = [0], [], []
        for _ in range(self._count()):
            self._skip(self._count())
            shape = [dims[self._count()] for _ in range(self._count())]
            self._attributes()
            item = _SIZES[self._number(">I", 4)]
            self._number(self._count_format, self._count_size)
            begin = self._number(self._offset_format, self._offset_size)
            is_record = bool(shape) and shape[0] == 0
            length = item
            for side in shape[1:] if is_record else shape:
                length *= side
            if is_record:
                begins.append(begin)
                lengths.append(length)
            else:
                fixed.append(begin + length)
        if begins and records not in (0, _STREAMING):
            # the records of one variable alone follow each other without padding
            record = lengths[0] if len(lengths) == 1 else sum(_padded(length) for length in lengths)
            fixed.append(min(begins) + records * record)
        return max(fixed)

    def _number(self, form: str, size: int) -> int:
        return int(struct.unpack(form, self._stream.read(size))[0])

    def _count(self) -> int:
        return self._number(self._count_format, self._count_size)

    def _skip(self, length: int) -> None:
        self._stream.seek(_padded(length), 1)

    def _dims(self) -> list[int]:
        self._number(">I", 4)
        sizes = []
        for _ in range(self._count()):
            self._skip(self._count())
            sizes.append(self._count())
        return sizes

    def _attributes(self) -> None:
        self._number(">I", 4)
        for _ in range(self._count()):
            self._skip(self._count())
            item = _SIZES[self._number(">I", 4)]
            self._skip(self._count() * item)


def _padded(length: int) -> int:
    return -(-length // _PADDING) * _PADDING
