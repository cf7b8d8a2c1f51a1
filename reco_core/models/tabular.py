"""What the tabular learners have in common: classes, gaps, scaling, choosing settings, and what is kept."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar, Mapping, Optional, Protocol, Sequence

import numpy as np

from ..errors import ArtifactError, ConfigError, SampleError
from ..progress import SILENT, Progress
from .arrays import pack_arrays, unpack_arrays
from .base import Model, ParameterRow
from .inner import inner_folds
from .options import Option, Value, read_options
from .shapley import MOST_FOR_EXACT
from .table import Table

ALL = "all"
FEWEST_GROUPS = 2
FEWEST_ROWS = 10
INNER_FOLDS = 3


class Learner(Protocol):
    """One fitted member in scaled numbers, as arrays."""

    @property
    def features(self) -> int:
        """Number of features."""

    def estimate(self, X: np.ndarray) -> np.ndarray:
        """Return the estimate, shape (n,)."""

    def contributions(self, X: np.ndarray) -> np.ndarray:
        """Return contributions and the base value, shape (n, p + 1)."""

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what to keep."""


@dataclass(frozen=True)
class Scaling:
    """How rows are made ready: gaps take the median, then mean and spread of the training rows are taken off.

    `median`, `mean` and `spread` (p,) [units of the features], the last infinite where a feature is constant;
    `target` is mean and spread of the target; `gaps` (p,) counts the missing values among the training rows.
    """

    median: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    target: tuple[float, float]
    gaps: np.ndarray

    @classmethod
    def of(cls, table: Table, scaled: bool) -> Scaling:
        """Return the scaling of these training rows; without `scaled` gaps are filled and no more."""
        p = table.X.shape[1]
        known = np.isfinite(table.X)
        median = np.array([np.median(column[there]) if there.any() else 0.0
                           for column, there in zip(table.X.T, known.T)])
        gaps = (~known).sum(axis=0)
        if not scaled:
            return cls(median, np.zeros(p), np.ones(p), (0.0, 1.0), gaps)
        filled = np.where(known, table.X, median)
        # nothing was learned of a driver that never changed: whatever its value is later, it counts as its mean
        spread = np.where(np.ptp(filled, axis=0) > 0, filled.std(axis=0), np.inf)
        return cls(median, filled.mean(axis=0), spread,
                   (float(table.y.mean()), float(table.y.std()) or 1.0), gaps)

    def rows(self, X: np.ndarray) -> np.ndarray:
        """Return rows as the learner sees them."""
        values = np.asarray(X, dtype="float64")
        return (np.where(np.isfinite(values), values, self.median) - self.mean) / self.spread

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what to keep."""
        return {"median": self.median, "mean": self.mean, "spread": self.spread, "target": np.array(self.target),
                "gaps": self.gaps}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Scaling:
        """Return the scaling that `to_arrays` took apart."""
        first, second = arrays["target"].tolist()
        return cls(arrays["median"], arrays["mean"], arrays["spread"], (first, second), arrays["gaps"])


class TabularModel(Model):
    """A learner of tables, fitted for all classes or for each, kept as arrays without code.

    A missing value takes the median of the training rows, and the card counts them. Each class with at
    least two groups has members of its own where one model per class is asked for; the other
    classes are served by members trained on all rows. A subclass says how one member is trained (`learn`),
    which settings there are (`options`) and which are tried where `search` is "yes" (`grid`): all
    combinations, on three inner folds of whole training sites.

    Fitted: `members_` (label -> one learner per seed), `scalings_` (label -> Scaling), `chosen_` (label -> settings).
    """

    options: ClassVar[Mapping[str, Option]] = {}
    grid: ClassVar[Mapping[str, tuple[Value, ...]]] = {}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    scaled: ClassVar[bool] = True
    orders: ClassVar[int] = 0  # over which contributions of many drivers are averaged
    learner: ClassVar[Any] = None

    def learn(self, X: np.ndarray, y: np.ndarray, weight: Optional[np.ndarray], *, seed: int,
              settings: Mapping[str, Value], progress: Progress = SILENT) -> Learner:
        """Return one member, trained on scaled rows without gaps."""
        return self.learner

    def check(self, features: Sequence[str]) -> None:
        self.all_settings()

    def all_settings(self) -> dict[str, Any]:
        return dict(read_options(self.settings, self.options, self.name))

    def search_space(self) -> Mapping[str, tuple[Any, ...]]:
        return self.space

    def prepare(self, table: Table, *, seed: int = 0, progress: Progress = SILENT) -> Mapping[str, Any]:
        """Return the settings of each label: those given, or the best of the grid on inner folds."""
        settings = self.all_settings()
        labels = self._labels(table.stratum, table.group)
        if settings.get("search") != "yes":
            return {"chosen": dict.fromkeys(labels, settings)}
        chosen = {}
        for number, label in enumerate(labels):
            rows = table if label == ALL else table.take(table.stratum == label)
            part = progress.span(number / len(labels), (number + 1) / len(labels))
            chosen[label] = {**settings, **self._search(rows, settings, seed, part)}
        return {"chosen": chosen}

    def _search(self, table: Table, settings: Mapping[str, Value], seed: int, progress: Progress) -> dict[str, Value]:
        """Return the combination of the grid with the least squared error on inner folds."""
        tried = [dict(zip(self.grid, values)) for values in product(*self.grid.values())]
        folds = inner_folds(table.group, INNER_FOLDS, seed)
        if np.unique(folds).size < 2:
            return {}
        errors = np.zeros(len(tried))
        for number, combination in enumerate(tried):
            progress(number / len(tried), "Choosing settings")
            for fold in np.unique(folds):
                training, out = table.take(folds != fold), folds == fold
                scaling = Scaling.of(training, self.scaled)
                member = self._train(training, scaling, {**settings, **combination}, seed, progress)
                errors[number] += np.square(_original(member.estimate(scaling.rows(table.X[out])), scaling)
                                            - table.y[out]).sum()
        return tried[int(np.argmin(errors))]

    def _labels(self, stratum: np.ndarray, group: np.ndarray) -> list[str]:
        """Return the classes with members of their own, then "all" if anyone needs it."""
        if not self.per_class:
            return [ALL]
        classes = self.classes or tuple(map(str, np.unique(stratum)))
        own = [label for label in classes if label and np.unique(group[stratum == label]).size >= FEWEST_GROUPS
               and (stratum == label).sum() >= FEWEST_ROWS]
        return own if len(own) == len(classes) else [*own, ALL]

    def fit(self, X: np.ndarray, y: np.ndarray, *, group: np.ndarray, stratum: Optional[np.ndarray] = None,
            weight: Optional[np.ndarray] = None, seeds: Sequence[int] = (0,), features: Sequence[str] = (),
            shared: Optional[Mapping[str, Any]] = None, progress: Progress = SILENT) -> TabularModel:
        if self.per_class and stratum is None:
            raise ConfigError("One model per class is asked for and no classes are given", "Give the class of each row")
        table = Table.plain(X, y, group=group, stratum=stratum, weight=weight, features=features)
        if len(table) < FEWEST_ROWS:
            raise SampleError(f"There are {len(table)} samples to learn from; {self.name} needs at least {FEWEST_ROWS}",
                              "Add samples, or choose another model")
        self.features_ = table.features
        self.chosen_ = {label: dict(values) for label, values in (shared or self.prepare(table))["chosen"].items()}
        self.members_: dict[str, list[Learner]] = {}
        self.scalings_: dict[str, Scaling] = {}
        for number, (label, settings) in enumerate(self.chosen_.items()):
            progress(number / len(self.chosen_), f"Learning, class {label}")
            rows = table if label == ALL else table.take(table.stratum == label)
            self.scalings_[label] = Scaling.of(rows, self.scaled)
            self.members_[label] = [self._train(rows, self.scalings_[label], settings, seed, progress)
                                    for seed in seeds]
        return self

    def _train(self, table: Table, scaling: Scaling, settings: Mapping[str, Value], seed: int,
               progress: Progress) -> Learner:
        progress.check()
        y = (table.y - scaling.target[0]) / scaling.target[1]
        weight = None if table.weight is None else table.weight / table.weight.mean()
        return self.learn(scaling.rows(table.X), y, weight, seed=seed, settings=settings, progress=progress)

    @property
    def pooled_classes_(self) -> tuple[str, ...]:
        """Classes that the members for all serve."""
        return tuple(label for label in self.classes if label not in self.members_) if self.per_class else ()

    def member_predictions(self, X: np.ndarray, *, stratum: Optional[np.ndarray] = None,
                           members: str = "all") -> np.ndarray:
        parts = self._parts(X, stratum, members)
        result = np.empty((len(parts[0][1]) if parts else 1, len(X)))
        for label, learners, at in parts:
            rows = self.scalings_[label].rows(X[at])
            for number, learner in enumerate(learners):
                result[number, at] = _original(learner.estimate(rows), self.scalings_[label])
        return result

    def contributions(self, X: np.ndarray, *, stratum: Optional[np.ndarray] = None,
                      members: str = "all") -> np.ndarray:
        result = np.zeros((len(X), len(self.features_) + 1))
        for label, learners, at in self._parts(X, stratum, members):
            scaling = self.scalings_[label]
            rows = scaling.rows(X[at])
            for learner in learners:
                result[at] += learner.contributions(rows) * (scaling.target[1] / len(learners))
            result[at, -1] += scaling.target[0]
        return result

    def _parts(self, X: np.ndarray, stratum: Optional[np.ndarray],
               members: str) -> list[tuple[str, list[Learner], Any]]:
        """Return label and learners of each class with the rows they serve."""
        labels = np.full(len(X), ALL) if not self.per_class else stratum
        if labels is None:
            raise ArtifactError("The model has one model per class and no classes are given",
                                "Give the class of each row: " + ", ".join(self.members_))
        labels, parts = np.asarray(labels).astype(str), []
        for name in np.unique(labels):
            label = str(name) if str(name) in self.members_ else ALL
            if label not in self.members_:
                raise ArtifactError(f"The model does not know the class '{name}'",
                                    "It knows: " + ", ".join(self.members_))
            own = self.members_[label]
            parts.append((label, own if members == "all" else own[:1], np.flatnonzero(labels == name)))
        return parts

    def parameters(self) -> list[ParameterRow]:
        searched = [name for name in self.grid if self.all_settings().get("search") == "yes"]
        rows = [ParameterRow(label, name, "", str(settings[name])) for label, settings in self.chosen_.items()
                for name in searched]
        return rows + [ParameterRow(label, f"gaps in {name}", "samples", float(count))
                       for label, scaling in self.scalings_.items()
                       for name, count in zip(self.features_, scaling.gaps) if count]

    def remarks(self) -> list[str]:
        found = []
        if any(scaling.gaps.any() for scaling in self.scalings_.values()):
            found.append("Some samples lack values of drivers: this method took the median of the training rows for "
                         "them; see their numbers under Parameters.")
        if self.orders and len(self.features_) > MOST_FOR_EXACT:
            found.append(f"Contributions of more than {MOST_FOR_EXACT} drivers are averages over {self.orders} orders "
                         "of the drivers: each has an error of about a tenth of its usual size, their sum has none.")
        return found

    def join(self, others: Sequence[Model]) -> TabularModel:
        for other in others:
            for label, learners in other.members_.items():  # type: ignore[attr-defined]
                self.members_[label] = [*self.members_[label], *learners]
        return self

    def to_parts(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        blobs = {f"{label}-{number:03d}.npz": pack_arrays(learner.to_arrays())
                 for label, learners in self.members_.items() for number, learner in enumerate(learners)}
        blobs |= {f"{label}-scaling.npz": pack_arrays(scaling.to_arrays())
                  for label, scaling in self.scalings_.items()}
        meta = {"per_class": self.per_class, "settings": self.all_settings(), "classes": list(self.classes),
                "features": list(self.features_), "chosen": self.chosen_,
                "members": {label: len(learners) for label, learners in self.members_.items()}}
        return meta, blobs

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], blobs: Mapping[str, bytes]) -> TabularModel:
        model = cls(per_class=meta["per_class"], settings=meta["settings"], classes=meta["classes"])
        model.features_ = tuple(meta["features"])
        model.chosen_ = {label: dict(settings) for label, settings in meta["chosen"].items()}
        model.scalings_ = {label: Scaling.from_arrays(unpack_arrays(blobs[f"{label}-scaling.npz"]))
                           for label in meta["members"]}
        model.members_ = {label: [cls.learner.from_arrays(unpack_arrays(blobs[f"{label}-{number:03d}.npz"]))
                                  for number in range(count)] for label, count in meta["members"].items()}
        widths = {learner.features for learners in model.members_.values() for learner in learners}
        if widths | {scaling.mean.size for scaling in model.scalings_.values()} != {len(model.features_)}:
            raise ArtifactError(f"The weights of the model are not those of {len(model.features_)} drivers",
                                "The model is damaged: fit it again")
        return model


def _original(values: np.ndarray, scaling: Scaling) -> np.ndarray:
    """Return scaled estimates in the unit of the target."""
    return values * scaling.target[1] + scaling.target[0]
