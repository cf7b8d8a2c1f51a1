"""CNN-SPEI: a small convolutional network that looks at the cells around, and at the droughts of past years."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Mapping, Optional, Sequence, cast

import numpy as np

from ..errors import ConfigError, SampleError
from ..progress import SILENT, Progress
from .base import Model, ParameterRow
from .cnn_numpy import OUTPUTS, CompiledNetwork, pooled_sides
from .cnn_training import Rows, Shape, learn
from .cnn_training import resplit as resplit_rows
from .context import Context
from .options import Option
from .shapley import background_rows
from .table import Table
from .tabular import ALL, FEWEST_ROWS, Scaling, TabularModel
from .torch_loop import Schedule, hold_back

LAYERS = 3
GAP_ROWS = 64


@dataclass(frozen=True)
class Channels(Scaling):
    """How patches are made ready: each driver has one mean and spread in all cells; the target has only its size taken.

    Gaps stay gaps.
    """

    @classmethod
    def of_patches(cls, patches: np.ndarray, y: np.ndarray) -> Channels:
        """Return the scaling of training patches of shape (n, cells, p)."""
        flat = patches.reshape(-1, patches.shape[-1])
        spread = flat.std(axis=0)
        return cls(np.median(flat, axis=0), flat.mean(axis=0), np.where(spread > 0, spread, 1.0),
                   (0.0, float(y.std()) or 1.0), np.zeros(flat.shape[1]))

    def rows(self, X: np.ndarray) -> np.ndarray:
        cells = X.shape[1] // self.mean.size
        return (np.asarray(X, dtype="float64") - np.tile(self.mean, cells)) / np.tile(self.spread, cells)


class CnnSpei(TabularModel):
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

    @property
    def context(self) -> Context:
        return Context(side=int(self.all_settings()["side"]))

    def all_settings(self) -> dict[str, Any]:
        settings = super().all_settings()
        if settings["side"] == 2:
            raise ConfigError("A patch of 2 x 2 cells has no middle", "Give side=3, or side=1 for the cell alone")
        pooled_sides(settings["side"], LAYERS, settings["pool_stride"], settings["padding"])
        return settings

    def fit(self, X: np.ndarray, y: np.ndarray, *, group: np.ndarray, stratum: Optional[np.ndarray] = None,
            weight: Optional[np.ndarray] = None, seeds: Sequence[int] = (0,), features: Sequence[str] = (),
            shared: Optional[Mapping[str, Any]] = None, progress: Progress = SILENT) -> CnnSpei:
        if self.per_class and stratum is None:
            raise ConfigError("One model per class is asked for and no classes are given", "Give the class of each row")
        blocks = self.context.blocks()
        self.features_ = tuple(features) or tuple(f"x{k}" for k in range(X.shape[1] // blocks))
        known = np.isfinite(X).all(axis=1)
        labels = np.full(len(y), "") if stratum is None else np.asarray(stratum).astype(str)
        table = Table.plain(self._patches(X), y, group=group, stratum=labels, weight=weight).take(known)
        if len(table) < FEWEST_ROWS:
            raise SampleError(f"There are {len(table)} samples without gaps to learn from, of {len(y)}; {self.name} "
                              f"needs at least {FEWEST_ROWS}", "Leave out drivers with many gaps, or add samples")
        self.left_out_, self.restarts_, self.gap_ = int((~known).sum()), 0, (0.0, 0.0)
        self.passes_: list[int] = []
        self.chosen_ = {label: self.all_settings() for label in self._labels(table.stratum, table.group)}
        self.members_, self.scalings_ = {}, {}
        for number, label in enumerate(self.chosen_):
            progress(number / len(self.chosen_), f"Learning, class {label}")
            rows = table if label == ALL else table.take(table.stratum == label)
            self.scalings_[label] = Channels.of_patches(rows.X.reshape(len(rows), -1, len(self.features_)), rows.y)
            self.members_[label] = [self._member(rows, label, seed, progress) for seed in seeds]
        return self

    def _patches(self, X: np.ndarray) -> np.ndarray:
        """Return what the network sees, (n, cells x p): the patch, or the cell where there is no patch."""
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
        self.restarts_ += found.tries - 1
        self.passes_.append(found.epoch)
        background = own.patches[background_rows(len(own.y), seed)].astype("float32")
        network = CompiledNetwork.of_state(found.state, side=shape.side, stride=shape.stride, output=shape.output,
                                           background=background)
        some = rows.patches[background_rows(len(rows.y), seed + 1, GAP_ROWS)]
        rest, spread = np.abs(network.expected_gradients(some)[1]), network.estimate(some).std()
        gaps = (float(rest.mean() / spread), float(rest.max() / spread)) if spread > 0 else (0.0, 0.0)
        self.gap_ = max(self.gap_[0], gaps[0]), max(self.gap_[1], gaps[1])
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
        patches = replace(table, X=self._patches(table.X))
        scaling = Channels.of_patches(patches.X.reshape(len(table), -1, len(self.features_)), table.y)
        found = resplit_rows(self._shape(), self._scaled(patches, scaling), steps,
                        rate=float(self.all_settings()["learning_rate"]), seed=seed, progress=progress)
        return [(rows, values * scaling.target[1]) for rows, values in found]

    def _parts(self, X: np.ndarray, stratum: Optional[np.ndarray], members: str) -> list[tuple[str, list[Any], Any]]:
        parts = super()._parts(X, stratum, members)
        if self.device == "cpu":
            return parts
        return [(label, [replace(cast(CompiledNetwork, learner), device=self.device) for learner in learners], at)
                for label, learners, at in parts]

    def member_predictions(self, X: np.ndarray, *, stratum: Optional[np.ndarray] = None,
                           members: str = "all") -> np.ndarray:
        return super().member_predictions(self._patches(X), stratum=stratum, members=members)

    def contributions(self, X: np.ndarray, *, stratum: Optional[np.ndarray] = None,
                      members: str = "all") -> np.ndarray:
        patches = self._patches(X)
        result = np.zeros((len(X), len(self.features_) + 1))
        for label, learners, at in self._parts(patches, stratum, members):
            rows, size = self.scalings_[label].rows(patches[at]), self.scalings_[label].target[1]
            for learner in learners:
                result[at] += learner.contributions(rows) * (size / len(learners))
        return result

    def parameters(self) -> list[ParameterRow]:
        rows = [ParameterRow(ALL, "passes until the weights that are kept", "1", float(np.mean(self.passes_))),
                ParameterRow(ALL, "estimate missed by expected gradients, mean", "of its spread", self.gap_[0]),
                ParameterRow(ALL, "estimate missed by expected gradients, largest", "of its spread", self.gap_[1])]
        counts = {"samples left out for gaps": self.left_out_, "networks started anew": self.restarts_}
        return rows + [ParameterRow(ALL, name, "1", float(count)) for name, count in counts.items() if count]

    def remarks(self) -> list[str]:
        words = ["Contributions are expected gradients against 64 training samples; what they miss of the estimate "
                 "(see Parameters) is shared out in proportion to their size."]
        if self.context.side == 1:
            words.append("This is a CNN with a 1 x 1 context: it sees no cells around, and says nothing about space.")
        if self.left_out_:
            words.append("Samples with a gap in what the network sees were not trained on, and their estimates are "
                         "missing; see their number under Parameters.")
        if self.restarts_:
            words.append("Networks died or blew up and were started anew from another seed; see Parameters.")
        return words

    def join(self, others: Sequence[Model]) -> CnnSpei:
        super().join(others)
        for other in others:
            assert isinstance(other, CnnSpei)
            self.restarts_ += other.restarts_
            self.passes_ += other.passes_
            self.gap_ = max(self.gap_[0], other.gap_[0]), max(self.gap_[1], other.gap_[1])
        return self

    def to_parts(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        meta, blobs = super().to_parts()
        return {**meta, "left_out": self.left_out_, "restarts": self.restarts_, "passes": self.passes_,
                "gap": list(self.gap_)}, blobs

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], blobs: Mapping[str, bytes]) -> CnnSpei:
        model = super().from_parts(meta, blobs)
        assert isinstance(model, CnnSpei)
        model.scalings_ = {label: Channels(**vars(scaling)) for label, scaling in model.scalings_.items()}
        model.left_out_, model.restarts_ = int(meta["left_out"]), int(meta["restarts"])
        model.passes_, model.gap_ = [int(number) for number in meta["passes"]], (meta["gap"][0], meta["gap"][1])
        return model

