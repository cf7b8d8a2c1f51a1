"""The model folder: same bytes, checked before loading, nothing under its name after an error."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from reco_core.errors import ArtifactError, ResourceError
from reco_core.io import artifact
from reco_core.io.artifact import model_id, read_artifact, write_artifact
from reco_core.io.files import sha256

META = {"name": "x", "scores": {"r2": float("nan"), "n": np.int64(3)}, "list": (1, 2.5)}
BLOBS = {"fold000-all-000.ubj": b"abc" * 100, "fold001-all-000.ubj": b""}
ARRAYS = {"X": np.arange(6.0).reshape(2, 3), "site": np.array(["a", "bb"])}
TEXTS = {"card.md": "# Card\n", "links.json": "{}\n"}


@pytest.fixture
def model(tmp_path):
    return write_artifact(tmp_path / "model", META, BLOBS, ARRAYS, TEXTS)


def test_comes_back(model):
    """What was written is what is read; NaN comes back as null."""
    meta, blobs, arrays = read_artifact(model)
    assert meta == {"name": "x", "scores": {"r2": None, "n": 3}, "list": [1, 2.5]}
    assert blobs == BLOBS
    np.testing.assert_array_equal(arrays["X"], ARRAYS["X"])
    assert arrays["site"].tolist() == ["a", "bb"]
    assert (model / "card.md").read_text() == "# Card\n"


def test_same_content_same_bytes(model, tmp_path):
    """Two folders of the same model are the same byte for byte; another model has another id."""
    twin = write_artifact(tmp_path / "twin", META, BLOBS, ARRAYS, TEXTS)
    assert sha256(twin) == sha256(model) and model_id(twin) == model_id(model)
    assert len(model_id(model)) == 12
    other = write_artifact(tmp_path / "other", META, {**BLOBS, "a": b"1"}, ARRAYS, TEXTS)
    assert model_id(other) != model_id(model)


@pytest.mark.parametrize("name", ["card.md", "links.json", "reference.npz", "weights/fold000-all-000.ubj.gz"])
def test_changed_file(model, name):
    """A single changed byte in any file is noticed and the file is named."""
    content = bytearray((model / name).read_bytes())
    content[-1] ^= 1
    (model / name).write_bytes(bytes(content))
    with pytest.raises(ArtifactError, match="was changed") as caught:
        read_artifact(model)
    assert name in caught.value.message


def test_missing_file(model):
    """A file that is gone is named."""
    (model / "reference.npz").unlink()
    with pytest.raises(ArtifactError, match=r"lacks the file 'reference\.npz'"):
        read_artifact(model)


def edit(model, **changes):
    head = json.loads((model / "model.json").read_text())
    head.update(changes)
    (model / "model.json").write_text(json.dumps(head))


def test_changed_head(model):
    """Scores cannot be improved by hand."""
    edit(model, meta={"name": "x", "scores": {"r2": 0.99}})
    with pytest.raises(ArtifactError, match=r"model\.json' was changed"):
        read_artifact(model)


def test_too_new(model):
    """A model of a later version says so."""
    edit(model, format=99)
    with pytest.raises(ArtifactError, match="format 99") as caught:
        read_artifact(model)
    assert "Update RECO" in caught.value.hint


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": "new"}'])
def test_unreadable_head(model, text):
    """A broken model.json is our error, not one of a library."""
    (model / "model.json").write_text(text)
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_artifact(model)


def test_no_model(tmp_path):
    """A folder that is none, and one that is not there, are told apart."""
    with pytest.raises(ArtifactError, match="does not exist"):
        read_artifact(tmp_path / "nothing")
    with pytest.raises(ArtifactError, match=r"has no model\.json"):
        read_artifact(tmp_path)


def test_names_stay_inside(model, tmp_path):
    """No name leads out of the folder, neither in writing nor in reading."""
    with pytest.raises(ArtifactError, match="no name of a file"):
        write_artifact(tmp_path / "out", META, {"../x": b""}, ARRAYS, {})
    assert not (tmp_path / "out").exists()


def test_objects_are_not_written(tmp_path):
    """Arrays of Python objects would need code to be read: they are refused."""
    with pytest.raises(ValueError, match="pickle"):
        write_artifact(tmp_path / "out", META, BLOBS, {"X": np.array([{}], dtype=object)}, {})
    assert list(tmp_path.iterdir()) == []


def test_replaces_models_only(model, tmp_path):
    """An older model is replaced; a folder of other files is not."""
    write_artifact(model, {"name": "y"}, {}, ARRAYS, {})
    assert read_artifact(model)[0] == {"name": "y"} and not (model / "card.md").exists()
    other = tmp_path / "photos"
    other.mkdir()
    (other / "cat.jpg").write_text("miaow")
    with pytest.raises(ResourceError):
        write_artifact(other, META, BLOBS, ARRAYS, TEXTS)
    assert (other / "cat.jpg").exists()


def seal(model, **files):
    """Put files into a model as somebody would who knows how its checksums are made."""
    head = json.loads((model / "model.json").read_text())
    head.pop("sha256")
    for name, content in files.items():
        path = model / {"blob": "weights/a.ubj.gz", "arrays": "reference.npz"}[name]
        path.write_bytes(content)
        head["files"][path.relative_to(model).as_posix()] = sha256(path)
    head["sha256"] = artifact._digest(head)
    (model / "model.json").write_text(json.dumps(head))


@pytest.mark.parametrize(("files", "words"), [
    ({"blob": gzip.compress(bytes(2**20))}, "unpack to more than"), ({"blob": b"no gzip"}, "cannot be unpacked"),
    ({"arrays": artifact._pack({"X": np.zeros(2**17)})}, "unpack to more than"),
    ({"arrays": b"no npz"}, "cannot be read")])
def test_what_is_packed_is_not_trusted(model, monkeypatch, files, words):
    """A small file that unpacks to fill the memory, or that is no archive, is refused."""
    monkeypatch.setattr(artifact, "ALWAYS_ALLOWED", 2**18)
    read_artifact(model)
    seal(model, **files)
    with pytest.raises(ArtifactError, match=words):
        read_artifact(model)
