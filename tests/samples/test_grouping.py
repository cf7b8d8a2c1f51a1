"""Tower groups: same code or short distance, anywhere on Earth."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reco_core.samples.grouping import distance_km, tower_groups

PLACES = st.lists(st.tuples(st.floats(-89.9, 89.9), st.floats(-180, 180)), min_size=1, max_size=25)


def test_one_degree_of_latitude():
    """A degree of latitude is 111.195 km on the mean sphere."""
    assert float(distance_km(10.0, 20.0, 11.0, 20.0).round(3)) == 111.195


def test_chain_of_neighbours_is_one_group():
    """A near B and B near C puts A and C together."""
    lat = np.array([50.0, 50.008, 50.016, 51.0])
    assert list(tower_groups("ABCD", lat, np.full(4, 5.0), 1.0)) == [0, 0, 0, 1]


def test_antimeridian_and_pole_do_not_part_towers():
    """179.999 E and 179.999 W are neighbours, and so are all longitudes at the pole."""
    assert list(tower_groups("AB", np.array([0.0, 0.0]), np.array([179.999, -179.999]))) == [0, 0]
    assert list(tower_groups("AB", np.array([89.9999, 89.9999]), np.array([0.0, 180.0]))) == [0, 0]


def test_same_code_is_one_group_wherever_it_stands():
    """Codes are compared without case; towers without position group by code alone."""
    lat = np.array([50.0, 10.0, np.nan, np.nan])
    assert list(tower_groups(["BE-Bra", "be-bra", "X", "Y"], lat, lat)) == [0, 0, 1, 2]


def test_distance_zero_groups_by_code_alone():
    """Two towers at one place stay apart if no distance is given."""
    assert list(tower_groups("AB", np.zeros(2), np.zeros(2), 0.0)) == [0, 1]


@settings(max_examples=60, deadline=None)
@given(places=PLACES, distance=st.sampled_from([0.5, 30.0, 1500.0]), data=st.data())
def test_groups_are_the_components_of_near_pairs(places, distance, data):
    """Every near pair shares a group, and each group hangs together by near pairs; order does not matter."""
    lat, lon = (np.array(part) for part in zip(*places))
    sites = [f"S{at}" for at in range(lat.size)]
    group = tower_groups(sites, lat, lon, distance)
    near = distance_km(lat[:, None], lon[:, None], lat[None], lon[None]) < distance
    reach = near | np.eye(lat.size, dtype=bool)
    for _ in range(lat.size):
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    np.testing.assert_array_equal(group[:, None] == group[None], reach)
    order = np.array(data.draw(st.permutations(range(lat.size))))
    again = tower_groups([sites[at] for at in order], lat[order], lon[order], distance)
    np.testing.assert_array_equal(again[:, None] == again[None], reach[np.ix_(order, order)])
