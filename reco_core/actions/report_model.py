"""What a report says about the model: its drivers, its skill, and what to beware of."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import numpy as np

from ..catalogue import MODELS
from ..errors import SchemaError
from ..io.artifact import model_id, read_artifact
from ..io.files import require
from ..report.inputs import Driver, Held, Note, ScoreRow, Skill

FEW_DRIVERS = 3
OUTSIDE_MATTERS = 0.05
LEAST_R2 = 0.0


@dataclass(frozen=True)
class ModelFacts:
    """A model as the report needs it; empty where there is none."""

    meta: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    identity: str = ""

    @property
    def drivers(self) -> list[Driver]:
        """Drivers in the order of the model."""
        return [Driver.named(part["name"], part["unit"], part["long_name"], part["group"])
                for part in self.meta.get("features", ())]

    @property
    def years(self) -> Optional[tuple[int, int]]:
        """First and last year of the training data, or None."""
        about = self.meta.get("provenance", {})
        if "first" not in about or "last" not in about:
            return None
        return int(str(about["first"])[:4]), int(str(about["last"])[:4])

    @property
    def citations(self) -> list[str]:
        """What to cite for the method and the training data."""
        return [str(text) for text in self.meta.get("provenance", {}).get("citations", ())]

    def table(self, members: str) -> dict[str, str]:
        """Return what the report tells of the model, by label."""
        if not self.meta:
            return {}
        about = self.meta.get("provenance", {})
        sites = np.unique(self.arrays["site"]).size if "site" in self.arrays else 0
        rows = {
            "Method": MODELS.get(self.meta["name"], self.meta["name"]), "Identity": self.identity,
            "Ensemble": _ensemble(len(self.meta.get("folds", ())), about, members),
            "Feature weights": about.get("weights", ""), "One model per class": ", ".join(self.meta.get("strata", ())),
            "Training sites": str(sites) if sites else "",
            "Training records": str(len(self.arrays["y"])) if "y" in self.arrays else "",
            "Training years": "{} to {}".format(*self.years) if self.years else "",
            "Drivers": ", ".join(driver.name for driver in self.drivers)}
        return {label: str(text) for label, text in rows.items() if text}


def _ensemble(folds: int, about: Mapping[str, Any], members: str) -> str:
    seeds = about.get("seeds")
    count = len(seeds) if isinstance(seeds, (list, tuple)) else seeds
    if members == "one_per_fold":
        return f"{folds} folds, one seed of each (one_per_fold)"
    return f"{folds} folds, {count} seeds each" if count and int(count) > 1 else f"{folds} folds"


def model_facts(path: Optional[str]) -> ModelFacts:
    """Return what is known of a model folder; nothing for None."""
    if not path:
        return ModelFacts()
    meta, _blobs, arrays = read_artifact(path)
    return ModelFacts(meta, arrays, model_id(path))


def skill_of(facts: ModelFacts, scores: Optional[str]) -> Optional[Skill]:
    """Return the skill kept in the model, and that of a score table where one is given.

    Raises
    ------
    SchemaError
        The score table lacks a column.
    """
    kept = facts.meta.get("scores", {})
    table, compared = _score_table(scores) if scores else ([], [])
    if not kept and not table and not compared:
        return None
    rows = table
    if kept:
        found = [row for part in (kept.get("held_out"), *kept.get("by_class", ()), _overall(kept)) if part
                 for row in _rows(part)]
        there = {row.scheme for row in table}
        rows = table + [row for row in found if row.scheme not in there]
    held = None
    if {"y", "held_out"} <= set(facts.arrays):
        held = Held(facts.arrays["y"], facts.arrays["held_out"], facts.arrays.get("stratum"))
    skill = Skill(rows, held)
    folds = int(kept.get("folds", 0) or 0) if skill.scheme == "grouped" else 0
    return Skill(rows, held, folds, int(skill.pooled().get("sites", 0)), compared,
                 "/".join(Path(scores).parts[-2:]) if scores else "")


def _overall(kept: Mapping[str, Any]) -> Optional[dict[str, Any]]:
    found = kept.get("overall")
    return {"level": "pooled", "name": "all", **found} if found else None


def _rows(part: Mapping[str, Any]) -> list[ScoreRow]:
    """Return the lines of the skill table that one row of scores makes."""
    scheme, level = str(part["scheme"]).split(" ")[0], str(part["level"])
    values = {key: float(value) for key, value in part.items()
              if isinstance(value, (int, float)) and not isinstance(value, bool) and np.isfinite(value)}
    if level not in ("pooled", "class"):
        return []
    if level == "class":
        return [ScoreRow(str(part["name"]), scheme, values, "class")]
    rows = [ScoreRow("All sites", scheme, values, "pooled")]
    if "site_mae" in values:
        median = {"mae": values["site_mae"]} | ({"r2_nse": values["site_r2"]} if "site_r2" in values else {})
        rows.append(ScoreRow("Median of the sites", scheme, median, "site"))
    return rows


def _score_table(path: str) -> tuple[list[ScoreRow], list[ScoreRow]]:
    """Return the rows of one model, or those over all sites of the models that a column `run` names."""
    import pandas as pd

    table = pd.read_csv(require(path, "score table"))
    for name in ("scheme", "level", "name", "n", "r2_nse", "mae"):
        if name not in table:
            raise SchemaError(f"'{path}' has no column '{name}'", "Give the table that evaluate wrote")
    parts = table.to_dict("records")
    if "run" not in table:
        return [row for part in parts for row in _rows(part)], []
    return [], [replace(row, scope=str(part["run"]), kind="compared") for part in parts for row in _rows(part)
                if row.kind == "pooled"]


def notes_of(facts: ModelFacts, skill: Optional[Skill], found: Mapping[str, Any], times: Sequence[str],
             parameters: Mapping[str, Any]) -> list[Note]:
    """Return what the reader must know before using the maps."""
    notes = [*_identity_notes(facts, found), *_training_notes(facts, times), *_area_notes(found), *_skill_notes(skill)]
    drivers = found.get("drivers", ())
    if 0 < len(drivers) <= FEW_DRIVERS:
        names = " and ".join(filter(None, [", ".join(d.long_name.lower() for d in drivers[:-1]),
                                           drivers[-1].long_name.lower()]))
        plural = "s" if len(drivers) > 1 else ""
        notes.append(Note(f"The model knows {len(drivers)} driver{plural} only: {names}. What else moves respiration "
                          "is missing, or is ascribed to these.", True))
    if parameters.get("members") == "one_per_fold":
        notes.append(Note("Estimate and contributions were made with one seed of each fold (one_per_fold), not with "
                          "all members; the spread over folds is then a little larger."))
    if parameters.get("align") not in (None, "none"):
        notes.append(Note(f"Drivers on other grids were resampled to that of the first raster "
                          f"({parameters['align']})."))
    errors = [tags["ADDITIVITY_ERROR"] for tags in found.get("tags", {}).values() if "ADDITIVITY_ERROR" in tags]
    if errors:
        notes.append(Note(f"Base value plus contributions equals the estimate to {errors[0]}, relative to the estimate "
                          "where that is above 1 (largest difference of all cells and time steps)."))
    return notes


def _identity_notes(facts: ModelFacts, found: Mapping[str, Any]) -> list[Note]:
    """Warn where the maps tell that another model made them."""
    maker = found.get("tags", {}).get("flux", {}).get("MODEL_ID", "")
    if not maker or not facts.identity or maker == facts.identity:
        return []
    return [Note(f"The maps were made with the model {maker}, but skill and model on this page are those of "
                 f"{facts.identity}: they say nothing about these maps.", True)]


def _training_notes(facts: ModelFacts, times: Sequence[str]) -> list[Note]:
    if facts.years is None:
        return []
    first, last = facts.years
    years = np.array([int(label[:4]) for label in times])
    outside = (years < first) | (years > last)
    if not outside.any():
        return []
    share = "wholly" if outside.all() else f"in {len(np.unique(years[outside]))} of {len(np.unique(years))} years"
    return [Note(f"The maps ({years.min()} to {years.max()}) lie {share} outside the training years "
                 f"({first} to {last}): the model assumes that respiration then answered to its drivers as it did in "
                 "the training years, with the same CO₂, nitrogen, land use and instruments.", True)]


def _area_notes(found: Mapping[str, Any]) -> list[Note]:
    inside = found["numbers"].get("applicable")
    if inside is None:
        return [Note("There is no applicability map: where the drivers are unlike those of the training sites is "
                     "unknown.", True)]
    if 1 - inside < OUTSIDE_MATTERS:
        return []
    return [Note(f"{100 * (1 - inside):.0f}\N{NO-BREAK SPACE}% of area and time lie outside the area of applicability "
                 "(hatched on the maps): no training site has such drivers, and the skill of held-out sites does not "
                 "hold there.", True)]


def _skill_notes(skill: Optional[Skill]) -> list[Note]:
    if skill is None or not skill.scheme:
        return [Note("No skill on held-out sites is known for this model.", True)]
    notes = []
    pooled = skill.pooled().get("r2_nse", np.nan)
    if pooled <= LEAST_R2:
        notes.append(Note(f"On held-out sites the model is no better than the mean (R² = {pooled:.2f}).", True))
    weak = [row.scope for row in skill.classes() if row.values.get("r2_nse", 1.0) <= LEAST_R2]
    if weak:
        notes.append(Note(f"Classes in which held-out sites are estimated no better than by their mean: "
                          f"{', '.join(weak)}. Maps of such land are not supported by the data.", True))
    return notes


def model_path(given: Optional[str], record: Mapping[str, Any], folder: Path) -> Optional[str]:
    """Return the model folder: the one given, the one that the run record names, or one inside the folder."""
    if given:
        return given
    named = record.get("parameters", {}).get("model")
    for path in (named, folder / "model"):
        if path and Path(path).is_dir():
            return str(path)
    return None
