"""Small tables of observations for tests of what is done with them."""

from __future__ import annotations

import numpy as np

from reco_core.io.observations.assemble import assemble
from reco_core.vocabulary.ledger import ledger

UNITS = {"month": "M", "year": "Y", "day": "D", "8day": "D", "week": "D"}
GAPS = {"half-hour": 30, "hour": 60, "8day": 8, "week": 7}


def table(reco, qc=0.9, step="month", start="2004-01", sites=("A",), flux="reco", towers=None, **drivers):
    """Return observations of one series per site; `towers` holds a value per site for lat, lon, igbp, network."""
    reco = np.atleast_2d(np.asarray(reco, dtype="float64"))
    count = reco.shape[1]
    times = (np.datetime64(start, UNITS.get(step, "m")) + GAPS.get(step, 1) * np.arange(count)).astype("datetime64[s]")
    values = {flux: reco, "qc": np.broadcast_to(np.asarray(qc, dtype="float64"), reco.shape), **drivers}
    return assemble(np.repeat(np.array(sites, dtype=object), count), np.tile(times, len(sites)),
                    {name: np.broadcast_to(part, reco.shape).ravel() for name, part in values.items()},
                    {name: np.repeat(np.array(given), count) for name, given in (towers or {}).items()},
                    flux=flux, time_step=step)


def counts(ds):
    """Return reason -> count of the ledger."""
    return {entry["reason"]: entry["count"] for entry in ledger(ds)}
