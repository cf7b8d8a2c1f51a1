"""Reading, computing and writing at the same time, in bounded memory, and with a journal."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional, Protocol, Sequence

from ..errors import Cancelled, RecoError, ResourceError, out_of_memory
from ..progress import Progress
from .journal import Journal
from .pieces import Piece, Sink, TileResult
from .tiles import Clock

if TYPE_CHECKING:
    from .job import MapJob

WAIT = 0.2  # seconds between looks at whether to stop
PENDING = 0.1  # share of the memory budget for pieces that wait to be written
Blocks = tuple[Optional[Any], Counter[str]]
Check = Callable[[], None]


class Workers(Protocol):
    """Other processes that compute tiles into the journal: `cluster.Cluster`."""

    def start(self, numbers: Sequence[int]) -> None:
        """Hand out tiles."""

    def wait(self, number: int, progress: Progress) -> None:
        """Wait until a tile is in the journal."""


def run_tiles(job: MapJob, sink: Sink, progress: Progress, journal: Optional[Journal] = None,
              check: Optional[Check] = None, workers: Optional[Workers] = None) -> None:
    """Compute all tiles of a job and hand their pieces to a sink, in the order of the tiles.

    One thread reads what comes next, this one computes, and one writes what is done. Tiles
    that the journal has are taken from there.

    Parameters
    ----------
    job : MapJob
    sink : callable of a Piece
        Called in one thread, other than this one.
    progress : Progress
    journal : Journal, optional
    check : callable, optional
        Called after each tile, before it counts as done; raises an error where what was read
        can no longer be trusted.
    workers : Workers, optional
        They compute in the place of this process; needs a journal.

    Raises
    ------
    ResourceError
        The disk is full, or there is not enough memory.
    Cancelled
        Somebody asked to stop.
    RecoError
        Whatever went wrong with a tile; the hint says what is kept.
    """
    tiles = job.planned.tiles
    done = journal.finished(progress) if journal is not None else set()
    if done:
        progress.info(f"Going on with an interrupted run: {len(done)} of {len(tiles)} tiles are there already")
    clock = Clock(len(tiles), progress)
    commit = _Commit(job, sink, journal, check)
    todo = [number for number in range(len(tiles)) if number not in done]
    with telling(journal), _Outbox(commit, job.memory_gb * 1e9 * PENDING) as outbox, \
            _Ahead(job, todo if workers is None else []) as ahead:
        if workers is not None:
            workers.start(todo)
        for number in range(len(tiles)):
            part = clock.span(number, 0.0, 1.0)
            if number in done or workers is not None:
                assert journal is not None
                _be_there(number, done, workers, clock, part, check)
                for piece in journal.pieces(number, tiles[number]):
                    outbox.put(partial(sink, piece), piece.values.nbytes, part)
                outbox.put(partial(commit.restored, number), 0, part)
                continue
            result = job.work(number, ahead.blocks(part), part, partial(commit.later, outbox, part, number))
            outbox.put(partial(commit.tile, result), 0, part)
        outbox.drain(progress)
    job.finish()


def _be_there(number: int, done: set[int], workers: Optional[Workers], clock: Clock, progress: Progress,
              check: Optional[Check]) -> None:
    """Wait until a tile is in the journal."""
    if workers is None or number in done:
        clock.skip((number + 1) / clock.tiles)
        return
    workers.wait(number, progress)
    if check is not None:
        check()


@contextmanager
def telling(journal: Optional[Journal]) -> Iterator[None]:
    """Add to errors what the journal keeps and how to go on, and give lack of memory its name."""
    try:
        yield
    except BaseException as error:
        kept = journal.kept() if journal is not None else ""
        if isinstance(error, KeyboardInterrupt):
            raise Cancelled(hint=kept) from error
        if out_of_memory(error):
            less = ("A smaller --memory, or a smaller region, needs less; that is another run, which begins anew"
                    if kept else "Lower --memory or work on a smaller region")
            raise ResourceError("There is not enough memory", f"{kept}. {less}" if kept else less) from error
        if isinstance(error, RecoError) and kept and kept not in error.hint:
            error.hint = f"{error.hint}. {kept}" if error.hint else kept
        raise


class _Commit:
    """What happens to tiles when they are done: journal, sink, counts; called in one thread, in their order."""

    def __init__(self, job: MapJob, sink: Sink, journal: Optional[Journal], check: Optional[Check]) -> None:
        self._job, self._sink, self._journal, self._check = job, sink, journal, check

    def later(self, outbox: _Outbox, progress: Progress, number: int, piece: Piece) -> None:
        """Have a piece kept and written."""
        outbox.put(partial(self.piece, number, piece), piece.values.nbytes, progress)

    def piece(self, number: int, piece: Piece) -> None:
        """Keep and write a piece."""
        if self._journal is not None:
            self._journal.put(number, piece)
        self._sink(piece)

    def tile(self, result: TileResult) -> None:
        """Mark a tile as done."""
        if self._check is not None:
            self._check()
        if self._journal is not None:
            self._journal.finish(result)
        self._job.take(result)

    def restored(self, number: int) -> None:
        """Count a tile that the journal had."""
        assert self._journal is not None
        self._job.take(self._journal.result(number))


class _Ahead:
    """Reads blocks of tiles one ahead of the computation, in a thread of its own."""

    def __init__(self, job: MapJob, tiles: Sequence[int]) -> None:
        self._job, self._tiles = job, tiles
        self._room, self._stop = threading.Semaphore(1), threading.Event()
        self._there: deque[Blocks] = deque()
        self._new = threading.Condition()
        self._error: Optional[BaseException] = None
        self._thread = threading.Thread(target=self._read, name="reco-reader", daemon=True)

    def __enter__(self) -> _Ahead:
        if self._tiles:
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._room.release()
        if self._thread.ident is not None:
            self._thread.join()

    def blocks(self, progress: Progress) -> Iterator[Blocks]:
        """Yield the blocks of the next tile."""
        for _ in self._job.planned.batches():
            start = time.perf_counter()
            with self._new:
                while not self._there:
                    if self._error is not None:
                        raise self._error
                    self._new.wait(WAIT)
                    progress.check()
                block = self._there.popleft()
            self._room.release()
            self._job.waited += time.perf_counter() - start
            yield block

    def _read(self) -> None:
        try:
            for number in self._tiles:
                for steps in self._job.planned.batches():
                    self._room.acquire()
                    if self._stop.is_set():
                        return
                    block = self._job.read(number, steps)
                    with self._new:
                        self._there.append(block)
                        self._new.notify()
                    del block
        except BaseException as error:  # raised where the block is asked for
            with self._new:
                self._error = error
                self._new.notify()


class _Outbox:
    """Carries out what it is handed, one after the other, in a thread of its own; holds so many bytes at most."""

    def __init__(self, commit: _Commit, limit: float) -> None:
        self._job, self._limit = commit._job, limit
        self._tasks: deque[tuple[Callable[[], None], int]] = deque()
        self._bytes, self._busy, self._stop = 0, False, False
        self._change = threading.Condition()
        self._error: Optional[BaseException] = None
        self._thread = threading.Thread(target=self._work, name="reco-writer", daemon=True)

    def __enter__(self) -> _Outbox:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        with self._change:
            self._stop = True
            self._change.notify_all()
        self._thread.join()

    def put(self, task: Callable[[], None], size: int, progress: Progress) -> None:
        """Hand over a task that holds `size` bytes; waits while there is too much to do."""
        start = time.perf_counter()
        with self._change:
            self._wait_until(lambda: self._bytes == 0 or self._bytes + size <= self._limit, progress)
            self._tasks.append((task, size))
            self._bytes += size
            self._change.notify_all()
        self._job.waited += time.perf_counter() - start

    def drain(self, progress: Progress) -> None:
        """Wait until all is done."""
        with self._change:
            self._wait_until(lambda: not self._tasks and not self._busy, progress)

    def _wait_until(self, ready: Callable[[], bool], progress: Progress) -> None:
        while True:
            if self._error is not None:
                raise self._error
            if ready():
                return
            self._change.wait(WAIT)
            progress.check()

    def _work(self) -> None:
        while True:
            with self._change:
                while not self._tasks and not self._stop:
                    self._change.wait()
                if self._stop:
                    return
                task, size = self._tasks.popleft()
                self._busy = True
            try:
                task()
            except BaseException as error:  # raised where the next task is handed over
                with self._change:
                    self._error = error
                    self._tasks.clear()
                    self._busy = False
                    self._change.notify_all()
                return
            del task
            with self._change:
                self._bytes -= size
                self._busy = False
                self._change.notify_all()
