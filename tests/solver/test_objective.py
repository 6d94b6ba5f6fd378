"""The objective against loops and differences, for every loss x link x weights x kind of label and of matrix."""

import numpy as np
import pytest
import scipy.sparse

from skce._labels.kinds_of_y import HardLabels, Indicators, SoftLabels
from skce._links.binary import Binary
from skce._links.multilabel import Multilabel
from skce._links.one_vs_all import OneVsAll
from skce._links.softmax import Softmax
from skce._rows import blocks
from skce._rows.blocks import RowBlocks
from skce._solver.objective import LinearObjective
from skce.losses import CrossEntropy, FocalLoss
from tests import reference
from tests.differences import gradient_by_differences
from tests.problems import problem_of_rows, targets_of

N, D, K = 12, 3, 4
C = 0.7


@pytest.fixture
def X(rng):
    return rng.standard_normal((N, D))


def objective_of(X, targets, loss, *, C=C, fit_intercept=True, **kwargs):
    """The objective on the rows of X, in blocks as ``kwargs`` say."""
    return LinearObjective(problem_of_rows(RowBlocks(X, targets, **kwargs), loss, C=C, fit_intercept=fit_intercept))


def made_targets(kind, soft, weighted, rng):
    """Targets of a link, drawn at random."""
    n_classes = 2 if kind is Binary else K
    if kind is Multilabel:
        labels = Indicators(rng.integers(0, 2, size=(N, K)))
        class_weight = rng.uniform(size=(2, K)) if weighted else np.ones((2, K))
    else:
        hard_labels = HardLabels(np.arange(N) % n_classes, n_classes)
        labels = SoftLabels(rng.dirichlet(np.ones(n_classes), size=N)) if soft else hard_labels
        class_weight = rng.uniform(size=n_classes) if weighted else np.ones(n_classes)
    sample_weight = rng.uniform(size=N) * (np.arange(N) != 3) if weighted else np.ones(N)
    return targets_of(kind, labels, sample_weight, class_weight, 0.1 if weighted else 0.0)


@pytest.mark.parametrize(
    ("kind", "soft"),
    [
        (Multilabel, False),
        *[(kind, soft) for kind in (Softmax, Binary, OneVsAll) for soft in (False, True)],
    ],
)
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_value_and_gradient(kind, soft, weighted, loss, loss_name, X, rng):
    targets = made_targets(kind, soft, weighted, rng)
    objective = objective_of(X, targets, loss)
    params = rng.standard_normal(targets.n_outputs * (D + 1))
    coef, intercept = objective.problem.coef_intercept(params)
    values, gradient = objective(params)
    assert len(values) == objective.n_problems == (1 if kind in (Softmax, Binary) else K)

    block, phi = targets.block(slice(0, N)), reference.PHI[loss_name]
    if kind is Softmax:
        expected = reference.softmax_objective(X, block.T, phi, coef, intercept, C)
    else:
        expected = reference.sigmoid_objective(X, block.transpose(2, 1, 0), targets.total, phi, coef, intercept, C)
    assert values.sum() == pytest.approx(expected, rel=1e-12)

    differences = gradient_by_differences(lambda params: objective(params)[0].sum(), params)
    np.testing.assert_allclose(gradient, differences, atol=1e-8 * np.abs(differences).max(), rtol=0)


def test_without_an_intercept(X, rng):
    targets = made_targets(Softmax, False, True, rng)
    with_intercept = objective_of(X, targets, FocalLoss(1.0), C=np.inf, fit_intercept=True)
    without = objective_of(X, targets, FocalLoss(1.0), C=np.inf, fit_intercept=False)
    params = rng.standard_normal(K * D)
    value, gradient = without(params)
    full_value, full_gradient = with_intercept(np.concatenate([params, np.zeros(K)]))
    np.testing.assert_array_equal(value, full_value)
    np.testing.assert_array_equal(gradient, full_gradient[: K * D])


def test_flat_and_coef_intercept_are_inverse(X, rng):
    targets = made_targets(Softmax, False, False, rng)
    objective = objective_of(X, targets, FocalLoss(1.0))
    params = rng.standard_normal(K * (D + 1))
    np.testing.assert_array_equal(objective.problem.flat(*objective.problem.coef_intercept(params)), params)


def test_the_size_of_blocks_does_not_matter(X, rng, monkeypatch):
    targets = made_targets(OneVsAll, True, True, rng)
    params = rng.standard_normal(K * (D + 1))
    value, gradient = objective_of(X, targets, FocalLoss(1.0))(params)
    for elements in (1, 5 * K, 7 * K):
        monkeypatch.setattr(blocks, "ROWS_PER_BLOCK", 1)
        monkeypatch.setattr(blocks, "BYTES_TO_ADD", 0)
        monkeypatch.setattr(blocks, "ELEMENTS_PER_BLOCK", elements)
        objective = objective_of(X, targets, FocalLoss(1.0))
        assert len(objective.rows.usual_slices) > 1
        block_value, block_gradient = objective(params)
        np.testing.assert_allclose(block_value, value, rtol=1e-13)
        np.testing.assert_allclose(block_gradient, gradient, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("container", ["fortran", "float32", "csr_matrix", "csr_array", "memmap", "int64 indices"])
def test_the_kind_of_matrix_does_not_matter(container, X, rng, tmp_path, monkeypatch):
    X = np.round(X, 2).astype(np.float32).astype(float)
    targets = made_targets(Softmax, True, True, rng)
    params = rng.standard_normal(K * (D + 1))
    value, gradient = objective_of(X, targets, FocalLoss(1.0))(params)
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
    monkeypatch.setattr(blocks, "ROWS_PER_BLOCK", 1)
    monkeypatch.setattr(blocks, "BYTES_TO_ADD", 0)
    monkeypatch.setattr(blocks, "ELEMENTS_PER_BLOCK", 5 * K)
    monkeypatch.setattr(blocks, "NUMBERS_PER_SPARSE_BLOCK", 5 * K)
    monkeypatch.setattr(blocks, "NUMBERS_PER_SPARSE_COLUMN", 0)
    other_value, other_gradient = objective_of(X, targets, FocalLoss(1.0))(params)
    np.testing.assert_allclose(other_value, value, rtol=1e-13)
    np.testing.assert_allclose(other_gradient, gradient, rtol=1e-11, atol=1e-14)


def test_shifted_blocks_change_nothing_but_the_rounding(X, rng):
    targets = made_targets(Softmax, True, True, rng)
    coef, intercept = rng.standard_normal((K, D)), rng.standard_normal(K)
    plain, shifted = objective_of(X, targets, FocalLoss(1.0)), objective_of(X, targets, FocalLoss(1.0), shift=X[0])
    params = shifted.problem.flat(coef, intercept)
    for actual, expected in zip(shifted.problem.coef_intercept(params), (coef, intercept), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-13)
    assert shifted(params)[0] == pytest.approx(plain(plain.problem.flat(coef, intercept))[0], rel=1e-13)
    differences = gradient_by_differences(lambda params: shifted(params)[0].sum(), params)
    np.testing.assert_allclose(shifted(params)[1], differences, atol=1e-8)


def test_products_in_float32_have_its_accuracy(X, rng):
    X = X.astype(np.float32)
    for kind in (Softmax, Binary, OneVsAll, Multilabel):
        targets = made_targets(kind, False, True, rng)
        for loss in (CrossEntropy(), FocalLoss(1.0)):
            single = objective_of(X, targets, loss, dtype=np.float32)
            params = rng.standard_normal(single.shape).reshape(-1)
            value, gradient = single(params)
            expected_value, expected_gradient = objective_of(X, targets, loss)(params)
            assert value.dtype == gradient.dtype == np.float64
            np.testing.assert_allclose(value, expected_value, rtol=1e-6)
            np.testing.assert_allclose(gradient, expected_gradient, atol=1e-6)


def test_columns_without_mass_have_no_parameters(X, rng):
    targets = targets_of(Softmax, HardLabels(np.arange(N) % 3, 5), np.ones(N), np.array([1.0, 0.0, 2.0, 1.0, 1.0]), 0.0)
    objective = objective_of(X, targets, CrossEntropy())
    assert targets.outputs.tolist() == [0, 2]
    params = rng.standard_normal(objective.shape).reshape(-1)
    differences = gradient_by_differences(lambda params: objective(params)[0].sum(), params)
    np.testing.assert_allclose(objective(params)[1], differences, atol=1e-8)


def test_the_certificate_is_the_distance_of_a_quadratic_at_least(X, rng):
    # Strong convexity says F(x) - min F <= |gradient|^2 / (2 penalty), with equality for the penalty alone.
    targets = made_targets(Softmax, False, False, rng)
    objective = objective_of(X, targets, CrossEntropy(), C=2.0, fit_intercept=False)
    coef = rng.standard_normal((D, K))
    gradient = objective.problem.penalty.ridge * coef.reshape(-1)
    assert objective.strong_convexity_bound(gradient, np.zeros(D)) == pytest.approx(
        objective.problem.penalty.ridge / 2 * (coef**2).sum()
    )


def test_separated_problems_are_those_whose_rows_are_all_certain(rng):
    X, codes = np.array([[-1.0], [1.0], [2.0]]), np.array([0, 1, 1])
    objective = objective_of(
        X, targets_of(Binary, HardLabels(codes, 2), np.ones(3), np.ones(2), 0.0), CrossEntropy(), C=np.inf
    )
    assert objective.separated_problems(np.array([20.0, 0.0])).tolist() == [True]
    assert objective.separated_problems(np.array([10.0, 0.0])).tolist() == [False]
    labels = Indicators(np.array([[0, 1], [1, 0], [1, 1]]))
    two_labels = targets_of(Multilabel, labels, np.ones(3), np.ones((2, 2)), 0.0)
    objective = objective_of(X, two_labels, CrossEntropy(), C=np.inf)
    assert objective.separated_problems(np.array([[30.0, 1.0], [0.0, 1.0]]).reshape(-1)).tolist() == [True, False]
