"""Row blocks: they cover the rows, copy nothing that need not change, and add up to the same sums."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse

from skce._labels.kinds_of_y import HardLabels
from skce._links import targets as link_targets
from skce._links.softmax import Softmax
from skce._rows import blocks
from skce._rows.blocks import RowBlocks
from skce._rows.threads import Workers
from tests.problems import targets_of

CONTAINERS = [np.ascontiguousarray, np.asfortranarray, scipy.sparse.csr_array, scipy.sparse.csr_matrix]


@pytest.fixture
def X(rng):
    return rng.standard_normal((12, 3)) * rng.integers(0, 2, size=(12, 3))


@pytest.fixture
def targets(rng):
    """Of twelve rows, three classes and unequal weights, of which row 3 has none."""
    sample_weight = rng.uniform(size=12) * (np.arange(12) != 3)
    return targets_of(Softmax, HardLabels(np.arange(12) % 3, 3), sample_weight, np.array([1.0, 3.0, 1.0]), 0.0)


@pytest.fixture
def _small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "ROWS_PER_BLOCK", 1)
    monkeypatch.setattr(blocks, "BYTES_TO_ADD", 0)
    monkeypatch.setattr(blocks, "NUMBERS_PER_SPARSE_COLUMN", 0)
    for name in ("ELEMENTS_PER_BLOCK", "ELEMENTS_PER_THREADED_BLOCK", "NUMBERS_PER_SPARSE_BLOCK"):
        monkeypatch.setattr(blocks, name, 5)


def dense(block):
    return block.toarray() if scipy.sparse.issparse(block) else block


@pytest.mark.usefixtures("_small_blocks")
@pytest.mark.parametrize("container", CONTAINERS)
def test_blocks_cover_the_rows_and_are_views(container, X, targets):
    rows = RowBlocks(container(X), targets)
    blocks = [rows.features(some) for some in rows.usual_slices]
    assert [block.shape[0] for block in blocks] == ([1] * 12)
    np.testing.assert_array_equal(np.vstack([dense(block) for block in blocks]), X)
    for block in blocks:
        if rows.is_sparse:
            assert np.shares_memory(block.data, rows.X.data) or block.nnz == 0
        else:
            assert np.shares_memory(block, rows.X)


def test_one_block_of_all_rows_is_the_matrix_itself(X):
    matrix = scipy.sparse.csr_array(X)
    assert RowBlocks(matrix, None).features(slice(0, 12)) is matrix


@pytest.mark.usefixtures("_small_blocks")
@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
@pytest.mark.parametrize("container", CONTAINERS)
def test_sums_do_not_depend_on_blocks_or_threads(container, n_threads, X, targets):
    def weighted(block):
        weight = block.targets.row_weight(block.at)
        return weight.sum(), weight @ block.X

    weight = targets.row_weight(slice(0, 12))
    with ThreadPoolExecutor(n_threads) as pool:
        rows = RowBlocks(container(X), targets, workers=Workers(n_threads, pool.map))
        total, sums = rows.summed(weighted)
        again = rows.summed(weighted)
    assert total == pytest.approx(weight.sum(), rel=1e-14)
    np.testing.assert_allclose(sums, weight @ X, rtol=1e-13, atol=1e-15)
    np.testing.assert_array_equal(sums, again[1])


@pytest.mark.usefixtures("_small_blocks")
@pytest.mark.parametrize("container", CONTAINERS)
def test_sums_over_chosen_rows(container, X, targets):
    chosen = np.array([0, 0, 3, 4, 7, 11])
    rows = RowBlocks(container(X), targets)
    (sums,) = rows.summed_of_chosen(lambda block: (np.ones(len(block.at)) @ block.X,), chosen, width=2)
    np.testing.assert_allclose(sums, X[chosen].sum(axis=0), rtol=1e-14)


def test_the_lowest_of_all_rows(X, targets):
    assert RowBlocks(X, targets).lowest(lambda block: block.X[:, 0]) == X[:, 0].min()


@pytest.mark.parametrize("rows_per_draw", [5, 100])
class TestDrawnRows:
    @pytest.fixture(autouse=True)
    def _rows_per_draw(self, rows_per_draw, monkeypatch):
        monkeypatch.setattr(link_targets, "ROWS_PER_WEIGHT", rows_per_draw)

    def test_in_proportion_to_weight(self, X, targets):
        weight = targets.row_weight(slice(0, 12))
        total = targets.cumulated_weights[-1]
        drawn = RowBlocks(X, targets).drawn(5000, 0.0, total)
        assert total == pytest.approx(weight.sum())
        assert len(drawn) == 5000
        assert (np.diff(drawn) >= 0).all()
        # One draw from each of 5000 equal shares: a row is off by the two shares that it does not have alone.
        np.testing.assert_allclose(np.bincount(drawn, minlength=12), 5000 * weight / weight.sum(), atol=2)

    def test_sums_over_them_estimate_those_over_all_rows(self, X, targets):
        def weighted_mean_share(block):
            assert (block.targets.row_weight(block.at) > 0).all()
            return (block.X.sum(axis=0),)

        weight, (sums,) = RowBlocks(X, targets).summed_of_drawn(weighted_mean_share, 5000)
        expected = targets.row_weight(slice(0, 12)) @ X
        np.testing.assert_allclose(weight * sums / 5000, expected, atol=0.01)

    @pytest.mark.parametrize("n_draws", [3, 64, 1000])
    @pytest.mark.parametrize("step", [1, 5, 7])
    def test_parts_of_the_rows_draw_what_the_whole_does(self, step, n_draws, X, targets):
        total = targets.cumulated_weights[-1]
        drawn, before = [], 0.0
        for some in blocks.row_slices(12, step):
            labels = HardLabels(targets.labels.codes[some], 3)
            part = RowBlocks(X[some], targets.of_rows(labels, targets.sample_weight[some]))
            drawn.append(some.start + part.drawn(n_draws, before, total))
            before += part.targets.cumulated_weights[-1]
        np.testing.assert_array_equal(np.concatenate(drawn), RowBlocks(X, targets).drawn(n_draws, 0.0, total))


def test_threads_share_the_rows_of_a_sparse_matrix_evenly(X, targets):
    rows = RowBlocks(scipy.sparse.csr_array(X), targets, workers=Workers(3, map))
    assert [some.stop - some.start for some in rows.usual_slices] == [4, 4, 4]


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_small_rows_change_their_dtype_once(container, X, targets, monkeypatch):
    rows = RowBlocks(container(X.astype(np.float32)), targets).multiplied_in(np.float64)

    def numbers_of(at):
        block = rows.features(at)
        return block.data if scipy.sparse.issparse(block) else block

    assert numbers_of(slice(0, 5)).dtype == np.float64
    assert np.shares_memory(numbers_of(slice(0, 5)), numbers_of(slice(2, 9)))
    monkeypatch.setattr(blocks, "MOST_NUMBERS_CHANGED_AT_ONCE", 11)
    rows = RowBlocks(container(X.astype(np.float32)), targets).multiplied_in(np.float64)
    assert not np.shares_memory(numbers_of(slice(0, 5)), numbers_of(slice(2, 9)))


def test_a_shift_keeps_the_digits_of_the_spread_in_float32(rng):
    X = (rng.standard_normal((12, 2)) + np.array([1e5, 0])).astype(np.float32)
    shift = np.array([X[:, 0].mean(dtype=float), 0.0])
    block = RowBlocks(X, None, shift=shift, dtype=np.float32).features(slice(0, 12))
    assert block.dtype == np.float32
    np.testing.assert_allclose(block, X.astype(float) - shift, rtol=1e-7)
