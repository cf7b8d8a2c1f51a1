"""Starts the journal of a run over tiles, and watches what the run reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping, Optional

from ..catalogue import get_step
from ..inference.job import MapJob
from ..inference.journal import Journal, beside, earlier
from ..inference.tiles import TilePlan
from ..io.files import Unchanged
from ..progress import Progress
from ..version import __version__
from .map_files import MapFiles
from .map_remote import Remote
from .record import input_paths


class Keeping:
    """Runs a job so that it can go on after an interruption.

    Parameters
    ----------
    step : str
    values : mapping
        Parameters of the step as its action got them; files among them are watched.
    what : mapping
        What tells this run from others, beside its inputs: plain values.
    place : path
        Of the journal, see `beside`.
    resume : bool
    remote : Remote, optional
        Who computes the tiles in the place of this process.
    """

    def __init__(self, step: str, values: Mapping[str, Any], what: Mapping[str, Any], place: Path, *,
                 resume: bool = True, remote: Optional[Remote] = None) -> None:
        self.place, self.resume, self.remote = place, resume, remote
        self.inputs = Unchanged(input_paths(get_step(step), values))
        self.run = {"step": step, "version": __version__, **what, "inputs": self.inputs.state}
        self._journal: Optional[Journal] = None

    def carry_out(self, job: MapJob, files: MapFiles, progress: Progress) -> None:
        """Compute all tiles into the rasters that are open; a map of one tile needs no journal."""
        found = earlier(self.place, self.run) if self.resume else None
        if found is not None and found.get("memory", 0.0) <= job.memory_gb:  # the tiles of then fit today
            plan = {name: found["plan"][name] for name in ("rows", "columns", "steps", "times")}
            job.planned = TilePlan.cut(job.reader.height, job.reader.width, **plan)
        if len(job.planned.tiles) > 1 or self.remote is not None:
            outputs = {name: len(writer.bands) for name, writer in files.writers.items()}
            self._journal = Journal.start(self.place, self.run, job.planned, outputs,
                                          (job.reader.height, job.reader.width), resume=self.resume)
            files.stack.callback(self._journal.leave)
            memory = job.memory_gb if found is None else min(job.memory_gb, found.get("memory", job.memory_gb))
            self._journal.note(files.temporaries, memory)
        if self.remote is None or self._journal is None:
            job.run(progress, files.write, self._journal, self.inputs.check)
            return
        with self.remote.workers(self._journal, job.planned) as workers:
            job.run(progress, files.write, self._journal, self.inputs.check, workers)

    def done(self) -> None:
        """Remove the journal: all outputs have their names."""
        if self._journal is not None:
            self._journal.remove()


__all__ = ["Keeping", "beside"]
