"""Keeps on disk what a run over tiles has done until all of it is there, and watches what the run reads."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Mapping, Optional

from ..catalogue import get_step
from ..errors import ArtifactError, GridError
from ..inference.hold import FITTED, MODEL, Hold, beside, plain, read_plain
from ..inference.job import MapJob
from ..inference.journal import Journal, earlier
from ..inference.pipeline import telling
from ..inference.tiles import TilePlan
from ..io.files import Unchanged, atomic, remove, unfinished
from ..models.base import FittedModel
from ..progress import Progress
from ..version import __version__
from .map_files import MapFiles, tidy
from .map_remote import Remote
from .models import open_on, save_model
from .record import input_paths


class Keeping:
    """Runs a job so that it can go on after an interruption; a context manager around the outputs of the run.

    Where the block fails what is done stays, if the map has several tiles, and the hint of the error says so. Where it
    succeeds nothing stays.

    Parameters
    ----------
    step : str
    values : mapping
        Parameters of the step as its action got them; files among them are watched.
    place : path
        Of what is kept, see `beside`.
    resume : bool

    Raises
    ------
    ConfigError
        Another process is writing the same outputs.
    """

    def __init__(self, step: str, values: Mapping[str, Any], place: Path, *, resume: bool = True) -> None:
        self.step, self.place, self.resume = step, place, resume
        self.inputs = Unchanged(map(os.path.abspath, input_paths(get_step(step), values)))
        self._journal: Optional[Journal] = None
        self._stack, self._small = ExitStack(), ExitStack()

    def __enter__(self) -> Keeping:
        with ExitStack() as stack:
            stack.enter_context(tidy(self.place))
            self._hold = Hold(self.place)
            stack.push(self._end)
            self._small.enter_context(unfinished([self.place]))  # what is of one tile goes when the process ends
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self._stack.__exit__(kind, error, trace)

    def _end(self, kind: Optional[type[BaseException]], error: Optional[BaseException],
             trace: Optional[TracebackType]) -> None:
        self._small.close()
        if error is None or self._journal is None or (isinstance(error, GridError) and self._journal.complete):
            self._hold.remove()  # all is there, or the same run could do no better
        else:
            self._hold.leave()
        if error is not None:
            with telling(self._journal):
                raise error

    def fitted(self, how: Mapping[str, Any], fit: Callable[[], FittedModel], device: str,
               progress: Progress) -> tuple[FittedModel, Path]:
        """Return the model that the run fits for itself, and where it is kept.

        Parameters
        ----------
        how : mapping
            From what and how it is fitted, as plain values: the model of an interrupted run with the same is taken up.
        fit : callable
            Returns the model.
        device : {"auto", "cpu", "cuda"}
            Where a model that was taken up computes.
        progress : Progress
        """
        path, about = self.place / MODEL, plain({"version": __version__, **how})
        if self.resume and read_plain(self.place / FITTED) == about:
            with suppress(ArtifactError):
                found = open_on(path, device, progress)
                progress.info("Going on with the model that the interrupted run fitted")
                return found, path
        remove(self.place / FITTED)
        found = fit()
        save_model(found, path)
        with atomic(self.place / FITTED) as part:
            part.write_text(json.dumps(about), encoding="utf-8")
        return found, path

    def carry_out(self, job: MapJob, what: Mapping[str, Any], files: MapFiles, progress: Progress,
                  remote: Optional[Remote] = None) -> None:
        """Compute all tiles into the rasters that are open; a map of one tile needs no journal.

        Parameters
        ----------
        job : MapJob
        what : mapping
            What tells this run from others, beside step and inputs: plain values.
        files : MapFiles
        progress : Progress
        remote : Remote, optional
            Who computes the tiles in the place of this process.
        """
        run = {"step": self.step, "version": __version__, **what, "inputs": self.inputs.state}
        found = earlier(self.place, run) if self.resume else None
        if found is not None and found.get("memory", 0.0) <= job.memory_gb:  # the tiles of then fit today
            plan = {name: found["plan"][name] for name in ("rows", "columns", "steps", "times")}
            job.planned = TilePlan.cut(job.reader.height, job.reader.width, **plan)
        memory = job.memory_gb if found is None else min(job.memory_gb, found.get("memory", job.memory_gb))
        self._hold.note(files.temporaries, memory)
        if len(job.planned.tiles) == 1 and remote is None:
            job.run(progress, files.write, check=self.inputs.check)
            return
        self._small.close()
        outputs = {name: len(writer.bands) for name, writer in files.writers.items()}
        self._journal = Journal.start(self.place, run, job.planned, outputs, (job.reader.height, job.reader.width),
                                      resume=self.resume)
        if remote is None:
            job.run(progress, files.write, self._journal, self.inputs.check)
            return
        with remote.workers(self._journal, job.planned) as workers:
            job.run(progress, files.write, self._journal, self.inputs.check, workers)


__all__ = ["Keeping", "beside"]
