"""Training of stacked autoencoders with torch: layer by layer without the target, then as a whole."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Mapping, NamedTuple, Optional

import numpy as np

from ..deps import need
from ..progress import SILENT, Progress
from .options import Value
from .torch_loop import Schedule, train

OTHER_LAYER = 10_000_000
Layer = tuple[np.ndarray, np.ndarray]


class Stack(NamedTuple):
    """Trained weights (h_k, h_k+1) and biases (h_k+1,) of each layer, the read-out last."""

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]


def train_stack(X: np.ndarray, y: np.ndarray, validation: tuple[np.ndarray, np.ndarray],
                settings: Mapping[str, Value], *, weights: Optional[tuple[np.ndarray, np.ndarray]] = None,
                seed: int = 0, device: str = "cpu", progress: Progress = SILENT) -> Stack:
    """Return a stack of autoencoders with a linear read-out, trained on scaled rows.

    Parameters
    ----------
    X, y : array of shape (n, p) and (n,)
        Standardised.
    validation : (X, y)
        Rows of towers that are held back; they end the training.
    settings : mapping
        Those of `StackedAutoencoder`.
    weights : pair of arrays, optional
        Of rows that are trained on and of those that are held back, when the whole is trained.

    References
    ----------
    Vincent, P. et al. (2010). J. Mach. Learn. Res. 11, 3371-3408.
    """
    widths = [X.shape[1], *(int(settings[f"layer{number}"]) for number in (1, 2, 3))]
    layers: list[Layer] = []
    inner, held = X, validation[0]
    schedule = Schedule(batch=int(settings["batch"]), epochs=int(settings["pretraining"]),
                        learning_rate=float(settings["learning_rate"]), patience=int(settings["patience"]))
    for number in range(len(widths) - 1):
        if not schedule.epochs:
            break
        layers.append(_pretrain(inner, held, widths[number + 1], float(settings["noise"]), schedule, number > 0,
                                seed + OTHER_LAYER * (number + 1), device, progress))
        inner, held = encode(inner, *layers[-1]), encode(held, *layers[-1])
    whole = Schedule(batch=int(settings["batch"]), epochs=int(settings["epochs"]), decay=float(settings["decay"]),
                     learning_rate=float(settings["learning_rate"]), patience=int(settings["patience"]))
    found = train(lambda: _network(widths, layers), [X], y, ([validation[0]], validation[1]), schedule=whole, seed=seed,
                  weight=weights and weights[0], validation_weight=weights and weights[1], device=device,
                  progress=progress).state
    names = [2 * number for number in range(len(widths))]
    return Stack(tuple(found[f"{name}.weight"].T.astype("float64") for name in names),
                 tuple(found[f"{name}.bias"].astype("float64") for name in names))


def _pretrain(X: np.ndarray, held: np.ndarray, width: int, noise: float, schedule: Schedule, inside: bool, seed: int,
              device: str, progress: Progress) -> Layer:
    """Return weights (h, width) and biases of a denoising encoder; what it sees is 0 to 1 if `inside`."""
    torch = need("torch", extra="deep")

    class Autoencoder(torch.nn.Module):  # type: ignore[name-defined,misc]
        """Restores what was blanked out."""

        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = torch.nn.Linear(X.shape[1], width), torch.nn.Linear(width, X.shape[1])

        def forward(self, rows: Any) -> Any:
            """Return the restored rows."""
            if self.training:
                rows = rows * (torch.rand_like(rows) >= noise)
            restored = self.decoder(torch.sigmoid(self.encoder(rows)))
            return torch.sigmoid(restored) if inside else restored

    found = train(Autoencoder, [X], X, ([held], held), schedule=schedule, seed=seed, device=device,
                  progress=progress).state
    return found["encoder.weight"].T, found["encoder.bias"]


def encode(X: np.ndarray, weights: np.ndarray, biases: np.ndarray) -> np.ndarray:
    """Return what a layer of sigmoids makes of rows, shape (n, h), with the same bits for few rows as for many."""
    return 0.5 + 0.5 * np.tanh(0.5 * (np.einsum("np,ph->nh", X, weights) + biases))


def _network(widths: list[int], layers: list[Layer]) -> Any:
    """Return the whole network, its lower layers as they were pre-trained."""
    torch = need("torch", extra="deep")
    parts: list[Any] = []
    for number, (before, after) in enumerate(pairwise(widths)):
        linear = torch.nn.Linear(before, after)
        if layers:
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(np.ascontiguousarray(layers[number][0].T)))
                linear.bias.copy_(torch.from_numpy(layers[number][1]))
        parts += [linear, torch.nn.Sigmoid()]
    return torch.nn.Sequential(*parts, torch.nn.Linear(widths[-1], 1), torch.nn.Flatten(0))
