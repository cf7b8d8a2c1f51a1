"""What GDAL does not tell of a TIFF: a nodata value that its integers cannot hold."""

from __future__ import annotations

import struct
from pathlib import Path

from ...errors import SchemaError

GDAL_NODATA = 42113
_ORDERS = {b"II": "<", b"MM": ">"}


def refuse_nan_among_integers(path: str) -> None:
    """Raise `SchemaError` where a TIFF of integers says that NaN is missing: no value could be told as missing."""
    if _nodata(path).lower().strip() in ("nan", "-nan", "+nan"):
        raise SchemaError(f"'{path}' stores integers and says that NaN is missing, which integers cannot hold",
                          "State the integer that is missing, for example with gdal_edit.py -a_nodata -9999")


def _nodata(path: str) -> str:
    """Return the text of the tag GDAL_NODATA of the first image, or an empty one."""
    try:
        with Path(path).open("rb") as stream:
            head = stream.read(16)
            order = _ORDERS[head[:2]]
            big = struct.unpack(order + "H", head[2:4])[0] == 43
            entry, offset, count_form = (20, "Q", "Q") if big else (12, "I", "H")
            stream.seek(struct.unpack(order + offset, head[8:16] if big else head[4:8])[0])
            count = struct.unpack(order + count_form, stream.read(8 if big else 2))[0]
            table = stream.read(min(count, 4096) * entry)
            for start in range(0, len(table), entry):
                item = table[start:start + entry]
                if struct.unpack(order + "H", item[:2])[0] == GDAL_NODATA:
                    length, = struct.unpack(order + offset, item[4:12] if big else item[4:8])
                    inline = item[12:] if big else item[8:]
                    if length > len(inline):
                        stream.seek(struct.unpack(order + offset, inline)[0])
                        inline = stream.read(min(length, 64))
                    return inline[:length].split(b"\0")[0].decode("ascii", "replace")
    except (OSError, KeyError, struct.error):
        return ""  # no TIFF; whether it can be read at all is said elsewhere
    return ""
