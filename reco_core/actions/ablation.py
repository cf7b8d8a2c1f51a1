"""The action that adds drivers to a model one by one and says which of them help."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
import pandas as pd
import xarray as xr

from ..device import resolve
from ..errors import SampleError
from ..evaluation.ablation import Ablation, compare, variants, verdict
from ..evaluation.ablation import ablate as run_variants
from ..io.files import atomic
from ..io.observations.read import open_samples
from ..models.ensemble import Recipe
from ..models.registry import model_class
from ..models.seeds import default_seeds
from ..models.table import Table
from ..progress import Progress
from ..vocabulary import canonical_name
from ..vocabulary.calendar import step_label
from ..vocabulary.kinds import feature_names
from .models import citations
from .texts import names

PREFIXES = {"cnn_spei": "CNN"}


def ablate(*, samples: str, model: str, added: str, scheme: str, folds: int, seeds: int, seed: int, iterations: int,
           draws: int, weights: str, per_class: bool, alpha: float, settings: Optional[str], processes: int,
           device: str, output: str, predictions: str, progress: Progress) -> dict[str, Any]:
    """Compare a model without and with further drivers on the same splits; write scores and estimates."""
    ds = open_samples(samples)
    place = resolve(device, model_class(model).accelerator, progress)
    recipe = Recipe(model, weights, per_class, alpha, settings, default_seeds(seeds), seed, device=place)
    asked = [canonical_name(name) or name.lower() for name in names(added)]
    chosen = variants(feature_names(ds), asked, PREFIXES.get(model, f"{model}_"))
    ds, lost = _complete(ds, recipe)
    tables = {variant.name: Table.of(ds.assign_attrs(features=",".join(variant.drivers)), recipe.context)
              for variant in chosen}
    found = run_variants(tables, chosen, recipe, scheme=scheme, folds=folds, iterations=iterations,
                         processes=processes, progress=progress.span(0.0, 0.95))
    rows = compare(found, draws=draws)
    best, words = verdict(rows)
    unit = ds["target"].attrs.get("units", "")
    about = {"model": model, "scheme": scheme, "side": recipe.context.side, "seeds": seeds, "unit": unit}
    with atomic(output) as scores, atomic(predictions) as estimates:
        table = pd.DataFrame([{**row, "optimal": row["variant"] == best, **about} for row in rows])
        table.to_csv(scores, index=False, lineterminator="\n", float_format="%.10g")
        _estimates(ds, found).to_csv(estimates, index=False, lineterminator="\n", float_format="%.10g")
    context = " with a 1 x 1 context" if model == "cnn_spei" and recipe.context.side == 1 else ""
    lines = [f"{model}{context}, {scheme} ({found.note}): {words}",
             f"{rows[0]['n']} samples of {rows[0]['groups']} tower groups; {lost} left out for gaps"]
    lines += [f"{row['variant']} ({row['added']}): R² {row['r2_nse']:.3f}, CC {row['ccc']:.3f}, RMSE "
              f"{row['rmse']:.4g}, SDE {row['sde']:.4g}, bias {row['bias']:+.3g} {unit}" + _difference(row)
              for row in rows]
    return {"output": output, "predictions": predictions, "summary": lines,
            "citations": [text for text in (*citations(model), ds.attrs.get("citation", "")) if text],
            "details": {"verdict": words, "optimal": best}}


def _complete(ds: xr.Dataset, recipe: Recipe) -> tuple[xr.Dataset, int]:
    """Return the samples without gaps in anything that any variant sees, and how many were left out."""
    whole = np.isfinite(Table.of(ds, recipe.context).X).all(axis=1)
    if not whole.any():
        raise SampleError(f"Each of the {whole.size} samples lacks a driver",
                          "Leave out the driver with most gaps (build_samples, features=...)")
    return ds.isel(sample=np.flatnonzero(whole)), int((~whole).sum())


def _difference(row: dict[str, Any]) -> str:
    if "rmse_low" not in row:
        return ""
    return f"; RMSE {row['rmse_difference']:+.3g} [{row['rmse_low']:+.3g}, {row['rmse_high']:+.3g}]"


def _estimates(ds: xr.Dataset, found: Ablation) -> pd.DataFrame:
    """Return the estimates that were held out, a column per variant."""
    times = np.array([step_label(time, ds.attrs["time_step"]) for time in ds["time"].values])
    parts = []
    for repeat in range(len(found.estimates[0])):
        held = np.isfinite(found.estimates[0][repeat])
        parts.append(pd.DataFrame({
            "site": ds["site"].values[held], "time": times[held], "group": ds["group"].values[held],
            "repeat": repeat + 1, "observed": found.observed[held],
            **{variant.name: values[repeat, held] for variant, values in zip(found.variants, found.estimates)}}))
    return pd.concat(parts, ignore_index=True)
