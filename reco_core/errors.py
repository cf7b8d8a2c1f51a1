"""Errors that a user can mend, each with a hint and an exit code."""

from __future__ import annotations

import errno


class RecoError(Exception):
    """Root of all errors that RECO raises on purpose.

    Parameters
    ----------
    message : str
        What was seen, what was wanted and where (file, column, band, line).
    hint : str
        How to mend it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class ConfigError(RecoError):
    """A parameter or a run file is wrong."""

    exit_code = 2


class SchemaError(RecoError):
    """A file or dataset is not of the kind it should be."""

    exit_code = 3


class GridError(RecoError):
    """Rasters do not share one grid, calendar or unit."""

    exit_code = 4


class SampleError(RecoError):
    """There are too few, duplicated or unusable samples."""

    exit_code = 5


class ArtifactError(RecoError):
    """A model directory is damaged or does not fit the data."""

    exit_code = 6


class MissingDependency(RecoError):
    """An optional package or the library environment is not installed."""

    exit_code = 7


class ResourceError(RecoError):
    """Memory, disk or permission is lacking."""

    exit_code = 8


class Cancelled(RecoError):
    """The user asked to stop."""

    exit_code = 130

    def __init__(self, message: str = "Cancelled", hint: str = "") -> None:
        super().__init__(message, hint)


ERRORS: dict[str, type[RecoError]] = {
    cls.__name__: cls
    for cls in (RecoError, ConfigError, SchemaError, GridError, SampleError,
                ArtifactError, MissingDependency, ResourceError, Cancelled)
}
_MEMORY = ("bad_alloc", "cannot allocate memory", "out of memory", "can't start new thread", "not enough memory",
           "unable to allocate", "failed to map segment")


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory is lacking: libraries have many words for it."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, RecoError):
        return False
    text = str(error).lower()
    return getattr(error, "errno", None) == errno.ENOMEM or any(words in text for words in _MEMORY)
