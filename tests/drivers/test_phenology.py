"""The nine variables of a yearly curve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_core.drivers.phenology import FLAGS, NAMES, Phenology, scvtg
from reco_core.errors import ConfigError, GridError
from reco_core.vocabulary.calendar import step_start

T = np.arange(1, 366)
DAYS = np.arange(np.datetime64("2001-01-01"), np.datetime64("2006-01-01"))


def wave(peak, days=T):
    """Return a cosine with its top at day `peak`."""
    return 0.4 + 0.3 * np.cos(2 * np.pi * (days - peak) / 365)


def test_values_by_hand():
    """A cosine has the values worked out by hand."""
    made = scvtg(wave(200))
    assert {name: round(float(made[name]), 3) for name in NAMES[5:]} == {
        "l75": 121.937, "l50": 182.502, "l25": 243.070, "season_area": 146.0}
    assert float(made["v_top"]) == pytest.approx(0.698794, abs=1e-6)
    assert float(made["v_bottom"]) == pytest.approx(0.101195, abs=1e-6)
    height = 0.698794 - 0.101195
    assert [float(made[name]) for name in ("v75", "v50", "v25")] == pytest.approx(
        [0.698794 - share * height for share in (0.25, 0.5, 0.75)], abs=1e-6)
    assert FLAGS[int(made["flag"])] == "good"


def test_calendar_years_swap_lengths():
    """With the season around New Year the lengths of the 75 % and 25 % levels swap, as the published table shows."""
    north, south = scvtg(wave(200)), scvtg(wave(17.5))
    assert float(south["l75"]) == pytest.approx(float(north["l25"]), abs=1e-3)
    assert float(south["l25"]) == pytest.approx(float(north["l75"]), abs=1e-3)


@given(scale=st.floats(0.1, 5), shift=st.floats(-1, 1), seed=st.integers(0, 99))
def test_affine(scale, shift, seed):
    """Scaling and shifting a curve scales and shifts its values and leaves its lengths."""
    rng = np.random.default_rng(seed)
    curve = wave(rng.uniform(120, 260)) + 0.05 * np.sin(T / rng.uniform(5, 20))
    one, other = scvtg(curve), scvtg(scale * curve + shift)
    for name in NAMES[:5]:
        assert float(other[name]) == pytest.approx(scale * float(one[name]) + shift, abs=1e-9)
    for name in NAMES[5:8]:
        assert float(other[name]) == pytest.approx(float(one[name]), abs=1e-6)
    assert float(other["season_area"]) == pytest.approx(scale * float(one["season_area"]) + 365 * shift, abs=1e-6)


def test_flat_and_one_crossing():
    """A flat curve has lengths of the whole year; a curve that only rises or falls is long on its high side."""
    flat = scvtg(np.full(366, 0.2))
    assert [float(flat[name]) for name in ("l75", "l50", "l25", "v50")] == pytest.approx([366, 366, 366, 0.2])
    assert FLAGS[int(flat["flag"])] == "flat"
    up, down = scvtg(T / 365), scvtg(1 - (T - 1) / 365)
    middle = 365 - np.mean(T)
    assert float(up["l50"]) == pytest.approx(middle, abs=1e-9)
    assert float(down["l50"]) == pytest.approx(np.mean(T), abs=1e-9)
    assert float(up["l25"]) > float(up["l75"]) and FLAGS[int(up["flag"])] == "one crossing"


def test_first_and_last_crossing_count():
    """Two seasons in one year are as long as from the first rise to the last fall."""
    made = scvtg(0.4 + 0.3 * np.cos(4 * np.pi * (T - 91.25) / 365))
    assert float(made["l50"]) == pytest.approx(365 * 0.75, abs=1)


def test_missing_day_makes_the_year_missing():
    """A year with a gap has no values."""
    curves = np.stack([wave(200), wave(200)], axis=1)
    curves[100, 1] = np.nan
    made = scvtg(curves)
    assert np.isfinite(made["l50"][0]) and all(np.isnan(made[name][1]) for name in NAMES)
    assert FLAGS[int(made["flag"][1])] == "missing"


def yearly(curve, times=DAYS, step="day", **options):
    """Return the nine variables of a series without smoothing."""
    return Phenology(times, step, **{"method": "none", **options})(np.asarray(curve))


def test_southern_season():
    """Shifted by half a year, the same curve has the same nine values in season years, and not in calendar years."""
    days = DAYS[:3 * 365]  # no leap year
    doy = np.arange(days.size) % 365 + 1
    strength = 1 + 0.1 * (np.arange(days.size) // 365)
    north = 0.2 + 0.3 * strength * np.exp(-((doy - 190) / 40.0) ** 2)
    south = np.roll(north, 182)
    a, b = yearly(north, days), yearly(south, days)
    for name in NAMES:
        assert b[name][1:] == pytest.approx(a[name][:2], rel=1e-5)  # a peak of July 2001 becomes one of January 2002
    assert b["l75"][1] < b["l50"][1] < b["l25"][1]
    swapped = yearly(south, days, window="calendar")
    assert swapped["l75"][1] > 2 * b["l75"][1] and swapped["l75"][1] > swapped["l25"][1]


def test_years_of_seasons():
    """The label is the year that holds the peak; a season that is not whole is missing."""
    doy = (DAYS - DAYS.astype("datetime64[Y]").astype("datetime64[D]")).astype(int) + 1
    south = Phenology(DAYS, "day", method="none")
    made = south(wave(17, doy))
    assert [str(day)[:4] for day in south.times] == ["2001", "2002", "2003", "2004", "2005"]
    assert np.isnan(made["v_top"]).tolist() == [True, False, False, False, False]
    calendar = Phenology(DAYS[100:], "day", method="none", window="calendar")
    assert str(calendar.times[0]) == "2002-01-01" and np.isfinite(calendar(wave(200, doy)[100:])["v_top"]).all()


def test_leap_years():
    """A leap year has 366 days, in season years too."""
    made = yearly(np.full(DAYS.size, 0.2), window="calendar")
    assert made["season_area"] == pytest.approx([73, 73, 73, 73.2, 73], rel=1e-6)
    doy = (DAYS - DAYS.astype("datetime64[Y]").astype("datetime64[D]")).astype(int) + 1
    season = yearly(np.where(doy == 180, 0.2, 0.2 - 1e-7))
    assert season["season_area"][1:4] == pytest.approx([73, 73, 73.2], rel=1e-5)


def test_steps_become_days():
    """8-day composites give nearly the values of the daily curve, smoothed or not."""
    times = np.unique(step_start(DAYS, "8day"))
    middle = (times - times.astype("datetime64[Y]").astype("datetime64[D]")).astype(int) + 4.5
    exact = scvtg(wave(200))
    for method in ("none", "savitzky_golay"):
        made = yearly(wave(200, middle), times, "8day", method=method, window="calendar")
        for name in NAMES[:5]:
            assert made[name] == pytest.approx(float(exact[name]), abs=0.006)
        for name in NAMES[5:8]:
            assert made[name] == pytest.approx(float(exact[name]), abs=2.0)


def test_gaps():
    """Without smoothing a gap makes its year missing and no other; with it a short one does not."""
    times = np.unique(step_start(DAYS, "8day"))
    middle = (times - times.astype("datetime64[Y]").astype("datetime64[D]")).astype(int) + 4.5
    values = wave(200, middle)
    values[60] = np.nan
    assert np.isnan(yearly(values, times, "8day", window="calendar")["l50"]).tolist() == [False, True] + [False] * 3
    filled = yearly(values, times, "8day", window="calendar", method="savitzky_golay")
    assert np.isfinite(filled["l50"]).all()


def test_counts_and_shapes():
    """Every pixel-year is counted under its flag; results keep the shape of the map."""
    phenology = Phenology(DAYS, "day", method="none", window="calendar")
    made = phenology(np.stack([wave(200, np.arange(DAYS.size)), np.full(DAYS.size, np.nan)], 1).reshape(-1, 1, 2))
    assert made["l50"].shape == (5, 1, 2) and made["l50"].dtype == np.float32
    assert phenology.counts["missing"] == 5 and sum(phenology.counts.values()) == 10


def test_what_cannot_be():
    """Series without twelve months, unknown choices and impossible shares are refused."""
    with pytest.raises(GridError, match="2001-02-01 to 2001-12-31 holds no twelve months"):
        Phenology(DAYS[31:365], "day", method="none", window="calendar")
    with pytest.raises(GridError, match="no twelve months"):
        Phenology(DAYS[:350], "day")
    for wrong in ({"window": "cycle"}, {"method": "linear"}):
        with pytest.raises(ConfigError, match=next(iter(wrong.values()))):
            Phenology(DAYS, "day", **wrong)
    with pytest.raises(ConfigError, match="share of 0 "):
        scvtg(wave(200), tail=0)
