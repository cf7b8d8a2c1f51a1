"""Arrays as bytes and back, so that fitted models are kept without pickles."""

from __future__ import annotations

import io
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
        The bytes are damaged, or hold something else than numbers.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as packed:
            return {name: packed[name] for name in packed.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise ArtifactError(f"Weights of the model cannot be read: {error}",
                            "The model is damaged: fit it again") from error
