"""Soil carbon density and the texture triangle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_core.drivers.soil import TEXTURES, complete_fractions, soc_density, texture


def test_published_density():
    """2 % carbon, 1.3 kg per litre, 0.3 m and 10 % gravel make 7.02 kg C per square metre."""
    assert soc_density(2.0, 1300.0, 10.0, thickness=0.3) == pytest.approx(7.02, abs=1e-12)
    assert np.isnan(soc_density(np.nan, 1300.0))
    assert soc_density(0.0, 1300.0) == 0


@pytest.mark.parametrize(("clay", "silt", "sand", "name"), [
    (60, 20, 20, "clay"), (45, 45, 10, "silty clay"), (40, 5, 55, "sandy clay"), (33, 33, 34, "clay loam"),
    (33, 57, 10, "silty clay loam"), (27, 13, 60, "sandy clay loam"), (18, 42, 40, "loam"), (15, 65, 20, "silt loam"),
    (10, 25, 65, "sandy loam"), (5, 90, 5, "silt"), (6, 12, 82, "loamy sand"), (3, 5, 92, "sand")])
def test_the_middle_of_each_class(clay, silt, sand, name):
    """A soil well inside each class of the triangle has it."""
    assert TEXTURES[int(texture(clay, silt, sand)) - 1] == name


@pytest.mark.parametrize(("clay", "silt", "sand", "name"), [
    (40, 40, 20, "silty clay"), (27, 28, 45, "clay loam"), (20, 0, 80, "sandy clay loam"), (7, 50, 43, "silt loam"),
    (12, 80, 8, "silt loam"), (0, 15, 85, "loamy sand"), (35, 0, 65, "sandy clay"), (0, 80, 20, "silt"),
    (0, 30, 70, "sandy loam"), (40, 15, 45, "clay"), (27, 53, 20, "silty clay loam"), (10, 0, 90, "loamy sand")])
def test_edges_of_the_triangle(clay, silt, sand, name):
    """Soils on an edge go to the class that the definition names."""
    assert TEXTURES[int(texture(clay, silt, sand)) - 1] == name


def slow(clay, silt, sand):
    """Return every class whose published definition fits, each written by itself."""
    rules = {
        "sand": silt + 1.5 * clay < 15, "loamy sand": silt + 1.5 * clay >= 15 and silt + 2 * clay < 30,
        "sandy loam": (7 <= clay < 20 and sand > 52 and silt + 2 * clay >= 30)
        or (clay < 7 and silt < 50 and silt + 2 * clay >= 30),
        "loam": 7 <= clay < 27 and 28 <= silt < 50 and sand <= 52,
        "silt loam": (silt >= 50 and 12 <= clay < 27) or (50 <= silt < 80 and clay < 12),
        "silt": silt >= 80 and clay < 12, "sandy clay loam": 20 <= clay < 35 and silt < 28 and sand > 45,
        "clay loam": 27 <= clay < 40 and 20 < sand <= 45, "silty clay loam": 27 <= clay < 40 and sand <= 20,
        "sandy clay": clay >= 35 and sand > 45, "silty clay": clay >= 40 and silt >= 40,
        "clay": clay >= 40 and sand <= 45 and silt < 40}
    return [name for name, fits in rules.items() if fits]


def test_every_whole_percent_has_its_one_class():
    """All 5151 soils of whole percents have exactly the class whose definition fits."""
    for clay in range(101):
        silt = np.arange(101 - clay)
        sand = 100 - clay - silt
        codes = texture(np.full(silt.size, clay), silt, sand)
        for code, a, b in zip(codes, silt, sand):
            assert [TEXTURES[int(code) - 1]] == slow(clay, int(a), int(b)), (clay, a, b)


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 100))
def test_what_does_not_add_up_is_missing(clay, silt, sand):
    """Fractions beside 100 by more than 2 have no class, all others have one."""
    total = clay + silt + sand
    found = float(texture(clay, silt, sand))
    if abs(total - 100) > 2:
        assert np.isnan(found) and not complete_fractions(clay, silt, sand)
    elif abs(total - 100) < 2:
        assert found in range(1, 13)


def test_missing_and_negative_fractions():
    """A missing fraction and a negative one have no class; sums a little beside 100 are scaled."""
    assert np.isnan(texture([np.nan, -5.0], [40.0, 50.0], [40.0, 55.0])).all()
    assert texture(20.3, 40.6, 40.6) == texture(20.0, 40.0, 40.0)
