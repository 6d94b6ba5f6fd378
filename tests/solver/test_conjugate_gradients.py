"""Conjugate gradients against a dense solve, and the certificates that come of them."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from skce import OneVsAllClassifier, SoftmaxRegressor
from skce._labels.kinds_of_y import HardLabels
from skce._links.binary import Binary
from skce._links.one_vs_all import OneVsAll
from skce._links.softmax import Softmax
from skce._rows.blocks import RowBlocks
from skce._solver.conjugate_gradients import least_residual_step, newton_step
from skce._solver.curvature.exact import ExactCurvature
from skce._solver.curvature.kronecker import KroneckerCurvature
from skce._solver.descent import Descent
from skce._solver.objective import LinearObjective
from skce._solver.standardisation import Standardisation
from skce.losses import CrossEntropy, FocalLoss, GeneralizedCrossEntropy, Poly1Loss
from tests.problems import problem_of_rows, targets_of


def problem_at(link, n_classes, loss, rng, *, fit_intercept=True):
    """A Descent at random parameters, and its exact and its Kronecker curvature there."""
    X, y = rng.standard_normal((60, 5)) * [1, 10, 0.1, 1, 3], np.arange(60) % n_classes
    labels = HardLabels(y, n_classes)
    rows = RowBlocks(X, targets_of(link, labels, rng.uniform(size=60), np.ones(n_classes), 0.1))
    objective = LinearObjective(problem_of_rows(rows, loss, C=0.3, fit_intercept=fit_intercept))
    start = 0.1 * rng.standard_normal(objective.shape)
    if link is Softmax:
        start -= start.mean(axis=1, keepdims=True)
    standardisation = Standardisation.of(objective.problem)
    descent = Descent.from_best_of([start.ravel()], objective)
    return descent, *(kind(objective, start.ravel(), standardisation) for kind in (ExactCurvature, KroneckerCurvature))


@pytest.mark.parametrize(("link", "n_classes"), [(Softmax, 4), (Binary, 2), (OneVsAll, 3)])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_step_is_that_of_newton(link, n_classes, fit_intercept, rng):
    descent, exact, kronecker = problem_at(link, n_classes, CrossEntropy(), rng, fit_intercept=fit_intercept)
    slope = exact.pull_back(descent.best.gradient)
    expected = -exact.to_params(slope)
    step = least_residual_step(descent, kronecker, target=1e-26)
    np.testing.assert_allclose(step, expected, rtol=1e-8, atol=1e-10 * np.abs(expected).max())
    assert descent.n_passes > 1
    step, gain = newton_step(descent, kronecker, target=0)
    np.testing.assert_allclose(step, expected, rtol=0, atol=0.05 * np.abs(expected).max())
    decrement = exact.decrements(slope).sum()
    assert decrement <= gain <= 1.1 * decrement


def test_each_move_leaves_less_of_the_equation_than_the_last(rng):
    # Residuals of conjugate gradients rise and fall; so did the certificate of mfeat, which never came.
    descent, _, kronecker = problem_at(Softmax, 4, CrossEntropy(), rng)
    targets = [1e-2, 1e-4, 1e-8, 1e-16]
    passes = []
    for target in targets:
        descent.n_passes = 0
        least_residual_step(descent, kronecker, target)
        passes.append(descent.n_passes)
    assert passes == sorted(passes)


@pytest.mark.parametrize("loss", [FocalLoss(2.0), Poly1Loss(0.5), GeneralizedCrossEntropy(0.7)])
@pytest.mark.parametrize(("link", "n_classes"), [(Softmax, 4), (Binary, 2), (OneVsAll, 3)])
def test_the_hessian_of_any_loss_is_a_difference_of_gradients(loss, link, n_classes, rng):
    descent, _, kronecker = problem_at(link, n_classes, loss, rng)
    objective, params = descent.objective, descent.best.params
    hessian = np.stack(
        [(objective(params + move)[1] - objective(params - move)[1]) / 2e-5 for move in 1e-5 * np.eye(len(params))]
    )
    eigenvalues = np.linalg.eigvalsh((hessian + hessian.T) / 2)
    step, gain = newton_step(descent, kronecker, target=0)
    if np.isinf(gain):
        assert eigenvalues[0] < 0
        assert step @ hessian @ step < 0
        assert step @ descent.best.gradient <= 0
    else:
        expected = np.linalg.lstsq(hessian, -descent.best.gradient, rcond=1e-9)[0]
        decrement = -descent.best.gradient @ expected / 2
        assert decrement <= 1.001 * gain
        assert gain <= 1.11 * decrement


@pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])
@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
def test_digits_are_certified(make_estimator, C):
    assert make_estimator(C=C).fit(*load_digits(return_X_y=True)).is_certified_


def test_indicators_of_factors_are_certified_and_right(rng):
    # Columns of a factor sum to 1, so that a curvature of a few stages ago hid 1e-5 of the loss.
    codes = rng.integers(0, 12, (4000, 12))
    X = np.hstack([np.eye(12)[code] for code in codes.T])
    y = (codes[:, 0] % 2) ^ (codes[:, 1] % 2) ^ (rng.random(4000) < 0.002)
    for C in (1.0, 100.0):
        model = SoftmaxRegressor(C=C).fit(X, y)
        assert model.is_certified_
        assert model.loss_ / SoftmaxRegressor(C=C, tol=1e-12).fit(X, y).loss_ - 1 <= 1e-7
