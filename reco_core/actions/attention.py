"""The action that tables what a fitted model attends to, by class and season, beside what the drivers contribute."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ..errors import ArtifactError, SampleError
from ..io.files import atomic
from ..io.observations.read import open_samples
from ..models.base import FittedModel
from ..models.registry import model_class
from ..models.table import Table
from ..progress import SILENT, Progress
from ..report.canvas import png, style
from ..report.figures_attention import attention_figure
from ..vocabulary import variable
from ..vocabulary.kinds import feature_names
from .models import open_model

SEASONS = {"growing": (5, 6, 7, 8, 9), "non-growing": (1, 2, 3, 4, 10, 11, 12), "low-value": (1, 12)}
EXPLAINED = 60
CAVEAT = ("Attention tells where the network looks, not what moves the estimate: it is neither causal nor additive, "
          "and drivers that never change get a share of it too. Read the contributions beside it.")


def attention(*, model: str, samples: str, output: str, figure: str | None, progress: Progress) -> dict[str, Any]:
    """Write the attention and the contribution of each driver by class and season, as table and figure."""
    fitted, ds = open_model(model), open_samples(samples)
    rows = attention_rows(fitted, ds, progress.span(0.0, 0.9))
    with atomic(output) as part:
        rows.to_csv(part, index=False, lineterminator="\n", float_format="%.6g")
    if figure:
        titles = [variable(name).long_name for name in fitted.feature_names]
        with style(), atomic(figure) as part:
            part.write_bytes(png(attention_figure(rows, fitted.feature_names, titles, CAVEAT)))
    pooled = rows[rows["class"] == "all"]
    lines = [CAVEAT] + [
        f"{row['season']} ({row['samples']} samples): " + ", ".join(
            f"{name} {row[name]:.2f} ± {row[name + '_sd']:.2f} (contribution {row[name + '_contribution']:.2f})"
            for name in sorted(fitted.feature_names, key=lambda name: -row[name])[:4])
        for _, row in pooled.iterrows()]
    return {"output": output, "summary": lines, "citations": list(model_class(fitted.name).citations),
            **({"figure": figure} if figure else {})}


def attention_rows(fitted: FittedModel, samples: xr.Dataset, progress: Progress = SILENT) -> pd.DataFrame:
    """Return attention and contribution by class and season.

    Parameters
    ----------
    fitted : FittedModel
        Of a method that attends, such as geoman.
    samples : xarray.Dataset
        With the surroundings that the model looks at.
    progress : Progress

    Returns
    -------
    pandas.DataFrame
        A row per class (and "all") and season: `class`, `season`, `samples`; for each driver its share of the
        attention (mean over samples, then over the models of the folds), `<driver>_sd` (standard deviation over those
        models) and `<driver>_contribution`, its share of the mean absolute contribution in up to 60 samples. Seasons
        are those of Liu et al. (2022): growing May to September, else non-growing, and December and January; half a
        year later south of the equator.

    Raises
    ------
    ArtifactError
        The model does not attend, or a driver is not in the samples.
    SampleError
        No sample has all that the model looks at.
    """
    if not hasattr(fitted.folds[0], "attention"):
        raise ArtifactError(f"The model {fitted.name} has no attention", "Fit geoman; explain serves every model")
    fitted.columns(feature_names(samples))
    table = Table.of(samples.assign_attrs(features=",".join(fitted.feature_names)), fitted.context)
    known = np.isfinite(table.X).all(axis=1) & (np.isin(table.stratum, fitted.strata) if fitted.strata else True)
    if not known.any():
        raise SampleError(f"None of the {len(table)} samples has all that the model looks at",
                          "Take the samples that the model was fitted on, or others with the same drivers")
    month = _month(samples)[known]
    rows = table.take(known)
    shares = []
    for number, fold in enumerate(fitted.folds):
        progress(0.5 * number / len(fitted.folds), f"Attention of fold {number + 1}")
        shares.append(fold.attention(rows.X, stratum=rows.stratum))  # type: ignore[attr-defined]
    labels = ["all", *sorted(label for label in set(rows.stratum) if label)]
    parts = [(label, season, np.isin(month, months) & ((rows.stratum == label) | (label == "all")))
             for label in labels for season, months in SEASONS.items()]
    found = []
    for number, (label, season, mine) in enumerate(parts):
        progress(0.5 + 0.5 * number / len(parts), f"Contributions, {label}, {season}")
        if mine.any():
            found.append({"class": label, "season": season, "samples": int(mine.sum()),
                          **_row(fitted, rows, shares, np.flatnonzero(mine))})
    return pd.DataFrame(found)


def _row(fitted: FittedModel, rows: Table, shares: list[np.ndarray], at: np.ndarray) -> dict[str, float]:
    means = np.stack([share[at].mean(axis=0) for share in shares])
    spread = means.std(axis=0, ddof=1) if len(means) > 1 else np.full(means.shape[1], np.nan)
    some = at[np.unique(np.linspace(0, len(at) - 1, min(len(at), EXPLAINED)).round().astype(int))]
    size = np.abs(fitted.contributions(rows.X[some], stratum=rows.stratum[some], members="one_per_fold")[:, :-1])
    part = size.mean(axis=0) / size.mean(axis=0).sum()
    names = fitted.feature_names
    return {**dict(zip(names, means.mean(axis=0))), **{f"{name}_sd": value for name, value in zip(names, spread)},
            **{f"{name}_contribution": value for name, value in zip(names, part)}}


def _month(samples: xr.Dataset) -> np.ndarray:
    """Return the month of each sample, moved by half a year south of the equator."""
    month = samples["time"].values.astype("datetime64[M]").astype("int64") % 12
    return (month + np.where(samples["lat"].values < 0, 6, 0)) % 12 + 1
