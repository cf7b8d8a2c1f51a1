"""Exact path-dependent Shapley values of boosted trees."""

from __future__ import annotations

from typing import Any, Callable, Iterator, Optional, Sequence

import numpy as np

from ..deps import need
from ..errors import ConfigError
from .forest import Forest, joined, read_forest
from .pairs import from_matrix
from .shap_tables import LONGEST_WAY, TableExplainer
from .torch_tables import TorchTables

SMALLEST_SCALE = 1.0
PLAIN_NUMBERS = 10_000_000
LEAVES_TOGETHER = 32_768  # joining larger forests saves no time, and takes 300 bytes per leaf

Member = tuple[float, Any, Optional[Forest]]  # share, booster, and its trees where tables can hold them


def contributions(boosters: Any, X: Any, *, weights: Optional[Sequence[float]] = None, plain: bool = False,
                  device: str = "") -> np.ndarray:
    r"""Split what a booster, or the mean of several, estimates into contributions of its features.

    .. math:: f(x) = \phi_0 + \sum_k \phi_k(x)

    where :math:`\phi_k` is the Shapley value of feature k in the game whose value of a set of
    features is the mean of the trees over the training rows that follow the same path as far
    as those features decide ("path-dependent").

    Tables (`shap_tables.py`) answer for trees with numerical splits, boosted with or without dropout, for any
    objective of regression with one output. xgboost answers where it cannot be otherwise (categorical splits,
    linear boosters, several outputs, more than 14 features on the way to one leaf), and where building
    tables would take longer than these rows take it. The values differ by rounding only.

    Shapley values are linear: those of a mean are the mean of those of its members. Small members are joined
    to one forest, which saves binning the rows for each: with 262,144 rows 20 boosters of 20 trees of depth 4 took
    2.4 times less processor time, 10 of 60 trees of depth 5 1.25 times less, and larger ones nothing. Tables are
    never shared: the members' trees differ, and so do their tables.

    Parameters
    ----------
    boosters : xgboost.Booster or xgboost.XGBModel, or a list or tuple of them
        All trees of a booster count, as with `Booster.predict`; of a fitted `XGBModel` with early stopping those up
        to its best round, as with `XGBModel.predict`.
    X : array of shape (n, p) [units of the training data]
        NaN take each split's default direction.
    weights : sequence of float, optional
        How much each of several boosters counts in the mean; all the same if not given.
    plain : bool
        Ask xgboost in any case: slow, for checking.
    device : str
        Look the tables up by torch on this device, such as "cuda"; empty for the compiled kernels, which are
        faster on a CPU.

    Returns
    -------
    array of shape (n, p + 1) [unit of the target]
        The last column is the base value. For objectives with a link (such as gamma) these are on the
        scale on which trees are added up, as with xgboost.

    Raises
    ------
    ConfigError
        There is no booster, X does not have a column per feature, or the weights make no mean.

    References
    ----------
    Lundberg, S. M. et al. (2020). Nature Machine Intelligence 2, 56-67. doi:10.1038/s42256-019-0138-9
    """
    found, rows = _asked_for(boosters, X)

    def by_tables(tables: TableExplainer) -> np.ndarray:
        return (TorchTables(tables, device) if device else tables).contributions(rows)

    return _mean(_bundles(found, weights, plain), rows, by_tables, by_xgboost)


def interactions(boosters: Any, X: Any, kinds: Sequence[int], *, weights: Optional[Sequence[float]] = None,
                 plain: bool = False) -> np.ndarray:
    """Return what pairs of kinds of features contribute together.

    Parameters
    ----------
    boosters, X, weights, plain
        As in `contributions`.
    kinds : sequence of int, length p
        The kind of each feature, counted from 0.

    Returns
    -------
    array of shape (n, pairs + 1) [unit of the target]
        For the pairs (0, 0), (0, 1), (1, 1), (0, 2), ... the sum of xgboost's `pred_interactions` over all pairs of
        a feature of the one and a feature of the other kind, both ways; then the base value.

    Raises
    ------
    ConfigError
        As in `contributions`.

    References
    ----------
    Lundberg, S. M. et al. (2020). Nature Machine Intelligence 2, 56-67. doi:10.1038/s42256-019-0138-9
    """
    found, rows = _asked_for(boosters, X)
    at_once = max(1, PLAIN_NUMBERS // (rows.shape[1] + 1) ** 2)

    def by_walking(booster: Any, rows: np.ndarray) -> np.ndarray:
        return np.concatenate([from_matrix(_asked(booster, rows[at:at + at_once], pred_interactions=True), kinds)
                               for at in range(0, max(1, len(rows)), at_once)])

    return _mean(_bundles(found, weights, plain), rows, lambda tables: tables.interactions(rows, kinds), by_walking)


def by_xgboost(booster: Any, rows: np.ndarray) -> np.ndarray:
    """Return the contributions that xgboost itself finds, shape (n, p + 1) [unit of the target]."""
    return _asked(booster, rows, pred_contribs=True)


def _asked(booster: Any, rows: np.ndarray, **what: bool) -> np.ndarray:
    some = rows if len(rows) else np.full((1, rows.shape[1]), np.nan, dtype="float32")  # no rows, no shape of theirs
    # a fresh matrix each time: xgboost caches predictions per matrix
    matrix = need("xgboost").DMatrix(some, feature_names=booster.feature_names, feature_types=booster.feature_types,
                                     enable_categorical=True)
    return np.asarray(booster.predict(matrix, validate_features=False, **what), dtype="float64")[:len(rows)]


def _mean(bundles: Iterator[list[Member]], rows: np.ndarray, by_tables: Callable[[TableExplainer], np.ndarray],
          by_walking: Callable[[Any, np.ndarray], np.ndarray]) -> np.ndarray:
    """Return the sum of what bundles of members give, each by its tables or member by member."""
    total: Any = 0.0
    for members in bundles:
        forests = [forest for _, _, forest in members if forest is not None]
        tables = TableExplainer.worth(joined(forests, [part[0] for part in members]), len(rows)) if forests else None
        if tables is not None:
            total = total + by_tables(tables).astype("float64")
            continue
        for share, booster, _ in members:
            total = total + share * by_walking(booster, rows)
    return total


def _bundles(boosters: Sequence[Any], weights: Optional[Sequence[float]], plain: bool) -> Iterator[list[Member]]:
    """Yield the members that are explained together: several small ones that tables can hold, or one."""
    together: list[Member] = []
    leaves = 0
    for share, booster in zip(_shares(weights, len(boosters)), boosters):
        forest = None if plain else read_forest(booster)
        if forest is None or forest.survey[1] > LONGEST_WAY:
            yield [(share, booster, None)]
            continue
        own = int((forest.left < 0).sum())
        if together and leaves + own > LEAVES_TOGETHER:
            yield together
            together, leaves = [], 0
        together.append((share, booster, forest))
        leaves += own
    if together:
        yield together


def _shares(weights: Optional[Sequence[float]], count: int) -> list[float]:
    """Return how much each of several boosters counts, 1 in all."""
    values = np.ones(count) if weights is None else np.asarray(weights, dtype="float64")
    if values.shape != (count,) or not np.isfinite(values).all() or (values < 0).any() or values.sum() == 0:
        raise ConfigError(f"The weights of {count} boosters are " + ", ".join(f"{value:g}" for value in values.flat),
                          "Give one per booster, 0 or more, and not 0 for all")
    return (values / values.sum()).tolist()


def _asked_for(boosters: Any, X: Any) -> tuple[list[Any], np.ndarray]:
    """Return boosters with the trees that count, and rows in single precision that fit them."""
    found = [_booster(model) for model in (boosters if isinstance(boosters, (list, tuple)) else [boosters])]
    if not found:
        raise ConfigError("There is no booster to explain", "Give at least one")
    rows = np.ascontiguousarray(X, dtype="float32")
    for booster in found:
        if rows.ndim != 2 or rows.shape[1] != booster.num_features():
            raise ConfigError(f"The rows have shape {rows.shape} where a booster has {booster.num_features()} features",
                              "Give a column per feature, in the order of the training data")
    return found, rows


def _booster(model: Any) -> Any:
    """Return a booster with the trees that count."""
    if not hasattr(model, "get_booster"):
        return model
    found = model.get_booster()
    best = found.attr("best_iteration")
    return found if best is None else found[:int(best) + 1]


def additivity_error(phi: np.ndarray, estimate: np.ndarray) -> float:
    """Return the largest |sum of contributions - estimate| / max(1, |estimate|) over rows; 0 without rows.

    Parameters
    ----------
    phi : array of shape (n, p + 1) [unit of the target]
        Contributions and base value.
    estimate : array of shape (n,) [unit of the target]
    """
    if len(estimate) == 0:
        return 0.0
    gap = np.abs(phi.sum(axis=1) - estimate)
    return float((gap / np.maximum(SMALLEST_SCALE, np.abs(estimate))).max())
