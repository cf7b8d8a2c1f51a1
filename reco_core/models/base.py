"""What a model is, and the ensemble of models, one per fold, that maps are made with."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Iterable, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from ..errors import ArtifactError, ConfigError
from ..progress import SILENT, Progress
from ..vocabulary.calendar import TIME_STEPS
from ..vocabulary.kinds import FLUX_KINDS
from ..vocabulary.variables import GROUPS, variable
from .context import Context
from .table import Table

MEMBERS = ("all", "one_per_fold")


class Estimate(NamedTuple):
    """Estimates of an ensemble and how far its members differ; arrays of shape (n,) [unit of the target].

    `mean` is over folds of the mean over their members; `spread` the standard deviation (n - 1) of
    the means of the folds; `seed_spread` that of the members of a fold, which differ by their seed
    alone: the root of its mean square over the folds. NaN where there is one fold, or one member.
    """

    mean: np.ndarray
    spread: np.ndarray
    seed_spread: np.ndarray

    @classmethod
    def of(cls, means: np.ndarray, variances: np.ndarray) -> Estimate:
        """Return the estimates from means and variances over members (n - 1), both of shape (folds, n)."""
        spread = means.std(axis=0, ddof=1) if len(means) > 1 else np.full(means.shape[1], np.nan)
        return cls(means.mean(axis=0), spread, np.sqrt(variances.mean(axis=0)))


def member_variance(members: np.ndarray) -> np.ndarray:
    """Return the variance (n - 1) over members of their estimates, shape (members, n); NaN for one member."""
    return members.var(axis=0, ddof=1) if len(members) > 1 else np.full(members.shape[1], np.nan)


class ParameterRow(NamedTuple):
    """A number, or a choice, that fitting found, for people to read.

    `label` is the class it serves or "all"; in `unit` the word "flux" stands for the unit of the
    target; `error` is its standard error, NaN where there is none.
    """

    label: str
    name: str
    unit: str
    value: float | str
    error: float = float("nan")


class Model:
    """A method fitted on one training set; it holds one or more members that differ by their seed.

    A new method is a subclass with a `name`, `fit`, `member_predictions`, `contributions`,
    `to_parts` and `from_parts`, an entry in the registry and one in the catalogue.
    `__init__` only assigns; what fitting finds ends with an underscore. `planned_members` is how many
    members are fitted in all, whichever of them `fit` is asked for.

    Parameters
    ----------
    weights : str
        How features are favoured; methods without feature weights ignore it.
    per_class : bool
        Whether each class has a fit of its own.
    alpha : float
        Level of the tests behind the weights.
    settings : mapping or str, optional
        Settings of the method, as names and values or as the text "name=value,...".
    classes : sequence of str
        All classes that may be asked for; those of the training rows where empty.
    """

    name: ClassVar[str] = ""
    seeded: ClassVar[bool] = False
    weighted: ClassVar[bool] = False  # whether `weights` has a meaning
    accelerator: ClassVar[str] = ""  # the package through which it can use a GPU
    planned_members = 1
    device = "cpu"
    citations: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *, weights: str = "pooled", per_class: bool = False, alpha: float = 0.05,
                 settings: Any = None, classes: Sequence[str] = ()) -> None:
        self.weights = weights
        self.per_class = per_class
        self.alpha = alpha
        self.settings = settings
        self.classes = tuple(classes)

    @property
    def context(self) -> Context:
        """What the method sees besides the drivers of a row; its settings may decide it."""
        return Context()

    @property
    def extras(self) -> tuple[str, ...]:
        """What contributes to estimates besides the drivers, as the vocabulary calls it; it stands after them."""
        return ()

    def lacking(self, features: Sequence[str]) -> tuple[str, ...]:
        """Return in words what the method needs and the features do not have; nothing where it takes any features."""
        return ()

    def check(self, features: Sequence[str]) -> None:
        """Raise `ConfigError` if the method cannot be used so, or with these features."""

    def all_settings(self) -> dict[str, Any]:
        """Return every setting of the method with its value."""
        return {}

    def search_space(self) -> Mapping[str, tuple[Any, ...]]:
        """Return the settings worth searching and where: `fit` with `search` chooses among them.

        A name has ("int", low, high), ("float", low, high), ("log", low, high) or ("choice", values); its
        usual value lies within. None of them may change `context`. Nothing (the default) cannot be searched.
        """
        return {}

    def prepare(self, table: Table, *, seed: int = 0, progress: Progress = SILENT) -> Mapping[str, Any]:
        """Return what all members of a training set share, as plain data; computed once per fold."""
        return {}

    def fit(self, X: np.ndarray, y: np.ndarray, *, group: np.ndarray, stratum: Optional[np.ndarray] = None,
            weight: Optional[np.ndarray] = None, seeds: Sequence[int] = (0,), features: Sequence[str] = (),
            shared: Optional[Mapping[str, Any]] = None, progress: Progress = SILENT) -> Model:
        """Fit one member per seed and return the model.

        Parameters
        ----------
        X : array of shape (n, width) [units of the drivers]
            The p drivers and behind them what `context` asks for.
        y : array of shape (n,) [unit of the target]
        group : array of shape (n,)
            Rows of one group are never on both sides of a split.
        stratum : array of str, shape (n,), optional
            Class of each row; needed with `per_class`.
        weight : array of shape (n,), optional
        seeds : sequence of int
        features : sequence of str
        shared : mapping, optional
            What `prepare` returned; found here if not given.
        """
        return self

    def member_predictions(self, X: np.ndarray, *, stratum: Optional[np.ndarray] = None,
                           members: str = "all") -> np.ndarray:
        """Return the estimate of each member, shape (members, n) [unit of the target]."""
        return np.empty((0, len(X)))

    def predict(self, X: np.ndarray, *, stratum: Optional[np.ndarray] = None, members: str = "all") -> np.ndarray:
        """Return the mean estimate of the members, shape (n,) [unit of the target]."""
        return self.member_predictions(X, stratum=stratum, members=members).mean(axis=0)

    def contributions(self, X: np.ndarray, *, stratum: Optional[np.ndarray] = None,
                      members: str = "all") -> np.ndarray:
        """Return contributions and, in the last column, the base value; rows add up to `predict`.

        Shape (n, p + 1) [unit of the target], with `extras` before the base value: what the surroundings of a
        driver contribute counts as its own.
        """
        return np.empty((len(X), X.shape[1] + 1))

    def route(self, X: np.ndarray, stratum: Optional[np.ndarray]) -> Optional[np.ndarray]:
        """Return the label of what serves each row, shape (n,), or None where one thing serves all."""
        return stratum if self.per_class else None

    def forests(self, label: str = "all", members: str = "all") -> Sequence[tuple[float, Any]]:
        """Return the trees that serve a label, each with its weight, where the method is made of trees.

        The estimate is the sum of weight times what the trees estimate: those of `TreeArrays` (their mean) or of a
        booster of xgboost. They see the columns that `seen` returns.
        """
        return ()

    def seen(self, X: np.ndarray, label: str = "all") -> np.ndarray:
        """Return the columns that the trees that serve a label see, shape (n, q)."""
        return X

    def to_features(self, phi: np.ndarray) -> np.ndarray:
        """Return contributions of the columns that `seen` returns, (n, q + 1), as those of the drivers, (n, p + 1)."""
        return phi

    def parameters(self) -> list[ParameterRow]:
        """Return the parameters that fitting found, where they mean something to people."""
        return []

    def remarks(self) -> list[str]:
        """Return sentences about the fit that users of the model should know."""
        return []

    def join(self, others: Sequence[Model]) -> Model:
        """Return this model with the members of others, fitted on the same rows, after its own."""
        return self

    def to_parts(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        """Return what to keep of the fitted model: plain data and files."""
        return {}, {}

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], blobs: Mapping[str, bytes]) -> Model:
        """Return the model that `to_parts` took apart."""
        return cls()


@dataclass(frozen=True)
class Feature:
    """A driver that a model sees; `low` and `high` are its range in the training data [unit]."""

    name: str
    unit: str
    long_name: str
    group: str
    low: float
    high: float


@dataclass(frozen=True)
class FittedModel:
    """The ensemble of a fit: one model per fold, each fitted without that fold's sites.

    Parameters
    ----------
    name : str
        Method, as in the catalogue.
    features : tuple of Feature
        In the order of the columns of X.
    target_unit, time_step, flux_kind : str
    strata : tuple of str
        Classes with a model of their own; empty if one model serves all.
    folds : tuple of Model
    scores : mapping
        Skill on held-out sites.
    links : mapping
        Causal links in all training rows.
    reference : mapping of array
        Training rows: `X`, `y`, `fold`, `group`, `held_out` and `overall` (estimates), `site`, `stratum`;
        `weights` (p,), the importance of the features.
    provenance : mapping
        Settings, seeds, sources.
    """

    name: str
    features: tuple[Feature, ...]
    target_unit: str
    time_step: str
    flux_kind: str
    strata: tuple[str, ...]
    folds: tuple[Model, ...]
    scores: Mapping[str, Any] = field(default_factory=dict)
    links: Mapping[str, Any] = field(default_factory=dict)
    reference: Mapping[str, np.ndarray] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def context(self) -> Context:
        """What the model sees besides the drivers of a row."""
        return self.folds[0].context if self.folds else Context()

    @cached_property
    def explained(self) -> tuple[Feature, ...]:
        """What contributes to an estimate: the features, and what the method brings itself, such as the season."""
        words = [variable(name) for name in (self.folds[0].extras if self.folds else ())]
        return self.features + tuple(Feature(word.name, word.unit, word.long_name, word.group, np.nan, np.nan)
                                     for word in words)

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns of X."""
        return tuple(feature.name for feature in self.features)

    def columns(self, available: Iterable[str]) -> list[int]:
        """Return where the features stand among available names.

        Raises
        ------
        ArtifactError
            Some are not there.
        """
        there = list(available)
        missing = [name for name in self.feature_names if name not in there]
        if missing:
            raise ArtifactError(f"The model needs drivers that are not there: {', '.join(missing)}",
                                f"There are: {', '.join(there) or 'none'}; map other names with variables, for "
                                f"example variables=\"tavg={missing[0]}\"")
        return [there.index(name) for name in self.feature_names]

    def estimate(self, X: np.ndarray, *, stratum: Optional[np.ndarray] = None,
                 members: str = "all") -> Estimate:
        """Return the mean estimate of the ensemble and its spread over folds and over seeds.

        Parameters
        ----------
        X : array of shape (n, width) [units of the features]
            The features and behind them what `context` asks for.
        stratum : array of str, shape (n,), optional
            Class of each row, for models with strata.
        members : {"all", "one_per_fold"}

        Returns
        -------
        Estimate
            Mean, spread and seed spread, each of shape (n,) [target_unit].
        """
        self._check(X, stratum, members)
        folds = (model.member_predictions(X, stratum=stratum, members=members) for model in self.folds)
        means, variances = zip(*((fold.mean(axis=0), member_variance(fold)) for fold in folds))
        return Estimate.of(np.stack(means), np.stack(variances))

    def contributions(self, X: np.ndarray, *, stratum: Optional[np.ndarray] = None,
                      members: str = "all") -> np.ndarray:
        """Return contributions of `explained` to the mean estimate, base value last, (n, p + 1) [target_unit]."""
        self._check(X, stratum, members)
        total = np.zeros((len(X), len(self.explained) + 1))
        for model in self.folds:
            total += model.contributions(X, stratum=stratum, members=members)
        return total / len(self.folds)

    def _check(self, X: np.ndarray, stratum: Optional[np.ndarray], members: str) -> None:
        if members not in MEMBERS:
            raise ConfigError(f"'{members}' is no choice of members", "Choose: " + ", ".join(MEMBERS))
        width = self.context.width(len(self.features))
        if X.ndim != 2 or X.shape[1] != width:
            behind = "" if self.context.is_empty else f" and {width} columns with their surroundings"
            raise ArtifactError(f"The model has {len(self.features)} features{behind}; the table has shape {X.shape}",
                                f"Give one column per feature: {', '.join(self.feature_names)}")
        if not self.strata:
            return
        if stratum is None:
            raise ArtifactError("The model has one model per class and no classes are given",
                                "Give the class of each row: " + ", ".join(self.strata))
        unknown = sorted(set(np.unique(np.asarray(stratum).astype(str))) - set(self.strata))
        if unknown:
            raise ArtifactError(f"The model does not know the class '{unknown[0]}'",
                                "It knows: " + ", ".join(self.strata))

    def to_parts(self) -> tuple[dict[str, Any], dict[str, bytes], dict[str, np.ndarray]]:
        """Return all of the model as plain data, files and arrays."""
        folds, blobs = [], {}
        for number, model in enumerate(self.folds):
            meta, files = model.to_parts()
            folds.append(meta)
            blobs.update({f"fold{number:03d}-{name}": content for name, content in files.items()})
        meta = {"name": self.name, "features": [asdict(feature) for feature in self.features],
                "target_unit": self.target_unit, "time_step": self.time_step, "flux_kind": self.flux_kind,
                "strata": list(self.strata), "folds": folds, "scores": dict(self.scores),
                "links": dict(self.links), "provenance": dict(self.provenance)}
        return meta, blobs, dict(self.reference)

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], blobs: Mapping[str, bytes],
                   arrays: Mapping[str, np.ndarray]) -> FittedModel:
        """Return the model that `to_parts` took apart.

        Raises
        ------
        ArtifactError
            Something is missing.
        """
        from .registry import model_class

        try:
            _check_words(meta)
            kind = model_class(meta["name"])
            folds = []
            for number, part in enumerate(meta["folds"]):
                prefix = f"fold{number:03d}-"
                files = {name.removeprefix(prefix): content for name, content in blobs.items()
                         if name.startswith(prefix)}
                folds.append(kind.from_parts(part, files))
            return cls(meta["name"], tuple(Feature(**feature) for feature in meta["features"]), meta["target_unit"],
                       meta["time_step"], meta["flux_kind"], tuple(meta["strata"]), tuple(folds), meta["scores"],
                       meta["links"], dict(arrays), meta["provenance"])
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, ConfigError) as error:
            raise ArtifactError(f"The model cannot be put together: {error}",
                                "It is damaged or was written by another version: fit it again") from error


def _check_words(meta: Mapping[str, Any]) -> None:
    """Raise `ValueError` where a word of a model is none of those that name files and decide on paths."""
    words = [("flux_kind", meta["flux_kind"], FLUX_KINDS), ("time_step", meta["time_step"], ("", *TIME_STEPS))]
    words += [(f"group of '{feature['name']}'", feature["group"], GROUPS) for feature in meta["features"]]
    for what, word, known in words:
        if word not in known:
            raise ValueError(f"its {what} is '{word}'")
    for feature in meta["features"]:
        if not str(feature["name"]).isidentifier():
            raise ValueError(f"'{feature['name']}' cannot be the name of a driver")
    if not meta["folds"]:
        raise ValueError("it has no folds")
