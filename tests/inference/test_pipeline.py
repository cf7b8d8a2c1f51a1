"""Reading ahead and writing behind: in order, in bounded memory, and with every error told."""

from __future__ import annotations

import threading
import time
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from reco_core.errors import Cancelled, ResourceError, SchemaError
from reco_core.inference.journal import Journal
from reco_core.inference.pieces import Piece, TileResult
from reco_core.inference.pipeline import run_tiles
from reco_core.inference.tiles import TilePlan
from reco_core.progress import SILENT, Progress

SHAPE = (6, 4)
PLAN = TilePlan.cut(*SHAPE, rows=1, columns=4, steps=2, times=4)


class Job:
    """Tiles whose values are their number; notes how far reading is ahead of computing."""

    def __init__(self, memory_gb=2.0, fail_at=None, error=None):
        self.planned, self.memory_gb, self.waited = PLAN, memory_gb, 0.0
        self.reads, self.computed, self.ahead, self.taken, self.ended = 0, 0, [], [], False
        self.fail_at, self.error = fail_at, error

    def read(self, number, steps):
        self.reads += 1
        self.ahead.append(self.reads - self.computed)
        if number == self.fail_at and self.error == "read":
            raise SchemaError("'a.tif' cannot be read", "Fetch it again")
        return (number, steps), Counter()

    def work(self, number, blocks, progress, emit):
        for (mine, steps), _ in blocks:
            assert mine == number
            time.sleep(0.002)
            self.computed += 1
            if number == self.fail_at and isinstance(self.error, BaseException):
                raise self.error
            values = np.full((steps.stop - steps.start, 1, 4), number, dtype="float32")
            emit(Piece("flux", steps.start, number, 0, values))
        return TileResult(number, records=[{"tile": number}])

    def take(self, result):
        self.taken.append(result.records[0]["tile"])

    def finish(self):
        self.ended = True


def journal_in(folder):
    (folder / "j").mkdir(exist_ok=True)
    return Journal.start(folder / "j", {}, PLAN, {"flux": 4}, SHAPE)


def test_pieces_come_in_the_order_of_tiles():
    """Whatever the threads do, one of them writes, tile after tile; reading is one block ahead and no more."""
    job, seen, threads = Job(), [], set()

    def sink(piece):
        time.sleep(0.003)
        threads.add(threading.current_thread().name)
        seen.append((piece.row0, piece.band0))

    run_tiles(job, sink, SILENT)
    assert seen == [(number, band) for number in range(6) for band in (0, 2)] and job.taken == list(range(6))
    assert threads == {"reco-writer"} and max(job.ahead) <= 3 and job.ended


def test_writing_that_is_slow_holds_computing_back():
    """What waits to be written is bounded by the memory budget."""
    job, lengths = Job(memory_gb=100e-9), []  # room for ten bytes: a piece has to be written before the next one

    def sink(piece):
        time.sleep(0.01)
        lengths.append(job.computed - len(lengths))

    run_tiles(job, sink, SILENT)
    assert max(lengths) <= 3


@pytest.mark.parametrize(("job", "sink_error", "kind", "words"), [
    (Job(fail_at=3, error="read"), None, SchemaError, "a.tif"),
    (Job(fail_at=3, error=MemoryError()), None, ResourceError, "not enough memory"),
    (Job(fail_at=3, error=RuntimeError("std::bad_alloc")), None, ResourceError, "not enough memory"),
    (Job(fail_at=3, error=KeyboardInterrupt()), None, Cancelled, "Cancelled"),
    (Job(), ResourceError("The disk is full", "Free some space"), ResourceError, "disk is full"),
], ids=["reading", "memory", "memory of a library", "interrupt", "writing"])
def test_every_error_says_what_is_kept(tmp_path, job, sink_error, kind, words):
    """An error in any thread ends the run; what is done is kept and named, and the same run goes on from there."""
    def sink(piece):
        time.sleep(0.001)
        if sink_error is not None and piece.row0 == 3:
            raise sink_error

    journal, before = journal_in(tmp_path), threading.active_count()
    with pytest.raises(kind, match=words) as error:
        run_tiles(job, sink, SILENT, journal)
    assert threading.active_count() == before
    kept = journal_in(tmp_path).finished()
    assert kept and kept <= {0, 1, 2} and f"{len(kept)} of 6 tiles are kept in" in error.value.hint


def test_going_on(tmp_path):
    """A run that goes on computes only what is missing, and hands over the same pieces in the same order."""
    whole, first, second = [], [], []
    run_tiles(Job(), whole.append, SILENT)
    with pytest.raises(SchemaError):
        run_tiles(Job(fail_at=4, error="read"), first.append, SILENT, journal_in(tmp_path))
    job, journal = Job(), Journal(tmp_path / "j")
    done = len(journal.finished())
    run_tiles(job, second.append, SILENT, journal)
    assert job.computed == 2 * (6 - done) and job.taken == list(range(6)) and done > 0
    assert [(p.row0, p.band0, p.values.tolist()) for p in second] == [(p.row0, p.band0, p.values.tolist())
                                                                    for p in whole]


def test_stopped_again_before_new_tiles(tmp_path):
    """A run that is stopped while it writes what the journal has says how much that is, not how far it came."""
    def stopped(piece):
        raise KeyboardInterrupt

    with pytest.raises(SchemaError):
        run_tiles(Job(fail_at=4, error="read"), lambda piece: None, SILENT, journal_in(tmp_path))
    kept = len(journal_in(tmp_path).finished())
    with pytest.raises(Cancelled) as error:
        run_tiles(Job(), stopped, SILENT, journal_in(tmp_path))
    assert kept > 1 and f"{kept} of 6 tiles are kept in" in error.value.hint


def test_inputs_that_changed(tmp_path):
    """A tile made of what changed meanwhile does not count as done."""
    calls = []

    def check():
        calls.append(1)
        if len(calls) > 2:
            raise SchemaError("'a.tif' was removed while it was read", "Bring it back")

    with pytest.raises(SchemaError, match="was removed"):
        run_tiles(Job(), lambda piece: None, SILENT, journal_in(tmp_path), check)
    assert Journal(tmp_path / "j").finished() == {0, 1}


def test_stopping_while_waiting():
    """A run that waits for a slow disk stops when it is asked to."""
    state = SimpleNamespace(stop=False)

    def sink(piece):
        state.stop = True
        time.sleep(0.5)

    with pytest.raises(Cancelled):
        run_tiles(Job(memory_gb=100e-9), sink, Progress(stopped=lambda: state.stop))
