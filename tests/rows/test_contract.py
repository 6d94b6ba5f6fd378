"""The protocol of rows, kept by what is in memory and what is on Dask alike."""

import os

import dask.array as da
import numpy as np
import pytest
import scipy.sparse
from sklearn import config_context

from skce import SoftmaxRegressor
from skce._compat import HAS_ARRAY_API
from skce._labels.reading import LabelReader
from skce._links.softmax import Softmax
from skce._rows.array_api.engine import ArrayApiEngine
from skce._rows.dask.engine import DaskEngine
from skce._rows.engines import engine_of
from skce._rows.memory import MemoryEngine
from skce._types import Rows

N, D, K = 60, 3, 3


def as_it_is(X):
    return X


def sparse(X):
    return scipy.sparse.csr_array(X)


def on_dask(X):
    return da.from_array(X, chunks=(13, D)).persist(scheduler="synchronous")


def sparse_on_dask(X):
    return on_dask(X).map_blocks(scipy.sparse.csr_array).persist(scheduler="synchronous")


def in_array_api_strict(X):
    return pytest.importorskip("array_api_strict").asarray(X)


def in_torch(X):
    return pytest.importorskip("torch").asarray(X)


# Arrays of other libraries are taken if the switch was set before scikit-learn was imported.
OF_OTHER_LIBRARIES = [in_array_api_strict, in_torch] if os.environ.get("SCIPY_ARRAY_API") and HAS_ARRAY_API else []


@pytest.fixture(params=[as_it_is, sparse, on_dask, sparse_on_dask, *OF_OTHER_LIBRARIES])
def container(request):
    with config_context(array_api_dispatch=request.param in OF_OTHER_LIBRARIES):
        yield request.param


@pytest.fixture(params=[np.float32, np.float64])
def X(request, rng):
    return rng.standard_normal((N, D)).astype(request.param)


@pytest.fixture
def weight(rng):
    return rng.uniform(0.5, 2, size=N)


@pytest.fixture
def rows(container, X, weight):
    """The rows of X, three classes and unequal weights, as the engine of X reads them."""
    X = container(X)
    data = engine_of(X).read(SoftmaxRegressor(), X, np.arange(N) % K, weight, LabelReader())
    np.testing.assert_array_equal(data.classes, np.arange(K))
    np.testing.assert_allclose(data.counts, [weight[k::K].sum() for k in range(K)])
    return data.rows(Softmax().targets(data.counts, np.ones(K), 0.0))


def dense(block):
    return block.X.toarray() if scipy.sparse.issparse(block.X) else block.X


def test_the_engine_goes_by_the_type_of_X(container, X):
    kind = ArrayApiEngine if container in OF_OTHER_LIBRARIES else MemoryEngine
    assert isinstance(engine_of(container(X)), DaskEngine if "dask" in container.__name__ else kind)


def test_they_say_what_they_are(rows, container, X):
    assert isinstance(rows, Rows)
    assert rows.shape == (N, D)
    assert rows.dtype_of_X == X.dtype
    assert rows.is_sparse == ("sparse" in container.__name__)
    assert rows.numbers_per_row == D
    assert rows.numbers_to_stack > N * D
    assert rows.targets.total == pytest.approx(rows.targets.mass.sum())
    assert (rows.dtype, rows.shift) == (np.float64, None)


def test_sums_are_over_all_rows(rows, X, weight):
    def program(block):
        row_weight = block.targets.row_weight(block.at)
        return row_weight.sum(), row_weight @ dense(block), block.targets.block(block.at).sum(axis=1)

    with rows.at_work() as at_work:
        for width in (None, D):
            total, weighted, mass = at_work.summed(program, width)
            assert total == pytest.approx(weight.sum())
            np.testing.assert_allclose(weighted, weight @ X, rtol=1e-6)
            np.testing.assert_allclose(mass, rows.targets.mass)
            assert {term.dtype for term in (total, weighted, mass)} == {np.dtype(np.float64)}


def test_drawn_rows_are_the_same_wherever_they_lie(rows, X, weight):
    total, (drawn, n_drawn) = rows.summed_of_drawn(lambda block: (dense(block).sum(axis=0), len(dense(block))), 500)
    assert total == pytest.approx(weight.sum())
    assert n_drawn == 500
    here = MemoryEngine().read(SoftmaxRegressor(), X, np.arange(N) % K, weight, LabelReader()).rows(rows.targets)
    _, (of_memory,) = here.summed_of_drawn(lambda block: (block.X.sum(axis=0, dtype=float),), 500)
    np.testing.assert_allclose(drawn, of_memory, rtol=1e-5)


def test_what_is_stacked_is_in_the_order_of_the_rows(rows, X):
    (columns,) = rows.stacked(lambda block: (dense(block).T,))
    np.testing.assert_array_equal(columns, X.T)


def test_the_lowest_of_all_blocks(rows, X):
    assert rows.lowest(lambda block: dense(block)[:, 0]) == X[:, 0].min()


def test_they_are_multiplied_in_a_dtype_and_minus_a_shift(rows, X):
    single = rows.multiplied_in(np.float32)
    assert single.dtype == np.float32
    assert single.summed(lambda block: (block.X.dtype == np.float32,))[0] > 0
    if not rows.is_sparse:
        shift = np.arange(1.0, D + 1)
        shifted = rows.multiplied_in(np.float64, shift)
        np.testing.assert_array_equal(shifted.shift, shift)
        np.testing.assert_allclose(
            shifted.summed(lambda block: (block.X.sum(axis=0),))[0], (X - shift).sum(axis=0), rtol=1e-5
        )


def test_logits_and_what_pulls_gradients_back(rows, X, rng):
    coef, intercept = rng.standard_normal((D, 2)), rng.standard_normal(2)

    def program(block):
        logits = block.logits(coef, intercept)
        assert not isinstance(logits, np.ndarray) or logits.flags.c_contiguous
        return logits.sum(axis=1), block.pull_back(logits)

    sums, gradient = rows.summed(program)
    logits = X.astype(float) @ coef + intercept
    np.testing.assert_allclose(sums, logits.sum(axis=0), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(gradient, X.T @ logits, rtol=1e-5, atol=1e-5)


def test_rows_come_one_by_one_with_their_labels_and_weights(rows, X, weight):
    at = np.array([0, 12, 13, 40, N - 1])
    for some in (at, slice(11, 30), slice(0, N)):
        block = rows.block(some)
        np.testing.assert_array_equal(dense(block), X[some])
        expected = np.zeros((K, len(X[some])))
        expected[np.arange(N)[some] % K, np.arange(len(X[some]))] = weight[some]
        np.testing.assert_allclose(block.targets.block(block.at), expected)
    features = rows.features(at)
    np.testing.assert_array_equal(features.toarray() if scipy.sparse.issparse(features) else features, X[at])
    targets, here = rows.targets_in_memory(), rows.in_memory()
    np.testing.assert_array_equal(targets.labels.codes, np.arange(N) % K)
    np.testing.assert_array_equal(targets.sample_weight, weight)
    assert (here.shape, here.dtype_of_X, here.is_sparse) == ((N, D), rows.dtype_of_X, rows.is_sparse)


@pytest.mark.parametrize("row", [0, 12, 13, N - 1])
def test_a_row_that_is_left_out_weighs_nothing(rows, X, weight, row):
    without = weight.copy()
    without[row] = 0

    def program(block):
        return (block.targets.row_weight(block.at) @ dense(block),)

    (weighted,) = rows.without(row).summed(program)
    np.testing.assert_allclose(weighted, without @ X, rtol=1e-5)
    np.testing.assert_allclose(rows.summed(program)[0], weight @ X, rtol=1e-5)


def test_what_is_gathered_of_blocks_is_in_the_order_of_the_rows(rows, X):
    (columns,) = rows.gathered(lambda block: (dense(block).T,))
    np.testing.assert_array_equal(columns, X.T)
