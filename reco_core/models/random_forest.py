"""Random forests: grown by scikit-learn, kept as arrays, explained exactly."""

from __future__ import annotations

from typing import Any, ClassVar, Mapping, Optional, Sequence

import numpy as np

from ..deps import need
from ..progress import SILENT, Progress
from .options import Option, Value
from .tabular import TabularModel
from .tree_arrays import TreeArrays

TREES_AT_ONCE = 25


class RandomForest(TabularModel):
    """The mean of many trees, each grown on rows drawn with replacement.

    `n_estimators` trees are grown in all and dealt evenly to the seeds, so that their number does not
    change what is estimated: with twenty seeds each member of the default is a small forest of 25 trees.
    `max_depth` (8) and `min_samples_leaf` (5) bound the size; `max_features` is the share of
    features tried at each split. Contributions are path-dependent and exact for trees of any depth.

    References
    ----------
    Breiman, L. (2001). Machine Learning 45, 5-32. doi:10.1023/A:1010933404324
    """

    name = "rf"
    seeded = True
    scaled = False
    citations = ("Breiman, L. (2001). Machine Learning 45, 5-32. doi:10.1023/A:1010933404324",
                 "Pedregosa, F. et al. (2011). J. Mach. Learn. Res. 12, 2825-2830.")
    options: ClassVar[Mapping[str, Option]] = {
        "n_estimators": Option(500, 1, 10_000), "max_depth": Option(8, 1, 64),
        "min_samples_leaf": Option(5, 1, 10_000), "max_features": Option(0.4, 0.01, 1.0)}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "max_depth": ("int", 3, 24), "min_samples_leaf": ("int", 1, 40), "max_features": ("float", 0.1, 1.0)}
    learner = TreeArrays

    def learn(self, X: np.ndarray, y: np.ndarray, weight: Optional[np.ndarray], *, seed: int,
              settings: Mapping[str, Value], progress: Progress = SILENT) -> TreeArrays:
        trees = -(-int(settings["n_estimators"]) // self.planned_members)
        forest = need("sklearn.ensemble").RandomForestRegressor(
            0, max_depth=int(settings["max_depth"]), min_samples_leaf=int(settings["min_samples_leaf"]),
            max_features=float(settings["max_features"]), random_state=seed, n_jobs=1, warm_start=True)
        for count in range(min(TREES_AT_ONCE, trees), trees + TREES_AT_ONCE, TREES_AT_ONCE):
            progress.check()
            forest.set_params(n_estimators=min(count, trees))
            if len(getattr(forest, "estimators_", ())) < forest.n_estimators:
                forest.fit(X.astype("float32"), y, sample_weight=weight)
        return TreeArrays.of([tree.tree_ for tree in forest.estimators_], X.shape[1])

    def forests(self, label: str = "all", members: str = "all") -> Sequence[tuple[float, Any]]:
        trees = self._parts(np.empty((1, 0)), np.array([label]), members)[0][1]
        return [(1.0 / len(trees), forest) for forest in trees]
