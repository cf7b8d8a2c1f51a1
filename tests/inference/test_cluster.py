"""Workers: which are meant, what they refuse, and how what goes wrong with them is told."""

from __future__ import annotations

import platform
from types import SimpleNamespace

import pytest

from reco_core.errors import ArtifactError, ConfigError, ResourceError
from reco_core.inference import cluster
from reco_core.inference.cluster import Where, _compute, _cut, _Order, _raise_from, versions
from reco_core.inference.journal import Journal
from reco_core.inference.pieces import TileResult
from reco_core.inference.tiles import TilePlan
from reco_core.io.files import Unchanged


@pytest.mark.parametrize(("text", "processes", "address"), [
    ("local:3", 3, ""), (" local:1 ", 1, ""), ("tcp://node1.site:8786", 0, "tcp://node1.site:8786"),
    ("tls://10.0.0.7:8786", 0, "tls://10.0.0.7:8786"), ("tcp://[::1]:8786", 0, "tcp://[::1]:8786")])
def test_where(text, processes, address):
    """Numbers of processes and addresses of schedulers are understood."""
    assert Where.parse(text) == Where(processes, address)


def test_local_without_a_number(monkeypatch):
    """A quarter of the cores, since a tile keeps several busy, and two at least."""
    for cores, processes in ((1, 2), (8, 2), (64, 16)):
        monkeypatch.setattr(cluster.os, "cpu_count", lambda cores=cores: cores)
        assert Where.parse("local").processes == processes


@pytest.mark.parametrize("text", ["locals", "local:", "local:0", "local:-1", "node1:8786", "tcp://node1", "http://a:1"])
def test_no_cluster(text):
    """Anything else is refused, with the ways there are."""
    with pytest.raises(ConfigError, match="is no cluster") as caught:
        Where.parse(text)
    assert "tcp://host:port" in caught.value.hint


class Task:
    """Cannot be opened."""

    def open(self):
        raise ArtifactError("The model is damaged", "Fit it again")


def order(folder, **changed):
    return _Order("run", Task(), str(folder), {}, {**versions(), **changed})


def test_worker_of_another_version(tmp_path):
    """A worker with another version refuses to compute and names both."""
    kind, message, _ = _compute(order(tmp_path, reco="0.0.1"), 0)
    assert kind == "ConfigError" and "0.0.1" in message and versions()["reco"] in message


def test_worker_without_the_files(tmp_path):
    """A worker that does not see the folder of the run says so."""
    kind, message, hint = _compute(order(tmp_path / "elsewhere"), 0)
    assert kind == "ResourceError" and "elsewhere" in message and "same path" in hint


def test_worker_says_what_it_found(tmp_path):
    """An error of ours keeps its class, words and hint."""
    kind, message, hint = _compute(order(tmp_path), 0)
    assert kind == "ArtifactError" and message.startswith("The model is damaged") and hint == "Fit it again"


class KilledWorker(Exception):
    """As dask.distributed calls it."""


@pytest.mark.parametrize(("status", "error", "kind", "words"), [
    ("error", KilledWorker("tile"), ResourceError, "lost over the same tile"),
    ("error", ModuleNotFoundError("No module named 'reco_core'"), ConfigError, "cannot import"),
    ("error", ValueError("what"), ResourceError, "ValueError: what"),
    ("cancelled", None, ResourceError, "gave up a tile"),
    ("finished", None, ArtifactError, "damaged")])
def test_what_went_wrong(status, error, kind, words):
    """Each way of failing has its words and a hint."""
    future = SimpleNamespace(status=status, exception=lambda: error,
                             result=lambda: ("ArtifactError", "The model is damaged", "Fit it again"))
    with pytest.raises(kind, match=words) as caught:
        _raise_from(future, Where(address="tcp://a:1"))
    assert caught.value.hint


def test_fine_tile_raises_nothing():
    """A tile that was computed is no error."""
    assert _raise_from(SimpleNamespace(status="finished", result=lambda: None), Where(2)) is None


def test_scheduler_without_workers(monkeypatch):
    """A run does not wait for ever where no worker comes."""
    monkeypatch.setattr(cluster, "WITHOUT_WORKERS", -1.0)
    run = cluster.Cluster.__new__(cluster.Cluster)
    run.where, run._seen, run._alone = Where(address="tcp://a:1"), 0, 0.0
    run._client = SimpleNamespace(nthreads=dict)
    with pytest.raises(ResourceError, match="no worker") as caught:
        run._look_for_workers()
    assert "dask worker tcp://a:1" in caught.value.hint


class Blind:
    """A job of one tile, during which its source is removed."""

    def __init__(self, source):
        self.source, self.reader = source, SimpleNamespace(height=2, width=2)

    def open(self):
        return self

    def compute(self, number, progress, emit):
        self.source.unlink()
        return TileResult(number)


def test_worker_whose_source_is_removed(tmp_path):
    """What a worker read while its source went away does not count as done, whoever runs next."""
    source, folder = tmp_path / "ta.tif", tmp_path / "j"
    source.write_bytes(b"1")
    folder.mkdir()
    plan = TilePlan.cut(2, 2, rows=2, columns=2, steps=1, times=1)
    Journal.start(folder, {"inputs": Unchanged([str(source)]).state}, plan, {"flux": 1}, (2, 2))
    blind = _Order("blind", Blind(source), str(folder), _cut(plan), versions())
    kind, message, _ = _compute(blind, 0)
    assert kind == "SchemaError" and "ta.tif" in message and platform.node() in message
    assert Journal(folder).finished() == set()
