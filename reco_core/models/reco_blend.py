"""A mean of boosting and random trees on drivers and on what they do together, chosen inside the training sites."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Mapping, Optional, Sequence

import numpy as np

from ..deps import need
from ..errors import ArtifactError, ConfigError, SampleError
from ..progress import SILENT, Progress
from . import blend_members as parts
from .arrays import pack_arrays, unpack_arrays
from .base import Model, ParameterRow
from .blend_members import Rows
from .blend_terms import Terms
from .causal_xgboost import load_booster
from .context import Context
from .inner import inner_folds
from .options import Option, Value, read_options
from .table import Table
from .tree_arrays import TreeArrays

ALL = "all"
FEWEST_ROWS = 20
INNER_FOLDS = 3
CHOICES = ("absolute", "squared", "trees", "classes", "absolute+classes", "squared+classes", "trees+classes",
           "absolute+trees", "squared+trees", "absolute+trees+classes", "squared+trees+classes")
WIDEST = ("absolute+trees+classes", "absolute+trees")
NEARLY = 1.05  # the widest mean is kept unless another one is better by more than this, about what chance decides
MOST_BIAS = 1.25


@dataclass(frozen=True)
class Piece:
    """Trees of one part and one seed; `label` is the class they serve, or "all"."""

    part: str
    label: str
    seed: int
    trees: Any


class RecoBlend(Model):
    """A mean of several kinds of trees, on drivers, and on columns made of them and of their year at the place.

    Parts are boosting on the absolute and on the squared error, extremely randomised trees, and, with
    `per_class`, boosting for each class with at least two tower groups; where a class has fewer, boosting
    for all serves it. Which parts are averaged is chosen by the squared error on inner folds of whole training
    groups; so is the factor that takes the bias off, which the absolute error brings with it. Contributions of
    columns made of several drivers are divided equally among them.

    Fitted: `pieces_`, `choice_`, `factor_`, `medians_` (q,), `inner_` (choice -> squared error on inner folds).

    References
    ----------
    Chen, T., Guestrin, C. (2016). Proc. KDD, 785-794. doi:10.1145/2939672.2939785
    Geurts, P., Ernst, D., Wehenkel, L. (2006). Machine Learning 63, 3-42. doi:10.1007/s10994-006-6226-1
    """

    name = "reco_blend"
    seeded = True
    citations = ("Chen, T., Guestrin, C. (2016). XGBoost. Proc. KDD, 785-794. doi:10.1145/2939672.2939785",
                 "Geurts, P., Ernst, D., Wehenkel, L. (2006). Machine Learning 63, 3-42. "
                 "doi:10.1007/s10994-006-6226-1",
                 "Oudin, L. et al. (2005). J. Hydrol. 303, 290-306. doi:10.1016/j.jhydrol.2004.08.026")
    options: ClassVar[Mapping[str, Option]] = {
        **parts.OPTIONS, "parts": Option("auto", 0, 0, ("auto", *CHOICES)),
        "terms": Option("yes", 0, 0, ("yes", "no")), "bias": Option("yes", 0, 0, ("yes", "no")),
        "class_groups": Option(2, 2, 1000)}

    @property
    def context(self) -> Context:
        return Context(climate=True, place=True)

    @property
    def extras(self) -> tuple[str, ...]:
        return ("season",)

    def check(self, features: Sequence[str]) -> None:
        settings = self.all_settings()
        if "classes" in str(settings["parts"]) and not self.per_class:
            raise ConfigError(f"parts={settings['parts']} has boosting per class, but one model serves all classes",
                              "Set per_class, or choose other parts")

    def all_settings(self) -> dict[str, Any]:
        return dict(read_options(self.settings, self.options, self.name))

    def prepare(self, table: Table, *, seed: int = 0, progress: Progress = SILENT) -> Mapping[str, Any]:
        """Return which parts are averaged and the factor against the bias, from inner folds of these rows."""
        settings = self.all_settings()
        self.features_ = table.features
        rows = self._rows(table.X, table.y, table.group, table.stratum, table.weight)
        choices = self._choices(settings)
        if len(choices) == 1 and settings["bias"] == "no":
            return {"choice": choices[0], "factor": 1.0, "inner": {}}
        wanted = sorted({part for choice in choices for part in choice.split("+")})
        folds = inner_folds(rows.group, INNER_FOLDS, seed)
        held = {part: np.full(len(rows.y), np.nan) for part in wanted}
        for number, fold in enumerate(np.unique(folds)):
            progress(number / INNER_FOLDS, "Choosing the parts of the blend")
            out = folds == fold
            pieces, medians = self._learn(rows.take(~out), wanted, 0, settings, progress)
            for part, found in held.items():
                found[out] = self._estimate(rows.X[out], rows.stratum[out], pieces, medians, part)
        mean = {choice: np.mean([held[part] for part in choice.split("+")], axis=0) for choice in choices}
        inner = {choice: float(np.square(found - rows.y).mean()) for choice, found in mean.items()}
        best = min(inner, key=lambda choice: (inner[choice], choice))
        best = next((wide for wide in WIDEST if inner.get(wide, np.inf) <= NEARLY * inner[best]), best)
        factor = 1.0
        if settings["bias"] == "yes" and mean[best].mean() > 0:
            factor = float(np.clip(rows.y.mean() / mean[best].mean(), 1 / MOST_BIAS, MOST_BIAS))
        return {"choice": best, "factor": factor, "inner": inner}

    def _choices(self, settings: Mapping[str, Value]) -> tuple[str, ...]:
        if settings["parts"] != "auto":
            return (str(settings["parts"]),)
        return tuple(choice for choice in CHOICES if self.per_class or "classes" not in choice)

    def fit(self, X: np.ndarray, y: np.ndarray, *, group: np.ndarray, stratum: Optional[np.ndarray] = None,
            weight: Optional[np.ndarray] = None, seeds: Sequence[int] = (0,), features: Sequence[str] = (),
            shared: Optional[Mapping[str, Any]] = None, progress: Progress = SILENT) -> RecoBlend:
        if self.per_class and stratum is None:
            raise ConfigError("One model per class is asked for and no classes are given", "Give the class of each row")
        table = Table.plain(X, y, group=group, stratum=stratum, weight=weight, features=features)
        if len(table) < FEWEST_ROWS:
            raise SampleError(f"There are {len(table)} samples to learn from; {self.name} needs at least {FEWEST_ROWS}",
                              "Add samples, or choose an equation such as lloyd_taylor")
        found = shared or self.prepare(table, progress=progress)
        self.features_, settings = table.features, self.all_settings()
        self.choice_, self.factor_ = str(found["choice"]), float(found["factor"])
        self.inner_ = dict(found["inner"])
        rows = self._rows(table.X, table.y, table.group, table.stratum, table.weight)
        self.pieces_: list[Piece] = []
        for number, seed in enumerate(seeds):
            part = progress.span(number / len(seeds), (number + 1) / len(seeds))
            pieces, self.medians_ = self._learn(rows, self.choice_.split("+"), seed, settings, part)
            self.pieces_ += pieces
        self.own_ = tuple(sorted({piece.label for piece in self.pieces_ if piece.part == "classes"} - {ALL}))
        return self

    def _rows(self, X: np.ndarray, y: np.ndarray, group: np.ndarray, stratum: np.ndarray,
              weight: Optional[np.ndarray]) -> Rows:
        return Rows(self.seen(X), y, group, stratum, weight)

    def _learn(self, rows: Rows, wanted: Sequence[str], seed: int, settings: Mapping[str, Value],
               progress: Progress) -> tuple[list[Piece], np.ndarray]:
        """Return the trees of the parts that are wanted, and the medians of the columns."""
        with np.errstate(all="ignore"):
            known = np.isfinite(rows.X)
            medians = np.array([np.median(column[there]) if there.any() else 0.0
                                for column, there in zip(rows.X.T, known.T)])
        pieces = []
        for part in wanted:
            if part == "trees":
                filled = Rows(np.where(known, rows.X, medians), rows.y, rows.group, rows.stratum, rows.weight)
                pieces.append(Piece(part, ALL, seed, parts.grow(filled, settings, seed, progress)))
            elif part != "classes":
                pieces.append(Piece(part, ALL, seed, parts.boost(rows, settings, part, seed, progress)))
            else:
                pieces += self._by_class(rows, seed, settings, progress)
        return pieces, medians

    def _by_class(self, rows: Rows, seed: int, settings: Mapping[str, Value], progress: Progress) -> list[Piece]:
        """Return boosting for each large class, and for all where some class is not large."""
        own = parts.large_classes(rows, int(settings["class_groups"]))
        found = [Piece("classes", label, seed, parts.boost(rows.take(rows.stratum == label), settings, "absolute", seed,
                                                           progress)) for label in own]
        return [*found, Piece("classes", ALL, seed, parts.boost(rows, settings, "absolute", seed, progress))]

    def _estimate(self, X: np.ndarray, stratum: np.ndarray, pieces: Sequence[Piece], medians: np.ndarray,
                  part: str) -> np.ndarray:
        """Return the estimate of one part for columns X."""
        mine = {piece.label: piece for piece in pieces if piece.part == part}
        result = np.empty(len(X))
        for label in np.unique(stratum):
            at = stratum == label
            result[at] = _value(mine.get(str(label), mine[ALL]), X[at], medians)
        return result

    def route(self, X: np.ndarray, stratum: Optional[np.ndarray]) -> Optional[np.ndarray]:
        if not self.per_class:
            return None
        if stratum is None:
            raise ArtifactError("The model has one model per class and no classes are given",
                                "Give the class of each row: " + ", ".join(self.classes))
        labels = np.asarray(stratum).astype(str)
        return np.where(np.isin(labels, self.own_), labels, ALL)

    def seen(self, X: np.ndarray, label: str = ALL) -> np.ndarray:
        p = len(self.features_)
        if self.all_settings()["terms"] == "no":
            return np.asarray(X[:, :p], dtype="float32")
        view = self.context.view(np.asarray(X, dtype="float64"), p)
        return Terms(self.features_).values(view).astype("float32")

    def to_features(self, phi: np.ndarray) -> np.ndarray:
        p = len(self.features_)
        shares = Terms(self.features_).shares() if self.all_settings()["terms"] == "yes" else np.eye(p, p + 1)
        return np.column_stack([phi[:, :-1] @ shares, phi[:, -1]])

    def forests(self, label: str = ALL, members: str = "all") -> Sequence[tuple[float, Any]]:
        seeds = self._seeds(members)
        share = self.factor_ / len(seeds) / len(self.choice_.split("+"))
        return [(share, piece.trees) for seed in seeds for piece in self._serving(label, seed)]

    def _seeds(self, members: str) -> list[int]:
        seeds = list(dict.fromkeys(piece.seed for piece in self.pieces_))
        return seeds if members == "all" else seeds[:1]

    def _serving(self, label: str, seed: int) -> list[Piece]:
        """Return the trees of one seed that serve a label, one per part."""
        mine = [piece for piece in self.pieces_ if piece.seed == seed]
        found = []
        for part in self.choice_.split("+"):
            of_part = {piece.label: piece for piece in mine if piece.part == part}
            found.append(of_part.get(label, of_part[ALL]))
        return found

    def member_predictions(self, X: np.ndarray, *, stratum: Optional[np.ndarray] = None,
                           members: str = "all") -> np.ndarray:
        seeds, columns = self._seeds(members), self.seen(X)
        result = np.zeros((len(seeds), len(X)))
        for label, at in self._at(X, stratum):
            for number, seed in enumerate(seeds):
                pieces = self._serving(label, seed)
                result[number, at] = np.mean([_value(piece, columns[at], self.medians_) for piece in pieces], axis=0)
        return result * self.factor_

    def contributions(self, X: np.ndarray, *, stratum: Optional[np.ndarray] = None,
                      members: str = "all") -> np.ndarray:
        columns = self.seen(X)
        phi = np.zeros((len(X), columns.shape[1] + 1))
        for label, at in self._at(X, stratum):
            for weight, trees in self.forests(label, members):
                phi[at] += weight * _split(trees, columns[at], self.medians_)
        return self.to_features(phi)

    def _at(self, X: np.ndarray, stratum: Optional[np.ndarray]) -> list[tuple[str, Any]]:
        labels = self.route(X, stratum)
        if labels is None:
            return [(ALL, slice(None))]
        return [(str(label), np.flatnonzero(labels == label)) for label in np.unique(labels)]

    @property
    def pooled_classes_(self) -> tuple[str, ...]:
        """Classes that no part serves by itself."""
        return tuple(label for label in self.classes if label not in self.own_) if "classes" in self.choice_ else ()

    def parameters(self) -> list[ParameterRow]:
        return [ParameterRow(ALL, "parts", "", self.choice_),
                ParameterRow(ALL, "factor against bias", "1", self.factor_)]

    def join(self, others: Sequence[Model]) -> RecoBlend:
        for other in others:
            self.pieces_ += other.pieces_  # type: ignore[attr-defined]
        return self

    def to_parts(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        blobs, kept = {"medians.npz": pack_arrays({"medians": self.medians_})}, []
        for number, piece in enumerate(self.pieces_):
            name = f"{number:03d}-{piece.part}-{piece.label}." + ("npz" if piece.part == "trees" else "ubj")
            blobs[name] = (pack_arrays(piece.trees.to_arrays()) if piece.part == "trees"
                           else bytes(piece.trees.save_raw("ubj")))
            kept.append({"part": piece.part, "label": piece.label, "seed": piece.seed, "file": name})
        meta = {"per_class": self.per_class, "settings": self.all_settings(), "classes": list(self.classes),
                "features": list(self.features_), "choice": self.choice_, "factor": self.factor_, "inner": self.inner_,
                "own": list(self.own_), "pieces": kept}
        return meta, blobs

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], blobs: Mapping[str, bytes]) -> RecoBlend:
        model = cls(per_class=meta["per_class"], settings=meta["settings"], classes=meta["classes"])
        model.features_, model.own_ = tuple(meta["features"]), tuple(meta["own"])
        model.choice_, model.factor_, model.inner_ = meta["choice"], float(meta["factor"]), dict(meta["inner"])
        model.medians_ = unpack_arrays(blobs["medians.npz"])["medians"]
        model.pieces_ = []
        for kept in meta["pieces"]:
            content = blobs[kept["file"]]
            trees = TreeArrays.from_arrays(unpack_arrays(content)) if kept["part"] == "trees" else load_booster(content)
            model.pieces_.append(Piece(kept["part"], kept["label"], kept["seed"], trees))
        return model


def _value(piece: Piece, X: np.ndarray, medians: np.ndarray) -> np.ndarray:
    """Return the estimate of one piece for columns, shape (n,)."""
    if piece.part == "trees":
        return piece.trees.estimate(np.where(np.isfinite(X), X, medians))
    rows = np.ascontiguousarray(X, dtype="float32")
    return piece.trees.inplace_predict(rows, validate_features=False).astype("float64")


def _split(trees: Any, X: np.ndarray, medians: np.ndarray) -> np.ndarray:
    """Return the contributions of columns to the estimate of some trees, base value last."""
    if isinstance(trees, TreeArrays):
        return trees.contributions(np.where(np.isfinite(X), X, medians))
    matrix = need("xgboost").DMatrix(np.ascontiguousarray(X, dtype="float32"))
    return np.asarray(trees.predict(matrix, pred_contribs=True, validate_features=False), dtype="float64")
