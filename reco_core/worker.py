"""One step in a process of its own, spoken to in JSON lines; this is how QGIS runs the library.

The job file holds `{"step": name, "values": {...}, "folder": path or null}`. The
first descriptor of standard output carries the protocol alone:

    {"type": "hello", "protocol": 1, "version": "0.1.0", "python": "3.11.7", "pid": 1234}
    {"type": "progress", "value": 42.0, "text": "tile 3 of 7"}
    {"type": "log", "level": "warning", "text": "..."}
    {"type": "result", "value": {...}}
    {"type": "error", "kind": "GridError", "message": "...", "hint": "...", "traceback": "..."}

The end of standard input asks the worker to stop: whoever started it closed the
pipe, or died. The process ends with the exit code of the error's class.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import platform
import sys
import threading
import time
import traceback
from typing import Any, Mapping, Optional, TextIO

from .errors import Cancelled, ConfigError, MissingDependency, RecoError, ResourceError, out_of_memory
from .progress import Progress
from .version import __version__

PROTOCOL = 1
GRACE = 1.0  # seconds a cancelled step has for ending by itself
REPORT_EVERY = 0.1
DOCTOR = "doctor"


class Channel:
    """Where the protocol goes; it also knows whether somebody still listens."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._last = (0.0, "")
        self.stop = threading.Event()

    def send(self, kind: str, /, **fields: Any) -> None:
        """Write one message; a reader that is gone means: stop."""
        line = json.dumps({"type": kind, **fields}, ensure_ascii=False, default=str)
        try:
            with self._lock:
                self._stream.write(line + "\n")
                self._stream.flush()
        except (OSError, ValueError):
            self.stop.set()

    def progress(self, fraction: float, message: str) -> None:
        """Report how far the step is, ten times a second at most."""
        now = time.monotonic()
        if now - self._last[0] < REPORT_EVERY and message == self._last[1] and fraction < 1:
            return
        self._last = (now, message)
        self.send("progress", value=round(100 * fraction, 2), text=message)


class _Handler(logging.Handler):
    """Sends what RECO logs through the channel."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(logging.INFO)
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        self._channel.send("log", level=record.levelname.lower(), text=record.getMessage())


def main(job_path: str) -> int:
    """Run the job in a file and return the exit code.

    Parameters
    ----------
    job_path : str
        JSON file with `step`, `values` and optionally `folder`.
    """
    channel = Channel(_private_stdout())
    channel.send("hello", protocol=PROTOCOL, version=__version__, python=platform.python_version(),
                 pid=os.getpid())
    _listen(channel)
    logger = logging.getLogger("reco")
    logger.setLevel(logging.INFO)
    logger.addHandler(_Handler(channel))
    try:
        channel.send("result", value=run_job(read_job(job_path), Progress(channel.progress, channel.stop.is_set)))
        return 0
    except KeyboardInterrupt:
        return _fail(channel, Cancelled())
    except Exception as error:
        return _fail(channel, error)


def read_job(job_path: str) -> dict[str, Any]:
    """Return the job in a file.

    Raises
    ------
    ConfigError
        It is not a job.
    """
    try:
        with open(job_path, encoding="utf-8") as stream:
            job = json.load(stream)
    except (OSError, ValueError) as error:
        raise ConfigError(f"The job file '{job_path}' cannot be read: {error}",
                          "Give the path of a JSON file as the only argument") from error
    if not isinstance(job, dict) or not isinstance(job.get("step"), str) or not isinstance(job.get("values", {}), dict):
        raise ConfigError(f"'{job_path}' is not a job", 'Write {"step": name, "values": {...}}')
    return job


def run_job(job: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Run the step of a job, or the check-up, and return its result."""
    if job["step"] == DOCTOR:
        from .doctor import examine

        lines, healthy = examine()
        return {"summary": lines, "healthy": healthy}
    from .actions import run_step

    return run_step(job["step"], job.get("values", {}), progress, folder=job.get("folder"))


def as_reco_error(error: BaseException) -> Optional[RecoError]:
    """Return what an error means for a user; None if it is a fault of RECO."""
    if isinstance(error, RecoError):
        return error
    if out_of_memory(error):
        return ResourceError("There is not enough memory", "Lower the memory budget or work on a smaller region")
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("reco_core"):
        return MissingDependency(f"The Python package '{error.name}' is not installed in {sys.prefix}",
                                 "Make the environment of RECO anew, or install the package there")
    return None


def _private_stdout() -> TextIO:
    """Keep the first descriptor of stdout for the protocol and send stray prints of libraries to stderr."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return stream


def _listen(channel: Channel) -> None:
    threading.Thread(target=_watch, args=(channel,), name="reco-watchdog", daemon=True).start()


def _watch(channel: Channel) -> None:
    """Wait for the end of stdin; then ask the step to stop, and stop the process if it does not."""
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass
    channel.stop.set()
    time.sleep(GRACE)
    end_now()


def end_now() -> None:
    """End the process at once, with its children, leaving no half-written file."""
    for child in multiprocessing.active_children():
        child.kill()
    files = sys.modules.get(f"{__package__}.io.files")  # not imported: nothing has been written yet
    if files is not None:
        files.remove_pending()
    os._exit(Cancelled.exit_code)


def _fail(channel: Channel, error: BaseException) -> int:
    known = as_reco_error(error)
    text = "".join(traceback.format_exception(error))
    if known is None:
        channel.send("error", kind=type(error).__name__, message=f"{type(error).__name__}: {error}",
                     hint="This is a fault of RECO: please report it with the lines above", traceback=text)
        return 1
    channel.send("error", kind=type(known).__name__, message=known.message, hint=known.hint, traceback=text)
    return known.exit_code
