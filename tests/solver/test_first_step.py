"""A first step that takes no Hessian: what Newton's gains, where columns hardly depend on each other; else none."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from skce import SoftmaxRegressor
from skce._solver import sampled_newton
from skce._solver.curvature.exact import ExactCurvature
from skce._solver.descent import Descent
from skce._solver.first_step import step_from_zero
from skce._solver.minimisation import minimised
from skce._solver.objective import LinearObjective
from skce._solver.standardisation import Standardisation
from skce._solver.training import _cold
from skce.estimators.training_set import TrainingSet


def columns_of(kind, rng, n_rows=1000, n_features=80):
    """Columns (n, d) of a kind, and labels (n,) drawn by scores of them."""
    X = rng.standard_normal((n_rows, n_features))
    if kind == "indicators":
        X = np.greater(X, rng.uniform(0, 1.5, n_features)).astype(float)
    elif kind == "skewed, in units of their own":
        X = np.exp(X) * 10.0 ** rng.integers(-3, 4, n_features)
    elif kind == "of three factors":
        X = X + 2 * rng.standard_normal((n_rows, 3)) @ rng.standard_normal((3, n_features))
    elif kind == "like their neighbours":
        X = X.cumsum(axis=1)
    scores = (X - X.mean(axis=0)) / X.std(axis=0) @ rng.standard_normal(n_features)
    return X, (2 * scores / scores.std() + rng.logistic(size=n_rows) > 1).astype(int)


def descent_at_zero(problem):
    """The Descent of a problem from coefficients of zero, and Newton's decrement there."""
    objective = LinearObjective(problem)
    descent = Descent.from_best_of([_cold(problem)], objective)
    curvature = ExactCurvature(objective, descent.best.params, Standardisation.of(problem))
    _, (decrement,) = curvature.newton_step(descent.best.gradient)
    return descent, curvature, decrement


@pytest.mark.parametrize("kind", ["Gaussian", "indicators", "skewed, in units of their own"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("C", [0.01, 100.0])
def test_it_gains_what_newtons_does(kind, fit_intercept, C, rng):
    X, y = columns_of(kind, rng)
    X = X if fit_intercept else X - X.mean(axis=0)
    model = SoftmaxRegressor(C=C, fit_intercept=fit_intercept)
    with TrainingSet.read(model, X, y, rng.uniform(0.5, 2.0, len(y))).problem() as problem:
        descent, curvature, decrement = descent_at_zero(problem)
        step = step_from_zero(descent)
        # The quadratic along the step, by the Hessian itself.
        square = (curvature.cholesky_factors[0].lower.T @ _reduced(curvature, step)) ** 2
        assert -descent.best.gradient @ step - square.sum() / 2 >= 0.98 * decrement
        assert 2 <= descent.n_passes - 1 <= 3


def _reduced(curvature, step):
    """A step (p,) in the columns of a curvature of one logit, times their scale in its factor."""
    standardisation = curvature.standardisation
    reduced = step.copy()
    coef = reduced[: len(standardisation.mean)]
    if standardisation.fit_intercept:
        reduced[-1] += standardisation.mean @ coef
    coef *= standardisation.scale
    return reduced * curvature.cholesky_factors[0].scale


@pytest.mark.parametrize("kind", ["of three factors", "like their neighbours"])
def test_columns_that_depend_on_each_other_ask_for_a_hessian(kind, rng):
    X, y = columns_of(kind, rng)
    with TrainingSet.read(SoftmaxRegressor(), X, y, None).problem() as problem:
        descent, _, _ = descent_at_zero(problem)
        assert step_from_zero(descent) is None
        assert descent.n_passes == 2  # the first look has told


def test_sparse_columns_have_the_same(rng):
    X, y = columns_of("indicators", rng)
    steps = []
    for data in (X, csr_array(X)):
        with TrainingSet.read(SoftmaxRegressor(), data, y, None).problem() as problem:
            steps.append(step_from_zero(descent_at_zero(problem)[0]))
    np.testing.assert_allclose(*steps, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["Gaussian", "like their neighbours"])
@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
def test_fits_end_where_those_by_hessians_alone_do(kind, C, rng, monkeypatch):
    X, y = columns_of(kind, rng)
    model = SoftmaxRegressor(C=C).fit(X, y)
    monkeypatch.setattr(sampled_newton, "step_from_zero", lambda descent: None)
    other = SoftmaxRegressor(C=C, tol=1e-12).fit(X, y)
    assert model.is_certified_
    assert model.loss_ <= other.loss_ * (1 + 1e-7)


class StoppedAtOnce:
    """What a minimisation is watched by: it stops after an iteration."""

    def before_iteration(self, iterate):
        """Nothing."""

    def after_iteration(self, iterate):
        """Stop."""
        return True

    during_stage = after_stage = before_iteration


def test_a_fit_that_is_stopped_after_it_has_a_bound(rng):
    X, y = columns_of("Gaussian", rng)
    with TrainingSet.read(SoftmaxRegressor(), X, y, None).problem() as problem:
        solution = minimised(problem, [_cold(problem)], tol=1e-7, max_iter=10, watch=StoppedAtOnce())
    assert solution.reason == "stopped"
    assert solution.n_iter == 1
    assert solution.value < solution.loss_curve[0]
    assert solution.value - SoftmaxRegressor().fit(X, y).loss_ <= solution.gap_bound
