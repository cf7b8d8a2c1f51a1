"""Support vector regression: fitted by scikit-learn, kept as its vectors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Mapping, Optional

import numpy as np

from ..deps import need
from ..errors import ArtifactError
from ..progress import SILENT, Progress
from ..threads import in_parts
from .options import SEARCH, Option, Value
from .shapley import ORDERS, background_rows, plan_for
from .tabular import TabularModel


@dataclass(frozen=True)
class VectorMachine:
    """A sum of Gaussian bells.

    vectors (s, p), factors (s,), a constant, gamma (the bells' narrowness), and background (m, p),
    scaled training rows.
    """

    vectors: np.ndarray
    factors: np.ndarray
    constant: float
    gamma: float
    background: np.ndarray

    @property
    def features(self) -> int:
        """Number of features."""
        return int(self.vectors.shape[1])

    def estimate(self, X: np.ndarray) -> np.ndarray:
        """Return the estimate of scaled rows, shape (n,)."""
        from .support_vectors_kernels import add_bells

        rows, result = np.ascontiguousarray(X, dtype="float64"), np.full(len(X), self.constant)
        vectors = np.ascontiguousarray(self.vectors)
        in_parts(len(rows), lambda part: add_bells(rows[part], vectors, self.gamma, self.factors, result[part]))
        return result

    def contributions(self, X: np.ndarray) -> np.ndarray:
        """Return Shapley values of scaled rows and the base value, shape (n, p + 1).

        What lies between none and all features is computed in single precision, which moves shares
        between features by some 1e-6 of them, but not their sum.
        """
        from .support_vectors_kernels import add_worth

        base, factors, vectors = self._outside
        plan = plan_for(self.vectors.shape[1])
        rows = np.ascontiguousarray(X, dtype="float32")
        worth = np.zeros((len(X), len(plan.masks)))

        in_parts(len(rows), lambda part: add_worth(rows[part], vectors, np.float32(self.gamma), plan.depth,
                                                   plan.feature, factors, worth[part]))
        whole = plan.masks.all(axis=1)
        worth[:, whole] = (self.estimate(X) - self.constant)[:, None]
        result = np.empty((len(X), len(plan.none) + 1))
        # products of matrices would give other bits for few rows than for many
        result[:, :-1] = np.einsum("ns,sp->np", worth, plan.shares) + (base - self.constant) * plan.none
        result[:, -1] = base
        return result

    @cached_property
    def _outside(self) -> tuple[float, np.ndarray, np.ndarray]:
        """Return the base value, the factors for each set of features with the others averaged over the background,
        shape (sets, s), and the vectors by features, the last two padded to whole lanes.

        A bell is a product over features, so that this mean does not depend on the row.
        """
        from .support_vectors_kernels import LANES

        plan = plan_for(self.vectors.shape[1])
        padded = -(-len(self.factors) // LANES) * LANES
        factors = np.zeros((len(plan.masks), padded), dtype="float32")
        vectors = np.zeros((self.vectors.shape[1], padded), dtype="float32")
        vectors[:, :len(self.factors)] = self.vectors.T
        distance = np.square(self.background.T[:, :, None] - self.vectors.T[:, None])
        for row, mask in zip(factors, plan.masks):
            outside = np.exp(-self.gamma * distance[~mask].sum(axis=0)).mean(axis=0)
            row[:len(self.factors)] = self.factors * outside
        return float(self.estimate(self.background).mean()), factors, vectors

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what to keep."""
        return {"vectors": self.vectors, "factors": self.factors, "constant": np.array(self.constant),
                "gamma": np.array(self.gamma), "background": self.background}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> VectorMachine:
        """Return the machine that `to_arrays` took apart.

        Raises
        ------
        ArtifactError
            Its arrays do not fit together.
        """
        vectors, factors, background = (arrays[name] for name in ("vectors", "factors", "background"))
        if vectors.ndim != 2 or factors.shape != vectors.shape[:1] or background.shape[1:] != vectors.shape[1:]:
            raise ArtifactError("The support vectors of the model are damaged", "Fit the model again")
        return cls(vectors, factors, float(arrays["constant"]), float(arrays["gamma"]), background)


class SupportVectors(TabularModel):
    """Regression by support vectors with Gaussian kernels, on standardised features and target.

    `C` is the price of an error, `epsilon` the error that costs nothing [standard deviations of the
    target], `gamma` the width of the kernel ("scale": 1 over the number of features and their
    variance). The time of a fit grows with the square of the number of samples. There is no chance in it,
    hence one member.

    References
    ----------
    Smola, A. J., Schoelkopf, B. (2004). Stat. Comput. 14, 199-222. doi:10.1023/B:STCO.0000035301.49549.88
    """

    name = "svr"
    citations = ("Smola, A. J., Schoelkopf, B. (2004). Stat. Comput. 14, 199-222. "
                 "doi:10.1023/B:STCO.0000035301.49549.88",
                 "Pedregosa, F. et al. (2011). J. Mach. Learn. Res. 12, 2825-2830.")
    options: ClassVar[Mapping[str, Option]] = {
        "C": Option(1.0, 1e-6, 1e9), "gamma": Option("scale", 1e-9, 1e9, ("scale",)),
        "epsilon": Option(0.1, 0.0, 1e9), "search": SEARCH}
    grid: ClassVar[Mapping[str, tuple[Value, ...]]] = {
        "C": (1.0, 10.0, 100.0), "gamma": ("scale", 0.1, 1.0), "epsilon": (0.05, 0.1)}
    orders = ORDERS
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "C": ("log", 0.1, 300.0), "gamma": ("choice", ("scale", 0.01, 0.03, 0.1, 0.3, 1.0)),
        "epsilon": ("log", 0.01, 0.5)}
    learner = VectorMachine

    def learn(self, X: np.ndarray, y: np.ndarray, weight: Optional[np.ndarray], *, seed: int,
              settings: Mapping[str, Value], progress: Progress = SILENT) -> VectorMachine:
        gamma = settings["gamma"]
        width = 1.0 / (X.shape[1] * (X.var() or 1.0)) if gamma == "scale" else float(gamma)
        machine = need("sklearn.svm").SVR(C=float(settings["C"]), gamma=width, epsilon=float(settings["epsilon"]))
        machine.fit(X, y, sample_weight=weight)
        return VectorMachine(machine.support_vectors_, machine.dual_coef_[0], float(machine.intercept_[0]), width,
                             X[background_rows(len(X), seed)])
