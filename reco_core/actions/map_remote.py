"""Who computes the tiles of a map in the place of this process, and what they are told."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any, Mapping, Optional

from ..inference.cluster import Cluster, Where
from ..inference.journal import Journal
from ..inference.tiles import TilePlan
from .map_job import MapSource, MapSpec, SeriesSource, Task, TrendSpec
from .record import SUBDATASET


@dataclass(frozen=True)
class Remote:
    """Workers and their task.

    Parameters
    ----------
    where : Where
    task : Task
        Its paths mean the same everywhere.
    """

    where: Where
    task: Task

    @classmethod
    def of_map(cls, cluster: Optional[str], source: MapSource, spec: MapSpec, device: str) -> Optional[Remote]:
        """Return who computes a map according to the parameter `cluster`; nobody else where it is empty.

        `device` is where the model computes here, so that it does the same there.

        Raises
        ------
        ConfigError
            The parameter names no cluster.
        """
        if not cluster:
            return None
        return cls(Where.parse(cluster), Task(replace(source, model=os.path.abspath(source.model), device=device,
                                                      grids=absolute(source.grids)), spec))

    @classmethod
    def of_trend(cls, cluster: Optional[str], source: SeriesSource, trend: TrendSpec,
                 memory: float) -> Optional[Remote]:
        """Return who computes the trend of a series; see `of_map`."""
        if not cluster:
            return None
        return cls(Where.parse(cluster), Task(replace(source, path=_absolute(source.path)), trend=trend,
                                              memory=memory))

    def workers(self, journal: Journal, plan: TilePlan) -> Cluster:
        """Return the workers, to be used in a block of `with`."""
        return Cluster(self.where, self.task, journal, plan)


def absolute(grids: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that open drivers, with paths from the root: workers stand in other folders."""
    found = dict(grids)
    for name in ("drivers", "class_layer", "region"):
        if found.get(name):
            found[name] = _absolute(str(found[name]))
    if found.get("layers"):
        found["layers"] = [_absolute(str(layer)) for layer in found["layers"]]
    return found


def _absolute(text: str) -> str:
    """Return a path, or several with commas between them, from the root; what is no path stays."""
    if os.path.exists(text):
        return os.path.abspath(text)
    variable = SUBDATASET.fullmatch(text)
    if variable is not None and os.path.exists(variable.group(1)):
        return text.replace(variable.group(1), os.path.abspath(variable.group(1)))
    path, bar, layer = text.partition("|")
    if bar and os.path.exists(path):
        return os.path.abspath(path) + bar + layer
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 1 and all(os.path.exists(part) for part in parts):
        return ",".join(os.path.abspath(part) for part in parts)
    return text
