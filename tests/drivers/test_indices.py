"""Vegetation and water indices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_core.drivers.indices import check_bands, compute, evi, evi2, lswi, ndvi, nirv, two_band
from reco_core.errors import ConfigError

LEAF = {"red": 0.05, "nir": 0.30, "blue": 0.03, "swir": 0.20}
BAND = st.floats(0.01, 0.8)


def test_published_values():
    """A green leaf canopy has the values worked out by hand."""
    made = compute(["evi", "ndvi", "nirv", "lswi"], **LEAF)
    assert {name: round(float(value), 6) for name, value in made.items()} == {
        "evi": 0.454545, "ndvi": 0.714286, "nirv": 0.214286, "lswi": 0.2}
    assert float(nirv(0.05, 0.30, soil=0.08)) == pytest.approx((0.25 / 0.35 - 0.08) * 0.3)
    assert float(evi2(0.05, 0.30)) == pytest.approx(2.5 * 0.25 / 1.42)


@given(red=BAND, nir=BAND, swir=BAND, scale=st.floats(0.2, 1.9))
def test_common_scale(red, nir, swir, scale):
    """Normalised differences do not change with a common scale of the bands."""
    assert float(ndvi(scale * red, scale * nir)) == pytest.approx(float(ndvi(red, nir)), abs=1e-12)
    assert float(lswi(scale * nir, scale * swir)) == pytest.approx(float(lswi(nir, swir)), abs=1e-12)


def test_evi_depends_on_the_scale():
    """EVI does change with a common scale, because of its constant."""
    assert abs(float(evi(0.1, 0.6, 0.06)) - float(evi(0.05, 0.3, 0.03))) > 0.05


@pytest.mark.parametrize("bad", [-0.01, 1.61, np.nan, np.inf, -0.28672])
def test_bands_outside_their_range(bad):
    """A reflectance that cannot be makes the indices of its band missing, and only those."""
    made = compute(["ndvi", "nirv", "lswi"], red=np.array([bad, 0.05]), nir=np.array([0.3, 0.3]),
                   swir=np.array([0.2, bad]))
    assert np.isnan(made["ndvi"]).tolist() == [True, False]
    assert np.isnan(made["nirv"]).tolist() == [True, False]
    assert np.isnan(made["lswi"]).tolist() == [False, True]


def test_zero_is_data_but_not_a_denominator():
    """A band of 0 counts; where the denominator is 0 or less the index is missing."""
    assert float(ndvi(0.0, 0.3)) == 1.0
    assert np.isnan(ndvi(0.0, 0.0))
    assert np.isnan(evi(0.1, 0.2, 0.5))  # 0.2 + 0.6 - 3.75 + 1 < 0


def test_evi_outside_its_range():
    """EVI beyond -0.2 to 1 is missing, as over glint and clouds."""
    assert np.isnan(evi(0.05, 1.0, 0.25))
    assert np.isnan(evi(0.9, 0.1, 0.1))


def test_two_band_form():
    """Where blue is invalid EVI is that of two bands, and it is told where; where blue is fine it is not."""
    red, nir = np.full(3, 0.05), np.array([0.3, 0.3, np.nan])
    blue = np.array([0.03, np.nan, np.nan])
    made = compute(["evi"], red=red, nir=nir, blue=blue)["evi"]
    assert made[:2] == pytest.approx([float(evi(0.05, 0.3, 0.03)), float(evi2(0.05, 0.3))])
    assert two_band(red, nir, blue).tolist() == [False, True, False]
    assert two_band(red, nir, None).tolist() == [True, True, False]
    assert compute(["evi"], red=red, nir=nir)["evi"][0] == made[1]


def test_single_precision_stays():
    """Bands of float32 give indices of float32 and of their shape; integers are taken as numbers."""
    bands = {name: np.full((2, 3, 4), value, "float32") for name, value in LEAF.items()}
    for index in compute(["evi", "ndvi", "nirv", "lswi"], **bands).values():
        assert index.dtype == np.float32 and index.shape == (2, 3, 4)
    assert ndvi(np.array([0]), np.array([1])).tolist() == [1.0]


def test_missing_bands_are_named():
    """Every index is told with the bands it lacks."""
    with pytest.raises(ConfigError, match=r"evi needs red; lswi needs swir \(there: nir\)"):
        check_bands(["evi", "lswi"], {"red": None, "nir": "nir", "swir": None})
    with pytest.raises(ConfigError, match="no index 'savi'"):
        compute(["savi"], **LEAF)
