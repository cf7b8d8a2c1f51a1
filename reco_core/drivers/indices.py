"""Vegetation and water indices from surface reflectance."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence

import numpy as np

from ..errors import ConfigError

BANDS: dict[str, tuple[str, ...]] = {
    "evi": ("red", "nir"), "evi2": ("red", "nir"), "ndvi": ("red", "nir"), "nirv": ("red", "nir"),
    "lswi": ("nir", "swir")}
REFLECTANCE = (0.0, 1.6)
EVI_RANGE = (-0.2, 1.0)
NIRV_RANGE = (-0.5, 1.0)


def evi(red: Any, nir: Any, blue: Any) -> np.ndarray:
    r"""Enhanced vegetation index, :math:`2.5 (N - R) / (N + 6R - 7.5B + 1)`.

    Parameters
    ----------
    red, nir, blue : array of any one shape [1]
        Surface reflectance. A band outside 0 to 1.6 makes the index NaN.

    Returns
    -------
    array of that shape [1]
        NaN outside -0.2 to 1 and where the denominator is not positive.

    References
    ----------
    Huete, A. et al. (2002). Remote Sens. Environ. 83, 195-213. doi:10.1016/S0034-4257(02)00096-2

    Examples
    --------
    >>> round(float(evi(0.05, 0.30, 0.03)), 6)
    0.454545
    """
    r, n, b = _bands(red, nir, blue)
    return _within(_ratio(2.5 * (n - r), n + 6 * r - 7.5 * b + 1), EVI_RANGE)


def evi2(red: Any, nir: Any) -> np.ndarray:
    r"""Two-band enhanced vegetation index, :math:`2.5 (N - R) / (N + 2.4R + 1)`.

    Parameters
    ----------
    red, nir : array of any one shape [1]
        As in `evi`.

    Returns
    -------
    array of that shape [1]
        NaN outside -0.2 to 1.

    References
    ----------
    Jiang, Z. et al. (2008). Remote Sens. Environ. 112, 3833-3845. doi:10.1016/j.rse.2008.06.006
    """
    r, n = _bands(red, nir)
    return _within(_ratio(2.5 * (n - r), n + 2.4 * r + 1), EVI_RANGE)


def ndvi(red: Any, nir: Any) -> np.ndarray:
    r"""Normalised difference vegetation index, :math:`(N - R) / (N + R)`.

    Parameters
    ----------
    red, nir : array of any one shape [1]
        As in `evi`.

    Returns
    -------
    array of that shape [1]
        NaN where both bands are 0.

    Examples
    --------
    >>> round(float(ndvi(0.05, 0.30)), 6)
    0.714286
    """
    r, n = _bands(red, nir)
    return _ratio(n - r, n + r)


def nirv(red: Any, nir: Any, soil: float = 0.0) -> np.ndarray:
    r"""Near-infrared reflectance of vegetation, :math:`(NDVI - s) N`.

    Parameters
    ----------
    red, nir : array of any one shape [1]
        As in `evi`.
    soil : float [1]
        NDVI of bare soil, 0 (as in the respiration maps of Zhao and Zhu 2025) or 0.08 (Badgley et al.).

    Returns
    -------
    array of that shape [1]
        NaN outside -0.5 to 1, which only clouds and glint reach.

    References
    ----------
    Badgley, G., Field, C. B., Berry, J. A. (2017). Sci. Adv. 3, e1602244. doi:10.1126/sciadv.1602244

    Examples
    --------
    >>> round(float(nirv(0.05, 0.30)), 6)
    0.214286
    """
    r, n = _bands(red, nir)
    return _within((_ratio(n - r, n + r) - soil) * n, NIRV_RANGE)


def lswi(nir: Any, swir: Any) -> np.ndarray:
    r"""Land surface water index, :math:`(N - S) / (N + S)`, with shortwave infrared at 1.64 um.

    Parameters
    ----------
    nir, swir : array of any one shape [1]
        As in `evi`.

    Returns
    -------
    array of that shape [1]

    References
    ----------
    Xiao, X. et al. (2004). Remote Sens. Environ. 91, 256-270. doi:10.1016/j.rse.2004.03.010

    Examples
    --------
    >>> round(float(lswi(0.30, 0.20)), 6)
    0.2
    """
    n, s = _bands(nir, swir)
    return _ratio(n - s, n + s)


def compute(names: Sequence[str], *, red: Optional[Any] = None, nir: Optional[Any] = None,
            blue: Optional[Any] = None, swir: Optional[Any] = None, nirv_soil: float = 0.0) -> dict[str, np.ndarray]:
    """Compute several indices of the same bands.

    Parameters
    ----------
    names : sequence of {"evi", "evi2", "ndvi", "nirv", "lswi"}
    red, nir, blue, swir : arrays of one shape [1]
        Those that the indices need. EVI falls back to its two-band form where blue is missing or
        invalid (`two_band` tells where).
    nirv_soil : float [1]

    Returns
    -------
    dict of arrays of that shape [1]

    Raises
    ------
    ConfigError
        An index is unknown, or a band that it needs is missing.
    """
    bands = {"red": red, "nir": nir, "blue": blue, "swir": swir}
    check_bands(names, bands)
    made = {}
    for name in names:
        if name == "evi":
            made[name] = _evi_or_evi2(red, nir, blue)
        elif name == "nirv":
            made[name] = nirv(red, nir, nirv_soil)
        else:
            made[name] = {"evi2": evi2, "ndvi": ndvi, "lswi": lswi}[name](*(bands[band] for band in BANDS[name]))
    return made


def check_bands(names: Sequence[str], there: Mapping[str, Any]) -> None:
    """Refuse unknown indices and those whose bands are missing.

    Parameters
    ----------
    names : sequence of str
        Indices.
    there : mapping of band name to anything
        A band that is not in it, or is None, is missing.

    Raises
    ------
    ConfigError
        Names every index with the bands it lacks.
    """
    unknown = [name for name in names if name not in BANDS]
    if unknown:
        raise ConfigError(f"There is no index '{unknown[0]}'", "Choose from: " + ", ".join(BANDS))
    lacking = {name: [band for band in BANDS[name] if there.get(band) is None] for name in names}
    texts = [f"{name} needs {' and '.join(bands)}" for name, bands in lacking.items() if bands]
    if texts:
        have = ", ".join(band for band in there if there[band] is not None) or "none"
        raise ConfigError(f"Bands are missing: {'; '.join(texts)} (there: {have})",
                          "Give the reflectances, or choose the indices that can be made of what is there")


def two_band(red: Any, nir: Any, blue: Optional[Any]) -> np.ndarray:
    """Return where `compute` makes EVI of two bands because blue is missing or invalid (bool)."""
    r, n = _bands(red, nir)
    usable = np.isfinite(r + n)
    return usable if blue is None else usable & ~_valid(np.asarray(blue))


def _evi_or_evi2(red: Any, nir: Any, blue: Optional[Any]) -> np.ndarray:
    if blue is None:
        return evi2(red, nir)
    return np.where(_valid(np.asarray(blue)), evi(red, nir, blue), evi2(red, nir))


def _bands(*bands: Any) -> list[np.ndarray]:
    """Return bands as floats, NaN outside the range of reflectances."""
    arrays = [np.asarray(band) for band in bands]
    return [np.where(_valid(array), array, array.dtype.type(np.nan) if array.dtype.kind == "f" else np.nan)
            for array in arrays]


def _valid(band: np.ndarray) -> np.ndarray:
    return (band >= REFLECTANCE[0]) & (band <= REFLECTANCE[1])


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below > 0, above / below, np.float32(np.nan))


def _within(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    return np.where((values >= limits[0]) & (values <= limits[1]), values, np.float32(np.nan))
