"""The sample for dependence curves is random, reproducible, and does not depend on the tiles."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from reco_core.actions.dependence import DependenceSample, scramble
from reco_core.errors import SchemaError
from reco_core.io.dependence import read_dependence

STEPS, ROWS, COLUMNS = 6, 20, 30
LABELS = [f"2001-{month:02d}" for month in range(1, STEPS + 1)]


def feed(sample, size):
    """Hand a map to the sample in tiles of so many cells a side; each record knows its number."""
    for row in range(0, ROWS, size):
        for column in range(0, COLUMNS, size):
            shape = (STEPS, min(size, ROWS - row), min(size, COLUMNS - column))
            steps, rows, columns = np.indices(shape).reshape(3, -1)
            number = (steps * ROWS + rows + row) * COLUMNS + columns + column
            index = np.flatnonzero(number % 7 > 0)
            x = number[index].astype(float)
            block = SimpleNamespace(tile=SimpleNamespace(row0=row, col0=column), steps=slice(0, STEPS), shape=shape,
                                    index=index, own=np.stack([x, 2 * x], axis=1))
            phi = np.stack([3 * x, 4 * x, np.ones_like(x)], axis=1)
            sample.begin(block.tile)
            assert not list(sample.add(SimpleNamespace(block=block, contributions=phi)))
            sample.take(sample.record())


@pytest.mark.parametrize("size", [7, 30])
def test_tiles_do_not_matter(tmp_path, size):
    """Tiles of any size give the same file, byte by byte."""
    paths = []
    for side in (size, 13):
        sample = DependenceSample(ROWS, COLUMNS, LABELS, ("ta", "lai"), most=200)
        feed(sample, side)
        paths.append(tmp_path / f"{side}.csv")
        sample.write(paths[-1])
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_records_belong_together(tmp_path):
    """Place, drivers and contributions of a record are those of one cell and time step."""
    sample = DependenceSample(ROWS, COLUMNS, LABELS, ("ta", "lai"), most=200)
    feed(sample, 8)
    sample.write(tmp_path / "dependence.csv")
    table, names = read_dependence(tmp_path / "dependence.csv")
    assert names == ["ta", "lai"]
    assert len(table) == 200
    number = (table["time"].map(LABELS.index) * ROWS + table["row"]) * COLUMNS + table["col"]
    for name, factor in (("ta", 1), ("lai", 2), ("contribution_ta", 3), ("contribution_lai", 4)):
        np.testing.assert_allclose(table[name], factor * number)
    assert (number % 7 > 0).all()


def test_sample_is_spread_evenly():
    """Scrambled numbers fall anywhere with the same chance."""
    keys = scramble(np.arange(100_000, dtype="uint64")) / 2.0**64
    counts, _edges = np.histogram(keys, bins=10, range=(0, 1))
    assert abs(counts - 10_000).max() < 400
    assert abs(np.corrcoef(keys[:-1], keys[1:])[0, 1]) < 0.02


def test_small_maps_are_kept_whole(tmp_path):
    """A map with fewer records than the sample is in it completely."""
    sample = DependenceSample(ROWS, COLUMNS, LABELS, ("ta", "lai"), most=10_000)
    feed(sample, 9)
    sample.write(tmp_path / "dependence.csv")
    assert len(read_dependence(tmp_path / "dependence.csv")[0]) == sum(n % 7 > 0 for n in range(STEPS * ROWS * COLUMNS))


def test_sample_without_a_driver_is_refused(tmp_path):
    """A contribution without its driver is named."""
    path = tmp_path / "dependence.csv"
    path.write_text("time,row,col,contribution_ta\n2001-01,0,0,1\n")
    with pytest.raises(SchemaError, match="no column 'ta'"):
        read_dependence(path)
