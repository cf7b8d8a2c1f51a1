"""What known records of a site are worth on the rest of it."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.errors import SampleError
from reco_core.evaluation.few_shot import few_shot
from reco_core.evaluation.metrics import r2_nse
from reco_core.models.calibration import HeldOut


def world(spread, seed=0, sites=60, records=36):
    """Return sites whose flux is a factor times the estimate, with noise."""
    rng = np.random.default_rng(seed)
    number = np.repeat(np.arange(sites), records)
    estimate = np.tile(60 + 40 * np.sin(2 * np.pi * np.arange(records) / 12), sites)
    observed = (1 + rng.normal(0, spread, sites))[number] * estimate + rng.normal(0, 15, sites * records)
    return HeldOut(observed, estimate, number.astype(str), number, np.full(number.size, ""), number % 5)


def test_known_records_help_where_sites_differ():
    """With sites that differ, three records help and twelve help more, near what the true factors reach."""
    held = world(0.4)
    rows = few_shot(held)
    assert [row["records"] for row in rows] == [3, 6, 12]
    before, after = rows[0]["before_r2_nse"], [row["after_r2_nse"] for row in rows]
    assert before + 0.1 < after[0] < after[1] < after[2]
    number = held.group
    best = np.bincount(number, held.observed * held.estimate) / np.bincount(number, held.estimate**2)
    ceiling = r2_nse(held.observed, best[number] * held.estimate)
    assert ceiling - 0.05 < after[2] < ceiling
    assert abs(rows[2]["after_bias"]) < 2 and rows[0]["windows"] == 8 * rows[0]["sites"] == 480


def test_known_records_do_no_harm_where_sites_are_alike():
    """Where sites differ by noise alone, calibration changes next to nothing."""
    row = few_shot(world(0.0), (6,))[0]
    assert row["weight"] > 30
    assert row["after_r2_nse"] == pytest.approx(row["before_r2_nse"], abs=0.003)


def test_strength_comes_from_other_folds():
    """A fold of strange sites is calibrated with the strength of the others, not with its own."""
    held = world(0.0)
    strange = held.fold == 0
    observed = np.where(strange, held.observed * np.where(held.group % 2, 3.0, 0.3), held.observed)
    changed = HeldOut(observed, held.estimate, held.site, held.group, held.stratum, held.fold)
    alone = few_shot(changed.take(strange | (held.fold == 1)), (6,))[0]
    assert alone["weight"] > 10  # the mean of next to nothing (fold 1) and much (fold 0)


def test_too_few_sites_are_told():
    """With fewer than eight sites outside a fold nothing can be said."""
    with pytest.raises(SampleError, match="fitted on"):
        few_shot(world(0.3, sites=9))
