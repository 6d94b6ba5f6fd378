"""The objective against loops and differences, for every loss x link x weights x kind of label; and its rows."""

import numpy as np
import pytest
import scipy.sparse

from skce import _rows
from skce._objective import LinearObjective
from skce._rows import row_block, row_slices
from skce._targets import (
    BinaryTargets,
    HardLabels,
    Indicators,
    MultilabelTargets,
    OneVsAllTargets,
    SoftLabels,
    SoftmaxTargets,
)
from skce.losses import FocalLoss
from tests import reference
from tests.differences import gradient_by_differences

N, D, K = 12, 3, 4
C = 0.7


@pytest.fixture
def X(rng):
    return rng.standard_normal((N, D))


def made_targets(kind, soft, weighted, rng):
    """Targets of a link, drawn at random."""
    n_classes = 2 if kind is BinaryTargets else K
    if kind is MultilabelTargets:
        labels = Indicators(rng.integers(0, 2, size=(N, K)))
        class_weight = rng.uniform(size=(2, K)) if weighted else np.ones((2, K))
    else:
        hard_labels = HardLabels(np.arange(N) % n_classes, n_classes)
        labels = SoftLabels(rng.dirichlet(np.ones(n_classes), size=N)) if soft else hard_labels
        class_weight = rng.uniform(size=n_classes) if weighted else np.ones(n_classes)
    sample_weight = rng.uniform(size=N) * (np.arange(N) != 3) if weighted else np.ones(N)
    return kind(labels, sample_weight, class_weight, 0.1 if weighted else 0.0)


@pytest.mark.parametrize(
    ("kind", "soft"),
    [
        (MultilabelTargets, False),
        *[(kind, soft) for kind in (SoftmaxTargets, BinaryTargets, OneVsAllTargets) for soft in (False, True)],
    ],
)
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_value_and_gradient(kind, soft, weighted, loss, loss_name, X, rng):
    targets = made_targets(kind, soft, weighted, rng)
    objective = LinearObjective(X, targets, loss, C=C, fit_intercept=True)
    params = rng.standard_normal(targets.n_outputs * (D + 1))
    coef, intercept = objective.coef_intercept(params)
    value, gradient = objective(params)

    block, phi = targets.block(slice(0, N)), reference.PHI[loss_name]
    if kind is SoftmaxTargets:
        expected = reference.softmax_objective(X, block.T, phi, coef, intercept, C)
    else:
        expected = reference.sigmoid_objective(X, block.transpose(2, 1, 0), targets.total, phi, coef, intercept, C)
    assert value == pytest.approx(expected, rel=1e-12)

    differences = gradient_by_differences(lambda params: objective(params)[0], params)
    np.testing.assert_allclose(gradient, differences, atol=1e-8 * np.abs(differences).max(), rtol=0)


def test_without_an_intercept(X, rng):
    targets = made_targets(SoftmaxTargets, False, True, rng)
    with_intercept = LinearObjective(X, targets, FocalLoss(1.0), C=np.inf, fit_intercept=True)
    without = LinearObjective(X, targets, FocalLoss(1.0), C=np.inf, fit_intercept=False)
    params = rng.standard_normal(K * D)
    value, gradient = without(params)
    full_value, full_gradient = with_intercept(np.concatenate([params, np.zeros(K)]))
    assert value == full_value
    np.testing.assert_array_equal(gradient, full_gradient[: K * D])


def test_flat_and_coef_intercept_are_inverse(X, rng):
    targets = made_targets(SoftmaxTargets, False, False, rng)
    objective = LinearObjective(X, targets, FocalLoss(1.0), C=C, fit_intercept=True)
    params = rng.standard_normal(K * (D + 1))
    np.testing.assert_array_equal(objective.flat(*objective.coef_intercept(params)), params)


def test_the_size_of_blocks_does_not_matter(X, rng, monkeypatch):
    targets = made_targets(OneVsAllTargets, True, True, rng)
    objective = LinearObjective(X, targets, FocalLoss(1.0), C=C, fit_intercept=True)
    params = rng.standard_normal(K * (D + 1))
    value, gradient = objective(params)
    for elements in (1, 5 * K, 7 * K):
        monkeypatch.setattr(_rows, "ROWS_PER_BLOCK", 1)
        monkeypatch.setattr(_rows, "ELEMENTS_PER_BLOCK", elements)
        assert len(row_slices(X, K)) > 1
        block_value, block_gradient = objective(params)
        assert block_value == pytest.approx(value, rel=1e-13)
        np.testing.assert_allclose(block_gradient, gradient, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("container", ["fortran", "float32", "csr_matrix", "csr_array", "memmap", "int64 indices"])
def test_the_kind_of_matrix_does_not_matter(container, X, rng, tmp_path, monkeypatch):
    X = np.round(X, 2).astype(np.float32).astype(float)
    targets = made_targets(SoftmaxTargets, True, True, rng)
    params = rng.standard_normal(K * (D + 1))
    value, gradient = LinearObjective(X, targets, FocalLoss(1.0), C=C, fit_intercept=True)(params)
    if container == "memmap":
        np.save(tmp_path / "X.npy", X)
        X = np.load(tmp_path / "X.npy", mmap_mode="r")
    elif container == "int64 indices":
        X = scipy.sparse.csr_array(X)
        X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    else:
        convert = {
            "fortran": np.asfortranarray,
            "float32": lambda X: X.astype(np.float32),
            "csr_matrix": scipy.sparse.csr_matrix,
            "csr_array": scipy.sparse.csr_array,
        }[container]
        X = convert(X)
    monkeypatch.setattr(_rows, "ROWS_PER_BLOCK", 1)
    monkeypatch.setattr(_rows, "ELEMENTS_PER_BLOCK", 5 * K)
    monkeypatch.setattr(_rows, "ELEMENTS_PER_SPARSE_BLOCK", 5 * K)
    other_value, other_gradient = LinearObjective(X, targets, FocalLoss(1.0), C=C, fit_intercept=True)(params)
    assert other_value == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(other_gradient, gradient, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("container", [np.ascontiguousarray, np.asfortranarray, scipy.sparse.csr_array])
def test_blocks_cover_the_rows_and_are_views_of_a_dense_array(container, X, monkeypatch):
    monkeypatch.setattr(_rows, "ROWS_PER_BLOCK", 1)
    monkeypatch.setattr(_rows, "ELEMENTS_PER_BLOCK", 5)
    monkeypatch.setattr(_rows, "ELEMENTS_PER_SPARSE_BLOCK", 5)
    matrix = container(X)
    blocks = [row_block(matrix, rows) for rows in row_slices(matrix, 1)]
    assert [block.shape[0] for block in blocks] == [5, 5, 2]
    stacked = np.vstack([block.toarray() if scipy.sparse.issparse(block) else block for block in blocks])
    np.testing.assert_array_equal(stacked, X)
    assert all(scipy.sparse.issparse(block) or np.shares_memory(block, matrix) for block in blocks)
