"""What the readers of chamber and synthesis data share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_core.errors import ConfigError, SchemaError
from reco_core.io.observations.chambers import (
    CRITERIA,
    Sieve,
    acceptance,
    check_positions,
    days_of,
    igbp_class,
    match_header,
    mean_of_doubles,
    site_names,
)

ALIASES = {"site": ("study_id",), "lat": ("latitude",)}


def test_unknown_header_is_shown_and_not_guessed():
    """A header without a required column is printed whole, with the names that would be known."""
    with pytest.raises(SchemaError, match="its header: STATION, latitude_deg, note") as caught:
        match_header(["STATION", "latitude_deg", "note"], ALIASES, ("site", "lat"), "a.csv", {}, "ABCflux")
    assert "study_id" in caught.value.hint and "latitude" in caught.value.hint


def test_column_map_goes_before_known_names():
    """What the user maps wins; spelling of headers does not matter; unknown names are refused."""
    names = ["Study ID", "other", "LATITUDE"]
    assert match_header(names, ALIASES, ("site",), "a.csv", {}, "X") == {"site": "Study ID", "lat": "LATITUDE"}
    assert match_header(names, ALIASES, ("site",), "a.csv", {"site": "other"}, "X")["site"] == "other"
    with pytest.raises(SchemaError, match="no column 'stuff'"):
        match_header(names, ALIASES, ("site",), "a.csv", {"site": "stuff"}, "X")
    with pytest.raises(ConfigError, match="'colour' means nothing"):
        match_header(names, ALIASES, ("site",), "a.csv", {"colour": "other"}, "X")


@pytest.mark.parametrize(("text", "good"), [("", True), ("Q0", True), ("Q01, Q03", True), ("Q1", True), ("Q10", False),
                                            ("Q01,Q13", False), ("Q03,Q10,Q16", False), ("q12", False)])
def test_problem_flags_are_those_from_ten_on(text, good):
    """Q01 to Q04 say where a value comes from; Q10 and above that something is wrong with it."""
    assert acceptance(1, flags=np.array([text]))["quality"].tolist() == [good]


@pytest.mark.parametrize(("text", "good"), [("IRGA", True), ("IGRA", True), ("Gas chromatography", True), ("GC", True),
                                            ("LI-8100", True), ("Alkali absorption", False), ("Soda lime", False),
                                            ("Gradient", False), ("", False)])
def test_methods_that_count(text, good):
    """Infrared gas analysers and gas chromatographs count, chemical absorption does not."""
    assert acceptance(1, method=np.array([text]))["method"].tolist() == [good]


@pytest.mark.parametrize(("text", "good"), [("", True), ("None", True), ("Control", True), ("Fertilized", False),
                                            ("No-till", False), ("Warmed", False), ("Controlled burn", False)])
def test_treatments_are_told_from_their_absence(text, good):
    """Only plots without manipulation pass."""
    assert acceptance(1, manipulation=np.array([text]))["manipulation"].tolist() == [good]


def test_sieve_counts_a_row_once():
    """A row that breaks two criteria is counted by the first, so that the counts add up."""
    sieve = Sieve(np.array(["a", "a", "b"]))
    sieve.apply(acceptance(3, method=np.array(["soda lime", "IRGA", "IRGA"]),
                           manipulation=np.array(["Burned", "Burned", ""])), "strict")
    assert [(entry["reason"].split(":")[0], entry["count"]) for entry in sieve.entries] == [
        ("criterion method", 1), ("criterion manipulation", 1)]
    assert sieve.entries[0]["sites"] == {"a": 1}
    assert sieve.keep.tolist() == [False, False, True]
    assert len(CRITERIA) == 5


def test_screening_has_three_names():
    """Another word is refused with the three there are."""
    with pytest.raises(ConfigError, match="'loose' is no screening") as caught:
        Sieve(np.array(["a"])).apply(acceptance(1), "loose")
    assert "strict, basic, none" in caught.value.hint


@pytest.mark.parametrize(("label", "code"), [
    ("Deciduous broadleaf forest", "DBF"), ("Evergreen needleleaf plantation", "ENF"), ("Mixed forests", "MF"),
    ("Savannas", "SAV"), ("Grassland", "GRA"), ("CRO", "CRO"), ("Desert woodland", "Desert woodland"), ("", "")])
def test_vegetation_words_become_codes(label, code):
    """Words with an IGBP class get its code; others stay as they are."""
    assert igbp_class(label) == code


def test_one_code_at_two_places_is_two_sites():
    """A code used at two places is told apart by position; without a code the study and place make the name."""
    names = site_names(np.array(["A", "A", "B", "", ""]), np.array(["1", "1", "2", "7", "7"]),
                       np.array(["11", "12", "13", "14", "15"]), np.array([50.0, 60, 40, 10, np.nan]),
                       np.array([8.0, 8, 8, 20, np.nan]))
    assert names.tolist() == ["A (50.00, 8.00)", "A (60.00, 8.00)", "B", "study 7 (10.00, 20.00)", "study 7 record 15"]


def test_impossible_positions_are_refused():
    """A latitude of 120 is nowhere; longitudes from 0 to 360 are brought to -180 to 180."""
    lat, lon = check_positions(np.array([10.0]), np.array([300.0]), np.array(["a"]), "a.csv")
    assert (lat[0], lon[0]) == (10.0, -60.0)
    with pytest.raises(SchemaError, match="latitude of site 'a' is 120") as caught:
        check_positions(np.array([120.0]), np.array([10.0]), np.array(["a"]), "a.csv")
    assert "swapped" in caught.value.hint


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.floats(-5, 50)), min_size=1, max_size=40))
def test_doubles_become_their_mean(rows):
    """Whatever rows repeat, there is one row per site and time, and it has their mean."""
    sites, steps, values = (np.array(column) for column in zip(*rows))
    times = np.datetime64("2004-01-01") + steps
    site, time, means, merged = mean_of_doubles(sites.astype(object), times, {"rs": values})
    assert len(set(zip(site, time))) == len(site) == len(rows) - merged
    for name, when, mean in zip(site, time, means["rs"]):
        mine = values[(sites == name) & (times.astype("datetime64[s]") == when)]
        assert mean == pytest.approx(mine.mean(), abs=1e-9)


def test_totals_per_year_in_monthly_data():
    """A total per year is divided by the days of its year also where the data are monthly."""
    february = np.array(["2004-02-01", "2003-02-01"], "datetime64[D]")
    assert days_of("g C m-2 yr-1", february, "month").tolist() == [366, 365]
    assert days_of("g C m-2 month-1", february, "year").tolist() == [29, 28]
    assert days_of("g C m-2 d-1", february, "month").tolist() == [29, 28]
