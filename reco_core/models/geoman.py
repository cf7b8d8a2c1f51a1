"""Geoman: a recurrent network that attends to drivers and to earlier time steps."""

from __future__ import annotations

from itertools import product
from typing import Any, ClassVar, Mapping, Optional, Sequence

import numpy as np

from ..deps import need
from ..errors import ConfigError
from ..progress import SILENT, Progress
from .base import ParameterRow
from .context import Context
from .expected_gradients import share_missed
from .geoman_numpy import CompiledGeoman, Shape
from .networks import NetworkModel
from .options import Option, Value, read_options
from .shapley import background_rows
from .table import Table
from .tabular import ALL, Scaling
from .torch_loop import Schedule, Trained, hold_back, train

HELD_BACK = 1 / 9  # of the training rows: with ten folds 8 : 1 : 1
MISSED_ROWS = 32
EXTERNAL = ("elevation", "ta", "precip")
PLACES_ONLY = ("elevation",)
LISTS = ("external", "local")
PUBLISHED = {"hidden": 64, "batch": 64, "learning_rate": 1e-3, "epochs": 300, "patience": 20, "validation": "records"}


class Geoman(NetworkModel):
    """The mean of recurrent networks, one per seed, that look back over `window` time steps of every driver.

    At each earlier step an attention weighs the drivers before an LSTM of `layers` layers with `hidden` units reads
    them; a second attention weighs the steps; what it finds is fused with the drivers of the step itself named by
    `external` ("ta;precip", "none"; auto: elevation, ta and precip where they are drivers) and decoded. `local` names
    the series in the same way (auto: all drivers but elevation). The window ends one step before the estimate, or
    with it (`include_current=yes`). `compat=tf` follows the public code in TensorFlow.

    Weights are shrunk by `decay`; training stops when the error on held-back training sites (`validation=groups`) or
    records (`records`, as published) has not shrunk for `patience` of at most `epochs` passes. `search=yes` compares
    eight combinations of window, hidden and dropout on one set of held-back sites in each fold, `full` all of the
    published grid. The bare word `published` sets the published training.

    Samples with a gap in what the network sees are not trained on, and their estimates are missing. Contributions are
    expected gradients, all time steps of a driver together.

    References
    ----------
    Liu, J. et al. (2022). Remote Sens. 14, 3563. doi:10.3390/rs14153563
    Liang, Y. et al. (2018). GeoMAN. Proc. IJCAI, 3428-3434. doi:10.24963/ijcai.2018/476
    """

    name = "geoman"
    seeded = True
    accelerator = "torch"
    citations = ("Liu, J. et al. (2022). Remote Sens. 14, 3563. doi:10.3390/rs14153563",
                 "Liang, Y. et al. (2018). GeoMAN. Proc. IJCAI, 3428-3434. doi:10.24963/ijcai.2018/476",
                 "Erion, G. et al. (2021). Nature Machine Intelligence 3, 620-631. doi:10.1038/s42256-021-00343-w")
    options: ClassVar[Mapping[str, Option]] = {
        "window": Option(12, 1, 1000), "hidden": Option(32, 1, 1024), "layers": Option(1, 1, 4),
        "dropout": Option(0.3, 0.0, 0.9), "learning_rate": Option(2e-3, 1e-6, 1.0), "batch": Option(256, 1, 100_000),
        "epochs": Option(40, 1, 10_000), "patience": Option(6, 1, 10_000), "decay": Option(1e-3, 0.0, 1e3),
        "include_current": Option("no", 0.0, 0.0, ("yes", "no")), "compat": Option("no", 0.0, 0.0, ("no", "tf")),
        "validation": Option("groups", 0.0, 0.0, ("groups", "records")),
        "search": Option("no", 0.0, 0.0, ("yes", "no", "full"))}
    learner = CompiledGeoman
    gaps_hint = "Leave out drivers with many gaps, look back over fewer time steps (window=4), or add samples"

    def all_settings(self) -> dict[str, Any]:
        given, lists = _lists(self.settings)
        return {**read_options(given, self.options, self.name), **lists}

    @property
    def context(self) -> Context:
        settings = self.all_settings()
        return Context(past=int(settings["window"]) - (settings["include_current"] == "yes"))

    def check(self, features: Sequence[str]) -> None:
        if not self.inputs(features)[0]:
            raise ConfigError("geoman has no series to look back on", "Name drivers, for example local=ta;precip")

    def inputs(self, features: Sequence[str]) -> tuple[list[int], list[int]]:
        """Return which features are local series and which are external values.

        Raises
        ------
        ConfigError
            A name is no feature.
        """
        settings, names = self.all_settings(), list(features)
        found = []
        for kind, usual in (("local", [name for name in names if name not in PLACES_ONLY]),
                            ("external", [name for name in EXTERNAL if name in names])):
            text = str(settings[kind])
            asked = usual if text == "auto" else [] if text == "none" else text.split(";")
            unknown = [name for name in asked if name not in names]
            if unknown:
                raise ConfigError(f"The setting {kind} names '{unknown[0]}', which is no driver of the samples",
                                  f"Drivers: {', '.join(names)}; put ; between names")
            found.append([names.index(name) for name in asked])
        return found[0], found[1]

    def prepare(self, table: Table, *, seed: int = 0, progress: Progress = SILENT) -> Mapping[str, Any]:
        """Return the settings of each label: those given, or the best of the grid on held-back sites."""
        settings = self.all_settings()
        table = table.take(np.isfinite(table.X).all(axis=1))
        chosen = {}
        for label in self._labels(table.stratum, table.group):
            rows = table if label == ALL else table.take(table.stratum == label)
            chosen[label] = {**settings, **(self._search(rows, settings, seed, progress)
                                            if settings["search"] != "no" else {})}
        return {"chosen": chosen}

    def _search(self, table: Table, settings: Mapping[str, Value], seed: int, progress: Progress) -> dict[str, Value]:
        """Return the combination with the least error on one set of held-back sites."""
        tried = [dict(zip(grid, values)) for grid in (grid_of(settings),) for values in product(*grid.values())]
        if np.unique(table.group).size < 2:
            return {}
        scaling = self._scaling(table)
        aside = hold_back(table.group, HELD_BACK, seed)
        errors = []
        for number, combination in enumerate(tried):
            progress(number / len(tried), f"Choosing settings, {number + 1} of {len(tried)}")
            errors.append(self._trained(table, scaling, {**settings, **combination}, aside, seed, progress)[0].loss)
        return tried[int(np.argmin(errors))]

    def _member(self, table: Table, label: str, seed: int, progress: Progress) -> CompiledGeoman:
        scaling, settings = self.scalings_[label], self.chosen_[label]
        records = np.arange(len(table)) if settings["validation"] == "records" else table.group
        found, member = self._trained(table, scaling, settings, hold_back(records, HELD_BACK, seed), seed, progress)
        some = scaling.rows(table.X[background_rows(len(table), seed + 1, MISSED_ROWS)])
        self._met(found.tries, found.epoch, [share_missed(member.explain(some).missed, member.estimate(some))])
        return member

    def _trained(self, table: Table, scaling: Scaling, settings: Mapping[str, Value], aside: np.ndarray, seed: int,
                 progress: Progress) -> tuple[Trained, CompiledGeoman]:
        """Return a trained network, as such and as the member it makes."""
        kind = need(f"{__package__}.geoman_network", extra="deep").GeomanNetwork
        local_at, external_at = self._columns(int(settings["window"]), table.features)
        shape = Shape(len(local_at), local_at.shape[1], len(external_at), int(settings["hidden"]),
                      int(settings["layers"]), settings["compat"] == "tf")
        rows = scaling.rows(table.X)
        y = (table.y - scaling.target[0]) / scaling.target[1]
        local, external = rows[:, local_at], rows[:, external_at]
        schedule = Schedule(batch=int(settings["batch"]), epochs=int(settings["epochs"]),
                            patience=int(settings["patience"]), learning_rate=float(settings["learning_rate"]),
                            decay=float(settings["decay"]))
        found = train(lambda: kind(shape, float(settings["dropout"])), (local[~aside], external[~aside]), y[~aside],
                      ((local[aside], external[aside]), y[aside]), schedule=schedule, seed=seed,
                      weight=None if table.weight is None else table.weight[~aside], device=self.device,
                      progress=progress)
        background = rows[background_rows(len(rows), seed)].astype("float32")
        return found, CompiledGeoman(shape, found.state, local_at, external_at, background, len(table.features),
                                     self.device)

    def _columns(self, window: int, features: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the columns of wide rows that are series (window, N), oldest step first, and external values (E,)."""
        local, external = self.inputs(features)
        blocks = np.roll(np.arange(self.context.blocks()), -1)  # the step itself stands first: put it behind the past
        if self.all_settings()["include_current"] == "no":
            blocks = blocks[:-1]
        return blocks[-window:, None] * len(features) + np.array(local), np.array(external, dtype="int64")

    def attention(self, X: np.ndarray, *, stratum: Optional[np.ndarray] = None, members: str = "all") -> np.ndarray:
        """Return how much the network attends to each driver, mean over time steps and members, shape (n, p).

        Rows add up to 1; drivers that are external values only have 0. It is no attribution: see `contributions`.
        """
        result = np.zeros((len(X), len(self.features_)))
        for label, learners, at in self._parts(X, stratum, members):
            rows = self.scalings_[label].rows(X[at])
            result[at] = np.mean([learner.attention(rows) for learner in learners], axis=0)
        return result

    def parameters(self) -> list[ParameterRow]:
        searched = [] if self.all_settings()["search"] == "no" else grid_of(self.all_settings())
        return [ParameterRow(label, name, "", str(settings[name])) for label, settings in self.chosen_.items()
                for name in searched] + super().parameters()


def grid_of(settings: Mapping[str, Value]) -> dict[str, tuple[Value, ...]]:
    """Return what a search tries: eight combinations, or the whole published grid."""
    window = int(settings["window"])
    if settings["search"] == "full":
        return {"window": tuple(step for step in (4, 8, 12, 23) if step <= window) or (window,),
                "hidden": (32, 64, 128), "layers": (1, 2), "dropout": (0.0, 0.3), "learning_rate": (1e-3, 5e-4)}
    return {"window": (max(window // 3, 1), window), "hidden": (32, 64), "dropout": (0.0, 0.3)}


def _lists(settings: Any) -> tuple[dict[str, Any] | str | None, dict[str, str]]:
    """Return the settings without the lists of names, whole pairs, and those lists."""
    lists = dict.fromkeys(LISTS, "auto")
    if settings is None:
        return None, lists
    if not isinstance(settings, str):
        rest = {name: value for name, value in settings.items() if name not in LISTS}
        return rest, {name: str(settings.get(name, "auto")) for name in LISTS}
    pairs, preset = [], ""
    for part in settings.split(","):
        name, _, value = part.partition("=")
        if name.strip().lower() in LISTS:
            lists[name.strip().lower()] = ";".join(word.strip().lower() for word in value.split(";") if word.strip())
        elif part.strip().lower() == "published":
            preset = ",".join(f"{key}={value}" for key, value in PUBLISHED.items())
        else:
            pairs.append(part)
    given = {part.partition("=")[0].strip().lower() for part in pairs}
    kept = [part for part in preset.split(",") if part.partition("=")[0] not in given]
    return ",".join([*kept, *pairs]), lists
