"""The hidden folder beside outputs: one run at a time holds it, and clears what a killed one left."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from reco_core.errors import ConfigError
from reco_core.inference import hold
from reco_core.inference.hold import MODEL, TILES, Hold, beside


def test_two_runs_at_once(tmp_path):
    """A second run of the same outputs is refused while the first one works."""
    first = Hold(tmp_path / "j")
    with pytest.raises(ConfigError, match="Another run"):
        Hold(tmp_path / "j")
    first.leave()
    Hold(tmp_path / "j").leave()


def test_two_runs_at_once_on_windows(tmp_path, monkeypatch):
    """There a lock that another process has is told as a lack of permission."""
    def locking(number, mode, length):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=locking, LK_NBLCK=2))
    monkeypatch.setattr(hold, "os", SimpleNamespace(name="nt"))
    with pytest.raises(ConfigError, match="Another run"):
        hold._locked(tmp_path)


def test_what_a_killed_run_left_is_cleared(tmp_path):
    """Rasters and chunks that a killed process was writing are removed by the next run, and nothing else."""
    raster, other = tmp_path / ".reco-partial-1-0-flux.tif", tmp_path / "flux.tif"
    held = Hold(tmp_path / "j")
    held.note([raster, other], 2.0)
    inside = [tmp_path / "j" / name for name in ("0.0.0.99.part", ".reco-partial-1-0-model")]
    for path in (raster, other, *inside):
        path.write_bytes(b"half")
    held._let_go()
    Hold(tmp_path / "j")
    assert other.exists() and not any(path.exists() for path in (raster, *inside))


@pytest.mark.parametrize(("name", "stays"), [(f"{TILES}/00000001.json", True), (f"{MODEL}/model.json", True),
                                             ("flux/0.0.0", False)])
def test_what_is_worth_keeping(tmp_path, name, stays):
    """A run that fails leaves tiles that are done and a model, and nothing else."""
    held, path = Hold(tmp_path / "j"), tmp_path / "j" / name
    path.parent.mkdir()
    path.write_text("{}")
    held.leave()
    assert path.exists() == stays == (tmp_path / "j").exists()


def test_removed_in_the_end(tmp_path):
    """Nothing is left of a run that succeeded."""
    held = Hold(tmp_path / "j")
    held.note([], 2.0)
    held.remove()
    assert list(tmp_path.iterdir()) == []


def test_where_it_is(tmp_path):
    """Each output, and each step in a folder, has its own."""
    assert beside("predict", tmp_path / "a.tif") != beside("predict", tmp_path / "b.tif")
    assert beside("explain", tmp_path, folder=True).parent == tmp_path
