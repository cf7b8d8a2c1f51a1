"""Samples of sites in climates of their own, for tests of zones: rows with their monthly means behind them."""

from __future__ import annotations

import numpy as np

from reco_core.models.table import Table

FEATURES = ("ta", "precip", "lai")
CLIMATES = ((-5.0, 1.0), (10.0, 2.0), (25.0, 6.0))


def make_zonal(sites=15, rows=36, seed=0, slopes=(3.0, -3.0, 3.0), noise=4.0, spread=0.4):
    """Return monthly samples of sites in three climates; respiration rises or falls with leaf area by climate.

    The first of the table's columns are ta, precip and lai, behind them stand their means in each month.
    """
    rng = np.random.default_rng(seed)
    zone = np.arange(sites) % len(CLIMATES)
    mean = np.array(CLIMATES)[zone] + rng.normal(0, spread, (sites, 2)) * (1.0, 0.3)
    month = np.tile(np.arange(rows), sites)
    site = np.repeat(np.arange(sites), rows)
    season = np.sin(2 * np.pi * month / 12)
    ta = mean[site, 0] + 8 * season + rng.normal(0, 1, month.size)
    precip = np.clip(mean[site, 1] + 0.3 * rng.normal(0, 1, month.size), 0, None)
    lai = rng.uniform(0.5, 5.5, month.size)
    y = 60 + 10 * np.array(slopes)[zone[site]] * (lai - 3) / 3 + rng.normal(0, noise, month.size)
    X = np.column_stack([ta, precip, lai])
    climate = np.stack([[X[(site == s) & (month % 12 == m)].mean(axis=0) for m in range(12)] for s in range(sites)])
    wide = np.column_stack([X, climate[site].reshape(month.size, -1)])
    names = np.array([f"XX-{number:03d}" for number in range(sites)])[site]
    return Table(wide, y, site, FEATURES, names, np.full(month.size, "GRA"), month, month % 12, 2001 + month // 12,
                 time_step="month")
