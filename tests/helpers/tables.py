"""Small tables of samples for tests of models and scores."""

from __future__ import annotations

import numpy as np
import xarray as xr

from reco_core.models.table import Table

CLASSES = ("ENF", "GRA", "DBF")


def make_table(sites=12, rows=36, seed=0, noise=3.0, offset=5.0):
    """Return monthly samples whose respiration follows temperature and leaf area, not soil carbon."""
    rng = np.random.default_rng(seed)
    month = np.tile(np.arange(rows), sites)
    site = np.repeat(np.arange(sites), rows)
    ta = 10 + 10 * np.sin(2 * np.pi * month / 12) + rng.normal(0, 2, month.size) + site * 0.3
    lai = np.clip(1.5 + np.sin(2 * np.pi * (month - 1) / 12) + rng.normal(0, 0.3, month.size), 0, 8)
    soc = rng.uniform(10, 80, sites)[site]
    y = 20 + 3 * ta + 15 * lai + rng.normal(0, offset, sites)[site] + rng.normal(0, noise, month.size)
    X = np.column_stack([ta, lai, soc])
    names = np.array([f"XX-{number:03d}" for number in range(sites)])[site]
    return Table(X, y, site, ("ta", "lai", "soc_0"), names, np.array(CLASSES)[site % len(CLASSES)],
                 month, month % 12, 2001 + month // 12)


def make_samples(**options):
    """Return the same as a dataset of kind samples."""
    table = make_table(**options)
    ds = xr.Dataset(coords={
        "site": ("sample", table.site.astype(object)),
        "time": ("sample", (np.datetime64("2001-01") + table.step).astype("datetime64[ns]")),
        "lat": ("sample", 50 + table.group * 0.1), "lon": ("sample", 8 + table.group * 0.1),
        "igbp": ("sample", table.stratum.astype(object)), "group": ("sample", table.group)})
    units = {"ta": "degC", "lai": "m2 m-2", "soc_0": "g kg-1"}
    for name, column in zip(table.features, table.X.T):
        ds[name] = ("sample", column, {"units": units[name], "long_name": name})
    ds["target"] = ("sample", table.y, {"units": "g C m-2 month-1"})
    ds["weight"] = ("sample", np.ones(len(table)))
    ds.attrs.update(reco_kind="samples", flux_kind="reco", time_step="month", features=",".join(table.features),
                    history="made for a test", citation="", drivers_source="site")
    return ds


def to_table(frame, columns, classes="type"):
    """Return a table of the real tower months (CIML-TER) as a Table, rows in the order of the file."""
    X = frame[columns].to_numpy("float64")
    group = np.unique(frame.site, return_inverse=True)[1]
    step = (frame.year * 12 + frame.month - 1).to_numpy()
    return Table(X, frame.RECO.to_numpy("float64"), group, tuple(columns), frame.site.to_numpy().astype(str),
                 frame[classes].to_numpy().astype(str), step, step % 12, frame.year.to_numpy())
