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
from skce._solver.conjugate_gradients import newton_step
from skce._solver.curvature.exact import ExactCurvature
from skce._solver.curvature.kronecker import KroneckerCurvature
from skce._solver.descent import Descent
from skce._solver.objective import LinearObjective
from skce._solver.standardisation import Standardisation
from skce.losses import CrossEntropy
from tests.problems import problem_of_rows, targets_of


@pytest.mark.parametrize(("link", "n_classes"), [(Softmax, 4), (Binary, 2), (OneVsAll, 3)])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_step_is_that_of_newton(link, n_classes, fit_intercept, rng):
    X, y = rng.standard_normal((60, 5)) * [1, 10, 0.1, 1, 3], np.arange(60) % n_classes
    labels = HardLabels(y, n_classes)
    rows = RowBlocks(X, targets_of(link, labels, rng.uniform(size=60), np.ones(n_classes), 0.1))
    objective = LinearObjective(problem_of_rows(rows, CrossEntropy(), C=0.3, fit_intercept=fit_intercept))
    start = 0.1 * rng.standard_normal(objective.shape).ravel()
    if link is Softmax:
        start = (start.reshape(objective.shape) - start.reshape(objective.shape).mean(axis=1, keepdims=True)).ravel()
    descent = Descent.from_best_of([start], objective)
    standardisation = Standardisation.of(objective.problem)
    exact = ExactCurvature(objective, start, standardisation)
    expected = -exact.to_params(exact.pull_back(descent.best.gradient))
    step = newton_step(descent, KroneckerCurvature(objective, start, standardisation), target=1e-26)
    np.testing.assert_allclose(step, expected, rtol=1e-8, atol=1e-10 * np.abs(expected).max())
    assert descent.n_passes > 1


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
