"""Tables with rows of several networks, cut files, and the wrong kind of flux."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from reco_core.errors import SampleError, SchemaError
from reco_core.io.observations.assemble import sources
from reco_core.io.observations.read import read_observations
from reco_core.samples.overlaps import resolve_overlaps

HEADER = "site,time,network,reco,lat,lon\n"
ROWS = HEADER + "A,2004-01,ICOS,1,50,7\nA,2004-02,ICOS,2,50,7\nA,2004-02,FLUXNET2015,5,50,7\nB,2004-01,Mine,3,51,7\n"


def write(tmp_path, text, name="table.csv"):
    """Write text and return its path."""
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_rows_of_several_networks_are_resolved_like_files(tmp_path):
    """A site-month that two networks hold in one table is kept once; without a rule it is refused."""
    path = write(tmp_path, ROWS)
    ds = read_observations(path, join=resolve_overlaps)
    np.testing.assert_array_equal(ds["reco"].values, [[1, 5], [3, np.nan]])
    assert list(ds["network"].values) == ["ICOS + FLUXNET2015", "Mine"]
    with pytest.raises(SampleError, match="Site 'A' has 1 time steps twice"):
        read_observations(path)


def test_doubles_of_one_network_are_refused(tmp_path):
    """Both lines are named."""
    with pytest.raises(SampleError, match=r"site 'A' has 2004-02-01 twice, in line 3 and line 4"):
        read_observations(write(tmp_path, ROWS.replace("FLUXNET2015", "ICOS")), join=resolve_overlaps)


def test_networks_of_a_table_are_cited(tmp_path):
    """What is known of a network's citation goes with the table, by file and network."""
    ds = read_observations(write(tmp_path, ROWS), join=resolve_overlaps)
    assert "Pastorello" in ds.attrs["citation"]
    assert [(entry["file"], entry["network"]) for entry in sources(ds)] == [
        ("table.csv", "ICOS"), ("table.csv", "FLUXNET2015"), ("table.csv", "Mine")]


@pytest.mark.parametrize("packed", [False, True])
def test_table_cut_in_the_middle_of_a_row(tmp_path, packed):
    """A last row without its line end and with fewer fields than the header was cut off."""
    cut = ROWS[:-6].encode()
    path = write(tmp_path, gzip.compress(cut) if packed else cut, "cut.csv.gz" if packed else "cut.csv")
    with pytest.raises(SchemaError, match=r"cut.csv.*is cut off: its last line 5 has 4 of 6 fields"):
        read_observations(path)
    whole = write(tmp_path, ROWS.rstrip("\n"), "whole.csv")
    assert read_observations(whole, join=resolve_overlaps).sizes["site"] == 2


@pytest.mark.parametrize("flux", ["rs", "rh"])
def test_wrong_kind_of_flux_prints_the_columns(tmp_path, flux):
    """A table of ecosystem respiration has no soil flux; its columns are shown, none is guessed."""
    with pytest.raises(SchemaError, match=rf"no column that is known to hold .* \({flux}\)") as caught:
        read_observations(write(tmp_path, ROWS), flux=flux)
    assert "site, time, network, reco, lat, lon" in caught.value.hint


@pytest.mark.parametrize("blank", ["", "NaN", "NA", "-9999"])
def test_missing_in_columns_of_integers(tmp_path, blank):
    """A missing flux is missing; a missing year names its line."""
    text = f"site,year,month,reco\nA,2004,1,{blank}\nA,2004,2,2\n"
    assert np.isnan(read_observations(write(tmp_path, text))["reco"].values[0, 0])
    with pytest.raises(SchemaError, match=r"column 'year', line 2: '.*' is not a year"):
        read_observations(write(tmp_path, f"site,year,month,reco\nA,{blank},1,1\nA,2004,2,2\n"))
