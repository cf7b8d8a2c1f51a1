"""RDS files: what R saved is read without running any of it, and damage is an error."""

from __future__ import annotations

import bz2
import gzip
import lzma

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reco_core.errors import MissingDependency, SchemaError
from reco_core.io import r_files
from reco_core.io.archives import Source
from reco_core.io.r_files import read_rds

rdata = pytest.importorskip("rdata")
FRAME = pd.DataFrame({"CSR_PORT": [1.0, 2.0, np.nan], "CSR_FLUX_CO2": [0.5, 1.5, -0.25]})


def plain(tmp_path):
    """Return an RDS file as bytes, not packed."""
    rdata.write_rds(tmp_path / "plain.rds", FRAME)
    return gzip.decompress((tmp_path / "plain.rds").read_bytes())


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_any_packing(tmp_path, pack):
    """gzip, bzip2, xz and no packing give the same table."""
    path = tmp_path / "data.RDS"
    path.write_bytes(pack(plain(tmp_path)))
    frame = read_rds(Source(path))
    assert list(frame.columns) == list(FRAME.columns)
    np.testing.assert_array_equal(frame.to_numpy("float64", na_value=np.nan), FRAME.to_numpy())


@pytest.mark.parametrize(("content", "words"), [
    (b"", "is empty"), (b"site,flux\nA,1\n", "is no RDS file"), (b"RDX3\nX\n", "is no RDS file"),
    (gzip.compress(b"no data"), "is no RDS file"), (b"X\n\x00\x00", "is damaged or cut off")])
def test_other_files(tmp_path, content, words):
    """Files of 0 bytes, text and workspaces are refused by name."""
    path = tmp_path / "data.RDS"
    path.write_bytes(content)
    with pytest.raises(SchemaError, match=f"'data.RDS' {words}"):
        read_rds(Source(path))


def test_what_is_no_data_frame(tmp_path):
    """A list or a vector is an error that says what it is."""
    rdata.write_rds(tmp_path / "list.rds", [1.0, 2.0])
    with pytest.raises(SchemaError, match="holds no data frame but a list"):
        read_rds(Source(tmp_path / "list.rds"))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_cut_files(tmp_path, pack, share):
    """A file that was cut off anywhere is an error, never a shorter table."""
    content = pack(plain(tmp_path))
    path = tmp_path / "data.RDS"
    path.write_bytes(content[:int(len(content) * share)])
    with pytest.raises(SchemaError, match="damaged or cut off|is no RDS file"):
        read_rds(Source(path))


@settings(max_examples=60)
@given(at=st.integers(14, 200), value=st.integers(0, 255))
def test_flipped_bytes_never_escape(tmp_path_factory, at, value):
    """Whatever byte is damaged, the result is a table or our own error."""
    folder = tmp_path_factory.mktemp("rds")
    content = bytearray(plain(folder))
    content[at % len(content)] = value
    (folder / "bad.rds").write_bytes(bytes(content))
    try:
        read_rds(Source(folder / "bad.rds"))
    except SchemaError as error:
        assert "bad.rds" in error.message


def test_too_large_when_unpacked(tmp_path, monkeypatch):
    """A small file that unpacks to more than the limit is not unpacked."""
    monkeypatch.setattr(r_files, "MAX_BYTES", 1000)
    path = tmp_path / "bomb.RDS"
    path.write_bytes(gzip.compress(b"X\n" + bytes(100_000)))
    with pytest.raises(SchemaError, match="unpacks to more than"):
        read_rds(Source(path))


def test_lack_of_the_package_is_told(tmp_path, monkeypatch):
    """Without rdata the message has the command that installs it."""
    monkeypatch.setitem(__import__("sys").modules, "rdata", None)
    with pytest.raises(MissingDependency) as caught:
        read_rds(Source(tmp_path / "data.RDS"))
    assert "reco[cosore]" in caught.value.hint


def test_real_times_are_seconds(real_data):
    """Times of a real file are seconds UTC; a missing value is NaN."""
    path = real_data("soil_cosore") / "original_layout" / "d20190617_SCOTT_WHS" / "data" / "data.RDS"
    frame = read_rds(Source(path))
    assert len(frame) == 18264
    first = np.datetime64(int(frame["CSR_TIMESTAMP_END"].iloc[0]), "s")
    assert str(first) == "2012-03-23T15:15:21"
    assert int(frame["CSR_T5"].isna().sum()) == 338
