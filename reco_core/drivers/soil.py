"""Soil drivers: carbon density of a layer, and the texture class of clay, silt and sand."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

TEXTURES = ("clay", "silty clay", "sandy clay", "clay loam", "silty clay loam", "sandy clay loam", "loam", "silt loam",
            "sandy loam", "silt", "loamy sand", "sand")
SLACK = 2.0  # percent that the sum of clay, silt and sand may lie beside 100
ROUNDING = 1e-9


def soc_density(oc: Any, bulk_density: Any, gravel: Any = 0.0, *, thickness: Any = 0.3) -> np.ndarray:
    r"""Carbon in a layer of soil per area of ground.

    .. math:: SOCD = \frac{OC}{100}\,BD\,d\,\left(1 - \frac{G}{100}\right)

    Parameters
    ----------
    oc : array [%]
        Organic carbon by mass of the fine earth.
    bulk_density : array [kg m-3]
    gravel : array [%]
        By volume.
    thickness : float or array [m]

    Returns
    -------
    array [kg C m-2]
        NaN where any input is missing.

    References
    ----------
    Carvalhais, N. et al. (2014). Nature 514, 213-217. doi:10.1038/nature13731

    Examples
    --------
    >>> round(float(soc_density(2.0, 1300.0, 10.0, thickness=0.3)), 2)
    7.02
    """
    share = np.asarray(oc, dtype="float64") / 100
    fine = 1 - np.asarray(gravel, dtype="float64") / 100
    return share * np.asarray(bulk_density, dtype="float64") * np.asarray(thickness, dtype="float64") * fine


def layer_depths(tops: Sequence[int], thickness: float) -> dict[int, float]:
    """Return the thickness [m] of each layer of a profile, by its top [cm]: to the next top, the last to the bottom.

    Parameters
    ----------
    tops : sequence of int [cm]
    thickness : float [m]
        Of the whole profile; layers below it are left out.

    Examples
    --------
    >>> layer_depths([0, 5, 15, 30, 60], 0.3)
    {0: 0.05, 5: 0.1, 15: 0.15}
    """
    inside = sorted(top for top in set(tops) if top < 100 * thickness - ROUNDING)
    bottoms = [*inside[1:], 100 * thickness]
    return {top: round((bottom - top) / 100, 9) for top, bottom in zip(inside, bottoms)}


def complete_fractions(clay: Any, silt: Any, sand: Any) -> np.ndarray:
    """Tell where clay, silt and sand [%] add up to 100 within 2."""
    total = np.asarray(clay, dtype="float64") + np.asarray(silt) + np.asarray(sand)
    with np.errstate(invalid="ignore"):
        return np.abs(total - 100) <= SLACK


def texture(clay: Any, silt: Any, sand: Any) -> np.ndarray:
    """Texture class of the USDA soil triangle.

    Parameters
    ----------
    clay, silt, sand : arrays of one shape [%]
        By mass of the fine earth; they add up to 100 within 2, and are scaled to 100.

    Returns
    -------
    array, float64
        1 clay, 2 silty clay, 3 sandy clay, 4 clay loam, 5 silty clay loam, 6 sandy clay loam, 7 loam,
        8 silt loam, 9 sandy loam, 10 silt, 11 loamy sand, 12 sand; NaN where a fraction is missing or
        they do not add up.

    References
    ----------
    Soil Science Division Staff (2017). Soil Survey Manual. USDA Handbook 18, chapter 3.

    Examples
    --------
    >>> texture([60, 20, 5], [20, 40, 5], [20, 40, 90]).tolist()
    [1.0, 7.0, 12.0]
    """
    parts = np.stack([np.asarray(part, dtype="float64") for part in np.broadcast_arrays(clay, silt, sand)])
    good = complete_fractions(*parts) & (parts >= 0).all(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        # hairs of rounding must not move a soil on an edge of the triangle to the other side
        c, s, _ = np.round(100 * parts / parts.sum(axis=0), 6)
    sand_ = np.round(100 - c - s, 6)
    conditions = [
        s + 1.5 * c < 15,                                                        # sand
        s + 2 * c < 30,                                                          # loamy sand
        (c < 7) & (s < 50) | (c < 20) & (sand_ > 52),                            # sandy loam
        (c < 12) & (s >= 80),                                                    # silt
        (c < 27) & (s >= 50),                                                    # silt loam
        (c < 27) & (s >= 28) & (sand_ <= 52),                                    # loam
        (c < 35) & (s < 28) & (sand_ > 45),                                      # sandy clay loam
        (c < 40) & (sand_ <= 20),                                                # silty clay loam
        (c < 40) & (sand_ <= 45),                                                # clay loam
        sand_ > 45,                                                              # sandy clay
        s >= 40,                                                                 # silty clay
    ]
    names = ("sand", "loamy sand", "sandy loam", "silt", "silt loam", "loam", "sandy clay loam", "silty clay loam",
             "clay loam", "sandy clay", "silty clay")
    codes = [float(TEXTURES.index(name) + 1) for name in names]
    return np.where(good, np.select(conditions, codes, float(TEXTURES.index("clay") + 1)), np.nan)
