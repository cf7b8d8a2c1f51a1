"""Towers of several networks: who is the same tower, which record stays, and what the ledger says."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from observed import counts, table
from reco_core.errors import ConfigError, SampleError
from reco_core.io.observations.assemble import merge
from reco_core.io.observations.read import read_observations
from reco_core.samples.overlaps import order_of_networks, resolve_overlaps
from reco_core.samples.periods import aggregate
from reco_core.samples.quality import count_records, judge, screen
from reco_core.vocabulary.ledger import ledger


def part(network, reco, site="AA-One", lat=50.0, lon=7.0, igbp="", start="2004-01", **drivers):
    """Return a labelled table of one tower of one network."""
    towers = {"network": [network], "lat": [lat], "lon": [lon], "igbp": [igbp]}
    return f"{network}.csv", table(reco, sites=(site,), towers=towers, start=start, **drivers)


def kept(parts, **options):
    """Return network -> values of the flux that stay."""
    return {str(ds["network"].values[0]): ds["reco"].values[0].tolist()
            for _, ds in resolve_overlaps(parts, **options)}


def test_first_network_of_the_order_stays():
    """Where two networks hold a month, that of FLUXNET2015 stays; months that only the other has stay too."""
    parts = [part("AmeriFlux", [1, 2, 3, 4]), part("FLUXNET2015", [9, np.nan, 7, np.nan])]
    found = kept(parts)
    np.testing.assert_array_equal(found["FLUXNET2015"], [9, np.nan, 7, np.nan])
    np.testing.assert_array_equal(found["AmeriFlux"], [np.nan, 2, np.nan, 4])
    turned = kept(parts, order=["ameriflux"])
    np.testing.assert_array_equal(turned["AmeriFlux"], [1, 2, 3, 4])
    assert np.isnan(turned["FLUXNET2015"]).all()


def test_ledger_says_who_gave_way_to_whom():
    """The count stands by tower and pair of networks, and the rule is told once."""
    gap = np.nan
    parts = [part("ICOS", [1, 2, 3]), part("Warm Winter 2020", [1, 2, gap]), part("FLUXNET2015", [5, gap, gap])]
    whole = merge(resolve_overlaps(parts))
    assert counts(whole)["records of ICOS dropped in favour of FLUXNET2015"] == 1
    assert counts(whole)["records of ICOS dropped in favour of Warm Winter 2020"] == 1
    assert counts(whole)["records of Warm Winter 2020 dropped in favour of FLUXNET2015"] == 1
    entry = next(entry for entry in ledger(whole) if entry["reason"].startswith("records of ICOS"))
    assert entry["sites"] == {"AA-One": 1}
    rule = [entry["reason"] for entry in ledger(whole) if entry["reason"].startswith("rule")]
    assert rule == ["rule for towers that several networks have: each time step is kept once, from the first of "
                    "FLUXNET2015, Warm Winter 2020, ICOS"]
    np.testing.assert_array_equal(whole["reco"].values, [[5, 2, 3]])
    assert set(str(whole["network"].values[0]).split(" + ")) == {"ICOS", "Warm Winter 2020", "FLUXNET2015"}


def test_a_record_is_kept_as_a_whole():
    """Drivers of a dropped record do not fill gaps in those of the record that stays."""
    parts = [part("FLUXNET2015", [5, 6], ts=np.array([np.nan, 3.0])), part("ICOS", [1, 2], ts=np.array([8.0, 8.0]))]
    np.testing.assert_array_equal(merge(resolve_overlaps(parts))["ts"].values, [[np.nan, 3.0]])


@pytest.mark.parametrize(("lon_a", "lon_b", "same"), [(7.0, 7.008, True), (7.0, 7.02, False), (179.997, -179.997, True),
                                                      (179.98, -179.98, False), (-180.0, 180.0, True)])
def test_towers_nearer_than_a_kilometre_are_one(lon_a, lon_b, same):
    """Other codes do not matter, nor does the antimeridian."""
    parts = [part("FLUXNET2015", [1.0], site="AA-One", lon=lon_a, lat=40.0),
             part("AmeriFlux", [2.0], site="BB-Two", lon=lon_b, lat=40.0)]
    assert np.isnan(kept(parts)["AmeriFlux"][0]) == same


def test_neighbours_that_a_network_tells_apart_stay():
    """Two codes of one network are two towers, even where another network has one of them."""
    both = table([[1.0], [2.0]], sites=("AA-Old", "AA-New"),
                 towers={"network": ["ICOS"] * 2, "lat": [50.0] * 2, "lon": [7.0] * 2})
    parts = [("icos.csv", both), part("FLUXNET2015", [9.0], site="AA-Old")]
    icos = resolve_overlaps(parts)[0][1]
    assert icos["reco"].sel(site="AA-New").item() == 2.0
    assert np.isnan(icos["reco"].sel(site="AA-Old").item())


def test_neighbours_of_other_classes_stay():
    """A forest and a meadow side by side are two towers."""
    parts = [part("FLUXNET2015", [1.0], site="AA-One", igbp="ENF"), part("ICOS", [2.0], site="BB-Two", igbp="GRA")]
    assert kept(parts)["ICOS"] == [2.0]


def test_no_positions_no_distance():
    """Towers without a position are known by their code alone."""
    parts = [part("FLUXNET2015", [1.0], lat=np.nan, lon=np.nan), part("ICOS", [2.0], lat=np.nan, lon=np.nan),
             part("AmeriFlux", [3.0], site="BB-Two", lat=np.nan, lon=np.nan)]
    found = kept(parts)
    assert np.isnan(found["ICOS"][0])
    assert found["AmeriFlux"] == [3.0]


def test_equal_doubles_within_a_network_stay_once():
    """Two files of one network may overlap where they agree; the ledger counts it."""
    one, two = part("FLUXNET2015", [1, 2, 3]), ("later.csv", part("FLUXNET2015", [2, 3, 4], start="2004-02")[1])
    whole = merge(resolve_overlaps([one, two]))
    np.testing.assert_array_equal(whole["reco"].values, [[1, 2, 3, 4]])
    assert counts(whole)["records that stand in several files with equal values"] == 2


def test_contradictions_within_a_network_are_refused():
    """The error names site, time, both values and both files."""
    one, two = part("FLUXNET2015", [1, 2, 3]), ("later.csv", part("FLUXNET2015", [2.5, 3, 4], start="2004-02")[1])
    with pytest.raises(SampleError, match=r"AA-One.*2004-02-01: 2 in 'FLUXNET2015.csv' and 2.5 in 'later.csv'"):
        resolve_overlaps([one, two])


def test_one_code_at_two_places_is_refused():
    """Two networks that give one code to places far apart would be mixed up."""
    with pytest.raises(SampleError, match=r"'AA-One' stands \d+ km apart in FLUXNET2015 and in ICOS"):
        resolve_overlaps([part("FLUXNET2015", [1.0], lat=50), part("ICOS", [1.0], lat=51)])


def test_order_names_networks_that_there_are():
    """Names are taken in any case, the others follow sorted, and an unknown one is refused with those known."""
    known = ["ABCflux", "ICOS", "AmeriFlux", "FLUXNET2015", ""]
    assert order_of_networks([], known) == ["FLUXNET2015", "ICOS", "AmeriFlux", "ABCflux", ""]
    assert order_of_networks(["abcFLUX", "others"], known) == ["ABCflux", "AmeriFlux", "FLUXNET2015", "ICOS", ""]
    with pytest.raises(ConfigError, match="'Fluxnett' in overlaps is no network here") as caught:
        order_of_networks(["Fluxnett"], known)
    assert "ABCflux" in caught.value.hint


@given(st.lists(st.tuples(st.sampled_from(["FLUXNET2015", "ICOS", "AmeriFlux", "Mine"]),
                          st.lists(st.sampled_from([np.nan, 1.0, 2.0]), min_size=6, max_size=6)),
                min_size=2, max_size=4, unique_by=lambda pair: pair[0]))
def test_every_month_that_someone_has_stays_exactly_once(series):
    """No month is lost and none stands twice, whoever holds it."""
    parts = [part(network, values) for network, values in series]
    found = np.array([ds["reco"].values[0] for _, ds in resolve_overlaps(parts)])
    anyone = np.isfinite(np.array([values for _, values in series])).any(axis=0)
    np.testing.assert_array_equal(np.isfinite(found).sum(axis=0), anyone.astype(int))


def test_real_towers_of_two_networks(real_data):
    """FLUXNET2015 and Warm Winter 2020 share towers; what is dropped is what both hold, site by site."""
    def months(ds, label):
        return judge(aggregate(screen(ds, where=label), "month"))

    folders = [real_data("flux_warmwinter2020_mm"), real_data("flux_fluxnet2015_subset_dd")]
    winter, fluxnet = (read_observations(folder, reduce=months) for folder in folders)
    whole = read_observations(folders, reduce=months, join=resolve_overlaps)
    both = xr.align(winter["reco"], fluxnet["reco"], join="inner")
    shared = np.isfinite(both[0].values) & np.isfinite(both[1].values)
    entry = next(entry for entry in ledger(whole) if entry["reason"].startswith("records of Warm Winter 2020"))
    expected = {str(site): int(n) for site, n in zip(both[0]["site"].values, shared.sum(axis=1)) if n}
    assert entry["sites"] == expected
    assert entry["count"] == 614
    assert len(expected) == 5
    assert count_records(whole) == count_records(winter) + count_records(fluxnet) - 614
    stays = whole["reco"].sel(site=both[1]["site"], time=both[1]["time"]).values[shared]
    np.testing.assert_array_equal(stays, both[1].values[shared])
