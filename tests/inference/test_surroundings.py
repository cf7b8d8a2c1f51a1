"""What models see around a cell: equal to a slow reference, to the samples of a tower, and however the map is cut."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.actions.data import _patches_at, at_towers
from reco_core.errors import GridError, SampleError
from reco_core.inference.grid import DriverReader
from reco_core.inference.surroundings import earlier_gaps
from reco_core.inference.tiles import Tile
from reco_core.io.observations.assemble import assemble
from reco_core.models.base import Feature, FittedModel, Model
from reco_core.models.context import Context
from reco_core.models.table import Table
from reco_core.progress import SILENT
from reco_core.samples.build import build_samples
from reco_core.samples.climate import MonthlyMeans, fill_months
from reco_core.samples.footprints import Footprint
from small_world import NAMES, small_drivers

EVERYTHING = Context(past=3, side=3, climate=True, place=True)


def fitted(context):
    """Return a fitted model that sees this context."""

    class Seeing(Model):
        @property
        def context(self):
            return context

    features = tuple(Feature(name, "", name, "environment", 0.0, 1.0) for name in NAMES)
    return FittedModel("seeing", features, "", "month", "reco", (), (Seeing(),))


def whole(reader):
    """Return the tile and the time steps of a whole map."""
    return Tile(0, reader.height, 0, reader.width), slice(0, len(reader.times))


def slowly(drivers, context, time, y, x):
    """Return one row, put together value by value."""
    def at(name, t, row, column):
        values = drivers[name]
        inside = 0 <= row < drivers.sizes["y"] and 0 <= column < drivers.sizes["x"]
        if not inside or t < 0:
            return np.nan
        return float(values[t, row, column] if "time" in values.dims else values[row, column])

    row = [at(name, time, y, x) for name in NAMES]
    row += [at(name, time - lag, y, x) for lag in range(context.past, 0, -1) for name in NAMES]
    offsets = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    for dy, dx in offsets:
        for name in NAMES:
            near = sorted(offsets, key=lambda o: ((o[0] - dy) ** 2 + (o[1] - dx) ** 2, o))
            values = (at(name, time, y + a, x + b) for a, b in near)
            row.append(next(value for value in values if np.isfinite(value)))
    months = drivers["time"].values.astype("datetime64[M]").astype(int) % 12
    for month in range(12):
        row += [np.nanmean([at(name, t, y, x) for t in np.flatnonzero(months == month)]) for name in NAMES]
    days = (drivers["time"].values[time].astype("datetime64[M]") + np.arange(2)).astype("datetime64[D]")
    middle = (days[0] - days[0].astype("datetime64[Y]")).astype(int) + 1 + (days[1] - days[0]).astype(int) / 2
    return np.array([*row, float(drivers["y"][y]), middle])


def test_rows_equal_a_slow_reference():
    """Every column of a wide row is what one finds by looking it up, at coasts and beside gaps too."""
    drivers = small_drivers(5, 4)
    reader = DriverReader(drivers, fitted(EVERYTHING))
    block = reader.read(*whole(reader))
    assert block.X.shape[1] == EVERYTHING.width(3) == 3 * (1 + 3 + 9 + 12) + 2
    places = np.stack(np.unravel_index(block.index, block.shape), axis=1)
    assert (places[:, 0] >= 3).all()  # the first three months have no history
    assert len(places) > 200
    for row, place in list(zip(block.X, places))[::17]:
        np.testing.assert_allclose(row, slowly(drivers, EVERYTHING, *place), rtol=1e-5)


def test_cutting_does_not_matter():
    """Small tiles and single time steps give the same bytes as the whole map."""
    drivers = small_drivers(7, 5)
    reader = DriverReader(drivers, fitted(EVERYTHING))
    block = reader.read(*whole(reader))
    maps = np.stack([block.grid(column) for column in block.X.T])
    for tile in (Tile(0, 3, 0, 5), Tile(3, 7, 2, 4)):
        for step in (3, 11, 20):
            part = reader.read(tile, slice(step, step + 1))
            mine = np.stack([part.grid(column) for column in part.X.T])
            np.testing.assert_array_equal(mine, maps[:, step:step + 1, tile.rows, tile.columns])


def test_period_leaves_the_surroundings_whole():
    """A period decides what is mapped, not what the model sees: history and monthly means reach beyond it."""
    drivers = small_drivers(5, 4)
    long = DriverReader(drivers, fitted(EVERYTHING))
    short = DriverReader(drivers, fitted(EVERYTHING), _months(drivers, 6, 8))
    assert len(short.times) == 3
    everything = long.read(*whole(long))
    maps = np.stack([everything.grid(column) for column in everything.X.T])
    part = short.read(*whole(short))
    np.testing.assert_array_equal(np.stack([part.grid(column) for column in part.X.T]), maps[:, 6:9])
    with pytest.raises(GridError, match="no time step in 1901/1902"):
        DriverReader(drivers, fitted(EVERYTHING), "1901/1902")


def _months(drivers, first, last):
    return "/".join(str(drivers["time"].values[at].astype("datetime64[M]")) for at in (first, last))


def test_cells_without_history_are_counted():
    """A gap takes out the cell and as many later months as the model looks back, and the reason is told."""
    drivers = small_drivers(4, 3, gaps=False)
    drivers["ta"].values[10, 1, 1] = np.nan
    reader = DriverReader(drivers, fitted(Context(past=2)))
    block = reader.read(*whole(reader))
    found = block.grid(block.X[:, 0])
    assert np.isnan(found[:2]).all()
    assert np.flatnonzero(np.isnan(found[2:, 1, 1])).tolist() == [8, 9, 10]
    assert np.isfinite(found[2:, 0, 0]).all()
    assert reader.missing["without 'ta'"] == 1
    assert reader.missing["without the 2 earlier time steps of 'ta'"] == 2 * 12 + 2


def test_patches_go_round_the_world():
    """On a grid round the world the western neighbour of the first column is the last column."""
    drivers = small_drivers(6, 8, gaps=False)
    x = -180 + 45.0 * (np.arange(8) + 0.5)
    transform = drivers["spatial_ref"].attrs["GeoTransform"].split()
    transform[0], transform[1] = "-180", "45"
    drivers = drivers.assign_coords(x=("x", x, drivers["x"].attrs))
    drivers["spatial_ref"].attrs["GeoTransform"] = " ".join(transform)
    reader = DriverReader(drivers, fitted(Context(side=3)))
    block = reader.read(*whole(reader))
    patch = reader.context.view(block.X, 3).patch[..., 0].reshape(len(reader.times), 6, 8, 3, 3)
    ta = drivers["ta"].values
    np.testing.assert_array_equal(patch[:, 2, 0, 1, 0], ta[:, 2, 7].astype("float32"))
    np.testing.assert_array_equal(patch[:, 2, 7, 0, 2], ta[:, 1, 0].astype("float32"))
    np.testing.assert_array_equal(patch[:, 0, 3, 0, 1], ta[:, 0, 3].astype("float32"))  # beyond the pole: nearest cell


def at_a_tower(drivers, y, x, months=slice(8, 20)):
    """Return observations of a tower in a cell."""
    times = drivers["time"].values[months]
    towers = {"lat": np.full(times.size, float(drivers["y"][y])), "lon": np.full(times.size, float(drivers["x"][x]))}
    return assemble(np.full(times.size, "T1", dtype=object), times.astype("datetime64[s]"),
                    {"reco": np.full(times.size, 2.0), "qc": np.ones(times.size)}, towers, flux="reco",
                    time_step="month")


def test_samples_and_maps_see_the_same():
    """A model is shown the same rows at a tower as on the map: history, neighbours, months of the year, place."""
    drivers = small_drivers(6, 5)
    y, x = 4, 2
    observations = at_a_tower(drivers, y, x)
    gridded = at_towers(observations, drivers, list(NAMES), Footprint(), SILENT, whole=True)
    patches = _patches_at(observations, drivers, gridded, 5, SILENT)
    samples = build_samples(observations, gridded, features=NAMES, history=6, patches=patches)
    table = Table.of(samples, EVERYTHING)
    reader = DriverReader(drivers, fitted(EVERYTHING))
    block = reader.read(*whole(reader))
    maps = np.stack([block.grid(column) for column in block.X.T], axis=-1)
    mine = maps[8:20, y, x]
    known = np.isfinite(mine).all(axis=1)
    assert known.sum() >= 6
    np.testing.assert_allclose(table.X[known], mine[known], rtol=1e-6)
    assert not np.isfinite(table.X[~known][:, :12]).all(axis=1).any()


@pytest.mark.parametrize(("context", "words"), [
    (Context(past=7), "looks back 7 time steps and the samples hold 6"),
    (Context(side=3), "looks at 3 x 3 cells, the samples hold 1 x 1")])
def test_samples_without_the_surroundings_are_refused(context, words):
    """What the samples do not hold is named, and how to build them."""
    drivers = small_drivers(6, 5, gaps=False)
    observations = at_a_tower(drivers, 1, 1)
    gridded = at_towers(observations, drivers, list(NAMES), Footprint(), SILENT, whole=True)
    samples = build_samples(observations, gridded, features=NAMES, history=6)
    with pytest.raises(SampleError, match=words) as caught:
        Table.of(samples, context)
    assert "Build the samples again" in caught.value.hint


def test_history_of_a_tower_knows_gaps_in_time():
    """An earlier time step that the table does not have is missing, not the one before it."""
    times = np.array(["2003-01", "2003-02", "2003-04"], "datetime64[M]").astype("datetime64[s]")
    table = assemble(np.full(3, "T", dtype=object), times, {"reco": np.ones(3), "qc": np.ones(3),
                     "ta": np.array([1.0, 2.0, 4.0])}, {"lat": np.zeros(3), "lon": np.zeros(3)}, flux="reco",
                     time_step="month")
    samples = build_samples(table, history=2)
    np.testing.assert_array_equal(samples["history"].values[:, 0], [[np.nan, np.nan], [np.nan, 1], [2, np.nan]])
    np.testing.assert_allclose(samples["climate"].values[0, 0, :4], [1, 2, 3, 4])


def test_monthly_means_do_not_depend_on_portions():
    """Gaps do not count, and portions of any size add up to the same bytes."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(40, 3, 4))
    values[rng.random(values.shape) < 0.2] = np.nan
    months = np.arange(40) % 12
    once, often = MonthlyMeans((3, 4)), MonthlyMeans((3, 4))
    once.add(values, months)
    for at in range(0, 40, 7):
        often.add(values[at:at + 7], months[at:at + 7])
    np.testing.assert_array_equal(once.means(), often.means())
    np.testing.assert_allclose(once.means()[2, 1, 1], np.nanmean(values[2::12, 1, 1]))


def test_missing_months_are_interpolated_round_the_year():
    """Between December and March lie January and February; a driver without any value stays missing."""
    means = np.full((12, 2), np.nan)
    means[[2, 11], 0] = [4.0, 1.0]
    found = fill_months(means)
    np.testing.assert_allclose(found[[11, 0, 1, 2], 0], [1, 2, 3, 4])
    np.testing.assert_allclose(found[6, 0], 4 - 3 * 4 / 9)
    assert np.isnan(found[:, 1]).all()


def test_earlier_gaps():
    """A gap counts for as many time steps as the model looks back."""
    values = np.zeros((6, 1, 1))
    values[2] = np.nan
    assert earlier_gaps(values, 2)[:, 0, 0].tolist() == [False, True, True, False]


def test_columns_have_owners():
    """Columns of the drivers come first and belong to their driver; place belongs to none."""
    owners = EVERYTHING.owners(3)
    assert owners.size == EVERYTHING.width(3)
    assert owners[:6].tolist() == [0, 1, 2, 0, 1, 2]
    assert owners[-2:].tolist() == [-1, -1]
    with pytest.raises(ValueError, match="have 5 columns, not 4"):
        Context(place=True).view(np.zeros((2, 4)), 3)
