"""Penalties: value, gradient and conjugate agree, and the solver needs no more than the protocol."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from sklearn.datasets import load_iris

from skce import SoftmaxRegressor
from skce._solver.problem import Iterate
from skce._solver.training import solver_for
from skce.estimators.training_set import problem_of
from skce.penalties import Ridge
from tests.differences import gradient_by_differences


@dataclass(frozen=True)
class RidgeByColumn:
    """A ridge (d,) of its own for each column of X."""

    ridge: np.ndarray
    is_shift_averse = True
    is_rotation_invariant = False
    is_zero = False

    def value(self, coef):
        return float(self.value_by_output(coef).sum())

    def value_by_output(self, coef):
        return self.ridge / 2 @ coef**2

    def gradient(self, coef, out):
        return np.multiply(self.ridge[:, None], coef, out=out)

    def conjugate(self, gradient):
        return float((gradient**2 / (2 * self.ridge[:, None])).sum())


@dataclass(frozen=True)
class FreeRidge(Ridge):
    """A ridge that is not known to want coefficients of mean 0 over the classes."""

    is_shift_averse = False


class Unwatched:
    def before_iteration(self, iterate):
        pass

    def after_iteration(self, iterate):
        return False

    def during_stage(self, descent):
        pass

    def after_stage(self, descent):
        pass


@pytest.fixture(params=[Ridge(0.7), RidgeByColumn(np.array([0.1, 2.0, 0.5, 1.0]))])
def penalty(request):
    return request.param


@pytest.fixture
def coef(rng):
    return rng.standard_normal((4, 3))


def test_value_is_that_of_the_outputs(penalty, coef):
    assert penalty.value(coef) == pytest.approx(penalty.value_by_output(coef).sum())
    expected = sum(
        ridge / 2 * c**2 for ridge, row in zip(np.broadcast_to(penalty.ridge, 4), coef, strict=True) for c in row
    )
    assert penalty.value(coef) == pytest.approx(expected)


def test_gradient_by_differences(penalty, coef):
    gradient = penalty.gradient(coef, out=np.empty_like(coef))
    differences = gradient_by_differences(lambda flat: penalty.value(flat.reshape(coef.shape)), coef.ravel())
    np.testing.assert_allclose(gradient.ravel(), differences, rtol=1e-9)


def test_conjugate_is_the_largest_of_what_it_bounds(penalty, coef, rng):
    # Fenchel and Young: equal at the gradient of the penalty, above it elsewhere.
    gradient = penalty.gradient(coef, out=np.empty_like(coef))
    assert penalty.conjugate(gradient) == pytest.approx(np.vdot(gradient, coef) - penalty.value(coef))
    other = rng.standard_normal(coef.shape)
    assert penalty.conjugate(gradient) > np.vdot(gradient, other) - penalty.value(other)


@pytest.mark.parametrize("ridge", [-1.0, np.nan, np.inf, "1", True])
def test_a_ridge_is_a_number_of_at_least_0(ridge):
    with pytest.raises(ValueError, match="ridge must be a finite number of at least 0, got"):
        Ridge(ridge)


@pytest.fixture
def problem():
    X, y = load_iris(return_X_y=True)
    model = SoftmaxRegressor(tol=1e-12).fit(X, y)
    with problem_of(model, X, y) as problem:
        yield problem


def solved(problem):
    return solver_for(problem)(problem, None, tol=1e-12, max_iter=1000, watch=Unwatched())


def test_the_problem_of_a_fitted_model_is_what_it_has_solved(problem):
    X, y = load_iris(return_X_y=True)
    model = SoftmaxRegressor(tol=1e-12).fit(X, y)
    solution = solved(problem)
    assert solution.value == model.loss_
    coef, intercept = Iterate(problem, solution.params).coef_intercept
    np.testing.assert_array_equal(coef, model.coef_)
    np.testing.assert_array_equal(intercept, model.intercept_)


def test_a_ridge_by_column_is_a_ridge_on_scaled_columns(problem):
    scale = np.array([0.5, 2.0, 1.0, 4.0])
    X, y = load_iris(return_X_y=True)
    scaled = SoftmaxRegressor(tol=1e-12).fit(X / scale, y)
    by_column = replace(problem, penalty=RidgeByColumn(problem.penalty.ridge * scale**2))
    solution = solved(by_column)
    assert solution.value == pytest.approx(scaled.loss_, rel=1e-10)
    assert solution.gap_bound >= solution.value - scaled.loss_ - 1e-13
    coef, _ = Iterate(by_column, solution.params).coef_intercept
    np.testing.assert_allclose(coef * scale, scaled.coef_, atol=1e-5)


def test_a_penalty_that_keeps_no_mean_at_zero_is_solved_too(problem):
    free = replace(problem, penalty=FreeRidge(problem.penalty.ridge))
    assert not free.is_centred
    assert solved(free).value == pytest.approx(solved(problem).value, rel=1e-10)
