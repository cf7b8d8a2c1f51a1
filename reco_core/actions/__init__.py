"""The only place where files and science meet: open, call, write; one function per step."""

from __future__ import annotations

import importlib
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Optional

from ..catalogue import Step, get_step, resolve
from ..deps import need
from ..errors import Cancelled
from ..inference.limits import require_addresses
from ..progress import SILENT, Progress
from .record import input_paths, write_record

_MODULES = {
    "make_world": "data", "read_observations": "data", "build_samples": "data", "read_drivers": "drivers",
    "read_satellite": "satellite", "describe": "describe", "inventory": "survey", "check_drivers": "survey",
    "sample_footprints": "footprints",
    "aggregate": "aggregate", "derive_annual": "aggregate", "derive_season": "season", "derive_soil": "soil",
    "derive_indices": "vegetation", "smooth": "vegetation", "derive_phenology": "vegetation",
    "derive_pet": "water", "derive_spei": "water",
    "make_zones": "zones", "find_links": "models", "fit": "models", "evaluate": "models", "compare": "comparison",
    "ablate": "ablation", "attention": "attention",
    "predict": "maps", "explain": "maps", "trend": "maps",
    "calibrate": "calibration",
    "estimate_region": "region", "report": "reports",
}


def action(name: str) -> Callable[..., dict[str, Any]]:
    """Return the function that carries out the step called `name`.

    Raises
    ------
    MissingDependency
        This Python lacks a package that the step needs.
    """
    try:
        return getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
    except ModuleNotFoundError as error:
        if str(error.name).startswith("reco_core"):
            raise
        need(str(error.name))  # says which command installs it
        raise


@contextmanager
def _whole_or_nothing(step: Step, resolved: Mapping[str, Any]) -> Iterator[None]:
    """Remove the files that a step has already finished when it fails or is stopped; older files stay."""
    from ..io.files import remove, unfinished
    from ..vocabulary.kinds import FLUX_KINDS

    files = [Path(resolved[output.name].replace("{flux}", flux)) for output in step.outputs
             if output.kind != "folder_out" and resolved[output.name] for flux in FLUX_KINDS]
    new = [path for path in files if not path.exists()]
    whole = [file for path in new for file in (path, path.with_suffix(".qml"))]
    try:
        with unfinished(whole):
            yield
    except BaseException:
        for path in whole:
            remove(path)
        raise


def run_step(name: str, values: Mapping[str, Any], progress: Progress = SILENT,
             folder: Optional[str] = None, *, dry_run: bool = False) -> dict[str, Any]:
    """Run one step from raw values; every front end comes through here.

    Parameters
    ----------
    name : str
        A step of the catalogue.
    values : mapping
        Its parameters and outputs; text is converted to their kinds.
    progress : Progress
    folder : str, optional
        Where outputs that are not named are written.
    dry_run : bool
        Only say what the step would need, where `can_rehearse` says that it can.

    Returns
    -------
    dict
        Path of each output written, `summary` (lines to show) and `citations`.

    Raises
    ------
    RecoError
        Whatever the user can mend.
    """
    step = get_step(name)
    resolved = resolve(step, values, folder)
    progress(0.0, step.title)
    if step.can_rehearse:
        require_addresses()
    carry_out = action(step.name)
    if dry_run:
        from .dry_run import dry_run as rehearse

        return rehearse(step.name, resolved, progress)
    from ..io.files import keeping, refuse_input

    with keeping(input_paths(step, resolved)), _whole_or_nothing(step, resolved):
        for output in step.outputs:
            if resolved[output.name] and output.name != "folder":
                refuse_input(Path(resolved[output.name]))
        result = carry_out(**resolved, progress=progress)
        write_record(step, resolved, result)
    with suppress(Cancelled):  # too late to stop: everything is there
        progress(1.0, f"{step.title}: done")
    return result
