"""Progress reports that can also ask a computation to stop."""

from __future__ import annotations

import logging
from typing import Callable, Optional

from .errors import Cancelled

Sink = Callable[[float, str], None]


class Progress:
    """Tells how far a computation is; raises `Cancelled` when asked to stop.

    Parameters
    ----------
    sink : callable (fraction, message), optional
        Receives fractions from 0 to 1.
    stopped : callable () -> bool, optional
        Asked at every report.

    Examples
    --------
    >>> seen = []
    >>> progress = Progress(lambda fraction, message: seen.append(fraction))
    >>> half = progress.span(0.5, 1.0)
    >>> half(0.5, "three quarters")
    >>> seen
    [0.75]
    """

    def __init__(self, sink: Optional[Sink] = None,
                 stopped: Optional[Callable[[], bool]] = None,
                 start: float = 0.0, end: float = 1.0) -> None:
        self._sink = sink
        self._stopped = stopped
        self._start = start
        self._end = end

    def __call__(self, fraction: float, message: str = "") -> None:
        self.check()
        if self._sink is not None:
            inside = min(max(fraction, 0.0), 1.0)
            self._sink(self._start + (self._end - self._start) * inside, message)

    def check(self) -> None:
        """Raise `Cancelled` if asked to stop."""
        if self._stopped is not None and self._stopped():
            raise Cancelled()

    def span(self, start: float, end: float) -> Progress:
        """Return a child whose 0..1 is `start`..`end` of this one."""
        width = self._end - self._start
        return Progress(self._sink, self._stopped,
                        self._start + width * start, self._start + width * end)

    def info(self, message: str) -> None:
        """Log a line that the user should see."""
        logging.getLogger("reco").info(message)

    def warn(self, message: str) -> None:
        """Log a line that the user must not overlook."""
        logging.getLogger("reco").warning(message)


SILENT = Progress()
