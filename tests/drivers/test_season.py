"""The season as numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_core.drivers.season import day_length, day_of_year, doy_sine, season_circle, shifted
from reco_core.errors import GridError
from reco_core.vocabulary.astronomy import day_length as of_a_day


def test_published_values():
    """The sine of the day of year is near 0 at both ends of the year and largest in its middle."""
    assert doy_sine(1) == pytest.approx(0.00861, abs=5e-6) and doy_sine(183) == pytest.approx(0.99999, abs=5e-6)
    assert abs(doy_sine(1) - doy_sine(365)) < 0.01 and abs(doy_sine(366)) < 0.01


def test_middle_of_steps():
    """Days are their own middle; months, 8-day and 16-day steps have one."""
    assert day_of_year(np.array(["2001-07-02"]), "day").tolist() == [183.0]
    assert day_of_year(np.array(["2004-03-01", "2003-03-01"]), "month").tolist() == [76.0, 75.0]
    assert day_of_year(np.array(["2003-01-01", "2003-12-27"]), "8day").tolist() == [5.0, 363.0]
    assert day_of_year(np.array(["2003-01-17"]), "16day").tolist() == [25.0]
    with pytest.raises(GridError, match="no season"):
        day_of_year(np.array(["2003-01-01"]), "year")


@given(st.floats(1, 366), st.floats(-90, 90))
def test_the_south_is_half_a_year_later(doy, lat):
    """The shift stays inside the year, twice it is a whole year, and the north is not moved."""
    once = float(shifted(doy, lat))
    if lat >= 0:
        assert once == doy
    else:
        assert 1 <= once < 366
        assert (float(shifted(once, lat)) - doy) % 365 == pytest.approx(0, abs=1e-6) or (
            float(shifted(once, lat)) - doy) % 365 == pytest.approx(365, abs=1e-6)


def test_the_circle_tells_every_day():
    """Sine and cosine lie on a circle and begin at 0 and 1."""
    sine, cosine = season_circle(np.arange(1, 366))
    np.testing.assert_allclose(sine**2 + cosine**2, 1)
    assert (sine[0], cosine[0]) == (0, 1)
    assert len({(round(s, 9), round(c, 9)) for s, c in zip(sine, cosine)}) == 365


def test_day_length_of_a_grid():
    """Each step and place has its own; the polar day is 24 hours, and no place has none."""
    lat = np.array([[70.0, 0.0], [-45.0, np.nan]])
    made = day_length(np.array([172.0, 355.0]), lat)
    assert made.shape == (2, 2, 2) and made[0, 0, 0] == 24 and made[1, 0, 0] == 0
    assert made[0, 0, 1] == pytest.approx(12, abs=0.01)
    assert made[0, 1, 0] == of_a_day(-45.0, 172) and np.isnan(made[:, 1, 1]).all()
