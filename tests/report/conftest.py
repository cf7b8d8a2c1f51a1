"""Small report inputs of which every number is known."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.report.inputs import Driver, Frame, Held, Note, ReportInputs, ScoreRow, Series, Skill
from reco_core.report.tally import SEASONS

ROWS, COLUMNS, YEARS = 12, 9, 4
TIMES = tuple(f"{year}-{month:02d}" for year in range(2001, 2001 + YEARS) for month in range(1, 13))


def shares() -> np.ndarray:
    """Return shares of three drivers that change from north to south."""
    first = np.linspace(0.2, 0.7, ROWS)[:, None] + np.zeros((ROWS, COLUMNS))
    second = 0.8 * (1 - first)
    return np.stack([first, second, 1 - first - second])


def skill() -> Skill:
    """Return scores whose numbers occur nowhere else."""
    rng = np.random.default_rng(0)
    observed = rng.gamma(3, 30, 400)
    scores = {"n": 400, "sites": 40, "r2_nse": 0.531, "r2_pearson": 0.549, "rmse": 41.7, "mae": 29.3, "rmae": 0.31,
              "bias": -2.64}
    rows = [ScoreRow("All sites", "random", {**scores, "r2_nse": 0.874}, "pooled"),
            ScoreRow("EBF", "grouped", {**scores, "n": 90, "r2_nse": -0.217}, "class"),
            ScoreRow("GRA", "grouped", {**scores, "n": 310, "r2_nse": 0.652}, "class"),
            ScoreRow("All sites", "grouped", scores, "pooled")]
    return Skill(rows, Held(observed, 0.8 * observed + rng.normal(12, 15, 400)), folds=10, sites=40)


@pytest.fixture(scope="session")
def inputs():
    """Return a function that makes report inputs; keywords replace fields."""

    def make(**changes) -> ReportInputs:
        rng = np.random.default_rng(1)
        flux = np.linspace(20, 150, ROWS)[:, None] + np.linspace(0, 10, COLUMNS)
        flux[0, 0] = np.nan
        share = shares()
        cycle = 1 + 0.6 * np.sin(2 * np.pi * (np.arange(len(TIMES)) % 12 - 3) / 12)
        drivers = [Driver.named(name) for name in ("ta", "lai", "day_length")]
        x = rng.normal(10, 8, 900)
        month = rng.integers(1, 13, 900)
        values = {
            "title": "Respiration of Nowhere", "region": "0° to 9° E, 30° N to 42° N", "flux_kind": "reco",
            "unit": "g C m-2 month-1", "time_step": "month", "frame": Frame(0, 9, 30, 42, "EPSG:4326 (WGS 84)"),
            "maps": {"flux": flux, "spread": 0.1 * flux, "applicability": np.where(flux > 100, 0.3, 0.9),
                     "outside": (flux > 100).astype(float)},
            "seasons": {name: flux * (1 + i / 4) for i, name in enumerate(SEASONS)},
            "series": Series(TIMES, 84.6 * cycle, 8.1 * cycle), "drivers": drivers, "shares": share,
            "groups": share[[0, 1, 2]], "dominant": np.argmax(share, axis=0) + 1.0,
            "trend": {"slope": flux / 50 - 1.5, "relative": flux / 500, "p": np.where(flux > 90, 0.01, 0.4),
                      "n": np.full(flux.shape, 20.0)},
            "trend_unit": "g C m-2 yr-2",
            "numbers": {"mean": 84.6, "area": 1.37e12, "total_per_year": 1.391e15, "annual": 1015.0, "years": 4.0,
                        "spread": 8.13, "seed_spread": 2.47, "relative_spread": 0.0961, "applicable": 0.614,
                        "trend_slope": 1.234, "trend_up": 0.57, "trend_down": 0.02,
                        "trend_years": 20.0, "group_environment": 0.45,
                        "group_biotic": 0.44, "group_spatiotemporal": 0.11},
            "driver_numbers": {d.name: {"mean": float(s.mean()), "sd": float(s.std()), "low": float(s.min()),
                                        "high": float(s.max()), "weighted": float(s.mean()), "dominant": share_of}
                               for d, s, share_of in zip(drivers, share, (0.58, 0.42, 0.0))},
            "dependence": {d.name: (x, x * k - 3, month) for k, d in enumerate(drivers)}, "skill": skill(),
            "model": {"Method": "Causality-weighted gradient boosting"},
            "record": {"reco_version": "0.1.0", "step": "estimate_region", "parameters": {"seeds": 20, "region": None},
                       "inputs": {"drivers.zarr": "sha256:" + "ab" * 32}, "versions": {"numpy": "1.26.4"},
                       "outputs": {"flux": "reco.tif"}, "citations": ["Zhao & Zhu (2025), doi:10.1038/x"]},
            "notes": [Note("Three drivers only.", True), Note("Made for a test.")],
        }
        return ReportInputs(**{**values, **changes})

    return make
