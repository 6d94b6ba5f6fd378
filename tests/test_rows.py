"""Row blocks: they cover the rows, copy nothing that need not change, and add up to the same sums."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse

from skce import _rows
from skce._rows import RowBlocks
from skce._threads import Workers

CONTAINERS = [np.ascontiguousarray, np.asfortranarray, scipy.sparse.csr_array, scipy.sparse.csr_matrix]


@pytest.fixture
def X(rng):
    return rng.standard_normal((12, 3)) * rng.integers(0, 2, size=(12, 3))


@pytest.fixture
def _small_blocks(monkeypatch):
    monkeypatch.setattr(_rows, "ROWS_PER_BLOCK", 1)
    monkeypatch.setattr(_rows, "NUMBERS_PER_SPARSE_COLUMN", 0)
    for name in ("ELEMENTS_PER_BLOCK", "ELEMENTS_PER_THREADED_BLOCK", "NUMBERS_PER_SPARSE_BLOCK"):
        monkeypatch.setattr(_rows, name, 5)


def dense(block):
    return block.toarray() if scipy.sparse.issparse(block) else block


@pytest.mark.usefixtures("_small_blocks")
@pytest.mark.parametrize("container", CONTAINERS)
def test_blocks_cover_the_rows_and_are_views(container, X):
    rows = RowBlocks(container(X), 1)
    blocks = [rows.block(some) for some in rows.usual_slices]
    assert [block.shape[0] for block in blocks] == ([3, 3, 3, 3] if rows.is_sparse else [5, 5, 2])
    np.testing.assert_array_equal(np.vstack([dense(block) for block in blocks]), X)
    for block in blocks:
        if rows.is_sparse:
            assert np.shares_memory(block.data, rows.X.data) or block.nnz == 0
        else:
            assert np.shares_memory(block, rows.X)


def test_one_block_of_all_rows_is_the_matrix_itself(X):
    matrix = scipy.sparse.csr_array(X)
    assert RowBlocks(matrix, 1).block(slice(0, 12)) is matrix


@pytest.mark.usefixtures("_small_blocks")
@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
@pytest.mark.parametrize("container", CONTAINERS)
def test_sums_do_not_depend_on_blocks_or_threads(container, n_threads, X, rng):
    weight = rng.uniform(size=12)
    with ThreadPoolExecutor(n_threads) as pool:
        rows = RowBlocks(container(X), 2, workers=Workers(n_threads, pool.map))
        total, sums = rows.summed(lambda some, block: (weight[some].sum(), weight[some] @ block))
        again = rows.summed(lambda some, block: (weight[some].sum(), weight[some] @ block))
    assert total == pytest.approx(weight.sum(), rel=1e-14)
    np.testing.assert_allclose(sums, weight @ X, rtol=1e-13, atol=1e-15)
    np.testing.assert_array_equal(sums, again[1])


@pytest.mark.usefixtures("_small_blocks")
@pytest.mark.parametrize("container", CONTAINERS)
def test_sums_over_chosen_rows(container, X):
    chosen = np.array([0, 0, 3, 4, 7, 11])
    (sums,) = RowBlocks(container(X), 2).summed(lambda some, block: (np.ones(len(some)) @ block,), chosen, n_columns=2)
    np.testing.assert_allclose(sums, X[chosen].sum(axis=0), rtol=1e-14)


def test_threads_share_the_rows_of_a_sparse_matrix_evenly(X):
    rows = RowBlocks(scipy.sparse.csr_array(X), 2, workers=Workers(3, map))
    assert [some.stop - some.start for some in rows.usual_slices] == [4, 4, 4]


def test_a_shift_keeps_the_digits_of_the_spread_in_float32(rng):
    X = (rng.standard_normal((12, 2)) + np.array([1e5, 0])).astype(np.float32)
    shift = np.array([X[:, 0].mean(dtype=float), 0.0])
    block = RowBlocks(X, 1, shift=shift, dtype=np.float32).block(slice(0, 12))
    assert block.dtype == np.float32
    np.testing.assert_allclose(block, X.astype(float) - shift, rtol=1e-7)
