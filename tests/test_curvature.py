"""The coordinates that the solver works in: a change of variables and nothing else, and what it makes not matter."""

import numpy as np
import pytest
import scipy.sparse

from skce import OneVsAllClassifier, SoftmaxRegressor, _rows
from skce._curvature import DiagonalCurvature
from skce._objective import LinearObjective
from skce._targets import HardLabels, OneVsAllTargets, SoftmaxTargets
from skce.losses import FocalLoss
from tests.differences import gradient_by_differences
from tests.problems import overlapping

TIGHTEST = {"tol": 1e-14, "max_iter": 10_000}


@pytest.fixture(params=[SoftmaxTargets, OneVsAllTargets])
def targets(request, rng):
    return request.param(HardLabels(np.arange(20) % 3, 3), rng.uniform(size=20), np.array([1.0, 2.0, 0.5]), 0.1)


@pytest.fixture
def X(rng):
    return rng.standard_normal((20, 4)) * [1, 1e3, 1e-3, 0] + [0, 1e5, 0, 3]


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_value_and_gradient_are_those_of_the_objective(container, fit_intercept, targets, X, rng):
    objective = LinearObjective(container(X), targets, FocalLoss(1.0), C=2.0, fit_intercept=fit_intercept)
    curvature = DiagonalCurvature(objective)
    coordinates = rng.standard_normal(3 * (4 + fit_intercept))
    value, gradient = curvature(coordinates)
    assert value == objective(curvature.params(coordinates))[0]
    differences = gradient_by_differences(lambda coordinates: curvature(coordinates)[0], coordinates)
    np.testing.assert_allclose(gradient, differences, atol=1e-8 * np.abs(differences).max())
    np.testing.assert_allclose(curvature.coordinates(curvature.params(coordinates)), coordinates, rtol=1e-9)


@pytest.mark.parametrize("container", [np.asarray, np.asfortranarray, scipy.sparse.csr_array, scipy.sparse.csr_matrix])
def test_scales_are_weighted_standard_deviations(container, targets, X, rng, monkeypatch):
    monkeypatch.setattr(_rows, "ROWS_PER_BLOCK", 1)
    monkeypatch.setattr(_rows, "ELEMENTS_PER_BLOCK", 7)
    monkeypatch.setattr(_rows, "ELEMENTS_PER_SPARSE_BLOCK", 7)
    if container in (scipy.sparse.csr_array, scipy.sparse.csr_matrix):
        X = rng.standard_normal((20, 4)) * rng.integers(0, 2, size=(20, 4))
    weight = targets.sample_weight * np.array([1.0, 2.0, 0.5])[targets.labels.codes]
    mean = np.average(X, axis=0, weights=weight)
    spread = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))
    curvature = DiagonalCurvature(LinearObjective(container(X), targets, FocalLoss(1.0), C=np.inf, fit_intercept=True))
    np.testing.assert_allclose(curvature.mean, mean, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(curvature.scale, np.where(spread > 1e-9, spread, 1.0), rtol=1e-9)
    penalised = DiagonalCurvature(LinearObjective(container(X), targets, FocalLoss(1.0), C=0.5, fit_intercept=True))
    np.testing.assert_allclose(penalised.scale, np.sqrt(spread**2 + 4 / (0.5 * targets.total)), rtol=1e-9)
    uncentred = DiagonalCurvature(LinearObjective(container(X), targets, FocalLoss(1.0), C=np.inf, fit_intercept=False))
    np.testing.assert_allclose(uncentred.scale**2, np.average(X**2, axis=0, weights=weight), rtol=1e-9)
    assert not uncentred.mean.any()


@pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])
@pytest.mark.parametrize("scale", [1e-100, 1e-6, 1e6, 1e100])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_units_do_not_matter_without_a_penalty(make_estimator, scale, fit_intercept, rng):
    X, y = overlapping(rng, n_samples=200)
    model = make_estimator(C=np.inf, fit_intercept=fit_intercept, **TIGHTEST)
    expected = model.fit(X, y).predict_proba(X)
    scaled = X * np.array([1.0, scale, 1.0])
    np.testing.assert_allclose(model.fit(scaled, y).predict_proba(scaled), expected, atol=1e-6)


@pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])
@pytest.mark.parametrize("C", [0.01, 1.0, np.inf])
def test_adding_a_million_standard_deviations_to_a_column_does_not_matter(make_estimator, C, rng):
    X, y = overlapping(rng, n_samples=200)
    model = make_estimator(C=C, **TIGHTEST)
    expected = model.fit(X, y).predict_proba(X)
    shifted = X + np.array([0.0, 1e6 * X[:, 1].std(), 0.0])
    # Such a column keeps ten digits of its spread; so does F, and its minimum is known to the root of that.
    np.testing.assert_allclose(model.fit(shifted, y).predict_proba(shifted), expected, atol=1e-5)


@pytest.mark.parametrize("C", [1.0, np.inf])
def test_a_constant_column_does_not_matter_beside_an_intercept(C, rng):
    X, y = overlapping(rng, n_samples=200)
    model = SoftmaxRegressor(C=C, **TIGHTEST)
    expected = model.fit(X, y).predict_proba(X)
    for constant in (0.0, 0.1, 1e6):
        widened = np.column_stack([X, np.full(len(X), constant)])
        np.testing.assert_allclose(model.fit(widened, y).predict_proba(widened), expected, atol=1e-6)


@pytest.mark.parametrize("C", [1.0, np.inf])
def test_collinear_columns_have_the_optimum_of_one(C, rng):
    X, y = overlapping(rng, n_samples=200)
    model = SoftmaxRegressor(C=C, **TIGHTEST)
    # Two equal columns halve the penalty that their common effect pays; so does one column times the root of two.
    twice, rooted = np.column_stack([X, X[:, 0]]), X * np.array([np.sqrt(2), 1.0, 1.0])
    expected = model.fit(rooted, y).predict_proba(rooted)
    np.testing.assert_allclose(model.fit(twice, y).predict_proba(twice), expected, atol=1e-6)
