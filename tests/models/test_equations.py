"""The equations of respiration: numbers computed by hand, limits, and recovery of their parameters."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.errors import ConfigError
from reco_core.models import equation_table as known
from reco_core.models.equation_fit import fit_equation, standard_errors
from reco_core.models.equations import (
    GAS,
    KELVIN,
    arrhenius,
    lloyd_taylor,
    mmrt,
    mmrt_entropy,
    mmrt_from,
    mmrt_inflection,
    mmrt_optimum,
    q10,
    rain_response,
    tpgpp,
)


def test_q10():
    """Doubling with every ten degrees."""
    np.testing.assert_allclose(q10(np.array([-10, 0, 10, 20, 30]), 1.0, 2.0), [0.25, 0.5, 1, 2, 4])


def test_lloyd_taylor():
    """With a reference of 1 at 10 degC the response is as computed by hand at six temperatures."""
    found = lloyd_taylor(np.array([-10, 0, 10, 20, 30, 40]) + KELVIN, 1.0, 308.56)
    np.testing.assert_allclose(found, [0.046967, 0.302136, 1, 2.303196, 4.259284, 6.827510], atol=5e-7)


def test_lloyd_taylor_below_its_range():
    """Near the temperature of zero respiration and below it there is none; a gap stays a gap."""
    found = lloyd_taylor(np.array([227.13, 228.13, 100.0, np.nan, 228.2]), 5.0, 308.56)
    assert found[:3].tolist() == [0, 0, 0] and np.isnan(found[3]) and found[4] >= 0


def test_arrhenius():
    """50 kJ per mole, a reference of 1 at 15 degC."""
    found = arrhenius(np.array([0, 20, 30]) + KELVIN, 1.0, 50e3)
    np.testing.assert_allclose(found, [0.317887, 1.427546, 2.808484], atol=5e-7)


def test_arrhenius_is_a_limit_of_lloyd_taylor():
    """Where the temperature of zero respiration goes to 0 K, both are one."""
    kelvin = np.linspace(260, 310, 20)
    np.testing.assert_allclose(lloyd_taylor(kelvin, 3.0, 50e3 / GAS, t_ref=288.15, t0=1e-9),
                               arrhenius(kelvin, 3.0, 50e3), rtol=1e-9)


def test_mmrt_optimum_and_inflection():
    """Both temperatures are as computed by hand, and are those of the curve itself."""
    dh, dc = 60e3, -2e3
    assert mmrt_optimum(dh, dc) == pytest.approx(309.4364, abs=1e-4)
    assert mmrt_inflection(dh, dc) == pytest.approx(289.485, abs=1e-3)
    kelvin = np.linspace(270, 320, 500_001)
    curve = mmrt_from(kelvin, 2.0, dh, dc)
    assert kelvin[np.argmax(curve)] == pytest.approx(mmrt_optimum(dh, dc), abs=2e-4)
    assert kelvin[np.argmax(np.gradient(curve))] == pytest.approx(mmrt_inflection(dh, dc), abs=2e-3)


def test_mmrt_forms_agree():
    """Respiration at the reference stands for the entropy."""
    kelvin = np.linspace(250, 320, 30)
    entropy = mmrt_entropy(2.5, 60e3)
    np.testing.assert_allclose(mmrt(kelvin, 60e3, -2e3, entropy), mmrt_from(kelvin, 2.5, 60e3, -2e3), rtol=1e-10)


def test_mmrt_without_heat_capacity():
    """Then it is Eyring's curve, which only grows and has no optimum."""
    kelvin = np.linspace(240, 330, 200)
    eyring = kelvin * np.exp(-60e3 / (GAS * kelvin))
    curve = mmrt_from(kelvin, 1.0, 60e3, 0.0)
    np.testing.assert_allclose(curve / curve[0], eyring / eyring[0], rtol=1e-12)
    assert (np.diff(curve) > 0).all()
    assert np.isnan(mmrt_optimum(60e3, 0.0)) and np.isnan(mmrt_inflection(60e3, 0.0)) and np.isnan(mmrt_entropy(0., 1.))


@pytest.mark.parametrize(("celsius", "rain", "expected"), [(15, 10, 4.571829), (15, 0, 2.820680), (5, 10, 3.061604)])
def test_tpgpp_lai(celsius, rain, expected):
    """Evergreen needle-leaf forest with a leaf area of 3 and a productivity of 5."""
    found = tpgpp(celsius + KELVIN, rain, 5.0, r0=1.02 + 0.42 * 3, k2=0.478, e0=124.833, alpha=0.604, k=0.222)
    assert float(found) == pytest.approx(expected, abs=5e-7)
    samples = [np.array([value], dtype=float) for value in (celsius, rain / 30, 5, 3)]  # rain in mm d-1
    equation = known.TPGPP_LAI
    assert float(equation.function(equation.scaled(samples), (1.02, 0.42, 0.478, 124.833, 0.604, 0.222))[0]) == \
        pytest.approx(expected, abs=5e-7)


def test_rain_response():
    """Without rain it is alpha, with plenty 1."""
    np.testing.assert_allclose(rain_response(np.array([0.0, 1e12]), 0.6, 2.0), [0.6, 1.0])


def test_tang():
    """Alpine meadow over the whole year, and a coefficient that is absent takes its driver with it."""
    equation, values = known.tang_2020("alpine_meadow", "year")
    assert [driver.names[0] for driver in equation.drivers] == ["evi", "lswi", "lst_day"]
    found = equation.function([np.array([0.4]), np.array([0.1]), np.array([15.0])], values)
    assert found[0] == pytest.approx(2.6906, abs=1e-9)
    assert [driver.names for driver in known.tang_2020("desert_steppe", "growing")[0].drivers] == [("lai",)]


RANGES = {"ts": (-15, 30), "ta": (-15, 30), "lst_day": (-10, 40), "lst_day_mean": (-5, 20), "precip": (0, 8),
          "gpp": (0, 12), "lai": (0, 6), "lai_max": (0.5, 7), "evi": (0.05, 0.6), "evi_max": (0.2, 0.7),
          "lswi": (-0.2, 0.5), "swc": (5, 50)}
TRUTHS = {
    "q10": (60.0, 2.3), "lloyd_taylor": (75.0, 200.0), "arrhenius": (2.0, 62e3), "mmrt": (40.0, 70e3, -1.5e3),
    "tpgpp": (30.0, 12.0, 160.0, 0.4, 25.0), "tpgpp_lai": (12.0, 10.0, 9.0, 150.0, 0.5, 40.0),
    "jagermeyr_like": (10.0, 60.0, 1.5, 0.05, 1.8), "rersm_like": (120.0, 25.0, 220.0), "ge_like": (150.0, 10.0, 240.0),
    "linear in gpp": (60.0, 25.0), "exponential in lst": (50.0, 0.7), "quadratic in swc": (60.0, 20.0, -15.0),
    "logistic in lst": (150.0, 1.8, 0.6)}
EQUATIONS = {equation.name: equation for equation in (
    known.Q10, known.LLOYD_TAYLOR, known.ARRHENIUS, known.MMRT, known.TPGPP, known.TPGPP_LAI, known.JAGERMEYR_LIKE,
    known.RERSM_LIKE, known.GE_LIKE, *known.LGS_LIKE.values())}


def random_drivers(equation, rows=400, seed=0):
    """Return drivers of an equation in the units of samples, one array each."""
    rng = np.random.default_rng(seed)
    return [rng.uniform(*RANGES[driver.names[0]], rows) for driver in equation.drivers]


@pytest.mark.parametrize("name", TRUTHS)
@pytest.mark.parametrize("unit", [1.0, 1 / 30])
def test_recovers_its_parameters(name, unit):
    """Without noise the parameters come back to 1e-4, whatever the unit of respiration."""
    equation, truth = EQUATIONS[name], np.array(TRUTHS[name])
    truth = truth * [unit if parameter.flux else 1.0 for parameter in equation.parameters]
    drivers = equation.scaled(random_drivers(equation))
    found = fit_equation(equation, drivers, equation.function(drivers, truth), seed=3)
    np.testing.assert_allclose(found, truth, rtol=1e-4)


@pytest.mark.parametrize("r_ref", [0.8, 2.0, 150.0])
@pytest.mark.parametrize("e0", [60.0, 308.56, 440.0])
def test_recovers_lloyd_taylor(r_ref, e0):
    """Slow and fast responses come back alike."""
    kelvin = np.linspace(-15, 30, 200) + KELVIN
    found = fit_equation(known.LLOYD_TAYLOR, [kelvin], lloyd_taylor(kelvin, r_ref, e0), seed=3)
    np.testing.assert_allclose(found, (r_ref, e0), rtol=1e-4)


def test_outliers_hardly_matter():
    """Some wild values move the robust fit far less than they move least squares."""
    rng = np.random.default_rng(0)
    kelvin = rng.uniform(265, 300, 300)
    flux = lloyd_taylor(kelvin, 60.0, 250.0) + rng.normal(0, 2, 300)
    flux[:15] += 400
    assert abs(fit_equation(known.LLOYD_TAYLOR, [kelvin], flux)[0] - 60) < 4


def test_weights_count():
    """Rows of no weight do not pull."""
    kelvin = np.linspace(265, 300, 100)
    flux = lloyd_taylor(kelvin, 60.0, 250.0)
    wrong = np.arange(100) % 2 == 1
    found = fit_equation(known.LLOYD_TAYLOR, [kelvin], np.where(wrong, 500.0, flux), weight=np.where(wrong, 0.0, 1.0))
    np.testing.assert_allclose(found, (60, 250), rtol=1e-4)


def test_stays_inside_its_bounds():
    """Respiration that falls with temperature ends at the lower bound of E0, not beyond, and has no error there."""
    kelvin = np.linspace(270, 300, 50)
    flux = 100 - (kelvin - 270)
    found = fit_equation(known.LLOYD_TAYLOR, [kelvin], flux)
    assert found[1] == pytest.approx(20, abs=1e-3)
    errors = standard_errors(known.LLOYD_TAYLOR, [kelvin], flux, values=[found[0], 20.0], group=np.arange(50) % 5)
    assert np.isfinite(errors[0]) and np.isnan(errors[1])


def test_standard_errors_are_the_scatter_of_repeats():
    """Over many draws of sites the parameters scatter as much as their standard errors say."""
    kelvin = np.tile(np.linspace(268, 300, 12), 40)
    group = np.repeat(np.arange(40), 12)
    found, errors = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        flux = lloyd_taylor(kelvin, 60 + rng.normal(0, 8, 40)[group], 250.0) + rng.normal(0, 3, kelvin.size)
        found.append(fit_equation(known.LLOYD_TAYLOR, [kelvin], flux, starts=1, exact=False))
        errors.append(standard_errors(known.LLOYD_TAYLOR, [kelvin], flux, values=found[-1], group=group))
    ratio = np.mean(errors, axis=0) / np.std(found, axis=0, ddof=1)
    assert ((ratio > 0.7) & (ratio < 1.4)).all()


def test_one_group_tells_no_error():
    """With a single site nothing is known about others."""
    kelvin = np.linspace(268, 300, 30)
    assert np.isnan(standard_errors(known.LLOYD_TAYLOR, [kelvin], lloyd_taylor(kelvin, 60., 250.), values=(60., 250.),
                                    group=np.zeros(30))).all()


def test_missing_drivers_are_named():
    """All that is missing is named, with what could stand for it."""
    with pytest.raises(ConfigError, match=r"tpgpp needs precipitation \(precip\) and gross primary production \(gpp\); "
                                          "the features are ta, lai"):
        known.TPGPP.columns(("ta", "lai"))
    assert known.TPGPP.columns(("gpp", "lst_day", "precip", "ts")) == [3, 2, 0]
