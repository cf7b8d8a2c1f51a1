"""Estimates of a fitted model and their contributions, by the fastest exact way there is for it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Optional, Sequence

import numpy as np

from ..errors import ConfigError
from ..models.base import Estimate, member_variance
from ..models.causal_xgboost import ROWS_FOR_THREADS, use_threads
from ..models.tree_arrays import TreeArrays
from ..progress import SILENT, Progress
from ..threads import in_parts
from .pairs import kinds_of, pairs, to_groups
from .shap_tables import DEEPEST_MEAN
from .shelf import KERNELS, Shelf
from .tree_shap import by_xgboost
from .tree_shap import interactions as plain_interactions

if TYPE_CHECKING:
    from ..models.base import FittedModel, Model

ROWS_AT_ONCE = 262_144
FEWEST_ROWS = 16_384
SHARE_FOR_ROWS, SHARE_FOR_TABLES = 1 / 8, 1 / 20  # of the memory budget
Explained = tuple[Estimate, Optional[np.ndarray]]


class Engine:
    """Estimates very many rows with a fitted model, and splits the estimates into contributions.

    Boosted trees are turned into tables (`TableExplainer`), which give the same estimates as
    xgboost to the last bit; trees that tables cannot hold are left to xgboost. Models that are
    means of trees (`Model.forests`) estimate for themselves and are split by tables where they are not
    too deep; other models estimate and split for themselves.

    Where a model of boosters computes on a GPU, torch looks the same tables up there, if it can use the GPU and
    tables hold all the trees; else xgboost estimates and explains on it. Which of the two is faster has not been
    measured, since there was no GPU; `make bench-gpu` does.

    Parameters
    ----------
    fitted : FittedModel
    members : {"all", "one_per_fold"}
    plain : bool
        Ask the model itself in any case: slow, for checking.
    rows_at_once : int
        Bounds the memory; the results do not depend on it.
    kept_bytes : int
        How much of its tables the engine may keep for the next rows; the results do not depend on it. On a GPU
        it keeps as much as half of what is free there.
    device : str
        Look tables up by torch on this device in any case, such as "cpu": slow there, for checking.
    """

    def __init__(self, fitted: FittedModel, members: str = "all", *, plain: bool = False,
                 rows_at_once: int = ROWS_AT_ONCE, kept_bytes: int = 0, device: str = "") -> None:
        self.fitted, self.members, self.plain, self.rows_at_once = fitted, members, plain, rows_at_once
        self._shelf = Shelf(kept_bytes, device)

    def estimate(self, X: np.ndarray, stratum: Optional[np.ndarray] = None,
                 progress: Progress = SILENT) -> Estimate:
        """Return mean, spread and seed spread, each of shape (n,) [unit of the target]; see `FittedModel.estimate`."""
        return self._pieces(X, stratum, progress, explain=False)[0]

    def explain(self, X: np.ndarray, stratum: Optional[np.ndarray] = None,
                progress: Progress = SILENT) -> tuple[Estimate, np.ndarray]:
        """Return the estimate, and contributions to its mean with the base value last.

        Parameters
        ----------
        X : array of shape (n, width) [units of the features]
            The features and behind them what the model's `context` asks for.
        stratum : array of str, shape (n,), optional
            Class of each row, for models with strata.

        Returns
        -------
        estimate : Estimate
        contributions : array of shape (n, p + 1) [unit of the target]
            Each row adds up to the mean.
        """
        estimate, phi = self._pieces(X, stratum, progress, explain=True)
        assert phi is not None
        return estimate, phi

    def contribution_spread(self, X: np.ndarray, stratum: Optional[np.ndarray] = None,
                            progress: Progress = SILENT) -> np.ndarray:
        """Return the standard deviation over folds of the contributions and the base value.

        Parameters
        ----------
        X, stratum
            As in `explain`.

        Returns
        -------
        array of shape (n, p + 1) [unit of the target]
            NaN with a single fold.
        """
        folds = self.fitted.folds
        found = _Running((len(X), len(self.fitted.explained) + 1))
        for number, fold in enumerate(folds):
            own = Engine(replace(self.fitted, folds=(fold,)), self.members, plain=self.plain,
                         rows_at_once=self.rows_at_once)
            own._shelf = self._shelf
            found.add(own.explain(X, stratum, progress.span(number / len(folds), (number + 1) / len(folds)))[1])
        return np.sqrt(found.variance())

    def interactions(self, X: np.ndarray, groups: Sequence[str], stratum: Optional[np.ndarray] = None,
                     progress: Progress = SILENT) -> np.ndarray:
        """Return what pairs of groups of drivers contribute together to the mean.

        Parameters
        ----------
        X, stratum
            As in `explain`.
        groups : sequence of text
            Names of groups of drivers, such as those of `vocabulary.variables.GROUPS`.

        Returns
        -------
        array of shape (n, pairs + 1) [unit of the target]
            In the order of `pairs.pair_names`, the base value last: each row adds up to the mean. NaN where forests
            miss a driver, or there is no estimate.

        Raises
        ------
        ConfigError
            The method is not made of trees, or they are too deep for tables.
        """
        count, folds = len(groups), self.fitted.folds
        belongs = np.array([[float(driver.group == group) for group in groups] for driver in self.fitted.explained])
        result = np.zeros((len(X), len(pairs(count)) + 1))
        for start in range(0, len(X), self.rows_at_once):
            at = slice(start, min(start + self.rows_at_once, len(X)))
            rows = np.ascontiguousarray(X[at], dtype="float32")
            labels = None if stratum is None else np.asarray(stratum[at]).astype(str)
            for number, model in enumerate(folds):
                part = progress.span(start / len(X) + number / len(folds) * len(rows) / len(X),
                                     start / len(X) + (number + 1) / len(folds) * len(rows) / len(X))
                result[at] += self._interactions_of(model, rows, labels, belongs, part) / len(folds)
        return result

    def _interactions_of(self, model: Model, rows: np.ndarray, labels: Optional[np.ndarray], belongs: np.ndarray,
                         progress: Progress) -> np.ndarray:
        """Return the interactions of one model, shape (n, pairs + 1)."""
        result = np.full((len(rows), len(pairs(belongs.shape[1])) + 1), np.nan)
        place, parts = self._place(model) or KERNELS, _parts(model.route(rows, labels))
        for done, (label, at) in enumerate(parts):
            span = progress.span(done / len(parts), (done + 1) / len(parts))
            own = model.seen(rows[at], label)
            boosters = model.boosters(label, self.members) if hasattr(model, "boosters") else []
            trees = [(1 / len(boosters), booster) for booster in boosters] or model.forests(label, self.members)
            if not trees:
                asked = model.predict(rows[at], stratum=None if labels is None else labels[at], members=self.members)
                if np.isnan(asked).all():  # nothing serves these rows
                    continue
                raise ConfigError(f"The method '{model.name}' is not made of trees that share nothing but their sum",
                                  "Interactions are for boosting, forests and their blends: leave them out")
            columns = model.to_features(np.eye(own.shape[1], own.shape[1] + 1))[:, :-1]
            kinds, belonging = kinds_of(columns @ belongs)
            known = np.ones(len(own), dtype=bool) if boosters else np.isfinite(own).all(axis=1)
            seen = np.ascontiguousarray(own[known], dtype="float32")
            total = np.zeros((len(seen), len(pairs(len(belonging))) + 1))
            for number, (weight, one) in enumerate(trees):
                part = span.span(number / len(trees), (number + 1) / len(trees))
                total += weight * self._paired(one, place, seen, kinds.tolist(), part)
            found = np.full((len(own), result.shape[1]), np.nan)
            found[known] = np.column_stack([to_groups(total[:, :-1], belonging), total[:, -1]])
            result[at] = found
        return result

    def _paired(self, trees: Any, place: str, rows: np.ndarray, kinds: Sequence[int],
                progress: Progress) -> np.ndarray:
        forest = isinstance(trees, TreeArrays)  # which nobody else splits into pairs
        tables = None if self.plain and not forest else self._shelf.tables(trees, place)
        if tables is not None:
            return tables.interactions(rows, kinds, progress).astype("float64")
        progress(0.0)
        if forest:
            raise ConfigError(f"Forests of depth {trees.shape_[1]} are too deep for interactions",
                              f"Fit them with max_depth up to {DEEPEST_MEAN}")
        return plain_interactions(trees, rows, kinds, plain=True)

    def _pieces(self, X: np.ndarray, stratum: Optional[np.ndarray], progress: Progress, *, explain: bool) -> Explained:
        n = len(X)
        whole = Estimate(np.empty(n), np.empty(n), np.empty(n))
        phi = np.empty((n, len(self.fitted.explained) + 1)) if explain else None
        for start in range(0, n, self.rows_at_once):
            end = min(start + self.rows_at_once, n)
            rows = np.ascontiguousarray(X[start:end], dtype="float32")
            labels = None if stratum is None else np.asarray(stratum[start:end]).astype(str)
            # numpy adds up the members of a single row in another order than those of several
            if len(rows) == 1:
                rows, labels = np.repeat(rows, 2, axis=0), None if labels is None else np.repeat(labels, 2)
            part, split = self._piece(rows, labels, progress.span(start / n, end / n), explain=explain)
            for target, values in zip(whole, part):
                target[start:end] = values[:end - start]
            if phi is not None and split is not None:
                phi[start:end] = split[:end - start]
        return whole, phi

    def _piece(self, rows: np.ndarray, labels: Optional[np.ndarray], progress: Progress, *, explain: bool) -> Explained:
        folds = self.fitted.folds
        means, variances = np.empty((2, len(folds), len(rows)))
        total = np.zeros((len(rows), len(self.fitted.explained) + 1)) if explain else None
        for number, model in enumerate(folds):
            part = progress.span(number / len(folds), (number + 1) / len(folds))
            if self._asks_boosters(model, rows, labels, explain):
                self._boosted(model, rows, labels, (means[number], variances[number]), total, part)
                continue
            part(0.0)
            members = model.member_predictions(rows, stratum=labels, members=self.members)
            means[number], variances[number] = members.mean(axis=0), member_variance(members)
            if total is not None:
                total += self._split(model, rows, labels, part)
        return Estimate.of(means, variances), None if total is None else total / len(folds)

    def _place(self, model: Model) -> Optional[str]:
        return None if self.plain else self._shelf.place(model)

    def _asks_boosters(self, model: Model, rows: np.ndarray, labels: Optional[np.ndarray], explain: bool) -> bool:
        """Return whether boosters are asked one by one: on the processor, and where tables of all explain on a GPU."""
        place = self._place(model)
        if not hasattr(model, "boosters") or not place:
            return hasattr(model, "boosters") and place == KERNELS
        return explain and all(self._shelf.tables(booster, place) is not None
                               for label, _ in _parts(model.route(rows, labels))
                               for booster in model.boosters(label, self.members))

    def _split(self, model: Model, rows: np.ndarray, labels: Optional[np.ndarray], progress: Progress) -> np.ndarray:
        """Return the contributions of a model whose boosters are not asked: by tables where it consists of trees."""
        result = np.zeros((len(rows), len(self.fitted.explained) + 1))
        left = np.ones(len(rows), dtype=bool)
        place = self._place(model)
        parts = [] if place is None else _parts(model.route(rows, labels))
        for number, (label, at) in enumerate(parts):
            forests = model.forests(label, self.members)
            if not forests:
                continue
            part = progress.span(number / len(parts), (number + 1) / len(parts))
            whole = np.arange(len(rows))[at]
            seen = model.seen(rows[whole], label)
            known = np.isfinite(seen).all(axis=1)  # how gaps are filled is the model's own affair
            whole, seen = whole[known], np.ascontiguousarray(seen[known], dtype="float32")
            result[whole] = model.to_features(self._weighted(forests, place or KERNELS, seen, part))
            left[whole] = False
        if left.any():
            own = None if labels is None else labels[left]
            result[left] = model.contributions(rows[left], stratum=own, members=self.members)
        return result

    def _weighted(self, forests: Sequence[tuple[float, Any]], place: str, rows: np.ndarray,
                  progress: Progress) -> np.ndarray:
        """Return the weighted sum of the contributions of trees to the same rows, shape (n, q + 1)."""
        phi = np.zeros((len(rows), rows.shape[1] + 1))
        for number, (weight, trees) in enumerate(forests):
            part = progress.span(number / len(forests), (number + 1) / len(forests))
            table = self._shelf.tables(trees, place)
            if table is not None:
                phi += weight * table.contributions(rows, part)
                continue
            part(0.0)
            phi += weight * (trees.contributions(rows) if isinstance(trees, TreeArrays) else by_xgboost(trees, rows))
        return phi

    def _boosted(self, model: Model, rows: np.ndarray, labels: Optional[np.ndarray],
                 fold: tuple[np.ndarray, np.ndarray], total: Optional[np.ndarray], progress: Progress) -> None:
        """Fill in mean and variance over a model's boosters and add its contributions to `total`."""
        mean, variance = fold
        place = self._place(model) or KERNELS
        parts = _parts(model.route(rows, labels))
        for number, (label, at) in enumerate(parts):
            boosters = model.boosters(label, self.members)  # type: ignore[attr-defined]
            own = rows[at]
            members = _Running(len(own))
            for member, booster in enumerate(boosters):
                first = number + member / len(boosters)
                part = progress.span(first / len(parts), (first + 1 / len(boosters)) / len(parts))
                values, phi = self._booster(booster, place, own, part, explain=total is not None)
                members.add(values)
                if total is not None and phi is not None:
                    in_parts(len(own), partial(_share, total, at, phi, len(boosters)))
            mean[at], variance[at] = members.mean(), members.variance()

    def _booster(self, booster: Any, place: str, rows: np.ndarray, progress: Progress, *,
                 explain: bool) -> tuple[np.ndarray, Optional[np.ndarray]]:
        """Return the estimate of one booster and, if wanted, its contributions."""
        tables = self._shelf.tables(booster, place) if explain else None  # for estimates alone xgboost is as fast
        if tables is None:
            progress(0.0)
            use_threads(booster, len(rows), ROWS_FOR_THREADS)
            values = booster.inplace_predict(rows, validate_features=False)
            use_threads(booster, len(rows), ROWS_FOR_THREADS // 16)
            phi = by_xgboost(booster, rows) if explain else None
            progress(1.0)
            return values, phi
        phi, values = tables.explain(rows, progress)
        return values, phi


def bytes_per_row(folds: int, explained: int) -> int:
    """Return about how much an engine holds for each row it works on [bytes].

    That is mean and variance of every fold, and what each of the `explained` contributes: to one member, to all of
    them, and in tables.
    """
    return 96 + 24 * folds + 32 * (explained + 1)


def rows_for(memory_gb: float, folds: int, explained: int) -> int:
    """Return how many rows an engine may work on at once, for an eighth of a memory budget [GB]."""
    most = SHARE_FOR_ROWS * memory_gb * 1e9 / bytes_per_row(folds, explained)
    return int(np.clip(most, FEWEST_ROWS, ROWS_AT_ONCE))


def kept_for(memory_gb: float) -> int:
    """Return how many bytes of tables an engine may keep, for a twentieth of a memory budget [GB]."""
    return int(SHARE_FOR_TABLES * memory_gb * 1e9)


def _parts(labels: Optional[np.ndarray]) -> list[tuple[str, Any]]:
    """Return each label with the rows it has."""
    if labels is None:
        return [("all", slice(None))]
    return [(str(label), np.flatnonzero(labels == label)) for label in np.unique(labels)]


def _share(total: np.ndarray, at: slice | np.ndarray, phi: np.ndarray, members: int, rows: slice) -> None:
    """Add the contributions of one of several members to those of all, for some of the rows `at`."""
    total[rows if isinstance(at, slice) else at[rows]] += phi[rows] / members


class _Running:
    """Mean and variance of estimates that come one after the other, each of the same shape."""

    def __init__(self, n: int | tuple[int, ...]) -> None:
        self._count, self._total = 0, np.zeros(n)
        self._gaps, self._squares = np.zeros(n), np.zeros(n)  # from the first one: squares of values lose digits
        self._first, self._room = np.zeros(n), np.empty(n)

    def add(self, values: np.ndarray) -> None:
        """Take the estimates of one more member."""
        self._total += values
        if self._count == 0:
            self._first[:] = values
        gap = np.subtract(values, self._first, out=self._room)
        self._gaps += gap
        gap *= gap
        self._squares += gap
        self._count += 1

    def mean(self) -> np.ndarray:
        """Return the mean."""
        return self._total / self._count

    def variance(self) -> np.ndarray:
        """Return the variance (n - 1); NaN for one member."""
        if self._count < 2:
            return np.full(self._total.shape, np.nan)
        return np.maximum(self._squares - self._gaps ** 2 / self._count, 0.0) / (self._count - 1)
