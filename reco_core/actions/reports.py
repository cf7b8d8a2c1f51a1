"""The action that gathers a result folder on one page."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Mapping, Optional

from ..catalogue import get_step
from ..catalogue.models import FIT_PARAMS
from ..errors import SchemaError
from ..io.files import atomic, require
from ..progress import SILENT, Progress
from ..report.inputs import ReportInputs, Series
from ..report.render import build_report
from .report_model import model_facts, model_path, notes_of, skill_of
from .report_survey import Survey, dependence_of, region_text

FLUXES = ("reco", "rs", "rh")
FIT_ONLY = {param.name for param in FIT_PARAMS} - {"model", "samples"} | {"method"}
MAPS = ("flux", "spread", "seed_spread", "applicability", "shares", "groups", "dominant", "trend")


def report(*, folder: str, title: str, model: str | None, scores: str | None, output: str,
           progress: Progress) -> dict[str, Any]:
    """Gather maps, skill, dependence curves, importances and provenance in one HTML file."""
    source = require(folder, "result folder")
    summary = write_report(source, output, title=title, model=model, scores=scores, record=read_record(source),
                           progress=progress)
    return {"output": output, "summary": summary, "citations": []}


def write_report(folder: Path, output: str | Path, *, title: str, record: Mapping[str, Any],
                 model: Optional[str] = None, scores: Optional[str] = None,
                 progress: Progress = SILENT) -> list[str]:
    """Write the report of a result folder and return lines for the user.

    Parameters
    ----------
    folder : Path
        Folder with the outputs of estimate_region.
    output : path
        HTML file.
    title : str
    record : mapping
        The run record; may be empty.
    model : str, optional
        Model folder; by default the one named in the record.
    scores : str, optional
        Score table of evaluate.

    Raises
    ------
    SchemaError
        The folder holds no estimate, or a table lacks a column.
    """
    inputs = gather(folder, title=title, record=record, model=model, scores=scores, progress=progress.span(0.0, 0.6))
    html = build_report(inputs, progress.span(0.6, 0.95))
    progress(0.95, "Writing the report")
    with atomic(output) as part:
        part.write_text(html, encoding="utf-8", newline="\n")
    grave = sum(note.grave for note in inputs.notes)
    return [f"Report with {html.count('<figure ')} figures, {len(html) / 1e6:.1f} MB"] + (
        [f"It opens with {grave} warning{'s' if grave > 1 else ''}"] if grave else [])


def gather(folder: Path, *, title: str, record: Mapping[str, Any], model: Optional[str] = None,
           scores: Optional[str] = None, progress: Progress = SILENT) -> ReportInputs:
    """Read what a report needs from a result folder, a model and a score table."""
    facts = model_facts(model_path(model, record, folder))
    survey = Survey(result_paths(folder, record), facts.drivers)
    found = survey.read(progress)
    skill = skill_of(facts, scores)
    parameters = record.get("parameters", {})
    cited = list(dict.fromkeys([*record.get("citations", ()), *facts.citations]))
    dependence, northern = dependence_of(folder, survey)
    found["numbers"]["samples_north"] = float(northern)
    flux = facts.meta.get("flux_kind") or survey.paths["flux"].stem
    kept = ("maps", "seasons", "drivers", "shares", "groups", "dominant", "trend", "trend_unit", "numbers",
            "driver_numbers")
    return ReportInputs(
        title=title, region=region_text(survey.grid), flux_kind=str(flux), unit=survey.unit,
        time_step=survey.time_step, frame=survey.frame, series=Series(**found["series"]), dependence=dependence,
        skill=skill, model=facts.table(str(parameters.get("members", "all"))),
        record={**presentable(record), "citations": cited},
        notes=notes_of(facts, skill, found, survey.times, parameters),
        **{name: found[name] for name in kept if name in found})


def presentable(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record as the report shows it.

    Whole paths are shortened to folder and name, since reports are passed on; what steers a fit is
    left out where a fitted model was given.
    """
    def short(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [short(item) for item in value]
        if not isinstance(value, str):
            return value
        kind = PureWindowsPath if PureWindowsPath(value).drive else PurePosixPath
        return "/".join(kind(value).parts[-2:]) if kind(value).is_absolute() else value

    shown = dict(record)
    for key in ("parameters", "inputs", "outputs"):
        shown[key] = {short(name): short(value) for name, value in dict(record.get(key) or {}).items()}
    if shown["parameters"].get("model"):
        shown["parameters"] = {name: value for name, value in shown["parameters"].items() if name not in FIT_ONLY}
    return shown


def result_paths(folder: Path, record: Mapping[str, Any]) -> dict[str, Path]:
    """Return the rasters of a result folder that are there, by output name.

    Raises
    ------
    SchemaError
        There is no estimate.
    """
    outputs = record.get("outputs", {})
    step = get_step("estimate_region")
    paths: dict[str, Path] = {}
    for name in MAPS:
        usual = step.param(name).filename
        names = [usual.format(flux=flux) for flux in FLUXES] if "{" in usual else [usual]
        named = outputs.get(name)
        candidates = ([Path(named), folder / Path(named).name] if named else []) + [folder / item for item in names]
        path = next((item for item in candidates if item.is_file()), None)
        if path is not None:
            paths[name] = path
    if "flux" not in paths:
        raise SchemaError(f"'{folder}' holds no estimate: there is no {', '.join(f'{flux}.tif' for flux in FLUXES)}",
                          "Give the folder that estimate_region wrote")
    return paths


def read_record(folder: Path) -> dict[str, Any]:
    """Return the run record of a folder, empty if there is none.

    Raises
    ------
    SchemaError
        run.json is no JSON.
    """
    path = folder / "run.json"
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SchemaError(f"'{path}' is no run record: {error}", "Run estimate_region again") from error
    return found if isinstance(found, dict) else {}
