"""Equations of respiration: plain functions of drivers and parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

KELVIN = 273.15
GAS = 8.314462618  # J mol-1 K-1
PLANCK, BOLTZMANN = 6.62607015e-34, 1.380649e-23  # J s, J K-1
T_ZERO, T_REFERENCE = 227.13, 283.15
T_ARRHENIUS, T_MIGLIAVACCA = 288.15, 288.15
T_MMRT = 278.15


def q10(temperature: Any, r_ref: Any, q: Any, t_ref: float = 10.0) -> np.ndarray:
    r"""Respiration that grows by the same factor with every ten degrees.

    .. math:: R = R_{ref}\,Q_{10}^{(T-T_{ref})/10}

    Parameters
    ----------
    temperature : array of shape (n,) [degC]
    r_ref : float or array of shape (n,) [g C m-2 per time step]
        Respiration at `t_ref`.
    q : float [1]
        Factor per ten degrees; 1.5 to 3 is usual.
    t_ref : float [degC]

    Returns
    -------
    array of shape (n,) [unit of r_ref]

    Examples
    --------
    >>> q10(np.array([-10, 0, 10, 20, 30]), 1.0, 2.0)
    array([0.25, 0.5 , 1.  , 2.  , 4.  ])
    """
    return r_ref * q ** ((np.asarray(temperature, dtype="float64") - t_ref) / 10)


def lloyd_taylor(temperature: Any, r_ref: Any, e0: Any, t_ref: float = T_REFERENCE, t0: float = T_ZERO) -> np.ndarray:
    r"""Respiration from temperature after Lloyd and Taylor.

    .. math:: R = R_{ref}\,\exp\!\left[E_0\left(\frac{1}{T_{ref}-T_0}-\frac{1}{T-T_0}\right)\right]

    Parameters
    ----------
    temperature : array of shape (n,) [K]
        Soil or air temperature; at or below `t0` + 1 K the result is 0.
    r_ref : float or array of shape (n,) [g C m-2 per time step]
        Respiration at `t_ref`.
    e0 : float [K]
        Activation-energy parameter; 50 to 450 is usual, 308.56 that of the authors.
    t_ref, t0 : float [K]
        Reference temperature (10 degC) and the temperature of zero respiration.

    Returns
    -------
    array of shape (n,) [unit of r_ref]

    References
    ----------
    Lloyd, J., Taylor, J. A. (1994). Functional Ecology 8, 315-323. doi:10.2307/2389824

    Examples
    --------
    >>> lloyd_taylor(np.array([283.15, 293.15]), r_ref=1.0, e0=308.56).round(6)
    array([1.      , 2.303196])
    """
    kelvin = np.asarray(temperature, dtype="float64")
    warm = ~(kelvin <= t0 + 1)
    above = np.where(warm, kelvin - t0, 1.0)
    return np.where(warm, r_ref * np.exp(e0 * (1 / (t_ref - t0) - 1 / above)), 0.0)


def arrhenius(temperature: Any, r_ref: Any, ea: Any, t_ref: float = T_ARRHENIUS) -> np.ndarray:
    r"""Respiration from temperature after Arrhenius.

    .. math:: R = R_{ref}\,\exp\!\left[\frac{E_a}{R_g}\left(\frac{1}{T_{ref}}-\frac{1}{T}\right)\right]

    Parameters
    ----------
    temperature : array of shape (n,) [K]
    r_ref : float or array of shape (n,) [g C m-2 per time step]
        Respiration at `t_ref`.
    ea : float [J mol-1]
        Activation energy; 50 000 is usual.
    t_ref : float [K]

    Returns
    -------
    array of shape (n,) [unit of r_ref]

    Examples
    --------
    >>> arrhenius(np.array([273.15, 293.15, 303.15]), 1.0, 50e3).round(5)
    array([0.31789, 1.42755, 2.80848])
    """
    return r_ref * np.exp(ea / GAS * (1 / t_ref - 1 / np.asarray(temperature, dtype="float64")))


def mmrt(temperature: Any, dh: Any, dc: Any, ds: Any, t0: float = T_MMRT) -> np.ndarray:
    r"""Respiration by macromolecular rate theory: enzymes have an optimum of temperature.

    .. math:: \ln R = \ln\frac{k_B T}{h} - \frac{\Delta H + \Delta C\,(T-T_0)}{R_g T}
              + \frac{\Delta S + \Delta C \ln (T/T_0)}{R_g}

    Parameters
    ----------
    temperature : array of shape (n,) [K]
    dh : float [J mol-1]
        Change of enthalpy at `t0`.
    dc : float [J mol-1 K-1]
        Change of heat capacity; below -8.3 there is an optimum, with 0 it is Eyring's curve.
    ds : float [J mol-1 K-1]
        Change of entropy at `t0`; it also carries the unit of respiration.
    t0 : float [K]

    Returns
    -------
    array of shape (n,) [g C m-2 per time step]

    References
    ----------
    Hobbs, J. K. et al. (2013). ACS Chemical Biology 8, 2388-2393. doi:10.1021/cb4005029
    """
    kelvin = np.asarray(temperature, dtype="float64")
    return BOLTZMANN * kelvin / PLANCK * np.exp(-(dh + dc * (kelvin - t0)) / (GAS * kelvin)
                                                + (ds + dc * np.log(kelvin / t0)) / GAS)


def mmrt_from(temperature: Any, r_0: Any, dh: Any, dc: Any, t0: float = T_MMRT) -> np.ndarray:
    """Respiration by macromolecular rate theory from respiration `r_0` at `t0`; otherwise as `mmrt`.

    Entropy and the unit of respiration stand for each other, so that `r_0` replaces the entropy.

    Examples
    --------
    >>> float(mmrt_from(278.15, 2.0, 60e3, -2e3))
    2.0
    """
    kelvin = np.asarray(temperature, dtype="float64")
    exponent = dh / GAS * (1 / t0 - 1 / kelvin) + dc / GAS * (t0 / kelvin - 1 + np.log(kelvin / t0))
    return r_0 * kelvin / t0 * np.exp(exponent)


def mmrt_entropy(r_0: float, dh: float, t0: float = T_MMRT) -> float:
    """Return the entropy [J mol-1 K-1] with which `mmrt` gives `r_0` [g C m-2 per time step] at `t0` [K]."""
    return GAS * float(np.log(r_0 * PLANCK / (BOLTZMANN * t0))) + dh / t0 if r_0 > 0 else float("nan")


def mmrt_optimum(dh: float, dc: float, t0: float = T_MMRT) -> float:
    """Return the temperature of most respiration [K]; NaN where it only grows (dc >= -8.3 J mol-1 K-1).

    Examples
    --------
    >>> round(mmrt_optimum(60e3, -2e3), 3)
    309.436
    """
    return (dc * t0 - dh) / (dc + GAS) if dc < -GAS else float("nan")


def mmrt_inflection(dh: float, dc: float, t0: float = T_MMRT) -> float:
    """Return the temperature below the optimum at which respiration grows fastest [K]; NaN without an optimum.

    Examples
    --------
    >>> round(mmrt_inflection(60e3, -2e3), 3)
    289.485
    """
    return mmrt_optimum(dh, dc, t0) * (1 - (GAS / -dc) ** 0.5) if dc < -GAS else float("nan")


def rain_response(rain: Any, alpha: Any, k: Any) -> np.ndarray:
    r"""How far rain lets an ecosystem respire: `alpha` without any, 1 with plenty.

    .. math:: f(P) = \frac{\alpha K + P (1-\alpha)}{K + P (1-\alpha)}

    Parameters
    ----------
    rain : array of shape (n,) [mm]
        Of thirty days.
    alpha : float [1]
    k : float [mm]

    Returns
    -------
    array of shape (n,) [1]

    References
    ----------
    Migliavacca, M. et al. (2011). Glob. Change Biol. 17, 390-409. doi:10.1111/j.1365-2486.2010.02243.x
    """
    wet = np.asarray(rain, dtype="float64") * (1 - alpha)
    return (alpha * k + wet) / (k + wet)


def tpgpp(temperature: Any, rain: Any, gpp: Any, *, r0: Any, k2: Any, e0: Any, alpha: Any, k: Any) -> np.ndarray:
    r"""Respiration from temperature, rain and productivity after Migliavacca.

    .. math:: R = (R_0 + k_2\,GPP)\,f(T)\,f(P)

    with :math:`f(T)` that of Lloyd and Taylor, which is 1 at 15 degC, and :math:`f(P)` of
    `rain_response`. In TPGPP-LAI :math:`R_0 = R_{LAI=0} + a_{LAI}\,LAI_{max}`.

    Parameters
    ----------
    temperature : array of shape (n,) [K]
        Of the air.
    rain : array of shape (n,) [mm]
        Of thirty days.
    gpp : array of shape (n,) [g C m-2 d-1]
    r0 : float or array of shape (n,) [g C m-2 per time step]
    k2 : float [unit of r0 per g C m-2 d-1]
    e0 : float [K]
    alpha : float [1]
    k : float [mm]

    Returns
    -------
    array of shape (n,) [unit of r0]

    References
    ----------
    Migliavacca, M. et al. (2011). Glob. Change Biol. 17, 390-409. doi:10.1111/j.1365-2486.2010.02243.x

    Examples
    --------
    >>> round(float(tpgpp(288.15, 10.0, 5.0, r0=1.02 + .42 * 3, k2=.478, e0=124.833, alpha=.604, k=.222)), 6)
    4.571829
    """
    return (r0 + k2 * gpp) * lloyd_taylor(temperature, 1.0, e0, T_MIGLIAVACCA) * rain_response(rain, alpha, k)
