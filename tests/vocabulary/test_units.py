"""Units are converted exactly, back and forth, and never guessed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_core.errors import SchemaError
from reco_core.vocabulary import VARIABLES, convert, period_unit, to_canonical
from reco_core.vocabulary.calendar import TIME_STEPS
from reco_core.vocabulary.units import _UNITS

NUMBER = st.floats(-1e6, 1e6)
BY_BASE: dict[str, list[str]] = {}
for _unit, (_base, _, _) in _UNITS.items():
    BY_BASE.setdefault(_base, []).append(_unit)
SAME_BASE = st.sampled_from(sorted(BY_BASE)).flatmap(lambda base: st.tuples(*[st.sampled_from(BY_BASE[base])] * 2))


@pytest.mark.parametrize(("value", "unit", "to", "expected"), [
    (0.0, "degC", "K", 273.15),
    (300.0, "K", "degC", 26.85),
    (1.0, "kPa", "hPa", 10.0),
    (101325.0, "Pa", "kPa", 101.325),
    (1.0, "umol CO2 m-2 s-1", "g C m-2 d-1", 12.011e-6 * 86400),
    (1.0, "umolCO2 m-2 s-1", "gC m-2 d-1", 12.011e-6 * 86400),
    (1.0, "kg C m-2 d-1", "g C m-2 d-1", 1000.0),
    (1.0, "kg m-2 s-1", "mm d-1", 86400.0),
    (8.64, "MJ m-2 d-1", "W m-2", 100.0),
    (35.0, "%", "1", 0.35),
    (0.35, "m3 m-3", "%", 35.0),
    (1.0, "g C m^-2 day^-1", "g C m-2 d-1", 1.0),
    (1.0, "µmol CO2 m−2 s−1", "umol CO2 m-2 s-1", 1.0),
])
def test_known_values(value, unit, to, expected):
    """Conversions whose result can be written down by hand."""
    assert convert(value, unit, to) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("value", "unit", "to", "days", "expected"), [
    (62.0, "mm month-1", "mm d-1", 31, 2.0),
    (62.0, "mm", "mm d-1", 31, 2.0),
    (2.0, "g C m-2 d-1", "g C m-2 yr-1", 366, 732.0),
    (366.0, "g C m-2 yr-1", "g C m-2 d-1", 366, 1.0),
    (1.0, "umol CO2 m-2 s-1", "g C m-2 month-1", 30, 12.011e-6 * 86400 * 30),
])
def test_totals_follow_the_calendar(value, unit, to, days, expected):
    """Totals per month or year use the days of that very step."""
    assert convert(value, unit, to, days=days) == pytest.approx(expected, rel=1e-12)


@given(SAME_BASE, NUMBER)
def test_there_and_back(pair, value):
    """Converting to another unit of the kind and back changes nothing."""
    unit, to = pair
    assert convert(convert(value, unit, to), to, unit) == pytest.approx(value, rel=1e-9, abs=1e-6)


@given(SAME_BASE, NUMBER, NUMBER)
def test_order_is_kept(pair, one, other):
    """A larger value stays the larger one in every unit of the kind."""
    unit, to = pair
    assert (convert(one, unit, to) < convert(other, unit, to)) <= (one < other)


@given(st.sampled_from(sorted(_UNITS)).filter(str.strip))
def test_spelling_does_not_matter(unit):
    """Capitals and spaces do not change a unit."""
    assert convert(3.0, f"  {unit.upper()} ", unit) == pytest.approx(3.0)


def test_arrays_and_gaps_pass_through():
    """Arrays convert element by element, days broadcast, NaN stays NaN."""
    result = convert(np.array([[31.0, np.nan], [62.0, 28.0]]), "mm month-1", "mm d-1", days=np.array([31, 28]))
    assert result == pytest.approx(np.array([[1.0, np.nan], [2.0, 1.0]]), nan_ok=True)


@pytest.mark.parametrize(("unit", "to", "word"), [
    ("furlong", "m", "furlong"), ("degC", "mm d-1", "degC"), ("mm month-1", "mm d-1", "length of the time step"),
])
def test_what_does_not_fit_is_refused(unit, to, word):
    """Unknown units, units of another kind and totals without dates are errors that name the unit."""
    with pytest.raises(SchemaError, match=word) as caught:
        convert(1.0, unit, to)
    assert caught.value.hint


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_canonical_units_are_units(name):
    """The unit of every variable of the vocabulary can itself be converted, to itself without change."""
    assert convert(1.25, VARIABLES[name].unit, VARIABLES[name].unit) == pytest.approx(1.25)


@pytest.mark.parametrize(("name", "value", "unit", "expected"), [
    ("ta", 283.15, "K", 10.0), ("swc", 0.25, "m3 m-3", 25.0), ("vpd", 1.5, "kPa", 15.0),
    ("pa", 101325.0, "Pa", 101.325), ("soc_0", 50.0, "dg kg-1", 5.0), ("reco", 1.0, "umol CO2 m-2 s-1", 1.0377504),
    ("my_index", 7.0, "anything", 7.0),
])
def test_variables_become_canonical(name, value, unit, expected):
    """A driver arrives in its own unit; a driver RECO does not know stays as it is."""
    assert to_canonical(name, value, unit) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("time_step", TIME_STEPS)
def test_products_have_a_unit_per_time_step(time_step):
    """The unit of a product tells its time step, and can be read back."""
    unit = period_unit(time_step)
    assert unit.startswith("g C m-2 ")
    assert convert(2.0, "g C m-2 d-1", unit, days=3) == pytest.approx(2.0 if time_step == "day" else 6.0)


@pytest.mark.parametrize(("value", "unit", "to", "expected"), [
    (1.3, "g cm-3", "kg m-3", 1300.0), (130.0, "cg cm-3", "kg m-3", 1300.0), (7020.0, "g C m-2", "kg C m-2", 7.02),
])
def test_soil_units(value, unit, to, expected):
    """Bulk density and carbon density come in the units of soil maps."""
    assert convert(value, unit, to) == pytest.approx(expected, rel=1e-12)


@given(NUMBER, st.sampled_from([0.1, 0.01, 1e-4, 10.0, 5.0]), SAME_BASE)
def test_units_may_have_a_factor(value, factor, pair):
    """Stored integers are often tenths: a factor before a unit counts as multiplying the value."""
    unit, to = pair
    if not unit.strip() or not unit[0].isalpha():
        return
    assert convert(value, f"{factor:g} {unit}", to) == pytest.approx(convert(value * factor, unit, to), rel=1e-9,
                                                                     abs=1e-6)


@pytest.mark.parametrize(("value", "unit", "to", "days", "expected"), [
    (253, "0.1 degC", "degC", None, 25.3), (620, "0.1 mm", "mm d-1", 31, 2.0), (7500, "1e-4", "1", None, 0.75),
    (2732, "0.1K", "degC", None, 0.05), (864e5, "J m-2 d-1", "W m-2", None, 1000.0)])
def test_factors_of_real_products(value, unit, to, days, expected):
    """Tenths of degrees and millimetres, ten thousandths of an index, and joules of a day."""
    assert convert(value, unit, to, days=days) == pytest.approx(expected, abs=1e-9)
    with pytest.raises(SchemaError, match="'0.1 furlong' is not known"):
        convert(1.0, "0.1 furlong", "m")
