"""Forests as arrays: the estimates of scikit-learn, the Shapley values of shap, and refusal of damaged trees."""

from __future__ import annotations

import io
import zipfile
from itertools import permutations

import numpy as np
import pytest

from reco_core.errors import ArtifactError
from reco_core.models.arrays import pack_arrays, unpack_arrays
from reco_core.models.tree_arrays import TreeArrays

ensemble = pytest.importorskip("sklearn.ensemble")


def grown(trees=10, features=5, rows=600, **options):
    """Return a forest of scikit-learn, its arrays, and rows."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, features)).astype("float32")
    X[:, 0] = np.round(X[:, 0], 1)  # many values are thresholds, too
    y = 50 + 20 * X[:, 0] + 10 * X[:, 1] * (X[:, 2] > 0) + rng.normal(size=rows)
    forest = ensemble.RandomForestRegressor(trees, random_state=0, **options).fit(X, y)
    return forest, TreeArrays.of([tree.tree_ for tree in forest.estimators_], features), X


@pytest.mark.parametrize("options", [{}, {"max_depth": 3}, {"min_samples_leaf": 20}, {"max_depth": 1}])
def test_estimates_are_those_of_scikit_learn(options):
    """To 1e-6 of the estimate, on rows it has seen and on others, and on the thresholds themselves."""
    forest, arrays, X = grown(**options)
    other = np.random.default_rng(1).normal(size=(300, 5)).astype("float32")
    edges = np.repeat(arrays.value[arrays.right >= 0][:200, None], 5, axis=1)
    for rows in (X, other, edges):
        np.testing.assert_allclose(arrays.estimate(rows), forest.predict(rows), rtol=1e-6)


@pytest.mark.parametrize("depth", [2, 8, 13, None])
def test_contributions_are_those_of_shap(depth):
    """The same as the reference library, path-dependent, also where features come again and again on a path."""
    shap = pytest.importorskip("shap")
    forest, arrays, X = grown(max_depth=depth)
    explainer = shap.TreeExplainer(forest)
    found = arrays.contributions(X[:60])
    np.testing.assert_allclose(found[:, :-1], explainer.shap_values(X[:60]), atol=1e-5)
    assert found[0, -1] == pytest.approx(float(np.ravel(explainer.expected_value)[0]), rel=1e-7)


@pytest.mark.parametrize("depth", [1, 6, None])
def test_contributions_add_up(depth):
    """Also in trees deeper than any table could hold."""
    _, arrays, X = grown(max_depth=depth, min_samples_leaf=1)
    np.testing.assert_allclose(arrays.contributions(X).sum(axis=1), arrays.estimate(X), rtol=1e-10)
    assert depth is not None or arrays.shape_[1] > 14


def test_contributions_by_hand():
    """Those of a slow sum over all orders of three features, following the training weight where a feature is out."""
    _, arrays, X = grown(trees=3, features=3, rows=200, max_depth=4)

    def worth(tree, row, inside, node=0):
        at = arrays.start[tree] + node
        if arrays.right[at] < 0:
            return float(arrays.value[at])
        children = (node + 1, arrays.right[at])
        if arrays.feature[at] in inside:
            return worth(tree, row, inside, children[0] if row[arrays.feature[at]] <= arrays.value[at] else children[1])
        cover = [float(arrays.cover[arrays.start[tree] + child]) for child in children]
        return sum(share * worth(tree, row, inside, child) for share, child in zip(cover, children)) / sum(cover)

    slow = np.zeros(3)
    for order in permutations(range(3)):
        for place, feature in enumerate(order):
            for tree in range(3):
                slow[feature] += (worth(tree, X[5], order[:place + 1]) - worth(tree, X[5], order[:place])) / 18
    np.testing.assert_allclose(arrays.contributions(X[5:6])[0, :3], slow, rtol=1e-6)


def test_a_single_leaf():
    """A tree without a split says the same everywhere and owes nothing to any feature."""
    leaf = TreeArrays(2, np.array([0, 1]), np.array([-1], "int32"), np.array([-1], "int16"), np.array([7], "float32"),
                      np.array([9], "float32"))
    assert leaf.estimate(np.zeros((3, 2))).tolist() == [7, 7, 7]
    assert leaf.contributions(np.zeros((2, 2))).tolist() == [[0, 0, 7]] * 2


def test_rows_together_or_apart():
    """A row has the same bits alone and among many."""
    _, arrays, X = grown()
    whole = arrays.contributions(X)
    assert (whole[37:38] == arrays.contributions(X[37:38])).all()
    assert (arrays.estimate(X)[:7] == arrays.estimate(X[:7])).all()


def test_kept_without_code():
    """They come back as they were, and the same trees give the same bytes."""
    _, arrays, X = grown()
    content = pack_arrays(arrays.to_arrays())
    assert content == pack_arrays(arrays.to_arrays())
    back = TreeArrays.from_arrays(unpack_arrays(content))
    assert (back.estimate(X) == arrays.estimate(X)).all()
    with pytest.raises(ArtifactError, match="cannot be read"):
        unpack_arrays(content[: len(content) // 2])
    with pytest.raises(ArtifactError, match="cannot be read"):
        unpack_arrays(content[:200] + bytes(100) + content[300:])


def test_arrays_that_grow():
    """Compressed arrays, and headers that claim more than there is, are refused before memory is taken."""
    stream = io.BytesIO()
    np.savez_compressed(stream, zeros=np.zeros(10**7))
    with pytest.raises(ArtifactError, match="are compressed"):
        unpack_arrays(stream.getvalue())
    claim = io.BytesIO()
    np.lib.format.write_array_header_1_0(claim, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        packed.writestr("x.npy", claim.getvalue() + bytes(16))
    with pytest.raises(ArtifactError, match="has 16 bytes"):
        unpack_arrays(stream.getvalue())


def test_arrays_of_all_kinds():
    """Order, shape and kind of arrays come back, and they can be written to."""
    arrays = {"a": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "b": np.array(3), "c": np.zeros((0, 4), "int8")}
    for name, values in unpack_arrays(pack_arrays(arrays)).items():
        np.testing.assert_array_equal(values, arrays[name])
        assert values.flags.writeable


@pytest.mark.parametrize(("name", "at", "value"), [
    ("right", 0, 0), ("right", 0, 10_000), ("feature", 0, 99), ("feature", 0, -1), ("start", 1, 10**7),
    ("start", 0, 3), ("right", -1, 2)])
def test_damaged_trees_are_refused(name, at, value):
    """Trees that would lead in circles, or beside the arrays, are not walked."""
    arrays = grown()[1].to_arrays()
    arrays[name] = arrays[name].copy()
    arrays[name][at] = value
    with pytest.raises(ArtifactError, match="damaged"):
        TreeArrays.from_arrays(arrays)
