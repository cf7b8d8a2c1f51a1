"""A stack of autoencoders (SAE): pre-trained layer by layer, then trained as a whole, kept as its weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Mapping, Optional, cast

import numpy as np

from ..deps import need
from ..errors import ArtifactError
from ..progress import Progress
from .expected_gradients import expected_gradients, share_missed
from .options import Option, Value
from .shapley import background_rows
from .stacked_autoencoder_training import encode, train_stack
from .table import Table
from .tabular import Scaling, TabularModel
from .torch_loop import hold_back

ROWS_AT_ONCE = 65_536
CHECKED_ROWS = 512
POINTS = 6
LAYERS = 3


@dataclass(frozen=True)
class StackedNetwork:
    """Layers of sigmoids and a linear read-out.

    weights[k] (h_k, h_k+1) and biases[k] (h_k+1,), the last ones those of the read-out, with one column; background
    (m, p), scaled training rows; `missed` is the share of the spread of its estimates that contributions had to
    share out; `device` is where estimates are made, and not kept.
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    background: np.ndarray
    missed: float = 0.0
    device: str = "cpu"

    @property
    def features(self) -> int:
        """Number of features."""
        return len(self.weights[0])

    def estimate(self, X: np.ndarray) -> np.ndarray:
        """Return the estimate of scaled rows, shape (n,)."""
        result = np.empty(len(X))
        for first in range(0, len(X), ROWS_AT_ONCE):
            rows = slice(first, first + ROWS_AT_ONCE)
            result[rows] = self._portion(X[rows])
        return result

    def _portion(self, X: np.ndarray) -> np.ndarray:
        if self.device != "cpu":
            torch = need("torch", extra="deep")
            with torch.no_grad():
                return self._function(torch.float64)(torch.from_numpy(X).to(self.device)).cpu().numpy()
        layer = X
        for weights, biases in zip(self.weights[:-1], self.biases[:-1]):
            layer = encode(layer, weights, biases)
        return np.einsum("nh,h->n", layer, self.weights[-1][:, 0]) + self.biases[-1][0]

    def _function(self, dtype: Any) -> Any:
        """Return the network as a function of tensors."""
        torch = need("torch", extra="deep")
        layers = [(torch.from_numpy(np.ascontiguousarray(weights)).to(self.device, dtype),
                   torch.from_numpy(np.ascontiguousarray(biases)).to(self.device, dtype))
                  for weights, biases in zip(self.weights, self.biases)]

        def function(rows: Any) -> Any:
            for weights, biases in layers[:-1]:
                rows = torch.sigmoid(rows @ weights + biases)
            return (rows @ layers[-1][0] + layers[-1][1])[:, 0]

        return function

    def contributions(self, X: np.ndarray) -> np.ndarray:
        """Return expected gradients of scaled rows and the base value, shape (n, p + 1)."""
        return self._attribution(X)[0]

    def _attribution(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        torch = need("torch", extra="deep")
        p = self.features
        return expected_gradients(self._function(torch.float32), X, self.background, np.arange(p), p,
                                  estimate=self.estimate(X), base=float(self.estimate(self.background).mean()),
                                  points=POINTS, device=self.device)

    def checked(self, X: np.ndarray) -> StackedNetwork:
        """Return the network with what its contributions miss on these scaled rows."""
        some = X[np.unique(np.linspace(0, len(X) - 1, min(len(X), CHECKED_ROWS)).round().astype(int))]
        return replace(self, missed=share_missed(self._attribution(some)[1], self.estimate(some)))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what to keep."""
        layers = {f"{name}{number}": values for name, parts in (("weights", self.weights), ("biases", self.biases))
                  for number, values in enumerate(parts)}
        return {**layers, "background": self.background, "missed": np.array(self.missed)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> StackedNetwork:
        """Return the network that `to_arrays` took apart.

        Raises
        ------
        ArtifactError
            Its arrays do not fit together.
        """
        try:
            weights = tuple(arrays[f"weights{number}"] for number in range(LAYERS + 1))
            biases = tuple(arrays[f"biases{number}"] for number in range(LAYERS + 1))
            background, missed = arrays["background"], float(arrays["missed"])
        except KeyError as error:
            raise ArtifactError(f"The network of the model lacks {error}", "Fit the model again") from error
        ends = [(len(last), first.shape[-1]) for last, first in zip(weights[1:], weights[:-1]) if last.ndim == 2]
        sound = (all(values.ndim == 2 for values in weights) and len(ends) == LAYERS
                 and all(one == other for one, other in ends) and weights[-1].shape[1] == 1
                 and all(bias.shape == values.shape[1:] for bias, values in zip(biases, weights))
                 and background.ndim == 2 and background.shape[1] == len(weights[0]))
        if not sound:
            raise ArtifactError("The network of the model is damaged", "Fit the model again")
        return cls(weights, biases, background, missed)


class StackedAutoencoder(TabularModel):
    """The mean of stacked autoencoders, one per seed, on standardised features and target.

    Three layers of sigmoids are trained one after the other to restore their input from one with a share of
    `noise` of its values blanked out; a linear read-out is put on top and all is trained together, until
    towers that are held back (`held_back`, whole groups) are not estimated better any more.

    References
    ----------
    Vincent, P. et al. (2010). J. Mach. Learn. Res. 11, 3371-3408.
    Zhu, X. et al. (2020). Sustainability 12, 2099. doi:10.3390/su12052099
    """

    name = "sae"
    seeded = True
    accelerator = "torch"
    citations = ("Vincent, P. et al. (2010). Stacked denoising autoencoders. J. Mach. Learn. Res. 11, 3371-3408.",
                 "Zhu, X. et al. (2020). Sustainability 12, 2099. doi:10.3390/su12052099",
                 "Erion, G. et al. (2021). Nature Machine Intelligence 3, 620-631. doi:10.1038/s42256-021-00343-w")
    options: ClassVar[Mapping[str, Option]] = {
        "layer1": Option(64, 1, 4096), "layer2": Option(32, 1, 4096), "layer3": Option(16, 1, 4096),
        "noise": Option(0.1, 0.0, 0.9), "pretraining": Option(30, 0, 100_000), "epochs": Option(200, 1, 100_000),
        "patience": Option(20, 1, 100_000), "batch": Option(128, 2, 1_000_000),
        "learning_rate": Option(2e-3, 1e-7, 1.0), "decay": Option(1e-4, 0.0, 1e6), "held_back": Option(0.1, 0.01, 0.5)}
    learner = StackedNetwork

    def _train(self, table: Table, scaling: Scaling, settings: Mapping[str, Value], seed: int,
               progress: Progress) -> StackedNetwork:
        progress.check()
        X, y = scaling.rows(table.X), (table.y - scaling.target[0]) / scaling.target[1]
        out = hold_back(table.group, float(settings["held_back"]), seed)
        weights = None if table.weight is None else (table.weight[~out], table.weight[out])
        stack = train_stack(X[~out], y[~out], (X[out], y[out]), settings, weights=weights, seed=seed,
                            device=self.device, progress=progress)
        return StackedNetwork(stack.weights, stack.biases, X[background_rows(len(X), seed)]).checked(X)

    def _parts(self, X: np.ndarray, stratum: Optional[np.ndarray], members: str) -> list[tuple[str, list[Any], Any]]:
        return [(label, [replace(cast(StackedNetwork, learner), device=self.device) for learner in learners], at)
                for label, learners, at in super()._parts(X, stratum, members)]

    @property
    def completeness_(self) -> float:
        """Largest share of the spread of the estimates that contributions of a member had to share out [1]."""
        return max(network.missed for network in self._networks())

    def remarks(self) -> list[str]:
        background = self._networks()[0].background
        return [*super().remarks(),
                f"Contributions are expected gradients with {len(background)} training rows as background; "
                f"what they missed, at most {self.completeness_:.2%} of the spread of the estimates (root mean "
                "square), was shared out in proportion."]

    def _networks(self) -> list[StackedNetwork]:
        return [cast(StackedNetwork, learner) for learners in self.members_.values() for learner in learners]
