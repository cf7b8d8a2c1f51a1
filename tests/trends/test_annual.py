"""From time steps to years."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.trends import AnnualSeries, decimal_years, trend_maps
from reco_core.trends.methods import positions


def months(first: str, last: str) -> np.ndarray:
    return np.arange(np.datetime64(first, "M"), np.datetime64(last, "M") + 1).astype("datetime64[D]")


def gather(times, time_step, how, cube):
    series = AnnualSeries(times, time_step, how)
    series.start(cube.shape[1:])
    for step, values in enumerate(cube):
        series.add(step, values)
    return series, series.values()


def test_sum_and_mean_of_months():
    """Twelve months become their sum or their mean."""
    times, cube = months("2001-01", "2003-12"), np.arange(36.0)[:, None] * np.ones((36, 2))
    series, total = gather(times, "month", "sum", cube)
    assert series.times.tolist() == [2001, 2002, 2003]
    assert total[:, 0].tolist() == [66, 210, 354]
    assert np.array_equal(gather(times, "month", "mean", cube)[1] * 12, total)


def test_a_missing_month_is_filled_with_its_usual_value():
    """Up to a quarter of a year is filled with the pixel's mean of the same month; more makes it missing."""
    cube = np.arange(36.0)[:, None] * np.ones((36, 3))
    cube[3, 0] = np.nan
    cube[[12, 13, 14, 15], 1] = np.nan
    total = gather(months("2001-01", "2003-12"), "month", "sum", cube)[1]
    assert total[0].tolist() == [66 - 3 + (15 + 27) / 2, 66, 66]
    assert np.isnan(total[1, 1]) and total[1, 0] == total[1, 2] == 210
    mean = gather(months("2001-01", "2003-12"), "month", "mean", cube)[1]
    np.testing.assert_allclose(mean * 12, total, rtol=1e-14)


def test_a_month_that_is_never_there():
    """A month without any value in any year has no usual value: no year is whole."""
    cube = np.ones((24, 2))
    cube[::12, 0] = np.nan
    total = gather(months("2001-01", "2002-12"), "month", "sum", cube)[1]
    assert np.isnan(total[:, 0]).all() and (total[:, 1] == 12).all()


def test_months_that_were_never_added():
    """Months of which nothing is known are missing like the others."""
    series = AnnualSeries(months("2001-01", "2002-12"), "month", "sum")
    series.start((2,))
    for step in range(5, 24):
        series.add(step, np.ones(2))
    values = series.values()
    assert np.isnan(values[0]).all() and values[1].tolist() == [12, 12]


def test_a_series_as_it_is_keeps_its_gaps():
    """Nothing is filled where time steps stay time steps."""
    series = AnnualSeries(months("2001-01", "2001-12"), "month", "none")
    series.start((1,))
    series.add(4, np.array([2.0]))
    assert np.isnan(series.values()[:, 0]).sum() == 11


def test_gaps_at_random_do_not_bend_the_trend():
    """With a tenth of the months missing the slope of the annual sums stays that of the truth."""
    rng = np.random.default_rng(0)
    month = np.arange(240)
    cube = 50 + 40 * np.cos(2 * np.pi * month / 12)[:, None] + 0.2 * (month // 12)[:, None] + np.zeros((240, 300))
    holes = np.where(rng.random(cube.shape) < 0.1, np.nan, cube)
    series, values = gather(months("2001-01", "2020-12"), "month", "sum", holes)
    slope = trend_maps(values, series.times)["slope"]
    assert np.nanmedian(slope) == pytest.approx(2.4 * 0.9, rel=0.05), "filling with the mean takes a tenth of the slope"
    assert np.isfinite(values).mean() > 0.95


def test_years_that_are_not_whole_are_dropped():
    """The first and last year count only with all their months."""
    series, total = gather(months("2001-04", "2003-11"), "month", "sum", np.ones((32, 1)))
    assert series.times.tolist() == [2002] and series.dropped_years == [2001, 2003] and total.tolist() == [[12]]


def test_annual_data_stay_as_they_are():
    """Whatever is asked for, annual data are not summed."""
    times = np.array(["1950-01-01", "1951-01-01"], dtype="datetime64[D]")
    series, values = gather(times, "year", "sum", np.array([[1.0], [2.0]]))
    assert series.times.tolist() == [1950, 1951] and values[:, 0].tolist() == [1, 2]


def test_eight_day_years():
    """The 46 steps of a year, the short last one included, make it whole; 45 do not."""
    starts = np.datetime64("2004-01-01") + 8 * np.arange(46)
    assert AnnualSeries(starts, "8day").times.tolist() == [2004]
    assert AnnualSeries(starts[:-1], "8day").times.tolist() == []


def test_series_as_it_is():
    """none keeps every step, at its time in years."""
    series = AnnualSeries(months("2001-01", "2001-12"), "month", "none")
    assert series.kept == 12
    assert np.diff(series.times) == pytest.approx(1 / 12)
    daily = decimal_years(np.array(["2001-01-01", "2001-01-02"], dtype="datetime64[D]"), "day")
    assert np.diff(daily) == pytest.approx(1 / 365.2425)


@pytest.mark.parametrize(("time_step", "length", "count"), [("8day", 8, 46), ("16day", 16, 23)])
def test_composites_that_lack_on_the_axis_move_no_season(time_step, length, count):
    """Steps that begin anew each year have their place in it, whatever lacks; a cycle is then no trend."""
    years = [np.datetime64(f"{year}-01-01") for year in range(2001, 2013)]
    every = np.concatenate([year + length * np.arange(count) for year in years])
    kept = np.delete(every, [count + 3, 5 * count - 1, *range(7 * count, 8 * count + 2)])
    series = AnnualSeries(kept, time_step, "none")
    places = positions(series.times)
    assert np.array_equal(places, np.searchsorted(every, kept))
    cycle = 50 * np.cos(2 * np.pi * (places % count) / count)[:, None]
    assert (trend_maps(cycle, series.times, method="seasonal", season=count)["s"] == 0).all()
