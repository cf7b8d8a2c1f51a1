"""Towers that must never stand on both sides of a fold."""

from __future__ import annotations

from typing import Sequence

import numpy as np
from scipy.spatial import cKDTree

EARTH_RADIUS_KM = 6371.0088


def distance_km(lat_a: np.ndarray, lon_a: np.ndarray, lat_b: np.ndarray, lon_b: np.ndarray) -> np.ndarray:
    """Return great-circle distances (haversine), also across the antimeridian.

    Parameters
    ----------
    lat_a, lon_a, lat_b, lon_b : array [degree]

    Returns
    -------
    array [km]

    Examples
    --------
    >>> float(distance_km(0.0, 179.9, 0.0, -179.9).round(2))
    22.24
    """
    phi_a, phi_b = np.radians(lat_a), np.radians(lat_b)
    half = (np.sin((phi_b - phi_a) / 2) ** 2
            + np.cos(phi_a) * np.cos(phi_b) * np.sin(np.radians(np.subtract(lon_b, lon_a)) / 2) ** 2)
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1)))


def tower_groups(sites: Sequence[str], lat: np.ndarray, lon: np.ndarray, distance: float = 1.0) -> np.ndarray:
    """Return the group of each tower: same code, or nearer than `distance` to a tower of the group.

    Parameters
    ----------
    sites : sequence of str, length n
        Site codes; upper and lower case are the same.
    lat, lon : array of shape (n,) [degree]
        NaN where unknown; such towers are grouped by their code alone.
    distance : float [km]
        0 groups by code alone.

    Returns
    -------
    array of int, shape (n,)
        Numbers from 0 in the order in which groups first appear.
    """
    parent = np.arange(len(sites))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = int(parent[at])
        return at

    seen: dict[str, int] = {}
    for at, site in enumerate(sites):
        parent[root(at)] = root(seen.setdefault(str(site).strip().upper(), at))
    for one, two in _near(np.asarray(lat, float), np.asarray(lon, float), distance):
        parent[root(two)] = root(one)
    roots = [root(at) for at in range(len(sites))]
    numbers = {value: number for number, value in enumerate(dict.fromkeys(roots))}
    return np.array([numbers[value] for value in roots], dtype="int64")


def _near(lat: np.ndarray, lon: np.ndarray, distance: float) -> np.ndarray:
    """Return the pairs of towers nearer than `distance`; chords on the sphere know no antimeridian."""
    placed = np.flatnonzero(np.isfinite(lat) & np.isfinite(lon))
    if distance <= 0 or placed.size < 2:
        return np.empty((0, 2), dtype="int64")
    phi, lam = np.radians(lat[placed]), np.radians(lon[placed])
    points = np.column_stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])
    angle = min(distance / EARTH_RADIUS_KM, np.pi)
    pairs = cKDTree(points).query_pairs(2 * np.sin(angle / 2) * (1 + 1e-9), output_type="ndarray")
    pairs = placed[pairs].reshape(-1, 2)
    apart = distance_km(lat[pairs[:, 0]], lon[pairs[:, 0]], lat[pairs[:, 1]], lon[pairs[:, 1]])
    return pairs[apart < distance]
