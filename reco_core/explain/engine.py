"""Contributions to the estimates of a fitted model, by the fastest exact way there is for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from ..progress import SILENT, Progress
from .shap_tables import TableExplainer
from .tree_shap import contributions

if TYPE_CHECKING:
    from ..models.base import FittedModel, Model

ENGINES = ("tables", "model")


class Explainer:
    """Splits the estimates of a fitted model into contributions of its features.

    Boosted trees are explained with `TableExplainer`, or by xgboost where their trees are not
    of the plain kind; other models split their estimates themselves.

    Parameters
    ----------
    fitted : FittedModel
    members : {"all", "one_per_fold"}
        The same as for the estimate, or they do not add up.
    engine : {"tables", "model"}
        model asks the model itself in any case: slow, for checking.
    """

    def __init__(self, fitted: FittedModel, members: str = "all", engine: str = "tables") -> None:
        self.fitted, self.members, self.engine = fitted, members, engine
        self._known: dict[int, Optional[TableExplainer]] = {}

    def contributions(self, X: np.ndarray, stratum: Optional[np.ndarray] = None,
                      progress: Progress = SILENT) -> np.ndarray:
        """Return contributions to the mean estimate, base value last.

        Parameters
        ----------
        X : array of shape (n, p) [units of the features]
        stratum : array of str, shape (n,), optional
            Class of each row, for models with strata.

        Returns
        -------
        array of shape (n, p + 1) [unit of the target]
            Each row adds up to the estimate.
        """
        rows = np.ascontiguousarray(X, dtype="float32")
        total = np.zeros((len(rows), rows.shape[1] + 1))
        folds = self.fitted.folds
        for number, model in enumerate(folds):
            part = progress.span(number / len(folds), (number + 1) / len(folds))
            if self.engine == "tables" and hasattr(model, "boosters"):
                self._add_boosters(total, model, rows, stratum, part)
            else:
                part(0.0)
                total += model.contributions(rows, stratum=stratum, members=self.members)
        return total / len(folds)

    def _add_boosters(self, total: np.ndarray, model: Model, rows: np.ndarray, stratum: Optional[np.ndarray],
                      progress: Progress) -> None:
        parts: list[tuple[str, Any]] = [("all", slice(None))]
        if stratum is not None and model.per_class:
            labels = np.asarray(stratum).astype(str)
            parts = [(str(label), np.flatnonzero(labels == label)) for label in np.unique(labels)]
        jobs = [(at, booster, 1.0 / len(boosters)) for label, at in parts
                for boosters in [model.boosters(label, self.members)]  # type: ignore[attr-defined]
                for booster in boosters]
        for number, (at, booster, share) in enumerate(jobs):
            phi = self._booster(booster, rows[at], progress.span(number / len(jobs), (number + 1) / len(jobs)))
            total[at] += share * phi

    def _booster(self, booster: Any, rows: np.ndarray, progress: Progress) -> np.ndarray:
        if id(booster) not in self._known:
            self._known[id(booster)] = TableExplainer.of(booster)
        explainer = self._known[id(booster)]
        if explainer is None:
            progress(0.0)
            return contributions(booster, rows)
        return explainer.contributions(rows, progress)
