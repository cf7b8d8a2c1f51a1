"""Workspaces that R saved (.rda, .RData): which objects they hold."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import warnings
import zlib
from typing import Any

from ...deps import need
from ...errors import SchemaError
from ..archives import Source, open_source
from .description import Description

MARKS = (b"RDX2\n", b"RDX3\n", b"RDA2\n", b"RDA3\n")
SUFFIXES = (".rda", ".rdata")
MOST_BYTES = 2**30


def is_workspace(source: Source, head: bytes) -> bool:
    """Return whether a file is a workspace of R, by its name or first bytes."""
    return head.startswith(MARKS) or source.name.lower().endswith(SUFFIXES)


def describe_workspace(source: Source) -> Description:
    """Return the names of the objects of a workspace; nothing in it is run.

    Raises
    ------
    SchemaError
        It is no workspace, or damaged.
    """
    with open_source(source) as stream:
        content = stream.read()
    try:
        content = _unpacked(content)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise SchemaError(f"'{source.name}' is damaged or cut off: {error}", "Download or copy it again") from error
    if not content.startswith(MARKS):
        raise SchemaError(f"'{source.name}' holds no workspace of R: unpacked it begins with {content[:8]!r}",
                          "Save it again with save() in R")
    names = _names(content, source.name)
    return Description(source.name, "R workspace (.rda, .RData)",
                       (("objects", f"{len(names)}: {', '.join(names[:12])}" + (", ..." if len(names) > 12 else "")),),
                       notes=("RECO reads tables saved with saveRDS; in R: "
                              f"load('{source.name}'); saveRDS({names[0] if names else 'object'}, 'table.rds')",))


def _unpacked(content: bytes) -> bytes:
    stream = io.BytesIO(content)
    if content.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=stream).read(MOST_BYTES)
    if content.startswith(b"BZh"):
        return bz2.BZ2File(stream).read(MOST_BYTES)
    return lzma.LZMAFile(stream).read(MOST_BYTES) if content.startswith(b"\xfd7zXZ") else content


def _names(content: bytes, label: str) -> list[str]:
    rdata = need("rdata", extra="cosore")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            item: Any = rdata.parser.parse_data(content).object
            names = []
            while getattr(item, "tag", None) is not None:
                tag = item.tag
                while not isinstance(tag, bytes) and tag is not None:
                    tag = tag.value if hasattr(tag, "value") else None
                names.append((tag or b"?").decode("utf-8", errors="replace"))
                item = item.value[1]
    except (ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, NotImplementedError,
            RecursionError, TypeError, ValueError) as error:
        raise SchemaError(f"'{label}' is damaged or cut off: {error or type(error).__name__}",
                          "Download or copy it again") from error
    return names
