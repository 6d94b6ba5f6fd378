"""Columns that a single row has are merged: the optimum, its gauge and its start are those of all columns."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.linear_model import LogisticRegression

from skce import OneVsAllClassifier, SoftmaxRegressor
from skce._labels.kinds_of_y import HardLabels
from skce._links.softmax import Softmax
from skce._rows.blocks import RowBlocks
from skce._rows.columns import merged_columns
from skce._solver.objective import LinearObjective
from skce._solver.standardisation import moments_of
from skce.losses import CrossEntropy
from tests.problems import problem_of_rows, targets_of

N, K, SHARED, RARE, EMPTY = 40, 3, 6, 70, 9
D = SHARED + RARE + EMPTY


@pytest.fixture
def y():
    return np.arange(N) % K


@pytest.fixture
def X(rng, y):
    """Some columns that many rows have, more that a single one has, and some without numbers; shuffled."""
    dense = np.zeros((N, D))
    dense[:, :SHARED] = rng.poisson(1.0, size=(N, SHARED)) + (y[:, None] == np.arange(SHARED) % K)
    dense[rng.integers(0, N // 2, size=RARE), SHARED + np.arange(RARE)] = rng.standard_normal(RARE)
    return scipy.sparse.csr_array(dense[:, rng.permutation(D)])


def untidy(X):
    """The same matrix with unsorted and duplicate indices, explicit zeros, and indices of 64 bits."""
    coo = X.tocoo()
    n_zeros = 5
    rows = np.concatenate([coo.row, coo.row, np.arange(n_zeros)])
    columns = np.concatenate([coo.col, coo.col, np.arange(n_zeros) + D - n_zeros])
    numbers = np.concatenate([0.25 * coo.data, 0.75 * coo.data, np.zeros(n_zeros)])
    order = np.lexsort([-columns, rows])
    indptr = np.searchsorted(rows[order], np.arange(N + 1))
    untidy = scipy.sparse.csr_array((numbers[order], columns[order].astype(np.int64), indptr), shape=X.shape)
    assert untidy.nnz == len(numbers)
    return untidy


def problem_of(X, y, **options):
    targets = targets_of(Softmax, HardLabels(y, K), np.ones(N), np.ones(K), 0.0)
    return problem_of_rows(RowBlocks(X, targets), CrossEntropy(), **options)


def reference(X, y, *, C=1.0, **options):
    return LogisticRegression(C=C, tol=1e-10, max_iter=10_000, **options).fit(X, y)


def test_inner_products_are_those_of_all_columns(X):
    merged, merging = merged_columns(X)
    n_columns = SHARED + len(np.unique(X.tocsc().indices[X.tocsc().indptr[:-1][np.diff(X.tocsc().indptr) == 1]]))
    assert merging.shape == (D, n_columns)
    np.testing.assert_allclose((merging.T @ merging).toarray(), np.eye(n_columns), atol=1e-14)
    np.testing.assert_allclose((X @ merging @ merging.T).toarray(), X.toarray(), atol=1e-14)
    np.testing.assert_allclose(merged.toarray(), (X @ merging).toarray(), atol=1e-14)
    assert merged.has_canonical_format


def test_untidy_matrices_have_the_same_inner_products(X):
    X = untidy(X)
    for sparse in (X, scipy.sparse.csr_array((0.0 * X.data, X.indices, X.indptr), shape=X.shape)):
        if (merged := merged_columns(sparse)) is not None:
            np.testing.assert_allclose((merged[0] @ merged[1].T).toarray(), sparse.toarray(), atol=1e-14)


def test_numbers_whose_squares_leave_the_floats_are_merged(X):
    for scale in (1e-200, 1e200):
        merged, merging = merged_columns(scale * X)
        np.testing.assert_allclose((merging.T @ merging).toarray(), np.eye(merging.shape[1]), atol=1e-14)
        np.testing.assert_allclose(merged.toarray() / scale, (X @ merging).toarray(), rtol=1e-12)


def test_nothing_is_merged_that_saves_little(X):
    assert merged_columns(scipy.sparse.csr_array(X.shape)) is None
    assert merged_columns(X[:, np.diff(X.tocsc().indptr) > 1]) is None


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_objective_and_moments_are_those_of_the_merged_columns(X, y, fit_intercept, rng):
    whole = problem_of(X, y, C=2.0, fit_intercept=fit_intercept)
    merged = whole.merged()
    assert merged.shape[0] < whole.shape[0]
    moments = moments_of(merged.rows)
    if not fit_intercept:
        moments = moments.about_zero()
    np.testing.assert_allclose(merged.moments.mean, moments.mean, atol=1e-14)
    np.testing.assert_allclose(merged.moments.variance, moments.variance, rtol=1e-12, atol=1e-14)
    params = rng.standard_normal(merged.shape).reshape(-1)
    value = LinearObjective(merged)(params)[0].sum()
    coef_intercept = merged.coef_intercept(params)
    np.testing.assert_allclose(LinearObjective(whole)(whole.flat(*coef_intercept))[0].sum(), value, rtol=1e-12)
    np.testing.assert_allclose(merged.flat(*coef_intercept), params, rtol=1e-12, atol=1e-14)
    anywhere = rng.standard_normal(whole.shape).reshape(-1)
    projected = merged.flat(*whole.coef_intercept(anywhere))
    assert LinearObjective(merged)(projected)[0].sum() <= LinearObjective(whole)(anywhere)[0].sum()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_optimum_is_that_of_all_columns(X, y, dtype, fit_intercept):
    X = X.astype(dtype)
    model = SoftmaxRegressor(tol=1e-12 if dtype is np.float64 else 1e-8, fit_intercept=fit_intercept).fit(X, y)
    expected = reference(X.astype(np.float64), y, fit_intercept=fit_intercept)
    atol = 1e-5 if dtype is np.float64 else 1e-3
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=atol)
    np.testing.assert_allclose(model.intercept_, expected.intercept_, atol=atol)
    assert model.coef_.dtype == dtype
    np.testing.assert_array_equal(model.coef_[:, np.diff(X.tocsc().indptr) == 0], 0)
    np.testing.assert_allclose(model.coef_.sum(axis=0), 0, atol=1e-6)


def test_untidy_matrices_have_the_same_optimum(X, y):
    tidy, other = SoftmaxRegressor(tol=1e-12).fit(X, y), SoftmaxRegressor(tol=1e-12).fit(untidy(X), y)
    np.testing.assert_allclose(other.coef_, tidy.coef_, atol=1e-6)


def test_binary_and_one_vs_all_have_the_same_optimum(X, y):
    is_first = y == 0
    model = SoftmaxRegressor(tol=1e-12).fit(X, is_first)
    np.testing.assert_allclose(model.coef_, reference(X, is_first).coef_, atol=1e-5)
    columns = OneVsAllClassifier(tol=1e-12).fit(X, y)
    np.testing.assert_allclose(columns.coef_[0], reference(X, is_first).coef_[0], atol=1e-5)


def test_rows_without_weight_are_as_none(X, y):
    weight = (np.arange(N) % 4 > 0).astype(float)
    of_weights = SoftmaxRegressor(tol=1e-12).fit(X, y, sample_weight=weight)
    of_rows = SoftmaxRegressor(tol=1e-12).fit(X[weight > 0], y[weight > 0])
    np.testing.assert_allclose(of_weights.coef_, of_rows.coef_, atol=1e-6)


def test_a_warm_start_is_where_the_last_fit_ended(X, y, rng):
    model = SoftmaxRegressor(tol=1e-10).fit(X, y)
    loss = model.loss_
    model.set_params(warm_start=True).fit(X, y)
    assert model.loss_curve_[0] <= loss * (1 + 1e-12)
    given = model.coef_ + 1e-3 * rng.standard_normal(model.coef_.shape)  # not what merged columns can stand for
    given -= given.mean(axis=0)
    model.coef_ = given.copy()
    with pytest.warns(UserWarning, match="max_iter=0"):
        model.set_params(max_iter=0).fit(X, y)
    np.testing.assert_allclose(model.coef_, given, atol=1e-12)
