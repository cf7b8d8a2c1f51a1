"""Reference evapotranspiration after Penman and Monteith."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from reco_core.drivers.penman import MEGAJOULES, Air, _net_radiation, _vapour, penman_monteith, penman_rate
from reco_core.drivers.water_balance import pet
from reco_core.errors import ConfigError, SchemaError
from reco_core.vocabulary.astronomy import CONSTANTS, extraterrestrial_radiation

BRUSSELS = {"tmin": [12.3], "tmax": [21.5], "wind": [10 / 3.6], "sunshine": [9.25]}
PLACE = {"lat": 50.8, "doy": [187], "elevation": 100, "wind_height": 10}
EA = 14.0856


def test_example_18_of_the_book():
    """FAO56 example 18: vapour pressures, net radiation and 3.880 mm (the book rounds to 3.9)."""
    air = Air(**{name: np.array(values) for name, values in BRUSSELS.items()}, ea=np.array([EA]))
    book = CONSTANTS["fao56"]
    assert [float(value[0]) for value in _vapour(air, book)] == pytest.approx((1.9975, 1.4086), abs=5e-5)
    net = _net_radiation(air, np.array(100.0), 50.8, np.array([187.0]), book, "fao56")
    assert net[0] == pytest.approx(13.283, abs=6e-4)
    assert penman_rate(**BRUSSELS, **PLACE, ea=[EA])[0] == pytest.approx(3.880, abs=6e-4)


def test_penman_of_r(real_data):
    """With the constants and the soil heat of the R package its values come out to 1e-9, missing where wind is."""
    folder = real_data("reference_values/spei_r")
    table, stored = (pd.read_csv(folder / name) for name in ("input_wichita.csv", "penman_out_fao.csv"))
    ours = pet("penman_monteith", tmin=table.TMIN.values, tmax=table.TMAX.values, wind=table.AWND.values,
               sunshine=table.TSUN.values, lat=37.6475, elevation=402.6, soil_heat="monthly", constants="icid")
    assert np.array_equal(np.isnan(ours), stored.V1.isna())
    assert np.nanmax(np.abs(ours - stored.V1)) < 1e-9


def test_cabinda(real_data):
    """The monthly example of FAO56 for Cabinda comes out to 4 % of its printed values, which rounded inputs leave."""
    table = pd.read_csv(real_data("reference_values/spei_r/input_cabinda.csv"))
    cold, warm = (6.108 * np.exp(17.27 * t / (t + 237.3)) for t in (table.Tmin, table.Tmax))
    ours = penman_monteith(table.Tmin, table.Tmax, table.U2, -5.33, elevation=20, sw_in=table.Rs / MEGAJOULES,
                           ea=table.RH / (50 / cold + 50 / warm), soil_heat="monthly")
    assert ours == pytest.approx(table.ET0.to_numpy(), rel=0.04)
    assert ours.sum() == pytest.approx(table.ET0.sum(), rel=0.015)


def test_ways_to_say_the_same():
    """Radiation, humidity and pressure may be given in other forms with the same result."""
    first = penman_rate(**BRUSSELS, **PLACE, ea=[EA])
    given = {name: value for name, value in BRUSSELS.items() if name != "sunshine"}
    above = extraterrestrial_radiation(50.8, 187)
    short = (0.25 + 0.5 * 9.25 / 16.1049) * above / MEGAJOULES
    assert penman_rate(**given, **PLACE, ea=[EA], sw_in=[short]) == pytest.approx(first, rel=1e-4)
    assert penman_rate(**given, **PLACE, ea=[EA], net_rad=[13.283 / MEGAJOULES]) == pytest.approx(first, rel=1e-4)
    assert penman_rate(**BRUSSELS, **PLACE, vpd=[19.9756 - EA]) == pytest.approx(first, rel=1e-4)
    assert penman_rate(**BRUSSELS, **PLACE, ea=[EA], pa=[100.1235]) == pytest.approx(first, rel=1e-4)
    at_2m = {**BRUSSELS, "wind": [10 / 3.6 * 0.7479512]}
    assert penman_rate(**at_2m, **{**PLACE, "wind_height": 2.0}, ea=[EA]) == pytest.approx(first, rel=1e-6)


def test_polar_night():
    """Without sun the air alone dries; nothing is missing or negative."""
    made = penman_rate([-25.0, -25.0], [-20.0, -20.0], [3.0, 0.0], 80, [355, 355], elevation=10, sunshine=[0.0, 0.0],
                       ea=[0.4, 0.4])
    assert (made >= 0).all() and made[1] == 0


def test_grid():
    """On a grid with latitude and elevation per place each value is that of the series alone."""
    rng = np.random.default_rng(0)
    shape = (24, 60, 100)
    tmin, wind, light, ea = (rng.uniform(low, high, shape).astype("float32")
                             for low, high in ((0, 10), (0, 8), (20, 300), (2, 6)))
    lat, height = np.linspace(-60, 60, 6000).reshape(60, 100), rng.uniform(0, 3000, (60, 100))
    made = penman_monteith(tmin, tmin + 9, wind, lat, sw_in=light, ea=ea, elevation=height)
    assert made.dtype == np.float32
    for at in ((0, 0), (59, 99), (31, 7)):
        place = (slice(None), *at)
        alone = penman_monteith(*(values[place].astype(float) for values in (tmin, tmin + 9, wind)), lat[at],
                                sw_in=light[place], ea=ea[place], elevation=height[at])
        assert made[place] == pytest.approx(alone, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(("change", "error", "words"), [
    ({"wind": [-1.0]}, SchemaError, "wind is -1"), ({"tmax": [5.0]}, SchemaError, "below tmin"),
    ({"sunshine": None}, ConfigError, "needs radiation"), ({"elevation": None}, ConfigError, "elevation nor air"),
    ({"ea": [1408.6]}, SchemaError, "ea is 1408.6"), ({"pa": [1013.0]}, SchemaError, "pa is 1013"),
    ({"sunshine": [9.0, 8.0]}, SchemaError, "sunshine has shape"), ({"clouds": [0.5]}, ConfigError, "no 'clouds'"),
    ({"wind": [np.nan]}, None, "")])
def test_bad_input(change, error, words):
    """Negative wind, Pa for hPa, hPa for kPa and what lacks are refused; a missing value is missing."""
    values = {**BRUSSELS, **PLACE, "ea": [EA], **change}
    if error is None:
        assert np.isnan(penman_rate(**values)[0])
        return
    with pytest.raises(error, match=words) as caught:
        penman_rate(**values)
    assert caught.value.hint


def test_soil_heat():
    """Soil takes up heat while months warm, so that less evaporates; it needs every month."""
    tmin = 10 - 10 * np.cos(np.arange(12) / 6 * np.pi)
    values = {"tmax": tmin + 9, "wind": np.full(12, 2.0), "lat": 45, "sunshine": np.full(12, 6.0), "elevation": 0}
    none, stored = (penman_monteith(tmin, soil_heat=heat, **values) for heat in ("zero", "monthly"))
    assert stored[3] < none[3] and stored[9] > none[9]
    with pytest.raises(ConfigError, match="Months lack"):
        times = np.delete(np.arange("2001-01", "2002-02", dtype="datetime64[M]"), 4)
        penman_monteith(tmin, soil_heat="monthly", times=times, **values)
    with pytest.raises(ConfigError, match="daily"):
        penman_monteith(tmin, soil_heat="daily", **values)
