"""Equations as models: classes, drivers, contributions, what is kept, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reco_core.errors import ArtifactError, ConfigError, SampleError
from reco_core.models import equation_table as known
from reco_core.models.base import FittedModel
from reco_core.models.ensemble import Recipe, fit_folds
from reco_core.models.equations import KELVIN, lloyd_taylor
from reco_core.models.registry import make_model, model_class
from reco_core.models.semi_empirical import LgsLike, LloydTaylor
from reco_core.models.table import Table
from tables import make_table
from wide_world import EQUATIONS, SETTINGS, wide_samples

OLD = {"per_class": True, "column": 0, "width": 3, "classes": ["DBF", "ENF", "GRA"],
       "base": {"DBF": 80.44084714846431, "ENF": 76.47724301785095, "GRA": 75.9688833566981, "all": 77.63192525379293},
       "parameters": {"DBF": [70.67090547950383, 176.3520172478566], "ENF": [68.51848269716342, 186.79293535006562],
                      "GRA": [66.80145690973114, 190.58675320620887], "all": [68.6662307221256, 184.40005399387775]}}


def fitted(model, table, **options):
    return model_class(model)(**options).fit(
        table.X, table.y, group=table.group, stratum=table.stratum, seeds=(1,), features=table.features,
        shared={"days": 30.4375} if model == "tang2020" else None)


def truth():
    """Return samples with a known response in each class."""
    table = make_table()
    base = {"ENF": 40.0, "GRA": 80.0, "DBF": 120.0}
    r_ref = np.array([base[label] for label in table.stratum])
    y = lloyd_taylor(table.X[:, 0] + KELVIN, r_ref, 200.0)
    return replace(table, y=y)


def wide_table(name):
    return Table.of(wide_samples((*EQUATIONS[name], "soc_0"), towers=12, years=2))


def test_the_same_as_before():
    """Parameters, base values and what is kept are those of models fitted before other equations came."""
    table = make_table()
    model = fitted("lloyd_taylor", table, per_class=True, classes=("DBF", "ENF", "GRA"))
    meta = model.to_parts()[0]
    for key, wanted in OLD.items():
        assert meta[key] == pytest.approx(wanted, rel=1e-9) if key == "base" else True
    for label, values in OLD["parameters"].items():
        np.testing.assert_allclose(meta["parameters"][label], values, rtol=1e-9)
    before = LloydTaylor.from_parts(OLD, {})
    np.testing.assert_allclose(before.predict(table.X[:3], stratum=table.stratum[:3]),
                               [69.54708187492874, 88.85563860313398, 113.25429648455197], rtol=1e-12)
    np.testing.assert_allclose(model.contributions(table.X, stratum=table.stratum),
                               before.contributions(table.X, stratum=table.stratum), rtol=1e-9)
    assert np.isnan([row.error for row in before.parameters()]).all()


def test_per_class():
    """One fit per class recovers each class; one for all cannot. A class it does not know gets that of all."""
    table = truth()
    own = fitted("lloyd_taylor", table, per_class=True, classes=("ENF", "GRA", "DBF", "MF"))
    np.testing.assert_allclose(own.predict(table.X, stratum=table.stratum), table.y, rtol=1e-4)
    whole = fitted("lloyd_taylor", table)
    assert np.abs(whole.predict(table.X) - table.y).mean() > 10
    np.testing.assert_allclose(own.predict(table.X, stratum=np.full(len(table), "MF")), whole.predict(table.X))
    assert own.pooled_classes_ == ("MF",) and whole.pooled_classes_ == ()


def test_soil_temperature_comes_first():
    """ts is taken where it is among the features, else ta, else lst_day, else the model refuses."""
    table = truth()
    two = replace(table, X=np.column_stack([table.X[:, 0] + 99, table.X[:, 0]]), features=("ta", "ts"))
    np.testing.assert_allclose(fitted("lloyd_taylor", two, per_class=True).predict(two.X, stratum=two.stratum), two.y,
                               rtol=1e-4)
    LloydTaylor().check(("lai", "lst_day"))
    with pytest.raises(ConfigError, match="needs soil or air temperature"):
        LloydTaylor().check(("lai", "vpd"))


def test_one_driver_takes_all():
    """All of the difference to the mean estimate belongs to temperature; the sum is the estimate."""
    table = truth()
    model = fitted("lloyd_taylor", table, per_class=True)
    phi = model.contributions(table.X, stratum=table.stratum)
    np.testing.assert_allclose(phi.sum(axis=1), model.predict(table.X, stratum=table.stratum), atol=1e-9)
    assert (phi[:, 1:3] == 0).all()
    for label in ("ENF", "GRA", "DBF"):
        mine = table.stratum == label
        assert phi[mine, 0].mean() == pytest.approx(0, abs=1e-9)
        assert phi[mine, -1] == pytest.approx(model.predict(table.X[mine], stratum=table.stratum[mine]).mean())


@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("name", EQUATIONS)
def test_every_method(name, per_class):
    """Each fits, splits its estimate without a rest among its drivers alone, and survives its parts."""
    table = wide_table(name)
    model = fitted(name, table, per_class=per_class, settings=SETTINGS.get(name))
    estimate = model.predict(table.X, stratum=table.stratum)
    phi = model.contributions(table.X, stratum=table.stratum)
    assert np.isfinite(estimate).all()
    np.testing.assert_allclose(phi.sum(axis=1), estimate, rtol=1e-10, atol=1e-9)
    used = {column for fit in model.fits_.values() for column in fit.columns}
    assert all((phi[:, k] == 0).all() == (k not in used) for k in range(len(table.features)))
    assert table.features.index("soc_0") not in used
    back = model_class(name).from_parts(*model.to_parts())
    for one, other in ((back.predict, model.predict), (back.contributions, model.contributions)):
        np.testing.assert_array_equal(one(table.X, stratum=table.stratum), other(table.X, stratum=table.stratum))
    assert [row[:3] for row in back.parameters()] == [row[:3] for row in model.parameters()]


@pytest.mark.parametrize("name", ["tpgpp_lai", "ge_like", "tang2020"])
def test_contributions_are_shapley_values(name):
    """They are those of a slow sum over all orders, with the background that the model keeps."""
    from itertools import permutations

    table = wide_table(name)
    model = fitted(name, table, settings=SETTINGS.get(name))
    fit = model.fits_["all"]
    row = table.X[7, fit.columns]

    def worth(inside):
        mixed = fit.background.copy()
        mixed[:, list(inside)] = row[list(inside)]
        equation = model.equations()[fit.equation]
        return equation.function(equation.scaled(mixed.T), fit.values).mean()

    orders = list(permutations(range(len(row))))
    slow = np.zeros(len(row))
    for order in orders:
        for place, driver in enumerate(order):
            slow[driver] += worth(order[:place + 1]) - worth(order[:place])
    found = model.contributions(table.X[7:8])[0]
    np.testing.assert_allclose(found[list(fit.columns)], slow / len(orders), rtol=1e-9, atol=1e-12)
    assert found[-1] == pytest.approx(worth(()))


def test_linear_contributions_are_distances_from_the_mean():
    """In a sum each driver gives its own term minus the mean of that term."""
    table = wide_table("tang2020")
    model = fitted("tang2020", table, settings=SETTINGS["tang2020"])
    fit = model.fits_["all"]
    phi = model.contributions(table.X)
    for slope, column, others in zip(fit.values[1:], fit.columns, fit.background.T):
        np.testing.assert_allclose(phi[:, column], slope * (table.X[:, column] - others.mean()), atol=1e-9)


def test_tang_is_published_times_days():
    """Nothing is fitted: the estimate is the printed sum times the days of the month, and the settings are checked."""
    table = wide_table("tang2020")
    model = fitted("tang2020", table, settings=SETTINGS["tang2020"])
    evi, lswi, lst = (table.X[:, table.features.index(name)] for name in ("evi", "lswi", "lst_day"))
    np.testing.assert_allclose(model.predict(table.X),
                               30.4375 * (-0.520 + 6.947 * evi + 1.318 * lswi + 0.020 * lst))
    assert model.prepare(table) == {"days": 30.4375} and "Nothing was fitted" in model.remarks()[0]
    for settings, words in ((None, "no type"), ("type=moor", "'moor'"), ("type=alpine_meadow,season=may", "'may'"),
                            ("type=alpine_meadow,colour=red", "'colour'")):
        with pytest.raises(ConfigError, match=words):
            make_model("tang2020", settings=settings).check(table.features)


def test_lgs_chooses_by_held_out_sites():
    """The form and the driver that made the data are chosen, for each class its own."""
    table = wide_table("lgs_like")
    lst, swc = (table.X[:, table.features.index(name)] for name in ("lst_day", "swc"))
    rng = np.random.default_rng(0)
    y = np.where(table.stratum == "EBF", 20 + 4 * swc, 100 / (1 + np.exp(-0.4 * (lst - 12))))
    model = fitted("lgs_like", replace(table, y=y + rng.normal(0, 0.5, len(y))), per_class=True)
    assert model.fits_["EBF"].equation in ("linear in swc", "quadratic in swc")
    assert all(fit.equation == "logistic in lst" for label, fit in model.fits_.items() if label not in ("EBF", "all"))
    assert any(row.name == "equation" and row.value == "logistic in lst" for row in model.parameters())
    with pytest.raises(ConfigError, match="at least one of temperature"):
        LgsLike().check(("soc_0", "lai"))


def test_mmrt_tells_its_optimum():
    """The optimum and the point of fastest growth are among the parameters."""
    table = make_table(noise=0.0, offset=0.0)
    curve = known.MMRT.function([table.X[:, 0] + KELVIN], (40.0, 70e3, -3e3))
    found = {row.name: row.value for row in fitted("mmrt", replace(table, y=curve)).parameters()}
    assert found["t_opt"] == pytest.approx((-3e3 * 278.15 - 70e3) / (-3e3 + 8.314463) - KELVIN, abs=0.01)
    assert 0 < found["t_inf"] < found["t_opt"] and np.isfinite(found["ds"])


def test_parts_and_refusals():
    """The model takes no settings, needs classes where it has them, and survives the whole folder's parts."""
    table = truth()
    model = fitted("lloyd_taylor", table, per_class=True)
    with pytest.raises(ArtifactError, match="no classes are given"):
        model.predict(table.X)
    with pytest.raises(ConfigError, match="has no settings"):
        LloydTaylor(settings="robust").check(("ta",))
    folds = table.group % 3
    whole = fit_folds(wide_table("tpgpp"), wide_table("tpgpp").group % 3, Recipe("tpgpp"), processes=1)
    back = FittedModel.from_parts(*whole.to_parts())
    rows = wide_table("tpgpp").X
    np.testing.assert_array_equal(back.contributions(rows), whole.contributions(rows))
    found = fit_folds(table, folds, Recipe("lloyd_taylor", per_class=True), processes=1)
    assert found.to_parts()[1] == {}


def test_gaps():
    """A missing driver gives a missing estimate, and such rows are not trained on."""
    table = wide_table("tpgpp")
    X = table.X.copy()
    column = table.features.index("precip")
    X[::3, column] = np.nan
    model = fitted("tpgpp", replace(table, X=X))
    kept = np.arange(len(table)) % 3 > 0
    np.testing.assert_array_equal(np.isfinite(model.predict(X)), kept)
    assert model.fits_["all"].values == fitted("tpgpp", table.take(kept)).fits_["all"].values


@pytest.mark.parametrize(("name", "words"), [("lloyd_taylor", "Temperature is known in 2 samples"),
                                             ("tpgpp", "precip and gpp are known in 2 samples")])
def test_too_few_values(name, words):
    """With hardly any value of a driver there is nothing to fit."""
    table = wide_table(name)
    X = table.X.copy()
    X[2:, table.features.index("ta")] = np.nan
    with pytest.raises(SampleError, match=words):
        fitted(name, replace(table, X=X))
