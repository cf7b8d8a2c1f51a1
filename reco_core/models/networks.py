"""What networks that see more than the drivers of a row have in common: gaps, scaling, and what training met."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Mapping, Optional, Sequence

import numpy as np

from ..errors import ConfigError, SampleError
from ..progress import SILENT, Progress
from .base import Model, ParameterRow
from .table import Table
from .tabular import ALL, FEWEST_ROWS, Learner, Scaling, TabularModel


@dataclass(frozen=True)
class Blockwise(Scaling):
    """How rows are made ready: each driver has one mean and spread in all blocks of a row, which are time steps or
    cells. Gaps stay gaps."""

    @classmethod
    def of_blocks(cls, blocks: np.ndarray, y: np.ndarray, *, centred: bool) -> Blockwise:
        """Return the scaling of training rows of shape (n, blocks, p); a target that is not `centred` keeps its 0."""
        flat = blocks.reshape(-1, blocks.shape[-1])
        spread = flat.std(axis=0)
        return cls(np.median(flat, axis=0), flat.mean(axis=0), np.where(spread > 0, spread, 1.0),
                   (float(y.mean()) if centred else 0.0, float(y.std()) or 1.0), np.zeros(flat.shape[1]))

    def rows(self, X: np.ndarray) -> np.ndarray:
        blocks = X.shape[1] // self.mean.size
        return (np.asarray(X, dtype="float64") - np.tile(self.mean, blocks)) / np.tile(self.spread, blocks)


class NetworkModel(TabularModel):
    """A network, fitted for all classes or for each, that is not trained on rows with a gap.

    A subclass says what of a row the network sees (`seen_by_network`) and how one member is trained (`_member`).

    Fitted, besides: `left_out_` samples with gaps, `restarts_` networks that were started anew, `passes_` until the
    weights that are kept, `missed_` what expected gradients miss of the estimate [of its spread].
    """

    centred: ClassVar[bool] = True
    missed: ClassVar[tuple[str, tuple[str, ...]]] = ("missed", ("at most",))  # kept as, what each figure is
    gaps_hint: ClassVar[str] = "Leave out drivers with many gaps, or add samples"

    def seen_by_network(self, X: np.ndarray) -> np.ndarray:
        """Return what the network sees of rows, shape (n, blocks x p)."""
        return X

    def _member(self, table: Table, label: str, seed: int, progress: Progress) -> Learner:
        """Return one member, trained on rows without gaps, and note what training met (`_met`)."""
        return self.learner

    def prepare(self, table: Table, *, seed: int = 0, progress: Progress = SILENT) -> Mapping[str, Any]:
        """Return the settings of each label that has rows without gaps."""
        return super().prepare(table.take(np.isfinite(table.X).all(axis=1)), seed=seed, progress=progress)

    def fit(self, X: np.ndarray, y: np.ndarray, *, group: np.ndarray, stratum: Optional[np.ndarray] = None,
            weight: Optional[np.ndarray] = None, seeds: Sequence[int] = (0,), features: Sequence[str] = (),
            shared: Optional[Mapping[str, Any]] = None, progress: Progress = SILENT) -> NetworkModel:
        if self.per_class and stratum is None:
            raise ConfigError("One model per class is asked for and no classes are given", "Give the class of each row")
        self.features_ = tuple(features) or tuple(f"x{k}" for k in range(X.shape[1] // self.context.blocks()))
        self.check(self.features_)
        known = np.isfinite(X).all(axis=1)
        labels = np.full(len(y), "") if stratum is None else np.asarray(stratum).astype(str)
        whole = Table.plain(X, y, group=group, stratum=labels, weight=weight).take(known)
        if len(whole) < FEWEST_ROWS:
            raise SampleError(f"There are {len(whole)} samples without gaps to learn from, of {len(y)}; {self.name} "
                              f"needs at least {FEWEST_ROWS}", self.gaps_hint)
        self.left_out_, self.restarts_ = int((~known).sum()), 0
        self.passes_: list[int] = []
        self.missed_ = (0.0,) * len(self.missed[1])
        self.chosen_ = {label: dict(values) for label, values in (shared or self.prepare(
            replace(whole, features=self.features_)))["chosen"].items()}
        table = replace(whole, X=self.seen_by_network(whole.X), features=self.features_)
        self.members_, self.scalings_ = {}, {}
        for number, label in enumerate(self.chosen_):
            progress(number / len(self.chosen_), f"Learning, class {label}")
            rows = table if label == ALL else table.take(table.stratum == label)
            self.scalings_[label] = self._scaling(rows)
            self.members_[label] = [self._member(rows, label, seed, progress) for seed in seeds]
        return self

    def _scaling(self, table: Table) -> Blockwise:
        return Blockwise.of_blocks(table.X.reshape(len(table), -1, len(table.features)), table.y, centred=self.centred)

    def _met(self, tries: int, passes: int, missed: Sequence[float]) -> None:
        """Note how often training began anew, how long it went on, and what expected gradients miss."""
        self.restarts_ += tries - 1
        self.passes_.append(passes)
        self.missed_ = tuple(map(max, self.missed_, missed))

    def _parts(self, X: np.ndarray, stratum: Optional[np.ndarray], members: str) -> list[tuple[str, list[Any], Any]]:
        return [(label, [self._on_device(learner) for learner in learners], at)
                for label, learners, at in super()._parts(X, stratum, members)]

    def _on_device(self, learner: Any) -> Any:
        return learner if learner.device == self.device else replace(learner, device=self.device)

    def member_predictions(self, X: np.ndarray, *, stratum: Optional[np.ndarray] = None,
                           members: str = "all") -> np.ndarray:
        return super().member_predictions(self.seen_by_network(X), stratum=stratum, members=members)

    def contributions(self, X: np.ndarray, *, stratum: Optional[np.ndarray] = None,
                      members: str = "all") -> np.ndarray:
        return super().contributions(self.seen_by_network(X), stratum=stratum, members=members)

    def parameters(self) -> list[ParameterRow]:
        rows = [ParameterRow(ALL, "passes until the weights that are kept", "1", float(np.mean(self.passes_)))]
        rows += [ParameterRow(ALL, f"estimate missed by expected gradients, {words}", "of its spread", value)
                 for words, value in zip(self.missed[1], self.missed_)]
        counts = {"samples left out for gaps": self.left_out_, "networks started anew": self.restarts_}
        return rows + [ParameterRow(ALL, name, "1", float(count)) for name, count in counts.items() if count]

    def remarks(self) -> list[str]:
        words = ["Contributions are expected gradients against 64 training samples; what they miss of the estimate "
                 "(see Parameters) is shared out in proportion to their size."]
        if self.left_out_:
            words.append("Samples with a gap in what the network sees were not trained on, and their estimates are "
                         "missing; see their number under Parameters.")
        if self.restarts_:
            words.append("Networks died or blew up and were started anew from another seed; see Parameters.")
        return words

    def join(self, others: Sequence[Model]) -> NetworkModel:
        super().join(others)
        for other in others:
            assert isinstance(other, NetworkModel)
            self.restarts_ += other.restarts_
            self.passes_ += other.passes_
            self.missed_ = tuple(map(max, self.missed_, other.missed_))
        return self

    def to_parts(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        meta, blobs = super().to_parts()
        return {**meta, "left_out": self.left_out_, "restarts": self.restarts_, "passes": self.passes_,
                self.missed[0]: list(self.missed_)}, blobs

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], blobs: Mapping[str, bytes]) -> NetworkModel:
        model = super().from_parts(meta, blobs)
        assert isinstance(model, NetworkModel)
        model.scalings_ = {label: Blockwise(**vars(scaling)) for label, scaling in model.scalings_.items()}
        model.left_out_, model.restarts_ = int(meta["left_out"]), int(meta["restarts"])
        model.passes_ = [int(number) for number in meta["passes"]]
        model.missed_ = tuple(np.atleast_1d(meta[cls.missed[0]]).tolist())
        return model
