"""One name for each thing: aliases lead to it, and never to two."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_core.errors import SchemaError
from reco_core.vocabulary import VARIABLES, canonical_name, variable
from reco_core.vocabulary.variables import CLASS_FAMILIES, GROUPS, IGBP_CODES

SPELLINGS = [(alias, name) for name, entry in VARIABLES.items() for alias in (name, *entry.aliases)]


@pytest.mark.parametrize("entry", VARIABLES.values(), ids=lambda entry: entry.name)
def test_entry_is_whole(entry):
    """Each variable has a lower-case name, a long name, a unit, a group and limits in order."""
    assert entry.name == entry.name.lower() and entry.name.isidentifier()
    assert entry.long_name and entry.unit
    assert entry.group in (*GROUPS, "flux")
    assert math.isfinite(entry.low) and math.isfinite(entry.high) and entry.low < entry.high


def test_no_alias_means_two_things():
    """An alias belongs to one variable and is written once."""
    spellings = [alias for alias, _ in SPELLINGS]
    assert len(set(spellings)) == len(spellings)


@pytest.mark.parametrize(("alias", "name"), SPELLINGS)
def test_alias_leads_to_its_variable(alias, name):
    """Every spelling of the table is understood, in capitals too."""
    assert canonical_name(alias) == name
    assert canonical_name(alias.upper()) == name
    assert variable(alias) is VARIABLES[name]


@pytest.mark.parametrize(("column", "name"), [
    ("TA_F", "ta"), ("Air temperature", "ta"), ("SWC_F_MDS_1", "swc"), ("LST_Day_1km", "lst_day"),
    ("RECO_NT_VUT_REF", "reco"), ("P (mm/d)", "precip"), ("NEE_VUT_REF", None), ("", None),
])
def test_columns_as_they_come(column, name):
    """Column names as data hubs write them; what is not known stays unknown."""
    assert canonical_name(column) == name


@given(st.text(max_size=20))
def test_any_text_is_answered(text):
    """No name, however odd, breaks the look-up."""
    assert canonical_name(text) in (None, *VARIABLES)


def test_unknown_driver_is_let_in_with_wide_limits():
    """A user's own driver needs no entry: no unit is assumed and every value is in range."""
    own = variable("Canopy_Height")
    assert (own.name, own.unit, own.low, own.high) == ("canopy_height", "", -math.inf, math.inf)


@pytest.mark.parametrize("name", ["", "2m temperature", "a b", "ta;"])
def test_what_cannot_be_a_name_is_refused(name):
    """A driver must be an identifier, for it becomes a column, a file and a band."""
    if canonical_name(name) is None:
        with pytest.raises(SchemaError, match="cannot be the name of a driver"):
            variable(name)


def test_classes_are_igbp():
    """The seventeen classes have distinct labels, and families are made of labels or families."""
    assert sorted(IGBP_CODES) == list(range(1, 18))
    assert len(set(IGBP_CODES.values())) == 17
    assert set(CLASS_FAMILIES) <= set(IGBP_CODES.values())


def test_names_that_tell_how_they_were_made():
    """A drought index of any scale is known, and so is the least, mean or largest value of a year."""
    assert variable("spei_24").long_name == "Drought index (SPEI) of 24 months" and variable("SPI_6").name == "spi_6"
    largest = variable("evi_max")
    assert (largest.name, largest.unit, largest.high) == ("evi_max", "1", VARIABLES["evi"].high)
    assert variable("lst_day_mean").unit == "degC" and "mean" in variable("lst_day_mean").long_name
    assert variable("mine_max").unit == "" and variable("spei_0").unit == ""


@pytest.mark.parametrize(("name", "unit", "long_name"), [
    ("soc_15", "g kg-1", "Soil organic carbon at 15 cm"), ("clay_5", "%", "Clay content at 5 cm"),
    ("bulk_density_30", "kg m-3", "Bulk density of the soil at 30 cm")])
def test_depths_of_soil(name, unit, long_name):
    """A soil driver at any depth has the unit and limits of the driver, and never changes."""
    found = variable(name)
    assert (found.unit, found.long_name, found.static) == (unit, long_name, True)
    assert found.high == variable("soc_0" if name.startswith("soc") else name.rsplit("_", 1)[0]).high
