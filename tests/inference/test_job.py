"""The tile loop: what it computes does not depend on how the map is cut."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from reco_core.errors import ArtifactError, Cancelled, GridError, SchemaError
from reco_core.explain.engine import Engine
from reco_core.inference import grid, job
from reco_core.inference.grid import DriverReader, check_fits
from reco_core.inference.job import MapJob
from reco_core.inference.pieces import Product
from reco_core.inference.tiles import Tile, TilePlan
from reco_core.progress import Progress
from small_world import NAMES, small_drivers, small_model


class Keep(Product):
    """Keeps all that is computed as whole maps."""

    def __init__(self, reader, contributions=True, applicability=True):
        self.contributions, self.applicability = contributions, applicability
        shape = (len(reader.times), reader.height, reader.width)
        self.mean, self.spread, self.near = (np.full(shape, np.nan, "float32") for _ in range(3))
        self.phi = np.full((len(reader.names) + 1, *shape), np.nan, "float32")
        self.tiles = []

    def begin(self, tile):
        self.tiles.append(tile)

    def add(self, estimates):
        block = estimates.block
        window = (block.steps, block.tile.rows, block.tile.columns)
        self.mean[window], self.spread[window] = block.grid(estimates.mean), block.grid(estimates.spread)
        if estimates.applicability is not None:
            self.near[window] = block.grid(estimates.applicability)
        if estimates.contributions is not None:
            for k, column in enumerate(estimates.contributions.T):
                self.phi[k][window] = block.grid(column)
        return ()


def run(drivers, fitted, plan=None, monkeypatch=None, rows_at_once=1000, **options):
    reader = DriverReader(drivers, fitted)
    keep = Keep(reader)
    work = MapJob(reader, [keep], Engine(fitted, rows_at_once=rows_at_once))
    if plan is not None:
        monkeypatch.setattr(MapJob, "plan", lambda self: plan)
    work.run(**options)
    return keep, work


def cut(rows, columns, times, high, wide, steps):
    tiles = tuple(Tile(r, min(r + high, rows), c, min(c + wide, columns))
                  for r in range(0, rows, high) for c in range(0, columns, wide))
    return TilePlan(tiles, steps, times)


@pytest.mark.parametrize(("rows", "high", "wide", "steps"),
                         [(3, 1, 1, 1), (12, 1, 1, 24), (12, 5, 4, 7), (12, 12, 9, 1), (12, 3, 9, 24)])
def test_tiles_do_not_matter(monkeypatch, rows, high, wide, steps):
    """Every map is the same to the last bit, however it is cut in space and time."""
    drivers, fitted = small_drivers(rows, years=2 if rows > 3 else 1), small_model()
    whole, _ = run(drivers, fitted)
    parts, _ = run(drivers, fitted, cut(rows, 9, drivers.sizes["time"], high, wide, steps), monkeypatch)
    for name in ("mean", "spread", "near", "phi"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name), equal_nan=True), name
    assert len(parts.tiles) > len(whole.tiles) or steps < 24


def test_rows_at_a_time_do_not_matter(monkeypatch):
    """Nor does it matter how many rows the model is handed at once."""
    drivers, fitted = small_drivers(), small_model()
    whole, _ = run(drivers, fitted)
    monkeypatch.setattr(job, "ROWS", 41)
    few, _ = run(drivers, fitted, rows_at_once=97)
    for name in ("mean", "spread", "near", "phi"):
        assert np.array_equal(getattr(whole, name), getattr(few, name), equal_nan=True), name


def test_estimates_are_those_of_the_model():
    """Each valid cell and month holds what the model says of its drivers; the others hold nothing."""
    drivers, fitted = small_drivers(), small_model()
    kept, work = run(drivers, fitted)
    columns = [np.broadcast_to(drivers[name].values, kept.mean.shape) for name in NAMES]
    valid = np.isfinite(np.stack(columns)).all(axis=0)
    X = np.stack([column[valid] for column in columns], axis=1)
    mean, spread, _seeds = fitted.estimate(X)
    assert np.array_equal(kept.mean[valid], mean.astype("float32"))
    assert np.array_equal(kept.spread[valid], spread.astype("float32"))
    assert np.isnan(kept.mean[~valid]).all() and not valid.all() and work.tally.valid == valid.sum()


def test_layers_are_the_columns():
    """Columns as maps, some at a time, are what each column is as a map: with gaps and without, many rows and none."""
    rng = np.random.default_rng(0)
    for shape, share in (((3, 40, 50), 0.7), ((2, 50, 60), 1.0), ((1, 2, 3), 0.0)):
        index = np.flatnonzero(rng.random(np.prod(shape)) < share)
        values = rng.normal(size=(len(index), 11))
        block = grid.Block(Tile(0, shape[1], 0, shape[2]), slice(0, shape[0]), shape, index, values, None, 11)
        found = {first + k: layer for first, maps in block.layers(values) for k, layer in enumerate(maps)}
        assert sorted(found) == list(range(11))
        for k, layer in found.items():
            assert np.array_equal(layer, block.grid(values[:, k]), equal_nan=True)


def test_contributions_add_up():
    """Base value plus contributions is the estimate in every cell and month."""
    kept, work = run(small_drivers(), small_model())
    gap = np.abs(kept.phi.sum(axis=0) - kept.mean)
    assert np.nanmax(gap / np.maximum(1, np.abs(kept.mean))) <= 1e-4
    assert 0 < work.tally.additivity_error <= 1e-4


@pytest.mark.parametrize("gap", [0.1, np.nan])
def test_contributions_that_do_not_add_up_are_refused(monkeypatch, gap):
    """A wrong explanation is an error, not a map; so is one that is missing where there is an estimate."""
    drivers, fitted = small_drivers(), small_model()
    reader, engine = DriverReader(drivers, fitted), Engine(fitted)
    explain = engine.explain
    monkeypatch.setattr(engine, "explain", lambda *args: (explain(*args)[0], explain(*args)[1] + gap))
    with pytest.raises(ArtifactError, match="miss the estimate"):
        MapJob(reader, [Keep(reader)], engine).run()


def test_features_are_matched_by_name():
    """The order of the drivers in the cube does not matter."""
    drivers, fitted = small_drivers(), small_model()
    turned = drivers[["soc_0", "lai", "ta"]].assign_attrs(drivers.attrs)
    assert np.array_equal(run(turned, fitted)[0].mean, run(drivers, fitted)[0].mean, equal_nan=True)


def test_region():
    """Cells outside the region hold nothing, and their drivers are not complained about."""
    drivers, fitted = small_drivers(gaps=False), small_model()
    inside = np.zeros((12, 9), dtype=bool)
    inside[3:6, 2:4] = True
    kept, work = run(drivers.assign(inside=(("y", "x"), inside)), fitted)
    assert np.array_equal(np.isfinite(kept.mean).all(axis=0), inside) and work.tally.valid == 24 * 6
    assert np.isnan(kept.mean[:, ~inside]).all()


def test_empty_tile_is_skipped(monkeypatch):
    """A tile without data costs no estimate and spoils nothing."""
    drivers, fitted = small_drivers(gaps=False), small_model()
    soil = drivers["soc_0"].values.copy()
    soil[:6] = np.nan
    drivers["soc_0"] = drivers["soc_0"].copy(data=soil)
    reader = DriverReader(drivers, fitted)
    monkeypatch.setattr(reader, "_window", counted(reader._window, seen := []))
    assert reader.read(Tile(0, 6, 0, 9), slice(0, 24)) is None
    assert seen == ["soc_0"], "dynamic drivers were read although a static one has no data"
    kept, _ = run(drivers, fitted, cut(12, 9, 24, 6, 9, 24), monkeypatch)
    assert np.isnan(kept.mean[:, :6]).all() and np.isfinite(kept.mean[:, 6:]).all()


def test_static_drivers_are_read_once(monkeypatch):
    """However many batches of time steps a tile has, its static drivers are read once, the others once a batch."""
    drivers, fitted = small_drivers(), small_model()
    whole, _ = run(drivers, fitted)
    reader = DriverReader(drivers, fitted)
    monkeypatch.setattr(reader, "_window", counted(reader._window, seen := []))
    work = MapJob(reader, [Keep(reader)], Engine(fitted))
    monkeypatch.setattr(MapJob, "plan", lambda job: cut(12, 9, 24, 6, 9, 8))
    work.run()
    assert Counter(seen) == {"soc_0": 2, "ta": 6, "lai": 6}
    assert np.array_equal(work.products[0].mean, whole.mean, equal_nan=True)


def counted(function, seen):
    def call(name, *args):
        seen.append(name)
        return function(name, *args)
    return call


def test_nothing_valid_at_all():
    """If no cell can be estimated the error counts why, driver by driver."""
    drivers = small_drivers(gaps=False)
    drivers["lai"] = drivers["lai"].copy(data=np.full(drivers["lai"].shape, np.nan, "float32"))
    inside = np.ones((12, 9), dtype=bool)
    inside[0] = False
    with pytest.raises(GridError, match="No valid pixel") as error:
        run(drivers.assign(inside=(("y", "x"), inside)), small_model())
    message = error.value.message
    assert f"{24 * 11 * 9} without 'lai'" in message and f"{24 * 9} outside the region" in message


def test_value_outside_its_range():
    """A driver in the wrong unit is refused with its name, time step, value and range."""
    drivers = small_drivers(gaps=False)
    values = drivers["ta"].values.copy()
    values[5] += 273.15
    drivers["ta"] = drivers["ta"].copy(data=values)
    with pytest.raises(SchemaError, match=r"'ta' is 2\d\d.* in .*2001-06.*valid are -80 to 60"):
        run(drivers, small_model())


def test_missing_driver():
    """A driver that the model needs and the cube lacks is named, with what there is."""
    with pytest.raises(ArtifactError, match="not there: lai") as error:
        DriverReader(small_drivers().drop_vars("lai"), small_model())
    assert "ta, soc_0" in error.value.hint


def test_other_time_step():
    """A monthly model refuses annual drivers."""
    with pytest.raises(ArtifactError, match="per month and the drivers have the time step year"):
        DriverReader(small_drivers().assign_attrs(time_step="year"), small_model())


def test_no_time_axis():
    """Static layers alone make no series."""
    with pytest.raises(GridError, match="no time axis"):
        DriverReader(small_drivers().isel(time=0, drop=True), small_model())


def test_classes():
    """With one model per class each cell gets its own class's model; families stand in, unknown ones are nodata."""
    fitted = small_model(per_class=True)
    assert set(fitted.strata) == {"DBF", "EBF", "ENF", "GRA"}
    drivers = small_drivers(gaps=False)
    codes = np.full((12, 9), 1.0)
    codes[0], codes[1], codes[2], codes[3], codes[4, 0] = 10, 3, 17, 200, np.nan
    drivers["igbp"] = (("y", "x"), codes.astype("float32"))
    kept, work = run(drivers, fitted)
    X = np.stack([np.broadcast_to(drivers[name].values, kept.mean.shape)[:, :2].reshape(-1) for name in NAMES], axis=1)
    labels = np.broadcast_to(np.array(["GRA", "DBF"])[:, None], (24, 2, 9)).reshape(-1)
    expected = fitted.estimate(X, stratum=labels)[0].astype("float32").reshape(24, 2, 9)
    assert np.array_equal(kept.mean[:, :2], expected)
    assert np.isnan(kept.mean[:, 2:4]).all() and np.isnan(kept.mean[:, 4, 0]).all()
    assert np.isfinite(kept.mean[:, 5:]).all()
    assert work.reader.missing[grid.NO_CLASS] == 19 * 24


def test_classes_that_change_in_time():
    """A class layer may have a band per time step."""
    fitted, drivers = small_model(per_class=True), small_drivers(gaps=False)
    codes = np.full((24, 12, 9), 2.0, dtype="float32")
    codes[12:] = 10
    drivers["igbp"] = (("time", "y", "x"), codes)
    kept, _ = run(drivers, fitted)
    for steps, code in ((slice(0, 12), 2.0), (slice(12, 24), 10.0)):
        static = drivers.assign(igbp=(("y", "x"), np.full((12, 9), code, "float32")))
        assert np.array_equal(kept.mean[steps], run(static, fitted)[0].mean[steps], equal_nan=True)


def test_classes_need_a_layer():
    """Without a class layer a model per class cannot be used."""
    with pytest.raises(ArtifactError, match="no class layer"):
        DriverReader(small_drivers(), small_model(per_class=True))


def test_cancel_and_messages(monkeypatch):
    """Progress rises, names the tile, and stopping stops between parts of the work."""
    seen = []
    plan = cut(12, 9, 24, 4, 9, 12)
    run(small_drivers(), small_model(), plan, monkeypatch,
        progress=Progress(lambda fraction, message: seen.append((fraction, message))))
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions) and 0 <= fractions[0] and fractions[-1] <= 1
    assert {message.split(",")[0] for _, message in seen} == {f"tile {i} of 3" for i in (1, 2, 3)}
    with pytest.raises(Cancelled):
        run(small_drivers(), small_model(), plan, monkeypatch,
            progress=Progress(stopped=lambda: len(seen) > 0 and seen.pop() is not None and len(seen) < 5))


def test_a_driver_in_another_unit_is_refused():
    """What RECO cannot convert, since it is no driver it knows, must have the unit of the training data."""
    drivers, fitted = small_drivers(), small_model()
    first, *others = fitted.features
    fitted = replace(fitted, features=(replace(first, name="depth", unit="m"), *others))
    drivers = drivers.rename({first.name: "depth"})
    for unit, fits in (("m", True), ("", True), ("cm", False)):
        drivers["depth"].attrs["units"] = unit
        if fits:
            check_fits(drivers, fitted)
            continue
        with pytest.raises(ArtifactError, match="'depth' in m, the drivers have it in cm"):
            check_fits(drivers, fitted)


def test_what_lies_outside_the_region_is_not_judged():
    """An impossible value stops a map only where the map reaches."""
    drivers, fitted = small_drivers(gaps=False), small_model()
    drivers["ta"][:, 0, 0] = 999.0
    inside = np.ones((drivers.sizes["y"], drivers.sizes["x"]), dtype=bool)
    whole = Tile(0, inside.shape[0], 0, inside.shape[1])
    with pytest.raises(SchemaError, match="999"):
        DriverReader(drivers.assign(inside=(("y", "x"), inside)), fitted).read(whole, slice(0, 2))
    inside[0, 0] = False
    block = DriverReader(drivers.assign(inside=(("y", "x"), inside)), fitted).read(whole, slice(0, 2))
    assert len(block.X) == 2 * (inside.size - 1) and block.X.max() < 999
