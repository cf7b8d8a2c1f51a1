"""Arrays as bytes and back, so that fitted models are kept without pickles."""

from __future__ import annotations

import io
import math
import zipfile
from typing import Mapping

import numpy as np

from ..errors import ArtifactError

_STAMP = (1980, 1, 1, 0, 0, 0)


def pack_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return arrays of numbers as the bytes of an npz file; the same arrays give the same bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as packed:
        for name, values in sorted(arrays.items()):
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asarray(values, order="C"), allow_pickle=False)
            packed.writestr(zipfile.ZipInfo(f"{name}.npy", _STAMP), content.getvalue())
    return stream.getvalue()


def unpack_arrays(content: bytes) -> dict[str, np.ndarray]:
    """Return the arrays that `pack_arrays` packed.

    Raises
    ------
    ArtifactError
        The bytes are damaged, or hold something else than numbers, or more than they are long.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if any(member.compress_type != zipfile.ZIP_STORED or member.file_size > len(content)
                   for member in packed.infolist()):
                raise ValueError("they are compressed, which this library never does")
            return {member.filename.removesuffix(".npy"): _array(packed.read(member)) for member in packed.infolist()}
    except (ValueError, OSError, EOFError, KeyError, NotImplementedError, RuntimeError, zipfile.BadZipFile) as error:
        raise ArtifactError(f"Weights of the model cannot be read: {error}",
                            "The model is damaged: fit it again") from error


def _array(content: bytes) -> np.ndarray:
    """Return the array of a file; its header may claim no more than there is."""
    stream = io.BytesIO(content)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("an array is of another format")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(content) - stream.tell():
        raise ValueError(f"an array of shape {shape} has {len(content) - stream.tell()} bytes")
    return np.frombuffer(content, dtype, offset=stream.tell()).reshape(shape, order="F" if fortran else "C").copy()
