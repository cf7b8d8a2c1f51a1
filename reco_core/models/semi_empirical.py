"""Equations of respiration with few parameters: the floor that other methods must beat."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence

import numpy as np

from ..deps import need
from ..errors import ArtifactError, ConfigError, SampleError
from ..progress import SILENT, Progress
from .base import Model
from .table import Table

ALL = "all"
KELVIN = 273.15
T_ZERO, T_REFERENCE = 227.13, 283.15
E0_RANGE = (20.0, 1000.0)
STARTS = 5
FEWEST_ROWS = 3
CITATIONS = ("Lloyd, J., Taylor, J. A. (1994). Functional Ecology 8, 315-323. doi:10.2307/2389824",)


def lloyd_taylor(temperature: Any, r_ref: Any, e0: Any, t_ref: float = T_REFERENCE, t0: float = T_ZERO) -> np.ndarray:
    r"""Respiration from temperature after Lloyd and Taylor.

    .. math:: R = R_{ref}\,\exp\!\left[E_0\left(\frac{1}{T_{ref}-T_0}-\frac{1}{T-T_0}\right)\right]

    Parameters
    ----------
    temperature : array of shape (n,) [K]
        Soil or air temperature; at or below `t0` + 1 K the result is 0.
    r_ref : float or array of shape (n,) [g C m-2 per time step]
        Respiration at `t_ref`.
    e0 : float [K]
        Activation-energy parameter; 50 to 450 is usual, 308.56 that of the authors.
    t_ref, t0 : float [K]
        Reference temperature (10 degC) and the temperature of zero respiration.

    Returns
    -------
    array of shape (n,) [unit of r_ref]

    References
    ----------
    Lloyd, J., Taylor, J. A. (1994). Functional Ecology 8, 315-323. doi:10.2307/2389824

    Examples
    --------
    >>> lloyd_taylor(np.array([283.15, 293.15]), r_ref=1.0, e0=308.56).round(6)
    array([1.      , 2.303196])
    """
    kelvin = np.asarray(temperature, dtype="float64")
    warm = ~(kelvin <= t0 + 1)
    above = np.where(warm, kelvin - t0, 1.0)
    return np.where(warm, r_ref * np.exp(e0 * (1 / (t_ref - t0) - 1 / above)), 0.0)


def fit_lloyd_taylor(temperature: np.ndarray, respiration: np.ndarray, *, weight: Optional[np.ndarray] = None,
                     seed: int = 0) -> tuple[float, float]:
    """Return R_ref and E0 by bounded robust least squares (soft-L1) from five random starts.

    Parameters
    ----------
    temperature : array of shape (n,) [K]
    respiration : array of shape (n,) [g C m-2 per time step]
    weight : array of shape (n,), optional
    seed : int

    Returns
    -------
    r_ref [unit of respiration], e0 [K]
    """
    optimize = need("scipy.optimize")
    root = np.ones(len(respiration)) if weight is None else np.sqrt(weight / weight.mean())
    # errors beyond the usual spread count by their size, not by its square
    scale = float(np.median(np.abs(respiration - np.median(respiration))) or np.std(respiration) or 1.0)
    largest = 20.0 * max(float(np.abs(respiration).max()), 1e-9)

    def misfit(parameters: np.ndarray) -> np.ndarray:
        return root * (lloyd_taylor(temperature, parameters[0] * scale, parameters[1]) - respiration) / scale

    low, high = np.array([0.0, E0_RANGE[0]]), np.array([largest / scale, E0_RANGE[1]])
    rng = np.random.default_rng(seed)
    typical = float(np.clip(np.median(respiration) / scale, 1e-3, high[0] / 2))
    best = None
    for _ in range(STARTS):
        start = np.array([typical * rng.uniform(0.3, 3.0), rng.uniform(50.0, 450.0)])
        found = optimize.least_squares(misfit, np.clip(start, low + 1e-9, high - 1e-9), bounds=(low, high),
                                       loss="soft_l1", x_scale=(1.0, 100.0), xtol=1e-14, ftol=1e-14, gtol=1e-14,
                                       max_nfev=500)
        if best is None or found.cost < best.cost:
            best = found
    assert best is not None
    return float(best.x[0] * scale), float(best.x[1])


class LloydTaylor(Model):
    """Respiration that depends on temperature alone, for all classes or for each.

    Takes soil temperature (`ts`) if it is among the features, else air temperature (`ta`);
    the other features contribute nothing. A missing temperature gives a missing estimate.

    Fitted: `parameters_` (label -> R_ref [unit of the target], E0 [K]), `base_` (label -> mean
    estimate of the training rows), `column_`.
    """

    name = "lloyd_taylor"
    citations = CITATIONS

    def check(self, features: Sequence[str]) -> None:
        self._column(features)
        if self.settings:
            raise ConfigError(f"The model lloyd_taylor has no settings; given is '{self.settings}'",
                              "Leave settings empty")

    @staticmethod
    def _column(features: Sequence[str]) -> int:
        for name in ("ts", "ta"):
            if name in features:
                return list(features).index(name)
        raise ConfigError(f"lloyd_taylor needs soil or air temperature (ts or ta); the features are "
                          f"{', '.join(features)}", "Build samples with one of them, or choose another model")

    def fit(self, X: np.ndarray, y: np.ndarray, *, group: np.ndarray, stratum: Optional[np.ndarray] = None,
            weight: Optional[np.ndarray] = None, seeds: Sequence[int] = (0,), features: Sequence[str] = (),
            shared: Optional[Mapping[str, Any]] = None, progress: Progress = SILENT) -> LloydTaylor:
        table = Table.plain(X, y, group=group, stratum=stratum, weight=weight, features=features)
        self.column_ = self._column(table.features)
        self.width_ = table.X.shape[1]
        self.parameters_: dict[str, tuple[float, float]] = {}
        self.base_: dict[str, float] = {}
        labels = [str(label) for label in np.unique(table.stratum) if label] if self.per_class else []
        for label in [*labels, ALL]:
            progress.check()
            self._fit_part(label, table if label == ALL else table.take(table.stratum == label), seeds[0])
        return self

    def _fit_part(self, label: str, table: Table, seed: int) -> None:
        known = np.isfinite(table.X[:, self.column_])
        if known.sum() < FEWEST_ROWS:
            if label == ALL:
                raise SampleError(f"Temperature is known in {int(known.sum())} samples; at least {FEWEST_ROWS} are "
                                  "needed", "Add samples, or choose another temperature")
            return
        kelvin = table.X[known, self.column_] + KELVIN
        weight = None if table.weight is None else table.weight[known]
        self.parameters_[label] = fit_lloyd_taylor(kelvin, table.y[known], weight=weight, seed=seed)
        self.base_[label] = float(lloyd_taylor(kelvin, *self.parameters_[label]).mean())

    def member_predictions(self, X: np.ndarray, *, stratum: Optional[np.ndarray] = None,
                           members: str = "all") -> np.ndarray:
        return self._split(X, stratum).sum(axis=1)[None]

    def contributions(self, X: np.ndarray, *, stratum: Optional[np.ndarray] = None,
                      members: str = "all") -> np.ndarray:
        """Temperature takes all that differs from the mean estimate of the training rows.

        That is its Shapley value: the other features have no say.
        """
        return self._split(X, stratum)

    def _split(self, X: np.ndarray, stratum: Optional[np.ndarray]) -> np.ndarray:
        if self.per_class and stratum is None:
            raise ArtifactError("The model has one fit per class and no classes are given",
                                "Give the class of each row")
        labels = np.full(len(X), ALL) if not self.per_class else np.asarray(stratum).astype(str)
        result = np.zeros((len(X), self.width_ + 1))
        for label in np.unique(labels):
            mine = labels == label
            own = str(label) if label in self.parameters_ else ALL
            kelvin = np.asarray(X[mine, self.column_], dtype="float64") + KELVIN
            result[mine, -1] = self.base_[own]
            result[mine, self.column_] = lloyd_taylor(kelvin, *self.parameters_[own]) - self.base_[own]
        return result

    def to_parts(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        return {"per_class": self.per_class, "column": self.column_, "width": self.width_, "base": self.base_,
                "parameters": {label: list(pair) for label, pair in self.parameters_.items()},
                "classes": list(self.classes)}, {}

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], blobs: Mapping[str, bytes]) -> LloydTaylor:
        model = cls(per_class=meta["per_class"], classes=meta["classes"])
        model.column_, model.width_, model.base_ = meta["column"], meta["width"], dict(meta["base"])
        model.parameters_ = {label: (float(pair[0]), float(pair[1])) for label, pair in meta["parameters"].items()}
        return model
