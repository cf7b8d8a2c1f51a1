"""How the network of CNN-SPEI learns: with early stopping on held-back sites, or as published."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

import numpy as np

from ..deps import need
from ..progress import SILENT, Progress
from .torch_loop import Schedule, Trained, one_thread, train

LOOK_EVERY = 20
SHARE_TRAINED, LAST = 10 / 13, 10


class Shape(NamedTuple):
    """What the network looks like: see `ConvolutionNetwork`."""

    channels: int
    side: int
    filters: tuple[int, ...]
    stride: int
    output: str


class Rows(NamedTuple):
    """Scaled patches (n, side * side * channels), targets (n,) and weights (n,)."""

    patches: np.ndarray
    y: np.ndarray
    weight: np.ndarray

    def take(self, rows: np.ndarray) -> Rows:
        """Return some of the rows."""
        return Rows(self.patches[rows], self.y[rows], self.weight[rows])


def learn(shape: Shape, training: Rows, validation: Rows, schedule: Schedule, *, seed: int, device: str = "cpu",
          progress: Progress = SILENT) -> Trained:
    """Train a network and keep the weights that were best on the validation rows; see `torch_loop.train`."""
    return train(_builder(shape, training), [_cells(shape, training)], training.y,
                 ([_cells(shape, validation)], validation.y), schedule=schedule, seed=seed, weight=training.weight,
                 device=device, progress=progress)


def resplit(shape: Shape, rows: Rows, steps: int, *, rate: float = 1e-3, seed: int = 0,
            progress: Progress = SILENT) -> list[tuple[np.ndarray, np.ndarray]]:
    """Train as published: a new random split of 10 to 3 at every step, a gradient on the 10, an estimate of the 3.

    Every row has been trained on many times, so the estimates are not independent of the observations.

    Returns
    -------
    list of (rows, estimates)
        Of the 3 in each of the last ten steps.
    """
    torch = need("torch", extra="deep")
    order = np.random.default_rng([seed, len(rows.y)])
    trained, found = max(1, round(SHARE_TRAINED * len(rows.y))), []
    patches, y, weight = (torch.from_numpy(np.ascontiguousarray(part, dtype="float32"))
                          for part in (_cells(shape, rows), rows.y, rows.weight))
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _builder(shape, rows)()
        optimiser = torch.optim.Adam(network.parameters(), lr=rate)
        for step in range(steps):
            if step % LOOK_EVERY == 0:
                progress(step / steps, f"Step {step} of {steps}")
            own, others = np.split(order.permutation(len(rows.y)), [trained])
            at = torch.from_numpy(own)
            optimiser.zero_grad()
            (weight[at] * (network(patches[at]) - y[at]).square()).mean().backward()
            optimiser.step()
            if step >= steps - LAST:
                with torch.no_grad():
                    found.append((others, network(patches[torch.from_numpy(others)]).numpy().astype("float64")))
    return found


def _builder(shape: Shape, rows: Rows) -> Callable[[], Any]:
    """Return a function that makes a network which starts at the mean of the target."""
    mean = float(np.average(rows.y, weights=rows.weight))

    def build() -> Any:
        from .cnn_network import ConvolutionNetwork

        network = ConvolutionNetwork(*shape)
        network.start_at(mean)
        return network

    return build


def _cells(shape: Shape, rows: Rows) -> np.ndarray:
    """Return patches as torch wants them, (n, channels, side, side)."""
    return rows.patches.reshape(-1, shape.side, shape.side, shape.channels).transpose(0, 3, 1, 2)
