"""Processes that share the work of fitting, and stop at once when the user does."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Optional, Sequence

from ..errors import RecoError, ResourceError
from ..progress import SILENT, Progress
from ..threads import available_cores

POLL_SECONDS = 0.2
Task = Callable[[Any, Any, Progress], Any]
_common: Any = None


class Crew:
    """Runs tasks that share a large common input; a context manager.

    A task is a function (common, job, progress) -> result at the top level of a module. Results
    come in the order of the jobs and do not depend on the number of processes.

    Parameters
    ----------
    common : object
        Handed to each process once.
    processes : int
        0 uses every processor core; with 1 the tasks run in this process.
    """

    def __init__(self, common: Any, processes: int = 0) -> None:
        self.common = common
        self.processes = processes or available_cores()
        self._pool: Optional[ProcessPoolExecutor] = None

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *about: object) -> None:
        if self._pool is not None:
            end_now(self._pool)

    def map(self, task: Task, jobs: Sequence[Any], progress: Progress = SILENT, message: str = "") -> list[Any]:
        """Return the results of all jobs.

        Raises
        ------
        Cancelled
            The user stopped; no process is left behind.
        ResourceError
            A process ended unexpectedly.
        """
        if self.processes == 1 or len(jobs) == 1:
            results = []
            for number, job in enumerate(jobs):
                progress(number / len(jobs), f"{message} {number + 1} of {len(jobs)}")
                results.append(task(self.common, job, progress.span(number / len(jobs), number / len(jobs))))
            return results
        try:
            return self._spread(task, jobs, progress, message)
        except BrokenProcessPool as error:
            raise ResourceError("A worker process ended unexpectedly, perhaps for lack of memory",
                                "Close other programs, or use fewer processes (processes=1)") from error

    def _spread(self, task: Task, jobs: Sequence[Any], progress: Progress, message: str) -> list[Any]:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(self.processes, multiprocessing.get_context("spawn"), _begin,
                                             (self.common,))
        with _bare_main():
            futures: list[Future] = [self._pool.submit(_work, task, job) for job in jobs]
        try:
            waiting, done = set(futures), 0
            while waiting:
                finished, waiting = wait(waiting, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
                for future in finished:
                    _result(future)
                done += len(finished)
                progress(done / len(jobs), f"{message} {done} of {len(jobs)}")
            return [_result(future) for future in futures]
        except BaseException:
            end_now(self._pool)
            self._pool = None
            raise


def end_now(pool: ProcessPoolExecutor) -> None:
    """End the processes of a pool without waiting for what they do."""
    for process in list((getattr(pool, "_processes", None) or {}).values()):
        process.kill()
    pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _bare_main() -> Iterator[None]:
    """Keep new processes from running the user's script again: tasks live in this package."""
    main = sys.modules["__main__"]
    kept = {name: getattr(main, name) for name in ("__file__", "__spec__") if hasattr(main, name)}
    if "__file__" in kept:
        del main.__file__
    main.__spec__ = None
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(main, name, value)


def _begin(common: Any) -> None:
    """Prepare a worker process: keep the common input, use one thread, end when the parent does."""
    global _common
    _common = common
    os.environ["OMP_NUM_THREADS"] = "1"
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def _work(task: Task, job: Any) -> tuple[Any, Optional[tuple[type, str, str]]]:
    """Run a task; errors that the user can mend travel as plain parts, as they do not survive pickling."""
    try:
        return task(_common, job, SILENT), None
    except RecoError as error:
        return None, (type(error), error.message, error.hint)


def _result(future: Future) -> Any:
    result, error = future.result()
    if error is not None:
        kind, message, hint = error
        raise kind(message, hint)
    return result
