"""Tiles: they cover the grid once, are aligned with blocks, and keep to the budget."""

from __future__ import annotations

import re

import numpy as np
import pytest

from reco_core.errors import ResourceError
from reco_core.inference import tiles
from reco_core.inference.tiles import BLOCK, Clock, Tile, TilePlan, duration, plan_tiles


@pytest.mark.parametrize(("height", "width"), [(1, 1), (56, 116), (256, 256), (700, 1300), (3000, 257)])
@pytest.mark.parametrize("memory", [0.1, 0.5, 8.0])
def test_cover_the_grid_once(height, width, memory):
    """Every cell and time step lies in exactly one tile and batch; tiles start at blocks."""
    plan = plan_tiles(height, width, 24, per_value=120, per_pixel=100, memory_gb=memory)
    seen = np.zeros((height, width), dtype=int)
    for tile in plan.tiles:
        seen[tile.rows, tile.columns] += 1
        assert tile.row0 % BLOCK == 0 and tile.col0 % BLOCK == 0
        assert tile.shape == seen[tile.rows, tile.columns].shape
    assert (seen == 1).all()
    steps = np.concatenate([np.arange(24)[batch] for batch in plan.batches()])
    assert steps.tolist() == list(range(24))


@pytest.mark.parametrize("memory", [0.1, 0.3, 1.0, 4.0])
def test_keep_to_the_budget(memory):
    """No tile needs more than the budget, and a larger budget means fewer pieces."""
    def pieces(gb):
        plan = plan_tiles(4000, 4000, 120, per_value=150, per_pixel=200, memory_gb=gb)
        return plan, len(plan.tiles) * len(list(plan.batches()))

    plan, count = pieces(memory)
    for tile in plan.tiles:
        cells = tile.shape[0] * tile.shape[1]
        assert cells * (200 + plan.steps * 150) <= memory * 1e9
    assert pieces(2 * memory)[1] <= count


def test_small_budget_cuts_time():
    """Where one block with all its time steps does not fit, fewer steps are worked on together."""
    plan = plan_tiles(512, 512, 240, per_value=150, memory_gb=0.1)
    assert plan.tiles[0] == Tile(0, BLOCK, 0, BLOCK) and 0 < plan.steps < 240


def test_no_room_at_all():
    """A budget that cannot hold one step of one block is refused, with the one that can."""
    with pytest.raises(ResourceError, match="memory budget") as error:
        plan_tiles(512, 512, 12, per_value=5000, memory_gb=0.1)
    wanted = float(re.search(r"least ([\d.]+) GB", error.value.hint).group(1))
    plan_tiles(512, 512, 12, per_value=5000, memory_gb=wanted + 0.01)


def test_clock(monkeypatch):
    """The message names the tile and, once it can, the time left."""
    now = [100.0]
    monkeypatch.setattr(tiles.time, "monotonic", lambda: now[0])
    clock = Clock(12)
    assert clock.message(0, 0.0) == "tile 1 of 12"
    now[0] += 60
    assert clock.message(3, 1 / 3) == "tile 4 of 12, about 2 min left"
    assert duration(0) == "1 s"


def counted(plan, shape, chunks):
    """Return how often each chunk is read, tile by tile and batch by batch."""
    sizes = [size or length for (size, _), length in zip(chunks, shape)]
    seen = {}
    for tile in plan.tiles:
        for steps in plan.batches():
            bounds = zip((steps, tile.rows, tile.columns), sizes, chunks)
            places = [range((part.start - first) // size, (part.stop - 1 - first) // size + 1)
                      for part, size, (_, first) in bounds]
            for place in np.array(np.meshgrid(*places)).reshape(3, -1).T.tolist():
                seen[tuple(place)] = seen.get(tuple(place), 0) + 1
    return seen.values()


@pytest.mark.parametrize(("chunks", "memory", "most"), [
    (((12, 0), (256, 0), (256, 0)), 1.0, 1), (((1, 0), (2000, 0), (2000, 0)), 2.0, 1),
    (((1, 0), (1, 0), (2000, 0)), 2.0, 1), (((12, 0), (100, 0), (100, 0)), 16.0, 1),
    (((12, 0), (384, 0), (384, 0)), 2.0, 1), (((1, 0), (360, 0), (360, 0)), 2.0, 1),
    (((5, 2), (256, 100), (256, 30)), 2.0, 1.25), (((1, 0), (2000, 0), (2000, 0)), 0.3, 8)])
def test_chunks_are_read_as_seldom_as_memory_allows(chunks, memory, most):
    """However a source is stored, tiles are cut along its chunks where that fits; the plan knows how often it reads."""
    shape = (12, 2000, 2000)
    plan = plan_tiles(2000, 2000, 12, per_value=150, per_pixel=40, memory_gb=memory, chunks=[chunks])
    seen = counted(plan, shape, chunks)
    assert sum(seen) / len(seen) == pytest.approx(plan.reads) and plan.reads <= 1.05 * most
    cells = plan.tiles[0].shape[0] * plan.tiles[0].shape[1]
    assert cells * (40 + plan.steps * 150) <= memory * 1e9
    assert all(tile.row0 % BLOCK == 0 and tile.col0 % BLOCK == 0 for tile in plan.tiles)


def test_usual_tiles_stay():
    """Sources in chunks of 256, or in any piece, change nothing."""
    for memory in (0.1, 0.5, 2.0, 8.0):
        plain = plan_tiles(5000, 3000, 24, per_value=150, per_pixel=40, memory_gb=memory)
        for chunks in ((24, 0), (256, 0), (256, 0)), ((0, 0),) * 3, ((1, 0), (64, 0), (128, 0)):
            plan = plan_tiles(5000, 3000, 24, per_value=150, per_pixel=40, memory_gb=memory, chunks=[chunks])
            assert plan.tiles == plain.tiles, (memory, chunks)


def test_a_large_map_keeps_some_tiles():
    """A map that takes long is cut into four at least, so that its journal has something to keep."""
    whole = ((1, 0), (2000, 0), (2000, 0))
    plan = plan_tiles(2000, 2000, 240, per_value=50, memory_gb=8.0, chunks=[whole])
    assert len(plan.tiles) >= 4 and plan.reads <= 8
    few, many = (plan_tiles(2000, 2000, 12, per_value=50, memory_gb=8.0, chunks=[whole], models=n) for n in (1, 10))
    assert len(few.tiles) == 1 and len(many.tiles) >= 4


@pytest.mark.parametrize(("size", "memory"), [(24, 0.1), (24, 0.3), (7, 0.3), (5, 0.2), (1, 0.2)])
def test_time_steps_follow_the_chunks(size, memory):
    """Where time is cut, too, no other number of time steps that fits would read less."""
    shape, chunks = (240, 512, 512), ((size, 0), (256, 0), (256, 0))
    plan = plan_tiles(512, 512, 240, per_value=200, memory_gb=memory, chunks=[chunks])
    most = plan_tiles(512, 512, 240, per_value=200, memory_gb=memory).steps
    others = [TilePlan.cut(512, 512, rows=256, columns=256, steps=steps, times=240) for steps in range(1, most + 1)]
    assert most < 240 and plan.tiles == others[0].tiles
    assert plan.reads == pytest.approx(min(sum(seen) / len(seen) for seen in (
        counted(other, shape, chunks) for other in others)))
