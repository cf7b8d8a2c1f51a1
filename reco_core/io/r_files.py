"""Tables that R saved (.RDS), read by a parser that never runs what a file says."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import warnings
from typing import Any, Callable, Mapping

import numpy as np
import pandas as pd

from ..deps import need
from ..errors import SchemaError
from .archives import Source, open_source, reading

MAX_BYTES = 4 * 2**30
MOST_ROWS = 10**8
_DAMAGED = (ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, NotImplementedError,
            RecursionError, TypeError, ValueError)
_HEADS = (b"X\n", b"A\n", b"B\n")


def read_rds(source: Source) -> pd.DataFrame:
    """Read a data frame that R wrote with saveRDS.

    The package `rdata` only parses the bytes: expressions, functions and environments in a file are
    data to it, so that a file of unknown origin can run nothing.

    Parameters
    ----------
    source : Source
        Packed with gzip, bzip2 or xz, or not at all.

    Returns
    -------
    pandas.DataFrame
        Columns as R has them; times (POSIXct) are seconds since 1970-01-01 UTC as float64.

    Raises
    ------
    SchemaError
        The file is empty, cut off, damaged, or holds no data frame.
    MissingDependency
        `rdata` is not installed.
    """
    rdata = need("rdata", extra="cosore")
    content = _unpacked(source)
    try:
        with warnings.catch_warnings():
            # rdata warns of file names it does not know and of classes it hands over as they are
            warnings.simplefilter("ignore")
            parsed = rdata.parser.parse_data(content, altrep_constructor_dict=_sequences(rdata))
            frame = rdata.conversion.convert(parsed, constructor_dict=_constructors(rdata))
    except _DAMAGED as error:
        raise SchemaError(f"'{source.label}' is damaged or cut off: {error or type(error).__name__}",
                          "Download or copy it again") from error
    if not isinstance(frame, pd.DataFrame):
        raise SchemaError(f"'{source.label}' holds no data frame but a {type(frame).__name__}",
                          "Give a data frame saved with saveRDS")
    return frame.reset_index(drop=True)


def _unpacked(source: Source) -> bytes:
    with open_source(source) as stream, reading(source.label):
        content = stream.read()
    if not content:
        raise SchemaError(f"'{source.label}' is empty (0 bytes)", "Download or copy it again")
    packed: Any = None
    if content.startswith(b"\x1f\x8b"):
        packed = gzip.GzipFile(fileobj=io.BytesIO(content))
    elif content.startswith(b"BZh"):
        packed = bz2.BZ2File(io.BytesIO(content))
    elif content.startswith(b"\xfd7zXZ"):
        packed = lzma.LZMAFile(io.BytesIO(content))
    if packed is not None:
        try:
            with reading(source.label):
                content = packed.read(MAX_BYTES + 1)
        except (OSError, lzma.LZMAError, ValueError) as error:
            raise SchemaError(f"'{source.label}' is damaged or cut off: {error}",
                              "Download or copy it again") from error
        if len(content) > MAX_BYTES:
            raise SchemaError(f"'{source.label}' unpacks to more than {MAX_BYTES / 2**30:.0f} GB",
                              "Export a smaller part of it as CSV")
    if not content.startswith(_HEADS):
        raise SchemaError(f"'{source.label}' is no RDS file: it starts with {content[:8]!r}",
                          "Give a file that R wrote with saveRDS")
    return content


def _constructors(rdata: Any) -> dict[str | bytes, Any]:
    """Return how classes of R become ours: times stay seconds, data frames lose their row names."""
    known = dict(rdata.conversion.DEFAULT_CLASS_MAP)
    return {**known, "POSIXct": _seconds, "POSIXt": _seconds, "data.frame": _frame}


def _frame(columns: Any, attrs: Any) -> pd.DataFrame:
    # the number of rows that a file claims is not believed: the columns tell it
    if not isinstance(columns, Mapping):
        raise ValueError("the columns of the data frame have no names")
    return pd.DataFrame({str(name): _column(values) for name, values in columns.items()})


def _column(values: Any) -> Any:
    return _seconds(values, None) if np.ma.isMaskedArray(values) else values


def _seconds(values: Any, attrs: Any) -> np.ndarray:
    return np.ma.filled(np.ma.asarray(values).astype("float64"), np.nan)


def _sequences(rdata: Any) -> dict[bytes, Callable[[Any], Any]]:
    """Return how compact objects of R are written out; a sequence that claims to be huge is refused."""
    def bounded(expand: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def checked(state: Any) -> Any:
            if not 0 <= float(state.value[0]) <= MOST_ROWS:
                raise ValueError(f"a sequence of {float(state.value[0]):g} values")
            return expand(state)

        return checked

    return {name: bounded(expand) if name.startswith(b"compact_") else expand
            for name, expand in rdata.parser.DEFAULT_ALTREP_MAP.items()}
