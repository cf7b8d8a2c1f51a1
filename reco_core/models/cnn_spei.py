"""CNN-SPEI: a small convolutional network that looks at the cells around, and at the droughts of past years."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Mapping

import numpy as np

from ..errors import ConfigError
from ..progress import SILENT, Progress
from .cnn_numpy import OUTPUTS, CompiledNetwork, pooled_sides
from .cnn_training import Rows, Shape, learn
from .cnn_training import resplit as resplit_rows
from .context import Context
from .networks import NetworkModel
from .options import Option
from .shapley import background_rows
from .table import Table
from .tabular import Scaling
from .torch_loop import Schedule, hold_back

LAYERS = 3
GAP_ROWS = 64


class CnnSpei(NetworkModel):
    """The mean of convolutional networks, one per seed, on patches of 3 x 3 cells or on the cell alone.

    Three convolutions (3 x 3, zeros around, `filters`, twice and four times as many), each with a max-pooling of 2 x 2
    (steps of `pool_stride`, sizes rounded up), and a dense layer with a rectified output.
    Trained with Adam on the squared error for at most `steps` steps (published: 100,000), until the error on a share
    of the training sites (`validation`) has not shrunk for `patience` passes. The network is made for drivers of
    years and the drought indices spei_12, spei_24 and spei_36 of December, but takes any.

    With `side=1` it sees no neighbours: a "CNN with a 1 x 1 context", and is called so.
    A sample with a gap in what the network sees is not trained on, and its estimate is missing. Contributions are
    expected gradients, all cells of a driver together.

    References
    ----------
    Yu, P. et al. (2021). Preprint. doi:10.21203/rs.3.rs-1116960/v1
    """

    name = "cnn_spei"
    seeded = True
    accelerator = "torch"
    citations = ("Yu, P. et al. (2021). Preprint. doi:10.21203/rs.3.rs-1116960/v1",
                 "Erion, G. et al. (2021). Nature Machine Intelligence 3, 620-631. doi:10.1038/s42256-021-00343-w")
    options: ClassVar[Mapping[str, Option]] = {
        "side": Option(3, 1, 3), "filters": Option(32, 1, 512), "pool_stride": Option(2, 1, 2),
        "padding": Option("same", 0.0, 0.0, ("same", "valid")), "output": Option("relu", 0.0, 0.0, OUTPUTS),
        "steps": Option(5000, 1, 100_000), "batch": Option(64, 1, 100_000), "patience": Option(40, 1, 100_000),
        "learning_rate": Option(1e-3, 1e-6, 1.0), "validation": Option(0.1, 0.0, 0.5)}
    learner = CompiledNetwork
    centred = False  # so that a rectified output is no less than 0
    missed = ("gap", ("mean", "largest"))

    @property
    def context(self) -> Context:
        return Context(side=int(self.all_settings()["side"]))

    def all_settings(self) -> dict[str, Any]:
        settings = super().all_settings()
        if settings["side"] == 2:
            raise ConfigError("A patch of 2 x 2 cells has no middle", "Give side=3, or side=1 for the cell alone")
        pooled_sides(settings["side"], LAYERS, settings["pool_stride"], settings["padding"])
        return settings

    def seen_by_network(self, X: np.ndarray) -> np.ndarray:
        """Return the patch, or the cell where there is no patch, shape (n, cells x p)."""
        view = self.context.view(X, len(self.features_))
        return view.own if view.patch is None else view.patch.reshape(len(X), -1)

    def _shape(self) -> Shape:
        settings, first = self.all_settings(), int(self.all_settings()["filters"])
        filters = tuple(first * 2 ** number for number in range(LAYERS))
        return Shape(len(self.features_), settings["side"], filters, settings["pool_stride"], settings["output"])

    def _member(self, table: Table, label: str, seed: int, progress: Progress) -> CompiledNetwork:
        settings, scaling = self.chosen_[label], self.scalings_[label]
        rows = self._scaled(table, scaling)
        share = float(settings["validation"])
        held = hold_back(table.group, share, seed) if share > 0 else np.zeros(len(table), dtype=bool)
        own = rows.take(~held)
        schedule = Schedule(batch=settings["batch"], epochs=settings["steps"], steps=settings["steps"],
                            patience=settings["patience"], learning_rate=settings["learning_rate"])
        shape = self._shape()
        found = learn(shape, own, rows.take(held) if held.any() else own, schedule, seed=seed,
                      device=self.device, progress=progress)
        background = own.patches[background_rows(len(own.y), seed)].astype("float32")
        network = CompiledNetwork.of_state(found.state, side=shape.side, stride=shape.stride, output=shape.output,
                                           background=background)
        some = rows.patches[background_rows(len(rows.y), seed + 1, GAP_ROWS)]
        rest, spread = np.abs(network.expected_gradients(some)[1]), network.estimate(some).std()
        missed = (float(rest.mean() / spread), float(rest.max() / spread)) if spread > 0 else (0.0, 0.0)
        self._met(found.tries, found.epoch, missed)
        return network

    def _scaled(self, table: Table, scaling: Scaling) -> Rows:
        weight = np.ones(len(table)) if table.weight is None else table.weight / table.weight.mean()
        return Rows(scaling.rows(table.X), table.y / scaling.target[1], weight)

    def resplit(self, table: Table, *, steps: int, seed: int,
                progress: Progress = SILENT) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return rows and estimates of the last ten steps of training as published: not independent, see `resplit`.

        Parameters
        ----------
        table : Table
            Rows without gaps.
        steps, seed : int

        Returns
        -------
        list of (positions, estimates) [unit of the target]
        """
        self.features_ = table.features
        patches = replace(table, X=self.seen_by_network(table.X))
        scaling = self._scaling(patches)
        found = resplit_rows(self._shape(), self._scaled(patches, scaling), steps,
                        rate=float(self.all_settings()["learning_rate"]), seed=seed, progress=progress)
        return [(rows, values * scaling.target[1]) for rows, values in found]

    def remarks(self) -> list[str]:
        words = super().remarks()
        if self.context.side == 1:
            words.append("This is a CNN with a 1 x 1 context: it sees no cells around, and says nothing about space.")
        return words
