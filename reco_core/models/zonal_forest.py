"""A random forest for each environmentally similar zone (Zhu et al. 2024)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Iterator, Mapping, Optional, Sequence

import numpy as np

from ..deps import need
from ..errors import ArtifactError, ConfigError, SampleError
from ..progress import SILENT, Progress
from .arrays import pack_arrays, unpack_arrays
from .base import Model, ParameterRow
from .context import Context
from .options import Option, Value, read_options
from .selection import FEWEST_TO_LEARN, mtry_of
from .swarm import VARIANTS
from .table import Table
from .tabular import Scaling
from .tree_arrays import TreeArrays
from .zone_plan import ZonePlan, make_plan, zone_label
from .zone_presets import ALL, CHOICES, TABLE1, WHOLE, preset_drivers
from .zones import CLIMATE, FACTORS, choose_factors, factors_of_rows, stand_ins

TREES_AT_ONCE = 25
YES_NO = ("yes", "no")
MOST_ZONES, PUBLISHED = 20, 4


@dataclass(frozen=True)
class _Names(Option):
    """Names separated by semicolons."""

    def read(self, name: str, value: Any) -> Value:
        return str(value).strip().lower() or str(self.default)


class ZonalForest(Model):
    """Forests of zones that are alike in climate, vegetation, terrain and soil; a place is served by its zone.

    Zones are learned inside each training set: the long-term means of the factors at its sites, their principal
    components with 80 % of the variance, k-means started by a particle swarm. Each zone then chooses its
    drivers on inner folds of whole training sites: those correlated by more than 0.9 are filtered, the least important
    out of the bag eliminated. A zone with fewer than `min_records` samples or `min_sites` sites is served by a
    forest of all rows. A missing driver takes the median of the training rows; a row whose factors are not known has
    no zone and no estimate. `zones=1` is the unified forest, made in the same way.

    Settings: `zones` (4 as published, another number, or auto: what has the least error on inner folds), `factors`
    (names separated by semicolons; auto takes the published ones or what stands for them), `features` (all, or a
    published set: table1, z1 to z4), `eliminate`, `soft` (blend the forests of near zones instead of taking one, which
    leaves no seams), `variant` of the swarm, `n_estimators`, `min_leaf`, `max_depth` (0: no limit; up to ten levels
    contributions are found much faster on maps), `mtry` (0: a third), `min_records` and `min_sites`.

    References
    ----------
    Zhu, L. et al. (2024). IEEE J. Sel. Top. Appl. Earth Obs. Remote Sens. doi:10.1109/JSTARS.2024.3400158
    """

    name = "zonal_forest"
    seeded = True
    citations = ("Zhu, L. et al. (2024). IEEE J. Sel. Top. Appl. Earth Obs. Remote Sens. "
                 "doi:10.1109/JSTARS.2024.3400158",
                 "Breiman, L. (2001). Machine Learning 45, 5-32. doi:10.1023/A:1010933404324")
    options: ClassVar[Mapping[str, Option]] = {
        "zones": Option(PUBLISHED, 1, MOST_ZONES, ("auto",)), "factors": _Names("auto"),
        "features": Option(ALL, 0, 0, CHOICES), "eliminate": Option("yes", 0, 0, YES_NO),
        "soft": Option("no", 0, 0, YES_NO), "variant": Option("constriction", 0, 0, tuple(VARIANTS)),
        "n_estimators": Option(500, 1, 10_000), "min_leaf": Option(5, 1, 10_000), "max_depth": Option(0, 0, 64),
        "mtry": Option(0, 0, 10_000), "min_records": Option(90, FEWEST_TO_LEARN, 1_000_000),
        "min_sites": Option(3, 1, 10_000)}

    @property
    def context(self) -> Context:
        return Context() if self.all_settings()["zones"] == 1 else CLIMATE

    def all_settings(self) -> dict[str, Any]:
        return dict(read_options(self.settings, self.options, self.name))

    def lacking(self, features: Sequence[str]) -> tuple[str, ...]:
        if self.all_settings()["zones"] == 1:
            return ()
        try:
            choose_factors("auto", features)
        except ConfigError:
            return ("two drivers that tell zones apart, such as " + ", ".join(names[0] for names in FACTORS.values()),)
        return ()

    def check(self, features: Sequence[str]) -> None:
        settings = self.all_settings()
        if self.per_class:
            raise ConfigError("A zonal forest has one forest per zone, not per class",
                              "Leave out per_class, or choose another model")
        if settings["zones"] != 1:
            choose_factors(str(settings["factors"]), features)
        if settings["features"] == WHOLE and settings["zones"] not in (1, len(TABLE1)):
            raise ConfigError("Table I has drivers of four zones", "Set zones=4 (or 1), or features=all")
        labels = [zone_label(number) for number in range(1, len(TABLE1) + 1)] if settings["zones"] == 4 else [ALL]
        for label in labels:
            preset_drivers(str(settings["features"]), label, features)

    def prepare(self, table: Table, *, seed: int = 0, progress: Progress = SILENT) -> Mapping[str, Any]:
        """Return zones and the drivers of each, as `ZonePlan` holds them."""
        settings, p = self.all_settings(), len(table.features)
        own = replace(table, X=table.X[:, :p])
        filled = replace(own, X=Scaling.of(own, False).rows(own.X))
        values = None
        if settings["zones"] != 1:
            values = self._factor_values(table.X, table.features, settings)
            if not np.isfinite(values).all(axis=1).any():
                raise SampleError("No site has all factors of zones: "
                                  f"{', '.join(choose_factors(str(settings['factors']), table.features))}",
                                  "Name other factors, for example settings=\"factors=ta;precip\"")
        return {"plan": make_plan(filled, values, settings, seed=seed, progress=progress).to_plain()}

    def _factor_values(self, X: np.ndarray, features: Sequence[str], settings: Mapping[str, Value]) -> np.ndarray:
        return factors_of_rows(X, features, choose_factors(str(settings["factors"]), features))

    def fit(self, X: np.ndarray, y: np.ndarray, *, group: np.ndarray, stratum: Optional[np.ndarray] = None,
            weight: Optional[np.ndarray] = None, seeds: Sequence[int] = (0,), features: Sequence[str] = (),
            shared: Optional[Mapping[str, Any]] = None, progress: Progress = SILENT) -> ZonalForest:
        names = tuple(features) or tuple(f"x{k}" for k in range(X.shape[1] // self.context.blocks()))
        self.check(names)
        if len(y) < FEWEST_TO_LEARN:
            raise SampleError(f"There are {len(y)} samples to learn from; {self.name} needs at least "
                              f"{FEWEST_TO_LEARN}", "Add samples, or choose another model")
        if shared is None:
            table = replace(Table.plain(X, y, group=group, stratum=stratum, weight=weight), features=names)
            shared = self.prepare(table, seed=int(seeds[0]), progress=progress)
        settings = self.all_settings()
        self.features_, self.plan_ = names, ZonePlan.from_plain(shared["plan"])
        self.scaling_ = Scaling.of(Table.plain(X[:, :len(names)], y, group=group), False)
        self.members_: dict[str, list[TreeArrays]] = {}
        rows, number = self.seen(X), self._zone_of(X)
        for label, kept in self.plan_.drivers.items():
            mine = number >= 0 if label == ALL else number == int(label.removeprefix("zone"))
            part = None if weight is None else weight[mine] / weight[mine].mean()
            self.members_[label] = [self._grow(rows[mine], np.asarray(y)[mine], part, kept, settings, seed, progress)
                                    for seed in seeds]
        return self

    def _grow(self, X: np.ndarray, y: np.ndarray, weight: Optional[np.ndarray], kept: list[int],
              settings: Mapping[str, Value], seed: int, progress: Progress) -> TreeArrays:
        trees = -(-int(settings["n_estimators"]) // self.planned_members)
        forest = need("sklearn.ensemble").RandomForestRegressor(
            0, min_samples_leaf=int(settings["min_leaf"]), max_depth=int(settings["max_depth"]) or None,
            max_features=mtry_of(len(kept), int(settings["mtry"])), random_state=seed, n_jobs=1, warm_start=True)
        for count in range(min(TREES_AT_ONCE, trees), trees + TREES_AT_ONCE, TREES_AT_ONCE):
            progress.check()
            forest.set_params(n_estimators=min(count, trees))
            if len(getattr(forest, "estimators_", ())) < forest.n_estimators:
                forest.fit(X[:, kept].astype("float32"), y, sample_weight=weight)
        arrays = TreeArrays.of([tree.tree_ for tree in forest.estimators_], len(kept))
        place = np.append(np.asarray(kept, dtype="int16"), np.int16(-1))  # the trees see all drivers
        return replace(arrays, features=len(self.features_), feature=place[arrays.feature])

    def seen(self, X: np.ndarray, label: str = ALL) -> np.ndarray:
        return self.scaling_.rows(X[:, :len(self.features_)])

    def _zone_of(self, X: np.ndarray) -> np.ndarray:
        """Return the zone of each row, from 1; 0 where there is one forest for all, -1 where it is not known."""
        if self.plan_.zones is None:
            return np.zeros(len(X), dtype="int64")
        label = self.plan_.zones.labels(self._factor_values(X, self.features_, self.all_settings()))
        return np.where(label > 0, label, -1)

    @property
    def servants_(self) -> dict[int, str]:
        """Label of the forest that serves each zone; 0 is all."""
        count = self.plan_.zones.count if self.plan_.zones else 0
        own = {number: zone_label(number) for number in range(1, count + 1)}
        return {0: ALL, **{number: label if label in self.members_ else ALL for number, label in own.items()}}

    def route(self, X: np.ndarray, stratum: Optional[np.ndarray]) -> Optional[np.ndarray]:
        """Return the label of the forest that serves each row; empty where none does, or where several are blended."""
        if self.all_settings()["soft"] == "yes" and self.plan_.zones is not None:
            return np.full(len(X), "")
        words = np.array([*self.servants_.values(), ""])  # -1 takes the last
        return words[self._zone_of(X)]

    def forests(self, label: str = ALL, members: str = "all") -> Sequence[tuple[float, Any]]:
        trees = self._chosen(label, members) if label in self.members_ else []
        return [(1.0 / len(trees), forest) for forest in trees]

    def _chosen(self, label: str, members: str) -> list[TreeArrays]:
        return self.members_[label] if members == "all" else self.members_[label][:1]

    def novel(self, X: np.ndarray) -> np.ndarray:
        """Return which rows are of places unlike any training site, shape (n,); none where there are no zones."""
        if self.plan_.zones is None:
            return np.zeros(len(X), dtype=bool)
        return self.plan_.zones.novel(self._factor_values(X, self.features_, self.all_settings()))

    def _parts(self, X: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Yield the label of each forest that is used, the rows it serves, and its share in their estimate."""
        if self.all_settings()["soft"] == "yes" and self.plan_.zones is not None:
            known = np.flatnonzero(self._zone_of(X) >= 0)
            share = self.plan_.zones.blend(self._factor_values(X[known], self.features_, self.all_settings()))
            for label in self.members_:
                zones = [zone - 1 for zone, servant in self.servants_.items() if servant == label and zone]
                part = share[:, zones].sum(axis=1)
                yield label, known[part > 0], part[part > 0]
            return
        route = self.route(X, None)
        for label in self.members_:
            at = np.flatnonzero(route == label)
            yield label, at, np.ones(at.size)

    def member_predictions(self, X: np.ndarray, *, stratum: Optional[np.ndarray] = None,
                           members: str = "all") -> np.ndarray:
        count = len(self._chosen(next(iter(self.members_)), members))
        rows, result = self.seen(X), np.where(self._zone_of(X) >= 0, np.zeros((count, 1)), np.nan)
        for label, at, share in self._parts(X):
            for number, trees in enumerate(self._chosen(label, members)):
                result[number, at] += share * trees.estimate(rows[at])
        return result

    def contributions(self, X: np.ndarray, *, stratum: Optional[np.ndarray] = None,
                      members: str = "all") -> np.ndarray:
        rows = self.seen(X)
        result = np.where(self._zone_of(X)[:, None] >= 0, np.zeros(len(self.features_) + 1), np.nan)
        for label, at, share in self._parts(X):
            chosen = self._chosen(label, members)
            for trees in chosen:
                result[at] += share[:, None] * trees.contributions(rows[at]) / len(chosen)
        return result

    def parameters(self) -> list[ParameterRow]:
        rows = [ParameterRow(label, "drivers", "", " + ".join(self.features_[k] for k in kept))
                for label, kept in self.plan_.drivers.items()]
        rows += [ParameterRow(label, name if name in ("sites", "records") else f"mean {name}", "", float(value))
                 for label, about in self.plan_.facts.items() for name, value in about.items()]
        rows += [ParameterRow(ALL, f"RMSE with {row['zones']} zones", "flux", float(row["rmse"]))
                 for row in self.plan_.counts if row["rmse"] is not None]
        return rows + [ParameterRow(ALL, f"gaps in {name}", "samples", float(count))
                       for name, count in zip(self.features_, self.scaling_.gaps) if count]

    def remarks(self) -> list[str]:
        found = []
        if self.plan_.zones is not None:
            factors = self.plan_.zones.factors
            found.append(f"{self.plan_.zones.count} zones are made of {', '.join(factors)}"
                         + "".join(f"; {words}" for words in stand_ins(factors)) + ".")
            poor = [f"{label} ({about['records']:.0f} records, {about['sites']:.0f} sites)"
                    for label, about in self.plan_.facts.items() if label not in self.members_]
            if poor:
                found.append(f"Too few records or sites for a forest of their own: {', '.join(poor)}; the forest of "
                             "all rows serves them.")
        if self.plan_.unknown:
            found.append(f"{self.plan_.unknown} training samples were left out: a factor of their site is not known.")
        return found

    def join(self, others: Sequence[Model]) -> ZonalForest:
        for other in others:
            for label, trees in other.members_.items():  # type: ignore[attr-defined]
                self.members_[label] = [*self.members_[label], *trees]
        return self

    def to_parts(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        blobs = {f"{label}-{number:03d}.npz": pack_arrays(trees.to_arrays())
                 for label, members in self.members_.items() for number, trees in enumerate(members)}
        blobs["scaling.npz"] = pack_arrays(self.scaling_.to_arrays())
        meta = {"settings": self.all_settings(), "classes": list(self.classes), "features": list(self.features_),
                "plan": self.plan_.to_plain(), "members": {label: len(trees) for label, trees in self.members_.items()}}
        return meta, blobs

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], blobs: Mapping[str, bytes]) -> ZonalForest:
        model = cls(settings=meta["settings"], classes=meta["classes"])
        model.features_, model.plan_ = tuple(meta["features"]), ZonePlan.from_plain(meta["plan"])
        model.scaling_ = Scaling.from_arrays(unpack_arrays(blobs["scaling.npz"]))
        model.members_ = {label: [TreeArrays.from_arrays(unpack_arrays(blobs[f"{label}-{number:03d}.npz"]))
                                  for number in range(count)] for label, count in meta["members"].items()}
        widths = {trees.features for members in model.members_.values() for trees in members}
        if widths | {model.scaling_.median.size} != {len(model.features_)} or \
                not set(model.members_) <= set(model.servants_.values()):
            raise ArtifactError(f"The weights of the model are not those of {len(model.features_)} drivers",
                                "The model is damaged: fit it again")
        return model
