"""Quality bits: every combination against a slow reader of bits, and rules that only ever get stricter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_core.drivers import qa
from reco_core.errors import ConfigError

STATES = np.arange(2**16, dtype="uint16")
BYTES = np.arange(2**8, dtype="uint8")
LEVELS = ("standard", "strict")


def text(value, width):
    """Return the bits of a number as characters, the least significant first."""
    return format(int(value), f"0{width}b")[::-1]


def slow_reflectance(value, level, aerosol):
    """Decide one pixel of MOD09A1 flag by flag, as the user's guide numbers them."""
    bits = text(value, 16)
    cloud = {"00": "clear", "10": "cloudy", "01": "mixed", "11": "assumed"}[bits[0:2]]
    if cloud not in (("clear",) if level == "strict" else ("clear", "assumed")):
        return False
    cirrus = {"00": 0, "10": 1, "01": 2, "11": 3}[bits[8:10]]
    if bits[2] == "1" or bits[10] == "1" or cirrus > (0 if level == "strict" else 1):
        return False
    if bits[12] == "1" or bits[15] == "1" or (level == "strict" and bits[13] == "1"):
        return False
    return not ((aerosol or level == "strict") and bits[6:8] == "11")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("aerosol", [False, True])
def test_all_states(level, aerosol):
    """All 65536 states of MOD09A1 are kept or rejected as one pixel at a time."""
    keep = qa.reflectance(STATES, level=level, aerosol=aerosol)
    assert keep.tolist() == [slow_reflectance(value, level, aerosol) for value in STATES]
    assert keep.dtype == bool and 0 < keep.sum() < keep.size


def test_states_by_hand():
    """A few states whose meaning is plain."""
    clear, assumed, shadow, snow = 0b1000, 0b1011, 0b1100, 1 << 15 | 0b1000
    thin, thick, haze = 0b1000 | 1 << 8, 0b1000 | 2 << 8, 0b1000 | 3 << 6
    states = np.array([clear, assumed, shadow, snow, thin, thick, haze, 65535], dtype="uint16")
    assert qa.reflectance(states).tolist() == [True, True, False, False, True, False, True, False]
    assert qa.reflectance(states, aerosol=True).tolist() == [True, True, False, False, True, False, False, False]
    assert qa.reflectance(states, snow=True)[3]
    assert qa.reflectance(states, level="strict").tolist() == [True] + 7 * [False]


@pytest.mark.parametrize("level", LEVELS)
def test_all_temperature_flags(level):
    """All flags of MOD11: good, or other quality with an error up to 2 K."""
    slow = []
    for value in BYTES:
        bits = text(value, 8)
        mandatory, error = bits[0:2], bits[6:8]
        slow.append(mandatory == "00" or (level == "standard" and mandatory == "10" and error in ("00", "10")))
    assert qa.temperature(BYTES, level=level).tolist() == slow


@pytest.mark.parametrize("level", LEVELS)
def test_all_vegetation_flags(level):
    """All VI qualities of MOD13 under each pixel reliability."""
    useful = [int(text(value, 16)[2:6][::-1], 2) <= 8 and {text(value, 16)[bit] for bit in (8, 10, 15)} == {"0"}
              for value in STATES]
    for reliability, expected in {0: [True] * 65536, 1: useful if level == "standard" else [False] * 65536,
                                  2: [False] * 65536, 3: [False] * 65536, -1: [False] * 65536}.items():
        summary = np.full(STATES.shape, reliability, dtype="int8")
        assert qa.vegetation(summary, STATES, level=level).tolist() == expected


@pytest.mark.parametrize("level", LEVELS)
def test_all_leaf_flags(level):
    """All flags of MOD15: main algorithm, without cloud."""
    slow = []
    for value in BYTES:
        bits = text(value, 8)
        method, cloud = int(bits[5:8][::-1], 2), bits[3:5]
        slow.append(method <= 1 and cloud in ("00", "11") if level == "standard"
                    else method == 0 and cloud == "00" and bits[2] == "0" and bits[0] == "0")
    assert qa.leaves(BYTES, level=level).tolist() == slow


BAD = {
    "reflectance": (16, (2, 6, 7, 8, 9, 10, 12, 13, 15), lambda v, lv: qa.reflectance(v, level=lv, aerosol=True)),
    "temperature": (8, (0, 1, 6, 7), lambda v, lv: qa.temperature(v, level=lv)),
    "vegetation": (16, (2, 3, 4, 5, 8, 10, 15), lambda v, lv: qa.vegetation(np.ones_like(v), v, level=lv)),
    "leaves": (8, (2, 5, 6, 7), lambda v, lv: qa.leaves(v, level=lv)),
    "nadir": (8, (0, 1, 7), lambda v, lv: qa.nadir(v)),
}


@given(st.sampled_from(sorted(BAD)), st.integers(0, 2**16 - 1), st.data(), st.sampled_from(LEVELS))
def test_a_bad_bit_never_rescues(product, value, data, level):
    """Setting a bad bit never turns a rejected value into a kept one."""
    width, bad, keep = BAD[product]
    value &= 2**width - 1
    worse = value | 1 << data.draw(st.sampled_from(bad))
    before, after = keep(np.array([value, worse], dtype="int64"), level)
    assert before or not after


@given(st.sampled_from(sorted(BAD)), st.integers(0, 2**16 - 1))
def test_strict_keeps_no_more(product, value):
    """What strict keeps, standard keeps as well."""
    width, _, keep = BAD[product]
    flags = np.array([value & (2**width - 1)], dtype="uint16")
    assert keep(flags, "standard")[0] or not keep(flags, "strict")[0]


def test_signed_and_wide_flags_read_alike():
    """Exports store 16-bit flags as wider or signed numbers; the bits are the same."""
    assert np.array_equal(qa.reflectance(STATES.astype("int64")), qa.reflectance(STATES))
    assert np.array_equal(qa.reflectance(STATES.view("int16")), qa.reflectance(STATES))


def test_fractions_must_add_up():
    """Cover fractions are kept where their sum is 95 to 105 %."""
    pv, npv, bs = np.array([40, 40, 40, 255, 0]), np.array([30, 30, 30, 255, 0]), np.array([30, 25, 24, 255, 0])
    assert qa.fractions(pv, npv, bs).tolist() == [True, True, False, False, False]


def test_rules_by_product():
    """Each rule decides by the layers it names; none screens nothing; an unknown level is refused."""
    rule = qa.rule("vegetation", "strict")
    assert rule.without["strict"] == ("detail",)
    assert rule.keep("ndvi", {"summary": np.array([0, 1])}, "strict").tolist() == [True, False]
    snow = {"state": np.array([1 << 12], dtype="uint16")}
    reflectance = qa.rule("reflectance", "standard")
    assert not reflectance.keep("red", snow, "standard")[0] and reflectance.keep("snow_cover", snow, "standard")[0]
    assert qa.rule("nadir", "standard").fallback({"band1": np.array([0, 1, 255])}).tolist() == [False, True, False]
    assert qa.rule("reflectance", "none") is None and qa.rule("", "standard") is None
    with pytest.raises(ConfigError, match="'best'"):
        qa.rule("reflectance", "best")
