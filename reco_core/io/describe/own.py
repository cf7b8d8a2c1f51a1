"""What RECO wrote itself: observations, samples, models, links, run records, results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Mapping, Optional

import numpy as np

from ...errors import SchemaError
from ...vocabulary.kinds import feature_names
from ...vocabulary.ledger import ledger, ledger_lines
from ..artifact import model_id, read_artifact
from ..observations.kept import open_observations, open_samples
from .description import Column, Description, Holds, span_words, statistics

MOST_LEDGER = 6
NOT_DRIVERS = ("qc", "uncertainty", "uncertainty_partitioning")


def describe_observations(path: str, label: str) -> Description:
    """Return what a table of observations holds."""
    ds = open_observations(path)
    flux, step = str(ds.attrs["flux_kind"]), str(ds.attrs["time_step"])
    values = ds[flux].values
    networks = np.unique(ds["network"].values.astype(str)) if "network" in ds.coords else np.array([])
    placed = int((np.isfinite(ds["lat"].values) & np.isfinite(ds["lon"].values)).sum())
    facts = [("flux", f"{flux} [g C m-2 d-1], {int(np.isfinite(values).sum()):,} records"),
             ("sites", f"{ds.sizes['site']}, {placed} of them with a position"),
             ("networks", ", ".join(name or "not stated" for name in networks)),
             ("classes", ", ".join(sorted({str(name) for name in ds["igbp"].values if name}))),
             ("period", span_words(ds["time"].values[np.isfinite(values).any(axis=0)], step)),
             *(("left out", line) for line in ledger_lines(ledger(ds))[:MOST_LEDGER])]
    there = np.isfinite(values)
    columns, drivers = [], []
    for name in map(str, ds.data_vars):
        own = ds[name].values[there] if ds[name].shape == values.shape else ds[name].values
        columns.append(Column(name, name, str(ds[name].attrs.get("units", "")), **statistics(own)))
        if name not in (*NOT_DRIVERS, flux):
            drivers.append(name)
    return Description(label, "Observations that RECO wrote", tuple((key, text) for key, text in facts if text),
                       tuple(columns), (), Holds("towers", (flux,), tuple(drivers), (), step),
                       f"reco build_samples --observations {path}")


def describe_samples(path: str, label: str) -> Description:
    """Return what a table of samples holds."""
    ds = open_samples(path)
    features = feature_names(ds)
    facts = [("samples", f"{ds.sizes['sample']:,} at {np.unique(ds['site'].values.astype(str)).size} sites in "
                         f"{np.unique(ds['group'].values).size} tower groups"),
             ("target", f"{ds.attrs['flux_kind']} [{ds['target'].attrs.get('units', '')}]"),
             ("period", span_words(ds["time"].values, str(ds.attrs["time_step"]))),
             ("drivers", f"{len(features)}, from the {ds.attrs.get('drivers_source', '')}"
              + (f" ({ds.attrs['footprint']})" if ds.attrs.get("footprint") else ""))]
    columns = [Column(name, name, str(ds[name].attrs.get("units", "")), **statistics(ds[name].values))
               for name in ("target", *features)]
    return Description(label, "Samples that RECO wrote", tuple(facts), tuple(columns), (),
                       Holds("samples", (str(ds.attrs["flux_kind"]),), tuple(features), (),
                             str(ds.attrs["time_step"])), f"reco fit --samples {path}")


def describe_model(path: str, label: str) -> Description:
    """Return what a model folder holds, after checking every file in it.

    Raises
    ------
    ArtifactError
        It is damaged.
    """
    meta, _, _ = read_artifact(path)
    features = [feature for feature in meta.get("features", ()) if isinstance(feature, Mapping)]
    provenance = meta.get("provenance", {})
    facts = [("method", str(meta.get("name", ""))), ("identity", model_id(path)),
             ("target", f"{meta.get('flux_kind', '')} [{meta.get('target_unit', '')}], one value per "
                        f"{meta.get('time_step', '')}"),
             ("folds", str(len(meta.get("folds", ())) or "")),
             ("trained on", f"{provenance.get('samples', '?')} samples of {provenance.get('sites', '?')} sites, "
                            f"{provenance.get('first', '?')} to {provenance.get('last', '?')}"),
             ("skill", _skill(meta.get("scores", {})))]
    columns = [Column(str(feature.get("name", "")), str(feature.get("name", "")), str(feature.get("unit", "")),
                      None, _float(feature.get("low")), _float(feature.get("high")), "range of training")
               for feature in features]
    return Description(label, "Fitted model that RECO wrote; all files are whole",
                       tuple((key, text) for key, text in facts if text), tuple(columns), (), Holds(),
                       f"reco predict --model {path} --drivers CUBE")


def _float(value: Any) -> Optional[float]:
    return float(value) if isinstance(value, (int, float)) else None


def _skill(scores: Mapping[str, Any]) -> str:
    held = scores.get("held_out", {}) if isinstance(scores, Mapping) else {}
    pooled = held.get("pooled", held) if isinstance(held, Mapping) else {}
    if not isinstance(pooled, Mapping) or pooled.get("r2_nse") is None:
        return ""
    return f"R2 {float(pooled['r2_nse']):.3f} on sites held out"


def describe_json(text: str, label: str, path: str) -> Description:
    """Return what a JSON file of RECO tells: a run record, links or scores; others are only named.

    Raises
    ------
    SchemaError
        It is no JSON.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise SchemaError(f"'{label}' is no JSON: {error}", "The file is damaged or cut off") from error
    if isinstance(found, Mapping) and "reco_version" in found and "step" in found:
        outputs = found.get("outputs") or {}
        facts = [("step", f"{found['step']} ({found.get('title', '')})"), ("version", str(found["reco_version"])),
                 *(("output", f"{name}: {value}") for name, value in outputs.items()),
                 *(("said", str(line)) for line in (found.get("summary") or ())[:8])]
        return Description(label, "Run record that RECO wrote", tuple(facts))
    if isinstance(found, Mapping) and {"mode", "drivers", "effects", "p_values"} <= set(found):
        facts = [(key, str(found[key])) for key in ("mode", "engine", "alpha", "rows", "sites") if key in found]
        return Description(label, "Causal links that RECO wrote (find_links)",
                           (*facts, ("drivers", ", ".join(map(str, found["drivers"])))))
    keys = ", ".join(map(str, list(found)[:10])) if isinstance(found, Mapping) else f"a list of {len(found)}" if \
        isinstance(found, list) else type(found).__name__
    return Description(label, "JSON that is not of RECO", (("holds", keys),))


def describe_result(folder: Path, label: str) -> Description:
    """Return what a folder of results holds, from its run record."""
    record = describe_json((folder / "run.json").read_text(encoding="utf-8"), "run.json", str(folder))
    rasters = sorted(item.name for item in folder.glob("*.tif"))
    below = sorted(item.name for item in (folder / "contributions").glob("*.tif"))
    facts = [*record.facts, ("maps", ", ".join(rasters) or "none")]
    if below:
        facts.append(("contributions", ", ".join(below)))
    if (folder / "report.html").exists():
        facts.append(("report", "report.html"))
    return Description(label, "Results that RECO wrote", tuple(facts),
                       read_with=f"reco report --folder {folder}" if "reco.tif" in rasters else "")
