"""The plugin zip holds what QGIS and its plugin repository want, and is the same every time."""

from __future__ import annotations

import configparser
import io
import shutil
import zipfile

import pytest

import build_plugin
from reco_core import __version__
from source import ROOT

MANDATORY = ("name", "description", "version", "qgisMinimumVersion", "author", "email", "about", "tracker",
             "repository")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The zip of this repository."""
    return build_plugin.build(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def names(archive):
    """What is in the zip."""
    return zipfile.ZipFile(archive).namelist()


def test_same_files_give_the_same_bytes(archive, tmp_path):
    """A second build, from a copy with other dates, differs in no byte."""
    for name in (*build_plugin.PLAIN, *build_plugin.FOLDERS):
        source, target = ROOT / name, tmp_path / "copy" / name
        target.parent.mkdir(exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, target)
    again = build_plugin.build(tmp_path / "copy", tmp_path / "dist")
    assert again.name == archive.name and again.read_bytes() == archive.read_bytes()


def test_one_folder_with_all_that_is_mandatory(names):
    """One top folder that is an identifier, with metadata, licence and package file in it."""
    assert {name.split("/")[0] for name in names} == {"reco"}
    assert {"reco/metadata.txt", "reco/LICENSE", "reco/__init__.py", "reco/lib/reco_core/__init__.py",
            "reco/lib/reco_core/catalogue/__init__.py"} <= set(names)


def test_nothing_that_the_repository_refuses(names, archive):
    """No compiled files, caches, programs or odd paths; far below 25 MB."""
    assert not [name for name in names if name.endswith((".pyc", ".exe", ".dll", ".so", ".sh", ".bat"))]
    assert not [name for name in names if "__pycache__" in name or ".." in name or "\\" in name or "/." in name]
    assert archive.stat().st_size < 5e6


def test_metadata_is_whole(archive):
    """Every mandatory key has a value, and the version is that of the library."""
    text = zipfile.ZipFile(archive).read("reco/metadata.txt").decode("utf-8")
    metadata = configparser.ConfigParser()
    metadata.read_file(io.StringIO(text))
    general = metadata["general"]
    assert [key for key in MANDATORY if not general.get(key, "").strip()] == []
    assert general["version"] == __version__
    assert general["qgisMinimumVersion"] == "3.22"
    assert general["hasProcessingProvider"] == "yes"
    assert general.getboolean("experimental")
    assert "/" not in general["author"] and general["author"] == "RECO developers"
    assert all("example.org" in general[key] for key in ("email", "tracker", "repository"))


def test_versions_must_agree(tmp_path):
    """A zip whose two versions differ is not built."""
    (tmp_path / "reco_core").mkdir()
    (tmp_path / "reco_core" / "version.py").write_text('__version__ = "2.0.0"\n')
    (tmp_path / "metadata.txt").write_text("[general]\nversion=1.0.0\n")
    with pytest.raises(ValueError, match=r"1\.0\.0.*2\.0\.0"):
        build_plugin.build(tmp_path, tmp_path / "dist")
