"""Links with time lags: our tests find the same graphs as those of the reference program."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from reco_core.models import lagged_links as lagged_links_module
from reco_core.models.causal_links import find_links
from reco_core.models.lagged_links import LaggedCorrelations, lagged_links
from tables import to_table

TER_DRIVERS = ("Air_temperature Soil_temperature VPD SWC Precipation SOC_0 SOC_10 SOC_30 LAI BS PV NPV CI").split()
pytest.importorskip("tigramite", reason="the extra 'causal' is not installed")


def series(seed: int, months: int, drivers: int) -> tuple[np.ndarray, np.ndarray]:
    """Return time steps and rows in which drivers follow each other and respiration follows two of them."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(months, drivers + 1))
    rows = noise.copy()
    for t in range(1, months):
        rows[t, 1:] += 0.5 * rows[t - 1, 1:] + 0.4 * np.roll(rows[t - 1, 1:], 1)
        rows[t, 0] += 0.6 * rows[t - 1, 1] - 0.5 * rows[t, 2]
    return np.arange(months), rows


def both(data, drivers: int, max_lag: int, alpha: float = 0.05):
    """Return what our tests and those of the reference program find."""
    names = [f"x{k}" for k in range(drivers)]
    return (lagged_links(data, names, alpha=alpha, max_lag=max_lag, cached=cached) for cached in (True, False))


def assert_same(ours, theirs):
    """Effects and p to rounding; directions and lags exactly."""
    np.testing.assert_allclose(ours[0], theirs[0], atol=1e-9)
    np.testing.assert_allclose(ours[1], theirs[1], atol=1e-9)
    assert ours[2:] == theirs[2:]


@pytest.mark.parametrize("max_lag", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_one_series(seed, max_lag):
    """A complete series: effects, p, directions and lags are those of the reference program."""
    ours, theirs = both({"A": series(seed, 90, 5)}, 5, max_lag)
    assert_same(ours, theirs)
    assert any(ours[2])


def test_several_series_with_gaps():
    """Sites of unequal length, months that are missing, and single missing values."""
    data = {}
    for number, months in enumerate((60, 48, 4, 70)):
        step, rows = series(10 + number, months, 4)
        rng = np.random.default_rng(number)
        keep = rng.random(months) > 0.1
        rows[rng.random(months) < 0.05, 2] = np.nan
        data[str(number)] = step[keep], rows[keep]
    assert_same(*both(data, 4, 2))


@pytest.mark.parametrize("room", [0, 3 * 12**2, 10**9])
def test_room_for_correlations(monkeypatch, room):
    """Each driver with gaps of its own leaves each test rows of its own: what is kept stays small, and alike."""
    rng = np.random.default_rng(0)
    step, rows = series(5, 120, 3)
    rows[:, 1:][rng.random((120, 3)) < 0.05] = np.nan
    seen = []
    start = LaggedCorrelations.__init__
    monkeypatch.setattr(LaggedCorrelations, "__init__", lambda self, *what: (start(self, *what), seen.append(self))[0])
    monkeypatch.setattr(lagged_links_module, "MOST_NUMBERS", room)
    assert_same(*both({"A": (step, rows)}, 3, 1))
    (kept,) = seen
    assert len(kept._met) > 20
    assert sum(found[0].size for found in kept._kept.values()) <= room
    assert bool(kept._kept) == (room > 0)


def test_constant_and_twin_drivers():
    """A driver that never changes has no effect, and one that is there twice is decided as by the reference."""
    step, rows = series(3, 80, 4)
    rows[:, 3] = 2.0
    rows[:, 4] = rows[:, 1]
    ours, theirs = both({"A": (step, rows)}, 4, 1)
    assert_same(ours, theirs)
    assert np.isnan(ours[0][2])


def test_same_rows_for_all_lags():
    """The first rows of a series, which have no past, serve no test."""
    kept = LaggedCorrelations([np.arange(20.0).reshape(10, 2), np.zeros((3, 2))], 2)
    assert kept._columns.shape == (6, 10)
    assert kept._columns[0].tolist() == [8, 9, 6, 7, 4, 5, 2, 3, 0, 1]
    assert kept.column((1, -3)) == 7


def test_real_towers(real_data):
    """Towers of one class, with gaps and drivers that are constant at a site."""
    frame = pd.read_csv(real_data("flux_ter_causal_xgb_monthly") / "ter_site_month_drivers.csv.gz")
    table = to_table(frame[frame.type == "SHR"], TER_DRIVERS[:8])
    ours, theirs = (find_links(table, max_lag=1, engine=engine) for engine in ("own", "tigramite"))
    np.testing.assert_allclose(ours.effects, theirs.effects, atol=1e-8)
    assert (ours.marks, ours.lags) == (theirs.marks, theirs.lags)


def test_processes_change_nothing():
    """Sites that are shared among processes give the same links as one after the other."""
    data = [series(seed, 40, 3) for seed in range(3)]
    frame = pd.DataFrame(np.concatenate([rows for _, rows in data]), columns=["y", "a", "b", "c"])
    table = _table(frame, np.repeat(np.arange(3), 40), np.concatenate([step for step, _ in data]))
    one, two = (find_links(table, "site_mean", max_lag=1, processes=processes) for processes in (1, 2))
    assert one.to_dict() == two.to_dict()


def _table(frame: pd.DataFrame, group: np.ndarray, step: np.ndarray):
    from reco_core.models.table import Table

    return Table(frame[["a", "b", "c"]].to_numpy(), frame["y"].to_numpy(), group, ("a", "b", "c"), group.astype(str),
                 np.full(len(group), ""), step, step % 12, 2001 + step // 12)
