"""Curvature class by class: that of the definition, by plain loops; and what leads to the minimum by it."""

import numpy as np
import pytest
import scipy.sparse

from skce import SoftmaxRegressor
from skce._labels.kinds_of_y import HardLabels
from skce._links.one_vs_all import OneVsAll
from skce._links.softmax import Softmax
from skce._rows.blocks import RowBlocks
from skce._solver import minimisation
from skce._solver.curvature import by_class, ladder
from skce._solver.curvature.by_class import ClassCurvature
from skce._solver.curvature.diagonal import DiagonalCurvature
from skce._solver.curvature.kronecker import KroneckerCurvature
from skce._solver.curvature.ladder import Rung, first_rung, next_rung, rungs_for
from skce._solver.objective import LinearObjective
from skce._solver.standardisation import Standardisation
from skce.losses import CrossEntropy
from tests.problems import TIGHT, assert_is_a_change_of_variables, overlapping, problem_of_rows, targets_of, whole

N, D, K = 60, 4, 3


@pytest.fixture(params=[True, False])
def fit_intercept(request):
    return request.param


@pytest.fixture
def objective(rng, fit_intercept):
    X = rng.standard_normal((N, D)) * [1, 1e3, 1e-3, 1] + [0, 5e3, 0, 1]
    targets = targets_of(Softmax, HardLabels(np.arange(N) % K, K), rng.uniform(size=N), np.ones(K), 0.1)
    return LinearObjective(problem_of_rows(RowBlocks(X, targets), CrossEntropy(), C=2.0, fit_intercept=fit_intercept))


@pytest.fixture
def standardisation(objective):
    return Standardisation.of(objective.problem)


@pytest.fixture
def params(objective, standardisation, rng):
    return standardisation.to_params(2 * rng.standard_normal(objective.shape)).reshape(-1)


def test_gradients_map_by_the_transpose_of_what_maps_parameters(objective, standardisation, params, rng):
    curvature = ClassCurvature(objective, params, standardisation)
    assert_is_a_change_of_variables(curvature, objective, rng)


def test_is_the_same_where_rows_are_too_many_to_be_standardised_at_once(
    objective, standardisation, params, monkeypatch
):
    at_once = ClassCurvature(objective, params, standardisation)
    monkeypatch.setattr(by_class, "MOST_STANDARDISED", 0)
    by_block = ClassCurvature(objective, params, standardisation)
    np.testing.assert_array_equal(by_block.maps.numbers, at_once.maps.numbers)


def test_is_that_of_each_class_by_itself(objective, standardisation, params, monkeypatch):
    monkeypatch.setattr(by_class, "ROWS_PER_COLUMN", 10**6)
    monkeypatch.setattr(by_class, "MOST_DRAWN", 10**9)
    curvature = ClassCurvature(objective, params, standardisation)
    problem = objective.problem
    coef, intercept = problem.split(params)
    columns = standardisation.columns_of(objective.rows.X).T
    targets = objective.rows.targets.block(slice(0, N)).T
    moments = np.zeros((K, columns.shape[1], columns.shape[1]))
    for x, column, t in zip(objective.rows.X, columns, targets, strict=True):
        q = np.exp(x @ coef + intercept - (x @ coef + intercept).max())
        q /= q.sum()
        mass = t.sum()
        loss = -(t / mass) @ np.log(q)
        q += loss / (2 * (1 + loss) ** 2) * (t / mass - q)
        for k in range(K):
            moments[k] += mass * q[k] * (1 - q[k]) * np.outer(column, column) / problem.total
    ridge = np.zeros(columns.shape[1])
    ridge[:D] = problem.penalty.ridge / standardisation.scale**2
    for map_of_class, moment in zip(whole(curvature.maps), moments, strict=True):
        inverse = np.linalg.inv(map_of_class)
        np.testing.assert_allclose(inverse @ inverse.T, moment + np.diag(ridge), rtol=1e-3, atol=1e-4)


def test_of_many_rows_those_are_drawn_that_curve_a_class_or_stand_out(rng, monkeypatch):
    n = 6000
    X = np.hstack([rng.standard_normal((n, D)), np.zeros((n, 2))])
    X[7::500, D:] = 100 * rng.uniform(size=(12, 2))
    labels = HardLabels(rng.integers(K, size=n), K)
    targets = targets_of(Softmax, labels, np.ones(n), np.ones(K), 0.0)
    objective = LinearObjective(problem_of_rows(RowBlocks(X, targets), CrossEntropy(), C=1e3))
    standardisation = Standardisation.of(objective.problem)
    params = standardisation.to_params(0.5 * rng.standard_normal(objective.shape)).reshape(-1)
    gradient = objective(params)[1]
    monkeypatch.setattr(by_class, "ROWS_PER_COLUMN", 10**6)
    monkeypatch.setattr(by_class, "MOST_DRAWN", 10**9)
    of_all = ClassCurvature(objective, params, standardisation)
    monkeypatch.setattr(by_class, "ROWS_PER_COLUMN", 60)
    drawn = ClassCurvature(objective, params, standardisation)
    assert 1 < drawn.sweeps < 2
    first, second = (-curvature.to_params(curvature.pull_back(gradient)) for curvature in (of_all, drawn))
    assert not np.array_equal(first, second)
    scaled = [standardisation.scale[:, None] * objective.problem.split(step)[0] for step in (first, second)]
    np.testing.assert_allclose(scaled[1], scaled[0], rtol=0.3, atol=0.2 * np.abs(scaled[0]).max())


def test_a_row_that_is_far_on_the_wrong_side_curves_more_than_it_does_there(rng):
    X = np.array([[1.0], [-1.0], [1.0], [-1.0]])
    targets = targets_of(Softmax, HardLabels(np.arange(4) % 2, 2), np.ones(4), np.ones(2), 0.0)
    objective = LinearObjective(problem_of_rows(RowBlocks(X, targets), CrossEntropy(), C=1.0))
    params = np.array([-4.0, 4.0, 0.0, 0.0])

    def weights(signs):
        block = RowBlocks(X * signs, targets).block(slice(0, 4))
        curvature = objective.curvature_at(params)(block)
        return by_class.weights_by_class(curvature, block) / curvature.diagonals()

    assert (weights(1.0) > 50).all()  # all are wrong
    np.testing.assert_allclose(weights(-1.0), 1, rtol=1e-3)


def test_where_it_is_used(objective):
    n_features = 40
    X = np.random.default_rng(0).standard_normal((N, n_features))

    def kinds(X, link):
        targets = targets_of(link, HardLabels(np.arange(N) % 50, 50), np.ones(N), np.ones(50), 0.0)
        return [
            rung.curvature
            for rung in rungs_for(LinearObjective(problem_of_rows(RowBlocks(X, targets), CrossEntropy(), C=1.0)))
        ]

    assert ClassCurvature in kinds(X, Softmax)
    assert ClassCurvature not in kinds(scipy.sparse.csr_array(X), Softmax)
    assert ClassCurvature not in kinds(X, OneVsAll)
    assert ClassCurvature not in [rung.curvature for rung in rungs_for(objective)]  # the Hessian is cheap
    rungs = [Rung(DiagonalCurvature, 1.0, 10), Rung(KroneckerCurvature, 0.5, 10), Rung(ClassCurvature, 20.0, 10)]
    assert first_rung(rungs, is_cold=True) == 1
    assert [next_rung(rungs, 1, left) for left in (30, 60)] == [1, 2]


@pytest.mark.parametrize("C", [0.1, 100.0])
def test_it_leads_to_the_minimum(C, monkeypatch):
    X, y = overlapping(np.random.default_rng(0), n_classes=4)
    reference = SoftmaxRegressor(C=C, **TIGHT).fit(X, y)
    monkeypatch.setattr(minimisation, "rungs_for", lambda objective: [Rung(ClassCurvature, 1.0, 10)])
    model = SoftmaxRegressor(C=C, **TIGHT).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), reference.predict_proba(X), atol=1e-6)
    np.testing.assert_allclose(model.coef_.sum(axis=0), 0, atol=1e-9)


def test_memory_that_blocks_would_take_is_bounded(objective, monkeypatch):
    monkeypatch.setattr(ladder, "is_hessian_affordable", lambda objective: False)
    assert rungs_for(objective)[-1].curvature is ClassCurvature
    monkeypatch.setattr(ladder, "NUMBERS_OF_FACTORS", K * objective.shape[0] ** 2 - 1)
    assert rungs_for(objective)[-1].curvature is KroneckerCurvature


def test_columns_that_all_but_depend_on_each_other_have_digits_enough():
    n, n_features, n_classes = 300, 60, 30
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, n_features))
    logits = X @ rng.standard_normal((n_features, n_classes)) / 4
    y = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    y[:n_classes] = np.arange(n_classes)
    model = SoftmaxRegressor(C=100.0, fit_intercept=False).fit(X + 1e4 * np.linspace(1, 2, n_features), y)
    assert model.is_certified_
    assert model.n_iter_ < 100
