"""What a map would need: grid, tiles, memory, disk and time, without writing anything."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Mapping

from ..errors import ConfigError
from ..inference.job import MapJob
from ..inference.rehearsal import MOST_TILES, sample
from ..inference.tiles import duration
from ..progress import Progress
from .class_support import CLASS_SUPPORT
from .map_inputs import GRIDS
from .map_job import (
                      BANDS_OVER_TIME,
                      FROM_CONTRIBUTIONS,
                      INTERACTIONS,
                      TREND,
                      MapSource,
                      MapSpec,
                      SeriesSource,
                      TrendSpec,
)
from .map_run import MapRun
from .maps import TREND_BANDS, planned_trend
from .region import Following

OUTPUTS = {"predict": (*BANDS_OVER_TIME, CLASS_SUPPORT), "explain": (*FROM_CONTRIBUTIONS, INTERACTIONS),
           "estimate_region": (*BANDS_OVER_TIME, CLASS_SUPPORT, *FROM_CONTRIBUTIONS)}
COMPRESSED = 0.6  # of the size of maps; measured
OFTEN = 1.5  # readings of each chunk of the drivers that are worth a word


def dry_run(step: str, values: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Return lines that say what a step would need; nothing is written.

    Parameters
    ----------
    step : {"predict", "explain", "trend", "estimate_region"}
    values : mapping
        All its parameters and outputs, as its action gets them.
    progress : Progress

    Raises
    ------
    RecoError
        What the step itself would raise before it computes anything.
    """
    job, bands, target = _trend(values) if step == "trend" else _map(step, values, progress)
    lines = [_grid_line(job), _tiles_line(job), *_memory_lines(job), *_disk_lines(job, bands, target),
             _time_line(job, progress), "Nothing was written"]
    return {"summary": lines}


def _trend(values: Mapping[str, Any]) -> tuple[MapJob, int, Path]:
    series = SeriesSource(values["estimate"], values["period"]).open()
    job = planned_trend(series, TrendSpec.of(values), values["memory"])[0]
    return job, len(TREND_BANDS), Path(values["output"])


def _map(step: str, values: Mapping[str, Any], progress: Progress) -> tuple[MapJob, int, Path]:
    if not values["model"]:
        raise ConfigError("A dry run needs a fitted model: what a map takes depends on it",
                          "Fit the model first (reco fit) and give it as model")
    grids = {name: values[name] for name in GRIDS}
    source = MapSource(values["model"], values["device"], grids, flag_classes=bool(values.get(CLASS_SUPPORT)))
    inputs = source.open(progress)
    paths = {name: values[name] for name in OUTPUTS[step]}
    trend = Following.of(inputs, values, progress).spec if values.get(TREND) else None
    spec = MapSpec.of(paths, inputs, values["members"], values["memory"], contributions=step != "predict",
                      sample=step == "estimate_region", trend=trend)
    run = MapRun(inputs, step, spec, paths, Path(values.get("folder") or "."))
    count = sum(run.bands.values()) + (len(TREND_BANDS) if trend is not None else 0)
    return run.job, count, Path(values["folder"] if step != "predict" else values["flux"])


def _grid_line(job: MapJob) -> str:
    reader = job.reader
    inside = reader.cells_inside()
    share = "" if inside == reader.height * reader.width else f", of which {inside} cells lie in the region"
    first, last = str(reader.times[0])[:7], str(reader.times[-1])[:7]
    return (f"Grid: {reader.height} x {reader.width} cells, {len(reader.times)} time steps, {first} to {last}{share}")


def _tiles_line(job: MapJob) -> str:
    plan = job.planned
    rows, columns = plan.tiles[0].shape
    together = "all time steps together" if plan.steps == plan.times else f"{plan.steps} time steps at a time"
    line = f"Tiles: {len(plan.tiles)} of at most {rows} x {columns} cells, {together}"
    return line if plan.reads < OFTEN else f"{line}; drivers are read about {plan.reads:.1f} times"


def _memory_lines(job: MapJob) -> list[str]:
    return [f"Memory: about {job.needed_gb:.1f} GB, of which {job.tile_gb:.1f} GB for tiles (budget "
            f"{job.memory_gb:g} GB)"]


def _disk_lines(job: MapJob, bands: int, target: Path) -> list[str]:
    size = 4e-9 * bands * job.reader.height * job.reader.width
    kept = size if len(job.planned.tiles) > 1 else 0.0
    journal = f", and as much again for the journal while it runs: {_size(size + kept)} in all" if kept else ""
    place = next(path for path in (target, *target.absolute().parents) if os.path.isdir(path))
    free = shutil.disk_usage(place).free / 1e9
    lines = [f"Disk: at most {_size(size)} for {bands} bands (usually {_size(COMPRESSED * size)}, compressed){journal}"
             f"; {_size(free)} are free"]
    if free < size + kept:
        lines.append("There may not be enough room on the disk")
    return lines


def _time_line(job: MapJob, progress: Progress) -> str:
    found = sample(job, progress)
    if found is None:
        return f"Time: unknown, since none of the first {min(MOST_TILES, len(job.planned.tiles))} tiles has any data"
    return (f"Time: about {duration(found.seconds)} on this machine; a guess from a piece of tile {found.tile + 1}, of "
            f"which {found.valid:.0%} can be estimated")


def _size(gb: float) -> str:
    """Return a size [GB] in words.

    Examples
    --------
    >>> _size(0.0123), _size(2.345)
    ('12 MB', '2.3 GB')
    """
    return f"{gb:.1f} GB" if gb >= 1 else f"{max(1.0, 1000 * gb):.0f} MB"
