"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from reco_core.errors import ConfigError, ResourceError, SchemaError
from reco_core.io import files
from reco_core.io.files import atomic, keeping, remove_pending, require, sha256


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_a_file_appears_at_the_end(tmp_path):
    """While it is written it has another name; afterwards only the final one is there."""
    target = tmp_path / "deep" / "a.txt"
    with atomic(target) as part:
        part.write_text("new")
        assert part.name.startswith(".reco-partial-") and part.suffix == ".txt"
        assert not target.exists()
    assert target.read_text() == "new"
    assert left_over(tmp_path) == ["a.txt", "deep"]


def test_a_file_is_replaced(tmp_path):
    """An older file under the name gives way."""
    target = tmp_path / "a.txt"
    target.write_text("old")
    with atomic(target) as part:
        part.write_text("new")
    assert target.read_text() == "new"


def test_after_an_error_the_old_file_stays(tmp_path):
    """A failing block leaves neither a new file nor a partial one."""
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic(target) as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert left_over(tmp_path) == ["a.txt"]


def test_a_folder_of_ours_is_replaced_whole(tmp_path):
    """Folders are moved like files; nothing of the old one remains."""
    target = tmp_path / "model"
    for text in ("one", "two"):
        with atomic(target) as part:
            part.mkdir()
            (part / "model.json").write_text(json.dumps({"kind": "reco-model", "number": text}))
            (part / text).write_text("")
    assert left_over(tmp_path) == ["model", "model.json", "two"]
    assert json.loads((target / "model.json").read_text())["number"] == "two"


def test_a_folder_of_others_is_never_replaced(tmp_path):
    """A folder that RECO did not write is refused before any work is done."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").write_text("x")
    with pytest.raises(ResourceError, match="photos"), atomic(tmp_path / "photos"):
        pytest.fail("the block must not run")
    assert (tmp_path / "photos" / "me.jpg").exists()


@pytest.mark.parametrize(("name", "text"), [
    ("model.json", '{"format": "layers-model"}'), (".zgroup", '{"zarr_format": 2}'),
    ("zarr.json", '{"zarr_format": 3}'), (".zattrs", '{"Conventions": "CF-1.8"}')])
def test_models_and_cubes_of_others_are_never_replaced(tmp_path, name, text):
    """Other programs write a model.json or a Zarr store, too; theirs stay."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / name).write_text(text)
    (tmp_path / "theirs" / "thesis.odt").write_text("x")
    with pytest.raises(ResourceError, match="theirs"), atomic(tmp_path / "theirs"):
        pytest.fail("the block must not run")
    assert left_over(tmp_path) == sorted([name, "theirs", "thesis.odt"])


def test_inputs_are_never_replaced(tmp_path):
    """Neither a file that is read nor a folder around it gives way, until the run has ended."""
    read = tmp_path / "towers" / "a.csv"
    with atomic(read) as part:
        part.write_text("mine")
    with keeping([read, tmp_path / "absent"]):
        for target in (read, read.parent / ".." / "towers" / "a.csv", read.parent):
            with pytest.raises(ConfigError, match="is an input"), atomic(target):
                pytest.fail("the block must not run")
    with atomic(read) as part:
        part.write_text("later")
    assert read.read_text() == "later"


def test_two_outputs_cannot_have_one_name(tmp_path):
    """What is being written under a name is not written a second time."""
    with pytest.raises(ConfigError, match="Two outputs"), atomic(tmp_path / "a"), atomic(tmp_path / "." / "a"):
        pytest.fail("the block must not run")
    assert left_over(tmp_path) == []


@pytest.mark.parametrize(("number", "words"), [
    (errno.ENOSPC, "disk is full"), (errno.EACCES, "No permission"), (errno.EROFS, "No permission")])
def test_errors_of_the_system_are_explained(tmp_path, number, words):
    """A full disk or a lack of permission is said in words, with the path."""
    with pytest.raises(ResourceError, match=words) as caught, atomic(tmp_path / "a.txt") as part:
        part.write_text("half")
        raise OSError(number, os.strerror(number))
    assert "a.txt" in caught.value.message and caught.value.hint
    assert left_over(tmp_path) == []


def test_a_full_disk_is_found_behind_other_errors(tmp_path, monkeypatch):
    """Libraries hide the number of the error; then free space tells."""
    monkeypatch.setattr(files.shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    with pytest.raises(ResourceError, match="disk is full"), atomic(tmp_path / "a.nc"):
        raise RuntimeError("NetCDF: HDF error")


def test_a_file_in_the_place_of_a_folder(tmp_path):
    """A path through a file is explained."""
    (tmp_path / "a").write_text("")
    with pytest.raises(ResourceError, match="not a folder"), atomic(tmp_path / "a" / "b.txt") as part:
        part.write_text("")


def test_pending_files_can_be_removed_at_once(tmp_path):
    """The last moment of a stopped process leaves no partial files."""
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "a") as part:
        part.mkdir()
        (part / "b").write_text("")
        remove_pending()
        assert left_over(tmp_path) == []


def test_sha256_of_folders_is_stable(tmp_path):
    """It depends on names and contents, not on the order of creation."""
    for name, order in (("one", "ab"), ("two", "ba")):
        for letter in order:
            path = tmp_path / name / letter / "x.txt"
            path.parent.mkdir(parents=True)
            path.write_text(letter)
    assert sha256(tmp_path / "one") == sha256(tmp_path / "two")
    (tmp_path / "two" / "a" / "x.txt").write_text("c")
    assert sha256(tmp_path / "one") != sha256(tmp_path / "two")
    (tmp_path / "abc").write_text("abc")
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_missing_file_is_named(tmp_path):
    """The path is in the message, and a similar name in the hint."""
    (tmp_path / "drivers.zarr").write_text("")
    with pytest.raises(SchemaError, match=r"drivers\.zar'") as caught:
        require(tmp_path / "drivers.zar", "driver cube")
    assert "drivers.zarr" in caught.value.hint


def test_scratch_folders_are_gone_afterwards(tmp_path):
    """A folder for a while lies beside the output, is known to the watchdog, and is removed after an error, too."""
    with files.scratch(tmp_path / "out" / "cube.zarr") as folder:
        (folder / "granule.hdf").write_bytes(b"x")
        assert folder.parent == tmp_path / "out" and folder in files._pending
    assert not folder.exists() and folder not in files._pending
    with pytest.raises(ZeroDivisionError), files.scratch(tmp_path / "cube.zarr") as folder:
        _ = 1 / 0
    assert not folder.exists() and list(tmp_path.iterdir()) == [tmp_path / "out"]
    (tmp_path / "file").write_text("x")
    with pytest.raises(ResourceError, match="is not a folder"), files.scratch(tmp_path / "file" / "cube.zarr"):
        pass


def a_folder_of_drivers(folder):
    """Make a folder with a raster and a cube of two chunks."""
    for name in ("ta.tif", "b/lai.tif", "cube.zarr/.zgroup", "cube.zarr/x/.zarray", "cube.zarr/x/0.0",
                 "cube.zarr/x/0.1"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


@pytest.mark.parametrize(("change", "words"), [
    (lambda folder: (folder / "ta.tif").write_text("other"), "was changed"),
    (lambda folder: (folder / "b" / "lai.tif").unlink(), "was changed"),
    (lambda folder: (folder / "b" / "lai.tif").rename(folder / "lai.tif"), "was changed"),
    (lambda folder: (folder / "new.tif").write_text("x"), "was changed"),
    (lambda folder: (folder / "cube.zarr" / "x" / "0.1").unlink(), "was changed"),
    (lambda folder: (folder / "cube.zarr" / ".zgroup").write_text("other"), "was changed"),
    (lambda folder: folder.rename(folder.with_name("away")), "was removed")])
def test_what_is_read_is_watched(tmp_path, change, words):
    """A file that is gone, new or other is told, and so is a chunk, which would pass for missing data."""
    folder = tmp_path / "drivers"
    a_folder_of_drivers(folder)
    watched = files.Unchanged([str(folder)])
    watched.check()
    change(folder)
    with pytest.raises(SchemaError, match=words):
        watched.check()


def test_what_a_run_writes_beside_its_drivers_does_not_count(tmp_path):
    """Its own unfinished files, its journal, and what QGIS puts beside rasters are no drivers."""
    a_folder_of_drivers(tmp_path)
    watched = files.Unchanged([str(tmp_path)])
    for name in (".reco-partial-1-0-reco.tif", ".reco-journal-explain/journal.json", "contributions/.reco-partial-a",
                 "ta.tif.aux.xml", "ta.qml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    watched.check()
