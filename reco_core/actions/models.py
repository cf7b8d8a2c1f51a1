"""Actions that learn from samples: causal links, fitted models and their skill."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pandas as pd
import xarray as xr

from ..device import resolve
from ..evaluation.crossval import Predictions, cross_validate, fold_count, score_rows, summarise
from ..evaluation.search import Searched, cross_validate_searched, search_settings
from ..io.artifact import read_artifact, write_artifact
from ..io.files import atomic
from ..io.observations.read import open_samples
from ..models import causal_links
from ..models.base import Feature, FittedModel
from ..models.ensemble import Recipe, describe, fit_folds, put_on
from ..models.registry import model_class
from ..models.seeds import default_seeds
from ..models.table import Table
from ..progress import SILENT, Progress
from ..samples.splits import assign_folds
from ..vocabulary import variable
from ..vocabulary.calendar import step_label
from .card import search_lines, settings_text, skill_line, write_card


def find_links(*, samples: str, mode: str, alpha: float, engine: str, max_lag: int, within_site: str, processes: int,
               output: str, progress: Progress) -> dict[str, Any]:
    """Estimate how strongly each driver is linked with respiration and write JSON and CSV."""
    ds = open_samples(samples)
    table = Table.of(ds).check()
    links = causal_links.find_links(table, mode, alpha=alpha, engine=engine, max_lag=max_lag,
                                    within_site=within_site, processes=processes,
                                    progress=progress.span(0.0, 0.9))
    record = {**links.to_dict(), "flux_kind": ds.attrs["flux_kind"], "time_step": ds.attrs["time_step"]}
    target = Path(output)
    with atomic(target) as part, atomic(target.with_suffix(".csv")) as rows:
        part.write_text(json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
        pd.DataFrame(links.records()).to_csv(rows, index=False, lineterminator="\n", float_format="%.10g")
    lines = [f"Links of {ds.attrs['flux_kind']} in {links.rows} samples of {links.sites} sites ({mode}, {engine}):"]
    order = np.argsort(-np.nan_to_num(np.abs(links.effects)), kind="stable")
    lines += [f"{links.drivers[k]} {links.effects[k]:+.3f}" + (f" (p {links.p_values[k]:.2g})"
              if np.isfinite(links.p_values[k]) else "") for k in order]
    if links.skipped:
        lines.append(f"Left out: {len(links.skipped)}, such as " + "; ".join(
            f"{name}: {reason}" for name, reason in list(links.skipped.items())[:3]))
    if mode == "pooled":
        lines.append("Sites are stacked: part of a link is association between sites")
    return {"output": output, "summary": lines, "citations": cited([causal_links.CITATION], ds)}


def fit(*, samples: str, model: str, weights: str, per_class: bool, folds: int, seeds: int, seed: int, alpha: float,
        settings: Optional[str], processes: int, device: str, search: bool, trials: int, study: Optional[str],
        output: str, progress: Progress) -> dict[str, Any]:
    """Fit a model on site-grouped folds and write its folder."""
    ds = open_samples(samples)
    place = resolve(device, model_class(model).accelerator, progress)
    recipe = Recipe(model, weights, per_class, alpha, settings, default_seeds(seeds), seed, place)
    searched = search_settings(Table.of(ds, recipe.context), recipe, trials=trials, study=study, processes=processes,
                               progress=progress.span(0.0, 0.6)) if search else None
    fitted = fit_samples(ds, recipe, folds=folds, processes=processes, searched=searched,
                         progress=progress.span(0.6 if search else 0.0, 0.95))
    progress(0.95, "Writing the model")
    save_model(fitted, output)
    lines = [f"{model} on {len(fitted.reference['y'])} samples of {fitted.provenance['sites']} sites",
             skill_line(fitted), *search_lines(fitted),
             f"Skill of every class, caveats and drivers: {Path(output).name}/card.md"]
    return {"output": output, "summary": lines, "citations": list(fitted.provenance["citations"]),
            "details": {"scores": fitted.scores["held_out"], "settings": fitted.provenance["settings"],
                        "seeds": fitted.provenance["seeds"], "device": place}}


def evaluate(*, samples: str, model: str, weights: str, per_class: bool, folds: int, seeds: int, seed: int,
             alpha: float, settings: Optional[str], processes: int, device: str, scheme: str, assignments: int,
             search: bool, trials: int, study: Optional[str], output: str, predictions: str,
             progress: Progress) -> dict[str, Any]:
    """Measure the skill of a model on sites it has not seen; write scores and estimates."""
    ds = open_samples(samples)
    place = resolve(device, model_class(model).accelerator, progress)
    recipe = Recipe(model, weights, per_class, alpha, settings, default_seeds(seeds), seed, place)
    table = Table.of(ds, recipe.context)
    options: dict[str, Any] = {"scheme": scheme, "folds": folds, "assignments": assignments, "processes": processes,
                               "progress": progress.span(0.0, 0.95)}
    chosen: list[Searched] = []
    if search:
        found, chosen = cross_validate_searched(table, recipe, trials=trials, study=study, **options)
    else:
        found = cross_validate(table, recipe, **options)
    rows = score_rows(found)
    about = {"model": model, **({"settings": "searched in each fold (nested)"} if search else {}), "weights": weights,
             "per_class": per_class, "folds": fold_count(found), "seeds": seeds,
             "assignments": len(found.estimates), "unit": ds["target"].attrs.get("units", "")}
    with atomic(output) as scores, atomic(predictions) as estimates:
        write_csv(pd.DataFrame([{**row, **about} for row in rows]), scores)
        write_csv(prediction_rows(ds, found), estimates)
    held = rows[0]
    lines = [f"{model}, {scheme} ({held['note']}): R² {held['r2_nse']:.3f} (95 % over sites "
             f"{held['r2_nse_low']:.2f} to {held['r2_nse_high']:.2f}), MAE {held['mae']:.2f}, RMSE "
             f"{held['rmse']:.2f}, bias {held['bias']:+.2f} {about['unit']}",
             f"Median over sites: MAE {held['site_mae']:.2f}, R² {held['site_r2']:.2f}; the five "
             f"worst sites have {held['worst_sites_share']:.0%} of the squared error"]
    lines += [f"Settings of fold {number}: {settings_text(item.chosen)}" for number, item in enumerate(chosen)]
    lines += [f"{row['name']}: R² {row['r2_nse']:.2f}, MAE {row['mae']:.2f}, {row['sites']} sites"
              for row in rows if row["level"] == "class"]
    return {"output": output, "predictions": predictions, "summary": lines,
            "citations": cited(citations(model), ds), "details": {"pooled": held, "device": place,
            **({"searched": [item.to_dict() for item in chosen]} if search else {})}}


def fit_samples(samples: xr.Dataset, recipe: Recipe, *, folds: int = 10, processes: int = 0,
                searched: Optional[Searched] = None, progress: Progress = SILENT) -> FittedModel:
    """Fit a model on site-grouped folds of a sample table.

    Parameters
    ----------
    samples : xarray.Dataset
        Written by `build_samples`.
    recipe : Recipe
    folds : int
    processes : int
        0 uses every core; the result does not depend on it.
    searched : Searched, optional
        Settings found by `search_settings`, to be used and told.

    Returns
    -------
    FittedModel
        With its skill on held-out sites in `scores`.
    """
    if searched:
        recipe = replace(recipe, settings=searched.settings)
    table = Table.of(samples, recipe.context)
    fold = assign_folds(table.group, folds, seed=recipe.seed)
    fitted = fit_folds(table, fold, recipe, processes=processes, progress=progress, features=_features(samples, table),
                       target_unit=samples["target"].attrs.get("units", ""), time_step=samples.attrs["time_step"],
                       flux_kind=samples.attrs["flux_kind"], provenance=_provenance(samples, table, recipe))
    if searched:
        fitted = replace(fitted, provenance={**fitted.provenance, "search": searched.to_dict()})
    reference = fitted.reference
    found = Predictions(table.y, reference["held_out"][None], fold[None], "grouped", table.site, table.stratum,
                        table.group)
    return replace(fitted, scores=summarise(found, reference["overall"]))


def save_model(fitted: FittedModel, path: str | Path) -> Path:
    """Write a fitted model as a folder, with its links and a card to read."""
    meta, blobs, arrays = fitted.to_parts()
    texts = {"card.md": write_card(fitted)}
    if fitted.links:
        texts["links.json"] = json.dumps(fitted.links, indent=1, ensure_ascii=False) + "\n"
    return write_artifact(path, meta, blobs, arrays, texts)


def open_model(path: str | Path) -> FittedModel:
    """Open a model folder after checking every file in it.

    Raises
    ------
    ArtifactError
        It is no model, or was damaged or changed.
    """
    return FittedModel.from_parts(*read_artifact(path))


def open_on(path: str | Path, device: str, progress: Progress = SILENT) -> FittedModel:
    """Open a model folder; the model computes on the device that was asked for, where it can."""
    fitted = open_model(path)
    return put_on(fitted, resolve(device, model_class(fitted.name).accelerator, progress))


def citations(model: str) -> list[str]:
    """Return what to cite for a method."""
    return list(model_class(model).citations)


def cited(method: list[str], samples: xr.Dataset) -> list[str]:
    """Return what to cite for methods and samples."""
    return [text for text in (*method, samples.attrs.get("citation", "")) if text]


def _features(samples: xr.Dataset, table: Table) -> tuple[Feature, ...]:
    words = {}
    for name in table.features:
        known, attrs = variable(name), samples[name].attrs
        words[name] = {"unit": attrs.get("units", known.unit), "long_name": attrs.get("long_name", known.long_name),
                       "group": known.group if known.group != "flux" else "environment"}
    return describe(table, words)


def _provenance(samples: xr.Dataset, table: Table, recipe: Recipe) -> dict[str, Any]:
    times = samples["time"].values
    step = samples.attrs["time_step"]
    template = recipe.model(table)
    return {"model": recipe.name, "weights": recipe.weights if template.weighted else "none", "alpha": recipe.alpha,
            "per_class": recipe.per_class, "settings": template.all_settings(),
            "seeds": list(recipe.seeds if template.seeded else recipe.seeds[:1]), "fold_seed": recipe.seed,
            "samples": len(table), "sites": len(np.unique(table.site)), "groups": len(np.unique(table.group)),
            "first": step_label(times.min(), step), "last": step_label(times.max(), step),
            "drivers_source": samples.attrs.get("drivers_source", ""), "history": samples.attrs.get("history", ""),
            "citations": cited(citations(recipe.name), samples)}


def prediction_rows(ds: xr.Dataset, found: Predictions) -> pd.DataFrame:
    """Return the held-out estimate of every sample in every assignment as a table."""
    step = ds.attrs["time_step"]
    times = [step_label(time, step) for time in ds["time"].values]
    parts = []
    for number, (fold, estimate) in enumerate(zip(found.fold, found.estimates), 1):
        parts.append(pd.DataFrame({
            "site": ds["site"].values, "time": times, "lat": ds["lat"].values, "lon": ds["lon"].values,
            "igbp": ds["igbp"].values, "group": ds["group"].values, "scheme": found.scheme, "assignment": number,
            "fold": fold, "observed": found.observed, "estimate": estimate}))
    return pd.concat(parts, ignore_index=True)


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table with ten digits and the same line ends everywhere."""
    table.to_csv(path, index=False, lineterminator="\n", float_format="%.10g")
