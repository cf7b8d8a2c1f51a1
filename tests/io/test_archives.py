"""Archives that are damaged, absurd or hostile."""

from __future__ import annotations

import gzip
import zipfile
import zlib

import pytest

import oneflux
from reco_core.errors import SchemaError
from reco_core.io import archives
from reco_core.io.archives import Source, find_sources, open_source
from reco_core.io.observations.read import read_observations

MONTHS = oneflux.stamps("2003-01", 24, "MM")


@pytest.mark.parametrize("member", ["../evil.csv", "/etc/evil.csv", "a/../../evil.csv", "C:/evil.csv", "..\\evil.csv"])
def test_climbing_zip_is_refused(tmp_path, member):
    """A zip whose member would leave its folder is not touched."""
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(oneflux.name(), oneflux.text(MONTHS, "MM"))
        archive.writestr(member, "x")
    with pytest.raises(SchemaError, match="climbs out"):
        read_observations(path)


def test_zip_bomb_is_refused(tmp_path):
    """A member that would unpack to hundreds of times its size is refused before it is read."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("big.csv", "w") as member:
        for _ in range(70):
            member.write(bytes(2**20))
    with pytest.raises(SchemaError, match="would unpack to 70 MB"):
        find_sources(path)


def test_cut_zip_and_missing_file(tmp_path):
    """A zip cut in half and a path that is not there are named."""
    path = oneflux.write(tmp_path, oneflux.text(MONTHS, "MM"), oneflux.name(), "zip")
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(SchemaError, match=r"zip' is damaged"):
        read_observations(path)
    with pytest.raises(SchemaError, match="does not exist"):
        read_observations(tmp_path / "nothing.csv")


def test_many_members_that_share_their_bytes_are_refused(tmp_path):
    """Each member is small, but together they unpack to hundreds of times the size of the zip."""
    path = tmp_path / "flat.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(80):
            archive.writestr(f"{number}.csv", bytes(2**20))
    with pytest.raises(SchemaError, match=r"flat.zip' would unpack to 80 MB, \d+ times its size"):
        find_sources(path)


def test_gzip_bomb_is_refused(tmp_path):
    """A gzip file states no size, so reading stops where it has unpacked absurdly much."""
    path = tmp_path / oneflux.name().replace(".csv", ".csv.gz")
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    path.write_bytes(packer.compress(b"TIMESTAMP,RECO_NT_VUT_REF\n" + b"0" * 70 * 2**20) + packer.flush())
    with pytest.raises(SchemaError, match="unpacks to more than 64 MB"), open_source(Source(path)) as stream:
        while stream.read(2**22):
            pass


def test_well_packed_data_are_no_bomb(tmp_path, monkeypatch):
    """What packs well without being absurd is read."""
    monkeypatch.setattr(archives, "RATIO_FROM_BYTES", 1000)
    path = tmp_path / "fine.csv.gz"
    path.write_bytes(gzip.compress(("site,time,reco\n" + "A,2004-01,1\n" * 400).encode()))
    with open_source(Source(path)) as stream:
        assert len(stream.read()) == 15 + 12 * 400


def test_huge_zip_inside_a_zip_is_not_held_in_memory(tmp_path, monkeypatch):
    """An inner zip is unpacked in memory, so its size is limited."""
    inner = oneflux.write(tmp_path, oneflux.text(MONTHS, "MM"), oneflux.name(), "zip")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(inner, inner.name)
    monkeypatch.setattr(archives, "MAX_INNER_BYTES", 100)
    with pytest.raises(SchemaError, match="inside a zip"):
        find_sources(tmp_path / "all.zip")


def test_empty_zip_and_zip_of_nothing(tmp_path):
    """A zip of 0 bytes is damaged; one without members holds no observations."""
    (tmp_path / "nil.zip").write_bytes(b"")
    with pytest.raises(SchemaError, match=r"nil.zip' is damaged"):
        read_observations(tmp_path / "nil.zip")
    with zipfile.ZipFile(tmp_path / "none.zip", "w"):
        pass
    with pytest.raises(SchemaError, match="holds no observations"):
        read_observations(tmp_path / "none.zip")
