"""The card of a fitted model: what it is, how good it is on sites it has not seen, and what it is not for."""

from __future__ import annotations

from collections import Counter
from typing import Any, Mapping, Sequence

import numpy as np

from ..catalogue import MODELS
from ..models.base import FittedModel, ParameterRow
from .class_support import few_sites, hardly_predicted

NUMBERS = (("n", "n", "{:.0f}"), ("sites", "sites", "{:.0f}"), ("r2_nse", "R² (1 - SSE/SST)", "{:.3f}"),
           ("mae", "MAE", "{:.2f}"), ("rmse", "RMSE", "{:.2f}"), ("bias", "bias", "{:+.2f}"))


def write_card(fitted: FittedModel) -> str:
    """Return the card of a model as Markdown."""
    return "\n".join([*_head(fitted), *_skill(fitted), *_search(fitted), *_drivers(fitted), *_parameters(fitted),
                      *_caveats(fitted), *_sources(fitted)]) + "\n"


def skill_line(fitted: FittedModel) -> str:
    """Return the skill on held-out sites in one sentence."""
    held = fitted.scores["held_out"]
    line = (f"On sites not seen ({fitted.scores['folds']} folds, {held['sites']} sites): R² "
            f"{_text('{:.3f}', held['r2_nse'])}")
    if _known(held.get("r2_nse_low")):
        line += f" (95 % over sites {held['r2_nse_low']:.2f} to {held['r2_nse_high']:.2f})"
    return line + (f", MAE {_text('{:.2f}', held['mae'])}, RMSE {_text('{:.2f}', held['rmse'])}, bias "
                   f"{_text('{:+.2f}', held['bias'])} {fitted.target_unit}")


def search_lines(fitted: FittedModel) -> list[str]:
    """Return what a search of settings found in sentences; nothing where there was none."""
    found = fitted.provenance.get("search")
    if not found:
        return []
    unit = fitted.target_unit
    text = (f"Settings chosen from {found['trials']} trials ({found['pruned']} given up early, {found['failed']} "
            f"failed) on {found['folds']} inner folds of whole sites: {settings_text(found['chosen'])}")
    inner = (f"Inner score of the choice: RMSE {found['rmse']:.4g} {unit}, R² {found['r2_nse']:.3f}; of the settings "
             f"it started from: RMSE {_text('{:.4g}', found['given_rmse'])}")
    return [text, inner, "The choice has seen all sites, so that the skill on held-out sites above is slightly "
                         "optimistic; evaluate with search=true gives the nested score"]


def settings_text(settings: Mapping[str, Any]) -> str:
    """Return settings as they can be given again."""
    return ",".join(f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value}"
                    for name, value in settings.items())


def _known(value: Any) -> bool:
    return value is not None and bool(np.isfinite(value))


def _text(form: str, value: Any) -> str:
    return form.format(value) if _known(value) else "-"


def _head(fitted: FittedModel) -> list[str]:
    about = fitted.provenance
    per_class = f" One model per class: {', '.join(fitted.strata)}." if fitted.strata else ""
    return [f"# {MODELS[fitted.name]}", "",
            f"Estimates {fitted.flux_kind} in {fitted.target_unit}, per {fitted.time_step}, from "
            f"{', '.join(fitted.feature_names)}.{per_class}", "",
            f"Fitted on {len(fitted.reference['y'])} samples of {about['sites']} sites ({about['groups']} tower "
            f"groups), {about['first']} to {about['last']}; {len(fitted.folds)} folds of whole tower groups, "
            f"{len(about['seeds'])} seed(s) in each, feature weights: {about['weights']}.", ""]


def _skill(fitted: FittedModel) -> list[str]:
    rows = [{**fitted.scores["held_out"], "name": "all, sites held out"},
            *({**row, "name": f"{row['name']}, sites held out"} for row in fitted.scores["by_class"])]
    if "overall" in fitted.scores:
        rows.append({**fitted.scores["overall"],
                     "name": "all, mean of all folds (optimistic: most have seen the sample)"})
    held = fitted.scores["held_out"]
    lines = ["## Skill", "", *_table(rows, fitted.target_unit), "", skill_line(fitted) + ".",
             f"Median over sites: MAE {_text('{:.2f}', held['site_mae'])}, R² {_text('{:.2f}', held['site_r2'])} "
             f"(sites with at least 12 samples). The five worst sites have "
             f"{_text('{:.0%}', held['worst_sites_share'])} of the squared error.", ""]
    return lines


def _search(fitted: FittedModel) -> list[str]:
    lines = search_lines(fitted)
    return ["## Search of settings", "", *(f"- {line}." for line in lines), ""] if lines else []


def _table(rows: Sequence[Mapping[str, Any]], unit: str) -> list[str]:
    heads = ["", *(label + (f" [{unit}]" if name in ("mae", "rmse", "bias") else "") for name, label, _ in NUMBERS)]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        lines.append(f"| {row['name']} | " + " | ".join(_text(form, row.get(name)) for name, _, form in NUMBERS) + " |")
    return lines


def _drivers(fitted: FittedModel) -> list[str]:
    lines = ["## Drivers", "", "| driver | unit | group | training range | importance |", "|---|---|---|---|---|"]
    for feature, weight in zip(fitted.explained, fitted.reference["weights"]):
        trained = f"{feature.low:.4g} to {feature.high:.4g}" if np.isfinite(feature.low) else "-"
        lines.append(f"| {feature.name} ({feature.long_name}) | {feature.unit} | {feature.group} | {trained} | "
                     f"{weight:.1%} |")
    return [*lines, "", "Importance is the mean absolute contribution to the estimate; it is no proof of cause.", ""]


def _parameters(fitted: FittedModel) -> list[str]:
    """Return the parameters of the folds, put together by class and name."""
    found: dict[tuple[str, str], list[ParameterRow]] = {}
    for model in fitted.folds:
        for row in model.parameters():
            found.setdefault((row.label, row.name), []).append(row)
    if not found:
        return []
    lines = ["## Parameters", "", "| class | parameter | unit | mean over folds | standard error | range over folds |",
             "|---|---|---|---|---|---|"]
    for (label, name), rows in found.items():
        unit = rows[0].unit.replace("flux", fitted.target_unit)
        lines.append(f"| {label} | {name} | {unit} | " + " | ".join(_over_folds(rows)) + " |")
    return [*lines, "", "The standard error is that within a fold, from the scatter between sites; a parameter at its "
            "limit, one that is fixed and one made of others have none.", ""]


def _over_folds(rows: Sequence[ParameterRow]) -> tuple[str, str, str]:
    """Return mean, standard error and range over folds; of choices how often each was made."""
    words = Counter(str(row.value) for row in rows if isinstance(row.value, str))
    if words:
        return ", ".join(f"{word} ({count} of {len(rows)} folds)" for word, count in words.most_common()), "-", "-"
    values = np.array([row.value for row in rows], dtype="float64")
    values, errors = values[np.isfinite(values)], np.array([row.error for row in rows])
    if values.size == 0:
        return "-", "-", "-"
    error = f"{np.nanmean(errors):.3g}" if np.isfinite(errors).any() else "-"
    return f"{values.mean():.5g}", error, f"{values.min():.4g} to {values.max():.4g}"


def _caveats(fitted: FittedModel) -> list[str]:
    lines = ["## What it is not for", "",
             "- Places unlike the training sites: look at the applicability map before the estimate.",
             "- Years or values outside the training range: trees keep their last value, equations go on blindly.",
             "- The spread over folds says how much the choice of training sites matters. It is not the error, which "
             "is larger: see the table."]
    few = [f"{name} ({sites})" for name, sites in few_sites(fitted)]
    if few:
        lines.append(f"- Classes with fewer than five sites: {', '.join(few)}.")
    weak = hardly_predicted(fitted)
    if weak:
        lines.append(f"- Classes hardly predicted at new sites (R² below 0.2): {', '.join(weak)}.")
    pooled = sorted({label for model in fitted.folds for label in getattr(model, "pooled_classes_", ()) if label})
    if pooled:
        lines.append(f"- In at least one fold too few sites of {', '.join(pooled)} were left; a model of all classes "
                     "served them there.")
    lines += [f"- {text}" for text in dict.fromkeys(text for model in fitted.folds for text in model.remarks())]
    if fitted.links:
        lines.append("- Causal weights decide which drivers boosting sees more often. They serve the explanation; that "
                     "they make better estimates is not a given: compare with weights=uniform and weights=shuffled.")
    if fitted.reference["weights"].max() > 0.999:
        lines.append("- One driver alone decides the estimate.")
    return [*lines, ""]


def _sources(fitted: FittedModel) -> list[str]:
    return ["## Sources", "", *(f"- {text}" for text in fitted.provenance["citations"])]
