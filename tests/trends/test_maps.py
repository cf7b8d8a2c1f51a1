"""Trend maps: the kernel, the reference engine and the invariants both must keep."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.errors import Cancelled, ConfigError
from reco_core.progress import Progress
from reco_core.trends import mann_kendall, theil_sen, trend_maps, trend_units
from reco_core.trends.maps import NAMES


def world(n=20, pixels=150, gaps=0.0, ties=False, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, pixels)) + rng.normal(size=pixels) * np.arange(n)[:, None] / 10 + 5
    if ties:
        values = np.round(values, 0)
    values[rng.random(values.shape) < gaps] = np.nan
    return values.astype("float32")


@pytest.mark.parametrize("n", [5, 20, 61])
@pytest.mark.parametrize(("gaps", "ties"), [(0.0, False), (0.0, True), (0.15, True)])
def test_equals_the_plain_functions(n, gaps, ties):
    """The kernel gives what the one-series functions give, ties and gaps included."""
    values, times = world(n, 60, gaps, ties), 1990.0 + np.arange(n)
    maps = trend_maps(values, times, min_n=3)
    for k in range(values.shape[1]):
        test, sen = mann_kendall(values[:, k]), theil_sen(values[:, k], times)
        assert maps["n"][k] == test.n
        if test.n >= 3:
            assert maps["s"][k] == test.s
            assert maps["p"][k] == pytest.approx(test.p, abs=1e-15)
            got = [maps[name][k] for name in ("slope", "low", "high")]
            assert got == [sen.slope, sen.low, sen.high]
            mean = np.nanmean(values[:, k].astype("float64"))
            assert maps["relative"][k] == pytest.approx(100 * sen.slope / mean, rel=1e-9)


@pytest.mark.parametrize(("n", "gaps", "ties"), [(20, 0.0, False), (20, 0.2, True), (48, 0.1, False)])
def test_equals_pymannkendall(n, gaps, ties):
    """Both engines agree; gaps too, since pymannkendall keeps the positions of what is there."""
    pytest.importorskip("pymannkendall")
    values, times = world(n, 40, gaps, ties, seed=4), 2001 + np.arange(n) / 12
    own = trend_maps(values, times, min_n=5)
    reference = trend_maps(values, times, min_n=5, engine="reference")
    assert np.array_equal(own["s"], reference["s"], equal_nan=True)
    for name in NAMES:
        np.testing.assert_allclose(own[name], reference[name], rtol=1e-9, atol=1e-13, err_msg=name)


def test_missing_years_in_the_axis():
    """Years that are absent altogether count as gaps in both engines."""
    years = np.array([2001.0, 2002, 2005, 2006, 2010, 2011])
    values = (2.0 * (years - 2000) + np.array([0, 1, 0, -1, 0, 1]))[:, None]
    own = trend_maps(values, years, min_n=3)
    reference = trend_maps(values, years, min_n=3, engine="reference")
    assert own["slope"][0] == pytest.approx(reference["slope"][0], rel=1e-12)
    assert own["slope"][0] == pytest.approx(theil_sen(values[:, 0], years).slope, rel=1e-12)


def test_reference_refuses_uneven_times():
    """The reference engine says that it cannot take uneven times."""
    with pytest.raises(ConfigError, match="evenly spaced"):
        trend_maps(np.zeros((4, 1)), [1.0, 2.0, 3.4, 4.0], engine="reference")


def test_scale_and_shift():
    """A linear change of the values scales slopes and leaves p alone."""
    values, times = world(24, 80).astype("float64"), np.arange(24.0)
    plain, changed = trend_maps(values, times), trend_maps(-2.5 * values + 7, times)
    np.testing.assert_allclose(changed["slope"], -2.5 * plain["slope"], rtol=1e-9)
    np.testing.assert_allclose(changed["low"], -2.5 * plain["high"], rtol=1e-9)
    np.testing.assert_allclose(changed["p"], plain["p"], rtol=1e-12)
    stretched = trend_maps(values, 10 * times)
    np.testing.assert_allclose(10 * stretched["slope"], plain["slope"], rtol=1e-9)


def test_reversal():
    """Read backwards, slope and score change their sign and p stays."""
    values, times = world(25, 80, ties=True), np.arange(25.0)
    plain, backwards = trend_maps(values, times), trend_maps(values[::-1], times)
    assert np.array_equal(backwards["s"], -plain["s"])
    assert np.array_equal(backwards["p"], plain["p"])
    np.testing.assert_allclose(backwards["slope"], -plain["slope"], atol=1e-15)


def test_interval_holds_the_slope():
    """The interval encloses the slope, and covers the true one about as often as it says."""
    rng = np.random.default_rng(1)
    truth = 0.05
    maps = trend_maps(truth * np.arange(30)[:, None] + rng.normal(size=(30, 4000)), np.arange(30.0))
    assert ((maps["low"] <= maps["slope"]) & (maps["slope"] <= maps["high"])).all()
    covered = ((maps["low"] <= truth) & (truth <= maps["high"])).mean()
    assert 0.93 < covered < 0.97


def test_false_alarms():
    """Without a trend p is below 0.05 in about one pixel of twenty."""
    maps = trend_maps(np.random.default_rng(2).normal(size=(30, 4000)), np.arange(30.0))
    assert 0.035 < (maps["p"] < 0.05).mean() < 0.065


def test_exact_p_is_an_option():
    """exact=True changes p of short series without ties only."""
    values = np.stack([np.arange(8.0), [0, 1, 1, 2, 3, 4, 5, 6]], axis=1)
    plain, exact = (trend_maps(values, np.arange(8), min_n=5, exact=e) for e in (False, True))
    assert exact["p"][0] == pytest.approx(2 / 40320, rel=1e-9)
    assert exact["p"][1] == plain["p"][1]


def test_few_values_and_constants():
    """Too few values give nodata but keep n; a constant gives p = 1; a mean of zero has no relative slope."""
    values = np.full((12, 4), np.nan)
    values[:9, 0] = np.arange(9)
    values[:, 1] = 3.0
    values[:, 2] = np.arange(12) - 5.5
    maps = trend_maps(values, np.arange(12))
    assert np.isnan(maps["slope"][0]) and np.isnan(maps["p"][0]) and maps["n"][0] == 9
    assert (maps["slope"][1], maps["p"][1], maps["relative"][1]) == (0, 1, 0)
    assert maps["slope"][2] == 1 and np.isnan(maps["relative"][2])
    assert maps["n"][3] == 0 and np.isnan(maps["slope"][3])


def test_infinite_values_are_missing():
    """Infinities never reach a slope."""
    values = world(15, 1).astype("float64")
    values[3] = np.inf
    assert trend_maps(values, np.arange(15))["n"][0] == 14


def test_pieces_give_the_same_bits():
    """A map cut into pieces gives the same bits as the whole map."""
    values = world(20, 5000, 0.05)
    whole = trend_maps(values, np.arange(20.0))
    parts = [trend_maps(values[:, a:a + 777], np.arange(20.0)) for a in range(0, 5000, 777)]
    for name in NAMES:
        assert np.array_equal(whole[name], np.concatenate([p[name] for p in parts]), equal_nan=True)


def test_cancel():
    """A long computation can be stopped."""
    with pytest.raises(Cancelled):
        trend_maps(world(20, 20000), np.arange(20.0), progress=Progress(stopped=lambda: True))


def test_wrong_calls():
    """Times that do not fit are a programming mistake; an unknown engine is a user's."""
    with pytest.raises(ValueError):
        trend_maps(np.zeros((3, 1)), [1, 2])
    with pytest.raises(ValueError):
        trend_maps(np.zeros((3, 1)), [1, 3, 2])
    with pytest.raises(ConfigError):
        trend_maps(np.zeros((3, 1)), [1, 2, 3], engine="fast")


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, float("nan")])
def test_levels_that_are_none(level):
    """An interval of all or of nothing is refused; its ends would lie outside the slopes."""
    for call in (lambda: trend_maps(world(12, 4), np.arange(12), level=level),
                 lambda: theil_sen(np.arange(12.0), level=level)):
        with pytest.raises(ConfigError, match="level") as caught:
            call()
        assert "0.95" in caught.value.hint


@pytest.mark.parametrize("engine", ["own", "reference", "torch"])
def test_one_time_step(engine):
    """One value has no trend, and is counted."""
    if engine != "own":
        pytest.importorskip({"torch": "torch", "reference": "pymannkendall"}[engine])
    maps = trend_maps(np.array([[1.0, np.nan]]), [2001.0], engine=engine)
    assert maps["n"].tolist() == [1, 0] and np.isnan([maps["slope"], maps["p"]]).all()


def test_units():
    """A slope is per year: of yearly fluxes per year and year."""
    assert trend_units("g C m-2 yr-1")[:3] == ("g C m-2 yr-2", "% yr-1", "1")
    assert trend_units("degC")[0] == "degC yr-1" and trend_units("")[0] == "yr-1"


def test_brooks_range(real_data):
    """Annual NDVI of the Brooks Range gives the slopes, tau and p that base R gave."""
    pd, xr = pytest.importorskip("pandas"), pytest.importorskip("xarray")
    table = pd.read_csv(real_data("reference_values/grid_trend_base_r") / "gimms_ndvi_brooksrange_annualmean_trend.csv")
    with xr.open_dataset(real_data("grid_ndvi_evi_timeseries") / "gimms_ndvi_brooksrange.nc") as ds:
        cube = ds["ndvi"].transpose("time", "lat", "lon").values.astype("float64")
    annual = cube.reshape(30, 12, -1).mean(axis=1)
    maps = trend_maps(annual, 1982.0 + np.arange(30))
    assert np.isfinite(maps["slope"]).sum() == table["sen_slope_per_year"].notna().sum() == 590
    np.testing.assert_allclose(maps["slope"], table["sen_slope_per_year"], atol=1e-9)
    np.testing.assert_allclose(maps["p"], table["p_value"], rtol=1e-6)
