"""A network with one hidden layer (BP-ANN): trained by scikit-learn, kept as its weights."""

from __future__ import annotations

import inspect
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar, Mapping, Optional

import numpy as np

from ..deps import need
from ..errors import ArtifactError, ConfigError, SampleError
from ..progress import SILENT, Progress
from .options import SEARCH, Option, Value
from .shapley import ORDERS, background_rows, shapley_values
from .tabular import TabularModel

TRIES = 3
ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class Network:
    """A layer of h hyperbolic tangents.

    weights (p, h), biases and outputs (h,), a constant, and background (m, p), scaled training rows.
    """

    weights: np.ndarray
    biases: np.ndarray
    outputs: np.ndarray
    constant: float
    background: np.ndarray

    @property
    def features(self) -> int:
        """Number of features."""
        return len(self.weights)

    def estimate(self, X: np.ndarray) -> np.ndarray:
        """Return the estimate of scaled rows, shape (n,)."""
        return self._out(np.tanh(_times(X, self.weights) + self.biases))

    def _out(self, layer: np.ndarray) -> np.ndarray:
        return np.einsum("nh,h->n", layer, self.outputs) + self.constant

    def contributions(self, X: np.ndarray) -> np.ndarray:
        """Return Shapley values of scaled rows and the base value, shape (n, p + 1)."""

        def worth(mask: np.ndarray) -> np.ndarray:
            others = _times(self.background, np.where(mask[:, None], 0.0, self.weights)) + self.biases
            if not mask.any():
                return self._out(np.tanh(others).mean(axis=0)[None])
            if mask.all():
                return self.estimate(X)
            own = _times(X, np.where(mask[:, None], self.weights, 0.0))
            result = np.empty(len(X))
            for first in range(0, len(X), ROWS_AT_ONCE):
                layer = np.tanh(own[first:first + ROWS_AT_ONCE, None] + others[None]).mean(axis=1)
                result[first:first + ROWS_AT_ONCE] = self._out(layer)
            return result

        return shapley_values(worth, len(self.weights), len(X))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what to keep."""
        return {"weights": self.weights, "biases": self.biases, "outputs": self.outputs,
                "constant": np.array(self.constant), "background": self.background}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Network:
        """Return the network that `to_arrays` took apart.

        Raises
        ------
        ArtifactError
            Its arrays do not fit together.
        """
        weights, biases, outputs = (arrays[name] for name in ("weights", "biases", "outputs"))
        if weights.ndim != 2 or not biases.shape == outputs.shape == weights.shape[1:]:
            raise ArtifactError("The network of the model is damaged", "Fit the model again")
        return cls(weights, biases, outputs, float(arrays["constant"]), arrays["background"])


def _is_fitted(network: Any, X: np.ndarray, y: np.ndarray, extra: Mapping[str, np.ndarray]) -> bool:
    """Fit a network of scikit-learn, and return whether its weights are numbers."""
    try:
        network.fit(X, y, **extra)
    except ValueError as error:
        if "non-finite" not in str(error):
            raise
        return False
    return True


def _times(X: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the product of rows and weights, with the same bits for few rows as for many."""
    return np.einsum("np,ph->nh", X, weights)


class Perceptron(TabularModel):
    """The mean of networks with one hidden layer, one per seed, on standardised features and target.

    `hidden` is the number of tangents, `decay` the penalty on large weights, `max_iter` the most
    steps of the optimiser (L-BFGS). A network that blows up is started anew from another seed, twice at most.

    References
    ----------
    Rumelhart, D. E., Hinton, G. E., Williams, R. J. (1986). Nature 323, 533-536. doi:10.1038/323533a0
    """

    name = "bp_ann"
    seeded = True
    citations = ("Rumelhart, D. E., Hinton, G. E., Williams, R. J. (1986). Nature 323, 533-536. "
                 "doi:10.1038/323533a0", "Pedregosa, F. et al. (2011). J. Mach. Learn. Res. 12, 2825-2830.")
    options: ClassVar[Mapping[str, Option]] = {
        "hidden": Option(8, 1, 1000), "decay": Option(1e-4, 0.0, 1e6), "max_iter": Option(200, 1, 100_000),
        "search": SEARCH}
    grid: ClassVar[Mapping[str, tuple[Value, ...]]] = {"hidden": (8, 16, 32)}
    orders = ORDERS
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "hidden": ("int", 4, 64), "decay": ("log", 1e-6, 10.0), "max_iter": ("int", 50, 500)}
    learner = Network

    def learn(self, X: np.ndarray, y: np.ndarray, weight: Optional[np.ndarray], *, seed: int,
              settings: Mapping[str, Value], progress: Progress = SILENT) -> Network:
        kind = need("sklearn.neural_network").MLPRegressor
        extra = {} if weight is None else {"sample_weight": weight}
        if extra and "sample_weight" not in inspect.signature(kind.fit).parameters:
            raise ConfigError("This scikit-learn cannot weigh the samples of bp_ann",
                              "Install scikit-learn 1.7 or newer, or build samples without weights")
        for attempt in range(TRIES):
            progress.check()
            network = kind(hidden_layer_sizes=(int(settings["hidden"]),), activation="tanh", solver="lbfgs",
                           alpha=float(settings["decay"]), max_iter=int(settings["max_iter"]),
                           random_state=seed + 1_000_000 * attempt)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that the steps ran out is usual, and no fault
                if not _is_fitted(network, X, y, extra):
                    continue
            first, last = network.coefs_
            if all(np.isfinite(values).all() for values in (*network.coefs_, *network.intercepts_)):
                return Network(first, network.intercepts_[0], last[:, 0], float(network.intercepts_[1][0]),
                               X[background_rows(len(X), seed)])
        raise SampleError(f"The network of bp_ann blew up {TRIES} times",
                          "Give a larger decay, or look for wild values")
