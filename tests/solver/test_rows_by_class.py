"""Kronecker curvature with rows of each class: that of the definition, by plain loops; and what it saves."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse

from skce import SoftmaxRegressor
from skce._labels.kinds_of_y import HardLabels
from skce._links.one_vs_all import OneVsAll
from skce._links.softmax import Softmax
from skce._rows.blocks import RowBlocks
from skce._rows.threads import Workers
from skce._solver.curvature import ladder, rows_by_class
from skce._solver.curvature.by_class import weights_by_class
from skce._solver.curvature.ladder import rungs_for
from skce._solver.curvature.rows_by_class import RowsByClassCurvature
from skce._solver.objective import LinearObjective
from skce._solver.standardisation import Standardisation
from skce.losses import CrossEntropy
from tests.problems import assert_is_a_change_of_variables, problem_of_rows, targets_of

N, D, K = 80, 6, 5


@pytest.fixture(params=[True, False])
def fit_intercept(request):
    return request.param


@pytest.fixture
def objective(rng, fit_intercept):
    X = rng.standard_normal((N, D)) * [1, 1e3, 1e-3, 1, 1, 1] + [0, 5e3, 0, 1, 0, 0]
    return objective_of(X, K, rng.uniform(size=N), fit_intercept)


@pytest.fixture
def standardisation(objective):
    return Standardisation.of(objective.problem)


@pytest.fixture
def params(objective, standardisation, rng):
    return standardisation.to_params(2 * rng.standard_normal(objective.shape)).reshape(-1)


def objective_of(X, n_classes, weight, fit_intercept=True, link=Softmax):
    labels = HardLabels(np.arange(X.shape[0]) % n_classes, n_classes)
    targets = targets_of(link, labels, weight, np.ones(n_classes), 0.1)
    return LinearObjective(problem_of_rows(RowBlocks(X, targets), CrossEntropy(), C=2.0, fit_intercept=fit_intercept))


def rows_with_weights(curvature):
    """Rows of each class, and the roots of their weights."""
    of_classes = curvature.of_classes
    return [
        (of_classes.indices[start:end], of_classes.data[start:end])
        for start, end in zip(of_classes.indptr[:-1], of_classes.indptr[1:], strict=True)
    ]


def test_gradients_map_by_the_transpose_of_what_maps_parameters(objective, standardisation, params, rng):
    curvature = RowsByClassCurvature(objective, params, standardisation)
    assert curvature.of_classes.nnz
    assert_is_a_change_of_variables(curvature, objective, rng)


def test_is_the_inverse_of_the_kronecker_curvature_and_what_the_rows_add(objective, standardisation, params, rng):
    curvature = RowsByClassCurvature(objective, params, standardisation, objective(params)[1])
    kronecker = curvature.kronecker
    gradient = rng.standard_normal(objective.shape).reshape(-1)
    before, after = (of.pull_back(gradient).reshape(objective.shape) for of in (kronecker, curvature))
    columns = standardisation.columns_of(objective.rows.X)[:D].T
    for k, (rows, roots) in enumerate(rows_with_weights(curvature)):
        hessian = np.eye(D)
        for row, root in zip(rows, roots, strict=True):
            whitened = kronecker.scale[:D, k] * (kronecker.vectors.T @ (columns[row] - kronecker.mean[:, k])) * root
            hessian += np.outer(whitened, whitened)
        assert after[:D, k] @ after[:D, k] == pytest.approx(
            before[:D, k] @ np.linalg.solve(hessian, before[:D, k]), rel=1e-4
        )
    np.testing.assert_array_equal(after[D:], before[D:])


def test_rows_of_a_class_are_those_that_curve_it_most(objective, standardisation, params, monkeypatch):
    block = objective.rows.block(slice(0, N))
    weights = weights_by_class(objective.curvature_at(params)(block), block) / objective.problem.total
    squares = weights * standardisation.squared_norms(block.X)
    of_all = rows_with_weights(RowsByClassCurvature(objective, params, standardisation))
    monkeypatch.setattr(rows_by_class, "NUMBERS_OF_MATRICES", K)
    curvature = RowsByClassCurvature(objective, params, standardisation)
    for k, (rows, roots) in enumerate(rows_with_weights(curvature)):
        np.testing.assert_allclose(roots**2, weights[k, rows])
        assert len(rows) == min(len(of_all[k][0]), 1)
        assert set(rows) == set(np.argsort(-squares[k])[: len(rows)])
    assert max(len(rows) for rows, _ in of_all) > 1


def test_what_the_rows_of_a_class_curve_is_taken_out_of_what_the_others_do(objective, standardisation, params):
    curvature = RowsByClassCurvature(objective, params, standardisation)
    own = np.array([(roots**2).sum() for _, roots in rows_with_weights(curvature)])
    others = curvature.kronecker.by_direction
    least = rows_by_class.KroneckerCurvature(
        objective, params, standardisation, classes=curvature.classes, n_draws=N
    ).by_direction
    np.testing.assert_allclose(others, np.maximum(least - own, 1e-3 * least))
    assert (others < least).any()


def test_where_all_rows_curve_alike_there_are_none_of_a_class(rng):
    X = rng.choice([-1.0, 1.0], size=(N, D))
    objective = objective_of(X, K, np.ones(N))
    standardisation, params = Standardisation.of(objective.problem), np.zeros((D + 1) * K)
    curvature = RowsByClassCurvature(objective, params, standardisation)
    assert not curvature.of_classes.nnz
    slope = rng.standard_normal(len(params))
    np.testing.assert_array_equal(curvature.to_params(slope), curvature.kronecker.to_params(slope))


def test_is_the_same_where_threads_share_the_classes(objective, standardisation, params, rng):
    alone = RowsByClassCurvature(objective, params, standardisation)
    gradient = rng.standard_normal(len(params))
    with ThreadPoolExecutor(3) as pool:
        rows = replace(objective.rows, workers=Workers(3, pool.map))
        shared = RowsByClassCurvature(LinearObjective(replace(objective.problem, rows=rows)), params, standardisation)
        np.testing.assert_allclose(shared.pull_back(gradient), alone.pull_back(gradient), rtol=1e-6, atol=1e-12)


def test_where_it_is_used(rng, monkeypatch):
    monkeypatch.setattr(ladder, "NUMBERS_OF_FACTORS", 2**10)
    monkeypatch.setattr(ladder, "LARGEST_FACTOR", 100)
    X = rng.standard_normal((600, 20))

    def is_used(X, n_classes, link=Softmax):
        objective = objective_of(X, n_classes, np.ones(X.shape[0]), link=link)
        return RowsByClassCurvature in [rung.curvature for rung in rungs_for(objective)]

    assert is_used(X, 100)
    assert not is_used(X, 99)
    assert not is_used(X, 100, OneVsAll)
    assert not is_used(scipy.sparse.csr_array(X), 100)
    monkeypatch.setattr(ladder, "NUMBERS_OF_FACTORS", 2**20)
    assert not is_used(X, 100)  # each class has a curvature of its own


def test_rows_that_stand_out_leave_others_what_they_curve(rng):
    X = np.vstack([rng.standard_normal((4000, D)), np.full((3, D), 1e3) + 1e-3 * rng.standard_normal((3, D))])
    objective = objective_of(X, K, np.ones(len(X)))
    standardisation = Standardisation.of(objective.problem)
    params = np.zeros(objective.shape)
    params[:D] = 1e-4 * rng.standard_normal((D, K))
    params[D] = 9 * (np.arange(K) - K / 2)  # so certain are others that hardly any of them curves
    curvature = RowsByClassCurvature(objective, params.reshape(-1), standardisation)
    kronecker = curvature.kronecker
    columns = standardisation.columns_of(objective.rows.X)[:D].T
    largest = 0.0
    for k, (rows, roots) in enumerate(rows_with_weights(curvature)):
        whitened = (columns[rows] - kronecker.mean[:, k]) @ kronecker.vectors * kronecker.scale[:D, k] * roots[:, None]
        gram = whitened @ whitened.T
        largest = max(largest, gram.max(initial=0.0))
        matrix = curvature.matrices[k]
        undone = np.eye(D) - whitened.T @ matrix @ whitened
        curved = np.linalg.eigvalsh(undone.T @ (np.eye(D) + whitened.T @ whitened) @ undone)
        assert 0.5 < curved.min() <= curved.max() < 2
    assert largest > 1e4


def test_is_without_rows_that_rounding_leaves_no_factor_of():
    gram = np.full((2, 2), 1e20)
    gram[0, 1] = gram[1, 0] = 1.1e20
    assert not rows_by_class._matrix_of(gram).any()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_classes_that_rows_of_their_own_curve_take_fewer_passes(rng, monkeypatch, dtype):
    n, d, n_classes = 2400, 96, 120
    X = rng.standard_normal((n, d)).astype(dtype)
    scores = X @ rng.standard_normal((d, n_classes)) / np.sqrt(d)
    y = (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
    monkeypatch.setattr(ladder, "has_curvature_by_class", lambda objective: False)
    with_rows = SoftmaxRegressor().fit(X, y)
    monkeypatch.setattr(ladder, "has_rows_by_class", lambda objective: False)
    without = SoftmaxRegressor().fit(X, y)
    assert with_rows.is_certified_
    assert with_rows.loss_ == pytest.approx(without.loss_, rel=2e-7)
    assert with_rows.n_passes_ <= 0.9 * without.n_passes_
