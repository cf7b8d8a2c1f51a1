"""SPEI and SPI: against R, against climate_indices, and what must hold for any series."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from reco_core.drivers import water_balance
from reco_core.drivers.water_balance import pet, spei, spi
from reco_core.errors import Cancelled, ConfigError, GridError, SchemaError
from reco_core.progress import Progress

START = np.datetime64("1980-01")
SPEI_1 = (1.3466, -0.0263, 1.1074, -0.5056, -0.3725, -1.4959)
ONE_MONTH = (-85, -42, -30, -18, -12, -5, 0, 3, 8, 12, 17, 22, 26, 31, 38, 45, 55, 66, 90, 140)


@pytest.fixture
def wichita(real_data):
    """Climate of Wichita 1980-2011, with the water balance of Thornthwaite's PET."""
    table = pd.read_csv(real_data("reference_values/spei_r/input_wichita.csv"))
    table["BAL"] = table.PRCP - pet("thornthwaite", ta=table.TMED.values, lat=37.6475)
    return table


@pytest.fixture
def stored(real_data):
    """Return a function from a name to the values that the R package SPEI stored."""
    return lambda name: pd.read_csv(real_data(f"reference_values/spei_r/{name}.csv"))["V1"].to_numpy()


@pytest.fixture
def other(real_data):
    """Precipitation, PET, SPI-6 and SPEI-6 of climate_indices."""
    return pd.read_csv(real_data("reference_values/climate_indices_py/monthly_inputs_and_indices.csv"))


def same(ours, theirs, tolerance):
    """Check that values agree, missing ones at the same places."""
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))
    both = np.isfinite(theirs)
    assert np.array_equal(ours[np.isinf(theirs)], theirs[np.isinf(theirs)])
    assert np.abs(ours[both] - theirs[both]).max() < tolerance


def rain(months=240, pixels=6, seed=0, shape=2.0):
    """Return precipitation of shape (months, pixels) [mm month-1]."""
    return np.random.default_rng(seed).gamma(shape, 40.0, (months, pixels))


@pytest.mark.parametrize(("name", "scale", "calibration"), [
    ("spei_1_vector", 1, None), ("spei_12_vector", 12, None), ("spei_refst_refend", 12, slice(108, 300))])
def test_spei_of_r(wichita, stored, name, scale, calibration):
    """SPEI 1 and 12, and that of a reference period (1989-2004), are those of the R package to 1e-9."""
    same(spei(wichita.BAL.values, scale, calibration=calibration, clip=None), stored(name), 1e-9)


def test_values_of_the_specification(wichita):
    """SPEI 1, 12, 24 and 36 of Wichita are those that the specification lists, to its digits."""
    balance = wichita.BAL.values
    assert spei(balance, 1)[:6] == pytest.approx(SPEI_1, abs=6e-5)
    assert spei(balance, 12)[11:60:12] == pytest.approx((-1.7298, -0.7267, -0.4855, 0.8189, -0.4694), abs=6e-5)
    assert spei(balance, 24)[23:48:12] == pytest.approx((-1.9348, -0.9070, 0.2653), abs=6e-5)
    assert spei(balance, 36)[35:48:12] == pytest.approx((-1.8231, -0.3130), abs=6e-5)


def test_twenty_values():
    """Twenty years of one month give the scores, mean and spread that were worked out by hand."""
    scores = spei(np.repeat(np.array(ONE_MONTH, float), 12), 1)[::12]
    assert scores[[0, -1]] == pytest.approx((-2.23467, 2.09715), abs=5e-6)
    assert (scores.mean(), scores.std(ddof=1)) == pytest.approx((0.0076, 0.9918), abs=5e-5)


def test_calibration_is_by_position_year_or_date(wichita):
    """A reference period may be told as positions, as years and as dates."""
    times = START + np.arange(len(wichita))
    by_slice = spei(wichita.BAL.values, calibration=slice(108, 300))
    days = np.array(["1989-01-01", "2004-12-31"], dtype="datetime64[D]")
    for calibration in ((1989, 2004), ("1989-01", "2004-12"), days):
        assert np.array_equal(spei(wichita.BAL.values, calibration=calibration, times=times), by_slice, equal_nan=True)


def test_spi_of_r(wichita, stored):
    """SPI 12 by probability weighted moments is that of the R package to 1e-6, SPI 1 in months never without rain."""
    precip = wichita.PRCP.values
    same(spi(precip, 12, distribution="gamma_pwm", clip=None), stored("spi_12_vector"), 1e-6)
    ours, theirs = spi(precip, 1, distribution="gamma_pwm", clip=None), stored("spi_1_vector")
    month = np.arange(precip.size) % 12
    dry = np.isin(month, month[precip == 0])
    same(ours[~dry], theirs[~dry], 1e-6)
    for number in np.unique(month[dry]):  # the stored values leave out the probability of no rain
        at = (month == number) & (precip > 0)
        none = np.mean(precip[month == number] == 0)
        assert ndtri((ndtr(ours[at]) - none) / (1 - none)) == pytest.approx(theirs[at], abs=1e-6)
        assert ours[(month == number) & (precip == 0)] == pytest.approx(ndtri(none))


def test_gamma_of_climate_indices(other):
    """SPI-6 and SPEI-6 with a gamma distribution are those of climate_indices: 1e-9 and 1e-5."""
    same(spi(other.precips_mm_monthly.values, 6, clip=3.09), other.spi_06_gamma.values, 1e-9)
    balance = (other.precips_mm_monthly - other.pet_thornthwaite).values
    same(spei(balance, 6, distribution="gamma", clip=3.09), other.spei_06_gamma.values, 1e-5)


@pytest.mark.parametrize("distribution", ["log_logistic", "gamma", "gamma_pwm"])
def test_gaps(distribution):
    """Sums that touch a gap are missing, the others are fitted without it; whole and missing pixels do not mix."""
    values = rain()
    values[100, 0] = np.nan
    values[:, 1] = np.nan
    scores = spei(values - 60, 3, distribution=distribution)
    missing = np.isnan(scores)
    assert missing[:, 0].nonzero()[0].tolist() == [0, 1, 100, 101, 102]
    assert missing[:, 1].all() and not missing[2:, 2:].any()
    alone = spei(values[:, 0] - 60, 3, distribution=distribution)
    assert np.array_equal(scores[:, 0], alone, equal_nan=True)
    others = [month for month in range(240) if month % 12 not in (4, 5, 6)]
    whole = spei(rain()[:, 0] - 60, 3, distribution=distribution)
    assert np.array_equal(scores[others, 0], whole[others], equal_nan=True)


def test_months_that_lack():
    """Months that are not there count as missing."""
    times = np.arange("2000-01", "2020-01", dtype="datetime64[M]")
    values, keep = rain() - 60, np.delete(np.arange(240), [50, 51])
    holes = values.copy()
    holes[[50, 51]] = np.nan
    assert np.array_equal(spei(values[keep], 3, times=times[keep]), spei(holes, 3, times=times)[keep], equal_nan=True)


def test_first_month():
    """The calendar month counts: a series from July is fitted by its own months."""
    values = rain() - 60
    whole = spei(values, 1)
    later = spei(values[6:], 1, first_month=7, calibration=slice(6, None))
    assert later[:, 0] == pytest.approx(spei(values, 1, calibration=slice(12, None))[6:, 0])
    assert not np.allclose(later, whole[6:])


@pytest.mark.parametrize("years", [3, 4])
def test_fewer_than_four_values(years):
    """Three values of a calendar month have no distribution; four have."""
    assert np.isfinite(spei(rain(12 * years) - 60, 1)).all() == (years == 4)


def test_no_spread():
    """Months whose values do not differ have no index, whatever the scale; others of the pixel have."""
    values = rain()
    values[:, 0] = 17.3
    values[5::12, 1] = 3.0
    for distribution in water_balance.DISTRIBUTIONS:
        one, three = (np.isnan(spei(values, scale, distribution=distribution)) for scale in (1, 3))
        assert one[:, 0].all() and three[:, 0].all()
        assert one[5::12, 1].all() and not np.delete(one[:, 1], np.s_[5::12]).any()


def test_clip():
    """Values beyond the range of a distribution are set to the largest one, or infinite without."""
    values = rain(480) - 60
    values[470] = -1e5
    fitted = slice(0, 240)
    assert (spei(values, 1, calibration=fitted)[470] == -8).all()
    assert (spei(values, 1, calibration=fitted, clip=2.0)[470] == -2).all()
    assert np.nanmax(spei(values, 1, clip=2.0)) <= 2.0
    free = spei(values, 1, calibration=fitted, clip=None)[470]
    assert (free < -8).all() and np.isneginf(free).any()


def test_no_rain_has_its_own_probability():
    """In a month that is dry in half of the years 0 gets the score of one half, and the rest lies above."""
    values = rain(480, 1)[:, 0]
    values[6::24] = 0.0
    scores = spi(values, 1)
    assert scores[6::24] == pytest.approx(0.0, abs=1e-12)
    assert scores[18::24].min() > 0
    values[6::12] = 0.0
    assert np.isnan(spi(values, 1)[6::12]).all()


def test_shapes_and_types():
    """Any trailing shape is kept, float32 stays float32, integers and lists become float64."""
    values = (rain(120, 6) - 60).astype("float32").reshape(120, 2, 3)
    scores = spei(values, 3)
    assert scores.shape == values.shape and scores.dtype == np.float32
    assert scores[:, 1, 2] == pytest.approx(spei(values[:, 1, 2].astype(float), 3), abs=1e-5, nan_ok=True)
    listed = spei(list(range(60)), 1)
    assert listed.dtype == np.float64 and listed.shape == (60,)
    assert np.array_equal(spei(values.transpose(0, 2, 1), 3), scores.transpose(0, 2, 1), equal_nan=True)


def test_many_pixels_are_those_alone():
    """Blocks and threads do not mix pixels: each of 10 000 is what it is by itself."""
    values = rain(60, 10_000) - 60
    for distribution in ("log_logistic", "gamma"):
        scores = spei(values, 2, distribution=distribution)
        for pixel in (0, 127, 128, 4095, 4096, 9999):
            alone = spei(values[:, pixel], 2, distribution=distribution)
            assert np.array_equal(scores[:, pixel], alone, equal_nan=True)


def test_data_array():
    """A DataArray comes back as one: dimensions in their order, coordinates, the months of its calendar."""
    times = np.arange("2001-07", "2021-07", dtype="datetime64[M]").astype("datetime64[ns]")
    values = xr.DataArray(rain().reshape(240, 2, 3) - 60, dims=("time", "y", "x"), coords={"time": times, "y": [2, 1]})
    scores = spei(values.transpose("y", "x", "time"), 6, calibration=(2002, 2015))
    assert scores.dims == ("y", "x", "time") and scores.attrs["units"] == "1" and "y" in scores.coords
    plain = spei(values.values, 6, first_month=7, calibration=slice(6, 174))
    assert np.array_equal(scores.transpose("time", "y", "x").values, plain, equal_nan=True)


@given(st.floats(1e-3, 1e3), st.floats(-1e3, 1e3), st.sampled_from([1, 3, 12]), st.integers(0, 50))
@example(1.0, 0.0, 12, 0)
def test_linear_changes_leave_spei(factor, shift, scale, seed):
    """SPEI of a D + b is that of D."""
    values = rain(120, 1, seed)[:, 0] - 60
    assert spei(factor * values + shift, scale) == pytest.approx(spei(values, scale), abs=1e-6, nan_ok=True)


@given(st.integers(0, 10_000), st.sampled_from(["log_logistic", "gamma", "gamma_pwm"]))
def test_index_rises_with_the_balance(seed, distribution):
    """A larger balance of a calendar month has no smaller index; mean and spread are near 0 and 1."""
    values = rain(480, 1, seed)[:, 0] - 60
    scores = spei(values, 1, distribution=distribution)
    for month in range(12):
        ordered = scores[month::12][np.argsort(values[month::12])]
        assert (np.diff(ordered) >= 0).all()
    assert abs(scores.mean()) < 0.1 and 0.9 < scores.std() < 1.1


@given(st.lists(st.one_of(st.floats(-500, 500), st.just(np.nan)), min_size=48, max_size=90), st.integers(1, 14))
def test_any_series(values, scale):
    """Whatever the numbers, the index is missing or within the largest value, and missing where the sum is."""
    for distribution in water_balance.DISTRIBUTIONS:
        scores = spei(values, scale, distribution=distribution)
        assert (np.isnan(scores) | (np.abs(scores) <= 8)).all()
        sums = np.convolve(np.isnan(values), np.ones(scale))[:len(values)] > 0
        assert np.isnan(scores[:scale - 1]).all() and np.isnan(scores[sums]).all()


@pytest.mark.parametrize(("change", "error", "words"), [
    ({"scale": 0}, ConfigError, "scale of 0"), ({"scale": 1.5}, ConfigError, "1.5"),
    ({"scale": 61}, GridError, "longer than the series of 60"),
    ({"distribution": "weibull"}, ConfigError, "weibull"), ({"clip": 0}, ConfigError, "clipped to 0"),
    ({"calibration": (1950, 1960), "times": START + np.arange(60)}, ConfigError, "1980-01 to 1984-12"),
    ({"calibration": (1981, 1980), "times": START + np.arange(60)}, ConfigError, "no calibration period"),
    ({"calibration": (1981, 1982)}, ConfigError, "needs dates"), ({"calibration": slice(70, 80)}, ConfigError, "70:80"),
    ({"calibration": "always"}, ConfigError, "always"), ({"first_month": 13}, ConfigError, "month 13"),
    ({"times": START + np.arange(59)}, ConfigError, "59 times for 60 values"),
    ({"times": np.datetime64("2001-01-01") + np.arange(60)}, GridError, "one day"),
    ({"times": np.datetime64("2001-01-01") + 8 * np.arange(60)}, GridError, "one 8day"),
    ({"times": np.datetime64("1950") + np.arange(60)}, GridError, "one year"),
    ({"times": START - np.arange(60)}, GridError, "do not increase")])
def test_bad_input(change, error, words):
    """What cannot be is refused with what was seen and what to do."""
    with pytest.raises(error, match=words) as caught:
        spei(rain(60) - 60, **{"scale": 1, **change})
    assert caught.value.hint


def test_daily_data_is_sent_to_aggregate():
    """Daily series are refused, and the step that makes months of them is named."""
    with pytest.raises(GridError) as caught:
        spei(rain(60), 1, times=np.datetime64("2001-01-01") + np.arange(60))
    assert "aggregate" in caught.value.hint


def test_bad_precipitation():
    """Negative rain, one number and arrays without time are no series of rain."""
    values = rain(60)
    values[7, 2] = -5
    with pytest.raises(SchemaError, match=r"-5 at position \(7, 2\)"):
        spi(values, 1)
    with pytest.raises(GridError, match="no series"):
        spei(3.0, 1)
    with pytest.raises(GridError, match="no time"):
        spei(xr.DataArray(rain(60), dims=("month", "x")), 1)


def test_cancelling():
    """A run that is stopped ends with Cancelled."""
    with pytest.raises(Cancelled):
        spei(rain(60, 20_000) - 60, 1, progress=Progress(stopped=lambda: True))


def test_pet_of_data_arrays(wichita):
    """PET of DataArrays takes time and latitude from coordinates and comes back labelled."""
    times = (START + np.arange(len(wichita))).astype("datetime64[ns]")
    ta = xr.DataArray(np.stack([wichita.TMED, wichita.TMED], axis=1), dims=("time", "lat"),
                      coords={"time": times, "lat": [37.6475, -37.6475]})
    made = pet("thornthwaite", ta=ta)
    assert made.dims == ("time", "lat") and made.attrs["units"] == "mm month-1"
    plain = pet("thornthwaite", ta=wichita.TMED.values, lat=37.6475, times=times)
    assert np.array_equal(made.values[:, 0], plain)
    assert made.values[6, 1] < made.values[6, 0]
    with pytest.raises(ConfigError, match="latitude"):
        pet("thornthwaite", ta=ta.rename(lat="y"))


def test_pet_says_what_lacks():
    """Unknown methods and drivers that lack are named."""
    with pytest.raises(ConfigError, match="turc"):
        pet("turc", ta=[1.0])
    with pytest.raises(ConfigError, match="tmax is not there"):
        pet("hargreaves", tmin=[1.0] * 12, lat=40)
    with pytest.raises(ConfigError, match="latitude"):
        pet("thornthwaite", ta=[1.0] * 12)
