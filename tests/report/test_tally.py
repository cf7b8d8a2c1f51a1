"""Numbers gathered block by block equal those of the whole."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.report import tally as t
from reco_core.report.tally import Coarse, Tally, TrendTally, mean_known, shrink


@pytest.fixture
def field():
    """Return values (bands, h, w) with gaps and the area of the cells."""
    rng = np.random.default_rng(0)
    values = rng.normal(50, 10, (24, 13, 17))
    values[:, 2:5, 3:6] = np.nan
    values[3, 10] = np.nan
    return values, rng.uniform(1e6, 2e6, (13, 17))


def test_blocks_add_up_to_the_whole(field):
    """Means, totals, areas and deviations do not depend on how the raster is cut."""
    values, area = field
    whole, parts = Tally(24, floor=45.0), Tally(24, floor=45.0)
    whole.add(values, area)
    for rows in (slice(0, 4), slice(4, 13)):
        for columns in (slice(0, 9), slice(9, 17)):
            parts.add(values[:, rows, columns], area[rows, columns])
    weight = np.where(np.isfinite(values), area, 0.0)
    np.testing.assert_allclose(whole.mean(), np.nansum(values * area, axis=(1, 2)) / weight.sum(axis=(1, 2)))
    np.testing.assert_allclose(whole.cell_sd(), np.nanstd(values, axis=(1, 2), ddof=1))
    np.testing.assert_allclose(whole.above, ((values >= 45) * area).sum(axis=(1, 2)))
    for name in ("mean", "total", "area", "cell_mean", "cell_sd"):
        np.testing.assert_allclose(getattr(parts, name)(), getattr(whole, name)())
    assert parts.seen == pytest.approx(area[np.isfinite(values).any(axis=0)].sum())


def test_zones_add_up_to_the_whole(field):
    """North and south together have the total of the region."""
    values, area = field
    north = np.zeros(area.shape, dtype=bool)
    north[:6] = True
    tally = Tally(24, ("north", "south"))
    tally.add(values, area, {"north": north, "south": ~north})
    np.testing.assert_allclose(tally.total("north") + tally.total("south"), tally.total())


def test_a_known_total():
    """1000 g C m-2 yr-1 over 1e12 m2 is 1 Pg C per year; years with missing months do not count."""
    times = [f"2001-{month:02d}" for month in range(1, 13)] + ["2002-01"]
    tally = Tally(13)
    tally.add(np.full((13, 10, 10), 1000 / 12), np.full((10, 10), 1e10))
    numbers = t.flux_numbers(times, "month", tally)
    assert numbers["total_per_year"] == pytest.approx(1e15)
    assert numbers["annual"] == pytest.approx(1000.0)
    assert numbers["years"] == 1
    assert numbers["area"] == pytest.approx(1e12)
    assert t.whole_years(times, "month") == ["2001"]
    assert t.annual_totals(["1999"], np.array([5.0]), "year") == {"1999": 5.0}


def test_coarse_picture_equals_block_means(field):
    """A coarse map filled block by block equals one made at once, gaps left out."""
    values, _area = field
    coarse = Coarse(13, 17, 4, bands=24)
    for rows in (slice(0, 8), slice(8, 13)):
        coarse.add(values[:, rows], rows.start, 0)
    np.testing.assert_allclose(coarse.values, shrink(values, 4))
    assert coarse.values.shape == (24, 4, 5)
    np.testing.assert_allclose(coarse.values[:, 0, 1], np.nanmean(values[:, :4, 4:8], axis=(1, 2)))


def test_nearest_keeps_classes():
    """Classes are picked, not averaged."""
    coarse = Coarse(4, 4, 2)
    coarse.add(np.array([[1, 1, 7, 7], [1, 1, 7, 7], [3, 3, 3, 3], [3, 3, 3, 3.0]]), 0, 0, nearest=True)
    assert coarse.values.tolist() == [[1, 7], [3, 3]]


def test_trend_shares_are_of_the_area():
    """A significant rise on the larger cells counts by their area."""
    tally = TrendTally()
    tally.add(np.array([[1.0, -1.0, 2.0, np.nan]]), np.array([[0.01, 0.2, 0.04, np.nan]]), np.full((1, 4), 20.0),
              np.array([[3.0, 1.0, 1.0, 9.0]]))
    numbers = tally.numbers()
    assert numbers["trend_up"] == pytest.approx(0.8)
    assert numbers["trend_down"] == 0
    assert numbers["trend_slope"] == pytest.approx((3 - 1 + 2) / 5)


def test_seasons_and_means():
    """December belongs to the season of January; a mean over nothing is missing."""
    assert t.season_of(["2001-12", "2002-01", "2002-07"], "month").tolist() == [0, 0, 2]
    assert t.season_of(["2001"], "year") is None
    assert np.isnan(mean_known(np.full((2, 1), np.nan))[0])
