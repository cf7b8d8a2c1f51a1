"""The journal gives back what it was given, knows what is whole, and tells one run from another."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import zarr

from reco_core.errors import ConfigError, ResourceError
from reco_core.inference.hold import MODEL, Hold
from reco_core.inference.journal import Journal, earlier
from reco_core.inference.pieces import Piece, Tally, TileResult
from reco_core.inference.tiles import TilePlan

SHAPE = (10, 7)
PLAN = TilePlan.cut(*SHAPE, rows=4, columns=5, steps=3, times=5)
OUTPUTS = {"flux": 5, "contributions/ta": 5, "shares": 4}
RUN = {"step": "predict", "inputs": {"a": [[1, 2]]}}


def start(folder, run=RUN, **options):
    folder.mkdir(exist_ok=True)
    return Journal.start(folder, run, PLAN, OUTPUTS, SHAPE, **options)


def pieces(number):
    """Return what a run makes of a tile: batches of steps, then what needed all of them; one batch is empty."""
    tile, rng = PLAN.tiles[number], np.random.default_rng(number)
    found = []
    for steps in PLAN.batches():
        for name in ("flux", "contributions/ta"):
            values = rng.normal(size=(steps.stop - steps.start, *tile.shape)).astype("float32")
            values[rng.random(values.shape) < 0.2] = np.nan
            if name == "flux" and steps.start == 0:
                values[:] = np.nan
            found.append(Piece(name, steps.start, tile.row0, tile.col0, values))
    found.append(Piece("shares", 0, tile.row0, tile.col0, rng.random((4, *tile.shape)).astype("float32")))
    return found


def result(number):
    records = [{}, {"valid": 3, "bins": [0, 4, 1], "number": np.array([2**63 + 5], dtype="uint64"),
                    "values": np.eye(2)}]
    return TileResult(number, [], Tally(7, Counter({"without 'ta'": number}), 1e-6), records)


def fill(journal, *numbers):
    for number in numbers:
        for piece in pieces(number):
            journal.put(number, piece)
        journal.finish(result(number))


def maps(found):
    """Return pieces pasted into whole arrays, which is all that matters of them."""
    whole = {name: np.full((bands, *SHAPE), -1, dtype="float32") for name, bands in OUTPUTS.items()}
    for piece in found:
        bands, rows, columns = piece.values.shape
        whole[piece.output][piece.band0:piece.band0 + bands, piece.row0:piece.row0 + rows,
                            piece.col0:piece.col0 + columns] = piece.values
    return whole


def test_what_is_kept_comes_back(tmp_path):
    """Pieces, counts and records of every tile are the same to the last bit in another process's journal."""
    fill(start(tmp_path / "j"), 0, 3, 5)
    journal = Journal(tmp_path / "j")
    assert journal.finished() == {0, 3, 5}
    for number in (0, 3, 5):
        ours, theirs = maps(pieces(number)), maps(journal.pieces(number, PLAN.tiles[number]))
        assert all(np.array_equal(ours[name], theirs[name], equal_nan=True) for name in OUTPUTS)
        found = journal.result(number)
        assert (found.tally, found.records[0]) == (result(number).tally, {})
        for name in ("number", "values"):
            kept, given = found.records[1][name], result(number).records[1][name]
            assert kept.dtype == given.dtype and np.array_equal(kept, given)
        assert found.records[1]["valid"] == 3 and found.records[1]["bins"] == [0, 4, 1]


def test_it_is_zarr(tmp_path):
    """Any program that reads Zarr (format 2) can look at what is done so far."""
    fill(start(tmp_path / "j"), *range(len(PLAN.tiles)))
    group = zarr.open_group(str(tmp_path / "j"), mode="r")
    whole = maps(piece for number in range(len(PLAN.tiles)) for piece in pieces(number))
    for name in OUTPUTS:
        assert group[name].metadata.zarr_format == 2
        assert np.array_equal(group[name][...], whole[name], equal_nan=True)


def test_the_same_run_goes_on(tmp_path):
    """The same run finds its tiles; after a run that says no to that, or another run, nothing is left of it."""
    fill(start(tmp_path / "j"), 1)
    for change, kept in ({}, {1}), ({"run": {**RUN, "step": "explain"}}, set()):
        assert start(tmp_path / "j", **change).finished() == kept
    fill(start(tmp_path / "k"), 1)
    assert start(tmp_path / "k", resume=False).finished() == set()


def test_damaged_tiles_do_not_count(tmp_path):
    """A chunk that was cut short, a record that is gone or half a marker: the tile is computed again."""
    journal = start(tmp_path / "j")
    fill(journal, 0, 1, 2, 4)
    chunk = tmp_path / "j" / "flux" / "1.0.0"
    chunk.write_bytes(chunk.read_bytes()[:-3])
    (tmp_path / "j" / "tiles" / "00000001.1.values").unlink()
    marker = tmp_path / "j" / "tiles" / "00000002.json"
    marker.write_text(marker.read_text()[:40])
    assert journal.finished() == {4} == journal.finished()


def test_a_tile_without_its_marker_does_not_count(tmp_path):
    """Killed between the last chunk and the marker, the tile is not done."""
    journal = start(tmp_path / "j")
    for piece in pieces(0):
        journal.put(0, piece)
    assert journal.finished() == set()


def test_a_process_that_outlived_its_run(tmp_path):
    """A worker that still computes for a run that was given up writes nothing into the journal of another run."""
    start(tmp_path / "j")
    worker = Journal(tmp_path / "j")
    worker.put(0, pieces(0)[1])
    start(tmp_path / "j")  # the same run goes on: what the worker makes is right
    fill(worker, 0)
    assert start(tmp_path / "j").finished() == {0}
    worker.put(1, pieces(1)[1])
    other = start(tmp_path / "j", {**RUN, "model": "another"})
    for late in (lambda: worker.put(1, pieces(1)[3]), lambda: worker.finish(result(1))):
        with pytest.raises(ConfigError, match="another run"):
            late()
    assert other.finished() == set() and not list((tmp_path / "j").glob("*/?.?.?"))


def test_what_is_kept_in_words(tmp_path):
    """All tiles that are done count, whoever computed them."""
    journal = start(tmp_path / "j")
    assert journal.kept() == ""
    fill(Journal(tmp_path / "j"), 1, 4)
    assert journal.kept().startswith(f"2 of {len(PLAN.tiles)} tiles are kept in") and not journal.complete
    fill(journal, *range(len(PLAN.tiles)))
    assert journal.complete


def test_a_model_survives_another_run(tmp_path):
    """What is not of tiles stays where a journal begins anew: whether it may be used is not its affair."""
    start(tmp_path / "j")
    (tmp_path / "j" / MODEL).mkdir()
    start(tmp_path / "j", resume=False)
    assert (tmp_path / "j" / MODEL).exists()


def test_nothing_stays_of_what_could_not_be_written(tmp_path, monkeypatch):
    """A full disk leaves no half-written chunk, which would take more room."""
    journal = start(tmp_path / "j")
    monkeypatch.setattr("os.replace", lambda *paths: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(ResourceError, match="disk is full"):
        journal.put(0, pieces(0)[1])
    assert not list((tmp_path / "j").rglob("*.part"))


def test_what_is_noted_of_an_earlier_run(tmp_path):
    """Its tiles and its memory budget are known to the same run, and to no other."""
    start(tmp_path / "j")
    Hold(tmp_path / "j").note([], 0.5)
    found = earlier(tmp_path / "j", RUN)
    assert found["memory"] == 0.5 and found["plan"] == PLAN.to_dict()
    assert earlier(tmp_path / "j", {**RUN, "step": "trend"}) is None and earlier(tmp_path / "k", RUN) is None
