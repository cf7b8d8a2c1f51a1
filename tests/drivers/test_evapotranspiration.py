"""PET of Thornthwaite and Hargreaves, and the sun that drives it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_core.drivers.evapotranspiration import hargreaves, hargreaves_rate, thornthwaite
from reco_core.drivers.month_axis import month_axis
from reco_core.errors import ConfigError, GridError, SchemaError
from reco_core.vocabulary.astronomy import day_length, declination, extraterrestrial_radiation

LAT = 37.6475
YEAR = (-0.4, 2.1, 7.6, 13.5, 18.9, 24.2, 27.0, 26.1, 21.3, 14.7, 7.3, 1.2)


@pytest.fixture
def wichita(real_data):
    """Climate of Wichita 1980-2011."""
    return pd.read_csv(real_data("reference_values/spei_r/input_wichita.csv"))


@pytest.fixture
def stored(real_data):
    """Return a function from a name to the values that the R package SPEI stored."""
    return lambda name: pd.read_csv(real_data(f"reference_values/spei_r/{name}.csv"))["V1"].to_numpy()


def test_thornthwaite_of_the_specification():
    """The year that was worked out by hand gives its monthly values and sum."""
    year = thornthwaite(YEAR, LAT)
    expected = (0, 2.268, 19.961, 51.718, 96.853, 142.570, 171.733, 152.862, 98.474, 51.825, 15.458, 0.947)
    assert year == pytest.approx(expected, abs=6e-4) and year.sum() == pytest.approx(804.671, abs=6e-4)


def test_thornthwaite_of_r(wichita, stored):
    """Thornthwaite is that of the R package to 1e-7; the first months are those of the specification."""
    ours = thornthwaite(wichita.TMED.values, LAT)
    assert np.abs(ours - stored("thornthwaite_out")).max() < 1e-7
    assert ours[:6] == pytest.approx((0, 0, 10.8386, 44.1925, 84.73, 164.8886), abs=6e-5)


def test_thornthwaite_of_climate_indices(real_data):
    """With the mean length of all days it is that of climate_indices to 1e-4 mm, leap years included."""
    table = pd.read_csv(real_data("reference_values/climate_indices_py/monthly_inputs_and_indices.csv"))
    times = np.datetime64("1895-01") + np.arange(len(table))
    ours = thornthwaite(table.temp_celsius.values, 25.2292, times=times, daylight="mean")
    assert np.array_equal(np.isnan(ours), np.isnan(table.pet_thornthwaite))
    assert np.nanmax(np.abs(ours - table.pet_thornthwaite)) < 1e-4
    middle = thornthwaite(table.temp_celsius.values, 25.2292, times=times)
    assert np.nanmax(np.abs(middle - table.pet_thornthwaite)) < 1.0


def test_hargreaves_of_r(wichita, stored):
    """Hargreaves is that of the R package to 1e-9; FAO56 example 20 gives 5.03 with the constants of the book."""
    ours = hargreaves(wichita.TMIN.values, wichita.TMAX.values, LAT)
    assert np.abs(ours - stored("hargreaves_out_lat")).max() < 1e-9
    book = hargreaves_rate([14.8], [26.6], 45.72, [196], constants="fao56")[0]
    assert book == pytest.approx(5.03, abs=0.005)
    assert ours == pytest.approx(hargreaves(wichita.TMIN.values, wichita.TMAX.values, LAT, constants="fao56"), rel=3e-3)


def test_radiation_of_the_book():
    """FAO56 examples 8 and 9: 32.2 MJ and 11.7 h at 20 degrees south on 3 September."""
    assert extraterrestrial_radiation(-20, 246) == pytest.approx(32.194, abs=5e-4)
    assert day_length(-20, 246) == pytest.approx(11.7, abs=0.05)
    assert declination(172) == pytest.approx(np.radians(23.4), abs=2e-3)


@given(st.floats(-90, 90), st.floats(1, 366), st.sampled_from(["fao56", "icid"]))
def test_sun_everywhere(lat, doy, constants):
    """Day length is 0 to 24 h and radiation never negative, at the poles too; both hemispheres share the day."""
    hours, radiation = day_length(lat, doy, constants), extraterrestrial_radiation(lat, doy, constants)
    assert 0 <= hours <= 24.01 and 0 <= radiation < 60
    assert hours + day_length(-lat, doy, constants) == pytest.approx(24, abs=0.01)


def test_polar_day_and_night():
    """In the polar night there is no light and no evapotranspiration, in the polar day 24 hours."""
    assert day_length(80, [172, 355]).tolist() == [24, 0]
    assert extraterrestrial_radiation(80, 355) == 0 and extraterrestrial_radiation(90, 172) > 40
    year = np.linspace(1, 12, 12)
    assert thornthwaite(year, 80)[[0, 11]].tolist() == [0, 0] and thornthwaite(year, 80)[5] > thornthwaite(year, 0)[5]
    assert hargreaves(year, year + 8, 80)[11] == 0


def test_frost_and_gaps():
    """Frost has no evapotranspiration; a missing month is missing alone, without any July nothing can be told."""
    values = np.stack([np.full(36, -5.0), np.tile(YEAR, 3), np.tile(YEAR, 3)], axis=1)
    values[3, 1] = np.nan
    values[5::12, 2] = np.nan
    made = thornthwaite(values, [50.0, 50.0, 50.0])
    assert (made[:, 0] == 0).all() and np.isnan(made[:, 2]).all()
    assert np.isnan(made[:, 1]).nonzero()[0].tolist() == [3]
    assert made[15, 1] == pytest.approx(thornthwaite(YEAR, 50.0)[3])


def test_calendar():
    """Leap years have a longer February, series may begin in any month and lack some."""
    times = np.arange("2003-07", "2005-07", dtype="datetime64[M]")
    ta = np.roll(np.tile(YEAR, 2), -6)
    made = thornthwaite(ta, LAT, times=times)
    assert made[7] / thornthwaite(ta, LAT, first_month=7)[7] == pytest.approx(29 / 28, rel=1e-9)
    part = thornthwaite(np.delete(ta, 3), LAT, times=np.delete(times, 3))
    assert np.allclose(part, np.delete(made, 3))
    months = month_axis(3, np.array(["2004-02-11", "2004-03-01", "2004-06-30"], "datetime64[D]"))
    assert months.days.tolist() == [29, 31, 30, 31, 30] and months.at.tolist() == [0, 1, 4]
    assert months.doy.tolist() == [46, 75, 106, 136, 167] and months.month.tolist() == [1, 2, 3, 4, 5]


def test_grids_are_series():
    """On a grid of many pixels each value is that of the series alone, in float32 too."""
    rng = np.random.default_rng(0)
    ta = rng.uniform(-20, 40, (24, 90, 80)).astype("float32")
    lat = np.linspace(-70, 70, 90)[:, np.newaxis] * np.ones(80)
    made, spread = thornthwaite(ta, lat), hargreaves(ta - 3, ta + 4, lat)
    assert made.dtype == np.float32 and made.shape == ta.shape
    for row, column in ((0, 0), (44, 79), (89, 3)):
        alone = ta[:, row, column].astype(float)
        assert made[:, row, column] == pytest.approx(thornthwaite(alone, lat[row, 0]), rel=1e-5)
        ranged = hargreaves(alone - 3, alone + 4, lat[row, 0])
        assert spread[:, row, column] == pytest.approx(ranged, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(("make", "error", "words"), [
    (lambda: thornthwaite([290.0] * 12, 40), SchemaError, r"ta is 290 at position \(0,\)"),
    (lambda: thornthwaite(YEAR, 91), SchemaError, "91 is no latitude"),
    (lambda: thornthwaite(YEAR, 40, times=np.datetime64("2001-01-01") + np.arange(12)), GridError, "one day"),
    (lambda: thornthwaite(YEAR, 40, daylight="noon"), ConfigError, "noon"),
    (lambda: hargreaves([9.0, 12.0], [10.0, 3.0], 40), SchemaError, r"tmax \(3\) is below tmin \(12\) at .*\(1,\)"),
    (lambda: hargreaves([9.0], [10.0, 3.0], 40), SchemaError, "shape"),
    (lambda: hargreaves([9.0], [10.0], 40, constants="nasa"), ConfigError, "nasa")])
def test_bad_input(make, error, words):
    """Kelvin, places beyond the poles, days for months and swapped extremes are refused."""
    with pytest.raises(error, match=words) as caught:
        make()
    assert caught.value.hint


def test_equal_extremes_are_allowed():
    """Where tmax is tmin, or below it by what rounding leaves, nothing evaporates after Hargreaves."""
    assert hargreaves([5.0, 5.05], [5.0, 5.0], 40).tolist() == [0, 0]
