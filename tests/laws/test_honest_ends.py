"""The law of an end without a certificate: a fit that does not warn is at a minimum, whatever its loss and its dtype.

How far down F goes from where a fit ended is found here by Newton's method with differences of the gradient for the
Hessian, in float64, which shares nothing with the solver but F and its gradient.
"""

import warnings

import numpy as np
import pytest
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning

from skce import OneVsAllClassifier, SoftmaxRegressor
from skce._solver.objective import LinearObjective
from skce.estimators.training_set import TrainingSet
from skce.losses import CrossEntropy, FocalLoss, GeneralizedCrossEntropy, Poly1Loss

LENGTHS = 4.0 ** np.arange(2, -8, -1)


def rare_indicator(rng, n_classes):
    """A column that is 1000 in a few rows of one class, which an old curvature does not see move."""
    X, y = np.zeros((2000, 2)), rng.integers(0, n_classes, 2000) * (rng.random(2000) < 0.02)
    X[:12, 0], y[:12] = 1000, 1
    X[:, 1] = rng.standard_normal(2000)
    return X, y


def heavy_tails(rng, n_classes):
    """Columns of numbers of bytes and packets, which all but tell the classes."""
    X = np.exp(2.5 * rng.standard_normal((1500, 2)) + 4)
    score = np.log(X) @ rng.standard_normal((2, n_classes)) * 3
    return np.c_[X, X.sum(axis=1)], (score + rng.gumbel(size=score.shape)).argmax(axis=1)


def fall_from(problem, params):
    """By how much F falls from some parameters to the minimum that they are near, and F there."""
    objective = LinearObjective(problem)
    size = np.sqrt(problem.moments.mean**2 + problem.moments.variance)
    unit = np.ones(problem.shape)
    unit[: len(size)] = 1 / np.where(size > 0, size, 1)[:, None]
    unit = unit.reshape(-1)
    start = value = objective(params)[0].sum()
    for _ in range(60):
        gradient = unit * objective(params)[1]
        moves = 1e-5 * np.eye(len(unit))
        hessian = np.stack(
            [unit * (objective(params + unit * e)[1] - objective(params - unit * e)[1]) / 2e-5 for e in moves]
        )
        curvatures, directions = np.linalg.eigh((hessian + hessian.T) / 2)
        slopes = directions.T @ gradient
        best = value
        for damping in (0, 1e-9, 1e-6, 1e-3):
            damped = np.maximum(np.abs(curvatures), 1e-13 * curvatures[-1]) + damping * curvatures[-1]
            step = -unit * (directions @ (slopes / damped))
            for length in LENGTHS:
                lower = objective(params + length * step)[0].sum()
                if lower < best:
                    best, lowest = lower, params + length * step
        if not best < value * (1 - 1e-13):
            break
        value, params = best, lowest
    return start - value, start


@pytest.mark.parametrize("data", [rare_indicator, heavy_tails])
@pytest.mark.parametrize(
    ("make_estimator", "n_classes"), [(SoftmaxRegressor, 2), (SoftmaxRegressor, 3), (OneVsAllClassifier, 3)]
)
@pytest.mark.parametrize(
    ("loss", "dtype", "C"),
    [
        (FocalLoss(2.0), np.float64, 1.0),
        (FocalLoss(2.0), np.float64, np.inf),
        (FocalLoss(2.0), np.float32, 1.0),
        (Poly1Loss(0.5), np.float64, 1.0),
        (Poly1Loss(0.5), np.float64, 100.0),
        (Poly1Loss(1.0), np.float64, 100.0),
        (GeneralizedCrossEntropy(0.7), np.float64, 1.0),
        (CrossEntropy(), np.float32, 1.0),
        (CrossEntropy(), np.float32, 100.0),
    ],
)
def test_a_fit_that_does_not_warn_is_at_a_minimum(data, make_estimator, n_classes, loss, dtype, C, rng):
    X, y = data(rng, n_classes)
    for container in (np.asarray, scipy.sparse.csr_array):
        model = make_estimator(loss=loss, C=C)
        given = container(X.astype(dtype))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(given, y)
        if any(issubclass(warning.category, ConvergenceWarning) for warning in caught):
            continue
        with TrainingSet.read(model, X.astype(dtype).astype(np.float64), y, None).problem() as problem:
            fall, value = fall_from(problem, problem.flat(model.coef_.astype(float), model.intercept_.astype(float)))
        assert fall <= 1e-6 * value
        assert fall <= 3 * model.suboptimality_ * value + 1e-9 * value


@pytest.mark.parametrize("loss", [FocalLoss(2.0), GeneralizedCrossEntropy(0.7)])
def test_the_estimate_of_one_vs_all_is_that_of_its_worst_column(loss, rng):
    # A column that all but never happens has a hundredth of the loss, of which the others hide how far it is.
    X = rng.standard_normal((3000, 3)) * [1, 100, 0.01]
    y = np.where(rng.random(3000) < 0.004, 2, (X[:, 0] + rng.logistic(size=3000) > 0).astype(int))
    model = OneVsAllClassifier(loss=loss, C=1.0).fit(X, y)
    for column in range(3):
        alone = SoftmaxRegressor(loss=loss, C=1.0).fit(X, (y == column).astype(int))
        tight = SoftmaxRegressor(loss=loss, C=1.0, tol=1e-12, max_iter=10_000).fit(X, (y == column).astype(int))
        alone.coef_, alone.intercept_ = model.coef_[[column]], model.intercept_[[column]]
        with TrainingSet.read(alone, X, (y == column).astype(int), None).problem() as problem:
            value = LinearObjective(problem)(problem.flat(alone.coef_, alone.intercept_))[0].sum()
        assert value / tight.loss_ - 1 <= 1e-6
