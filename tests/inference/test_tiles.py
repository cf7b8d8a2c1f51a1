"""Tiles: they cover the grid once, are aligned with blocks, and keep to the budget."""

from __future__ import annotations

import re

import numpy as np
import pytest

from reco_core.errors import ResourceError
from reco_core.inference import tiles
from reco_core.inference.tiles import BLOCK, Clock, Tile, duration, plan_tiles


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
