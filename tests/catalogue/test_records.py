"""Values from any front end are checked against the record, with errors that name the mend."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_core.catalogue import STEPS, Param, Step, get_step, resolve
from reco_core.catalogue.common import output
from reco_core.errors import ConfigError

STEP = Step(
    "bake", "Bake", "1 Data", "Bake something for the tests of records.",
    params=(
        Param("flour", "number", "Flour", "How much.", minimum=0, maximum=10, unit="kg"),
        Param("eggs", "integer", "Eggs", "How many.", default=2, minimum=0),
        Param("oven", "choice", "Oven", "Which.", default="gas", choices=("gas", "wood"), aliases=("stove",)),
        Param("spices", "choices", "Spices", "Which.", choices=("salt", "dill"), optional=True),
        Param("sweet", "flag", "Sweet", "Whether.", default=False),
    ),
    outputs=(output("bread", "file_out", "Bread", "The loaf.", "bread.csv"),
             output("crumbs", "file_out", "Crumbs", "The rest.", "", optional=True)))


def baked(**values):
    """Return what the step makes of values, with what is required filled in."""
    return resolve(STEP, {"flour": 1, "bread": "b.csv", **values})


def test_defaults_are_filled_in():
    """Each parameter and output is there, None where nothing was given."""
    assert baked() == {"flour": 1, "eggs": 2, "oven": "gas", "spices": None, "sweet": False,
                       "bread": "b.csv", "crumbs": None}


def test_text_becomes_the_kind():
    """The words of a command line become numbers, flags and lists."""
    resolved = baked(flour="2.5", eggs="3", spices="salt, dill", sweet="yes")
    assert resolved["flour"] == 2.5 and resolved["eggs"] == 3 and isinstance(resolved["eggs"], int)
    assert resolved["spices"] == ["salt", "dill"] and resolved["sweet"] is True


def test_alias_is_understood_but_not_twice():
    """An old name still works; together with the new one it is refused."""
    assert baked(stove="wood")["oven"] == "wood"
    with pytest.raises(ConfigError, match="'oven' is given twice"):
        baked(stove="wood", oven="gas")


@pytest.mark.parametrize(("values", "message", "hint"), [
    ({"flower": 1}, "has no parameter 'flower'", "'flour'"),
    ({"flour": None}, "needs 'flour'", "--flour"),
    ({"flour": 11}, "'flour': 11 is outside its range", "from 0 to 10 kg"),
    ({"flour": "nan"}, "'nan' is not a number", "from 0 to 10 kg"),
    ({"eggs": 2.5}, "'2.5' is not a whole number", "at least 0"),
    ({"eggs": True}, "'True' is not a whole number", "at least 0"),
    ({"eggs": "inf"}, "is not a whole number", "at least 0"),
    ({"oven": "gaz"}, "'gaz' is not a choice", "'gas'"),
    ({"spices": "salt,dil"}, "'dil' is not a choice", "'dill'"),
    ({"sweet": "perhaps"}, "'perhaps' is neither true nor false", "true or false"),
])
def test_wrong_value_names_parameter_and_mend(values, message, hint):
    """Each error says which parameter, what was seen, and what would be right."""
    with pytest.raises(ConfigError, match="Step 'bake'") as caught:
        baked(**values)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_output_needs_a_place():
    """Without a name or a folder a required output has nowhere to go."""
    with pytest.raises(ConfigError, match="needs the output 'bread'"):
        resolve(STEP, {"flour": 1})
    assert resolve(STEP, {"flour": 1}, folder="out")["bread"].replace("\\", "/") == "out/bread.csv"


@given(st.floats(0, 10))
def test_numbers_inside_the_range_are_kept(number):
    """A number inside its range comes out as it went in, from text too."""
    assert baked(flour=number)["flour"] == number
    assert baked(flour=repr(number))["flour"] == number


@given(st.floats().filter(lambda number: not 0 <= number <= 10))
def test_numbers_outside_the_range_are_refused(number):
    """Whatever lies outside, infinities and NaN included, is refused."""
    with pytest.raises(ConfigError):
        baked(flour=number)


def test_steps_are_found_by_either_spelling():
    """Hyphens and underscores are the same; a misspelled step is answered with the nearest."""
    assert get_step("read-drivers") is STEPS["read_drivers"]
    with pytest.raises(ConfigError) as caught:
        get_step("read_driver")
    assert "read_drivers" in caught.value.hint


@pytest.mark.parametrize(("given", "expected"), [
    ("a.csv,b.csv", ["a.csv", "b.csv"]), (" a.csv , b.csv,", ["a.csv", "b.csv"]), ("a.csv", "a.csv"),
    ("odd, name.csv", "odd, name.csv"), ("no, where.csv", "no, where.csv"),
    (["a.csv,b.csv", "c"], ["a.csv", "b.csv", "c"]), ("all.zip/one.csv,none.csv", ["all.zip/one.csv", "none.csv"])])
def test_paths_separated_by_commas(tmp_path, monkeypatch, given, expected):
    """A text with commas is a list of paths where the first things exist, unless a file has that very name."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.csv", "b.csv", "odd, name.csv", "all.zip"):
        (tmp_path / name).touch()
    step = get_step("read_observations")
    assert resolve(step, {"path": given, "output": "o.nc"})["path"] == expected


def test_a_single_path_is_no_list():
    """Where one folder is meant, several are refused in words."""
    report = get_step("report")
    assert resolve(report, {"folder": ["a"], "output": "r.html"})["folder"] == "a"
    with pytest.raises(ConfigError, match=r"one path is wanted, 2 are given: a, b"):
        resolve(report, {"folder": ["a", "b"], "output": "r.html"})
