"""The temperature response of Lloyd and Taylor: numbers, recovery, and its use as a model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reco_core.errors import ArtifactError, ConfigError, SampleError
from reco_core.models.semi_empirical import LloydTaylor, fit_lloyd_taylor, lloyd_taylor
from tables import make_table


def test_numbers():
    """With a reference of 1 at 10 degC the response is as computed by hand at six temperatures."""
    found = lloyd_taylor(np.array([-10, 0, 10, 20, 30, 40]) + 273.15, 1.0, 308.56)
    np.testing.assert_allclose(found, [0.046967, 0.302136, 1, 2.303196, 4.259284, 6.827510], atol=5e-7)


def test_below_its_range():
    """Near the temperature of zero respiration and below it there is none; a gap stays a gap."""
    found = lloyd_taylor(np.array([227.13, 228.13, 100.0, np.nan, 228.2]), 5.0, 308.56)
    assert found[:3].tolist() == [0, 0, 0] and np.isnan(found[3]) and found[4] >= 0


@pytest.mark.parametrize(("r_ref", "e0"), [(0.8, 60.0), (2.0, 308.56), (75.0, 200.0), (150.0, 440.0)])
def test_recovers_its_parameters(r_ref, e0):
    """Without noise the parameters come back to 1e-4, whatever the unit of respiration."""
    kelvin = np.linspace(-15, 30, 200) + 273.15
    found = fit_lloyd_taylor(kelvin, lloyd_taylor(kelvin, r_ref, e0), seed=3)
    np.testing.assert_allclose(found, (r_ref, e0), rtol=1e-4)


def test_outliers_hardly_matter():
    """Some wild values move the robust fit far less than they move least squares."""
    rng = np.random.default_rng(0)
    kelvin = rng.uniform(265, 300, 300)
    flux = lloyd_taylor(kelvin, 60.0, 250.0) + rng.normal(0, 2, 300)
    flux[:15] += 400
    r_ref, _ = fit_lloyd_taylor(kelvin, flux)
    assert abs(r_ref - 60) < 4


def test_stays_inside_its_bounds():
    """Respiration that falls with temperature ends at the lower bound of E0, not beyond."""
    kelvin = np.linspace(270, 300, 50)
    assert fit_lloyd_taylor(kelvin, 100 - (kelvin - 270))[1] == pytest.approx(20, abs=1e-3)


def model(table, **options):
    return LloydTaylor(**options).fit(table.X, table.y, group=table.group, stratum=table.stratum, seeds=(1,),
                                      features=table.features)


def truth():
    """Return samples with a known response in each class."""
    table = make_table()
    base = {"ENF": 40.0, "GRA": 80.0, "DBF": 120.0}
    r_ref = np.array([base[label] for label in table.stratum])
    y = lloyd_taylor(table.X[:, 0] + 273.15, r_ref, 200.0)
    return replace(table, y=y)


def test_per_class():
    """One fit per class recovers each class; one for all cannot. A class it does not know gets that of all."""
    table = truth()
    own = model(table, per_class=True)
    np.testing.assert_allclose(own.predict(table.X, stratum=table.stratum), table.y, rtol=1e-4)
    whole = model(table)
    assert np.abs(whole.predict(table.X) - table.y).mean() > 10
    np.testing.assert_allclose(own.predict(table.X, stratum=np.full(len(table), "MF")), whole.predict(table.X))


def test_soil_temperature_comes_first():
    """ts is taken where it is among the features, else ta, else the model refuses."""
    table = truth()
    two = replace(table, X=np.column_stack([table.X[:, 0] + 99, table.X[:, 0]]), features=("ta", "ts"))
    np.testing.assert_allclose(model(two, per_class=True).predict(two.X, stratum=two.stratum), two.y, rtol=1e-4)
    with pytest.raises(ConfigError, match="needs soil or air temperature"):
        LloydTaylor().check(("lai", "vpd"))


def test_contributions():
    """All of the difference to the mean estimate belongs to temperature; the sum is the estimate."""
    table = truth()
    fitted = model(table, per_class=True)
    phi = fitted.contributions(table.X, stratum=table.stratum)
    np.testing.assert_allclose(phi.sum(axis=1), fitted.predict(table.X, stratum=table.stratum), atol=1e-9)
    assert (phi[:, 1:3] == 0).all()
    for label in ("ENF", "GRA", "DBF"):
        mine = table.stratum == label
        assert phi[mine, 0].mean() == pytest.approx(0, abs=1e-9)
        assert phi[mine, -1] == pytest.approx(fitted.predict(table.X[mine], stratum=table.stratum[mine]).mean())


def test_parts_and_refusals():
    """The model survives its parts; it takes no settings and needs classes where it has them."""
    table = truth()
    fitted = model(table, per_class=True)
    back = LloydTaylor.from_parts(*fitted.to_parts())
    np.testing.assert_array_equal(back.predict(table.X, stratum=table.stratum),
                                  fitted.predict(table.X, stratum=table.stratum))
    with pytest.raises(ArtifactError, match="no classes are given"):
        fitted.predict(table.X)
    with pytest.raises(ConfigError, match="has no settings"):
        LloydTaylor(settings="robust").check(("ta",))


def test_too_few_temperatures():
    """With hardly any temperature there is nothing to fit."""
    table = truth()
    X = table.X.copy()
    X[2:, 0] = np.nan
    with pytest.raises(SampleError, match="Temperature is known in 2 samples"):
        model(replace(table, X=X))
