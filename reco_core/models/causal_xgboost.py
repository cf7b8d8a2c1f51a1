"""Gradient boosting that favours the drivers with strong causal links (CIML-TER)."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence

import numpy as np

from ..deps import need
from ..errors import ArtifactError, ConfigError, SampleError
from ..progress import SILENT, Progress
from .base import Model
from .causal_links import CITATION as LINKS_CITATION
from .causal_links import Links, check_weights, find_links
from .settings import OBJECTIVES, Value, boosting_settings, check_sampling
from .table import Table

WEIGHTS = ("pooled", "site_mean", "by_pft", "uniform", "shuffled")
ALL = "all"
FEWEST_GROUPS = 2
ROWS_FOR_THREADS = 8192
CITATIONS = ("Zhao, C., Zhu, W. (2025). Commun. Earth Environ. doi:10.1038/s43247-025-02240-1",
             "Chen, T., Guestrin, C. (2016). XGBoost. Proc. KDD, 785-794. doi:10.1145/2939672.2939785",
             LINKS_CITATION)


class CausalXgboost(Model):
    """Boosters whose columns are sampled in proportion to causal weights.

    The weights come from the training rows alone. With `per_class` each class with at least
    two groups has boosters of its own, with weights from its own links where `weights` is
    "by_pft" or "shuffled"; other classes are served by boosters trained on all rows.

    Fitted: `boosters_` (label -> one booster per seed; label "all" serves every class without
    its own), `weights_` (label -> (p,)), `pooled_classes_` (classes without their own), `links_`.

    References
    ----------
    Zhao, C., Zhu, W. (2025). Commun. Earth Environ. doi:10.1038/s43247-025-02240-1
    """

    name = "causal_xgboost"
    seeded = True
    weighted = True
    accelerator = "xgboost"
    citations = CITATIONS

    def check(self, features: Sequence[str]) -> None:
        if self.weights not in WEIGHTS:
            raise ConfigError(f"'{self.weights}' is no choice of feature weights", "Choose: " + ", ".join(WEIGHTS))
        check_sampling(boosting_settings(self.settings), self.weights)

    def all_settings(self) -> dict[str, Any]:
        return dict(boosting_settings(self.settings))

    def search_space(self) -> Mapping[str, tuple[Any, ...]]:
        space: dict[str, tuple[Any, ...]] = {
            "learning_rate": ("log", 0.02, 0.3), "max_depth": ("int", 2, 8), "min_child_weight": ("log", 1.0, 60.0),
            "subsample": ("float", 0.5, 1.0), "colsample_bynode": ("float", 0.2, 0.95),
            "reg_lambda": ("log", 0.1, 30.0), "objective": ("choice", OBJECTIVES)}
        if boosting_settings(self.settings)["early_stopping"] == 0:
            space["n_estimators"] = ("int", 40, 400)
        return space

    def prepare(self, table: Table, *, seed: int = 0, progress: Progress = SILENT) -> Mapping[str, Any]:
        """Return the feature weights of each label, from these training rows."""
        settings = boosting_settings(self.settings)
        self.check(table.features)
        labels = self._labels(table.stratum, table.group)
        p = len(table.features)
        if self.weights == "uniform":
            return {"weights": {label: np.ones(p).tolist() for label in labels}, "links": {}}
        mode = "by_pft" if self.weights == "shuffled" and self.per_class else self.weights
        links = self._links(table, "pooled" if mode == "shuffled" else mode, progress)
        weights = {label: links.weights("" if label == ALL else label, float(settings["weight_floor"]))
                   for label in labels}
        if self.weights == "shuffled":
            rng = np.random.default_rng([seed, 20250])
            weights = {label: rng.permutation(values) for label, values in weights.items()}
        return {"weights": {label: check_weights(values, p).tolist() for label, values in weights.items()},
                "links": links.to_dict()}

    def _links(self, table: Table, mode: str, progress: Progress) -> Links:
        try:
            return find_links(table, mode, alpha=self.alpha, progress=progress)
        except SampleError as error:
            raise SampleError(f"No feature weights: {error.message}", error.hint) from error

    def _labels(self, stratum: np.ndarray, group: np.ndarray) -> list[str]:
        """Return the classes with boosters of their own, then "all" if anyone needs it."""
        if not self.per_class:
            return [ALL]
        classes = self.classes or tuple(np.unique(stratum))
        own = [str(label) for label in classes
               if label and np.unique(group[stratum == label]).size >= FEWEST_GROUPS]
        return own if len(own) == len(classes) else [*own, ALL]

    def fit(self, X: np.ndarray, y: np.ndarray, *, group: np.ndarray, stratum: Optional[np.ndarray] = None,
            weight: Optional[np.ndarray] = None, seeds: Sequence[int] = (0,), features: Sequence[str] = (),
            shared: Optional[Mapping[str, Any]] = None, progress: Progress = SILENT) -> CausalXgboost:
        if self.per_class and stratum is None:
            raise ConfigError("One model per class is asked for and no classes are given", "Give the class of each row")
        table = Table.plain(X, y, group=group, stratum=stratum, weight=weight, features=features)
        settings = boosting_settings(self.settings)
        found = shared or self.prepare(table, progress=progress)
        self.features_ = table.features
        self.links_ = found["links"]
        self.weights_ = {label: check_weights(values, table.X.shape[1]) for label, values in found["weights"].items()}
        classes = self.classes or tuple(map(str, np.unique(table.stratum)))
        self.pooled_classes_ = tuple(label for label in classes if label not in self.weights_) if self.per_class else ()
        self.boosters_: dict[str, list[Any]] = {}
        for number, (label, weights) in enumerate(self.weights_.items()):
            rows = table if label == ALL else table.take(table.stratum == label)
            self.boosters_[label] = []
            for seed in seeds:
                progress(number / len(self.weights_), f"Boosting, class {label}")
                self.boosters_[label].append(load_booster(train(rows, weights, settings, seed, progress, self.device)))
        return self

    def boosters(self, label: str = ALL, members: str = "all") -> list[Any]:
        """Return the boosters that serve a class: one per seed, or the first only."""
        own = self.boosters_.get(label, self.boosters_.get(ALL))
        if own is None:
            raise ArtifactError(f"The model does not know the class '{label}'",
                                "It knows: " + ", ".join(self.boosters_))
        return own if members == "all" else own[:1]

    def member_predictions(self, X: np.ndarray, *, stratum: Optional[np.ndarray] = None,
                           members: str = "all") -> np.ndarray:
        rows = np.ascontiguousarray(X, dtype="float32")
        count = len(next(iter(self.boosters_.values()))) if members == "all" else 1
        result = np.empty((count, len(rows)))
        for label, at in self._parts(stratum, len(rows)):
            for number, booster in enumerate(self.boosters(label, members)):
                result[number, at] = self._asked(booster, rows[at], ROWS_FOR_THREADS)
        return result

    def contributions(self, X: np.ndarray, *, stratum: Optional[np.ndarray] = None,
                      members: str = "all") -> np.ndarray:
        rows = np.ascontiguousarray(X, dtype="float32")
        result = np.zeros((len(rows), rows.shape[1] + 1))
        for label, at in self._parts(stratum, len(rows)):
            part = rows[at]
            boosters = self.boosters(label, members)
            total = np.zeros((len(part), rows.shape[1] + 1))
            for booster in boosters:
                total += self._asked(booster, part, ROWS_FOR_THREADS // 16, pred_contribs=True)
            result[at] = total / len(boosters)
        return result

    def _asked(self, booster: Any, rows: np.ndarray, enough: int, **what: bool) -> np.ndarray:
        """Return what a booster gives for rows, by all cores where there are enough rows."""
        if self.device == "cpu":
            use_threads(booster, len(rows), enough)
            if not what:
                return booster.inplace_predict(rows, validate_features=False)
        booster.set_param({"device": self.device})
        # a fresh matrix each time: xgboost caches predictions per matrix
        matrix = need("xgboost").DMatrix(rows, feature_names=booster.feature_names)
        return booster.predict(matrix, validate_features=False, **what)

    def _parts(self, stratum: Optional[np.ndarray], rows: int) -> list[tuple[str, Any]]:
        """Return the rows of each class."""
        if not self.per_class:
            return [(ALL, slice(None))]
        if stratum is None:
            raise ArtifactError("The model has one model per class and no classes are given",
                                "Give the class of each row: " + ", ".join(self.boosters_))
        labels = np.asarray(stratum).astype(str)
        return [(str(label), np.flatnonzero(labels == label)) for label in np.unique(labels)]

    def join(self, others: Sequence[Model]) -> CausalXgboost:
        for other in others:
            for label, boosters in other.boosters_.items():  # type: ignore[attr-defined]
                self.boosters_[label] = [*self.boosters_[label], *boosters]
        return self

    def to_parts(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        blobs = {f"{label}-{number:03d}.ubj": bytes(booster.save_raw("ubj"))
                 for label, boosters in self.boosters_.items() for number, booster in enumerate(boosters)}
        meta = {"weights": self.weights, "per_class": self.per_class, "alpha": self.alpha,
                "settings": boosting_settings(self.settings), "classes": list(self.classes),
                "features": list(self.features_), "links": self.links_,
                "feature_weights": {label: values.tolist() for label, values in self.weights_.items()},
                "pooled_classes": list(self.pooled_classes_),
                "members": {label: len(boosters) for label, boosters in self.boosters_.items()}}
        return meta, blobs

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], blobs: Mapping[str, bytes]) -> CausalXgboost:
        model = cls(weights=meta["weights"], per_class=meta["per_class"], alpha=meta["alpha"],
                    settings=meta["settings"], classes=meta["classes"])
        model.features_ = tuple(meta["features"])
        model.links_ = meta["links"]
        model.weights_ = {label: np.asarray(values) for label, values in meta["feature_weights"].items()}
        model.pooled_classes_ = tuple(meta["pooled_classes"])
        model.boosters_ = {label: [load_booster(blobs[f"{label}-{number:03d}.ubj"]) for number in range(count)]
                           for label, count in meta["members"].items()}
        return model


def train(table: Table, weights: np.ndarray, settings: Mapping[str, Value], seed: int,
          progress: Progress = SILENT, device: str = "cpu") -> bytes:
    """Return one booster, trained by one thread or a GPU, as bytes.

    Where early stopping is on, a share of the groups is set aside to stop at the number of
    trees that serves them best; those rows are not trained on. With one group there is nothing
    to stop by: then a hundred trees are grown.

    Parameters
    ----------
    table : Table
    weights : array of shape (p,)
        Feature weights.
    settings : mapping
        All settings of boosting.
    seed : int
    """
    xgboost = need("xgboost")
    aside = _set_aside(table.group, settings, seed)

    def matrix(rows: np.ndarray) -> Any:
        weight = None if table.weight is None else table.weight[rows]
        return xgboost.DMatrix(table.X[rows], table.y[rows], weight=weight, nthread=1, feature_weights=weights)

    class Watch(xgboost.callback.TrainingCallback):  # type: ignore[name-defined,misc]
        """Lets the user stop between two trees."""

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            progress.check()
            return False

    parameters = {name: settings[name] for name in (
        "learning_rate", "max_depth", "min_child_weight", "gamma", "subsample", "colsample_bytree",
        "colsample_bylevel", "colsample_bynode", "reg_lambda", "reg_alpha", "max_bin", "objective")}
    parameters |= {"tree_method": "hist", "eval_metric": "rmse", "seed": seed, "nthread": 1, "device": device}
    rounds, patience = int(settings["n_estimators"]), int(settings["early_stopping"])
    if not aside.any():
        trees = rounds if patience == 0 else min(rounds, 100)
        return _bytes(xgboost.train(parameters, matrix(~aside), trees, callbacks=[Watch()]), table)
    booster = xgboost.train(parameters, matrix(~aside), rounds, evals=[(matrix(aside), "aside")],
                            early_stopping_rounds=patience, verbose_eval=False, callbacks=[Watch()])
    return _bytes(booster[: booster.best_iteration + 1], table)


def _set_aside(group: np.ndarray, settings: Mapping[str, Value], seed: int) -> np.ndarray:
    """Return the rows of the groups set aside for early stopping; none where it is off or there is one group."""
    groups = np.unique(group)
    if settings["early_stopping"] == 0 or groups.size < FEWEST_GROUPS:
        return np.zeros(len(group), dtype=bool)
    count = min(max(1, round(float(settings["validation_share"]) * groups.size)), groups.size - 1)
    return np.isin(group, np.random.default_rng(seed).choice(groups, count, replace=False))


def _bytes(booster: Any, table: Table) -> bytes:
    booster.feature_names = list(table.features)
    booster.set_attr(best_iteration=None, best_score=None)
    return bytes(booster.save_raw("ubj"))


def use_threads(booster: Any, rows: int, enough: int) -> None:
    """Use all cores for many rows, one for few: starting threads costs more than it saves there."""
    booster.set_param({"nthread": 0 if rows >= enough else 1})


def load_booster(content: bytes) -> Any:
    """Return the booster that was kept as bytes.

    Raises
    ------
    ArtifactError
        The bytes are damaged.
    """
    xgboost = need("xgboost")
    try:
        booster = xgboost.Booster()
        booster.load_model(bytearray(content))
    except xgboost.core.XGBoostError as error:
        raise ArtifactError(f"A booster cannot be read: {str(error).splitlines()[0]}",
                            "The model is damaged: fit it again") from error
    return booster
