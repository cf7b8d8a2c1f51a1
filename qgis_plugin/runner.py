"""Starts processes and listens to them; the only file of the plugin that does.

Two threads read the pipes, the algorithm's own thread asks ten times a second
whether the user wants to stop.
The pipe to the child's standard input stays open for as long as it shall run.
"""

import json
import os
import queue
import signal
import subprocess  # nosec B404 - the one file that starts processes
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree

from qgis.core import QgsProcessingException
from qgis.PyQt.QtCore import QCoreApplication, QEventLoop, QThread

from .core import PLUGIN_FOLDER

PROTOCOL = 1
POLL = 0.1
MOST_LINES = 1000  # that wait to be handed on; a process that says more has to wait
GRACE = 1.6  # seconds after which a child that was asked to stop is killed
PARTIAL = ".reco-partial-"
CANCELLED = "Cancelled"
_STRIPPED = (
    "GDAL_DATA", "GDAL_DRIVER_PATH", "GISBASE", "LD_LIBRARY_PATH", "LD_PRELOAD", "PROJ_DATA", "PROJ_LIB",
    "QT_PLUGIN_PATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")


def clean_environment():
    """Return the environment without what QGIS sets for its own libraries."""
    return {key: value for key, value in os.environ.items()
            if key not in _STRIPPED and not key.startswith(("PYTHON", "DYLD_"))}


def run_process(argv, feedback, on_line=None, on_last_line=None):
    """Run a program and return (exit code, whether it was cancelled).

    Lines of standard output go to `on_line`, those of standard error to the log. What the program says after it
    was cancelled goes to `on_last_line`.
    """
    process = _start(argv)
    lines = queue.Queue(MOST_LINES)
    readers = [threading.Thread(target=_read, args=(stream, tag, lines), daemon=True)
               for stream, tag in ((process.stdout, "out"), (process.stderr, "log"))]
    for reader in readers:
        reader.start()
    try:
        cancelled = _listen(process, lines, feedback, on_line or feedback.pushConsoleInfo, on_last_line)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
    finally:
        _close_stdin(process)
        if process.poll() is None:
            _kill(process)
        code = process.wait()
        for reader, stream in zip(readers, (process.stdout, process.stderr)):
            reader.join(2)
            if not reader.is_alive():  # a stream must not be closed while it is read
                stream.close()
    return code, cancelled


def _start(argv):
    options = {}
    if os.name == "nt":
        options["creationflags"] = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
    else:
        options["start_new_session"] = True  # a group of its own: children are stopped with it
    try:
        return subprocess.Popen(  # nosec B603 - argv is a list whose first item is an absolute path
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=clean_environment(), encoding="utf-8", errors="replace", bufsize=1, **options)
    except OSError as error:
        raise QgsProcessingException("'{}' could not be started: {}".format(argv[0], error)) from error


def _read(stream, tag, lines):
    for line in stream:
        lines.put((tag, line.rstrip("\r\n")))
    lines.put((tag, None))


def _listen(process, lines, feedback, on_line, on_last_line):
    """Hand on lines until both pipes have ended; return whether the user cancelled."""
    open_pipes, cancelled, deadline = 2, False, None
    in_main_thread = QThread.currentThread() == QCoreApplication.instance().thread()
    while open_pipes:
        if in_main_thread:  # qgis_process hears Ctrl-C only when events are handled
            QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
        with suppress(queue.Empty):
            tag, line = lines.get(timeout=POLL)
            if line is None:
                open_pipes -= 1
            elif not cancelled:
                (on_line if tag == "out" else feedback.pushConsoleInfo)(line)
            elif tag == "out" and on_last_line is not None:
                on_last_line(line)
        if feedback.isCanceled() and not cancelled:
            cancelled = True
            _close_stdin(process)
        if deadline is None and (cancelled or process.poll() is not None):
            deadline = time.monotonic() + GRACE
        elif deadline is not None and time.monotonic() > deadline:
            _kill(process)  # it does not stop, or its children still hold the pipes
            deadline = time.monotonic() + GRACE
    return cancelled


def _close_stdin(process):
    with suppress(OSError):
        process.stdin.close()


def _kill(process):
    """Stop a process and its children."""
    if os.name == "nt":
        taskkill = os.path.join(os.environ.get("SYSTEMROOT", "C:\\Windows"), "System32", "taskkill.exe")
        subprocess.run([taskkill, "/F", "/T", "/PID", str(process.pid)],  # nosec B603 - absolute path
                       creationflags=subprocess.CREATE_NO_WINDOW, check=False)
        return
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def job_folder():
    """Give a temporary folder for one run; it vanishes at the end."""
    folder = tempfile.mkdtemp(prefix="reco-job-")
    try:
        yield folder
    finally:
        rmtree(folder, ignore_errors=True)


def run_job(python, step, values, feedback, folder):
    """Run one step of the library in the worker and return its result.

    Parameters
    ----------
    python : str
        Interpreter of the environment that has the packages of the library.
    step : str
    values : dict
        Parameters and outputs by name.
    feedback : QgsProcessingFeedback
    folder : str
        Where the job file is written.

    Raises
    ------
    QgsProcessingException
        The step failed or was cancelled; the message says why and what to do.
    """
    job = os.path.join(folder, "job.json")
    with open(job, "w", encoding="utf-8") as stream:
        json.dump({"step": step, "values": values}, stream, indent=1)
    listener = _Listener(feedback)
    main = os.path.join(PLUGIN_FOLDER, "worker_main.py")
    code, cancelled = run_process([python, "-I", "-u", "-X", "utf8", main, job], feedback, listener,
                                  listener.last_words)
    if code != 0:
        remove_partial(values, listener.pid)
    if cancelled:
        raise QgsProcessingException("\n".join(filter(None, (CANCELLED, listener.hint))))
    return listener.result(code)


class _Listener:
    """Turns lines of the protocol into feedback and keeps the result."""

    def __init__(self, feedback):
        self._feedback = feedback
        self._result = None
        self._error = None
        self.pid = 0

    def __call__(self, line):
        message = _parsed(line)
        if message is None:
            self._feedback.pushConsoleInfo(line)
            return
        kind = message.get("type")
        if kind == "progress":
            self._feedback.setProgress(message.get("value", 0.0))
            if message.get("text"):
                self._feedback.setProgressText(message["text"])
        elif kind == "log":
            warning = message.get("level") not in ("info", "debug")
            (self._feedback.pushWarning if warning else self._feedback.pushInfo)(message.get("text", ""))
        elif kind == "result":
            self._result = message.get("value")
        elif kind == "error":
            self._error = message
        elif kind == "hello":
            self._greet(message)

    def last_words(self, line):
        """Listen to nothing but the error: the user has cancelled."""
        message = _parsed(line)
        if message is not None and message.get("type") == "error":
            self._error = message

    @property
    def hint(self):
        """What the error advises, such as how to go on."""
        return (self._error or {}).get("hint", "")

    def _greet(self, message):
        self.pid = message.get("pid", 0)
        if message.get("protocol") != PROTOCOL:
            self._error = {"message": "The worker speaks protocol {}, the plugin {}".format(
                message.get("protocol"), PROTOCOL), "hint": "Install the plugin again"}

    def result(self, code):
        if self._error is not None:
            if self._error.get("traceback"):
                self._feedback.pushConsoleInfo(self._error["traceback"])
            raise QgsProcessingException("\n".join(
                text for text in (self._error.get("message"), self._error.get("hint")) if text))
        if code != 0 or self._result is None:
            raise QgsProcessingException(_unexpected_end(code))
        return self._result


def _parsed(line):
    """Return a line of the protocol as a dict, or None for any other line."""
    message = None
    if line.startswith("{"):
        with suppress(ValueError):
            message = json.loads(line)
    return message if isinstance(message, dict) else None


def _unexpected_end(code):
    if code in (-9, 137):
        return ("The worker was killed by the operating system, most likely because memory ran out.\n"
                "Lower the memory budget, the number of processes, or work on a smaller region.")
    return "The worker ended with exit code {} and no result; see the lines above.".format(code)


def remove_partial(values, pid):
    """Remove what a worker that was killed had been writing beside and in its outputs."""
    places = set()
    for value in values.values():
        if isinstance(value, str) and os.path.isabs(value):
            places.add(os.path.dirname(value))
            if os.path.isdir(value):
                places.update([value] + [entry.path for entry in os.scandir(value) if entry.is_dir()])
    for place in places:
        for path in Path(place).glob("{}{}-*".format(PARTIAL, pid)):
            if path.is_dir():
                rmtree(str(path), ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()
