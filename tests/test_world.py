"""The synthetic world has the values that its equations give."""

import numpy as np
import pytest

from reco_core.vocabulary import check_drivers
from reco_core.vocabulary.calendar import step_days
from reco_core.world import EMPTY_LAT, EMPTY_LON, make_drivers, make_observations, monthly_total, respiration


@pytest.mark.parametrize(("lat", "lon", "month", "ta", "lai", "soc", "reco"), [
    (30.5, 10.5, "2005-07-01", 20.75, .313574, 21.254286, 1.034351),
    (.5, 40.5, "2005-01-01", 26.5, 2.998126, 20.000009, 5.704578),
])
def test_spot_cells(lat, lon, month, ta, lai, soc, reco):
    """Two cells computed by hand."""
    drivers = make_drivers()
    spot = {"y": lat, "x": lon}
    assert float(drivers.ta.sel(spot).sel(time=month)) == pytest.approx(ta, abs=1e-5)
    assert float(drivers.lai.sel(spot).sel(time=month)) == pytest.approx(lai, abs=1e-6)
    assert float(drivers.soc_0.sel(spot)) == pytest.approx(soc, abs=1e-5)
    assert float(respiration(drivers).sel(spot).sel(time=month)) == pytest.approx(reco, abs=1e-5)


def test_budget_of_the_reference_world():
    """Annual budgets equal the reference values of the equations (Pg C per year)."""
    drivers = make_drivers()
    total = monthly_total(respiration(drivers))
    lat = np.deg2rad(np.stack([drivers.y.values - 0.5, drivers.y.values + 0.5]))
    e2 = 1 - (1 - 1 / 298.257223563) ** 2
    s = np.sin(lat)
    e = np.sqrt(e2)
    q = s / (1 - e2 * s**2) + np.log((1 + e * s) / (1 - e * s)) / (2 * e)
    area = np.deg2rad(1.0) * 6378137.0**2 * (1 - e2) / 2 * (q[1] - q[0])
    assert area.sum() * 60 / 1e12 == pytest.approx(73.538987, abs=1e-5)
    annual = (total * area[None, :, None]).sum(("y", "x")).groupby("time.year").sum() / 1e15
    for year, budget in ((2001, 48.799963), (2004, 49.676414), (2010, 51.031752), (2020, 53.729291)):
        assert float(annual.sel(year=year)) == pytest.approx(budget, rel=2e-6)


def test_cells_are_computed_only_when_read():
    """A world of a billion cells opens at once and gives a window of it."""
    drivers = check_drivers(make_drivers(20000, 10000, 20))
    window = drivers.ta.isel(time=slice(5, 7), y=slice(100, 103), x=[4, 9])
    assert window.shape == (2, 3, 2)
    whole = make_drivers(6, 4, 1)
    assert np.array_equal(whole.ta.isel(time=3, y=2).values, whole.ta.values[3, 2])


def test_towers_stay_out_of_the_empty_corner():
    """The corner without towers is where applicability must be low."""
    towers = make_observations(make_drivers(), 60, seed=0)
    assert towers.site.nunique() == 60
    assert len(towers) == 7200
    assert not ((towers.lon > EMPTY_LON) & (towers.lat < EMPTY_LAT)).any()
    again = make_observations(make_drivers(), 60, seed=0)
    assert towers.equals(again)


def test_days_of_months_are_calendar_days():
    """A February of a leap year has 29 days."""
    assert step_days(np.array(["2004-02-01"], "datetime64[D]"), "month")[0] == 29
