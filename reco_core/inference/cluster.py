"""Tiles computed by other processes, on this machine or on many, through dask.distributed.

Each worker opens model and drivers itself, from a small description, and writes its tiles into the journal of the
run, which therefore lies where all of them can read and write. The process that started the run hands out numbers of
tiles and takes the tiles in their order from the journal, as a run that was interrupted does: the rasters are the
same bytes as those of a run without workers.
"""

from __future__ import annotations

import logging
import os
import platform
import re
import tempfile
import threading
import time
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Mapping, Optional, Protocol

from ..deps import need
from ..errors import ERRORS, ConfigError, RecoError, ResourceError
from ..io.files import Unchanged
from ..progress import SILENT, Progress
from ..version import __version__
from .journal import Journal
from .tiles import TilePlan

if TYPE_CHECKING:
    from .job import MapJob

LOCAL = re.compile(r"local(?::(\d{1,4}))?")
ADDRESS = re.compile(r"(?:tcp|tls)://[^\s/:]+:\d{1,5}|(?:tcp|tls)://\[[0-9a-fA-F:]+\]:\d{1,5}")
CORES_PER_WORKER = 4  # a tile keeps several cores busy by itself
LOSSES, RETRIES = 3, 2  # workers that may be lost over one tile; attempts after an error that is not ours
ANSWER, WITHOUT_WORKERS, POLL = 10.0, 600.0, 0.1  # seconds
MUST_AGREE = ("numpy", "numba", "xgboost")


class Described(Protocol):
    """What a worker needs to open the job of a run: small, and made of plain values."""

    def open(self) -> MapJob:
        """Return the job."""


@dataclass(frozen=True)
class Where:
    """Which workers compute: so many processes on this machine, or those of a scheduler."""

    processes: int = 0
    address: str = ""

    @classmethod
    def parse(cls, text: str) -> Where:
        """Return what the parameter `cluster` says.

        Raises
        ------
        ConfigError
            It says neither local, local:N nor tcp://host:port.

        Examples
        --------
        >>> Where.parse("local:3").processes, Where.parse("tcp://node1:8786").address
        (3, 'tcp://node1:8786')
        """
        words = text.strip()
        local = LOCAL.fullmatch(words)
        if local is not None and local.group(1) != "0":
            return cls(int(local.group(1) or max(2, (os.cpu_count() or 1) // CORES_PER_WORKER)))
        if local is None and ADDRESS.fullmatch(words):
            return cls(address=words)
        raise ConfigError(f"'{text}' is no cluster",
                          "Give local, local:N with N processes, or the address of a scheduler, tcp://host:port")

    def __str__(self) -> str:
        return self.address or f"{self.processes} processes on this machine"


class Cluster:
    """Workers that compute the tiles of one run into its journal; a context manager.

    Leaving it stops what is under way. Local processes end with it, the workers of a scheduler stay.

    Parameters
    ----------
    where : Where
    task : Described
    journal : Journal
        In a folder that all workers reach under the same name.
    plan : TilePlan
    """

    def __init__(self, where: Where, task: Described, journal: Journal, plan: TilePlan) -> None:
        self.where, self._plan = where, plan
        self._order = _Order(uuid.uuid4().hex, task, str(journal.folder.resolve()), _cut(plan), versions())
        self._futures: dict[int, Any] = {}
        self._failed: list[Any] = []
        self._stack = ExitStack()
        self._seen, self._alone = 0, time.monotonic()

    def __enter__(self) -> Cluster:
        with ExitStack() as stack:
            self._client = stack.enter_context(_connected(self.where, stack))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        with self._stack:
            if self._futures:
                self._client.cancel(list(self._futures.values()), force=True)
                self._futures.clear()

    def start(self, numbers: Iterable[int]) -> None:
        """Hand out tiles; those with lower numbers come first."""
        for number in numbers:
            future = self._client.submit(_compute, self._order, number, key=f"reco-{self._order.run}-{number}",
                                         pure=False, retries=RETRIES, priority=-number)
            future.add_done_callback(self._look)
            self._futures[number] = future

    def wait(self, number: int, progress: Progress = SILENT) -> None:
        """Wait until a tile is in the journal; `progress` is asked all the while whether to stop.

        Raises
        ------
        RecoError
            What went wrong with this tile or another one, as the worker said it.
        ResourceError
            Workers were lost again and again, there are none, or the scheduler does not answer.
        """
        future = self._futures.get(number)
        while future is not None and not future.done():
            progress.check()
            for other in self._failed[:1]:
                _raise_from(other, self.where)
            self._look_for_workers()
            time.sleep(POLL)
        if future is not None:
            _raise_from(future, self.where)
            del self._futures[number]

    @property
    def workers(self) -> int:
        """How many workers were there at the last look."""
        return self._seen

    def _look(self, future: Any) -> None:
        if future.status != "finished" or future.result() is not None:
            self._failed.append(future)

    def _look_for_workers(self) -> None:
        now = time.monotonic()
        if self._seen and now - self._alone < 1.0:
            return
        self._seen = _count(self._client, self.where)
        if self._seen:
            self._alone = now
        elif now - self._alone > WITHOUT_WORKERS:
            raise ResourceError(f"{self.where} had no worker for {WITHOUT_WORKERS / 60:.0f} minutes",
                                "Start workers, for example: dask worker " + (self.where.address or "tcp://host:port"))


@dataclass(frozen=True)
class _Order:
    """What a worker is told: the run, what to open, where the journal is, the tiles, and who asks."""

    run: str
    task: Any
    folder: str
    cut: Mapping[str, int]
    versions: Mapping[str, str]


Trouble = Optional[tuple[str, str, str]]  # class, message and hint of an error
_lock = threading.Lock()
_open: dict[str, tuple[MapJob, Journal, Unchanged]] = {}


def _compute(order: _Order, number: int) -> Trouble:
    """Compute a tile into the journal; called in a worker, whose threads take turns.

    Errors that users can mend are returned as plain parts: they are not worth a second attempt.
    """
    with _lock:
        try:
            job, journal, inputs = _opened(order)
            result = job.compute(number, SILENT, partial(journal.put, number))
            inputs.check()  # chunks that were removed would pass for missing data
            journal.finish(result)
        except RecoError as error:
            return type(error).__name__, f"{error.message} (on worker {platform.node()})", error.hint
        return None


def _opened(order: _Order) -> tuple[MapJob, Journal, Unchanged]:
    """Return job, journal and inputs of a run, opened once per process.

    Raises
    ------
    ConfigError
        Worker and run have other versions.
    ResourceError
        The worker does not see the folder of the run.
    """
    if order.run not in _open:
        _open.clear()
        differ = [f"{name} {mine} and not {order.versions[name]}" for name, mine in versions().items()
                  if mine != order.versions.get(name)]
        if differ:
            raise ConfigError("A worker has " + ", ".join(differ),
                              "Install the same versions on all workers: results would differ")
        if not Path(order.folder).is_dir():
            raise ResourceError(f"A worker does not see '{order.folder}'",
                                "Outputs, model and drivers must lie where all workers reach them by the same path")
        job = order.task.open()
        job.planned = TilePlan.cut(job.reader.height, job.reader.width, **order.cut)
        journal = Journal(order.folder)
        _open[order.run] = job, journal, Unchanged(journal.about["run"].get("inputs", ()))
    return _open[order.run]


def versions() -> dict[str, str]:
    """Return the versions that decide about the bytes of results."""
    return {"reco": __version__, **{name: str(need(name).__version__) for name in MUST_AGREE}}


def _cut(plan: TilePlan) -> dict[str, int]:
    return {name: value for name, value in plan.to_dict().items() if name != "tiles"}


def _connected(where: Where, stack: ExitStack) -> Any:
    """Return a client of the workers; local ones are started and end with the stack.

    Raises
    ------
    ResourceError
        The scheduler does not answer, or processes cannot be started.
    """
    distributed = need("distributed", extra="cluster")
    place = stack.enter_context(tempfile.TemporaryDirectory(prefix="reco-workers-", ignore_cleanup_errors=True))
    stack.enter_context(_settings(where, place))
    try:
        if where.address:
            return distributed.Client(where.address, timeout=ANSWER, set_as_default=False)
        cluster = stack.enter_context(distributed.LocalCluster(
            n_workers=where.processes, threads_per_worker=1, processes=True, memory_limit=None, host="127.0.0.1",
            dashboard_address="127.0.0.1:0", local_directory=place, silence_logs=logging.CRITICAL))
        return distributed.Client(cluster, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        what = f"The scheduler {where}" if where.address else "The cluster of processes on this machine"
        raise ResourceError(f"{what} does not answer: {error or type(error).__name__}",
                            "Check that it runs (dask scheduler), its address, and that its version of dask is ours: "
                            f"{distributed.__version__}") from error


@contextmanager
def _settings(where: Where, place: str) -> Iterator[None]:
    """Let dask.distributed be brief, keep its files in one place, and share the cores of this machine."""
    logger = logging.getLogger("distributed")
    level, threads = logger.level, max(1, (os.cpu_count() or 1) // max(1, where.processes))
    logger.setLevel(logging.CRITICAL)
    try:
        with need("dask", extra="cluster").config.set({
                "temporary-directory": place, "distributed.comm.timeouts.connect": ANSWER,
                "distributed.scheduler.allowed-failures": LOSSES - 1,
                "distributed.nanny.pre-spawn-environ.OMP_NUM_THREADS": threads}):
            yield
    finally:
        logger.setLevel(level)


def _count(client: Any, where: Where) -> int:
    """Return how many workers there are."""
    try:
        return len(client.nthreads())
    except (OSError, TimeoutError) as error:
        raise ResourceError(f"The scheduler {where} does not answer any more",
                            "Start it again and run the same command: tiles that are done are kept") from error


def _raise_from(future: Any, where: Where) -> None:
    """Raise what went wrong with a tile, if anything did."""
    if future.status == "finished":
        trouble: Trouble = future.result()
        if trouble is not None:
            kind, message, hint = trouble
            raise ERRORS.get(kind, RecoError)(message, hint)
        return
    if future.status == "cancelled":
        raise ResourceError(f"{where} gave up a tile: the scheduler was restarted or does not answer any more",
                            "Run the same command again: tiles that are done are kept")
    error = future.exception()
    if type(error).__name__ == "KilledWorker":
        raise ResourceError(f"{LOSSES} workers in a row were lost over the same tile, perhaps for lack of memory",
                            "Give workers more memory, or lower --memory") from error
    if isinstance(error, ImportError):
        raise ConfigError(f"A worker cannot import what it needs: {error}",
                          f"Install RECO {__version__} on all workers") from error
    raise ResourceError(f"A worker failed {RETRIES + 1} times on the same tile: {type(error).__name__}: {error}",
                        "Look into the log of the worker") from error
