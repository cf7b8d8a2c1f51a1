"""The action that sets models side by side on the same samples and folds."""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from ..catalogue import MODELS, suggestion
from ..device import resolve
from ..errors import Cancelled, ConfigError, RecoError, ResourceError, SampleError
from ..evaluation.crossval import DEALT_ONCE, NOTES, cross_validate, deal
from ..evaluation.entries import Entry, read_entries, unusable
from ..evaluation.league import Rows, common_rows, league_rows, season_of, training_mean
from ..io.drivers.files import open_drivers
from ..io.files import atomic
from ..io.observations.read import open_samples
from ..models.ensemble import Recipe
from ..models.registry import model_class
from ..models.seeds import default_seeds
from ..models.table import Table
from ..progress import Progress
from ..report.comparison import Comparison, build_comparison, draw_comparison
from ..samples.footprints import NEAREST
from ..vocabulary.calendar import step_days
from .data import at_towers
from .models import citations, cited, prediction_rows, write_csv
from .record import checksum
from .texts import names, pairs

FLOOR = "mean of the training sites"


@dataclass
class Field:
    """Who takes part: estimates (assignments, n) by label, and why others do not."""

    estimates: dict[str, np.ndarray]
    skipped: dict[str, str]
    seconds: dict[str, float]


def compare(*, samples: str, models: Optional[list[str]], variants: Optional[str], reference: Optional[str],
            weights: str, per_class: bool, folds: int, seeds: int, seed: int, alpha: float, scheme: str,
            assignments: int, products: Optional[list[str]], product_names: Optional[str],
            product_units: Optional[str], start: Optional[str], processes: int, device: str, output: str, page: str,
            taylor: str, scatter: str, predictions: str, progress: Progress) -> dict[str, Any]:
    """Hold out the same sites for several models and write their scores, figures and a page."""
    ds = open_samples(samples)
    base = Recipe("", weights, per_class, alpha, None, default_seeds(seeds), seed)
    entries = [entry.on(resolve(device, model_class(entry.recipe.name).accelerator, progress))
               for entry in read_entries(models or ([] if variants else list(MODELS)), variants, base)]
    labels = [entry.label for entry in entries] + _product_names(products, product_names)
    if reference and reference not in labels:
        raise ConfigError(f"The reference '{reference}' does not take part", suggestion(reference, labels))
    runs = Runs(ds, checksum(Path(samples)), Path(predictions), scheme, folds, assignments, processes)
    field = runs.all(entries, progress.span(0.0, 0.9))
    field.estimates |= _products(ds, products, labels[len(entries):], pairs(product_units, "product_units"), start,
                                 runs.count, progress.span(0.9, 0.92))
    if len(field.estimates) == 1:
        raise SampleError("None of the models can be used with these samples: " + "; ".join(
            f"{label}: {reason}" for label, reason in field.skipped.items()),
            "Choose other models, or build the samples with the drivers they need")
    return _write(runs, field, entries, reference, {
        "output": output, "page": page, "taylor": taylor, "scatter": scatter, "predictions": predictions},
        progress.span(0.92, 1.0))


class Runs:
    """Held-out estimates of models on one set of samples, kept in a folder and found there again."""

    def __init__(self, ds: xr.Dataset, samples_id: str, folder: Path, scheme: str, folds: int, assignments: int,
                 processes: int) -> None:
        self.ds, self.samples_id, self.folder = ds, samples_id, folder
        self.scheme, self.folds, self.processes = scheme, folds, processes
        self.count = 1 if scheme in DEALT_ONCE else assignments
        self.table = Table.of(ds).check()
        self.fold = np.empty((0, 0), dtype="int64")

    def all(self, entries: Sequence[Entry], progress: Progress) -> Field:
        """Return the estimates of all models that can be used."""
        field = Field({}, {}, {})
        self.fold = np.stack(deal(self.table, self.scheme, folds=self.folds, assignments=self.count,
                                  seed=entries[0].recipe.seed if entries else 0))
        field.estimates[FLOOR] = training_mean(self.table.y, self.fold)
        for number, entry in enumerate(entries):
            part = progress.span(number / len(entries), (number + 1) / len(entries))
            part(0.0, f"{entry.label} ({number + 1} of {len(entries)})")
            reason = unusable(entry, self.table)
            if not reason:
                try:
                    values, seconds = self.one(entry, part)
                    if not np.isfinite(values).any():
                        raise SampleError("it estimates none of the samples",
                                          "Give samples that carry all drivers it needs")
                    field.estimates[entry.label] = values
                    field.seconds[entry.label] = seconds
                except (Cancelled, ResourceError):
                    raise
                except RecoError as error:
                    reason = error.message
            if reason:
                field.skipped[entry.label] = reason
                progress.warn(f"{entry.label} is left out: {reason}")
        return field

    def one(self, entry: Entry, progress: Progress) -> tuple[np.ndarray, float]:
        """Return the estimates of one model, those kept in the folder or new ones, and how long they took [s]."""
        path = self.folder / f"{_slug(entry.label)}.csv"
        key = self._key(entry)
        if not _is_of(path, key):
            started = time.monotonic()
            table = Table.of(self.ds, entry.recipe.context)
            found = cross_validate(table, entry.recipe, scheme=self.scheme, folds=self.folds, assignments=self.count,
                                   processes=self.processes, progress=progress)
            with atomic(path) as rows:
                write_csv(prediction_rows(self.ds, found), rows)
            with atomic(path.with_suffix(".json")) as part:
                taken = {**key, "seconds": round(time.monotonic() - started, 1)}
                part.write_text(json.dumps(taken, indent=1) + "\n", encoding="utf-8")
        kept = pd.read_csv(path)["estimate"].to_numpy("float64")  # read again: the same digits, whenever it was made
        taken = json.loads(path.with_suffix(".json").read_text(encoding="utf-8")).get("seconds", float("nan"))
        return kept.reshape(self.count, len(self.table)), taken

    def _key(self, entry: Entry) -> dict[str, Any]:
        """Return what the estimates of a model depend on."""
        model = entry.recipe.model(self.table)
        parts = {**asdict(entry.recipe), "settings": model.all_settings(), "samples": self.samples_id,
                 "scheme": self.scheme, "folds": self.folds, "assignments": self.count}
        text = json.dumps(parts, sort_keys=True, default=str)
        return {"label": entry.label, "recipe": json.loads(text), "key": hashlib.sha256(text.encode()).hexdigest()}


def _slug(label: str) -> str:
    short = re.sub(r"[^A-Za-z0-9]+", "-", label).strip("-")[:60]
    return short if short == label.replace("_", "-") else f"{short}-{hashlib.sha256(label.encode()).hexdigest()[:6]}"


def _is_of(path: Path, key: Mapping[str, Any]) -> bool:
    note = path.with_suffix(".json")
    if not (path.exists() and note.exists()):
        return False
    try:
        return json.loads(note.read_text(encoding="utf-8")).get("key") == key["key"]
    except (ValueError, AttributeError):
        return False


def _product_names(products: Optional[Sequence[str]], given: Optional[str]) -> list[str]:
    paths, named = list(products or ()), names(given)
    if named and len(named) != len(paths):
        raise ConfigError(f"There are {len(paths)} products and {len(named)} names of products",
                          "Give one name per product, or none")
    return named or [Path(path).stem for path in paths]


def _products(ds: xr.Dataset, products: Optional[Sequence[str]], labels: Sequence[str], units: Mapping[str, str],
              start: Optional[str], assignments: int, progress: Progress) -> dict[str, np.ndarray]:
    """Return the values of published products at the sites, in the unit of the target."""
    flux, step = str(ds.attrs["flux_kind"]), str(ds.attrs["time_step"])
    times, at_time = np.unique(ds["time"].values, return_inverse=True)
    sites, first, at_site = np.unique(ds["site"].values.astype(str), return_index=True, return_inverse=True)
    towers = xr.Dataset(coords={"site": sites.astype(object), "time": times, "lat": ("site", ds["lat"].values[first]),
                                "lon": ("site", ds["lon"].values[first])}, attrs={"time_step": step})
    found = {}
    for path, label in zip(products or (), labels):
        progress(0.0, f"Reading {label} at the sites")
        cube = open_drivers(None, [path], [flux], units={flux: units[label]} if label in units else None, start=start)
        values = at_towers(towers, cube, [flux], NEAREST, progress)[flux].values
        rates = values[at_site, at_time] * step_days(ds["time"].values, step)
        found[label] = np.broadcast_to(rates, (assignments, rates.size)).copy()
    return found


def _write(runs: Runs, field: Field, entries: Sequence[Entry], reference: Optional[str], paths: Mapping[str, str],
           progress: Progress) -> dict[str, Any]:
    """Score what was estimated, and write table, page and figures."""
    ds, table = runs.ds, runs.table
    usable, chosen = _shared(field, reference)
    step = str(ds.attrs["time_step"])
    season = np.full(len(table), "", dtype="<U6") if step == "year" else season_of(
        ds["time"].dt.month.values, ds["lat"].values)
    rows = Rows(table.y, table.site, table.stratum, table.group, season, table.season).take(usable)
    estimates = {label: values[:, usable] for label, values in field.estimates.items()}
    progress(0.1, "Scoring")
    scores = league_rows(rows, estimates, scheme=runs.scheme, reference=chosen)
    held = (runs.fold >= 0).any(axis=0)
    lost = {label: int((held & ~np.isfinite(values).all(axis=0)).sum()) for label, values in field.estimates.items()}
    unit = str(ds["target"].attrs.get("units", ""))
    comparison = Comparison(
        scores, rows.observed, {label: values.mean(axis=0) for label, values in estimates.items()}, unit,
        str(ds.attrs["flux_kind"]), step, chosen, NOTES[runs.scheme], int(held.sum()), lost, field.skipped,
        floor=FLOOR, titles=_titles(field, entries),
        folds=int(np.unique(runs.fold[0][runs.fold[0] >= 0]).size), assignments=runs.count,
        seeds=len(entries[0].recipe.seeds) if entries else 0, source=Path(paths["output"]).stem)
    progress(0.4, "Drawing")
    pictures = draw_comparison(comparison)
    with atomic(paths["output"]) as part:
        write_csv(pd.DataFrame([{**row, "unit": unit, "folds": comparison.folds, "assignments": runs.count,
                                 "reference": chosen, "left_out": lost[row["run"]]} for row in scores]), part)
    with atomic(paths["page"]) as part:
        part.write_text(build_comparison(comparison, pictures), encoding="utf-8", newline="\n")
    for name in ("taylor", "scatter"):
        with atomic(paths[name]) as part:
            part.write_bytes(pictures[name])
    models = dict.fromkeys(entry.recipe.name for entry in entries if entry.label in field.estimates)
    return {**paths, "summary": _lines(comparison), "citations": cited(
        list(dict.fromkeys(text for name in models for text in citations(name))), ds),
        "details": {"skipped": field.skipped, "left_out": lost, "seconds": field.seconds,
                    "settings": {entry.label: asdict(replace(entry.recipe, seeds=())) for entry in entries}}}


def _titles(field: Field, entries: Sequence[Entry]) -> dict[str, str]:
    """Return what each label means."""
    known = {entry.label: entry.recipe.name for entry in entries}
    return {label: MODELS.get(known[label], "") + (f" ({_asked(label, entries)})" if label != known[label] else "")
            if label in known else "published product, read at the sites; it may have been trained on these very towers"
            for label in field.estimates if label != FLOOR}


def _asked(label: str, entries: Sequence[Entry]) -> str:
    recipe = next(entry.recipe for entry in entries if entry.label == label)
    words = [recipe.settings or "", f"weights={recipe.weights}", "a model per class" if recipe.per_class else ""]
    return ", ".join(word for word in words if word)


def _shared(field: Field, reference: Optional[str]) -> tuple[np.ndarray, str]:
    """Return the samples that all estimate, and the reference."""
    usable = common_rows(field.estimates)
    if usable.sum() < 3:
        few = {label: int(np.isfinite(item).all(axis=0).sum()) for label, item in field.estimates.items()}
        raise SampleError("There is no sample that all models and products estimate: " + ", ".join(
            f"{label} {count}" for label, count in few.items()), "Leave out what estimates fewest samples")
    chosen = reference or next((label for label in field.estimates if label != FLOOR), FLOOR)
    if chosen not in field.estimates:
        raise ConfigError(f"The reference '{chosen}' cannot be used: {field.skipped.get(chosen, '')}",
                          "Choose another reference")
    return usable, chosen


def _lines(found: Comparison) -> list[str]:
    lines = [f"{len(found.ranked())} models on the same {len(found.observed)} of {found.held} held-out samples "
             f"({found.note}); unit {found.unit}"]
    width = max(len(row["run"]) for row in found.ranked())
    lines += [f"{row['run']:<{width}}  R² {row['r2_nse']:6.3f}  MAE {row['mae']:8.4g}  RMSE {row['rmse']:8.4g}  "
              f"bias {row['bias']:+.3g}" + (f"  ΔR² {row['d_r2_nse']:+.3f} ({row['d_r2_nse_low']:+.3f} to "
                                            f"{row['d_r2_nse_high']:+.3f})" if "d_r2_nse" in row else "")
              for row in found.ranked()]
    lines += [f"{label}: no estimate for {count} samples" for label, count in found.lost.items() if count]
    return lines + [f"{label} is left out: {reason}" for label, reason in found.skipped.items()]
